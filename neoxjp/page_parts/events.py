"""Listening to an event of the page beside other listeners."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


def latest(triggers: Sequence[Any], function: Callable[..., Any], inputs: Any = None, outputs: Any = None) -> Any:
    """Answer events by the state of the page behind the last of them, as `trigger_mode="always_last"` does.

    Safe beside other listeners. Where such a listener was asked again before it had answered, Gradio's browser part (6.31,
    `dispatch`) sends the whole event anew once the answer is there: two of them on one event wake each other for ever, some
    calls a second. Behind a step that is done in the browser, only this listener is asked again. A `change` is "always_last"
    unless told otherwise.
    """
    heard = gr.on(list(triggers), None, None, None, js="() => []", api_visibility="private")
    return heard.then(function, inputs, outputs, trigger_mode="always_last", concurrency_limit=None, **QUIET)
