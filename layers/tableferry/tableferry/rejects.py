"""Rejected records as data, one JSON object a line, and back again when somebody has corrected them.

``{"line": 7, "offset": 311, "text": "…", "errors": [{"column": …, "code": …, "message": …}]}``: the line in the file from
1, the offset of the record's first byte in the (decompressed) file, and the record as it came, without its line end; bytes
that are no UTF-8 show as U+FFFD, and of a record over 256 KiB only the beginning is there, with its ``length``. Where the file had a header or a dialect of its own, that stands there too. Format:
https://github.com/ndjson/ndjson-spec
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple, TypedDict

from tableferry.csvfile import STRAY_QUOTE, Dialect, Fault, Line, Record, lines_of, records
from tableferry.errors import Problem

_REPLACEMENT = "\ufffd"
_LONGEST_TEXT = 256 * 1024


class Described(TypedDict, total=False):
    """How the file was read, as far as it is not as usual."""

    columns: list[str]
    delimiter: str
    null: str
    binary: str


class Reject(NamedTuple):
    """A record that is not in the table, and why."""

    record: Record
    problems: Sequence[Problem]


def line_of(reject: Reject, described: Described) -> bytes:
    """The line of a reject, with its LF."""
    line, offset, raw, _ = reject.record
    found: dict[str, Any] = {"line": line, "offset": offset, "text": raw[:_LONGEST_TEXT].decode("utf-8", "replace")}
    if len(raw) > _LONGEST_TEXT:
        found["length"] = len(raw)
    found["errors"] = [{"column": bad.column, "code": bad.code, "message": bad.message} for bad in reject.problems]
    return json.dumps(found | described, ensure_ascii=False).encode() + b"\n"


def described(head: bytes) -> Described:
    """What the first line of a file of rejects says of the file that they came from; nothing if it is none."""
    found = _parsed(head.lstrip().partition(b"\n")[0]) or {}
    known: Described = {}
    columns = found.get("columns")
    if isinstance(columns, list) and all(isinstance(name, str) for name in columns):
        known["columns"] = columns
    if isinstance(delimiter := found.get("delimiter"), str):
        known["delimiter"] = delimiter
    if isinstance(null := found.get("null"), str):
        known["null"] = null
    if isinstance(binary := found.get("binary"), str):
        known["binary"] = binary
    return known


def record_of(line: Line, dialect: Dialect, like: Described) -> Record:
    """The record that a line of such a file holds; one that says otherwise of its file than ``like`` is at fault."""

    def faulty(message: str, code: str = "malformed") -> Record:
        return Record(line.number, line.offset, line.raw, Fault(code, message))

    reject = _parsed(line.raw)
    text = None if reject is None else reject.get("text")
    if reject is None or not isinstance(text, str):
        return faulty("expected a line of a rejects file: a JSON object with the record as `text`")
    if {key: reject[key] for key in Described.__annotations__ if key in reject} != like:
        return faulty("the record is of another kind of file than the first one: upload them apart")
    if "length" in reject:
        return faulty("only the beginning of the record is in `text`")
    if _REPLACEMENT in text and "encoding" in json.dumps(reject.get("errors")):
        return faulty(f"there is {_REPLACEMENT} still in the place of bytes that are not UTF-8", "encoding")
    raw = text.encode("utf-8", "surrogatepass")
    found = list(records(lines_of(raw, line.number, line.offset or 1), dialect))
    if len(found) != 1 or found[0].fault:
        return faulty(STRAY_QUOTE.message if found else "there is no record in `text`")
    return Record(line.number, line.offset, raw)


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
