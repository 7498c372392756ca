"""What the template makes in an account, read from what CloudFormation gets: who gets in, and what each part may do."""

import json
import re
import subprocess
import tomllib
from typing import Any

import pytest

from local.runtime.state import ROOT
from tests.support.stack import SAM_PYTHON, Json, Stack, values
from tools.openapi import document

FUNCTIONS = ("Insert", "Load", "Backup", "Restore")

EXISTING: Json = {
    "DatabaseHost": "db.example",
    "DatabaseName": "shop",
    "DatabaseResourceId": "db-ABC",
    "DatabaseSecurityGroupId": "sg-db",
    "VpcId": "vpc-1",
    "SubnetIds": "subnet-1,subnet-2",
    "S3PrefixListId": "pl-s3",
}
DEPLOYMENTS: dict[str, dict[str, object]] = {
    "least": {"DatabaseHost": "db.example", "DatabaseName": "shop", "DatabaseResourceId": "db-ABC"},
    "existing": EXISTING,
    "secret": EXISTING | {"DatabaseSecretArn": "arn:secret", "CreateSecretsEndpoint": "true", "RouteTableIds": "rtb-1"},
    "new": {
        "CreateDatabase": "true",
        "DatabaseName": "shop",
        "VpcId": "vpc-1",
        "SubnetIds": "subnet-1,subnet-2",
        "S3PrefixListId": "pl-s3",
        "CreateSecretsEndpoint": "true",
    },
    "all": EXISTING
    | {
        "DatabaseSecretArn": "arn:secret",
        "DatabaseSecretKeyArn": "arn:secret-key",
        "SecretsEndpointSecurityGroupId": "sg-secrets",
        "KmsKeyArn": "arn:key",
        "ReplicaRegion": "eu-west-1",
        "ReplicaBucketName": "second",
        "ReplicaKmsKeyArn": "arn:second-key",
        "ObjectLockDays": 30,
        "SigningKeyArn": "arn:other",
        "JwtIssuer": "https://issuer.example",
        "JwtAudience": "tableferry",
        "CorsOrigins": "https://app.example",
        "BackupSchedule": "cron(0 3 * * ? *)",
        "DrillSchedule": "rate(7 days)",
        "AlarmTopicArn": "arn:topic",
        "LoadConcurrency": 4,
        "Scale": "on",
        "Architecture": "arm64",
    },
}


@pytest.fixture(params=DEPLOYMENTS)
def stack(request: pytest.FixtureRequest, synthesised: Json) -> Stack:
    """The stack, deployed in each of the ways."""
    return Stack(synthesised, **DEPLOYMENTS[request.param])


