"""The error object of the protocol, `{"error": {message, type, param, code}}`, and which HTTP status an error has."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from neoxjp.errors import NeoxjpError, NotReady, ParameterError, PromptTooLong, QueueFull, ShuttingDown, VocabularyError
from neoxjp.gateway import Refused, expected

SHUTDOWN_SECONDS, LOADING_SECONDS = 30, 5  # after which another attempt makes sense
LONGEST = 1_000  # characters of a message
MANY = 10  # wrong fields that one message names
FIELDS = {"max_new_tokens": "max_tokens", "min_new_tokens": "min_tokens"}
"""Names of sampling options that the protocol has other names for."""

TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error", 500: "server_error", 503: "server_error"}
CODES = {401: "invalid_api_key", 404: "not_found", 408: "request_timeout", 413: "request_too_large", 429: "rate_limit_exceeded"}


class ProtocolError(NeoxjpError):
    """A request that is refused.

    Args:
        message: what was asked, what was found, what to do.
        param: the field at fault.
        status: of HTTP.
        code: a short name for programs.
    """

    def __init__(self, message: str, param: str | None = None, *, status: int = 400, code: str | None = None):
        super().__init__(message)
        self.param, self.status, self.code = param, status, code


class ReplicaLost(NeoxjpError):
    """The process that wrote a text has ended in the middle of it."""


@dataclass(frozen=True)
class Fault:
    """An error as the client gets it."""

    status: int
    message: str
    param: str | None = None
    code: str | None = None
    wait: int = 0  # seconds after which another attempt makes sense; 0: none does

    @property
    def content(self) -> dict[str, Any]:
        type = TYPES.get(self.status, "invalid_request_error")
        return {"error": {"message": self.message, "type": type, "param": self.param, "code": self.code}}

    def response(self) -> Response:
        headers = {"Retry-After": str(self.wait)} if self.wait else {}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse(self.content, self.status, headers)


def fault_of(error: Exception) -> Fault:
    """What the client gets for an exception. One that nobody expected is logged; a sentence stands for it."""
    known = expected(error)
    message = _in_protocol_words(known.plain)
    match known:
        case ProtocolError():
            return Fault(known.status, message, known.param, known.code)
        case QueueFull():
            return Fault(429, message, code="rate_limit_exceeded", wait=known.seconds)
        case ShuttingDown():
            return Fault(503, message, code="shutting_down", wait=SHUTDOWN_SECONDS)
        case ReplicaLost():
            return Fault(503, message, code="replica_lost", wait=1)
        case NotReady():
            return Fault(503, message, code="model_not_ready", wait=LOADING_SECONDS)
        case PromptTooLong():
            return Fault(400, message, "prompt", "context_length_exceeded")
        case ParameterError() | VocabularyError():
            return Fault(400, message, _field_in(message))
        case _:
            return Fault(500, message, code="internal_error")


def _in_protocol_words(message: str) -> str:
    for ours, theirs in FIELDS.items():
        message = re.sub(rf"\b{ours}\b", theirs, message)
    message = message.encode("utf-8", "replace").decode()
    return message if len(message) <= LONGEST else f"{message[:LONGEST]}…"


def _field_in(message: str) -> str | None:
    """ "top_p=7 must be …" → "top_p"; "prompt_ids holds id …" → "prompt"."""
    found = re.match(r"(\w+)=", message)
    return found[1] if found else "prompt" if message.startswith("prompt") else None


# ---- for the applications


def refusal(scope: Scope, refused: Refused) -> Response:
    """What the gate answers, as an error object."""
    status, message = refused.status, refused.message
    if status == 404:
        message = f"there is no {scope['method']} {scope['path'][:100]}: this server has {', '.join(ROUTES)}"
    response = Fault(
        status, message, code=CODES.get(status, "not_found" if status == 404 else None), wait=refused.wait
    ).response()
    if refused.close:
        response.headers["Connection"] = "close"
    return response


ROUTES = ("/v1/completions", "/v1/models", "/tokenize", "/detokenize", "/tokenizer_info", "/health", "/metrics", "/openapi.json")


def invalid_fields(errors: Sequence[Any]) -> Fault:
    """One error that names every wrong field."""
    found: dict[str, str] = {}
    for error in errors:
        place = [str(part) for part in error["loc"] if part != "body"]
        if error["type"] == "json_invalid":
            return Fault(400, "the body is not JSON")
        found.setdefault(".".join(place)[:100], _sentence(error))
    if set(found) == {""}:
        return Fault(400, "the body is not a JSON object: send Content-Type: application/json")
    message = "; ".join(f"{name}: {why}" for name, why in list(found.items())[:MANY])
    if len(found) > MANY:
        message += f" and {len(found) - MANY} more"
    return Fault(400, _in_protocol_words(message), next(iter(found)), "invalid_value")


def _sentence(error: Any) -> str:
    message = str(error["msg"])
    return message[:1].lower() + message[1:300]


async def on_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return invalid_fields(error.errors()).response()


async def on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return refusal(request.scope, Refused(error.status_code, str(error.detail), ""))


async def on_error(_: Request, error: Exception) -> Response:
    return fault_of(error).response()


HANDLERS: dict[Any, Any] = {
    RequestValidationError: on_invalid,
    HTTPException: on_http,
    NeoxjpError: on_error,
    Exception: on_error,
}
"""For the application: exception → who answers it."""
