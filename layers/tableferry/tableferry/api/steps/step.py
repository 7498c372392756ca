"""What all steps have in common: their event, their answer, and what becomes of their errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tableferry.api import handler, problems
from tableferry.config.settings import Settings
from tableferry.errors import TableferryError
from tableferry.ids import is_id
from tableferry.storage.bucket import Store, open_store


class StepRequest(BaseModel):
    """What the state machine says to a step: the job, the try, which worker or turn it is, and what came before."""

    model_config = ConfigDict(extra="ignore")

    id: str
    attempt: str = Field(default="", alias="try", pattern="^[0-9a-f]*$")
    worker: int = Field(default=0, ge=0)
    round: int = Field(default=0, ge=0)
    execution: str = ""
    error: dict[str, Any] = Field(default_factory=dict)


Do = Callable[[Settings, Store, StepRequest], BaseModel | None]
"""Does a step, and gives what the next state needs."""

Note = Callable[[Store, StepRequest, BaseException, Mapping[str, Any]], None]
"""Leaves the error of a step, and its problem, in the bucket for the last step to tell of."""

Action = Callable[[dict[str, Any]], dict[str, Any]]


def action(do: Do, note: Note | None) -> Action:
    """A step as a direct invocation: from the event to the answer. Its error is noted, logged and raised.

    So the state machine hears of it. A step without a ``note`` is the one that tells of the others' errors.
    """

    def run(event: dict[str, Any]) -> dict[str, Any]:
        request = handler.parsed(StepRequest, event)
        if not is_id(request.id):
            return {"id": request.id, "state": "gone"}
        settings = Settings.from_env()
        store = open_store(settings.bucket, settings.signing_keys)
        handler.logger.append_keys(job=request.id, attempt=request.attempt)
        handler.logger.info("step begins", extra={"step": do.__name__.lstrip("_"), "worker": request.worker})
        try:
            answer = do(settings, store, request)
        except Exception as error:
            if note is not None:
                note(store, request, error, problems.problem(error))
            expected = isinstance(error, TableferryError)
            (handler.logger.warning if expected else handler.logger.error)("step failed", exc_info=error)
            raise
        return answer.model_dump(mode="json") if answer else {}

    return run


def ended_from_outside(request: StepRequest, what: str) -> dict[str, Any]:
    """The problem of a job of which no function has left a word: ``what`` begins the sentence about it."""
    said = str(request.error.get("Error", ""))
    text = f"{what} ended from outside: by their time, their memory or their platform."
    text += f" The state machine says {said}." if said else ""
    return problems.made(HTTPStatus.INTERNAL_SERVER_ERROR, "ended-from-outside", text)
