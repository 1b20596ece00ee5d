"""Section of the tokenizer lab: Why the text is cut where it is."""

from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from neoxjp.ui.session import Playground


@dataclass(frozen=True)
class Why:
    """The components of the section."""

    linked: dict[str, Any] = field(default_factory=dict)  # what a link restores: a short name and its component


def build(playground: Playground) -> Why:
    """Draw the section."""
    return Why()


def connect(section: Why, playground: Playground, text: gr.Textbox, due: gr.Number) -> None:
    """Wire the events. `text` is the text above; `due` changes whenever the section must draw anew."""


def endpoints(playground: Playground) -> None:
    """The section's actions as API."""
