"""What to log in with: a password, the secret that holds one, or a token that IAM signs.

A secret is read, and a token signed, once per execution environment, whoever asks first, and again once the server has
refused it: so a password that is rotated is found by the next connection. A token is good for 15 minutes and renewed
before that. Nothing secret is put into a message or a log.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from tableferry.config.settings import DatabaseAddress
from tableferry.errors import DatabaseUnavailable

TOKEN_SECONDS = 600
_CONNECT_SECONDS, _READ_SECONDS, _TRIES = 2, 5, 2

clock: Callable[[], float] = time.time  # not the monotonic one: a frozen environment's may stand still


@dataclass(frozen=True, slots=True)
class Login:
    """A user and what proves it. ``until`` is when it has to be had anew."""

    user: str
    password: str = field(repr=False)
    until: float = float("inf")


_lock = threading.Lock()
_known: dict[DatabaseAddress, Login] = {}


def login(address: DatabaseAddress) -> Login:
    """What to log in with now. Threads that ask at once wait for the first one's answer.

    Raises:
        DatabaseUnavailable: the secret cannot be read, or holds no password; there is nothing to sign a token with.
    """
    if address.password is not None:
        return Login(address.user, address.password)
    with _lock:
        known = _known.get(address)
        if known is None or clock() >= known.until:
            known = _known[address] = _secret(address, address.secret_arn) if address.secret_arn else _token(address)
        return known


def refused(address: DatabaseAddress, used: Login) -> bool:
    """The server did not take this login; whether another may be had by now."""
    if address.password is not None:
        return False
    with _lock:
        if _known.get(address) is used:  # else another thread has it anew already
            del _known[address]
    return True


def forget() -> None:
    """Begin as a new execution environment does."""
    with _lock:
        _known.clear()
        _client.cache_clear()


def _secret(address: DatabaseAddress, arn: str) -> Login:
    """The user and password of a secret: JSON as RDS and its rotation write it."""
    # Not at import: it would cost insert's cold start.
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    from botocore.exceptions import ConnectionError as Unreachable

    region = arn.split(":")[3] if arn.startswith("arn:") and arn.count(":") > 3 else address.region
    try:
        text = _client("secretsmanager", region).get_secret_value(SecretId=arn).get("SecretString", "")
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        raise DatabaseUnavailable(
            f"The secret that DATABASE_SECRET_ARN names was refused ({code}): look whether it exists in this region, "
            "and whether the function's role has secretsmanager:GetSecretValue on it and kms:Decrypt on its key."
        ) from error
    except (Unreachable, HTTPClientError) as error:
        raise DatabaseUnavailable(
            "Secrets Manager cannot be reached from here to read the secret that DATABASE_SECRET_ARN names. A function "
            f"in a VPC needs an interface endpoint for com.amazonaws.{region}.secretsmanager whose security group lets "
            "it in at port 443, or a NAT gateway; with IAM authentication it needs neither."
        ) from error
    except BotoCoreError as error:
        raise DatabaseUnavailable(
            f"The secret that DATABASE_SECRET_ARN names cannot be read ({type(error).__name__}): the function needs a "
            "role and a region."
        ) from error
    try:
        found = json.loads(text)
        user, password = found.get("username") or address.user, found["password"]
    except (ValueError, KeyError, AttributeError):
        found = None
    # Outside the handler, and not chained: the error of the JSON's parser holds the secret.
    if found is None or not isinstance(user, str) or not isinstance(password, str):
        raise DatabaseUnavailable(
            "The secret that DATABASE_SECRET_ARN names holds no password: it has to be JSON such as "
            '{"username": "…", "password": "…"}.'
        )
    return Login(user, password)


def _token(address: DatabaseAddress) -> Login:
    """A token for the server and user, signed here with the function's own keys; nothing is sent anywhere."""
    from botocore.exceptions import BotoCoreError

    try:
        token = _client("rds", address.region).generate_db_auth_token(
            DBHostname=address.host, Port=address.port, DBUsername=address.user, Region=address.region
        )
    except BotoCoreError as error:
        raise DatabaseUnavailable(
            f"No IAM token can be signed for the database ({type(error).__name__}): the function needs a role and a "
            "region, or DATABASE_SECRET_ARN has to name a secret."
        ) from error
    return Login(address.user, token, clock() + TOKEN_SECONDS)


@lru_cache
def _client(service: str, region: str | None) -> Any:
    """A client of its own session, as sessions are not to be shared between threads."""
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=_CONNECT_SECONDS, read_timeout=_READ_SECONDS, retries={"total_max_attempts": _TRIES}
    )
    session: Any = boto3.session.Session()
    return session.client(service, region_name=region, config=config)
