"""Files of every sort that are not what a load expects, and the load status each of them gets."""

import gzip
import io
import zipfile

import pytest
from backports import zstd

from tableferry.ingest.files import blocks, csv_records
from tests.effort import sample
from tests.support.lambdas import counts
from tests.support.parts import Database
from tests.support.uploads import TEXTS, Uploads, lines, names

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"


@pytest.fixture(autouse=True)
def table(database: Database) -> None:
    database.run(TEXTS)


def checked(body: bytes) -> bytes:
    """As the program ``zstd`` does it: with a checksum, without which damage may go unseen."""
    return zstd.compress(body, options={zstd.CompressionParameter.checksum_flag: 1})


def zipped(name: str, body: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, body)
    return file.getvalue()


def test_a_file_that_is_no_csv_at_all_is_failed_whole(database: Database, uploads: Uploads) -> None:
    for body, word in {
        b"": "empty",
        b"\n\r\n\n": "empty",
        b"\xef\xbb\xbf": "empty",
        gzip.compress(b"", mtime=0): "empty",
        PNG: "not CSV",
        zipped("a.csv", lines(3)): "not CSV",
        "1,a\n".encode("utf-16"): "UTF-16",
        "1,a\n".encode("utf-16-be"): "not CSV",
        "1,a\n".encode("utf-32"): "UTF-16",
        gzip.compress(PNG, mtime=0): "not CSV",
    }.items():
        status = uploads.load(body)
        assert (status["state"], counts(status)) == ("failed", (0, 0, 0, 0, 0)), body[:40]
        assert word in status["error"]["detail"]
        assert status["finished"]
    assert names(database) == []


def test_a_file_without_line_ends_is_failed_before_it_fills_the_memory(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "_LONGEST_LINE", 1024 * 1024)
    monkeypatch.setattr(blocks, "_BLOCK_BYTES", 1024)
    status = uploads.load(b"1,a\n2," + b"a" * (2 * 1024 * 1024))
    assert (status["state"], counts(status)) == ("failed", (1, 1, 0, 0, 0))
    assert "Line 2 is longer" in status["error"]["detail"]


@pytest.mark.parametrize(
    ("before", "between", "after", "said"),
    [
        ('1,"', "\n", '"\n2,"short"\n', {}),
        ('1;"', "\n", '"\n2;"short"\n', {}),
        ("1,", "\\\n", "\n2,short\n", {"escape": "\\", "quote": "none"}),
    ],
)
@sample(1)
def test_the_lines_of_a_long_text_are_one_row_and_none_of_another_shape(
    database: Database, uploads: Uploads, before: str, between: str, after: str, said: dict[str, str]
) -> None:
    database.run("CREATE TABLE logs (id INT PRIMARY KEY, body LONGTEXT)")
    inside = [f"{number},a line of a log;{number}" for number in range(100, 60_100)]
    written = [line.replace(",", "\\,") for line in inside] if said else inside
    status = uploads.load((before + between.join(written) + after).encode(), table="logs", Metadata=said)
    assert (status["state"], counts(status)) == ("done", (2, 2, 0, 0, 0))
    assert database.rows("SELECT * FROM logs") == [(1, "\n".join(inside)), (2, "short")]


def test_behind_a_quote_that_is_not_closed_for_longer_than_a_record_may_be_a_load_ends(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_records, "LONGEST_RECORD", 2000)
    monkeypatch.setattr(blocks, "_BLOCK_BYTES", 1024)
    status = uploads.load(lines(100) + b'101,"a\n' + lines(300)[1500:])
    assert status["state"] == "failed"
    assert "The record that begins in line 101" in status["error"]["detail"]
    assert names(database) == [(number, f"name {number}") for number in range(1, status["inserted"] + 1)]


def test_other_text_is_rejected_line_by_line(database: Database, uploads: Uploads) -> None:
    for body in (b'[{"id": 1, "name": "a"},\n {"id": 2, "name": "b"}]', b"<a>\n<b/>\n</a>", b"%PDF-1.7\n%\xb5\xb5\n"):
        status = uploads.load(body)
        assert (status["state"], status["inserted"]) == ("rejected", 0)
        assert status["rejected"] == status["read"] == len(body.strip().split(b"\n"))
    assert names(database) == []


