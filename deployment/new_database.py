"""The database that is to be made: whether RDS makes such a one in these zones."""

import math
import re
from collections.abc import Iterator

from deployment.account import Account, Order, Problem
from deployment.stack import Json

# What RDS makes of a new one, and of its user.
_NAMES = {
    "DatabaseName": (r"[A-Za-z][A-Za-z0-9_]{0,63}", "1 to 64 letters, digits and _"),
    "DatabaseUser": (r"[A-Za-z][A-Za-z0-9_]{0,15}", "1 to 16 letters, digits and _"),
}
_LEAST_PORT = 1150
_LEAST_GROWTH = 1.1


def to_be_made(order: Order, account: Account) -> Iterator[Problem]:
    """The database that is to be made."""
    made = order.first("AWS::RDS::DBInstance")
    if made is None or "Database" in account.ours:
        return
    yield from _what_rds_takes(order)
    engine, version = made["Engine"], str(made["EngineVersion"])
    offered = account.every("rds", "describe_db_engine_versions", "DBEngineVersions", Engine=engine)
    right = [each for each in offered if f"{each['EngineVersion']}.".startswith(f"{version}.")]
    group = order.first("AWS::RDS::DBParameterGroup")
    family = group["Family"] if group else None
    newest = [each["EngineVersion"] for each in offered if each["DBParameterGroupFamily"] == family]
    listed = ", ".join(sorted(newest, key=_by_number)[-3:]) or "none of its family"
    if not right:
        yield Problem(
            "DatabaseEngineVersion", f"RDS offers no {engine} {version} in {account.region}.", f"It offers {listed}."
        )
        return
    if family and all(each["DBParameterGroupFamily"] != family for each in right):
        yield Problem(
            "DatabaseEngineVersion",
            f"{version} is of {right[0]['DBParameterGroupFamily']}, and the template's parameter group of {family}.",
            f"Of that, RDS offers {listed}.",
        )
        return
    exact = max((each["EngineVersion"] for each in right), key=_by_number)
    yield from _class(order, account, made, exact)


def _what_rds_takes(order: Order) -> Iterator[Problem]:
    """Names, port and storage: what RDS asks of them for MySQL (CreateDBInstance), and the template, for others, does not."""
    for name, (pattern, words) in _NAMES.items():
        if order.values[name] and not re.fullmatch(pattern, order.values[name]):
            yield Problem(name, f"RDS makes none of the name {order.values[name]!r}.", f"{words}, a letter first.")
    if float(order.values["DatabasePort"]) < _LEAST_PORT:
        yield Problem("DatabasePort", f"RDS takes none below {_LEAST_PORT}.", "DatabasePort=3306")
    size, most = (float(order.values[name]) for name in ("DatabaseStorageGiB", "DatabaseMaxStorageGiB"))
    if most and most < size * _LEAST_GROWTH:
        yield Problem(
            "DatabaseMaxStorageGiB",
            f"{most:g} GiB is not a tenth more than the {size:g} of DatabaseStorageGiB, as RDS wants it.",
            f"DatabaseMaxStorageGiB={math.ceil(size * _LEAST_GROWTH)} or more, or 0.",
        )


def _by_number(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def _class(order: Order, account: Account, made: Json, version: str) -> Iterator[Problem]:
    """Whether RDS makes such an instance, with such storage, in the zones of the subnets."""
    kind, storage = made["DBInstanceClass"], made.get("StorageType")
    asked = {"Engine": made["Engine"], "EngineVersion": version, "DBInstanceClass": kind, "Vpc": True}
    found = account.every("rds", "describe_orderable_db_instance_options", "OrderableDBInstanceOptions", **asked)
    if not found:
        yield Problem(
            "DatabaseInstanceClass",
            f"RDS offers no {kind} for {made['Engine']} {version} in {account.region}.",
            f"aws rds describe-orderable-db-instance-options --engine {made['Engine']} --engine-version {version}"
            " --query 'OrderableDBInstanceOptions[].DBInstanceClass'",
        )
        return
    twice = str(made.get("MultiAZ", "false")).lower() == "true"
    fitting = [
        each
        for each in found
        if (storage is None or each.get("StorageType") == storage)
        and (each.get("MultiAZCapable") or not twice)
        and (each.get("SupportsStorageEncryption") or not made.get("StorageEncrypted"))
        and (each.get("SupportsIAMDatabaseAuthentication") or not made.get("EnableIAMDatabaseAuthentication"))
    ]
    if not fitting:
        yield Problem(
            "DatabaseInstanceClass",
            f"{kind} is not offered with {storage}, encryption and IAM authentication{' in two zones' if twice else ''}.",
            "Choose another class, such as db.t4g.medium.",
        )
        return
    size = int(float(made["AllocatedStorage"]))
    least = min(each.get("MinStorageSize", 0) for each in fitting)
    most = max(each.get("MaxStorageSize", size) for each in fitting)
    if not least <= size <= most:
        yield Problem(
            "DatabaseStorageGiB",
            f"{size} GiB is not from {least} to {most}, which {kind} has.",
            f"Give {least} or more.",
        )
    names = order.listed("SubnetIds")
    if names:
        asked_subnets = [{"Name": "subnet-id", "Values": names}]
        ours = {
            each["AvailabilityZone"]
            for each in account.every("ec2", "describe_subnets", "Subnets", Filters=asked_subnets)
        }
        theirs = {zone["Name"] for each in fitting for zone in each.get("AvailabilityZones", ())}
        if ours and theirs and len(ours & theirs) < (2 if twice else 1):
            yield Problem(
                "SubnetIds",
                f"RDS has {kind} in {', '.join(sorted(theirs))}, and the subnets are in {', '.join(sorted(ours))}.",
                "Name subnets in those zones, or another class.",
            )


CHECKS = (to_be_made,)
