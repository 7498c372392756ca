"""The tables that are backed up and restored: made on the server by SQL alone, the same rows on every server.

What looks random is CRC32, SHA-2 or AES of the row's number, which MySQL and MariaDB reckon alike. Keys are 1, 2, 3 …
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from local.demo.sample import Connection
from sources.generate import FIRST_NAMES, LAST_NAMES, OTHER_JOBS

_BLOCKS = 65_535  # of 16 bytes, and AES adds one: 1 MiB
_AT_ONCE = 100_000
_LEAST = 20
TURNS = 5


@dataclass(frozen=True)
class Made:
    """A table: its columns, and what each is of a row's number ``n``.

    ``texts`` are columns that a server does not take as bytes; ``turns`` is how often it is timed.
    """

    name: str
    title: str
    rows: int
    columns: str
    values: str
    at_once: int = _AT_ONCE
    texts: tuple[str, ...] = ()
    turns: int = TURNS

    def scaled(self, scale: float) -> "Made":
        """With so many times the rows, and at least a few."""
        return replace(self, rows=max(_LEAST, round(self.rows * scale)))

    def ranges(self, parts: int) -> list[tuple[int, int]]:
        """The keys in so many parts of the same size: first and last of each."""
        edges = [self.rows * part // parts for part in range(parts + 1)]
        return [(first + 1, last) for first, last in itertools.pairwise(edges)]


def _one_of(words: Sequence[str], seed: str) -> str:
    listed = ", ".join("'" + word.replace("'", "''") + "'" for word in words)
    return f"ELT(1 + CRC32(CONCAT('{seed}', n)) % {len(words)}, {listed})"


def _below(limit: int, seed: str) -> str:
    return f"CRC32(CONCAT('{seed}', n)) % {limit}"


def _or_null(every: int, value: str) -> str:
    return f"IF(n % {every} = 0, NULL, {value})"


_NAME = f"CONCAT({_one_of(FIRST_NAMES, 'f')}, ' ', {_one_of(LAST_NAMES, 'l')})"
_MOMENT = f"TIMESTAMP'2021-01-01 00:00:00' + INTERVAL {_below(63_072_000, 'm')} SECOND"

EMPLOYEES = Made(
    "employees",
    "employees: a number, a name, a time, two numbers",
    3_000_000,
    "id INT NOT NULL PRIMARY KEY, name VARCHAR(255) NOT NULL, `datetime` DATETIME NOT NULL,"
    " department_id INT NOT NULL, job_id INT NOT NULL",
    f"n, {_NAME}, {_MOMENT}, 1 + {_below(12, 'd')}, 1 + {_below(183, 'j')}",
)
BOOKINGS = Made(
    "bookings",
    "rows of 190 bytes, with a secondary index",
    1_000_000,
    "id BIGINT NOT NULL PRIMARY KEY, account INT NOT NULL, booked DATETIME NOT NULL, amount DECIMAL(12, 2) NOT NULL,"
    " currency CHAR(3) NOT NULL, reference CHAR(16) NOT NULL, note VARCHAR(255) NOT NULL, KEY bookings_account (account)",
    f"n, {_below(200_000, 'a')}, {_MOMENT}, ({_below(100_000_000, 'p')}) / 100, {_one_of(('EUR', 'USD', 'GBP'), 'c')},"
    f" LEFT(SHA2(n, 256), 16), CONCAT_WS(', ', {', '.join(_one_of(OTHER_JOBS, str(seed)) for seed in range(7))})",
)
MIXED = Made(
    "mixed",
    "rows of 25 types",
    300_000,
    "id INT UNSIGNED NOT NULL PRIMARY KEY, tiny TINYINT, small SMALLINT UNSIGNED, medium MEDIUMINT, whole INT,"
    " big BIGINT UNSIGNED, exact DECIMAL(20, 6), single FLOAT, twice DOUBLE, bits BIT(16), founded YEAR, day DATE,"
    " moment DATETIME(6), stamp TIMESTAMP NULL, clock TIME(3), fixed CHAR(10), words VARCHAR(80),"
    " latin VARCHAR(80) CHARACTER SET latin1, body TEXT, raw BINARY(16), some VARBINARY(40), piece BLOB,"
    " kind ENUM('small', 'middle', 'large'), flags SET('new', 'paid', 'sent'), doc JSON",
    f"n, {_or_null(7, _below(128, 't'))}, {_below(65_536, 's')}, CAST({_below(2**23, 'u')} AS SIGNED) - 4000000,"
    f" {_or_null(11, _below(2_000_000_000, 'w'))}, CAST({_below(2**32, 'b')} AS UNSIGNED) * 4294967296 + n,"
    f" ({_below(2**32, 'x')}) / 1000, ({_below(2**24, 'y')}) / 7, ({_below(2**32, 'z')}) / 7e0, {_below(65_536, 'i')},"
    f" 1970 + {_below(100, 'v')}, DATE({_MOMENT}), {_MOMENT} + INTERVAL {_below(1_000_000, 'o')} MICROSECOND,"
    f" {_or_null(13, _MOMENT)}, SEC_TO_TIME(({_below(86_400_000, 'k')}) / 1000), LEFT(SHA2(CONCAT('g', n), 256), 10),"
    f" {_or_null(5, _NAME)}, {_one_of(OTHER_JOBS, 'h')}, CONCAT_WS('\\n', {_NAME}, {_one_of(OTHER_JOBS, 'q')}),"
    f" LEFT(UNHEX(SHA2(n, 256)), 16), UNHEX(SHA2(n, 224)), {_or_null(3, 'UNHEX(SHA2(n, 512))')}, 1 + {_below(3, 'e')}, {_below(8, 'r')},"
    # As a text: numbers that MySQL's JSON gets from SQL are of kinds that no text gives back.
    f""" CONCAT('{{"id": ', n, ', "name": "', {_NAME}, '", "tags": ["a", ', {_below(9, "j")}, ', null]}}')""",
    texts=("doc",),
)
BLOBS = Made(
    "blobs",
    "rows of 1 MiB of bytes that do not compress",
    2_000,
    "id INT NOT NULL PRIMARY KEY, content LONGBLOB NOT NULL",
    "n, AES_ENCRYPT(@plain, CONCAT('key', n))",
    at_once=20,
    turns=1,  # all ways together take minutes
)
TABLES = (EMPLOYEES, BOOKINGS, MIXED, BLOBS)


def build(connection: Connection, table: Made) -> None:
    """Make the table in the connection's database and fill it, in key order; the server's memory: a statement's rows."""
    with connection.cursor() as cursor:
        cursor.execute("SET NAMES utf8mb4")
        cursor.execute("CREATE TABLE peers_digits (i INT NOT NULL PRIMARY KEY)")
        cursor.execute(f"INSERT INTO peers_digits VALUES {', '.join(f'({number})' for number in range(1_000))}")
        numbers = "SELECT {} hi.i * 1000 + lo.i + 1 AS n FROM peers_digits hi STRAIGHT_JOIN peers_digits lo"
        cursor.execute("SET SESSION group_concat_max_len = 4194304")
        cursor.execute(
            f"SELECT GROUP_CONCAT(LPAD(n, 16, '0') ORDER BY n SEPARATOR '') INTO @plain FROM ({numbers.format('')}"
            f" WHERE hi.i <= {_BLOCKS // 1_000}) numbers WHERE n <= {_BLOCKS}"
        )
        cursor.execute(f"CREATE TABLE {table.name} ({table.columns}) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4")
        for start in range(0, table.rows, table.at_once):
            rows = min(table.at_once, table.rows - start)
            cursor.execute(
                f"INSERT INTO {table.name} SELECT {table.values} FROM ({numbers.format(f'{start} +')}"
                f" WHERE hi.i <= {(rows - 1) // 1_000} AND hi.i * 1000 + lo.i < {rows}) numbers"
            )
        cursor.execute("DROP TABLE peers_digits")
        cursor.execute(f"ANALYZE TABLE {table.name}")
        cursor.fetchall()
