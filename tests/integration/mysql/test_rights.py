"""Each function's role allows what the function does in S3, call by call, and nothing that it does not do.

The calls are those that boto3 is asked for in whole journeys; the role is that of the template.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import boto3
import pytest

from functions.backup.app import handler as backup_handler
from functions.insert.app import handler as insert_handler
from functions.load.app import handler as load_handler
from functions.restore.app import handler as restore_handler
from tests.effort import either_server
from tests.support.lambdas import created, invoke, queued, request
from tests.support.parts import Database
from tests.support.stack import Json, Stack
from tests.support.uploads import Uploads
from tests.support.verbs import load_sample, old_backup, post

pytestmark = either_server

Call = tuple[str, str]
"""An action of IAM's, and the key or, of a listing, the prefix that it is for."""


@dataclass
class Calls:
    """What was asked of S3, as IAM sees it."""

    made: set[Call] = field(default_factory=set)

    def note(self, params: Mapping[str, Any], model: Any, **_: Any) -> None:
        key, operation = str(params.get("Key", "")), model.name
        if operation == "ListObjectsV2":
            self.made.add(("s3:ListBucket", params["Prefix"]))
        elif operation in {"GetObject", "HeadObject"}:
            self.made.add(("s3:GetObjectVersion" if params.get("VersionId") else "s3:GetObject", key))
        elif operation == "AbortMultipartUpload":
            self.made.add(("s3:AbortMultipartUpload", key))
        elif operation in {"GetObjectTagging", "PutObjectTagging"}:
            self.made.add((f"s3:{operation}", key))
        elif operation != "CreateBucket":  # under whose name boto3 presigns a POST
            assert operation in {"PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"}
            self.made.add(("s3:PutObject", key))
            if "ObjectLockMode" in params:
                self.made.add(("s3:PutObjectRetention", key))
            if "IfMatch" in params:
                self.made.add(("s3:GetObject", key))


