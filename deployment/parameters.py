"""What the template itself says of its parameters, which CloudFormation looks at late or one at a time."""

import re
import zoneinfo
from collections.abc import Iterator
from dataclasses import replace

from deployment.account import Account, Order, Problem
from deployment.stack import fault
from tableferry.config.settings import TableSettings
from tableferry.errors import TableferryError

_CRON_FIELDS = 6
_VARIABLES_LIMIT = 4096  # bytes, of all variables of a function


def samconfig(order: Order, _: Account) -> Iterator[Problem]:
    """samconfig.toml."""
    place = f"samconfig.toml, {order.environment}"
    if not order.options.get("resolve_s3") and not order.options.get("s3_bucket"):
        yield Problem(place, "it names no place for the built code.", "Set resolve_s3 = true.")
    said = order.options.get("capabilities") or ()
    has = set(said.split() if isinstance(said, str) else said)
    needed = _capability(order)
    if needed and not has & {needed, "CAPABILITY_NAMED_IAM"}:
        yield Problem(
            place,
            f"capabilities lacks {needed}, without which CloudFormation makes no role.",
            f'Set capabilities = "{needed}" in [{order.environment}.deploy.parameters].',
        )
    for name in order.given.keys() - order.template["Parameters"].keys():
        yield Problem(name, "the template has no such parameter.", f"Take it out of {place}, or mend its spelling.")
    if not order.given:
        yield Problem(
            place,
            "it gives no parameters.",
            f"Put them into parameter_overrides of [{order.environment}.global.parameters]: docs/deploy.md.",
        )


def _capability(order: Order) -> str | None:
    """What CloudFormation has to be allowed for the roles and policies of the stack."""
    found = [each for each in order.stack.resources.values() if each["Type"].startswith("AWS::IAM::")]
    names = {"RoleName", "ManagedPolicyName", "UserName", "GroupName", "InstanceProfileName"}
    if any(names & each.get("Properties", {}).keys() for each in found):
        return "CAPABILITY_NAMED_IAM"
    return "CAPABILITY_IAM" if found else None


def constraints(order: Order, _: Account) -> Iterator[Problem]:
    """What a parameter may be."""
    for name, declared in order.template["Parameters"].items():
        if "Default" not in declared and name not in order.given and not order.values[name]:
            remedy = f"Give it in samconfig.toml: {declared.get('Description', 'docs/deploy.md says what it is')}"
            yield Problem(name, "it is needed, and not given.", remedy)
        elif wrong := fault(declared, order.values[name]):
            remedy = declared.get("ConstraintDescription") or declared.get("Description") or "docs/deploy.md."
            yield Problem(name, wrong, remedy)


def sound(order: Order) -> Order:
    """The same with defaults, or nothing, in place of values that the parameters do not take: for whoever works with them."""
    declared = order.template["Parameters"]
    bad = {name for name, value in order.values.items() if fault(declared[name], value)}
    return replace(order, values=order.values | {name: str(declared[name].get("Default", "")) for name in bad})


def rules(order: Order, _: Account) -> Iterator[Problem]:
    """What parameters have to be together."""
    for said in sorted(order.stack.refusals()):
        yield Problem("the parameters together", said, "Change the parameters that it names.")


def table_settings(order: Order, _: Account) -> Iterator[Problem]:
    """What is said of the tables, which the functions read."""
    try:
        TableSettings.parse(order.values["TableSettings"])
    except TableferryError as error:
        yield Problem("TableSettings", str(error), "docs/loading.md says what may be said of each table.")
    for name, function in order.stack.of("AWS::Lambda::Function").items():
        variables = function.get("Environment", {}).get("Variables", {})
        size = sum(len(f"{key}{value}".encode()) for key, value in variables.items())
        if size > _VARIABLES_LIMIT:
            yield Problem(
                "TableSettings",
                f"the variables of {name} are {size:,} bytes, and Lambda takes {_VARIABLES_LIMIT:,}.",
                "Shorten TableSettings or Tables: what holds for all tables can be said once, of *.",
            )
            break


def schedules(order: Order, _: Account) -> Iterator[Problem]:
    """The schedules: what EventBridge Scheduler asks of them, and no pattern can say."""
    for name in ("BackupSchedule", "DrillSchedule", "RecoverSchedule"):
        fields = order.values[name].removeprefix("cron(").removesuffix(")").split()
        if (
            order.values[name].startswith("cron(")
            and len(fields) == _CRON_FIELDS
            and (fields[2], fields[4]).count("?") != 1
        ):
            yield Problem(
                name,
                f"{order.values[name]} names days of the month and of the week, of which Scheduler takes one.",
                "Write ? for the other, as in cron(0 3 * * ? *) or cron(0 3 ? * MON *).",
            )
        elif (rate := re.fullmatch(r"rate\((\d+) \w+\)", order.values[name])) and not int(rate[1]):
            yield Problem(name, f"{order.values[name]} is never.", "Leave it empty, or give 1 or more.")
    zone, known = order.values["ScheduleTimezone"], zoneinfo.available_timezones()
    if known and zone not in known:
        yield Problem("ScheduleTimezone", f"there is no time zone {zone}.", "Give one such as UTC or Europe/Berlin.")


CHECKS = (samconfig, constraints, rules, table_settings, schedules)
