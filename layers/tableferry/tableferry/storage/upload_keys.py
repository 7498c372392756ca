"""Which objects under ``uploads/`` are files to be loaded, and into which table."""

from __future__ import annotations

import re

from tableferry.storage import object_keys

# What Hadoop, Spark, EMR and Databricks leave beside their files, and a Mac in its folders.
_BESIDE = re.compile(r"_SUCCESS|_(started|committed)_\d+|_metadata|_common_metadata|\..+\.crc|.*_\$folder\$|\.DS_Store")
_UNFINISHED = {"_temporary", ".spark-staging"}


def is_beside(key: str) -> bool:
    """Whether an object is no upload but what a tool has put beside some: a mark of success, a checksum, part of a file."""
    *folders, name = key.removeprefix(object_keys.UPLOADS).split("/")
    return bool(_BESIDE.fullmatch(name)) or any(folder.startswith(tuple(_UNFINISHED)) for folder in folders[1:])


def advice(key: str) -> str:
    """What to do with a file that is in the wrong place."""
    name = key.rsplit("/", 1)[-1] or "file.csv"
    return (
        f"The file {key!r} is in no table's folder: upload it as {object_keys.UPLOADS}{{table}}/{name}, with the table's name "
        "(percent-encoded, where it has other signs than letters and digits)."
    )
