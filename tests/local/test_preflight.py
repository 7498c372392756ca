"""`make preflight` names every problem before the first change: each check against an account over HTTP, once and again."""

import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.loaders import Loader

from deployment import preflight
from deployment.account import Account, Problem
from local.runtime import s3 as emulator
from local.runtime.state import ROOT, State
from tests.effort import by_turns, sample
from tests.local.rds_answers import Rds, instance, offer, parameters, version
from tests.support.stack import Json

SERVICES = "acm,apigateway,cloudformation,ec2,iam,kms,lambda,rds,route53,s3,secretsmanager,sqs,sts"
REGION = "eu-central-1"
HOST = "shop.abc123.eu-central-1.rds.amazonaws.com"
NUMBERS = itertools.count(100000000001)
LOADER = Loader()  # one, for to read what EC2 can do takes as long as a test

SAID: Json = {
    "environments": ["dev"],
    "options": {"stack_name": "tableferry-dev", "capabilities": "CAPABILITY_IAM", "resolve_s3": True},
}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[emulator.S3]:
    """An emulator of the services that are asked, with rooms for as many accounts as one likes."""
    started = emulator.start(State(tmp_path_factory.mktemp("aws")), services=SERVICES)
    yield started
    started.stop()


class World:
    """An account of its own in which the deployment would succeed, to be spoilt in one thing."""

    def __init__(self, url: str, template: Json) -> None:
        self.template, self.number = template, str(next(NUMBERS))
        # MiniStack takes a key of twelve digits for the account's number.
        session = boto3.Session(aws_access_key_id=self.number, aws_secret_access_key="none", region_name=REGION)
        session._session.register_component("data_loader", LOADER)
        self.account = Account(session, "tableferry-dev")
        ec2 = self.ec2 = self.account.client("ec2")
        self.vpc = self.new_vpc("10.0.0.0/16")
        self.ec2.modify_vpc_attribute(VpcId=self.vpc, EnableDnsHostnames={"Value": True})
        self.subnets = [self.subnet("10.0.1.0/24", "a"), self.subnet("10.0.2.0/24", "b")]
        main = [{"Name": "vpc-id", "Values": [self.vpc]}]
        self.table = ec2.describe_route_tables(Filters=main)["RouteTables"][0]["RouteTableId"]
        self.group = self.new_group(self.vpc)
        names = [{"Name": "prefix-list-name", "Values": [f"com.amazonaws.{REGION}.s3"]}]
        [prefixes] = ec2.describe_managed_prefix_lists(Filters=names)["PrefixLists"]
        self.options: Json = dict(SAID["options"])
        self.given: dict[str, str] = {
            "BucketName": f"acme-{self.number}",
            "DatabaseHost": HOST,
            "DatabaseName": "shop",
            "DatabaseResourceId": "db-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
            "DatabaseSecurityGroupId": self.group,
            "VpcId": self.vpc,
            "SubnetIds": ",".join(self.subnets),
            "S3PrefixListId": prefixes["PrefixListId"],
            "RouteTableIds": self.table,
        }
        self.database = instance(
            DBSubnetGroup={"VpcId": self.vpc}, VpcSecurityGroups=[{"VpcSecurityGroupId": self.group}]
        )
        self.rds = {
            "DescribeDBInstances": {"DBInstances": [self.database]},
            "DescribeDBClusters": {"DBClusters": []},
            "DescribeDBParameters": parameters(local_infile="1", log_bin_trust_function_creators="1"),
            "DescribeDBEngineVersions": {
                "DBEngineVersions": [version("8.0.43", "mysql8.0"), version("8.4.6"), version("8.4.10")]
            },
            "DescribeOrderableDBInstanceOptions": {
                "OrderableDBInstanceOptions": [offer(f"{REGION}a", f"{REGION}b", f"{REGION}c")]
            },
        }
        Rds(self.account.client("rds"), self.rds)

    def new_vpc(self, network: str) -> str:
        return str(self.ec2.create_vpc(CidrBlock=network)["Vpc"]["VpcId"])

    def subnet(self, network: str, zone: str, vpc: str | None = None) -> str:
        made = self.ec2.create_subnet(VpcId=vpc or self.vpc, CidrBlock=network, AvailabilityZone=REGION + zone)
        return str(made["Subnet"]["SubnetId"])

    def new_group(self, vpc: str) -> str:
        made = self.ec2.create_security_group(GroupName=f"g-{vpc}", Description="a group", VpcId=vpc)
        return str(made["GroupId"])

    def new_database(self) -> None:
        """Another deployment: it makes the database, and reaches Secrets Manager."""
        for name in ("DatabaseHost", "DatabaseResourceId", "DatabaseSecurityGroupId"):
            del self.given[name]
        self.given |= {"CreateDatabase": "true", "CreateSecretsEndpoint": "true"}

    def secret(self, text: str) -> str:
        made = self.account.client("secretsmanager").create_secret(Name="shop", SecretString=text)
        self.given |= {"DatabaseSecretArn": made["ARN"], "CreateSecretsEndpoint": "true"}
        return str(made["ARN"])

    def problems(self) -> list[Problem]:
        said = SAID | {"options": self.options, "parameters": self.given}
        return preflight.problems(preflight.order("dev", said, self.template, self.account.standing), self.account)


