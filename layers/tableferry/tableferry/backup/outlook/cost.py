"""What a backup costs, by a table of prices and of what was measured: docs/deploy.md has both, and how they came about."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tableferry.backup.outlook.capacity import GATHERING_SECONDS, Choice

AS_OF = "2026-11-25"
"""Of when the prices are: what AWS lists for us-east-1 and x86_64, as docs/deploy.md has it since that day, and for Step
Functions as its page (aws.amazon.com/step-functions/pricing) had it at last; without what is free each month."""

DOLLARS_A_GB_SECOND = 0.0000166667
DOLLARS_A_PUT = 0.005 / 1000
DOLLARS_A_TRANSITION = 0.025 / 1000
DOLLARS_A_GB_MONTH = 0.023

FUNCTION_GB = 1.77
"""The memory of a function as the template sets it, 1,769 MB."""

OBJECTS_A_GB = 231
"""Objects of a GB of table: measured, of rows of 180 bytes as Parquet."""

STORED = 0.42
"""Bytes in the bucket of a byte of table: measured, of the same rows, which are hardly compressible."""

TASK_BYTES = 1024**3
"""About so much of a static source is read by one invocation."""

_TRANSITIONS, _TRANSITIONS_AN_INVOCATION = 9, 2
"""Of the state machine (workflows/backup.asl.json): its start and the states up to its end, and of each child of its map."""


@dataclass(frozen=True, slots=True)
class Cost:
    """US dollars: once for functions, requests and the state machine, and a month for what is kept."""

    functions: float
    requests: float
    state_machine: float
    storage_a_month: float

    @property
    def once(self) -> float:
        return self.functions + self.requests + self.state_machine


def objects(size: int, tables: int) -> int:
    """About how many objects so many tables with so many bytes become, with the manifest."""
    return max(math.ceil(size / 1e9 * OBJECTS_A_GB), tables) + 1


def stored_bytes(size: int, choice: Choice) -> int:
    """About how many bytes they take in the bucket: by earlier backups, where these were measured."""
    return round(size * (STORED if choice.pace.stored is None else choice.pace.stored))


def cost(size: int, tables: int, choice: Choice) -> Cost:
    """What a backup of so many bytes in so many tables costs, done as chosen; nothing of the database's own is in it."""
    seconds = choice.workers * choice.seconds
    transitions = 0
    if not choice.one:
        seconds += 2 * GATHERING_SECONDS  # who plans and puts together, and who holds the moment
        invocations = choice.workers if choice.source == "live" else math.ceil(size / TASK_BYTES)
        transitions = _TRANSITIONS + _TRANSITIONS_AN_INVOCATION * invocations
    return Cost(
        functions=seconds * FUNCTION_GB * DOLLARS_A_GB_SECOND,
        requests=objects(size, tables) * DOLLARS_A_PUT,
        state_machine=transitions * DOLLARS_A_TRANSITION,
        storage_a_month=stored_bytes(size, choice) / 1e9 * DOLLARS_A_GB_MONTH,
    )
