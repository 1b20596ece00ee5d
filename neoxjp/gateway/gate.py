"""The gate: a pure ASGI layer in front of the whole application. It knows no Gradio.

It answers itself where a request has no row in the table (404), is meant for another host (421), comes from a page of another
site (403, for some rows), has a long query (414), or a body that is too large (413), too slow (408), no JSON, or names a file
(400). It does not hold answers back: streams pass through.
"""

import json
import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Protocol
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from neoxjp.engine import Visitor
from neoxjp.errors import language_of
from neoxjp.gateway.bodies import NO_SESSION, Budget, Gone, Refused, Turns, check_json, discard, read_all, stream
from neoxjp.gateway.routes import Row
from neoxjp.page_parts.session.visitors import visitor_of

QUERY = {"session_hash": 64}  # names in a query that become keys of a session, and their longest value
FORBIDDEN_QUERY = {"deep_link", "page"}  # what another visitor has stored; a page that would be made for each request
QUERY_BYTES = 8_000  # of a query: a link has 4,096 characters; Gradio (6.31) takes half a second for 64 kB
NOT_SHARED = (b"cache-control", b"private, no-cache")  # the page names the address it was asked for: for this visitor only
LOGINS, LOGIN_SECONDS, LOGIN_ADDRESSES = 20, 60.0, 10_000  # wrong passwords that an address may try within so many seconds


class Operated(Protocol):
    """What the gate needs of `Operations`."""

    answering: int

    def answered(self, method: str, path: str, status: int, seconds: float, address: str) -> None: ...
    def paused(self, visitor: Visitor) -> float: ...