@pytest.fixture
def world(aws: emulator.S3, synthesised: Json, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", aws.url)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, REGION)
    return World(aws.url, synthesised)


SECRET = json.dumps({"username": "tableferry", "password": "s"})


def test_where_nothing_is_wrong_nothing_is_named(world: World) -> None:
    assert world.problems() == []


def test_a_login_by_secret_passes(world: World) -> None:
    world.secret(SECRET)
    assert world.problems() == []


def test_a_new_database_passes(world: World) -> None:
    world.new_database()
    assert world.problems() == []


def test_a_cluster_passes(world: World) -> None:
    as_cluster(world)
    assert world.problems() == []


def as_cluster(world: World) -> None:
    """Have the host be that of an Aurora cluster with one instance."""
    network = {key: world.database[key] for key in ("VpcSecurityGroups",)}
    cluster = {
        "DBClusterIdentifier": "shop", "DbClusterResourceId": "cluster-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "Engine": "aurora-mysql", "EngineVersion": "8.0.mysql_aurora.3.08.0", "Endpoint": HOST, "Port": 3306,
        "DBSubnetGroup": "shop", "IAMDatabaseAuthenticationEnabled": True, "DBClusterParameterGroup": "aurora-shop",
        "DBClusterMembers": [{"DBInstanceIdentifier": "one", "IsClusterWriter": True}], **network,
    }  # fmt: skip
    world.given["DatabaseResourceId"] = "cluster-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    world.rds["DescribeDBClusters"] = {"DBClusters": [cluster]}
    world.rds["DescribeDBInstances"] = {
        "DBInstances": [instance(Endpoint={"Address": "one.example"}, DBClusterIdentifier="shop")]
    }
    world.rds["DescribeDBSubnetGroups"] = {"DBSubnetGroups": [{"VpcId": world.vpc}]}
    world.rds["DescribeDBClusterParameters"] = parameters(log_bin_trust_function_creators="1")


# ---- One thing is wrong, and that is what is said ----


def few_executions(world: World) -> None:
    """As many as a new account has, and a backup over eight functions."""

    def few(parsed: Json, **_: object) -> None:
        parsed["AccountLimit"]["UnreservedConcurrentExecutions"] = 10

    world.given |= {"Scale": "on", "LoadConcurrency": "2"}
    world.account.client("lambda").meta.events.register("after-call.lambda.GetAccountSettings", few)


def change(**given: str) -> Callable[[World], None]:
    return lambda world: world.given.update(given)


def rds(**changed: object) -> Callable[[World], None]:
    """Have the database be otherwise."""
    return lambda world: world.database.update(changed)


def without_capabilities(world: World) -> None:
    del world.options["capabilities"]


def without_a_place(world: World) -> None:
    del world.options["resolve_s3"]


def no_bucket_name(world: World) -> None:
    del world.given["BucketName"]


def two_regions(_: World) -> None:
    os.environ["AWS_REGION"] = "us-east-1"  # the fixture takes it back


def secret_elsewhere(world: World) -> None:
    world.given["DatabaseSecretArn"] = world.secret(SECRET).replace(REGION, "us-east-1")


def own_bucket(world: World) -> None:
    where = {"LocationConstraint": REGION}
    world.account.client("s3").create_bucket(Bucket=world.given["BucketName"], CreateBucketConfiguration=where)


def own_bucket_with_objects(world: World) -> None:
    own_bucket(world)
    world.account.client("s3").put_object(Bucket=world.given["BucketName"], Key="backups/x", Body=b"x")


def bucket_of_another(world: World) -> None:
    other = boto3.client("s3", aws_access_key_id=str(next(NUMBERS)), aws_secret_access_key="none", region_name=REGION)
    where: Any = {"LocationConstraint": REGION}
    other.create_bucket(Bucket=world.given["BucketName"], CreateBucketConfiguration=where)


def subnet_elsewhere(world: World) -> None:
    other = world.new_vpc("10.9.0.0/16")
    world.given["SubnetIds"] = f"{world.subnets[0]},{world.subnet('10.9.1.0/24', 'b', other)}"


def one_zone(world: World) -> None:
    world.given["SubnetIds"] = f"{world.subnets[0]},{world.subnet('10.0.3.0/24', 'a')}"


def public_subnet(world: World) -> None:
    world.ec2.modify_subnet_attribute(SubnetId=world.subnets[1], MapPublicIpOnLaunch={"Value": True})


def s3_endpoint(world: World) -> None:
    world.ec2.create_vpc_endpoint(
        VpcId=world.vpc, ServiceName=f"com.amazonaws.{REGION}.s3", RouteTableIds=[world.table]
    )


def no_s3_endpoint(world: World) -> None:
    del world.given["RouteTableIds"]


def table_elsewhere(world: World) -> None:
    other = [{"Name": "vpc-id", "Values": [world.new_vpc("10.9.0.0/16")]}]
    tables = world.ec2.describe_route_tables(Filters=other)["RouteTables"]
    world.given["RouteTableIds"] += f",{tables[0]['RouteTableId']}"


def group_elsewhere(world: World) -> None:
    world.given["DatabaseSecurityGroupId"] = world.new_group(world.new_vpc("10.9.0.0/16"))
    world.database["VpcSecurityGroups"] = [{"VpcSecurityGroupId": world.given["DatabaseSecurityGroupId"]}]


def other_group(world: World) -> None:
    world.database["VpcSecurityGroups"] = [{"VpcSecurityGroupId": "sg-0fedcba9876543210"}]


def no_database(world: World) -> None:
    world.rds["DescribeDBInstances"] = {"DBInstances": []}


def settings(**values: str) -> Callable[[World], None]:
    return lambda world: world.rds.update(DescribeDBParameters=parameters(**values))


def cluster_setting(world: World) -> None:
    as_cluster(world)
    world.rds["DescribeDBParameters"] = parameters(local_infile="0")


def to_be_made(operation: str, member: str, *found: Json) -> Callable[[World], None]:
    def spoil(world: World) -> None:
        world.new_database()
        world.rds[operation] = {member: list(found)}

    return spoil


def offered(*found: Json) -> Callable[[World], None]:
    return to_be_made("DescribeOrderableDBInstanceOptions", "OrderableDBInstanceOptions", *found)


def versions(*found: Json) -> Callable[[World], None]:
    return to_be_made("DescribeDBEngineVersions", "DBEngineVersions", *found)


def retired(world: World) -> None:
    world.new_database()
    world.given["DatabaseEngineVersion"] = "8.4.3"


def new(**given: str) -> Callable[[World], None]:
    def spoil(world: World) -> None:
        world.new_database()
        world.given |= given

    return spoil


def far_away(**changed: object) -> Callable[[World], None]:
    """Have the database be in another region, at a public address, and the functions outside a VPC."""

    def moved(world: World) -> None:
        host = "shop.abc123.us-east-1.rds.amazonaws.com"
        for name in ("VpcId", "SubnetIds", "S3PrefixListId", "RouteTableIds", "DatabaseSecurityGroupId"):
            del world.given[name]
        world.given["DatabaseHost"] = host
        found = instance(Endpoint={"Address": host, "Port": 3306}, **{"PubliclyAccessible": True, **changed})
        Rds(world.account.at("us-east-1").client("rds"), world.rds | {"DescribeDBInstances": {"DBInstances": [found]}})

    return moved


def test_a_database_in_another_region_passes_outside_a_vpc_where_alone_it_is_reached(world: World) -> None:
    far_away()(world)
    assert world.problems() == []


def test_a_secret_in_another_region_is_looked_at_there(world: World) -> None:
    far_away()(world)
    there = world.account.at("us-east-1").client("secretsmanager")
    world.given["DatabaseSecretArn"] = there.create_secret(Name="shop", SecretString=SECRET)["ARN"]
    assert world.problems() == []
    there.put_secret_value(SecretId="shop", SecretString="hunter2")
    [found] = world.problems()
    assert found.place == "DatabaseSecretArn"
    assert "not JSON" in found.wrong


NAMED = (
    "CertificateArn", "DatabaseMaxStorageGiB", "DatabasePort", "DatabaseSecretArn", "DatabaseStorageGiB", "KmsKeyArn",
    "LoadConcurrency", "ReplicaKmsKeyArn", "SigningKeyArn", "VpcId",
)  # fmt: skip


@pytest.mark.parametrize("value", ["x", "arn:x"])
def test_what_parameters_do_not_take_is_named_and_asked_of_nobody(world: World, value: str) -> None:
    world.new_database()
    world.given |= {"ReplicaRegion": SECOND, **dict.fromkeys(NAMED, value)}
    assert {each.place for each in world.problems() if value in each.wrong} >= set(NAMED)


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("value", ["x", "arn:x"])
@sample(2)
def test_what_a_parameter_does_not_take_is_named_where_all_else_is_right(world: World, name: str, value: str) -> None:
    world.new_database()
    world.given |= {"ReplicaRegion": SECOND, name: value}
    assert [each for each in world.problems() if each.place == name and value in each.wrong]


def storage(world: World) -> None:
    world.new_database()
    world.rds["DescribeOrderableDBInstanceOptions"] = {
        "OrderableDBInstanceOptions": [offer(f"{REGION}a", MinStorageSize=200)]
    }


def secret_of(text: str) -> Callable[[World], None]:
    return lambda world: (world.secret(text), None)[1]


def deleted_secret(world: World) -> None:
    arn = world.secret(SECRET)
    world.account.client("secretsmanager").delete_secret(SecretId=arn, RecoveryWindowInDays=7)


def no_signing_key(world: World) -> None:
    world.given["SigningKeyArn"] = f"arn:aws:secretsmanager:{REGION}:{world.number}:secret:other-AbCdEf"


def disabled_key(world: World) -> None:
    kms = world.account.client("kms")
    made = kms.create_key()["KeyMetadata"]
    kms.disable_key(KeyId=made["KeyId"])
    world.given["KmsKeyArn"] = made["Arn"]


def deleted_key(world: World) -> None:
    kms = world.account.client("kms")
    made = kms.create_key()["KeyMetadata"]
    kms.schedule_key_deletion(KeyId=made["KeyId"], PendingWindowInDays=7)
    world.given["KmsKeyArn"] = made["Arn"]


def no_key(world: World) -> None:
    world.given["KmsKeyArn"] = f"arn:aws:kms:{REGION}:{world.number}:key/00000000-0000-0000-0000-000000000000"


SECOND = "eu-west-1"


def replica(
    where: str = SECOND, *, versions: bool = True, locks: bool = False, **given: str
) -> Callable[[World], None]:
    """Another stack's bucket in a second region, to which this one's backups are to be replicated."""

    def made(world: World) -> None:
        name = f"second-{world.number}"
        s3 = boto3.client("s3", aws_access_key_id=world.number, aws_secret_access_key="none", region_name=where)
        there: Any = {"LocationConstraint": where}
        s3.create_bucket(Bucket=name, CreateBucketConfiguration=there, ObjectLockEnabledForBucket=locks)
        if versions:
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        world.given |= {"ReplicaRegion": SECOND, "ReplicaBucketName": name, **given}

    return made


@pytest.mark.parametrize("locks", [False, True])
def test_a_second_region_passes(world: World, locks: bool) -> None:
    replica(locks=locks, ObjectLockDays="30" if locks else "0")(world)
    assert world.problems() == []


def replica_key(region: str) -> Callable[[World], None]:
    def spoil(world: World) -> None:
        replica()(world)
        world.given["KmsKeyArn"] = world.account.client("kms").create_key()["KeyMetadata"]["Arn"]
        unknown = f"{world.number}:key/00000000-0000-0000-0000-000000000000"
        world.given["ReplicaKmsKeyArn"] = f"arn:aws:kms:{region}:{unknown}"

    return spoil


def test_a_second_region_with_a_key_of_its_own_passes(world: World) -> None:
    replica_key(SECOND)(world)
    made = world.account.client("kms", SECOND).create_key()["KeyMetadata"]
    world.given["ReplicaKmsKeyArn"] = made["Arn"]
    assert world.problems() == []


def domain(world: World, host: str = "tables.example.com", zone: str = "example.com") -> None:
    """Have the API have a name of one's own, with an issued certificate and a zone."""
    acm, route53 = world.account.client("acm"), world.account.client("route53")
    certificate = acm.request_certificate(DomainName="*.example.com", ValidationMethod="DNS")["CertificateArn"]
    made = route53.create_hosted_zone(Name=zone, CallerReference=f"{world.number}-{zone}")["HostedZone"]
    world.given |= {"DomainName": host, "CertificateArn": certificate, "HostedZoneId": made["Id"].split("/")[-1]}


def certificate_for_another(world: World) -> None:
    domain(world, host="tables.example.org", zone="example.org")


def waiting_certificate(world: World) -> None:
    domain(world)

    def pending(parsed: Json, **_: object) -> None:  # the emulator's are issued at once
        parsed["Certificate"]["Status"] = "PENDING_VALIDATION"

    world.account.client("acm").meta.events.register("after-call.acm.DescribeCertificate", pending)


def no_certificate(world: World) -> None:
    domain(world)
    unknown = f"{world.number}:certificate/00000000-0000-0000-0000-000000000000"
    world.given["CertificateArn"] = f"arn:aws:acm:{REGION}:{unknown}"


def no_zone(world: World) -> None:
    domain(world)
    world.given["HostedZoneId"] = "Z0123456789ABCDEFGHIJ"


def zone_of_another(world: World) -> None:
    domain(world, zone="ample.com")


def record(world: World) -> None:
    domain(world)
    there = {
        "Name": "tables.example.com", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]
    }  # fmt: skip
    world.account.client("route53").change_resource_record_sets(
        HostedZoneId=world.given["HostedZoneId"],
        ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": there}]},
    )


