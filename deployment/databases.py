"""The database that is there."""

from collections.abc import Iterator

from deployment.account import Account, Order, Problem
from deployment.stack import Json
from tableferry.config.rds_hosts import is_rds_proxy, rds_region
from tableferry.mysql.version import Server

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


def _version(found: Json) -> Iterator[Problem]:
    engine, version = found["Engine"], found["EngineVersion"]
    if engine not in {"mysql", "mariadb", "aurora-mysql"}:
        yield Problem("DatabaseHost", f"it is {engine}.", "Tableferry works with MySQL and MariaDB.")
        return
    server = Server.of(f"{version}-MariaDB" if engine == "mariadb" else version)
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


CHECKS = (existing,)
