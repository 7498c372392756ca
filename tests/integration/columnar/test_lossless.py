"""The torture tables, in every format: CHECKSUM TABLE, SHOW CREATE TABLE and triggers are the same before and after."""

from contextlib import closing

import pytest

from tableferry.columnar.formats import Format
from tableferry.columnar.native import library
from tableferry.restore.build import shadow
from tests.effort import one_in, sample
from tests.support import verbs
from tests.support.parts import Database, Server, connect, not_applicable
from tests.torture import carry
from tests.torture.cases import Case
from tests.torture.shapes import CASES


@pytest.fixture(autouse=True)
def _indexes_are_made_after_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "_FEW_ROWS", 1)


@pytest.fixture
def _no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "library", lambda: None)


@pytest.mark.usefixtures("bucket", "_no_library")
@pytest.mark.parametrize("case", one_in(6, CASES), ids=lambda case: case.name)
@sample(3)
def test_a_table_comes_back_to_the_bit_where_nobody_compiled_the_library(database: Database, case: Case) -> None:
    if carry.server_of(database) not in case.servers:
        not_applicable(f"no {case.name}")
    carry.make(database, case)
    forms = (Format.PARQUET, Format.CSV)
    assert {form.value: carry.there_and_back(database, case, form) for form in forms} == {form: [] for form in forms}


@pytest.mark.usefixtures("bucket")
def test_a_backup_by_the_library_is_the_one_by_python(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each verified and restored by the other."""
    carry.make(database, next(case for case in CASES if case.name == "300 columns"))
    made = {"compiled": verbs.backup("t", form="csv")}
    compiled = library.library
    monkeypatch.setattr(library, "library", lambda: None)
    made["plain"] = verbs.backup("t", form="csv")
    assert made["plain"]["tables"][0]["digest"] == made["compiled"]["tables"][0]["digest"]
    assert verbs.restore(made["compiled"]["id"])["tables"][0]["verified"]
    monkeypatch.setattr(library, "library", compiled)
    assert verbs.restore(made["plain"]["id"])["tables"][0]["verified"]


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@sample(2)
def test_a_table_comes_back_to_the_bit(database: Database, case: Case) -> None:
    if (server := carry.server_of(database)) not in case.servers:
        not_applicable(f"{server} has no {case.name}")
    carry.make(database, case)
    assert {form.value: carry.there_and_back(database, case, form) for form in Format} == {form: [] for form in Format}


def test_a_key_that_the_server_made_and_hides_comes_back(server: Server, database: Database, bucket: str) -> None:
    if database.mariadb or not server.alone:
        not_applicable("MariaDB makes no keys by itself, and the server's settings may not be ours to change")
    carry.make(database, next(case for case in CASES if case.name == "a key that the server made"))
    key = "SELECT my_row_id, v FROM t ORDER BY 1"
    with closing(connect(database.admin_url)) as admin, admin.cursor() as cursor:
        cursor.execute("DELETE FROM t WHERE my_row_id = 1")
        before = database.rows(key)
        cursor.execute("SET GLOBAL show_gipk_in_create_table_and_information_schema = OFF")
        try:
            restored = verbs.restore(verbs.backup("t")["id"])
        finally:
            cursor.execute("SET GLOBAL show_gipk_in_create_table_and_information_schema = ON")
    assert restored["tables"][0]["verified"]
    assert database.rows(key) == before
    assert [number for number, _ in before] == [2, 3]
