"""Rows of one request into a table: check each, put the good ones in, say what is wrong with the others."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from typing import Any

from tableferry.config.load_options import Binary, OnDuplicate, Options
from tableferry.errors import Conflict, IdempotencyMismatch, InvalidRequest, Problem, TooManyRows
from tableferry.ingest.files.csv_records import is_blank, lines_of, records
from tableferry.ingest.files.file_format import begin
from tableferry.ingest.rows.problem_sample import shortlist
from tableferry.ingest.rows.rules import Row, Rules
from tableferry.ingest.rows.values import dump
from tableferry.ingest.write.batch import Rows
from tableferry.ingest.write.insertion import Counts
from tableferry.ingest.write.writer import insert_rows
from tableferry.ledger import epoch, ledger
from tableferry.mysql.database import Connection, Database
from tableferry.mysql.retry import retry_transaction
from tableferry.schema.catalog import describe
from tableferry.schema.table import Table

MOST_ROWS = 1000
_USUAL = Options()
_EXPIRED_AT_ONCE = 20
_SHOWN = 10
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD]")  # one half of a character without the other can be written so


@dataclass(frozen=True, slots=True)
class Inserted:
    """What became of a batch: ``read = inserted + updated + rejected + duplicates``; ``replayed`` if it was so before.

    ``errors`` are as many as an answer carries, and ``more_errors`` how many there are besides.
    """

    table: str
    read: int
    inserted: int
    updated: int
    rejected: int
    duplicates: int
    errors: tuple[Problem, ...]
    replayed: bool = False
    more_errors: int = 0


@dataclass(frozen=True, slots=True)
class SentRows:
    """The rows of a request as they came: CSV, or what JSON holds; ``said`` are the options that the request names.

    All of it is what an Idempotency-Key is held to; not so the table's settings, which may change before it comes again.
    """

    body: bytes
    csv: bool
    said: Mapping[str, str | None] = field(default_factory=dict)

    def fingerprint(self, table: str) -> str:
        said = (f"{name}={value}" for name, value in sorted(self.said.items()) if value is not None)
        request = (table, *said, "csv" if self.csv else "json")
        return hashlib.sha256("\0".join(request).encode() + b"\0" + self.body).hexdigest()


def insert(
    database: Database,
    name: str,
    batch: SentRows,
    options: Options = _USUAL,
    idempotency_key: str | None = None,
    ledger_days: int = 0,
) -> Inserted:
    """Put 1 to 1000 rows into a table, in one transaction.

    With an ``idempotency_key`` the same request sent again changes nothing and gets the first answer, until its entry in
    the ledger is ``ledger_days`` old; with 0, for ever. After a restore to before it, its rows are put in again.

    Raises:
        TableNotFound, InvalidRequest, TooManyRows: nothing was written.
        IdempotencyMismatch: the key was used for another request.
        BeingReplaced: a restore was exchanging the table all the while; nothing was written.
    """
    with database.connect() as connection:
        table = describe(connection, database, name)
        rules, good, bad = _checked(table, batch, options)
        if idempotency_key is None:
            return retry_transaction(connection, lambda: _write(connection, rules, good, bad, options.on_duplicate))
        ledger.prepare(connection)
        epoch.begin(connection, table.name)
        known_as = "request/" + hashlib.sha256(idempotency_key.encode()).hexdigest()
        fingerprint = batch.fingerprint(name)

        def once() -> Inserted:
            of = epoch.hold(connection, table.name)
            entry = epoch.entry(known_as, table.name, of)
            if not ledger.write(connection, entry, 0, None):
                return _replayed(ledger.read(connection, entry, 0), fingerprint)
            _refuse_unknown(connection, table.name, of, known_as)
            done = _write(connection, rules, good, bad, options.on_duplicate)
            ledger.update(connection, entry, 0, {"fingerprint": fingerprint, "answer": asdict(done)})
            return done

        done = epoch.unless_replaced(connection, database.name, table.name, lambda: retry_transaction(connection, once))
        ledger.expire(connection, ledger_days, _EXPIRED_AT_ONCE)
        return done


def _refuse_unknown(connection: Connection, table: str, of: str, known_as: str) -> None:
    """Raise Conflict if it was answered before a restore, of a backup that does not say whether it has its rows."""
    source = epoch.source(connection, table, of)
    if source is None or not source.silent:
        return
    if any(source.may_have(written) for written in ledger.written_by_any(connection, known_as)):
        raise Conflict(
            f"A request with this Idempotency-Key was answered before backup {source.backup} was restored, and the backup does "
            f"not say whether it has its rows: it was made by an earlier version. Nothing was written. Look into table "
            f"{table!r}; to put them in, send them with another Idempotency-Key."
        )


def _checked(table: Table, batch: SentRows, options: Options) -> tuple[Rules, list[Row], list[Problem]]:
    return _csv_rows(table, batch.body, options) if batch.csv else _json_rows(table, batch.body, options.binary)


def _csv_rows(table: Table, body: bytes, options: Options) -> tuple[Rules, list[Row], list[Problem]]:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest("The body is not UTF-8.") from error
    if is_blank(body):
        raise InvalidRequest("There are no rows in the body.")
    reading, start = begin(table, options, body)
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


def _json_rows(table: Table, body: bytes, binary: Binary) -> tuple[Rules, list[Row], list[Problem]]:
    rules = Rules(table, table.stored, binary)
    good: list[Row] = []
    bad: list[Problem] = []
    for number, given in enumerate(_rows_in(body), 1):
        if isinstance(given, Mapping):
            row, problems = rules.of_object(number, given)
        elif isinstance(given, list):
            row, problems = rules.of_array(number, given)
        else:
            raise InvalidRequest(f"Row {number} is neither an object nor an array.")
        good += [row] if row else []
        bad += problems
    return rules, good, bad


def _rows_in(body: bytes) -> Sequence[Any]:
    try:
        parsed = json.loads(
            body.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_refuse, object_pairs_hook=_once
        )
        if _ESCAPED_SURROGATE.search(body):
            dump(parsed).encode()
    except (ValueError, ArithmeticError, RecursionError) as error:  # broken, or with what no text or number can be
        where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise InvalidRequest(f"The body is not JSON in UTF-8{where}.") from error
    given = parsed.get("rows") if isinstance(parsed, dict) else parsed
    if not isinstance(given, list):
        raise InvalidRequest('Send a JSON array of rows, or {"rows": […]}.')
    if isinstance(parsed, dict) and (beside := [name for name in parsed if name != "rows"]):
        names = ", ".join(repr(name[:64]) for name in beside[:_SHOWN])
        raise InvalidRequest(
            f'Beside "rows" the body has {names}, where nothing is read. What is said of the rows goes into the query, as '
            "?on_duplicate=update; leave out the rest."
        )
    if not given:
        raise InvalidRequest("There are no rows in the body.")
    _not_too_many(len(given))
    return given


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; a parser that took the last of two values with one name would lose the other."""
    found = dict(pairs)
    if len(found) != len(pairs):
        name = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise InvalidRequest(f"An object in the body names {name!r} twice.")
    return found


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
    errors, more = shortlist([*bad, *refused])
    return Inserted(
        table=rules.table.name,
        read=counts.read,
        inserted=counts.inserted,
        updated=counts.updated,
        rejected=counts.rejected,
        duplicates=counts.duplicates,
        errors=errors,
        more_errors=more,
    )


def _replayed(known: Mapping[str, Any], fingerprint: str) -> Inserted:
    if known["fingerprint"] != fingerprint:
        raise IdempotencyMismatch("This Idempotency-Key was used for another request; take a new one.")
    answer = dict(known["answer"])
    errors = tuple(Problem(**problem) for problem in answer.pop("errors"))
    return Inserted(**answer | {"errors": errors, "replayed": True})
