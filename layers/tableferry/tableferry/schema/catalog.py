"""What is in the database: tables, columns, keys, definitions and triggers. The only source of SQL identifiers.

A name that comes from a request is looked up here and becomes part of a statement only as the catalog spells it.
Source: the INFORMATION_SCHEMA tables TABLES, COLUMNS, STATISTICS, KEY_COLUMN_USAGE and TRIGGERS,
https://dev.mysql.com/doc/refman/8.4/en/information-schema.html; MariaDB's differ only where a comment says so.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from itertools import takewhile
from typing import Literal, NamedTuple

import pymysql

from tableferry.errors import NotSupported, RowsMissing, TableNotFound, TableNotServed
from tableferry.mysql.database import Connection, Database, all_rows, dialect, error_code, rows
from tableferry.mysql.identifiers import OWN_PREFIX, possible, qualified, quote
from tableferry.mysql.privileges import need
from tableferry.schema import show_create
from tableferry.schema.table import Column, ForeignKey, Table, Trigger

_NO_SUCH_VIEW = 1109
_ACTIONS = re.compile(r"(?: ON (?:DELETE|UPDATE) (?:CASCADE|RESTRICT|NO ACTION|SET NULL|SET DEFAULT))*$")

# MariaDB compares what is referenced without regard to case and accents, whatever its tables' names may differ by.
_EXACT = (
    "{0} = %s AND CAST(IF(@@lower_case_table_names, LOWER({0}), {0}) AS BINARY)"
    " = CAST(IF(@@lower_case_table_names, LOWER(%s), %s) AS BINARY)"
)

Kind = Literal["TRIGGER", "FOREIGN KEY", "CHECK"]
"""What has names that a schema can have only once; checks on MySQL only."""


class _ColumnRow(NamedTuple):
    """A row of INFORMATION_SCHEMA.COLUMNS, as the expressions of ``_COLUMN_ROW`` give it."""

    name: str
    data_type: str
    column_type: str | bytes
    nullable: int
    default: object
    extra: str
    charset: str | None
    characters: int | None
    octets: int | None
    precision: int | None
    scale: int | None
    fraction: int | None
    position: int
    collation: str | None


_COLUMN_ROW = {
    "name": "column_name",
    "data_type": "data_type",
    "column_type": "column_type",
    "nullable": "is_nullable = 'YES'",
    "default": "column_default",
    "extra": "UPPER(extra)",
    "charset": "character_set_name",
    "characters": "character_maximum_length",
    "octets": "character_octet_length",
    "precision": "numeric_precision",
    "scale": "numeric_scale",
    "fraction": "datetime_precision",
    "position": "ordinal_position",
    "collation": "collation_name",
}


def own_schemas(connection: Connection) -> set[str]:
    """The schemas of Tableferry's own."""
    pattern = OWN_PREFIX.replace("_", r"\_") + "%"
    found = rows(
        connection, "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE %s", (pattern,)
    )
    return {str(name) for (name,) in found}


def read_only(connection: Connection, schemas: Collection[str]) -> list[str]:
    """Those of the schemas that are read-only by themselves, as MySQL's may be since 8.0.22 (ALTER DATABASE)."""
    if not dialect(connection).read_only_schemas:
        return []
    try:
        found = all_rows(
            connection,
            "SELECT schema_name FROM information_schema.schemata_extensions WHERE options LIKE '%READ ONLY=1%'",
        )
    except pymysql.err.MySQLError as error:
        if error_code(error) != _NO_SUCH_VIEW:
            raise
        return []
    return sorted({str(name) for (name,) in found} & set(schemas))


def table_names(connection: Connection, schema: str) -> list[str]:
    """The base tables of a schema that are not Tableferry's own, by name.

    Raises:
        RowsMissing: there are more than have arrived.
    """
    tables = "FROM information_schema.tables WHERE table_schema = %s AND table_type = 'BASE TABLE'"
    # Counted before anything is cut; of no row nothing is said, so that it is asked by itself.
    found = all_rows(connection, f"SELECT table_name, COUNT(*) OVER () {tables} ORDER BY table_name", (schema,))
    counted = found[0][1] if found else rows(connection, f"SELECT COUNT(*) {tables}", (schema,))[0][0]
    if counted != len(found):
        raise RowsMissing(
            f"The database has {counted} tables, and the names of {len(found)} arrived: look whether a proxy before the "
            "server limits or filters what is read."
        )
    return [name for name, _ in found if not name.startswith(OWN_PREFIX)]


def has_table(connection: Connection, schema: str, name: str) -> bool:
    """Whether there is a table of exactly this name that can have foreign keys, or be what they point at.

    That is a base table, or one of MariaDB's system-versioned ones, which are not backed up.
    """
    found = all_rows(
        connection,
        "SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_name = %s"
        " AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')",
        (schema, name),
    )
    return (name,) in found


def served_names(connection: Connection, database: Database) -> list[str]:
    """The base tables of a database that may be read and written, by name."""
    return [name for name in table_names(connection, database.name) if name in database.served]


