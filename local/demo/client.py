"""Tableferry's API as a user's program calls it: plain HTTP, presigned uploads, jobs that are waited for."""

import json
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self, cast

import boto3
import httpx

from local.demo.expect import Json, Unexpected

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Progress = Callable[[int, int | None], None]
"""Told how much is done, and of how much (None where nobody knows)."""

_ANSWER_SECONDS = 60
_ENDED = {"done", "rejected", "failed", "dead", "undone", "accepted", "planned"}


class Client:
    """Calls the API at `url`; every answer that is not one of the expected ones raises `Unexpected`.

    `patience` is how many seconds a load or a job may take before it counts as lost, `poll` how many lie between two
    looks at it. `auth` signs the requests, where the API asks for it.
    """

    def __init__(self, url: str, patience: float = 600, poll: float = 0.1, auth: httpx.Auth | None = None) -> None:
        self._http = httpx.Client(base_url=url, timeout=_ANSWER_SECONDS, auth=auth)
        self._patience, self._poll = patience, poll

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **query: str) -> Json:
        """The answer to a GET that has to be 200."""
        return self._ask("GET", path, {200}, params=query)

    def post(self, path: str, body: object = None, expect: Collection[int] = (200, 201)) -> Json:
        """The answer to a POST with a JSON body."""
        return self._ask("POST", path, expect, json=body)

    def post_csv(self, path: str, text: str, expect: Collection[int] = (201,)) -> Json:
        """The answer to a POST with a CSV body."""
        return self._ask("POST", path, expect, content=text.encode(), headers={"content-type": "text/csv"})

    def job(self, path: str, body: object, progress: Progress) -> Json:
        """POST something that may take long, and wait for its end: at once with 201, else by the Location of the 202.

        Raises:
            Unexpected: it ended in another way than well.
        """
        response = self._send("POST", path, {201, 202}, json=body, headers={"prefer": "wait=1"})
        if response.status_code == 201:
            return cast("Json", response.json())
        location = response.headers["location"]
        result = self.follow(location, progress)
        if result["state"] in {"failed", "dead"}:
            raise Unexpected(f"{location}: expected to end well, but its state is {result['state']}: {_reason(result)}")
        return result

    def start(self, path: str, body: object) -> str:
        """POST something that may take long, and do not wait; where to look at it."""
        response = self._send("POST", path, {202}, json=body, headers={"prefer": "wait=0"})
        return str(response.headers["location"])

    def follow(self, location: str, progress: Progress) -> Json:
        """Wait for the end of a job, however it ends; a look for which no function was free in time is taken again."""

        def look() -> Json | None:
            response = self._send("GET", location, {200, 503})
            if response.status_code == 503:
                return None
            state = cast("Json", response.json())
            done = state.get("progress") or {}
            progress(done.get("done", 0), done.get("of"))
            return state if state["state"] in _ENDED else None

        return self._wait(f"the job at {location}", look)

    def upload(self, table: str, file: Path, progress: Progress, **options: object) -> str:
        """Send a file with a presigned POST; the key it has in the bucket. `options` are those of the load."""
        grant = self.post("/uploads", {"table": table, "filename": file.name, **options})
        size = file.stat().st_size
        with file.open("rb") as content:
            counted = _Counted(content, lambda done: progress(done, size))
            response = httpx.post(
                grant["url"],
                data=grant["fields"],
                files={"file": (file.name, cast("BinaryIO", counted), grant["fields"].get("Content-Type"))},
                timeout=_ANSWER_SECONDS,
            )
        if not response.is_success:
            raise Unexpected(
                f"upload: expected S3 to take the file, but it answered {response.status_code}: {response.text}"
            )
        return str(grant["key"])

    def load(self, key: str, progress: Progress, state: str = "done") -> Json:
        """Wait for the load of an uploaded file, which has to end in this state; its status."""

        def look() -> Json | None:
            for status in self.get("/loads", key=key)["loads"]:
                progress(status.get("read") or 0, None)
                if status["state"] not in ("running", "waiting"):
                    return cast("Json", status)
            return None

        status = self._wait(f"the load of {key}", look)
        if status["state"] != state:
            raise Unexpected(f"load: expected it to be {state}, but it is {status['state']}: {_reason(status)}")
        return status

    def _wait(self, what: str, look: Callable[[], Json | None]) -> Json:
        end = time.monotonic() + self._patience
        while time.monotonic() < end:
            if (found := look()) is not None:
                return found
            time.sleep(self._poll)
        raise Unexpected(f"{what}: expected an end within {self._patience:.0f} seconds, but there is none")

    def _ask(self, method: str, path: str, expect: Collection[int], **options: Any) -> Json:
        return cast("Json", self._send(method, path, expect, **options).json())

    def _send(self, method: str, path: str, expect: Collection[int], **options: Any) -> httpx.Response:
        response = self._http.request(method, path, **options)
        if response.status_code not in expect:
            wanted = " or ".join(str(status) for status in sorted(expect))
            raise Unexpected(
                f"{method} {path}: expected {wanted}, but the answer is {response.status_code}: {response.text[:500]}"
            )
        return response


def s3_client(env: Mapping[str, str]) -> "S3Client":
    """A client of the S3 that `env` names."""
    return boto3.client(
        "s3",
        endpoint_url=env["S3_URL"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        region_name=env["AWS_DEFAULT_REGION"],
    )


def read_lines(s3: "S3Client", bucket: str, key: str) -> list[Json]:
    """An object of JSON lines."""
    return [json.loads(line) for line in s3.get_object(Bucket=bucket, Key=key)["Body"].iter_lines()]


def _reason(record: Mapping[str, Any]) -> str:
    problem = record.get("problem") or record.get("error") or {}
    return str(problem.get("detail", "it does not say why"))


class _Counted:
    """A file that tells how much of it has been read."""

    def __init__(self, file: BinaryIO, told: Callable[[int], None]) -> None:
        self._file, self._told = file, told

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size)
        self._told(self._file.tell())
        return block

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
