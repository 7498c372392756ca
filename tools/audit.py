"""Asks for known vulnerabilities of every package in every lock file; ``make audit``.

Three ends, never to be taken for one another: every package was looked up and nothing is known of any; something is
known (exit status 1); or some could not be looked up, so that nothing can be said (exit status 3). pip-audit alone
passes when the service does not know a package, which is also how a mirror without that service answers.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tools.lock import LOCKS, ROOT

PIP_AUDIT = ROOT / ".venvs" / "tools" / "bin" / "pip-audit"
VULNERABLE, UNKNOWN = 1, 3


@dataclass
class Findings:
    """What is known of the packages, as lines for the terminal."""

    looked_up: int = 0
    vulnerable: list[str] = field(default_factory=list)
    not_looked_up: list[str] = field(default_factory=list)

    def add(self, lock: str, answer: dict[str, Any]) -> None:
        """Take in pip-audit's answer for one lock."""
        if not answer["dependencies"]:
            self.not_looked_up.append(f"{lock}: pip-audit found no package in it")
        for package in answer["dependencies"]:
            name = f"{package['name']} {package.get('version', '')}".strip()
            if "skip_reason" in package:
                self.not_looked_up.append(f"{lock}: {package['skip_reason']}")
                continue
            self.looked_up += 1
            for found in package["vulns"]:
                fixed = ", ".join(found["fix_versions"]) or "no release yet"
                self.vulnerable.append(f"{lock}: {name}: {found['id']}, fixed by {fixed}")

    def status(self) -> int:
        """The exit status: what is known to be bad weighs more than what is not known."""
        if self.vulnerable:
            return VULNERABLE
        return UNKNOWN if self.not_looked_up or not self.looked_up else 0


def ask(lock: str) -> dict[str, Any] | str:
    """pip-audit's answer for a lock, or the last line of why there is none."""
    options = ["--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
    done = subprocess.run(
        [str(PIP_AUDIT), *options, "-r", lock],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        return (done.stderr.strip().splitlines() or [f"pip-audit ended with exit status {done.returncode}"])[-1]
    return answer


def report(findings: Findings) -> str:
    """The findings for the terminal."""
    lines = [*findings.vulnerable]
    status = findings.status()
    if findings.not_looked_up or status == UNKNOWN:
        lines += sorted(set(findings.not_looked_up))[:5]
        lines += [
            "",
            f"NOT AUDITED: {len(findings.not_looked_up)} look-ups failed, {findings.looked_up} were answered.",
            "The service that knows of vulnerabilities could not be asked. This says nothing of the packages;",
            "run `make audit` where the service can be reached.",
        ]
    if status == VULNERABLE:
        lines += ["", f"VULNERABLE: {len(findings.vulnerable)} known. Raise the versions: make lock UPGRADE=1"]
    if status == 0:
        lines += [f"No known vulnerability in {findings.looked_up} packages of {len(LOCKS)} lock files."]
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Audit every lock; return the exit status. With `--unreachable-passes`, what could not be asked does not fail."""
    findings = Findings()
    for lock in LOCKS:
        answer = ask(lock.path)
        if isinstance(answer, str):
            findings.not_looked_up.append(f"{lock.path}: {answer}")
        else:
            findings.add(lock.path, answer)
    print(report(findings), flush=True)
    status = findings.status()
    return 0 if status == UNKNOWN and "--unreachable-passes" in arguments else status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
