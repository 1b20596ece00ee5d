"""The components of the Generate tab, and how a frame of a generation changes them. ui/generate.py builds and connects them."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from neoxjp.labs.branches.files import LARGEST_MEMO, to_json
from neoxjp.labs.common import html as render
from neoxjp.page_parts import links, sections
from neoxjp.page_parts.editing import tree_on_display
from neoxjp.page_parts.link_address import View
from neoxjp.page_parts.linked_text import view_of
from neoxjp.page_parts.settings import Settings
from neoxjp.page_parts.texts import VisitorState
from neoxjp.page_parts.token_editor import TokenEditor
from neoxjp.page_parts.writing import Frame
from neoxjp.sampling import Option


@dataclass(frozen=True)
class GenerateTab:
    """The components of the tab."""

    writing: gr.State
    editor: TokenEditor
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
    presets: dict[str, gr.Button]
    options: tuple[Option, ...]
    controls: dict[str, Any]  # a slider or a text field for each option, by its name
    dice: gr.Button  # fills in a new seed
    truncate: gr.Checkbox
    link: links.Link
    stats: gr.HTML
    lab: sections.Lab

    @property
    def settings(self) -> list[Any]:
        """The inputs that make a `Settings`: see `settings_of`."""
        return [*self.controls.values(), self.truncate]

    def settings_of(self, values: Sequence[Any]) -> Settings:
        """What the values of these inputs say."""
        return Settings.of(values, self.options)

    @property
    def up_to_context(self) -> list[Any]:
        """The sliders that end at the context of the model."""
        return [self.controls[option.name] for option in self.options if option.up_to_context]

    def linked(self, tabs: gr.Tabs) -> links.Linked:
        """The components that a link to this tab restores; `tabs` are those of the page."""
        own = {**self.controls, "truncate": self.truncate}
        growing = [slider for section in self.lab.sections.values() for slider in getattr(section, "growing", ())]
        sliders = (*self.up_to_context, *growing)

        def remember(writing: VisitorState, view: View) -> None:
            writing.linked = view

        def branches(writing: VisitorState) -> str:
            return to_json(tree_on_display(writing))

        return links.Linked(
            "generate",
            tabs,
            self.writing,
            self.lab,
            own,
            sliders,
            view=view_of,
            filled=self.editor,
            fill=TokenEditor.give,
            remember=remember,
            file=("neoxjp-branches.json", branches),
        )

    @property
    def shown(self) -> list[Any]:
        """The components that `updates` changes."""
        return [self.line, self.editor, self.stats, self.announce, *self.buttons, self.memo]

    @property
    def buttons(self) -> list[gr.Button]:
        """The buttons that `enabled` changes."""
        return [self.go, self.stop, self.more, self.step, self.again, self.undo, self.redo, self.recall]

    def enabled(self, writing: VisitorState, idle: bool) -> dict[Any, Any]:
        """Which buttons can be pressed. idle: nothing is being written."""
        text, history = writing.text, writing.history
        enabled = {
            self.go: idle,
            self.stop: not idle,
            self.more: idle and text is not None and bool(text.steps or writing.tree.nodes),
            self.step: idle,
            self.again: idle and text is not None and text.params is not None,
            self.undo: idle and bool(history.past or (writing.draft and writing.saved)),
            self.redo: idle and bool(history.future),
        }
        found: dict[Any, Any] = {button: gr.Button(interactive=on) for button, on in enabled.items()}
        if not idle or (text is not None and text.steps):
            found[self.recall] = gr.Button(visible=False)
        return found

    def updates(self, frame: Frame, writing: VisitorState) -> dict[Any, Any]:
        """A frame as values by component.

        The buttons come with every frame: where two frames reach the browser in one packet and the second has no value for a
        button, Gradio loses the value of the first.
        """
        document = writing.document
        pieces = document.pieces if frame.pieces is None else frame.pieces
        found = {self.line: frame.line} | self.enabled(writing, not frame.running)
        found[self.editor] = shown(document.patch(pieces, running=frame.running), writing)
        if frame.stats is not None:
            found[self.stats] = frame.stats
        if frame.announce is not None:
            found[self.announce] = escape(render.replace_surrogates(frame.announce))
        if not frame.running and writing.text is not None and writing.tree.nodes:
            found[self.memo] = to_json(writing.tree, LARGEST_MEMO)
        return found


def shown(patch: str, writing: VisitorState) -> gr.HTML:
    """The editor's update with a patch of the visitor's document."""
    return TokenEditor.show(patch, len(writing.text.prompt_ids) if writing.text is not None else 0)
