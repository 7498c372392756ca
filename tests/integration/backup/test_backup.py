"""Backups: what is in the bucket afterwards, of which moment it is, and what is refused."""

import contextlib
import hashlib
import io
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import fastavro
import polars as pl
import pytest
from backports import zstd

from tableferry.backup import backup as backup_module
from tableferry.backup import plan, snapshot, task
from tableferry.columnar.formats import Format
from tableferry.config.settings import Settings
from tableferry.errors import PreconditionFailed
from tableferry.ids import new_id
from tableferry.manifest import manifest
from tableferry.manifest.manifest import Manifest
from tableferry.mysql.database import Database as Source
from tableferry.storage import object_keys
from tests.effort import in_ci
from tests.support import verbs
from tests.support.parts import Database, connect, not_applicable
from tests.support.verbs import SAMPLE, backup, get, load_sample, manifest_of, objects, post

FORMATS = ("parquet", "avro", "csv")


@pytest.fixture
def loaded(database: Database, bucket: str) -> Database:
    load_sample(database)
    return database


def content(file: dict[str, Any]) -> bytes:
    return verbs.store().get(file["key"])[0]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.usefixtures("loaded")
def test_all_tables_are_backed_up_where_none_are_named(form: str) -> None:
    made = backup(form=form)
    assert (made["state"], made["format"], made["consistency"], made["rows"]) == ("done", form, "snapshot", 52)
    assert {table["name"]: table["rows"] for table in made["tables"]} == {
        "departments": 5,
        "hired_employees": 40,
        "jobs": 7,
    }
    assert all(file["key"].endswith(f".{Format(form).suffix}") for file in objects(made))
    assert get("/backups").json["backups"][0] == made
    assert get(f"/backups/{made['id']}").json["tables"] == made["tables"]


@pytest.mark.usefixtures("loaded")
def test_only_the_tables_that_are_named_are_backed_up() -> None:
    made = backup("jobs", "departments", "jobs")
    assert [table["name"] for table in made["tables"]] == ["departments", "jobs"]


@pytest.mark.usefixtures("loaded")
def test_every_object_has_the_rows_the_size_and_the_sha_256_of_the_manifest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHUNK_BYTES", "500")
    made = backup("hired_employees")
    files = objects(made)
    assert len(files) > 2
    assert sum(file["rows"] for file in files) == made["tables"][0]["rows"] == 40
    assert sum(file["bytes"] for file in files) == made["tables"][0]["bytes"] == made["bytes"]
    for file in files:
        data = content(file)
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file["bytes"], file["sha256"])
        assert pl.read_parquet(io.BytesIO(data)).height == file["rows"]


@pytest.mark.usefixtures("loaded")
def test_the_digest_depends_neither_on_the_format_nor_on_how_the_table_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    def digests(form: str) -> dict[str, str]:
        return {table["name"]: table["digest"] for table in backup(form=form)["tables"]}

    expected = digests("parquet")
    assert [digests(form) for form in FORMATS[1:]] == [expected] * 2
    monkeypatch.setenv("CHUNK_BYTES", "1")
    monkeypatch.setenv("WORKERS", "3")
    monkeypatch.setattr(plan, "_RANGE_BYTES", 8000)
    made = backup()
    assert {table["name"]: table["digest"] for table in made["tables"]} == expected
    assert all(table["chunks"] > 1 and table["objects"] == table["rows"] for table in made["tables"])


def test_an_empty_table_is_a_backup_of_no_rows(database: Database, bucket: str) -> None:
    verbs.run(database, "CREATE TABLE `empty` (id INT PRIMARY KEY, name VARCHAR(10))")
    made = backup("empty")
    assert (made["rows"], made["bytes"], made["tables"][0]["objects"]) == (0, 0, 0)
    assert post(f"/backups/{made['id']}/verify").status == 201


TYPED = (
    "CREATE TABLE typed (id INT PRIMARY KEY, big BIGINT UNSIGNED, price DECIMAL(12,2), ratio DOUBLE, born DATE,"
    " seen DATETIME(3), name VARCHAR(20), raw VARBINARY(4))"
)
ROW = (7, 2**64 - 1, "-12.50", 0.1, "2021-02-28", "2021-02-28 01:02:03.456", "Ænd", b"\x00\xff")


@pytest.fixture
def typed(database: Database, bucket: str) -> Database:
    verbs.run(database, TYPED)
    verbs.fill(database, "typed", [ROW, (8, *[None] * 7)])
    return database


