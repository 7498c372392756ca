"""Many functions see one moment, or none reads anything: real processes, writers that never stop, both servers."""

from collections.abc import Iterator

import pytest

from tests.effort import THOROUGH, effort, sample
from tests.support import gathering
from tests.support.barrier_process import Functions
from tests.support.gathering import CONNECTIONS, WORKERS, new_try, of_one_moment, one_moment_or_none, writing
from tests.support.parts import Database


@pytest.fixture(scope="module")
def program() -> Iterator[Functions]:
    with Functions() as started:
        yield started


@pytest.fixture
def functions(program: Functions, database: Database, bucket: str) -> Iterator[Functions]:
    gathering.make_tables(database)
    yield program
    program.end()


def transactions(database: Database, position: dict[str, str], since: dict[str, str]) -> int | None:
    """How many there were between two positions; None where they do not name transactions."""
    if not {"gtid"} <= position.keys() & since.keys():
        return None
    if database.mariadb:
        return int(position["gtid"].rpartition("-")[2]) - int(since["gtid"].rpartition("-")[2])
    [[between]] = database.rows("SELECT GTID_SUBTRACT(%s, %s)", position["gtid"], since["gtid"])
    first, _, last = str(between).rpartition(":")[2].partition("-")
    return int(last or first) - int(first) + 1


def test_all_connections_of_eight_functions_see_the_same_transactions_and_the_position_names_them(
    functions: Functions, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """A few times, or a hundred, whose lock is held for less than a second."""
    first = new_try(functions).begin().end()
    assert one_moment_or_none(first)
    coordinator, workers = first.coordinator, first.workers
    held, seen = [], set()
    with writing(functions) as written:
        for _ in range(effort(3, 100)):
            tried = new_try(functions, coordinator, workers).begin().end()
            assert tried.reasons() == set()
            assert one_moment_or_none(tried)
            assert len(tried.seen) == CONNECTIONS * WORKERS
            assert tried.moment
            assert first.moment
            named = transactions(database, tried.moment["position"], first.moment["position"])
            assert named in (None, sum(tried.seen[0][1][1::3]))
            held.append(float(tried.moment["held_seconds"]))
            seen.add(str(tried.seen[0]))
    assert len(seen) == len(held)
    assert written.longest < 6
    held.sort()
    figures = [round(1000 * held[min(int(part * len(held)), len(held) - 1)]) for part in (0.5, 0.9, 1)]
    with capsys.disabled():
        if THOROUGH:
            kind = "MariaDB" if database.mariadb else "MySQL"
            print(
                f"\n{kind}: {len(held)} moments of {WORKERS} functions, lock held {figures} ms (median, p90, most); "
                f"{written.transactions} transactions, the longest {written.longest:.3f} s"
            )
    assert figures[0] < effort(3000, 1000)  # beside other tests a few of them may take longer


@pytest.mark.parametrize("mutation", ["workers", "lock"])
@sample(1)
def test_the_test_of_one_moment_sees_when_workers_or_coordinator_do_without_the_lock(
    functions: Functions, mutation: str
) -> None:
    """And that each of the moments by itself is right does not help: the sum of the money always is."""
    with writing(functions):
        coordinator = functions.process(mutation=mutation)
        workers = [functions.process(mutation=mutation) for _ in range(4)]
        different = 0
        for _ in range(4):
            tried = new_try(functions, coordinator, workers).begin().end()
            assert tried.seen
            different += not of_one_moment(tried)
    assert different
