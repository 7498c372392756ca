"""Makes an empty data folder for mysqld or mariadbd, with what little the server's own package brings."""

import os
import shutil
import subprocess
from pathlib import Path

from local.runtime.process import StartError, plain_environment, tail

# In the order in which mariadb-install-db feeds them to the server. The help tables are left out: they take longest.
SYSTEM_TABLES = ("system_tables", "performance_tables", "system_tables_data", "add_gis_sp_bootstrap", "sys_schema")


def as_user() -> list[str]:
    """Both servers refuse to run as root unless told to."""
    return ["--user=root"] if os.geteuid() == 0 else []


def is_mariadb(program: str) -> bool:
    """Whether a server's program is MariaDB's."""
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    return "MariaDB" in version


def initialize(program: str, mariadb: bool, data: Path, log: Path) -> None:
    """Make the data folder anew, with a root user that has no password yet. Raises StartError."""
    shutil.rmtree(data, ignore_errors=True)  # what a start that was cut short left
    own = [f"--datadir={data}", temporary(data), *as_user()]
    if not mariadb:
        _run([program, "--no-defaults", "--initialize-insecure", *own], b"", log)
    elif scripts := _system_tables(program):
        data.mkdir(parents=True)
        sql = b"CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n"
        sql += b"".join(script.read_bytes() + b"\n" for script in scripts)
        options = ["--bootstrap", "--enforce-storage-engine=", "--max-allowed-packet=8M", "--log-warnings=0"]
        _run([program, "--no-defaults", *options, *own], sql, log)
    else:
        install = shutil.which("mariadb-install-db") or "mysql_install_db"
        options = ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
        _run([install, "--no-defaults", *options, *own], b"", log)


def temporary(data: Path) -> str:
    """The option for a folder of its own for temporary tables: a server that starts clears those of all the others."""
    folder = data.with_name(f"{data.name}-tmp")
    folder.mkdir(parents=True, exist_ok=True)
    return f"--tmpdir={folder}"


def _system_tables(program: str) -> list[Path]:
    """The SQL that mariadb-install-db would run; that script itself wants programs of the client's package."""
    command = [program, "--no-defaults", *as_user(), "--help", "--verbose"]
    text = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False).stdout
    folders = [line.split(None, 1)[1] for line in text.splitlines() if line.startswith("character-sets-dir ")]
    share = Path(folders[0].strip()).parent if folders else Path("/nowhere")
    found = [
        path
        for name in SYSTEM_TABLES
        for prefix in ("mariadb_", "mysql_", "maria_")
        if (path := share / f"{prefix}{name}.sql").exists()
    ]
    return found if len(found) == len(SYSTEM_TABLES) else []


def _run(command: list[str], sql: bytes, log: Path) -> None:
    with log.open("ab") as output:
        try:
            done = subprocess.run(
                command, input=sql, stdout=output, stderr=output, check=False, env=plain_environment()
            )
        except OSError as error:
            message = f"the database's data could not be made: {error}"
            raise StartError(message) from error
    if done.returncode:
        message = f"the database's data could not be made: exit status {done.returncode}\n{tail(log)}"
        raise StartError(message)
