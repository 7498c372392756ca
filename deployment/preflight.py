"""`make preflight ENV=dev`: every problem that a deployment would meet in this account, before the first change.

Run as ``python -m deployment.preflight dev``. It only reads. Exit status 0: nothing stands in the way; 1: it says what.
"""

import argparse
import sys
from collections.abc import Sequence

from botocore.exceptions import BotoCoreError, ClientError

from deployment import (
    callers,
    databases,
    domain,
    network,
    new_database,
    parameters,
    places,
    quotas,
    replica,
    secrets,
    session,
)
from deployment.account import Account, Check, Order, Problem, refused
from deployment.stack import Json, synthesised
from local.runtime.process import StartError

# Of parameters alone, and of what they name, which is asked only where it can be a name.
CHECKS: tuple[Check, ...] = parameters.CHECKS
CHECKS_OF_THE_ACCOUNT: tuple[Check, ...] = (
    *places.CHECKS,
    *network.CHECKS,
    *databases.CHECKS,
    *new_database.CHECKS,
    *secrets.CHECKS,
    *replica.CHECKS,
    *domain.CHECKS,
    *callers.CHECKS,
    *quotas.CHECKS,
)


def order(environment: str, said: Json, template: Json, standing: Json | None = None) -> Order:
    """What is to be deployed: samconfig.toml's parameters, before those that the stack has, before the template's own."""
    earlier = {each["ParameterKey"]: each["ParameterValue"] for each in (standing or {}).get("Parameters", ())}
    values = {}
    for name, declared in template["Parameters"].items():
        default = declared.get("Default", "")
        value = said["parameters"].get(name, earlier.get(name, default))
        values[name] = str(value).lower() if isinstance(value, bool) else str(value)
    options = said["options"]
    return Order(environment, str(options["stack_name"]), options, template, said["parameters"], values)


def problems(wanted: Order, account: Account) -> list[Problem]:
    """Everything that is found."""
    found = [problem for check in CHECKS for problem in refused(check, wanted, account)]
    sound = parameters.sound(wanted)
    return found + [problem for check in CHECKS_OF_THE_ACCOUNT for problem in refused(check, sound, account)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Look, and say what is found; return the exit status."""
    parser = argparse.ArgumentParser(prog="preflight", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("environment", help="of samconfig.toml, such as dev")
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        return _run(options.environment, options.folder)
    except (StartError, BotoCoreError, ClientError) as error:
        print(f"preflight: {error}", file=sys.stderr)
        return 1


def _run(environment: str, folder: str | None) -> int:
    said = session.said(environment, folder)
    account = Account(session.opened(said["options"]), str(said["options"]["stack_name"]))
    where = f"stack {said['options']['stack_name']}, account {account.number}, {account.region}"
    wanted = order(environment, said, synthesised(), account.standing)
    found = problems(wanted, account)
    for number, problem in enumerate(found, 1):
        print(f"{number}. {problem}\n")
    if found:
        print(f"{len(found)} problem{'s' if len(found) > 1 else ''}; nothing was changed ({where}).")
        return 1
    print(f"Nothing stands in the way: {len(CHECKS + CHECKS_OF_THE_ACCOUNT)} checks ({where}).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
