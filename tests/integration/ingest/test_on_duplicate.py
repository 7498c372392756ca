"""What becomes of rows whose key is there: rejected, ignored or updated, and counted exactly."""

from collections.abc import Sequence
from typing import Any

import pytest

from functions.insert.app import handler
from tableferry.config.load_options import OnDuplicate, Options
from tableferry.config.settings import database_address
from tableferry.errors import Unaccounted
from tableferry.ingest.insert import SentRows, insert
from tableferry.ingest.rows.rules import Row
from tableferry.ingest.write.insertion import Counts, Insertion
from tableferry.mysql.database import Database as Source
from tableferry.mysql.database import execute
from tests.support.lambdas import Answer, counts, problems, request
from tests.support.parts import Database
from tests.support.uploads import Uploads

KEEP = "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20), mail VARCHAR(20) NOT NULL DEFAULT '-')"


def post(body: object, on_duplicate: str, **options: Any) -> Answer:
    return request(handler, "POST", "/tables/t/rows", body=body, query={"on_duplicate": on_duplicate}, **options)


def stored(database: Database) -> list[tuple[Any, ...]]:
    return database.rows("SELECT * FROM t ORDER BY 1")


def test_a_key_in_the_table_or_earlier_in_the_batch_rejects_the_row(database: Database) -> None:
    database.run(KEEP, "INSERT INTO t (id, name) VALUES (1, 'old')")
    answer = post([[1, "new", ""], [2, "first", ""], [2, "second", ""], [3, "c", ""], [1, "newer", ""]], "reject")
    assert (answer.status, counts(answer.json)) == (207, (5, 2, 0, 3, 0))
    assert problems(answer.json) == [(row, "id", "duplicate_key") for row in (1, 3, 5)]
    assert stored(database) == [(1, "old", "-"), (2, "first", ""), (3, "c", "")]


def test_a_duplicate_of_another_key_is_told_by_its_name(database: Database) -> None:
    database.run("CREATE TABLE t (id INT PRIMARY KEY, mail VARCHAR(40), UNIQUE KEY one_mail (mail))")
    answer = post([[1, "x' for key 'PRIMARY"], [2, "x' for key 'PRIMARY"]], "reject")
    assert problems(answer.json) == [(2, "", "duplicate_key")]
    assert "one_mail" in answer.json["errors"][0]["message"]


def test_ignore_leaves_what_is_there_and_counts_it(database: Database) -> None:
    database.run(KEEP, "INSERT INTO t (id, name) VALUES (1, 'old')")
    answer = post([[1, "new", ""], [2, "first", ""], [2, "second", ""], ["x", "", ""]], "ignore")
    assert (answer.status, counts(answer.json)) == (207, (4, 1, 0, 1, 2))
    assert stored(database) == [(1, "old", "-"), (2, "first", "")]
    assert counts(post([[2, "z", ""]], "ignore").json) == (1, 0, 0, 0, 1)


def test_ignore_does_not_hide_a_missing_parent_or_another_fault(sample: Database) -> None:
    sample.run("RENAME TABLE hired_employees TO t", "INSERT INTO t VALUES (1, 'Ada', '2021-01-01', 1, 1)")
    rows = [[1, "Eve", "2021-01-01", 1, 1], [2, "Bob", "2021-01-01", 9, 1], [3, "Max", "2021-01-01", 2, 2]]
    answer = post(rows, "ignore")
    assert counts(answer.json) == (3, 1, 0, 1, 1)
    assert problems(answer.json) == [(2, "department_id", "missing_parent")]
    assert [row[:2] for row in stored(sample)] == [(1, "Ada"), (3, "Max")]


def test_ignore_changes_nothing_even_where_a_trigger_would(database: Database) -> None:
    database.run(
        KEEP,
        "INSERT INTO t VALUES (1, 'old', 'a'), (2, 'older', 'b')",
        "CREATE TRIGGER seen BEFORE UPDATE ON t FOR EACH ROW SET NEW.mail = 'touched'",
    )
    answer = post([[1, "x", ""], [3, "c", ""], [2, "y", ""], [3, "d", ""]], "ignore")
    assert counts(answer.json) == (4, 1, 0, 0, 3)
    assert stored(database) == [(1, "old", "a"), (2, "older", "b"), (3, "c", "")]


