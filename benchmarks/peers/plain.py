"""LOAD DATA of a plain file, as a script would do it, and the file for it: what SELECT … INTO OUTFILE would write."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from pymysql.cursors import SSCursor

from local.demo import sample

_Field = str | bytes | None
_ESCAPED = ((b"\\", b"\\\\"), (b"\0", b"\\0"), (b"\t", b"\\t"), (b"\n", b"\\n"))
_WRITTEN = 4 * 1024 * 1024
Measure = Callable[[Callable[[], Any]], Any]


def write(url: str, measure: Measure, *, table: str, file: str) -> dict[str, Any]:
    """Write the table as tab-separated text: stored bytes as they are, but for the four that are escaped."""
    with closing(sample.connect(url)) as connection, connection.cursor(SSCursor) as cursor:
        decoders: dict[int, Any] = connection.decoders
        decoders.clear()  # the server's own text of every value
        cursor.execute("SET SESSION character_set_results = NULL")
        cursor.execute(f"SELECT * FROM `{table}`")
        rows = 0
        with Path(file).open("wb", buffering=_WRITTEN) as out:
            for row in _rows(cursor):
                out.write(b"\t".join(map(_escaped, row)) + b"\n")
                rows += 1
    measure(lambda: None)
    return {"rows": rows}


def load(url: str, measure: Measure, *, table: str, file: str, texts: Sequence[str]) -> dict[str, Any]:
    """LOAD DATA LOCAL of that file, on one connection, in one statement."""
    with closing(sample.connect(url, local_infile=True)) as connection, connection.cursor() as cursor:
        cursor.execute(f"SHOW COLUMNS FROM `{table}`")
        names = [str(name) for name, *_ in cursor.fetchall()]
        columns = ", ".join(f"@{name}" if name in texts else f"`{name}`" for name in names)
        # Read as bytes; what the server takes only as text is told to be text.
        told = ", ".join(f"`{name}` = CONVERT(@{name} USING utf8mb4)" for name in texts)
        statement = f"LOAD DATA LOCAL INFILE %s INTO TABLE `{table}` CHARACTER SET binary ({columns})"
        rows = measure(lambda: cursor.execute(f"{statement} SET {told}" if told else statement, (file,)))
    return {"rows": rows}


def _rows(cursor: SSCursor) -> Iterator[Sequence[_Field]]:
    while (row := cursor.fetchone()) is not None:
        yield row


def _escaped(field: _Field) -> bytes:
    if field is None:
        return b"\\N"
    raw = field.encode() if isinstance(field, str) else field
    for byte, written in _ESCAPED:
        if byte in raw:
            raw = raw.replace(byte, written)
    return raw
