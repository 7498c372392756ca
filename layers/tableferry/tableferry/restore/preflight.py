"""What a restore needs of the live database before anything is built; all that is not so is reported at once, by name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from tableferry.columnar.formats import Format
from tableferry.errors import Conflict, Finding, MissingPrivilege
from tableferry.ingest.loads import unfinished
from tableferry.mysql import privileges
from tableferry.mysql.database import Connection, rows, server_version
from tableferry.mysql.identifiers import OWN_PREFIX
from tableferry.mysql.version import Dialect, Server, dialect_of
from tableferry.restore import live_tables
from tableferry.restore.build.shadow import keyless_settings
from tableferry.restore.build.target import Item, Target
from tableferry.restore.swap import Move, followers
from tableferry.schema import catalog, show_create, translate
from tableferry.schema.table import ForeignKey

_OF_LIVE = ("CREATE", "INSERT", "ALTER", "DROP", "TRIGGER")  # a rename there and back, and triggers
_OF_SHADOW = ("CREATE", "SELECT", "INSERT", "ALTER", "DROP", "TRIGGER")
_OF_ANOTHER_KEY = (
    "The backup's digests were made with a key that this deployment does not have; what was restored was held against the "
    "rows of its files instead."
)


@dataclass(frozen=True, slots=True)
class _Looked:
    """All that the checks look at."""

    connection: Connection
    target: Target
    live: Collection[str]
    server: Server
    keys: Sequence[ForeignKey]
    following: Sequence[ForeignKey]
    """Foreign keys of tables that stay, to those that are replaced."""

    @property
    def dialect(self) -> Dialect:
        return dialect_of(self.server)

    @property
    def going(self) -> set[str]:
        return {item.into for item in self.target.items}

    @property
    def same_names(self) -> list[Item]:
        """The tables that keep their names, and so their triggers."""
        return [item for item in self.target.items if not item.renamed]


def check_requirements(connection: Connection, target: Target, live: Collection[str]) -> None:
    """Raise MissingPrivilege or Conflict, with all findings, if the tables could not be built and swapped in."""
    if found := look(connection, target, live):
        lacks = any(finding.code == "privileges" for finding in found)
        raise (MissingPrivilege if lacks else Conflict).of(*found)


def look(connection: Connection, target: Target, live: Collection[str]) -> list[Finding]:
    """Find all that would keep the tables from being built and swapped in; change nothing.

    ``live`` are the names of the tables that are there. Returns a finding for each problem, with its check's name as code.
    """
    server = Server.of(server_version(connection))
    looked = _Looked(connection, target, live, server, target.foreign_keys(), following(connection, target, live))
    return [Finding(code, table, message) for code, check in CHECKS.items() for table, message in check(looked)]


def following(connection: Connection, target: Target, live: Collection[str]) -> list[ForeignKey]:
    """Foreign keys of tables that stay, pointing at the tables to be replaced."""
    place = target.place
    moves = [Move(item.into, place.live, place.old, place.shadow, leaves=item.into in live) for item in target.items]
    return followers(connection, moves)


def notes(connection: Connection, target: Target) -> list[str]:
    """What will not be as it was, though nothing is lost, or though it was asked for."""
    source, items = target.source, target.items
    found = unfinished.notes(connection, [item.into for item in items])
    found += [note for item in items for note in _inexact(item)]
    found += [_without_triggers(item) for item in items if item.renamed and item.entry.triggers]
    if source.version > 1 and source.digest_key is None:
        found.append(_OF_ANOTHER_KEY)
    if other := translate.other_server(source.server, connection):
        found += [note for item in items for note in translate.notes(item.entry.definition, item.entry.name, other)]
    return found


def _without_triggers(item: Item) -> str:
    names = ", ".join(repr(trigger.name) for trigger in item.entry.triggers)
    return (
        f"Table {item.entry.name!r} comes without its triggers ({names}) as {item.into!r}: triggers' names are the schema's, "
        "and stay with the name that the table had. Make them on it by other names if they are wanted."
    )


def _read_only(looked: _Looked) -> Iterator[tuple[str, str]]:
    for message in live_tables.read_only(looked.connection, looked.target.place.live, looked.following):
        yield "", message


def _privileges(looked: _Looked) -> Iterator[tuple[str, str]]:
    """Each privilege once, with all tables for which it is lacking."""
    place, wanted = looked.target.place, []
    for item in looked.target.items:
        wanted += [(privilege, place.live, item.into) for privilege in _OF_LIVE]
        wanted += [(privilege, schema, item.into) for schema in (place.shadow, place.old) for privilege in _OF_SHADOW]
    for key in looked.keys:
        wanted += [("SELECT", key.parent_schema, key.parent_table)]
        if looked.dialect.wants_references:
            wanted += [("REFERENCES", key.parent_schema, key.parent_table)]
    for key in looked.following:  # which will be dropped and added again
        wanted += [("SELECT", key.schema, key.table), ("ALTER", key.schema, key.table)]
        if looked.dialect.wants_references:
            wanted += [("REFERENCES", key.parent_schema, key.parent_table)]
    lacking: dict[tuple[str, str], list[str]] = {}
    for privilege, schema, table in privileges.missing(looked.connection, dict.fromkeys(wanted)):
        own = schema.startswith(OWN_PREFIX)
        named = lacking.setdefault((privilege, "" if own else schema), [])
        if not own and table not in named:
            named.append(table)
    for (privilege, _), tables in lacking.items():
        where = "table " + ", ".join(repr(table) for table in tables) if tables else r"the schemas `tableferry\_%`"
        yield (
            tables[0] if len(tables) == 1 else "",
            (
                f"The database user lacks the privilege {privilege} on {where}. What Tableferry needs is in "
                "sources/grants.sql, statement by statement."
            ),
        )


def _local_infile(looked: _Looked) -> Iterator[tuple[str, str]]:
    [(on,)] = rows(looked.connection, "SELECT @@GLOBAL.local_infile")
    if not on:
        yield "", "The server has local_infile off: set it to 1 in the parameter group."


def _primary_keys(looked: _Looked) -> Iterator[tuple[str, str]]:
    """A server may refuse tables without a primary key, or give them one that was not in the backup."""
    tables = [item for item in looked.target.items if not item.entry.primary_key]
    for setting in keyless_settings(looked.connection) if tables else []:
        for item in tables:
            yield (
                item.entry.name,
                (
                    f"Table {item.entry.name!r} has no primary key, and the server has {setting} on, which lets no table be "
                    "made as this one was. Set it to OFF for the restore (on RDS in the parameter group)"
                    + (
                        ", or grant SESSION_VARIABLES_ADMIN to the database user: then a restore does so for itself."
                        if looked.dialect.session_admin
                        else "."
                    )
                ),
            )


def _taken_tables(looked: _Looked) -> Iterator[tuple[str, str]]:
    """A table of another name that a table is to get is replaced only if that is asked for."""
    for item in looked.target.items:
        if item.renamed and item.into in looked.live and not item.replace:
            yield (
                item.into,
                (
                    f"Table {item.entry.name!r} was to become {item.into!r}, and there is a table of that name: choose another "
                    "name, or have that table replaced by saying `replace`."
                ),
            )


def _crossing(looked: _Looked) -> Iterator[tuple[str, str]]:
    """What a server of the other kind has no word for."""
    other = translate.other_server(looked.target.source.server, looked.connection)
    if other is None:
        return
    for item in looked.target.items:
        for obstacle in translate.translated(item.entry.definition, item.entry.name, other)[1]:
            yield item.entry.name, obstacle


def _inexact_json(looked: _Looked) -> Iterator[tuple[str, str]]:
    for item in looked.target.items:
        for note in () if item.inexact_json else _inexact(item):
            yield item.entry.name, f"{note} To restore them so, ask for it: allow_inexact_json."


def _inexact(item: Item) -> list[str]:
    return [
        f"JSON column {name!r} of table {item.entry.name!r} holds in {count} rows scalars that no text gives back (a "
        "DECIMAL, a date, bytes, put in by SQL functions); restored, they are the numbers and strings that they look like."
        for name, count in item.entry.inexact.items()
    ]


def _parents(looked: _Looked) -> Iterator[tuple[str, str]]:
    for key in looked.keys:
        if key.parent_schema == looked.target.place.live and not catalog.has_table(
            looked.connection, key.parent_schema, key.parent_table
        ):
            yield (
                key.table,
                (
                    f"Table {key.table!r} points at table {key.parent_table!r} (foreign key {key.name!r}), which is not "
                    "there: restore it together with this one."
                ),
            )


def _foreign_key_names(looked: _Looked) -> Iterator[tuple[str, str]]:
    """A foreign key's name, which a schema can have only once, may belong to a table that stays."""
    names = [
        (item.into, show_create.beside(item.into, key.name) if item.renamed else key.name)
        for item in looked.target.items
        for key in item.entry.foreign_keys
    ]
    yield from _taken(looked, "foreign key", "FOREIGN KEY", names)


