"""The private names of Gradio that the page uses, a function each. tests/page_parts/test_gradio_private.py checks them (6.31)."""

import inspect
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, TypeVar

import gradio as gr
from gradio.context import Context, LocalContext
from gradio.routes import App
from starlette.requests import Request

from neoxjp.engine import ANYONE, Visitor
from neoxjp.page_parts.session.visitors import visitor_of

T = TypeVar("T")


def payload(event: gr.EventData) -> dict[str, Any]:
    """What a `gr.HTML` component sent: in the browser `trigger("apply", {at: 3})` → {"at": 3}. Empty where it sent nothing.

    `EventData` has an attribute for each name, but no public way to ask whether a name is there.
    """
    sent = event._data
    return sent if isinstance(sent, dict) else {}


def skip_matplotlib() -> None:
    """Gradio (6.31) imports matplotlib twice in each event: not installed, it cost 20 % of a busy page's time."""
    if "matplotlib" not in sys.modules and find_spec("matplotlib") is None:
        sys.modules["matplotlib"] = None  # type: ignore[assignment]  # an import then fails without a search


def current_page() -> gr.Blocks:
    """The page that is being built, for its `load` event."""
    page = Context.root_block
    if page is None:
        raise RuntimeError("no page is being built: call this inside `with gr.Blocks()`")
    return page


def current_visitor() -> Visitor:
    """Whose event the running handler answers; nobody in particular outside of one, as in a test or in a forked process."""
    request = LocalContext.request.get(None)
    if request is None:
        return ANYONE
    return visitor_of(request.client.host if request.client else None, request.session_hash)


def as_event(request: gr.Request, call: Callable[[], T]) -> T:
    """The result of `call()`, made as if it answered an event of this request: see `current_visitor`."""
    token = LocalContext.request.set(request)
    try:
        return call()
    finally:
        LocalContext.request.reset(token)


def session_state(app: Any, session: str, state: gr.State) -> Any:
    """What a `gr.State` holds for a session of this page. None: the page has no such session."""
    holder = app.state_holder
    return holder[session][state._id] if session in holder.session_data else None


def has_users(app: App) -> bool:
    """Whether what a request gets depends on who has signed in."""
    return app.auth is not None or app.auth_dependency is not None or app.get_blocks().expects_oauth


async def signed_in(request: Request) -> bool:
    """Whether the sender of a request to a route of ours may see the page: everybody where no password is asked for.

    Gradio (6.31) keeps the tokens of those who have signed in, and has no public function that looks one up.
    """
    app = request.app
    if app.auth_dependency is not None:
        user = app.auth_dependency(request)
        return bool(await user if inspect.isawaitable(user) else user)
    if app.auth is None:
        return True
    cookies = (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}")
    return any(request.cookies.get(name, "") in app.tokens for name in cookies)
