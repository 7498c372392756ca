"""The torture tables: for each type, the values that tools lose, and for tables, the shapes that they stumble over.

A case is a table `t`, by the statements that make and fill it. They run in a session that lets in whatever a table can
hold (no strict mode, invalid dates, 0 in AUTO_INCREMENT), in UTC.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_SEED = 20261125
_ROWS_A_STATEMENT = 500

MYSQL, MARIADB = "MySQL", "MariaDB"
BOTH = frozenset({MYSQL, MARIADB})


@dataclass(frozen=True)
class Case:
    """A table to be backed up and restored; ``servers`` are those that have what it needs."""

    name: str
    statements: tuple[str, ...]
    servers: frozenset[str] = BOTH
    as_administrator: bool = False
    """Whether the statements need more rights than the functions have."""

    checksum: bool = True
    """False where the server's own CHECKSUM TABLE changes from one call to the next; then rows are compared."""


def _case(name: str, columns: str, values: Iterable[str], only: str = "", options: str = "") -> Case:
    """A table of some columns, ``values`` being the rows of an INSERT, each without its parentheses."""
    statements = [f"CREATE TABLE t ({columns}) {options}"]
    given = list(values)
    for start in range(0, len(given), _ROWS_A_STATEMENT):
        part = ", ".join(f"({row})" for row in given[start : start + _ROWS_A_STATEMENT])
        statements.append(f"INSERT INTO t VALUES {part}")
    return Case(name, tuple(statements), frozenset({only}) if only else BOTH)


def _column(kind: str, values: Iterable[str], only: str = "", options: str = "", name: str = "") -> Case:
    """A table with a key and one column of a type, in which NULL is among the values."""
    rows = [f"{number}, {value}" for number, value in enumerate([*values, "NULL"], 1)]
    return _case(name or kind, f"id INT PRIMARY KEY, c {kind}", rows, only, options)


def _hex(data: bytes) -> str:
    return f"x'{data.hex()}'"


def _number(value: float) -> str:
    return f"{value:.17e}"


def _singles(count: int) -> Iterator[str]:
    """Random floats of all exponents, with all bits of a single, and the ends of what there is."""
    least, most = 2.0**-149, (2 - 2.0**-23) * 2.0**127
    dice = random.Random(_SEED)  # noqa: S311  # values for tests
    yield from (_number(sign * value) for value in (0.0, least, 2.0**-126, 0.1, 1 / 3, most) for sign in (1, -1))
    for _ in range(count):
        [value] = struct.unpack("<f", struct.pack("<I", dice.getrandbits(32)))
        if abs(value) <= most:  # neither infinite nor NaN, which MySQL does not hold
            yield _number(value)


def _doubles(count: int) -> Iterator[str]:
    dice = random.Random(_SEED)  # noqa: S311  # values for tests
    edges = (0.0, 5e-324, 2.2250738585072014e-308, 0.1, 1 / 3, 2.0**53 + 2, 1.7976931348623157e308)
    yield from (_number(sign * value) for value in edges for sign in (1, -1))
    for _ in range(count):
        [value] = struct.unpack("<d", struct.pack("<Q", dice.getrandbits(64)))
        if abs(value) <= edges[-1]:  # neither infinite nor NaN
            yield _number(value)


