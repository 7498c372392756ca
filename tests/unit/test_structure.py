"""The shape of the code: imports one way, and what must not be loaded where."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.effort import sample

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "layers" / "tableferry" / "tableferry"

# From the outside in; a module imports only from lines below its own, or what stands beside it on the right.
LAYERS = [
    ["jobapi", "admission", "views", "dictionary"],
    ["api", "problems"],
    ["body", "arrivals"],
    ["models", "upkeep", "restore", "backup", "insert", "load", "drill", "retention", "trust"],
    ["proof"],
    ["rehearsal", "latest"],
    ["recovery", "preflight", "standing_views"],
    ["exchange"],
    ["current"],
    ["later", "cancel"],
    ["handover", "loadlist", "rejectpage", "blockwriter", "progress", "source", "standing", "lanes", "sending"],
    ["underway"],
    ["entries", "spool"],
    ["shadow", "swap", "record", "jobs", "account"],
    ["signed"],
    ["filling", "readback"],
    ["difference", "verify", "orphans", "outcome", "fits", "scratch"],
    ["carried", "crossing", "likeness", "collations", "present", "crew", "secondary"],
    ["digest_keys", "ledger_objects"],
    ["manifest", "loader", "snapshot", "chunks", "wire", "blocks", "frames", "verdict"],
    [
        "sure",
        "reading",
        "rejects",
        "header",
        "writer",
        "parents",
        "sifted",
        "insertion",
        "batch",
        "sieve",
        "refusals",
        "rules",
        "shortlist",
    ],
    ["sums", "splitter", "reasons", "epoch"],
    ["archive", "digest", "infile", "ledger", "csvfile", "decompress", "values", "definition", "documents"],
    ["native", "shapes", "facts"],
    ["arrow", "binary"],
    ["value_errors", "triggers"],
    ["columns", "numeric", "temporal", "characters", "zstandard"],
    ["catalog", "checks", "changes"],
    ["privileges", "ddl", "again", "patience"],
    ["marks"],
    ["database", "store", "tables"],
    ["session", "pauses", "identifiers"],
    ["driver"],
    ["login", "tls"],
    ["settings", "identity", "servers", "newest"],
    ["dialect", "rds_hosts", "protocol_errors"],
    ["served", "options", "deadline", "curl", "placing", "signing", "logs"],
    ["errors"],
]


def imported(module: Path) -> set[str]:
    """The modules of the package that a module imports anywhere."""
    found = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "tableferry":
            found |= {name.name for name in node.names} & {path.stem for path in PACKAGE.glob("*.py")}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tableferry."):
            found.add(str(node.module).split(".")[1])
    return found


def test_every_module_has_its_place() -> None:
    assert sorted(name for layer in LAYERS for name in layer) == sorted(
        path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__"
    )


@pytest.mark.parametrize("depth", range(len(LAYERS)))
def test_imports_go_one_way(depth: int) -> None:
    above = {name for layer in LAYERS[:depth] for name in layer}
    for name in LAYERS[depth]:
        assert not imported(PACKAGE / f"{name}.py") & above, name


def test_the_package_never_imports_a_handler_or_the_local_runtime() -> None:
    for path in PACKAGE.glob("*.py"):
        names = [
            node.module or "" for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)
        ]
        assert not [name for name in names if name.split(".")[0] in ("functions", "local", "tests")], path.name


def test_the_environment_is_read_in_one_module() -> None:
    readers = [path.stem for path in PACKAGE.glob("*.py") if "os.environ" in path.read_text()]
    assert readers == ["settings"]


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
