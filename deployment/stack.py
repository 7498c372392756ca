"""A stack as CloudFormation would make it of the synthesised template and parameters: with its conditions decided."""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

from local.runtime.process import StartError
from local.runtime.state import ROOT

Json = dict[str, Any]
SAM_PYTHON = ROOT / ".venvs" / "sam" / "bin" / "python"
_NOTHING = object()


class Stack:
    """The resources that there are with these parameters, every ``Fn::If`` taken and parameters in their places.

    References to other resources stay what they are.
    """

    def __init__(self, template: Json, **parameters: object) -> None:
        if unknown := set(parameters) - set(template["Parameters"]):
            raise ValueError(f"the template has no such parameter: {unknown}")
        self.parameters = {
            name: _typed(parameters.get(name, declared.get("Default", name)), declared["Type"])
            for name, declared in template["Parameters"].items()
        }
        self._declared = template["Parameters"]
        self._conditions = template["Conditions"]
        self._rules = template["Rules"]
        self.resources: dict[str, Json] = {
            name: self._resolved(resource)
            for name, resource in template["Resources"].items()
            if "Condition" not in resource or self.condition(resource["Condition"])
        }

    def condition(self, name: str) -> bool:
        return bool(self._resolved(self._conditions[name]))

    def refusals(self) -> set[str]:
        """What CloudFormation says of the parameters before it makes anything: the assertions that do not hold."""
        return {
            str(assertion.get("AssertDescription", assertion["Assert"]))
            for rule in self._rules.values()
            if self._resolved(rule.get("RuleCondition", True))
            for assertion in rule["Assertions"]
            if not self._resolved(assertion["Assert"])
        }

    def malformed(self) -> dict[str, str]:
        """What CloudFormation says of each parameter by itself, before it looks at the rules: what is wrong with it."""
        given = {name: value if isinstance(value, list) else [value] for name, value in self.parameters.items()}
        texts = {name: ",".join(map(_text, values)) for name, values in given.items()}
        found = {name: fault(declared, texts[name]) for name, declared in self._declared.items()}
        return {name: said for name, said in found.items() if said}

    def of(self, kind: str) -> dict[str, Json]:
        """The properties of the resources of a type, by name."""
        return {name: found["Properties"] for name, found in self.resources.items() if found["Type"] == kind}

    def _resolved(self, value: Any) -> Any:
        if isinstance(value, list):
            found = [self._resolved(item) for item in value]
            return [item for item in found if item is not _NOTHING]
        if not isinstance(value, Mapping):
            return value
        if len(value) == 1:
            [(function, argument)] = value.items()
            if (known := getattr(self, "_fn_" + function.replace("Fn::", "").lower(), None)) is not None:
                return known(argument)
        kept = {name: self._resolved(item) for name, item in value.items()}
        return {name: item for name, item in kept.items() if item is not _NOTHING}

    def _fn_ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _NOTHING
        return self.parameters.get(name, {"Ref": name})

    def _fn_if(self, argument: Any) -> Any:
        condition, yes, no = argument
        return self._resolved(yes if self.condition(condition) else no)

    def _fn_condition(self, name: str) -> bool:
        return self.condition(name)

    def _fn_equals(self, argument: Any) -> bool:
        left, right = (str(self._resolved(item)) for item in argument)
        return left == right

    def _fn_not(self, argument: Any) -> bool:
        return not self._resolved(argument[0])

    def _fn_and(self, argument: Any) -> bool:
        return all(self._resolved(item) for item in argument)

    def _fn_or(self, argument: Any) -> bool:
        return any(self._resolved(item) for item in argument)

    def _fn_contains(self, argument: Any) -> bool:
        return self._resolved(argument[1]) in self._resolved(argument[0])

    def _fn_eachmemberin(self, argument: Any) -> bool:
        members, allowed = (self._resolved(item) for item in argument)
        return all(member in allowed for member in members)

    def _fn_eachmemberequals(self, argument: Any) -> bool:
        members, wanted = (self._resolved(item) for item in argument)
        return all(member == wanted for member in members)

    def _fn_join(self, argument: Any) -> Any:
        separator, parts = argument[0], self._resolved(argument[1])
        return (
            separator.join(parts) if all(isinstance(part, str) for part in parts) else {"Fn::Join": [separator, parts]}
        )


def synthesised() -> Json:
    """The template after SAM's transform."""
    return in_sam("tools.synthesize")


def in_sam(module: str, *arguments: str) -> Json:
    """What a module prints, as JSON, that runs in SAM CLI's environment.

    Raises:
        StartError: it ended with an error; the message is what it wrote of it.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(SAM_PYTHON), "-m", module, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise StartError(done.stderr.strip())
    made: Json = json.loads(done.stdout)
    return made


def values(value: Any) -> Iterator[Any]:
    """Everything inside a value, at any depth."""
    yield value
    for inner in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from values(inner)


def fault(declared: Json, value: str) -> str | None:
    """What is wrong with a value, or with a member of one with commas in it, by its parameter's declaration; None if nothing is.

    Patterns are Java's there and Python's here: they keep to what both have.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
    """
    for item in [each.strip() for each in value.split(",")] if is_list(declared["Type"]) else [value]:
        if wrong := _fault(declared, item):
            return f"{'It' if declared.get('NoEcho') else repr(item)} {wrong}."
    return None


def _fault(declared: Json, value: str) -> str | None:
    allowed = [_text(each) for each in declared.get("AllowedValues", ())]
    if allowed and value not in allowed:
        return f"is none of {', '.join(each or '(empty)' for each in allowed)}"
    pattern = declared.get("AllowedPattern")
    if pattern and not re.fullmatch(pattern, value):
        return f"does not match {pattern}"
    if not int(declared.get("MinLength", 0)) <= len(value) <= int(declared.get("MaxLength", 4096)):
        return "is too short or too long"
    if declared["Type"] in {"Number", "List<Number>"}:
        try:
            number = float(value)
        except ValueError:
            return "is no number"
        if not float(declared.get("MinValue", "-inf")) <= number <= float(declared.get("MaxValue", "inf")):
            return f"is not from {declared.get('MinValue', 'any')} to {declared.get('MaxValue', 'any')}"
    return None


def _text(value: object) -> str:
    """A value of the template as CloudFormation compares it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def is_list(kind: str) -> bool:
    """Whether a parameter of this type holds several values, with commas between them."""
    return kind == "CommaDelimitedList" or kind.startswith("List<")


def _typed(value: object, kind: str) -> object:
    return [item.strip() for item in str(value).split(",")] if is_list(kind) else value
