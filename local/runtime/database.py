"""A private MySQL-compatible server: whichever of mysqld and mariadbd the machine has, with its data in the state's folder.

Loopback only, on a free port, with random passwords made once. Two users: `root`, for tests that make databases, and
`tableferry`, with the rights of `sources/grants.sql`, which the documentation asks for, and no others.
"""

import contextlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

import pymysql

from local.runtime.datadir import as_user, initialize, is_mariadb, temporary
from local.runtime.find_server import find_server
from local.runtime.ports import lasting_port
from local.runtime.process import Child, StartError, accepts, plain_environment
from local.runtime.state import ROOT, State, write_private

GRANTS = ROOT / "sources" / "grants.sql"
GRANTS_BY_FUNCTION = ROOT / "sources" / "grants-by-function.sql"
DATABASE = "tableferry"
USER = "tableferry"

PLACE = (
    "--bind-address=127.0.0.1",
    "--socket=server.sock",  # relative to the data, because a socket's path is short by law
    "--pid-file=server.pid",
)
# Half of this is what RDS sets or recommends; the rest keeps a server for development small and quick.
OPTIONS = (
    "--character-set-server=utf8mb4",
    "--default-time-zone=+00:00",
    "--local-infile=ON",
    "--max-allowed-packet=64M",
    "--log-bin=binlog",
    "--server-id=1",
    "--log-bin-trust-function-creators=ON",  # else nobody but SUPER makes a trigger while there is a binary log
    "--innodb-buffer-pool-size=256M",
    "--innodb-flush-log-at-trx-commit=2",
    "--sync-binlog=0",
    "--skip-name-resolve",
)
MARIADB_OPTIONS = ("--binlog-format=ROW", "--expire-logs-days=1")
# Its default for secure-file-priv is a folder of the distribution's, which need not be there.
MYSQL_OPTIONS = ("--mysqlx=OFF", "--secure-file-priv=NULL", "--binlog-expire-logs-seconds=86400")


@dataclass(frozen=True)
class Server:
    """A running server. ``url`` is its administrator's; ``url_of`` gives that of a database for the plain user."""

    port: int
    root_password: str
    password: str
    child: Child

    @property
    def url(self) -> str:
        return f"mysql://root:{quote(self.root_password, safe='')}@127.0.0.1:{self.port}/"

    def url_of(self, database: str) -> str:
        return f"mysql://{USER}:{quote(self.password, safe='')}@127.0.0.1:{self.port}/{quote(database, safe='')}"

    def connect(self, database: str | None = None) -> "pymysql.connections.Connection[pymysql.cursors.Cursor]":
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user="root",
            password=self.root_password,
            database=database,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=5,
            ssl_disabled=True,  # it would read all the machine's certificates first, to speak with this machine
        )

    def stop(self) -> None:
        self.child.stop(seconds=30)


def start(
    state: State,
    inherit: int | None = None,
    group: int = 0,
    options: Sequence[str] = (),
    say: Callable[[str], None] = lambda _: None,
) -> Server:
    """Start the server, making its data first if there is none; return when it answers. Raises StartError.

    ``options`` come after ours, and so prevail. ``say`` hears of a port that had to change.
    """
    program = find_server()
    if program is None:
        message = "no mysqld or mariadbd is on this machine; `make setup` installs one, or DATABASE_URL names another"
        raise StartError(message)
    mariadb, data = is_mariadb(program), state.database / "data"
    state.make()
    state.database.mkdir(exist_ok=True, mode=0o700)
    log = state.logs / "database.log"
    kind, made = "mariadb" if mariadb else "mysql", state.database / "made-by"
    if not made.exists():
        initialize(program, mariadb, data, log)
        made.write_text(kind)
    elif made.read_text() != kind:
        message = (
            f"{program} is {kind}, and the data in {state.database} is {made.read_text()}'s; move that folder away"
        )
        raise StartError(message)
    root_password, password = state.secret("database/root.password"), state.secret("database/password")
    first = state.database / "first.sql"
    write_private(first, "".join(f"{statement};\n" for statement in _users(root_password, password)))
    port = lasting_port(state, "the database", say)
    command = [
        program,
        "--no-defaults",
        *as_user(),
        f"--datadir={data}",
        temporary(data),
        f"--port={port}",
        f"--init-file={first}",
    ]
    command += [*PLACE, *OPTIONS, *(MARIADB_OPTIONS if mariadb else MYSQL_OPTIONS), *options]
    child = Child("the database", command, log, plain_environment(), inherit, group)
    server = Server(port, root_password, password, child)
    child.wait_until(lambda: accepts(port) and _answers(server), seconds=60)
    return server


