"""One class for each outcome that a caller can act on. Nothing here knows of HTTP."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one value of one row.

    ``row`` counts from 1 in a batch and is the line in a file; ``column`` is empty where the whole row is at fault.
    """

    row: int
    column: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class TableFinding:
    """What a table of a backup was found to hold: of the objects that could be read, rows, bytes and digest.

    ``objects`` is how many it should have, ``problems`` what is wrong, in words; none if it is ``ok``.
    """

    name: str
    rows: int
    objects: int
    bytes: int
    digest: str
    ok: bool
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that stands in the way of an operation; ``table`` is empty where it is no table's."""

    code: str
    table: str
    message: str


class TableferryError(Exception):
    """Base of every error that is an answer; ``str()`` of it says what to do and holds no secret and no SQL.

    A class that is worth another try by whoever called sets ``transient``.
    """

    transient = False
    retry_after: int | None = None
    """Seconds after which it is worth another try, where that is known."""

    findings: tuple[Finding, ...] = ()
    """Each thing that is in the way by itself, where several may be."""

    @classmethod
    def of(cls, *findings: Finding) -> Self:
        """The error that says all of these."""
        error = cls(" ".join(finding.message for finding in findings))
        error.findings = findings
        return error

    @property
    def said(self) -> tuple[Finding, ...]:
        """The findings, or, where there are none, the error itself as one."""
        return self.findings or (Finding(self.name, "", str(self)),)

    @property
    def name(self) -> str:
        """The class as a word for programs, such as ``table-not-found``."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", type(self).__name__).lower()


class InvalidRequest(TableferryError):
    """The request cannot be read; sent again as it is, it fails again."""

    def __init__(self, detail: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(detail)
        self.problems = tuple(problems)


class Misconfigured(TableferryError):
    """The deployment lacks a setting, or has one that cannot be read."""


class TooManyRows(TableferryError):
    """The batch holds more rows than one request may carry."""


class UnsupportedMediaType(TableferryError):
    """The body is of a type or in an encoding that is not taken."""


class IdempotencyMismatch(TableferryError):
    """The Idempotency-Key has been used for another request."""


class TableNotFound(TableferryError):
    """The database has no such table."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        shown = ", ".join(known[:50]) + (", …" if len(known) > 50 else "")
        super().__init__(f"There is no table {name!r}. " + (f"There are: {shown}." if known else "There are none."))


class TableNotServed(TableferryError):
    """The table is not among those that this deployment serves; whether there is one is not said."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Table {name!r} is not among those that this deployment serves (its setting TABLES).")


class BackupNotFound(TableferryError):
    """The bucket has no backup with this id."""


class RecordNotFound(TableferryError):
    """There is no load, restore or verification with this id."""


class NotSigned(RecordNotFound):
    """The record was not written by a function of this deployment, so nothing is done by it."""


class UploadGone(TableferryError):
    """The file that a load is about is no longer in the bucket, or was written over."""


class TableNotInBackup(TableferryError):
    """The backup does not hold the table that is asked for."""


class BackupDamaged(TableferryError):
    """An object of the backup is missing, altered or too many, or its manifest is not signed by us.

    ``tables`` is what was found of each table, where they were looked at.
    """

    def __init__(self, detail: str, tables: Sequence[TableFinding] = ()) -> None:
        super().__init__(detail)
        self.tables = tuple(tables)


class DigestMismatch(TableferryError):
    """What was read back is not what was backed up."""


class NotSupported(TableferryError):
    """The table or the value is of a kind that cannot be carried without loss."""


class Conflict(TableferryError):
    """The database is not in the state that the operation needs; nothing was changed."""


class CannotEndInTime(TableferryError):
    """By all that is known beforehand, what is asked for takes far longer than it may; nothing was begun."""


class DefinitionDiffers(Conflict):
    """What a server made of a table's definition is not what the backup says; nothing was changed."""


class InUse(Conflict):
    """Tables stayed in use by other sessions; nothing was changed, and it may work when they are done."""


class HalfExchanged(TableferryError):
    """An exchange that met an error could not be taken back at once; the next call finishes it or takes it back."""

    retry_after = 60

    def __init__(self, why: str) -> None:
        super().__init__(
            "The exchange stopped in its middle and could not be taken back at once: triggers and foreign keys of these tables "
            f"may be missing. The next restore, undo or accept, or the schedule, finishes it or takes it back. {why}"
        )


class BeingReplaced(Conflict):
    """A restore, or its undoing, puts another table in the place of this one at this moment; nothing was written."""

    def __init__(self, table: str) -> None:
        super().__init__(f"A restore is exchanging table {table!r} at this moment; try again when it is done.")


class TableReplaced(Conflict):
    """A restore, or its undoing, has put another table in the place of the one that a load goes into."""

    def __init__(self, table: str, detail: str = "") -> None:
        super().__init__(detail or f"A restore has put another table in the place of {table!r}; nothing was written.")


class ChangedMeanwhile(Conflict):
    """Others made, altered, dropped or renamed the tables at the very moment; nothing was changed."""


class StillReferenced(Conflict):
    """The server does not drop a table because a foreign key of another table points at it."""


class RestoreUnderWay(Conflict):
    """Another restore, undo or accept of the database is going on."""


class NoMoment(TableferryError):
    """There was no moment that all connections of a backup could see; no row was read, and another try may find one.

    ``why`` is a word for programs, as :mod:`tableferry.backup.barrier` has them.
    """

    transient = True

    def __init__(self, detail: str, why: str) -> None:
        super().__init__(detail)
        self.why = why


class LockDenied(NoMoment):
    """The database user may not lock the tables, so that no more than one connection can see a moment of them."""

    transient = False


class MissingPrivilege(TableferryError):
    """The database user may not do what the operation needs; the message names the grant."""


class DatabaseUnavailable(TableferryError):
    """The database cannot be reached, refuses the login, or has no room left."""

    transient = True


class TooManyConnections(DatabaseUnavailable):
    """The server gives no more connections, to all or to this user, and gave none for as long as there was time."""


class ReadOnlyServer(DatabaseUnavailable):
    """The server takes no writes: a replica, or a writer that has just failed over."""


class ServerNotSupported(DatabaseUnavailable):
    """The server is of a version that is too old, or no server but a proxy; it was not logged in to."""


class SessionDiffers(DatabaseUnavailable):
    """The server's own settings would make statements do other things than they say; nothing was done."""


class RowsMissing(DatabaseUnavailable):
    """Fewer rows arrived than the server has sent, or counts: something between drops some."""


class StoreUnavailable(TableferryError):
    """S3 cannot be reached, or refuses us."""

    transient = True


class TooManyJobs(TableferryError):
    """As many jobs as can be done at once are under way or waiting; nothing was made."""

    def __init__(self, detail: str, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class ObjectNotFound(TableferryError):
    """The bucket has no object with this key."""


class PreconditionFailed(TableferryError):
    """An object in the bucket was there already, or was changed by somebody else meanwhile."""


class WriteConflict(PreconditionFailed):
    """Somebody else was writing the same object in the bucket at that moment."""


class Unaccounted(TableferryError):
    """Rows read and rows accounted for differ; what was being written is rolled back."""


class TooManyRejects(InvalidRequest):
    """More rows of a file are rejected than it may have."""


class TooLarge(InvalidRequest):
    """A compressed file becomes more times its size than it may."""


class LoadCancelled(TableferryError):
    """Somebody asked for the load to stop, and it has stopped."""


class LoadUnderWay(Conflict):
    """Another invocation has the load, and does not seem to be alive; nothing was written."""
