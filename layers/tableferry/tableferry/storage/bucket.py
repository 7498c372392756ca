"""The bucket: put, get, stream, list, and puts that happen only on a condition.

Conditional writes are S3's own (``If-None-Match``, ``If-Match``):
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html. boto3 sends one again whose answer was
lost, and the second is refused where the first was done. So each carries a random word as metadata, its hand, and
whoever is refused looks whose hand the object bears.
"""

from __future__ import annotations

import base64
import hashlib
import io
import secrets
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from tableferry import pauses
from tableferry.config.settings import s3_endpoint
from tableferry.errors import ObjectNotFound, PreconditionFailed, StoreUnavailable, WriteConflict
from tableferry.signing import Keys

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MISSING = {"404", "NoSuchKey", "NotFound", "NoSuchVersion"}
_CONDITION = {"412", "PreconditionFailed"}
_CONFLICT = {"409", "ConditionalRequestConflict"}
_CONFLICT_SECONDS = 5.0
_READ_SECONDS, _HURRIED_SECONDS = 60.0, 2.0
_STREAM_BYTES = 256 * 1024
_MOST_REQUESTS_AT_ONCE = 64  # more threads than there ever are; the default would open connections anew beyond ten
_GETS_AT_ONCE = 16
_MOST_TAGS = 10
_SMALL_BYTES = 64 * 1024 * 1024  # of the largest that is read whole: a manifest, about 300 bytes for each file
_ONE_PART_AT_A_TIME = TransferConfig(use_threads=False)


@dataclass(frozen=True, slots=True)
class Object:
    """An object as a listing or a HEAD shows it; ``size`` in bytes."""

    key: str
    size: int
    etag: str
    modified: datetime
    version: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


