"""The ledger's entries as a backup keeps them: which files and requests have their rows in it.

Lines of JSON, compressed by Zstandard: ``table`` (null where an entry of an earlier version does not say), ``id`` without
what an epoch adds to it, ``part``, ``written`` in UTC, ``content`` as it stands in the ledger.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tableferry.errors import BackupDamaged, InvalidRequest, ObjectNotFound
from tableferry.ingest.files.decompress import decompressed
from tableferry.ledger import ledger
from tableferry.manifest.manifest import Manifest
from tableferry.storage.bucket import Store


class Line(BaseModel):
    """One entry as a backup keeps it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str | None
    id: str = Field(pattern=r"(load|request)/[0-9a-f]{32,64}")
    part: int = Field(ge=ledger.FINAL, lt=2**31)
    written: datetime
    content: str


def lines(store: Store, source: Manifest) -> Iterator[Line]:
    """The entries that a backup keeps; none for one that keeps none. Memory: one object.

    Raises:
        BackupDamaged: an object is missing, or not what was written.
    """
    for file in source.ledger_objects:
        try:
            body, _ = store.get(file.key, file.bytes)
        except ObjectNotFound as error:
            raise BackupDamaged(f"The backup lacks the object {file.key!r}.") from error
        if len(body) != file.bytes or hashlib.sha256(body).hexdigest() != file.sha256:
            raise BackupDamaged(f"The object {file.key!r} was altered: its SHA-256 differs.")
        try:
            found = [Line.model_validate_json(line) for line in b"".join(decompressed([body])).splitlines()]
        except (InvalidRequest, ValidationError) as error:
            raise BackupDamaged(f"The object {file.key!r} cannot be read.") from error
        if len(found) != file.rows:
            raise BackupDamaged(f"The object {file.key!r} has {len(found)} entries, not {file.rows}.")
        yield from found
