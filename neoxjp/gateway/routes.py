"""One row of the table of routes: (methods, path, body) of requests that are answered. It knows no Gradio."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

PARAMETERS = {
    "rest": r"[A-Za-z0-9_.@/-]{1,300}",
    "name": r"[A-Za-z0-9_.-]{1,100}",
    "session": r"[A-Za-z0-9_-]{1,64}",
    "model": r"[^\x00-\x1f\x7f]{1,300}",  # a Hub id, or the name of a folder
}


@dataclass(frozen=True)
class Row:
    """One row: `Row(("POST",), "/gradio_api/call/{name}", "json", 4_000_000)`."""

    methods: tuple[str, ...]
    path: str  # {name} and {session} are one segment, {rest} and {model} are the rest of the path
    body: Literal["none", "json", "form", "file"] = "none"
    limit: int = 0  # bytes of the body
    endpoint: Callable[[Request], Awaitable[Response]] | None = None  # of a route of ours; None: the application answers
    open: bool = False  # also for those who have not signed in, where a password is asked for
    own: bool = False  # not for pages of other sites in the visitor's browser
    shared: bool = False  # the same for everybody: caches may keep it
    session: bool = False  # a call that names no session gets `NO_SESSION`
    logged: bool = True  # also where all went well; every key that is pressed would be too much
    functions: frozenset[tuple[int, str]] = frozenset()  # (component_id, fn_name) that may be called; empty: no such check
    generates: bool = False  # asks for a text: those whom a full queue has just refused are refused at once
    pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parts = re.split(r"\{(\w+)\}", self.path)
        pattern = "".join(PARAMETERS[part] if at % 2 else re.escape(part) for at, part in enumerate(parts))
        object.__setattr__(self, "pattern", re.compile(pattern if self.path == "/" else f"{pattern}/?", re.ASCII))

    def answers(self, path: str) -> bool:
        return self.pattern.fullmatch(path) is not None and ".." not in path and "//" not in path

    def route(self, signed_in: Callable[[Request], Awaitable[bool]]) -> Route:
        """The route that the application gets for an endpoint of ours. signed_in: whether the sender may use a closed one."""
        assert self.endpoint is not None
        answer = self.endpoint

        async def for_users(request: Request) -> Response:
            if not self.open and not await signed_in(request):
                return JSONResponse({"error": "sign in first", "ja": "先にログインしてください。"}, 401)
            return await answer(request)

        return Route(self.path, for_users, methods=list(self.methods))
