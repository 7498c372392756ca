"""The HTTP API: SAM CLI's emulation of API Gateway, with its routes from the template and the functions in our pool.

Where that emulation is not like an HTTP API on AWS, it is corrected here: the answers to an unknown route and a failed
function, the limits of size and time, bodies that are not text, and each request's own id. What is left: a path segment
with an encoded slash (`%2F`) finds no route, and no signature is asked for. At the same address is Lambda's own API, as
far as to invoke a function and wait for it (https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html).
"""

import json
import logging
import time
import uuid
from concurrent.futures import TimeoutError as NotInTime
from datetime import UTC, datetime
from typing import Any

import waitress
from flask import Response, jsonify, make_response, request
from samcli.lib.telemetry.event import EventTracker
from samcli.local.apigw.event_constructor import construct_v2_event_http
from samcli.local.apigw.local_apigw_service import LocalApigwService
from samcli.local.apigw.path_converter import PathConverter
from samcli.local.apigw.route import Route

from local.gateway.function import PAYLOAD_LIMIT
from local.gateway.pool import Pool
from local.gateway.template import Project
from local.runtime.browser import refusal

BODY_LIMIT = 10 * 1024 * 1024  # bytes: API Gateway's, on a request before it becomes an event
SECONDS = 30.0  # API Gateway waits no longer; the function goes on
TEXT = ("text/", "application/json", "application/xml", "application/javascript")


class _Answer(Exception):
    """Ends the handling of a request with an answer of API Gateway's own."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class HttpApi(LocalApigwService):  # type: ignore[misc]
    """API Gateway for one template."""

    def __init__(self, project: Project, pool: Pool, port: int) -> None:
        super().__init__(api=project.api, lambda_runner=project.runner, port=port, host="127.0.0.1")
        self.functions, self.pool = project.functions, pool
        self.create()
        invoke = "/2015-03-31/functions/<name>/invocations"
        self._app.add_url_rule(invoke, view_func=self._invoke, methods=["POST"], provide_automatic_options=False)

    @property
    def application(self) -> Any:
        return self._app

    def _construct_error_handling(self) -> None:
        for status in (404, 405):
            self._app.register_error_handler(status, lambda _: _plain(404, "Not Found"))
        self._app.register_error_handler(500, lambda _: _plain(500, "Internal Server Error"))

    def _request_handler(self, **parameters: str) -> Response:
        if (request.content_length or 0) > BODY_LIMIT:
            return _plain(413, "Request Entity Too Large")
        try:
            answer: Response = super()._request_handler(**parameters)
        except _Answer as own:
            return _plain(own.status, own.message)
        return answer

    def _invoke(self, name: str) -> Response:
        """Lambda's Invoke: the event in, what the function gives out, and a header where that is an error."""
        payload = request.get_data() or b"{}"
        if name not in self.functions:
            return _lambda_error(404, "ResourceNotFoundException", f"Function not found: {name}")
        if request.headers.get("X-Amz-Invocation-Type", "RequestResponse") != "RequestResponse":
            return _lambda_error(400, "InvalidParameterValueException", "Here a function is waited for.")
        if len(payload) > PAYLOAD_LIMIT:
            return _lambda_error(413, "RequestTooLargeException", "The event is too large.")
        result = self.pool.start(self.functions[name], payload).result()
        answer = make_response(result.payload, 200)
        answer.headers["Content-Type"] = "application/json"
        answer.headers["X-Amz-Executed-Version"] = "$LATEST"
        if result.failed:
            answer.headers["X-Amz-Function-Error"] = "Unhandled"
        return answer

    def _get_current_route(self, flask_request: Any) -> Any:
        try:
            return super()._get_current_route(flask_request)
        except KeyError:  # HEAD, which Flask answers wherever there is a GET
            raise _Answer(404, "Not Found") from None

    def _generate_lambda_event(self, flask_request: Any, route: Any, method: str, endpoint: str) -> dict[str, Any]:
        if route.event_type != Route.HTTP or route.payload_format_version not in {None, "2.0"}:
            other: dict[str, Any] = super()._generate_lambda_event(flask_request, route, method, endpoint)
            return other
        event: dict[str, Any] = construct_v2_event_http(
            flask_request=flask_request,
            port=self.port,
            binary_types=[] if _is_text(flask_request) else ["*/*"],
            stage_name=self.api.stage_name,
            stage_variables=self.api.stage_variables,
            route_key=self._v2_route_key(
                method, PathConverter.convert_path_to_api_gateway(endpoint), route.is_default_route
            ),
        )
        event["headers"] = {name.lower(): value for name, value in event["headers"].items()}
        now = datetime.now(UTC)
        event["requestContext"] |= {
            "requestId": uuid.uuid4().hex[:16],
            "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(time.time() * 1000),
        }
        return event

    def _invoke_lambda_function(self, lambda_function_name: str, event: dict[str, Any], tenant_id: Any = None) -> str:  # noqa: ARG002 - as it is called
        payload = json.dumps(event).encode()
        if len(payload) > PAYLOAD_LIMIT:
            raise _Answer(413, "Request Entity Too Large")
        try:
            result = self.pool.start(self.functions[lambda_function_name], payload).result(SECONDS)
        except NotInTime:
            raise _Answer(503, "Service Unavailable") from None
        if result.failed:
            raise _Answer(500, "Internal Server Error")
        return result.payload.decode()


def serve(project: Project, pool: Pool, port: int) -> Any:
    """A server of the API on 127.0.0.1, at a port of the system's choice if ``port`` is 0; ``run()`` it."""
    logging.getLogger("samcli").setLevel(logging.WARNING)
    EventTracker.track_event = lambda *_, **__: None  # its telemetry, collected for each request
    # The emulation tells functions its port, so it needs to know which it got.
    api = HttpApi(project, pool, port)
    server = waitress.create_server(
        _guarded(api.application),
        host="127.0.0.1",
        port=port,
        threads=64,
        ident=None,
        max_request_body_size=8 * BODY_LIMIT,
    )
    api.port = server.effective_port
    return server


def _guarded(application: Any) -> Any:
    """An application that hears no foreign web page."""

    def guarded(environ: dict[str, Any], start_response: Any) -> Any:
        headers = {
            name[5:].lower().replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")
        }
        if why := refusal(environ["REQUEST_METHOD"], headers):
            length = ("Content-Length", str(len(why)))
            start_response("403 Forbidden", [("Content-Type", "application/problem+json"), length])
            return [why]
        return application(environ, start_response)

    return guarded


def _is_text(flask_request: Any) -> bool:
    if flask_request.headers.get("Content-Encoding", "identity") != "identity":
        return False
    if flask_request.mimetype and not (flask_request.mimetype.startswith(TEXT) or "json" in flask_request.mimetype):
        return False
    try:
        flask_request.get_data().decode()
    except UnicodeDecodeError:
        return False
    return True


def _lambda_error(status: int, kind: str, message: str) -> Response:
    answer = make_response(jsonify({"Message": message, "Type": "User"}), status)
    answer.headers["X-Amzn-ErrorType"] = kind
    return answer


def _plain(status: int, message: str) -> Response:
    return make_response(jsonify({"message": message}), status)
