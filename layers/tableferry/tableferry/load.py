"""A file in the bucket into a table, block by block, each block once however often it is tried."""

from __future__ import annotations

import gc
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import IO, Any

from tableferry import account as accounts
from tableferry import ledger
from tableferry.account import Account
from tableferry.blocks import Block, blocks
from tableferry.catalog import describe
from tableferry.database import Connection, Database, rows, transaction
from tableferry.decompress import decompressed
from tableferry.errors import Conflict, InvalidRequest, TableferryError, Unaccounted
from tableferry.options import OnDuplicate
from tableferry.rules import Rules
from tableferry.settings import ledger_days
from tableferry.store import Object, Store
from tableferry.writer import Counts, Rows, again_on_deadlock, insert_rows

_FINAL = -1
_OBJECTS_BEFORE_COLLECTING = 500_000
_SAVED_EVERY_SECONDS = 2.0
_INTERNAL = {"type": "internal", "detail": "Something went wrong here; the log has the details."}


def load(database: Database, store: Store, uploaded: Object, table_name: str, on_duplicate: str) -> Account:
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
        with database.connect() as connection, _rarely_collecting():
            return _load(connection, database, store, uploaded, begun, _chosen(on_duplicate))
    except TableferryError as error:
        failed = accounts.save(store, _failed(begun, _error(error)))
        if error.transient or isinstance(error, Conflict):
            raise
        return failed
    except Exception:
        accounts.save(store, _failed(begun, _INTERNAL))
        raise


def _chosen(on_duplicate: str) -> OnDuplicate:
    try:
        return OnDuplicate(on_duplicate)
    except ValueError as error:
        raise InvalidRequest(
            f"The file's metadata on-duplicate is {on_duplicate!r}; it has to be {', '.join(OnDuplicate)}."
        ) from error


@contextmanager
def _rarely_collecting() -> Iterator[None]:
    """Let Python look for cyclic garbage rarely: in the many small objects of a block there is none to be found."""
    usual = gc.get_threshold()
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTING, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _load(
    connection: Connection,
    database: Database,
    store: Store,
    uploaded: Object,
    begun: Account,
    on_duplicate: OnDuplicate,
) -> Account:
    ledger.prepare(connection)
    entry = f"load/{begun.id}"
    [(alone,)] = rows(connection, "SELECT GET_LOCK(%s, 0)", (f"tableferry/{begun.id}",))
    if not alone:  # another delivery of the same event is at it
        return begun
    if known := ledger.read(connection, entry, _FINAL):
        return accounts.save(store, Account.model_validate(known))
    table = describe(connection, database, begun.table)
    accounts.save(store, begun)
    done = set(ledger.parts(connection, entry))
    failure: InvalidRequest | None = None
    progress = _Progress(store, begun)
    with ThreadPoolExecutor(1) as pool:  # one block is written while the next is read and checked
        pending: Future[Counts] | None = None
        try:
            pieces = decompressed(store.stream(uploaded.key, uploaded.version))
            for rules, block in blocks(table, pieces):
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
            self.connection, self.rules.table, self.rules.columns, Rows(self.block.good), self.on_duplicate
        )
        problems = dict(self.block.problems)
        for problem in refused:
            problems[problem.row] = [problem]
        counts.add(Counts(rejected=len(self.block.problems)))
        if counts.read != self.block.read:
            raise Unaccounted(f"Of {self.block.read} rows {counts.read} are accounted for; the block was rolled back.")
        texts = self.block.texts(problems)
        rejects = [
            {
                "line": line,
                "text": texts[line],
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
    ledger.expire(connection, ledger_days())
    return accounts.save(store, finished)


def _append(file: IO[bytes], rejects: Sequence[dict[str, Any]]) -> None:
    for reject in rejects:
        file.write(json.dumps(reject, ensure_ascii=False).encode() + b"\n")


def _failed(begun: Account, error: dict[str, str]) -> Account:
    return begun.model_copy(update={"state": "failed", "finished": datetime.now(UTC), "error": error})


def _error(error: TableferryError) -> dict[str, str]:
    return {"type": error.name, "detail": str(error)}
