"""What `sam local` needs of Docker: an engine, Compose, and an end to the containers that SAM leaves."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence

from local.runtime.process import StartError
from local.runtime.state import ROOT

COMPOSE_FILE = ROOT / "compose.yaml"
NO_ENGINE = (
    "no Docker engine answers here, and `sam local` runs the functions in containers. Install Docker Engine or Docker "
    "Desktop (on Debian and Ubuntu: apt-get install docker.io), start it, and see that `docker info` works for this "
    "user. Without Docker, `make up` and `make test` need none."
)
NO_COMPOSE = (
    "Docker Compose 2 is missing: neither `docker compose` nor `docker-compose` answers with a version 2. Install the "
    "plugin (docker-compose-plugin from Docker's packages, docker-compose-v2 on Ubuntu, docker-compose from Debian 13 on)."
)


def answers() -> bool:
    """Whether there is a Docker engine."""
    return bool(_says(["docker", "version", "--format", "{{.Server.Version}}"]))


def require() -> list[str]:
    """The command that is Compose here; raises StartError, with what to install, where Docker or Compose is missing."""
    if not answers():
        raise StartError(NO_ENGINE)
    for command in (["docker", "compose"], ["docker-compose"]):
        if re.match(r"v?[2-9]", _says([*command, "version", "--short"]) or ""):
            return command
    raise StartError(NO_COMPOSE)


def compose(project: str, ports: Mapping[str, int], *arguments: str) -> tuple[list[str], dict[str, str]]:
    """A Compose command for our file, and the environment to run it in; raises StartError as `require` does."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("COMPOSE_")}
    environment = {**given, "COMPOSE_PROJECT_NAME": project, **{name: str(port) for name, port in ports.items()}}
    return [*require(), "--file", str(COMPOSE_FILE), *arguments], environment


def remove_functions(network: str) -> None:
    """Remove the containers that `sam local` has put into a network: it keeps warm ones, and may be killed first."""
    if found := listed("ps", "--all", "--quiet", *_functions_of(network)):
        listed("rm", "--force", "--volumes", *found)


def left_of(project: str) -> list[str]:
    """What there still is of a project, by name: containers, those of functions, networks, volumes."""
    ours = ["--filter", f"label=com.docker.compose.project={project}"]
    return [
        *listed("ps", "--all", "--format", "{{.Names}}", *ours),
        *listed("ps", "--all", "--format", "{{.Names}}", *_functions_of(project)),
        *listed("network", "ls", "--format", "{{.Name}}", *ours),
        *listed("volume", "ls", "--format", "{{.Name}}", *ours),
    ]


def _functions_of(network: str) -> list[str]:
    return ["--filter", "label=sam.cli.container.type=lambda", "--filter", f"network={network}"]


def image_bytes(image: str) -> int | None:
    """How large an image is that is here; None if it is not."""
    found = _says(["docker", "image", "inspect", "--format", "{{.Size}}", image])
    return int(found) if found and found.isdecimal() else None


def output(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """What a command prints; raises StartError, with what it says, if it fails."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=dict(environment), check=False
    )
    if done.returncode:
        message = f"`{' '.join(command)}` failed\n{done.stdout}{done.stderr}"
        raise StartError(message)
    return done.stdout


def listed(*arguments: str) -> list[str]:
    """What a docker command prints, as words; raises StartError if it fails."""
    found = _says(["docker", *arguments])
    if found is None:
        message = f"`docker {' '.join(arguments)}` failed; try it in a shell"
        raise StartError(message)
    return found.split()


def _says(command: Sequence[str]) -> str | None:
    """What a command prints; None if it fails or is not there."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
