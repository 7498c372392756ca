"""Batches on their way: no more of them than there are places, however slow the bucket is."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, cast

import polars as pl
import pytest

from tableferry.backup import uploader as module
from tableferry.backup.uploader import Rows, sending
from tableferry.columnar.digest import Digest
from tableferry.columnar.formats import Format
from tableferry.columnar.packets import Batch
from tableferry.manifest.manifest import ObjectEntry
from tableferry.schema.codec import Codec, Kind
from tableferry.storage.bucket import Store
from tests.support.parts import until

COLUMNS = [Codec("b", Kind.BYTES)]


class Slow:
    """A bucket that answers when it is let."""

    def __init__(self) -> None:
        self.open, self.asked = threading.Event(), 0

    def put_locked(self, *given: object, **more: object) -> str:
        self.asked += 1
        assert self.open.wait(10)
        return "etag"


FRAME = Batch(pl.DataFrame({"b": [b"x" * 100]}), Digest(1, 2))
LINES = Batch(memoryview(b"b\n" + b"x" * 100), Digest(1, 2))


@pytest.mark.parametrize(("batch", "form"), [(FRAME, Format.PARQUET), (LINES, Format.CSV)])
@pytest.mark.parametrize(("large", "places"), [(False, 4), (True, 2)])
def test_no_more_batches_are_taken_than_there_are_places(
    monkeypatch: pytest.MonkeyPatch, large: bool, places: int, batch: Rows, form: Format
) -> None:
    if large:
        monkeypatch.setattr(module, "_LARGE_BYTES", 10)
    slow, taken = Slow(), list[Future[ObjectEntry]]()
    with sending(cast("Store", cast("Any", slow)), form, 0, 4) as sender, ThreadPoolExecutor(1) as reader:

        def read() -> None:
            for number in range(10):
                taken.append(sender.send(f"key-{number}", batch, COLUMNS))

        reading = reader.submit(read)
        assert until(lambda: slow.asked == places, 10)
        assert not reading.done()
        assert len(taken) == places
        slow.open.set()
        reading.result(10)
        written = [each.result(10) for each in taken]
        assert [(of.key, of.rows) for of in written] == [(f"key-{number}.{form.suffix}", 1) for number in range(10)]
