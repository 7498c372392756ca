"""The benchmark beside others runs, measures what it says, and says so; how fast things are is not tested here."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers import __main__ as peers
from benchmarks.peers import drain, plain, report, rivals, tables
from benchmarks.peers import turns as peers_turns
from benchmarks.peers import ways as peers_ways
from benchmarks.peers.growth import Growth
from benchmarks.peers.measure import Cost, Meter, Programs
from benchmarks.peers.place import Place, place_on
from benchmarks.peers.tables import Made
from benchmarks.peers.turns import Measured, Result
from benchmarks.peers.ways import Way, ways
from local.demo import sample
from local.demo.expect import Unexpected
from tests.effort import by_turns, thorough
from tests.support.parts import Database, Server, embedded_only

TABLE = tables.MIXED.scaled(0.002)


@pytest.fixture
def place(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A place on the session's server."""
    kind = "mariadb" if server.mariadb else "mysql"
    monkeypatch.setenv(f"{kind.upper()}_URL", server.url)
    with place_on(kind, tmp_path / "place", threads=2) as found:
        yield found


@pytest.fixture
def made(database: Database) -> Database:
    """A database with the table of all types."""
    with closing(sample.connect(database.url)) as connection:
        tables.build(connection, TABLE)
    return database


def at_once(action: Callable[[], Any]) -> Any:
    """In place of what measures."""
    return action()


@thorough
def test_every_way_that_is_here_is_measured_and_what_is_missing_says_so(place: Place, tmp_path: Path) -> None:
    cases = peers_ways.KEYS
    asked = peers.Options(tables=("mixed",), cases=cases, turns=1, scale=0.001, out=tmp_path)
    text = peers.measure(place, "server", asked).read_text(encoding="utf-8")
    for way in (ways(place)[key] for key in cases):
        name = way.name.replace("|", "\\|")
        [line] = [line for line in text.splitlines() if line.startswith(f"| {name} | ")]
        if way.missing:
            assert f"not installed: {way.missing}" in line
            continue
        if way.key == "myloader" and "Deadlock" in line:
            continue  # its two threads did, three times
        median, *_, server, memory, size = line.removeprefix(f"| {name} | ").removesuffix(" |").split(" | ")
        assert median.endswith(("ms", "s"))
        assert memory.endswith("MiB")
        assert size == "-" if way.verb == "restore" else size.endswith("MB"), line
        if place.meter.server:
            assert float(server) >= 0
    assert "| speed of a restore by that of LOAD DATA | " in text
    assert (tmp_path / "performance-server.png").read_bytes().startswith(b"\x89PNG")
    assert not place.run("SHOW DATABASES LIKE 'tableferry\\_%'"), "a restore was not accepted"
    assert set(place.run(f"SHOW TABLES FROM `{place.database}`")) <= {("tableferry_epochs",)}


@embedded_only
@by_turns
def test_a_server_of_our_own_has_written_all_before_the_turns_and_keeps_no_logs_after_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MARIADB_URL", raising=False)
    with place_on("mariadb", tmp_path / "place", threads=2) as place:
        limit = place.run("SELECT @@GLOBAL.innodb_max_dirty_pages_pct")
        with peers_turns.made(place, TABLE):
            [(_, dirty)] = place.run("SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'")
            assert int(dirty) <= 100
            assert place.run("SELECT @@GLOBAL.innodb_max_dirty_pages_pct") == limit
            logs = place.run("SHOW BINARY LOGS")
            assert sum(size for _, size in logs) < 10_000, "the rows of the table are in them"
    assert not (tmp_path / "place").exists()


def test_the_servers_process_is_found(place: Place, server: Server) -> None:
    if server.own is None:
        pytest.skip("the server may be anywhere")
    assert place.meter.server == server.own.child.process.pid


