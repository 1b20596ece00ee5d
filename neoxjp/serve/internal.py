"""The internal endpoints: a page in another process uses this one's model through them (page_parts/remote/).

They are closed unless `neoxjp serve --internal` opens them, and need the API key. `Internal` takes and gives bytes, so that it
can run behind another layer: replicas/internal.py passes them through.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Protocol

from pydantic import JsonValue, ValidationError
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from neoxjp.engine import ANYONE, Request, Visitor
from neoxjp.errors import NeoxjpError, ParameterError, QueueFull, ShuttingDown
from neoxjp.gateway import JSON_BYTES, Row, expected
from neoxjp.model import free_memory
from neoxjp.page_parts.remote.records import (
    MODEL_HEADER,
    VERSION,
    Accepted,
    Card,
    Line,
    News,
    OtherModel,
    Problem,
    Prompt,
    Status,
    VocabularyFiles,
    arguments_of,
    decode,
    encode,
    reason,
)
from neoxjp.page_parts.session.calls import CALLS, most_alternatives, setup
from neoxjp.page_parts.session.model_facts import model_facts
from neoxjp.page_parts.session.playground import Playground, Ready
from neoxjp.page_parts.session.visitors import VISITOR_HEADER, visitor_of_header
from neoxjp.serve.backend import Part
from neoxjp.serve.errors import fault_of
from neoxjp.serve.local import names_of

AT_ONCE, WAITING = 2, 32  # calls that run, and that wait for their turn
LINE_SECONDS = 0.02  # between two lines with tokens
SILENCE_SECONDS = 1.0  # after which a line says that the request is still there
OTHER_MODEL = 409


@dataclass(frozen=True)
class Call:
    """The body of POST /internal/call."""

    name: str
    arguments: list[JsonValue]


class Lines(Protocol):
    """The lines of a stream."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None:
        """End the request; does nothing where it has ended."""


class InternalBackend(Protocol):
    """What the routes need: of this process (`Internal`), or of several others."""

    async def card(self) -> bytes: ...
    async def status(self) -> bytes: ...
    async def vocabulary(self) -> bytes: ...
    async def call(self, body: bytes, token: str, visitor: Visitor) -> bytes: ...
    async def generate(self, body: bytes, token: str, visitor: Visitor) -> "Lines": ...


class Internal:
    """The model of this process for pages in others. Every method raises NeoxjpError."""

    def __init__(self, playground: Playground):
        self.playground = playground
        self._card: tuple[int, Card] | None = None
        self._turns, self._waiting = asyncio.Semaphore(AT_ONCE), 0

    async def card(self) -> bytes:
        """The model, as `Card`."""
        return encode(await asyncio.to_thread(self._card_of, self.playground.ready))

    async def status(self) -> bytes:
        """The moment, as `Status`. Raises the error why there is no model."""
        failed = self.playground.progress.error
        if failed is not None and not isinstance(self.playground.loaded, Ready):
            raise failed
        loaded = self.playground.ready
        card = await asyncio.to_thread(self._card_of, loaded)
        return encode(Status(card.token, not loaded.engine.alive, free_memory(card.device)))

    async def vocabulary(self) -> bytes:
        """The files, as `VocabularyFiles`."""
        vocab, emoji = self.playground.tokenizer.vocabulary.contents
        return encode(VocabularyFiles(vocab.decode(), emoji.decode()))

    async def call(self, body: bytes, token: str, visitor: Visitor) -> bytes:
        """The result of a function of CALLS."""
        loaded = await self._asked(token)
        asked = read_record(body, Call)
        function = CALLS.get(asked.name)
        if function is None:
            raise ParameterError(f"there is no function {asked.name[:40]!r}: choose {', '.join(CALLS)}")
        arguments = read_record(encode(asked.arguments), arguments_of(function))
        if self._waiting >= WAITING:
            raise QueueFull(
                "too many calls wait: try again in a moment",
                ja="混み合っています。少し待ってからもう一度お試しください。",
                seconds=5,
            )
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
        try:
            return await asyncio.to_thread(lambda: encode(loaded.call(function, *arguments)))
        finally:
            self._turns.release()

    async def generate(self, body: bytes, token: str, visitor: Visitor) -> "RequestLines":
        """The lines of a text that the engine has accepted."""
        loaded = await self._asked(token)
        prompt: Prompt = read_record(body, Prompt)
        limits, visitors, engine = self.playground.limits, self.playground.visitors, loaded.here.engine
        new = prompt.params.max_new_tokens or loaded.model.config.max_position_embeddings
        if limits.new_tokens is not None and new > limits.new_tokens:
            raise ParameterError(
                f"max_new_tokens={new} is more than the {limits.new_tokens} tokens that this engine generates at once",
                ja=f"一度に生成できるのは {limits.new_tokens} トークンまでです。",
            )
        most = most_alternatives(new)
        if not 0 <= prompt.top <= most:
            raise ParameterError(
                f"top={prompt.top} must be from 0 to {most}, the alternatives that each of {new} tokens may have"
            )
        visitors.check_tokens(visitor, engine)
        loop, news = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(news.set)

        request = engine.submit(
            prompt.ids,
            prompt.params,
            top=prompt.top,
            overflow=prompt.overflow,
            watch=loaded.logits.keep if prompt.store_logits else None,
            drawn=prompt.drawn,
            visitor=visitor,
            wake=wake,
        )
        visitors.note(visitor, "tokens", len(prompt.ids))
        return RequestLines(request, news, self.playground)

    async def _asked(self, token: str) -> Ready:
        """What is loaded. Raises OtherModel: it is not what was asked for."""
        loaded = self.playground.ready
        card = await asyncio.to_thread(self._card_of, loaded)
        if token != card.token:
            raise OtherModel(
                "the engine has another model now: the page takes it over in a moment; then try again",
                ja="エンジンのモデルが入れ替わりました。まもなく新しいモデルに切り替わりますので、もう一度お試しください。",
            )
        return loaded

    def _card_of(self, loaded: Ready) -> Card:
        if self._card is not None and self._card[0] == loaded.serial:
            return self._card[1]
        model, now, engine = loaded.here.model, setup(loaded), loaded.here.engine
        id, _ = names_of(loaded.choice)
        content = [now.model, now.vocabulary, now.dtype, now.quantization, now.cache_dtype, now.packed, id]
        card = Card(
            version=VERSION,
            token=blake2b(encode(content), digest_size=16).hexdigest(),
            facts=model_facts(model, loaded.name, id, loaded.choice.revision),
            setup=now,
            positions_are_identical=model.positions_are_identical,
            device=str(model.device),
            running=engine.max_batch,
            waiting=engine.max_waiting,
            new_tokens=self.playground.limits.new_tokens,
        )
        self._card = loaded.serial, card
        return card


