"""Every key in the bucket is made in one module, and is what it always was: objects of earlier versions stay found."""

import ast
import re
from pathlib import Path

import pytest

from tableferry.storage import object_keys

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "layers" / "tableferry" / "tableferry"
TEMPLATE = (ROOT / "template.yaml").read_text()
ID = "20261122T071500Z-1a2b3c4d"
PLACE = object_keys.work(ID, "0a1b2c")
LOAD = "00112233445566778899aabbccddeeff"
TOP = ("uploads/", "rejects/", "resume/", "loads/", "backups/", "verifications/", "restores/", "jobs/", "work/")

KEYS = {
    object_keys.upload("a b/c", "x.csv"): "uploads/a%20b%2Fc/x.csv",
    object_keys.upload("..", "x.csv"): "uploads/%2E%2E/x.csv",
    object_keys.rejects("jobs", LOAD): f"rejects/jobs/{LOAD}.ndjson",
    object_keys.resume(LOAD): f"resume/{LOAD}.json",
    object_keys.load(LOAD): f"loads/{LOAD}.json",
    object_keys.load_rejects(LOAD): f"loads/rejects/{LOAD}/",
    object_keys.load_cancelled(LOAD): f"loads/cancelled/{LOAD}.json",
    object_keys.load_waiting(f"20261122T071500Z-{LOAD}"): f"loads/waiting/20261122T071500Z-{LOAD}",
    object_keys.LOADS_WAITED: "loads/waited.json",
    object_keys.LOADS_BY_TIME: "loads/by-time/",
    object_keys.loads_by_key("uploads/jobs/a.csv"): "loads/by-key/7dfb8ea4e65847e5bfcbac430db0709e/",
    object_keys.loads_by_table("jobs"): "loads/by-table/5d9a17cb70b9733aadc073a44c21889d/all/",
    object_keys.loads_by_table("jobs", "failed"): "loads/by-table/5d9a17cb70b9733aadc073a44c21889d/failed/",
    object_keys.loads_by_state("failed"): "loads/by-state/failed/",
    object_keys.backup(ID): f"backups/{ID}/",
    object_keys.backup_table(ID, "a/b"): f"backups/{ID}/a%2Fb/",
    object_keys.backup_leaf(ID, "a/b", "0a1b2c3d", 64): f"backups/{ID}/a%2Fb/_chunks-0a1b2c3d-000064.json",
    object_keys.named_in(ID): f"backups/{ID}/tableferry_named_in/",
    object_keys.manifest(ID): f"backups/{ID}/manifest.json",
    object_keys.verification(ID): f"verifications/{ID}.json",
    object_keys.restore(ID): f"restores/{ID}.json",
    object_keys.job(ID): f"jobs/{ID}.json",
    object_keys.JOB_RECORDS: "jobs/2",
    object_keys.job_request("verify", ID): f"jobs/verify/{ID}.json",
    object_keys.job_request("backup", ID): f"jobs/backup/{ID}.json",
    object_keys.job_request("restore", ID): f"jobs/restore/{ID}.json",
    object_keys.job_request("large-backup", ID): f"jobs/large-backup/{ID}.json",
    object_keys.job_request("large-restore", ID): f"jobs/large-restore/{ID}.json",
    object_keys.job_request("large-verify", ID): f"jobs/large-verify/{ID}.json",
    object_keys.job_note("restore", "k"): "jobs/keys/restore-8254c329a92850f6d539dd376f4816ee.json",
    object_keys.job_slot("backup", 0): "jobs/slots/backup-0.json",
    object_keys.job_note("backup", "k"): "jobs/keys/backup-8254c329a92850f6d539dd376f4816ee.json",
    object_keys.job_slot("restore", 3): "jobs/slots/restore-3.json",
    PLACE: f"work/{ID}/0a1b2c/",
    object_keys.work_plan(PLACE): f"work/{ID}/0a1b2c/plan.json",
    object_keys.work_workers(PLACE): f"work/{ID}/0a1b2c/workers.json",
    object_keys.work_ready(PLACE, 0): f"work/{ID}/0a1b2c/ready/0.json",
    object_keys.work_all_ready(PLACE): f"work/{ID}/0a1b2c/ready/",
    object_keys.work_locked(PLACE): f"work/{ID}/0a1b2c/locked.json",
    object_keys.work_open(PLACE, 12): f"work/{ID}/0a1b2c/open/12.json",
    object_keys.work_all_open(PLACE): f"work/{ID}/0a1b2c/open/",
    object_keys.work_moment(PLACE): f"work/{ID}/0a1b2c/moment.json",
    object_keys.work_trouble(PLACE): f"work/{ID}/0a1b2c/trouble.json",
    object_keys.work_part(PLACE, 1234): f"work/{ID}/0a1b2c/parts/001234.json",
    object_keys.work_parts(PLACE): f"work/{ID}/0a1b2c/parts/",
}


