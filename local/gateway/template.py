"""What the template says, read by SAM CLI's own parser: functions with their environment, routes, buckets and triggers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samcli.commands.local.lib.local_lambda import LocalLambdaRunner
from samcli.lib.providers.api_provider import ApiProvider
from samcli.lib.providers.sam_function_provider import SamFunctionProvider
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider

from local.gateway.function import Function

_KEPT = {"ScheduledRetry"}
_RATE = re.compile(r"rate\((\d+) (second|minute|hour)s?\)")  # AWS knows no seconds; tests do
_SECONDS = {"second": 1, "minute": 60, "hour": 3600}
_RETRIES = 2  # Lambda's own number, where a function says nothing


@dataclass(frozen=True)
class Trigger:
    """An event of a bucket that invokes a function.

    One that fails is tried so many times more; ``dead_letters`` is the template's queue that then gets it, if there is.
    """

    id: str
    function: str
    bucket: str
    events: tuple[str, ...]
    rules: tuple[tuple[str, str], ...]
    retries: int
    dead_letters: str | None


@dataclass(frozen=True)
class Bucket:
    """A bucket that the template makes."""

    name: str
    versioned: bool


@dataclass(frozen=True)
class Schedule:
    """An event of a function's that comes every so many seconds."""

    name: str
    function: str
    seconds: float
    event: bytes


@dataclass(frozen=True)
class Project:
    """All that the runtime takes from a template. ``api`` is SAM CLI's, ``runner`` too: they go to its services."""

    functions: Mapping[str, Function]
    buckets: tuple[Bucket, ...]
    triggers: tuple[Trigger, ...]
    schedules: tuple[Schedule, ...]
    api: Any
    runner: Any


def read(template: Path, parameters: Mapping[str, str], variables: Mapping[str, str]) -> Project:
    """Parse a template with values for its parameters.

    ``variables`` replace those that the template declares, as `sam local --env-vars` does; others are not added.
    """
    folder = str(template.parent)
    stacks, _ = SamLocalStackProvider.get_stacks(str(template), parameter_overrides=dict(parameters))
    provider = SamFunctionProvider(stacks, use_raw_codeuri=False)
    runner = LocalLambdaRunner(
        local_runtime=None,
        function_provider=provider,
        cwd=folder,
        real_path=folder,
        env_vars_values={"Parameters": dict(variables)},
    )
    functions = {function.name: _function(runner.get_invoke_config(function)) for function in provider.get_all()}
    resources: Mapping[str, Any] = stacks[0].resources
    buckets = {
        name: Bucket(
            resource["Properties"]["BucketName"],
            resource["Properties"].get("VersioningConfiguration", {}).get("Status") == "Enabled",
        )
        for name, resource in resources.items()
        if resource["Type"] == "AWS::S3::Bucket"
    }
    triggers = tuple(_triggers(resources, buckets))
    api = ApiProvider(stacks, cwd=folder, disable_authorizer=False).api
    return Project(functions, tuple(buckets.values()), triggers, tuple(_schedules(resources)), api, runner)


def _function(config: Any) -> Function:
    return Function(
        name=config.name,
        handler=config.handler,
        code=Path(config.code_abs_path),
        layers=tuple(Path(layer.codeuri) for layer in config.layers),
        timeout=config.timeout,
        memory=config.memory,
        environment=config.env_vars.resolve(),
    )


def _triggers(resources: Mapping[str, Any], buckets: Mapping[str, Bucket]) -> list[Trigger]:
    found = []
    for name, resource in resources.items():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        invoked = resource["Properties"].get("EventInvokeConfig", {})
        for event, source in resource["Properties"].get("Events", {}).items():
            if source["Type"] != "S3":
                continue
            properties = source["Properties"]
            events = properties["Events"]
            rules = properties.get("Filter", {}).get("S3Key", {}).get("Rules", [])
            found.append(
                Trigger(
                    id=f"{name}-{event}",
                    function=name,
                    bucket=buckets[properties["Bucket"]].name,
                    events=(events,) if isinstance(events, str) else tuple(events),
                    rules=tuple((rule["Name"], rule["Value"]) for rule in rules),
                    retries=int(invoked.get("MaximumRetryAttempts", _RETRIES)),
                    dead_letters=_queue(resources, invoked.get("DestinationConfig", {}).get("OnFailure", {})),
                )
            )
    return found


def _schedules(resources: Mapping[str, Any]) -> list[Schedule]:
    """The schedules that are kept here. The others are for a deployment: nobody's laptop is to take backups at night."""
    found = []
    for name in _KEPT & resources.keys():
        properties = resources[name]["Properties"]
        rate = _RATE.fullmatch(properties["ScheduleExpression"])
        if rate is not None:
            target = properties["Target"]
            function = target["Arn"].rsplit(":", 1)[-1]  # with which SAM CLI's parser ends an ARN
            seconds = int(rate[1]) * _SECONDS[rate[2]]
            found.append(Schedule(name, function, seconds, target["Input"].encode()))
    return found


def _queue(resources: Mapping[str, Any], destination: Mapping[str, str]) -> str | None:
    """The name of the queue of this template that a destination is; SAM CLI's parser ends an ARN with that name."""
    name = destination.get("Destination", "").rsplit(":", 1)[-1]
    return name if resources.get(name, {}).get("Type") == "AWS::SQS::Queue" else None
