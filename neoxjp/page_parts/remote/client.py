"""HTTP to the internal endpoints of `neoxjp serve --internal`, from any thread: an event loop in a thread of its own.

It connects directly (no proxy of the environment), follows no redirects, decompresses nothing, and reads at most so many bytes.
Nothing is sent again by itself: an action that fails says so, and its visitor decides.

Time limits (seconds): CONNECT for a connection, SILENCE between two pieces of an answer (a stream has a line each second), CALL
for a whole call.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import ValidationError

from neoxjp.errors import EngineAway, NeoxjpError, ParameterError
from neoxjp.page_parts.remote.records import MODEL_HEADER, Array, OtherModel, Problem, decode, encode, result_of
from neoxjp.page_parts.session.visitors import VISITOR_HEADER

CONNECT, SILENCE, CALL = 5.0, 30.0, 300.0
ANSWER_BYTES = 32 * 2**20  # of an answer
ARRAY_BYTES = 96 * 2**20  # of one with an array: logits of 64 MiB in base64
LINE_BYTES = 8 * 2**20  # of a line of a stream
CONNECTIONS = 256

T = TypeVar("T")


def away(what: str) -> EngineAway:
    """The error of every action while the engine is away. what: for the operator."""
    return EngineAway(
        f"the engine with the model does not answer now ({what}): try again in a moment",
        ja="モデルを動かしているエンジンから応答がありません。少し待ってからもう一度お試しください。",
    )


def wrong(what: str) -> EngineAway:
    """The error where the engine answers something that no engine of this version answers."""
    return EngineAway(
        f"the engine gave an answer that this page does not understand ({what}): page and engine need the same version of neoxjp",
        ja="エンジンの応答を解釈できませんでした。ページとエンジンには同じバージョンの neoxjp が必要です。",
    )


class Connection:
    """The way to one engine.

    Args:
        url: of `neoxjp serve`: "http://host:8000".
        key: its API key.
        changed: called, in the loop's thread, when the engine says that it has another model, or does not answer.
    """

    def __init__(self, url: str, key: str, changed: Callable[[], None] = lambda: None):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
            raise ParameterError(f"--engine {url!r:.200} is no address of a server: write for example http://127.0.0.1:8000")
        if not key or not key.isascii() or not key.isprintable():
            raise ParameterError("--engine needs the API key of the server: --engine-key KEY, or the variable NEOXJP_API_KEY")
        self.url, self.changed = url.rstrip("/"), changed
        self._headers = {"Authorization": f"Bearer {key}", "Accept-Encoding": "identity"}
        self._loop = asyncio.new_event_loop()
        self._client: httpx.AsyncClient | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="neoxjp-remote", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine that runs in the loop; for other threads."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def start(self, work: Coroutine[Any, Any, None]) -> "Callable[[], None]":
        """Run a coroutine in the loop; gives the function that cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        return lambda: void(future.cancel())

    def close(self) -> None:
        """End what is running, and the loop's thread."""
        self.run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def get(self, path: str, kind: Any, limit: int = ANSWER_BYTES, seconds: float = CALL) -> Any:
        """The record that GET answers. Raises EngineAway, ParameterError (a wrong key or server), and what the engine raises."""
        return self.run(self._answer("GET", path, None, kind, {}, limit, seconds))

    def call(self, function: Callable[..., Any], given: tuple[Any, ...], token: str, visitor: str = "") -> Any:
        """The result of a function of `calls.CALLS`, run where the model is. Raises EngineAway and what the function raises."""
        body = encode({"name": function.__name__, "arguments": given})
        kind, headers = result_of(function), self.headers(token, visitor)
        limit = ARRAY_BYTES if kind == Array else ANSWER_BYTES
        return self.run(self._answer("POST", "/internal/call", body, kind, headers, limit, CALL))

    def headers(self, token: str, visitor: str) -> dict[str, str]:
        """Of a request for the model with this token."""
        return {MODEL_HEADER: token} | ({VISITOR_HEADER: visitor} if visitor else {})

    @asynccontextmanager
    async def lines(self, path: str, body: bytes, headers: dict[str, str]) -> AsyncIterator[AsyncIterator[bytes]]:
        """The lines that POST answers, as they come. Leaving the block closes the connection."""
        async with self._sent("POST", path, body, headers) as answer:
            yield _lines(answer)

    async def _end(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    async def _answer(
        self, method: str, path: str, body: bytes | None, kind: Any, headers: dict[str, str], limit: int, seconds: float
    ) -> Any:
        try:
            async with asyncio.timeout(seconds), self._sent(method, path, body, headers) as answer:
                return _decoded(await _body(answer, limit), kind)
        except TimeoutError:
            raise away(f"no answer within {seconds:g} s") from None

    @asynccontextmanager
    async def _sent(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> AsyncIterator[httpx.Response]:
        """The answer to a request, once its status is 200. Raises the error that another status stands for."""
        if self._client is None:
            limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=32)
            self._client = httpx.AsyncClient(timeout=httpx.Timeout(SILENCE, connect=CONNECT), limits=limits, trust_env=False)
        kind = {"Content-Type": "application/json"} if body is not None else {}
        try:
            async with self._client.stream(
                method, self.url + path, content=body, headers=self._headers | headers | kind
            ) as answer:
                if answer.status_code != 200:
                    error = _error(answer.status_code, await _body(answer, 64_000))
                    if isinstance(error, OtherModel):
                        self.changed()
                    raise error
                yield answer
        except httpx.HTTPError as error:
            self.changed()
            raise away(type(error).__name__) from error


async def _body(answer: httpx.Response, limit: int) -> bytes:
    found = bytearray()
    async for piece in answer.aiter_raw(2**16):
        found += piece
        if len(found) > limit:
            raise wrong(f"more than {limit:,} bytes")
    return bytes(found)


async def _lines(answer: httpx.Response) -> AsyncIterator[bytes]:
    rest = bytearray()
    async for piece in answer.aiter_raw():
        rest += piece
        if b"\n" in piece:
            *complete, last = bytes(rest).split(b"\n")
            rest = bytearray(last)
            for line in complete:
                yield line
        if len(rest) > LINE_BYTES:
            raise wrong(f"a line of more than {LINE_BYTES:,} bytes")


def _decoded(body: bytes, kind: Any) -> Any:
    try:
        return decode(body, kind)
    except ValidationError as error:
        raise wrong(error.title[:60]) from error


def _error(status: int, body: bytes) -> NeoxjpError:
    """The error that an answer with another status than 200 stands for."""
    if status in (401, 403):
        return ParameterError(
            "the engine refuses the API key: give the one of `neoxjp serve --api-key` with --engine-key",
            ja="エンジンに API キーを拒否されました。管理者は --engine-key を確認してください。",
        )
    if status == 404:
        return ParameterError(
            "the engine has no internal endpoints: start it with `neoxjp serve --internal --api-key KEY`, of the page's version",
            ja="エンジンの内部エンドポイントが無効です。管理者は neoxjp serve --internal で起動してください。",
        )
    try:
        problem: Problem = decode(body, Problem)
    except ValidationError:
        return away(f"status {status}")
    return problem.error


def void(_: object) -> None:
    """Nothing, whatever was given."""
