"""The template as CloudFormation gets it: with SAM's own transform, run here. Needs SAM CLI's environment.

Run as ``python -m tools.synthesize``; prints JSON. Nothing is uploaded: the code's places in S3 are made up.
"""

import json
import sys
from pathlib import Path
from typing import Any

from boto3 import Session
from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

TEMPLATE = Path(__file__).parent.parent / "template.yaml"
REGION = "eu-central-1"


def synthesise(template: dict[str, Any]) -> dict[str, Any]:
    """The transformed template; parameters and conditions stay as they are."""
    for resource in template["Resources"].values():
        for name in ("CodeUri", "ContentUri", "DefinitionUri"):
            if name in resource.get("Properties", {}):
                resource["Properties"][name] = f"s3://code/{resource['Properties'][name]}"
    translator = Translator({}, Parser(), boto_session=Session(region_name=REGION))
    made: dict[str, Any] = translator.translate(template, {})
    return made


if __name__ == "__main__":
    json.dump(synthesise(yaml_parse(TEMPLATE.read_text(encoding="utf-8"))), sys.stdout, indent=1)
