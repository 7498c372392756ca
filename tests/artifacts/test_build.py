"""What `sam build` makes is whole: each handler runs from it alone, with nothing but Python itself."""

import ast
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from local.runtime.state import ROOT
from tableferry.columnar.native import library as native
from tests.artifacts import elf
from tests.effort import by_turns, thorough
from tools.lock import LAYER
from tools.setup import NATIVE

SAM = ROOT / ".venvs" / "sam" / "bin" / "sam"
FUNCTIONS = ("InsertFunction", "LoadFunction", "UploadsFunction", "BackupFunction", "RestoreFunction")
MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}  # Lambda's word for it, and Linux's
OLDEST_GLIBC = (2, 28)  # what the wheels in the layer run on: manylinux_2_28
LIMIT = 250_000_000  # bytes that a function and its layers may unzip to

# The standard library of this Python, and of newer ones where the code asks for the version first.
STANDARD = sys.stdlib_module_names | {"compression"}

# Of AWS, what the functions ask. Each makes its client by a name that stands in the code.
SERVICES = {
    service
    for file in [*(ROOT / "layers" / "tableferry" / "tableferry").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]
    for service in re.findall(r"\b_?client\(\s*\"([a-z0-9-]+)\"", file.read_text(encoding="utf-8"))
}


def without(*names: str) -> dict[str, str]:
    """The environment, less these variables and what a make above us says to the one below."""
    return {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", *names)}


def run(*command: str | Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {**without("PYTHON"), "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1", **variables}
    arguments = [str(part) for part in command]
    return subprocess.run(
        arguments, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def has_pip(python: str) -> bool:
    return run(python, "-m", "pip", "--version").returncode == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where builds go: not to `.aws-sam`, which is the person's."""
    return tmp_path_factory.mktemp("aws-sam")


@pytest.fixture(scope="module", params=[pytest.param(name, marks=thorough) for name in ("x86_64", "arm64")])
def architecture(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def build(folder: Path, architecture: str) -> Path:
    """The default one as the documentation has it, the other one by make."""
    target = folder / architecture
    if architecture == "x86_64":
        # With the machine's own python3, of whatever version. Only where that has no pip, with ours.
        variables = {} if has_pip("python3") else {"PYTHON": sys.executable}
        done = run(SAM, "build", "--build-dir", target, **variables)
    else:
        # `-o setup`: the environment that this test runs in is not to be made again under it.
        done = run("make", "-o", "setup", "build", f"ARCHITECTURE={architecture}", f"BUILD=--build-dir {target}")
    assert done.returncode == 0, done.stderr[-3000:]
    return target


@pytest.fixture
def runnable(build: Path, architecture: str) -> Path:
    """The build that this machine can run."""
    if (sys.platform, MACHINES[architecture]) != ("linux", platform.machine()):
        pytest.skip(f"this machine does not run Linux programs for {architecture}")
    return build


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


def modules(file: Path) -> Iterator[str]:
    """Everything that a module imports, at once or later."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


@by_turns
def test_the_template_is_valid() -> None:
    done = run(SAM, "validate", "--lint")
    assert done.returncode == 0, done.stdout + done.stderr


@thorough
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_handler_is_imported_from_the_build_alone(runnable: Path, python313: str, function: str) -> None:
    path = [runnable / function, runnable / "TableferryLayer" / "python"]
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
        cwd=runnable / function,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if function == "InsertFunction":
        assert done.stdout.strip() == "False", "the insert function loads the data-frame library at its cold start"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_everything_imported_is_in_the_build(build: Path, function: str) -> None:
    layer = build / "TableferryLayer" / "python"
    package = layer / "tableferry"
    for file in [*(build / function).rglob("*.py"), *package.rglob("*.py")]:
        for name in modules(file):
            top, *below = name.split(".")
            if top in STANDARD or top.startswith("mypy_boto3"):
                continue
            place = next((folder for folder in (build / function, layer) if list(folder.glob(f"{top}*"))), None)
            assert place, f"{file.name} imports {name}, which is not there"
            if top == "tableferry" and below:
                assert list(package.glob(f"{below[0]}*")), f"{file.name} imports {name}, which is not there"


def test_native_code_is_for_lambda(build: Path, architecture: str) -> None:
    machine = MACHINES[architecture]
    found = list((build / "TableferryLayer").rglob("*.so*"))
    assert found
    for library in found:
        ours = library == native_library(build)
        assert ours or re.search(rf"\.(cpython-313-{machine}-linux-gnu|abi3)\.so$", library.name), library.name
        assert elf.machine(library) == machine, library.name


def native_library(build: Path) -> Path:
    return build / "TableferryLayer" / "python" / native.FILE.relative_to(ROOT / "layers" / "tableferry")


def test_the_native_library_is_in_the_layer_and_its_source_is_not(build: Path) -> None:
    package = build / "TableferryLayer" / "python" / "tableferry"
    assert [path for path in package.rglob("*") if path.suffix in (".so", ".c", ".h")] == [native_library(build)]


def test_the_native_library_exports_what_its_source_marks_and_nothing_else(build: Path) -> None:
    source = NATIVE.source.read_text(encoding="utf-8")
    marked = re.findall(r"^EXPORT\s[^()]*?(\w+)\s*\(", source, re.MULTILINE)
    assert "tableferry_native_version" in marked
    assert elf.exported(native_library(build)) == set(marked)


def test_the_native_library_runs_on_lambdas_glibc(build: Path) -> None:
    versions = elf.needed_versions(native_library(build))
    assert all(name.startswith("GLIBC_2.") for name in versions), versions
    newest = max((tuple(map(int, name[6:].split("."))) for name in versions), default=OLDEST_GLIBC)
    assert newest <= OLDEST_GLIBC, versions


# Of the package in this path alone: where its module is, and whether it has its library. A package that does not find it
# works all the same, only slowly.
LOADED = f"""
from importlib import import_module
native = import_module("{native.__name__}")
print(native.__file__, bool(native.library()))
"""


def loads_its_library(layer: Path, *, alone: bool) -> tuple[bool, bool]:
    """Whether a layer's package is what a Python with it in the path imports, and whether it loads its native library."""
    done = subprocess.run(
        [sys.executable, *(["-S"] if alone else []), "-c", LOADED],
        env={"PYTHONPATH": str(layer), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    file, loaded = done.stdout.rsplit(maxsplit=1)
    return Path(file).is_relative_to(layer), loaded == "True"


def test_the_package_of_the_layer_loads_its_native_library(runnable: Path) -> None:
    assert loads_its_library(runnable / "TableferryLayer" / "python", alone=True) == (True, True)


def test_the_layer_has_what_its_lock_says_and_nothing_else(build: Path) -> None:
    python = build / "TableferryLayer" / "python"
    lines = re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / LAYER.path).read_text(encoding="utf-8"), re.MULTILINE)
    found = list(metadata.distributions(path=[str(python)]))
    assert {canonicalize_name(each.name): each.version for each in found} == dict(lines)
    own = {Path(str(file)).parts[0] for each in found for file in each.files or ()} | {"tableferry"}
    assert {path.name for path in python.iterdir()} - {"__pycache__"} == own - {"..", "bin", "__pycache__"}


def test_what_a_package_of_the_layer_needs_is_in_the_layer(build: Path, architecture: str) -> None:
    there = {"python_version": "3.13", "python_full_version": "3.13.0", "implementation_name": "cpython"}
    there |= {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": MACHINES[architecture]}
    found = list(metadata.distributions(path=[str(build / "TableferryLayer" / "python")]))
    versions = {canonicalize_name(each.name): each.version for each in found}
    needs = [Requirement(line) for each in found for line in each.requires or []]
    for need in [each for each in needs if each.marker is None or each.marker.evaluate({**there, "extra": ""})]:
        assert need.specifier.contains(versions[canonicalize_name(need.name)]), need


CLIENTS = """
import json, sys
import boto3, botocore
from boto3.s3.transfer import TransferConfig
for service in sys.argv[1:]:
    boto3.session.Session().client(service)
token = boto3.client("rds").generate_db_auth_token("db.example", 3306, "tableferry")
post = boto3.client("s3").generate_presigned_post("bucket", "uploads/x")
print(json.dumps([boto3.__file__, boto3.__version__, botocore.__file__, "X-Amz-Signature" in token, post["url"]]))
"""


def test_the_layer_makes_every_client_by_its_own_sdk(runnable: Path, tmp_path: Path) -> None:
    """With the layer before another boto3 in the path, as in Lambda, where /opt/python comes first."""
    layer = runnable / "TableferryLayer" / "python"
    (tmp_path / "boto3").mkdir()
    (tmp_path / "boto3" / "__init__.py").write_text("raise ImportError('that of the runtime')\n")
    done = subprocess.run(
        [sys.executable, "-S", "-c", CLIENTS, *sorted(SERVICES)],
        env={
            "PYTHONPATH": os.pathsep.join(map(str, (layer, tmp_path))),
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    sdk, version, core, signed, url = json.loads(done.stdout)
    assert Path(sdk).is_relative_to(layer)
    assert Path(core).is_relative_to(layer)
    assert version == metadata.version("boto3"), "the tests run with another boto3 than is deployed"
    assert signed
    assert url == "https://bucket.s3.amazonaws.com/"


def test_the_layer_describes_the_services_that_are_asked_and_no_others(build: Path) -> None:
    data = build / "TableferryLayer" / "python" / "botocore" / "data"
    assert {path.name for path in data.iterdir() if path.is_dir()} == SERVICES
    assert {"endpoints.json", "partitions.json", "_retry.json", "sdk-default-configuration.json"} <= {
        path.name for path in data.iterdir()
    }


def test_no_test_or_local_code_is_in_the_build(build: Path) -> None:
    layer = {path.name for path in (build / "TableferryLayer" / "python").iterdir()}
    assert not layer & {"local", "tests", "functions", "sources", "pytest", "rich", "bin"}
    assert not [path for path in build.rglob("*") if path.name in ("tests", "test", ".git", ".venv")]
    for compiled in build.rglob("*.pyc"):  # by us, for Lambda's Python, and of what is there
        source, version, _ = compiled.name.split(".")
        assert version == "cpython-313", compiled
        assert (compiled.parents[1] / f"{source}.py").exists(), compiled


def test_no_built_file_names_the_machine_that_built_it(build: Path) -> None:
    for path in build.rglob("*"):
        others = path.suffix == ".so" and path != native_library(build)  # large, and not made here
        if path.is_file() and not others and path.parent != build:
            assert str(ROOT).encode() not in path.read_bytes(), path


def size(folder: Path) -> int:
    """The bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_a_function_with_its_layer_is_small_enough(build: Path, record_property: Callable[[str, object], None]) -> None:
    layer = size(build / "TableferryLayer")
    assert layer > 1_000_000
    for function in FUNCTIONS:
        whole = layer + size(build / function)
        record_property(function, whole)
        assert whole < LIMIT, f"{function} and its layer: {whole:,} bytes"


def test_the_makefile_keeps_the_descriptions_of_the_services_that_are_asked() -> None:
    makefile = (ROOT / "layers" / "tableferry" / "Makefile").read_text(encoding="utf-8")
    [named] = re.findall(r"^SERVICES := (.+)$", makefile, re.MULTILINE)
    assert set(named.split()) == SERVICES >= {"s3", "secretsmanager"}


def test_functions_and_layer_are_for_one_architecture() -> None:
    template = (ROOT / "template.yaml").read_text(encoding="utf-8")
    assert re.findall(r"\w*Architectures?: (?!$)(.*)", template) == [
        "[!Ref Architecture]",
        "!Ref Architecture",
        "[!Ref Architecture]",
    ]
    assert "ContextPath: !Sub layers/tableferry/${Architecture}" in template


@by_turns
def test_an_architecture_that_lambda_has_not_is_refused(folder: Path) -> None:
    wrong = ["--parameter-overrides", "Architecture=riscv64"]
    done = run(SAM, "build", "TableferryLayer", "--build-dir", folder / "wrong", *wrong)
    assert done.returncode != 0
    assert "layers/tableferry/riscv64/Makefile" in done.stderr


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    """A copy of the layer's folder without the package, to build in as SAM CLI does."""
    return shutil.copytree(ROOT / "layers" / "tableferry", tmp_path / "layer")


def make_layer(layer: Path, makefile: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    wanted = ("--makefile", makefile, "build-TableferryLayer", f"ARTIFACTS_DIR={layer.parent / 'artifacts'}")
    return run("make", "-C", layer, *wanted, **variables)


# A Python that has nothing to install, and whose Zig is this machine's compiler.
QUICK_PYTHON = f"""#!{sys.executable}
import os, sys
if sys.argv[1:3] == ["-m", "pip"]:
    if "--target" in sys.argv:
        os.makedirs(sys.argv[sys.argv.index("--target") + 1])
    sys.exit()
if sys.argv[1:4] == ["-m", "ziglang", "cc"]:
    flags = sys.argv[4:]
    at = flags.index("-target")
    del flags[at : at + 2]
    os.execvp("cc", ["cc", *flags])
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("cc"), reason="no C compiler for Linux here")
def test_the_package_loads_the_library_that_the_makefile_compiles(layer: Path) -> None:
    """The layer's Makefile with this machine's compiler, and packages from around it: so quick that every run does it."""
    python = layer.parent / "python"
    python.write_text(QUICK_PYTHON, encoding="utf-8")
    python.chmod(0o755)
    [architecture] = [word for word, machine in MACHINES.items() if machine == platform.machine()]
    done = make_layer(layer, f"{architecture}/Makefile", PYTHON=str(python))
    assert done.returncode == 0, done.stderr
    assert loads_its_library(layer.parent / "artifacts" / "python", alone=False) == (True, True)


def test_a_file_with_another_hash_than_the_lock_has_is_not_built_in(layer: Path) -> None:
    (layer / "requirements.lock").write_text(f"typing-inspection==0.4.2 --hash=sha256:{'0' * 64}\n", encoding="utf-8")
    done = make_layer(layer, "x86_64/Makefile", PYTHON=sys.executable)
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert not (layer.parent / "artifacts" / "python" / "tableferry").exists()


@thorough
def test_a_native_library_that_does_not_compile_fails_the_build_and_leaves_nothing(layer: Path) -> None:
    temporary = layer.parent / "temporary"
    temporary.mkdir()
    with (layer / NATIVE.source.relative_to(NATIVE.flags.parent)).open("a", encoding="utf-8") as source:
        source.write("static int unused;\n")  # a warning
    done = make_layer(layer, "arm64/Makefile", PYTHON=sys.executable, TMPDIR=str(temporary))
    assert done.returncode != 0
    assert "unused variable 'unused'" in done.stderr
    assert not list((layer.parent / "artifacts").rglob("libnative.so"))
    assert not list(temporary.iterdir())


@thorough
def test_a_compiler_with_another_hash_than_the_lock_has_is_not_used(layer: Path) -> None:
    lock = layer / "build.lock"
    lock.write_text(re.sub(r"sha256:\w+", f"sha256:{'0' * 64}", lock.read_text(encoding="utf-8")), encoding="utf-8")
    done = make_layer(layer, "x86_64/Makefile", PYTHON=sys.executable)
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert not list((layer.parent / "artifacts").rglob("libnative.so"))


def test_a_python_without_pip_is_told_what_to_do(layer: Path) -> None:
    bare = layer.parent / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    done = make_layer(layer, "x86_64/Makefile", PYTHON=str(bare / "bin" / "python"))
    assert done.returncode != 0
    assert "python3-pip" in done.stderr
    assert "make build" in done.stderr


def test_a_layer_for_no_architecture_is_not_built(layer: Path) -> None:
    done = make_layer(layer, "Makefile")
    assert done.returncode != 0
    assert "ContextPath: !Sub layers/tableferry/${Architecture}" in done.stderr


MAGIC_313 = (3571).to_bytes(2, "little") + b"\r\n"  # importlib.util.MAGIC_NUMBER of every 3.13
UNCHECKED = (1).to_bytes(4, "little")  # PEP 552: a hash, which is not compared


@pytest.fixture
def other_python(tmp_path: Path) -> Path:
    """A Python that says, to whoever asks for its version, that it is no 3.13."""
    python = tmp_path / "other-python"
    python.write_text(f'#!/bin/sh\ncase "$*" in *version_info*) exit 1;; esac\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return python


@pytest.fixture
def small_layer(layer: Path) -> Path:
    """The layer with one package."""
    lock = (layer / "requirements.lock").read_text(encoding="utf-8")
    [one] = re.findall(r"^typing-inspection==(?:.*\\\n)*.*$", lock, re.MULTILINE)
    (layer / "requirements.lock").write_text(one, encoding="utf-8")
    return layer


def path_with_python313(folder: Path, target: str) -> str:
    """A PATH whose python3.13 is this program."""
    folder.mkdir()
    (folder / "python3.13").symlink_to(target)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


@thorough
@pytest.mark.parametrize("found", ["as PYTHON", "in the PATH"])
def test_the_layer_is_compiled_for_lambda_where_there_is_its_python(
    small_layer: Path, python313: str, other_python: Path, tmp_path: Path, found: str
) -> None:
    path = path_with_python313(tmp_path / "bin", "/bin/false" if found == "as PYTHON" else python313)
    python = python313 if found == "as PYTHON" else str(other_python)
    done = make_layer(small_layer, "x86_64/Makefile", PYTHON=python, PATH=path)
    assert done.returncode == 0, done.stderr
    built = tmp_path / "artifacts" / "python"
    sources = [*built.rglob("*.py")]
    assert {"tableferry", "typing_inspection"} <= {path.parent.name for path in sources}
    for source in sources:
        compiled = (source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc").read_bytes()
        assert compiled[:8] == MAGIC_313 + UNCHECKED
        assert f"/opt/python/{source.relative_to(built)}".encode() in compiled
        assert str(tmp_path).encode() not in compiled


@thorough
def test_a_layer_is_built_without_lambdas_python_and_the_builder_is_told(
    small_layer: Path, other_python: Path, tmp_path: Path
) -> None:
    path = path_with_python313(tmp_path / "bin", "/bin/false")  # as pyenv's, of a version that is not chosen
    done = make_layer(small_layer, "x86_64/Makefile", PYTHON=str(other_python), PATH=path)
    assert done.returncode == 0, done.stderr
    assert "Not compiled" in done.stdout  # what SAM CLI shows
    built = tmp_path / "artifacts" / "python"
    assert (built / "tableferry" / "api" / "handler.py").exists()
    assert not list(built.rglob("*.pyc"))
