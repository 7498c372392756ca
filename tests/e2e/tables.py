"""The sample's tables in the runtime's database, which is the tests' own."""

from local.demo.sample import COLUMNS, SOURCES, Connection
from local.runtime.database import split_statements


def recreate(connection: Connection) -> None:
    """Have the three tables there and empty, whatever was in them."""
    with connection.cursor() as cursor:
        cursor.execute("SET foreign_key_checks = 0")
        for table in COLUMNS:
            cursor.execute(f"DROP TABLE IF EXISTS `{table}`")
        for statement in split_statements((SOURCES / "schema.sql").read_text(encoding="utf-8")):
            cursor.execute(statement)
        cursor.execute("SET foreign_key_checks = 1")
