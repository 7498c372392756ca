"""How many workers of pytest a machine gets: three for two processors, as each waits for its servers a third of the time."""

import os

MOST = 4
"""Each has a database server, an S3 emulator and all of the tests in its memory: 1 GB."""


def workers(processors: int | None = None) -> int:
    """So many workers for so many processors; without a number, for those that this process may use."""
    if processors is None:
        usable = getattr(os, "sched_getaffinity", None)  # macOS has none
        processors = len(usable(0)) if usable else os.cpu_count() or 1
    return min(-(-processors * 3 // 2), MOST)
