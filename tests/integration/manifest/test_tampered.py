"""Backups that somebody, or a disk, has changed: a verification says what is wrong, and a restore touches nothing."""

import hashlib
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime

import boto3
import polars as pl
import pytest

from tableferry.columnar import formats
from tableferry.columnar.digest import PLAIN, Digest, digest
from tableferry.columnar.formats import Format
from tableferry.config.settings import Settings
from tableferry.errors import BackupDamaged, TableFinding
from tableferry.ids import new_id
from tableferry.manifest import digest_keys, manifest, verify
from tableferry.manifest.manifest import Manifest
from tableferry.restore.build import shadow
from tableferry.schema.codec import Codec
from tableferry.signing import Keys
from tableferry.storage import object_keys
from tests.effort import either_server, sample
from tests.support import verbs
from tests.support.lambdas import Json
from tests.support.parts import Database
from tests.support.verbs import SAMPLE, backup, load_sample, objects, post

pytestmark = either_server

FORMATS = ("parquet", "avro", "csv")


@pytest.fixture
def loaded(database: Database, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Database:
    load_sample(database)
    monkeypatch.setenv("CHUNK_BYTES", "500")
    return database


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Calls of what makes the schema of a restore."""
    calls: list[object] = []
    monkeypatch.setattr(shadow, "build", lambda *given, **_: calls.append(given))
    return calls
    return calls


def put(key: str, data: bytes) -> None:
    """Write an object as anybody would who may."""
    boto3.client("s3").put_object(Bucket=verbs.store().bucket, Key=key, Body=data)


def content(file: Json) -> bytes:
    return verbs.store().get(file["key"])[0]


def alter(made: Json) -> str:
    file = objects(made, "hired_employees")[1]
    data = bytearray(content(file))
    data[len(data) // 2] ^= 4
    put(file["key"], bytes(data))
    return str(file["key"])


def alter_keeping_a_sha_256(made: Json) -> str:
    """By somebody who sends S3 the altered object's own SHA-256."""
    file = objects(made, "hired_employees")[1]
    verbs.store().put(file["key"], content(file)[::-1])
    return str(file["key"])


def shorten(made: Json) -> str:
    file = objects(made, "hired_employees")[-1]
    put(file["key"], content(file)[:-1])
    return str(file["key"])


def empty(made: Json) -> str:
    file = objects(made, "hired_employees")[0]
    put(file["key"], b"")
    return str(file["key"])


def take_away(made: Json) -> str:
    file = objects(made, "hired_employees")[0]
    verbs.remove(file["key"])
    return str(file["key"])


def exchange_two(made: Json) -> str:
    one, other, *_ = objects(made, "hired_employees")
    one_data, other_data = content(one), content(other)
    put(one["key"], other_data)
    put(other["key"], one_data)
    return str(one["key"])


def exchange_with_another_table(made: Json) -> str:
    one, other = objects(made, "hired_employees")[0], objects(made, "jobs")[0]
    one_data, other_data = content(one), content(other)
    put(one["key"], other_data)
    put(other["key"], one_data)
    return str(one["key"])


def exchange_with_another_backup(made: Json) -> str:
    """With an object of the same table, rows and size: that of a backup of another day."""
    file = objects(made, "hired_employees")[0]
    frame = formats.read(content(file), codecs(made), Format(made["format"]))
    changed = frame.with_columns(pl.col("name").str.replace("O'Neill", "O'Nelli"))
    data = formats.write(changed, codecs(made), Format(made["format"]))
    put(file["key"], data)
    return str(file["key"])


def codecs(made: Json) -> tuple[Codec, ...]:
    found = manifest.read(verbs.store(), made["id"], None).table("hired_employees")
    assert found is not None
    return found.codecs


def add_one_beside(made: Json) -> str:
    file = objects(made, "hired_employees")[0]
    key = f"{file['key'].rpartition('/')[0]}/somebody-elses.{made['format']}"
    put(key, content(file))
    return key


def add_one_of_the_same_attempt(made: Json) -> str:
    """Which a reader of all files in the folder, but for the manifest, would take for one of ours."""
    file = objects(made, "hired_employees")[-1]
    suffix = Format(made["format"]).suffix
    stem, number = file["key"].removesuffix(f".{suffix}").rsplit("-", 1)
    key = f"{stem}-{int(number) + 1:05d}.{suffix}"
    put(key, content(file))
    return key


DAMAGES = [
    alter, alter_keeping_a_sha_256, shorten, empty, take_away, exchange_two, exchange_with_another_table,
    exchange_with_another_backup, add_one_beside, add_one_of_the_same_attempt,
]  # fmt: skip


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("damage", DAMAGES)
@sample(3)
def test_a_damaged_backup_is_refused_before_a_restore_touches_the_database(
    loaded: Database, built: list[object], damage: Callable[[Json], str], form: str
) -> None:
    made = backup(form=form)
    key = damage(made)
    with verbs.unchanged(loaded):
        problem = post("/restores", {"backup": made["id"]}).problem(409)
    assert problem["type"].endswith(":backup-damaged")
    assert key in problem["detail"]
    assert built == []
    verified = post(f"/backups/{made['id']}/verify").problem(409)
    assert key in verified["detail"]
    for found in (problem, verified):
        tables = {table["name"]: table for table in found["tables"]}
        assert set(tables) == set(SAMPLE)
        assert not tables["hired_employees"]["ok"]
        assert any(key in text for text in tables["hired_employees"]["problems"])
        assert (tables["departments"]["ok"], tables["departments"]["problems"]) == (True, [])


@pytest.mark.usefixtures("loaded")
def test_a_verification_reads_on_behind_what_is_wrong_and_says_all_of_it() -> None:
    made = backup()
    hurt = [shorten(made), alter(made), add_one_beside(made), take_away(made)]
    [lost] = [file["key"] for file in objects(made, "jobs")][:1]
    verbs.remove(lost)
    before = {table["name"]: table for table in made["tables"]}
    found = {table["name"]: table for table in post(f"/backups/{made['id']}/verify").problem(409)["tables"]}
    assert len(found["hired_employees"]["problems"]) == len(hurt)
    assert all(any(key in text for text in found["hired_employees"]["problems"]) for key in hurt)
    gone = [file for file in objects(made, "hired_employees") if file["key"] in hurt]
    assert found["hired_employees"]["rows"] == 40 - sum(file["rows"] for file in gone)
    assert [lost in text for text in found["jobs"]["problems"]] == [True]
    assert {key: found["departments"][key] for key in ("rows", "bytes", "digest", "objects")} == {
        key: before["departments"][key] for key in ("rows", "bytes", "digest", "objects")
    }
    assert found["departments"]["ok"]


@pytest.mark.usefixtures("loaded")
def test_what_a_failed_verification_found_is_kept_in_its_record() -> None:
    made = backup()
    key = alter(made)
    problem = post(f"/backups/{made['id']}/verify").problem(409)
    [job] = [
        found
        for entry in verbs.store().list("jobs/2")  # records, whose ids begin with the year
        if (found := verbs.content(entry.key)).get("kind") == "verify"
    ]
    kept = verbs.get(f"/verifications/{job['id']}").json
    assert (kept["state"], kept["problem"]) == ("failed", problem)
    assert key in str(kept["problem"]["tables"])


def test_a_table_whose_files_are_whole_is_restored_from_a_backup_in_which_another_one_is_not(loaded: Database) -> None:
    made = backup()
    alter(made)
    before = verbs.table(loaded, "jobs")
    verbs.run(loaded, "UPDATE jobs SET job = 'wrong'")
    assert verbs.restore(made["id"], tables=["jobs"])["state"] == "done"
    assert verbs.table(loaded, "jobs") == before


def test_an_object_beside_all_tables_is_refused_too(loaded: Database, built: list[object]) -> None:
    made = backup()
    put(f"backups/{made['id']}/extra", b"x")
    for path, body in [(f"/backups/{made['id']}/verify", None), ("/restores", {"tables": ["jobs"]})]:
        assert f"backups/{made['id']}/extra" in post(path, body).problem(409)["detail"]
    assert built == []


def test_what_a_try_that_died_left_behind_is_counted_and_harms_nothing(loaded: Database) -> None:
    made = backup()
    file = objects(made, "jobs")[0]
    home, _, name = file["key"].rpartition("/")
    put(f"{home}/{'0' * 6}{name[6:]}", b"half a fi")
    put(f"backups/{made['id']}/dropped%20since/{'0' * 6}{name[6:]}", b"")
    put(f"backups/{made['id']}/", b"")  # the folder that a console shows
    verified = post(f"/backups/{made['id']}/verify")
    assert (verified.status, verified.json["leftovers"]) == (201, 2)
    before = verbs.table(loaded, "jobs")
    assert verbs.restore(made["id"], tables=["jobs"])["state"] == "done"
    assert verbs.table(loaded, "jobs") == before


@pytest.mark.usefixtures("loaded")
def test_an_object_that_was_copied_by_other_tools_and_lost_its_sum_is_read_and_found_whole() -> None:
    made = backup()
    for file in objects(made):
        put(file["key"], content(file))
    assert post(f"/backups/{made['id']}/verify").status == 201
    assert verbs.restore(made["id"])["state"] == "done"


def edited(made: Json, edit: Callable[[Json], None], keys: Keys | None = None) -> None:
    """The manifest with an edit: under its old signature, or signed anew with ``keys``."""
    signed = verbs.content(object_keys.manifest(made["id"]))
    edit(signed["manifest"])
    if keys is None:
        verbs.store().put(object_keys.manifest(made["id"]), str_of(signed))
    else:
        verbs.remove(object_keys.manifest(made["id"]))
        manifest.write(verbs.store(), Manifest.model_validate(signed["manifest"]), keys)


def str_of(signed: Json) -> bytes:
    return json.dumps(signed).encode()


def table_of(content: Json, name: str = "hired_employees") -> Json:
    return next(table for table in content["tables"] if table["name"] == name)


def more_rows(content: Json) -> None:
    table_of(content)["rows"] += 1


def more_rows_in_a_file(content: Json) -> None:
    table_of(content)["chunks"][0]["objects"][0]["rows"] += 1


def more_bytes(content: Json) -> None:
    table_of(content)["bytes"] += 1


def another_digest(content: Json) -> None:
    table_of(content)["digest"] = "0" * 32


def no_digest(content: Json) -> None:
    table_of(content)["digest"] = "none"


def no_sha(content: Json) -> None:
    table_of(content)["chunks"][0]["objects"][0]["sha256"] = "none"


def overlapping(content: Json) -> None:
    [chunk] = table_of(content)["chunks"]
    none = {"rows": 0, "digest": "0" * 32, "objects": []}
    table_of(content)["chunks"] = [{**chunk, "upper": 20}, {**none, "lower": 19, "upper": None}]


def with_a_gap(content: Json) -> None:
    overlapping(content)
    table_of(content)["chunks"][1]["lower"] = 21


def not_to_the_end(content: Json) -> None:
    table_of(content)["chunks"][-1]["upper"] = 1000


def backwards(content: Json) -> None:
    overlapping(content)
    chunks = table_of(content)["chunks"]
    chunks[1]["lower"] = chunks[0]["upper"] = 20
    chunks[1] |= {"upper": 10}
    chunks.append({**chunks[1], "lower": 10, "upper": None})


def without_chunks(content: Json) -> None:
    table_of(content).update(chunks=[], rows=0, bytes=0, digest="0" * 32)


def a_file_twice(content: Json) -> None:
    chunk = table_of(content)["chunks"][0]
    chunk["objects"].append(chunk["objects"][0])


def a_table_twice(content: Json) -> None:
    content["tables"].append(table_of(content))


def a_file_of_another_table(content: Json) -> None:
    for file in table_of(content, "jobs")["chunks"][0]["objects"]:
        file["key"] = file["key"].replace("/jobs/", "/hired_employees/")


def a_file_of_another_backup(content: Json) -> None:
    for file in table_of(content)["chunks"][0]["objects"]:
        file["key"] = file["key"].replace(content["id"], new_id(datetime.now(UTC)))


CONTRADICTIONS = [
    more_rows, more_rows_in_a_file, more_bytes, another_digest, no_digest, no_sha, overlapping, with_a_gap,
    not_to_the_end, backwards, without_chunks, a_file_twice, a_table_twice, a_file_of_another_table,
    a_file_of_another_backup,
]  # fmt: skip


@pytest.mark.parametrize("edit", CONTRADICTIONS)
@sample(3)
def test_a_manifest_that_was_edited_is_refused_by_its_signature(
    loaded: Database, built: list[object], edit: Callable[[Json], None]
) -> None:
    made = backup()
    edited(made, edit)
    for path, body in [(f"/backups/{made['id']}/verify", None), ("/restores", {"backup": made["id"]})]:
        with verbs.unchanged(loaded):
            assert "signed" in post(path, body).problem(409)["detail"]
    assert built == []


@pytest.mark.parametrize("edit", [edit for edit in CONTRADICTIONS if edit not in (without_chunks, another_digest)])
@sample(2)
def test_a_manifest_that_contradicts_itself_is_refused_whoever_signed_it(
    loaded: Database, built: list[object], edit: Callable[[Json], None]
) -> None:
    made = backup()
    edited(made, edit, Settings.from_env().signing_keys)
    for path, body in [
        (f"/backups/{made['id']}/verify", None),
        ("/restores", {"backup": made["id"]}),
        ("/restores", {"backup": made["id"], "trust": True}),
    ]:
        with verbs.unchanged(loaded):
            detail = post(path, body).problem(409)["detail"]
        assert "contradicts itself" in detail
        assert any(word in detail for word in ("hired_employees", "jobs"))
    assert built == []


def test_a_digest_that_is_not_the_rows_is_found_whoever_signed_it(loaded: Database) -> None:
    """With a key it is no sum that the chunks' digests would have to add up to: the rows themselves say so."""
    made = backup()
    edited(made, another_digest, Settings.from_env().signing_keys)
    for path, body in [(f"/backups/{made['id']}/verify", None), ("/restores", {"backup": made["id"]})]:
        with verbs.unchanged(loaded):
            assert "not" in post(path, body).problem(409)["detail"]


@pytest.mark.parametrize("version", [0, 3, "1", None])
@sample(1)
def test_a_manifest_of_another_version_is_refused(loaded: Database, built: list[object], version: object) -> None:
    made = backup()
    edited(made, lambda content: content.update(version=version))
    for trust in (False, True):
        with verbs.unchanged(loaded):
            post("/restores", {"backup": made["id"], "trust": trust}).problem(409)
    post(f"/backups/{made['id']}/verify").problem(409)
    assert built == []


def test_another_backups_manifest_is_refused_with_its_signature_and_all(loaded: Database, built: list[object]) -> None:
    made, other = backup("jobs"), backup("departments")
    signed = verbs.content(object_keys.manifest(other["id"]))
    verbs.store().put(object_keys.manifest(made["id"]), str_of(signed))
    for path, body in [(f"/backups/{made['id']}/verify", None), ("/restores", {"backup": made["id"]})]:
        with verbs.unchanged(loaded):
            assert "another backup" in post(path, body).problem(409)["detail"]
    assert built == []


@pytest.mark.parametrize("form", FORMATS)
@sample(1)
def test_every_bit_that_flips_in_a_file_is_found(loaded: Database, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHUNK_BYTES", "5000000")
    made = manifest.read(verbs.store(), backup("hired_employees", form=form)["id"], Settings.from_env().signing_keys)
    [table] = made.tables
    [file] = table.chunks[0].objects
    data = verbs.store().get(file.key)[0]
    hashing = digest_keys.of(verbs.store(), made)
    whole = (table.rows, table.digest)
    seen = {"sha": 0, "unreadable": 0, "digest": 0, "harmless": 0}
    for bit in random.Random(4).sample(range(len(data) * 8), 400):  # noqa: S311  # no secret
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        held = Held(bytes(flipped))
        with pytest.raises(BackupDamaged, match="SHA-256"):
            verify.fetch(held, made, table, file)  # type: ignore[arg-type]
        seen["sha"] += 1
        # Behind the sum stands the digest: where the manifest names the sum of the flipped file, no row gets in changed.
        forged = file.model_copy(update={"sha256": hashlib.sha256(flipped).hexdigest()})
        try:
            found = digest(verify.fetch(held, made, table, forged), table.codecs, hashing)  # type: ignore[arg-type]
        except BackupDamaged:
            seen["unreadable"] += 1
            continue
        same = (found.rows, hashing.text(found)) == whole
        seen["harmless" if same else "digest"] += 1
        if same:  # a bit that means nothing, such as one of the writer's name: the rows are what they were
            again = digest(formats.read(bytes(flipped), table.codecs, made.format), table.codecs, hashing)
            assert (again.rows, hashing.text(again)) == whole
    assert seen["sha"] == 400
    assert seen["unreadable"] + seen["digest"] > 100


class Held:
    """A store that has one object."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def get(self, _key: str, _at_most: int = 0) -> tuple[bytes, str]:
        return self._data, ""


def test_a_long_list_of_what_is_wrong_is_cut_and_says_so() -> None:
    finding = verify.finding(TABLE, [f"problem {number}" for number in range(100)], Digest(), 0, PLAIN)
    assert isinstance(finding, TableFinding)
    assert len(finding.problems) == 21
    assert finding.problems[-1] == "And 80 more."


TABLE = manifest.TableEntry(
    name="t", definition="", fingerprint="", columns=(), primary_key=(), foreign_keys=(), triggers=(),
    rows=0, bytes=0, digest="0" * 32, chunks=(),
)  # fmt: skip
