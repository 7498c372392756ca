"""A real server of the tests' own that proves who it is."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from local.runtime import database as embedded
from local.runtime.state import State
from tableferry.config.settings import DatabaseAddress
from tests.support.certificates import Authority, Certificate

DATABASE = "shop"


@dataclass
class TlsServer:
    """A server of our own, whose certificate can be changed while it runs."""

    server: embedded.Server
    shown: Certificate
    address: DatabaseAddress

    def show(self, certificate: Certificate) -> None:
        shutil.copy(certificate.certificate, self.shown.certificate)
        shutil.copy(certificate.key, self.shown.key)
        with contextlib.closing(self.server.connect()) as connection, connection.cursor() as cursor:
            mariadb = "MariaDB" in str(connection.get_server_info())  # type: ignore[no-untyped-call]
            cursor.execute("FLUSH SSL" if mariadb else "ALTER INSTANCE RELOAD TLS")

    def change_password(self, password: str) -> None:
        """Give the plain user another password."""
        with contextlib.closing(self.server.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(f"ALTER USER '{embedded.USER}'@'127.0.0.1' IDENTIFIED BY '{password}'")


@contextlib.contextmanager
def running(folder: Path, authority: Authority, certificate: Certificate) -> Iterator[TlsServer]:
    """A server with this certificate and an empty database, for as long as the block lasts."""
    shown = Certificate(folder / "shown.pem", folder / "shown.key")
    shutil.copy(certificate.certificate, shown.certificate)
    shutil.copy(certificate.key, shown.key)
    server = embedded.start(
        State(folder / "state"), options=[f"--ssl-cert={shown.certificate}", f"--ssl-key={shown.key}"]
    )
    try:
        embedded.create_database(server, DATABASE)
        address = DatabaseAddress(
            host="127.0.0.1",
            port=server.port,
            name=DATABASE,
            user=embedded.USER,
            password=server.password,
            ca_file=str(authority.file),
            verified=True,
        )
        yield TlsServer(server, shown, address)
    finally:
        server.stop()