_DIGITS_65 = "9" * 35 + "." + "9" * 30
_NUMBERS = (
    _case(
        "integers, signed",
        "a TINYINT, b SMALLINT, c MEDIUMINT, d INT, e BIGINT PRIMARY KEY, f BOOL",
        (f"{-(2**7)}, {-(2**15)}, {-(2**23)}, {-(2**31)}, {-(2**63)}, 0",
         f"{2**7 - 1}, {2**15 - 1}, {2**23 - 1}, {2**31 - 1}, {2**63 - 1}, 1", "-1, -1, -1, -1, -1, -1",
         "0, 0, 0, 0, 0, 127", "NULL, NULL, NULL, NULL, 9007199254740993, NULL"),
    ),
    _case(
        "integers, unsigned",
        "a TINYINT UNSIGNED, b SMALLINT UNSIGNED, c MEDIUMINT UNSIGNED, d INT UNSIGNED, e BIGINT UNSIGNED PRIMARY KEY",
        (f"{2**8 - 1}, {2**16 - 1}, {2**24 - 1}, {2**32 - 1}, {2**64 - 1}", "0, 0, 0, 0, 0",
         f"NULL, NULL, NULL, NULL, {2**63}"),
    ),
    _case(
        "ZEROFILL",
        "a TINYINT(3) ZEROFILL, b INT(8) ZEROFILL, c BIGINT(20) ZEROFILL, d DECIMAL(9,3) ZEROFILL, e DOUBLE ZEROFILL,"
        " f FLOAT(8,2) ZEROFILL",
        ("7, 42, 18446744073709551615, 1.5, 1e-5, 3.25", "0, 0, 0, 0, 0, 0", "NULL, NULL, NULL, NULL, NULL, NULL"),
    ),
    _column("DECIMAL(65,30)", (_DIGITS_65, f"-{_DIGITS_65}", "0", "1e-30", "-1e-30", "1.10")),
    _column("DECIMAL(38,10)", ("9" * 28 + "." + "9" * 10, "-" + "9" * 28 + "." + "9" * 10, "0.0000000001", "0", "-0.0")),
    _case(
        "DECIMAL, short",
        "a DECIMAL(1,0), b DECIMAL(1,1), c DECIMAL(18,0), d DECIMAL(19,19), e DECIMAL(10,2) UNSIGNED, f DECIMAL(65,0)",
        (f"9, 0.9, {'9' * 18}, 0.{'9' * 19}, 99999999.99, {'9' * 65}", "0, 0, 0, 0, 0, 0",
         f"-9, -0.9, -{'9' * 18}, -0.{'9' * 19}, 0.01, -{'9' * 65}", "NULL, NULL, NULL, NULL, NULL, NULL"),
    ),
    _column("FLOAT", _singles(3000)),
    _column("FLOAT UNSIGNED", ("0.1", "3.4028234663852886e38", "1.4e-45")),
    _column("FLOAT(7,3)", ("1234.567", "-0.001", "0.1")),
    _column("DOUBLE", _doubles(3000)),
    _column("DOUBLE(20,5)", ("123456789012345.67891", "-0.00001", "0.1")),
    _case(
        "BIT(1) to BIT(64)",
        "a BIT(1), b BIT(7), c BIT(8), d BIT(9), e BIT(31), f BIT(63), g BIT(64)",
        ("0, 0, 0, 0, 0, 0, 0", f"1, 127, 255, 511, {2**31 - 1}, {2**63 - 1}, {2**64 - 1}", "1, 5, 53, 48, 10, 44, 34",
         "NULL, NULL, NULL, NULL, NULL, NULL, NULL"),
    ),
    _column("YEAR", ("0", "1901", "2155", "2000", "1999", "'0000'")),
)  # fmt: skip

_DAYS = (
    "'0000-00-00'", "'2021-00-00'", "'2021-02-00'", "'0000-01-01'", "'2021-02-31'", "'2021-04-31'", "'0001-01-01'",
    "'1582-10-10'", "'2024-02-29'", "'9999-12-31'", "'1970-01-01'", "'0000-00-01'",
)  # fmt: skip
_CLEAN_DAYS = tuple(day for day in _DAYS if "-00" not in day and not day.startswith(("'0000", "'2021")))
_TIMES = ("838:59:59", "-838:59:59", "00:00:00", "-00:00:01", "23:59:59", "24:00:00", "100:00:00")


def _moments(places: int) -> list[str]:
    fraction = "." + "123456"[:places] if places else ""
    most = "." + "9" * places if places else ""
    of_days = [f"{day[:-1]} 23:59:59{fraction}'" for day in _DAYS]
    return [*of_days, "'0000-00-00 00:00:00'", f"'9999-12-31 23:59:59{most}'", "'1000-01-01 00:00:00'",
            f"'2021-02-31 01:02:03{most}'"]  # fmt: skip


def _fractions(kind: str, values: dict[int, list[str]]) -> Case:
    """A column of each precision from 0 to 6."""
    columns = ", ".join(f"c{places} {kind}({places}) NULL" for places in range(7))
    rows = [", ".join(row) for row in zip(*(values[places] for places in range(7)), strict=True)]
    return _case(f"{kind}(0…6)", columns, [*rows, ", ".join(["NULL"] * 7)])


def _stamps(places: int) -> list[str]:
    """The ends, zero, and the autumn hour of 2021 that Berlin's summer and winter time share, both times."""
    most = "." + "9" * places if places else ""
    return ["'0000-00-00 00:00:00'", "'1970-01-01 00:00:01'", f"'2038-01-19 03:14:07{most}'", f"'2021-10-31 00:30:00{most}'",
            f"'2021-10-31 01:30:00{most}'", f"'2021-03-28 01:30:00{most}'"]  # fmt: skip


