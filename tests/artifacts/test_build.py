"""What `sam build` makes is whole: each handler runs from it alone, with nothing but what Lambda itself brings."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.state import ROOT

SAM = ROOT / ".venvs" / "sam" / "bin" / "sam"
FUNCTIONS = ("InsertFunction", "LoadFunction", "BackupFunction", "RestoreFunction")
LIMIT = 250_000_000  # bytes that a function and its layers may unzip to

# The standard library of this Python, and of newer ones where the code asks for the version first.
STANDARD = sys.stdlib_module_names | {"compression"}

# What Lambda's Python runtime has besides the standard library, and we may import.
LAMBDA = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")


def sam(*arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1", "PYTHON": sys.executable}
    environment.pop("MAKEFLAGS", None)
    return subprocess.run(
        [str(SAM), *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build in a folder of its own, so that the person's `.aws-sam` stays as it is."""
    folder = tmp_path_factory.mktemp("aws-sam") / "build"
    done = sam("build", "--build-dir", str(folder))
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def python313() -> str:
    """Lambda's Python, if this machine has it."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates = [sys.executable, shutil.which("python3.13"), *map(str, sorted(pyenv.glob("3.13*/bin/python")))]
    probe = "import sys; sys.exit(sys.version_info[:2] != (3, 13))"
    for candidate in filter(None, candidates):
        if subprocess.run([candidate, "-c", probe], capture_output=True, check=False).returncode == 0:
            return candidate
    pytest.skip("no Python 3.13 on this machine to import the built handlers with")


@pytest.fixture(scope="module")
def lambda_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Lambda has and a bare Python has not: boto3 and its needs, from our environment (no native code)."""
    folder = tmp_path_factory.mktemp("lambda")
    import boto3

    site = Path(boto3.__file__).parents[1]
    for name in LAMBDA:
        (source,) = [found for found in (site / name, site / f"{name}.py") if found.exists()]
        (folder / source.name).symlink_to(source)
    return folder


def modules(file: Path) -> Iterator[str]:
    """Everything that a module imports, at once or later."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def test_the_template_is_valid() -> None:
    done = sam("validate", "--lint")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_handler_is_imported_from_the_build_alone(
    build: Path, python313: str, lambda_packages: Path, function: str
) -> None:
    path = [build / function, build / "TableferryLayer" / "python", lambda_packages]
    done = subprocess.run(
        # -S: without site-packages, where an editable install would hide what the build lacks.
        [python313, "-S", "-c", "import app, sys; assert callable(app.handler); print('polars' in sys.modules)"],
        env={
            "PYTHONPATH": os.pathsep.join(map(str, path)),
            "AWS_DEFAULT_REGION": "us-east-1",
            "POWERTOOLS_SERVICE_NAME": "test",
            "POWERTOOLS_METRICS_NAMESPACE": "Test",
            "AWS_LAMBDA_FUNCTION_NAME": function,
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        cwd=build / function,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if function == "InsertFunction":
        assert done.stdout.strip() == "False", "the insert function loads the data-frame library at its cold start"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_everything_imported_is_in_the_build_or_in_lambda(build: Path, function: str) -> None:
    layer = build / "TableferryLayer" / "python"
    package = layer / "tableferry"
    for file in [*(build / function).rglob("*.py"), *package.rglob("*.py")]:
        for name in modules(file):
            top, *below = name.split(".")
            if top in STANDARD or top in LAMBDA or top.startswith("mypy_boto3"):
                continue
            place = next((folder for folder in (build / function, layer) if list(folder.glob(f"{top}*"))), None)
            assert place, f"{file.name} imports {name}, which is not there"
            if top == "tableferry" and below:
                assert list(package.glob(f"{below[0]}*")), f"{file.name} imports {name}, which is not there"


def test_native_code_is_for_lambda(build: Path) -> None:
    found = list((build / "TableferryLayer").rglob("*.so"))
    assert found
    for library in found:
        assert re.search(r"\.(cpython-313-x86_64-linux-gnu|abi3)\.so$", library.name), library.name
        assert library.read_bytes()[:20].endswith(b"\x3e\x00"), f"{library.name} is not for x86-64"


def test_no_test_or_local_code_is_in_the_build(build: Path) -> None:
    layer = {path.name for path in (build / "TableferryLayer" / "python").iterdir()}
    assert not layer & {"local", "tests", "functions", "sources", "pytest", "boto3", "rich"}
    assert not list(build.rglob("__pycache__"))


def test_a_function_with_its_layer_is_small_enough(build: Path) -> None:
    size = sum(path.stat().st_size for path in (build / "TableferryLayer").rglob("*") if path.is_file())
    for function in FUNCTIONS:
        own = sum(path.stat().st_size for path in (build / function).rglob("*") if path.is_file())
        assert size + own < LIMIT
