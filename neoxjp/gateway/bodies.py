"""Reading the body of a request: at most so many bytes, at least so many a second, and what JSON may contain."""

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

JSON_BYTES = 4_000_000  # of a call's body: a text of 1,000,000 characters is about 3 MB in UTF-8
SMALL_BYTES = 20_000  # of a body with a few names only
SILENCE_SECONDS = 10.0  # without a byte of a body
GRACE_SECONDS = 5.0  # before the rate counts
BYTES_A_SECOND = 16_000  # that a body must bring on average
WAIT_SECONDS = 30.0  # that an upload waits for its turn
WAITING = 8  # uploads of one visitor that wait
ALL_BYTES, VISITOR_BYTES = 64_000_000, 16_000_000  # of JSON that is being received: of all visitors, of one
UNCOUNTED_BYTES = 64_000  # at the start of each body, so that a short request is never refused for the long ones of another
LINGER_SECONDS, LINGER_BYTES = 2.0, 20_000_000  # that a refused body is still read, unstored: else its sender sees no answer
DEPTH = 32  # of lists and objects in a body
VALUES, LISTS = 250_000, 10_000  # values in a body; lists and objects among them: what Gradio visits one by one while all wait
DIGITS = 100  # of a whole number: Python takes the square of the time for long ones
ZEROS = bytes.maketrans(b"123456789", b"000000000")
NO_SESSION = "none"  # for calls without a session: for those Gradio (6.31) describes each component of the page anew, 0.1 s
SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)  # the name of a session, which the visitor chooses


class Refused(Exception):
    """A request that the gate answers itself.

    Args:
        status: of HTTP.
        message, ja: the sentence for the visitor.
        close: the rest of the body is not read, so the connection ends.
        wait: seconds after which another attempt makes sense; 0: none does.
    """

    def __init__(self, status: int, message: str, ja: str, *, close: bool = False, wait: int = 0):
        super().__init__(message)
        self.status, self.message, self.ja, self.close, self.wait = status, message, ja, close, wait

    @classmethod
    def too_large(cls, limit: int) -> "Refused":
        size, ja = (f"{limit / 1e6:g} MB",) * 2 if limit >= 1_000_000 else (f"{limit:,} bytes", f"{limit:,} バイト")
        return cls(413, f"the request is larger than {size}", f"送信できるのは {ja} までです。", close=True)

    @classmethod
    def too_slow(cls) -> "Refused":
        return cls(408, "the request arrived too slowly", "送信が遅すぎたため、中断しました。", close=True)

    @classmethod
    def bad(cls, message: str, ja: str = "リクエストの形式が正しくありません。") -> "Refused":
        return cls(400, message, ja)


class Gone(Exception):
    """The client closed the connection before its request was complete."""


@dataclass
class _Line:
    free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
    requests: int = 0


class Turns:
    """Uploads: each visitor sends one at a time, the next ones wait unread."""

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}

    @asynccontextmanager
    async def turn(self, visitor: str) -> AsyncIterator[None]:
        """Raises Refused (429) where too many wait, or after `WAIT_SECONDS`."""
        busy = Refused(
            429,
            "other files from your address are still being received: try again in a moment",
            "同じアドレスからのファイルを受信しています。少し待ってからもう一度お試しください。",
            close=True,
            wait=5,
        )
        line = self._lines.setdefault(visitor, _Line())
        if line.requests > WAITING:
            raise busy
        line.requests += 1
        try:
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    await line.free.acquire()
            except TimeoutError:
                raise busy from None
            try:
                yield
            finally:
                line.free.release()
        finally:
            line.requests -= 1
            if not line.requests:
                del self._lines[visitor]


class Budget:
    """The memory for JSON that is being received."""

    def __init__(self, total: int = ALL_BYTES, each: int = VISITOR_BYTES):
        self.total, self.each = total, each
        self.used: Counter[str] = Counter()

    def take(self, visitor: str, size: int) -> None:
        """Raises Refused: 429 where this visitor is receiving too much, 503 where all together are."""
        for status, limit, used in ((429, self.each, self.used[visitor]), (503, self.total, self.used.total())):
            if used + size > limit:
                message = "too many long requests are being received: try again in a moment"
                raise Refused(
                    status, message, "長いリクエストが集中しています。少し待ってからもう一度お試しください。", close=True, wait=5
                )
        self.used[visitor] += size

    def give(self, visitor: str, size: int) -> None:
        self.used[visitor] -= size
        if not self.used[visitor]:
            del self.used[visitor]