class Store:
    """One bucket. Every method raises StoreUnavailable when S3 cannot be reached or refuses us.

    ``keys`` are for the module ``signed_object``.
    """

    keys = Keys()

    def __init__(self, client: S3Client, bucket: str, keys: Keys) -> None:
        self._client = client
        self.bucket = bucket
        self.keys = keys

    def hurried(self) -> Store:
        """The same bucket for small objects that others wait for: no answer is waited for longer than 2 s at a time."""
        return Store(_client_of_session(_HURRIED_SECONDS), self.bucket, self.keys)

    def put(
        self,
        key: str,
        body: bytes,
        content_type: str = "application/json",
        *,
        sha256: bytes | None = None,
        **given: Any,
    ) -> str:
        """Write an object, with its SHA-256 (if known already, ``sha256``) for S3 to check on arrival; returns its ETag.

        Raises:
            PreconditionFailed: on a condition (``IfNoneMatch``, ``IfMatch``) that is not so, by what somebody else did.
        """
        given["ChecksumSHA256"] = base64.b64encode(sha256 or hashlib.sha256(body).digest()).decode()
        given |= {"Key": key, "Body": body, "ContentType": content_type}
        return self._put_if(key, given) if given.keys() & {"IfNoneMatch", "IfMatch"} else self._put(key, given)

    def _put(self, key: str, given: dict[str, Any]) -> str:
        with _translated(key):
            return self._client.put_object(Bucket=self.bucket, **given)["ETag"]

    def _put_if(self, key: str, given: dict[str, Any]) -> str:
        hand = secrets.token_hex(8)
        given["Metadata"] = {"hand": hand}
        again = pauses.growing(_CONFLICT_SECONDS)
        while True:
            try:
                return self._put(key, given)
            except PreconditionFailed as refused:
                # What is being written at this moment may be our own, whose answer was lost, or may fail.
                if isinstance(refused, WriteConflict) and next(again, again) is None:
                    continue
                try:
                    found = self.head(key)
                except ObjectNotFound:
                    raise refused from None
                if found.metadata.get("hand") != hand:
                    raise
                return f'"{found.etag}"'

    def put_locked(
        self, key: str, body: bytes, days: int, content_type: str = "application/json", **conditions: Any
    ) -> str:
        """Write an object that nobody, not even an administrator, can delete or shorten for so many days; 0 locks it not.

        S3 Object Lock in compliance mode, for which the bucket has to be made:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
        """
        lock: dict[str, Any] = (
            {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": datetime.now(UTC) + timedelta(days=days)}
            if days
            else {}
        )
        return self.put(key, body, content_type, **conditions, **lock)

    def put_pieces(self, key: str, pieces: Iterable[bytes], content_type: str) -> None:
        """Write an object of any size from pieces, in parts if it is large. Memory: one part, 8 MiB, and a piece."""
        file: Any = _Pieces(pieces)
        with _translated(key):
            self._client.upload_fileobj(
                file, self.bucket, key, ExtraArgs={"ContentType": content_type}, Config=_ONE_PART_AT_A_TIME
            )

    def put_new(self, key: str, body: bytes, content_type: str = "application/json") -> str:
        """Write an object that must not be there.

        Raises:
            PreconditionFailed: it is there; it has not been touched.
        """
        return self.put(key, body, content_type, IfNoneMatch="*")

    def replace(self, key: str, body: bytes, etag: str) -> str:
        """Write an object over the version whose ETag is given.

        Raises:
            PreconditionFailed: somebody else has written it since.
        """
        return self.put(key, body, IfMatch=etag)

    def get(self, key: str, at_most: int = _SMALL_BYTES) -> tuple[bytes, str]:
        """A small object whole, and its ETag.

        No more than ``at_most`` bytes and one are read, so that nobody fills the memory who puts a large object in the
        place of a small one: what is cut off is not what was written, and is refused as that.

        Raises:
            ObjectNotFound: there is none.
        """
        with _translated(key):
            answer = self._client.get_object(Bucket=self.bucket, Key=key)
            with closing(answer["Body"]) as body:
                # Only a read without a bound notices that the object ended early.
                cut_off = answer["ContentLength"] > at_most
                return body.read(at_most + 1) if cut_off else body.read(), answer["ETag"]

    def present_of(self, keys: Iterable[str], at_most: int) -> tuple[bytes | None, ...]:
        """Small objects in order, read as by ``get``, several at once; None for what is not there. Memory: all of them."""

        def get(key: str) -> bytes | None:
            try:
                return self.get(key, at_most)[0]
            except ObjectNotFound:
                return None

        with ThreadPoolExecutor(_GETS_AT_ONCE, thread_name_prefix="get") as pool:
            return tuple(pool.map(get, keys))

    def part(self, key: str, start: int, size: int) -> tuple[bytes, int]:
        """So many bytes of an object from one on, or as many as there are, and the whole object's size.

        Raises:
            ObjectNotFound: there is none.
        """
        with _translated(key):
            try:
                answer = self._client.get_object(Bucket=self.bucket, Key=key, Range=f"bytes={start}-{start + size - 1}")
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") != "InvalidRange":
                    raise
                return b"", start  # behind the end
            whole = int(answer["ContentRange"].rpartition("/")[2])
            return answer["Body"].read(), whole

    def stream(self, key: str, version: str = "", start: int = 0, *, etag: str = "") -> Iterator[bytes]:
        """An object from a byte on, in pieces of at most 256 KiB; if an ETag is given, only the one that has it.

        Raises:
            ObjectNotFound: there is none.
            PreconditionFailed: it has another ETag by now.
            StoreUnavailable: it ended early.
        """
        which = {"VersionId": version} if version else {}
        which |= {"Range": f"bytes={start}-"} if start else {}
        which |= {"IfMatch": f'"{etag}"'} if etag else {}
        with _translated(key):
            answer = self._client.get_object(Bucket=self.bucket, Key=key, **which)  # type: ignore[arg-type]
            # A server may leave the range out of account and send all (RFC 9110, 14.2).
            before = 0 if answer.get("ContentRange", "").startswith(f"bytes {start}-") else start
            for piece in answer["Body"].iter_chunks(_STREAM_BYTES):
                if before < len(piece):
                    yield piece[before:]
                before = max(0, before - len(piece))

    def head(self, key: str, version: str = "") -> Object:
        """Size, ETag, version and metadata of an object; raises ObjectNotFound."""
        which = {"VersionId": version} if version else {}
        with _translated(key):
            found = self._client.head_object(Bucket=self.bucket, Key=key, **which)  # type: ignore[arg-type]
        return Object(
            key=key,
            size=found["ContentLength"],
            etag=found["ETag"].strip('"'),
            modified=found["LastModified"],
            version=found.get("VersionId", ""),
            metadata=found.get("Metadata", {}),
        )

    def sha256(self, key: str) -> str | None:
        """The SHA-256 that S3 checked an object against when it was written, in hexadecimal; raises ObjectNotFound.

        None where the writer gave none; every object that :meth:`put` wrote has one.
        """
        with _translated(key):
            found = self._client.head_object(Bucket=self.bucket, Key=key, ChecksumMode="ENABLED")
        kept = found.get("ChecksumSHA256", "")
        # That of an upload in parts is one of the parts' sums, with their number behind a hyphen.
        return base64.b64decode(kept).hex() if kept and "-" not in kept else None

    def tags(self, key: str) -> dict[str, str]:
        """The tags of an object; raises ObjectNotFound."""
        with _translated(key):
            found = self._client.get_object_tagging(Bucket=self.bucket, Key=key)["TagSet"]
        return {tag["Key"]: tag["Value"] for tag in found}

    def tag(self, key: str, name: str, value: str) -> None:
        """Give an object a tag, beside those that it has; one that has ten others, as many as there may be, is let be.

        Raises:
            ObjectNotFound: there is none.
        """
        known = self.tags(key)
        wanted = known | {name: value}
        if wanted != known and len(wanted) <= _MOST_TAGS:
            self._set_tags(key, wanted)

    def untag(self, key: str, name: str) -> None:
        """Take a tag from an object, whatever its value; raises ObjectNotFound."""
        known = self.tags(key)
        if known.pop(name, None) is not None:
            self._set_tags(key, known)

    def _set_tags(self, key: str, wanted: Mapping[str, str]) -> None:
        tags: Any = [{"Key": name, "Value": value} for name, value in wanted.items()]
        with _translated(key):
            self._client.put_object_tagging(Bucket=self.bucket, Key=key, Tagging={"TagSet": tags})

    def is_replica(self, key: str) -> bool:
        """Whether S3 brought an object from another bucket, as a rule of replication says; raises ObjectNotFound."""
        with _translated(key):
            return self._client.head_object(Bucket=self.bucket, Key=key).get("ReplicationStatus") == "REPLICA"

    def list(self, prefix: str, after: str = "") -> Iterator[Object]:
        """The objects under a prefix, by key; those behind a key if one is given."""
        pages = self._client.get_paginator("list_objects_v2")
        with _translated(prefix):
            for page in pages.paginate(Bucket=self.bucket, Prefix=prefix, StartAfter=after):
                for found in page.get("Contents", ()):
                    yield Object(found["Key"], found["Size"], found["ETag"].strip('"'), found["LastModified"])

    def folders(self, prefix: str, after: str = "") -> Iterator[str]:
        """The names directly under a prefix that ends in a slash, by name; those that follow a text if one is given."""
        pages = self._client.get_paginator("list_objects_v2")
        with _translated(prefix):
            for page in pages.paginate(
                Bucket=self.bucket, Prefix=prefix, Delimiter="/", StartAfter=f"{prefix}{after}" if after else ""
            ):
                for found in page.get("CommonPrefixes", ()):
                    if (name := found["Prefix"].removeprefix(prefix).rstrip("/")) > after:
                        yield name

    def presigned_post(
        self, key: str, content_type: str, largest: int, seconds: int, metadata: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The URL and form fields with which anybody may write this one key.

        Type, size (1 to ``largest`` bytes) and metadata are bound by the policy, for so many seconds: S3 refuses a form
        that leaves a field out, alters one, or has one of its own.
        """
        fields = {"Content-Type": content_type}
        fields |= {f"x-amz-meta-{name}": text for name, text in (metadata or {}).items()}
        with _translated(key):
            return dict(
                self._client.generate_presigned_post(
                    self.bucket,
                    key,
                    Fields=dict(fields),
                    Conditions=[*({name: text} for name, text in fields.items()), ["content-length-range", 1, largest]],
                    ExpiresIn=seconds,
                )
            )


class _Pieces(io.RawIOBase):
    """Pieces as a file that is read once from its beginning to its end."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        parts = [self._rest]
        length = len(self._rest)
        while (size < 0 or length < size) and (piece := next(self._pieces, b"")):
            parts.append(piece)
            length += len(piece)
        whole = b"".join(parts)
        self._rest = whole[size:] if size >= 0 else b""
        return whole[:size] if size >= 0 else whole


def open_store(bucket: str, keys: Keys) -> Store:
    """The bucket, with the endpoint and credentials that boto3 finds by itself, and the keys to sign with."""
    return Store(_client_of_session(_READ_SECONDS), bucket, keys)


def _client_of_session(read_seconds: float) -> S3Client:
    if boto3.DEFAULT_SESSION is None:
        boto3.setup_default_session()
    return _client(boto3.DEFAULT_SESSION, s3_endpoint(), read_seconds)


@lru_cache(maxsize=4)
def _client(session: boto3.Session, endpoint: str | None, read_seconds: float) -> S3Client:
    """One for all requests of a process: making it takes 40 ms of processor time, and its connections stay open."""
    config = Config(
        connect_timeout=min(3.0, read_seconds),
        read_timeout=read_seconds,
        retries={"mode": "standard", "max_attempts": 3},
        s3={"addressing_style": "path"},
        max_pool_connections=_MOST_REQUESTS_AT_ONCE,
        signature_version="s3v4",
    )
    return session.client("s3", config=config, endpoint_url=endpoint)


@contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _MISSING:
            raise ObjectNotFound(f"The bucket has no object {key!r}.") from error
        if code in _CONFLICT:
            raise WriteConflict(f"The object {key!r} is being written by somebody else.") from error
        if code in _CONDITION:
            raise PreconditionFailed(f"The object {key!r} was written by somebody else.") from error
        raise StoreUnavailable(f"S3 refused the request for {key!r} ({code}).") from error
    except (BotoCoreError, HTTPClientError) as error:
        raise StoreUnavailable(f"S3 cannot be reached, or broke off, at {key!r}.") from error