def _check_names(looked: _Looked) -> Iterator[tuple[str, str]]:
    """So may a check's on MySQL; on MariaDB each table has names of its own."""
    if not looked.dialect.checks_of_one_schema:
        return
    other = translate.other_server(looked.target.source.server, looked.connection)
    names = []
    for item in looked.target.items:
        text = item.entry.definition
        if other:
            text, _ = translate.translated(text, item.entry.name, other)
        own = show_create.own_check_names(text, item.into) if item.renamed else show_create.check_names(text)
        names += [(item.into, name) for name in own]
    seen: dict[str, str] = {}
    for table, name in names:
        if (first := seen.setdefault(name.lower(), table)) != table:
            yield (
                table,
                f"Tables {first!r} and {table!r} both have a check {name!r}, and {looked.server} wants it once.",
            )
    yield from _taken(looked, "check", "CHECK", names)


def _taken(
    looked: _Looked, what: str, kind: catalog.Kind, names: Sequence[tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    wanted = [name for _, name in names]
    taken = catalog.taken(looked.connection, looked.target.place.live, kind, wanted, looked.going)
    for table, name in names:
        if name in taken:
            yield (
                table,
                (
                    f"{what.capitalize()} {name!r} of table {table!r} cannot come back: table {taken[name]!r} has one "
                    "of that name. Rename it, or restore `into` another name."
                ),
            )


def _trigger_names(looked: _Looked) -> Iterator[tuple[str, str]]:
    """A trigger's name, too, is the schema's."""
    wanted = [trigger.name for item in looked.same_names for trigger in item.entry.triggers]
    taken = catalog.taken(looked.connection, looked.target.place.live, "TRIGGER", wanted, looked.going)
    for item in looked.same_names:
        for trigger in item.entry.triggers:
            if trigger.name in taken:
                yield (
                    item.into,
                    (
                        f"Trigger {trigger.name!r} of table {item.into!r} cannot come back: table {taken[trigger.name]!r} has "
                        "one of that name. Drop it, or restore `into` another name."
                    ),
                )


def _other_things(looked: _Looked) -> Iterator[tuple[str, str]]:
    """A view, a sequence or the like of the name that a table is to get can neither be replaced nor kept."""
    found = rows(
        looked.connection,
        "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = %s"
        " AND table_type <> 'BASE TABLE'",
        (looked.target.place.live,),
    )
    taken = {str(name): str(kind).lower() for name, kind in found}
    for item in looked.target.items:
        if item.into in taken:
            yield (
                item.into,
                f"The database has a {taken[item.into]} named {item.into!r}: drop it, or restore `into` another name.",
            )


def _packet(looked: _Looked) -> Iterator[tuple[str, str]]:
    """Rows that the server would not take or give whole, as far as the manifest shows: files larger than so many packets.

    A file is no larger than its rows but for what it says of itself, so that their mean, less that, is in some row. Of
    CSV half is taken, for bytes are two digits each there.
    """
    [(limit,)] = rows(looked.connection, "SELECT @@GLOBAL.max_allowed_packet")
    digits = 2 if looked.target.source.format is Format.CSV else 1
    for item in looked.target.items:
        row = item.entry.row_bytes // digits
        if row > int(limit):
            yield (
                item.into,
                (
                    f"Table {item.entry.name!r} has rows of {row} bytes or more, and the server's max_allowed_packet is "
                    f"{limit}: raise it first."
                ),
            )


CHECKS: dict[str, Callable[[_Looked], Iterator[tuple[str, str]]]] = {
    "read-only": _read_only,
    "privileges": _privileges,
    "local-infile": _local_infile,
    "taken-tables": _taken_tables,
    "primary-keys": _primary_keys,
    "crossing": _crossing,
    "inexact-json": _inexact_json,
    "parents": _parents,
    "foreign-key-names": _foreign_key_names,
    "check-names": _check_names,
    "trigger-names": _trigger_names,
    "other-things": _other_things,
    "max-allowed-packet": _packet,
}
"""What is looked at, by its name in answers."""
