"""Secrets and tokens: fetched once, had anew when they are refused or old, and never shown."""

import hashlib
import hmac
import io
import json
import logging
import socket
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import boto3
import pytest

from functions.insert.app import handler
from local.runtime import s3 as emulator
from local.runtime.process import free_port
from local.runtime.state import State
from tableferry.config.settings import DatabaseAddress, database_address
from tableferry.errors import DatabaseUnavailable
from tableferry.mysql import credentials as login_module
from tableferry.mysql.credentials import login
from tableferry.mysql.database import Database
from tests.support.certificates import Authority, Certificate
from tests.support.fake_server import FakeServer
from tests.support.lambdas import request
from tests.support.parts import embedded_only
from tests.support.tls_server import DATABASE, TlsServer

REGION = "us-east-1"
KEY, SECRET_KEY = "AKIAEXAMPLE", "hush-hush-secret-key"
TOKEN_HOST = DatabaseAddress(
    "db.c1.eu-south-2.rds.amazonaws.com", 3307, "d", "jane", verified=True, region="eu-south-2"
)


@pytest.fixture(scope="module")
def secrets_manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[emulator.S3]:
    started = emulator.start(State(tmp_path_factory.mktemp("secrets")), services="secretsmanager")
    try:
        yield started
    finally:
        started.stop()


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A new execution environment, with the keys of a role."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    login_module.forget()
    yield
    login_module.forget()


@dataclass
class Secret:
    """A secret in the emulator, and how often it was read by the functions."""

    client: Any
    arn: str
    reads: list[object] = field(default_factory=list)

    def put(self, text: str) -> None:
        self.client.put_secret_value(SecretId=self.arn, SecretString=text)


@pytest.fixture
def secret(secrets_manager: emulator.S3, monkeypatch: pytest.MonkeyPatch) -> Secret:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", secrets_manager.url)
    client = boto3.session.Session().client("secretsmanager")
    made = Secret(client, client.create_secret(Name=f"db-{uuid.uuid4().hex}", SecretString="{}")["ARN"])
    watched = login_module._client("secretsmanager", REGION)
    watched.meta.events.register("before-send.secretsmanager.GetSecretValue", lambda **kept: made.reads.append(kept))
    return made


@pytest.fixture
def in_the_cloud(tls_server: TlsServer, secret: Secret, monkeypatch: pytest.MonkeyPatch) -> DatabaseAddress:
    """The variables that the template sets, with a secret that holds the password."""
    password = f"first-{uuid.uuid4().hex}"
    tls_server.change_password(password)
    secret.put(json.dumps({"username": "tableferry", "password": password}))
    variables = {
        "DATABASE_URL": "",
        "DATABASE_HOST": "127.0.0.1",
        "DATABASE_PORT": str(tls_server.server.port),
        "DATABASE_NAME": DATABASE,
        "DATABASE_USER": "nobody",
        "DATABASE_SECRET_ARN": secret.arn,
        "DATABASE_CA_FILE": str(tls_server.address.ca_file),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return database_address()


@embedded_only
def test_a_password_rotated_in_a_warm_environment_is_found(
    in_the_cloud: DatabaseAddress, tls_server: TlsServer, secret: Secret
) -> None:
    assert in_the_cloud.secret_arn
    assert request(handler, "GET", "/tables").status == 200
    assert request(handler, "GET", "/tables").status == 200
    assert len(secret.reads) == 1
    tls_server.change_password("second-and-other")
    secret.put(json.dumps({"username": "tableferry", "password": "second-and-other"}))
    assert request(handler, "GET", "/tables").status == 200
    assert request(handler, "GET", "/tables").status == 200
    assert len(secret.reads) == 2


@embedded_only
@pytest.mark.usefixtures("in_the_cloud")
def test_while_the_secret_is_not_rotated_yet_the_answer_is_503_and_shows_no_secret(
    tls_server: TlsServer, secret: Secret, log: io.StringIO
) -> None:
    old = login(database_address()).password
    tls_server.change_password("the-new-one")
    problem = request(handler, "GET", "/tables").problem(503)
    assert "takes the login" in problem["detail"]
    assert len(secret.reads) == 2  # tried once more, and no oftener
    secret.put(json.dumps({"username": "tableferry", "password": "the-new-one"}))
    assert request(handler, "GET", "/tables").status == 200
    assert old not in log.getvalue() + json.dumps(problem)
    assert "the-new-one" not in log.getvalue()


@embedded_only
def test_connections_opened_at_once_read_the_secret_once_also_when_it_was_rotated(
    in_the_cloud: DatabaseAddress, tls_server: TlsServer, secret: Secret
) -> None:
    def connect(_: int) -> bool:
        with Database(in_the_cloud).connect() as connection:
            return bool(connection.open)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(connect, range(16)))
        assert len(secret.reads) == 1
        tls_server.change_password("all-at-once")
        secret.put(json.dumps({"username": "tableferry", "password": "all-at-once"}))
        assert all(pool.map(connect, range(16)))
    assert len(secret.reads) == 2


@embedded_only
def test_with_every_logger_at_debug_no_secret_is_logged(in_the_cloud: DatabaseAddress, log: io.StringIO) -> None:
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)
    try:
        found = login(in_the_cloud)
        token = login(TOKEN_HOST)
        with Database(in_the_cloud).connect():
            pass
        with pytest.raises(DatabaseUnavailable), Database(replace(in_the_cloud, port=free_port())).connect():
            pass
    finally:
        root.setLevel(level)
    shown = log.getvalue() + repr(found) + repr(token) + repr(in_the_cloud)
    assert found.password not in shown
    assert dict(parse_qsl(token.password))["X-Amz-Signature"] not in shown


