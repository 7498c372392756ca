"""Hunts: any file into a table of text, any JSON into a table of every type."""

import contextlib
import io
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from functions.insert.app import handler
from tableferry.ingest.rows.values import dump
from tests.effort import effort
from tests.support import oracle
from tests.support.lambdas import counts, request
from tests.support.parts import Database
from tests.support.uploads import Uploads

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Fields = list[str | None]
hunt = settings(max_examples=effort(20, 50), suppress_health_check=[HealthCheck.function_scoped_fixture])
signs = st.sampled_from(
    ['"', '""', ",", "\n", "\r\n", "\r", "a", "é", "☃", "😀", "\\", "NULL", "'", " ", "\ufeff", "\t", ";"]
)
words = st.lists(signs, max_size=5).map("".join) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6
)
ends = st.sampled_from(["\n", "\r\n"])


def fields_of(record: str) -> Fields | None:
    """The fields of a record, read sign by sign; None if its quotes are not as they should be."""
    fields: Fields = []
    at = 0
    while True:
        if record[at : at + 1] == '"':
            text = io.StringIO()
            at += 1
            while record[at : at + 1] != '"' or record[at : at + 2] == '""':
                if at >= len(record):
                    return None
                text.write(record[at])
                at += 2 if record[at] == '"' else 1
            fields.append(text.getvalue())
            at += 1
            if record[at : at + 1] not in ("", ","):
                return None
        else:
            end = record.find(",", at) if "," in record[at:] else len(record)
            if '"' in record[at:end]:
                return None
            fields.append(record[at:end] or None)
            at = end
        if at >= len(record):
            return fields
        at += 1


def expected(file: str) -> tuple[list[Fields], list[tuple[int, str]]]:
    """The rows of three fields, and line and text of the rejects, by the rules that the documentation gives."""
    lines = file.removeprefix("\ufeff").split("\n")
    good: list[Fields] = []
    rejects: list[tuple[int, str]] = []
    at = 0
    while at < len(lines):
        for end in range(at + 1, len(lines) + 1):
            record = "\n".join(lines[at:end]).removesuffix("\r")
            fields = fields_of(record)
            if fields is not None:
                break
        else:
            end, record = at + 1, lines[at].removesuffix("\r")
        if record and fields is not None and len(fields) == 3:
            good.append(fields)
        elif record:
            rejects.append((at + 1, record))
        at = end
    return good, rejects


def written(rows: list[Fields], line_ends: list[str]) -> str:
    return "".join(
        ",".join("" if field is None else '"' + field.replace('"', '""') + '"' for field in row) + end
        for row, end in zip(rows, line_ends, strict=False)
    )


files = st.tuples(
    st.lists(st.lists(words | st.none(), min_size=2, max_size=4), max_size=6), st.lists(ends, min_size=6, max_size=6)
).map(lambda made: written(*made))
junk = st.lists(signs, max_size=40).map("".join)


def in_order(rows: Any) -> list[Any]:
    return sorted((tuple(row) for row in rows), key=repr)


@hunt
@given(file=files | junk | st.tuples(files, junk, files).map("".join))
@example(file="\r\r\n")
def test_what_is_in_the_table_and_the_rejects_are_the_file(
    database: Database, s3_client: "S3Client", bucket: str, file: str
) -> None:
    database.run(
        "CREATE TABLE IF NOT EXISTS t (x LONGTEXT, y LONGTEXT, z LONGTEXT) CHARACTER SET utf8mb4", "DELETE FROM t"
    )
    uploads = Uploads(s3_client, bucket)
    good, rejects = expected(file)
    status = uploads.load(file.encode(), Metadata={"delimiter": ","})
    assert status["state"] == ("done" if good else "rejected" if rejects else "failed")
    assert counts(status) == (len(good) + len(rejects), len(good), 0, len(rejects), 0)
    assert in_order(database.rows("SELECT x, y, z FROM t")) == in_order(good)
    assert [(line, text) for line, text, _ in uploads.rejects(status)] == rejects


