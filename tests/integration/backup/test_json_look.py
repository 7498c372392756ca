"""The quick look for JSON that no text gives back: documents that hypothesis makes, of which it is known what they hold."""

from __future__ import annotations

import json
from dataclasses import dataclass
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tableferry.backup import inexact_json
from tableferry.backup import json_paths as shapes
from tableferry.config.settings import parse_database_url
from tableferry.mysql.database import Database as Source
from tableferry.mysql.database import rows
from tableferry.schema import catalog
from tests.effort import by_turns, effort
from tests.support import verbs
from tests.support.parts import Database, not_applicable

KEYS = (
    "a",
    "b",
    "c",
    "",
    "A",
    "\u00e9",
    "e\u0301",
    "%s",
    "\x7f",
    "it's",
    'say "a"',
    "\\",
    "\n",
    "$[0]",
    "*",
    "\U0001f600",
)


@dataclass(frozen=True)
class Document:
    """SQL that makes it, and whether it holds what its text does not give back."""

    sql: str
    inexact: bool = False


def text(value: object) -> Document:
    return Document(f"CAST({_hex(json.dumps(value))} AS JSON)")


def array(parts: list[Document]) -> Document:
    return Document(f"JSON_ARRAY({', '.join(part.sql for part in parts)})", any(part.inexact for part in parts))


def record(parts: dict[str, Document]) -> Document:
    members = ", ".join(f"{_hex(name)}, {part.sql}" for name, part in parts.items())
    return Document(f"JSON_OBJECT({members})", any(part.inexact for part in parts.values()))


def _hex(value: str) -> str:
    return f"CONVERT(x'{value.encode().hex()}' USING utf8mb4)"


SAME: tuple[object, ...] = (0, -1, 2**32 - 1, 2**32, 2**64, 1.5, "", "2021-02-28", True, None, {}, [])
EXACT = [text(value) for value in SAME]
INEXACT = [
    Document(f"CAST({value} AS JSON)", inexact=True)
    for value in ("1.5", "CAST(5 AS UNSIGNED)", "4294967296", "DATE'2021-02-28'", "TIME'10:11:12'", "x'00'")
]
LEAF = st.sampled_from(EXACT * 8 + INEXACT)

Shape = None | list["Shape"] | dict[str, "Shape"]
SHAPES: st.SearchStrategy[Shape] = st.recursive(
    st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=8,
)


def of(shape: Shape) -> st.SearchStrategy[Document]:
    """Documents of a shape, and some that lack a part of it or have something else in its place."""
    if isinstance(shape, dict):
        members = {name: of(part) for name, part in shape.items()}
        return (st.fixed_dictionaries(members) | st.fixed_dictionaries({}, optional=members)).map(record) | LEAF
    if isinstance(shape, list):
        parts = [of(part) for part in shape]
        return st.tuples(*parts).map(list).map(array) | st.tuples(*parts[:1]).map(list).map(array) | LEAF
    return LEAF


TABLES = st.lists(SHAPES, min_size=1, max_size=3).flatmap(
    lambda shapes: st.lists(st.sampled_from(shapes).flatmap(of), max_size=20)
)


@pytest.fixture
def table(database: Database) -> Database:
    if database.mariadb:
        not_applicable("MariaDB's JSON is its text")
    verbs.run(database, "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, j JSON)")
    return database


@given(TABLES, st.integers(0, 20))
@settings(max_examples=effort(50, 150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@by_turns
def test_whatever_a_few_documents_were_taken_for_the_others(table: Database, made: list[Document], sample: int) -> None:
    verbs.run(table, "DELETE FROM t", *(f"INSERT INTO t (j) VALUES ({document.sql})" for document in made))
    bad = sum(document.inexact for document in made)
    with (
        Source(parse_database_url(table.url)).connect() as connection,
        mock.patch.object(inexact_json, "_SAMPLE", sample),
    ):
        found = inexact_json.inexact(connection, catalog.table(connection, table.name, "t"), "")
    assert found == ({"j": bad} if bad else {})


@pytest.mark.parametrize(("length", "quick"), [(10, True), (4000, True), (5000, False)])
def test_short_documents_of_one_shape_are_not_taken_apart(table: Database, length: int, quick: bool) -> None:
    document = json.dumps({"a": 1, "b": "x" * length, "c": [1, 2, 3], "d": None})
    verbs.run(table, *[f"INSERT INTO t (j) VALUES ('{document}')"] * 50)
    with Source(parse_database_url(table.url)).connect() as connection:

        def written() -> int:  # what JSON_TABLE makes of a document is written as rows
            [(_, count)] = rows(connection, "SHOW SESSION STATUS LIKE 'Handler_write'")
            return int(str(count))

        described = catalog.table(connection, table.name, "t")
        before = written()
        assert inexact_json.inexact(connection, described, "id > 0") == {}
        assert (written() - before < 50) == quick


def test_the_largest_condition_is_not_too_much_for_the_server(table: Database) -> None:
    wide = json.dumps({f"{number:03}": [number] for number in range(49)})
    deep = '{"a": ' * 7 + '{"b": 1, "a": 2}' + ', "b": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]}' * 7
    for document in (wide, deep):
        condition = shapes.condition([document] * 2, "j", lambda value: "WHEN 'INTEGER' THEN 1")
        verbs.run(table, f"INSERT INTO t (j) VALUES ('{document}')")
        assert verbs.rows(table, f"SELECT {condition} FROM t ORDER BY id DESC LIMIT 1") == [(1,)]
