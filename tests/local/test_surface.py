"""What a running runtime shows of itself: addresses, a file for a shell, and a user with few rights."""

import re
import shlex
import stat
import subprocess
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pymysql
import pytest

from tests.support.parts import Runtime, connect, processes, version_of


def test_everything_listens_on_the_loopback_address_alone(stubs: Runtime, settings: dict[str, str]) -> None:
    httpx.get(stubs.env["API_URL"] + "/echo/a")
    sockets: set[str] = set()
    for process in processes(stubs.state):
        for one in Path(f"/proc/{process}/fd").iterdir():
            try:
                sockets |= set(re.findall(r"socket:\[(\d+)\]", str(one.readlink())))
            except OSError:
                continue
    addresses = [
        row[1].partition(":")[0]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if (row := line.split()) and row[3] == "0A" and row[9] in sockets
    ]
    ours = ["S3", "the API", "a function", *([] if settings else ["the database"])]
    assert len(addresses) >= len(ours)
    assert set(addresses) == {"0100007F"}


def test_env_is_for_a_shell_and_its_owner(stubs: Runtime) -> None:
    file = stubs.state.env
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    names = ["API_URL", "S3_URL", "BUCKET", "DATABASE_URL", "AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID"]
    shown = " ".join(f'"${name}"' for name in names)
    script = f". {shlex.quote(str(file))} && printf '%s\\n' {shown}"
    values = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()
    assert values == [stubs.env[name] for name in names]


def test_functions_log_in_as_a_plain_user(stubs: Runtime, settings: dict[str, str]) -> None:
    host = "%" if settings else "127.0.0.1"  # where DATABASE_URL names a server, of which we know no more
    with closing(connect(stubs.env["DATABASE_URL"])) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT CURRENT_USER()")
        assert cursor.fetchall() == ((f"{urlsplit(stubs.env['DATABASE_URL']).username}@{host}",),)
        mariadb = "MariaDB" in version_of(stubs.env["DATABASE_URL"])
        cursor.execute("SHOW MASTER STATUS" if mariadb else "SHOW BINARY LOG STATUS")  # the user may know the position
        assert cursor.rowcount == 1
        with pytest.raises(pymysql.err.OperationalError, match="denied"):
            cursor.execute("SELECT * FROM mysql.user")