AUDITED = (
    "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20))",
    "CREATE TABLE audit (name VARCHAR(20) PRIMARY KEY)",
    "CREATE TRIGGER noted AFTER INSERT ON t FOR EACH ROW INSERT INTO audit VALUES (NEW.name)",
)


@pytest.mark.parametrize("way", ["rows", "file"])
@pytest.mark.parametrize("changed", [False, True])
def test_ignore_does_not_take_a_key_that_a_trigger_met_elsewhere_for_one_of_the_row(
    database: Database, uploads: Uploads, way: str, changed: bool
) -> None:
    database.run(*AUDITED)
    if changed:  # what asking as an update would do is not to be seen
        database.run(
            "CREATE TRIGGER again BEFORE UPDATE ON t FOR EACH ROW INSERT INTO audit VALUES (CONCAT(NEW.name, '!'))"
        )
    body = "1,a\n2,a\n1,a\n3,b\n"
    if way == "rows":
        answer = post(body, "ignore", headers={"content-type": "text/csv"})
        assert problems(answer.json) == [(2, "", "refused")]
        assert "PRIMARY" in answer.json["errors"][0]["message"]
        found = answer.json
    else:
        found = uploads.load(body.encode(), Metadata={"on-duplicate": "ignore"})
        assert uploads.rejects(found) == [(2, "2,a", [("", "refused")])]
    assert counts(found) == (4, 2, 0, 1, 1)
    assert stored(database) == [(1, "a"), (3, "b")]
    assert database.rows("SELECT name FROM audit ORDER BY 1") == [("a",), ("b",)]


def test_a_key_that_a_trigger_met_elsewhere_is_not_said_to_be_of_this_table(database: Database) -> None:
    database.run(*AUDITED, "INSERT INTO audit VALUES ('z')", "INSERT INTO t VALUES (1, 'a')")
    answer = post([[9, "z"], [1, "b"]], "reject")
    assert problems(answer.json) == [(1, "", "refused"), (2, "id", "duplicate_key")]
    assert "in another table already" in answer.json["errors"][0]["message"]


def test_ignore_leaves_a_row_alone_that_a_check_made_later_would_refuse(database: Database) -> None:
    database.run("CREATE TABLE t (n INT, id INT PRIMARY KEY)", "INSERT INTO t VALUES (-1, 1)")
    with Source(database_address()).connect() as connection:
        if database.mariadb:
            execute(connection, "SET SESSION check_constraint_checks = 0")
        unchecked = "" if database.mariadb else " NOT ENFORCED"
        execute(connection, f"ALTER TABLE t ADD CONSTRAINT more CHECK (n > 0){unchecked}")
    answer = post([[5, 1], [5, 2], *([[-5, 3]] if database.mariadb else [])], "ignore")
    assert counts(answer.json)[1:] == (1, 0, 1 if database.mariadb else 0, 1)
    assert stored(database) == [(-1, 1), (5, 2)]


def test_update_changes_what_is_there_and_counts_new_changed_and_unchanged_rows(database: Database) -> None:
    database.run(KEEP, "INSERT INTO t VALUES (1, 'a', ''), (2, 'b', ''), (3, 'c', '')")
    answer = post([[1, "new", ""], [2, "b", ""], [4, "d", ""], [4, "dd", ""], [5, "e", ""], ["x", "", ""]], "update")
    assert (answer.status, counts(answer.json)) == (207, (6, 2, 2, 1, 1))
    assert stored(database) == [(1, "new", ""), (2, "b", ""), (3, "c", ""), (4, "dd", ""), (5, "e", "")]
    for row, expected in (
        ([1, "new", ""], (1, 0, 0, 0, 1)),
        ([1, "z", ""], (1, 0, 1, 0, 0)),
        ([6, "", ""], (1, 1, 0, 0, 0)),
    ):
        assert counts(post([row], "update").json) == expected


