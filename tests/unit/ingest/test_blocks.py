"""A file as blocks, where a record goes over the bytes at hand."""

import pytest

from tableferry.ingest.files.blocks import Block, blocks
from tableferry.ingest.files.dialect import Dialect
from tableferry.ingest.files.file_format import Position, Reading
from tableferry.ingest.rows.rules import Rules
from tableferry.schema.table import Column, Table
from tests.effort import by_turns, effort, in_ci, sample

NAME = Column("name", "longtext", "longtext", True, charset="utf8mb4", octets=2**32 - 1)
MANY = effort(100_000, 200_000)  # more than a piece has
TABLE = Table("db", "t", "InnoDB", (Column("id", "int", "int", False), NAME), ("id",))


def blocks_of(body: bytes, piece: int) -> list[Block]:
    reading = Reading(Rules(TABLE), Dialect())
    return list(blocks(reading, (body[at : at + piece] for at in range(0, len(body), piece)), Position()))


@in_ci
@pytest.mark.parametrize("piece", [1024 * 1024, 256 * 1024, 100_003])
@sample(1)
def test_a_quote_that_is_not_closed_at_the_beginning_of_a_large_file(piece: int) -> None:
    body = b'0,"not closed\n' + b"".join(b"%d,name\n" % n for n in range(1, MANY + 1))
    found = blocks_of(body, piece)
    assert [reject.line for block in found for reject in block.rejects] == [1]
    assert sum(len(block) for block in found) == MANY
    assert b"".join(block.good for block in found).replace(b'"', b"") == body.partition(b"\n")[2]


@pytest.mark.parametrize("piece", [1024 * 1024, 256 * 1024])
@sample(1)
def test_the_first_record_is_longer_than_the_first_block(piece: int) -> None:
    first = b'0,"' + b"0123456\n" * 100_000 + b'"\n'
    found = blocks_of(first + b"1,a\n" * 1000, piece)
    assert sum(len(block) for block in found) == 1001
    assert not any(block.rejects for block in found)


@by_turns
def test_a_block_of_rejects_that_are_much_longer_than_their_lines_ends_early() -> None:
    """As spreadsheets are saved with thousands of empty rows; each field of them is a problem."""
    columns = tuple(Column(f"a_column_with_a_long_name_{number}", "int", "int", False) for number in range(60))
    reading = Reading(Rules(Table("db", "t", "InnoDB", columns, ())), Dialect())
    empty, good = b"," * 59 + b"\n", b",".join([b"1"] * 60) + b"\n"
    body = (empty * 999 + good) * 30
    found = list(blocks(reading, [body], Position()))
    assert max(sum(len(reject.written) for reject in block.rejects) for block in found) < 17 * 1024 * 1024
    assert b"".join(block.good for block in found) == good * 30
    lines = [reject.line for block in found for reject in block.rejects]
    assert lines == [line for line in range(1, 30_001) if line % 1000]
    assert [block.start for block in found[1:]] == [block.end for block in found[:-1]]
    assert all(body[block.start.offset - 1 :][:1] == b"\n" for block in found[1:])
    assert found[-1].end == Position(len(found), 30_001, len(body))
