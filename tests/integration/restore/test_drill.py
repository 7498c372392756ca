"""Restore drills, and how old what they have proven is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from functions.backup.app import handler as backup_handler
from functions.restore.app import handler as restore_handler
from tableferry.api import metrics
from tableferry.errors import (
    BackupDamaged,
    BackupNotFound,
    Conflict,
    DatabaseUnavailable,
    DigestMismatch,
    InvalidRequest,
)
from tableferry.manifest import attestation
from tableferry.mysql import local_infile
from tableferry.restore.build import shadow
from tests.integration.conftest import KEYS
from tests.support import verbs
from tests.support.lambdas import Json, invoke
from tests.support.parts import Database
from tests.support.verbs import backup, load_sample, objects, post, remove, restore, run, unchanged


@pytest.fixture
def loaded(database: Database, bucket: str) -> Database:
    load_sample(database)
    return database


def drill(**event: object) -> Json:
    found: Json = invoke(restore_handler, {"action": "drill", **event})
    return found


def check() -> Json:
    found: Json = invoke(backup_handler, {"action": "check"})
    return found


@pytest.fixture
def gauges(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    told: dict[str, Any] = {}
    monkeypatch.setattr(metrics, "gauge", told.update)
    return told


def test_a_drill_builds_the_latest_backup_verifies_it_and_leaves_nothing_behind(loaded: Database) -> None:
    run(loaded, "CREATE TRIGGER careful BEFORE INSERT ON jobs FOR EACH ROW SET NEW.job = UPPER(NEW.job)")
    backup("jobs")
    made = backup()
    run(
        loaded, "DELETE FROM hired_employees", "DELETE FROM jobs WHERE id > 3", "UPDATE departments SET department = ''"
    )
    with unchanged(loaded):
        done = drill()
    assert (done["backup"], done["by"], done["rows"]) == (made["id"], "drill", 52)


def test_a_table_whose_parent_is_not_in_the_backup_is_drilled_all_the_same(loaded: Database) -> None:
    made = backup("hired_employees")
    run(loaded, "DELETE FROM hired_employees", "DELETE FROM jobs")
    with unchanged(loaded):
        assert drill(backup=made["id"])["rows"] == 40


def test_a_drill_whose_rows_come_out_different_fails_names_the_column_and_proves_nothing(
    loaded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup()
    statement = local_infile._statement
    monkeypatch.setattr(
        local_infile,
        "_statement",
        lambda *given: statement(*given).replace("CHARACTER SET utf8mb4", "CHARACTER SET latin1"),
    )
    run(loaded, "UPDATE departments SET department = 'é' WHERE id = 1")
    backup()
    with unchanged(loaded), pytest.raises(DigestMismatch, match="department"):
        drill()
    assert check()["verified"] is None


def test_a_drill_of_a_damaged_backup_fails(loaded: Database) -> None:
    made = backup()
    remove(objects(made, "jobs")[0]["key"])
    with unchanged(loaded), pytest.raises(BackupDamaged):
        drill()
    with pytest.raises(BackupNotFound):
        drill(backup="20261122T071500Z-1a2b3c4d")
    with pytest.raises(InvalidRequest):
        drill(tables=["jobs"])


def test_what_a_drill_that_died_left_is_dropped_by_the_next_and_others_are_let_alone(
    loaded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    backup()
    with monkeypatch.context() as patched:
        patched.setattr(shadow, "_finish", die)
        patched.setattr("tableferry.restore.drill._drop", lambda *_: None)
        with pytest.raises(Killed):
            drill()
    [left] = [name for name in verbs.schemas(loaded) if "drill" in name]
    another = "tableferry_drill_00000000_20261122t071500z_1a2b3c4d"
    run(loaded, f"CREATE DATABASE {another}")
    restore(tables=["jobs"])  # takes neither for one of its own
    assert {left, another} <= verbs.schemas(loaded)
    drill()
    assert [name for name in verbs.schemas(loaded) if "drill" in name] == [another]


def test_there_is_one_drill_at_a_time_and_a_restore_does_not_wait_for_it(
    loaded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup()
    build = shadow.build
    met: list[bool] = []

    def meanwhile(*arguments: Any, **options: Any) -> Any:
        if not met:
            met.append(True)
            with pytest.raises(Conflict, match="Another restore drill"):
                drill()
            assert restore(tables=["jobs"])["state"] == "done"
        return build(*arguments, **options)

    monkeypatch.setattr(shadow, "build", meanwhile)
    drill()
    assert met


def test_the_check_tells_how_old_the_newest_backup_and_the_newest_proven_one_are(
    loaded: Database, gauges: dict[str, Any]
) -> None:
    assert set(check().values()) == {None}
    assert set(gauges.values()) == {None}
    first, second = backup("jobs"), backup()
    post(f"/backups/{first['id']}/verify")
    found = check()
    assert (found["backup"], found["verified"]) == (second["id"], first["id"])
    assert 0 <= gauges["hours_since_backup"] < 0.1
    assert 0 <= gauges["days_since_verified_backup"] < 0.01
    drill()
    assert check()["verified"] == second["id"]
    later = attestation.ages(verbs.store(), KEYS, loaded.name, datetime.now(UTC) + timedelta(days=3))
    assert later.days_since_verified_backup == pytest.approx(3, abs=0.01)
    assert later.hours_since_backup == pytest.approx(72, abs=0.1)


def test_a_manifest_that_is_not_signed_makes_no_backup_look_new(loaded: Database, bucket: str) -> None:
    made = backup()
    forged = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-ffffffff"
    s3 = boto3.client("s3")
    text = s3.get_object(Bucket=bucket, Key=f"backups/{made['id']}/manifest.json")["Body"].read().decode()
    s3.put_object(Bucket=bucket, Key=f"backups/{forged}/manifest.json", Body=text.replace(made["id"], forged).encode())
    attestation.save(verbs.store(), attestation.Proof(backup=forged, by="drill", at=datetime.now(UTC), rows=0))
    found = check()
    assert (found["backup"], found["verified"]) == (made["id"], None)


def damage(made: Json) -> None:
    remove(objects(made, "jobs")[0]["key"])


@pytest.mark.usefixtures("loaded")
def test_a_drill_that_finds_damage_takes_the_proof_back() -> None:
    made = backup()
    assert drill()["backup"] == check()["verified"] == made["id"]
    damage(made)
    with pytest.raises(BackupDamaged):
        drill()
    assert check()["verified"] is None


@pytest.mark.usefixtures("loaded")
def test_a_restore_that_finds_damage_takes_the_proof_back() -> None:
    made = backup()
    post(f"/backups/{made['id']}/verify")
    assert check()["verified"] == made["id"]
    damage(made)
    assert post("/restores", {"backup": made["id"]}).status == 409
    assert check()["verified"] is None


@pytest.mark.usefixtures("loaded")
def test_a_proof_is_not_taken_back_by_what_is_no_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    made = backup()
    post(f"/backups/{made['id']}/verify")
    assert post("/restores", {"backup": made["id"], "tables": ["nowhere"]}).status == 404
    with monkeypatch.context() as patched, pytest.raises(DatabaseUnavailable):
        patched.setenv("DATABASE_URL", "mysql://root@127.0.0.1:1/shop")
        drill(backup=made["id"])
    assert check()["verified"] == made["id"]


def test_gauges_that_are_not_known_are_no_metrics() -> None:
    metrics.gauge(hours_since_backup=None, days_since_verified_backup=1.5)
    assert set(metrics.metrics.provider.metric_set) == {"days_since_verified_backup"}
