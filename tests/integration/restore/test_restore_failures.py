"""Restores whose surroundings fail: a clear error, nothing changed, and the next restore works."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from functions.restore import app
from local.runtime import database as embedded
from local.runtime.s3 import S3
from local.runtime.state import State
from tableferry.columnar import load_data
from tableferry.mysql import retry
from tableferry.restore import swap
from tableferry.restore.build import shadow
from tests.effort import in_ci, sample
from tests.support import verbs
from tests.support.faulty_s3 import Fault, faulty
from tests.support.lambdas import invoke
from tests.support.parts import Database, Server, not_applicable
from tests.support.verbs import backup, get, load_sample, picture, post, restore, run, table

TRIGGER = "CREATE TRIGGER mine BEFORE INSERT ON departments FOR EACH ROW SET @a = 1"


@pytest.fixture
def loaded(database: Database, bucket: str) -> Database:
    """A backup of the departments, which have a trigger, and other rows since."""
    load_sample(database)
    run(database, TRIGGER)
    backup("departments")
    run(database, "UPDATE departments SET department = 'spoilt'")
    return database


def started(state: State, monkeypatch: pytest.MonkeyPatch, *options: str) -> tuple[embedded.Server, Database]:
    """A server of the test's own, with the functions looking at a database of it."""
    server = embedded.start(state, options=options)
    embedded.create_database(server, "own")
    database = Database("own", server.url_of("own"), server.url + "own")
    monkeypatch.setenv("DATABASE_URL", database.url)
    return server, database


