"""``LOAD DATA LOCAL INFILE`` from memory.

The server asks the client for a file; here the answer comes from an iterator of bytes, whatever name the server asks
for, so that no server can read a file of this machine. Source:
https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_local_infile_request.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pymysql import err
from pymysql.constants import COMMAND, ER

from tableferry.errors import Conflict
from tableferry.mysql import protocol
from tableferry.mysql.database import Connection
from tableferry.mysql.identifiers import quote

_PACKET_BYTES = 512 * 1024  # a server that takes packets of 1 MiB, an old default, takes none of just that
_LOCAL_INFILE_REQUEST = 0xFB


@dataclass(frozen=True, slots=True)
class Target:
    """A column to fill; with ``expression`` the field goes into a variable, ``{}`` in the expression, first."""

    column: str
    expression: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many rows were stored, and how many warnings the server had for them."""

    stored: int
    warnings: int


def load(
    connection: Connection,
    table_sql: str,
    targets: Sequence[Target],
    pieces: Iterable[bytes | memoryview],
    delimiter: str = ",",
    charset: str = "utf8mb4",
) -> Outcome:
    """Send CSV (a delimiter, ``"`` around text, ``NULL`` unquoted for NULL, no header) into a table.

    ``charset`` is the text's; ``binary`` for a file of bytes, in which the server knows text by the targets' expressions.

    Memory: one piece. ``LOAD DATA LOCAL`` turns errors into warnings: compare ``stored`` with what was sent.

    Raises:
        Conflict: the server does not allow LOCAL (``local_infile`` is off).
        pymysql.err.MySQLError: the statement failed.
    """
    raw: Any = connection  # the driver's stubs leave out the protocol's own methods
    protocol.send_command(connection, COMMAND.COM_QUERY, _statement(table_sql, targets, delimiter, charset))
    try:
        first = protocol.read_packet(connection)
    except err.MySQLError as error:
        if error.args and error.args[0] in (ER.NOT_ALLOWED_COMMAND, 3948, 4166):
            raise Conflict("The server has local_infile off: set it to 1 in the parameter group.") from error
        raise
    if first[:1] != bytes([_LOCAL_INFILE_REQUEST]):
        raise err.InterfaceError(0, "The server answered LOAD DATA LOCAL without asking for the file.")
    try:
        for piece in pieces:
            view = memoryview(piece)
            for start in range(0, len(view), _PACKET_BYTES):
                raw.write_packet(bytes(view[start : start + _PACKET_BYTES]))
    except BaseException:
        # Half a file must not count as a file: without the end mark the server cannot finish the statement.
        protocol.close_at_once(connection)
        raise
    raw.write_packet(b"")
    result = protocol.read_outcome(connection)
    return Outcome(stored=int(result.affected_rows), warnings=int(result.warning_count))


def _statement(table_sql: str, targets: Sequence[Target], delimiter: str, charset: str) -> str:
    fields = []
    assignments = []
    for number, target in enumerate(targets):
        if target.expression is None:
            fields.append(quote(target.column))
        else:
            variable = f"@v{number}"
            fields.append(variable)
            assignments.append(f"{quote(target.column)} = {target.expression.format(variable)}")
    return (
        f"LOAD DATA LOCAL INFILE 'tableferry' INTO TABLE {table_sql} CHARACTER SET {charset}"
        f" FIELDS TERMINATED BY x'{delimiter.encode().hex()}' OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '' LINES TERMINATED BY '\\n'"
        f" ({', '.join(fields)})" + (f" SET {', '.join(assignments)}" if assignments else "")
    )