@pytest.fixture
def calls(s3_client: Any, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """The calls that the functions make; those of the test itself go by clients that were made before."""
    noted = Calls()
    session = boto3.session.Session()
    session.events.register("provide-client-params.s3.*", noted.note)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
    return noted


@pytest.fixture(scope="module")
def stack(synthesised: Json) -> Stack:
    return Stack(
        synthesised, DatabaseHost="h", DatabaseName="d", DatabaseResourceId="db-1", BucketName="b", ObjectLockDays=3
    )


def granted(stack: Stack, function: str) -> list[tuple[str, str]]:
    """Actions and the pattern of the keys or prefixes that a function's role allows them for."""
    found = []
    for policy in stack.resources[f"{function}Role"]["Properties"]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
            for action in actions:
                if action == "s3:ListBucket":
                    # "if exists": a request without a prefix is allowed too, as S3 looks for it before it says 404
                    assert set(statement["Condition"]) == {"StringLikeIfExists"}
                    found += [
                        (action, pattern) for pattern in statement["Condition"]["StringLikeIfExists"]["s3:prefix"]
                    ]
                elif action.startswith("s3:"):
                    found += [(action, resource["Fn::Sub"].partition("${BucketName}/")[2]) for resource in resources]
    return found


def held(stack: Stack, function: str, calls: Calls) -> None:
    """Every call is allowed, and every right is used."""
    rights = granted(stack, function)
    refused = {
        (action, key)
        for action, key in calls.made
        if not any(action == right and fnmatchcase(key, pattern) for right, pattern in rights)
    }
    assert not refused
    unused = {
        (right, pattern)
        for right, pattern in rights
        if not any(action == right and fnmatchcase(key, pattern) for action, key in calls.made)
    }
    assert not unused


def test_insert_never_speaks_to_s3(database: Database, stack: Stack, calls: Calls) -> None:
    load_sample(database)
    assert request(insert_handler, "GET", "/tables").status == 200
    body, headers = [[100, "Baker"]], {"Idempotency-Key": "one"}
    assert request(insert_handler, "POST", "/tables/jobs/rows", body=body, headers=headers).status == 201
    assert not calls.made
    held(stack, "Insert", calls)


def test_load_needs_what_its_role_allows(
    database: Database, s3_client: Any, bucket: str, monkeypatch: pytest.MonkeyPatch, stack: Stack, calls: Calls
) -> None:
    load_sample(database)
    uploads = Uploads(s3_client, bucket)
    done = uploads.load(b"100,Baker\n101,\n", table="jobs")
    assert (done["inserted"], done["rejected"]) == (1, 1)
    uploads.put(b"102,Cook\n", table="jobs", name="b.csv")
    invoke(load_handler, {"action": "load", "key": "uploads/jobs/b.csv"})
    assert len(request(load_handler, "GET", "/loads").json["loads"]) == 2
    assert request(load_handler, "GET", f"/loads/{done['id']}/rejects").text.count("\n") == 1
    failed = uploads.load(b"1\n", table="nowhere")
    monkeypatch.setenv("JOBS", "event")
    assert request(load_handler, "POST", f"/loads/{failed['id']}/retry").status == 202
    invoke(load_handler, queued(created(bucket, f"resume/{failed['id']}.json")))
    target = request(load_handler, "POST", "/uploads", body={"table": "jobs", "filename": "c.csv"}).json
    calls.made.add(("s3:PutObject", target["key"]))  # whoever uses the form does so in the function's name
    calls.made.add(("s3:AbortMultipartUpload", "rejects/jobs/x.ndjson"))  # when a large upload of rejects breaks off
    held(stack, "Load", calls)


def test_backup_needs_what_its_role_allows(
    database: Database, s3_client: Any, monkeypatch: pytest.MonkeyPatch, stack: Stack, calls: Calls
) -> None:
    s3_client.create_bucket(Bucket=f"locking-{database.name[5:]}", ObjectLockEnabledForBucket=True)
    monkeypatch.setenv("BUCKET", f"locking-{database.name[5:]}")
    monkeypatch.setenv("OBJECT_LOCK_DAYS", "1")
    load_sample(database)
    monkeypatch.setenv("JOBS", "event")
    job = post("/backups", {}, prefer="wait=0", **{"idempotency-key": "once"}).json
    assert post("/backups", {}, prefer="wait=0", **{"idempotency-key": "once"}).json["id"] == job["id"]
    monkeypatch.setenv("JOBS", "inline")
    _deliver(backup_handler, f"jobs/backup/{job['id']}.json")
    monkeypatch.setenv("JOBS", "event")
    verification = post(f"/backups/{job['id']}/verify", prefer="wait=0").json
    _deliver(backup_handler, f"jobs/verify/{verification['id']}.json")
    for path in ("/backups", f"/backups/{job['id']}", f"/verifications/{verification['id']}"):
        assert request(backup_handler, "GET", path).status == 200
    old_backup(60)
    monkeypatch.setenv("BACKUP_RETENTION_DAYS", "35")
    for action in ("backup", "verify", "check"):
        found = invoke(backup_handler, {"action": action})
    assert len(found["retention"]["expiring"]) == 1
    held(stack, "Backup", calls)


def test_restore_needs_what_its_role_allows(
    database: Database, bucket: str, monkeypatch: pytest.MonkeyPatch, stack: Stack, calls: Calls
) -> None:
    load_sample(database)
    assert post("/backups", {}).status == 201
    calls.made.clear()
    monkeypatch.setenv("JOBS", "event")
    job = post("/restores", {}, prefer="wait=0", **{"idempotency-key": "once"}).json
    assert post("/restores", {}, prefer="wait=0", **{"idempotency-key": "once"}).json["id"] == job["id"]
    _deliver(restore_handler, f"jobs/restore/{job['id']}.json")
    for path in ("/restores", f"/restores/{job['id']}"):
        assert request(restore_handler, "GET", path).status == 200
    assert post(f"/restores/{job['id']}/undo").status == 200
    assert post(f"/restores/{job['id']}/accept").status == 200
    invoke(restore_handler, {"action": "restore", "into": {"jobs": "jobs_before"}})
    invoke(restore_handler, {"action": "drill"})
    held(stack, "Restore", calls)


def _deliver(handler: Any, key: str) -> None:
    invoke(handler, {"Records": [{"s3": {"object": {"key": key}}}]})