def test_update_changes_only_the_columns_that_a_row_gives(database: Database) -> None:
    database.run(KEEP, "INSERT INTO t VALUES (1, 'a', 'a@'), (2, 'b', 'b@'), (3, 'c', 'c@')")
    rows: list[dict[str, Any]] = [{"id": 1, "name": "A"}, {"id": 2, "mail": "B@"}, {"id": 3}, {"id": 4, "name": None}]
    answer = post(rows, "update")
    assert (answer.status, counts(answer.json)) == (201, (4, 1, 2, 0, 1))
    assert stored(database) == [(1, "A", "a@"), (2, "b", "B@"), (3, "c", "c@"), (4, None, "-")]
    assert post("id,name\n1,AA\n", "update", headers={"content-type": "text/csv"}).status == 201
    assert stored(database)[0] == (1, "AA", "a@")


def test_update_by_another_key_leaves_the_automatic_number(database: Database) -> None:
    database.run("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, mail VARCHAR(20) UNIQUE, name VARCHAR(20))")
    assert counts(post([{"mail": "a", "name": "A"}, {"mail": "b", "name": "B"}], "update").json) == (2, 2, 0, 0, 0)
    before = stored(database)
    csv = {"headers": {"content-type": "text/csv"}}
    assert counts(post([{"mail": "a", "name": "AA"}, {"mail": "b", "name": "B"}], "update").json) == (2, 0, 1, 0, 1)
    assert counts(post(",b,BB\n", "update", **csv).json) == (1, 0, 1, 0, 0)
    assert stored(database) == [(before[0][0], "a", "AA"), (before[1][0], "b", "BB")]


@pytest.mark.parametrize("how", ["ignore", "update"])
def test_a_table_without_a_key_takes_every_row(database: Database, how: str) -> None:
    database.run("CREATE TABLE t (a INT, b INT)")
    assert counts(post([[1, 2], [1, 2], [None, None]], how).json) == (3, 3, 0, 0, 0)
    assert len(stored(database)) == 3


def test_an_update_that_the_database_refuses_is_a_reject(sample: Database) -> None:
    sample.run("RENAME TABLE hired_employees TO t", "INSERT INTO t VALUES (1, 'Ada', '2021-01-01', 1, 1)")
    answer = post([[1, "Ada", "2021-01-01", 1, 9], [2, "Bob", "2021-01-01", 1, 1]], "update")
    assert (counts(answer.json), problems(answer.json)) == ((2, 1, 0, 1, 0), [(1, "job_id", "missing_parent")])
    assert [row[4] for row in stored(sample)] == [1, 1]


@pytest.mark.parametrize("how", ["reject", "ignore", "update"])
def test_a_table_without_transactions_is_refused_and_nothing_is_written(database: Database, how: str) -> None:
    database.run("CREATE TABLE t (id INT PRIMARY KEY) ENGINE=MyISAM")
    assert "MyISAM" in post([[1], [1]], how).problem(409)["detail"]
    assert stored(database) == []


def test_another_word_for_it_is_refused(database: Database) -> None:
    database.run(KEEP)
    assert "on_duplicate" in post([[1, "", ""]], "replace").problem(400)["detail"]


def test_a_row_that_is_not_accounted_for_rolls_everything_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run("CREATE TABLE counted (id INT PRIMARY KEY, name VARCHAR(9))")
    real = Insertion._statement

    def one_lost(insertion: Insertion, rows: Sequence[Row]) -> Counts:
        counts = real(insertion, rows)
        counts.inserted -= 1
        return counts

    monkeypatch.setattr(Insertion, "_statement", one_lost)
    with pytest.raises(Unaccounted):
        insert(Source(database_address()), "counted", SentRows(b"1,a\n2,b\n", csv=True), Options(OnDuplicate.IGNORE))
    assert database.rows("SELECT COUNT(*) FROM counted") == [(0,)]
