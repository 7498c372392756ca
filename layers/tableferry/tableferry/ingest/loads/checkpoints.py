"""What the ledger holds of one load: a part for each block, and the load status at the end.

A part is written in the transaction of its block's rows, and says where the next block begins and which object holds the
rejects: a load that died goes on there.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, field
from typing import Any

import pymysql

from tableferry.errors import LoadUnderWay
from tableferry.ingest.files.file_format import Position
from tableferry.ingest.files.reject_reasons import Reasons
from tableferry.ingest.files.rejects import Described
from tableferry.ingest.loads.load_status import LoadStatus
from tableferry.ingest.write.insertion import Counts
from tableferry.ledger import epoch, ledger
from tableferry.mysql.database import Connection, transaction
from tableferry.mysql.retry import was_rolled_back


@dataclass(frozen=True, slots=True)
class State:
    """How far a load has come: what became of the rows so far, and how and from where the file is read on.

    ``consumed`` bytes of the object are done; from a ``plain`` one, which is not compressed, it can be read on at once.
    ``reasons`` are those of the rejects; ``rejects`` is the object that holds those of the last block.
    """

    next: Position
    counts: Counts = field(default_factory=Counts)
    described: Described = field(default_factory=Described)
    plain: bool = True
    consumed: int = 0
    reasons: Reasons = field(default_factory=dict)
    rejects: str = ""


class Entries:
    """The entries of the load with this id into a table, as it is in an ``epoch``."""

    def __init__(self, load_id: str, table: str, of: str = epoch.FIRST) -> None:
        self.table = table
        self.epoch = of
        self._load = epoch.entry(f"load/{load_id}", table, of)
        self._owner = secrets.token_hex(8)

    def own(self, connection: Connection) -> None:
        """Take the load over: whoever worked at it, and does not know yet that it has lost the lock, writes no more.

        Raises:
            LoadUnderWay: it does not let go of the block that it is committing.
        """
        try:
            ledger.put(connection, self._load, ledger.OWNER, {"owner": self._owner, "table": self.table})
        except pymysql.err.MySQLError as error:
            if not was_rolled_back(error):
                raise
            raise LoadUnderWay("Another invocation is at this load, or died at it; try again in a minute.") from error

    def ended(self, connection: Connection) -> LoadStatus | None:
        """The status of a load that has ended."""
        found = ledger.read(connection, self._load, ledger.FINAL)
        return LoadStatus.model_validate(found) if found else None

    def reopen(self, connection: Connection) -> None:
        """Forget that the load has ended, but not its blocks."""
        with transaction(connection):
            ledger.delete(connection, self._load, [ledger.FINAL])

    def state(self, connection: Connection) -> State | None:
        """How far the load has come; None if no block of it is in."""
        if (found := ledger.last(connection, self._load)) is None:
            return None
        content: dict[str, Any] = {name: value for name, value in found[1].items() if name != "table"}
        known = {
            "next": Position(**content["next"]),
            "counts": Counts(**content["counts"]),
            "reasons": {kind: tuple(found) for kind, found in content.get("reasons", {}).items()},
        }
        return State(**content | known)

    def add(self, connection: Connection, state: State, rejects: str) -> None:
        """Write the part of a block, which names the object with its rejects, in the transaction of its rows.

        Raises:
            TableReplaced, BeingReplaced: the rows are in a table that is, or may be, none of this epoch.
            LoadUnderWay: the load is somebody else's by now, who may have written the block.
        """
        epoch.check(connection, self.table, self.epoch)
        number = state.next.number - 1
        content = asdict(state) | {"table": self.table, "rejects": rejects}
        if not self._is_own(ledger.held(connection, self._load, ledger.OWNER)) or not ledger.write(
            connection, self._load, number, content
        ):
            raise LoadUnderWay(f"Another invocation has taken the load over; block {number} was rolled back.")

    def _is_own(self, content: Any) -> bool:
        return isinstance(content, dict) and content["owner"] == self._owner

    def rejects(self, connection: Connection) -> list[str]:
        """The objects with the rejects of the blocks that are in, in order."""
        parts = [part for part in ledger.parts(connection, self._load) if part >= 0]
        found = (ledger.read(connection, self._load, part).get("rejects") for part in parts)
        return [key for key in found if key]

    def close(self, connection: Connection, status: LoadStatus) -> None:
        """Write the load status at the end; of a load that stopped its blocks stay: a retry does not load them twice.

        Raises:
            TableReplaced, BeingReplaced: as ``add`` does.
        """
        with transaction(connection):
            epoch.check(connection, self.table, self.epoch)
            ledger.write(connection, self._load, ledger.FINAL, status.model_dump(mode="json", exclude={"progress"}))
            ledger.delete(connection, self._load, [ledger.OWNER])
            if status.state in ("done", "rejected"):  # of a file that was rejected whole, a retry begins anew
                parts = [part for part in ledger.parts(connection, self._load) if part >= 0]
                ledger.delete(connection, self._load, parts)