def test_a_tool_that_is_not_installed_is_named_and_not_run(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = ways(place)
    monkeypatch.setenv("PATH", str(tmp_path))
    pairs = [(TABLE, found[key]) for key in ("mydumper", "mysqldump", "myloader", "mysql")]
    results = peers_turns.rounds(place, pairs, 1, pytest.fail)
    assert [result.failed.removeprefix("not installed: ") for result in results] == [
        "mydumper", "mariadb-client, zstd", "mydumper", "mariadb-client",
    ]  # fmt: skip
    assert rivals.version("mydumper") == ""


def test_a_tool_that_fails_may_try_again_and_at_last_says_why(place: Place) -> None:
    tries = []

    def run(table: Made, _: Path) -> Cost:
        tries.append(table)
        if len(tries) == 2:
            return Cost(1.0, 1.0, None, 1)
        raise Unexpected("mydumper: exit status [1]\nand this is why")

    way = replace(ways(place)["mydumper"], run=run, programs=())
    [result] = peers_turns.rounds(place, [(TABLE, way)], 1, lambda text: None)
    assert (len(tries), result.costs) == (5, []), "the second try is the warm-up's, the next three are the turn's"
    page = report.report({"server": "one"}, place, [Measured(TABLE, results={"mydumper": result})], None, "plot.png")
    assert "| mydumper: exit status [1]: and this is why | - |" in page


def test_half_of_what_a_way_back_needs_is_not_what_it_tries_again_with(place: Place) -> None:
    found: list[list[str]] = []

    def prepare(table: Made, folder: Path) -> None:
        found.append([file.name for file in folder.iterdir()])
        (folder / "half").touch()
        if len(found) == 1:
            raise Unexpected("half")
        (folder / "whole").touch()

    def run(table: Made, folder: Path) -> Cost:
        assert (folder / "whole").exists()
        return Cost(1.0, 1.0, None, 1)

    way = replace(ways(place)["myloader"], prepare=prepare, run=run, programs=())
    [result] = peers_turns.rounds(place, [(TABLE, way)], 2, lambda text: None)
    assert (found, len(result.costs), result.failed) == ([[], []], 2, "")


@by_turns
def test_a_table_has_turns_of_its_own_unless_others_are_asked_for(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "TABLES", (replace(TABLE, turns=2),))
    asked = peers.Options(tables=("mixed",), cases=("drain",), out=tmp_path)
    for turns, measured in ((None, 2), (1, 1)):
        text = peers.measure(place, "server", replace(asked, turns=turns)).read_text(encoding="utf-8")
        assert f"Turns: {measured}." in text


def test_the_plain_file_brings_back_what_was_written(made: Database, tmp_path: Path) -> None:
    made.run("CREATE TABLE back LIKE mixed")
    file = str(tmp_path / "plain.tsv")
    assert plain.write(made.url, at_once, table="mixed", file=file)["rows"] == TABLE.rows
    loaded = plain.load(made.url, at_once, table="back", file=file, texts=TABLE.texts)
    assert loaded["rows"] == TABLE.rows
    columns = [name for (name, *_) in made.rows("SHOW COLUMNS FROM mixed")]
    assert len(columns) == 25
    same = " AND ".join(f"a.{name} <=> b.{name}" for name in columns if name != "single")  # six digits are not a FLOAT
    assert made.rows(f"SELECT COUNT(*) FROM mixed a JOIN back b USING (id) WHERE {same}") == [(TABLE.rows,)]


def test_a_drained_select_counts_all_bytes_and_sees_an_error(made: Database) -> None:
    whole, halves = (
        drain.drain(made.url, at_once, table="mixed", ranges=TABLE.ranges(parts))["size"] for parts in (1, 2)
    )
    [(text,)] = made.rows("SELECT SUM(LENGTH(CONCAT_WS('', id, words, latin, body, doc))) FROM mixed")
    assert whole > text
    assert whole < halves < whole + 4_000, "the second result has a head of its own, and no more"
    with pytest.raises(Unexpected, match="nothing"):
        drain.drain(made.url, at_once, table="nothing", ranges=[(1, 2)])


def test_every_table_has_its_rows_and_keys_from_one_on(database: Database) -> None:
    with closing(sample.connect(database.url)) as connection:
        for table in tables.TABLES:
            small = table.scaled(1_234 / table.rows) if table is not tables.BLOBS else table.scaled(0.01)
            tables.build(connection, small)
            assert database.rows(f"SELECT COUNT(*), MIN(id), MAX(id) FROM {table.name}") == [
                (small.rows, 1, small.rows)
            ]
            ranges = small.ranges(3)
            assert [first for first, _ in ranges] == [1, *(last + 1 for _, last in ranges[:-1])]
            assert ranges[-1][1] == small.rows
    assert database.rows("SELECT COUNT(DISTINCT content), MIN(LENGTH(content)) FROM blobs") == [(20, 2**20)]


def test_programs_are_measured_by_themselves_and_a_failure_shows_its_log(tmp_path: Path) -> None:
    held = bytearray(200 * 2**20)  # what we hold is not theirs
    burn = "import time\nwhile time.process_time() < 0.3: pass\nprint(len(bytearray(64 * 2**20)))"
    out = tmp_path / "out"
    burning = [sys.executable, "-I", "-S", "-c", burn]
    cost = Programs([burning, ["cat"]], tmp_path / "log", stdout=out).run(Meter())
    assert out.read_text() == f"{64 * 2**20}\n"
    assert cost.client >= 0.3
    assert cost.seconds >= 0.3
    assert cost.server is None
    assert 64 * 2**20 < cost.peak < len(held)
    with pytest.raises(Unexpected, match=r"sh \| cat: exit status \[3, 0\]\n *no such luck"):
        Programs([["sh", "-c", "echo no such luck >&2; exit 3"], ["cat"]], tmp_path / "log").run(Meter())


def test_what_others_take_of_the_machine_is_seen(tmp_path: Path) -> None:
    if not Path("/proc/stat").exists():
        pytest.skip("only Linux tells")
    burn = [sys.executable, "-I", "-S", "-c", "import time\nwhile time.process_time() < 0.5: pass"]
    with subprocess.Popen(burn) as other:
        cost = Programs([["sleep", "1"]], tmp_path / "log").run(Meter(server=os.getpid()))
    assert other.returncode == 0
    assert cost.others is not None
    assert 0.2 / (os.cpu_count() or 1) < cost.others <= 1.2


def test_ratios_are_of_the_same_turn() -> None:
    def result(key: str, *seconds: float) -> Result:
        way = Way(key, key, "backup", lambda table, folder: Cost(1, 1, 1, 1))
        return Result(TABLE, way, [Cost(each, each, each / 2, 2**20) for each in seconds])

    measured = Measured(TABLE, 10**6)
    measured.results = {"parquet": result("parquet", 1, 2, 4), "mydumper": result("mydumper", 2, 2, 2)}
    assert measured.ratios("parquet", "mydumper", lambda cost: cost.seconds) == [2, 1, 0.5]
    assert measured.ratios("parquet", "mysqldump", lambda cost: cost.seconds) == []
    assert report.RATIOS[0].ours == "parquet"


def test_growth_is_the_time_of_a_million_rows_by_that_of_the_size_before() -> None:
    way = Way("parquet", "ours", "backup", lambda table, folder: Cost(1, 1, 1, 1))
    growth = Growth({"parquet": way})
    growth.costs["parquet"] = {
        500_000: [Cost(1.0, 1, 1, 2**20)],
        5_000_000: [Cost(9.0, 1, 1, 2**20), Cost(11.0, 1, 1, 2**21)],
    }
    assert growth.text().splitlines()[2:] == [
        "| ours | 500,000 | 1.00 s | 1.00 s to 1.00 s | 2.00 s | - | 1 MiB |",
        "| ours | 5,000,000 | 10.00 s | 9.00 s to 11.00 s | 2.00 s | 1.00 | 2 MiB |",
    ]


def test_what_is_measured_is_said_by_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert peers.options([]) == peers.Options()
    assert peers.options(["--growth"]).growth == (300_000, 3_000_000, 30_000_000)
    asked = peers.options(["--server", "mysql", "--growth", "10", "20", "--cases", "parquet", "--turns", "2"])
    assert asked == peers.Options(servers=("mysql",), growth=(10, 20), cases=("parquet",), turns=2)
    with pytest.raises(SystemExit):
        peers.options(["--turns", "0"])
    assert "--turns" in capsys.readouterr().err
