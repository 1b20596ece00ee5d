"""The page's HTML and its config, made once for all visitors instead of for each.

Gradio (6.31) copies the whole config for every request: a tenth of a second of Python for each visitor who opens the page, while
the others' texts wait. The answers differ only by the address under which the page was asked for, and, where the page has users,
by who has signed in.

HEAD makes no page: with it Gradio checks at its start whether the page is there, and gives up after three seconds. On a machine
that is loading a model, making the page may take longer.
"""

import asyncio
from collections import OrderedDict
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from neoxjp.gateway.gate import route_path

ADDRESSES = 16  # answers that are kept: few names, a few encodings
LARGEST = 8 * 2**20  # bytes of a body that is kept
BY_ADDRESS = (b"host", b"x-forwarded-host", b"x-forwarded-proto", b"x-gradio-server", b"accept-encoding")
BY_USER = {b"cookie", b"authorization"}
BY_ORIGIN = b"origin"  # Gradio names it in the answer
INFO = "/gradio_api/info"
PATHS = ("/", "/config", INFO, "/gradio_api/openapi.json")
AT_ONCE = 2  # pages that are made at the same time

Key = tuple[object, ...]
Answer = tuple[Message, bytes]  # its start, and its body
HEAD: Answer = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html; charset=utf-8")]}, b""


class AnswerCache:
    """ASGI layer: the answers to `paths` are kept, but for those with an error.

    by_user: what a request gets depends on who has signed in: it is kept for requests without a cookie or a password only.
    """

    def __init__(self, app: ASGIApp, paths: tuple[str, ...] = PATHS, by_user: bool = True):
        self.app, self.paths, self.by_user = app, paths, by_user
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._kept: OrderedDict[Key, Answer] = OrderedDict()
        self._making: dict[Key, asyncio.Lock] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = (route_path(scope).rstrip("/") or "/") if scope["type"] == "http" else ""
        if path not in self.paths or scope["method"] not in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return
        if path == INFO:  # without a page, Gradio (6.31) gives everybody what it has made for the address of the first
            all_of_them = b"&all_endpoints=true" if b"all_endpoints" in scope["query_string"] else b""
            scope = {**scope, "query_string": b"page=" + all_of_them}
        key = self._key(scope)
        answer = None if key is None else self._kept.get(key)
        if scope["method"] == "HEAD":
            answer = HEAD
        elif key is None:
            answer = await self._make(scope, receive)
        elif answer is None:
            async with self._making.setdefault(key, asyncio.Lock()):  # a hundred who come at once wait for one
                try:
                    answer = self._kept.get(key) or self._keep(key, await self._make(scope, receive))
                finally:
                    self._making.pop(key, None)
        else:
            self._kept.move_to_end(key)
        start, body = answer
        await send({**start, "headers": list(start["headers"])})
        await send({"type": "http.response.body", "body": body})

    def _key(self, scope: Scope) -> Key | None:
        """What the answer depends on; None: it is not kept. The query is for the script in the browser."""
        names = {name for name, _ in scope["headers"]}
        if (self.by_user and BY_USER & names) or BY_ORIGIN in names:
            return None
        address = tuple((name, value) for name, value in scope["headers"] if name in BY_ADDRESS)  # one may come twice
        server = tuple(scope.get("server") or ())
        info = scope["query_string"] if route_path(scope).rstrip("/") == INFO else b""
        return scope["method"], scope["scheme"], server, scope.get("root_path", ""), scope["path"].rstrip("/"), info, address

    async def _make(self, scope: Scope, receive: Receive) -> Answer:
        start, body = dict[str, Any](), list[bytes]()

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                body.append(message.get("body", b""))

        async with self._turns:
            await self.app(scope, receive, note)
        return start, b"".join(body)

    def _keep(self, key: Key, answer: Answer) -> Answer:
        if answer[0]["status"] == 200 and len(answer[1]) <= LARGEST:
            self._kept[key] = answer
            if len(self._kept) > ADDRESSES:
                self._kept.popitem(last=False)
        return answer
