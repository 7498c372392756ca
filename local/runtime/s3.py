"""The S3 emulator: MiniStack, at a port of the loopback address, with the queues, rules and state machines of its events.

What it holds of S3 and of queues is in the state's folder, and outlives it (`local.runtime.s3_kept`); executions of state
machines end with it. It does not hear web pages (`local.runtime.browser`), but any program on this machine, with whatever
key: ours is random so that nobody relies on one. So whoever is on this machine may start a state machine, as he may put
objects; code that he gives it is not run (`local.runtime.s3_steps`).
"""

import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass

from local.runtime.ports import lasting_port
from local.runtime.process import Child, StartError, plain_environment
from local.runtime.state import ROOT, State

REGION = "us-east-1"
PYTHON = ROOT / ".venvs" / "s3" / "bin" / "python"


@dataclass(frozen=True)
class S3:
    """A running emulator, and how boto3 is told of it."""

    port: int
    key: str
    secret: str
    child: Child

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a boto3 client anywhere needs in its environment to use this S3 and no other."""
        return {
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": REGION,
        }

    def stop(self) -> None:
        self.child.stop(seconds=5)


def start(
    state: State,
    inherit: int | None = None,
    group: int = 0,
    services: str = "s3,sqs,events,states,lambda",
    say: Callable[[str], None] = lambda _: None,
) -> S3:
    """Start the emulator with what the state's folder holds; return when it answers. Raises StartError.

    ``services`` are those of AWS that it plays. ``say`` hears of a port that had to change.
    """
    if not PYTHON.exists():
        message = "the S3 emulator is not installed: run `make setup`"
        raise StartError(message)
    state.make()
    port = lasting_port(state, "S3", say)
    environment = {**plain_environment(), **environment_of(port, services), "TMPDIR": str(state.folder)}
    child = Child(
        "the S3 emulator",
        [str(PYTHON), "-m", "local.runtime.s3_emulator", str(state.objects)],
        state.logs / "s3.log",
        environment,
        inherit,
        group,
        ROOT,
    )
    child.wait_until(lambda: _answers(port), seconds=60)
    return S3(
        port,
        "LOCAL" + state.secret("s3.key").replace("-", "0").replace("_", "1")[:15],
        state.secret("s3.secret"),
        child,
    )


def environment_of(port: int, services: str) -> dict[str, str]:
    """What MiniStack reads: where it listens, and as which of AWS's services."""
    return {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "MINISTACK_REGION": REGION,
        "SERVICES": services,
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        "PYTHONNOUSERSITE": "1",
    }


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/_ministack/health")
        answer = connection.getresponse()
        return answer.status == 200 and isinstance(json.loads(answer.read()), dict)
    except (OSError, ValueError, http.client.HTTPException):
        return False
    finally:
        connection.close()