@pytest.mark.parametrize(
    "text", ["hush", '{"username": "hush"}', '["hush"]', '{"password": 7, "x": "hush"}', '{"password": null}', "{"]
)
def test_a_secret_that_holds_no_password_is_an_error_that_says_what_it_has_to_be(text: str, secret: Secret) -> None:
    secret.put(text)
    with pytest.raises(DatabaseUnavailable, match="holds no password: it has to be JSON") as raised:
        login(DatabaseAddress("h", 1, "d", "u", secret_arn=secret.arn))
    assert "hush" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None
    secret.put('{"password": "p"}')  # and it is asked for again, not remembered
    assert login(DatabaseAddress("h", 1, "d", "u", secret_arn=secret.arn)) == login_module.Login("u", "p")


def test_a_secret_that_is_not_there_is_an_error_that_says_what_to_look_at(secret: Secret) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"was refused \(ResourceNotFoundException\).*GetSecretValue"):
        login(DatabaseAddress("h", 1, "d", "u", secret_arn=secret.arn + "x"))


def test_a_role_that_may_not_read_the_secret_is_an_error_that_names_the_permission(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Denied(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(400)
            self.end_headers()
            self.wfile.write(b'{"__type": "AccessDeniedException", "Message": "User: hush is not authorized"}')

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Denied) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(DatabaseUnavailable, match=r"AccessDenied.*secretsmanager:GetSecretValue") as raised:
            login(DatabaseAddress("h", 1, "d", "u", secret_arn="arn:aws:secretsmanager:eu-west-1:1:secret:x"))
        server.shutdown()
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize("silent", [True, False])
def test_without_a_way_to_secrets_manager_the_missing_endpoint_is_named_soon(
    silent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_module, "_READ_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as listener:  # takes the request and never answers
        port = listener.getsockname()[1] if silent else free_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", f"http://127.0.0.1:{port}")
        started = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match=r"endpoint for com\.amazonaws\.eu-west-1\.secretsmanager"):
            login(DatabaseAddress("h", 1, "d", "u", secret_arn="arn:aws:secretsmanager:eu-west-1:1:secret:x"))
    assert time.monotonic() - started < 10


def test_the_endpoint_that_the_template_names_is_asked_and_an_empty_name_is_the_services_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for named, asked in (
        ("", "https://secretsmanager.eu-west-1.amazonaws.com"),
        ("https://vpce-1.secretsmanager.eu-west-1.vpce.amazonaws.com",) * 2,
    ):
        monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", named)
        login_module.forget()
        assert login_module._client("secretsmanager", "eu-west-1").meta.endpoint_url == asked


def test_without_keys_no_token_is_signed_and_the_error_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(DatabaseUnavailable, match="NoCredentialsError"):
        login(TOKEN_HOST)


def test_a_token_is_a_request_to_connect_signed_for_host_port_and_user() -> None:
    found = login(TOKEN_HOST)
    place, _, query = found.password.partition("/?")
    fields = dict(parse_qsl(query))
    signature = fields.pop("X-Amz-Signature")
    assert (found.user, place) == ("jane", "db.c1.eu-south-2.rds.amazonaws.com:3307")
    assert (fields["Action"], fields["DBUser"], fields["X-Amz-Expires"]) == ("connect", "jane", "900")
    scope = fields["X-Amz-Credential"].removeprefix(f"{KEY}/")
    assert scope == f"{fields['X-Amz-Date'][:8]}/eu-south-2/rds-db/aws4_request"
    # AWS Signature Version 4, by hand: what RDS does to check it.
    nothing = hashlib.sha256(b"").hexdigest()
    text = urlencode(sorted(fields.items()), quote_via=quote, safe="-_.~")
    canonical = f"GET\n/\n{text}\nhost:{place}\n\nhost\n{nothing}"
    to_sign = f"AWS4-HMAC-SHA256\n{fields['X-Amz-Date']}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{SECRET_KEY}".encode()
    for part in (*scope.split("/"), to_sign):
        key = hmac.digest(key, part.encode(), "sha256")
    assert key.hex() == signature


def test_a_token_is_used_for_ten_minutes_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(login_module, "clock", lambda: now)
    first = login(TOKEN_HOST)
    now += 599
    assert login(TOKEN_HOST) is first
    now += 2
    assert login(TOKEN_HOST) is not first


def test_a_token_that_is_refused_is_signed_anew_and_tried_once_more(authority: Authority, good: Certificate) -> None:
    with FakeServer(certificate=good, switch_to=b"mysql_clear_password", refusals=1).running() as fake:
        address = DatabaseAddress(
            "127.0.0.1", fake.port, "d", "jane", ca_file=str(authority.file), verified=True, region=REGION
        )
        old = login(address).password
        time.sleep(1.1)  # tokens of one second are alike
        with Database(address).connect():
            pass
        new = login(address).password
        assert new != old
        assert [p for p in fake.packets if b"Action=connect" in p] == [old.encode() + b"\0", new.encode() + b"\0"]
        fake.refusals = 2
        with pytest.raises(DatabaseUnavailable, match="1045"), Database(address).connect():
            pass
        assert fake.refusals == 0


def test_a_token_never_leaves_without_encryption(tmp_path: Path) -> None:
    with FakeServer(switch_to=b"mysql_clear_password").running() as fake:
        address = DatabaseAddress("127.0.0.1", fake.port, "d", "jane", verified=True, region=REGION)
        with pytest.raises(DatabaseUnavailable, match="offers no TLS"), Database(address).connect():
            pass
        # Nor if the first line of defence were gone.
        with (
            pytest.raises(DatabaseUnavailable, match="not encrypted"),
            Database(replace(address, verified=False)).connect(),
        ):
            pass
    assert not [packet for packet in fake.packets if b"Action=connect" in packet]
