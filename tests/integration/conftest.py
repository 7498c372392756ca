"""What the functions find in their environment besides database and bucket, the sample's tables, and what is logged."""

import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local.runtime.database import split_statements
from tableferry.api import logs, metrics
from tableferry.ingest.files import blocks
from tableferry.signing import Keys
from tests.support.certificates import Authority, Certificate
from tests.support.parts import Database, Server
from tests.support.tls_server import TlsServer, running
from tests.support.uploads import Uploads

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SIGNING_KEY = "a key that signs nothing but tests"
KEYS = Keys.parse(SIGNING_KEY)
SCHEMA = Path(__file__).parents[2] / "sources" / "schema.sql"


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The variables of the template that neither ``database`` nor ``bucket`` sets."""
    monkeypatch.setenv("JOBS", "inline")
    monkeypatch.setenv("SIGNING_KEY", SIGNING_KEY)
    monkeypatch.setattr(metrics.metrics.provider, "namespace", "Tableferry")  # which Lambda sets before the import
    yield
    metrics.metrics.clear_metrics()  # disabled, they pile up, and at a hundred they are written all the same


def fill(database: Database) -> Database:
    database.run(
        *split_statements(SCHEMA.read_text(encoding="utf-8")),
        "INSERT INTO departments VALUES (1, 'Sales'), (2, 'Legal'), (3, 'Support')",
        "INSERT INTO jobs VALUES (1, 'Clerk'), (2, 'Nurse'), (3, 'Geologist')",
    )
    return database


@pytest.fixture
def sample(database: Database) -> Database:
    """The sample's tables, with departments 1 to 3 and jobs 1 to 3 in them and no employees."""
    return fill(database)


@pytest.fixture(scope="module")
def shared(server: Server) -> Iterator[Database]:
    with server.database() as made:
        yield fill(made)


@pytest.fixture
def unchanged(shared: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The sample's tables for a test that must leave them as they are, which is looked at when it ends."""
    monkeypatch.setenv("DATABASE_URL", shared.url)
    yield shared
    assert shared.rows("SHOW TABLES LIKE 'departments'")
    assert shared.rows("SELECT COUNT(*) FROM departments") == [(3,)]
    assert shared.rows("SELECT COUNT(*) FROM hired_employees") == [(0,)]


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All that the functions and the libraries under them log in this test, as Lambda would get it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.getLogger(logs.logger.name).handlers[0].formatter)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield stream
    finally:
        root.removeHandler(handler)


@pytest.fixture
def uploads(s3_client: "S3Client", bucket: str) -> Uploads:
    return Uploads(s3_client, bucket)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "_BLOCK_LINES", 10)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Signs the certificates of the servers that tests start."""
    return Authority(tmp_path_factory.mktemp("authority"), "right")


@pytest.fixture(scope="module")
def good(authority: Authority) -> Certificate:
    """A certificate for 127.0.0.1."""
    return authority.sign("good", "IP:127.0.0.1")


@pytest.fixture(scope="module")
def tls_server(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, good: Certificate
) -> Iterator[TlsServer]:
    """A database server with a certificate for 127.0.0.1."""
    with running(tmp_path_factory.mktemp("tls"), authority, good) as started:
        yield started