def test_every_key_is_what_it_always_was() -> None:
    assert list(KEYS) == list(KEYS.values())


@pytest.mark.parametrize(
    ("key", "parsed", "what"),
    [
        (object_keys.upload("a b/c", "x/y.csv"), object_keys.upload_table, "a b/c"),
        ("uploads/x.csv", object_keys.upload_table, None),
        (object_keys.resume(LOAD), object_keys.resumed_load, LOAD),
        (object_keys.load(LOAD), object_keys.load_id, LOAD),
        (object_keys.load_waiting(f"now-{LOAD}"), object_keys.waiting_mark, f"now-{LOAD}"),
        (f"backups/{ID}/jobs/0a1b2c3d-00007-00012.csv.zst", object_keys.backup_place, ("0a1b2c3d", 7, 12)),
        (f"backups/{ID}/jobs/mine.csv", object_keys.backup_place, None),
        (f"backups/{ID}/jobs/0a1b2c3d-00007-00012.csv.zst", object_keys.backup_run, "0a1b2c3d"),
        (object_keys.backup_leaf(ID, "jobs", "0a1b2c3d", 1), object_keys.backup_run, "0a1b2c3d"),
        (object_keys.manifest(ID), object_keys.backup_run, None),
        (f"{object_keys.backup_table(ID, 'a/b')}x", lambda key: object_keys.backup_of(key, "a/b"), ID),
        (f"{object_keys.backup_table(ID, 'jobs')}x/y", lambda key: object_keys.backup_of(key, "jobs"), None),
        (f"{object_keys.backup_table(ID, 'jobs')}x", lambda key: object_keys.backup_of(key, "people"), None),
        (object_keys.manifest(ID), lambda key: object_keys.backup_of(key, "manifest.json"), None),
        (object_keys.verification(ID), object_keys.verified_backup, ID),
        (object_keys.restore(ID), object_keys.restore_id, ID),
        (object_keys.job(ID), object_keys.job_id, ID),
        (object_keys.job_request("verify", ID), object_keys.requested_job, ("verify", ID)),
        (object_keys.job(ID), object_keys.requested_job, (f"{ID}.json", "")),
        (object_keys.work_part(PLACE, 1234), object_keys.worked_task, 1234),
        (f"{object_keys.work_parts(PLACE)}x.json", object_keys.worked_task, None),
        (f"jobs/verify/folder/{ID}.json", object_keys.requested_job, ("verify", f"folder/{ID}")),
    ],
)
def test_what_a_key_was_made_of_is_read_from_it(key: str, parsed: object, what: object) -> None:
    assert callable(parsed)
    assert parsed(key) == what


def test_the_template_listens_to_the_keys_that_are_written() -> None:
    listened = set(re.findall(r"Name: prefix, Value: (\S+) ", TEMPLATE))
    requests = {object_keys.job_request(kind, "") for kind in ("backup", "verify", "restore")}
    assert listened == {object_keys.UPLOADS, object_keys.RESUME, *(key.removesuffix(".json") for key in requests)}


def test_the_templates_rights_and_rules_are_about_keys_that_are_written() -> None:
    named = re.findall(r":::\$\{BucketName\}/([\w/-]+)", TEMPLATE)
    named += re.findall(r"\bPrefix: ([\w-]+/)", TEMPLATE)
    named += [
        name for names in re.findall(r"s3:prefix: \[([^]]*)\]", TEMPLATE) for name in re.findall(r"[\w-]+/\w*", names)
    ]
    assert len(named) > 20
    assert [name for name in named if not any(key.startswith(name) for key in KEYS)] == []


def keys_in(module: Path) -> list[str]:
    """The texts in a module's code, not in its docstrings, that begin as a key does."""
    tree = ast.parse(module.read_text())
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in prose]
    return [text.value for text in texts if isinstance(text.value, str) and text.value.startswith(TOP)]


def test_no_other_module_writes_a_key() -> None:
    modules = [*PACKAGE.rglob("*.py"), *(ROOT / "functions").rglob("*.py")]
    assert len(modules) > 100
    assert {str(module) for module in modules if keys_in(module)} == {str(PACKAGE / "storage" / "object_keys.py")}
