"""Files of the server's own INTO OUTFILE come back to the bit; raw bytes and bits are refused until their form is said."""

import os
import random
import tempfile
from pathlib import Path

import pymysql
import pytest

from tests.support.lambdas import counts
from tests.support.parts import Database, connect, not_applicable
from tests.support.uploads import Uploads

TABLE = (
    "CREATE TABLE t (id INT PRIMARY KEY, a TEXT, b VARCHAR(40), c DATETIME(3), d DECIMAL(9,3)) CHARACTER SET utf8mb4"
)
SIGNS = [*"\\\"\t\n\r,;'0bnrtZN\0\b\x1aaé☃😀", "\\N", "\r\n", "NULL"]
FORMS = [
    ("", {"delimiter": "tab", "escape": "\\", "quote": "none"}),
    (
        "FIELDS TERMINATED BY ',' ENCLOSED BY '\"' ESCAPED BY '\\\\'",
        {"delimiter": ",", "escape": "\\", "quote": '"'},
    ),
    (
        "FIELDS TERMINATED BY ';' OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '\\\\'",
        {"delimiter": ";", "escape": "\\", "quote": '"'},
    ),
]


def written(database: Database, form: str, select: str = "SELECT * FROM t ORDER BY id") -> bytes:
    """What the server writes; not applicable where it may write no files, or none that can be read from here."""
    if not database.mariadb:
        not_applicable("no files from a server that runs elsewhere")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        path = Path(folder) / "out.csv"
        sql = (
            f"{select.replace(' FROM', f' INTO OUTFILE {chr(39)}{path}{chr(39)} CHARACTER SET utf8mb4 {form} FROM', 1)}"
        )
        with connect(database.admin_url) as connection, connection.cursor() as cursor:
            try:
                cursor.execute(sql)
            except pymysql.err.MySQLError as error:
                not_applicable(f"no files: {error.args[0]}")
        assert os.access(path, os.R_OK)
        return path.read_bytes()


@pytest.mark.parametrize(("form", "said"), FORMS)
def test_a_table_written_by_into_outfile_comes_back_to_the_bit(
    database: Database, uploads: Uploads, form: str, said: dict[str, str]
) -> None:
    database.run(TABLE)
    order = random.Random(form)  # noqa: S311
    rows = [
        (
            number,
            order.choice([None, "", "".join(order.choices(SIGNS, k=order.randint(0, 9)))]),
            "".join(order.choices(SIGNS, k=5)),
            order.choice([None, "2021-07-27 16:02:08.125"]),
            order.choice([None, "-1.500"]),
        )
        for number in range(400)
    ]
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.executemany("INSERT INTO t VALUES (%s, %s, %s, %s, %s)", rows)
        connection.commit()
    before = database.rows("SELECT id, HEX(a), HEX(b), c, d FROM t ORDER BY id")
    body = written(database, form)
    database.run("DELETE FROM t")
    assert counts(uploads.load(body, Metadata=said)) == (400, 400, 0, 0, 0)
    assert database.rows("SELECT id, HEX(a), HEX(b), c, d FROM t ORDER BY id") == before


@pytest.mark.parametrize(
    ("body", "said", "stored"),
    [
        (b'1\ta\\\nb\\\tc\\\\d\\0\t"x"\t\\N\t1.5\n', FORMS[0][1], ("a\nb\tc\\d\0", '"x"')),
        (b'1,"a\\\nb\\"c\\0","x\\\\",\\N,"1.5"\n', FORMS[1][1], ('a\nb"c\0', "x\\")),
    ],
)
def test_escapes_are_stored_as_what_they_mean(
    database: Database, uploads: Uploads, body: bytes, said: dict[str, str], stored: tuple[str, str]
) -> None:
    database.run(TABLE)
    assert counts(uploads.load(body, Metadata=said)) == (1, 1, 0, 0, 0)
    assert database.rows("SELECT a, b, c FROM t") == [(*stored, None)]


def test_without_the_option_a_text_cut_at_its_line_end_is_a_reject_that_goes_in_once_it_is_said(
    database: Database, uploads: Uploads
) -> None:
    database.run("CREATE TABLE t (a VARCHAR(20), n INT)")
    body = b"foo\\\nbar\t5\nC:\\\\dir\t6\n\\N\t7\n"
    status = uploads.load(body, Metadata={"delimiter": "tab", "null": "\\N"})
    assert counts(status) == (3, 1, 0, 2, 0)
    assert uploads.rejects(status) == [
        (1, "foo\\\nbar\t5", [("", "escape")]),
        (3, "C:\\\\dir\t6", [("", "escape")]),
    ]
    assert database.rows("SELECT * FROM t") == [(None, 7)]
    database.run("DELETE FROM t")
    assert counts(uploads.load(body, name="b.csv", Metadata={"delimiter": "tab", "escape": "\\"})) == (3, 3, 0, 0, 0)
    assert database.rows("SELECT a FROM t ORDER BY n") == [("foo\nbar",), ("C:\\dir",), (None,)]


@pytest.mark.parametrize("kind", ["BLOB", "BINARY(4)", "BIT(8)"])
def test_raw_bytes_and_bits_of_into_outfile_are_not_taken_for_digits(
    database: Database, uploads: Uploads, kind: str
) -> None:
    database.run(f"CREATE TABLE t (id INT, x {kind})")
    status = uploads.load(b"1\t41\n", Metadata={"delimiter": "tab", "escape": "\\"})
    assert status["state"] == "failed"
    assert "'x' to hold bytes or bits, which INTO OUTFILE writes as they are" in status["error"]["detail"]
    said = uploads.load(b"1\t41\n", name="b.csv", Metadata={"delimiter": "tab", "escape": "\\", "binary": "hex"})
    assert counts(said) == (1, 1, 0, 0, 0)


def test_rejects_of_a_file_with_escapes_go_in_when_they_are_corrected(database: Database, uploads: Uploads) -> None:
    database.run("CREATE TABLE t (a VARCHAR(20), n INT)")
    status = uploads.load(
        b'a\\\n"b\tx\nc\r\t1\nd\r\t2\r\n', Metadata={"delimiter": "tab", "escape": "\\", "quote": "none"}
    )
    assert [line for line, _, _ in uploads.rejects(status)] == [1, 4]
    sent = uploads.client.get_object(Bucket=uploads.bucket, Key=status["rejects"])["Body"].read()
    assert counts(uploads.load(sent.replace(b"\\tx", b"\\t3").replace(b"2\\r", b"2"), name="c.ndjson"))[1] == 2
    assert database.rows("SELECT a FROM t ORDER BY n") == [("c\r",), ("d\r",), ('a\n"b',)]


def test_a_byte_of_zero_rejects_its_row_near_the_beginning_and_further_down(
    database: Database, uploads: Uploads
) -> None:
    database.run("CREATE TABLE t (id INT, a VARCHAR(20))")
    rows = [b"%d,abc" % number for number in range(60_000)]
    rows[1] = rows[50_000] = b"1,a\0b"
    status = uploads.load(b"\n".join(rows))
    assert counts(status) == (60_000, 59_998, 0, 2, 0)
    assert uploads.rejects(status) == [(line, "1,a\0b", [("", "nul")]) for line in (2, 50_001)]


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_recognised_with_a_mark_or_without(database: Database, uploads: Uploads, codec: str) -> None:
    database.run("CREATE TABLE t (id INT, a VARCHAR(20))")
    status = uploads.load("1,abc\n2,déf\n".encode(codec))
    assert "it is UTF-16; save it as UTF-8" in status["error"]["detail"]
