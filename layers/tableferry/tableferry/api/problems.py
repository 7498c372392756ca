"""Errors as HTTP tells of them: RFC 9457 problem details. The one table of classes and statuses."""

from __future__ import annotations

from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from tableferry import errors

STATUS: dict[type[errors.TableferryError], HTTPStatus] = {
    errors.InvalidRequest: HTTPStatus.BAD_REQUEST,
    errors.TooManyRejects: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TooLarge: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.LoadCancelled: HTTPStatus.CONFLICT,
    errors.LoadUnderWay: HTTPStatus.CONFLICT,
    errors.TooManyRows: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.IdempotencyMismatch: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TableNotFound: HTTPStatus.NOT_FOUND,
    errors.TableNotServed: HTTPStatus.FORBIDDEN,
    errors.BackupNotFound: HTTPStatus.NOT_FOUND,
    errors.RecordNotFound: HTTPStatus.NOT_FOUND,
    errors.NotSigned: HTTPStatus.CONFLICT,
    errors.UploadGone: HTTPStatus.CONFLICT,
    errors.TableNotInBackup: HTTPStatus.NOT_FOUND,
    errors.BackupDamaged: HTTPStatus.CONFLICT,
    errors.DigestMismatch: HTTPStatus.CONFLICT,
    errors.NotSupported: HTTPStatus.CONFLICT,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.CannotEndInTime: HTTPStatus.CONFLICT,
    errors.DefinitionDiffers: HTTPStatus.CONFLICT,
    errors.InUse: HTTPStatus.CONFLICT,
    errors.HalfExchanged: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.BeingReplaced: HTTPStatus.CONFLICT,
    errors.TableReplaced: HTTPStatus.CONFLICT,
    errors.ChangedMeanwhile: HTTPStatus.CONFLICT,
    errors.StillReferenced: HTTPStatus.CONFLICT,
    errors.RestoreUnderWay: HTTPStatus.CONFLICT,
    errors.PreconditionFailed: HTTPStatus.CONFLICT,
    errors.WriteConflict: HTTPStatus.CONFLICT,
    errors.TooManyJobs: HTTPStatus.TOO_MANY_REQUESTS,
    errors.NoMoment: HTTPStatus.CONFLICT,
    errors.LockDenied: HTTPStatus.FORBIDDEN,
    errors.MissingPrivilege: HTTPStatus.FORBIDDEN,
    errors.DatabaseUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.TooManyConnections: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.ReadOnlyServer: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.RowsMissing: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.ServerNotSupported: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.SessionDiffers: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}


def problem(error: BaseException) -> dict[str, Any]:
    """The body of the answer to a request that ended in an error.

    Of an error that nobody foresaw it says nothing: its text may hold SQL or a secret.
    """
    if not isinstance(error, errors.TableferryError) or type(error) not in STATUS:
        return made(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "Something went wrong here; the log has the details.")
    body = made(STATUS[type(error)], error.name, str(error))
    if isinstance(error, errors.InvalidRequest) and error.problems:
        body["errors"] = [asdict(found) for found in error.problems]
    if isinstance(error, errors.BackupDamaged) and error.tables:
        body["tables"] = [{**asdict(found), "problems": list(found.problems)} for found in error.tables]
    if error.findings:
        body["errors"] = [asdict(found) for found in error.findings]
    return body


def made(status: HTTPStatus, name: str, detail: str) -> dict[str, Any]:
    """Problem details with a type of ours."""
    return {
        "type": f"urn:tableferry:problem:{name}",
        "title": name.replace("-", " ").capitalize(),
        "status": status.value,
        "detail": detail,
    }
