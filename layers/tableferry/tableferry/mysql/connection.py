"""The driver's connection, made safe: to whom it speaks, what it sends, and what it never sends."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pymysql
import pymysql.connections
from pymysql.charset import charset_by_name
from pymysql.constants import CLIENT, CR

from tableferry.config.rds_hosts import is_rds_proxy
from tableferry.config.settings import DatabaseAddress
from tableferry.errors import DatabaseUnavailable, ServerNotSupported
from tableferry.mysql import tls
from tableferry.mysql.credentials import Login
from tableferry.mysql.version import Server

_CONNECT_TIMEOUT_SECONDS = 5
_LOGIN_SECONDS = 10  # for each answer of the server until the login is done; a query may take what it takes
_SENT_AS_IT_IS = {b"mysql_clear_password", b"dialog"}
_WAYS_TO_LOG_IN = _SENT_AS_IT_IS | {b"mysql_native_password", b"caching_sha2_password", b"sha256_password"}

if TYPE_CHECKING:
    _Driver = pymysql.connections.Connection[Any]
else:
    _Driver = pymysql.connections.Connection  # cannot be subscripted at run time


class Connection(_Driver):
    """The driver's connection, less what would let a server, or whoever sits before it, have more than it should."""

    def _create_ssl_ctx(self, options: dict[str, Any] | ssl.SSLContext) -> ssl.SSLContext:
        # Asked for without a context where encrypted will do. The driver's own would first read the certificates of the
        # whole world, which takes longer than a query.
        return options if isinstance(options, ssl.SSLContext) else tls.unverified()

    def _process_auth(self, plugin_name: bytes, auth_packet: Any, handler: Any = None) -> Any:
        drivers: Any = super()
        raw: Any = self  # the stubs leave out the protocol's own parts
        if plugin_name not in _WAYS_TO_LOG_IN:
            named = plugin_name.decode(errors="replace")
            raise DatabaseUnavailable(
                f"The database server asks to log in by {named if re.fullmatch(r'[a-z0-9_]+', named) else 'a plugin'}, which "
                "Tableferry does not know: let the user log in by mysql_native_password, caching_sha2_password or, on RDS, "
                "AWSAuthenticationPlugin (an IAM token)."
            )
        if plugin_name in _SENT_AS_IT_IS and not raw._secure:
            raise DatabaseUnavailable(
                "The database server asks for the password as it is, on a connection that is not encrypted; it was not "
                "sent. Turn TLS on at the server."
            )
        return drivers._process_auth(plugin_name, auth_packet, handler)

    def _read_query_result(self, unbuffered: bool = False) -> int:
        drivers: Any = super()
        raw: Any = self
        try:
            return int(drivers._read_query_result(unbuffered))
        except RuntimeError as error:  # what the driver makes of a request for a file that it was not told to answer
            raw._force_close()
            raise DatabaseUnavailable(
                "The database server asked for a file of this function in answer to a statement that loads none; it "
                "was not sent. No MySQL server does that: look who is at the address."
            ) from error


class _Session(Connection):
    """A connection whose session is stated at once, character set and all, so that the driver need not.

    The server says its version before anybody logs in, so one that is too old learns no password.
    """

    def _request_authentication(self) -> None:
        drivers: Any = super()
        raw: Any = self
        server = Server.of(str(raw.get_server_info()))
        if server.too_old:
            raise ServerNotSupported(
                f"The database server {raw.host}:{raw.port} is {server}, which is too old: Tableferry needs {server.oldest}. It "
                "was not logged in to. Upgrade it; docs/limits.md says what older ones lack."
            )
        drivers._request_authentication()

    def set_character_set(self, charset: str, collation: str | None = None) -> None:
        raw: Any = self
        raw.charset, raw.encoding, raw.collation = charset, charset_by_name(charset).encoding, collation


def log_in(address: DatabaseAddress, used: Login, begin: Callable[[Connection], None]) -> Connection:
    """A connection whose session ``begin`` has stated, in utf8mb4.

    Raises:
        ServerNotSupported: it is too old, or a proxy.
        DatabaseUnavailable: the server does not prove who it is, or would have the password unencrypted.
        Misconfigured: the certificates to hold it against cannot be had.
        pymysql.err.MySQLError: it cannot be reached, or refuses.
    """
    if is_rds_proxy(address.host):
        raise ServerNotSupported(
            f"{address.host} is an endpoint of RDS Proxy, through which nothing is gained and not all may work: it was not "
            "logged in to. Name the database's own endpoint, of a cluster that of its writer; docs/limits.md says why."
        )
    try:
        connection = _Session(
            host=address.host,
            port=address.port,
            user=used.user,
            password=used.password.encode(),  # else the driver takes it for Latin-1
            database=address.name,
            charset="utf8mb4",
            autocommit=None,  # which the session says
            # Files may be asked for, and only `infile` answers, from memory.
            client_flag=CLIENT.LOCAL_FILES,
            connect_timeout=_CONNECT_TIMEOUT_SECONDS,
            read_timeout=_LOGIN_SECONDS,
            ssl=tls.context(address),
        )
        raw: Any = connection
        try:
            begin(connection)
        except BaseException:
            raw._force_close()
            raise
        raw._read_timeout = None
        return connection
    except pymysql.err.OperationalError as error:
        cause = getattr(error, "original_exception", None)
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise DatabaseUnavailable(tls.problem(cause, address)) from error
        if error.args[:1] == (CR.CR_SSL_CONNECTION_ERROR,):
            raise DatabaseUnavailable(
                f"The database server {address.host}:{address.port} offers no TLS; it was not logged in "
                "to, and no password was sent. Turn TLS on at the server."
            ) from error
        raise
    except RuntimeError as error:  # the driver lacks the packages to send the password encrypted by itself
        raise DatabaseUnavailable(
            f"The database server {address.host}:{address.port} takes this user's password over TLS only; "
            "it was not sent. Turn TLS on at the server."
        ) from error