def statements(stack: Stack, role: str) -> list[Json]:
    """Everything that a function's role may do, from its own policies and the one that all share."""
    own = stack.resources[role]["Properties"]
    assert own["ManagedPolicyArns"] == [{"Ref": "RuntimePolicy"}]
    shared = stack.resources["RuntimePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    return [*shared, *(found for policy in own["Policies"] for found in policy["PolicyDocument"]["Statement"])]


def objects(stack: Stack, function: str, action: str) -> set[str]:
    """The prefixes of the bucket in which a function may do this to objects."""
    found = set()
    for statement in statements(stack, f"{function}Role"):
        if statement["Effect"] == "Allow" and action in as_list(statement["Action"]):
            for resource in as_list(statement["Resource"]):
                [key] = re.findall(r"\$\{BucketName\}/(.+)$", resource["Fn::Sub"])
                found.add(key)
    return found


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_these_parameters_are_complete(stack: Stack) -> None:
    assert not stack.refusals()


@pytest.mark.parametrize(
    ("deployment", "given", "told"),
    [
        ("least", {"DatabaseName": ""}, "DatabaseName"),
        ("least", {"DatabaseHost": ""}, "DatabaseHost"),
        ("least", {"DatabaseResourceId": ""}, "DatabaseResourceId"),
        ("existing", {"SubnetIds": ""}, "SubnetIds"),
        ("existing", {"S3PrefixListId": ""}, "S3PrefixListId"),
        ("existing", {"DatabaseSecurityGroupId": ""}, "DatabaseSecurityGroupId"),
        ("secret", {"CreateSecretsEndpoint": "false"}, "CreateSecretsEndpoint"),
        ("new", {"VpcId": "", "SubnetIds": "", "S3PrefixListId": ""}, "VpcId"),
        ("all", {"JwtAudience": ""}, "JwtAudience"),
        ("all", {"SecretsEndpointSecurityGroupId": ""}, "SecretsEndpointSecurityGroupId"),
    ],
)
def test_parameters_that_lack_something_are_refused_before_anything_is_made(
    synthesised: Json, deployment: str, given: Json, told: str
) -> None:
    [said] = Stack(synthesised, **DEPLOYMENTS[deployment] | given).refusals()
    assert told in said


# ---- Nobody gets in ----


def test_no_route_is_open(stack: Stack) -> None:
    """Each route that the API has, by whatever way it came into the template, asks for the one scheme, and it is real."""
    [api] = stack.of("AWS::ApiGatewayV2::Api").values()
    scheme = api["Body"]["components"]["securitySchemes"]["Caller"]
    if stack.condition("HasJwt"):
        authorizer = scheme["x-amazon-apigateway-authorizer"]
        assert (scheme["type"], authorizer["type"]) == ("oauth2", "jwt")
        assert authorizer["jwtConfiguration"] == {"issuer": "https://issuer.example", "audience": ["tableferry"]}
        assert authorizer["identitySource"] == "$request.header.Authorization"
    else:
        assert scheme == {
            "type": "apiKey",
            "name": "Authorization",
            "in": "header",
            "x-amazon-apigateway-authtype": "awsSigv4",
        }
    operations = [
        (path, method, found) for path, methods in api["Body"]["paths"].items() for method, found in methods.items()
    ]
    assert len(operations) >= 18
    for path, method, found in operations:
        [scheme] = found["security"]
        assert list(scheme) == ["Caller"], f"{method} {path} is open"
        assert len(scheme["Caller"]) == stack.condition("HasJwt")  # test_template_callers.py holds which scope it is
        assert "x-amazon-apigateway-integration" in found, f"{method} {path} calls nothing"
    assert api["FailOnWarnings"] is True


def test_the_api_has_the_routes_that_its_document_describes_and_those_two_that_show_it(stack: Stack) -> None:
    [api] = stack.of("AWS::ApiGatewayV2::Api").values()
    routes = {(path, method) for path, methods in api["Body"]["paths"].items() for method in methods}
    described = {
        (path.replace("<", "{").replace(">", "}"), method)
        for path, methods in document()["paths"].items()
        for method in methods
    }
    assert routes - described == {("/openapi.json", "get"), ("/docs", "get")}
    assert not described - routes


def test_nothing_but_the_api_can_be_called_from_outside(stack: Stack) -> None:
    callers = {found["Principal"] for found in stack.of("AWS::Lambda::Permission").values()}
    assert callers == {"apigateway.amazonaws.com", "s3.amazonaws.com"}
    for found in stack.of("AWS::Lambda::Permission").values():
        assert "SourceArn" in found or found["SourceAccount"] == {"Ref": "AWS::AccountId"}
    assert not stack.of("AWS::Lambda::Url")


def test_cors_is_off_unless_it_is_set_and_every_stage_is_throttled(stack: Stack) -> None:
    [api] = stack.of("AWS::ApiGatewayV2::Api").values()
    cors = api["Body"].get("x-amazon-apigateway-cors")
    assert (cors or {}).get("allowOrigins") == (["https://app.example"] if stack.condition("HasCors") else None)
    for stage in stack.of("AWS::ApiGatewayV2::Stage").values():
        assert stage["DefaultRouteSettings"] == {"ThrottlingRateLimit": 50, "ThrottlingBurstLimit": 100}
        assert stage["AccessLogSettings"]["DestinationArn"] == {"Fn::GetAtt": ["ApiLogs", "Arn"]}


# ---- Each function may do its own work and no more ----

WRITES = {
    "Insert": set(),
    "Load": {"uploads/*", "rejects/*", "loads/*", "resume/*"},
    "Backup": {"backups/*", "jobs/backup/*", "jobs/verify/*", "jobs/2*", "verifications/*"},
    "Restore": {"restores/*", "jobs/restore/*", "jobs/2*", "verifications/*"},
}
SCALE = {
    "Backup": {"jobs/large-backup/*", "jobs/large-verify/*", "work/*"},
    "Restore": {"jobs/large-restore/*", "work/*"},
}
ADMISSION = {name: {f"jobs/slots/{name.lower()}-*", f"jobs/keys/{name.lower()}-*"} for name in ("Backup", "Restore")}
READS = {
    "Insert": set(),
    "Load": {"uploads/*", "loads/*", "rejects/*", "resume/*"},
    "Backup": {"backups/*", "jobs/backup/*", "jobs/verify/*", "jobs/2*", "verifications/*"},
    "Restore": {"backups/*", "restores/*", "jobs/restore/*", "jobs/2*"},
}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_reads_and_writes_its_own_prefixes_of_the_bucket(stack: Stack, function: str) -> None:
    own = ADMISSION.get(function, set()) | (SCALE.get(function, set()) if stack.condition("Scales") else set())
    assert objects(stack, function, "s3:PutObject") == WRITES[function] | own
    assert objects(stack, function, "s3:GetObject") == READS[function] | own
    locks = {"backups/*"} if function == "Backup" and stack.condition("HasObjectLock") else set()
    assert objects(stack, function, "s3:PutObjectRetention") == locks


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_function_may_delete_an_object_or_do_anything_to_the_bucket(stack: Stack, function: str) -> None:
    allowed = {
        action
        for found in statements(stack, f"{function}Role")
        if found["Effect"] == "Allow"
        for action in as_list(found["Action"])
    }
    assert {action for action in allowed if action.startswith("s3:")} <= {
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:PutObject",
        "s3:PutObjectRetention",
        "s3:GetObjectTagging",
        "s3:PutObjectTagging",
        "s3:AbortMultipartUpload",
        "s3:ListBucket",
    }
    assert not [action for action in allowed if "*" in action]


STARS = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
STARS_IN_A_VPC = {
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
}


@pytest.mark.parametrize("role", [f"{name}Role" for name in FUNCTIONS])
def test_all_resources_are_named_but_where_the_service_has_none(stack: Stack, role: str) -> None:
    found = statements(stack, role)
    stars = {
        action
        for one in found
        if one["Effect"] == "Allow" and "*" in as_list(one["Resource"])
        for action in as_list(one["Action"])
    }
    assert stars == STARS | (STARS_IN_A_VPC if stack.condition("InVpc") else set())
    [denied] = [one for one in found if one["Effect"] == "Deny"]
    assert denied["Action"] == ["ec2:*", "sqs:*"]


def test_a_login_is_by_secret_or_by_token_never_by_both(stack: Stack) -> None:
    actions = [action for found in statements(stack, "InsertRole") for action in as_list(found["Action"])]
    by_secret = "secretsmanager:GetSecretValue" in actions
    assert by_secret != ("rds-db:connect" in actions)
    for function in FUNCTIONS:
        variables = stack.resources[f"{function}Function"]["Properties"]["Environment"]["Variables"]
        assert bool(variables["DATABASE_SECRET_ARN"]) == by_secret
        assert "DATABASE_PASSWORD" not in variables
        assert variables["DATABASE_URL"] == ""


def test_only_those_who_sign_and_read_manifests_have_the_key(stack: Stack) -> None:
    holders = {
        name: found["Environment"]["Variables"]["SIGNING_KEY"]
        for name, found in stack.of("AWS::Lambda::Function").items()
        if "SIGNING_KEY" in found["Environment"]["Variables"]
    }
    assert set(holders) == {"BackupFunction", "RestoreFunction", "LoadFunction", "UploadsFunction"}
    for name in ("BackupFunction", "RestoreFunction"):
        assert holders[name]["Fn::Sub"][0] == "{{resolve:secretsmanager:${Secret}}}"  # never in the template itself
    # A load signs its own load statuses, by a key with which no manifest and no restore can be signed.
    for name in ("LoadFunction", "UploadsFunction"):
        assert holders[name] == {"Fn::Sub": "{{resolve:secretsmanager:${LoadSigningKey}}}"}


def test_routes_do_not_wait_for_files_that_are_loaded(stack: Stack) -> None:
    permitted = {
        found["FunctionName"]["Ref"]
        for found in stack.of("AWS::Lambda::Permission").values()
        if found["Principal"] == "apigateway.amazonaws.com"
    }
    assert "UploadsFunction" in permitted
    assert "LoadFunction" not in permitted


def test_a_function_reaches_the_database_and_s3_and_nothing_else(stack: Stack) -> None:
    if not stack.condition("InVpc"):
        assert not stack.of("AWS::EC2::SecurityGroup")
        return
    own = stack.resources["FunctionSecurityGroup"]["Properties"]
    [to_s3] = own["SecurityGroupEgress"]
    assert (to_s3["DestinationPrefixListId"], to_s3["FromPort"], to_s3["ToPort"]) == ("pl-s3", 443, 443)
    assert "SecurityGroupIngress" not in own
    rules = stack.of("AWS::EC2::SecurityGroupEgress")
    databases = {"ToDatabase", "ToNewDatabase"} & set(rules)
    assert len(databases) == 1
    secrets = {"ToSecretsEndpoint", "ToTheirSecretsEndpoint"} & set(rules)
    assert set(rules) == databases | secrets
    assert not secrets or stack.condition("HasSecret")
    for rule in rules.values():
        assert "DestinationSecurityGroupId" in rule
    anywhere = [found for found in values(stack.resources) if found in ("0.0.0.0/0", "::/0")]
    assert not anywhere


# ---- Nothing is lost ----


def test_the_bucket_is_private_versioned_encrypted_and_speaks_tls_only(stack: Stack) -> None:
    bucket = stack.resources["Bucket"]["Properties"]
    assert stack.resources["Bucket"]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    [rule] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    algorithm = rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"]
    assert algorithm == ("aws:kms" if stack.condition("HasKmsKey") else "AES256")
    for sid, condition in (
        ("TlsOnly", {"Bool": {"aws:SecureTransport": "false"}}),
        ("NoOldTls", {"NumericLessThan": {"s3:TlsVersion": "1.2"}}),
    ):
        statements = stack.resources["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        [policy] = [found for found in statements if found["Sid"] == sid]
        assert (policy["Effect"], policy["Principal"], policy["Action"]) == ("Deny", "*", "s3:*")
        assert policy["Resource"] == [{"Fn::GetAtt": ["Bucket", "Arn"]}, {"Fn::Sub": "${Bucket.Arn}/*"}]
        assert policy["Condition"] == condition


def test_what_is_not_wanted_any_more_goes_and_backups_go_only_if_that_is_set(synthesised: Json) -> None:
    def rules(**parameters: object) -> dict[str, Json]:
        bucket = Stack(synthesised, **DEPLOYMENTS["least"], **parameters).resources["Bucket"]["Properties"]
        return {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}

    usual = rules()
    assert int(usual["Backups"]["ExpirationInDays"]) == 35
    assert usual["UnfinishedUploads"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 2}
    assert (usual["Uploads"]["Prefix"], usual["Rejects"]["Prefix"]) == ("uploads/", "rejects/")
    assert (usual["HandOvers"]["Prefix"], usual["HandOvers"]["ExpirationInDays"]) == ("resume/", 15)
    assert usual["HandOvers"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}
    assert "Backups" not in rules(BackupRetentionDays=0)
    assert not [rule for rule in usual.values() if rule.get("Prefix", "x") in ("", "restores/", "verifications/")]


def test_a_backup_can_be_locked_and_the_bucket_is_made_for_it(synthesised: Json) -> None:
    for days in (0, 30):
        stack = Stack(synthesised, **DEPLOYMENTS["least"], ObjectLockDays=days)
        assert stack.resources["Bucket"]["Properties"].get("ObjectLockEnabled", False) is bool(days)
        variables = stack.resources["BackupFunction"]["Properties"]["Environment"]["Variables"]
        assert variables["OBJECT_LOCK_DAYS"] == days


NONE_OF_THE_OTHERS: Json = {"RetryHours": 0, "BackupRetentionDays": 0}


def test_old_tables_are_kept_until_accept_unless_it_is_said_how_long_and_recovery_can_be_left_out(
    synthesised: Json,
) -> None:
    for days, schedule in ((0, "rate(15 minutes)"), (14, "")):
        stack = Stack(
            synthesised, **DEPLOYMENTS["least"], KeepOldDays=days, RecoverSchedule=schedule, **NONE_OF_THE_OTHERS
        )
        variables = stack.resources["RestoreFunction"]["Properties"]["Environment"]["Variables"]
        assert variables["KEEP_OLD_DAYS"] == days
        assert ("ScheduledRecovery" in stack.resources) is ("SchedulerRole" in stack.resources) is bool(schedule)


def test_what_is_said_of_tables_and_of_the_ledger_reaches_the_functions_that_ask(synthesised: Json) -> None:
    said = '{"jobs": {"on_duplicate": "update"}}'
    for given, expected in (({}, ("{}", 30)), ({"TableSettings": said, "LedgerDays": 7}, (said, 7))):
        stack = Stack(synthesised, **DEPLOYMENTS["least"], **given)
        for function in ("InsertFunction", "LoadFunction", "UploadsFunction"):
            variables = stack.resources[function]["Properties"]["Environment"]["Variables"]
            assert (variables["TABLE_SETTINGS"], variables["LEDGER_DAYS"]) == expected
        assert (
            stack.resources["RestoreFunction"]["Properties"]["Environment"]["Variables"]["LEDGER_DAYS"] == expected[1]
        )


def test_the_signing_key_outlives_the_stack_as_the_backups_do(synthesised: Json) -> None:
    made = Stack(synthesised, **DEPLOYMENTS["least"])
    assert made.resources["SigningKey"]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert "SigningKey" not in Stack(synthesised, **DEPLOYMENTS["least"], SigningKeyArn="arn:other").resources


def test_a_changed_signing_key_is_read_again_when_its_parameter_is_another(synthesised: Json) -> None:
    """CloudFormation reads a secret again only for a function that something else changes."""
    for deployment in DEPLOYMENTS.values():
        made = Stack(synthesised, **deployment | {"SigningKeyRotation": "2026-12-01"})
        for found in made.of("AWS::Lambda::Function").values():
            variables = found["Environment"]["Variables"]
            assert variables.get("SIGNING_KEY_ROTATION") == ("2026-12-01" if "SIGNING_KEY" in variables else None)
        for name, secret in made.of("AWS::SecretsManager::Secret").items():
            # Another value of this generates a new secret in place of the keys that are there.
            expected = {"PasswordLength": 64, "ExcludePunctuation": True}
            assert secret["GenerateSecretString"] == expected, name


def test_a_new_database_is_encrypted_private_kept_and_its_secret_is_rotated_by_rds(synthesised: Json) -> None:
    stack = Stack(synthesised, **DEPLOYMENTS["new"])
    [database] = stack.of("AWS::RDS::DBInstance").values()
    assert database["StorageEncrypted"] is database["ManageMasterUserPassword"] is True
    assert database["DeletionProtection"] == "true"
    assert database["EnableIAMDatabaseAuthentication"] is True
    assert database["PubliclyAccessible"] is False
    assert "MasterUserPassword" not in database
    assert len(database["MasterUsername"]) <= 16
    assert stack.resources["Database"]["DeletionPolicy"] == "Snapshot"
    [parameters] = stack.of("AWS::RDS::DBParameterGroup").values()
    assert parameters["Parameters"] == {
        "local_infile": "1",
        "log_bin_trust_function_creators": "1",
        "require_secure_transport": "1",
    }


# ---- What goes wrong is heard ----


def test_events_are_tried_again_as_long_as_they_are_wanted_and_then_kept(stack: Stack) -> None:
    configured = stack.of("AWS::Lambda::EventInvokeConfig")
    ages = {found["FunctionName"]["Ref"]: found["MaximumEventAgeInSeconds"] for found in configured.values()}
    assert ages == {"LoadFunction": 21600, "BackupFunction": 600, "RestoreFunction": 600}
    for found in configured.values():
        assert found["MaximumRetryAttempts"] == 2
        assert found["DestinationConfig"]["OnFailure"]["Destination"] == {"Fn::GetAtt": ["DeadLetters", "Arn"]}
    for function in ("Load", "Backup", "Restore"):
        assert {"Fn::GetAtt": ["DeadLetters", "Arn"]} in [
            found["Resource"] for found in statements(stack, f"{function}Role") if found["Action"] == "sqs:SendMessage"
        ]


def test_a_function_logs_to_a_group_of_its_own_which_forgets_and_is_traced(stack: Stack) -> None:
    for function in FUNCTIONS:
        properties = stack.resources[f"{function}Function"]["Properties"]
        assert properties["LoggingConfig"]["LogGroup"] == {"Ref": f"{function}Logs"}
        assert properties["TracingConfig"] == {"Mode": "Active"}
        logs = [found for found in statements(stack, f"{function}Role") if "logs:PutLogEvents" in found["Action"]]
        assert [found["Resource"] for found in logs] == [{"Fn::GetAtt": [f"{function}Logs", "Arn"]}]
    for group in stack.of("AWS::Logs::LogGroup").values():
        assert group["RetentionInDays"] == 30


def test_alarms_listen_to_metrics_that_the_functions_send(stack: Stack) -> None:
    alarms = stack.of("AWS::CloudWatch::Alarm")
    always = {
        "ErrorsAlarm",
        "ThrottlesAlarm",
        "FailuresAlarm",
        "RejectsAlarm",
        "DeadLettersAlarm",
        "UploadsAgeAlarm",
        "RefusedObjectsAlarm",
        "LostEventsAlarm",
        "DurationAlarm",
        "StuckAlarm",
    }
    ages = {"BackupAgeAlarm"} if stack.condition("HasBackupSchedule") else set()
    ages |= {"VerifiedAgeAlarm"} if stack.condition("HasDrillSchedule") else set()
    database = {"DatabaseStorageAlarm", "DatabaseConnectionsAlarm", "DatabaseProcessorAlarm"}
    others = {"ReplicationAlarm"} if stack.condition("ReplicatesBackups") else set()
    others |= {"LargeBackupAlarm", "LargeVerifyAlarm", "LargeRestoreAlarm"} if stack.condition("Scales") else set()
    assert set(alarms) == always | ages | others | (database if stack.condition("MakesDatabase") else set())
    source = "".join(path.read_text() for path in (ROOT / "functions").rglob("app.py"))
    source += "".join(path.read_text() for path in (ROOT / "layers" / "tableferry" / "tableferry").rglob("*.py"))
    for found in alarms.values():
        assert found.get("AlarmActions", []) == (["arn:topic"] if stack.condition("HasTopic") else [])
        metrics = [found, *(one["MetricStat"]["Metric"] for one in found.get("Metrics", []) if "MetricStat" in one)]
        for metric in metrics:
            if metric.get("Namespace") == {"Fn::Sub": "Tableferry/${AWS::StackName}"}:
                assert f"{metric['MetricName']}=" in source, f"nothing sends {metric['MetricName']}"
                [dimension] = metric["Dimensions"]
                services = {name.lower() for name in FUNCTIONS}
                assert dimension["Name"] == "service"
                assert dimension["Value"] in services


def test_without_a_check_the_alarm_on_age_sounds(synthesised: Json) -> None:
    stack = Stack(synthesised, **DEPLOYMENTS["all"])
    for name in ("BackupAgeAlarm", "VerifiedAgeAlarm"):
        assert stack.resources[name]["Properties"]["TreatMissingData"] == "breaching"


def test_loads_are_retried_by_themselves_for_so_many_hours_or_not_at_all(synthesised: Json) -> None:
    for hours in (12, 0):
        stack = Stack(synthesised, **DEPLOYMENTS["least"], RetryHours=hours)
        assert stack.resources["LoadFunction"]["Properties"]["Environment"]["Variables"]["RETRY_HOURS"] == hours
        assert ("ScheduledRetry" in stack.resources) is bool(hours)


def test_nothing_but_recovery_and_retries_happen_by_themselves_unless_it_is_asked_for(stack: Stack) -> None:
    schedules = stack.of("AWS::Scheduler::Schedule")
    expected = {
        "ScheduledRecovery": ("recover", "rate(15 minutes)", "RestoreFunction"),
        "ScheduledRetry": ("retry", "rate(1 minute)", "LoadFunction"),
    }
    if stack.condition("HasBackupSchedule"):
        expected["ScheduledBackup"] = ("backup", "cron(0 3 * * ? *)", "BackupFunction")
    if stack.condition("HasDrillSchedule"):
        expected["ScheduledDrill"] = ("drill", "rate(7 days)", "RestoreFunction")
    if stack.condition("HasCheck"):
        expected["ScheduledCheck"] = ("check", "rate(1 hour)", "BackupFunction")
    found = {
        name: (
            json.loads(schedule["Target"]["Input"])["action"],
            schedule["ScheduleExpression"],
            schedule["Target"]["Arn"]["Fn::GetAtt"][0],
        )
        for name, schedule in schedules.items()
    }
    assert found == expected


def test_the_dashboard_is_json(stack: Stack) -> None:
    [dashboard] = stack.of("AWS::CloudWatch::Dashboard").values()
    body, given = dashboard["DashboardBody"]["Fn::Sub"]
    assert len(json.loads(body)["widgets"]) == 7
    named = set(re.findall(r"\$\{(\w+)\}", body))
    assert named <= set(stack.resources) | set(given)


def test_every_reference_is_to_something_that_is_there(stack: Stack) -> None:
    """A condition that makes a resource has to hold wherever the resource is named."""
    for found in values(stack.resources):
        if not isinstance(found, dict) or len(found) != 1:
            continue
        [(function, argument)] = found.items()
        if function == "Ref" and "::" not in argument:
            assert argument in stack.resources
        if function == "Fn::GetAtt":
            assert argument[0] in stack.resources


_PARSE = """
import json, sys
from samcli.cli.types import CfnParameterOverridesType
print(json.dumps(CfnParameterOverridesType().convert(json.load(sys.stdin), None, None)))
"""


def test_the_documentation_lists_every_resource_and_every_parameter(synthesised: Json) -> None:
    architecture = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for name, resource in synthesised["Resources"].items():
        if resource["Type"] != "AWS::Lambda::Permission":  # one a route and trigger
            assert f"`{name.removesuffix(name[-10:]) if 'Layer' in name else name}`" in architecture, name
    deploy = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    for name in synthesised["Parameters"]:
        assert f"`{name}`" in deploy, name


@pytest.mark.parametrize("name", ["dev", "prod", "local"])
def test_samconfig_gives_parameters_that_there_are_and_sam_reads_them_whole(synthesised: Json, name: str) -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))[name]
    [given] = [
        section["parameters"]["parameter_overrides"]
        for section in config.values()
        if "parameter_overrides" in section["parameters"]
    ]
    parsed = subprocess.run(
        [str(SAM_PYTHON), "-c", _PARSE], input=json.dumps(as_list(given)), capture_output=True, text=True, check=True
    )
    read = json.loads(parsed.stdout)
    assert read
    assert set(read) <= set(synthesised["Parameters"])
    if name == "prod":
        assert read["BackupSchedule"] == "cron(0 3 * * ? *)"
        assert read["DrillSchedule"] == "cron(0 5 ? * SUN *)"
