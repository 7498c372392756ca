"""What the template says, read by SAM CLI's own parser: functions, routes, buckets, queues, triggers, state machines."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samcli.commands.local.lib.local_lambda import LocalLambdaRunner
from samcli.lib.providers.api_provider import ApiProvider
from samcli.lib.providers.sam_function_provider import SamFunctionProvider
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider

from local.gateway.chosen import Chosen
from local.gateway.function import Function
from local.gateway.machines import Machine, Rule, machines, rules

_KEPT = {"ScheduledRetry"}
_RATE = re.compile(r"rate\((\d+) (second|minute|hour)s?\)")  # AWS knows no seconds; tests do
_SECONDS = {"second": 1, "minute": 60, "hour": 3600}
_RETRIES = 2  # Lambda's own number, where a function says nothing
_BATCH = 10  # and of messages that one invocation takes
_ATTRIBUTES = ("VisibilityTimeout", "MessageRetentionPeriod")  # of a queue's, what is played here


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
    """A bucket that the template makes. One that ``tells_all`` does so to EventBridge, whose rules choose."""

    name: str
    versioned: bool
    tells_all: bool = False


@dataclass(frozen=True)
class Queue:
    """A queue that the template makes. A message that was taken ``tries`` times goes to ``dead_letters``, if there is."""

    name: str
    attributes: Mapping[str, str]
    tries: int = 0
    dead_letters: str | None = None


@dataclass(frozen=True)
class Notification:
    """Events of a bucket that go to a queue of the template's."""

    id: str
    bucket: str
    queue: str
    events: tuple[str, ...]
    rules: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Source:
    """A queue whose messages invoke a function, so many with each call, and no more than so many calls at once if it says."""

    queue: str
    function: str
    batch: int
    at_once: int | None


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
    queues: tuple[Queue, ...]
    notifications: tuple[Notification, ...]
    sources: tuple[Source, ...]
    schedules: tuple[Schedule, ...]
    machines: tuple[Machine, ...]
    rules: tuple[Rule, ...]
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
    chosen = Chosen(stacks[0].template_dict, parameters)
    buckets = {
        name: Bucket(
            resource["Properties"]["BucketName"],
            resource["Properties"].get("VersioningConfiguration", {}).get("Status") == "Enabled",
            _tells_all(resource["Properties"], chosen),
        )
        for name, resource in resources.items()
        if resource["Type"] == "AWS::S3::Bucket"
    }
    triggers = tuple(_triggers(resources, buckets))
    api = ApiProvider(stacks, cwd=folder, disable_authorizer=False).api
    return Project(
        functions,
        tuple(buckets.values()),
        triggers,
        tuple(_queues(resources)),
        tuple(_notifications(resources, buckets)),
        tuple(_sources(resources, chosen)),
        tuple(_schedules(resources)),
        tuple(machines(resources, chosen, template.parent, functions)),
        tuple(rules(resources, chosen)),
        api,
        runner,
    )


def _tells_all(bucket: Mapping[str, Any], chosen: Chosen) -> bool:
    told = chosen.of(bucket.get("NotificationConfiguration", {}).get("EventBridgeConfiguration"))
    return bool(told and told.get("EventBridgeEnabled"))


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
            found.append(
                Trigger(
                    id=f"{name}-{event}",
                    function=name,
                    bucket=buckets[properties["Bucket"]].name,
                    events=(events,) if isinstance(events, str) else tuple(events),
                    rules=_rules(properties),
                    retries=int(invoked.get("MaximumRetryAttempts", _RETRIES)),
                    dead_letters=_queue(resources, invoked.get("DestinationConfig", {}).get("OnFailure", {})),
                )
            )
    return found


def _rules(properties: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    rules = properties.get("Filter", {}).get("S3Key", {}).get("Rules", [])
    return tuple((rule["Name"], rule["Value"]) for rule in rules)


def _queues(resources: Mapping[str, Any]) -> list[Queue]:
    found = []
    for name, resource in resources.items():
        if resource["Type"] == "AWS::SQS::Queue":
            properties = resource.get("Properties", {})
            redrive = properties.get("RedrivePolicy", {})
            found.append(
                Queue(
                    name,
                    {attribute: str(properties[attribute]) for attribute in _ATTRIBUTES if attribute in properties},
                    int(redrive.get("maxReceiveCount", 0)),
                    _named(redrive["deadLetterTargetArn"]) if redrive else None,
                )
            )
    return found


def _notifications(resources: Mapping[str, Any], buckets: Mapping[str, Bucket]) -> list[Notification]:
    return [
        Notification(
            id=f"{name}-{number}",
            bucket=bucket.name,
            queue=_named(configuration["Queue"]),
            events=(configuration["Event"],),
            rules=_rules(configuration),
        )
        for name, bucket in buckets.items()
        for number, configuration in enumerate(
            resources[name]["Properties"].get("NotificationConfiguration", {}).get("QueueConfigurations", [])
        )
    ]


def _sources(resources: Mapping[str, Any], chosen: Chosen) -> list[Source]:
    found = []
    for name, resource in resources.items():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        for event in resource["Properties"].get("Events", {}).values():
            if event["Type"] == "SQS":
                properties = event["Properties"]
                scaling = chosen.of(properties.get("ScalingConfig")) or {}
                found.append(
                    Source(
                        queue=_named(properties["Queue"]),
                        function=name,
                        batch=int(properties.get("BatchSize", _BATCH)),
                        at_once=int(scaling.get("MaximumConcurrency", 0)) or None,
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
            function = _named(target["Arn"])
            seconds = int(rate[1]) * _SECONDS[rate[2]]
            found.append(Schedule(name, function, seconds, target["Input"].encode()))
    return found


def _named(arn: str) -> str:
    """The template's name of what an ARN is of: SAM CLI's parser ends each with that."""
    return arn.rsplit(":", 1)[-1]


def _queue(resources: Mapping[str, Any], destination: Mapping[str, str]) -> str | None:
    """The name of the queue of this template that a destination is."""
    name = _named(destination.get("Destination", ""))
    return name if resources.get(name, {}).get("Type") == "AWS::SQS::Queue" else None
