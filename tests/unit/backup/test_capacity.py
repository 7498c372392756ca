"""Over how many functions a backup goes, and when it is refused: over a grid of sizes, speeds and what is allowed."""

import math
from itertools import pairwise, product

import pytest

from tableferry.backup.outlook import capacity
from tableferry.backup.outlook.capacity import Allowed, Choice, Pace, Past, Size, Source, choose, expected, measured
from tableferry.errors import CannotEndInTime
from tableferry.schema.table import Table

GB = 1_000_000_000
SIZES = [0, 1, *(count * GB for count in (1, 8, 11, 12, 19, 50, 66, 67, 100, 300, 600, 1000, 9000))]
PACES = [Pace(), Pace(5e6, "measured", ("a",)), Pace(21.3e6, "measured", ("a",)), Pace(250e6, "measured", ("a", "b"))]
SOURCES: tuple[tuple[Source, ...], ...] = (("live",), ("live", "static"), ("static",))
ALLOWED = [
    Allowed(seconds, scale, workers, connections, free=free, sources=sources)
    for seconds, scale, workers, connections, free, sources in product(
        (60.0, 900.0, math.inf), (False, True), (1, 8, 100), (1, 2), (None, 1, 12), SOURCES
    )
]  # fmt: skip
WANTED = (None, 1, 4, 1000)


