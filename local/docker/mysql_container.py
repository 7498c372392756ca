"""MySQL in containers of our own, for as long as a block lasts, with the options of the embedded server."""

import contextlib
import os
import re
import secrets
import subprocess
import time
from collections.abc import Iterator

from local.runtime import database
from local.runtime.process import StartError
from local.sam import engine

_STARTS_WITHIN = 120
_ADDRESS = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"


def image() -> str:
    """The image that `compose.yaml` takes for MySQL."""
    [found] = re.findall(r"image: (mysql:\S+)", engine.COMPOSE_FILE.read_text(encoding="utf-8"))
    return str(found)


@contextlib.contextmanager
def running(count: int) -> Iterator[list[str]]:
    """So many administrators' URLs, by each container's own address: a published port's proxy would halve the speed.

    The image is pulled if it is not there. Raises StartError, with what Docker or the server said.
    """
    if not engine.listed("images", "--quiet", image()):
        print(f"Pulling {image()} …", flush=True)
    names, password = [f"tableferry-mysql-{secrets.token_hex(4)}" for _ in range(count)], secrets.token_hex(16)
    try:
        for name in names:
            _start(name, password)
        yield [_url(name, password) for name in names]
    finally:
        for name in names:
            with contextlib.suppress(StartError):  # it may be gone, or never have been
                engine.listed("rm", "--force", "--volumes", name)


def _start(name: str, password: str) -> None:
    # The password goes by the environment, where no list of processes shows it.
    command = ["docker", "run", "--detach", "--rm", "--name", name, "--cap-add=SYS_NICE", "--env=MYSQL_ROOT_PASSWORD"]
    command += [image(), "mysqld", *database.OPTIONS, *database.MYSQL_OPTIONS]
    environment = {**os.environ, "MYSQL_ROOT_PASSWORD": password}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"MySQL's container did not start: {done.stderr.strip()}"
        raise StartError(message)


def _url(name: str, password: str) -> str:
    """The URL of a container, once it lets us in."""
    [address, *_] = engine.listed("inspect", "--format", _ADDRESS, name) or [""]
    url = f"mysql://root:{password}@{address}:3306/"
    deadline = time.monotonic() + _STARTS_WITHIN
    while True:
        try:
            database.check(url)
        except StartError as error:
            # Gone as soon as it ends; while it makes its data, it listens to nobody.
            if not engine.listed("ps", "--quiet", "--filter", f"name={name}"):
                message = f"MySQL's container ended at once; `docker run --rm {image()}` may tell why"
                raise StartError(message) from error
            if time.monotonic() > deadline:
                message = (
                    f"MySQL's container cannot be reached at its own address within {_STARTS_WITHIN} s (Docker Desktop"
                    f" has no way there); name a server with MYSQL_URL. {error.__cause__}"
                )
                raise StartError(message) from error
            time.sleep(0.5)
        else:
            return url
