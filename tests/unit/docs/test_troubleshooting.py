"""docs/troubleshooting.md has an entry for each word that an answer may have, with its status and what to do."""

import ast
import re
from pathlib import Path

import tableferry
from local.runtime.state import ROOT
from tableferry import errors
from tableferry.api import problems
from tableferry.ingest.write import refusals
from tableferry.restore import dry_run, preflight, recovery

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
SOURCES = sorted(Path(tableferry.__path__[0]).rglob("*.py"))
NOT_OF_A_CLASS = {"internal": 500, "no-such-route": 404, "ended-from-outside": 500}


def entries(columns: int) -> dict[str, list[str]]:
    """The rows of the page's tables with so many columns, by each word of their first one."""
    found = {}
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == columns:
            found.update(dict.fromkeys(re.findall(r"`([a-z][a-z_-]+)`", cells[0]), cells[1:]))
    return found


def word(error: type[errors.TableferryError]) -> str:
    return error.name.fget(error.__new__(error))  # type: ignore[attr-defined, no-any-return]


def classes(base: type[errors.TableferryError]) -> set[type[errors.TableferryError]]:
    return {
        one for below in base.__subclasses__() for one in {below, *classes(below)} if one.__module__ == base.__module__
    }


def test_every_error_is_there_with_its_status_and_what_to_do() -> None:
    wanted = {
        word(error): problems.STATUS.get(error, 500) for error in classes(errors.TableferryError)
    } | NOT_OF_A_CLASS
    assert len(wanted) > 40
    there = entries(4)
    assert set(there) == set(wanted)
    for name, (status, means, do) in there.items():
        assert int(status) == wanted[name], name
        assert len(means) > 10, name
        assert len(do) > 3, name


def test_every_word_that_is_made_without_a_class_is_there() -> None:
    made = {
        name for source in SOURCES for name in re.findall(r'made\(HTTPStatus\.\w+, "([a-z-]+)"', source.read_text())
    }
    assert "no-such-route" in made
    assert made <= set(entries(4))


def test_every_code_of_a_row_and_of_a_restore_is_there() -> None:
    """Codes are the first words that faults, problems of rows and findings are made with."""
    codes = {*refusals._MESSAGES, *preflight.CHECKS, *recovery.CHECKS, *dry_run.STAGES}
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _MADE:
                place = node.args[_MADE[node.func.id] :]
                if place and isinstance(place[0], ast.Constant):
                    codes.add(str(place[0].value))
    assert {"malformed", "unknown_column", "nul", "digest", "stuck"} <= codes
    assert {code for code in codes if code not in entries(3)} == set()


_MADE = {"Bad": 0, "Fault": 0, "Finding": 0, "Problem": 2}
