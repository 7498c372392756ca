"""Rows of one request into a table: check each, put the good ones in, say what is wrong with the others."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any

from tableferry import ledger
from tableferry.catalog import describe
from tableferry.csvfile import BOM, lines_of, records
from tableferry.database import Connection, Database
from tableferry.errors import IdempotencyMismatch, InvalidRequest, Problem, TooManyRows
from tableferry.options import OnDuplicate, Options
from tableferry.reading import begin
from tableferry.rules import Row, Rules
from tableferry.tables import Table
from tableferry.values import dump
from tableferry.writer import Counts, Rows, again_on_deadlock, insert_rows

MOST_ROWS = 1000
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD]")  # one half of a character without the other can be written so


@dataclass(frozen=True, slots=True)
class Inserted:
    """What became of a batch: ``read = inserted + updated + rejected + duplicates``; ``replayed`` if it was so before."""

    table: str
    read: int
    inserted: int
    updated: int
    rejected: int
    duplicates: int
    errors: tuple[Problem, ...]
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows of a request as they came: CSV, or what JSON holds; ``body`` is what an Idempotency-Key is held to."""

    body: bytes
    csv: bool


def insert(
    database: Database,
    name: str,
    batch: Batch,
    on_duplicate: OnDuplicate = OnDuplicate.REJECT,
    idempotency_key: str | None = None,
) -> Inserted:
    """Put 1 to 1000 rows into a table, in one transaction.

    With an ``idempotency_key`` the same request sent again changes nothing and gets the first answer.

    Raises:
        TableNotFound, InvalidRequest, TooManyRows: nothing was written.
        IdempotencyMismatch: the key was used for another request.
    """
    with database.connect() as connection:
        table = describe(connection, database, name)
        rules, good, bad = _checked(table, batch)
        if idempotency_key is None:
            return again_on_deadlock(connection, lambda: _write(connection, rules, good, bad, on_duplicate))
        ledger.prepare(connection)
        entry = "request/" + hashlib.sha256(idempotency_key.encode()).hexdigest()
        request = (name, on_duplicate.value, "csv" if batch.csv else "json")
        fingerprint = hashlib.sha256("\0".join(request).encode() + b"\0" + batch.body).hexdigest()

        def once() -> Inserted:
            if not ledger.write(connection, entry, 0, None):
                return _replayed(ledger.read(connection, entry, 0), fingerprint)
            done = _write(connection, rules, good, bad, on_duplicate)
            ledger.update(connection, entry, 0, {"fingerprint": fingerprint, "answer": asdict(done)})
            return done

        return again_on_deadlock(connection, once)


def _checked(table: Table, batch: Batch) -> tuple[Rules, list[Row], list[Problem]]:
    return _csv_rows(table, batch.body) if batch.csv else _json_rows(table, batch.body)


def _csv_rows(table: Table, body: bytes) -> tuple[Rules, list[Row], list[Problem]]:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest("The body is not UTF-8.") from error
    if not body.removeprefix(BOM).strip(b"\r\n"):
        raise InvalidRequest("There are no rows in the body.")
    reading, start = begin(table, Options(), body)
    good: list[Row] = []
    bad: list[Problem] = []
    read = 0
    lines = lines_of(body[start.offset :], start.line, start.offset)
    for read, record in enumerate(records(lines, reading.dialect), 1):  # the last one counts
        _not_too_many(read)
        row, problems = reading.checked(record)
        good += [row._replace(number=read)] if row else []
        bad += [replace(problem, row=read) for problem in problems]
    if not read:
        raise InvalidRequest("There are no rows in the body.")
    return reading.rules, good, bad


def _json_rows(table: Table, body: bytes) -> tuple[Rules, list[Row], list[Problem]]:
    rules = Rules(table)
    good: list[Row] = []
    bad: list[Problem] = []
    for number, given in enumerate(_rows_in(body), 1):
        if isinstance(given, Mapping):
            row, problems = rules.of_object(number, given)
        elif isinstance(given, list):
            row, problems = rules.of_fields(number, given)
        else:
            raise InvalidRequest(f"Row {number} is neither an object nor an array.")
        good += [row] if row else []
        bad += problems
    return rules, good, bad


def _rows_in(body: bytes) -> Sequence[Any]:
    try:
        parsed = json.loads(body.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_refuse)
        if _ESCAPED_SURROGATE.search(body):
            dump(parsed).encode()
    except (ValueError, ArithmeticError, RecursionError) as error:  # broken, or with what no text or number can be
        where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise InvalidRequest(f"The body is not JSON in UTF-8{where}.") from error
    given = parsed.get("rows") if isinstance(parsed, dict) else parsed
    if not isinstance(given, list):
        raise InvalidRequest('Send a JSON array of rows, or {"rows": […]}.')
    if not given:
        raise InvalidRequest("There are no rows in the body.")
    _not_too_many(len(given))
    return given


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _not_too_many(count: int) -> None:
    if count > MOST_ROWS:
        raise TooManyRows(
            f"A request carries at most {MOST_ROWS} rows; send several, or upload a file (POST /uploads)."
        )


def _write(
    connection: Connection, rules: Rules, good: Sequence[Row], bad: Sequence[Problem], on_duplicate: OnDuplicate
) -> Inserted:
    counts, refused = insert_rows(connection, rules.table, rules.columns, Rows(good), on_duplicate)
    counts.add(Counts(rejected=len({problem.row for problem in bad})))
    return Inserted(
        table=rules.table.name,
        read=counts.read,
        inserted=counts.inserted,
        updated=counts.updated,
        rejected=counts.rejected,
        duplicates=counts.duplicates,
        errors=tuple(sorted([*bad, *refused], key=lambda problem: problem.row)),
    )


def _replayed(known: Mapping[str, Any], fingerprint: str) -> Inserted:
    if known["fingerprint"] != fingerprint:
        raise IdempotencyMismatch("This Idempotency-Key was used for another request; take a new one.")
    answer = dict(known["answer"])
    errors = tuple(Problem(**problem) for problem in answer.pop("errors"))
    return Inserted(**answer | {"errors": errors, "replayed": True})
