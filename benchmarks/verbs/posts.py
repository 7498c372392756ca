"""POST of 1,000 rows: one after the other, and as many a second as are due whatever became of those before."""

import http.client
import itertools
import json
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from benchmarks.common.place import Place
from benchmarks.common.plain_ways import BATCH, TABLE, Plain
from benchmarks.common.report import duration, markdown_row, mebibytes
from benchmarks.common.series import Series, timed
from local.demo.expect import check
from sources.generate import employees

_WARM_UP = 5
_WARM_UP_SECONDS = 5
_THREADS = 64  # as many requests as can be under way: the local gateway has no more threads either
_PATH = f"/tables/{TABLE}/rows"
_LEAD = 0.2  # seconds for all threads to be there before the first request is due
_HEADS = ("peak memory", "processes of the function")


def back_to_back(place: Place, plain: Plain, requests: int) -> Series:
    """POST of 1,000 rows, over and over; the plain way is `executemany` in one transaction."""
    inserts = Series("PyMySQL executemany", BATCH, short="executemany")
    case = Series(f"POST of {BATCH:,} rows", BATCH, (inserts,))
    plain.empty()
    batches = _batches(2 * (requests + _WARM_UP))
    with httpx.Client(base_url=place.env["API_URL"], timeout=60) as client:
        for number in range(-_WARM_UP, requests):
            batch, other = next(batches), next(batches)
            if number == 0:
                place.memory.forget()
            with timed(case.seconds if number >= 0 else []):
                answer = client.post(_PATH, json=batch)
            check("a POST's status", answer.status_code, 201)
            with timed(inserts.seconds if number >= 0 else []):
                plain.insert(other)
    case.saw(place.memory.peak("InsertFunction"))
    return case


@dataclass(frozen=True)
class OpenLoop:
    """What came of requests that were sent when they were due.

    ``latencies`` are from the moment each was due, so that waiting in a queue counts; ``late`` is how long after it the
    client sent each, which has to be next to nothing, or it is the client that was measured.
    """

    rate: float
    latencies: Sequence[float]
    late: Sequence[float]
    peak: int | None = None
    processes: int = 0

    def text(self) -> str:
        """A table of one row."""
        heads = f"POST of {BATCH:,} rows", "requests", "p50", "p95", "p99", "max", "client late (p99, max)", *_HEADS
        hundredths = statistics.quantiles(self.latencies, n=100, method="inclusive")
        late = statistics.quantiles(self.late, n=100, method="inclusive")
        cells = (
            f"{self.rate:g} a second, due in an even beat",
            str(len(self.latencies)),
            *(duration(hundredths[percent - 1]) for percent in (50, 95, 99)),
            duration(max(self.latencies)),
            f"{duration(late[98])}, {duration(max(self.late))}",
            mebibytes(self.peak),
            str(self.processes),
        )
        note = "Each latency is from the moment its request was due. Wanted: p50 below 30 ms, p99 below 100 ms."
        return "\n".join([markdown_row(heads), "|" + "---|" * len(heads), markdown_row(cells), "", note, ""])


def open_loop(place: Place, plain: Plain, rate: float, seconds: float) -> OpenLoop:
    """So many POSTs of 1,000 rows a second, after a warm-up of some seconds at the same rate.

    Raises:
        Unexpected: an answer was not 201.
    """
    plain.empty()
    warm, counted = max(2, round(rate * min(seconds, _WARM_UP_SECONDS))), max(2, round(rate * seconds))
    # Before the clock runs: the client shares the processors with what it measures. About 75 kB each.
    bodies = [json.dumps(batch).encode() for batch in _batches(warm + counted)]
    send(place.env["API_URL"], _PATH, bodies[:warm], rate)
    place.memory.forget()
    latencies, late = send(place.env["API_URL"], _PATH, bodies[warm:], rate)
    peak, processes = place.memory.peak("InsertFunction"), place.memory.processes("InsertFunction")
    return OpenLoop(rate, latencies, late, peak, processes)


def send(url: str, path: str, bodies: Sequence[bytes], rate: float) -> tuple[list[float], list[float]]:
    """POST each body when it is due, `rate` a second; seconds from then to its answer's end, and to its sending.

    Raises:
        Unexpected: an answer was not 201.
    """
    place, numbers = urlsplit(url), itertools.count()
    statuses, latencies, late = [0] * len(bodies), [0.0] * len(bodies), [0.0] * len(bodies)
    begin = time.perf_counter() + _LEAD

    def work() -> None:
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=120)
        try:
            # One step of the iterator is one operation, so that no two threads take the same number.
            for number in itertools.takewhile(lambda number: number < len(bodies), numbers):
                due = begin + number / rate
                time.sleep(max(0.0, due - time.perf_counter()))
                late[number] = time.perf_counter() - due
                statuses[number] = _status(connection, path, bodies[number])
                latencies[number] = time.perf_counter() - due
        finally:
            connection.close()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(_THREADS, len(bodies)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check("the statuses of the POSTs", set(statuses), {201})
    return latencies, late


def _status(connection: http.client.HTTPConnection, path: str, body: bytes) -> int:
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        connection.close()  # it opens itself again
        return 0
    return answer.status


def _batches(count: int) -> Iterator[list[tuple[str, ...]]]:
    """So many times 1,000 new employees."""
    rows = employees(BATCH * count, incomplete=0)
    return (list(itertools.islice(rows, BATCH)) for _ in range(count))
