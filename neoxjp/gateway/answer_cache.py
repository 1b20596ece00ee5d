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
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from neoxjp.gateway.gate import route_path

ADDRESSES = 16  # answers that are kept: few names, a few encodings
LARGEST = 8 * 2**20  # bytes of a body that is kept
BY_ADDRESS = (b"host", b"x-forwarded-host", b"x-forwarded-proto", b"x-gradio-server", b"accept-encoding")
BY_USER = {b"cookie", b"authorization"}
BY_QUERY = {"page", "deep_link"}  # all other names are for the script in the browser

Key = tuple[object, ...]
Answer = tuple[Message, bytes]  # its start, and its body
HEAD: Answer = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html; charset=utf-8")]}, b""


class AnswerCache:
    """ASGI layer: the answers to `paths` are kept, but for those with an error.

    by_user: what a request gets depends on who has signed in: it is kept for requests without a cookie or a password only.
    """

    def __init__(self, app: ASGIApp, paths: tuple[str, ...] = ("/", "/config"), by_user: bool = True):
        self.app, self.paths, self.by_user = app, paths, by_user
        self._kept: OrderedDict[Key, Answer] = OrderedDict()
        self._making: dict[Key, asyncio.Lock] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = self._key(scope)
        if key is None:
            await self.app(scope, receive, send)
            return
        answer = self._kept.get(key)
        if scope["method"] == "HEAD":
            answer = HEAD
        elif answer is None:
            async with self._making.setdefault(key, asyncio.Lock()):  # a hundred who come at once wait for one
                try:
                    answer = self._kept.get(key) or await self._make(key, scope, receive)
                finally:
                    self._making.pop(key, None)
        else:
            self._kept.move_to_end(key)
        start, body = answer
        await send({**start, "headers": list(start["headers"])})
        await send({"type": "http.response.body", "body": body})

    def _key(self, scope: Scope) -> Key | None:
        """What the answer depends on; None: it is not kept."""
        if scope["type"] != "http" or route_path(scope) not in self.paths:
            return None
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if (self.by_user and BY_USER & {name for name, _ in scope["headers"]}) or BY_QUERY & query.keys():
            return None
        address = tuple((name, value) for name, value in scope["headers"] if name in BY_ADDRESS)  # one may come twice
        server = tuple(scope.get("server") or ())
        return scope["method"], scope["scheme"], server, scope.get("root_path", ""), scope["path"], address

    async def _make(self, key: Key, scope: Scope, receive: Receive) -> Answer:
        start, body = dict[str, Any](), list[bytes]()

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                body.append(message.get("body", b""))

        await self.app(scope, receive, note)
        answer = start, b"".join(body)
        if start["status"] == 200 and len(answer[1]) <= LARGEST:
            self._kept[key] = answer
            if len(self._kept) > ADDRESSES:
                self._kept.popitem(last=False)
        return answer
