"""JSON scalars that MySQL holds and no text gives back: counted in the backup, and restored only if that is asked for."""

import pytest

from functions.restore.app import handler
from tableferry.schema.codec import Codec
from tests.effort import sample
from tests.support import verbs
from tests.support.lambdas import invoke
from tests.support.parts import Database, not_applicable
from tests.support.verbs import backup, get, manifest_of, post, restore

INEXACT = {
    "a decimal": "CAST(1.10 AS JSON)",
    "a decimal as wide as a double": "JSON_ARRAY(CAST(1234.5678 AS DECIMAL(8,4)))",
    "a date deep inside": "JSON_OBJECT('a', JSON_ARRAY(1, JSON_OBJECT('b', DATE'2021-02-28')))",
    "a time": "CAST(TIME'10:11:12' AS JSON)",
    "a moment": "JSON_ARRAY(JSON_ARRAY(TIMESTAMP'2021-02-28 01:02:03'))",
    "bytes": "JSON_OBJECT('k', x'00ff')",
    "a small unsigned number": "CAST(CAST(5 AS UNSIGNED) AS JSON)",
    "a signed number of more than 32 bits": "CAST(CAST(4294967296 AS SIGNED) AS JSON)",
    "the largest unsigned number of 32 bits": "CAST(CAST(4294967295 AS UNSIGNED) AS JSON)",
    "the largest signed number": "CAST(CAST(9223372036854775807 AS SIGNED) AS JSON)",
    "a decimal of many digits": "CAST(12345678901234567890123.5 AS JSON)",
}
EXACT = (
    '\'{"a": [1, 2.5, "2021-02-28", 18446744073709551615, 9223372036854775807, 9223372036854775808, 4294967295, 4294967296, -4294967297, 1e30]}\'',
    "NULL",
    "'null'",
    "'-0.0'",
)


@pytest.fixture
def documents(database: Database, bucket: str) -> Database:
    if database.mariadb:
        not_applicable("MariaDB's JSON is its text")
    verbs.run(
        database,
        "CREATE TABLE t (id INT PRIMARY KEY, j JSON, v TEXT)",
        *(f"INSERT INTO t VALUES ({number}, {value}, 'x')" for number, value in enumerate(EXACT)),
    )
    return database


def test_documents_that_came_as_text_are_exact(documents: Database) -> None:
    assert backup("t")["tables"][0]["inexact_json"] == {}
    assert restore(tables=["t"])["notes"] == []


@pytest.mark.parametrize("value", INEXACT.values(), ids=INEXACT.keys())
@sample(3)
def test_what_no_text_gives_back_is_counted_refused_and_restored_if_it_is_asked_for(
    documents: Database, value: str
) -> None:
    verbs.run(documents, f"INSERT INTO t VALUES (10, {value}, 'y'), (11, {value}, 'z')")
    made = backup("t")
    assert made["tables"][0]["inexact_json"] == {"j": 2}
    [chunk] = manifest_of(made["id"])["tables"][0]["chunks"]
    assert chunk["inexact"] == {"j": 2}
    shown = verbs.rows(documents, "SELECT id, JSON_TYPE(j), v FROM t ORDER BY id")
    with verbs.unchanged(documents):
        [refused] = post("/restores", {"tables": ["t"]}).problem(409)["errors"]
        [told] = restore(dry_run=True)["plan"]["problems"]
        assert refused == told
        assert (told["code"], told["table"]) == ("inexact-json", "t")
        assert all(part in told["message"] for part in ("'j'", "'t'", "2 rows", "allow_inexact_json"))
        planned = restore(dry_run=True, allow_inexact_json=True)
        assert (planned["plan"]["problems"], ["'j'" in note for note in planned["notes"]]) == ([], [True])
    verbs.run(documents, "DELETE FROM t WHERE id > 2")
    done = restore(allow_inexact_json=True)
    assert done["tables"][0]["verified"]
    assert ["'j'" in note for note in done["notes"]] == [True]
    assert get(f"/restores/{done['id']}").json["notes"] == done["notes"]
    again = verbs.rows(documents, "SELECT id, JSON_TYPE(j), v FROM t ORDER BY id")
    assert [row[0::2] for row in again] == [row[0::2] for row in shown]


def test_another_difference_is_found_all_the_same(documents: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    verbs.run(documents, "INSERT INTO t VALUES (10, CAST(1.10 AS JSON), 'y')")
    backup("t")
    real = Codec.assigned
    wrong = {"v": "UPPER({})", "j": "REPLACE({}, '1.1', '1.2')"}
    for column, expression in wrong.items():

        def assigned(self: Codec, variable: str, raw: bool, column: str = column, told: str = expression) -> str | None:
            return told.format(variable) if self.name == column else real(self, variable, raw)

        monkeypatch.setattr(Codec, "assigned", assigned)
        with verbs.unchanged(documents):
            detail = post("/restores", {"allow_inexact_json": True}).problem(409)["detail"]
        assert "is not what was backed up" in detail


def test_a_drill_takes_them_as_they_look(documents: Database) -> None:
    verbs.run(documents, "INSERT INTO t VALUES (10, CAST(1.10 AS JSON), 'y')")
    made = backup("t")
    assert invoke(handler, {"action": "drill"})["backup"] == made["id"]
