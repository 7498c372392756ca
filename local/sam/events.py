"""The files of events/ with what is really there put in place of their examples."""

import hashlib
import json
import re
from typing import Any, cast

from local.runtime.state import ROOT

Json = dict[str, Any]

FOLDER = ROOT / "events"
_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}|[0-9a-f]{32}")  # of a backup, restore or job, or of a load, in a key


def names() -> list[str]:
    """The names of all events."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def load(name: str) -> Json:
    """An event as its file has it."""
    return cast("Json", json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")))


def key(event: Json) -> str:
    """The key of the object that an event tells of, encoded like a form as S3 does it."""
    record = event["Records"][0]
    if "body" in record:
        return key(json.loads(record["body"]))
    return cast("str", record["s3"]["object"]["key"])


def example_id(event: Json) -> str | None:
    """The id that an event names, in its path or in the key of an object; None if it names none."""
    if "Records" in event:
        found = _ID.search(key(event))
        return found[0] if found else None
    given: str | None = event.get("pathParameters", {}).get("id")
    return given


def filled(event: Json, bucket: str, identity: str | None = None) -> Json:
    """The event with this bucket, and with this id wherever it names its example.

    Raises ValueError: an id is given and the event has no place for one, or the other way round.
    """
    example = example_id(event)
    if (example is None) != (identity is None):
        raise ValueError(f"the event names {example or 'no id'}, and what is to stand there is {identity or 'no id'}")
    if example and identity:
        event = _replaced(event, example, identity)
    if "Records" in event:
        event = {**event, "Records": [_in_bucket(record, bucket) for record in event["Records"]]}
    return event


def _in_bucket(record: Json, bucket: str) -> Json:
    if "body" in record:  # a message's: S3's event is in there
        told = json.loads(record["body"])
        told["Records"] = [_in_bucket(one, bucket) for one in told["Records"]]
        body = json.dumps(told, separators=(",", ":"))
        return {**record, "body": body, "md5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()}
    named = {**record["s3"]["bucket"], "name": bucket, "arn": f"arn:aws:s3:::{bucket}"}
    return {**record, "s3": {**record["s3"], "bucket": named}}


def _replaced(value: Any, example: str, real: str) -> Any:
    """A copy of a JSON value with one text in place of another in every string."""
    match value:
        case str():
            return value.replace(example, real)
        case dict():
            return {key: _replaced(item, example, real) for key, item in value.items()}
        case list():
            return [_replaced(item, example, real) for item in value]
        case _:
            return value