def is_embedded(state: State, url: str) -> bool:
    """Whether a URL is that of this state's own database, as `.local/env` has it; its port may have changed since."""
    password = state.database / "password"
    parts = urlsplit(url)
    return (
        (parts.hostname, parts.username, parts.path) == ("127.0.0.1", USER, f"/{DATABASE}")
        and password.exists()
        and unquote(parts.password or "") == password.read_text()
    )


def create_database(server: Server, name: str, schema: str = "") -> None:
    """Create a database that the plain user may use, and run the schema's statements in it if it holds no tables."""
    quoted = "`" + name.replace("`", "``") + "`"
    with contextlib.closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS {quoted}")
        for statement in grants(name, f"'{USER}'@'127.0.0.1'"):
            cursor.execute(statement)
        connection.select_db(name)
        if schema and not cursor.execute("SHOW TABLES"):
            for statement in split_statements(schema):
                cursor.execute(statement)


def grants(database: str, user: str) -> list[str]:
    """The statements of `sources/grants.sql`, for a database and a user such as `'tableferry'@'127.0.0.1'`."""
    statements = split_statements(GRANTS.read_text(encoding="utf-8"))
    return [one.replace("`database`", _granted(database)).replace("'tableferry'@'%'", user) for one in statements]


def grants_by_function(database: str, users: Mapping[str, str]) -> list[str]:
    """The statements of `sources/grants-by-function.sql`, for a database and the user of each function, as `grants` has it.

    A wildcard, which is taken from a name, is one only in a grant on all tables of a database.
    """
    text = GRANTS_BY_FUNCTION.read_text(encoding="utf-8")
    for function, user in users.items():
        text = text.replace(f"'tableferry_{function}'@'%'", user)
    text = text.replace("`database`.*", f"{_granted(database)}.*").replace("`database`.", f"{_quoted(database)}.")
    return split_statements(text)


def revocation(database: str) -> str:
    """The statement that takes from the plain user what `create_database` granted it on a database."""
    return f"REVOKE ALL PRIVILEGES ON {_granted(database)}.* FROM '{USER}'@'127.0.0.1'"


def _granted(database: str) -> str:
    """A database's name as a grant has it, in which _ and % would be wildcards."""
    return _quoted(database).replace("_", r"\_").replace("%", r"\%")


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def check(url: str, ca_file: str = "", variable: str = "DATABASE_URL") -> None:
    """Raise StartError, without the password, if the server that the variable names does not let us in.

    With a file of certificates, it has to prove to them first that it is that server.
    """
    parts = urlsplit(url)
    try:
        pymysql.connect(
            host=parts.hostname or "127.0.0.1",
            port=parts.port or 3306,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            database=unquote(parts.path.lstrip("/")) or None,
            connect_timeout=10,
            ssl_ca=ca_file or None,
            ssl_verify_identity=True if ca_file else None,
        ).close()
    except (pymysql.err.Error, OSError, ValueError) as error:
        message = f"the database at {parts.hostname} that {variable} names does not let us in: {error}"
        raise StartError(message) from error


def split_statements(sql: str) -> list[str]:
    """The statements of a plain schema file: each ends with a semicolon at the end of a line; `--` lines are comments."""
    lines = [line for line in sql.splitlines() if not line.lstrip().startswith("--")]
    parts = "\n".join(line.rstrip() for line in lines).split(";\n")
    return [part.strip().removesuffix(";") for part in parts if part.strip()]


def _users(root_password: str, password: str) -> list[str]:
    """Run by the server before it takes connections, so that there is no moment without passwords."""
    user = f"'{USER}'@'127.0.0.1'"
    return [
        f"CREATE USER IF NOT EXISTS 'root'@'127.0.0.1' IDENTIFIED BY '{root_password}'",
        f"ALTER USER 'root'@'127.0.0.1' IDENTIFIED BY '{root_password}'",
        "GRANT ALL ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION",
        f"ALTER USER 'root'@'localhost' IDENTIFIED BY '{secrets.token_urlsafe(32)}'",
        f"CREATE USER IF NOT EXISTS {user} IDENTIFIED BY '{password}'",
        f"ALTER USER {user} IDENTIFIED BY '{password}'",
        f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {user}",  # what it may do, create_database says
    ]


def _answers(server: Server) -> bool:
    try:
        server.connect().close()
    except pymysql.err.OperationalError as error:
        if error.args[0] == 1045:  # it answers, and does not know its own administrator: waiting does not help
            message = f"the database refuses its own password; remove {server.child.log.parent.parent / 'database'}"
            raise StartError(message) from error
        return False
    return True
