"""Section of the generation lab: beam search as a tree."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from neoxjp.errors import ParameterError
from neoxjp.labs.beams.records import NEW_TOKENS, NUM_BEAMS, BeamTree
from neoxjp.labs.beams.strings import strings
from neoxjp.labs.beams.view import view
from neoxjp.labs.common import html as render
from neoxjp.page_parts.answers import check_length, follow_language, handler
from neoxjp.page_parts.events import QUIET, READING, latest
from neoxjp.page_parts.parts import Parts
from neoxjp.page_parts.results import Result
from neoxjp.page_parts.session import calls
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.session.zerogpu import gpu
from neoxjp.page_parts.strings import Words
from neoxjp.page_parts.tabs.generate import GenerateTab
from neoxjp.page_parts.tabs.sections import script
from neoxjp.page_parts.text.editing import own_text
from neoxjp.page_parts.text.state import VisitorState

LENGTH_PENALTY = (-2.0, 4.0)  # range of the page and the API
Search = Callable[[Sequence[int], int, int, float], BeamTree]


class Section:
    """The components of the section."""

    def __init__(self, playground: Playground):
        part = Parts("beams", strings)
        with gr.Column(elem_classes="card"):
            with gr.Row(elem_classes="lab-controls lab-sliders"):
                self.number = part.slider("number", *NUM_BEAMS, 4, 1)
                self.new = part.slider("new", *NEW_TOKENS, 10, 1)
                self.penalty = part.slider("penalty", *LENGTH_PENALTY, 1.0, 0.1)
            with gr.Row(elem_classes="lab-controls"):
                self.go = part.button("go", variant="primary")
            self.line = part.html("line")
            self.view = part.html("view", part.hint("press"), js_on_load=script("walk.js"))
        self.source = gr.State(None)  # serial of the model and prompt of the tree that is displayed
        self.result = gr.State(Result())
        self.linked = {"beams": self.number, "new": self.new, "penalty": self.penalty}  # what a link restores


def connect(section: Section, playground: Playground, tab: GenerateTab, due: gr.HTML) -> None:
    """Wire the events. `tab` is the tab above; `due` changes when the section must be up to date.

    A search begins with a click only; when the prompt changes, a sentence says that the tree is for the previous one.
    """
    searcher = search(playground)

    @handler(strings, errors=section.line, empty=[section.view, section.source])
    def on_go(t: Words, result: Result, writing: VisitorState, number: int, new: int, penalty: float) -> dict[Any, Any]:
        result.trim()  # also where there will be an error
        source = playground.serial, own_text(writing)
        tree = tree_of(playground, searcher, source[1], number, new, penalty)
        (drawn,) = result.show(lambda t: (view(tree, source[1], t),), t)
        return {section.line: "", section.view: drawn, section.source: source}

    @handler(strings)
    def check(t: Words, writing: VisitorState, source: tuple[int, str] | None) -> Any:
        if source is None or writing.running:
            return gr.skip()
        return "" if source == (playground.serial, own_text(writing)) else render.notice(t("beams_changed"))

    inputs = [section.result, tab.writing, section.number, section.new, section.penalty]
    found = section.go.click(on_go, inputs, [section.line, section.view, section.source], **READING)
    shown = (check, [tab.writing, section.source], section.line)
    found.then(*shown, **QUIET)  # the prompt may have changed during the search
    latest([due.change], *shown)
    follow_language(due, section.result, [section.view], strings, found)


def search(playground: Playground) -> Search:
    """The function that searches with the model of `playground`: (prompt ids, beams, new tokens, length penalty) → tree."""

    @gpu(duration=60)
    def found(ids: Sequence[int], number: int, new: int, penalty: float) -> BeamTree:
        return playground.ready.call(calls.beams, ids, number, new, penalty)

    return found


def tree_of(playground: Playground, searcher: Search, prompt: str, number: Any, new: Any, penalty: Any) -> BeamTree:
    """The search for continuations of a prompt.

    Raises:
        ParameterError: a number out of its range; the prompt is empty and the model has no bos token.
        PromptTooLong: prompt and new tokens do not fit the context.
    """
    loaded = playground.ready
    check_length(playground, prompt)
    ranges = {
        "num_beams": (number, *NUM_BEAMS),
        "max_new_tokens": (new, *NEW_TOKENS),
        "length_penalty": (penalty, *LENGTH_PENALTY),
    }
    for name, (value, low, high) in ranges.items():
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        if not numeric or not low <= value <= high or (name != "length_penalty" and value != int(value)):
            raise strings.error(ParameterError, "beams_range", name=name, low=low, high=high)
    if not prompt and loaded.model.config.bos_token_id is None:
        raise strings.error(ParameterError, "generate_no_bos")
    return searcher(loaded.tokenizer.encode(prompt), int(number), int(new), float(penalty))
