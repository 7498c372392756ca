"""The S3 emulator keeps what it is given: through its end, a kill at any moment, and a disk that takes no more."""

import base64
import hashlib
import os
import random
import resource
import secrets
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.runtime import s3 as emulator
from local.runtime.state import ROOT, State
from tests.effort import by_turns, in_ci, sample
from tests.support.parts import until

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "kept-bucket"


class Emulator:
    """One that can be killed and started again, with a client that does not try twice."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.running = emulator.start(state)

    @property
    def pid(self) -> int:
        return self.running.child.process.pid

    def client(self, service: str = "s3") -> Any:
        running = self.running
        session: Any = boto3.session.Session()
        return session.client(
            service,
            endpoint_url=running.url,
            aws_access_key_id=running.key,
            aws_secret_access_key=running.secret,
            region_name=emulator.REGION,
            config=Config(retries={"total_max_attempts": 1}, response_checksum_validation="when_required"),
        )

    def kill(self) -> None:
        self.running.child.process.kill()
        self.running.child.process.wait()

    def again(self) -> None:
        self.kill()
        self.running = emulator.start(self.state)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Emulator]:
    started = Emulator(State(tmp_path / "state"))
    try:
        yield started
    finally:
        started.kill()


@pytest.fixture
def s3(kept: Emulator) -> "S3Client":
    client: S3Client = kept.client()
    client.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)  # and so with versions
    return client


def everything(s3: "S3Client", bucket: str = BUCKET) -> list[Any]:
    """All that S3 says of each version of each object, and its bytes."""
    found: list[Any] = []
    listed = s3.list_object_versions(Bucket=bucket)
    there = {one["Key"] for one in s3.list_objects_v2(Bucket=bucket).get("Contents", [])}
    for one in [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]:
        found.append({name: value for name, value in one.items() if name != "Owner"})
        place: Any = {"Bucket": bucket, "Key": one["Key"], "VersionId": one["VersionId"]}
        if "ETag" not in one:
            continue
        head: dict[str, Any] = dict(s3.head_object(**place, ChecksumMode="ENABLED"))
        del head["ResponseMetadata"]
        # The emulator knows no tags of a key that is deleted.
        tags = s3.get_object_tagging(**place)["TagSet"] if one["Key"] in there else None
        found.append((head, tags, hashlib.sha256(s3.get_object(**place)["Body"].read()).hexdigest()))
    for current in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
        now: dict[str, Any] = dict(s3.head_object(Bucket=bucket, Key=current["Key"], ChecksumMode="ENABLED"))
        del now["ResponseMetadata"]
        found.append((current, now, s3.get_object(Bucket=bucket, Key=current["Key"])["Body"].read()))
    return found


def upload_in_parts(s3: "S3Client", key: str, *bodies: bytes) -> None:
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key, ChecksumAlgorithm="SHA256")["UploadId"]
    place: Any = {"Bucket": BUCKET, "Key": key, "UploadId": upload}
    parts: list[Any] = []
    for number, body in enumerate(bodies, start=1):
        made = s3.upload_part(**place, PartNumber=number, Body=body, ChecksumAlgorithm="SHA256")
        parts.append({"PartNumber": number, "ETag": made["ETag"], "ChecksumSHA256": made["ChecksumSHA256"]})
    s3.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})


@by_turns
def test_all_that_is_known_of_objects_outlives_a_kill(kept: Emulator, s3: "S3Client") -> None:
    sha = base64.b64encode(hashlib.sha256(b"one").digest()).decode()
    s3.put_object(
        Bucket=BUCKET,
        Key="a b/ü+%",
        Body=b"one",
        ContentType="text/csv",
        ContentEncoding="gzip",
        CacheControl="no-store",
        Metadata={"on-duplicate": "update"},
        Tagging="a=b",
        ChecksumSHA256=sha,
    )
    s3.put_object(Bucket=BUCKET, Key="a b/ü+%", Body=b"two")
    s3.put_object(Bucket=BUCKET, Key="empty", Body=b"")
    s3.put_object(Bucket=BUCKET, Key="gone", Body=b"was here")
    s3.delete_object(Bucket=BUCKET, Key="gone")
    first = s3.put_object(Bucket=BUCKET, Key="purged", Body=b"1")["VersionId"]
    last = s3.put_object(Bucket=BUCKET, Key="purged", Body=b"2")["VersionId"]
    s3.delete_object(Bucket=BUCKET, Key="purged", VersionId=last)
    for number in range(3):
        s3.put_object(Bucket=BUCKET, Key=f"many/{number}", Body=b"x")
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "many/0"}, {"Key": "many/1"}]})
    s3.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": "a b/ü+%"})
    upload_in_parts(s3, "parts", b"p" * 5 * 1024 * 1024, b"q")
    before = everything(s3)
    assert first in {one["VersionId"] for one in before if isinstance(one, dict)}
    kept.again()
    s3 = kept.client()
    assert everything(s3) == before
    tail = s3.get_object(Bucket=BUCKET, Key="parts", Range="bytes=5242879-5242880")
    assert (tail["Body"].read(), tail["ContentRange"]) == (b"pq", "bytes 5242879-5242880/5242881")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket=BUCKET, Key="copy", Body=b"", IfNoneMatch="*")
    kept.again()  # and what was kept of what was kept
    assert everything(kept.client()) == before


@by_turns
def test_what_is_locked_stays_locked(kept: Emulator, s3: "S3Client") -> None:
    rule: Any = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 30}}}
    s3.put_object_lock_configuration(Bucket=BUCKET, ObjectLockConfiguration=rule)
    version = s3.put_object(Bucket=BUCKET, Key="locked", Body=b"1")["VersionId"]
    free = s3.put_object(Bucket=BUCKET, Key="held", Body=b"1")["VersionId"]
    s3.put_object_legal_hold(Bucket=BUCKET, Key="held", LegalHold={"Status": "ON"})
    before = s3.get_object_retention(Bucket=BUCKET, Key="locked")["Retention"]
    kept.again()
    s3 = kept.client()
    assert s3.get_object_lock_configuration(Bucket=BUCKET)["ObjectLockConfiguration"] == rule
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    assert s3.get_object_retention(Bucket=BUCKET, Key="locked")["Retention"] == before
    assert s3.get_object_legal_hold(Bucket=BUCKET, Key="held")["LegalHold"]["Status"] == "ON"
    for key, one in (("locked", version), ("held", free)):
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.delete_object(Bucket=BUCKET, Key=key, VersionId=one)


@by_turns
def test_objects_without_versions_outlive_a_kill(kept: Emulator, s3: "S3Client") -> None:
    s3.create_bucket(Bucket="plain-bucket")
    for body in (b"old", b"newer"):
        s3.put_object(Bucket="plain-bucket", Key="a", Body=body)
    s3.put_object(Bucket="plain-bucket", Key="b", Body=b"1")
    s3.delete_object(Bucket="plain-bucket", Key="b")
    kept.again()
    s3 = kept.client()
    assert [one["Key"] for one in s3.list_objects_v2(Bucket="plain-bucket")["Contents"]] == ["a"]
    assert s3.get_object(Bucket="plain-bucket", Key="a")["Body"].read() == b"newer"
    s3.delete_object(Bucket="plain-bucket", Key="a")
    s3.delete_bucket(Bucket="plain-bucket")
    kept.again()
    assert [one["Name"] for one in kept.client().list_buckets()["Buckets"]] == [BUCKET]


@pytest.mark.parametrize("seed", range(2))
@sample(1)
def test_whatever_was_done_to_objects_is_the_same_after_a_kill(kept: Emulator, seed: int) -> None:
    chance, bucket, s3 = random.Random(seed), "any-bucket", kept.client()  # noqa: S311 - the same each time
    s3.create_bucket(Bucket=bucket)

    def version(key: str) -> dict[str, str]:
        listed = s3.list_object_versions(Bucket=bucket, Prefix=key)
        ids = [one["VersionId"] for one in [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]]
        return {"VersionId": chance.choice(ids)} if ids else {}

    for number in range(60):
        key = chance.choice("abc")
        place = {"Bucket": bucket, "Key": key}
        try:
            match chance.randrange(9):
                case 0 | 1 | 2:
                    s3.put_object(**place, Body=b"x" * chance.randrange(5), Metadata={"n": str(number)}, Tagging="a=b")
                case 3:
                    s3.delete_object(**place)
                case 4 | 5:
                    s3.delete_object(**place, **version(key))
                case 6:
                    s3.put_object_tagging(**place, Tagging={"TagSet": [{"Key": "n", "Value": str(number)}]})
                case 7:
                    s3.copy_object(**place, CopySource={"Bucket": bucket, "Key": chance.choice("abc")})
                case 8:
                    status = chance.choice(["Enabled", "Suspended"])
                    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] < 500
        if number % 30 == 29:
            before = everything(s3, bucket)
            kept.again()
            s3 = kept.client()
            assert everything(s3, bucket) == before


@by_turns
def test_a_kill_in_the_middle_of_puts_leaves_each_whole_or_not_there(kept: Emulator, s3: "S3Client") -> None:
    acknowledged: dict[str, tuple[str, bytes]] = {}

    def put(name: str) -> None:
        client = kept.client()
        number = 0
        while True:
            body = os.urandom(secrets.randbelow(300_000))
            try:
                made = client.put_object(Bucket=BUCKET, Key=f"{name}/{number % 5}", Body=body)
            except (BotoCoreError, ClientError):
                return
            acknowledged[made["VersionId"]] = (f"{name}/{number % 5}", body)
            number += 1

    for turn in range(4):
        before = len(acknowledged)
        threads = [threading.Thread(target=put, args=(f"{turn}-{number}",)) for number in range(3)]
        for thread in threads:
            thread.start()
        assert until(lambda: len(acknowledged) > before + 10)  # noqa: B023 - at once
        kept.kill()
        for thread in threads:
            thread.join()
        kept.again()
        s3 = kept.client()
        versions = [
            one
            for page in s3.get_paginator("list_object_versions").paginate(Bucket=BUCKET)
            for one in page.get("Versions", [])
        ]
        assert acknowledged.keys() <= {one["VersionId"] for one in versions}
        for one in versions:
            body = s3.get_object(Bucket=BUCKET, Key=one["Key"], VersionId=one["VersionId"])["Body"].read()
            assert f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"' == one["ETag"]
            if one["VersionId"] in acknowledged:
                assert (one["Key"], body) == acknowledged[one["VersionId"]]
        assert sum(1 for path in (kept.state.objects / "bodies").glob("*/*")) == len(versions)


@by_turns
def test_a_disk_that_takes_no_more_changes_nothing(kept: Emulator, s3: "S3Client") -> None:
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"before")
    before = everything(s3)
    # A file of this process cannot grow beyond that: for a write, as good as a full disk.
    limits = resource.prlimit(kept.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(kept.pid, resource.RLIMIT_FSIZE, (2_000_000, limits[1]))
    with pytest.raises(ClientError, match="InternalError"):
        s3.put_object(Bucket=BUCKET, Key="a", Body=b"x" * 3_000_000)
    assert everything(s3) == before
    resource.prlimit(kept.pid, resource.RLIMIT_FSIZE, limits)
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"x" * 3_000_000)
    after = everything(s3)
    kept.again()
    assert everything(kept.client()) == after
    assert "kept" in (kept.state.logs / "s3.log").read_text()


@by_turns
def test_an_object_whose_bytes_are_damaged_is_an_error_and_no_other_bytes(kept: Emulator, s3: "S3Client") -> None:
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"sound")
    s3.put_object(Bucket=BUCKET, Key="b", Body=b"cut off by a power cut")
    (file,) = (path for path in (kept.state.objects / "bodies").glob("*/*") if path.read_bytes().startswith(b"cut off"))
    kept.kill()
    os.truncate(file, 5)
    kept.again()
    s3 = kept.client()
    assert s3.get_object(Bucket=BUCKET, Key="a")["Body"].read() == b"sound"
    with pytest.raises(ClientError, match="damaged"):
        s3.get_object(Bucket=BUCKET, Key="b")


@by_turns
def test_a_part_of_a_large_object_is_read_without_the_rest(kept: Emulator, s3: "S3Client") -> None:
    def peak() -> int:
        status = Path(f"/proc/{kept.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon:"))

    part = os.urandom(8 * 1024 * 1024)
    upload_in_parts(s3, "large", *[part] * 16)
    kept.again()
    s3 = kept.client()
    before = peak()
    held = 0
    for start in range(0, 128 * 1024 * 1024, 16 * 1024 * 1024):
        body = s3.get_object(Bucket=BUCKET, Key="large", Range=f"bytes={start}-{start + 65535}")["Body"].read()
        assert body == part[:65536]
        held = max(held, peak())
    for chunk in s3.get_object(Bucket=BUCKET, Key="large")["Body"].iter_chunks(len(part)):
        held = max(held, peak())
        assert chunk
    assert held - before < 32 * 1024


@in_ci
def test_messages_outlive_a_kill_until_they_are_deleted(kept: Emulator) -> None:
    sqs = kept.client("sqs")
    url = sqs.create_queue(QueueName="a-queue")["QueueUrl"]
    for text in ("one", "two", "three"):
        sqs.send_message(QueueUrl=url, MessageBody=text)
    taken = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=2, VisibilityTimeout=3600)["Messages"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=taken[0]["ReceiptHandle"])
    kept.again()
    sqs = kept.client("sqs")
    url = sqs.get_queue_url(QueueName="a-queue")["QueueUrl"]
    found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert [one["Body"] for one in found] == [text for text in ("one", "two", "three") if text != taken[0]["Body"]]


@by_turns
def test_the_emulator_ends_at_once_and_without_a_trace_of_an_upload_that_was_given_up(
    kept: Emulator, s3: "S3Client"
) -> None:
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="never")["UploadId"]
    s3.upload_part(Bucket=BUCKET, Key="never", UploadId=upload, PartNumber=1, Body=b"x" * 1000)
    os.kill(kept.pid, signal.SIGTERM)
    assert kept.running.child.process.wait(10) is not None
    kept.again()
    assert not list((kept.state.objects / "bodies").glob("*/*"))
    assert "Contents" not in kept.client().list_objects_v2(Bucket=BUCKET)


def test_the_emulator_is_of_the_version_that_is_installed() -> None:
    wanted = (ROOT / "tools" / "requirements" / "s3.txt").read_text()
    (line,) = (
        line for line in (ROOT / "local" / "runtime" / "s3_kept.py").read_text().splitlines() if "WRITTEN_FOR =" in line
    )
    assert f"ministack=={line.split(chr(34))[1]}" in wanted.splitlines()
