"""Which objects under ``uploads/`` are files to be loaded, and into which table."""

from __future__ import annotations

import re
from urllib.parse import unquote

PREFIX = "uploads/"

# What Hadoop, Spark, EMR and Databricks leave beside their files, and a Mac in its folders.
_BESIDE = re.compile(r"_SUCCESS|_(started|committed)_\d+|_metadata|_common_metadata|\..+\.crc|.*_\$folder\$|\.DS_Store")
_UNFINISHED = {"_temporary", ".spark-staging"}


def is_beside(key: str) -> bool:
    """Whether an object is no upload but what a tool has put beside some: a mark of success, a checksum, a part unfinished."""
    *folders, name = key.removeprefix(PREFIX).split("/")
    return bool(_BESIDE.fullmatch(name)) or any(folder.startswith(tuple(_UNFINISHED)) for folder in folders[1:])


def table_of(key: str) -> str | None:
    """The table that an upload is for; None if its key is not ``uploads/{table}/{file}``."""
    table, _, name = key.removeprefix(PREFIX).partition("/")
    return unquote(table) if key.startswith(PREFIX) and table and name else None


def advice(key: str) -> str:
    """What to do with a file that is in the wrong place."""
    name = key.rsplit("/", 1)[-1] or "file.csv"
    return (
        f"The file {key!r} is in no table's folder: upload it as {PREFIX}{{table}}/{name}, with the table's name "
        "(percent-encoded, where it has other signs than letters and digits)."
    )
