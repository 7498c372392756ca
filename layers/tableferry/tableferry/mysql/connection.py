"""Logging in: to whom a connection speaks, and what it sends before that is known."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import pymysql
from pymysql.constants import CLIENT, CR

from tableferry.config.rds_hosts import is_rds_proxy
from tableferry.config.settings import DatabaseAddress
from tableferry.errors import DatabaseUnavailable, ServerNotSupported
from tableferry.mysql import protocol, tls
from tableferry.mysql.credentials import Login
from tableferry.mysql.protocol import Connection, DirectConnection

_CONNECT_TIMEOUT_SECONDS = 5
_LOGIN_SECONDS = 10  # for each answer of the server until the login is done; a query may take what it takes


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
        connection = DirectConnection(
            host=address.host,
            port=address.port,
            user=used.user,
            password=used.password.encode(),  # else the driver takes it for Latin-1
            database=address.name,
            charset="utf8mb4",
            autocommit=None,  # which the session says
            # Files may be asked for, and only `local_infile` answers, from memory.
            client_flag=CLIENT.LOCAL_FILES,
            connect_timeout=_CONNECT_TIMEOUT_SECONDS,
            read_timeout=_LOGIN_SECONDS,
            ssl=tls.context(address),
        )
        try:
            begin(connection)
        except BaseException:
            protocol.close_at_once(connection)
            raise
        protocol.wait_without_end(connection)
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
