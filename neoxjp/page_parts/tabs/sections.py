"""The labs of a tab: one section per feature, each in an inner tab of its own.

A section is a module with a class `Section`, its components, and `connect`. It is updated at the `change` event of `due`, its
heading, and that comes only while its tab is open: sections that nobody looks at cost nothing while one types.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files
from typing import Any

import gradio as gr

from neoxjp.page_parts.events import QUIET, announcing
from neoxjp.page_parts.session.playground import Playground

Sections = Mapping[str, Any]  # a key and the module of the section; the first is open at the start


@dataclass(frozen=True)
class Lab:
    """The components of a lab."""

    tabs: gr.Tabs
    tab: dict[str, gr.Tab]
    sections: dict[str, Any]  # the `Section` of each
    due: dict[str, gr.HTML]  # the headings: `change` is the event that the section must be updated
    open: gr.State  # the key of the open section

    def update(self, key: str) -> dict[Any, Any]:
        """The value that makes a section update itself."""
        return {self.due[key]: gr.HTML(changed=time.time())}


def script(name: str) -> str:
    """A script of this folder, for `js_on_load`: `script("walk.js")`."""
    return (files("neoxjp.page_parts") / name).read_text(encoding="utf-8")


def build(playground: Playground, modules: Sections, elem_id: str) -> Lab:
    """Make the tabs, and in each the heading and the components of a section. `INTRO` of a module has values for the heading."""
    tab, sections, due = {}, {}, {}
    first = next(iter(modules))
    with gr.Tabs(selected=first, elem_id=elem_id, elem_classes="lab", overflow_behavior="wrap") as tabs:
        for key, section in modules.items():
            strings = import_module(f"{section.__name__.removesuffix('.section')}.strings").strings
            with gr.Tab(strings.label(f"{key}_tab"), id=key, render_children=True, elem_id=f"lab-{key}") as tab[key]:
                title, intro = strings.both(f"{key}_title"), strings.both(f"{key}_intro", **getattr(section, "INTRO", {}))
                due[key] = announcing("change", f"<h2>{title}</h2><p>{intro}</p>", elem_classes="section")
                sections[key] = section.Section(playground)
    return Lab(tabs, tab, sections, due, gr.State(first))


def connect(lab: Lab, modules: Sections, playground: Playground, source: Any, *shown: Any) -> None:
    """Wire the events.

    Args:
        source: what the sections work on: the text field of the Tokens tab, or the Generate tab itself.
        shown: the events after which the open section is updated.
    """
    for event in shown:
        event.then(lab.update, lab.open, list(lab.due.values()), **QUIET)
    for key, tab in lab.tab.items():
        tab.select(lambda key=key: {lab.open: key} | lab.update(key), None, [lab.open, lab.due[key]], **QUIET)
    for key, section in modules.items():
        section.connect(lab.sections[key], playground, source, lab.due[key])