def test_a_header_of_all_or_some_columns_in_any_order_is_recognised(database: Database, uploads: Uploads) -> None:
    for body in (b"id,name\n1,a\n", b'\xef\xbb\xbfNAME," id "\r\na,1\r\n', b'"name","id"\na,1'):
        database.run("DELETE FROM t")
        assert counts(uploads.load(body)) == (1, 1, 0, 0, 0)
        assert names(database) == [(1, "a")]
    database.run("ALTER TABLE t MODIFY name VARCHAR(40) DEFAULT 'x'", "DELETE FROM t")
    assert counts(uploads.load(b"id\n1\n")) == (1, 1, 0, 0, 0)
    assert names(database) == [(1, "x")]
    only = uploads.load(b"id,name\n")
    assert (only["state"], counts(only)) == ("done", (0, 0, 0, 0, 0))
    unknown = uploads.load(b"id,nom\n5,a\n")
    assert (unknown["state"], counts(unknown)) == ("failed", (0, 0, 0, 0, 0))
    assert "`nom` is no column of `t`; it has `name`" in unknown["error"]["detail"]


def test_marks_and_line_ends_are_no_part_of_the_rows(database: Database, uploads: Uploads) -> None:
    for body in (b"\xef\xbb\xbf1,a\n2,b\n", b"1,a\r\n2,b\r\n", b"1,a\r\n\r\n2,b", b'\xef\xbb\xbf"1","a"\n\n"2",b\n\n'):
        database.run("DELETE FROM t")
        assert counts(uploads.load(body)) == (2, 2, 0, 0, 0)
        assert names(database) == [(1, "a"), (2, "b")]


def test_a_file_cut_in_a_quoted_field_loses_that_line_alone(database: Database, uploads: Uploads) -> None:
    status = uploads.load(b'1,a\n2,"b\n3,c\n4,"d')
    assert uploads.rejects(status) == [(2, '2,"b', [("", "malformed")]), (4, '4,"d', [("", "malformed")])]
    assert names(database) == [(1, "a"), (3, "c")]


def test_bytes_that_are_no_text_reject_their_line(database: Database, uploads: Uploads) -> None:
    status = uploads.load("1,a\n2,Größe\n3,c\n".encode("latin-1"))
    assert [(line, bad) for line, _, bad in uploads.rejects(status)] == [(2, [("", "encoding")])]
    assert names(database) == [(1, "a"), (3, "c")]


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress])
def test_a_compressed_file_is_loaded(database: Database, uploads: Uploads, compress: object) -> None:
    assert callable(compress)
    body = lines(3000, bad=1000)
    status = uploads.load(compress(body[:100]) + compress(body[100:]), name="a.csv.gz")  # in two members
    assert (status["state"], counts(status)) == ("done", (3000, 2997, 0, 3, 0))
    assert names(database) == [(n, f"name {n}") for n in range(1, 3001) if n % 1000]


@pytest.mark.parametrize("compress", [gzip.compress, checked])
def test_a_compressed_file_that_is_cut_or_damaged_is_failed(
    database: Database, uploads: Uploads, compress: object
) -> None:
    assert callable(compress)
    whole = compress(lines(3000))
    half = len(whole) // 2
    damaged = whole[:half] + bytes([whole[half] ^ 0xFF]) * 8 + whole[half + 8 :]
    for body in (whole[:half], whole[:-1], whole[:5], whole + b"rest", damaged):
        database.run("DELETE FROM t")
        status = uploads.load(body)
        assert status["state"] == "failed"
        assert "compressed" in status["error"]["detail"]
        assert len(names(database)) == status["inserted"]


def test_an_upload_for_an_unknown_table_is_failed_with_the_tables_there_are(
    database: Database, uploads: Uploads
) -> None:
    for name in ("nope", "t'; DROP TABLE t; --", "../t", "tableferry_ledger"):
        status = uploads.load(b"1,a\n", table=name)
        assert (status["state"], status["error"]["type"]) == ("failed", "table-not-found")
        assert "There are: t." in status["error"]["detail"]
    assert names(database) == []


def test_another_word_for_what_becomes_of_duplicates_is_failed(database: Database, uploads: Uploads) -> None:
    status = uploads.load(b"1,a\n", Metadata={"on-duplicate": "replace"})
    assert status["state"] == "failed"
    assert "replace" in status["error"]["detail"]
    assert names(database) == []


def test_a_table_without_transactions_is_failed(database: Database, uploads: Uploads) -> None:
    database.run("ALTER TABLE t ENGINE=MyISAM")
    status = uploads.load(b"1,a\n1,b\n")
    assert (status["state"], status["error"]["type"]) == ("failed", "not-supported")
    assert names(database) == []
