"""From an event to a request, and from a result or an error to an answer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, TypeVar
from urllib.parse import quote, unquote

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestUnsupportedContentType, RequestValidationError
from aws_lambda_powertools.event_handler.openapi.params import Header
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, ValidationError

from tableferry import deadline
from tableferry.api import arrivals, body, logs, metrics, problems, request_errors
from tableferry.api.models import JobView
from tableferry.deadline import Deadline
from tableferry.errors import InvalidRequest, NotSigned, TableferryError, UnsupportedMediaType

logger = logs.logger

PROBLEM = "application/problem+json"
_NO_LIST = "The body must be an object, not a list."

IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255)]
"""A header by which the same request, sent again, is known to be the same."""

Model = TypeVar("Model", bound=BaseModel)
Handler = Callable[[dict[str, Any], LambdaContext], Any]


class Answered(Exception):
    """The request ends in this problem, which somebody else found."""

    def __init__(self, details: Mapping[str, Any]) -> None:
        super().__init__(details.get("detail"))
        self.details = details


def resolver() -> APIGatewayHttpResolver:
    """Routes of an HTTP API, with requests validated and every error answered as problem details."""
    app = APIGatewayHttpResolver(enable_validation=True)

    app.use([_only_known_parameters, _only_an_object])
    app.exception_handler(TableferryError)(_known)
    app.exception_handler(RequestValidationError)(partial(_invalid, app))
    app.exception_handler(RequestUnsupportedContentType)(_unsupported)
    app.exception_handler(Answered)(_answered)
    app.exception_handler(Exception)(_unforeseen)
    app.not_found(_unrouted)
    return app


def _only_known_parameters(app: APIGatewayHttpResolver, proceed: Callable[[APIGatewayHttpResolver], Any]) -> Any:
    """Refuse a query with a parameter that the route has not: left aside in silence, it would seem to have worked."""
    route = app.context.get("_route")
    known = [parameter.alias for parameter in route.dependant.query_params] if route else []
    given = app.current_event.get("queryStringParameters") or {}
    if route and (unknown := sorted(set(given) - set(known))):
        there_are = f"there are: {', '.join(known)}" if known else "this route has none"
        near = dict.fromkeys(filter(None, (request_errors.meant(name, known) for name in unknown)))
        instead = f" Did you mean {' and '.join(map(repr, near))}?" if near else ""
        raise InvalidRequest(
            f"The query has {', '.join(map(repr, unknown))}, which is no parameter here; {there_are}.{instead}"
        )
    return proceed(app)


def _only_an_object(app: APIGatewayHttpResolver, proceed: Callable[[APIGatewayHttpResolver], Any]) -> Any:
    """Refuse a list where an object is asked for: Powertools takes its first member, and leaves the others aside."""
    if _is_listed(app):
        raise InvalidRequest(_NO_LIST)
    return proceed(app)


def _is_listed(app: APIGatewayHttpResolver) -> bool:
    route = app.context.get("_route")
    return bool(route and route.dependant.body_params) and isinstance(app.current_event.json_body, list)


def _known(error: TableferryError) -> Response[str]:
    logger.warning("request refused", extra={"error": error.name, "detail": str(error)}, exc_info=error.transient)
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    return problem(problems.problem(error), headers)


def _answered(error: Answered) -> Response[str]:
    return problem(error.details)


def _invalid(app: APIGatewayHttpResolver, error: RequestValidationError) -> Response[str]:
    if any(found["loc"][0] == "response" for found in error.errors()):
        return _unforeseen(error)  # the request was good, our answer is not
    if _is_listed(app):
        return _known(InvalidRequest(_NO_LIST))  # not what is wrong with its first member
    takes = app.context["_route"].dependant
    given = (*takes.path_params, *takes.query_params, *takes.header_params)
    body_type = next((field.field_info.annotation for field in takes.body_params), None)
    detail = request_errors.worded(
        error.errors(), body_type, {field.alias: field.field_info.annotation for field in given}
    )
    return problem(problems.made(HTTPStatus.BAD_REQUEST, "invalid-request", detail))


def _unsupported(_: RequestUnsupportedContentType) -> Response[str]:
    """Of a request without a body, whose type nobody looked at before."""
    return _known(UnsupportedMediaType(f"Send the body as {body.MEDIA_TYPES[0]}, in UTF-8."))


def _unforeseen(error: Exception) -> Response[str]:
    logger.exception("unforeseen error")
    return problem(problems.problem(error))


def _unrouted(_: NotFoundError) -> Response[str]:
    return problem(problems.made(HTTPStatus.NOT_FOUND, "no-such-route", "There is nothing here; see /docs."))


def handler(
    app: APIGatewayHttpResolver,
    objects: Callable[[str, str], Any] | None = None,
    direct: Callable[[dict[str, Any]], Any] | None = None,
) -> Handler:
    """A Lambda handler for HTTP requests, for objects created in S3 and for direct invocations.

    Of an object it is told key and version, by S3 or by a queue.
    """

    @logger.inject_lambda_context(clear_state=True, correlation_id_path="requestContext.requestId")
    @metrics.metrics.log_metrics
    def handle(event: dict[str, Any], context: LambdaContext) -> Any:
        begun = time.perf_counter()
        deadline.set_for_this(Deadline(lambda: context.get_remaining_time_in_millis() / 1000))
        try:
            if objects is not None and "Records" in event:
                return [_acted_on(objects, key, version) for key, version in arrivals.created_objects(event)]
            if direct is not None and "requestContext" not in event:
                return direct(event)
            return _unread_body(event) or app.resolve(_routable(event), context)
        finally:
            metrics.seconds(time.perf_counter() - begun)

    return handle


def _acted_on(objects: Callable[[str, str], Any], key: str, version: str) -> Any:
    """What came of an object; one that no function of ours wrote is told of, and left alone: another try is in vain."""
    try:
        return objects(key, version)
    except NotSigned as error:
        logger.warning("object refused", extra={"object": key, "error": error.name, "detail": str(error)})
        metrics.count(objects_refused=1)
        return None


def _routable(event: dict[str, Any]) -> dict[str, Any]:
    """The event with its path encoded again: the gateway decodes it, and the router knows no quotes in a segment."""
    return event | {"rawPath": quote(event["rawPath"], safe="/%")} if "rawPath" in event else event


def _unread_body(event: Mapping[str, Any]) -> dict[str, Any] | None:
    """The answer to a body that cannot be read, before a route would fail on it."""
    try:
        body.refuse_unreadable(event)
    except TableferryError as error:
        details = problems.problem(error)
        return {
            "statusCode": details["status"],
            "headers": {"Content-Type": PROBLEM},
            "body": json.dumps(details),
            "isBase64Encoded": False,
        }
    return None


def parsed(model: type[Model], given: Mapping[str, Any]) -> Model:
    """A direct invocation's event as a request; raises InvalidRequest."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        found = [{**one, "loc": ("body", *one["loc"])} for one in error.errors()]
        raise InvalidRequest(request_errors.worded(found, model)) from error


