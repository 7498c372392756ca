"""Rejected records as data, one JSON object a line, and back again when somebody has corrected them.

``{"line": 7, "offset": 311, "text": "…", "errors": [{"column": …, "code": …, "message": …}]}``: the line in the file
from 1, the offset of the record's first byte in the (decompressed) file, and the record as it came, without its line
end; bytes that are no UTF-8 show as U+FFFD, and of a record over 256 KiB only the beginning is there, with its
``length``. Where the file had a header or a dialect of its own, that stands there too. Format:
https://github.com/ndjson/ndjson-spec
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypedDict, cast

from tableferry.errors import Problem
from tableferry.ingest.files.csv_records import Line, Record, lines_of, records
from tableferry.ingest.files.dialect import Dialect, Fault

_REPLACEMENT = "\ufffd"
_LONGEST_TEXT = 256 * 1024
_ALWAYS = {"line": int, "offset": int, "text": str, "errors": list}
_ENCODER = json.JSONEncoder(ensure_ascii=False)


class Described(TypedDict, total=False):
    """How the file was read, as far as it is not as usual."""

    columns: list[str]
    delimiter: str
    null: str
    binary: str
    header: str
    escape: str
    quote: str
    returns: bool


class Reject(NamedTuple):
    """A record that is not in the table, by the line it begins on: the first thing that is wrong, and all as written."""

    line: int
    first: Problem
    written: bytes


def reject_of(record: Record, problems: Sequence[Problem], described: Described) -> Reject:
    """A reject, with its line (and LF) in the file of rejects."""
    line, offset, raw, _ = record
    found: dict[str, Any] = {"line": line, "offset": offset, "text": raw[:_LONGEST_TEXT].decode("utf-8", "replace")}
    if len(raw) > _LONGEST_TEXT:
        found["length"] = len(raw)
    found["errors"] = [{"column": bad.column, "code": bad.code, "message": bad.message} for bad in problems]
    written = _ENCODER.encode(found | described).encode() + b"\n"
    return Reject(line, problems[0], written)


def parsed(line: bytes) -> dict[str, Any] | None:
    """What a line of a file of rejects holds; None if it is none, as one of JSON Lines that happen to have a ``text``."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not all(isinstance(found.get(key), kind) for key, kind in _ALWAYS.items()):
        return None
    return found


def described_in(reject: Mapping[str, Any] | None) -> Described:
    """What a reject says of the file that it came from."""
    return cast("Described", {key: reject[key] for key in Described.__annotations__ if key in reject} if reject else {})


def record_of(line: Line, reject: Mapping[str, Any] | None, dialect: Dialect) -> Record:
    """The record that a line of such a file holds, or why it holds none."""
    if reject is None:
        message = (
            "expected a line of a rejects file: a JSON object with `line`, `offset`, the record as `text`, and `errors`"
        )
        return Record(line.number, line.offset, line.raw, Fault("malformed", message))
    text: str = reject["text"]
    raw = text.encode("utf-8", "surrogatepass")
    found = list(records(lines_of(raw, line.number, line.offset or 1), dialect))
    fault: Fault | None = None
    if "length" in reject:
        fault = Fault("malformed", "only the beginning of the record is in `text`")
    elif _REPLACEMENT in text and "encoding" in json.dumps(reject.get("errors")):
        fault = Fault("encoding", f"there is {_REPLACEMENT} still in the place of bytes that are not UTF-8")
    elif len(found) != 1:
        fault = Fault("malformed", "there is not one record in `text`")
    return Record(line.number, line.offset, raw, fault or found[0].fault)
