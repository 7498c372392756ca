"""Fifty requests for backups at once, to the real runtime: each is answered, and what was refused was not made."""

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.e2e.api import Api
from tests.effort import by_turns, effort

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client


MANY = effort(20, 50)


@pytest.mark.usefixtures("parents")
@by_turns
def test_of_many_backups_at_once_each_is_done_or_refused_with_nothing_made(
    api: Api, store: "S3Client", env: "Mapping[str, str]"
) -> None:
    assert api.end(api.send("backup"))["state"] == "done"
    before = jobs(store, env["BUCKET"])
    with httpx.Client(base_url=env["API_URL"], timeout=120, limits=httpx.Limits(max_connections=MANY)) as http:

        def ask(_: int) -> httpx.Response:
            return http.post("/backups", json={"tables": ["jobs"]})

        with ThreadPoolExecutor(MANY) as pool:
            answers = list(pool.map(ask, range(MANY)))
    statuses = sorted(answer.status_code for answer in answers)
    made = {answer.json()["id"] for answer in answers if answer.status_code in {201, 202}}
    assert made, [statuses, answers[0].text, [answer.elapsed.total_seconds() for answer in answers]]
    assert set(statuses) <= {201, 202, 429, 503}, statuses
    for answer in answers:
        if answer.status_code == 429:
            assert int(answer.headers["retry-after"]) > 0
    assert jobs(store, env["BUCKET"]) - before == made
    for answer in answers:
        if answer.status_code in {201, 202}:
            assert api.end(answer)["state"] == "done"
    assert api.end(api.send("backup"))["state"] == "done"  # and the next one goes


def jobs(store: "S3Client", bucket: str) -> set[str]:
    """The ids of all jobs that there are."""
    pages = store.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="jobs/2")
    return {
        found["Key"].removeprefix("jobs/").removesuffix(".json") for page in pages for found in page.get("Contents", ())
    }
