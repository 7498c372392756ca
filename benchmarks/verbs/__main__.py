"""`make bench`: how fast the four verbs are, and how much memory they take, on this machine.

Starts runtimes of its own, with a database of its own, and takes them away afterwards. Each case runs in turns with plain
ways to do the same, so that the ratios hold whatever else the machine does. The tables go to `.local/bench.md`.
"""

import argparse
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields, replace
from pathlib import Path
from urllib.parse import quote, urlsplit

from benchmarks.common import report, server
from benchmarks.common.machine import machine
from benchmarks.common.place import Place, runtime
from benchmarks.common.plain_ways import Plain
from benchmarks.verbs import cases as bench_cases
from benchmarks.verbs import functions as bench_functions
from benchmarks.verbs import keys as bench_keys
from benchmarks.verbs import posts as bench_posts
from benchmarks.verbs.huge_file import huge
from local.demo.expect import Unexpected
from local.runtime.state import State


@dataclass(frozen=True)
class Sizes:
    """How much of everything. ``huge`` is in bytes, 0 for none."""

    rows: int = 1_000_000
    part: int = 100_000
    employees: int = 200_000
    keyed: int = 500_000
    shared: int = 4_000_000
    repeats: int = 5
    posts: int = 200
    rate: float = 20.0
    seconds: float = 30.0
    huge: int = 0


_WORKERS = 2
QUICK = Sizes(rows=10_000, part=1_000, employees=1_000, keyed=1_000, shared=200_000, repeats=1, posts=3, seconds=1.0)


def main(arguments: Sequence[str] = ()) -> int:
    """Measure, print the tables and write them to the state's folder; 0 when every answer was as it should be."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # else what was started would stay
    sizes, servers = options(arguments)
    state, texts = State.from_env(), []
    try:
        for kind in servers:
            with server.database_on(kind) as url:
                given = {"DATABASE_URL": url} if url else {}
                with (
                    runtime(State(state.folder / "bench"), **given, WORKERS=str(_WORKERS), SCALE_CONNECTIONS="1") as (
                        folder,
                        env,
                    ),
                    runtime(State(state.folder / "bench-1"), DATABASE_URL=env["DATABASE_URL"], WORKERS="1") as (_, one),
                ):
                    if url is None:
                        server.tune(kind, _administrator(State(state.folder / "bench"), env["DATABASE_URL"]))
                    texts.append(measure(env, one, folder, sizes))
            print(texts[-1])
            state.make()  # after each server: a later one may fail
            (state.folder / "bench.md").write_text("\n".join(texts), encoding="utf-8")
    except Unexpected as error:
        print(f"Tableferry: {error}", file=sys.stderr)
        return 1
    return 0


def _administrator(state: State, database_url: str) -> str:
    """The embedded server's, whose password the runtime has made."""
    password = quote(state.secret("database/root.password"), safe="")
    return f"mysql://root:{password}@127.0.0.1:{urlsplit(database_url).port}/"


def measure(env: Mapping[str, str], env_of_one: Mapping[str, str], folder: Path, sizes: Sizes) -> str:
    """Run all cases on two runtimes with one database, the first with WORKERS=2 and the other with 1; the Markdown.

    Raises:
        StartError: the database is not the benchmark's own; nothing was changed in it.
        Unexpected: an answer or a load status was not as it should be.
    """
    two, one = Place(env), Place(env_of_one)
    with closing(Plain(env["DATABASE_URL"])) as plain:
        cases = [bench_posts.back_to_back(two, plain, sizes.posts)]
        loop = bench_posts.open_loop(two, plain, sizes.rate, sizes.seconds)
        files = bench_cases.Files.make(folder / "files", sizes.rows, sizes.part)
        cases += bench_cases.loads(two, one, plain, files, sizes.repeats, _tell)
        cases += bench_cases.backup_and_restore(two, plain, folder / "backup", sizes.employees, sizes.repeats, _tell)
        cases += bench_keys.backups(two, one, env["DATABASE_URL"], sizes.keyed, sizes.repeats, _tell)
        cases += bench_functions.backups(two, env["DATABASE_URL"], sizes.shared, sizes.repeats, _tell)
        # A section is Markdown: what is measured elsewhere, of these runtimes and this connection, is one more of them.
        sections = [f"{report.table(cases)}\n{report.NOTES}", loop.text()]
        if sizes.huge:
            sections.append(huge(env, plain, folder, sizes.huge, workers=_WORKERS))
        return report.report(machine(plain.server), sections)


def options(arguments: Sequence[str]) -> tuple[Sizes, Sequence[str]]:
    """The sizes and the kinds of servers that a command line asks for."""
    parser = argparse.ArgumentParser(prog="bench", description="Measures POST, load, backup and restore.")
    parser.add_argument(
        "--server", nargs="+", choices=server.KINDS, default=["mariadb"], help="which, in turn (mariadb)"
    )
    parser.add_argument("--quick", action="store_true", help="little of everything: whether it runs, not how fast")
    for name, kind, text in (
        ("rows", int, "rows of the file that is loaded"),
        ("part", int, "rows of it for executemany"),
        ("employees", int, "rows of backup and restore"),
        ("keyed", int, "rows of a backup by each kind of key"),
        ("shared", int, "rows of a backup over several functions"),
        ("repeats", int, "turns of load, backup and restore"),
        ("posts", int, "requests with 1,000 rows, one after the other"),
        ("rate", float, "requests with 1,000 rows a second"),
        ("seconds", float, "how long to send those"),
    ):
        parser.add_argument(f"--{name}", type=kind, metavar="N", help=f"{text} ({getattr(Sizes(), name):,})")
    parser.add_argument(
        "--huge", type=float, metavar="GB", help="also a file of so many GB, as it is and as .gz (none)"
    )
    found = parser.parse_args(arguments)
    chosen = {field.name: getattr(found, field.name) for field in fields(Sizes)}
    if wrong := [name for name, value in chosen.items() if value is not None and value <= 0]:
        parser.error(f"--{' and --'.join(wrong)} must be more than 0")
    if found.huge is not None:
        chosen["huge"] = round(found.huge * 1e9)
    given = {name: value for name, value in chosen.items() if value is not None}
    return replace(QUICK if found.quick else Sizes(), **given), found.server


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
