"""The functions' processes: as many as there are calls at once, kept warm, made anew when the source has changed."""

import threading
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from local.gateway.function import Function, Result
from local.gateway.worker import Worker, WorkerGone

CONCURRENCY = 16  # processes per function; a call beyond waits for its turn


class Pool:
    """Runs functions. Memory: one process per call at once, each with what its function imports."""

    def __init__(self, python: Path, aws: Mapping[str, str], logs: Path, concurrency: int = CONCURRENCY) -> None:
        self.python, self.aws, self.logs = python, aws, logs
        self.concurrency = concurrency
        self._lock = threading.Lock()
        self._idle: dict[str, list[tuple[Worker, float]]] = {}
        self._turns: dict[str, threading.Semaphore] = {}
        self._all: set[Worker] = set()
        self._closed = False
        self._ages: dict[str, tuple[float, float]] = {}
        self._threads = ThreadPoolExecutor(4 * concurrency, thread_name_prefix="invocation")

    def start(self, function: Function, event: bytes) -> "Future[Result]":
        """Begin an invocation; it goes on even if nobody waits for its result."""
        return self._threads.submit(self.invoke, function, event)

    def invoke(self, function: Function, event: bytes, request_id: str | None = None) -> Result:
        """Run a function on an event (JSON) and wait for what it gives. Tries of the same event have one id."""
        request_id = request_id or str(uuid.uuid4())
        with self._lock:
            turn = self._turns.setdefault(function.name, threading.Semaphore(self.concurrency))
        with turn:
            while True:
                worker, fresh, age = self._take(function)
                try:
                    result = worker.invoke(event, request_id)
                except WorkerGone:
                    if not fresh and not self._closed:  # it died while it idled
                        self._forget(worker)
                        continue
                    result = Result.error(
                        "Runtime.ExitError", "Runtime exited while it started; see the function's log"
                    )
                self._give_back(function, worker, age)
                return result

    def close(self) -> None:
        """End every process; calls that run get an error."""
        with self._lock:
            self._closed = True
            workers = list(self._all)
        for worker in workers:
            worker.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _take(self, function: Function) -> tuple[Worker, bool, float]:
        """The worker that was used last, if its source is still the same, else a new one."""
        age = self._age(function)
        with self._lock:
            if self._closed:
                message = "the runtime is stopping"
                raise RuntimeError(message)
            idle = self._idle.setdefault(function.name, [])
            while idle:
                worker, made_from = idle.pop()
                if worker.alive and made_from == age:
                    return worker, False, age
                self._all.discard(worker)
                worker.close()
        worker = Worker(function, self.python, self.aws, self.logs / f"{function.name}.log")
        with self._lock:
            self._all.add(worker)
        return worker, True, age

    def _give_back(self, function: Function, worker: Worker, age: float) -> None:
        with self._lock:
            if worker.alive and not self._closed:
                self._idle.setdefault(function.name, []).append((worker, age))
            else:
                self._all.discard(worker)

    def _forget(self, worker: Worker) -> None:
        with self._lock:
            self._all.discard(worker)

    def _age(self, function: Function) -> float:
        """When the function's source was last changed; looked at no more than twice a second."""
        now = time.monotonic()
        known = self._ages.get(function.name)
        if known is None or now - known[0] > 0.5:
            times = [path.stat().st_mtime for folder in function.path for path in folder.rglob("*.py")]
            known = (now, max(times, default=0.0))
            self._ages[function.name] = known
        return known[1]
