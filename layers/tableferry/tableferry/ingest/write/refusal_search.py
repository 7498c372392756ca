"""Rows of which the database refuses some, without asking it about each: a sieve first, then the database as the judge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pymysql

from tableferry.errors import Conflict, Problem
from tableferry.ingest.rows.rules import Row
from tableferry.ingest.write import constraint_check
from tableferry.ingest.write.batch import NeedsInsert, Rows, expression, line_of
from tableferry.ingest.write.insertion import Insertion
from tableferry.ingest.write.refusals import broken, refusal
from tableferry.mysql import local_infile
from tableferry.mysql.database import error_code
from tableferry.mysql.retry import was_rolled_back


def sifted(insertion: Insertion, rows: Sequence[Row]) -> list[Problem] | None:
    """Load what the sieve lets through, and ask the database why it refuses the others: once for those that are alike.

    None if it cannot be done so, with some of it done.
    """
    connection, table, columns = insertion.connection, insertion.table, insertion.columns
    try:
        known = constraint_check.constraints(connection, table)
        wanted = constraint_check.wanted_by(known)
        places = [place for place, column in enumerate(columns) if column.name in wanted]
        targets = [local_infile.Target(columns[place].name, expression(columns[place])) for place in places]
        lines = [line_of(Row(row.number, tuple([row.cells[place] for place in places]))) for row in rows]
        found = constraint_check.sift(connection, table, known, targets, lines)
    except (constraint_check.Unknown, NeedsInsert, Conflict):
        return None
    except pymysql.err.MySQLError as error:
        if was_rolled_back(error) or error_code(error) < 1000 or 2000 <= error_code(error) < 3000:
            raise
        return None  # such as the privilege to make temporary tables, which is not to be had
    if not found:
        return None
    reasons = _Reasons(insertion, known)
    try:
        reasons.ask((rows[one.place], one.then) for one in found if one.then == one.before)
        refused = {one.place for one in found}
        left = [row for place, row in enumerate(rows) if place not in refused]
        if left and not insertion.whole(Rows(left)):
            return None
        reasons.ask((rows[one.place], one.then) for one in found if one.then == one.after)
        return [reasons.of(rows[one.place].number, one.then) for one in found]
    except constraint_check.Unknown:
        return None


class _Reasons:
    """Why the database refuses rows: it is asked once for all that break the same constraints."""

    def __init__(self, insertion: Insertion, known: Sequence[constraint_check.Constraint]) -> None:
        self._insertion = insertion
        self._bits = {(one.code, one.name): 1 << bit for bit, one in enumerate(known)}
        self._given: dict[int, Problem] = {}

    def ask(self, rows: Iterable[tuple[Row, int]]) -> None:
        """Try to insert the first row of each kind; raises Unknown if it is not refused, or for another reason."""
        for row, kind in rows:
            if kind not in self._given:
                error = self._insertion.error(row)
                if error is None or not kind & self._bits.get(broken(self._insertion.table, error), 0):
                    raise constraint_check.Unknown
                self._given[kind] = refusal(row.number, self._insertion.table, error)

    def of(self, number: int, kind: int) -> Problem:
        """The problem of a row; raises Unknown if none of its kind could be asked for."""
        if kind not in self._given:
            raise constraint_check.Unknown
        given = self._given[kind]
        return Problem(number, given.column, given.code, given.message)
