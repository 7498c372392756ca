"""SQL in every name and value that a request, a file or a manifest carries: it stays a name, a value, or is refused."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from functions.backup.app import handler as backups
from functions.insert.app import handler as rows_handler
from functions.load.app import handler as loads
from functions.restore.app import handler as restores
from tableferry.ingest.rows.values import dump
from tableferry.mysql.identifiers import quote
from tableferry.storage import object_keys
from tests.effort import effort, in_ci, sample
from tests.support import verbs
from tests.support.lambdas import counts, request, segment
from tests.support.parts import Database, Server
from tests.support.uploads import Uploads
from tests.support.verbs import backup, post, restore, rows

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LEDGER = "tableferry_ledger"
CSV = {"content-type": "text/csv"}
SLEEPS = 15.0  # seconds that the SQL sent here would sleep; no request may take as long
ODD_NAMES = [
    "a`b", "``", "a'b", 'a"b', "a\\b", "%s", "%(x)s", "{0}", "x; DROP TABLE canary; --", "'; DROP TABLE canary; #",
    "a.b", "a/b", "a b", "/*!50000 x */", "-- ", "#x", "SELECT", "naïve ☃ 名", "n" * 64, "`" * 30, "a\nb", "NULL", "@v0",
]  # fmt: skip
ODD_NAMES = [name for name in ODD_NAMES if not name.endswith(" ")]  # which no server takes

fragments = st.sampled_from(
    [
        "'", '"', "`", "''", "``", "\\", "\\'", ";", "--", "-- ", "#", "/*", "*/", "/*!50000 ", "%", "%s", "%(x)s", "{}", "{0}",
        "\0", "\n", "\r\n", "\x1a", ",", "(", ")", "@v0", "NULL", "DEFAULT", "0x27", "x'", "\u2019", "\uff07", "\u02bc", "\u00bf'", "\u2028", "é", "名", "😀",
        "t", "id", "name", "canary", "`canary`", " OR 1=1", " OR '1'='1", "; DROP TABLE canary; ", "'; DROP TABLE canary; -- ",
        "`; DROP TABLE canary; -- ", "') ; DELETE FROM canary; -- ", "1); UPDATE canary SET name = 'x'; -- ",
        f" UNION SELECT SLEEP({SLEEPS})", f"' AND SLEEP({SLEEPS}) -- ", f"`, SLEEP({SLEEPS}), `", "BENCHMARK(1000000000, MD5(1))",
        " INTO OUTFILE '/tmp/x'", "LOAD_FILE('/etc/passwd')", "information_schema.tables", "tableferry_ledger", "../", "mysql.user",
    ]
)  # fmt: skip
characters = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
hostile = st.lists(fragments | characters, min_size=1, max_size=5).map("".join)
hunt = settings(
    max_examples=effort(8, 200),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # an example is short, and to shorten it takes minutes
)
few = settings(hunt, max_examples=effort(5, 60))


@pytest.fixture(scope="module")
def prepared(server: Server) -> Iterator[Database]:
    with server.database() as made:
        verbs.run(
            made,
            "CREATE TABLE canary (id INT PRIMARY KEY, name VARCHAR(99)) CHARACTER SET utf8mb4",
            "INSERT INTO canary VALUES (1, 'sings'), (2, NULL)",
            "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(300), note TEXT) CHARACTER SET utf8mb4",
            "CREATE TABLE kinds (id INT AUTO_INCREMENT PRIMARY KEY, whole BIGINT, exact DECIMAL(9,2), real_ DOUBLE, day DATE,"
            " moment DATETIME(6), clock TIME, year_ YEAR, bits BIT(9), pick ENUM('a','b'), some SET('x','y'), raw VARBINARY(300),"
            " doc JSON, old VARCHAR(300) CHARACTER SET latin1) CHARACTER SET utf8mb4",
        )
        yield made


@pytest.fixture
def live(prepared: Database, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Database:
    monkeypatch.setenv("DATABASE_URL", prepared.url)
    return prepared


@contextmanager
def harmless(database: Database, *written: str, but: frozenset[str] = frozenset()) -> Iterator[None]:
    """Nothing changes but the rows of the tables ``written``, and nothing sleeps; ``but`` are tables that may come."""
    before, begun = verbs.picture(database), time.monotonic()
    yield
    assert time.monotonic() - begun < SLEEPS
    after = verbs.picture(database)
    assert set(after.tables) - but - {LEDGER} == set(before.tables) - but - {LEDGER}
    assert after.schemas == before.schemas
    for name in set(before.tables) - but - {LEDGER, *written}:
        assert after.tables[name] == before.tables[name], name
    for name in written:
        assert after.tables[name].definition == before.tables[name].definition, name


@hunt
@given(name=hostile)
def test_a_tables_name_is_looked_up_and_never_run(
    live: Database, s3_client: "S3Client", bucket: str, name: str
) -> None:
    assume(name not in ("t", "canary", "kinds"))
    with harmless(live):
        row = [{"id": 1}]
        answers = [
            request(rows_handler, "GET", "/tables", query={"table": name}),
            request(rows_handler, "POST", "/tables/-/rows", body=row, query={"table": name or "-"}),
            request(rows_handler, "GET", f"/tables/{segment(name)}"),
            request(rows_handler, "POST", f"/tables/{segment(name)}/rows", body=row),
            request(loads, "POST", "/uploads", body={"table": name, "filename": "a.csv"}),
            post("/backups", {"tables": [name]}),
        ]
        assert {answer.status for answer in answers} <= {400, 404}, answers
        if name and len(f"uploads/{segment(name)}/a.csv".encode()) < 900 and not set(name) & {"\0"}:
            load_status = Uploads(s3_client, bucket).load(b"1,x\n", table=name)
            assert load_status["state"] == "failed"


@in_ci
@few
@given(name=hostile, into=hostile)
def test_a_restore_gives_a_table_the_very_name_it_was_told_or_none(live: Database, name: str, into: str) -> None:
    made = backup("t")
    with harmless(live):
        assert post("/restores", {"tables": [name]}).status in (400, 404)
        assert post("/restores", {"into": {name: "x"}}).status in (400, 404)
    assume(into not in ("t", "canary", "kinds"))
    with harmless(live, but=frozenset({into})):
        answer = post("/restores", {"backup": made["id"], "into": {"t": into}})
        assert answer.status in (201, 400, 409), answer.text
        if answer.status == 201:
            assert rows(live, "SHOW TABLES LIKE %s", into.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_"))
            post(f"/restores/{answer.json['id']}/accept")
            verbs.run(live, f"DROP TABLE {quote(into)}")


@hunt
@given(values=st.lists(hostile, min_size=1, max_size=4), form=st.sampled_from(["json", "arrays", "csv"]))
def test_a_value_comes_back_as_it_was_sent(live: Database, values: list[str], form: str) -> None:
    values = [value.replace("\0", "") or "x" for value in values]
    body: object = [{"name": value, "note": value} for value in values]
    if form == "arrays":
        body = [[number, value, value] for number, value in enumerate(values, 1)]
    if form == "csv":
        quoted = ['"' + value.replace('"', '""') + '"' for value in values]
        body = ("name,note\n" + "".join(f"{value},{value}\n" for value in quoted)).encode()
    with harmless(live, "t"):
        verbs.run(live, "DELETE FROM t")
        headers = CSV if form == "csv" else {}
        answer = request(rows_handler, "POST", "/tables/t/rows", body=body, headers=headers)
        assert answer.status == 201, answer.text
        assert sorted(rows(live, "SELECT name, note FROM t")) == sorted((value, value) for value in values)


@hunt
@given(data=st.data())
def test_columns_names_and_values_of_any_type_are_stored_or_refused(live: Database, data: st.DataObject) -> None:
    columns = [
        "whole",
        "exact",
        "real_",
        "day",
        "moment",
        "clock",
        "year_",
        "bits",
        "pick",
        "some",
        "raw",
        "doc",
        "old",
    ]
    values = hostile | st.lists(hostile, max_size=2) | st.dictionaries(hostile, hostile, max_size=2)
    given_rows = data.draw(
        st.lists(st.dictionaries(st.sampled_from(columns) | hostile, values, max_size=3), min_size=1, max_size=3)
    )
    header = ",".join(
        '"' + name.replace('"', '""') + '"' for name in data.draw(st.lists(hostile, min_size=1, max_size=3))
    )
    with harmless(live, "kinds"):
        for options in (
            {"body": dump(given_rows).encode()},
            {"body": dump({"rows": given_rows}).encode(), "query": {"on_duplicate": "update"}},
            {"body": f"{header}\n{header}\n".encode(), "headers": CSV},
        ):
            answer = request(rows_handler, "POST", "/tables/kinds/rows", **options)
            assert answer.status in (201, 207, 400, 422), answer.text
        # Half a character, which JSON can write and UTF-8 cannot, is no value.
        half = request(rows_handler, "POST", "/tables/t/rows", body=b'[{"name": "\\ud83d"}]')
        assert half.status == 400


@in_ci
@hunt
@given(text=hostile)
def test_what_else_a_request_carries_is_data(live: Database, text: str) -> None:
    with harmless(live, "t"):
        for turn in range(2):  # an Idempotency-Key is looked up the second time
            answer = request(
                rows_handler, "POST", "/tables/t/rows", body=[{"name": "x"}], headers={"Idempotency-Key": text}
            )
            assert answer.status in (201, 400), (turn, answer.text)
        strange = [
            request(rows_handler, "POST", "/tables/t/rows", body=[{"name": "x"}], query={"on_duplicate": text}),
            request(rows_handler, "POST", "/tables/t/rows", body="x", headers={"content-type": text}),
            request(
                rows_handler, "POST", "/tables/t/rows", body="x", headers={"content-type": f"text/csv; charset={text}"}
            ),
            request(loads, "GET", "/loads", query={"key": text}),
            request(loads, "GET", f"/loads/{segment(text)}"),
            *(
                request(restores if "restores" in path else backups, method, path)
                for path, method in (
                    (f"/backups/{segment(text)}", "GET"),
                    (f"/backups/{segment(text)}/verify", "POST"),
                    (f"/verifications/{segment(text)}", "GET"),
                    (f"/restores/{segment(text)}", "GET"),
                    (f"/restores/{segment(text)}/undo", "POST"),
                    (f"/restores/{segment(text)}/accept", "POST"),
                )
            ),
            post("/restores", {"backup": text}),
            post("/backups", {"format": text}),
            post("/backups", {"tables": ["canary"]}, Prefer=text),
        ]
        assert [answer.text for answer in strange if answer.status >= 500] == []
        assert {answer.status for answer in strange[4:-2]} <= {400, 404}


@few
@given(name=hostile, chosen=hostile, value=hostile)
def test_a_files_name_metadata_and_lines_are_data(
    live: Database, s3_client: "S3Client", bucket: str, name: str, chosen: str, value: str
) -> None:
    uploads = Uploads(s3_client, bucket)
    name = "".join(character for character in name if character.isprintable() and character not in "\0/\\") or "x"
    value = value.replace("\0", "") or "x"
    chosen = "".join(character for character in chosen if " " < character < "\x7f") or "x"
    quoted = '"' + value.replace('"', '""') + '"'
    with harmless(live, "t"):
        verbs.run(live, "DELETE FROM t")
        done = uploads.load(f"id,name,note\n1,{quoted},{quoted}\n{quoted},x,y\n".encode(), name=name)
        assert counts(done)[:2] == (2, 1), (name, value, done)
        assert rows(live, "SELECT name, note FROM t") == [(value, value)]
        assume(chosen not in ("reject", "ignore", "update"))
        refused = uploads.load(b"2,x,y\n", name=name + ".", Metadata={"on-duplicate": chosen})
        assert refused["state"] == "failed"
        assert rows(live, "SELECT COUNT(*) FROM t") == [(1,)]


@pytest.mark.parametrize("name", ODD_NAMES)
@sample(3)
def test_tables_and_columns_of_hostile_names_are_carried_like_any_other(
    live: Database, s3_client: "S3Client", bucket: str, name: str
) -> None:
    column = name if len(name) < 60 else name[:-1] + "c"
    table = quote(name)
    with harmless(live, but=frozenset({name})):
        verbs.run(
            live,
            f"CREATE TABLE {table} (id INT PRIMARY KEY, {quote(column)} VARCHAR(99) UNIQUE, raw VARBINARY(9))"
            " CHARACTER SET utf8mb4",
        )
        query = {"table": name}
        named = {"id": 1, column: name, "raw": "00ff"}
        for on_duplicate, status in (("reject", 201), ("reject", 422), ("ignore", 201), ("update", 201)):
            options = {**query, "on_duplicate": on_duplicate}
            answer = request(rows_handler, "POST", "/tables/-/rows", body=[named], query=options)
            assert answer.status == status, answer.text
        quoted = '"' + column.replace('"', '""') + '"'
        header = f"id,{quoted}\n".encode()
        body = header + b"2,two\n1,again\nx,y\n"
        assert counts(Uploads(s3_client, bucket).load(body, table=name)) == (3, 1, 0, 2, 0)
        before = verbs.table(live, name)
        made = backup(name)
        request(backups, "GET", f"/backups/{made['id']}")
        assert post(f"/backups/{made['id']}/verify").status == 201
        verbs.run(live, f"DELETE FROM {table} WHERE id = 1")
        damaged = verbs.table(live, name)
        done = restore(made["id"], tables=[name])
        assert verbs.table(live, name) == before
        assert post(f"/restores/{done['id']}/undo").status == 200
        assert verbs.table(live, name) == damaged
        assert post(f"/restores/{done['id']}/accept").status == 200
        verbs.run(live, f"DROP TABLE {table}")


def test_columns_of_hostile_names_and_every_way_of_loading_come_back(live: Database) -> None:
    with harmless(live, but=frozenset({"odd"})):
        columns = [f"{quote(name)} {kind}" for name, kind in _kinds()]
        verbs.run(live, f"CREATE TABLE odd ({', '.join(columns)}) CHARACTER SET utf8mb4")
        row = dict(zip([name for name, _ in _kinds()], ["7", "x", "00ff", "b", "☃"] * 9, strict=False))
        answer = request(rows_handler, "POST", "/tables/odd/rows", body=[row])
        assert answer.status == 201, answer.text
        before = verbs.table(live, "odd")
        done = restore(backup("odd")["id"])
        assert verbs.table(live, "odd") == before
        post(f"/restores/{done['id']}/accept")
        verbs.run(live, "DROP TABLE odd")


def _kinds() -> list[tuple[str, str]]:
    kinds = ["INT", "VARCHAR(9)", "VARBINARY(9)", "ENUM('','b')", "VARCHAR(9) CHARACTER SET ucs2"]
    return [(name, kinds[number % len(kinds)]) for number, name in enumerate(ODD_NAMES)]


def fields(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each text and number in a manifest."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from fields(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from fields(inner, (*path, number))
    else:
        yield path


@in_ci
@settings(hunt, max_examples=effort(10, 300))
@given(data=st.data())
def test_a_manifest_that_is_only_trusted_does_no_harm(live: Database, bucket: str, data: st.DataObject) -> None:
    verbs.run(
        live,
        "CREATE TABLE IF NOT EXISTS child (id INT PRIMARY KEY, t_id INT, note VARCHAR(9) CHARACTER SET ucs2,"
        " FOREIGN KEY (t_id) REFERENCES t (id)) CHARACTER SET utf8mb4",
        "CREATE TRIGGER IF NOT EXISTS rings BEFORE INSERT ON child FOR EACH ROW SET @a = 1",
        "REPLACE INTO child VALUES (1, NULL, 'a')",
    )
    made = backup("child")
    key = object_keys.manifest(made["id"])
    content = verbs.content(key)["manifest"]
    path = data.draw(st.sampled_from(sorted(fields(content), key=repr)))
    part = content
    for step in path[:-1]:
        part = part[step]
    old = part[path[-1]]
    text = data.draw(hostile)
    added = [text, f"{old}{text}"]
    if isinstance(old, str) and len(old) > 1:
        cut = data.draw(st.integers(1, len(old) - 1))
        added.append(old[:cut] + text + old[cut:])
    part[path[-1]] = data.draw(st.sampled_from(added))
    verbs.store().put(key, json.dumps({"manifest": content}).encode())
    named = content["tables"][0]["name"]
    assume(named not in ("t", "canary", "kinds"))
    with harmless(live, but=frozenset({"child", named})):
        answer = post("/restores", {"backup": made["id"], "trust": True})
        assert answer.status in (201, 400, 403, 404, 409), (path, part[path[-1]], answer.text)
        if answer.status == 201:
            assert not rows(live, "SHOW TRIGGERS LIKE 'child'")
            post(f"/restores/{answer.json['id']}/accept")
            if named != "child":
                verbs.run(live, f"DROP TABLE {quote(named)}")
