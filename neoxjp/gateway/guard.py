"""Put the gate in front of a Gradio page: of one that `launch` serves, and of one that is mounted in another application.

`app_kwargs={"middleware": …}` would not do: Gradio adds its own middleware outside of it. Here the gate is outside of everything.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI
from gradio.routes import App, ORJSONResponse
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from neoxjp.gateway.answer_cache import AnswerCache
from neoxjp.gateway.calls import HANDLERS
from neoxjp.gateway.first_script import FirstScript
from neoxjp.gateway.gate import Gate
from neoxjp.gateway.headers import SPACE_FRAMES, security_headers
from neoxjp.gateway.operations import Operations
from neoxjp.gateway.page_routes import OURS, table
from neoxjp.gateway.patience import Patience
from neoxjp.gateway.routes import Row
from neoxjp.page_parts.gradio_private import has_users, signed_in

SWITCHES: dict[str, Any] = {
    "ssr_mode": False,  # Spaces set GRADIO_SSR_MODE; a Node server would answer before the gate (CVE-2026-134825)
    "run_history": False,
    "enable_monitoring": False,
    "mcp_server": False,
    "show_error": False,  # messages of unexpected exceptions, which can name paths
    "max_file_size": 1,
    "footer_links": ["api"],
}
"""What `launch` and `gr.mount_gradio_app` are called with. Each has a default that comes from the environment or that is open."""


@dataclass(frozen=True)
class Guard:
    """How a page is guarded: for its table of routes, its names and its frames."""

    rows: tuple[Row, ...] = OURS  # routes of ours
    hosts: frozenset[str] | None = None  # the only names in the Host header; None: any
    shared: bool = False  # behind a gradio.live tunnel
    operations: Operations | None = None  # called for failed requests and for those to our routes; says who must pause
    script: str = ""  # runs in the browser before the page is drawn
    around: Callable[[ASGIApp], ASGIApp] | None = None  # from the guarded page to an application that answers more

    def before(self, stack: ASGIApp, app: App) -> ASGIApp:
        """The gate before Gradio's application `app`, whose layers are `stack`."""
        frames = SPACE_FRAMES if os.environ.get("SPACE_ID") else ()
        headers = security_headers(frames=frames, shared=self.shared)
        cache = AnswerCache(stack, by_user=has_users(app))
        gate = Gate(cache, table(app.get_blocks(), self.rows), headers, self.hosts, self.operations)
        return Patience(self.around(gate) if self.around else gate)

    def app_kwargs(self) -> dict[str, Any]:
        """Our routes, answers and script, for Gradio's application. The layers that Gradio adds later are outside of ours."""
        routes = [row.route(signed_in) for row in self.rows if row.endpoint is not None]
        return {
            "routes": routes,
            "exception_handlers": dict(HANDLERS),
            "middleware": [Middleware(FirstScript, script=self.script)] if self.script else [],
        }


class GuardedApp(App):
    """Gradio's application with the gate outside of its own middleware."""

    def __init__(self, guard: Guard, **more: Any):
        self.guard = guard
        super().__init__(**more)

    def build_middleware_stack(self) -> ASGIApp:
        """Starlette calls this once, before the first request."""
        return self.guard.before(super().build_middleware_stack(), self)


def guarded_app(guard: Guard) -> App:
    """The application for `blocks.launch(_app=…)`."""
    return GuardedApp(guard, default_response_class=ORJSONResponse, **guard.app_kwargs())


def guard_mounted(app: FastAPI, blocks: gr.Blocks, path: str, guard: Guard, **more: Any) -> None:
    """`gr.mount_gradio_app` with the gate in front of the page; the other routes of `app` stay as they are.

    Args:
        more: goes to `gr.mount_gradio_app`.
    """
    gr.mount_gradio_app(app, blocks, path, app_kwargs=guard.app_kwargs(), **more)
    mounted = app.routes[-1].app  # type: ignore[attr-defined]
    mounted.middleware_stack = guard.before(mounted.build_middleware_stack(), mounted)


@cache
def temporary_folder() -> str:
    """A folder of this process for Gradio's temporary files, deleted at the end. Call it before components are built."""
    folder = tempfile.mkdtemp(prefix="neoxjp-", dir=os.environ.get("GRADIO_TEMP_DIR"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["GRADIO_TEMP_DIR"] = folder
    return folder


def blocked_paths() -> list[str]:
    """What Gradio must never serve or copy: every file of this machine. Its own scripts and styles are not concerned."""
    return sorted({path.anchor for path in (Path.cwd(), Path.home(), Path(tempfile.gettempdir()))})
