"""Requests that cannot be answered as asked: what the client is told, and that nothing was written."""

import gzip
import io
import json
from typing import Any

import pytest

from functions.insert.app import handler
from functions.load.app import handler as loads
from tests.support.lambdas import Answer, request, segment
from tests.support.parts import Database, Server, connect

ROW = {"id": 10, "department": "A"}
CSV = {"content-type": "text/csv"}
SECRET = "pa55-w0rd"


def post(body: object, table: str = "departments", **options: Any) -> Answer:
    return request(handler, "POST", f"/tables/{table}/rows", body=body, **options)


@pytest.mark.parametrize(
    "name",
    [
        "nope",
        "Departments",
        "departments ",
        "depart'ments",
        'depart"ments',
        "depart`ments",
        "../departments",
        "information_schema.tables",
        "departments; DROP TABLE departments",
        "departments'; DROP TABLE departments; --",
        "' OR '1'='1",
        "%",
        "_",
        "☃\x00",
        "x" * 300,
    ],
)
@pytest.mark.usefixtures("unchanged")
def test_an_unknown_table_is_answered_with_the_tables_there_are(name: str) -> None:
    paths = [segment(name)] if not set('"`\x00/') & set(name) else []
    for answer in [
        *(post([ROW], path) for path in paths),
        *(request(handler, "GET", f"/tables/{path}") for path in paths),
        post([ROW], "-", query={"table": name}),
        request(handler, "GET", "/tables", query={"table": name}),
    ]:
        problem = answer.problem(404)
        assert problem["type"] == "urn:tableferry:problem:table-not-found"
        assert "departments, hired_employees, jobs" in problem["detail"]


@pytest.mark.usefixtures("unchanged")
def test_a_path_that_leads_nowhere_is_not_found() -> None:
    for path in ("/", "/tables/a/b/rows", "/tables//rows", "/tables/depart%22ments`/x", "/table"):
        request(handler, "POST", path, body=[ROW]).problem(404)


@pytest.mark.parametrize("headers", [{}, CSV])
@pytest.mark.usefixtures("unchanged")
def test_more_than_a_thousand_rows_are_too_many(headers: dict[str, str]) -> None:
    rows = [[number, "x"] for number in range(1001)]
    body: object = "\n".join(f"{number},x" for number, _ in rows) if headers else rows
    problem = post(body, headers=headers).problem(413)
    assert "1000" in problem["detail"]
    assert "/uploads" in problem["detail"]


@pytest.mark.parametrize(
    "body",
    [
        "[]", '{"rows": []}', "{}", '{"row": [[10, "A"]]}', '{"rows": {"id": 10}}', "null", "7", '"text"', "true",
        "[1, 2]", '[[10, "A"], 7]', '[{"id": 10, "department": "A"}, null]', '["10,A"]',
        '[{"id": 10, "department": "A"}', '[{"id": 10,, "department": "A"}]', "[[10, 'A']]", '[[10, "A"]] x', "id=10",
        '[[10, NaN]]', "[[10, Infinity]]", '[[10, "A\nB"]]', "[" * 100_000, '[["\\ud83d", "A"]]', '[{"\\udc00": 1}]',
        '{"id": 10, "department": "A"}', " ", '[[1e9999999999999999999, "A"]]', "[[" + "9" * 5000 + ', "A"]]',
    ],
)  # fmt: skip
@pytest.mark.usefixtures("unchanged")
def test_a_body_that_is_no_json_of_rows_is_a_bad_request(body: str) -> None:
    post(body, headers={"content-type": "application/json"}).problem(400)


@pytest.mark.parametrize("body", ["", "\n\r\n", "\ufeff", "id,department", "department\n", "\ufeffid,department\r\n"])
@pytest.mark.usefixtures("unchanged")
def test_csv_without_rows_is_a_bad_request(body: str) -> None:
    assert "no rows" in post(body, headers=CSV).problem(400)["detail"]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("rows", [[[1, "A"]], []])
def test_what_stands_beside_the_rows_is_named_and_not_passed_over(rows: list[Any]) -> None:
    detail = post({"rows": rows, "on_duplicate": "update"}).problem(400)["detail"]
    assert "'on_duplicate'" in detail
    assert "?on_duplicate=update" in detail


