"""docs/configuration.md: variables, parameters and grants, each in one table. ``python -m tools.configuration_page`` writes it.

Parameters with their defaults and meaning come from template.yaml, rights from sources/grants*.sql; what no other file
says stands here. Tests hold the variables to what `settings` reads and the template sets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "docs" / "configuration.md"
_NOTE = "<!-- Made by `make openapi` from template.yaml and sources/: change those, or tools/configuration_page.py. -->"
FUNCTIONS = ("Insert", "Load", "Uploads", "Backup", "Restore")

VARIABLES: dict[str, tuple[str, str]] = {
    "DATABASE_URL": ("", "Server, login and database in one, `mysql://user:password@host:port/database`, in place of the next six; each part percent-encoded. For a laptop: a stack leaves it empty."),
    "DATABASE_HOST": ("needed", ""),
    "DATABASE_PORT": ("3306", ""),
    "DATABASE_NAME": ("needed", ""),
    "DATABASE_USER": ("tableferry", "The user who logs in by IAM token; with a secret, the secret names him. With `DatabaseUserPerFunction=true` the function's name stands behind the parameter's."),
    "DATABASE_SECRET_ARN": ("", ""),
    "DATABASE_CA_FILE": ("", ""),
    "TABLES": ("", ""),
    "TABLE_SETTINGS": ("{}", ""),
    "LEDGER_DAYS": ("30", ""),
    "RETRY_HOURS": ("0", ""),
    "BUCKET": ("needed", ""),
    "SIGNING_KEY": ("", "The key that manifests and records are signed with, or a JSON list of keys, the newest first: that one signs, and each verifies. The stack makes one in Secrets Manager, another for the load function, and none for insert."),
    "SIGNING_KEY_ROTATION": ("", ""),
    "OBJECT_LOCK_DAYS": ("0", ""),
    "BACKUP_RETENTION_DAYS": ("0", ""),
    "KEEP_OLD_DAYS": ("0", ""),
    "JOBS": ("event", "`event`: the record of a job in the bucket starts the function that does it. `inline`: the request does it, where the bucket sends no events (`sam local`)."),
    "WORKERS": ("2", "Connections that one function may work with at once; objects that a verification reads at once."),
    "CHUNK_BYTES": ("4194304", "Bytes of a chunk of rows, which bound the memory of a backup and a restore ([performance.md](performance.md))."),
    "SCALE": ("off", "`on`: a backup, a verification or a restore that is too large for one function goes over several. `off`: one function has to do."),
    "SCALE_WORKERS": ("8", "Functions that one backup, verification or restore goes over at most."),
    "SCALE_CONNECTIONS": ("2", "Connections of each of these functions."),
    "LOCK_SECONDS": ("3", "For how many seconds a backup over several functions keeps writers from its tables at most."),
    "AWS_ENDPOINT_URL_S3": ("", "Another S3 than AWS's."),
    "AWS_ENDPOINT_URL_SECRETS_MANAGER": ("", "The endpoint that the stack makes (`CreateSecretsEndpoint`); empty, the service's name."),
    "AWS_REGION": ("", "The database's region, for its token and its certificates, where its host's name does not say it. Lambda sets it."),
    "AWS_DEFAULT_REGION": ("", "The same, where `AWS_REGION` is not set."),
    "POWERTOOLS_SERVICE_NAME": ("", "The function's name in logs and metrics."),
    "POWERTOOLS_METRICS_NAMESPACE": ("", "Where metrics go: `Tableferry/` and the stack's name."),
    "POWERTOOLS_LOG_LEVEL": ("", ""),
}  # fmt: skip
"""By name: what holds where it is not set, and what it means where the template's parameter does not say it."""

LOCAL = {
    "DATABASE_URL": "Server and database to use in place of the embedded one.",
    "DATABASE_CA_FILE": "File with certificates (PEM): the server has to prove to one of them that it is the host of the URL.",
    "BUCKET": "Name of the local bucket; `tableferry-local` unless it is said.",
    "API_PORT": "Port of the local API; without it one is chosen, and kept.",
    "TABLES": "As above.",
    "TABLE_SETTINGS": "As above.",
    "LEDGER_DAYS": "As above.",
    "WORKERS": "As above.",
    "SCALE": "As above, but `on` unless it is said.",
    "SCALE_WORKERS": "As above; 14 at most, of the 16 processes that a function has here at once.",
    "SCALE_CONNECTIONS": "As above.",
    "LOCK_SECONDS": "As above.",
    "TABLEFERRY_STATE": "Folder for data, logs and keys in place of `.local/`.",
}

