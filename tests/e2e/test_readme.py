"""The README's examples, run as they stand in one shell against a fresh runtime, each answer of the shape it shows."""

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support import Runtime

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```(sh|json)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_MARK = "--8<--"


def examples() -> list[tuple[str, dict[str, Any] | None]]:
    """Each shell block of the README with the answer that stands below it."""
    found: list[tuple[str, dict[str, Any] | None]] = []
    for kind, text in _BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8")):
        if kind == "sh":
            found.append((text, None))
        else:
            found[-1] = (found[-1][0], json.loads(text))
    return found


def shape(answer: Any) -> Any:
    """The keys of an answer, down to the first element of each list; a load's restore is null where there was none yet."""
    if isinstance(answer, dict):
        return {key: "restore or null" if key == "restore" else shape(value) for key, value in answer.items()}
    return [shape(answer[0])] if isinstance(answer, list) and answer else type(answer).__name__


def last_line(output: str) -> Any:
    """What the last command of a block printed; answers follow each other without a line end."""
    decoder = json.JSONDecoder()
    position, value = 0, None
    while position < len(output.rstrip()):
        value, position = decoder.raw_decode(
            output, position + len(output[position:]) - len(output[position:].lstrip())
        )
    return value


@pytest.mark.usefixtures("mysql")  # the sample's tables, empty
def test_every_example_of_the_readme_answers_as_it_shows(runtime: Runtime) -> None:
    answer_as_shown(examples(), runtime.env)


def _with_patience(text: str) -> str:
    """An example for a machine that does much besides: a person would look again."""
    return text.replace("sleep 3", "sleep 15")


def answer_as_shown(shown: Sequence[tuple[str, dict[str, Any] | None]], env: Mapping[str, str]) -> None:
    """Run the examples in one shell, against the API, S3 and bucket that `env` names, and look at their answers."""
    assert len(shown) > 8
    script = "set -euo pipefail\n" + f"\necho '{_MARK}'\n".join(_with_patience(text) for text, _ in shown)
    environment = {**env, "PATH": "/usr/local/bin:/usr/bin:/bin"}
    done = subprocess.run(  # noqa: PLW1510  # the assertion shows what went wrong
        ["bash", "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    outputs = done.stdout.split(_MARK)
    for (text, expected), output in zip(shown, outputs, strict=True):
        if expected is None:
            continue
        answer = last_line(output)
        assert set(answer) == set(expected), f"{text}\nanswered {answer}"
        for key, value in expected.items():
            if key != "fields" and value not in ([], None) and answer[key] is not None:
                assert shape(answer[key]) == shape(value), f"{text}: {key}"
            if key in ("read", "inserted", "rejected", "updated", "state", "errors", "ok"):
                assert answer[key] == value, f"{text}: {key}"