@hunt
@given(file=files | junk)
@example(file="\r\r\n")
def test_csv_of_a_request_is_read_as_a_file_is(database: Database, monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    monkeypatch.setenv("TABLE_SETTINGS", '{"*": {"delimiter": ","}}')
    database.run(
        "CREATE TABLE IF NOT EXISTS t (x LONGTEXT, y LONGTEXT, z LONGTEXT) CHARACTER SET utf8mb4", "DELETE FROM t"
    )
    good, rejects = expected(file)
    answer = request(handler, "POST", "/tables/t/rows", body=file.encode(), headers={"content-type": "text/csv"})
    if not good and not rejects:
        answer.problem(400)
        return
    assert counts(answer.json) == (len(good) + len(rejects), len(good), 0, len(rejects), 0)
    assert in_order(database.rows("SELECT x, y, z FROM t")) == in_order(good)


COLUMNS = {
    "tiny": "TINYINT UNSIGNED", "whole": "BIGINT", "big": "BIGINT UNSIGNED", "exact": "DECIMAL(30,8)", "real_": "DOUBLE",
    "day": "DATE", "moment": "DATETIME(6)", "clock": "TIME(2)", "year_": "YEAR", "bits": "BIT(64)", "pick": "ENUM('a','b')",
    "some": "SET('x','y')", "raw": "VARBINARY(8)", "doc": "JSON", "short": "VARCHAR(5)", "old": "VARCHAR(5) CHARACTER SET latin1",
    "three": "VARCHAR(5) CHARACTER SET utf8mb3", "long_": "TEXT",
}  # fmt: skip
READ = {"raw": "HEX(raw)", "bits": "bits + 0", "exact": "CAST(exact AS CHAR)"} | {
    name: f"CAST({name} AS CHAR)" for name in ("day", "moment", "clock")
}

numbers = (
    st.integers(-(2**70), 2**70)
    | st.integers(-3, 300)
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.floats(allow_nan=False, allow_infinity=False).map(lambda value: Decimal(repr(value)))
)
texts = (
    st.text(max_size=8)
    | numbers.map(str)
    | st.sampled_from(["a", "B", "x,y", "y", "00ff", "NULL", "é", "0"])
    | st.dates().map(str)
    | st.datetimes().map(lambda moment: moment.isoformat() + "Z")
    | st.times().map(str)
)
scalars = st.none() | st.booleans() | numbers | texts
values = scalars | st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=6
)  # fmt: skip


def same(name: str, sent: Any, found: Any) -> bool:
    """Whether what was read is what was sent, in the way of the column's type."""
    if sent is None or found is None:
        return sent is found
    if name in ("tiny", "whole", "big", "exact", "year_", "bits"):
        return Decimal(sent) == Decimal(found)
    if name == "day":
        return str(oracle.day(str(sent))) == str(found)
    if name == "real_":
        return float(sent) == float(found)
    if name in ("moment", "clock"):
        plain = str(sent).replace("T", " ").removesuffix("Z")
        return str(found).removesuffix("0").rstrip("0.") == plain.rstrip("0.") or str(found).startswith(plain)
    if name in ("pick", "some"):
        parts = sent if isinstance(sent, list) else str(sent).split(",")
        return {part.casefold() for part in parts if part} == {
            part.casefold() for part in str(found).split(",") if part
        }
    if name == "raw":
        return bytes.fromhex(str(sent).removeprefix("0x")) == bytes.fromhex(str(found))
    if name == "doc":
        wanted = sent if isinstance(sent, str) else dump(sent)
        return bool(json.loads(wanted, parse_float=Decimal) == json.loads(found, parse_float=Decimal))
    return bool(sent == found)


@settings(hunt, max_examples=effort(60, 120))
@given(rows=st.lists(st.dictionaries(st.sampled_from([*COLUMNS]), values, max_size=4), min_size=1, max_size=4))
def test_any_json_is_stored_as_it_was_sent_or_rejected(database: Database, rows: list[dict[str, Any]]) -> None:
    columns = ", ".join(f"`{name}` {kind}" for name, kind in COLUMNS.items())
    database.run(
        f"CREATE TABLE IF NOT EXISTS t (n INT PRIMARY KEY, {columns}) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        "DELETE FROM t",
    )
    answer = request(handler, "POST", "/tables/t/rows", body=dump([{"n": n, **row} for n, row in enumerate(rows, 1)]))
    assert answer.status in (201, 207, 422), answer.text
    read, inserted, *_ = counts(answer.json)
    refused = {error["row"] for error in answer.json["errors"]}
    assert (read, inserted) == (len(rows), len(rows) - len(refused))
    shown = ", ".join(READ.get(name, f"`{name}`") for name in COLUMNS)
    stored = {row[0]: dict(zip(COLUMNS, row[1:], strict=True)) for row in database.rows(f"SELECT n, {shown} FROM t")}
    assert set(stored) == set(range(1, len(rows) + 1)) - refused
    for number, found in stored.items():
        for name in COLUMNS:
            sent = rows[number - 1].get(name)
            assert same(name, sent, found[name]), (name, sent, found[name])


@hunt
@given(
    body=st.binary(max_size=60)
    | st.recursive(
        scalars, lambda i: st.lists(i, max_size=3) | st.dictionaries(st.sampled_from(["rows", "n", "x"]), i, max_size=3)
    ).map(lambda value: dump(value).encode("utf-8", "surrogatepass"))
)
def test_no_body_is_too_odd_for_an_answer(database: Database, body: bytes) -> None:
    with contextlib.suppress(Exception):
        database.run("CREATE TABLE t (n INT, x VARCHAR(5))")
    for media_type in ("application/json", "text/csv"):
        answer = request(handler, "POST", "/tables/t/rows", body=body, headers={"content-type": media_type})
        assert answer.status in (201, 207, 400, 415, 422), answer.text
