"""What a person can say of the local runtime by environment variables, and whether that is what runs already."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

VARIABLES = (
    "DATABASE_URL",
    "DATABASE_CA_FILE",
    "BUCKET",
    "API_PORT",
    "TABLES",
    "TABLE_SETTINGS",
    "LEDGER_DAYS",
    "WORKERS",
    "SCALE",
    "SCALE_WORKERS",
    "SCALE_CONNECTIONS",
    "LOCK_SECONDS",
)


def said(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that say something; a file by its whole path."""
    found = {name: environment[name] for name in VARIABLES if environment.get(name)}
    if file := found.get("DATABASE_CA_FILE"):
        found["DATABASE_CA_FILE"] = str(Path(file).resolve())
    return found


def in_force(settings: Mapping[str, str], env: Mapping[str, str]) -> dict[str, str]:
    """What a runtime works with that was started with these settings, and that `.local/env` says is there now."""
    port = urlsplit(env["API_URL"]).port
    return {**settings, "DATABASE_URL": env["DATABASE_URL"], "BUCKET": env["BUCKET"], "API_PORT": str(port)}


def differences(runs: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """Each variable that is wanted otherwise than it runs, in words, without passwords. What is not said is not wanted."""
    return [
        f"{name} is {shown(name, runs[name]) if name in runs else 'not set'}, and {shown(name, value)} is asked for"
        for name, value in wanted.items()
        if runs.get(name) != value
    ]


def shown(name: str, value: str) -> str:
    """A value as it may be shown to anybody."""
    return value.rpartition("@")[2] if name == "DATABASE_URL" else value
