"""First lines of files and bodies, up to the table: no header becomes a row, and no row a header, unless it is said."""

from typing import Any

import pytest

from functions.insert.app import handler as rows
from functions.load.app import handler as loads
from tests.integration.lambdas import counts, invoke, request
from tests.integration.uploads import Uploads
from tests.support import Database

MONEY = "CREATE TABLE mny (id INT PRIMARY KEY, gross INT, net INT, tax INT)"
TEXTS = "CREATE TABLE t (name VARCHAR(20), title VARCHAR(20))"
CSV = {"Content-Type": "text/csv"}


def post(table: str, body: str, **query: Any) -> Any:
    return request(rows, "POST", f"/tables/{table}/rows", body=body, headers=CSV, query=query)


def test_a_header_with_an_unknown_name_changes_nothing(database: Database, uploads: Uploads) -> None:
    database.run(MONEY)
    body = "id,net,gross,vat\n1,100,119,19\n"
    account = uploads.load(body.encode(), table="mny")
    assert account["state"] == "failed"
    assert "`vat` is no column of `mny`; it has `tax`" in account["error"]["detail"]
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
    account = uploads.load(b"sep=;\r\ntitle;name\r\na;b\r\ntitle;name\r\nc;d\r\n")
    assert counts(account) == (3, 2, 0, 1, 0)
    assert uploads.rejects(account) == [(4, "title;name", [("", "header")])]
    assert database.rows("SELECT name, title FROM t") == [("b", "a"), ("d", "c")]
    key = account["rejects"]
    sent = uploads.client.get_object(Bucket=uploads.bucket, Key=key)["Body"].read()
    assert counts(uploads.load(sent, name="again.ndjson")) == (1, 0, 0, 1, 0)
    said = uploads.load(sent, name="rows.ndjson", Metadata={"header": "no"})
    assert counts(said) == (1, 1, 0, 0, 0)
    assert database.rows("SELECT name, title FROM t WHERE name = 'name'") == [("name", "title")]


def test_another_header_further_down_stops_a_load_with_what_to_do(database: Database, uploads: Uploads) -> None:
    database.run(TEXTS)
    account = uploads.load(b"name,title\na,b\ntitle,name\nc,d\n")
    assert account["state"] == "failed"
    assert "In line 3 another header begins (title, name)" in account["error"]["detail"]
    assert "Cut the file in two there" in account["error"]["detail"]
    assert database.rows("SELECT * FROM t") == []
    assert "line 3 another header" in post("t", "name,title\na,b\ntitle,name\n").problem(400)["detail"]
