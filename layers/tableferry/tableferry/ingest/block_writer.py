"""One block of a file into its table, with its entry in the ledger, inside a transaction."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from itertools import chain

from tableferry.config.load_options import OnDuplicate, Options
from tableferry.errors import Conflict, Problem, TooManyRejects, Unaccounted
from tableferry.ingest.files.blocks import Block
from tableferry.ingest.files.file_format import Reading
from tableferry.ingest.files.reject_reasons import counted
from tableferry.ingest.files.reject_spool import Spool
from tableferry.ingest.files.rejects import Reject, reject_of
from tableferry.ingest.loads.checkpoints import Entries, State
from tableferry.ingest.write.insertion import Counts, all_at_once
from tableferry.ingest.write.parents import Parents, looked_up
from tableferry.ingest.write.writer import insert_rows
from tableferry.mysql.database import Connection, execute
from tableferry.schema.catalog import triggers
from tableferry.schema.table import Table

_SHOWN_REASONS = 3


@dataclass(slots=True)
class Target:
    """Where the blocks of a load go; ``state`` is how far it has come, all of which is committed."""

    table: Table
    reading: Reading
    options: Options
    entries: Entries
    spool: Spool
    state: State
    parents: Parents | None = None

    def lanes(self, connection: Connection, workers: int) -> int:
        """On how many connections blocks may be written at once.

        On one where the rows have to come in the file's order: each may change what the one before it did, a trigger sees
        the table, or the server numbers them.
        """
        numbered = any(
            column.auto_increment and column not in self.reading.rules.columns for column in self.table.columns
        )
        if self.options.on_duplicate is not OnDuplicate.REJECT or numbered:
            return 1
        return 1 if triggers(connection, self.table.schema, self.table.name) else workers


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a block, and which of its good rows the database refused."""

    counts: Counts
    refused: list[Problem]


@dataclass(slots=True)
class BlockWriter:
    """A block to be written (a :class:`~tableferry.ingest.ordered_writers.Task`).

    ``consumed`` bytes of the object are done with it; the object is ``plain`` if it is not compressed.
    """

    target: Target
    block: Block
    plain: bool
    consumed: int
    spooled: Future[str] = field(init=False)

    def __post_init__(self) -> None:
        self.spooled = self.target.spool.begin(self.number, self.block.rejects)  # while other blocks are loaded

    @property
    def number(self) -> int:
        return self.block.start.number

    def quickly(self, connection: Connection) -> Written | None:
        rules = self.block.reading.rules
        if self._is_numbered():
            return None
        try:
            with looked_up(connection, self.target.parents, self.block.distinct):
                if len(self.block) and not all_at_once(connection, rules.table, rules.columns, self.block):
                    return None
        except Conflict:  # a server that does not let clients send files
            return None
        return self._counted(Counts(inserted=len(self.block)), [])

    def _is_numbered(self) -> bool:
        """Whether the server numbers rows of the block, as far as can be told at once: perhaps, if it says so."""
        columns, good = self.block.reading.rules.columns, self.block.good
        place = next((place for place, column in enumerate(columns) if column.auto_increment), None)
        if place is None:
            return any(column.auto_increment for column in self.target.table.columns)
        return b"NULL" in good if place else good.startswith(b"NULL") or b"\nNULL" in good

    def whole(self, connection: Connection) -> Written:
        if self.target.parents is not None:
            execute(connection, "SAVEPOINT tableferry_block")
            if (done := self.quickly(connection)) is not None:
                return done
            execute(connection, "ROLLBACK TO SAVEPOINT tableferry_block")
        rules = self.block.reading.rules
        counts, refused = insert_rows(
            connection, rules.table, rules.columns, self.block, self.target.options.on_duplicate
        )
        return self._counted(counts, refused)

    def _counted(self, counts: Counts, refused: list[Problem]) -> Written:
        """All that was read is accounted for, or the block is not written."""
        counts.add(Counts(rejected=len(self.block.rejects)))
        if counts.read != self.block.read:
            raise Unaccounted(f"Of {self.block.read} rows {counts.read} are accounted for; the block was rolled back.")
        return Written(counts, refused)

    def conclude(self, connection: Connection, done: Written) -> None:
        after = self._after(done)
        found = self._rejects(done)
        limit = self.target.options.max_rejects
        if limit.exceeded(after.counts.rejected, after.counts.read):
            raise self._too_many(after, found)
        spooled = self.target.spool.put(self.number, found) if done.refused else self.spooled.result()
        self.target.entries.add(connection, after, spooled)

    def committed(self, done: Written) -> None:
        self.target.state = self._after(done)

    def troubled(self, done: Written) -> bool:
        return bool(done.refused)

    def _after(self, done: Written) -> State:
        counts = replace(self.target.state.counts)
        counts.add(done.counts)
        problems = chain((reject.first for reject in self.block.rejects), done.refused)
        reasons = counted(problems, self.target.state.reasons)
        return State(self.block.end, counts, self.block.reading.described(), self.plain, self.consumed, reasons)

    def _rejects(self, done: Written) -> list[Reject]:
        """The rejects of the block, in the file's order."""
        if not done.refused:
            return self.block.rejects
        refused = {problem.row: [problem] for problem in done.refused}
        described = self.block.reading.described()
        found = [
            reject_of(record, refused[record.line], described)
            for record in self.block.records()
            if record.line in refused
        ]
        return sorted([*self.block.rejects, *found], key=lambda reject: reject.line)

    def _too_many(self, after: State, found: list[Reject]) -> TooManyRejects:
        before = self.target.state.counts
        reasons = [
            f"line {line}{f', {first.column}' if first.column else ''}: {first.message}"
            for line, first, _ in found[:_SHOWN_REASONS]
        ]
        return TooManyRejects(
            f"{after.counts.rejected} of the first {after.counts.read} rows are rejected, which is more than max_rejects "
            f"allows ({self.target.options.max_rejects}). The block from line {self.block.start.line} on was rolled back; "
            f"of the rows before it {before.inserted + before.updated} are in the table. Such as: {'; '.join(reasons)}."
        )
