"""`make setup` compiles the native library where it can, once, and does without where it cannot."""

import ctypes
import shlex
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tableferry.columnar.native import library as native
from tests.effort import by_turns
from tools import setup
from tools.build_native import Library, NotCompiled, compiler

SOURCES = [setup.NATIVE.source, setup.NATIVE.flags, *setup.NATIVE.sources[1:]]


@pytest.fixture
def with_compiler() -> None:
    if shutil.which(compiler()[0]) is None:
        pytest.skip("no C compiler on this machine")


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """The real sources and flags, in a folder of their own."""
    source, flags, *_ = (Path(shutil.copy(file, tmp_path)) for file in SOURCES)
    return Library(source, flags, tmp_path / "libnative.so", tmp_path / ".native")


def answer(library: Library) -> int:
    return int(ctypes.CDLL(str(library.target)).tableferry_native_version())


def with_answer(library: Library, number: int) -> None:
    library.source.write_text(f"int tableferry_native_version(void) {{ return {number}; }}\n")
    library.flags.write_text("-fPIC -shared\n")


@pytest.mark.usefixtures("with_compiler")
def test_the_package_loads_the_library_that_setup_makes() -> None:
    """With another path it would find none, and work all the same, only slowly."""
    assert setup.NATIVE.target == native.FILE
    assert native.library()


@pytest.mark.usefixtures("with_compiler")
@by_turns
def test_the_library_is_compiled_once(library: Library) -> None:
    assert library.ensure()
    assert answer(library) > 0
    made = library.target.stat()
    assert not library.ensure()
    assert library.target.stat() == made


@pytest.mark.usefixtures("with_compiler")
@pytest.mark.parametrize("changed", ["source", "flags", "compiler", "library"])
def test_the_library_is_compiled_again_when_what_it_is_made_from_changes(
    library: Library, changed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_answer(library, 41)  # for ours takes seconds
    assert library.ensure()
    match changed:
        case "source":
            library.source.write_text(library.source.read_text() + "\n")
        case "flags":
            library.flags.write_text(library.flags.read_text() + "-g\n")
        case "compiler":
            monkeypatch.setenv("CC", shlex.join([*compiler(), "-g"]))
        case "library":
            library.target.unlink()
    assert library.ensure()
    assert not library.ensure()


@pytest.mark.usefixtures("with_compiler")
def test_the_library_is_compiled_again_when_a_header_changes(library: Library) -> None:
    with_answer(library, 41)
    header = library.source.with_name("answer.h")
    header.write_text("#define ANSWER 42\n")
    library.source.write_text('#include "answer.h"\nint tableferry_native_version(void) { return ANSWER; }\n')
    assert library.ensure()
    assert answer(library) == 42
    header.write_text("#define ANSWER 43\n")
    assert library.ensure()
    assert not library.ensure()


@pytest.mark.usefixtures("with_compiler")
def test_a_process_keeps_the_library_that_it_has_loaded(library: Library) -> None:
    with_answer(library, 41)
    library.ensure()
    loaded = ctypes.CDLL(str(library.target))
    with_answer(library, 42)
    assert library.ensure()
    assert loaded.tableferry_native_version() == 41


def test_without_a_compiler_setup_says_so_in_one_line_and_an_older_library_is_gone(
    library: Library, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    library.target.write_bytes(b"compiled from another source")
    monkeypatch.setenv("CC", str(library.source.with_name("no-such-compiler")))
    monkeypatch.setattr(setup, "NATIVE", library)
    setup.ensure_library()
    (line,) = capsys.readouterr().err.splitlines()
    assert "no-such-compiler" in line
    assert "works without" in line
    assert "apt-get install gcc" in line
    assert not library.target.exists()


@pytest.mark.usefixtures("with_compiler")
@by_turns
def test_a_source_that_does_not_compile_is_said_in_one_line_and_an_older_library_is_gone(
    library: Library, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    library.ensure()
    library.source.write_text("#error not for this processor\n")
    monkeypatch.setattr(setup, "NATIVE", library)
    setup.ensure_library()
    (line,) = capsys.readouterr().err.splitlines()
    log = library.stamp.with_suffix(".log")
    assert "works without" in line
    assert str(log) in line
    assert "not for this processor" in log.read_text()
    assert not list(library.target.parent.glob("*.so"))


@pytest.mark.usefixtures("with_compiler")
@by_turns
def test_a_library_that_cannot_be_written_is_said(library: Library, tmp_path: Path) -> None:
    with pytest.raises(NotCompiled, match="could not compile"):
        replace(library, target=tmp_path / "no-such-folder" / "libnative.so").ensure()


@pytest.mark.usefixtures("with_compiler")
@by_turns
def test_the_source_has_no_warnings(library: Library) -> None:
    strict = [
        *compiler(),
        f"@{library.flags}",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-o",
        str(library.target),
        str(library.source),
    ]
    done = subprocess.run(strict, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
