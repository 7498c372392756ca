"""The README's examples against `make sam-up`; only S3's event, which does not come by itself there, is given."""

import shlex
import sys
from collections.abc import Mapping

import pytest

from local.sam.stack import Stack
from tests.e2e.test_readme import answer_as_shown, examples

WAIT = "sleep 3\n"  # what the README waits for its load
KEY = "uploads/hired_employees/2022.csv"


@pytest.mark.usefixtures("mysql")
def test_every_example_of_the_readme_answers_as_it_shows_with_sam_too(stack: Stack, env: Mapping[str, str]) -> None:
    shown = examples()
    assert sum(WAIT in text for text, _ in shown) == 1
    load = shlex.join([sys.executable, "-m", "local.sam", "load", "--state", str(stack.state.folder), KEY])
    changed = [(text.replace(WAIT, f"{load} >/dev/null\n"), answer) for text, answer in shown]
    answer_as_shown(changed, env)
