"""The template as the emulator's CloudFormation can take it, as JSON: in SAM CLI's environment, `python … ROOT FILE`.

Left out are the alarms over metric math, of which it knows nothing. Its code stands where it stood. Beside it, as
`late.json`, the same with one resource more, which fails when all that is kept has been made.
"""

import json
import sys
from pathlib import Path

from samcli.yamlhelper import yaml_parse

root, file = map(Path, sys.argv[1:])
template = yaml_parse((root / "template.yaml").read_text(encoding="utf-8"))
resources = template["Resources"]
for name, resource in list(resources.items()):
    properties = resource.get("Properties", {})
    if resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in properties:
        del resources[name]
    for place in ("CodeUri", "ContentUri", "DefinitionUri"):
        if place in properties:
            properties[place] = str(root / properties[place])
file.write_text(json.dumps(template), encoding="utf-8")
kept = [name for name, resource in resources.items() if "DeletionPolicy" in resource and "Condition" not in resource]
resources["Late"] = {
    "Type": "AWS::CloudWatch::Alarm",
    "DependsOn": [*kept, "SigningKey"],
    "Properties": {"ComparisonOperator": "None", "EvaluationPeriods": 1, "Metrics": []},
}
file.with_name("late.json").write_text(json.dumps(template), encoding="utf-8")
