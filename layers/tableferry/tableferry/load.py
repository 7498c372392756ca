"""A file in the bucket into a table, block by block, each block once however often it is tried."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import IO, Any

from tableferry import account as accounts
from tableferry import ledger
from tableferry.account import Account
from tableferry.catalog import Column, Table, describe
from tableferry.csvfile import Record, records
from tableferry.database import Connection, Database, rows, transaction
from tableferry.decompress import decompressed
from tableferry.errors import InvalidRequest, Problem, TableferryError, Unaccounted
from tableferry.header import header_of
from tableferry.rules import Row, Rules
from tableferry.store import Object, Store
from tableferry.writer import Counts, OnDuplicate, again_on_deadlock, insert_rows

_BLOCK_BYTES = 2 * 1024 * 1024
_BLOCK_RECORDS = 20_000
_FINAL = -1
_SAVED_EVERY_SECONDS = 2.0
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(slots=True)
class Block:
    """Some records of the file in order: the good rows among them, and the rest with what is wrong."""

    number: int
    read: int = 0
    size: int = 0
    good: list[Row] = field(default_factory=list)
    records: dict[int, Record] = field(default_factory=dict)
    problems: dict[int, list[Problem]] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        return self.size >= _BLOCK_BYTES or self.read >= _BLOCK_RECORDS

    def add(self, rules: Rules, record: Record) -> None:
        """Check a record and take it in."""
        row, problems = _checked(rules, record)
        self.read += 1
        self.size += len(record.raw)
        self.records[record.line] = record  # a row that is good may yet be refused by the database
        if row is None:
            self.problems[record.line] = problems
        else:
            self.good.append(row)


def load(database: Database, store: Store, uploaded: Object, table_name: str, on_duplicate: OnDuplicate) -> Account:
    """Put a CSV file's good rows into a table; the others go to the rejects, and the account says how many of each.

    Blocks are committed one by one, each with its entry in the ledger: a load that died goes on after its last block,
    and a file that was loaded is not loaded again. What can never be loaded ends in an account that is failed. Memory:
    a block of 2 MiB as Python's objects, about 30 MiB.

    Raises:
        DatabaseUnavailable, StoreUnavailable, Conflict: worth another try; the account says failed until then.
    """
    begun = Account(
        id=accounts.load_id(store.bucket, uploaded), table=table_name, key=uploaded.key, started=datetime.now(UTC)
    )
    try:
        with database.connect() as connection:
            return _load(connection, database.name, store, uploaded, begun, on_duplicate)
    except TableferryError as error:
        failed = accounts.save(store, _failed(begun, error))
        if error.transient:
            raise
        return failed


def _load(
    connection: Connection, schema: str, store: Store, uploaded: Object, begun: Account, on_duplicate: OnDuplicate
) -> Account:
    ledger.prepare(connection)
    entry = f"load/{begun.id}"
    [(alone,)] = rows(connection, "SELECT GET_LOCK(%s, 0)", (f"tableferry/{begun.id}",))
    if not alone:  # another delivery of the same event is at it
        return begun
    if known := ledger.read(connection, entry, _FINAL):
        return accounts.save(store, Account.model_validate(known))
    table = describe(connection, schema, begun.table)
    accounts.save(store, begun)
    done = set(ledger.parts(connection, entry))
    failure: InvalidRequest | None = None
    progress = _Progress(store, begun)
    with ThreadPoolExecutor(1) as pool:  # one block is written while the next is read and checked
        pending: Future[Counts] | None = None
        try:
            pieces = decompressed(store.stream(uploaded.key, uploaded.version))
            for rules, block in _blocks(table, records(_sniffed(pieces))):
                progress.add(pending)
                if block.number in done:
                    pending = None
                    progress.counts.add(Counts(**ledger.read(connection, entry, block.number)["counts"]))
                else:
                    write = _Write(connection, rules, block, entry, on_duplicate)
                    pending = pool.submit(again_on_deadlock, connection, write)
        except InvalidRequest as error:
            failure = error
        progress.add(pending)
    return _finish(connection, store, begun, entry, failure)


class _Progress:
    """The counts so far, in the account every few seconds."""

    def __init__(self, store: Store, begun: Account) -> None:
        self.counts = Counts()
        self._store = store
        self._begun = begun
        self._saved = time.monotonic()

    def add(self, pending: Future[Counts] | None) -> None:
        """Wait for the block under way; raises what stopped it."""
        if pending is not None:
            self.counts.add(pending.result())
        if time.monotonic() - self._saved > _SAVED_EVERY_SECONDS:
            so_far = {**asdict(self.counts), "read": self.counts.read}
            accounts.save(self._store, self._begun.model_copy(update=so_far))
            self._saved = time.monotonic()


def _blocks(table: Table, found: Iterator[Record]) -> Iterator[tuple[Rules, Block]]:
    """The file's records, checked, a block at a time; the same blocks whenever the same file is read."""
    first = next(found, None)
    if first is None:
        raise InvalidRequest("The file is empty.")
    rules = Rules(table)
    block = Block(number=0)
    if columns := _header(table, first):
        rules = Rules(table, columns)
    else:
        block.add(rules, first)
    for record in found:
        if block.full:
            yield rules, block
            block = Block(number=block.number + 1)
        block.add(rules, record)
    yield rules, block


