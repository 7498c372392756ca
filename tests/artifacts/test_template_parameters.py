"""What CloudFormation says of parameters before it makes anything: values that a service would refuse only later."""

import tomllib
from typing import Any

import pytest

from local.runtime.state import ROOT
from tests.support.stack import Json, Stack, values

ACCOUNT = "123456789012"
KEY = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
SECRET = f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:shop/db-AbCdEf"
WHOLE: Json = {
    "BucketName": "acme-tableferry-dev",
    "DatabaseHost": "shop.abc123.eu-central-1.rds.amazonaws.com",
    "DatabaseName": "shop",
    "DatabaseResourceId": "db-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "DatabaseSecurityGroupId": "sg-0123456789abcdef0",
    "VpcId": "vpc-0123456789abcdef0",
    "SubnetIds": "subnet-0123456789abcdef0,subnet-0fedcba9876543210",
    "S3PrefixListId": "pl-6ea54007",
}

GOOD: dict[str, list[Any]] = {
    "BucketName": ["abc", "a" * 63, "my.bucket", "1-2", "amzn-s3", "a1.2.3.4"],
    "KmsKeyArn": ["", KEY, KEY.replace("key/", "key/mrk-"), KEY.replace("arn:aws:", "arn:aws-us-gov:")],
    "BackupRetentionDays": [0, 35, 3650],
    "ObjectLockDays": [0, 36500],
    "SigningKeyArn": ["", SECRET],
    "ReplicaRegion": ["", "eu-west-1", "us-gov-east-1", "ap-southeast-4"],
    "ReplicaBucketName": ["", "acme-second"],
    "ReplicaKmsKeyArn": ["", KEY],
    "DatabaseSecretArn": ["", SECRET, SECRET.replace("shop/db", "rds!db-1a2b3c"), SECRET.replace(":aws:", ":aws-cn:")],
    "DatabaseSecretKeyArn": ["", KEY],
    "DatabaseHost": ["", "10.0.0.7", "db.internal.", "db_1.internal", "localhost"],
    "DatabasePort": [1, 3306, 65535],
    "DatabaseName": ["", "shop", "my-shop", "Läden", "mysql2", "s" * 64],
    "DatabaseUser": ["tableferry", "app_user-1", "a.b$"],
    "DomainName": ["", "tables.example.com", "a.b-c.co.uk"],
    "CertificateArn": ["", "arn:aws:acm:eu-central-1:123456789012:certificate/01234567-89ab-cdef-0123-456789abcdef"],
    "HostedZoneId": ["", "Z0123456789ABCDEFGHIJ"],
    "DatabaseResourceId": ["", "db-ABC", "cluster-ABC"],
    "DatabaseSecurityGroupId": ["", "sg-01234567"],
    "SecretsEndpointSecurityGroupId": ["", "sg-0123456789abcdef0"],
    "VpcId": ["", "vpc-01234567"],
    "SubnetIds": ["", "subnet-01234567,subnet-76543210", "subnet-01234567,subnet-012345678,subnet-76543210"],
    "S3PrefixListId": ["", "pl-01234567"],
    "RouteTableIds": ["", "rtb-01234567", "rtb-01234567,rtb-0123456789abcdef0"],
    "DatabaseEngineVersion": ["8.4", "8.4.10", "8.4.3.R2.20241201"],
    "DatabaseInstanceClass": ["db.t4g.medium", "db.r6gd.16xlarge", "db.m7i.large"],
    "DatabaseStorageGiB": [20, 65536],
    "CorsOrigins": [
        "",
        "*",
        "https://app.example",
        "https://app.example,http://localhost:3000",
        "https://*.app.example",
    ],
    "BackupSchedule": ["", "cron(0 3 * * ? *)", "rate(1 hour)", "cron(0 18 ? * MON-FRI *)", "cron(0 8 L * ? *)"],
    "DrillSchedule": ["", "rate(7 days)"],
    "RecoverSchedule": ["", "rate(15 minutes)"],
    "ScheduleTimezone": ["UTC", "America/Argentina/Buenos_Aires", "Etc/GMT+12"],
    "AlarmEmail": ["", "on-call+db@example.com"],
    "AlarmTopicArn": ["", f"arn:aws:sns:eu-central-1:{ACCOUNT}:on-call"],
    "InsertMemorySize": [128, 10240],
    "LoadMemorySize": [128, 10240],
    "BackupMemorySize": [512, 10240],
    "RestoreMemorySize": [512, 10240],
    "JwtIssuer": ["", "https://shop.eu.auth0.com/", "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Ab12"],
    "ThrottleRate": [1, 10000],
    "ThrottleBurst": [1, 5000],
    "MaxBackupAgeHours": [1],
    "MaxVerifiedAgeDays": [1],
    "RejectedRowsThreshold": [1],
    "LogLevel": ["DEBUG", "WARNING"],
    "LogRetentionDays": [1, 7, 30, 90, 365, 3653],
    "DatabaseDeletionProtection": ["true", "false"],
}
BAD: dict[str, list[Any]] = {
    "BucketName": [
        "",
        "ab",
        "a" * 64,
        "Acme",
        "a_b",
        "-ab",
        "ab-",
        "a..b",
        "192.168.5.4",
        "xn--a",
        "sthree-x",
        "amzn-s3-demo-x",
        "x-s3alias",
        "x--ol-s3",
        "x.mrap",
        "x--x-s3",
        "x--table-s3",
        "s3://acme",
    ],
    "KmsKeyArn": ["1234abcd-12ab-34cd-56ef-1234567890ab", KEY.replace("key/", "alias/"), f"{KEY} ", "arn:key"],
    "BackupRetentionDays": [-1, "35d"],
    "ObjectLockDays": [-1, 36501],
    "SigningKeyArn": ["shop/db", f"{SECRET}:password::", KEY],
    "ReplicaRegion": ["Ireland", "eu-west-1a", "EU-WEST-1"],
    "ReplicaBucketName": ["arn:aws:s3:::acme-second", "Acme"],
    "ReplicaKmsKeyArn": ["alias/second"],
    "DatabaseSecretArn": ["shop/db", KEY],
    "DatabaseSecretKeyArn": ["alias/aws/secretsmanager"],
    "DatabaseHost": ["mysql://h", "h:3306", "h/shop", "user@h", "h "],
    "DatabasePort": [0, 65536, "mysql"],
    "DatabaseName": ["mysql", "MySQL", "information_schema", "s" * 65],
    "DatabaseUser": ["", "*", "table?", "a'b", "me@%", "arn:x/y"],
    "DomainName": ["https://tables.example.com", "*.example.com", "Tables.example.com", "tables", "-a.example.com"],
    "CertificateArn": ["tables.example.com", "arn:aws:iam::123456789012:server-certificate/tables"],
    "HostedZoneId": ["/hostedzone/Z0123456789", "example.com"],
    "DatabaseResourceId": ["prx-0abc", "shop", "arn:aws:rds:eu-central-1:123456789012:db:shop", "db-"],
    "DatabaseSecurityGroupId": ["default", "sg-1", "sg-01234567,sg-76543210"],
    "SecretsEndpointSecurityGroupId": ["vpce-01234567"],
    "VpcId": ["vpc-", "01234567", "vpc-0123456"],
    "SubnetIds": [
        "subnet-01234567",
        "subnet-01234567,subnet-01234567",
        "subnet-01234567, subnet-76543210",
        "a,b",
        "subnet-01234567,subnet-76543210,subnet-01234567",
        "subnet-01234567,",
        "subnet-01234567 subnet-76543210",
    ],
    "S3PrefixListId": ["com.amazonaws.eu-central-1.s3"],
    "RouteTableIds": ["rtb-01234567,main", "subnet-01234567"],
    "DatabaseEngineVersion": ["8", "8.0.36", "9.1", "8.40", "mysql8.4", ""],
    "DatabaseInstanceClass": ["t4g.medium", "db.t4g", ""],
    "DatabaseStorageGiB": [5, 65537],
    "CorsOrigins": ["https://app.example/", "app.example", "https://app.example/page", "https://a.example,b.example"],
    "BackupSchedule": ["cron(0", "0 3 * * *", "cron(0 3 * * *)", "daily", "rate(1 week)", "rate(1)"],
    "DrillSchedule": ["cron(0"],
    "RecoverSchedule": ["15 minutes"],
    "ScheduleTimezone": ["", "Europe / Berlin"],
    "AlarmEmail": ["on-call", "a@example.com,b@example.com", "a b@example.com"],
    "AlarmTopicArn": ["on-call", "me@example.com", SECRET],
    "InsertMemorySize": [127, 10241],
    "LoadMemorySize": [64, 20000],
    "BackupMemorySize": [128],
    "RestoreMemorySize": [511],
    "JwtIssuer": ["shop.eu.auth0.com", "http://shop.example", "https://shop.example/ "],
    "ThrottleRate": [-1, 0],
    "ThrottleBurst": [-1, 0],
    "MaxBackupAgeHours": [-1, 0],
    "MaxVerifiedAgeDays": [-1, 0],
    "RejectedRowsThreshold": [-1, 0],
    "LogLevel": ["WARN", "info"],
    "LogRetentionDays": [0, 2, 10, 100, 3654],
    "DatabaseDeletionProtection": ["no"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, found in GOOD.items() for value in found])
