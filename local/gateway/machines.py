"""The template's state machines, and the rules on the bucket that start them, made in the emulator's engine.

Step Functions there runs the definition as it is deployed. Its steps are calls of functions, which the emulator asks us
for at Lambda's own address (`local.gateway.api`, `local.runtime.s3_steps`): so they are processes of our pool, as with any
other call, with the same environment, log and end. An execution lasts no longer than the emulator: a job of one that was
under way is shown as dead.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from local.gateway.chosen import Chosen
from local.gateway.function import Function

NO_CODE = b"PK\x05\x06" + bytes(18)  # an archive without files: Lambda has to be given one
_ROLE = "arn:aws:iam::000000000000:role/none"  # nobody is asked for it here


@dataclass(frozen=True)
class Machine:
    """A state machine, with its definition as it is deployed, and the functions that it names."""

    name: str
    definition: str
    functions: tuple[str, ...]


@dataclass(frozen=True)
class Rule:
    """Events, by their pattern, that start a state machine; ``transformer`` says with which input."""

    name: str
    pattern: Mapping[str, Any]
    machine: str
    transformer: Mapping[str, Any]


def machines(
    resources: Mapping[str, Any], chosen: Chosen, folder: Path, functions: Mapping[str, Function]
) -> Iterator[Machine]:
    """The state machines of a template that lies in this folder."""
    for name, resource in resources.items():
        if resource["Type"] != "AWS::Serverless::StateMachine" or not chosen.is_made(resource):
            continue
        properties = resource["Properties"]
        text = (folder / properties["DefinitionUri"]).read_text(encoding="utf-8")
        named = []
        for placeholder, value in properties.get("DefinitionSubstitutions", {}).items():
            function = functions.get(value.rpartition(":")[2])
            if function is not None:
                named.append(function.name)
            text = text.replace("${" + placeholder + "}", function.arn if function else value)
        yield Machine(name, text, tuple(named))


def rules(resources: Mapping[str, Any], chosen: Chosen) -> Iterator[Rule]:
    """The rules of a template whose target is a state machine."""
    for name, resource in resources.items():
        if resource["Type"] != "AWS::Events::Rule" or not chosen.is_made(resource):
            continue
        for target in resource["Properties"]["Targets"]:
            transformer = target.get("InputTransformer", {})
            yield Rule(name, resource["Properties"]["EventPattern"], target["Arn"], transformer)


def make(
    made: tuple[Machine, ...], started_by: tuple[Rule, ...], functions: Mapping[str, Function], url: str, port: int
) -> None:
    """Make them in the emulator at ``url``; the API's port is where it finds functions."""
    if not made:
        return
    engine, events, calls = (
        boto3.client(service, endpoint_url=url) for service in ("stepfunctions", "events", "lambda")
    )
    for name in sorted({name for machine in made for name in machine.functions}):
        _make_function(calls, functions[name], f"http://127.0.0.1:{port}/2015-03-31/functions/{name}/invocations")
    arns = {
        machine.name: engine.create_state_machine(name=machine.name, definition=machine.definition, roleArn=_ROLE)[
            "stateMachineArn"
        ]
        for machine in made
    }
    for rule in started_by:
        events.put_rule(Name=rule.name, EventPattern=json.dumps(rule.pattern))
        target = {"Id": rule.machine, "Arn": arns[rule.machine], "RoleArn": _ROLE}
        if rule.transformer:
            target["InputTransformer"] = dict(rule.transformer)
        events.put_targets(Rule=rule.name, Targets=[target])


def _make_function(calls: Any, function: Function, address: str) -> None:
    calls.create_function(
        FunctionName=function.name,
        Runtime="provided.al2023",
        Handler=function.handler,
        Role=_ROLE,
        Code={"ZipFile": NO_CODE},
        Timeout=int(function.timeout),
        Environment={"Variables": {"FUNCTION_URL": address}},
    )
