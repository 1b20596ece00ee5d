"""Section of the tokenizer lab: What a text loses on its way to ids and back."""

from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from neoxjp.ui.session import Playground


@dataclass(frozen=True)
class Roundtrip:
    """The components of the section."""

    linked: dict[str, Any] = field(default_factory=dict)  # what a link restores: a short name and its component


def build(playground: Playground) -> Roundtrip:
    """Draw the section."""
    return Roundtrip()


def connect(section: Roundtrip, playground: Playground, text: gr.Textbox, due: gr.Number) -> None:
    """Wire the events. `text` is the text above; `due` changes whenever the section must draw anew."""


def endpoints(playground: Playground) -> None:
    """The section's actions as API."""
