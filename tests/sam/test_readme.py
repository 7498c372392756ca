"""The README's examples against `make sam-up`; only S3's event, which does not come by itself there, is given."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from local.runtime.state import ROOT
from local.sam.stack import Stack
from tests.e2e.test_docs import answer_as_shown
from tests.support.pages import run_here

WAIT = "sleep 3\n"  # what the README waits for its load
KEY = "uploads/hired_employees/2022.csv"


@pytest.mark.usefixtures("mysql")
def test_every_example_of_the_readme_answers_as_it_shows_with_sam_too(
    stack: Stack, env: Mapping[str, str], tmp_path: Path
) -> None:
    shown = run_here(ROOT / "README.md")
    assert sum(WAIT in block.text for block in shown) == 1
    load = shlex.join([sys.executable, "-m", "local.sam", "load", "--state", str(stack.state.folder), KEY])
    for block in shown:
        block.text = block.text.replace(WAIT, f"{load} >/dev/null\n")
    answer_as_shown(shown, env, tmp_path)
