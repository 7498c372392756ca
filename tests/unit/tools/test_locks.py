"""What is installed is what the lists ask for, file by file: each lock against its list and against what is there."""

import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.lock import BUILD, LAYER, LOCKS, ROOT, Lock
from tools.setup import ENVIRONMENTS, ON_REQUEST, Environment

DEVELOPMENT = next(lock for lock in LOCKS if lock.source == "pyproject.toml")
each_lock = pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.path.rpartition("/")[2])


def entries(lock: Lock) -> list[tuple[Requirement, list[str]]]:
    """A lock's requirements, each with its hashes; everything but comments has to be one or the other."""
    text = (ROOT / lock.path).read_text(encoding="utf-8")
    logical = re.sub(r"\\\n\s*", "", "".join(f"{line}\n" for line in text.splitlines() if not line.startswith("#")))
    found = []
    for line in filter(None, logical.splitlines()):
        requirement, *hashes = line.split("--hash=")
        found.append((Requirement(requirement), [each.strip() for each in hashes]))
    return found


def version(requirement: Requirement) -> str:
    """The one version that a lock's line allows."""
    (pin,) = requirement.specifier
    assert pin.operator == "==", requirement
    assert "*" not in pin.version, requirement
    return pin.version


@each_lock
def test_every_package_is_pinned_to_one_version_and_to_hashes(lock: Lock) -> None:
    found = entries(lock)
    assert found
    for requirement, hashes in found:
        assert version(requirement)
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), requirement


@each_lock
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_a_lock_has_what_its_list_asks_for(lock: Lock, python: str) -> None:
    here = {"python_version": python, "python_full_version": f"{python}.1"}
    pins = {
        canonicalize_name(requirement.name): version(requirement)
        for requirement, _ in entries(lock)
        if requirement.marker is None or requirement.marker.evaluate(here)
    }
    wanted = [Requirement(line) for line in lock.requirements()]
    assert wanted
    for requirement in wanted:
        if requirement.marker is None or requirement.marker.evaluate(here):
            pin = pins.get(canonicalize_name(requirement.name))
            assert pin, f"{requirement} is not in {lock.path}: make lock"
            assert requirement.specifier.contains(pin, prereleases=True), f"{requirement}, not {pin}: make lock"


@each_lock
def test_a_lock_names_no_index_and_no_machine(lock: Lock) -> None:
    text = (ROOT / lock.path).read_text(encoding="utf-8")
    # Names, versions, markers and hashes have no slash; an index, a URL or a path has.
    assert not [line for line in text.splitlines() if re.search(r"/|\\\w|^\s*-(?!-hash=)|index|find-links", line)]


@pytest.mark.parametrize("lock", [LAYER, BUILD], ids=["layer", "build"])
def test_the_layer_does_not_depend_on_the_python_that_builds_it(lock: Lock) -> None:
    assert not [requirement for requirement, _ in entries(lock) if requirement.marker is not None]


def test_tests_run_with_the_versions_that_are_deployed() -> None:
    here = {canonicalize_name(requirement.name): version(requirement) for requirement, _ in entries(DEVELOPMENT)}
    for requirement, _ in entries(LAYER):
        assert here[canonicalize_name(requirement.name)] == version(requirement)


def test_what_is_installed_is_what_the_lock_says() -> None:
    locked = {
        canonicalize_name(requirement.name): version(requirement)
        for requirement, _ in entries(DEVELOPMENT)
        if requirement.marker is None or requirement.marker.evaluate()
    }
    # Besides the project, what a new environment has before anything is installed.
    own = {"tableferry", "pip", "setuptools"} - set(locked)
    installed = {canonicalize_name(found.name): found.version for found in metadata.distributions()}
    found = {name: there for name, there in installed.items() if name not in own}
    assert found == locked, "the environment is of another lock: make setup"


def test_what_is_installed_needs_nothing_that_the_lock_lacks() -> None:
    there = {canonicalize_name(found.name): found for found in metadata.distributions()}
    for found in there.values():
        for line in found.requires or []:
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                held = there.get(canonicalize_name(need.name))
                assert held, f"{found.name} needs {need}"
                assert need.specifier.contains(held.version, prereleases=True), f"{found.name} needs {need}"


def test_every_lock_is_installed_somewhere() -> None:
    makefile = ROOT / "layers" / "tableferry" / "Makefile"
    built = re.findall(r"-r (\S+)", makefile.read_text(encoding="utf-8"))
    assert {ROOT / lock.path for lock in LOCKS} == {
        *(environment.lock for environment in (*ENVIRONMENTS, *ON_REQUEST.values())),
        *map(makefile.with_name, built),
    }


@pytest.mark.parametrize("project", [False, True])
def test_an_environment_is_made_again_when_its_lock_changes(tmp_path: Path, project: bool) -> None:
    lock = tmp_path / "some.lock"
    lock.write_text("a==1\n")
    environment = Environment(tmp_path, lock, project)
    (tmp_path / ".stamp").write_text(environment.fingerprint())
    assert environment.is_ready()
    lock.write_text("a==2\n")
    assert not environment.is_ready()
