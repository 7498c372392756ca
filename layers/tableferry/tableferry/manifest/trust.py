"""Whose word a restore takes for what a backup is: a manifest's signature, or, if it is told to, nobody's.

`manifest.read` checks the signature; here is what a restore may do without one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from tableferry.errors import BackupDamaged, DefinitionDiffers, TableferryError
from tableferry.manifest import manifest
from tableferry.manifest.latest import PassedOver, latest
from tableferry.manifest.manifest import Manifest
from tableferry.schema import show_create
from tableferry.signing import Keys
from tableferry.storage.bucket import Store


def open_backup(
    store: Store,
    backup_id: str,
    keys: Keys,
    trust: bool,
    database: str,
    tables: Collection[str] | None = None,
    passed_over: PassedOver = lambda *_: None,
) -> Manifest:
    """The manifest that a restore works from: of an id, signed unless it is to be trusted, or of ``latest``.

    The latest of the ``database`` with these ``tables`` is always a signed one: what is to be trusted is named.
    Of one that is only trusted, the SQL is held to plain definitions of tables, and there are no triggers.
    Raises BackupNotFound and BackupDamaged.
    """
    if backup_id == "latest":
        return latest(store, keys, database, tables, passed_over)
    found = manifest.read(store, backup_id, None if trust else keys)
    if not trust:
        return found
    for table in found.tables:
        charsets = (codec.charset for codec in table.codecs)
        if not (
            show_create.is_plain(table.definition)
            and all(show_create.is_actions(key.actions) for key in table.foreign_keys)
            and all(not charset or charset.isidentifier() for charset in charsets)
        ):
            raise BackupDamaged(f"The definition of table {table.name!r} is more than a CREATE TABLE.")
        lines = [show_create.foreign_key_line(key) for key in table.foreign_keys if key.parent_schema == found.database]
        if sorted(lines) != sorted(show_create.foreign_key_lines(table.definition)) or len(lines) < len(
            table.foreign_keys
        ):
            raise BackupDamaged(f"The foreign keys of table {table.name!r} are not those of its definition.")
    plain = tuple(table.model_copy(update={"triggers": ()}) for table in found.tables)
    return found.model_copy(update={"tables": plain})


@contextmanager
def on_trust(trust: bool) -> Iterator[None]:
    """What nobody has signed may describe tables that cannot be: then any error is the manifest's, not ours.

    Raises:
        BackupDamaged: in place of DefinitionDiffers and of an error that nobody foresaw, where the manifest is only
            trusted.
    """
    try:
        yield
    except DefinitionDiffers as error:
        if not trust:
            raise
        raise BackupDamaged(str(error)) from error
    except TableferryError:
        raise
    except Exception as error:
        if not trust:
            raise
        raise BackupDamaged(
            "The manifest is not signed, and what it says of its tables does not fit together. Nothing was changed."
        ) from error