class RequestLines:
    """The lines of a request to the engine, read without a thread."""

    def __init__(self, request: Request, news: asyncio.Event, playground: Playground):
        self.request = request
        self._news, self._playground = news, playground

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for line, _ in self.with_parts():
            yield line

    async def with_parts(self) -> AsyncIterator[tuple[bytes, Part]]:
        """Each line, with what is in it. The first line says that the request was accepted."""
        request = self.request
        yield _line(Line(accepted=Accepted(request.seed, request.truncated_tokens))), Part()
        while True:
            self._news.clear()
            finish = request.finish  # before the steps are read: then none comes later
            try:
                steps = tuple(request.read())
                if finish == "cancelled":
                    raise ShuttingDown(
                        "the engine has ended this text because it is shutting down",
                        ja="エンジンが終了するため、生成を中断しました。",
                    )
            except Exception as error:
                yield problem_line(error), Part(finish=request.finish or "error")
                return
            self._playground.visitors.note(request.visitor, "tokens", len(steps))
            failed = finish == "error"  # the next look raises the error
            news = News(steps, request.position, request.prefilled, None if failed else finish, request.stats)
            yield _line(Line(news=news)), Part(steps, finish=news.finish)
            if finish is not None and not failed:
                return
            if not failed:
                await self._wait(LINE_SECONDS if steps else 0.0)

    async def aclose(self) -> None:
        self.request.cancel()

    async def _wait(self, least: float) -> None:
        """Return after `least` seconds, once there is something to read, or the reader has to learn that the request is there."""
        await asyncio.sleep(least)
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                await self._news.wait()
        except TimeoutError:
            await asyncio.to_thread(self.request.wait, 0)  # runs a forward where the engine has no thread any more


def internal_rows(backend: InternalBackend) -> tuple[Row, ...]:
    """The rows with their endpoints, for `server_app` with an API key: whoever gets this far may name its visitor."""

    def answering(answer: Callable[[HTTPRequest], Awaitable[Response]]) -> Callable[[HTTPRequest], Awaitable[Response]]:
        async def safe(request: HTTPRequest) -> Response:
            try:
                return await answer(request)
            except Exception as error:
                known = expected(error)
                status = OTHER_MODEL if isinstance(known, OtherModel) else fault_of(known).status
                return Response(encode(Problem.of(known)), status, media_type="application/json")

        return safe

    def got(read: Callable[[], Awaitable[bytes]]) -> Callable[[HTTPRequest], Awaitable[Response]]:
        async def answer(_: HTTPRequest) -> Response:
            return Response(await read(), media_type="application/json")

        return answering(answer)

    async def call(request: HTTPRequest) -> Response:
        found = await backend.call(await request.body(), *_sender(request))
        return Response(found, media_type="application/json")

    async def generate(request: HTTPRequest) -> Response:
        return _Stream(await backend.generate(await request.body(), *_sender(request)))

    return (
        Row(("GET",), "/internal/model", endpoint=got(backend.card)),
        Row(("GET",), "/internal/status", endpoint=got(backend.status), logged=False),
        Row(("GET",), "/internal/vocabulary", endpoint=got(backend.vocabulary)),
        Row(("POST",), "/internal/call", "json", JSON_BYTES, endpoint=answering(call), logged=False),
        Row(("POST",), "/internal/generate", "json", JSON_BYTES, endpoint=answering(generate), logged=False),
    )


class _Stream(StreamingResponse):
    """A stream whose source is closed when the client has gone."""

    def __init__(self, lines: Lines):
        super().__init__(aiter(lines), media_type="application/x-ndjson", headers={"X-Accel-Buffering": "no"})
        self._source = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._source.aclose()


def _sender(request: HTTPRequest) -> tuple[str, Visitor]:
    """The token of the model that is asked, and the visitor for whom."""
    named = request.headers.get(VISITOR_HEADER, "")
    return request.headers.get(MODEL_HEADER, "")[:64], visitor_of_header(named) if named else ANYONE


def problem_line(error: Exception) -> bytes:
    """The last line of a text that cannot go on."""
    return _line(Line(problem=Problem.of(expected(error))))


def _line(line: Line) -> bytes:
    return encode(line) + b"\n"


def read_record(body: bytes, kind: Any) -> Any:
    """A record of a request. Raises ParameterError."""
    try:
        return decode(body, kind)
    except ValidationError as error:
        for each in error.errors(include_url=False, include_input=False):
            if isinstance(known := each.get("ctx", {}).get("error"), NeoxjpError):
                raise known from None
        raise ParameterError(f"the request is not understood: {reason(error)}") from None
