"""The database: one that is there, or one that is to be made."""

import math
import re
from collections.abc import Iterator

from local.deployment.account import Account, Order, Problem
from local.deployment.stack import Json
from tableferry.servers import Server, is_rds_proxy, rds_region

# What RDS makes of a new one, and of its user.
_NAMES = {
    "DatabaseName": (r"[A-Za-z][A-Za-z0-9_]{0,63}", "1 to 64 letters, digits and _"),
    "DatabaseUser": (r"[A-Za-z][A-Za-z0-9_]{0,15}", "1 to 16 letters, digits and _"),
}
_LEAST_PORT = 1150
_LEAST_GROWTH = 1.1
_ON = {"1", "on", "true"}
# What a load, and the making of triggers, needs of the server; and what it is where nobody says it.
_SETTINGS = {"local_infile": "MySQL has it off", "log_bin_trust_function_creators": "it is off"}


def existing(order: Order, account: Account) -> Iterator[Problem]:
    """The database that is there."""
    host = order.values["DatabaseHost"]
    if order.stack.condition("MakesDatabase") or not host:
        return
    there = account.at(rds_region(host) or account.region)
    if there is not account and order.values["VpcId"]:
        yield Problem(
            "DatabaseHost",
            f"it is in {there.region}, and the stack in {account.region}: no security group leads from one to the other.",
            f"Deploy into {there.region}: set region in samconfig.toml, or AWS_REGION and AWS_DEFAULT_REGION. Or, if the"
            " database has a public address, leave VpcId and what belongs to it out.",
        )
        return
    found = there.database(host)
    if found is None:
        if is_rds_proxy(host):
            yield Problem(
                "DatabaseHost",
                f"{host} is an endpoint of RDS Proxy, which Tableferry refuses.",
                "Name the database's own endpoint; docs/limits.md says why.",
            )
        elif rds_region(host):
            yield Problem(
                "DatabaseHost",
                f"no instance and no cluster of this account has the endpoint {host} in {there.region}.",
                "It is what aws rds describe-db-instances shows as Endpoint.Address, or a cluster's Endpoint.",
            )
        return  # a server that RDS does not know: nothing can be read of it here
    yield from _version(found)
    yield from _login(order, found)
    yield from _network(order, there, found)
    yield from _settings(there, found)


def server_of(engine: str, version: str) -> Server:
    """The server that an engine of RDS is, by the version that RDS gives it; Aurora's begins with MySQL's own.

    Of Aurora (``8.0.mysql_aurora.3.08.0``) that is the major version alone, of which all there are count as new enough.
    """
    numbers = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    text = f"{numbers[1]}.{numbers[2]}.{numbers[3] or 99}" if numbers else ""
    return Server.of(f"{text}-MariaDB" if engine == "mariadb" else text)


def _version(found: Json) -> Iterator[Problem]:
    engine, version = found["Engine"], found["EngineVersion"]
    if engine not in {"mysql", "mariadb", "aurora-mysql"}:
        yield Problem("DatabaseHost", f"it is {engine}.", "Tableferry works with MySQL and MariaDB.")
        return
    server = server_of(engine, version)
    if server.too_old:
        yield Problem(
            "DatabaseHost",
            f"it is {engine} {version}, and Tableferry needs {server.oldest}.",
            "Upgrade it; docs/limits.md says what holds for which server.",
        )


def _login(order: Order, found: Json) -> Iterator[Problem]:
    if order.stack.condition("HasSecret"):
        return
    name = found.get("DBInstanceIdentifier") or found["DBClusterIdentifier"]
    kind = "instance" if "DBInstanceIdentifier" in found else "cluster"
    if not found.get("IAMDatabaseAuthenticationEnabled"):
        yield Problem(
            "DatabaseResourceId",
            f"IAM authentication is off for {name}, so that no token lets anybody in.",
            f"aws rds modify-db-{kind} --db-{kind}-identifier {name} --enable-iam-database-authentication"
            " --apply-immediately, or name a secret in DatabaseSecretArn.",
        )
    right = found.get("DbiResourceId") or found.get("DbClusterResourceId")
    if right and right != order.values["DatabaseResourceId"]:
        yield Problem(
            "DatabaseResourceId",
            f"{order.values['DatabaseResourceId']} is not that of {order.values['DatabaseHost']}.",
            f"DatabaseResourceId={right}",
        )