_INSTANTS = (
    _column("DATE", _DAYS, name="DATE, zero, partial, invalid"),
    _column("DATE", _CLEAN_DAYS, name="DATE, of the calendar"),
    _fractions("DATETIME", {places: _moments(places) for places in range(7)}),
    _column("DATETIME(6)", ("'2021-07-27 16:02:08.123456'", "'0001-01-01 00:00:00.000001'"), name="DATETIME, clean"),
    _fractions("TIMESTAMP", {places: _stamps(places) for places in range(7)}),
    _fractions(
        "TIME",
        {
            places: [f"'{time}'" for time in _TIMES] + [f"'-12:34:56.{'7' * places}'", f"'00:00:00.{'1' * places}'"]
            for places in range(7)
        },
    ),
    _column("TIME(6)", ("'838:59:59.999999'", "'-838:59:59.999999'"), MARIADB, name="TIME to 838:59:59.999999"),
)

_WORDS = (
    "", "NULL", "\\N", "''", "'", '"', '""', "\\", "\\\\", "\\'", "\n", "\r", "\r\n", "\t", ",", ";", "a,b", 'a"b', '"a"',
    "\x00", "a\x00b", "\x1a", "\x7f", " ", "  ", "a ", " a", "a  ", "\ta\t", "0", "00ff", "0x00", "#", "--", "/*", "%s", "%",
    "true", "NaN", "1e5",
)  # fmt: skip
_WIDE = (
    "é",
    "e\u0301",
    "ß",
    "ẞ",
    "☃",
    "\ufeff",
    "\ufeffa",
    "\u200b",
    "\u2028",
    "\u0085",
    "日本",
    "İ",
    "\u0131",
    "\ufffd",
)
_FOUR_BYTES = ("😀", "𝄞", "\U0010ffff", "👩‍👩‍👧‍👦")
_IN_CHARSET = {
    "utf8mb4": [*_WORDS, *_WIDE, *_FOUR_BYTES],
    "utf8mb3": [*_WORDS, *_WIDE],
    "latin1": [*_WORDS, "é", "ß", "€"],
    "ascii": [*_WORDS],
    "ucs2": [*_WORDS, *_WIDE],
    "utf16": [*_WORDS, *_WIDE, *_FOUR_BYTES],
    "utf16le": [*_WORDS, *_WIDE, *_FOUR_BYTES],
    "utf32": [*_WORDS, *_WIDE, *_FOUR_BYTES],
    "latin2": [*_WORDS, "ł", "é"],
    "cp1251": [*_WORDS, "Ж"],
    "cp932": [*_WORDS, "日本", "ソ", "表", "①", "\u222a", "¬"],
    "sjis": [*_WORDS, "日本", "ソ", "表"],
    "ujis": [*_WORDS, "日本"],
    "eucjpms": [*_WORDS, "日本", "①"],
    "gbk": [*_WORDS, "中文", "誠"],
    "gb2312": [*_WORDS, "中文"],
    "big5": [*_WORDS, "中文", "功", "許"],
    "euckr": [*_WORDS, "한국"],
    "tis620": [*_WORDS, "ไทย"],
}


def _text(charset: str, words: list[str], only: str = "") -> Case:
    """Every kind of character column in a character set; what is in it is given as UTF-8."""
    columns = ["id INT PRIMARY KEY", *(f"c{n} {kind}" for n, kind in enumerate(
        ("CHAR(40)", "VARCHAR(40)", "TINYTEXT", "TEXT", "MEDIUMTEXT", "LONGTEXT", f"VARCHAR(40) COLLATE {_binary(charset)}")
    ))]  # fmt: skip
    rows = []
    for number, word in enumerate(words):
        given = f"CONVERT({_hex(word.encode())} USING utf8mb4)"
        rows.append(", ".join([str(number), *[given] * 7]))
    rows.append(", ".join([str(len(words)), *["NULL"] * 7]))
    return _case(f"text in {charset}", ", ".join(columns), rows, only, f"CHARACTER SET {charset}")


def _binary(charset: str) -> str:
    return f"{charset}_bin"


def _all_of_a_byte(charset: str) -> Case:
    """All 256 bytes of a character set of one byte, also those that mean nothing."""
    rows = [f"{byte}, CONVERT({_hex(bytes([byte, 0x61]))} USING {charset})" for byte in range(256)]
    return _case(f"all bytes of {charset}", "id INT PRIMARY KEY, c VARCHAR(4)", rows, "", f"CHARACTER SET {charset}")


