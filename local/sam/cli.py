"""The SAM CLI as a program: built with, asked to serve the API or to invoke a function, and its answers read.

Keys and addresses of a real account are kept from it: with keys in the environment it asks STS about them before each
command, and what runs here is never meant for AWS. The functions then get keys that SAM makes up; the S3 container takes
any.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.runtime.process import logged, plain_environment
from local.runtime.s3 import REGION
from local.runtime.state import ROOT

SAM = ROOT / ".venvs" / "sam" / "bin" / "sam"
_INVOKE_SECONDS = 180
_BUILD_SECONDS = 1800


class FunctionFailed(Exception):
    """A function ended with an error, in no answer, or past its time; the text holds what SAM said of it."""


def environment() -> dict[str, str]:
    """What every `sam` is run in."""
    given = plain_environment(SAM_CLI_TELEMETRY="0", AWS_DEFAULT_REGION=REGION, PYTHON=sys.executable)
    given.pop("MAKEFLAGS", None)  # `sam build` runs make, whose business the options of ours are not
    return given


@dataclass(frozen=True)
class Sam:
    """SAM for one build and one network of containers, with the section [local] of samconfig.toml."""

    build_folder: Path
    network: str

    def build(self, log: Path) -> None:
        """`sam build`; raises StartError, with all that it printed."""
        logged([str(SAM), "build", "--build-dir", str(self.build_folder)], log, environment(), ROOT, _BUILD_SECONDS)

    def start_api(self, port: int) -> list[str]:
        """The command that serves the API until it gets SIGTERM."""
        return [str(SAM), "local", "start-api", *self._options(), "--host", "127.0.0.1", "--port", str(port)]

    def invoke(self, function: str, event: object, variables: Path | None = None) -> Any:
        """What a function of the template answers to an event; a container is started for it, which takes seconds.

        ``variables`` stands in for local/sam/env.json. Raises FunctionFailed.
        """
        more = ["--env-vars", str(variables)] if variables else []
        done = self._run(
            ["local", "invoke", function, *self._options(), *more, "--event", "-"], json.dumps(event), _INVOKE_SECONDS
        )
        return answer_of(done.stdout, done.stderr)

    def s3_put(self, bucket: str, key: str) -> dict[str, Any]:
        """The event of an object that was put into a bucket, as SAM generates it; raises FunctionFailed if it does not."""
        done = self._run(["local", "generate-event", "s3", "put", "--bucket", bucket, "--key", key], "", 60)
        if done.returncode:
            raise FunctionFailed(done.stderr)
        event: dict[str, Any] = json.loads(done.stdout)
        return event

    def _options(self) -> list[str]:
        # The configuration is named because SAM looks for it beside the template, which is the built one.
        return [
            "--template", str(self.build_folder / "template.yaml"),
            "--config-file", str(ROOT / "samconfig.toml"), "--config-env", "local",
            "--docker-network", self.network,
        ]  # fmt: skip

    @staticmethod
    def _run(arguments: list[str], given: str, seconds: int) -> "subprocess.CompletedProcess[str]":
        command = [str(SAM), *arguments]
        try:
            return subprocess.run(
                command, cwd=ROOT, env=environment(), input=given, capture_output=True, text=True, timeout=seconds,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise FunctionFailed(f"`sam {' '.join(arguments[:3])}` did not end in {seconds} seconds") from error


def answer_of(output: str, log: str = "") -> Any:
    """What a function answered, from what `sam local invoke` printed; its exit status is 0 whatever happened.

    ``log`` is SAM's standard error, for the message. Raises FunctionFailed.
    """
    last = output.strip().rpartition("\n")[2]  # not splitlines(): an answer may hold a line separator of Unicode's
    try:
        answer = json.loads(last)
    except ValueError:
        raise FunctionFailed(f"the function gave no answer\n{(output + log)[-3000:]}") from None
    if isinstance(answer, dict) and {"errorType", "errorMessage"} <= answer.keys():
        raise FunctionFailed(f"{answer['errorType']}: {answer['errorMessage']}")
    return answer
