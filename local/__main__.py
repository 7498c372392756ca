"""`python -m local`: up, down, status, serve, demo, demo-scale."""

import argparse
import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from local.runtime import control, supervisor
from local.runtime.process import StartError
from local.runtime.state import State, acquire
from local.runtime.steps import steps

# Of what can be said, that which the rest does not show.
_WORTH_SHOWING = (
    *("TABLES", "TABLE_SETTINGS", "LEDGER_DAYS", "WORKERS", "DATABASE_CA_FILE"),
    *("SCALE_WORKERS", "SCALE_CONNECTIONS", "LOCK_SECONDS"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    options, rest = _parser().parse_known_args(arguments)
    if rest and not options.command.startswith("demo"):
        _parser().error(f"unrecognized arguments: {' '.join(rest)}")
    state = State(options.state) if options.state else State.from_env()
    try:
        match options.command:
            case "up":
                with steps("up") as shown:
                    environment = control.up(state, options.template, shown=shown)
                _show(state, environment)
            case "down":
                print("Stopped." if control.down(state) else "Nothing was running.")
            case "status":
                return _status(state)
            case "serve":
                return _serve(state, options)
            case "demo-scale":
                return _demo(state, rest, "local.demo.scale")
            case _:
                return _demo(state, rest, "local.demo.run")
    except StartError as error:
        print(f"Tableferry: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description="Tableferry on one machine.")
    parser.add_argument("--state", type=Path, help="folder of data, logs and keys (TABLEFERRY_STATE, or .local)")
    commands = parser.add_subparsers(dest="command", required=True)
    helps = {
        "up": "start everything in the background",
        "serve": "start everything and stay in the foreground",
        "down": "stop everything",
        "status": "what runs, and where",
        "demo": "load, back up, damage, restore, prove",
        "demo-scale": "a table over many functions at one moment, and functions that are killed",
    }
    for name, text in helps.items():
        command = commands.add_parser(name, help=text, add_help=not name.startswith("demo"))
        if name in {"up", "serve"}:
            command.add_argument("--template", type=Path, help="the SAM template to run")
        if name == "serve":
            command.add_argument("--lock", type=int, help=argparse.SUPPRESS)
    return parser


def _template(options: argparse.Namespace) -> Path:
    template: Path = options.template or control.TEMPLATE
    return template.resolve()


def _serve(state: State, options: argparse.Namespace) -> int:
    if options.lock is not None:
        return supervisor.run(state, options.lock, _template(options))
    try:
        lock = acquire(state.lock)
    except BlockingIOError:
        print("Tableferry: it runs already", file=sys.stderr)
        return 1
    state.make()
    status = supervisor.run(state, lock, _template(options), lambda environment: _show(state, environment))
    if error := state.read_runtime().get("error"):
        print(f"Tableferry: {error}", file=sys.stderr)
    return status


def _demo(state: State, arguments: Sequence[str], module: str) -> int:
    os.environ["TABLEFERRY_STATE"] = str(state.folder)
    with steps("up") as shown:
        control.up(state, shown=shown)
    status: int = importlib.import_module(module).main(arguments)  # its libraries are not needed for the rest
    return status


def _status(state: State) -> int:
    environment = control.running(state)
    if environment is None:
        print(f"Not running. {state.read_runtime().get('error') or ''}".strip())
        return 1
    _show(state, environment)
    return 0


def _show(state: State, environment: Mapping[str, str]) -> None:
    table = Table(title="Tableferry runs", title_justify="left", show_header=False)
    place = state.env.relative_to(Path.cwd()) if state.env.is_relative_to(Path.cwd()) else state.env
    runtime = state.read_runtime()
    settings = {name: value for name, value in runtime.get("settings", {}).items() if name in _WORTH_SHOWING}
    rows = {
        "API": environment["API_URL"],
        "its documentation": environment["API_URL"] + "/docs",
        "S3": f"{environment['S3_URL']} (bucket {environment['BUCKET']})",
        "database": environment["DATABASE_URL"].rpartition("@")[2],
        "state machines": environment.get("AWS_ENDPOINT_URL_SFN", "none: SCALE=off"),
        **settings,
        "logs": str(state.logs.relative_to(Path.cwd()) if state.logs.is_relative_to(Path.cwd()) else state.logs),
        "for a shell": f". {place}",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    console = Console(soft_wrap=True)
    console.print(table)
    for note in runtime.get("notes", []):
        console.print(f"Note: {note}.", markup=False)


if __name__ == "__main__":
    sys.exit(main())