@pytest.mark.usefixtures("unchanged")
def test_no_body_at_all_is_a_bad_request() -> None:
    for headers in (CSV, {"content-type": "application/json"}):
        assert request(handler, "POST", "/tables/departments/rows", headers=headers).problem(400)["detail"]


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("text/csv", "10,Größe\n".encode("latin-1")),
        ("text/csv", '10,"A"\n'.encode("utf-16")),
        ("text/csv; header=absent", b"10,\xf0\x28\x8c\x28\n"),
        ("application/json", '[[10, "Größe"]]'.encode("latin-1")),
        ("application/json", '[[10, "A"]]'.encode("utf-16")),
        ("application/json", gzip.compress(b'[[10, "A"]]', mtime=0)),
        ("application/json", b'[[10, "\xed\xa0\x80"]]'),
    ],
)
@pytest.mark.usefixtures("unchanged")
def test_bytes_that_are_not_utf_8_are_a_bad_request(media_type: str, body: bytes) -> None:
    assert "UTF-8" in post(body, headers={"content-type": media_type}).problem(400)["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"}, {"content-type": "application/xml"}, {"content-type": ""},
        {"content-type": "application/x-www-form-urlencoded"}, {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/json; charset=latin-1"}, {"content-type": "text/csv;charset=UTF-16"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)  # fmt: skip
@pytest.mark.usefixtures("unchanged")
def test_another_type_or_encoding_is_not_taken(headers: dict[str, str]) -> None:
    post([ROW], headers=headers).problem(415)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"table": "nope", "filename": "a.csv"}, 404),
        ({"table": "departments'; --", "filename": "a.csv"}, 404),
        ({"table": "departments", "filename": "../a.csv"}, 400),
        ({"table": "departments", "filename": "a.xlsx"}, 400),
        ({"table": "departments", "filename": ""}, 400),
        ({"table": "", "filename": "a.csv"}, 400),
        ({"table": 7, "filename": "a.csv"}, 400),
        ({"table": "departments"}, 400),
        ({"table": "departments", "filename": "a.csv", "more": 1}, 400),
        ([], 400), (7, 400), ("", 400), ("{", 400), ("null", 400), (b"\xff\xfe{\0}\0", 400), ('{"table": "\\ud800", "filename": "a.csv"}', 400),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("bucket", "unchanged")
def test_an_upload_that_could_not_be_loaded_is_refused(body: object, status: int) -> None:
    problem = request(loads, "POST", "/uploads", body=body).problem(status)
    assert status == 400 or "departments, hired_employees, jobs" in problem["detail"]


@pytest.mark.usefixtures("bucket", "unchanged")
def test_an_upload_asked_for_in_another_type_is_not_taken() -> None:
    for media_type in ("text/plain", "text/csv", "application/x-www-form-urlencoded"):
        body = json.dumps({"table": "departments", "filename": "a.csv"})
        request(loads, "POST", "/uploads", body=body, headers={"content-type": media_type}).problem(415)


@pytest.mark.usefixtures("bucket", "unchanged")
def test_an_unknown_load_is_not_found() -> None:
    for name in ("nope", "0" * 32, "..%2Fuploads", "☃", "-"):
        request(loads, "GET", f"/loads/{segment(name)}").problem(404)
    assert request(loads, "GET", "/loads").json == {"loads": [], "next": None}
    assert request(loads, "GET", "/loads", query={"key": "uploads/x"}).json == {"loads": [], "next": None}


def unusable(database: Database) -> dict[str, str]:
    place = database.url.rpartition("@")[2]
    return {
        "refused": f"mysql://nobody:{SECRET}@{place}",
        "closed": f"mysql://nobody:{SECRET}@127.0.0.1:1/{database.name}",
        "unknown": f"mysql://nobody:{SECRET}@no-such-host.invalid/{database.name}",
    }


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("fault", ["refused", "closed", "unknown"])
def test_a_database_that_cannot_be_used_is_said_so_without_a_secret(
    unchanged: Database, log: io.StringIO, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", unusable(unchanged)[fault])
    for answer in (
        post([ROW]),
        post([ROW], headers={"idempotency-key": "k"}),
        request(handler, "GET", "/tables"),
        request(loads, "POST", "/uploads", body={"table": "departments", "filename": "a.csv"}),
    ):
        answer.problem(503)
        assert SECRET not in answer.text
        assert "SELECT" not in answer.text
    text = log.getvalue()
    assert "database-unavailable" in text
    assert SECRET not in text
    assert "SELECT" not in text


@pytest.mark.usefixtures("unchanged")
def test_a_server_that_takes_no_writes_now_is_said_so(server: Server) -> None:
    if not server.alone:
        pytest.skip("only a server that nobody else uses may be set so")
    with connect(server.url) as admin, admin.cursor() as cursor:
        cursor.execute("SET GLOBAL read_only = 1")
        try:
            post([ROW]).problem(503)
        finally:
            cursor.execute("SET GLOBAL read_only = 0")


@pytest.mark.usefixtures("bucket", "unchanged")
def test_s3_that_cannot_be_reached_is_said_so(monkeypatch: pytest.MonkeyPatch, log: io.StringIO) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    for path in ("/loads", "/loads/" + "0" * 32):
        assert SECRET not in str(request(loads, "GET", path).problem(503))
    assert SECRET not in log.getvalue()


@pytest.mark.usefixtures("unchanged", "s3_client")
def test_a_bucket_that_is_not_there_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUCKET", "there-is-no-such-bucket")
    request(loads, "GET", "/loads").problem(503)