def name_taken(world: World) -> None:
    domain(world)
    world.account.client("apigatewayv2").create_domain_name(
        DomainName="tables.example.com",
        DomainNameConfigurations=[{"CertificateArn": world.given["CertificateArn"], "EndpointType": "REGIONAL"}],
    )


def test_a_name_of_ones_own_passes(world: World) -> None:
    domain(world)
    assert world.problems() == []


@pytest.mark.parametrize(
    ("spoil", "place", "told"),
    [
        (change(ReplicaRegion=REGION), "ReplicaRegion", "another region"),
        (change(ReplicaRegion=SECOND, ReplicaBucketName="not-there-yet"), "ReplicaBucketName", "second stack first"),
        (replica("eu-north-1"), "ReplicaBucketName", "ReplicaRegion=eu-north-1"),
        (replica(versions=False), "ReplicaBucketName", "no versions"),
        (replica(ObjectLockDays="30"), "ReplicaBucketName", "no Object Lock"),
        (without_capabilities, "samconfig.toml", "CAPABILITY_IAM"),
        (without_a_place, "samconfig.toml", "resolve_s3"),
        (change(DatabseHost="x"), "DatabseHost", "no such parameter"),
        (no_bucket_name, "BucketName", "needed"),
        (change(Architecture="riscv64"), "Architecture", "x86_64, arm64"),
        (change(UploadRetentionDays="many"), "UploadRetentionDays", "many"),
        (change(LedgerDays="-1"), "LedgerDays", "-1"),
        (change(DatabaseName=""), "parameters together", "DatabaseName"),
        (change(BackupSchedule="cron(0 3 * * * *)"), "BackupSchedule", "Write ? for the other"),
        (change(DrillSchedule="cron(0 3 1 * MON *)"), "DrillSchedule", "Write ? for the other"),
        (change(RecoverSchedule="rate(0 minutes)"), "RecoverSchedule", "never"),
        (change(ScheduleTimezone="Europe/Bonn"), "ScheduleTimezone", "no time zone Europe/Bonn"),
        (change(TableSettings="{"), "TableSettings", "JSON"),
        (change(Tables="x" * 4000), "TableSettings", "4,096"),
        (two_regions, "the region", "export AWS_REGION=eu-central-1"),
        (change(AlarmTopicArn="arn:aws:sns:us-east-1:100000000001:t"), "AlarmTopicArn", "us-east-1"),
        (secret_elsewhere, "DatabaseSecretArn", "us-east-1"),
        (own_bucket, "BucketName", "delete-bucket"),
        (own_bucket_with_objects, "BucketName", "holds objects"),
        (bucket_of_another, "BucketName", "another account's"),
        (subnet_elsewhere, "SubnetIds", "not in vpc-"),
        (one_zone, "SubnetIds", "one zone"),
        (public_subnet, "SubnetIds", "public"),
        (s3_endpoint, "RouteTableIds", "already"),
        (no_s3_endpoint, "RouteTableIds", "no way to S3"),
        (table_elsewhere, "RouteTableIds", "is not in vpc-"),
        (change(S3PrefixListId="pl-0123456789abcdef0"), "S3PrefixListId", "S3PrefixListId=pl-"),
        (change(VpcId="vpc-0123456789abcdef0"), "VpcId", "there is no vpc-0123456789abcdef0"),
        (group_elsewhere, "DatabaseSecurityGroupId", "not in vpc-"),
        (change(DatabaseSecurityGroupId="sg-0123456789abcdef0"), "DatabaseSecurityGroupId", "there is no sg-"),
        (other_group, "DatabaseSecurityGroupId", "DatabaseSecurityGroupId=sg-0fedcba9876543210"),
        (no_database, "DatabaseHost", "no instance and no cluster"),
        (change(DatabaseHost="shop.abc123.us-east-1.rds.amazonaws.com"), "DatabaseHost", "Deploy into us-east-1"),
        (far_away(PubliclyAccessible=False), "VpcId", "no public address"),
        (
            far_away(IAMDatabaseAuthenticationEnabled=False),
            "DatabaseResourceId",
            "--enable-iam-database-authentication",
        ),
        (change(DatabaseHost="shop.proxy-abc123.eu-central-1.rds.amazonaws.com"), "DatabaseHost", "RDS Proxy"),
        (rds(Engine="postgres"), "DatabaseHost", "postgres"),
        (rds(EngineVersion="5.7.44"), "DatabaseHost", "5.7.44"),
        (rds(Engine="aurora-mysql", EngineVersion="5.7.mysql_aurora.2.12.0"), "DatabaseHost", "of Aurora, version 3"),
        (rds(DBSubnetGroup={"VpcId": "vpc-0123456789abcdef0"}), "VpcId", "VpcId=vpc-0123456789abcdef0"),
        (rds(IAMDatabaseAuthenticationEnabled=False), "DatabaseResourceId", "--enable-iam-database-authentication"),
        (change(DatabaseResourceId="db-ZZZZZZZZZZZZZZZZZZZZZZZZZZ"), "DatabaseResourceId", "DatabaseResourceId=db-ABC"),
        (change(DatabasePort="3307"), "DatabasePort", "DatabasePort=3306"),
        (settings(log_bin_trust_function_creators="1"), "parameter group", "does not set local_infile"),
        (settings(local_infile="ON", log_bin_trust_function_creators="0"), "parameter group", "creators to 0"),
        (cluster_setting, "parameter group", "sets local_infile to 0"),
        (versions(version("8.0.43", "mysql8.0")), "DatabaseEngineVersion", "It offers none of its family"),
        (retired, "DatabaseEngineVersion", "It offers 8.4.6, 8.4.10"),
        (offered(), "DatabaseInstanceClass", "offers no db.t4g.medium"),
        (offered(offer("eu-central-1a", StorageType="gp2")), "DatabaseInstanceClass", "gp3"),
        (offered(offer("eu-central-1c")), "SubnetIds", "eu-central-1c"),
        (storage, "DatabaseStorageGiB", "200"),
        (new(DatabaseMaxStorageGiB="21"), "DatabaseMaxStorageGiB", "DatabaseMaxStorageGiB=22"),
        (new(DatabaseUser="a-user-of-the-shop"), "DatabaseUser", "1 to 16 letters"),
        (new(DatabaseUser="tableferry_admins"), "DatabaseUser", "1 to 16 letters"),
        (new(DatabaseName="1shop"), "DatabaseName", "a letter first"),
        (new(DatabasePort="1149"), "DatabasePort", "none below 1150"),
        (secret_of("hunter2"), "DatabaseSecretArn", "not JSON"),
        (secret_of('{"user": "x"}'), "DatabaseSecretArn", "not JSON with a password"),
        (deleted_secret, "DatabaseSecretArn", "restore-secret"),
        (certificate_for_another, "CertificateArn", "not for tables.example.org"),
        (waiting_certificate, "CertificateArn", "PENDING_VALIDATION"),
        (no_certificate, "CertificateArn", "no such certificate"),
        (no_zone, "HostedZoneId", "no zone Z0123456789ABCDEFGHIJ"),
        (zone_of_another, "HostedZoneId", "not of tables.example.com"),
        (record, "DomainName", "has a record"),
        (name_taken, "DomainName", "delete-domain-name"),
        (no_signing_key, "SigningKeyArn", "no such secret"),
        (disabled_key, "KmsKeyArn", "enable-key"),
        (deleted_key, "KmsKeyArn", "cancel-key-deletion"),
        (no_key, "KmsKeyArn", "no such key"),
        (change(LoadConcurrency="1000"), "LoadConcurrency", "LoadConcurrency=286"),
        (few_executions, "ScaleWorkers", "ScaleWorkers=4"),
        (replica_key("eu-west-2"), "ReplicaKmsKeyArn", "is in eu-west-2"),
        (replica_key("eu-west-1"), "ReplicaKmsKeyArn", "no such key in eu-west-1"),
    ],
)
@sample(8)
def test_a_problem_is_named_with_what_to_do(
    world: World, spoil: Callable[[World], None], place: str, told: str
) -> None:
    spoil(world)
    found = world.problems()
    assert [each for each in found if place in each.place and told in str(each)], found
    assert all(each.remedy for each in found)
    assert "hunter2" not in str(found)