def passed_over(connection: Connection, database: Database) -> list[str]:
    """What the database holds besides base tables, such as ``view recent``: it is not backed up with "all tables"."""
    found = all_rows(
        connection,
        "SELECT LOWER(table_type), table_name FROM information_schema.tables WHERE table_schema = %s"
        " AND table_type <> 'BASE TABLE' ORDER BY 1, 2",
        (database.name,),
    )
    kinds = {"system versioned": "system-versioned table"}
    return [f"{kinds.get(kind, kind)} {name}" for kind, name in found if name in database.served]


def describe(connection: Connection, database: Database, name: str) -> Table:
    """One table.

    Raises:
        InvalidRequest: no table can be named so.
        TableNotServed: the setting TABLES leaves it out.
        TableNotFound: the database has no base table of exactly this name, or it is Tableferry's own.
    """
    if possible(name) not in database.served:
        raise TableNotServed(name)
    found = [
        row
        for row in all_rows(
            connection,
            "SELECT table_name, engine, table_rows, data_length FROM information_schema.tables"
            " WHERE table_schema = %s AND table_name = %s AND table_type = 'BASE TABLE'",
            (database.name, name),
        )
        if row[0] == name and not name.startswith(OWN_PREFIX)
    ]
    if not found:
        raise TableNotFound(name, served_names(connection, database))
    return _table(connection, database.name, name, *found[0][1:])


def describe_all(connection: Connection, database: Database, names: Sequence[str] | None = None) -> list[Table]:
    """The named tables, or all that are served, by name; raises as ``describe`` does."""
    wanted = served_names(connection, database) if names is None else sorted(set(names))
    return [describe(connection, database, name) for name in wanted]


def estimates(connection: Connection, database: Database) -> list[Table]:
    """The tables that are served, by their engine's guess of rows and bytes and without their columns, in one look."""
    found = all_rows(
        connection,
        "SELECT table_name, engine, table_rows, data_length FROM information_schema.tables WHERE table_schema = %s"
        " AND table_type = 'BASE TABLE' ORDER BY table_name",
        (database.name,),
    )
    return [
        Table(database.name, name, engine or "", (), (), rows_estimate=row_count or 0, bytes_estimate=size or 0)
        for name, engine, row_count, size in found
        if name in database.served and not name.startswith(OWN_PREFIX)
    ]


def table(connection: Connection, schema: str, name: str) -> Table:
    """A table that is there, of any schema; of its engine and size nothing is said."""
    return _table(connection, schema, name, None, None, None)


def definition(connection: Connection, schema: str, name: str) -> str:
    """What SHOW CREATE TABLE says; raises NotSupported where that is no text, as MariaDB's is with a default of bytes."""
    try:
        return str(rows(connection, f"SHOW CREATE TABLE {qualified(schema, name)}")[0][1])
    except UnicodeDecodeError as error:
        raise NotSupported(
            f"The definition of table {name!r} holds bytes that are no text, such as a default of a binary column, which "
            "this server cannot show. Give the column a default by expression: DEFAULT (UNHEX('…'))."
        ) from error


def triggers(connection: Connection, schema: str, table: str) -> list[Trigger]:
    """A table's triggers in the order in which they fire; raises MissingPrivilege if there could be some unseen."""
    names = all_rows(
        connection,
        "SELECT trigger_name FROM information_schema.triggers WHERE event_object_schema = %s"
        " AND event_object_table = %s ORDER BY event_manipulation, action_timing, action_order",
        (schema, table),
    )
    if not names:
        need(connection, "TRIGGER", schema, table, ", and so would not be shown its triggers")
    found = []
    for (name,) in names:
        _, sql_mode, text, client, collation, *_ = rows(connection, f"SHOW CREATE TRIGGER {qualified(schema, name)}")[0]
        found.append(Trigger(str(name), str(text), str(sql_mode), str(client), str(collation)))
    return found


def fires(connection: Connection, schema: str, table: str, event: str) -> bool:
    """Whether a table has a trigger of this event, such as INSERT, that the user may see."""
    found = rows(
        connection,
        "SELECT 1 FROM information_schema.triggers WHERE event_object_schema = %s AND event_object_table = %s"
        " AND event_manipulation = %s LIMIT 1",
        (schema, table, event),
    )
    return bool(found)


def taken(
    connection: Connection, schema: str, kind: Kind, names: Collection[str], without: Collection[str]
) -> dict[str, str]:
    """Which of the names are taken in a schema by things of this kind, and by which table's, but for some tables'.

    The server compares them, as it does when one is made: ``TRG`` is ``trg`` to MySQL.
    """
    if not names:
        return {}
    column, wanted = "constraint_name", list(names)
    query = "table_name FROM information_schema.table_constraints WHERE constraint_schema = %s AND constraint_type = %s"
    if kind == "TRIGGER":
        column, query = "trigger_name", "event_object_table FROM information_schema.triggers WHERE trigger_schema = %s"
    compared = dialect(connection).compared_names[kind]
    marks = ", ".join([compared.format("%s")] * len(wanted))
    found = all_rows(
        connection,
        f"SELECT FIELD({compared.format(column)}, {marks}), {query}",
        (*wanted, schema) if kind == "TRIGGER" else (*wanted, schema, kind),
    )
    return {wanted[place - 1]: str(table) for place, table in found if place and table not in without}