_OWN, _SCHEMAS, _LEDGER, _EPOCHS, _ALL = "database", "tableferry_%", "tableferry_ledger", "tableferry_epochs", "*"
PLACES = {
    _OWN: "your database",
    _SCHEMAS: "schemas `tableferry_%`",
    _LEDGER: "the table `tableferry_ledger`",
    _EPOCHS: "the table `tableferry_epochs`",
    _ALL: "the server",
}
RIGHTS = {
    ("SELECT", _OWN): "to read rows and definitions",
    ("INSERT", _OWN): "rows, and entries of the load history",
    ("UPDATE", _OWN): "rows that are overwritten (`on_duplicate=update`), and the load history",
    ("DELETE", _OWN): "the load history's entries that are old, and what your triggers do",
    ("CREATE", _OWN): "the load history, and tables that a restore brings in",
    ("DROP", _OWN): "tables that a restore exchanges",
    ("ALTER", _OWN): "tables that a restore exchanges, and their foreign keys",
    ("REFERENCES", _OWN): "foreign keys of tables that a restore brings in",
    ("TRIGGER", _OWN): "to see triggers, and to make them again after a restore",
    ("SELECT", _SCHEMAS): "to read back what a restore built, and to know whether one that died was swapped in",
    ("INSERT", _SCHEMAS): "rows of a restore",
    ("CREATE", _SCHEMAS): "the schemas in which a restore builds tables and keeps the old ones",
    ("DROP", _SCHEMAS): "these schemas, once a restore is accepted",
    ("ALTER", _SCHEMAS): "tables that are moved in and out",
    ("REFERENCES", _SCHEMAS): "their foreign keys",
    ("TRIGGER", _SCHEMAS): "to try triggers before a restore",
    ("LOCK TABLES", _OWN): "not needed: without it a backup reads on one connection, and on MySQL a row written at the moment of a swap may go in without its triggers",
    ("LOCK TABLES", _SCHEMAS): "not needed: the same",
    ("REPLICATION CLIENT", _ALL): "not needed: without it a backup does not name its position in the binary log",
    ("CREATE TEMPORARY TABLES", _OWN): "not needed: without it a block with rows that the database refuses takes many times as long to load",
    ("CREATE", _LEDGER): "to make the load history",
    ("DELETE", _LEDGER): "entries that are old",
    ("CREATE", _EPOCHS): "to make the table that says which restore brought a table",
}  # fmt: skip
"""What each right is for, by right and place."""


_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C, where PyYAML has it, in a tenth of the time


class _Loader(_Safe):  # type: ignore[misc]  # PyYAML has no types
    """Reads CloudFormation's short forms: ``!Ref X`` as ``{"Ref": X}``."""


def _short_form(loader: yaml.SafeLoader, name: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _short_form)