@pytest.mark.usefixtures("typed")
def test_parquet_holds_numbers_dates_and_bytes_as_such() -> None:
    [file] = objects(backup("typed"))
    frame = pl.read_parquet(io.BytesIO(content(file)))
    types = [pl.Int32, pl.UInt64, pl.Decimal(12, 2), pl.Float64, pl.Date, pl.Datetime("us"), pl.String, pl.Binary]
    assert list(frame.schema.dtypes()) == types
    assert frame.row(0) == (
        7, 2**64 - 1, Decimal("-12.50"), 0.1, date(2021, 2, 28), datetime(2021, 2, 28, 1, 2, 3, 456000), "Ænd",
        b"\x00\xff",
    )  # fmt: skip
    assert frame.row(1) == (8, *[None] * 7)


@pytest.mark.usefixtures("typed")
def test_avro_is_read_by_others() -> None:
    [file] = objects(backup("typed", form="avro"))
    first, second = fastavro.reader(io.BytesIO(content(file)))
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert (first["id"], first["big"], first["price"], first["ratio"]) == (7, str(2**64 - 1), "-12.50", 0.1)
    assert (first["born"], first["name"], first["raw"]) == (date(2021, 2, 28), "Ænd", b"\x00\xff")
    assert str(first["seen"]).startswith("2021-02-28 01:02:03.456")
    assert list(second.values()) == [8, *[None] * 7]


@pytest.mark.usefixtures("typed")
def test_csv_tells_null_from_the_empty_text(typed: Database) -> None:
    verbs.fill(typed, "typed", [(9, None, None, None, None, None, "", b"")])
    [file] = objects(backup("typed", form="csv"))
    header, *lines = zstd.decompress(content(file)).decode().splitlines()
    assert header.replace('"', "") == "id,big,price,ratio,born,seen,name,raw"
    assert lines[1:] == ["8,,,,,,,", '9,,,,,,"",""']


@pytest.mark.usefixtures("loaded")
def test_the_manifest_comes_last_and_is_never_overwritten(bucket: str, s3_client: Any) -> None:
    made = backup()
    settings = Settings.from_env()
    found = manifest.read(verbs.store(), made["id"], settings.signing_keys)
    with pytest.raises(PreconditionFailed):
        manifest.write(verbs.store(), found, settings.signing_keys)
    key = object_keys.manifest(made["id"])
    versions = s3_client.list_object_versions(Bucket=bucket, Prefix=f"backups/{made['id']}/")["Versions"]
    assert [version["Key"] for version in versions].count(key) == 1
    written = {version["Key"]: version["LastModified"] for version in versions}
    assert max(written.values()) == written[key]


@pytest.mark.usefixtures("loaded")
def test_a_backup_that_failed_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    real = task.back_up_chunk

    def fails_at_the_last(connection: Any, store: Any, range_plan: Any, *rest: Any) -> Any:
        if range_plan.table_plan.table.name == "jobs":
            raise PreconditionFailed("somebody else")
        return real(connection, store, range_plan, *rest)

    monkeypatch.setattr(task, "back_up_chunk", fails_at_the_last)
    post("/backups").problem(409)
    assert list(verbs.store().list("backups/"))  # the other tables' files are there
    listed = get("/backups").json
    assert (listed["backups"], listed["damaged"]) == ([], [])
    assert [job["state"] for job in listed["jobs"]] == ["failed"]
    post("/restores", {"backup": "latest"}).problem(404)


@pytest.mark.usefixtures("loaded")
def test_an_unknown_table_is_answered_with_the_tables_there_are() -> None:
    found = post("/backups", {"tables": ["jobs", "nope"]}).problem(404)
    assert all(name in found["detail"] for name in ("'nope'", *SAMPLE))


def test_a_name_that_is_no_table_is_not_found_and_does_no_harm(loaded: Database) -> None:
    with verbs.unchanged(loaded):
        for name in ("JOBS ", "jobs`; DROP TABLE jobs; --", "x/y", "' OR 1=1", "jobs\x00", "tableferry_loads"):
            post("/backups", {"tables": [name]}).problem(404)


@pytest.mark.usefixtures("loaded")
def test_a_request_that_cannot_be_meant_is_refused() -> None:
    tables: list[object] = [[], [""], ["x" * 65], "jobs", [None]]
    bodies = [{"tables": given} for given in tables] + [{"format": "xml"}, {"fromat": "csv"}, [1], "{", "7"]
    for body in bodies:
        post("/backups", body).problem(400)


def test_a_database_without_tables_has_nothing_to_back_up(database: Database, bucket: str) -> None:
    post("/backups").problem(409)


