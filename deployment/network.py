"""The network: subnets, security groups and the ways out of them."""

from collections.abc import Iterator, Sequence

from deployment.account import Account, Order, Problem
from deployment.stack import Json


def _listed(account: Account, operation: str, member: str, of: str, names: Sequence[str]) -> dict[str, Json]:
    """What there is of these names, by name. By a filter: a name that is nobody's is no error then, but missing."""
    if not names:
        return {}
    kind = {"vpc-id": "VpcId", "subnet-id": "SubnetId", "route-table-id": "RouteTableId", "group-id": "GroupId"}[of]
    found = account.every("ec2", operation, member, Filters=[{"Name": of, "Values": list(names)}])
    return {each[kind]: each for each in found}


def vpc(order: Order, account: Account) -> Iterator[Problem]:
    """The VPC."""
    wanted = order.values["VpcId"]
    if not wanted:
        return
    if not _listed(account, "describe_vpcs", "Vpcs", "vpc-id", [wanted]):
        yield Problem(
            "VpcId",
            f"there is no {wanted} in {account.region}.",
            "It is the database's: aws rds describe-db-instances shows it as DBSubnetGroup.VpcId.",
        )
    elif order.stack.condition("UsesSecretsEndpoint"):
        for attribute in ("enableDnsSupport", "enableDnsHostnames"):
            answer = account.client("ec2").describe_vpc_attribute(VpcId=wanted, Attribute=attribute)
            if not answer[attribute[0].upper() + attribute[1:]]["Value"]:
                yield Problem(
                    "VpcId",
                    f"{attribute} is off, which an endpoint with private names needs.",
                    f"aws ec2 modify-vpc-attribute --vpc-id {wanted} --{_dashed(attribute)} Value=true",
                )


def _dashed(name: str) -> str:
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)


def subnets(order: Order, account: Account) -> Iterator[Problem]:
    """The subnets."""
    names = order.listed("SubnetIds")
    if not names or not order.values["VpcId"]:
        return
    found = _listed(account, "describe_subnets", "Subnets", "subnet-id", names)
    for name in names:
        if name not in found:
            yield Problem("SubnetIds", f"there is no {name} in {account.region}.", "Name private subnets of the VPC.")
            continue
        if (other := found[name]["VpcId"]) != order.values["VpcId"]:
            yield Problem(
                "SubnetIds", f"{name} is in {other}, not in {order.values['VpcId']}.", "Name subnets of the VPC."
            )
        if found[name].get("MapPublicIpOnLaunch"):
            yield Problem(
                "SubnetIds",
                f"{name} is public (MapPublicIpOnLaunch).",
                "Name private ones: functions have no public address in either, and a database is not to have one.",
            )
    zones = {each["AvailabilityZone"] for each in found.values()}
    if len(zones) == 1:
        yield Problem(
            "SubnetIds",
            f"all are in one zone ({zones.pop()}): RDS takes no such subnets, and functions stop when the zone does.",
            "Name subnets in two zones or more.",
        )


def way_to_s3(order: Order, account: Account) -> Iterator[Problem]:
    """The way to S3."""
    wanted, names = order.values["VpcId"], order.listed("SubnetIds")
    if not wanted or not names:
        return
    gateways = account.every(
        "ec2",
        "describe_vpc_endpoints",
        "VpcEndpoints",
        Filters=[
            {"Name": "vpc-id", "Values": [wanted]},
            {"Name": "service-name", "Values": [f"com.amazonaws.{account.region}.s3"]},
        ],
    )
    ours = account.ours.get("S3Endpoint")
    served = {
        table: each["VpcEndpointId"]
        for each in gateways
        if each.get("VpcEndpointType", "Gateway") == "Gateway" and each["VpcEndpointId"] != ours
        for table in each.get("RouteTableIds", ())
    }
    given = order.listed("RouteTableIds")
    tables = {
        each["RouteTableId"]: each
        for each in account.every(
            "ec2", "describe_route_tables", "RouteTables", Filters=[{"Name": "vpc-id", "Values": [wanted]}]
        )
    }
    for name in given:
        if name not in tables:
            yield Problem(
                "RouteTableIds", f"{name} is not in {wanted}.", "Name route tables of the subnets, in the same VPC."
            )
        elif name in served:
            yield Problem(
                "RouteTableIds",
                f"{name} has a gateway endpoint for S3 already ({served[name]}), and takes no second one.",
                "Leave it out; where none is left, leave RouteTableIds empty.",
            )
    for subnet in names:
        table = _table_of(subnet, tables)
        if table is None or table in served or table in given or _leads_out(tables[table]):
            continue
        yield Problem(
            "RouteTableIds",
            f"{subnet} has no way to S3: its route table {table} has no gateway endpoint.",
            f"Add {table} to RouteTableIds; the stack makes the endpoint.",
        )