def test_a_value_that_the_services_take_is_let_in(name: str, value: Any, synthesised: Json) -> None:
    assert not Stack(synthesised, **WHOLE | {name: value}).malformed()


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, found in BAD.items() for value in found])
def test_a_value_that_a_service_would_refuse_is_refused_before_anything_is_made(
    name: str, value: Any, synthesised: Json
) -> None:
    assert set(Stack(synthesised, **WHOLE | {name: value}).malformed()) == {name}


def test_each_pattern_says_in_words_what_it_takes_and_matches_the_whole(synthesised: Json) -> None:
    patterns = {name: found for name, found in synthesised["Parameters"].items() if "AllowedPattern" in found}
    assert patterns
    for name, found in patterns.items():
        assert found["AllowedPattern"].startswith("^"), name
        assert found["AllowedPattern"].endswith("$"), name
        assert found["ConstraintDescription"], name
        assert name in GOOD, name
        assert name in BAD, name


def test_each_number_has_a_least_value_or_a_list(synthesised: Json) -> None:
    numbers = {name: found for name, found in synthesised["Parameters"].items() if found["Type"] == "Number"}
    assert not {name for name, found in numbers.items() if not found.keys() & {"MinValue", "AllowedValues"}}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"VpcId": "", "SubnetIds": WHOLE["SubnetIds"]}, "VpcId"),
        ({"VpcId": "", "SubnetIds": "", "RouteTableIds": "rtb-01234567"}, "VpcId"),
        (
            {
                "CreateDatabase": "true",
                "DatabaseSecurityGroupId": "",
                "CreateSecretsEndpoint": "true",
            },
            "DatabaseHost",
        ),
        (
            {
                "DatabaseSecretArn": SECRET,
                "CreateSecretsEndpoint": "true",
                "SecretsEndpointSecurityGroupId": "sg-01234567",
            },
            "CreateSecretsEndpoint",
        ),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(given: Json, told: str, synthesised: Json) -> None:
    [said] = Stack(synthesised, **WHOLE | given).refusals()
    assert told in said


