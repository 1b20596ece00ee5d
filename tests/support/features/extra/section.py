"""One field, which a link restores."""

from typing import Any

import gradio as gr

from neoxjp.page_parts.session.playground import Playground
from tests.support.features.extra.strings import strings as strings


class Section:
    def __init__(self, playground: Playground):
        self.field = gr.Textbox(label=strings.label("extra_field"), elem_id="extra-field")
        self.linked: dict[str, Any] = {"field": self.field}


def connect(section: Section, playground: Playground, tab: Any, due: gr.HTML) -> None:
    pass
