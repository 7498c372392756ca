"""The documentation's commands, each page run as it stands in one shell, each answer of the shape that the page shows."""

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from local.runtime.state import ROOT
from tests.support.pages import NEEDS, Block, all_pages, blocks, run_here
from tests.support.parts import Runtime

_MARK = "--8<--"
_LOOK = re.compile(r'^sleep 3\n(curl -s "\$API_URL/loads\?key=[^"]+")', re.MULTILINE)
# What pages have that cannot be run here: a block more of these is to be meant.
NOT_RUN = {"README.md": 2, "quickstart.md": 7, "recipes.md": 2}


@pytest.mark.usefixtures("mysql")  # the sample's tables, empty
@pytest.mark.parametrize("page", all_pages(), ids=lambda page: page.name)
def test_every_command_of_a_page_answers_as_it_shows(page: Path, runtime: Runtime, tmp_path: Path) -> None:
    answer_as_shown(run_here(page), runtime.env, tmp_path)


def test_a_page_says_of_each_command_that_is_not_run_what_it_needs() -> None:
    unrun = {page.name: [block.needs for block in blocks(page) if block.needs] for page in all_pages()}
    assert {need for needs in unrun.values() for need in needs} <= set(NEEDS)
    assert {page: len(needs) for page, needs in unrun.items() if needs} == {k: v for k, v in NOT_RUN.items() if v}
    assert sum(len(run_here(page)) for page in all_pages()) > 8


def test_a_recipe_has_ten_lines_at_most() -> None:
    recipes = blocks(ROOT / "docs" / "recipes.md")
    assert len(recipes) > 10
    assert max(len(block.text.splitlines()) for block in recipes) <= 10


def shape(answer: Any) -> Any:
    """The keys of an answer, down to the first element of each list; a load's restore is null where there was none yet."""
    if isinstance(answer, dict):
        return {key: "restore or null" if key == "restore" else shape(value) for key, value in answer.items()}
    return [shape(answer[0])] if isinstance(answer, list) and answer else type(answer).__name__


def _patient(text: str) -> str:
    """A block for a machine that does much besides: a person would look again until the load has ended."""
    ended = """grep -qE '"state": ?"(done|rejected|failed)"'"""
    return _LOOK.sub(rf"for _ in $(seq 150); do \1 | {ended} && break; sleep 0.2; done\n\1", text)


def answer_as_shown(shown: Sequence[Block], env: Mapping[str, str], folder: Path) -> None:
    """Run the blocks in one shell, against the API, S3 and bucket that `env` names, and look at their answers.

    What they write goes into `folder`, which looks like a checkout to them.
    """
    for name in (".venv", *(path.name for path in ROOT.iterdir() if not path.name.startswith("."))):
        (folder / name).symlink_to(ROOT / name)
    script = "set -euo pipefail\n" + f"\necho '{_MARK}'\n".join(_patient(block.script) for block in shown)
    environment = {**env, "PATH": "/usr/local/bin:/usr/bin:/bin"}
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    outputs = done.stdout.split(_MARK)
    assert done.returncode == 0, f"{shown[len(outputs) - 1].text}\n{outputs[-1]}\n{done.stderr}"
    for block, output in zip(shown, outputs, strict=True):
        if block.answer is None:
            continue
        answer = last_answer(output)
        assert set(answer) == set(block.answer), f"{block.text}\nanswered {answer}"
        for key, value in block.answer.items():
            if key != "fields" and value not in ([], None) and answer[key] is not None:
                assert shape(answer[key]) == shape(value), f"{block.text}: {key}"
            if key in ("read", "inserted", "rejected", "updated", "state", "errors", "ok"):
                assert answer[key] == value, f"{block.text}: {key}"


def last_answer(output: str) -> Any:
    """What the last command of a block printed; answers follow each other without a line end."""
    decoder = json.JSONDecoder()
    position, value = 0, None
    while position < len(output.rstrip()):
        value, position = decoder.raw_decode(
            output, position + len(output[position:]) - len(output[position:].lstrip())
        )
    return value