def _network(order: Order, account: Account, found: Json) -> Iterator[Problem]:
    port = (
        found.get("Endpoint", {}).get("Port") if isinstance(found.get("Endpoint"), dict) else found.get("Port")
    ) or 3306
    if str(port) != order.values["DatabasePort"]:
        yield Problem(
            "DatabasePort",
            f"the database listens at {port}, not at {order.values['DatabasePort']}.",
            f"DatabasePort={port}",
        )
    wanted, subnets = order.values["VpcId"], found.get("DBSubnetGroup")
    if isinstance(subnets, str):
        [group] = account.every("rds", "describe_db_subnet_groups", "DBSubnetGroups", DBSubnetGroupName=subnets)
        subnets = group
    if wanted and subnets and subnets["VpcId"] != wanted:
        yield Problem("VpcId", f"the database is in {subnets['VpcId']}, not in {wanted}.", f"VpcId={subnets['VpcId']}")
    groups = [each["VpcSecurityGroupId"] for each in found.get("VpcSecurityGroups", ())]
    named = order.values["DatabaseSecurityGroupId"]
    if wanted and named and groups and named not in groups:
        yield Problem(
            "DatabaseSecurityGroupId",
            f"{named} is none of the database's groups, so that opening it opens nothing.",
            f"DatabaseSecurityGroupId={groups[0]}",
        )
    if not wanted and found.get("PubliclyAccessible") is False:
        yield Problem(
            "VpcId",
            "it is empty, and the database has no public address: functions outside its VPC do not reach it.",
            f"VpcId={subnets['VpcId']}, with SubnetIds, S3PrefixListId and DatabaseSecurityGroupId; the stack in its region,"
            f" {account.region}."
            if subnets
            else "Name its VPC.",
        )


def _settings(account: Account, found: Json) -> Iterator[Problem]:
    group, values = _parameters(account, found)
    for name, otherwise in _SETTINGS.items():
        if not group or (name == "local_infile" and found["Engine"] == "mariadb" and name not in values):
            continue  # MariaDB has it on
        if values.get(name, "0").lower() not in _ON:
            why = f"sets {name} to {values[name]}" if name in values else f"does not set {name}, and {otherwise}"
            own = "Make a parameter group of your own and give it to the database, for RDS's cannot be changed: set"
            yield Problem(
                "the database's parameter group",
                f"{group} {why}.",
                f"{own if group.startswith('default.') else 'Set'} {name} = 1 (docs/deploy.md, 2a).",
            )


def _parameters(account: Account, found: Json) -> tuple[str, dict[str, str]]:
    """The group that says them, and what it says. Of Aurora, the cluster's, and before them its writer's own."""
    instance, cluster = found, None
    if name := found.get("DBClusterIdentifier"):
        [cluster] = account.every("rds", "describe_db_clusters", "DBClusters", DBClusterIdentifier=name)
        members = [each for each in cluster.get("DBClusterMembers", ()) if each.get("IsClusterWriter")]
        if "DBInstanceIdentifier" not in found and members:
            name = members[0]["DBInstanceIdentifier"]
            [instance] = account.every("rds", "describe_db_instances", "DBInstances", DBInstanceIdentifier=name)
    group, values = "", {}
    if cluster is not None:
        group = cluster["DBClusterParameterGroup"]
        asked = {"DBClusterParameterGroupName": group}
        said = account.every("rds", "describe_db_cluster_parameters", "Parameters", **asked)
        values = _values(said)
    for each in instance.get("DBParameterGroups", ()):
        own = each["DBParameterGroupName"]
        said = account.every("rds", "describe_db_parameters", "Parameters", DBParameterGroupName=own)
        values |= _values([one for one in said if not group or one.get("Source") == "user"])
        group = group or own
    return group, values


def _values(said: list[Json]) -> dict[str, str]:
    return {each["ParameterName"]: str(each["ParameterValue"]) for each in said if "ParameterValue" in each}


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


CHECKS = (existing, to_be_made)
