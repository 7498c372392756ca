"""Ports that stay the same from one start to the next, as long as nobody else has taken them meanwhile."""

import json
import random
import socket
from collections.abc import Callable
from pathlib import Path

from local.runtime.process import free_port
from local.runtime.state import State, write_private

_LOWEST = 20_000
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def lasting_port(state: State, name: str, say: Callable[[str], None] = lambda _: None) -> int:
    """The port that this part had before, or where there is none, or it is taken, a free one that it keeps from now on.

    ``say`` hears of a port that had to change, as clients may know the old one.
    """
    file = state.folder / "ports.json"
    known: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
    before = known.get(name)
    if before and is_free(before):
        return before
    port = _any(set(known.values()))
    state.make()
    write_private(file, json.dumps(known | {name: port}))
    if before:
        say(f"port {before}, where {name} was, is taken by another program; {name} is at {port} from now on")
    return port


def is_free(port: int) -> bool:
    """Whether a server could listen at this port of 127.0.0.1. Connections that have just ended do not matter."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _any(others: set[int]) -> int:
    """A free port below those that the system gives to connections, one of which might have it at the next start."""
    try:
        highest = int(_EPHEMERAL.read_text().split()[0])
    except OSError:
        highest = 32_768  # the lowest that any system uses by default
    for _ in range(100):
        port = random.randrange(_LOWEST, highest) if highest > _LOWEST + 1000 else free_port()  # noqa: S311
        if port not in others and is_free(port):
            return port
    return free_port()