def test_a_new_database_is_of_a_version_that_rds_does_not_retire(synthesised: Json) -> None:
    """A whole version ends within two years; of a major one RDS takes its default, and raises it by itself."""
    stack = Stack(synthesised, **WHOLE | {"CreateDatabase": "true"})
    database = stack.resources["Database"]["Properties"]
    assert (database["EngineVersion"], database["AutoMinorVersionUpgrade"]) == ("8.4", True)
    assert stack.resources["DatabaseParameters"]["Properties"]["Family"] == "mysql8.4"


def test_subnets_reach_the_services_as_the_list_that_they_are(synthesised: Json) -> None:
    stack = Stack(synthesised, **WHOLE | {"CreateDatabase": "true", "CreateSecretsEndpoint": "true"})
    split = {"Fn::Split": [",", WHOLE["SubnetIds"]]}
    for function in stack.of("AWS::Lambda::Function").values():
        assert function["VpcConfig"]["SubnetIds"] == split
    assert stack.resources["DatabaseSubnets"]["Properties"]["SubnetIds"] == split
    assert stack.resources["SecretsEndpoint"]["Properties"]["SubnetIds"] == split


@pytest.mark.parametrize("name", ["dev", "prod", "local"])
def test_samconfig_gives_values_that_are_let_in(name: str, synthesised: Json) -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))[name]["global"]["parameters"]
    given = config["parameter_overrides"]
    pairs = dict(pair.split("=", 1) for pair in (given if isinstance(given, list) else [given]))
    values = {parameter: value.strip("'") for parameter, value in pairs.items()}
    assert not Stack(synthesised, **WHOLE | values).malformed()


def test_what_conditions_compare_is_text(synthesised: Json) -> None:
    """CloudFormation compares 0 and "0" alike; `sam build` and `sam local` tell one that was given from one by default."""
    compared = [
        found["Fn::Equals"]
        for found in values(synthesised["Conditions"])
        if isinstance(found, dict) and "Fn::Equals" in found
    ]
    assert compared
    for pair in compared:
        references = [found["Ref"] for found in pair if isinstance(found, dict) and "Ref" in found]
        literals = [found for found in pair if not isinstance(found, dict)]
        defaults = [synthesised["Parameters"][name].get("Default", "") for name in references]
        assert all(isinstance(found, str) for found in (*literals, *defaults)), pair
