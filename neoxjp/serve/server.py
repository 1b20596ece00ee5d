"""The server: what is in front of the routes, and uvicorn in a thread.

From outside to inside: an answer that nobody reads is given up, CORS, the gate (host, API key, table of routes, size of bodies),
the application.
"""

import os
import secrets
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.gateway import SEND_SECONDS, Gate, Operations, Patience, Refused, Row, allowed_hosts
from neoxjp.serve import connections
from neoxjp.serve.app import IGNORED_HEADER, ROWS, build_app
from neoxjp.serve.backend import Backend
from neoxjp.serve.errors import refusal

START_SECONDS, STOP_SECONDS = 30.0, 5.0
KEY_CHARACTERS = 8  # the shortest API key
HEADERS = [(b"x-content-type-options", b"nosniff"), (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")]


@dataclass(frozen=True)
class Access:
    """Who may use the server."""

    key: str | None = None  # the API key; None: everybody
    origins: tuple[str, ...] = ()  # whose pages a browser lets read the answers; "*": all
    hosts: frozenset[str] | None = None  # the only names in the Host header; None: any

    def __post_init__(self) -> None:
        if self.key is not None and (len(self.key) < KEY_CHARACTERS or not self.key.isascii() or not self.key.isprintable()):
            raise ParameterError(f"--api-key must have at least {KEY_CHARACTERS} ASCII characters; it has {len(self.key)}")
        for origin in self.origins:
            if origin != "*" and (not origin.startswith(("http://", "https://")) or origin.count("/") != 2):
                raise ParameterError(f"--cors {origin!r} is no origin: write * or for example http://localhost:3000")

    def admit(self, scope: Scope, row: Row) -> None:
        """Raises Refused (401): the API key is missing or wrong."""
        if self.key is None or row.open or scope["method"] == "OPTIONS":
            return
        scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secrets.compare_digest(given.strip().encode(), self.key.encode()):
            found = "it is wrong" if given else "there is none"
            raise Refused(401, f"send the API key as `Authorization: Bearer KEY`: {found}", "", close=True)


def server_app(
    backend: Backend,
    access: Access,
    operations: Operations | None = None,
    *,
    rows: Sequence[Row] = (),
    beside_page: bool = False,
) -> tuple[ASGIApp, tuple[Row, ...]]:
    """The complete application for uvicorn, and its table of routes.

    Args:
        operations: adds /healthz, /readyz, /health and /metrics.
        rows: more routes, with their endpoints.
        beside_page: the page answers all of these but /health.
    """
    own = (*(operations.rows(page=not beside_page, health=True) if operations else ()), *rows)
    routes = [row.route(_everybody) for row in own]
    app: ASGIApp = build_app(backend, trusted=access.key is not None, routes=routes)
    table = (*ROWS, *own)
    app = Gate(app, table, HEADERS, access.hosts, operations, answer=refusal, admit=access.admit)
    if access.origins:
        app = CORSMiddleware(
            app,
            allow_origins=access.origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=["Retry-After", IGNORED_HEADER],
            max_age=3600,
        )
    return Patience(app), table


async def _everybody(request: Request) -> bool:
    """Whether a sender may use a route: who may is decided before, by the API key."""
    return True


class Beside:
    """Two applications at one address: `first` answers what its rows list, `second` all else.

    Args:
        rows: the table of `first`.
    """

    def __init__(self, first: ASGIApp, rows: Iterable[Row], second: ASGIApp):
        self.first, self.rows, self.second = first, tuple(rows), second

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        mine = scope["type"] == "http" and any(row.answers(scope["path"]) for row in self.rows)
        await (self.first if mine else self.second)(scope, receive, send)


@contextmanager
def running(app: ASGIApp, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve an application in a thread until the block ends; gives its address. Port 0: a free one.

    Raises:
        ParameterError: the address cannot be used.
    """
    listener = _listen(host, port)
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        limit_concurrency=connections.CONNECTIONS,
        http=connections.BoundedProtocol,
        timeout_graceful_shutdown=1,
        server_header=False,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), name="neoxjp-serve", daemon=True)
    thread.start()
    deadline = time.monotonic() + START_SECONDS
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    if not server.started:
        raise NeoxjpError(f"the server at {host}:{port} did not start")
    name, found = listener.getsockname()[:2]
    try:
        yield f"http://{f'[{name}]' if ':' in name else name}:{found}"
    finally:
        server.should_exit = True
        thread.join(STOP_SECONDS)
        listener.close()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family, backlog=512)
    except (OSError, OverflowError) as error:
        number = getattr(error, "errno", None) or 0
        reason = os.strerror(number) if number > 0 else error
        raise ParameterError(f"cannot listen on {host}:{port}: {reason}; choose another --port or --host") from error
    listener.setblocking(False)
    # Connections inherit it. asyncio sets it only for sockets whose protocol is given, and an answer in two parts took 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux: else a closed connection whose peer reads nothing keeps its answer for ever
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * SEND_SECONDS))
    return listener


def access_of(host: str, names: Sequence[str], key: str | None, origins: Sequence[str]) -> Access:
    """Who may use a server that listens on `host`, from the options of the command line."""
    return Access(key, tuple(origins), allowed_hosts(host, names))
