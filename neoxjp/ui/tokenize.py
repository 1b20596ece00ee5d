"""The Tokenize tab."""

from dataclasses import dataclass

import gradio as gr

from neoxjp.ui.session import Playground
from neoxjp.ui.strings import both


@dataclass(frozen=True)
class TokenizeTab:
    """The components of the tab."""

    view: gr.HTML


def build(playground: Playground) -> TokenizeTab:
    """Draw the tab."""
    return TokenizeTab(view=gr.HTML(both("wait_model"), apply_default_css=False))


def connect(tab: TokenizeTab, playground: Playground, changed: gr.State) -> None:
    """Wire the events. `changed` changes when another model was loaded;"""