class Gate:
    """`Gate(app, rows, headers)` answers for `app` what the rows list.

    Args:
        rows: the table of routes.
        headers: (name, value) that each answer gets.
        hosts: the only names in the Host header that are answered; None: any name.
        operations: called for each failed request and each request to our routes (health apart); says which addresses must pause.
        answer: from a request that the gate refuses to what its sender gets.
        admit: raises Refused for a request, of this row, whose sender may not make it.
    """

    def __init__(
        self,
        app: ASGIApp,
        rows: Iterable[Row],
        headers: list[tuple[bytes, bytes]],
        hosts: frozenset[str] | None = None,
        operations: Operated | None = None,
        answer: Callable[[Scope, Refused], Response] | None = None,
        admit: Callable[[Scope, Row], None] | None = None,
    ):
        self.app, self.rows, self.headers, self.hosts, self.operations = app, tuple(rows), headers, hosts, operations
        self._response, self._admit = answer or _response, admit
        self.uploads, self.budget, self.logins = Turns(), Budget(), Logins()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        else:  # the page has no web sockets
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        names, began = {name for name, _ in self.headers}, time.monotonic()
        started, status = False, 0
        row, allowed = self._row(scope)

        async def send_with_headers(message: Message) -> None:
            nonlocal started, status
            if message["type"] == "http.response.start":
                started, status = True, message["status"]
                message = {**message, "headers": [h for h in message.get("headers", ()) if h[0].lower() not in names]}
                message["headers"] += self.headers
                if row is not None and not row.shared and not any(h[0].lower() == b"cache-control" for h in message["headers"]):
                    message["headers"].append(NOT_SHARED)
            await send(message)

        counted = self.operations if row is not None and allowed and scope["method"] == "POST" else None
        if counted is not None:
            counted.answering += 1
        try:
            await self._answer(row if allowed else None, scope, receive, send_with_headers)
        except Gone:
            pass
        except RuntimeError as error:
            # Gradio (6.31) raises it again after the stream that tells of an event or a session that is not there.
            if not (started and isinstance(error.__cause__, HTTPException)):
                raise
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except Refused as refused:
            if not started:
                if refused.close:
                    await discard(receive)
                await self._response(scope, refused)(scope, receive, send_with_headers)
        finally:
            if counted is not None:
                counted.answering -= 1
            self._report(row, scope, status, time.monotonic() - began)

    def _report(self, row: Row | None, scope: Scope, status: int, seconds: float) -> None:
        """Tell the log; a path of the visitor's own choice is not repeated. Status 0: the connection ended before an answer."""
        if self.operations is None:
            return
        ours = row is not None and row.endpoint is not None and row.logged and not row.open
        if ours or not 200 <= status < 400:
            method = scope["method"] if row else "-"
            self.operations.answered(method, row.path if row else "-", status, seconds, (scope.get("client") or ("",))[0])

    async def _answer(self, row: Row | None, scope: Scope, receive: Receive, send: Send) -> None:
        _check_framing(scope)
        self._check_host(scope)
        if row is None:
            raise Refused(404, "not found", "見つかりません。")
        if self._admit is not None:
            self._admit(scope, row)
        who = visitor_of((scope.get("client") or ("",))[0])
        visitor = who.address
        if row.generates and self.operations is not None and (seconds := self.operations.paused(who)):
            raise Refused(
                429,
                "the queue is full, and you were refused a moment ago: try again later",
                "混み合っているため、しばらく待ってからもう一度お試しください。",
                close=True,
                wait=math.ceil(seconds),
            )
        _check_query(scope)
        if from_another_site(Headers(scope=scope), row.own):
            scope = _without_login(scope, row)
        bodiless = row.body == "none" or scope["method"] == "OPTIONS"
        _check_length(scope, 0 if bodiless else row.limit)
        if bodiless:
            await self.app(scope, receive, send)
        elif row.body == "json":
            body = await read_all(receive, row.limit, self.budget, visitor)
            given = check_json(body, row.functions)
            if row.session and given.get("session_hash") is None:
                body = json.dumps(given | {"session_hash": NO_SESSION}).encode()
            await self.app(scope, _replayed(body, receive), send)
        elif row.body == "file":
            async with self.uploads.turn(visitor):
                await stream(self.app, scope, receive, send, row.limit)
        else:
            await stream(self.app, scope, receive, self.logins.counted(visitor, send), row.limit)

    def _check_host(self, scope: Scope) -> None:
        if self.hosts is None:
            return
        name = host_name(Headers(scope=scope).get("host", ""))
        if name not in self.hosts:
            raise Refused(
                421,
                "this page answers only on this machine: start it with --allowed-host NAME to give it another name",
                "このページはこのコンピューターからだけ利用できます。別の名前で公開するには --allowed-host で指定してください。",
            )

    def _row(self, scope: Scope) -> tuple[Row | None, bool]:
        """The row of the path, and whether it has the method: of several rows, one that has it."""
        path, method = route_path(scope), scope["method"]
        if method == "OPTIONS":  # a browser asks whether a page of another site may call; Gradio answers
            method = Headers(scope=scope).get("access-control-request-method", "")
        found = [row for row in self.rows if row.answers(path)]
        row = next((row for row in found if method in row.methods), None)
        return (row, True) if row else (next(iter(found), None), False)


def route_path(scope: Scope) -> str:
    """The path below the place where the application is mounted, as Starlette's router sees it."""
    path, root = scope["path"], scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(root) and path[len(root) :][:1] in ("", "/") else path


def allowed_hosts(host: str | None, more: Iterable[str] = ()) -> frozenset[str] | None:
    """The names in the Host header that a server on this address answers; None (any name) unless only this machine reaches it.

    Otherwise a page of another site could reach it from the visitor's browser, through a name of its own that resolves to
    127.0.0.1 (DNS rebinding).
    """
    bound = (host or os.environ.get("GRADIO_SERVER_NAME") or "127.0.0.1").strip("[]").lower()
    try:
        local = ip_address(bound).is_loopback
    except ValueError:
        local = bound == "localhost"
    return frozenset({"localhost", "127.0.0.1", "::1", bound, *(name.lower() for name in more)}) if local else None


