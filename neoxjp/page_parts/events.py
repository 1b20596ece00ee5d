"""Options and helpers for Gradio events."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""A short handler: it starts at once, without a progress bar."""

STREAMED: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
"""A long handler that yields: as many at a time as there are visitors, because the engine has a queue of its own."""

READING: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": 2, "concurrency_id": "lab"}
"""A handler that runs the model over a text for a section: two of them at a time, in whichever sections."""

BROWSER: dict[str, Any] = {"api_visibility": "private"}
"""A handler in JavaScript only."""


def announcing(event: str, value: str = "", **more: Any) -> gr.HTML:
    """HTML with an event of its own: it comes whenever a handler gives the component another number, `gr.HTML(changed=3)`."""
    script = f"neoxjp.announce(watch, trigger, '{event}', element)"
    return gr.HTML(value, apply_default_css=False, changed=0, js_on_load=script, **more)


def latest(triggers: Sequence[Any], function: Callable[..., Any], inputs: Any = None, outputs: Any = None) -> Any:
    """Answer events with the state of the page after the last of them, as `trigger_mode="always_last"` does.

    This is safe beside other listeners of the same event. Gradio's browser part (6.31, `dispatch`) sends the whole event again
    once an "always_last" listener that was triggered meanwhile has answered: two of them on one event trigger each other for
    ever. After a first step in the browser, only this listener is called again. A `change` is "always_last" by default.
    """
    heard = gr.on(list(triggers), None, None, None, js="() => []", **BROWSER)
    return heard.then(function, inputs, outputs, trigger_mode="always_last", concurrency_limit=None, **QUIET)
