"""The template's schedules, as EventBridge Scheduler keeps them: each invokes its function at its rate."""

import logging
import threading
from collections.abc import Mapping, Sequence

from local.gateway.function import Function
from local.gateway.pool import Pool
from local.gateway.template import Schedule

log = logging.getLogger(__name__)


class Clock:
    """Invokes the functions of schedules, each in a thread of its own, until it is closed."""

    def __init__(self, schedules: Sequence[Schedule], functions: Mapping[str, Function], pool: Pool) -> None:
        self._stop = threading.Event()
        self._functions, self._pool = functions, pool
        for schedule in schedules:
            threading.Thread(target=self._keep, args=(schedule,), daemon=True).start()

    def close(self) -> None:
        self._stop.set()

    def _keep(self, schedule: Schedule) -> None:
        while not self._stop.wait(schedule.seconds):
            try:
                result = self._pool.invoke(self._functions[schedule.function], schedule.event)
            except Exception as error:  # noqa: BLE001 - whatever it is, the next time must still come
                log.warning("%s: %s", schedule.name, error)
                continue
            if result.failed:
                log.warning("%s failed: %s", schedule.name, result.payload.decode(errors="replace")[:2000])
