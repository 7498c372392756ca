"""Tables with invisible columns take what names no columns for the visible ones, as INSERT and LOAD DATA do."""

from contextlib import closing

import pytest

from functions.insert.app import handler
from tests.support.lambdas import counts, request
from tests.support.parts import Database, connect, not_applicable
from tests.support.uploads import Uploads

TABLE = (
    "CREATE TABLE t (n BIGINT UNSIGNED NOT NULL AUTO_INCREMENT INVISIBLE PRIMARY KEY, a INT, hidden INT DEFAULT 7 INVISIBLE,"
    " b VARCHAR(20))"
)


def post(body: object, **headers: str) -> int:
    return request(handler, "POST", "/tables/t/rows", body=body, headers=headers).status


def test_a_file_without_header_gives_the_visible_columns(database: Database, uploads: Uploads) -> None:
    database.run(TABLE)
    assert counts(uploads.load(b"1,x\n2,y\n3,z,4\n")) == (3, 2, 0, 1, 0)
    assert counts(uploads.load(b"n,a,hidden,b\n9,5,6,named\n", name="b.csv")) == (1, 1, 0, 0, 0)
    assert database.rows("SELECT n, a, hidden, b FROM t ORDER BY n") == [
        (1, 1, 7, "x"), (2, 2, 7, "y"), (9, 5, 6, "named"),
    ]  # fmt: skip


def test_rows_of_a_request_give_the_visible_columns_unless_they_name_others(database: Database) -> None:
    database.run(TABLE)
    assert post("1,x\n", **{"Content-Type": "text/csv"}) == 201
    assert post([[2, "y"], {"n": 9, "hidden": None, "a": 3}]) == 201
    assert post([[1, 2, 3, "four"]]) == 422
    assert database.rows("SELECT n, a, hidden, b FROM t ORDER BY n") == [
        (1, 1, 7, "x"), (2, 2, 7, "y"), (9, 3, None, None),
    ]  # fmt: skip


@pytest.mark.parametrize("shown", ["ON", "OFF"])
def test_a_key_that_the_server_generated_is_passed_over(database: Database, uploads: Uploads, shown: str) -> None:
    if database.mariadb:
        not_applicable("no generated invisible primary key")
    setting = "SET GLOBAL show_gipk_in_create_table_and_information_schema ="
    with closing(connect(database.admin_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION sql_generate_invisible_primary_key = ON")
        cursor.execute("CREATE TABLE t (a INT, b VARCHAR(20))")
        cursor.execute(f"{setting} {shown}")
    try:
        assert counts(uploads.load(b"1,x\n2,y\n")) == (2, 2, 0, 0, 0)
    finally:
        with closing(connect(database.admin_url)) as connection, connection.cursor() as cursor:
            cursor.execute(f"{setting} ON")
    assert database.rows("SELECT my_row_id, a, b FROM t ORDER BY 1") == [(1, 1, "x"), (2, 2, "y")]