_EVERY_BYTE = bytes(range(256))
_TEXTS = (
    *(_text(charset, words) for charset, words in _IN_CHARSET.items()),
    _text("gb18030", [*_WORDS, "中文", "😀"], MYSQL),
    _column(
        "VARCHAR(4) CHARACTER SET cp932",
        [f"CONVERT(x'{code}' USING cp932)" for code in ("81ca", "eef9", "fa54", "81e0", "8790", "8754", "fa4a", "81be", "879c")],
        name="codes of cp932 that read as one character",
    ),
    _all_of_a_byte("latin1"),
    _all_of_a_byte("cp1250"),
    _all_of_a_byte("koi8r"),
    _case(
        "collations, mixed",
        "a VARCHAR(20) COLLATE utf8mb4_unicode_ci, b VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_german2_ci,"
        " c CHAR(5) COLLATE utf8mb4_general_ci, PRIMARY KEY (a, c)",
        ("'Straße', 'Straße', 'x'", "'zebra', NULL, ''"),
        options="DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
    ),
    _column("ENUM('a','b','')", ("'a'", "''", "0", "'b'", "3"), name="ENUM with '' and index 0"),
    _column("ENUM('1','0','2','it''s','a,b','q\"q')", ("'1'", "'0'", "'2'", "'it''s'", "'a,b'", "0", "'q\"q'"), name="ENUM of odd members"),
    _column("ENUM('é','日本','')", ("'é'", "'日本'", "0", "''"), options="CHARACTER SET ucs2", name="ENUM in ucs2"),
    _column("ENUM('ソ','表')", ("'ソ'", "'表'", "0"), options="CHARACTER SET cp932", name="ENUM in cp932"),
    _column("ENUM(" + ",".join(f"'m{n}'" for n in range(300)) + ")", ("'m0'", "'m255'", "'m256'", "'m299'"), name="ENUM of 300"),
    _column("SET('x','y','z')", ("''", "'x'", "'x,z'", "'x,y,z'", "7", "0")),
    _column("SET('x','','z')", ("''", "1", "2", "3", "7", "0"), name="SET with ''"),
    _column("SET(" + ",".join(f"'m{n}'" for n in range(64)) + ")", (str(2**64 - 1), str(2**63), "1", "0"), name="SET of 64"),
    _column("SET('ソ','表')", ("'ソ'", "'ソ,表'", "0"), options="CHARACTER SET cp932", name="SET in cp932"),
)  # fmt: skip

_RAW = (b"", b"\x00", b"\x00\x00", b" ", b"a ", b"NULL", b"\\N", b"\xff" * 4, b"\xe2\x98", b"\n\r,\"'\\")


def _text_beside_bytes() -> Case:
    """What is text in a file that is of no character set, as its bytes are in it as they are."""
    charsets = {
        "utf8mb4": "é☃😀",
        "utf8mb3": "é☃",
        "latin1": "é€",
        "ascii": 'a"b',
        "ucs2": "é☃",
        "cp932": "表ソ",
        "gbk": "誠",
    }
    columns = [
        "id INT PRIMARY KEY", "raw VARBINARY(300)", *(f"{name} VARCHAR(40) CHARACTER SET {name}" for name in charsets),
        "pick ENUM('é','b') CHARACTER SET latin1", "some SET('é','b') CHARACTER SET latin1", "doc JSON", "clock TIME(3)",
        "exact DECIMAL(65,30)", "year_ YEAR", "bits BIT(9)",
    ]  # fmt: skip
    texts = [f"CONVERT({_hex(text.encode())} USING utf8mb4)" for text in charsets.values()]
    others = ["'é'", "'é,b'", """'{"a": "é"}'""", "'-838:59:58.999'", "'0.5'", "0", "b'101'"]
    raw = (*_RAW, b"\xe2", b"\xf0\x9f", b'"', b'\xf0"', b'",\n"', _EVERY_BYTE)
    rows = [f"{number}, {', '.join((_hex(value), *texts, *others))}" for number, value in enumerate(raw)]
    rows.append(f"{len(raw)}, {', '.join(['NULL'] * (1 + len(texts) + len(others)))}")
    return _case("text beside bytes", ", ".join(columns), rows)


_BYTES = (
    _text_beside_bytes(),
    _column("BINARY(6)", [_hex(value) for value in (*_RAW[:-1], b"a\x00\x00")]),
    _column("VARBINARY(300)", [_hex(value) for value in (*_RAW, _EVERY_BYTE, _EVERY_BYTE[::-1])]),
    *(
        _column(kind, [_hex(value) for value in (*_RAW, _EVERY_BYTE[:255], _EVERY_BYTE[1:])])
        for kind in ("TINYBLOB", "BLOB", "MEDIUMBLOB", "LONGBLOB")
    ),
    _column("VARCHAR(20) CHARACTER SET binary", [_hex(value) for value in _RAW], name="VARCHAR CHARACTER SET binary"),
)

