"""`make setup` shows how far it is, does at once what can be, and loses nothing of what a step that failed has printed."""

import sys
import threading
from pathlib import Path

import pytest

from local.runtime.steps import Steps, steps
from tools import setup
from tools.installing import AptInstalling, PipInstalling
from tools.setup import Environment, SetupError, run, together

PIP = """\
Ignoring colorama: markers 'sys_platform == "win32"' don't match your environment
Collecting annotated-types==0.7.0 (from -r dev.lock (line 4))
  Downloading annotated_types-0.7.0-py3-none-any.whl (13 kB)
Collecting polars==1.44.0 (from -r dev.lock (line 9))
  Using cached polars-1.44.0-cp39-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl (45.5 MB)
Processing ./wheels/rich-15.0.0-py3-none-any.whl (from -r dev.lock (line 12))
"""
APT = """\
Reading package lists...
0 upgraded, 17 newly installed, 0 to remove and 3 not upgraded.
Need to get 8,732 kB/9,110 kB of archives.
After this operation, 71.9 MB of additional disk space will be used.
Get:1 http://deb.example/debian bookworm/main amd64 libaio1 [13.2 kB]
Setting up libaio1 (0.3.113-4) ...
Setting up mariadb-server-core (1:10.11) ...
"""


def test_how_far_pip_is_is_read_from_what_it_prints(tmp_path: Path) -> None:
    lock = tmp_path / "dev.lock"
    lock.write_text(
        "colorama==0.4.6 ; x \\\nannotated-types==0.7.0 \\\n    --hash=sha256:0\npolars==1.44.0\nrich==15.0.0\n"
    )
    installing = PipInstalling(lock, tmp_path)
    assert installing.so_far() == "0 of 4 packages fetched"
    for line in PIP.splitlines(keepends=True):
        installing.hear(line)
    assert installing.so_far() == "3 of 3 packages fetched, 46 MB"
    site = tmp_path / "lib" / "python3.13" / "site-packages"
    (site / "pip-26.0.dist-info").mkdir(parents=True)
    installing.hear("Installing collected packages: annotated-types, polars, rich\n")
    assert installing.so_far() == "0 of 3 packages installed, 46 MB"
    (site / "rich-15.0.0.dist-info").mkdir()
    assert installing.so_far() == "1 of 3 packages installed, 46 MB"


def test_how_far_apt_get_is_is_read_from_what_it_prints() -> None:
    installing = AptInstalling()
    assert installing.so_far() == "0 of ? packages set up"
    for line in APT.splitlines(keepends=True):
        installing.hear(line)
    assert installing.so_far() == "2 of 17 packages set up, 8,732 kB"
    assert installing.size() == "2 packages, 71.9 MB"


def test_a_command_that_fails_gives_all_that_it_printed() -> None:
    heard: list[str] = []
    script = "import sys\nfor n in range(5000): print('line', n, file=sys.stderr if n % 2 else sys.stdout)\nsys.exit(3)"
    with pytest.raises(SetupError) as failed:
        run([sys.executable, "-c", script], heard.append)
    assert "ended with exit status 3" in str(failed.value)
    assert str(failed.value).splitlines()[-5000:] == [f"line {number}" for number in range(5000)]
    assert len(heard) == 5000


def test_what_failed_is_said_whole_and_the_rest_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    done: list[str] = []

    def fails(name: str) -> None:
        run([sys.executable, "-c", f"print('the whole of {name}'); raise SystemExit(1)"])

    with steps("setup") as shown:
        good = together(shown, [lambda: fails("one"), lambda: fails("two"), lambda: done.append("three")])
    said = capsys.readouterr().err
    assert not good
    assert done == ["three"]
    assert "the whole of one\n" in said
    assert "the whole of two\n" in said


def test_environments_library_and_server_are_made_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each waits for all the others: one after the other would never end."""
    all_here = threading.Barrier(4, timeout=20)
    order: list[str] = []

    def make(environment: Environment, shown: Steps, created: object) -> None:
        assert callable(created)
        if environment.project:
            order.append("folder")
        created()
        with shown.step(environment.path.name) as step:
            step.size = "9 packages"
            all_here.wait()

    def library(shown: Steps) -> None:
        order.append("library")
        all_here.wait()

    environments = (
        Environment(tmp_path / ".venv", tmp_path / "x.lock", project=True),
        Environment(tmp_path / "s3", tmp_path),
    )
    monkeypatch.setattr(setup, "ENVIRONMENTS", environments)
    monkeypatch.setattr(Environment, "is_ready", lambda _: False)
    monkeypatch.setattr(Environment, "make", make)
    monkeypatch.setattr(setup, "lacks_server", lambda: True)
    monkeypatch.setattr(setup, "ask_for_password", lambda: None)
    monkeypatch.setattr(setup, "ensure_server", lambda _: all_here.wait())
    monkeypatch.setattr(setup, "ensure_library", library)
    assert setup.main([]) == 0
    assert order == ["folder", "library"]  # whose stamp is in the folder
    said = capsys.readouterr()
    assert said.out == ""  # which programs read, of some targets
    lines = said.err.splitlines()
    assert sorted(line.rpartition(",")[0] for line in lines[:-1]) == [
        "setup: .venv: 9 packages",
        "setup: s3: 9 packages",
    ]
    assert lines[-1].endswith("s in all")


def test_an_environment_that_cannot_be_made_fails_setup_and_hangs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.lock").write_text("nothing==1\n")
    (tmp_path / "file").write_text("no folder can be made below this")
    environments = (Environment(tmp_path / "file" / ".venv", tmp_path / "x.lock"),)
    monkeypatch.setattr(setup, "ROOT", tmp_path)
    monkeypatch.setattr(setup, "ENVIRONMENTS", environments)
    monkeypatch.setattr(setup, "lacks_server", lambda: False)
    monkeypatch.setattr(setup, "ensure_library", lambda shown: None)
    monkeypatch.setattr(Environment, "is_ready", lambda _: False)
    assert setup.main([]) == 1
    said = capsys.readouterr().err
    assert "file/.venv: failed after" in said
    assert "Not a directory" in said


def test_what_is_there_is_not_made_and_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Environment, "is_ready", lambda _: True)
    monkeypatch.setattr(setup, "lacks_server", lambda: False)
    monkeypatch.setattr(setup.NATIVE.__class__, "ensure", lambda *_: False)
    for arguments in ([], ["tools"]):
        assert setup.main(arguments) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")
