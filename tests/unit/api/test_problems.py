"""Errors as HTTP tells of them."""

import inspect

import pytest

from tableferry import errors
from tableferry.api import problems
from tableferry.errors import InvalidRequest, Problem, TableferryError, TableNotFound

# These end inside: they are turned into others, or are nobody's fault but ours.
INSIDE = {TableferryError, errors.ObjectNotFound, errors.Misconfigured, errors.Unaccounted}


def test_every_error_that_a_caller_can_act_on_has_its_status() -> None:
    classes = {found for _, found in inspect.getmembers(errors, inspect.isclass) if issubclass(found, TableferryError)}
    assert classes - INSIDE == set(problems.STATUS)


def test_a_known_error_says_what_to_do() -> None:
    assert problems.problem(TableNotFound("x", ["a", "b"])) == {
        "type": "urn:tableferry:problem:table-not-found",
        "title": "Table not found",
        "status": 404,
        "detail": "There is no table 'x'. There are: a, b.",
    }


def test_the_rows_at_fault_are_listed() -> None:
    found = problems.problem(InvalidRequest("no", [Problem(1, "a", "missing", "a value is required")]))
    assert found["errors"] == [{"row": 1, "column": "a", "code": "missing", "message": "a value is required"}]


@pytest.mark.parametrize("error", [RuntimeError("SELECT secret"), errors.Unaccounted("x"), KeyError("password")])
def test_an_unforeseen_error_tells_nothing(error: Exception) -> None:
    found = problems.problem(error)
    assert found["status"] == 500
    assert "secret" not in str(found)
    assert "password" not in str(found)
