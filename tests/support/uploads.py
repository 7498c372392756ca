"""Files for the load function, and the status of each."""

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from functions.load.app import handler
from tests.support.lambdas import Json, counts, created, invoke, queued, request
from tests.support.parts import Database

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

TEXTS = "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(40) NOT NULL)"


class Uploads:
    """Puts files into the bucket and tells the function of them."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self.client = client
        self.bucket = bucket

    def put(self, body: bytes, table: str = "t", name: str = "a.csv", **options: Any) -> Json:
        """Write the object; the event that S3 would send."""
        key = f"uploads/{quote(table, safe='')}/{name}"
        answer = self.client.put_object(Bucket=self.bucket, Key=key, Body=body, **options)
        return created(self.bucket, key, version=answer["VersionId"], size=len(body))

    def load(self, body: bytes, **options: Any) -> Json:
        """The status of a file, which is balanced and is what the API shows."""
        return self.deliver(self.put(body, **options))

    def deliver(self, event: Json) -> Json:
        """The load status that comes of an event, by the queue."""
        (load_status,) = invoke(handler, queued(event))
        counts(load_status)
        shown = request(handler, "GET", f"/loads/{load_status['id']}")
        assert (shown.status, shown.json) == (200, load_status)
        return dict(load_status)

    def rejects(self, status: Json) -> list[tuple[int, str, list[tuple[str, str]]]]:
        """Line, text, and column and code of each problem."""
        if status["rejects"] is None:
            assert status["rejected"] == 0
            return []
        body = self.client.get_object(Bucket=self.bucket, Key=status["rejects"])["Body"].read().decode()
        found = [json.loads(line) for line in body.split("\n")[:-1]]
        assert len(found) == status["rejected"]
        return [
            (reject["line"], reject["text"], [(bad["column"], bad["code"]) for bad in reject["errors"]])
            for reject in found
        ]


def lines(count: int, bad: int = 0) -> bytes:
    """So many rows for the table; every so-manieth of them has no name."""
    return "".join(f"{n},{'' if bad and n % bad == 0 else f'name {n}'}\n" for n in range(1, count + 1)).encode()


def names(database: Database) -> list[tuple[Any, ...]]:
    return database.rows("SELECT * FROM t ORDER BY id")
