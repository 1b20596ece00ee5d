"""The components of the Generate tab, and how a frame of a generation changes them. ui/generate.py builds and connects them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from neoxjp.errors import ParameterError
from neoxjp.labs.branches.files import to_json
from neoxjp.labs.common import html as render
from neoxjp.labs.common import steps as render_steps
from neoxjp.model import GPTNeoXJapaneseConfig
from neoxjp.page_parts import links
from neoxjp.page_parts.link_address import View
from neoxjp.page_parts.parts import Growing
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.strings import COMMON, Words
from neoxjp.page_parts.tabs import sections
from neoxjp.page_parts.text.editing import tree_on_display
from neoxjp.page_parts.text.linked import view_of
from neoxjp.page_parts.text.settings import Settings
from neoxjp.page_parts.text.state import Text, VisitorState
from neoxjp.page_parts.text.writing import Frame
from neoxjp.page_parts.token_editor import TokenEditor
from neoxjp.sampling import Option


@dataclass(frozen=True)
class GenerateTab:
    """The components of the tab."""

    playground: Playground
    writing: gr.State
    editor: TokenEditor
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
    presets: dict[str, gr.Button]
    options: tuple[Option, ...]
    controls: dict[str, Any]  # a slider or a text field for each option, by its name
    dice: gr.Button  # fills in a new seed
    truncate: gr.Checkbox
    link: links.Link
    lab: sections.Lab

    @property
    def settings(self) -> list[Any]:
        """The inputs that make a `Settings`: see `settings_of`."""
        return [*self.controls.values(), self.truncate]

    def settings_of(self, values: Sequence[Any]) -> Settings:
        """What the values of these inputs say."""
        return Settings.of(values, self.options)

    def settings_sent(self, values: Any) -> Settings:
        """What the page sent as these inputs; None: nobody has changed them. Raises ParameterError: it is something else."""
        if values is None:
            return Settings(options=self.options)
        kinds = [(int, float, type(None)) if option.slider else (str, type(None)) for option in self.options]
        given = values if isinstance(values, list) else []
        if len(given) != len(kinds) + 1 or not all(
            isinstance(value, kind) and not isinstance(value, bool) for value, kind in zip(given, kinds, strict=False)
        ):
            raise COMMON.error(ParameterError, "generate_wrong_settings", n=len(kinds) + 1, found=repr(str(values)[:60]))
        return self.settings_of(given)

    @property
    def up_to_context(self) -> Growing:
        """The sliders that end at the context of the model, or at what a visitor may ask for."""

        def most(config: GPTNeoXJapaneseConfig) -> int:
            context = config.max_position_embeddings
            return min(context - 1, self.playground.limits.new_tokens or context)

        return {self.controls[option.name]: most for option in self.options if option.up_to_context}

    def linked(self, tabs: gr.Tabs) -> links.Linked:
        """The components that a link to this tab restores; `tabs` are those of the page."""
        own = {**self.controls, "truncate": self.truncate}
        growing = dict(self.up_to_context)
        for section in self.lab.sections.values():
            growing |= getattr(section, "growing", {})

        def remember(writing: VisitorState, view: View) -> None:
            writing.linked = replace(view, choices={})  # those are in the controls

        def branches(writing: VisitorState) -> str:
            return to_json(tree_on_display(writing))

        return links.Linked(
            "generate",
            tabs,
            self.writing,
            self.lab,
            own,
            growing,
            view=view_of,
            filled=self.editor,
            fill=TokenEditor.give,
            remember=remember,
            file=("neoxjp-branches.json", branches),
        )

    @property
    def shown(self) -> list[Any]:
        """The components that `updates` changes: the editor alone, because Gradio takes some milliseconds for each."""
        return [self.editor]

    def updates(self, frame: Frame, writing: VisitorState, t: Words) -> dict[Any, Any]:
        """A frame as values by component."""
        return {self.editor: gr.HTML(**self.patched(frame, writing, t))}

    def patched(self, frame: Frame, writing: VisitorState, t: Words) -> dict[str, Any]:
        """A frame as an update of the editor."""
        document = writing.document
        pieces = document.pieces if frame.pieces is None else frame.pieces
        around = self.around(writing, not frame.running, t, frame)
        return shown(document.patch(pieces, running=frame.running, also=around), writing)

    def around(self, writing: VisitorState, idle: bool, t: Words, frame: Frame | None = None) -> dict[str, Any]:
        """What the page shows around the text; ui/generate.js draws it. idle: nothing is being written.

        Returns:
            "html": element id → HTML; "buttons": name → whether it can be pressed; "recall": whether stored branches are still
            offered; with a frame, "announce": a sentence for screen readers, and "generated": tokens of this request so far.
        """
        text, history = writing.live or writing.text, writing.history
        buttons = {
            "go": idle,
            "stop": not idle,
            "more": idle and text is not None and bool(text.steps or writing.tree.nodes),
            "step": idle,
            "again": idle and text is not None and text.params is not None,
            "undo": idle and bool(history.past or (writing.draft and writing.saved)),
            "redo": idle and writing.can_redo,
        }
        recall = idle and (text is None or not text.steps)
        html = {"generate-count": counted(self.playground, text, t)}
        found: dict[str, Any] = {"buttons": buttons, "recall": recall, "html": html}
        if frame is not None:
            html["generate-line"] = frame.line
            if frame.stats is not None:
                html["generate-stats"] = frame.stats
            found["announce"] = None if frame.announce is None else render.replace_surrogates(frame.announce)
            found["generated"] = frame.generated
        return found


def shown(patch: str, writing: VisitorState) -> dict[str, Any]:
    """The editor's update with a patch of the visitor's document."""
    return TokenEditor.patched(patch, len(writing.text.prompt_ids) if writing.text is not None else 0)


def counted(playground: Playground, text: Text | None, t: Words) -> str:
    """HTML: how many tokens the text has, of the model's context; an error where they are more."""
    if text is None or not text.whole:
        return render_steps.working(t("generate_count_bos"))
    number, loaded = len(text.ids), playground.loaded
    if loaded is None or loaded.model is None:
        return render_steps.working(t("generate_count_no_context", n=f"{number:,}"))
    context = loaded.model.config.max_position_embeddings
    if number > context and not text.truncated_tokens:  # else the model has seen the end of it
        return render.notice(t("generate_count_over", n=f"{number:,}", context=f"{context:,}"), "error")
    return render_steps.working(t("generate_count", n=f"{number:,}", context=f"{context:,}"), number, context)
