"""The components of the Generate tab, and what a frame of a generation changes on them. ui/generate.py draws and wires them."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from neoxjp.labs.branches.files import LARGEST_MEMO, to_json
from neoxjp.labs.common import html as render
from neoxjp.page_parts import links, sections
from neoxjp.page_parts.settings import Settings
from neoxjp.page_parts.writing import Frame, Writing
from neoxjp.sampling import Option


@dataclass(frozen=True)
class GenerateTab:
    """The components of the tab."""

    writing: gr.State
    prompt: gr.Textbox
    count: gr.HTML
    examples: dict[str, gr.Button]
    go: gr.Button
    stop: gr.Button
    more: gr.Button
    step: gr.Button
    again: gr.Button
    undo: gr.Button
    redo: gr.Button
    recall: gr.Button
    memo: gr.BrowserState
    line: gr.HTML
    announce: gr.HTML
    view: gr.HTML
    presets: dict[str, gr.Button]
    options: tuple[Option, ...]
    controls: dict[str, Any]  # a slider or a text field for each option, by its name
    dice: gr.Button  # fills in a new seed
    cut: gr.Checkbox
    link: links.Link
    stats: gr.HTML
    lab: sections.Lab

    @property
    def settings(self) -> list[Any]:
        """The inputs that make a `Settings`: see `settings_of`."""
        return [*self.controls.values(), self.cut]

    def settings_of(self, values: Sequence[Any]) -> Settings:
        """What the values of these inputs say."""
        return Settings.of(values, self.options)

    @property
    def up_to_context(self) -> list[Any]:
        """The sliders that end at the context of the model."""
        return [self.controls[option.name] for option in self.options if option.up_to_context]

    def linked(self, tabs: gr.Tabs) -> links.Linked:
        """What a link to this tab restores; `tabs` are those of the page."""
        own = {**self.controls, "cut": self.cut}
        growing = [slider for section in self.lab.sections.values() for slider in getattr(section, "growing", ())]
        return links.Linked("generate", tabs, self.prompt, self.lab, own, (*self.up_to_context, *growing))

    @property
    def shown(self) -> list[Any]:
        """What a frame changes, in the order of `updates`."""
        buttons = [self.go, self.stop, self.more, self.step, self.again, self.undo, self.redo, self.recall]
        return [self.line, self.view, self.stats, self.announce, *buttons, self.memo]


def updates(frame: Frame, writing: Writing) -> list[Any]:
    """A frame as values for `GenerateTab.shown`.

    The buttons come with every frame: where two frames reach the browser in one packet and the second skips a button, Gradio
    forgets what the first said of it.
    """
    idle, text = not frame.running, writing.text is not None

    def button(on: bool) -> Any:
        return gr.Button(interactive=on)

    def or_skip(value: str | None) -> Any:
        return gr.skip() if value is None else value

    more, history = button(idle and text), writing.history
    back, forth = button(idle and bool(history.past)), button(idle and bool(history.future))
    buttons = [button(idle), button(not idle), more, button(idle), more, back, forth]
    kept = to_json(writing.tree, LARGEST_MEMO) if idle and text else gr.skip()
    gone = gr.Button(visible=False) if frame.running or text else gr.skip()
    told = None if frame.announce is None else escape(render.whole(frame.announce))
    return [frame.line, or_skip(frame.view), or_skip(frame.stats), or_skip(told), *buttons, gone, kept]
