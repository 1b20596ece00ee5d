"""The Model tab."""

from dataclasses import dataclass

import gradio as gr

from neoxjp.ui.session import Playground
from neoxjp.ui.strings import both


@dataclass(frozen=True)
class ModelTab:
    """The components of the tab."""

    view: gr.HTML


def build(playground: Playground) -> ModelTab:
    """Draw the tab."""
    return ModelTab(view=gr.HTML(both("wait_model"), apply_default_css=False))


def connect(tab: ModelTab, playground: Playground, changed: gr.Number, status: gr.HTML) -> None:
    """Wire the events. `changed` changes when another model was loaded; `status` is the line in the page's head."""
