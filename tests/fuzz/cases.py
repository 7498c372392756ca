"""What is sent: schemathesis' own cases for a route, good and bad, and on them names that are really there.

What is drawn holds placeholders (``@done``) for ids that only the running world knows, so that the same seed draws the
same cases.
"""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.schemas import APIOperation

from tests.fuzz.world import TABLES

Operation = APIOperation[Any, Any, Any, Any]
_STRANGE_IDS = [
    "latest", "../jobs", "..%2F..%2Fuploads", "20261122T071500Z-1a2b3c4d", "\u0662\u0660261122T071500Z-1a2b3c4d", "0" * 32, "%00",
    "' OR 1=1 --", "tableferry_ledger", "a" * 900, "☃", "😀", ".", "%", "%s", "{id}",
]  # fmt: skip
_IDS = {
    "/backups/{id}": ["@backup"],
    "/backups/{id}/verify": ["@backup"],
    "/verifications/{id}": ["@verification"],
    "/loads/{id}": ["@load"],
    "/loads/{id}/rejects": ["@load"],
    "/loads/{id}/cancel": ["@load"],
    "/loads/{id}/retry": ["@load"],
    "/restores/{id}": ["@restore"],
    "/restores/{id}/undo": ["@done", "@undone"],
    "/restores/{id}/accept": ["@done", "@undone", "@restore"],
}
_COSTLY = {"/restores/{id}/undo", "/restores/{id}/accept"}  # each id of theirs is a restore made for it

tables = st.sampled_from([*TABLES])
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
header_text = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30).map(str.strip)
new_names = st.sampled_from(
    ["copy", "copy`", "copy'; --", "copy%s", "c/d", "one", "child", "x" * 64, "v😀", " ", "a\0"]
)


@dataclass
class Sent:
    """A case with what goes beside it."""

    case: Case[Any]
    negative: bool
    identity: str | None = None
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    rehearsed: bool = False


def modes(operation: Operation) -> list[GenerationMode]:
    """Positive, and negative where the document excludes anything that could be sent."""
    found = [GenerationMode.POSITIVE]
    constrained = "requestBody" in operation.definition.raw or any(
        parameter.get("in") != "path" for parameter in operation.definition.raw.get("parameters", ())
    )
    return [*found, GenerationMode.NEGATIVE] if constrained else found


@st.composite
def sent(draw: st.DrawFn, operation: Operation) -> Sent:
    """One request to a route."""
    mode = draw(st.sampled_from(modes(operation)))
    made = Sent(draw(operation.as_strategy(generation_mode=mode)), mode is GenerationMode.NEGATIVE)
    path, method = operation.path, operation.method.upper()
    if path in _IDS:
        most = st.sampled_from([*_STRANGE_IDS, "@done", "@undone"]) if path in _COSTLY else st.sampled_from(_IDS[path])
        known = st.sampled_from([*_IDS[path], "@backup", "@load", "@verification", "@restore"])
        made.identity = draw(st.one_of(st.none(), most, most, known, st.sampled_from(_STRANGE_IDS)))
    elif "{table}" in path and draw(st.integers(0, 3)):
        made.identity = draw(st.sampled_from(["one", "one", "child", "every", "-", *TABLES]))
    if method == "POST" and draw(st.booleans()):
        made.body = draw(_bodies(path))
    # Nearly every body is a good restore, of all tables; most of them are planned and not done, for time's sake.
    made.rehearsed = path == "/restores" and draw(st.integers(0, 2)) > 0
    made.headers = draw(_headers(method))
    made.query = draw(_query(path))
    return made


def _headers(method: str) -> st.SearchStrategy[dict[str, str]]:
    optional = {
        "Prefer": st.sampled_from(["wait=0", "wait=1", "respond-async, wait=20", "wait=" + "9" * 4400, "wait=-1"]) | header_text,
        "Accept": st.sampled_from(["*/*", "application/problem+json", "text/html"]) | header_text,
        "X-Fuzz": header_text,
        "Cookie": header_text,
    }  # fmt: skip
    if method == "POST":
        types = ["application/json", "application/json; charset=utf-8", "text/csv", "text/plain", "application/json;"]
        optional |= {
            "Idempotency-Key": st.sampled_from(["a", "b", "k" * 255, "k" * 256]) | header_text,
            # Far more often none: another type ends the request at the door.
            "Content-Type": st.sampled_from([*types, *["application/json"] * 20]),
        }
    return st.fixed_dictionaries({}, optional=optional)


def _query(path: str) -> st.SearchStrategy[dict[str, str]]:
    optional: dict[str, st.SearchStrategy[str]] = {"unknown": words}
    if path.startswith("/tables"):
        optional["table"] = tables | words
    if path.endswith("/rows"):
        optional = {"on_duplicate": st.sampled_from(["reject", "ignore", "update", "replace"]), "unknown": words}
    if path in ("/backups", "/restores"):
        optional["limit"] = st.sampled_from(["1", "100", "0", "x"])
    if path == "/loads":
        optional["key"] = st.sampled_from(["uploads/one/fuzz.csv", "../x", "restores/"]) | words
        optional |= {"table": tables | words, "after": words, "limit": st.sampled_from(["1", "1000", "1001", "-1"])}
        optional["state"] = st.sampled_from(["done", "running", "rejected", "stalled", "over"])
    return st.fixed_dictionaries({}, optional=optional)


def _bodies(path: str) -> st.SearchStrategy[Any]:
    """Bodies that a route takes, of names that are there; None leaves the case its own."""
    subset = st.lists(tables, min_size=1, max_size=3, unique=True)
    forms = st.sampled_from(["parquet", "avro", "csv"])
    if path == "/backups":
        workers, dry_run = st.integers(-1, 101), st.booleans()
        return st.fixed_dictionaries(
            {"tables": subset}, optional={"format": forms, "workers": workers, "dry_run": dry_run}
        )
    if path == "/restores":
        return st.fixed_dictionaries(
            {"backup": st.sampled_from(["@backup", "@backup", "@backup", "latest"]), "tables": subset},
            optional={
                "into": st.dictionaries(tables, new_names, max_size=2),
                "dry_run": st.booleans(),
                "trust": st.booleans(),
            },
        )
    if path == "/uploads":
        names = st.sampled_from(["a.csv", "b.csv.gz", "%2e%2e.csv", "..\\x.csv", "é😀.csv.zst", "' --.csv"])
        return st.fixed_dictionaries({"table": tables, "filename": names})
    if path.endswith("/rows"):
        values = (
            st.none() | st.booleans() | st.integers(-5, 99) | st.floats(allow_nan=False, allow_infinity=False) | words
        )
        keys = st.sampled_from(["id", "name", "note", "whole", "doc", "a`b", "c%s", "pick"]) | words
        good = st.fixed_dictionaries({"id": st.integers(3, 10**6)}, optional={"name": st.none() | words})
        rows = st.lists(
            good | st.dictionaries(keys, values, max_size=4) | st.lists(values, max_size=4), min_size=1, max_size=5
        )
        return st.lists(good, min_size=1, max_size=3) | rows | rows.map(lambda found: {"rows": found})  # fmt: skip
    return st.none()
