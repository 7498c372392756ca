"""A table as the API shows it: the data dictionary."""

from __future__ import annotations

from tableferry.api.models import ColumnView, ForeignKeyView, TableView
from tableferry.mysql.database import Connection
from tableferry.schema import catalog
from tableferry.schema.table import Table


def table(connection: Connection, described: Table) -> TableView:
    """Columns, types, keys, and an estimate of the rows."""
    keys = catalog.foreign_keys_of(connection, described.schema, described.name)
    return TableView(
        name=described.name,
        rows_estimate=described.rows_estimate,
        columns=[
            ColumnView(
                name=column.name,
                type=column.column_type,
                nullable=column.nullable,
                required=column.required,
                generated=column.generated,
                key="primary" if column.name in described.primary_key else None,
            )
            for column in described.columns
        ],
        primary_key=list(described.primary_key),
        foreign_keys=[
            ForeignKeyView(
                name=key.name,
                columns=list(key.columns),
                parent=key.parent_table,
                parent_columns=list(key.parent_columns),
            )
            for key in keys
        ],
    )
