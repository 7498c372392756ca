"""The cases with functions: one backup over several of them beside the same one by one function with two connections."""

from collections.abc import Callable, Sequence

from benchmarks.common.place import Place
from benchmarks.common.series import Series, timed
from benchmarks.verbs.keys import TABLE, filled
from local.demo.expect import check

Told = Callable[[str], None]

OVER = (2, 8)


def backups(place: Place, database_url: str, rows: int, repeats: int, told: Told) -> Sequence[Series]:
    """A backup of so many rows of about 190 bytes by one function, and over each of ``OVER``, with one connection each.

    The runtime has to have ``SCALE_CONNECTIONS=1`` and ``WORKERS=2``.
    """
    alone = Series("backup, one function with 2 connections", rows, short="one function")
    cases = {
        workers: Series(f"backup over {workers} functions with 1 connection each", rows, (alone,)) for workers in OVER
    }
    ways = [(1, alone), *cases.items()]
    with filled(database_url, "a whole number", rows), place.client() as client:
        for turn in range(repeats + 1):
            told(f"backup over functions: {turn} of {repeats}")
            for workers, series in ways if turn % 2 == 0 else reversed(ways):
                with timed(series.seconds):
                    made = client.job("/backups", {"tables": [TABLE], "workers": workers}, lambda *_: None)
                check("rows in the backup", made["rows"], rows)
                check("functions that made it", made["workers"], workers)
    for _, series in ways:
        series.without_first()
    return list(cases.values())
