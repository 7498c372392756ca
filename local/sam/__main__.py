"""`python -m local.sam`: up, down, load. The API by `sam local`, with MySQL and S3 in containers."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from local.runtime.process import StartError
from local.runtime.state import State
from local.runtime.steps import steps
from local.sam import engine
from local.sam.cli import FunctionFailed
from local.sam.stack import BUCKET, Stack


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        stack = Stack.usual()
        match options.command:
            case "up":
                with steps("sam-up") as shown:
                    env = stack.up(shown)
                _show(stack, env)
            case "down":
                data = options.data and engine.answers()
                print("Stopped." if stack.down(data) else "Nothing was running.")
            case "load":
                print(json.dumps(_load(State(options.state) if options.state else stack.state, options.key), indent=2))
    except (StartError, FunctionFailed) as error:
        print(f"Tableferry: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.sam", description="Tableferry with SAM and containers.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start everything in the background")
    down = commands.add_parser("down", help="stop everything")
    down.add_argument("--data", action="store_true", help="and remove the database's files")
    load = commands.add_parser("load", help="be S3's event for an upload: generate it, and invoke LoadFunction with it")
    load.add_argument("key", help="uploads/{table}/{file}")
    load.add_argument("--state", type=Path, help="folder of another stack's state than that of `up`")
    return parser


def _load(state: State, key: str) -> object:
    stack = Stack.started(state)
    return stack.sam.invoke("LoadFunction", stack.sam.s3_put(BUCKET, key))


def _show(stack: Stack, env: Mapping[str, str]) -> None:
    place = stack.state.env
    print(f"API {env['API_URL']}, S3 {env['S3_URL']} (bucket {env['BUCKET']}), logs in {_short(stack.state.logs)}")
    print(f"For a shell: . {_short(place)}")


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    sys.exit(main())
