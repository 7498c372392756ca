"""Frames on their way: no more of them than there are places, however slow the bucket is."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, cast

import polars as pl
import pytest

from tableferry import sending as module
from tableferry.archive import Format
from tableferry.columns import Codec, Kind
from tableferry.manifest import ObjectEntry
from tableferry.sending import sending
from tableferry.store import Store
from tests.support import until

COLUMNS = [Codec("b", Kind.BYTES)]


class Slow:
    """A bucket that answers when it is let."""

    def __init__(self) -> None:
        self.open, self.asked = threading.Event(), 0

    def put_locked(self, *given: object, **more: object) -> str:
        self.asked += 1
        assert self.open.wait(10)
        return "etag"


@pytest.mark.parametrize(("large", "places"), [(False, 4), (True, 2)])
def test_no_more_frames_are_taken_than_there_are_places(
    monkeypatch: pytest.MonkeyPatch, large: bool, places: int
) -> None:
    if large:
        monkeypatch.setattr(module, "_LARGE_BYTES", 10)
    slow, taken = Slow(), list[Future[ObjectEntry]]()
    frame = pl.DataFrame({"b": [b"x" * 100]})
    with sending(cast(Store, cast(Any, slow)), Format.PARQUET, 0, 4) as sender, ThreadPoolExecutor(1) as reader:

        def read() -> None:
            for number in range(10):
                taken.append(sender.send(f"key-{number}", frame, COLUMNS))

        reading = reader.submit(read)
        assert until(lambda: slow.asked == places, 10)
        assert not reading.done()
        assert len(taken) == places
        slow.open.set()
        reading.result(10)
        assert [written.result(10).key for written in taken] == [f"key-{number}.parquet" for number in range(10)]