def their_endpoint(world: World, *, private: bool = True) -> None:
    """Have the VPC have an endpoint for Secrets Manager already, and the login by secret go by it."""
    world.secret(SECRET)
    del world.given["CreateSecretsEndpoint"]
    world.given["SecretsEndpointSecurityGroupId"] = world.group
    world.ec2.create_vpc_endpoint(
        VpcId=world.vpc, ServiceName=f"com.amazonaws.{REGION}.secretsmanager", VpcEndpointType="Interface",
        PrivateDnsEnabled=private, SubnetIds=world.subnets, SecurityGroupIds=[world.group],
    )  # fmt: skip

    def named_privately(parsed: Json, **_: object) -> None:  # both of which the emulator forgets
        for each in parsed["VpcEndpoints"]:
            each["PrivateDnsEnabled"] = private and each["VpcEndpointType"] == "Interface"
            each["Groups"] = [{"GroupId": world.group}]

    world.ec2.meta.events.register("after-call.ec2.DescribeVpcEndpoints", named_privately)


def test_an_endpoint_for_secrets_that_is_there_passes(world: World) -> None:
    their_endpoint(world)
    assert world.problems() == []


def test_an_endpoint_for_secrets_that_is_there_is_in_nobodys_way(world: World) -> None:
    their_endpoint(world)
    del world.given["SecretsEndpointSecurityGroupId"]
    world.given["CreateSecretsEndpoint"] = "true"
    assert world.problems() == []


