"""Many functions see one moment, or none reads anything: real processes, writers that never stop, both servers."""

from collections.abc import Iterator

import pytest

from tests.support import gathering
from tests.support.barrier_process import Functions
from tests.support.gathering import WORKERS, new_try, of_one_moment, one_moment_or_none, writing
from tests.support.parts import Database, Server


@pytest.fixture(scope="module")
def program() -> Iterator[Functions]:
    with Functions() as started:
        yield started


@pytest.fixture
def functions(program: Functions, database: Database, bucket: str) -> Iterator[Functions]:
    gathering.make_tables(database)
    yield program
    program.end()


def test_all_connections_of_eight_functions_see_the_same_transactions(functions: Functions, server: Server) -> None:
    with writing(functions) as written:
        tries = [new_try(functions)]
        tries.append(new_try(functions, workers=tries[0].workers, coordinator=tries[0].coordinator))
        for tried in tries:
            tried.begin().end()
    for tried in tries:
        assert tried.reasons() == set()
        assert one_moment_or_none(tried)
        assert len(tried.seen) == 2 * WORKERS
        assert tried.moment
        assert tried.moment["held_seconds"] < 3
    first, second = (tried.seen[0] for tried in tries)
    assert first != second
    assert written.transactions > 20
    assert written.longest < 6


@pytest.mark.parametrize("mutation", ["workers", "lock"])
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