def _header(table: Table, first: Record) -> tuple[Column, ...] | None:
    try:
        return None if first.malformed else header_of(table, first.fields())
    except UnicodeDecodeError:
        return None


def _checked(rules: Rules, record: Record) -> tuple[Row | None, list[Problem]]:
    if record.malformed:
        message = "a quote is not closed, or stands inside a field that is not quoted"
        return None, [Problem(record.line, "", "malformed", message)]
    try:
        return rules.of_fields(record.line, record.fields())
    except UnicodeDecodeError as error:
        message = f"byte {error.start + 1} of the record is not UTF-8"
        return None, [Problem(record.line, "", "encoding", message)]


def _sniffed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes, if they may be CSV at all: a file of another kind is refused whole, not line by line."""
    for number, piece in enumerate(pieces):
        if number == 0 and piece.startswith(_UTF16):
            raise InvalidRequest("The file is UTF-16; save it as UTF-8.")
        if number == 0 and b"\0" in piece:
            raise InvalidRequest("The file is not CSV: it holds bytes that no text has.")
        yield piece


@dataclass(frozen=True, slots=True)
class _Write:
    """One block into the table, with its entry in the ledger, inside the transaction that is open."""

    connection: Connection
    rules: Rules
    block: Block
    entry: str
    on_duplicate: OnDuplicate

    def __call__(self) -> Counts:
        counts, refused = insert_rows(
            self.connection, self.rules.table, self.rules.columns, self.block.good, self.on_duplicate
        )
        problems = dict(self.block.problems)
        for problem in refused:
            problems[problem.row] = [problem]
        counts.add(Counts(rejected=len(self.block.problems)))
        if counts.read != self.block.read:
            raise Unaccounted(f"Of {self.block.read} rows {counts.read} are accounted for; the block was rolled back.")
        rejects = [
            {
                "line": line,
                "text": self.block.records[line].text,
                "errors": [{"column": bad.column, "code": bad.code, "message": bad.message} for bad in problems[line]],
            }
            for line in sorted(problems)
        ]
        ledger.write(self.connection, self.entry, self.block.number, {"counts": asdict(counts), "rejects": rejects})
        return counts


def _finish(
    connection: Connection, store: Store, begun: Account, entry: str, failure: InvalidRequest | None
) -> Account:
    """Put the rejects together, and close the ledger's account and the bucket's."""
    parts = ledger.parts(connection, entry)
    total = Counts()
    with tempfile.TemporaryFile() as file:
        for part in parts:
            content = ledger.read(connection, entry, part)
            total.add(Counts(**content["counts"]))
            _append(file, content["rejects"])
        rejects = accounts.rejects_key(begun) if file.tell() else None
        if rejects:
            file.seek(0)
            store.put_file(rejects, file, "application/x-ndjson")
    finished = begun.model_copy(
        update={
            **asdict(total),
            "read": total.read,
            "rejects": rejects,
            "state": "failed" if failure else "done",
            "finished": datetime.now(UTC),
            "error": _error(failure) if failure else None,
        }
    )
    with transaction(connection):
        ledger.write(connection, entry, _FINAL, finished.model_dump(mode="json"))
        ledger.delete(connection, entry, parts)
    return accounts.save(store, finished)


def _append(file: IO[bytes], rejects: Sequence[dict[str, Any]]) -> None:
    for reject in rejects:
        file.write(json.dumps(reject, ensure_ascii=False).encode() + b"\n")


def _failed(begun: Account, error: TableferryError) -> Account:
    return begun.model_copy(update={"state": "failed", "finished": datetime.now(UTC), "error": _error(error)})


def _error(error: TableferryError) -> dict[str, str]:
    return {"type": error.name, "detail": str(error)}