def test_another_group_than_the_endpoints_is_a_problem(world: World) -> None:
    their_endpoint(world)
    made = world.ec2.create_security_group(GroupName="other", Description="another", VpcId=world.vpc)
    world.given["SecretsEndpointSecurityGroupId"] = made["GroupId"]
    [found] = world.problems()
    assert found.place == "SecretsEndpointSecurityGroupId"
    assert world.group in found.remedy


def test_an_endpoint_for_secrets_that_does_not_answer_to_the_services_name_is_a_problem(world: World) -> None:
    their_endpoint(world, private=False)
    [found] = world.problems()
    assert found.place == "SecretsEndpointSecurityGroupId"
    assert "CreateSecretsEndpoint=true" in found.remedy


@pytest.mark.parametrize("attribute", ["DnsHostnames", "DnsSupport"])
def test_an_endpoint_with_private_names_needs_a_vpc_that_resolves_them(world: World, attribute: str) -> None:
    their_endpoint(world)
    world.ec2.modify_vpc_attribute(VpcId=world.vpc, **{f"Enable{attribute}": {"Value": False}})
    [found] = world.problems()
    assert found.place == "VpcId"
    assert f"--enable-dns-{attribute[3:].lower()} Value=true" in found.remedy


@pytest.mark.parametrize("schedule", ["cron(0 3 * * ? *)", "cron(0 18 ? * MON-FRI *)", "rate(7 days)"])
def test_a_schedule_that_scheduler_takes_passes(world: World, schedule: str) -> None:
    world.given |= {"BackupSchedule": schedule, "ScheduleTimezone": "Europe/Berlin"}
    assert world.problems() == []