def actions(**known: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    """What a direct invocation does: the function whose name its ``action`` is, with the rest of the event."""

    def direct(event: dict[str, Any]) -> Any:
        request = dict(event)
        wanted = request.pop("action", None)
        if wanted not in known:
            raise InvalidRequest(f"`action` has to be one of {', '.join(known)}.")
        return known[wanted](request)

    return direct


def answer(status: HTTPStatus, given: Any, headers: Mapping[str, str] | None = None) -> Response[Any]:
    """A JSON answer."""
    content = given.model_dump(mode="json") if isinstance(given, BaseModel) else given
    return Response(status.value, "application/json", content, headers=dict(headers or {}))


def problem(details: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response[str]:
    """An answer that says what went wrong."""
    return Response(details["status"], PROBLEM, json.dumps(details, ensure_ascii=False), headers=dict(headers or {}))


def path_name(app: APIGatewayHttpResolver, parameter: str, segment: str) -> str:
    """A name in the path as it was meant: the gateway's decoded parameter, or the segment decoded by us."""
    given = app.current_event.path_parameters.get(parameter)
    return given if given is not None else unquote(segment)


def one_name(path: str, query: str | None) -> str:
    """The name that a path says, or the query where the path says ``-``: of names that no path can carry.

    Raises InvalidRequest where both say different ones: a policy on the path would be passed by.
    """
    if not query or query == path:
        return path
    if path != "-":
        raise InvalidRequest(
            f"The path names {path!r} and the query {query!r}. Name the table in the path; or in the query, with - in the path."
        )
    return query


def responses(model: type[BaseModel], *statuses: int, job: bool = False) -> dict[int, Any]:
    """What an operation answers, for the OpenAPI document."""
    found: dict[int, Any] = {status: _response(model) for status in statuses}
    if job:
        found[202] = _response(JobView)
    return found


def _response(model: type[BaseModel]) -> dict[str, Any]:
    return {"description": (model.__doc__ or "").strip(), "content": {"application/json": {"model": model}}}
