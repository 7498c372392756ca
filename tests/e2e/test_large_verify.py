"""A verification over several functions, by the state machine of the template and the functions themselves."""

from collections.abc import Mapping

import pytest

from local.demo.sample import Connection
from tableferry.config.settings import Settings
from tableferry.jobs import jobs
from tableferry.jobs.jobs import HandOver, Kind
from tableferry.manifest import large_verify
from tableferry.storage.bucket import Store, open_store
from tests.e2e.api import Api
from tests.support.parts import Runtime, until

pytestmark = pytest.mark.usefixtures("parents")


@pytest.fixture
def bucket_of(runtime: Runtime, env: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Store:
    """The bucket, with the keys that the functions have."""
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    settings = Settings.from_env({**env, "SIGNING_KEY": runtime.state.secret("signing.key")})
    return open_store(settings.bucket, settings.signing_keys)


def handed_over(store: Store, backup_id: str) -> str:
    """A verification that is given to three functions, as a large one is; its id."""
    request = {"backup": backup_id}
    job = jobs.create(store, Kind.VERIFY, request, trigger=False)

    def work(job_id: str, *_: object) -> HandOver:
        return large_verify.hand_over(store, job_id, large_verify.Order(backup=backup_id, workers=3))

    assert jobs.run(store, Kind.VERIFY, job.id, request, work, lambda error: {"detail": str(error)}) is None
    return job.id


def test_several_functions_prove_a_backup_and_find_it_damaged(api: Api, mysql: Connection, bucket_of: Store) -> None:
    made = api.end(api.send("backup", body={}))
    found = api.until_ended(f"/verifications/{handed_over(bucket_of, made['id'])}")
    assert (found["state"], found["ok"]) == ("done", True)
    assert [(table["name"], table["rows"], table["digest"]) for table in found["tables"]] == [
        (table["name"], table["rows"], table["digest"]) for table in made["tables"]
    ]
    [key] = [one.key for one in bucket_of.list(f"backups/{made['id']}/jobs/")]
    content, _ = bucket_of.get(key)
    bucket_of.put(key, content[::-1])
    damaged = api.until_ended(f"/verifications/{handed_over(bucket_of, made['id'])}")
    assert damaged["state"] == "failed"
    assert key in damaged["problem"]["detail"]
    assert until(lambda: "damaged_at" in bucket_of.get(f"verifications/{made['id']}.json")[0].decode())
    bucket_of.put(key, content)  # it may be others' newest backup
