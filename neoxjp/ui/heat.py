"""Section of the generation lab: A text coloured by what the model expected, and two texts against each other."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import gradio as gr

from neoxjp.ui.session import Playground

if TYPE_CHECKING:
    from neoxjp.ui.generate import GenerateTab


@dataclass(frozen=True)
class Heat:
    """The components of the section."""

    linked: dict[str, Any] = field(default_factory=dict)  # what a link restores: a short name and its component


def build(playground: Playground) -> Heat:
    """Draw the section."""
    return Heat()


def connect(section: Heat, playground: Playground, tab: "GenerateTab", due: gr.Number) -> None:
    """Wire the events. `tab` is the tab above; `due` changes whenever the section must draw anew."""


def endpoints(playground: Playground) -> None:
    """The section's actions as API."""
