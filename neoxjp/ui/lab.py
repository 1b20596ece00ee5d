"""The tokenizer lab, under the text of the Tokens tab: one section a question, each in a tab of its own.

A section is a file with `build`, `connect` and `endpoints`. It draws when its number `due` changes, and that changes only while
its tab is open: typing costs what one looks at.
"""

import time
from dataclasses import dataclass
from typing import Any

import gradio as gr

from neoxjp.ui import compare, corpus, lexicon, roundtrip, why
from neoxjp.ui.session import Playground
from neoxjp.ui.strings import label

SECTIONS: dict[str, Any] = {"matrix": compare, "why": why, "roundtrip": roundtrip, "lexicon": lexicon, "corpus": corpus}
FIRST = "matrix"


@dataclass(frozen=True)
class Lab:
    """The components of the lab."""

    tabs: gr.Tabs
    tab: dict[str, gr.Tab]
    sections: dict[str, Any]  # what each section's `build` gave
    due: dict[str, gr.Number]  # another number whenever that section must draw anew
    open: gr.State  # the key of the open section


def build(playground: Playground) -> Lab:
    """Draw the sections."""
    tab, sections, due = {}, {}, {}
    with gr.Tabs(selected=FIRST, elem_id="lab", overflow_behavior="wrap") as tabs:
        for key, section in SECTIONS.items():
            with gr.Tab(label(f"lab_{key}"), id=key, render_children=True, elem_id=f"lab-{key}") as tab[key]:
                sections[key] = section.build(playground)
                due[key] = gr.Number(0, visible="hidden")
    return Lab(tabs, tab, sections, due, gr.State(FIRST))


def connect(lab: Lab, playground: Playground, text: gr.Textbox, shown: Any) -> None:
    """Wire the events. `text` is the text above, `shown` the event behind which the open section is drawn anew."""
    silent: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    dues = list(lab.due.values())

    def ask(key: str) -> tuple[Any, ...]:
        return tuple(time.time() if key == name else gr.skip() for name in lab.due)

    shown.then(ask, lab.open, dues, **silent)
    for key, tab in lab.tab.items():
        tab.select(lambda key=key: (key, *ask(key)), None, [lab.open, *dues], **silent)
    for key, section in SECTIONS.items():
        section.connect(lab.sections[key], playground, text, lab.due[key])


def endpoints(playground: Playground) -> None:
    """The sections' actions as API."""
    for section in SECTIONS.values():
        section.endpoints(playground)
