"""The files around the code: what git's hooks, GitHub and editors read names what there is, and says one thing."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import tableferry
from local.runtime.state import ROOT
from tools.lock import LOCKS

WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
HOOKS = ROOT / ".pre-commit-config.yaml"
DEVCONTAINER = ROOT / ".devcontainer" / "devcontainer.json"
PYTHONS = {"3.11", "3.12", "3.13", "3.14"}


def text(path: Path) -> str:
    """What stands in a file, without comments of YAML and shell."""
    return re.sub(r"(?m)(^|\s)#.*$", "", path.read_text(encoding="utf-8"))


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize(
    "path",
    [WORKFLOW, HOOKS, DEVCONTAINER, ROOT / ".ci" / "run", ROOT / ".github" / "pull_request_template.md"],
    ids=lambda path: path.name,
)
def test_what_it_has_make_do_is_there(path: Path) -> None:
    asked = {
        name
        for words in re.findall(r"\bmake(?: -\S+)*((?: [a-z][a-z-]*)+)", text(path))
        for name in words.split()
        if name != "where"  # prose
    }
    assert asked & targets() or path.name == "run"
    assert asked <= targets()


def test_every_target_is_in_the_list_of_those_that_are_no_files() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    [phony] = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert targets() == set(phony.split())


def test_github_runs_what_ci_runs_and_may_only_read() -> None:
    workflow = text(WORKFLOW)
    assert re.search(r"^ +- run: \.ci/run$", workflow, re.MULTILINE)
    assert re.search(r"^permissions:\n  contents: read\n\n", workflow, re.MULTILINE)
    assert workflow.count("permissions:") == 1
    assert not re.search(r"secrets\.|pull_request_target|: write", workflow)
    assert workflow.count("persist-credentials: false") == workflow.count("actions/checkout@")


def test_the_example_of_a_pipeline_uses_the_same_versions_of_actions() -> None:
    example = text(ROOT / "docs" / "examples" / "github-actions-deploy.yml")
    for action in ("actions/checkout", "actions/setup-python"):
        versions = set(re.findall(rf"{action}@(\S+)", text(WORKFLOW) + example))
        assert len(versions) == 1, (action, versions)
        assert action in example


def test_github_runs_every_python_that_is_promised() -> None:
    workflow = text(WORKFLOW)
    assert set(re.findall(r'"(3\.\d+)"', workflow)) == PYTHONS
    assert f'requires-python = ">={min(PYTHONS)}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_each_list_of_packages_is_looked_after() -> None:
    [named] = re.findall(r"directories: \[(.+)\]", text(ROOT / ".github" / "dependabot.yml"))
    folders = {ROOT / folder.strip("/ ") for folder in named.split(",")}
    assert folders == {(ROOT / lock.source).parent for lock in LOCKS}


def test_hooks_are_valid_and_of_this_environment_alone() -> None:
    subprocess.run([str(ROOT / ".venv/bin/prek"), "validate-config", str(HOOKS)], check=True, capture_output=True)
    hooks = text(HOOKS)
    assert set(re.findall(r"- repo: (\S+)", hooks)) == {"local"}
    assert set(re.findall(r"language: (\S+)", hooks)) == {"system"}
    entries = re.findall(r"entry: (.+)$", hooks, re.MULTILINE)
    assert len(entries) == hooks.count("- id:")
    for entry in entries:
        program, *words = entry.split()
        assert program == "make" or (ROOT / program).exists(), entry
        for word in words:
            assert not word.startswith("tests/") or (ROOT / word).exists(), word


def test_a_development_container_has_the_python_of_lambda() -> None:
    described = json.loads(DEVCONTAINER.read_text(encoding="utf-8"))
    assert re.search(r"/python:3\.13\b", described["image"])


def tracked() -> list[Path]:
    """What git keeps, as text; files are as they were given where `.gitattributes` says so."""
    if not (ROOT / ".git").exists():
        pytest.skip("no clone")
    done = subprocess.run(["git", "ls-files", "--eol"], cwd=ROOT, check=True, capture_output=True, text=True)
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    return [ROOT / name for about, name in lines if "attr/text" in about and "i/-text" not in about]


def test_files_are_as_editors_are_told_to_write_them() -> None:
    files = [path for path in tracked() if path.is_file()]
    assert len(files) > 300
    for path in files:
        body = path.read_bytes()
        assert not body or body.endswith(b"\n"), path
        assert b"\r\n" not in body, path
        assert not re.search(rb"[ \t]$", body, re.MULTILINE) or path.name == "LICENSE", path
        assert path.name == "Makefile" or b"\n\t" not in body or path.suffix in {".md", ".py"}, path
        body.decode()


def test_there_is_one_version_and_the_changelog_begins_with_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" in project["project"]["dynamic"]
    assert ROOT / project["tool"]["hatch"]["version"]["path"] == Path(tableferry.__file__)
    described = json.loads((ROOT / "functions" / "insert" / "openapi.json").read_text(encoding="utf-8"))
    assert described["info"]["version"] == tableferry.__version__
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", changelog, re.MULTILINE)
    assert headings[0] == "Unreleased"
    versions = [re.fullmatch(r"(\d+\.\d+\.\d+) - \d{4}-\d\d-\d\d", heading) for heading in headings[1:]]
    assert all(versions), headings
    assert versions[0]
    assert versions[0][1] == tableferry.__version__