ISSUER = "https://shop.eu.auth0.com/"


@pytest.mark.parametrize(
    ("named", "answer", "told"),
    [
        (ISSUER, httpx.Response(200, json={"issuer": ISSUER}), None),
        (ISSUER.rstrip("/"), httpx.Response(200, json={"issuer": ISSUER}), f"JwtIssuer={ISSUER}"),
        (ISSUER, httpx.Response(404), "HTTPStatusError"),
        (ISSUER, httpx.Response(200, text="<html>"), "describes no issuer"),
        (ISSUER, httpx.Response(200, json=[]), "describes no issuer"),
        (ISSUER, httpx.ConnectError("no such host"), "ConnectError"),
    ],
)
def test_the_issuer_of_tokens_is_asked_as_api_gateway_asks_it(
    world: World, monkeypatch: pytest.MonkeyPatch, named: str, answer: httpx.Response | Exception, told: str | None
) -> None:
    def get(url: str, **_: object) -> httpx.Response:
        assert url == f"{ISSUER}.well-known/openid-configuration"
        if isinstance(answer, Exception):
            raise answer
        answer.request = httpx.Request("GET", url)
        return answer

    monkeypatch.setattr(httpx, "get", get)
    world.given |= {"JwtIssuer": named, "JwtAudience": "https://api.example"}
    found = world.problems()
    assert [each.place for each in found] == (["JwtIssuer"] if told else [])
    assert all(told in str(each) for each in found if told)


