"""First lines of files and bodies, up to the table: no header becomes a row, and no row a header, unless it is said."""

from typing import Any

import pytest

from functions.insert.app import handler as rows
from functions.load.app import handler as loads
from tests.effort import either_server
from tests.support.lambdas import counts, invoke, request
from tests.support.parts import Database
from tests.support.uploads import Uploads

pytestmark = either_server

MONEY = "CREATE TABLE mny (id INT PRIMARY KEY, gross INT, net INT, tax INT)"
TEXTS = "CREATE TABLE t (name VARCHAR(20), title VARCHAR(20))"
CSV = {"Content-Type": "text/csv"}


def post(table: str, body: str, **query: Any) -> Any:
    return request(rows, "POST", f"/tables/{table}/rows", body=body, headers=CSV, query=query)


def test_a_header_with_an_unknown_name_changes_nothing(database: Database, uploads: Uploads) -> None:
    database.run(MONEY)
    body = "id,net,gross,vat\n1,100,119,19\n"
    status = uploads.load(body.encode(), table="mny")
    assert status["state"] == "failed"
    assert "`vat` is no column of `mny`; it has `tax`" in status["error"]["detail"]
    assert "`vat` is no column of `mny`; it has `tax`" in post("mny", body).problem(400)["detail"]
    assert database.rows("SELECT * FROM mny") == []


@pytest.mark.parametrize("place", ["metadata", "request", "rows", "setting"])
def test_a_row_of_columns_names_goes_in_where_it_is_said_to_be_one(
    database: Database, uploads: Uploads, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    database.run(TEXTS)
    body = "name,title\nx,y\nname,title\n"
    if place == "setting":
        monkeypatch.setenv("TABLE_SETTINGS", '{"t": {"header": "no"}}')
        assert counts(uploads.load(body.encode())) == (3, 3, 0, 0, 0)
    elif place == "metadata":
        assert counts(uploads.load(body.encode(), Metadata={"header": "no"})) == (3, 3, 0, 0, 0)
    elif place == "request":
        uploads.put(body.encode())
        answer = invoke(loads, {"action": "load", "key": "uploads/t/a.csv", "header": "no"})
        assert counts(answer) == (3, 3, 0, 0, 0)
    else:
        assert post("t", body, header="no").status == 201
    assert database.rows("SELECT * FROM t") == [("name", "title"), ("x", "y"), ("name", "title")]


def test_headers_of_two_files_put_together_are_rejects_that_come_back_only_if_they_are_said_to_be_rows(
    database: Database, uploads: Uploads
) -> None:
    database.run(TEXTS)
    status = uploads.load(b"sep=;\r\ntitle;name\r\na;b\r\ntitle;name\r\nc;d\r\n")
    assert counts(status) == (3, 2, 0, 1, 0)
    assert uploads.rejects(status) == [(4, "title;name", [("", "header")])]
    assert database.rows("SELECT name, title FROM t") == [("b", "a"), ("d", "c")]
    key = status["rejects"]
    sent = uploads.client.get_object(Bucket=uploads.bucket, Key=key)["Body"].read()
    assert counts(uploads.load(sent, name="again.ndjson")) == (1, 0, 0, 1, 0)
    said = uploads.load(sent, name="rows.ndjson", Metadata={"header": "no"})
    assert counts(said) == (1, 1, 0, 0, 0)
    assert database.rows("SELECT name, title FROM t WHERE name = 'name'") == [("name", "title")]


def test_another_header_further_down_stops_a_load_with_what_to_do(database: Database, uploads: Uploads) -> None:
    database.run(TEXTS)
    status = uploads.load(b"name,title\na,b\ntitle,name\nc,d\n")
    assert status["state"] == "failed"
    assert "In line 3 another header begins (title, name)" in status["error"]["detail"]
    assert "Cut the file in two there" in status["error"]["detail"]
    assert database.rows("SELECT * FROM t") == []
    assert "line 3 another header" in post("t", "name,title\na,b\ntitle,name\n").problem(400)["detail"]


@pytest.mark.parametrize(
    ("table", "part", "again", "rows_in"),
    [
        (TEXTS, "\ufeffname,title\nx,y\n", 1, [("x", "y"), ("x", "y")]),
        (TEXTS, '\ufeff"name","title"\r\n"x","y"\r\n', 1, [("x", "y"), ("x", "y")]),
        (TEXTS, "\ufeffsep=;\r\nname;title\r\nx;y\r\n", 2, [("x", "y"), ("x", "y")]),
        (TEXTS, "sep=,\nname,title\nx,y\n", 2, [("x", "y"), ("x", "y")]),
        ("CREATE TABLE t (name VARCHAR(20), size INT)", "sep=;\nname;size\nx;1\n", 2, [("x", 1), ("x", 1)]),
        ("CREATE TABLE t (name VARCHAR(20))", "sep=;\nname\nx\n", 2, [("x",), ("x",)]),
    ],
)
def test_what_only_begins_a_file_is_no_row_where_two_are_put_together(
    database: Database, uploads: Uploads, table: str, part: str, again: int, rows_in: list[Any]
) -> None:
    database.run(table)
    load_status = uploads.load((part + part).encode())
    assert counts(load_status) == (2 + again, 2, 0, again, 0)
    assert {code for _, _, found in uploads.rejects(load_status) for _, code in found} == {"header"}
    assert database.rows("SELECT * FROM t") == rows_in
    database.run("DELETE FROM t")
    assert post("t", part + part).status == 207
    assert database.rows("SELECT * FROM t") == rows_in


def test_a_marked_header_in_another_order_stops_a_load(database: Database, uploads: Uploads) -> None:
    database.run(TEXTS)
    status = uploads.load('\ufeffname,title\na,b\n\ufeff"title","name"\nc,d\n'.encode())
    assert status["state"] == "failed"
    assert "In line 3 another header begins (title, name)" in status["error"]["detail"]
    assert database.rows("SELECT * FROM t") == []


def test_a_marked_text_and_a_delimiters_name_are_rows_where_it_is_said(database: Database, uploads: Uploads) -> None:
    database.run(TEXTS)
    status = uploads.load("a,b\n\ufeffname,c\nsep=,\n\ufeffname,title\n".encode(), Metadata={"header": "no"})
    assert counts(status) == (4, 4, 0, 0, 0)
    assert database.rows("SELECT * FROM t")[1:] == [("\ufeffname", "c"), ("sep=", None), ("\ufeffname", "title")]
