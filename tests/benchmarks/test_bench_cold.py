"""Cold starts are timed with the layer's modules compiled, and without; how long they take is not tested here."""

from pathlib import Path

from benchmarks.cold_start import __main__ as bench_cold
from tests.effort import thorough
from tests.support.parts import Runtime


@thorough
def test_a_function_is_started_anew_with_compiled_modules_and_without(runtime: Runtime, tmp_path: Path) -> None:
    found = bench_cold.measure(runtime.state, tmp_path, turns=1, functions=["UploadsFunction"])
    assert [(one.compiled, len(one.starts), len(one.answers)) for one in found] == [(True, 1, 1), (False, 1, 1)]
    assert all(min(one.starts + one.answers) > 0 for one in found)
    compiled, bare = [
        {path.name.split(".")[0] for path in (tmp_path / name).rglob("*.pyc")} for name in ("compiled", "bare")
    ]
    ours, theirs = {"app", "api", "api_gateway", "connections"}, {"bootstrap", "session", "decoder"}
    assert ours <= compiled
    assert not ours & bare
    assert theirs <= compiled
    assert theirs <= bare


def test_the_table_has_the_median_and_the_spread_of_each_function() -> None:
    one = bench_cold.ColdStarts("InsertFunction", compiled=False, starts=[0.3, 0.1, 1.2], answers=[0.01, 0.03, 0.02])
    text = bench_cold.table([one])
    row = "| InsertFunction | not compiled | 3 | 300.0 ms | 100.0 ms to 1.20 s | under 400 ms | 20.0 ms | 10.0 ms to 30.0 ms |"
    assert row in text
