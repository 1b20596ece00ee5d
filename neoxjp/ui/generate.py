"""The Generate tab."""

from dataclasses import dataclass

import gradio as gr

from neoxjp.ui.session import Playground
from neoxjp.ui.strings import both


@dataclass(frozen=True)
class GenerateTab:
    """The components of the tab."""

    view: gr.HTML


def build(playground: Playground) -> GenerateTab:
    """Draw the tab."""
    return GenerateTab(view=gr.HTML(both("wait_model"), apply_default_css=False))


def connect(tab: GenerateTab, playground: Playground, changed: gr.Number, status: gr.HTML) -> None:
    """Wire the events. `changed` changes when another model was loaded; `status` is the line in the page's head."""
