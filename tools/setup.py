"""Makes what the project needs to run, once.

That is three virtual environments, the package's native library where there is a C compiler, and, if there is none, a
database server.

Run by ``make setup`` with whatever Python 3 the machine has, so it imports nothing but the standard library. What is
installed is what the locks say, to the hash. Two more environments are made when they are asked for: `tools` by
``make lock``, ``make audit`` and ``make validate``, `docs` by ``make docs``.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from local.runtime.find_server import find_server
from tools.build_native import Library, NotCompiled

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)


class SetupError(Exception):
    """What is missing and how to get it, as one message for the person at the terminal."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment: where it is, the lock that pip installs into it, and whether the project goes in too."""

    path: Path
    lock: Path
    project: bool = False

    def fingerprint(self) -> str:
        """A digest of everything the environment is made from; a change of it means: install again."""
        digest = hashlib.sha256(f"{sys.version}\n{self.path}".encode())
        for source in (self.lock, ROOT / "pyproject.toml", LAYER_LIST) if self.project else (self.lock,):
            digest.update(source.read_bytes())
        return digest.hexdigest()

    def is_ready(self) -> bool:
        stamp = self.path / ".stamp"
        return stamp.exists() and stamp.read_text() == self.fingerprint()

    def make(self) -> None:
        """Create the environment and install into it. The stamp is written last, so that half a one is made again."""
        print(f"setup: {self.path.relative_to(ROOT)}\n", end="", flush=True)  # whole, also beside other threads
        (self.path / ".stamp").unlink(missing_ok=True)
        # Emptied first where there is one: what an older lock had, and this one has not, must not stay.
        run([sys.executable, "-m", "venv", "--clear", str(self.path)])
        pip = [str(self.path / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        run([*pip, "--require-hashes", "--no-deps", *WHEELS, "-r", str(self.lock)])
        if self.project:
            # Built by what the lock has just installed, so that nothing is downloaded for it.
            run([*pip, "--no-index", "--no-deps", "--no-build-isolation", "--editable", str(ROOT)])
        (self.path / ".stamp").write_text(self.fingerprint())


# Installing a wheel runs nothing and fetches nothing else. awslambdaric has wheels for Linux alone: elsewhere it is
# built from its source, which is hashed too, by a setuptools that is not.
WHEELS = ("--only-binary=:all:",) if sys.platform == "linux" else ()
LAYER_LIST = ROOT / "layers" / "tableferry" / "requirements.txt"
REQUIREMENTS = ROOT / "tools" / "requirements"
ENVIRONMENTS = (
    Environment(ROOT / ".venv", REQUIREMENTS / "dev.lock", project=True),
    # Tools whose pins collide with each other and with ours.
    Environment(ROOT / ".venvs" / "sam", REQUIREMENTS / "sam.lock"),
    Environment(ROOT / ".venvs" / "s3", REQUIREMENTS / "s3.lock"),
)
PACKAGE = ROOT / "layers" / "tableferry" / "tableferry"
NATIVE = Library(
    PACKAGE / "columnar" / "native" / "native.c",
    PACKAGE.with_name("native.flags"),
    PACKAGE / "columnar" / "native" / "libnative.so",
    ROOT / ".venv" / ".native",  # where it goes with the rest when all is made again
)
TOOLS = Environment(ROOT / ".venvs" / "tools", REQUIREMENTS / "tools.lock")
DOCS = Environment(ROOT / ".venvs" / "docs", REQUIREMENTS / "docs.lock")
ON_REQUEST = {"tools": TOOLS, "docs": DOCS}


def run(command: Sequence[str], **environment: str) -> None:
    """Run a command without input. Its output is shown only when it fails."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, **environment},
        check=False,
    )
    if done.returncode:
        problem = f"{' '.join(command)}\nended with exit status {done.returncode}:\n{done.stdout[-4000:]}"
        raise SetupError(problem)


def apt_install(package: str, otherwise: str) -> None:
    """Install a Debian or Ubuntu package, as root or by sudo; elsewhere raise SetupError with what to do instead."""
    sudo: list[str] | None = [] if os.geteuid() == 0 else None
    if sudo is None and shutil.which("sudo"):
        sudo = ["sudo"] if sys.stdin.isatty() else ["sudo", "-n"]
    if sudo is None or not shutil.which("apt-get"):
        raise SetupError(otherwise)
    print(f"setup: {package} (apt-get)", flush=True)
    try:
        run([*sudo, "apt-get", "update", "-qq"])
        apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--yes", "-qq", "--no-install-recommends"]
        run([*sudo, *apt, package])
    except SetupError as error:
        message = f"{error}\n{otherwise}"
        raise SetupError(message) from error


def ensure_server() -> None:
    """Have a MySQL-compatible server, unless DATABASE_URL names one."""
    if os.environ.get("DATABASE_URL") or find_server():
        return
    otherwise = (
        "No MySQL-compatible server (mysqld or mariadbd) is on this machine, and it could not be installed.\n"
        "Install one: Debian or Ubuntu `apt-get install mariadb-server-core`, Fedora `dnf install mariadb-server`,\n"
        "macOS `brew install mariadb`. Or name a running one: DATABASE_URL=mysql://user:password@host:port/database"
    )
    apt_install("mariadb-server-core", otherwise)


def ensure_venv_module() -> None:
    """Debian keeps a part of the standard library's venv in a package of its own."""
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        version = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        apt_install(version, f"Python's venv module is not whole here. Install it: apt-get install {version}")


def ensure_library() -> None:
    """Have the native library, if it can be had; say so in a line where it cannot."""
    try:
        if NATIVE.ensure():
            print(f"setup: {NATIVE.target.relative_to(ROOT)}", flush=True)
    except NotCompiled as error:
        print(f"setup: {error}", file=sys.stderr)  # `make template` prints what is read by programs


def main(arguments: Sequence[str]) -> int:
    """Set everything up, or only the environments that the arguments name (`tools`, `docs`); return the exit status."""
    if sys.version_info < OLDEST:
        print(f"Tableferry needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}.", file=sys.stderr)
        return 1
    try:
        wanted = tuple(ON_REQUEST[name] for name in arguments) or ENVIRONMENTS
        missing = [environment for environment in wanted if not environment.is_ready()]
        if missing:
            ensure_venv_module()
            with ThreadPoolExecutor(len(missing)) as pool:
                list(pool.map(Environment.make, missing))
        if wanted is ENVIRONMENTS:
            ensure_library()
            ensure_server()
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