def host_name(host: str) -> str:
    """The name in a Host header: "[::1]:7860" → "::1", "localhost:7860" → "localhost"."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return name.lower().rstrip(".")


def from_another_site(headers: Headers, own: bool = False) -> bool:
    """Whether a page of another site makes this request from its visitor's browser, in a way that can change or read anything.

    Only browsers send an Origin. A proxy may change the Host header, so what the browser says itself counts first.
    """
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is None:  # an image or a link: a request of a route that changes something has no business there
        return own and site in ("cross-site", "same-site")
    return site not in ("same-origin", "none") if site else origin.partition("://")[2].lower() != headers.get("host", "").lower()


def _without_login(scope: Scope, row: Row) -> Scope:
    """The same request of nobody in particular: Gradio (6.31) would let any site call with its visitor's cookies."""
    if row.own:
        raise Refused(403, "only the page itself may do this", "この操作はページの中からだけ行えます。")
    return {**scope, "headers": [header for header in scope["headers"] if header[0].lower() != b"cookie"]}


class Logins:
    """The last attempts to sign in that did not succeed, by address."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tried: dict[str, deque[float]] = {}

    def counted(self, visitor: str, send: Send) -> Send:
        """Count an attempt until its answer says that it has succeeded. Raises Refused: there were too many."""
        now, tried = self._clock(), self._tried.pop(visitor, deque[float]())
        while tried and tried[0] <= now - LOGIN_SECONDS:
            tried.popleft()
        self._tried[visitor] = tried  # the address that was seen last is at the end
        if len(self._tried) > LOGIN_ADDRESSES:
            del self._tried[next(iter(self._tried))]
        if len(tried) >= LOGINS:
            wait = max(1, round(tried[0] + LOGIN_SECONDS - now))
            sentence = f"too many attempts to sign in: try again in {wait} s"
            raise Refused(
                429, sentence, f"ログインの試行が多すぎます。{wait} 秒後にもう一度お試しください。", close=True, wait=wait
            )
        tried.append(now)

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200 and now in tried:
                tried.remove(now)
            await send(message)

        return send_counted


def _check_framing(scope: Scope) -> None:
    """Two lengths of one body (RFC 9112, 6.3): a proxy in front may go by the other one."""
    if {b"content-length", b"transfer-encoding"} <= {name.lower() for name, _ in scope["headers"]}:
        raise Refused(
            400,
            "the request has both Content-Length and Transfer-Encoding: send one of them",
            "Content-Length と Transfer-Encoding の両方が指定されています。どちらか一方にしてください。",
            close=True,
        )


def _check_query(scope: Scope) -> None:
    if len(scope.get("query_string", b"")) > QUERY_BYTES:
        raise Refused(
            414, f"the query is longer than {QUERY_BYTES:,} bytes", f"クエリーが {QUERY_BYTES:,} バイトを超えています。"
        )
    given = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    if FORBIDDEN_QUERY & given.keys():
        raise Refused(404, "not found", "見つかりません。")
    for name, longest in QUERY.items():
        if any(len(value) > longest for value in given.get(name, ())):
            raise Refused(400, f"{name} is longer than {longest} characters", f"{name} が {longest} 文字を超えています。")


def _check_length(scope: Scope, limit: int) -> None:
    length = Headers(scope=scope).get("content-length", "0")
    if not length.isdecimal() or len(length) > 15 or int(length) > limit:
        raise Refused.too_large(limit)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """`receive` for an application that has not seen the body yet."""
    first = True

    async def again() -> Message:
        nonlocal first
        if first:
            first = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return again


def _response(scope: Scope, refused: Refused) -> JSONResponse:
    japanese = language_of(Headers(scope=scope).get("accept-language", "")) == "ja"
    detail = refused.ja if japanese else refused.message
    content = {"error": refused.message, "ja": refused.ja, "detail": detail}
    headers = {"connection": "close"} if refused.close else {}
    if refused.wait:
        headers["retry-after"] = str(refused.wait)
    return JSONResponse(content, refused.status, headers)
