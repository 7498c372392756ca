"""The rejects of a file, corrected and uploaded as they are."""

import gzip
import json
from typing import Any

import pytest

from tests.effort import either_server
from tests.support.lambdas import Json, counts
from tests.support.parts import Database
from tests.support.uploads import TEXTS, Uploads, lines, names

pytestmark = either_server

BAD = 'id,name\n1,a\nx,b\n3,\n4,"two\nlines"\n5,"open\n6,f\n'


@pytest.fixture(autouse=True)
def table(database: Database) -> None:
    database.run(TEXTS)


def rejects_of(uploads: Uploads, status: Json) -> list[Json]:
    """The rejects as they are in the bucket, a line each."""
    body = uploads.client.get_object(Bucket=uploads.bucket, Key=status["rejects"])["Body"].read().decode()
    return [json.loads(line) for line in body.split("\n")[:-1]]


def again(uploads: Uploads, rejects: list[Json], name: str = "x.ndjson", **options: Any) -> Json:
    """The status of rejects that are uploaded, with whatever was done to them."""
    body = "".join(json.dumps(reject, ensure_ascii=False) + "\n" for reject in rejects)
    return uploads.load(body.encode(), name=name, **options)


def corrected(rejects: list[Json], *texts: str) -> list[Json]:
    return [{**reject, "text": text} for reject, text in zip(rejects, texts, strict=True)]


def test_a_reject_says_where_it_is_and_what_its_fields_were_named(uploads: Uploads) -> None:
    found = rejects_of(uploads, uploads.load(BAD.encode()))
    assert [(one["line"], one["offset"], one["text"]) for one in found] == [
        (3, BAD.index("x,b"), "x,b"), (4, BAD.index("3,"), "3,"), (7, BAD.index("5,"), '5,"open'),
    ]  # fmt: skip
    assert all(one["columns"] == ["id", "name"] for one in found)
    assert all("columns" not in one for one in rejects_of(uploads, uploads.load(b"1,\n")))


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_an_offset_is_the_place_of_its_bytes_in_the_file(uploads: Uploads, mark: str, end: str) -> None:
    body = f'{mark}1,é{end}{end}2,{end}3,"☃{end}😀"{end}4,{end}5,"x'.encode()
    found = rejects_of(uploads, uploads.load(body))
    assert [one["line"] for one in found] == [3, 6, 7]
    for one in found:
        text = one["text"].encode()
        assert body[one["offset"] : one["offset"] + len(text)] == text


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_an_offset_is_counted_over_all_blocks_and_in_the_plain_bytes(uploads: Uploads, compress: Any) -> None:
    body = lines(95, bad=9)
    found = rejects_of(uploads, uploads.load(compress(body)))
    assert [one["line"] for one in found] == list(range(9, 96, 9))
    assert all(body[one["offset"] :].startswith(one["text"].encode() + b"\n") for one in found)


def test_corrected_rejects_are_loaded(database: Database, uploads: Uploads) -> None:
    first = uploads.load(BAD.encode())
    assert counts(first) == (5 + 1, 3, 0, 3, 0)
    status = again(uploads, corrected(rejects_of(uploads, first), "2,b", "3,c", '5,"now\nclosed"'))
    assert (status["state"], counts(status)) == ("done", (3, 3, 0, 0, 0))
    assert names(database) == [(1, "a"), (2, "b"), (3, "c"), (4, "two\nlines"), (5, "now\nclosed"), (6, "f")]


def test_rejects_that_nobody_corrected_are_rejected_again_for_the_same(database: Database, uploads: Uploads) -> None:
    first = uploads.load(BAD.encode())
    rejects = rejects_of(uploads, first)
    status = again(uploads, rejects)
    assert counts(status) == (3, 0, 0, 3, 0)
    repeated = rejects_of(uploads, status)
    assert [(one["text"], one["errors"]) for one in repeated] == [(one["text"], one["errors"]) for one in rejects]
    assert all(one["columns"] == ["id", "name"] for one in repeated)  # so that these can be corrected, too
    third = again(uploads, corrected(repeated, "2,b", "3,c", "5,e"), name="y.ndjson")
    assert counts(third) == (3, 3, 0, 0, 0)
    assert len(names(database)) == 6


def test_the_fields_of_rejects_are_those_of_their_file_whatever_the_order(database: Database, uploads: Uploads) -> None:
    database.run("ALTER TABLE t ADD more INT DEFAULT 7")
    first = uploads.load(b"name,id\nb,x\n")
    status = again(uploads, corrected(rejects_of(uploads, first), "b,2"))
    assert counts(status) == (1, 1, 0, 0, 0)
    assert names(database) == [(2, "b", 7)]


