"""Whom a connection believes to be the database, with a real server that has certificates, and a fake one that listens."""

from dataclasses import replace
from pathlib import Path

import pytest

from local.runtime import database as embedded
from local.runtime.datadir import is_mariadb
from local.runtime.find_server import find_server
from local.runtime.process import StartError
from local.runtime.state import State
from tableferry.config.settings import DatabaseAddress
from tableferry.errors import DatabaseUnavailable
from tableferry.mysql.database import Database, rows
from tests.support.certificates import Authority, Certificate
from tests.support.fake_server import FakeServer
from tests.support.parts import embedded_only
from tests.support.tls_server import TlsServer

PASSWORD = "a password that must not be seen"


@pytest.fixture
def other(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "other")


@embedded_only
def test_the_right_authority_and_name_are_believed_and_the_connection_is_encrypted(tls_server: TlsServer) -> None:
    with Database(tls_server.address).connect() as connection:
        assert rows(connection, "SHOW SESSION STATUS LIKE 'Ssl_cipher'")[0][1]


@embedded_only
@pytest.mark.parametrize("case", ["another authority", "another name", "expired"])
def test_a_server_that_does_not_prove_who_it_is_gets_no_login(
    tls_server: TlsServer, authority: Authority, other: Authority, good: Certificate, case: str
) -> None:
    match case:
        case "another authority":
            certificate, message = (
                other.sign("theirs", "IP:127.0.0.1"),
                "not signed by an authority of DATABASE_CA_FILE",
            )
        case "another name":
            certificate, message = authority.sign("elsewhere", "DNS:db.example.org"), "is for another name"
        case _:
            certificate, message = authority.sign("old", "IP:127.0.0.1", days=0), "not valid today"
    tls_server.show(certificate)
    try:
        with pytest.raises(DatabaseUnavailable, match=message) as raised, Database(tls_server.address).connect():
            pass
    finally:
        tls_server.show(good)
    assert "no password was sent" in str(raised.value)
    # That nothing was sent, the server cannot tell; one that writes down what it gets can.
    with FakeServer(certificate=certificate).running() as fake:
        address = replace(tls_server.address, port=fake.port, password=PASSWORD)
        with pytest.raises(DatabaseUnavailable, match=message), Database(address).connect():
            pass
    assert [len(packet) for packet in fake.packets] == [32]  # the request for TLS: flags, and not even the user's name


@embedded_only
def test_a_server_without_tls_gets_no_login_where_it_has_to_prove_who_it_is(
    authority: Authority, tmp_path: Path
) -> None:
    server = embedded.start(
        State(tmp_path / "state"), options=["--skip-ssl" if is_mariadb(find_server() or "") else "--tls-version="]
    )
    try:
        embedded.create_database(server, "shop")
        address = DatabaseAddress("127.0.0.1", server.port, "shop", embedded.USER, server.password)
        with Database(address).connect() as connection:  # a laptop's: taken as it is
            assert not rows(connection, "SHOW SESSION STATUS LIKE 'Ssl_cipher'")[0][1]
        for asking in (
            replace(address, ca_file=str(authority.file)),
            replace(address, verified=True, region="eu-west-1"),
        ):
            with pytest.raises(DatabaseUnavailable, match="offers no TLS"), Database(asking).connect():
                pass
    finally:
        server.stop()


@embedded_only
def test_the_local_runtime_lets_a_server_prove_who_it_is_before_it_logs_in(
    tls_server: TlsServer, authority: Authority, other: Authority, tmp_path: Path
) -> None:
    url = tls_server.server.url_of("shop")
    embedded.check(url)
    embedded.check(url, str(authority.file))
    for file, why in ((other.file, "certificate verify failed"), (tmp_path / "absent.pem", "No such file")):
        with pytest.raises(StartError, match=why):
            embedded.check(url, str(file))


def test_without_tls_nothing_is_sent_to_a_server_in_the_cloud() -> None:
    with FakeServer().running() as fake:
        address = DatabaseAddress("127.0.0.1", fake.port, "d", "u", PASSWORD, verified=True, region="eu-west-1")
        with pytest.raises(DatabaseUnavailable, match="offers no TLS"), Database(address).connect():
            pass
    assert fake.packets == []


def test_a_certificate_that_rds_did_not_sign_is_refused_in_the_cloud(good: Certificate) -> None:
    with FakeServer(certificate=good).running() as fake:
        address = DatabaseAddress("127.0.0.1", fake.port, "d", "u", PASSWORD, verified=True, region="eu-west-1")
        with (
            pytest.raises(DatabaseUnavailable, match="not signed by an authority of RDS in eu-west-1"),
            Database(address).connect(),
        ):
            pass
    assert [len(packet) for packet in fake.packets] == [32]


@pytest.mark.parametrize("way", [b"mysql_clear_password", b"dialog"])
def test_a_password_is_never_sent_as_it_is_without_encryption(way: bytes) -> None:
    with FakeServer(switch_to=way).running() as fake:
        address = DatabaseAddress("127.0.0.1", fake.port, "d", "u", PASSWORD)
        with pytest.raises(DatabaseUnavailable, match="not encrypted; it was not sent"), Database(address).connect():
            pass
    assert fake.packets
    assert not [packet for packet in fake.packets if PASSWORD.encode() in packet]


def test_a_server_that_proved_who_it_is_gets_the_password_as_it_is_if_it_asks(
    authority: Authority, good: Certificate
) -> None:
    with FakeServer(certificate=good, switch_to=b"mysql_clear_password").running() as fake:
        address = DatabaseAddress("127.0.0.1", fake.port, "d", "u", "pässwörd €", ca_file=str(authority.file))
        with Database(address).connect():
            pass
    assert "pässwörd €".encode() + b"\x00" in fake.packets


@pytest.mark.parametrize("name", ["caching_sha2_password", "sha256_password"])
def test_what_takes_a_key_from_the_server_to_hide_a_password_with_is_not_done(name: str) -> None:
    """The key would be the word of whoever answers. The driver can only do it with a package that the layer lacks."""
    with FakeServer(switch_to=name.encode(), full_login=True).running() as fake:
        address = DatabaseAddress("127.0.0.1", fake.port, "d", "u", PASSWORD)
        with pytest.raises(DatabaseUnavailable, match="over TLS only"), Database(address).connect():
            pass
    assert not [packet for packet in fake.packets if PASSWORD.encode() in packet]
