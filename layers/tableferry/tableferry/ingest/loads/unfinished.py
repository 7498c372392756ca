"""Loads into tables that are about to be exchanged, which have not come to the end of their file."""

from __future__ import annotations

from collections.abc import Collection

import pymysql

from tableferry.ingest.loads.checkpoints import Entries
from tableferry.ingest.loads.load_status import LoadStatus
from tableferry.ledger import epoch, facts, ledger
from tableferry.mysql.database import Connection, error_code

_NO_SUCH_TABLE = 1146


def notes(connection: Connection, tables: Collection[str]) -> list[str]:
    """What a restore that replaces these tables means for loads into them that run, died or failed. Memory: their ids."""
    try:
        unended = ledger.unended(connection)
    except pymysql.err.ProgrammingError as error:
        if error_code(error) != _NO_SUCH_TABLE:
            raise
        return []
    epochs = epoch.every(connection) if facts.is_there(connection) else {}
    found = []
    for entry, content in unended:
        table = str(content["table"]) if isinstance(content, dict) else ""
        load_id = entry.split("/")[1]
        live = epochs[table].live if table in epochs else epoch.FIRST
        if table not in tables or entry != epoch.entry(f"load/{load_id}", table, live):
            continue
        state = Entries(load_id, table, live).state(connection)
        ended = LoadStatus.model_validate(content).error if "error" in content else None
        how = f"has failed ({ended['type']})" if ended else "is under way, or died"
        lines = f"lines 1 to {state.next.line - 1} of it are" if state and state.next.line > 1 else "no line of it is"
        found.append(
            f"Load {load_id} into table {table!r} {how}; {lines} in the table that is replaced. "
            f"POST /loads/{load_id}/retry loads what the restored table does not have."
        )
    return found
