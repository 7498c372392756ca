"""The shape of the code: imports one way, and what must not be loaded where."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.effort import sample

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "layers" / "tableferry" / "tableferry"

MODULES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = sorted(path.parent for path in MODULES if path.name == "__init__.py" and path.parent != PACKAGE)


def test_there_is_something_to_look_at() -> None:
    assert len(MODULES) > 120
    assert len(FOLDERS) > 15


def test_imports_go_one_way() -> None:
    """By the contracts in pyproject.toml, in which every folder is named."""
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.relative_to(PACKAGE).as_posix())
def test_a_folder_says_what_it_promises_and_imports_nothing_by_itself(folder: Path) -> None:
    """An import of one module must not load a library that another one needs."""
    body = ast.parse((folder / "__init__.py").read_text()).body
    assert [type(node) for node in body] == [ast.Expr]
    assert len(list(folder.glob("*.py"))) - 1 <= 16


def imported(module: Path) -> list[str]:
    """The modules that a module imports anywhere."""
    nodes = list(ast.walk(ast.parse(module.read_text())))
    found = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return found + [name.name for node in nodes if isinstance(node, ast.Import) for name in node.names]


def test_the_package_never_imports_a_handler_or_a_test() -> None:
    for path in MODULES:
        assert not {"functions", "tests"} & {name.split(".")[0] for name in imported(path)}, path


def test_the_environment_is_read_in_one_module() -> None:
    readers = [path for path in MODULES if "os.environ" in path.read_text()]
    assert readers == [PACKAGE / "config" / "settings.py"]


# What a document of the API is made of (the largest part of Powertools), the frames, the AWS SDK.
DOCUMENT = "aws_lambda_powertools.event_handler.openapi.models"


@pytest.mark.parametrize(
    ("function", "absent"),
    [
        ("insert", [DOCUMENT, "polars", "boto3"]),
        ("load", [DOCUMENT, "polars"]),
        ("backup", [DOCUMENT]),
        ("restore", [DOCUMENT]),
    ],
)
@sample(1)
def test_a_cold_start_does_not_load_what_the_function_does_not_need(function: str, absent: list[str]) -> None:
    code = f"import sys, app; print([name for name in {absent!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "functions" / function, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
