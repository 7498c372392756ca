"""The files of events/, by a sample unless THOROUGH=1, sent by `sam local invoke`, and its answer looked at: the exit status says nothing."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local.demo import sample as demo_sample
from local.demo.sample import COLUMNS, SOURCES, Connection, Sample
from local.runtime.state import ROOT
from local.sam import events
from local.sam.cli import Sam
from tableferry.ingest.loads import handover
from tableferry.signing import Keys
from tableferry.storage.bucket import Store
from tests.e2e.api import Api
from tests.e2e.tables import recreate
from tests.effort import thorough
from tests.sam.conftest import accept_all
from tests.sam.seen import Seen
from tests.sam.statements import SAMPLE, STATEMENTS

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture(scope="module")
def seen(env: Mapping[str, str]) -> Iterator[Seen]:
    """The tables and the upload that the statements begin with."""
    api = Api(env["API_URL"])
    with api.http, closing(demo_sample.connect(env["DATABASE_URL"])) as mysql:
        accept_all(api)
        recreate(mysql)
        parents_but_for_those_of_events(mysql)
        yield Seen(env["BUCKET"], api.http, mysql)
        with mysql.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS hired_employees_copy")


@pytest.fixture(scope="module")
def event_jobs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The functions' variables with JOBS=event: a request leaves its job's record for S3's event to start."""
    variables = json.loads((ROOT / "local" / "sam" / "env.json").read_text(encoding="utf-8"))
    variables["Parameters"]["JOBS"] = "event"
    path = tmp_path_factory.mktemp("variables") / "env.json"
    path.write_text(json.dumps(variables), encoding="utf-8")
    return path


def parents_but_for_those_of_events(mysql: Connection) -> None:
    """All departments and jobs of the sample, without those that events insert."""
    brought = {
        "departments": {row["id"] for row in json.loads(events.load("insert-json")["body"])},
        "jobs": {row[0] for row in json.loads(events.load("insert-arrays")["body"])["rows"]},
    }
    sample = Sample.read()
    with mysql.cursor() as cursor:
        for table, ids in brought.items():
            rows = [row for row in sample.rows[table] if int(row[0]) not in ids]
            assert len(rows) == len(sample.rows[table]) - len(ids)
            marks = ", ".join(["%s"] * len(COLUMNS[table]))
            cursor.executemany(f"INSERT INTO `{table}` VALUES ({marks})", rows)


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name in SAMPLE else thorough) for name in STATEMENTS])
def test_an_event_is_answered_as_stated(name: str, sam: Sam, seen: Seen, store: "S3Client", event_jobs: Path) -> None:
    statement = STATEMENTS[name]
    event = events.load(name)
    if name == "load-s3":
        upload(event, seen, store)
    if name == "resume-s3":
        hand_over(seen, store)
    if statement.queued:
        seen.ids["queued"] = queue(sam, seen, statement.queued, event_jobs)
    identity = seen.ids["queued"] if statement.queued else seen.ids[statement.named] if statement.named else None
    answer = sam.invoke(statement.function, events.filled(event, seen.bucket, identity))
    if statement.status:
        assert answer["statusCode"] == statement.status, answer["body"]
        answer = body_of(answer)
    if statement.leaves:
        seen.ids[statement.leaves] = (answer[0] if isinstance(answer, list) else answer)["id"]
    statement.right(answer, seen)


def upload(event: dict[str, Any], seen: Seen, store: "S3Client") -> None:
    """The sample's employees, under the key that an event names."""
    key = event["Records"][0]["s3"]["object"]["key"]
    store.put_object(Bucket=seen.bucket, Key=key, Body=(SOURCES / "hired_employees.csv").read_bytes())


def hand_over(seen: Seen, store: "S3Client") -> None:
    """The object by which the load is to go on, as one that ran out of time leaves it."""
    variables = json.loads((ROOT / "local" / "sam" / "env.json").read_text(encoding="utf-8"))["Parameters"]
    keys = Keys.parse(variables["SIGNING_KEY"])
    handover.hand_over(Store(store, seen.bucket, keys), seen.ids["load"], retry=False)


def queue(sam: Sam, seen: Seen, name: str, variables: Path) -> str:
    """Send an HTTP event that does not wait for its job, where jobs are done by S3's events; the id of the job."""
    statement = STATEMENTS[name]
    event = events.load(name)
    event["headers"]["prefer"] = "wait=0"
    identity = seen.ids[statement.named] if statement.named else None
    answer = sam.invoke(statement.function, events.filled(event, seen.bucket, identity), variables)
    assert answer["statusCode"] == 202, answer["body"]
    job = body_of(answer)
    assert job["state"] == "queued"
    return str(job["id"])


def body_of(answer: dict[str, Any]) -> Any:
    """The body of an HTTP answer: JSON, or text of another type."""
    types = {name.lower(): value for name, value in answer["headers"].items()}
    return json.loads(answer["body"]) if types["content-type"] == "application/json" else answer["body"]
