"""What the environment says. The only reader of it, and never at import."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote, urlsplit

from tableferry.config import load_options
from tableferry.config.rds_hosts import rds_region
from tableferry.config.table_filter import EVERY_TABLE, TableFilter
from tableferry.errors import InvalidRequest, Misconfigured
from tableferry.signing import Keys

_SYSTEM_SCHEMAS = {"mysql", "sys", "information_schema", "performance_schema"}
_OF_EVERY_TABLE = "*"


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """Where the database is and how to log in; exactly one of password, secret and IAM token is used, in this order.

    A server that has to be ``verified`` proves who it is, to the certificates of ``ca_file`` or of RDS in the
    ``region``, before anything secret is sent. One with a ``ca_file`` always has to.
    """

    host: str
    port: int
    name: str
    user: str
    password: str | None = field(default=None, repr=False)
    secret_arn: str | None = None
    ca_file: str | None = None
    verified: bool = False
    region: str | None = None
    served: TableFilter = EVERY_TABLE
    """The tables of it that may be read and written."""


@dataclass(frozen=True, slots=True)
class TableSettings:
    """How the rows of each table are read and what becomes of them, unless a file or a request says otherwise."""

    said: Mapping[str, Mapping[str, Any]]

    @classmethod
    def parse(cls, text: str) -> TableSettings:
        """Read JSON such as ``{"*": {"on_duplicate": "ignore"}, "jobs": {"max_rejects": "5%"}}``; raises Misconfigured."""
        try:
            said = json.loads(text or "{}", object_pairs_hook=_named_once)
        except ValueError as error:
            raise Misconfigured(f"TABLE_SETTINGS is no JSON that can be read: {error}.") from error
        if not isinstance(said, dict) or not all(isinstance(named, dict) for named in said.values()):
            raise Misconfigured(
                'TABLE_SETTINGS has to be an object of objects, such as {"jobs": {"on_duplicate": "ignore"}}.'
            )
        for name, named in said.items():
            try:
                load_options.checked(named, f"TABLE_SETTINGS: of {name!r},")
            except InvalidRequest as error:
                raise Misconfigured(str(error)) from error
        return cls(said)

    def of(self, name: str) -> dict[str, Any]:
        """What is said of a table by its name, over what is said of every one; null takes the latter back."""
        return {**self.said.get(_OF_EVERY_TABLE, {}), **self.said.get(name, {})}


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set from outside.

    ``chunk_bytes`` bounds the memory of a backup and a restore: a worker takes 16 times this figure for a backup (24
    times for doubles as CSV, and in a process that has made others before), 12 times for a restore, and for either
    16 times the longest row (docs/performance.md).
    """

    database: DatabaseAddress
    bucket: str
    signing_keys: Keys = field(default_factory=Keys)
    """What manifests, and objects that a function acts on, are signed with; the insert function has none."""

    inline_jobs: bool = False
    workers: int = 2
    chunk_bytes: int = 4 * 1024 * 1024
    lock_days: int = 0
    """For so many days nobody can delete a backup's objects (S3 Object Lock); 0 locks none."""

    retention_days: int = 0
    """Backups of so many days ago expire once a newer one is proven that holds all their tables; 0 keeps them."""

    keep_old_days: int = 0
    """A scheduled recovery drops tables that a restore replaced so many days ago; 0 keeps them until accept."""

    ledger_days: int = 30
    """What the ledger has of loads and requests is forgotten after so many days; 0 keeps it."""

    retry_hours: int = 0
    """A load that the database or S3 stopped is tried again for so many hours; 0 leaves it to whoever called."""

    scale: bool = False
    """Whether what is too large for one function goes over several, by the state machine."""

    scale_workers: int = 8
    """Functions that one backup or restore goes over at most."""

    scale_connections: int = 2
    """Connections of each of them."""

    lock_seconds: int = 3
    """For how long a backup over several functions may keep writers from its tables, at most."""

    tables: TableSettings = field(default_factory=lambda: TableSettings({}))

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Settings:
        """Read the settings.

        Raises:
            Misconfigured: a variable is missing or cannot be read; the message names it.
        """
        env = os.environ if env is None else env
        return cls(
            database=database_address(env),
            bucket=_required(env, "BUCKET"),
            signing_keys=Keys.parse(env.get("SIGNING_KEY", "")),
            inline_jobs=env.get("JOBS", "event") == "inline",
            workers=_positive(env, "WORKERS", 2),
            chunk_bytes=_positive(env, "CHUNK_BYTES", 4 * 1024 * 1024),
            lock_days=_number(env, "OBJECT_LOCK_DAYS", 0),
            retention_days=_number(env, "BACKUP_RETENTION_DAYS", 0),
            keep_old_days=_number(env, "KEEP_OLD_DAYS", 0),
            ledger_days=ledger_days(env),
            retry_hours=_number(env, "RETRY_HOURS", 0),
            scale=_switched_on(env, "SCALE"),
            scale_workers=_positive(env, "SCALE_WORKERS", 8),
            scale_connections=_positive(env, "SCALE_CONNECTIONS", 2),
            lock_seconds=_positive(env, "LOCK_SECONDS", 3),
            tables=table_settings(env),
        )

    def table_options(self, name: str) -> dict[str, Any]:
        """What the setting TABLE_SETTINGS says of a table, as ``load_options.chosen`` takes it."""
        return self.tables.of(name)


