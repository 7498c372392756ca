"""What MiniStack holds in its memory of S3 and of queues, under the names that `local.runtime.s3_files` has for it.

In MiniStack's environment, and for its one version that `local.runtime.s3_kept` names.
"""

import json

from ministack.core.persistence import _json_object_hook
from ministack.services import s3, sqs

from local.runtime.s3_files import Body, Json, Key

UNVERSIONED = ""  # the id of an object without versions, in the files
MARKS = {
    "tags": s3._object_tags,
    "acl": s3._object_acl,
    "annotations": s3._object_annotations,
    "retention": s3._object_retention,
    "legal_hold": s3._object_legal_hold,
}


def restore_bucket(account: str, name: str, config: Json) -> None:
    """Make a bucket as it was, without its objects."""
    config = json.loads(json.dumps(config), object_hook=_json_object_hook)
    s3._buckets._data[account, name] = {**config.pop("meta"), "objects": {}}
    for kind, value in config.items():
        s3._PERSISTED_BUCKET_DICTS[kind]._data[account, name] = value


def restore_current(account: str, bucket: str, key: str, versions: list[Json]) -> None:
    """Make the newest version of a key what the key stands for, unless that is a mark that it was deleted."""
    for record in versions:
        record["is_latest"] = record is versions[-1]
    current: Json = {}
    for record in versions:
        current = record.pop("current", {})
    if not versions[-1].get("is_delete_marker"):
        objects = s3._buckets._data[account, bucket]["objects"]
        objects[key] = {**s3._object_record_from_version(versions[-1]), **current}


def restore_queue(name: str, config: Json, messages: list[Json]) -> None:
    """Make a queue, with the URL of this start; what had been received and not deleted can be received again."""
    account, region, plain = json.loads(name)
    url = sqs._queue_url_for_account(account, plain)
    queue = {**json.loads(json.dumps(config)), "url": url, "messages": messages, "dedup_cache": {}}
    sqs._queues._data[account, region, url] = queue


def current_of(key: Key) -> Json | None:
    """The object that a key stands for, if it stands for one."""
    found: Json | None = s3._buckets._data.get((key.account, key.bucket), {"objects": {}})["objects"].get(key.key)
    return found


def parts_of(query: Json) -> list[Json]:
    """The parts of the upload that a request speaks of."""
    upload = s3._multipart_uploads.get(s3._qp(query, "uploadId"))
    return list(upload["parts"].values()) if upload else []


def sign(record: Json, body: Body | None) -> tuple[str | None, str]:
    """What tells a version from another that had the same id (as `null` can) before it."""
    return body.path.name if body else None, record["last_modified"]


def marked(version: str) -> str | None:
    """A version's id as the emulator has it where tags and the like are looked up."""
    return None if version in {UNVERSIONED, "null"} else version


def queue_id(scope: tuple[str, str, str], queue: Json) -> str:
    """A queue's name that lasts: its URL has the port."""
    return json.dumps([scope[0], scope[1], queue["name"]])