def test_all_problems_are_named_at_once(world: World) -> None:
    for spoil in (own_bucket, one_zone, no_database, change(S3PrefixListId="pl-0"), without_capabilities):
        spoil(world)
    places = {each.place for each in world.problems()}
    assert {"BucketName", "SubnetIds", "DatabaseHost", "S3PrefixListId", "samconfig.toml, dev"} <= places


def test_what_the_caller_may_not_read_is_a_problem(world: World) -> None:
    def refuse(**_: object) -> tuple[Any, Json]:
        class Forbidden:
            status_code = 403

        return Forbidden(), {"Error": {"Code": "AccessDenied", "Message": "no"}}

    world.account.client("ec2").meta.events.register("before-call.ec2.DescribeSubnets", refuse)
    [found] = world.problems()
    assert found.place == "The subnets"
    assert "DescribeSubnets" in found.wrong


def test_what_checks_ask_the_stack_for_is_in_the_template(synthesised: Json) -> None:
    text = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "deployment").glob("*.py"))
    names = set(re.findall(r'ours\.get\("(\w+)"\)|"(\w+)" in account\.ours', text))
    asked = {name for found in names for name in found if name}
    assert {"S3Endpoint", "Database"} <= asked <= synthesised["Resources"].keys()


# ---- A stack that is there ----