def template() -> dict[str, Any]:
    """The template as data."""
    found: dict[str, Any] = yaml.load((ROOT / "template.yaml").read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506  # a SafeLoader
    return found


def environment(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The variables that the template sets, by name: for each function, or ``all``, the value."""
    every = found["Globals"]["Function"]["Environment"]["Variables"]
    said: dict[str, dict[str, Any]] = {name: {"all": value} for name, value in every.items()}
    for function in FUNCTIONS:
        for name, value in found["Resources"][f"{function}Function"]["Properties"]["Environment"]["Variables"].items():
            said.setdefault(name, {})[function.lower()] = value
    return said


def parameters_in(value: Any, known: set[str]) -> list[str]:
    """The parameters that a value of the template is made of, in order."""
    if isinstance(value, dict):
        named = [value["Ref"]] if "Ref" in value else re.findall(r"\$\{(\w+)\}", str(value.get("Sub", "")))
        inner = [one for part in value.values() for one in parameters_in(part, known)]
        return list(dict.fromkeys([*(one for one in named if one in known), *inner]))
    if isinstance(value, list):
        return list(dict.fromkeys(one for part in value for one in parameters_in(part, known)))
    return []


def rights(file: str) -> Iterator[tuple[str, str, str]]:
    """Each right that a file of grants gives: right, place, user."""
    text = (ROOT / "sources" / file).read_text(encoding="utf-8")
    for granted, place, user in re.findall(r"^GRANT (.+) ON (\S+) TO '(\w+)'@", text, re.MULTILINE):
        parts = [part.strip("`").replace("\\_", "_") for part in place.split(".")]
        where = parts[1] if parts[1] != "*" else parts[0]
        yield from ((right, where, user) for right in granted.split(", "))


def text() -> str:
    """The page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    found = template()
    yield from ("# Configuration", "", _NOTE, "")
    yield from ("A stack is configured by parameters of its template, which set variables of the functions; the local runtime takes", "variables of the shell. What holds for one table, one file or one request is said [beside it](loading.md#options).", "")  # fmt: skip
    yield from ("## Variables of the functions", "", "*Default* is what holds where the variable is not set or empty; the parameter's own default is in the next table.", "")  # fmt: skip
    yield from ("| variable | parameter | default | functions | means |", "|---|---|---|---|---|")
    yield from _variables(found)
    yield from ("", "## Parameters of the template", "")
    yield from (
        "`Architecture=arm64`, say, in `parameter_overrides` of `samconfig.toml`. *Needed* is what has no default; what belongs together the template's rules say.",
        "",
    )
    for group in found["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]:
        yield from (f"### {group['Label']['default']}", "", "| parameter | default | means |", "|---|---|---|")
        for name in group["Parameters"]:
            said = found["Parameters"][name]
            yield f"| `{name}` | {_default(said)} | {_meaning(said)} |"
        yield ""
    yield from (
        "## Variables of the local runtime",
        "",
        "What `make up` takes from the shell, and keeps until it is said otherwise.",
        "",
    )
    yield from ("| variable | means |", "|---|---|")
    yield from (f"| `{name}` | {said} |" for name, said in LOCAL.items())
    yield from ("", "## What the database user may do", "")
    yield from ("[`grants.sql`](../sources/grants.sql) is for one user whom all functions share,", "[`grants-by-function.sql`](../sources/grants-by-function.sql) for `DatabaseUserPerFunction=true`.", "")  # fmt: skip
    yield from _grants()


def _variables(found: dict[str, Any]) -> Iterator[str]:
    known = found["Parameters"]
    said = environment(found)
    for name, (default, meaning) in VARIABLES.items():
        values = said.get(name, {})
        named = list(dict.fromkeys(one for value in values.values() for one in parameters_in(value, set(known))))
        functions = "all" if "all" in values else ", ".join(values)
        shown = ", ".join(f"`{one}`" for one in named)
        text = meaning or " ".join(_plain(known[one]["Description"]) for one in named)
        yield f"| `{name}` | {shown} | {_code(default)} | {functions} | {_cell(text)} |"


def _code(default: str) -> str:
    return default if default in ("", "needed") else f"`{default}`"


def _default(said: dict[str, Any]) -> str:
    if "Default" not in said:
        return "needed"
    return f"`{said['Default']}`" if str(said["Default"]) else ""


def _meaning(said: dict[str, Any]) -> str:
    allowed = said.get("AllowedValues")
    return _cell(f"{_plain(said['Description'])} {', '.join(f'`{one}`' for one in allowed) if allowed else ''}".strip())


def _grants() -> Iterator[str]:
    shared = {(right, place) for right, place, _ in rights("grants.sql")}
    each = {(right, place, user.removeprefix("tableferry_")) for right, place, user in rights("grants-by-function.sql")}
    users = ("insert", "load", "backup", "restore")
    yield from (f"| right | on | one user | {' | '.join(users)} | for |", f"|---|---|{'---|' * (len(users) + 2)}")
    for (right, place), said in RIGHTS.items():
        marks = [
            "✓" if (right, place) in shared else "",
            *("✓" if (right, place, user) in each else "" for user in users),
        ]
        yield f"| `{right}` | {PLACES[place]} | {' | '.join(marks)} | {said} |"


def _plain(said: str) -> str:
    """A text of the template in Markdown: its asterisks are no marks, and the pages that it names are links."""
    return re.sub(r"docs/([\w-]+\.md)", r"[\1](\1)", said.replace("*", "\\*"))


def _cell(said: str) -> str:
    return " ".join(str(said).split()).replace("|", "\\|")


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
