"""The account of one upload: ``loads/{id}.json``, and the rejects it names."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tableferry.errors import ObjectNotFound, RecordNotFound
from tableferry.store import Object, Store, encode_name

_SHOWN = 100
_SEARCHED = 1000  # a request reads no more accounts than it has time for
_ID = re.compile(r"[0-9a-f]{32}")


class Account(BaseModel):
    """What became of a file: ``read = inserted + updated + rejected + duplicates``, header and blank lines apart.

    ``bytes`` of the object's ``size`` are done; ``given`` are the options that the request named.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    table: str
    key: str
    version: str = ""
    given: dict[str, str] = Field(default_factory=dict)
    state: Literal["running", "done", "failed"] = "running"
    read: int = 0
    inserted: int = 0
    updated: int = 0
    rejected: int = 0
    duplicates: int = 0
    bytes: int = 0
    size: int = 0
    rows_per_second: float | None = None
    rejects: str | None = None
    started: datetime
    finished: datetime | None = None
    error: dict[str, str] | None = None


class LoadList(BaseModel):
    """Accounts of loads, newest first."""

    loads: list[Account]


def load_id(bucket: str, uploaded: Object) -> str:
    """The id of the load of one version of an object, the same at every delivery of its event."""
    parts = (bucket, uploaded.key, uploaded.version or uploaded.etag)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def save(store: Store, account: Account) -> Account:
    store.put(f"loads/{account.id}.json", account.model_dump_json().encode())
    return account


def find(store: Store, account_id: str) -> Account:
    """The account of a load; raises RecordNotFound."""
    try:
        if not _ID.fullmatch(account_id):
            raise ObjectNotFound(account_id)
        return Account.model_validate_json(store.get(f"loads/{account_id}.json")[0])
    except ObjectNotFound as error:
        raise RecordNotFound(f"There is no load {account_id!r}.") from error


def newest(store: Store, key: str | None = None) -> list[Account]:
    """The 100 newest accounts; if an upload's key is given, its own among the 1000 newest."""
    found = sorted(store.list("loads/"), key=lambda item: item.modified, reverse=True)
    read = found[: _SHOWN if key is None else _SEARCHED]
    accounts = [Account.model_validate_json(text) for text in store.present(item.key for item in read)]
    chosen = [account for account in accounts if key is None or account.key == key]
    return sorted(chosen, key=lambda account: account.started, reverse=True)[:_SHOWN]


def rejects_key(account: Account) -> str:
    return f"rejects/{encode_name(account.table)}/{account.id}.ndjson"
