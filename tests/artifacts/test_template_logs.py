"""What Lambda is told of the functions' logs: it must leave out no line, for metrics are lines without a level."""

import pytest

from tests.support.stack import Json, Stack

LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR"]  # Powertools', that is Python's; Lambda's own have other names


@pytest.mark.parametrize("level", LEVELS)
def test_powertools_alone_leaves_lines_out(level: str, synthesised: Json) -> None:
    functions = Stack(synthesised, LogLevel=level).of("AWS::Lambda::Function")
    assert functions
    for name, function in functions.items():
        config = function["LoggingConfig"]
        # Lambda knows levels only of JSON, and refuses them with Text.
        assert (config["LogFormat"], set(config)) == ("Text", {"LogFormat", "LogGroup"}), name
        assert function["Environment"]["Variables"]["POWERTOOLS_LOG_LEVEL"] == level


def test_every_level_of_the_parameter_was_looked_at(synthesised: Json) -> None:
    assert synthesised["Parameters"]["LogLevel"]["AllowedValues"] == LEVELS
