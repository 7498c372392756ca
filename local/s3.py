"""The S3 emulator: MiniStack, on a free port of the loopback address, with the queue service that its events need.

Objects live in its memory and are gone when it stops: it is for development and tests. (It can keep them in files, but
then reads a whole object for every range asked of it.) Any key opens it; ours is random so that nobody relies on one.
"""

import http.client
import json
from dataclasses import dataclass

from local.process import Child, StartError, free_port, plain_environment
from local.state import ROOT, State

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


def start(state: State, inherit: int | None = None, group: int = 0, services: str = "s3,sqs") -> S3:
    """Start the emulator; return when it answers. Raises StartError. ``services`` are those of AWS that it plays."""
    if not PYTHON.exists():
        message = "the S3 emulator is not installed: run `make setup`"
        raise StartError(message)
    state.make()
    port = free_port()
    environment = plain_environment(
        BIND_HOST="127.0.0.1",
        GATEWAY_PORT=str(port),
        MINISTACK_HOST="127.0.0.1",
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}",
        MINISTACK_REGION=REGION,
        SERVICES=services,
        SFTP_ENABLED="0",
        IOT_MTLS_ENABLED="0",
        LOG_LEVEL="WARNING",
        TMPDIR=str(state.folder),
        PYTHONNOUSERSITE="1",
    )
    child = Child(
        "the S3 emulator", [str(PYTHON), "-m", "ministack"], state.logs / "s3.log", environment, inherit, group
    )
    child.wait_until(lambda: _answers(port), seconds=60)
    return S3(
        port,
        "LOCAL" + state.secret("s3.key").replace("-", "0").replace("_", "1")[:15],
        state.secret("s3.secret"),
        child,
    )


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
