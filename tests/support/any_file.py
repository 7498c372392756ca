"""Strategies: tables of columns of any type, and files for them, good, odd and broken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from tests.support import oracle
from tests.support.oracle import Column, Stored

Texts = st.SearchStrategy[str]


@dataclass(frozen=True)
class Kind:
    """A type: its SQL, what it stores, texts that are good or nearly so, and how a SELECT shows it plainly."""

    sql: str
    stored: Stored
    texts: Texts
    read: str = "{}"
    default: str | None = None


def around(least: int, greatest: int) -> Texts:
    edges = [least - 1, least, least + 1, -1, 0, 1, greatest - 1, greatest, greatest + 1]
    return st.sampled_from([*map(str, edges), "+5", "-0", "007", "1.0", "-3.00", "1.5", "true", "F"]) | st.integers(
        least, greatest
    ).map(str)


def whole(name: str, bits: int) -> list[Kind]:
    half = 2 ** (bits - 1)
    return [
        Kind(name, oracle.integer(bits), around(-half, half - 1), default="7"),
        Kind(f"{name} UNSIGNED", oracle.integer(bits, unsigned=True), around(0, 2 * half - 1), default="7"),
    ]


def exact(precision: int, scale: int, unsigned: bool = False) -> Kind:
    most = 10**precision - 1
    steps = st.sampled_from([0, 1, most, most + 1, -most, -most - 1]) | st.integers(0 if unsigned else -most, most)
    texts = steps.map(lambda number: written(number, scale)) | st.sampled_from(
        ["5.0", "1e3", "-0", "+.5", "5.", "1e-9"]
    )
    sql = f"DECIMAL({precision},{scale})" + " UNSIGNED" * unsigned
    return Kind(sql, oracle.exact(precision, scale, unsigned), texts, default=written(1, scale))


def written(steps: int, scale: int) -> str:
    digits = f"{abs(steps):0{scale + 1}}"
    return "-" * (steps < 0) + (f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits)


floats = st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.sampled_from(
    ["-0", "1e3", "1E-3", ".5", "5.", "+1.5", "1e308", "1.8e308", "1.7976931348623157e308", "2.2250738585072014e-308",
     "3.4028234663852886e38", "3.4028235e38", "3.5e38", "16777217", "0.1", "1e-45", "123456789012345678901234567890"]
)  # fmt: skip
dates = st.dates().map(str) | st.sampled_from(
    [
        "0001-01-01",
        "9999-12-31",
        "2021-02-29",
        "2020-02-29",
        "0000-00-00",
        "2021-7-1",
        "20210701",
        "2021-01-01T00:00:00",
        "2021-01-01 00:00",
        "2021-01-01T00:00:00.000Z",
        "2021-01-01 00:00:00 UTC",
        "2021-01-01T00:00:00+02:00",
        "2021-01-01T00:00:01",
    ]
)
zones = st.sampled_from(["", "Z", " UTC", " Z", " +02:00", "+00:00", "+05:30", "-0800", "+14:00"])
moments = st.tuples(st.datetimes().map(lambda moment: moment.isoformat()), zones).map("".join) | st.sampled_from(
    ["2021-07-27", "2021-07-27 16:02", "2021-07-27T16:02:08Z", "2021-07-27T16:02:08.500Z", "2021-07-27T16:02:60Z",
     "2021-07-27T24:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "9999-12-31T23:59:59.999999Z",
     "2021-07-27T16:02:08.123000", "2021-07-27T16:02:08.1234567", "2021-07-27T16:02:08.000000000", "2021-02-30T00:00:00Z",
     "27/07/2021", "2021-07-27T16:02:08z"]
)  # fmt: skip
stamps = moments | st.sampled_from(
    ["1970-01-01T00:00:00Z", "1970-01-01T00:00:01Z", "2038-01-19T03:14:07Z", "2038-01-19T03:14:08Z", "1970-01-01T01:00:00+01:00",
     "2038-01-19T03:14:07.999", "2020-10-25T01:30:00+01:00"]
)  # fmt: skip
clocks = st.times().map(str) | st.sampled_from(
    ["838:59:59", "-838:59:59", "839:00:00", "838:59:59.5", "16:02", "-00:00:00", "-00:30:00.100", "5:00:00", "005:00", "12:60:00",
     "12:00:60", "12:00:00.123456", "120000", "12:00:00.1230"]
)  # fmt: skip
signs = st.sampled_from(
    [*'",;\n\r\t \\\'aZ0|', "\r\n", '""', "é", "ß", "€", "☃", "😀", "e\u0301", "\u200d", "\ufeff", "\x01", "\x7f", "\x81",
     "\x85", "\u2028", "\ufffd", "\uffff", "İ"]
)  # fmt: skip
words = st.lists(signs, max_size=6).map("".join) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12
)
ascii_words = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)
documents = st.sampled_from(
    ["{}", "[]", "null", "true", '"a"', '{"a": [1, 2.5, "é\\n"]}', " 1 ", "", "{", "NaN", "[1,]", "Infinity", "'a'", '"😀"']
)  # fmt: skip
digits = st.binary(max_size=9).map(bytes.hex) | st.sampled_from(["0x41", "0X41", "4", "zz", "FFff", "0x", "41 42"])


def texts(sql: str, charset: str, characters: int | None = None, octets: int | None = None) -> Kind:
    stored = oracle.text_of(charset, characters, octets, trimmed=sql.startswith("CHAR"))
    size = min(characters or octets or 0, 70_000)
    limits = st.sampled_from(
        ["a" * size, "a" * (size + 1), "é" * (size // 2), "é" * size, "😀" * (size // 4), "a" * (size - 1) + "  "]
    )
    default = "it's" if characters and characters > 4 else None
    return Kind(f"{sql} CHARACTER SET {charset}", stored, words | ascii_words | limits, default=default)


WHOLE = [
    *whole("TINYINT", 8), *whole("SMALLINT", 16), *whole("MEDIUMINT", 24), *whole("INT", 32), *whole("BIGINT", 64),
]  # fmt: skip
KINDS = [
    *WHOLE,
    exact(1, 0), exact(5, 2), exact(10, 0), exact(20, 20), exact(38, 10), exact(65, 30), exact(8, 3, unsigned=True),
    Kind("FLOAT", oracle.single, floats, "{} * 1e0"),
    Kind("DOUBLE", oracle.double, floats),
    Kind("DATE", oracle.day, dates, "CAST({} AS CHAR)", "2021-07-27"),
    *(Kind(f"DATETIME({places})", oracle.moment(places), moments, "CAST({} AS CHAR)") for places in (0, 3, 6)),
    *(Kind(f"TIMESTAMP({places})", oracle.moment(places, stamp=True), stamps, "CAST({} AS CHAR)") for places in (0, 6)),
    *(Kind(f"TIME({places})", oracle.clock(places), clocks, "CAST({} AS CHAR)") for places in (0, 2, 6)),
    Kind("YEAR", oracle.year, st.sampled_from(["0000", "1900", "1901", "2155", "2156", "99", "2021", "02021", "2021.0", "2021.5"]), "{} + 0"),
    *(Kind(f"BIT({bits})", oracle.integer(bits, unsigned=True), around(0, 2**bits - 1), "{} + 0")
      for bits in (1, 7, 64)),
    *(texts(f"CHAR({size})", charset, size) for size in (1, 10) for charset in ("utf8mb4", "ascii")),
    *(texts(f"VARCHAR({size})", charset, size)
      for size in (3, 40) for charset in ("utf8mb4", "utf8mb3", "latin1", "ascii")),
    *(texts("TINYTEXT", charset, octets=255) for charset in ("utf8mb4", "latin1")),
    texts("TEXT", "utf8mb4", octets=65535),
    texts("LONGTEXT", "utf8mb4", octets=2**32 - 1),
    Kind("ENUM('a','Bee','it''s','x,y','é')", oracle.one_of("a", "Bee", "it's", "x,y", "é"),
         st.sampled_from(["a", "A", "bee", "it's", "x,y", "é", "É", "", "1", "c", "a "])),
    Kind("SET('a','Bee','é')", oracle.some_of("a", "Bee", "é"),
         st.sampled_from(["", "a", "é,a", "BEE,a,a", "a,b", "c", "1", "a ,é", ",a", "a,"])),
    Kind("JSON", oracle.document, documents),
    Kind("BINARY(4)", oracle.octets(4, padded=True), digits),
    Kind("VARBINARY(8)", oracle.octets(8), digits),
    Kind("BLOB", oracle.octets(65535), digits),
]  # fmt: skip
ODD = ["NULL", "\\N", "null", " 5", "5 ", "+5", "-0", "1e3", "0x41", "5.0", "", " ", "٣", "1_000", "1,5", "0", "-", "nan", "inf", "\u22121",
       "1" * 60, "x" * 70_000]  # fmt: skip


@dataclass(frozen=True)
class Made:
    """A table, with how a SELECT shows its columns, and which of them are unique."""

    columns: tuple[Column, ...]
    create: str
    select: str
    unique: tuple[int, ...]
    texts: tuple[Texts, ...]


@st.composite
def tables(draw: st.DrawFn) -> Made:
    """1 to 8 columns, with and without keys, defaults, a next number and a column that the server computes."""
    count = draw(st.integers(1, 8))
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=count, max_size=count))
    key = draw(st.sampled_from(["none", "none", "primary", "automatic"]))
    unique = draw(st.booleans()) and len(kinds) > 1
    if key != "none":
        kinds[0] = draw(st.sampled_from(WHOLE)) if key == "primary" else KINDS[8]
    if unique:
        kinds[-1] = draw(st.sampled_from(WHOLE))
    columns, lines = [], []
    for number, kind in enumerate(kinds):
        nullable = draw(st.booleans()) and not (number == 0 and key != "none")
        default = kind.default if draw(st.booleans()) and not (number == 0 and key != "none") else None
        column = Column(f"c{number}", kind.sql, kind.stored, nullable, default, number == 0 and key == "automatic")
        columns.append(column)
        lines.append(_definition(column))
    if key != "none":
        lines.append("PRIMARY KEY (c0)")
    if unique:
        lines.append(f"UNIQUE KEY u (c{len(kinds) - 1})")
    if draw(st.booleans()) and not (key == "automatic" and len(kinds) == 1):
        lines.insert(draw(st.integers(0, len(kinds))), f"g INT AS (c{len(kinds) - 1} IS NULL) VIRTUAL")
    select = ", ".join(kind.read.format(f"c{number}") for number, kind in enumerate(kinds))
    return Made(
        columns=tuple(columns),
        create=f"CREATE TABLE t ({', '.join(lines)}) CHARACTER SET utf8mb4",
        select=f"SELECT {select} FROM t",
        unique=(*([0] if key != "none" else []), *([len(kinds) - 1] if unique else [])),
        texts=tuple(
            around(-5, 100) if number == 0 and key == "automatic" else kind.texts for number, kind in enumerate(kinds)
        ),
    )


def _definition(column: Column) -> str:
    parts = [column.name, column.sql, "NULL" if column.nullable else "NOT NULL"]
    if column.counts:
        parts.append("AUTO_INCREMENT")
    if column.default is not None:
        parts.append("DEFAULT '" + column.default.replace("'", "''") + "'")
    return " ".join(parts)


def _good(made: Made, number: int) -> st.SearchStrategy[str | None]:
    """Texts that the column stores as they are; and nothing, where it may."""
    column = made.columns[number]
    texts = made.texts[number].filter(lambda text: _is_stored(column, text))
    return st.none() | texts if column.nullable or column.counts else texts


def _is_stored(column: Column, text: str) -> bool:
    try:
        column.stored(text)
    except oracle.Refused:
        return False
    return True


def _written(field: str | None, quoted: bool) -> bytes:
    if field is None:
        return b""
    if quoted or not field or any(sign in field for sign in '",\n\r'):
        return b'"' + field.replace('"', '""').encode() + b'"'
    return field.encode()


@st.composite
def _rows(draw: st.DrawFn, made: Made, given: Sequence[int]) -> bytes:
    good = draw(st.integers(0, 3)) > 0
    fields = []
    for number in given:
        texts = _good(made, number) if good else st.none() | made.texts[number] | st.sampled_from(ODD) | words
        fields.append(_written(draw(texts), draw(st.booleans())))
    return b",".join(fields)


junk = st.lists(
    signs.map(str.encode) | st.sampled_from([b"\xff", b"\xed\xa0\x80", b"\xc3", b"1", b"a"]), max_size=12
).map(b"".join)
_DAMAGE = [b'"', b'"a', b",", b'a"b', b"\xff", b"\xc3(", b"\r", b',"",', b'","']


@st.composite
def files(draw: st.DrawFn, made: Made, most: int = 25) -> bytes:
    """A file for the table, with a header or none, most of whose records are good."""
    given = list(range(len(made.columns)))
    start = draw(st.sampled_from([b"", b"", b"\xef\xbb\xbf"]))
    ends = draw(st.sampled_from([[b"\n"], [b"\r\n"], [b"\n", b"\r\n", b"\n\n", b"\r\n\r\n", b"\r\r\n"]]))
    lines = []
    if draw(st.booleans()):
        given = draw(st.permutations(given))[: draw(st.integers(1, len(given)) | st.just(len(given)))]
        names = draw(st.sampled_from([str.lower, str.upper, " {} ".format, '"{}"'.format]))
        lines.append(",".join(names(f"c{number}") for number in given).encode())
    for _ in range(draw(st.integers(0, most))):
        line = draw(_rows(made, given))
        what = draw(st.integers(0, 19))
        if what == 0:
            at = draw(st.integers(0, len(line)))
            line = line[:at] + draw(st.sampled_from(_DAMAGE)) + line[at:]
        elif what == 1:
            line = draw(junk)
        elif what == 2:
            line = draw(st.sampled_from([line + b",", line + b",1", line.rpartition(b",")[0], line * 2]))
        lines.append(line)
    body = b"".join(line + draw(st.sampled_from(ends)) for line in lines)
    if draw(st.booleans()):
        body = body.removesuffix(b"\n").removesuffix(b"\r")
    return start + body


@st.composite
def cases(draw: st.DrawFn) -> tuple[Made, bytes]:
    """A table and a file for it."""
    made = draw(tables())
    return made, draw(files(made))