def parse_database_url(url: str, ca_file: str | None = None) -> DatabaseAddress:
    """Take ``mysql://user:password@host:port/database`` apart; each part is percent-decoded."""
    parts = urlsplit(url)
    try:
        port = parts.port or 3306
    except ValueError as error:
        raise Misconfigured("DATABASE_URL has a port that is not a number.") from error
    name = unquote(parts.path.lstrip("/"))
    if parts.scheme not in ("mysql", "mariadb") or not parts.hostname or not name:
        raise Misconfigured("DATABASE_URL has to look like mysql://user:password@host:port/database.")
    return DatabaseAddress(
        host=unquote(parts.hostname),
        port=port,
        name=_not_the_servers_own("DATABASE_URL", name),
        user=unquote(parts.username or "root"),
        password=unquote(parts.password or ""),
        ca_file=ca_file,
    )


def database_address(env: Mapping[str, str] | None = None) -> DatabaseAddress:
    """Where the database is; raises Misconfigured."""
    env = os.environ if env is None else env
    served = TableFilter.parse(env.get("TABLES", ""))
    ca_file = env.get("DATABASE_CA_FILE") or None
    if url := env.get("DATABASE_URL"):
        return replace(parse_database_url(url, ca_file), served=served)
    host = _required(env, "DATABASE_HOST")
    return DatabaseAddress(
        host=host,
        port=_positive(env, "DATABASE_PORT", 3306),
        name=_not_the_servers_own("DATABASE_NAME", _required(env, "DATABASE_NAME")),
        user=env.get("DATABASE_USER") or "tableferry",
        secret_arn=env.get("DATABASE_SECRET_ARN") or None,
        ca_file=ca_file,
        verified=True,
        # The database's region need not be the function's.
        region=rds_region(host) or env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or None,
        served=served,
    )


def table_settings(env: Mapping[str, str] | None = None) -> TableSettings:
    """What is set for each table; raises Misconfigured."""
    return TableSettings.parse((os.environ if env is None else env).get("TABLE_SETTINGS", ""))


def ledger_days(env: Mapping[str, str] | None = None) -> int:
    """After how many days entries of the ledger are forgotten, 0 for never; raises Misconfigured."""
    return _number(os.environ if env is None else env, "LEDGER_DAYS", 30)


def s3_endpoint() -> str | None:
    """Where S3 is, if it is not AWS's own; boto3's variable."""
    return os.environ.get("AWS_ENDPOINT_URL_S3")


def _not_the_servers_own(variable: str, name: str) -> str:
    if name.lower() in _SYSTEM_SCHEMAS:
        raise Misconfigured(
            f"{variable} names {name!r}, which is the server's own: name the database with your tables."
        )
    return name


def _required(env: Mapping[str, str], name: str) -> str:
    value = env.get(name)
    if not value:
        raise Misconfigured(f"The environment variable {name} is not set.")
    return value


def _positive(env: Mapping[str, str], name: str, default: int) -> int:
    if not (found := _number(env, name, default)):
        raise Misconfigured(f"The environment variable {name} has to be a positive number.")
    return found


def _switched_on(env: Mapping[str, str], name: str) -> bool:
    said = env.get(name) or "off"
    if said not in ("on", "off"):
        raise Misconfigured(f"The environment variable {name} has to be on or off.")
    return said == "on"


def _number(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name) or str(default)
    if not text.isdecimal():
        raise Misconfigured(f"The environment variable {name} has to be a number without sign.")
    return int(text)
