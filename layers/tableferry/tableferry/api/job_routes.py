"""Jobs behind the API: ask for one and wait a while, look at one, do one when its object arrives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from tableferry.api import handler, metrics, prefer, problems, views
from tableferry.config.settings import Settings
from tableferry.errors import NotSigned, TableferryError
from tableferry.jobs import admission, jobs
from tableferry.jobs.jobs import HandOver, Job, Kind
from tableferry.storage.bucket import Store, open_store

Verb = Callable[[Settings, Store, str, dict[str, Any], jobs.Tell], dict[str, Any] | HandOver]
"""Does one kind of job: from its id and request to its result, telling of progress; or has others do it."""

Since = Callable[[Store, Job], Any]
"""What has become of a job's outcome since it ended; None where the job itself tells."""


class Verbs:
    """The jobs that one function does: a table of what does each kind, which every call names by its kind alone."""

    def __init__(self, app: APIGatewayHttpResolver, table: Mapping[Kind, Verb]) -> None:
        self._app = app
        self._table = table

    def done_or_accepted(
        self,
        kind: Kind,
        request: dict[str, Any],
        location: str,
        idempotency_key: str | None = None,
        since: Since = lambda *_: None,
    ) -> Response[Any]:
        """Have a job done and wait for it as long as the request may: its result, its problem, or 202 and where it is.

        A request that is sent again is answered by what is so now: what the job came to may have changed ``since``.

        A request that is refused has made nothing; so has one that waited so long for a free function that nobody is
        left to hear its answer. Raises TooManyJobs and IdempotencyMismatch.
        """
        seconds = prefer.wait_seconds(self._app)
        settings = Settings.from_env()
        store = open_store(settings.bucket, settings.signing_keys)
        job, new = admission.admitted(store, kind, request, idempotency_key, trigger=not settings.inline_jobs)
        handler.logger.append_keys(job=job.id)
        replayed = {} if new else {"Idempotent-Replayed": "true"}
        if new and settings.inline_jobs:
            self._run(settings, store, job.id, kind, request)
        job = jobs.wait(store, job, seconds)
        if not new and (now := since(store, job)) is not None:
            return handler.answer(HTTPStatus.CREATED, now, replayed)
        if job.state == "done":
            return handler.answer(HTTPStatus.CREATED, job.result, replayed)
        if job.problem:
            raise handler.Answered(job.problem)
        return handler.answer(HTTPStatus.ACCEPTED, views.job(job), {"Location": location.format(id=job.id), **replayed})

    def begin(self, settings: Settings, store: Store, kind: Kind, request: dict[str, Any]) -> None:
        """Have a job done that nobody waits for; where its object starts no function, it is done here."""
        job = jobs.create(store, kind, request, trigger=not settings.inline_jobs)
        if settings.inline_jobs:
            self._run(settings, store, job.id, kind, request)

    def on_object(self, key: str, _version: str) -> str:
        """Do the job whose object arrived; its id.

        Raises:
            NotSigned: the object starts no job of this function.
        """
        settings = Settings.from_env()
        store = open_store(settings.bucket, settings.signing_keys)
        kind, job_id, request = jobs.requested(store, key)
        if kind not in self._table:
            raise NotSigned(f"The object {key!r} starts no job of this function.")
        handler.logger.append_keys(job=job_id)
        self._run(settings, store, job_id, kind, request)
        return job_id

    def at_once(self, kind: Kind) -> Callable[[dict[str, Any]], dict[str, Any]]:
        """What a direct invocation does: a job, which others see while it goes on; its result, or its error is raised.

        Of one that was handed over it gives the job, which goes on.
        """

        def run(request: dict[str, Any]) -> dict[str, Any]:
            settings = Settings.from_env()
            store = open_store(settings.bucket, settings.signing_keys)
            job = jobs.create(store, kind, request, trigger=False)
            if (error := self._run(settings, store, job.id, kind, request)) is not None:
                raise error
            found = jobs.find(store, job.id, kind)
            return found.result or views.job(found).model_dump(mode="json")

        return run

    def _run(
        self, settings: Settings, store: Store, job_id: str, kind: Kind, request: dict[str, Any]
    ) -> BaseException | None:
        """Do a job; the error that it failed with, which is logged and counted."""
        work = partial(self._table[kind], settings, store)
        error = jobs.run(store, kind, job_id, request, work, problems.problem)
        if error is not None:
            metrics.count(jobs_failed=1)
        if isinstance(error, TableferryError):
            handler.logger.warning("job failed", extra={"error": error.name, "detail": str(error)}, exc_info=error)
        elif error is not None:
            handler.logger.error("job failed", exc_info=error)
        return error


def outcome(job: Job) -> Response[Any]:
    """What a job came to, or how far it is."""
    return handler.answer(HTTPStatus.OK, job.result if job.state == "done" else views.job(job))
