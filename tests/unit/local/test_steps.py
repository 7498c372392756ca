"""Steps of a command: a live line on a terminal, few plain ones elsewhere, and nothing lost of what is said."""

import io
import re
import threading

import pytest

from local.runtime import steps as steps_module
from local.runtime.steps import Steps, is_live, megabytes, steps


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """A terminal, as what it shows: each line as it was drawn last."""

    def isatty(self) -> bool:
        return True

    def shows(self) -> list[str]:
        return [line.rpartition("\x1b[2K")[2] for line in self.getvalue().split("\n")]


@pytest.fixture(autouse=True)
def no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests draw by themselves."""
    monkeypatch.setattr(steps_module, "_DRAWN_EVERY_SECONDS", 3600.0)


def test_a_pipe_gets_a_line_for_each_end_and_few_on_the_way() -> None:
    clock, out = Clock(), io.StringIO()
    shown = Steps("setup", out, live=False, clock=clock)
    with shown.step(".venv", "a virtual environment") as step:
        for second in range(1, 601):
            clock.now += 1
            step.so_far = f"{second} of 700 packages".__str__
            shown.draw()
        step.size = "700 packages, 900 MB"
    shown.close()
    lines = out.getvalue().splitlines()
    assert lines[:4] == [
        "setup: 0:02 .venv: 2 of 700 packages",
        "setup: 0:10 .venv: 10 of 700 packages",
        "setup: 0:30 .venv: 30 of 700 packages",
        "setup: 1:00 .venv: 60 of 700 packages",
    ]
    assert [line.split()[1] for line in lines[4:-2]] == [f"{minute}:00" for minute in range(2, 11)]
    assert lines[-2:] == ["setup: .venv: 700 packages, 900 MB, 600.0 s", "setup: 600.0 s in all"]
    assert "\x1b" not in out.getvalue()
    assert "\r" not in out.getvalue()


def test_a_short_step_is_one_line_in_a_pipe() -> None:
    clock, out = Clock(), io.StringIO()
    shown = Steps("setup", out, live=False, clock=clock)
    with shown.step("libnative.so", "100 kB"):
        clock.now += 1.5
        shown.draw()
    shown.close()
    assert out.getvalue() == "setup: libnative.so: 100 kB, 1.5 s\nsetup: 1.5 s in all\n"


def test_what_is_done_at_once_is_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    clock, out = Clock(), Terminal()
    shown = Steps("setup", out, live=True, clock=clock)
    with shown.step(".venv") as first, shown.step(".venvs/sam") as second:
        first.so_far, second.so_far = lambda: "1 of 2", lambda: "3 of 4 packages, which is more than fits"
        clock.now += 61
        shown.draw()
        assert out.shows() == ["setup: 1:01 .venv: 1 of 2; .venvs/sam: 3 of 4 packages, whi"]
        shown.say("a line that stays")
        assert out.shows()[0] == "setup: a line that stays"
        assert out.shows()[1].startswith("setup: 1:01 .venv")
    shown.close()
    assert out.shows() == [
        "setup: a line that stays",
        "setup: .venvs/sam: 61.0 s",
        "setup: .venv: 61.0 s",
        "setup: 61.0 s in all",
        "",
    ]


def test_a_step_that_fails_says_so_and_what_is_said_then_is_whole() -> None:
    clock, out = Clock(), Terminal()
    shown = Steps("setup", out, live=True, clock=clock)
    text = "\n".join(f"line {number} " + "x" * 300 for number in range(2000))

    def fails() -> None:
        with shown.step(".venv", "9 packages"):
            clock.now += 3
            raise ValueError(text)

    with shown.step("other"):
        with pytest.raises(ValueError, match="line 1999"):
            fails()
        shown.say(text)
    shown.close()
    assert "setup: .venv: failed after 3.0 s" in out.shows()
    assert text in "\n".join(out.shows())


def test_nothing_done_is_nothing_said() -> None:
    out = io.StringIO()
    with steps("setup", out) as shown:
        pass
    with steps("setup", out) as shown, shown.step("silent") as step:
        step.is_silent = True
    assert out.getvalue() == ""


def test_lines_of_many_threads_stay_whole() -> None:
    out = io.StringIO()
    shown = Steps("setup", out, live=False)

    def work(number: int) -> None:
        for turn in range(50):
            with shown.step(f"step-{number}-{turn}", "1 MB"):
                shown.draw()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shown.close()
    lines = out.getvalue().splitlines()
    assert len(lines) == 8 * 50 + 1
    assert all(re.fullmatch(r"setup: step-\d-\d+: 1 MB, \d\.\d s", line) for line in lines[:-1])


@pytest.mark.parametrize(
    ("terminal", "environment", "live"),
    [
        (True, {"TERM": "xterm"}, True),
        (True, {"TERM": "dumb"}, False),
        (True, {}, False),
        (True, {"TERM": "xterm", "CI": "true"}, False),
        (False, {"TERM": "xterm"}, False),
    ],
)
def test_a_line_lives_only_where_it_can_be_drawn_anew(terminal: bool, environment: dict[str, str], live: bool) -> None:
    assert is_live(Terminal() if terminal else io.StringIO(), environment) == live


def test_sizes_are_megabytes_or_less() -> None:
    assert [megabytes(size) for size in (123_456_789, 1_000_000, 99_400)] == ["123 MB", "1 MB", "99 kB"]