class Body:
    """The body of one request as it arrives: `next` returns its messages.

    Args:
        limit: its largest size (bytes).
    """

    def __init__(self, receive: Receive, limit: int):
        self._receive, self._limit = receive, limit
        self._start = time.monotonic()
        self.size = 0
        self.complete = False

    async def next(self) -> Message:
        """Raises Refused (408, 413)."""
        if self.complete:
            return await self._receive()
        enough_until = self._start + GRACE_SECONDS + self.size / BYTES_A_SECOND
        try:
            async with asyncio.timeout(max(0.0, min(SILENCE_SECONDS, enough_until - time.monotonic()))):
                message = await self._receive()
        except TimeoutError:
            raise Refused.too_slow() from None
        if message["type"] == "http.request":
            self.size += len(message.get("body", b""))
            self.complete = not message.get("more_body", False)
            if self.size > self._limit:
                raise Refused.too_large(self._limit)
        return message


async def read_all(receive: Receive, limit: int, budget: Budget, visitor: str) -> bytes:
    """The whole body. Raises Refused (408, 413, 429, 503), and Gone where the client has closed the connection."""
    body, parts, counted = Body(receive, limit), bytearray(), 0
    try:
        while not body.complete:
            message = await body.next()
            if message["type"] != "http.request":
                raise Gone
            if more := max(0, body.size - UNCOUNTED_BYTES) - counted:
                budget.take(visitor, more)
                counted += more
            parts += message.get("body", b"")
        return bytes(parts)
    finally:
        if counted:
            budget.give(visitor, counted)


async def stream(app: ASGIApp, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
    """Let `app` read the body, which is not stored here. Raises Refused (408, 413) where the body is too slow or too large."""
    body, refused = Body(receive, limit), None

    async def receive_bounded() -> Message:
        nonlocal refused
        if refused is None:
            try:
                return await body.next()
            except Refused as error:
                refused = error
        return {"type": "http.disconnect"}

    async def send_unless_refused(message: Message) -> None:
        if refused is None:
            await send(message)

    await app(scope, receive_bounded, send_unless_refused)
    if refused is not None:
        raise refused


async def discard(receive: Receive) -> None:
    """Read on for a moment, and keep nothing."""
    size = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while size < LINGER_BYTES:
                message = await receive()
                size += len(message.get("body", b""))
                if not message.get("more_body", False):
                    break


def check_json(body: bytes, functions: frozenset[tuple[int, str]] = frozenset()) -> dict[str, Any]:
    """Check the body of a call, before Gradio reads it with the same parser. Returns its content.

    Args:
        functions: the (component_id, fn_name) that may be called, for the route of such calls.

    Raises:
        Refused: it is no JSON object, has too many values, is nested too deeply, names a session that is no short name, or a
            file: Gradio would fetch the URL, or open the path, that a `gradio.FileData` gives anywhere inside a parameter.
    """
    try:
        text = body.decode("utf-8", "surrogatepass")  # of UTF-16, which Python's parser takes too, nothing could be counted
        _check_size(body)
        long = b"0" * (DIGITS + 1) in body.translate(ZEROS)  # perhaps in a string only; the look at each number is slow
        given = json.loads(text, parse_int=_short_int if long else None)
    except (ValueError, RecursionError):
        raise Refused.bad("the body is not JSON") from None
    if not isinstance(given, dict):
        raise Refused.bad("the body is not a JSON object")
    for name in ("session_hash", "event_id"):
        if given.get(name) is not None and not (isinstance(given[name], str) and SESSION.fullmatch(given[name])):
            raise Refused.bad(f"{name}: use up to 64 letters, digits, - and _")
    if functions and (given.get("component_id"), given.get("fn_name")) not in functions:
        raise Refused(404, "not found", "見つかりません。")
    level: list[Any] = [given]
    for _ in range(DEPTH):
        if not level:
            return given
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                if "gradio" in str(item.get("_type", ""))[:20] or {"path", "meta"} <= item.keys():
                    raise Refused.bad("files cannot be named here", "ここではファイルを指定できません。")
                item = item.values()
            below += [value for value in item if isinstance(value, dict | list)]
        level = below
    raise Refused.bad(f"the body is nested more than {DEPTH} levels deep")


def _short_int(digits: str) -> int:
    if len(digits) > DIGITS:
        raise ValueError
    return int(digits)


def _check_size(body: bytes) -> None:
    """Raises Refused: too many values, lists or objects. They are counted before they are parsed: 4 MB of "[]" take seconds."""
    if body.count(b",") <= VALUES and body.count(b"[") + body.count(b"{") <= LISTS:
        return  # commas and brackets in strings included
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"")  # without the quotes that end no string
    if plain.count(b'"') <= 4 * VALUES:
        outside = b"".join(plain.split(b'"')[::2])
        if outside.count(b",") <= VALUES and outside.count(b"[") + outside.count(b"{") <= LISTS:
            return
    raise Refused(
        413,
        f"the request has more than {VALUES:,} values, or {LISTS:,} lists and objects",
        f"リクエストに含められるのは、値 {VALUES:,} 個、リストとオブジェクト {LISTS:,} 個までです。",
    )