def test_a_table_without_snapshots_is_refused_by_name(database: Database, bucket: str) -> None:
    verbs.run(database, "CREATE TABLE old (id INT PRIMARY KEY) ENGINE=MyISAM", "CREATE TABLE new (id INT PRIMARY KEY)")
    detail = post("/backups").problem(409)["detail"]
    assert "'old'" in detail
    assert "MyISAM" in detail
    assert backup("new")["rows"] == 0


def test_a_definition_that_no_text_shows_is_refused_by_the_tables_name(database: Database, bucket: str) -> None:
    if not database.mariadb:
        not_applicable("MySQL shows such a default as hexadecimal digits")
    verbs.run(database, "CREATE TABLE odd (id INT PRIMARY KEY, v VARBINARY(2) DEFAULT x'ff')")
    with verbs.cursor(database) as opened, contextlib.suppress(UnicodeDecodeError):
        opened.execute("SHOW CREATE TABLE odd")
        if "DEFAULT x'ff'" in str(opened.fetchall()):
            not_applicable("this MariaDB shows such a default as hexadecimal digits, too")
    assert "'odd'" in post("/backups").problem(409)["detail"]


def test_a_default_of_bytes_that_the_server_shows_comes_back(database: Database, bucket: str) -> None:
    verbs.run(database, "CREATE TABLE odd (id INT PRIMARY KEY, v VARBINARY(2) DEFAULT x'ff')")
    if post("/backups").status == 409:
        not_applicable("this server shows such a default as the bytes that it is")
    verbs.run(database, "DROP TABLE odd")
    verbs.restore()
    verbs.run(database, "INSERT INTO odd (id) VALUES (1)")
    with verbs.cursor(database) as opened:
        opened.execute("SELECT HEX(v) FROM odd")
        assert opened.fetchall() == (("FF",),)


