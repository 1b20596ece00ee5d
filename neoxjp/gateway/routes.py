"""The table of routes: (methods, path, body) of each request that is answered. All other requests are 404.

What the browser page, gradio_client (6.31) and Gradio's own check at the start ask for is here, and our own routes. Not here, for
example: upload, file, deep_link, proxy, stream, monitoring, profiling, dev/reload, run-history, vibe-edit, custom_component.
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

import gradio as gr
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from neoxjp.page_parts import uploads
from neoxjp.page_parts.gradio_private import signed_in
from neoxjp.page_parts.token_editor import route

JSON_BYTES = 4_000_000  # of a call's body: a text of 1,000,000 characters is about 3 MB in UTF-8
SMALL_BYTES = 20_000  # of a body with a few names only
PARAMETERS = {"rest": r"[A-Za-z0-9_.@/-]{1,300}", "name": r"[A-Za-z0-9_.-]{1,100}", "session": r"[A-Za-z0-9_-]{1,64}"}


@dataclass(frozen=True)
class Row:
    """One row: `Row(("POST",), "/gradio_api/call/{name}", "json", 4_000_000)`."""

    methods: tuple[str, ...]
    path: str  # {name} and {session} are one segment, {rest} is the rest of the path
    body: Literal["none", "json", "form", "file"] = "none"
    limit: int = 0  # bytes of the body
    endpoint: Callable[[Request], Awaitable[Response]] | None = None  # of a route of ours; None: Gradio answers
    open: bool = False  # also for those who have not signed in, where a password is asked for
    own: bool = False  # not for pages of other sites in the visitor's browser
    shared: bool = False  # the same for everybody: caches may keep it
    session: bool = False  # a call that names no session gets `NO_SESSION`
    logged: bool = True  # also where all went well; every key that is pressed would be too much
    functions: frozenset[tuple[int, str]] = frozenset()  # (component_id, fn_name) that may be called; empty: no such check
    pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parts = re.split(r"\{(\w+)\}", self.path)
        pattern = "".join(PARAMETERS[part] if at % 2 else re.escape(part) for at, part in enumerate(parts))
        object.__setattr__(self, "pattern", re.compile(pattern if self.path == "/" else f"{pattern}/?", re.ASCII))

    def answers(self, path: str) -> bool:
        return self.pattern.fullmatch(path) is not None and ".." not in path and "//" not in path

    def route(self) -> Route:
        """The route that the application gets for an endpoint of ours."""
        assert self.endpoint is not None
        answer = self.endpoint

        async def for_users(request: Request) -> Response:
            if not self.open and not signed_in(request):
                return JSONResponse({"error": "sign in first", "ja": "先にログインしてください。"}, 401)
            return await answer(request)

        return Route(self.path, for_users, methods=list(self.methods))


GET, POST = ("GET",), ("POST",)
PAGE = (
    Row(("GET", "HEAD"), "/"),  # HEAD: launch asks whether the page is there
    Row(GET, "/config"),
    Row(GET, "/theme.css", shared=True),
    Row(GET, "/assets/{rest}", shared=True),
    Row(GET, "/static/{rest}", shared=True),
    Row(GET, "/favicon.ico", shared=True),
    Row(GET, "/robots.txt", shared=True),
    Row(GET, "/manifest.json"),
    Row(GET, "/gradio_api/startup-events"),  # launch's own check
    Row(GET, "/gradio_api/app_id"),  # the browser, after it lost the connection
    Row(GET, "/gradio_api/heartbeat/{session}"),
)
API = (
    Row(GET, "/gradio_api/info"),
    Row(GET, "/gradio_api/openapi.json"),
    Row(POST, "/gradio_api/queue/join", "json", JSON_BYTES),
    Row(GET, "/gradio_api/queue/data"),
    Row(POST, "/gradio_api/call/{name}", "json", JSON_BYTES),
    Row(GET, "/gradio_api/call/{name}/{session}"),
    Row(POST, "/gradio_api/call/v2/{name}", "json", JSON_BYTES),
    Row(GET, "/gradio_api/call/v2/{name}/{session}"),
    Row(POST, "/gradio_api/run/{name}", "json", JSON_BYTES, session=True),
    Row(POST, "/gradio_api/api/{name}", "json", JSON_BYTES, session=True),
    Row(POST, "/gradio_api/cancel", "json", SMALL_BYTES),
    Row(POST, "/gradio_api/reset", "json", SMALL_BYTES),
)
LOGIN = (Row(POST, "/login", "form", SMALL_BYTES, own=True), Row(GET, "/logout"))
UPLOAD = uploads.routes()[0].endpoint
OURS = (
    Row(POST, uploads.PATH, "file", uploads.MAX_BYTES, UPLOAD, own=True),
    Row(("DELETE",), uploads.PATH, endpoint=UPLOAD, own=True),
    Row(POST, route.PATH, "json", JSON_BYTES, route.answer, own=True, logged=False),
)


def table(blocks: gr.Blocks, ours: Iterable[Row] = OURS) -> tuple[Row, ...]:
    """All rows for this page. Login only where a password is asked for, `component_server` only for functions of ours."""
    functions = frozenset(
        (component._id, function.__name__)
        for component in blocks.blocks.values()
        if isinstance(component, gr.HTML)
        for function in component.server_fns
    )
    server = (Row(POST, "/gradio_api/component_server", "json", JSON_BYTES, functions=functions),) if functions else ()
    return (*PAGE, *API, *(LOGIN if blocks.auth else ()), *server, *ours)
