"""The text that a section of the Generate tab works on."""

from typing import Any

import gradio as gr

from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.labs.common import html as render
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.strings import COMMON, Words
from neoxjp.page_parts.text.state import VisitorState

Source = tuple[int, tuple[int, ...]]
"""Which text a section shows: the serial of its model, and its ids."""


def ids_above(playground: Playground, writing: VisitorState) -> tuple[int, ...]:
    """The ids of the text above.

    Raises:
        ParameterError: there is none, or it belongs to another model.
    """
    loaded = playground.ready
    if writing.text is None or not writing.text.whole:
        raise COMMON.error(ParameterError, "generate_no_text")
    if writing.text.serial != loaded.serial:
        raise COMMON.error(ParameterError, "generate_other_model")
    return writing.text.ids


def source_above(playground: Playground, writing: VisitorState) -> Source | None:
    """The text above, to compare with later; None: there is none, or no model is loaded."""
    try:
        return playground.ready.serial, ids_above(playground, writing)
    except NeoxjpError:
        return None


def changed_notice(playground: Playground, writing: VisitorState, source: Source | None, t: Words, key: str) -> Any:
    """HTML of the notice `key` where a section shows another text than the one above, "" where it shows that one.

    Skips the output while a text is generated, and where the section shows no text from above (`source` is None).
    """
    if source is None or writing.running:
        return gr.skip()
    return "" if source_above(playground, writing) == source else render.notice(t(key))
