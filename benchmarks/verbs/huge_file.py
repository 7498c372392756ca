"""A file of gigabytes, plain and gzipped: that the load's memory does not grow with it, and how long it takes.

The local runtime's S3 emulator joins a large object in memory when its parts are there. So the object is in a file here,
behind `file_s3`, and the load function runs in one process of its own under the genuine Lambda runtime, as the gateway
would run it, with no event between: what it does and holds is the same. The time is that of the invocation.
"""

import gzip
import itertools
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from boto3.s3.transfer import TransferConfig

from benchmarks.common import file_s3
from benchmarks.common.memory import Memory
from benchmarks.common.plain_ways import TABLE, Plain
from benchmarks.common.report import table
from benchmarks.common.series import Series, timed
from local.demo.client import s3_client
from local.demo.expect import Json, Unexpected, check
from local.gateway.function import Function
from local.gateway.worker import Worker
from local.runtime.process import NO_ACCOUNT
from local.runtime.state import ROOT
from sources.generate import employees

_BAD = 0.03
_PEOPLE = 100_000
_BUCKET = "bench"
_SIGNING_KEY = "signs nothing but this benchmark's accounts"
_SECONDS = 6 * 3600.0  # a function has 900; how much longer a larger file takes here is what is to be seen
_PART = 64 * 1024 * 1024
_NOTE = """\
Here the function runs in a process of its own, against S3 played from files; the time is that of its invocation.
"""


def huge(env: Mapping[str, str], plain: Plain, folder: Path, size: int, workers: int) -> str:
    """Make, upload and load a CSV file of `size` bytes, then the same as .gz; the Markdown.

    `env` is of a runtime, whose database is loaded into. The disk holds the file twice, and the table with its indexes
    and the binary log (about four times the file).
    """
    with file_s3.served(folder) as url:
        place = {**env, "S3_URL": url}
        cases = [_load(place, plain, folder / f"huge.csv{suffix}", size, workers) for suffix in ("", ".gz")]
    return f"{table(cases)}\n{_NOTE}"


def _load(place: Mapping[str, str], plain: Plain, file: Path, size: int, workers: int) -> Series:
    rows, bad = write(file, size)
    stored = file.stat().st_size
    config = TransferConfig(multipart_threshold=_PART, multipart_chunksize=_PART)
    key = f"uploads/{TABLE}/{file.name}"
    s3_client(place).upload_file(str(file), _BUCKET, key, Config=config)
    file.unlink()
    plain.empty()
    kind = f".gz of {stored:,} bytes" if file.suffix == ".gz" else "plain"
    series = Series(f"load of {size:,} bytes of CSV, {kind}, {_BAD * 100:.0f} % bad rows, WORKERS={workers}", rows)
    status = _invoked(place, key, series, file.with_name("function.log"), workers)
    found = tuple(status.get(name) for name in ("state", "read", "inserted", "rejected"))
    check("the account's state, read, inserted and rejected", found, ("done", rows, rows - bad, bad))
    plain.empty()
    return series


def write(file: Path, size: int) -> tuple[int, int]:
    """A CSV file of at least so many bytes (of text, if it is to be a .gz) and less than a row more.

    The same invented people over and over, each time with ids of their own; how many rows, and how many lack a field.
    """
    people = [",".join((_quoted(row[1]), *row[2:])) for row in employees(_PEOPLE, _BAD)]
    wanting = [any(not field for field in person.rsplit(",", 3)) for person in people]
    written = rows = bad = 0
    with gzip.open(file, "wb", compresslevel=6) if file.suffix == ".gz" else file.open("wb") as out:
        for start in itertools.count(1, _PEOPLE):
            lines = [f"{number},{person}\n".encode() for number, person in enumerate(people, start)]
            total = sum(map(len, lines))
            if written + total < size:
                out.write(b"".join(lines))
                written, rows, bad = written + total, rows + len(lines), bad + sum(wanting)
                continue
            for line, lacks in zip(lines, wanting, strict=True):
                if written >= size:
                    break
                out.write(line)
                written, rows, bad = written + len(line), rows + 1, bad + lacks
            return rows, bad
    raise AssertionError  # count() never ends


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if set(name) & set(',"') else name


def _invoked(place: Mapping[str, str], key: str, series: Series, log: Path, workers: int) -> Json:
    """Run the load function in a new process; time it and see its peak memory; its status."""
    environment = {
        "AWS_LAMBDA_FUNCTION_NAME": "LoadFunction",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_REGION": place["AWS_DEFAULT_REGION"],
        "BUCKET": _BUCKET,
        "SIGNING_KEY": _SIGNING_KEY,
        "DATABASE_URL": place["DATABASE_URL"],
        "POWERTOOLS_SERVICE_NAME": "bench",
        "POWERTOOLS_METRICS_NAMESPACE": "bench",
        "WORKERS": str(workers),
    }
    aws = {name: value for name, value in place.items() if name.startswith("AWS_")}
    aws = {**NO_ACCOUNT, **aws, "AWS_ENDPOINT_URL_S3": place["S3_URL"]}
    code, layer = ROOT / "functions" / "load", ROOT / "layers" / "tableferry"
    function = Function("LoadFunction", "app.handler", code, (layer,), _SECONDS, 1024, environment)
    worker = Worker(function, Path(sys.executable), aws, log)
    try:
        with timed(series.seconds):
            result = worker.invoke(json.dumps({"action": "load", "key": key}).encode(), "bench")
        series.saw(Memory(place["S3_URL"]).peak("LoadFunction"))
    finally:
        worker.close()
    if result.failed:
        raise Unexpected(f"{series.name}: the function failed: {result.payload.decode()[:500]}; its log is {log}")
    status: Json = json.loads(result.payload)
    return status
