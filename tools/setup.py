"""Makes what the project needs to run, once.

That is three virtual environments, the package's native library where there is a C compiler, and, if there is none, a
database server. What does not need each other is done at once, and each step says how far it is, how large it became
and how long it took.

Run by ``make setup`` with whatever Python 3 the machine has, so it imports nothing but the standard library. What is
installed is what the locks say, to the hash. Two more environments are made when they are asked for: `tools` by
``make lock``, ``make audit`` and ``make validate``, `docs` by ``make docs``.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from local.runtime.find_server import find_server
from local.runtime.steps import Steps, megabytes, size_of, steps
from tools.build_native import Library, NotCompiled
from tools.installing import AptInstalling, PipInstalling

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)
_MOST_AT_ONCE = 8  # more than there is to do: who waits for another would wait for ever


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

    def make(self, shown: Steps, created: Callable[[], None] = lambda: None) -> None:
        """Create the environment and install into it. The stamp is written last, so that half a one is made again.

        ``created`` is called when its folder is there, or cannot be had. Raises SetupError.
        """
        with shown.step(str(self.path.relative_to(ROOT)), "a virtual environment") as step:
            try:
                (self.path / ".stamp").unlink(missing_ok=True)
                # Emptied first where there is one: what an older lock had, and this one has not, must not stay.
                run([sys.executable, "-m", "venv", "--clear", str(self.path)])
            finally:
                created()
            pip = [str(self.path / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install"]
            installing = PipInstalling(self.lock, self.path)
            step.so_far = installing.so_far
            told = [*pip, "--progress-bar", "off", "--require-hashes", "--no-deps", *WHEELS, "-r", str(self.lock)]
            run(told, installing.hear)
            if self.project:
                step.so_far = lambda: "the package itself"
                # Built by what the lock has just installed, so that nothing is downloaded for it.
                run([*pip, "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--editable", str(ROOT)])
            (self.path / ".stamp").write_text(self.fingerprint())
            step.size = f"{installing.packages} packages, {megabytes(size_of(self.path))}"


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


def run(command: Sequence[str], heard: Callable[[str], None] = lambda _: None) -> None:
    """Run a command without input, and tell of each line that it prints; raises SetupError, with all of them, if it fails."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        lines = []
        for line in process.stdout or ():
            lines.append(line)
            heard(line)
    if process.returncode:
        problem = f"{' '.join(command)}\nended with exit status {process.returncode}:\n{''.join(lines)}"
        raise SetupError(problem.rstrip())


def sudo() -> list[str] | None:
    """What to begin a command with that only root may do; None if there is no way to."""
    if os.geteuid() == 0:
        return []
    if not shutil.which("sudo"):
        return None
    return ["sudo"] if sys.stdin.isatty() else ["sudo", "-n"]


def apt_install(shown: Steps, package: str, otherwise: str) -> None:
    """Install a Debian or Ubuntu package, as root or by sudo; elsewhere raise SetupError with what to do instead."""
    as_root = sudo()
    if as_root is None or not shutil.which("apt-get"):
        raise SetupError(otherwise)
    try:
        with shown.step(package, "by apt-get") as step:
            step.so_far = lambda: "the lists of packages, by apt-get"
            run([*as_root, "apt-get", "update", "-qq"])
            installing = AptInstalling()
            step.so_far = installing.so_far
            apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--yes", "--no-install-recommends"]
            run([*as_root, *apt, package], installing.hear)
            step.size = installing.size()
    except SetupError as error:
        message = f"{error}\n{otherwise}"
        raise SetupError(message) from error


def lacks_server() -> bool:
    """Whether there is no MySQL-compatible server, and DATABASE_URL names none."""
    return not os.environ.get("DATABASE_URL") and not find_server()


def ensure_server(shown: Steps) -> None:
    """Have a MySQL-compatible server, unless DATABASE_URL names one."""
    if not lacks_server():
        return
    otherwise = (
        "No MySQL-compatible server (mysqld or mariadbd) is on this machine, and it could not be installed.\n"
        "Install one: Debian or Ubuntu `apt-get install mariadb-server-core`, Fedora `dnf install mariadb-server`,\n"
        "macOS `brew install mariadb`. Or name a running one: DATABASE_URL=mysql://user:password@host:port/database"
    )
    apt_install(shown, "mariadb-server-core", otherwise)


def ensure_venv_module(shown: Steps) -> None:
    """Debian keeps a part of the standard library's venv in a package of its own."""
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        version = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        apt_install(shown, version, f"Python's venv module is not whole here. Install it: apt-get install {version}")


def ensure_library(shown: Steps | None = None) -> None:
    """Have the native library, if it can be had; say so in a line where it cannot."""
    with nullcontext(shown) if shown else steps("setup") as told:

        @contextmanager
        def compiling() -> Iterator[None]:
            with told.step(NATIVE.target.name, "by the C compiler") as step:
                try:
                    yield
                except NotCompiled:
                    step.is_silent = True  # the line below says it
                    raise
                step.size = megabytes(NATIVE.target.stat().st_size)

        try:
            NATIVE.ensure(compiling)
        except NotCompiled as error:
            told.say(str(error))


def ask_for_password() -> None:
    """Let sudo ask now, where nothing is drawn yet, for the rights that it remembers for some minutes."""
    if (as_root := sudo()) == ["sudo"] and shutil.which("apt-get"):
        subprocess.run([*as_root, "--validate"], check=False)


def together(shown: Steps, tasks: Iterable[Callable[[], None]]) -> bool:
    """Do all of this at once; whether it went well. What failed is said at once, whole, and the others come to their end."""

    def attempt(task: Callable[[], None]) -> bool:
        try:
            task()
        except (SetupError, OSError) as error:
            shown.say(str(error))
            return False
        return True

    with ThreadPoolExecutor(_MOST_AT_ONCE) as pool:
        return all(list(pool.map(attempt, tasks)))


def main(arguments: Sequence[str]) -> int:
    """Set everything up, or only the environments that the arguments name (`tools`, `docs`); return the exit status."""
    if sys.version_info < OLDEST:
        print(f"Tableferry needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}.", file=sys.stderr)
        return 1
    wanted = tuple(ON_REQUEST[name] for name in arguments) or ENVIRONMENTS
    missing = [environment for environment in wanted if not environment.is_ready()]
    tasks: list[Callable[[], None]] = []
    with steps("setup") as shown:
        if wanted is ENVIRONMENTS and lacks_server():
            ask_for_password()
            tasks.append(lambda: ensure_server(shown))
        if missing and not together(shown, [lambda: ensure_venv_module(shown)]):
            return 1
        has_folder = threading.Event()  # of the environment in which the library's stamp is
        if ENVIRONMENTS[0] not in missing:
            has_folder.set()
        for environment in missing:
            created = has_folder.set if environment is ENVIRONMENTS[0] else lambda: None
            tasks.append(partial(environment.make, shown, created))

        def library() -> None:
            has_folder.wait()
            ensure_library(shown)

        if wanted is ENVIRONMENTS:
            tasks.append(library)
        return 0 if together(shown, tasks) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
