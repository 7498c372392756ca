"""The status of a load while it runs, in the bucket every few seconds."""

from __future__ import annotations

import time
from dataclasses import asdict

from tableferry.ingest.loads import load_status
from tableferry.ingest.loads.checkpoints import State
from tableferry.ingest.loads.load_status import LoadStatus
from tableferry.storage.bucket import Store

_SAVED_EVERY_SECONDS = 2.0


class Progress:
    """Keep a load status up to date; rows per second are those of this invocation."""

    def __init__(self, store: Store, status: LoadStatus, state: State) -> None:
        self.status = status
        self._store = store
        self._began = time.monotonic()
        self._saved = -_SAVED_EVERY_SECONDS
        self._read_before = state.counts.read
        self.reached(state)

    def reached(self, state: State) -> None:
        """So far the load has come."""
        seconds = time.monotonic() - self._began
        read = state.counts.read - self._read_before
        self.status = self.status.model_copy(
            update={
                **asdict(state.counts),
                "read": state.counts.read,
                "bytes": min(state.consumed, self.status.size),
                "rows_per_second": round(read / seconds, 1) if seconds and read else None,
            }
        )

    @property
    def is_due(self) -> bool:
        """Whether the load status should be saved: whoever sees that it is not takes the load for dead."""
        return time.monotonic() - self._saved >= _SAVED_EVERY_SECONDS

    def save(self) -> LoadStatus:
        """Save the load status now."""
        self.status = load_status.save(self._store, self.status)
        self._saved = time.monotonic()
        return self.status
