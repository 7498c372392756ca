"""Compiles the package's native library with the machine's own C compiler, for ``make setup``; standard library only.

The library is a matter of speed alone: without a compiler, or with one that fails, the package does the same in Python.
What Lambda gets is compiled by the layer's Makefile, with a compiler of its own.
"""

import hashlib
import os
import platform
import shlex
import subprocess
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

_SLOWER = "Tableferry works without its native library, only slower."


class NotCompiled(Exception):
    """There is no library; the text is one line that says why, and what to do."""


@dataclass(frozen=True)
class Library:
    """The library, what it is compiled from, and where it is noted what it was compiled from."""

    source: Path  # the headers that it includes are beside it
    flags: Path  # the compiler's, in a file that it reads by itself: the layer's Makefile has the same
    target: Path
    stamp: Path

    @property
    def sources(self) -> list[Path]:
        """All that is compiled: the source, and every header beside it."""
        return [self.source, *sorted(self.source.parent.glob("*.h"))]

    def ensure(self, compiling: Callable[[], AbstractContextManager[object]] = nullcontext) -> bool:
        """Have the library as sources, flags and compiler would make it now; return whether it was compiled for that.

        It is compiled inside what ``compiling`` returns. Raises NotCompiled, with the library removed: an older one may not be what the package calls. A process that has
        it loaded keeps it, then and when it is compiled anew.
        """
        try:
            command = compiler()
            fingerprint = self.fingerprint(command)
            if self.target.exists() and self.stamp.exists() and self.stamp.read_text() == fingerprint:
                return False
            with compiling():
                self._compile(command)
        except NotCompiled:
            self.target.unlink(missing_ok=True)
            raise
        self.stamp.write_text(fingerprint)
        return True

    def fingerprint(self, command: Sequence[str]) -> str:
        """A digest of everything the library is made from; a change of it means: compile again."""
        made_by = (*command, version(command), platform.system(), platform.machine())
        digest = hashlib.sha256("\n".join(made_by).encode())
        for file in (*self.sources, self.flags):
            digest.update(hashlib.sha256(file.read_bytes()).digest())
        return digest.hexdigest()

    def _compile(self, command: Sequence[str]) -> None:
        log = self.stamp.with_suffix(".log")
        made = self.target.with_name(f"{self.target.stem}-{os.getpid()}.so")
        try:
            with log.open("wb") as output:
                subprocess.run(
                    [*command, f"@{self.flags}", "-o", str(made), str(self.source)],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    check=True,
                )
            made.replace(self.target)
        except (OSError, subprocess.CalledProcessError) as error:
            why = f"{shlex.join(command)} could not compile {self.source.name}; what it said is in {log}"
            raise NotCompiled(f"{why}. {_SLOWER}") from error
        finally:
            made.unlink(missing_ok=True)


def compiler() -> list[str]:
    """The command of the machine's C compiler: what CC says, or else cc. Not looked for: `version` finds it missing."""
    return shlex.split(os.environ.get("CC", "")) or ["cc"]


def version(command: Sequence[str]) -> str:
    """What a compiler says of itself; raises NotCompiled where it does not run, as macOS's cc does before it is got."""
    try:
        done = subprocess.run(
            [*command, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        how = "Debian or Ubuntu: apt-get install gcc libc6-dev; Fedora: dnf install gcc; macOS: xcode-select --install"
        raise NotCompiled(f"no C compiler ({shlex.join(command)}). {_SLOWER} To have it, {how}.") from error
    return done.stdout
