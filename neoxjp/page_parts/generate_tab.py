"""The components of the Generate tab, and how a frame of a generation changes them. ui/generate.py builds and connects them."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from neoxjp.labs.branches.files import LARGEST_MEMO, to_json
from neoxjp.labs.common import html as render
from neoxjp.page_parts import links, sections
from neoxjp.page_parts.settings import Settings
from neoxjp.page_parts.texts import VisitorState
from neoxjp.page_parts.writing import Frame
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
        """The components that a link to this tab restores; `tabs` are those of the page."""
        own = {**self.controls, "cut": self.cut}
        growing = [slider for section in self.lab.sections.values() for slider in getattr(section, "growing", ())]
        return links.Linked("generate", tabs, self.prompt, self.lab, own, (*self.up_to_context, *growing))

    @property
    def shown(self) -> list[Any]:
        """The components that `updates` changes, the prompt excepted."""
        buttons = [self.go, self.stop, self.more, self.step, self.again, self.undo, self.redo, self.recall]
        return [self.line, self.view, self.stats, self.announce, *buttons, self.memo]

    def updates(self, frame: Frame, writing: VisitorState, *, prompt: bool = False) -> dict[Any, Any]:
        """A frame as values by component. prompt: also put the prompt of the text into its field.

        The buttons come with every frame: where two frames reach the browser in one packet and the second has no value for a
        button, Gradio loses the value of the first.
        """
        idle, text, history = not frame.running, writing.text is not None, writing.history
        enabled = {
            self.go: idle,
            self.stop: not idle,
            self.more: idle and text,
            self.step: idle,
            self.again: idle and text,
            self.undo: idle and bool(history.past),
            self.redo: idle and bool(history.future),
        }
        found: dict[Any, Any] = {self.line: frame.line}
        found |= {button: gr.Button(interactive=on) for button, on in enabled.items()}
        found |= {part: html for part, html in ((self.view, frame.view), (self.stats, frame.stats)) if html is not None}
        if frame.announce is not None:
            found[self.announce] = escape(render.replace_surrogates(frame.announce))
        if frame.running or text:
            found[self.recall] = gr.Button(visible=False)
        if idle and writing.text is not None:
            found[self.memo] = to_json(writing.tree, LARGEST_MEMO)
            if prompt:
                found[self.prompt] = writing.text.prompt
        return found
