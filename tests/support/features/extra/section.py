"""One field, which a link restores."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from neoxjp.page_parts.session import Playground
from tests.support.features.extra.strings import strings as strings


@dataclass(frozen=True)
class Extra:
    field: gr.Textbox

    @property
    def linked(self) -> dict[str, Any]:
        return {"field": self.field}


def build(playground: Playground) -> Extra:
    return Extra(gr.Textbox(label=strings.label("extra_field"), elem_id="extra-field"))


def connect(section: Extra, playground: Playground, tab: Any, due: gr.HTML) -> None:
    pass
