"""A line that goes to the server as it is stores what the rules would have stored of it."""

import random

import pytest

from tableferry.ingest.files import line_frame
from tableferry.ingest.files.csv_records import Line
from tests.effort import sample
from tests.support.lambdas import counts
from tests.support.parts import Database
from tests.support.uploads import Uploads

DATES = ["2021-07-27", "1000-01-01", "2999-12-31", "2024-12-31"]
CLOCKS = ["00:00:00", "23:59:59", "16:02:08"]
MOMENTS = [
    f"{day}{between}{clock}{zone}" for day in DATES for between in "T " for clock in CLOCKS for zone in ("", "Z")
]
TEXTS = ["a", "é", "☃😀", "a b ", " a", "'", "x\ty", "it''s", "-", "a;b|c", "%", "''", "\\", "\\n"]

TYPES: dict[str, list[str]] = {
    "TINYINT": ["-128", "127", "0", "-5"],
    "TINYINT UNSIGNED": ["0", "255", "99"],
    "SMALLINT": ["-32768", "32767"],
    "MEDIUMINT UNSIGNED": ["16777215"],
    "INT": ["-2147483648", "2147483647", "12"],
    "BIGINT": ["-9223372036854775808", "9223372036854775807"],
    "BIGINT UNSIGNED": ["18446744073709551615"],
    "DECIMAL(5,2)": ["-999.99", "0", "-0", "-0.00", "1.5", "007.10"],
    "DECIMAL(38,20)": ["123456789012345678.12345678901234567890"],
    "FLOAT": ["0.1", "-0", "123456789012345.5", "16777217", "0.123456789012345", "-1.5"],
    "DOUBLE": ["0.1", "-0.0", "999999999999999.999999999999999", "0.000000000000001", "123456789.123456789"],
    "BIT(3)": ["0", "7", "5"],
    "BIT(64)": ["18446744073709551615", "53"],
    "DATE": DATES,
    "DATETIME": MOMENTS,
    "DATETIME(3)": [*MOMENTS, "2021-07-27T16:02:08.1Z", "2021-07-27 16:02:08.123"],
    "TIMESTAMP(6) NULL": ["2021-07-27T16:02:08.123456Z", "1980-01-01 00:00:00", "2029-12-31T23:59:59Z"],
    "TIME(2)": ["00:00:00", "-99:59:59.99", "16:02:08.5"],
    "YEAR": ["1910", "2099", "2021"],
    "CHAR(4) CHARACTER SET utf8mb4": [text for text in TEXTS if len(text) <= 4],
    "VARCHAR(20) CHARACTER SET utf8mb4": TEXTS,
    "VARCHAR(400) CHARACTER SET utf8mb4": [*TEXTS, "x" * 100],
    "VARCHAR(20) CHARACTER SET latin1": ["a", "~", "it's", "a b "],
    "TEXT CHARACTER SET utf8mb3": ["a", "é☃", "x" * 2000],
    "ENUM('a','it''s','x,y','1')": ["a", "it's", "1"],
    "SET('a','b c')": ["a", "b c"],
    "VARBINARY(300)": ["00", "ffAB", "31" * 150],
    "BLOB": ["00", "ffAB"],
}
QUOTED = {
    "VARCHAR(20) CHARACTER SET utf8mb4": ['"a,b"', '"a ""b"" c"', '""', '"NULLs"', '",a,"', '"\\N"'],
    "ENUM('a','it''s','x,y','1')": ['"x,y"'],
    "SET('a','b c')": ['"a,b c"'],
    "JSON": ['"{""a"": [1, 2]}"', '"{""a"": ""x, y""}"', '"[]"', '"{""a"":1.50}"'],
    "TEXT CHARACTER SET utf8mb4": ['"a,,b"'],  # not sure, where a field may be NULL
}


ALL = [*TYPES, *(kind for kind in QUOTED if kind not in TYPES)]
OTHERS: list[dict[str, str]] = [{"null": "\\N"}, {"delimiter": ";"}]


@pytest.mark.parametrize(
    ("kind", "dialect"),
    [*((kind, {}) for kind in ALL), *((kind, dialect) for dialect in OTHERS for kind in ("INT", "BIT(3)", *QUOTED))],
)
@sample(4)
def test_a_line_sent_as_it_is_is_stored_as_one_that_was_checked(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch, kind: str, dialect: dict[str, str]
) -> None:
    order = random.Random(kind)  # noqa: S311
    delimiter, null = dialect.get("delimiter", ","), dialect.get("null", "")
    plain = [value for value in TYPES.get(kind, []) if delimiter not in value and not (null and "\\" in value)]
    values = [*plain, *(f'"{value}"' for value in plain), *QUOTED.get(kind, []), null]
    rows = [delimiter.join(order.choice(values) for _ in range(3)) for _ in range(200)]
    body = "".join(f"{delimiter.join([str(number), row])}\n" for number, row in enumerate(rows)).encode()
    for table in ("quick", "slow"):
        database.run(f"CREATE TABLE {table} (id INT PRIMARY KEY, a {kind}, b {kind}, c {kind})")
    checked: list[int] = []
    real = line_frame.Lines.doubtful

    def doubtful(found: line_frame.Lines) -> list[Line]:
        checked.append(len(real(found)))
        return real(found)

    monkeypatch.setattr(line_frame.Lines, "doubtful", doubtful)
    quick = uploads.load(body, table="quick", Metadata=dialect)
    assert checked[-1] < (200 if {'"a,,b"', '"NULLs"'} & set(values) else 1)
    monkeypatch.setattr(line_frame, "sure_of", lambda *_: None)
    slow = uploads.load(body, table="slow", Metadata=dialect)
    assert checked[-1] == 200
    assert counts(quick) == counts(slow) == (200, 200, 0, 0, 0)
    stored = "SELECT id, {0}, CAST({0} AS CHAR), HEX({0}) FROM {1} ORDER BY id"
    for name in "abc":
        assert database.rows(stored.format(name, "quick")) == database.rows(stored.format(name, "slow"))


def test_all_parts_of_a_block_are_in_the_files_order(database: Database, uploads: Uploads) -> None:
    database.run("CREATE TABLE t (number INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(40), b INT)")
    body = b'a,b\nx,1\n+,+2\n"y\nz",3\n\n,4\nw,\n"",6\nNULL,7\n'
    assert counts(uploads.load(body)) == (7, 7, 0, 0, 0)
    assert database.rows("SELECT a, b FROM t ORDER BY number") == [
        ("x", 1), ("+", 2), ("y\nz", 3), (None, 4), ("w", None), ("", 6), ("NULL", 7),
    ]  # fmt: skip