_DOCUMENTS = (
    "1.10", "1e2", "100000000000000000000000000000", "1e30", "-0", "-0.0", "18446744073709551615", "-9223372036854775808",
    "0.1", "3.0", "123456789.123456789012345678", "null", "true", "[]", "{}", '"text"', '""', '{"b": 1, "a": 2}',
    '{"a": 1, "a": 2, "a": 1}', '{"a":1,"b":[1,2,{"c":null}]}', '  [ 1 ,2 ]  ', '"\\u0041\\u00e9\\ud83d\\ude00"', '"\\\\ \\" \\/ \\n"',
    '{"": {"": []}}', '"☃😀"', '{"k\\n": "v\\u0000"}', '"\\u0000"', '[[[[[[[[[[]]]]]]]]]]', '"NULL"', "1.7976931348623157e308", "5e-324",
)  # fmt: skip
_JSON = (
    _column("JSON", [f"CONVERT({_hex(text.encode())} USING utf8mb4)" for text in _DOCUMENTS]),
    _column(
        "LONGTEXT CHECK (json_valid(c))", [f"CONVERT({_hex(b'{}')} USING utf8mb4)"], name="text that has to be JSON"
    ),
)

_SHAPES = {
    "POINT": ["POINT(1 2)", "POINT(-0.1 89.999999999999)"],
    "LINESTRING": ["LINESTRING(0 0, 1 1, 2 0)"],
    "POLYGON": ["POLYGON((0 0, 10 0, 10 10, 0 10, 0 0), (5 5, 7 5, 7 7, 5 7, 5 5))"],
    "MULTIPOINT": ["MULTIPOINT((0 0), (1 1))"],
    "MULTILINESTRING": ["MULTILINESTRING((0 0, 1 1), (2 2, 3 3))"],
    "MULTIPOLYGON": ["MULTIPOLYGON(((0 0, 1 0, 1 1, 0 1, 0 0)))"],
    "GEOMETRYCOLLECTION": ["GEOMETRYCOLLECTION(POINT(1 1), LINESTRING(0 0, 1 1))"],
}
_PLACES = (
    *(
        _column(kind, [f"ST_GeomFromText('{text}', {srid})" for text in texts for srid in (0, 4326)])
        for kind, texts in _SHAPES.items()
    ),
    _column("GEOMETRY", [f"ST_GeomFromText('{text}')" for texts in _SHAPES.values() for text in texts]),
    Case(
        "POINT SRID 4326, indexed",
        (
            "CREATE TABLE t (id INT PRIMARY KEY, c POINT NOT NULL SRID 4326, SPATIAL KEY (c))",
            "INSERT INTO t VALUES (1, ST_GeomFromText('POINT(52.5 13.4)', 4326)), (2, ST_GeomFromText('POINT(-90 180)', 4326))",
        ),
        frozenset({MYSQL}),
    ),
    Case(
        "POINT REF_SYSTEM_ID, indexed",
        (
            "CREATE TABLE t (id INT PRIMARY KEY, c POINT REF_SYSTEM_ID=4326 NOT NULL, SPATIAL KEY (c))",
            "INSERT INTO t VALUES (1, ST_GeomFromText('POINT(52.5 13.4)', 4326)), (2, ST_GeomFromText('POINT(-90 180)', 4326))",
        ),
        frozenset({MARIADB}),
    ),
)

_OF_ONE_SERVER = (
    _column("VECTOR(3)", ("TO_VECTOR('[1,2,3]')", _hex(struct.pack("<3f", -0.1, 3.4e38, 1e-40)), _hex(struct.pack("<3f", 0.0, -0.0, 2.0**-149))), MYSQL),
    _column("UUID", ("'123e4567-e89b-12d3-a456-426655440000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'", "'00000000-0000-0000-0000-000000000000'"), MARIADB),
    _column("INET4", ("'0.0.0.0'", "'255.255.255.255'", "'10.0.0.1'"), MARIADB),
    _column("INET6", ("'::'", "'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'", "'::ffff:192.0.2.1'", "'2001:db8::1'"), MARIADB),
    _case("compressed columns", "id INT PRIMARY KEY, a TEXT COMPRESSED, b VARBINARY(500) COMPRESSED",
          ("1, REPEAT('a', 400), REPEAT(x'00', 300)", "2, '', x''", "3, NULL, NULL"), MARIADB),
)  # fmt: skip

TYPES = (*_NUMBERS, *_INSTANTS, *_TEXTS, *_BYTES, *_JSON, *_PLACES, *_OF_ONE_SERVER)