def _table_of(subnet: str, tables: dict[str, Json]) -> str | None:
    """The route table that a subnet goes by: its own, or the VPC's main one."""
    main = None
    for name, table in tables.items():
        for association in table.get("Associations", ()):
            if association.get("SubnetId") == subnet:
                return name
            if association.get("Main"):
                main = name
    return main


def _leads_out(table: Json) -> bool:
    """Whether everything that is not of the VPC goes to a NAT or a transit gateway, and with it what is meant for S3."""
    return any(
        route.get("DestinationCidrBlock") == "0.0.0.0/0"
        and (route.get("NatGatewayId") or route.get("TransitGatewayId"))
        for route in table.get("Routes", ())
    )


def prefix_list(order: Order, account: Account) -> Iterator[Problem]:
    """The prefix list of S3."""
    given = order.values["S3PrefixListId"]
    if not given or not order.values["VpcId"]:
        return
    name = f"com.amazonaws.{account.region}.s3"
    asked = [{"Name": "prefix-list-name", "Values": [name]}]
    found = account.every("ec2", "describe_managed_prefix_lists", "PrefixLists", Filters=asked)
    right = [each["PrefixListId"] for each in found]
    if right and given not in right:
        yield Problem("S3PrefixListId", f"{given} is not that of S3 in {account.region}.", f"S3PrefixListId={right[0]}")


def security_groups(order: Order, account: Account) -> Iterator[Problem]:
    """The security groups."""
    wanted = order.values["VpcId"]
    for parameter in ("DatabaseSecurityGroupId", "SecretsEndpointSecurityGroupId"):
        name = order.values[parameter]
        if not wanted or not name:
            continue
        group = _listed(account, "describe_security_groups", "SecurityGroups", "group-id", [name]).get(name)
        if group is None:
            yield Problem(parameter, f"there is no {name} in {account.region}.", f"Name a security group of {wanted}.")
        elif group["VpcId"] != wanted:
            yield Problem(parameter, f"{name} is in {group['VpcId']}, not in {wanted}.", "Name one of the VPC.")


def secrets_endpoint(order: Order, account: Account) -> Iterator[Problem]:
    """The way to Secrets Manager."""
    named = order.values["SecretsEndpointSecurityGroupId"]
    if not order.stack.condition("UsesSecretsEndpoint"):  # that which the stack makes has a name of its own
        return
    asked = [
        {"Name": "vpc-id", "Values": [order.values["VpcId"]]},
        {"Name": "service-name", "Values": [f"com.amazonaws.{account.region}.secretsmanager"]},
    ]
    found = account.every("ec2", "describe_vpc_endpoints", "VpcEndpoints", Filters=asked)
    groups = [of["GroupId"] for each in found if each.get("PrivateDnsEnabled") for of in each.get("Groups", ())]
    if not groups:
        yield Problem(
            "SecretsEndpointSecurityGroupId",
            f"{order.values['VpcId']} has no endpoint for Secrets Manager with private DNS, to which a function would come.",
            "Leave it out, and set CreateSecretsEndpoint=true.",
        )
    elif named not in groups:
        yield Problem(
            "SecretsEndpointSecurityGroupId",
            f"{named} is none of the groups of the endpoint for Secrets Manager.",
            f"SecretsEndpointSecurityGroupId={groups[0]}",
        )


CHECKS = (vpc, subnets, way_to_s3, prefix_list, security_groups, secrets_endpoint)
