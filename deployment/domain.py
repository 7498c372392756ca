"""A name of one's own for the API: its certificate, its zone, and whether it is free."""

from collections.abc import Iterator

from botocore.exceptions import ClientError

from deployment.account import Account, Order, Problem

_MISSING = {"NotFoundException", "ResourceNotFoundException", "NoSuchHostedZone"}


def certificate(order: Order, account: Account) -> Iterator[Problem]:
    """The certificate."""
    name, host = order.values["CertificateArn"], order.values["DomainName"]
    if not name or name.split(":")[3] != account.region:  # of that, `places.region` tells
        return
    try:
        found = account.client("acm").describe_certificate(CertificateArn=name)["Certificate"]
    except ClientError as error:
        if error.response["Error"]["Code"] not in _MISSING:
            raise
        yield Problem(
            "CertificateArn", f"there is no such certificate in {account.region}.", "aws acm list-certificates"
        )
        return
    if found["Status"] != "ISSUED":
        yield Problem(
            "CertificateArn",
            f"the certificate is {found['Status']}, and API Gateway takes none but issued ones.",
            "Make the record by which ACM sees that the name is yours (aws acm describe-certificate shows it), and wait.",
        )
    names = {found.get("DomainName", ""), *found.get("SubjectAlternativeNames", ())}
    if host and not names & {host, f"*.{host.partition('.')[2]}"}:
        yield Problem(
            "CertificateArn", f"it is for {', '.join(sorted(names))}, not for {host}.", "Name one for DomainName."
        )


def zone(order: Order, account: Account) -> Iterator[Problem]:
    """The zone in Route 53."""
    wanted, host = order.values["HostedZoneId"], order.values["DomainName"]
    if not wanted or not host:
        return
    route53 = account.client("route53")
    try:
        found = route53.get_hosted_zone(Id=wanted)["HostedZone"]
    except ClientError as error:
        if error.response["Error"]["Code"] not in _MISSING:
            raise
        yield Problem("HostedZoneId", f"there is no zone {wanted} in this account.", "aws route53 list-hosted-zones")
        return
    if found.get("Config", {}).get("PrivateZone"):
        yield Problem("HostedZoneId", f"{wanted} is a private zone.", "Name the public one of the same name.")
    if not f".{host}.".endswith(f".{found['Name']}"):
        yield Problem(
            "HostedZoneId", f"{wanted} is the zone of {found['Name']}, not of {host}.", "Name that of DomainName."
        )
    elif "ApiRecord" not in account.ours:
        records = route53.list_resource_record_sets(
            HostedZoneId=wanted, StartRecordName=host, StartRecordType="A", MaxItems="1"
        )["ResourceRecordSets"]
        if any(each["Name"] == f"{host}." and each["Type"] == "A" for each in records):
            yield Problem(
                "DomainName",
                f"the zone has a record for {host} already, and CloudFormation makes no second one.",
                "Delete that record, or leave HostedZoneId empty and change it yourself (output DomainTarget).",
            )


def name(order: Order, account: Account) -> Iterator[Problem]:
    """The API's own name."""
    host = order.values["DomainName"]
    if not host or "ApiDomain" in account.ours:
        return
    try:
        account.client("apigatewayv2").get_domain_name(DomainName=host)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _MISSING:
            raise
        return
    yield Problem(
        "DomainName",
        f"API Gateway has {host} already in {account.region}, for another API.",
        "Choose another name, or delete that one: aws apigatewayv2 delete-domain-name --domain-name " + host,
    )


CHECKS = (certificate, zone, name)