@pytest.mark.parametrize("when", ["load", "_rename", "_repoint"])
@sample(1)
def test_a_server_that_dies_in_the_middle_leaves_all_old_or_all_restored(
    server: Server, tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    if server.own is None:
        not_applicable("the server is not ours to kill")
    state = State(tmp_path)
    running, database = started(state, monkeypatch)
    try:
        load_sample(database)
        run(database, TRIGGER)
        backup("departments")
        run(database, "UPDATE departments SET department = 'spoilt'")
        before = picture(database)
        module = load_data if when == "load" else swap
        real = getattr(module, when)

        def dies(*given: Any) -> Any:
            running.child.process.kill()
            running.child.process.wait()
            return real(*given)

        with monkeypatch.context() as patched:
            patched.setattr(module, when, dies)
            assert "cannot be used now" in post("/restores", {"tables": ["departments"]}).problem(503)["detail"]
        running, database = started(state, monkeypatch)
        new = table(database, "departments").checksum != before.tables["departments"].checksum
        assert new is (when == "_repoint")
        [finished] = invoke(app.handler, {"action": "recover"})["finished"]
        assert finished["state"] == ("done" if new else "failed")
        if new:
            for verb in ("undo", "accept"):
                assert post(f"/restores/{finished['id']}/{verb}").status == 200
        assert picture(database) == before
        assert restore(tables=["departments"])["state"] == "done"
    finally:
        running.stop()


@pytest.mark.parametrize(
    ("method", "part", "fault"),
    [
        ("GET", ".parquet", "500"),
        ("GET", ".parquet", "cut short"),
        ("GET", "manifest.json", "500"),
        ("GET", "manifest.json", "cut short"),
        ("GET", "list-type", "500"),
        ("PUT", "/restores/", "500"),
        ("second PUT", "/restores/", "500"),
    ],
)
@sample(2)
def test_s3_that_fails_changes_nothing_and_the_next_restore_works(
    loaded: Database, s3: S3, monkeypatch: pytest.MonkeyPatch, method: str, part: str, fault: Fault
) -> None:
    seen: set[str] = set()

    def choose(asked: str, path: str) -> Fault:
        if asked == method.removeprefix("second ") and part in path:
            if method.startswith("second") and not seen:
                seen.add(path)
                return ""
            return fault
        return ""

    with verbs.unchanged(loaded), faulty(s3.url, choose) as url, monkeypatch.context() as patched:
        patched.setenv("AWS_ENDPOINT_URL_S3", url)
        assert "S3" in post("/restores", {"tables": ["departments"]}).problem(503)["detail"]
    assert restore(tables=["departments"])["state"] == "done"


def test_a_record_that_cannot_be_written_after_the_swap_is_written_by_the_next_call(
    loaded: Database, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = picture(loaded)
    puts = []

    def choose(asked: str, path: str) -> Fault:
        if asked == "PUT" and "/restores/" in path:
            puts.append(path)
        return "500" if len(puts) > 2 and asked == "PUT" and "/restores/" in path else ""

    with faulty(s3.url, choose) as url, monkeypatch.context() as patched:
        patched.setenv("AWS_ENDPOINT_URL_S3", url)
        post("/restores", {"tables": ["departments"]}).problem(503)
    [finished] = invoke(app.handler, {"action": "recover"})["finished"]
    assert finished["state"] == "done"
    for verb in ("undo", "accept"):
        assert post(f"/restores/{finished['id']}/{verb}").status == 200
    assert picture(loaded) == before


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A file system of so many bytes at a folder; skips where it cannot be had."""
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mounting, capture_output=True, check=False).returncode:
        not_applicable("no file system can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@in_ci
def test_a_full_disk_changes_nothing_and_the_next_restore_works_once_there_is_room(
    server: Server, tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if server.own is None:
        not_applicable("the server's disk is not ours to fill")
    disk = tmp_path / "disk"
    with small_disk(disk, "400m"):
        running, database = started(State(disk / "state"), monkeypatch, "--skip-log-bin", "--innodb-file-per-table=ON")
        try:
            run(database, "CREATE TABLE big (id INT PRIMARY KEY AUTO_INCREMENT, filling BLOB)")
            run(database, *["INSERT INTO big (filling) SELECT RANDOM_BYTES(1000) FROM seq_1_to_10000"] * 2)
            backup("big")
            run(database, "DELETE FROM big WHERE id > 10")
            free = os.statvfs(disk)
            with (disk / "filling").open("wb") as file:
                file.write(bytes(free.f_bavail * free.f_frsize - 8 * 1024 * 1024))
            with verbs.unchanged(database):
                assert "no room" in post("/restores", {"tables": ["big"]}).problem(503)["detail"]
            assert get("/restores").json["restores"][0]["state"] == "failed"
            (disk / "filling").unlink()
            done = restore(tables=["big"])
            assert done["tables"][0]["rows"] == len(verbs.numbers(database, "big")) > 10
        finally:
            running.stop()


@in_ci
def test_no_room_to_sort_an_index_in_changes_nothing_and_the_next_restore_works_once_there_is(
    server: Server, tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if server.own is None:
        not_applicable("the server's disk is not ours to fill")
    monkeypatch.setattr(shadow, "_FEW_ROWS", 1)
    disk = tmp_path / "disk"
    with small_disk(disk, "1m"):
        disk.chmod(0o777)
        running, database = started(State(tmp_path / "state"), monkeypatch, "--skip-log-bin", f"--tmpdir={disk}")
        try:
            run(
                database,
                "CREATE TABLE big (id INT PRIMARY KEY AUTO_INCREMENT, filling VARBINARY(1000), KEY k (filling))",
            )
            run(database, "INSERT INTO big (filling) SELECT RANDOM_BYTES(900) FROM seq_1_to_5000")
            backup("big")
            run(database, "DELETE FROM big WHERE id > 10")
            with verbs.unchanged(database):
                assert "no room" in post("/restores", {"tables": ["big"]}).problem(503)["detail"]
            assert get("/restores").json["restores"][0]["state"] == "failed"
            subprocess.run(["mount", "-o", "remount,size=40m", str(disk)], check=True)
            assert restore(tables=["big"])["tables"][0]["rows"] == len(verbs.numbers(database, "big")) > 10
        finally:
            running.stop()


@in_ci
def test_a_lock_that_is_not_given_up_changes_nothing_and_the_next_restore_works(
    loaded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for statement in (
        "SELECT * FROM departments",
        "SELECT * FROM hired_employees LIMIT 1",
    ):  # itself, and a child of it
        with verbs.unchanged(loaded), closing(loaded.connect(autocommit=False)) as busy, busy.cursor() as cursor:
            cursor.execute(statement)
            with monkeypatch.context() as impatient:
                impatient.setattr(retry, "_LOCK_TRIES", 1)
                impatient.setattr(retry, "_LOCK_WAIT_SECONDS", 1)
                assert "in use" in post("/restores", {"tables": ["departments"]}).problem(409)["detail"]
    assert restore(tables=["departments"])["state"] == "done"
