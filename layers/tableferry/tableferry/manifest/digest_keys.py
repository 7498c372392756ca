"""Which key the digests of a backup are made with: one derived from a signing key of the deployment."""

from __future__ import annotations

from tableferry.columnar.digest import PLAIN, Hashing
from tableferry.errors import BackupDamaged
from tableferry.manifest.manifest import Manifest
from tableferry.signing import Keys
from tableferry.storage.bucket import Store


def newest(keys: Keys) -> tuple[str, Hashing]:
    """The id of the key that signs now, and how rows are hashed with it. Raises Misconfigured without one."""
    key_id = keys.ids[0]
    return key_id, Hashing(keys.for_digests(key_id))


def of(store: Store, source: Manifest) -> Hashing:
    """How the rows of a backup were hashed; raises BackupDamaged if that takes a key that is not here."""
    if source.digest_key is None:
        return PLAIN
    if not is_known(store, source):
        raise BackupDamaged(
            f"The digests of backup {source.id!r} were made with the key {source.digest_key[:8]!r}, which this "
            "deployment does not have, so that its rows cannot be held against them."
        )
    return Hashing(store.keys.for_digests(source.digest_key))


def is_known(store: Store, source: Manifest) -> bool:
    """Whether the digests of a backup can be made here."""
    return source.digest_key is None or source.digest_key in store.keys.ids
