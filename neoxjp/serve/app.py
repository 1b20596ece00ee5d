"""The routes of the protocol as a FastAPI application over a backend. What is in front of it is in server.py."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import Depends, FastAPI, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from fastapi.sse import EventSourceResponse
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from neoxjp import __version__
from neoxjp.engine import Visitor, check_ids
from neoxjp.errors import ParameterError
from neoxjp.gateway import JSON_BYTES, Row
from neoxjp.page_parts.session.visitors import VISITOR_HEADER, visitor_of, visitor_of_header
from neoxjp.serve.backend import Backend
from neoxjp.serve.completions import Completions, Held, check_model
from neoxjp.serve.errors import HANDLERS, ProtocolError, fault_of
from neoxjp.serve.fields import CompletionRequest, DetokenizeRequest, TokenizeRequest
from neoxjp.serve.prompts import check_lengths
from neoxjp.serve.responses import CompletionAnswer, DetokenizeAnswer, ErrorAnswer, ModelList, TokenizeAnswer, TokenizerInfo

IGNORED_HEADER = "neoxjp-ignored-fields"
NO_CHAT = (
    "this is a base model without a chat template, so there is no chat: send the text that it shall continue to /v1/completions"
)
ROWS = (
    Row(("POST",), "/v1/completions", "json", JSON_BYTES, generates=True),
    Row(("GET",), "/v1/models"),
    Row(("GET",), "/v1/models/{model}"),
    Row(("POST",), "/v1/chat/completions", "json", JSON_BYTES),
    Row(("POST",), "/tokenize", "json", JSON_BYTES),
    Row(("POST",), "/detokenize", "json", JSON_BYTES),
    Row(("GET",), "/tokenizer_info"),
    Row(("GET",), "/openapi.json", open=True),
)
"""The table of routes, for the gate. `open`: without the API key."""

T = TypeVar("T")


class Stream(EventSourceResponse):
    """Server-sent events whose source is closed when the client has gone."""

    def __init__(self, events: AsyncIterator[bytes], source: Completions, headers: dict[str, str]):
        super().__init__(events, headers=headers | {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._source.aclose()


class ErrorRoute(APIRoute):
    """A route whose exceptions are answered with an error object."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except (RequestValidationError, HTTPException):
                raise
            except Exception as error:
                return fault_of(error).response()

        return answer


def build_app(backend: Backend, *, trusted: bool = False, routes: Sequence[BaseRoute] = ()) -> FastAPI:
    """The application.

    Args:
        trusted: every request that arrives here has the API key, so that it may name its visitor.
        routes: more routes, for example the health of the server.
    """

    def visitor(request: Request) -> Visitor:
        named = request.headers.get(VISITOR_HEADER, "") if trusted else ""
        if named:
            return visitor_of_header(named)
        return visitor_of(request.client.host if request.client else None)

    faults: dict[int | str, dict[str, Any]] = {status: {"model": ErrorAnswer} for status in (400, 401, 404, 413, 429, 500, 503)}
    app = FastAPI(
        title="neoxjp",
        version=__version__,
        summary="GPT-NeoX-Japanese through the completions protocol",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        exception_handlers=HANDLERS,
        routes=list(routes),
        dependencies=[Security(HTTPBearer(auto_error=False, description="With --api-key only."))],
    )
    held = Held()
    app.router.redirect_slashes = False
    app.router.route_class = ErrorRoute
    Asking = Annotated[Visitor, Depends(visitor)]

    @app.post("/v1/completions", responses=faults | {200: {"model": CompletionAnswer}}, tags=["completions"])
    async def completions(given: CompletionRequest, request: Request, who: Asking) -> Response:
        """Continue texts, or score them. With `stream`, server-sent events; the last one is `[DONE]`."""
        card = await backend.ready()
        completion, jobs = await asyncio.to_thread(Completions.prepare, given, backend, card, who)
        headers = {IGNORED_HEADER: ", ".join(given.ignored)} if given.ignored else {}
        started = False
        try:
            await completion.start(backend, jobs, held)
            if given.stream:
                started = True
                return Stream(completion.events(), completion, headers)
            found = await until_gone(request, completion.answer())
            return Response(await asyncio.to_thread(orjson.dumps, found), media_type="application/json", headers=headers)
        finally:
            if not started:
                await completion.aclose()

    @app.post("/v1/chat/completions", include_in_schema=False)
    async def chat() -> Response:
        raise ProtocolError(NO_CHAT, status=404, code="no_chat_template")

    @app.get("/v1/models", responses=faults | {200: {"model": ModelList}}, tags=["completions"])
    async def models() -> Response:
        """The model that is loaded."""
        return _json({"object": "list", "data": [(await backend.ready()).record()]})

    @app.get("/v1/models/{name:path}", include_in_schema=False)
    async def model(name: str) -> Response:
        card = await backend.ready()
        check_model(name, card)
        return _json(card.record())

    @app.post("/tokenize", responses=faults | {200: {"model": TokenizeAnswer}}, tags=["tokenizer"])
    async def tokenize(given: TokenizeRequest, who: Asking) -> Response:
        """The token ids of a text."""
        card = await backend.ready()
        check_model(given.model, card)
        check_lengths([given.prompt], card.characters)
        backend.charge(who, len(given.prompt))

        def compute() -> bytes:
            tokenizer = backend.tokenizer
            tokens = tokenizer.encode(given.prompt)
            names = tokenizer.convert_ids_to_tokens(tokens) if given.return_token_strs else None
            return orjson.dumps({"count": len(tokens), "max_model_len": card.context, "tokens": tokens, "token_strs": names})

        return Response(await asyncio.to_thread(compute), media_type="application/json")

    @app.post("/detokenize", responses=faults | {200: {"model": DetokenizeAnswer}}, tags=["tokenizer"])
    async def detokenize(given: DetokenizeRequest, who: Asking) -> Response:
        """The text of token ids."""
        card = await backend.ready()
        check_model(given.model, card)
        backend.charge(who, len(given.tokens))
        tokenizer = backend.tokenizer
        try:
            ids = check_ids(given.tokens, tokenizer.vocab_size, "tokens")
        except ParameterError as error:
            raise ProtocolError(error.plain, "tokens", code="invalid_value") from error
        return _json({"prompt": await asyncio.to_thread(tokenizer.decode, ids)})

    @app.get("/tokenizer_info", responses=faults | {200: {"model": TokenizerInfo}}, tags=["tokenizer"])
    async def tokenizer_info() -> Response:
        """The special tokens, for clients that tokenize here."""
        card, tokenizer = await backend.ready(), backend.tokenizer
        bos = None if card.bos is None else tokenizer.convert_ids_to_tokens([card.bos])[0]  # the model's, not the vocabulary's
        return _json(
            {
                "tokenizer_class": type(tokenizer).__name__,
                "eos_token": tokenizer.eos_token,
                "bos_token": bos,
                "pad_token": tokenizer.pad_token,
                "unk_token": tokenizer.unk_token,
                "chat_template": None,
                "vocab_size": tokenizer.vocab_size,
                "model_max_length": card.context,
            }
        )

    return app


async def until_gone(request: Request, answer: Coroutine[Any, Any, T]) -> T:
    """The answer, unless its client goes away: then it is cancelled. Raises ProtocolError, which nobody reads any more."""
    work = asyncio.ensure_future(answer)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise ProtocolError("the client has closed the connection", status=499)
        return work.result()
    finally:
        for task in (work, gone):
            task.cancel()
        await asyncio.gather(work, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _json(record: dict[str, Any]) -> Response:
    return Response(orjson.dumps(record), media_type="application/json")
