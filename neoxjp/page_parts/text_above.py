"""The text that a section of the Generate tab works on: the generated text, or the prompt where there is none yet."""

from typing import Any

import gradio as gr

from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.labs.common import html as render
from neoxjp.page_parts.answers import check_length
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.strings import COMMON, Words
from neoxjp.page_parts.texts import VisitorState

Source = tuple[int, tuple[int, ...]]
"""Which text a section shows: the serial of its model, and its ids."""


def ids_above(playground: Playground, writing: VisitorState, prompt: str) -> tuple[int, ...]:
    """The ids of the text above, or those of the prompt.

    Raises:
        ParameterError: there is neither, or another model generated the text.
    """
    loaded = playground.ready
    if writing.text is None:
        check_length(playground, prompt)
        if not prompt:
            raise COMMON.error(ParameterError, "generate_no_text")
        return tuple(loaded.tokenizer.encode(prompt))
    if writing.text.serial != loaded.serial:
        raise COMMON.error(ParameterError, "generate_other_model")
    return writing.text.ids


def source_above(playground: Playground, writing: VisitorState, prompt: str) -> Source | None:
    """The text above, to compare with later; None: there is none, or no model is loaded."""
    try:
        return playground.ready.serial, ids_above(playground, writing, prompt)
    except NeoxjpError:
        return None


def changed_notice(playground: Playground, writing: VisitorState, prompt: str, source: Source | None, t: Words, key: str) -> Any:
    """HTML of the notice `key` where a section shows another text than the one above, "" where it shows that one.

    Skips the output while a text is generated, and where the section shows no text from above (`source` is None).
    """
    if source is None or writing.running:
        return gr.skip()
    return "" if source_above(playground, writing, prompt) == source else render.notice(t(key))