def size(count: int, **more: int | str) -> Size:
    return Size(count, count // 180, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize("wanted", WANTED)
def test_more_bytes_never_go_over_fewer_functions_and_never_over_more_than_are_allowed(
    pace: Pace, wanted: int | None
) -> None:
    for allowed in ALLOWED:
        found = [choose(size(count), pace, allowed, wanted) for count in SIZES]
        assert all(less.workers <= more.workers for less, more in pairwise(found)), allowed
        for choice in found:
            assert 1 <= choice.workers <= (allowed.workers if allowed.scale else 1)
            assert wanted is None or choice.workers <= wanted
            assert choice.source in allowed.sources
            if choice.workers > 1:
                assert 1 <= choice.connections <= allowed.connections
                assert allowed.free is None or choice.workers * choice.connections <= allowed.free
            else:
                assert choice.connections == allowed.alone


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize("wanted", WANTED)
def test_it_is_refused_only_if_all_that_are_allowed_would_take_far_longer_than_there_is(
    pace: Pace, wanted: int | None
) -> None:
    refused = 0
    for allowed, count in product(ALLOWED, SIZES):
        choice = choose(size(count), pace, allowed, wanted)
        most = min(allowed.workers if allowed.scale else 1, wanted or 1000, allowed.free or 1000)
        hopeless = expected(size(count), pace, most) > allowed.seconds * 13 / 15 * (2 if pace.backups else 4)
        assert bool(choice.refusal) == (hopeless and "static" not in allowed.sources)
        assert (choice.source == "static") == (
            "live" not in allowed.sources or (hopeless and "static" in allowed.sources)
        )
        refused += bool(choice.refusal)
        if choice.refusal:
            with pytest.raises(CannotEndInTime, match="GB by the server's estimate"):
                choice.accepted()
        else:
            assert choice.accepted() is choice
    assert refused > 20


def test_it_goes_over_as_few_functions_as_are_sure_to_end_in_time() -> None:
    def workers(gigabytes: float, allowed: Allowed) -> int:
        return choose(size(int(gigabytes * GB)), Pace(), allowed).workers

    many = Allowed(900, scale=True, workers=100)
    assert [workers(each, many) for each in (0, 1, 11, 11.1, 17, 18, 100, 400)] == [1, 1, 1, 2, 2, 3, 12, 46]
    assert workers(400, Allowed(900, scale=True)) == 8  # it may just end, by what is doubted
    assert workers(400, Allowed(math.inf, scale=True)) == 1  # nobody ends it


def test_one_function_goes_on_as_it_did_until_an_estimate_is_beyond_all_doubt() -> None:
    alone = Allowed(900)
    assert choose(size(66 * GB), Pace(), alone).one
    assert choose(size(66 * GB), Pace(), alone).doubtful
    assert not choose(size(16 * GB), Pace(), alone).doubtful
    assert choose(size(67 * GB), Pace(), alone).refusal
    assert choose(size(10**15), Pace(), Allowed(math.inf)).one
    assert not choose(size(10**15), Pace(), Allowed(math.inf)).refusal


def test_so_many_functions_as_are_asked_for_do_it_if_they_are_allowed() -> None:
    allowed = Allowed(900, scale=True, workers=8)
    small = size(1000, ranges=5)
    assert [choose(small, Pace(), allowed, wanted).workers for wanted in (None, 1, 2, 5, 8, 40)] == [1, 1, 2, 5, 5, 5]
    assert choose(size(1000), Pace(), allowed, 40).workers == 8
    assert choose(size(1000), Pace(), Allowed(900), 40).one


def test_without_the_right_to_lock_tables_one_function_sees_a_moment_by_itself() -> None:
    denied = Allowed(900, scale=True, lockable=False)
    assert choose(size(60 * GB), Pace(), denied).one
    assert choose(size(60 * GB), Pace(), denied, 4).one
    assert "grant LOCK TABLES" in choose(size(100 * GB), Pace(), denied).refusal
    static = Allowed(900, scale=True, lockable=False, sources=("live", "static"))
    assert (choose(size(100 * GB), Pace(), static).source, choose(size(100 * GB), Pace(), static).workers) == (
        "static",
        8,
    )


def test_connections_that_the_server_has_not_are_taken_from_each_function_first() -> None:
    def chosen(free: int) -> tuple[int, int]:
        choice = choose(size(1000), Pace(), Allowed(900, scale=True, connections=4, free=free), 8)
        return choice.workers, choice.connections

    assert [chosen(free) for free in (100, 32, 31, 16, 15, 8, 7, 2)] == [
        (8, 4), (8, 4), (8, 3), (8, 2), (8, 1), (8, 1), (7, 1), (2, 1),
    ]  # fmt: skip
    assert chosen(0) == chosen(1) == (1, 2)  # as it was: one function waits for its connections
    assert choose(size(1000), Pace(), Allowed(900, scale=True), 8).all_connections == 18


@pytest.mark.parametrize(
    ("allowed", "wanted", "more", "said"),
    [
        (Allowed(900), None, {}, ["On one function", "47,000 seconds", "there are 780", "SCALE=on", "fewer tables"]),
        (Allowed(900, scale=True), 1, {}, ["On one function", "ask for more `workers`", "an RDS snapshot"]),
        (Allowed(900, scale=True), None, {}, ["On 8 functions", "6,942 seconds", "SCALE_WORKERS", "an RDS snapshot"]),
        (Allowed(900, scale=True, free=5), None, {}, ["On 5 functions", "more connections, of which it has 5 left"]),
        (
            Allowed(900, scale=True, workers=1000),
            None,
            {"longest": 200 * GB, "longest_table": "words"},
            ["On 1000 functions", "15,070 seconds", "table 'words' a primary key"],
        ),
    ],
)
def test_a_refusal_has_the_figures_and_says_what_to_do(
    allowed: Allowed, wanted: int | None, more: dict[str, int | str], said: list[str]
) -> None:
    told = choose(size(1000 * GB, **more), Pace(), allowed, wanted).refusal
    for words in ["about 1,000.0 GB", "21.3 MB a second each", "the default", "Nothing was begun", *said]:
        assert words in told
    faster = choose(size(10_000 * GB, **more), Pace(22e6, "measured", ("a",)), allowed, wanted).refusal
    assert "22.0 MB a second each, as the last backups went" in faster


def test_a_backup_takes_no_less_than_its_longest_part() -> None:
    whole = Size(100 * GB, 1, longest=100 * GB, longest_table="t", ranges=1)
    assert expected(whole, Pace(1e9), 1) == expected(whole, Pace(1e9), 50) - capacity.GATHERING_SECONDS == 160
    assert choose(whole, Pace(), Allowed(900, scale=True)).workers == 1  # a second function would have nothing to do
    assert "'t' a primary key" in choose(whole, Pace(), Allowed(900, scale=True)).refusal


def table(name: str, rows: int, count: int) -> Table:
    return Table("d", name, "InnoDB", (), (), rows, count)


TABLES = [table("a", 1_000_000, 200_000_000), table("b", 500_000, 500_000_000), table("new", 0, 0)]


def past(name: str, seconds: float, workers: int = 1, **tables: tuple[int, int]) -> Past:
    return Past(name, seconds, workers, tables)


def test_speed_is_measured_by_rows_that_are_counted_and_rows_width_by_the_catalog() -> None:
    half = past("x", 10, a=(500_000, 40_000_000))
    assert measured([half], TABLES) == Pace(10_000_000, "measured", ("x",), 0.4)
    # The same table again takes as long as it took, whatever the catalog takes its rows for.
    for wrong in (table("a", 700_000, 200_000_000), table("a", 1_000_000, 900_000_000)):
        again = Size(wrong.bytes_estimate * 500_000 // wrong.rows_estimate, 500_000)
        assert expected(again, measured([half], [wrong]), 1) == pytest.approx(10)


def test_a_table_that_is_gone_counts_by_what_was_stored_of_it() -> None:
    gone = past("x", 10, a=(500_000, 40_000_000), gone=(7, 80_000_000))
    assert measured([gone], TABLES).bytes_per_second == pytest.approx(30_000_000)
    assert measured([past("x", 10, gone=(7, 80_000_000))], TABLES) == Pace()
    assert measured([past("x", 10, new=(1_000_000, 80_000_000))], TABLES) == Pace()  # it has no rows by the catalog


def test_the_median_of_the_newest_that_can_be_compared_counts() -> None:
    def of(seconds: float, rows: int = 1_000_000) -> Past:
        return past(f"{seconds}", seconds, a=(rows, 20_000_000))

    small = of(3, 300_000)
    found = measured([small, of(10), small, of(20), of(100), of(5), of(4), of(1), of(1), of(1)], TABLES)
    assert found.bytes_per_second == 200_000_000 / 10
    assert found.backups == ("10", "20", "100", "5", "4")
    assert measured([small] * 100, TABLES) == Pace()
    assert measured([of(0)], TABLES) == Pace()
    assert measured([], TABLES) == Pace()


def test_what_several_functions_did_shows_the_speed_of_one() -> None:
    one = Pace(10e6)
    eight = expected(Size(200_000_000, 1_000_000), one, 8)
    assert measured([past("x", eight, 8, a=(1_000_000, 1))], TABLES).bytes_per_second == pytest.approx(10e6)
    assert measured([past("x", 20, 8, a=(1_000_000, 1))], TABLES) == Pace()  # shorter than it takes to gather


def test_the_longest_part_is_that_of_a_table_that_cannot_be_divided() -> None:
    found = Size.of(TABLES, {"a": 20, "b": 1, "new": 1})
    assert found == Size(700_000_000, 1_500_000, 500_000_000, "b", 22)
    assert Size.of(TABLES) == Size(700_000_000, 1_500_000)
    assert Size.of([], {}) == Size(0, 0, ranges=0)
    assert isinstance(choose(Size.of([], {}), Pace(), Allowed(900)), Choice)