@pytest.mark.parametrize("change", ["ADD COLUMN more INT", "RENAME TO works", "DROP COLUMN job"])
def test_a_definition_that_changes_meanwhile_is_an_error(
    loaded: Database, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    real = snapshot.open_snapshot

    @contextmanager
    def changed_before(*given: Any) -> Iterator[snapshot.Snapshot]:
        verbs.run(loaded, f"ALTER TABLE jobs {change}")
        with real(*given) as opened:
            yield opened

    monkeypatch.setattr(backup_module, "open_snapshot", changed_before)
    assert "changed" in post("/backups", {"tables": ["jobs"]}).problem(409)["detail"]
    assert get("/backups").json["backups"] == []


def test_a_table_swapped_meanwhile_does_not_get_into_the_backup_under_another_name(
    loaded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    verbs.run(loaded, "CREATE TABLE other LIKE jobs", "INSERT INTO other VALUES (99, 'intruder')")
    before = {table["name"]: table["digest"] for table in backup("jobs", "other")["tables"]}
    real = task.back_up_chunk
    renamed = threading.Event()

    def rename() -> None:
        verbs.run(loaded, "RENAME TABLE jobs TO aside, other TO jobs")
        renamed.set()

    renamer = threading.Thread(target=rename)

    def renames_first(*given: Any) -> Any:
        if not renamer.ident:
            renamer.start()
        assert not renamed.wait(0.3)  # the snapshot holds it off
        return real(*given)

    monkeypatch.setenv("WORKERS", "1")
    monkeypatch.setattr(task, "back_up_chunk", renames_first)
    answer = post("/backups", {"tables": ["jobs", "other"]})
    renamer.join()
    if answer.status == 201:  # the rename came after the last look at the definitions
        assert {table["name"]: table["digest"] for table in answer.json["tables"]} == before
    else:
        answer.problem(409)


MONEY = 1000
ACCOUNTS = 50


@contextmanager
def money_moving(database: Database) -> Iterator[None]:
    """A writer that all the while moves money from one table to the other and back, in transactions."""
    over = threading.Event()
    errors: list[BaseException] = []

    def move() -> None:
        try:
            with closing(database.connect(autocommit=False)) as connection, connection.cursor() as cursor:
                number = 0
                while not over.is_set():
                    number += 1
                    account, amount = number % ACCOUNTS, number % 97 - 48
                    cursor.execute("UPDATE giver SET money = money - %s WHERE id = %s", (amount, account))
                    cursor.execute("UPDATE taker SET money = money + %s WHERE id = %s", (amount, account))
                    connection.commit()
        except BaseException as error:
            errors.append(error)

    writers = [threading.Thread(target=move) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        yield
    finally:
        over.set()
        for writer in writers:
            writer.join()
    assert [error for error in errors if getattr(error, "args", [0])[0] != 1213] == []  # but for deadlocks of its own


@in_ci  # test_consistency has money move, too
@pytest.mark.parametrize("workers", [1, 3])
def test_all_tables_of_a_backup_are_of_one_moment(
    database: Database, bucket: str, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    for table in ("giver", "taker"):
        verbs.run(database, f"CREATE TABLE {table} (id INT PRIMARY KEY, money BIGINT NOT NULL)")
        verbs.fill(database, table, [(number, MONEY) for number in range(ACCOUNTS)])
    monkeypatch.setenv("WORKERS", str(workers))
    monkeypatch.setattr(plan, "_RANGE_BYTES", 8000)
    seen = set()
    with money_moving(database):
        for _ in range(5):
            made = backup("giver", "taker")
            frames = {
                table: pl.concat([pl.read_parquet(io.BytesIO(content(file))) for file in objects(made, table)])
                for table in ("giver", "taker")
            }
            assert sum(int(frame["money"].sum()) for frame in frames.values()) == 2 * MONEY * ACCOUNTS
            assert all(frame.height == ACCOUNTS for frame in frames.values())
            seen.add(made["tables"][0]["digest"])
    assert len(seen) > 1  # the writer did write


def test_without_the_right_to_lock_tables_a_backup_is_of_one_moment_too(
    loaded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = f"u{loaded.name[-8:]}"
    with closing(connect(loaded.admin_url)) as admin, admin.cursor() as cursor:
        cursor.execute(f"CREATE USER {user}@'%' IDENTIFIED BY 'p'")
        cursor.execute(f"GRANT SELECT, SHOW VIEW, TRIGGER ON `{loaded.name}`.* TO {user}@'%'")
        try:
            host = loaded.url.rsplit("@", 1)[1]
            monkeypatch.setenv("DATABASE_URL", f"mysql://{user}:p@{host}")
            made = backup()
        finally:
            cursor.execute(f"DROP USER {user}@'%'")
    assert (made["rows"], made["consistency"]) == (52, "snapshot")


def test_a_table_in_use_that_cannot_be_locked_is_backed_up_all_the_same(
    loaded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(snapshot._IMPATIENT, "lock_wait_timeout", 1)
    with closing(loaded.connect(autocommit=False)) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE jobs SET job = 'not yet' WHERE id = 1")
        made = backup("jobs")
        connection.rollback()
    assert made["tables"][0]["digest"] == backup("jobs")["tables"][0]["digest"]


@pytest.mark.usefixtures("loaded")
def test_the_manifest_says_when_and_of_what_and_holds_the_definitions(loaded: Database) -> None:
    verbs.run(loaded, "CREATE TRIGGER careful BEFORE INSERT ON jobs FOR EACH ROW SET NEW.job = TRIM(NEW.job)")
    found = manifest_of(backup()["id"])
    assert (found["version"], found["database"]) == (2, loaded.name)
    assert datetime.fromisoformat(found["started"]) <= datetime.fromisoformat(found["finished"]) <= datetime.now(UTC)
    tables = {table["name"]: table for table in found["tables"]}
    assert tables["jobs"]["definition"].startswith("CREATE TABLE `jobs` (")
    assert [trigger["name"] for trigger in tables["jobs"]["triggers"]] == ["careful"]
    assert {key["name"] for key in tables["hired_employees"]["foreign_keys"]} == {
        "hired_employees_department",
        "hired_employees_job",
    }


def test_progress_is_told_in_chunks_and_rows(loaded: Database, bucket: str) -> None:
    told: list[tuple[int, int, int]] = []
    settings = Settings.from_env()
    made: Manifest = backup_module.backup(
        Source(settings.database), verbs.store(), new_id(datetime.now(UTC)), None, Format.CSV,
        progress=lambda done, of, rows: told.append((done, of, rows)),
    )  # fmt: skip
    assert told[0] == (0, 3, 0)
    assert [done for done, _, _ in told] == [0, 1, 2, 3]
    assert sum(rows for _, _, rows in told) == made.rows == 52


def test_a_try_that_comes_back_from_the_dead_cannot_spoil_the_backup_of_another(loaded: Database) -> None:
    made = backup()
    verbs.run(loaded, "DELETE FROM hired_employees WHERE id > 5")
    settings = Settings.from_env()
    source = Source(settings.database)
    with pytest.raises(PreconditionFailed):
        backup_module.backup(source, verbs.store(), made["id"], None, Format.PARQUET)
    assert post(f"/backups/{made['id']}/verify").status == 201