def test_rejects_of_several_files_can_be_uploaded_together(database: Database, uploads: Uploads) -> None:
    named = rejects_of(uploads, uploads.load(b"name,id\nb,x\n"))
    plain = rejects_of(uploads, uploads.load(b"y,c\n", name="b.csv"))
    status = again(uploads, [*corrected(named, "b,2"), *corrected(plain, "3,c")])
    assert counts(status) == (2, 2, 0, 0, 0)
    assert names(database) == [(2, "b"), (3, "c")]


def test_a_reject_whose_bytes_were_no_text_is_rejected_until_somebody_says_what_they_were(
    database: Database, uploads: Uploads
) -> None:
    [reject] = rejects_of(uploads, uploads.load(b"1,Gr\xf6\xdfe\n"))
    assert reject["text"] == "1,Gr\ufffd\ufffde"
    status = again(uploads, [reject])
    assert counts(status) == (1, 0, 0, 1, 0)
    assert [bad["code"] for bad in rejects_of(uploads, status)[0]["errors"]] == ["encoding"]
    assert names(database) == []
    assert counts(again(uploads, corrected([reject], "1,Größe"), name="y.ndjson")) == (1, 1, 0, 0, 0)
    assert names(database) == [(1, "Größe")]


def test_a_sign_that_means_an_unknown_one_is_text_in_a_csv_file(database: Database, uploads: Uploads) -> None:
    assert counts(uploads.load("1,a\ufffd\n".encode())) == (1, 1, 0, 0, 0)
    assert names(database) == [(1, "a\ufffd")]


def test_a_text_of_two_records_is_rejected(database: Database, uploads: Uploads) -> None:
    [reject] = rejects_of(uploads, uploads.load(b"x,a\n"))
    status = again(uploads, corrected([reject], "1,a\n2,b"))
    assert counts(status) == (1, 0, 0, 1, 0)
    assert names(database) == []


@pytest.mark.parametrize("name", ["x.ndjson", "x.ndjson.gz"])
def test_rejects_may_be_compressed(database: Database, uploads: Uploads, name: str) -> None:
    body = json.dumps({"line": 1, "offset": 0, "text": "1,a", "errors": []}).encode()
    status = uploads.load(gzip.compress(body) if name.endswith("gz") else body, name=name)
    assert counts(status) == (1, 1, 0, 0, 0)
    assert names(database) == [(1, "a")]


def test_lines_that_are_no_rejects_are_rejected_each_for_itself(database: Database, uploads: Uploads) -> None:
    good = '{"line": 9, "offset": 70, "text": "3,c", "errors": []}'
    others = ["{", "[]", "{}", good.replace('"3,c"', "1"), "1,a", '"1,a"', "null", '{"text": "2,b"}']
    others.append(good.replace("}", ', "columns": ["nope"]}'))
    body = "\n".join([*others, "", good])
    status = uploads.load(body.encode(), name="x.ndjson")
    assert counts(status) == (len(others) + 1, 1, 0, len(others), 0)
    assert [(line, text) for line, text, _ in uploads.rejects(status)] == list(enumerate(others, 1))
    assert names(database) == [(3, "c")]


def test_json_lines_with_a_field_named_text_are_no_rejects(database: Database, uploads: Uploads) -> None:
    database.run("CREATE TABLE said (lang VARCHAR(20), text VARCHAR(200))")
    body = b'{"lang": "en", "text": "hello, world"}\n{"lang": "de", "text": "hallo, Welt"}\n'
    status = uploads.load(body, table="said", name="tweets.ndjson")
    assert (status["state"], status["inserted"]) == ("rejected", 0)
    assert "The file is JSON, and not CSV" in status["reason"]
    assert database.rows("SELECT * FROM said") == []


@pytest.mark.usefixtures("small_blocks")
def test_many_rejects_are_loaded_in_many_blocks(database: Database, uploads: Uploads) -> None:
    first = uploads.load(lines(200, bad=2))
    rejects = rejects_of(uploads, first)
    status = again(uploads, [{**one, "text": one["text"] + "now"} for one in rejects])
    assert counts(status) == (100, 100, 0, 0, 0)
    assert names(database) == [(n, f"name {n}" if n % 2 else "now") for n in range(1, 201)]
