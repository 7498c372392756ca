"""Finds the database server's program. Standard library only: `tools.setup` asks it before anything is installed."""

import os
import shutil

SERVERS = ("mysqld", "mariadbd")


def find_server() -> str | None:
    """The database server's program, also where only root's PATH would find it."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/usr/libexec"])
    return next((found for name in SERVERS if (found := shutil.which(name, path=path))), None)
