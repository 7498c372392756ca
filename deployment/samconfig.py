"""What samconfig.toml says of an environment's deployment, read as `sam deploy` reads it. Needs SAM CLI's environment.

Run as ``python -m deployment.samconfig dev``; prints JSON: the options of `sam deploy`, its parameters by name, and
which environments there are.
"""

import json
import sys
from typing import Any

import click
from samcli.cli.types import CfnParameterOverridesType
from samcli.lib.config.exceptions import SamConfigFileReadException
from samcli.lib.config.samconfig import SamConfig

from local.runtime.state import ROOT


def read(folder: str, environment: str) -> dict[str, Any]:
    """The options of the environment's deployment, `parameter_overrides` as a mapping."""
    config = SamConfig(folder)
    options = dict(config.get_all(["deploy"], "parameters", environment))
    overrides = options.get("parameter_overrides") or ()
    given = CfnParameterOverridesType().convert(
        tuple(overrides) if isinstance(overrides, list) else overrides, None, None
    )
    return {
        "environments": config.get_stage_configuration_names(),
        "options": {name: value for name, value in options.items() if name != "parameter_overrides"},
        "parameters": given,
    }


if __name__ == "__main__":
    [name, *folder] = sys.argv[1:]
    try:
        found = read(folder[0] if folder else str(ROOT), name)
    except click.UsageError as error:  # as `sam deploy` would say it
        sys.exit(f"samconfig.toml, {name}: {error.message} For an empty value write Name=''.")
    except SamConfigFileReadException as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        sys.exit(f"samconfig.toml is not TOML that can be read: {cause}")
    json.dump(found, sys.stdout)