def foreign_keys_of(connection: Connection, schema: str, table: str) -> list[ForeignKey]:
    """The foreign keys that the table has."""
    return _foreign_keys(connection, "k.table_schema = %s AND k.table_name = %s", (schema, table))


def foreign_keys_to(connection: Connection, schema: str, table: str) -> list[ForeignKey]:
    """The foreign keys that point at the table."""
    where = f"{_EXACT.format('k.referenced_table_schema')} AND {_EXACT.format('k.referenced_table_name')}"
    return _foreign_keys(connection, where, (*[schema] * 3, *[table] * 3))


def _table(
    connection: Connection, schema: str, name: str, engine: str | None, row_count: int | None, size: int | None
) -> Table:
    columns = [
        _ColumnRow(**dict(zip(_COLUMN_ROW, row, strict=True)))
        for row in all_rows(
            connection,
            f"SELECT {', '.join(_COLUMN_ROW.values())} FROM information_schema.columns"
            " WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position",
            (schema, name),
        )
    ]
    documents = _documents(connection, schema, name) if any(row.data_type == "longtext" for row in columns) else set()
    primary_key = all_rows(
        connection,
        "SELECT column_name, sub_part IS NULL, collation FROM information_schema.statistics WHERE table_schema = %s"
        " AND table_name = %s AND index_name = 'PRIMARY' ORDER BY seq_in_index",
        (schema, name),
    )
    ordered = takewhile(lambda part: part[1] and part[2] == primary_key[0][2], primary_key)
    return Table(
        schema=schema,
        name=name,
        engine=engine or "",
        columns=tuple(_column(row, row.name in documents) for row in columns),
        primary_key=tuple(str(part[0]) for part in primary_key),
        ordered_key=tuple(str(part[0]) for part in ordered),
        rows_estimate=row_count or 0,
        bytes_estimate=size or 0,
    )


def _column(row: _ColumnRow, document: bool) -> Column:
    text = row.column_type.decode() if isinstance(row.column_type, bytes) else str(row.column_type)
    nullable = bool(row.nullable)
    # MariaDB spells "no default, may be NULL" as the text NULL, which is MySQL's for a default of that text.
    has_default = row.default is not None and not (nullable and row.default == "NULL")
    return Column(
        name=row.name,
        data_type=row.data_type.lower(),
        column_type=text,
        nullable=nullable,
        has_default=has_default or "DEFAULT_GENERATED" in row.extra,
        extra=row.extra,
        charset=row.charset,
        characters=row.characters,
        octets=row.octets,
        precision=row.precision,
        scale=row.scale,
        fraction=row.fraction or 0,
        position=row.position,
        collation=row.collation,
        document=document,
    )


def _documents(connection: Connection, schema: str, table: str) -> set[str]:
    """The columns that MariaDB was told are JSON."""
    if not dialect(connection).json_is_a_check:
        return set()
    found = all_rows(
        connection,
        "SELECT constraint_name FROM information_schema.check_constraints WHERE constraint_schema = %s"
        " AND table_name = %s AND level = 'Column' AND check_clause LIKE 'json_valid(%%'",
        (schema, table),
    )
    return {str(name) for (name,) in found}


def _foreign_keys(connection: Connection, where: str, parameters: tuple[str, ...]) -> list[ForeignKey]:
    found = all_rows(
        connection,
        "SELECT k.constraint_name, k.table_schema, k.table_name, k.column_name, k.referenced_table_schema,"
        " k.referenced_table_name, k.referenced_column_name FROM information_schema.key_column_usage k"
        f" WHERE {where} AND k.referenced_table_name IS NOT NULL"
        " ORDER BY k.table_schema, k.table_name, k.constraint_name, k.ordinal_position",
        parameters,
    )
    grouped: dict[tuple[str, str, str], list[tuple[str, ...]]] = {}
    for row in found:
        grouped.setdefault((row[1], row[2], row[0]), []).append(row)
    return [
        ForeignKey(
            name=name,
            schema=schema,
            table=table,
            columns=tuple(part[3] for part in parts),
            parent_schema=parts[0][4],
            parent_table=parts[0][5],
            parent_columns=tuple(part[6] for part in parts),
            actions=_actions(definition(connection, schema, table), name),
        )
        for (schema, table, name), parts in grouped.items()
    ]


def _actions(text: str, constraint: str) -> str:
    """What a foreign key's line says after its columns.

    REFERENTIAL_CONSTRAINTS will not do: MariaDB shows its default, RESTRICT, as NO ACTION there.
    """
    start = f"  CONSTRAINT {quote(constraint)} FOREIGN KEY "
    line = next((line for line in show_create.foreign_key_lines(text) if line.startswith(start)), "")
    found = _ACTIONS.search(line)
    return found[0] if found else ""