SMALL: Json = {
    "Resources": {
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": {"Ref": "BucketName"}}},
        "S3Endpoint": {
            "Type": "AWS::EC2::VPCEndpoint",
            "Properties": {
                "VpcId": {"Ref": "VpcId"},
                "ServiceName": f"com.amazonaws.{REGION}.s3",
                "RouteTableIds": [{"Ref": "RouteTableIds"}],
            },
        },
    },
    "Parameters": {name: {"Type": "String"} for name in ("BucketName", "VpcId", "RouteTableIds")},
}


def deployed(world: World) -> None:
    cloudformation = world.account.client("cloudformation")
    given = [{"ParameterKey": name, "ParameterValue": world.given[name]} for name in SMALL["Parameters"]]
    cloudformation.create_stack(StackName="tableferry-dev", TemplateBody=json.dumps(SMALL), Parameters=given)
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName="tableferry-dev", WaiterConfig={"Delay": 1, "MaxAttempts": 20}
    )


def test_what_the_stack_made_itself_is_not_in_its_way(world: World) -> None:
    deployed(world)
    assert world.problems() == []


def test_parameters_that_are_no_longer_given_stay_as_they_are(world: World) -> None:
    deployed(world)
    del world.given["BucketName"]
    assert world.problems() == []


def test_another_bucket_for_a_stack_that_has_one_is_a_problem(world: World) -> None:
    deployed(world)
    has, world.given["BucketName"] = world.given["BucketName"], "acme-another"
    [found] = world.problems()
    assert found.place == "BucketName"
    assert has in found.wrong


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("ROLLBACK_COMPLETE", "delete-stack"),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"),
        ("UPDATE_IN_PROGRESS", "Wait"),
    ],
)
def test_a_stack_that_cannot_be_updated_is_a_problem(
    world: World, monkeypatch: pytest.MonkeyPatch, status: str, told: str
) -> None:
    deployed(world)
    assert world.account.standing is not None
    monkeypatch.setitem(world.account.standing, "StackStatus", status)
    [found] = world.problems()
    assert status in found.wrong
    assert told in found.remedy


# ---- The command ----


def command(
    world: World, aws: emulator.S3, folder: Path, environment: str = "dev"
) -> "subprocess.CompletedProcess[str]":
    (folder / "samconfig.toml").write_text(
        "version = 0.1\n[dev.global.parameters]\nparameter_overrides = "
        + json.dumps([f"{name}={value}" for name, value in world.given.items()])
        + '\n[dev.deploy.parameters]\nstack_name = "tableferry-dev"\ncapabilities = "CAPABILITY_IAM"\nresolve_s3 = true\n'
    )
    variables = {
        "AWS_ACCESS_KEY_ID": world.number, "AWS_SECRET_ACCESS_KEY": "none", "AWS_ENDPOINT_URL": aws.url,
        "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION,
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "deployment.preflight", environment, "--folder", str(folder)],
        cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_command_says_it_all_and_fails(world: World, aws: emulator.S3, tmp_path: Path) -> None:
    one_zone(world)
    world.given["DatabaseHost"] = "db.example"  # none of RDS's
    world.given["S3PrefixListId"] = "pl-0123456789abcdef0"
    done = command(world, aws, tmp_path)
    assert done.returncode == 1, done.stderr
    assert "1. SubnetIds: all are in one zone" in done.stdout
    assert "S3PrefixListId=pl-" in done.stdout
    assert "2 problems; nothing was changed (stack tableferry-dev, account" in done.stdout


@by_turns
def test_the_command_says_that_nothing_stands_in_the_way(world: World, aws: emulator.S3, tmp_path: Path) -> None:
    world.given["DatabaseHost"] = "db.example"
    done = command(world, aws, tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "Nothing stands in the way" in done.stdout


@by_turns
def test_a_value_that_sam_cannot_read_is_told_as_sam_would(world: World, aws: emulator.S3, tmp_path: Path) -> None:
    world.given["DatabaseResourceId"] = ""
    done = command(world, aws, tmp_path)
    assert done.returncode == 1
    assert "DatabaseResourceId= is not a valid format" in done.stderr
    assert "Name=''" in done.stderr
    assert "Traceback" not in done.stderr


@by_turns
def test_an_environment_that_is_not_there_is_told(world: World, aws: emulator.S3, tmp_path: Path) -> None:
    done = command(world, aws, tmp_path, "test")
    assert done.returncode == 1
    assert "[test.deploy.parameters]" in done.stderr
