"""Metrics of an invocation, written to the log as it ends (EMF)."""

from __future__ import annotations

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from tableferry.api import logs
from tableferry.errors import TableferryError

metrics = Metrics()


def seconds(value: float) -> None:
    """The metric of how long the invocation took."""
    metrics.add_metric(name="seconds", unit=MetricUnit.Seconds, value=value)


def gauge(**figures: float | None) -> None:
    """Metrics that are levels, in the unit that their names give; what is not known is left out."""
    for name, value in figures.items():
        if value is not None:
            metrics.add_metric(name=name, unit=MetricUnit.NoUnit, value=value)


def count(**figures: int) -> None:
    """Metrics of the invocation, each a number of things (rows, bytes)."""
    for name, value in figures.items():
        metrics.add_metric(
            name=name, unit=MetricUnit.Bytes if name.endswith("bytes") else MetricUnit.Count, value=value
        )


def passed_over(backup_id: str, error: TableferryError) -> None:
    """Log and count a backup that ``latest`` passes over: one that nobody signed may be an attack."""
    logs.logger.warning(
        "a backup is passed over", extra={"backup": backup_id, "error": error.name, "detail": str(error)}
    )
    count(backups_passed_over=1)
