"""Section of the Tokens tab: why the text is split where it is, token by token, and the vocabulary entries close to a word."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import gradio as gr

from neoxjp.errors import NeoxjpError
from neoxjp.labs.common.templates import render
from neoxjp.labs.why_this_cut import view
from neoxjp.labs.why_this_cut.records import MOST_REPLACEMENT, SLOTS, Cuts, Slot, nearest, span_of, what_if, word_at
from neoxjp.labs.why_this_cut.strings import strings
from neoxjp.page_parts.answers import check_length, error_notice, handler, truncation_notice
from neoxjp.page_parts.events import BROWSER, latest
from neoxjp.page_parts.parts import JAPANESE, Parts
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.strings import Words
from neoxjp.page_parts.token_editor import Document

if TYPE_CHECKING:
    from neoxjp.page_parts.tabs.tokenize import TokenizeTab

LONGEST = 100_000  # characters of a text that the section checks


class Section:
    """The components of the section."""

    def __init__(self, playground: Playground):
        part = Parts("why_this_cut", strings)
        with gr.Column(elem_classes="card"):
            with gr.Row(elem_classes="why-this-cut-steps one-line"):
                self.before, self.after = part.button("before", size="sm"), part.button("after", size="sm")
                self.position = gr.Number(1, precision=0, min_width=110, **part.named("position"))
            self.explanation = part.html("explanation", js_on_load=part.script())
        with gr.Row(elem_classes="two-columns"):
            with gr.Column(min_width=320, elem_classes="card"):
                part.html(value=f"<h3>{part.both('try_title')}</h3>", elem_classes="why-this-cut-part")
                self.replacement = part.textbox("try", max_length=MOST_REPLACEMENT, html_attributes=JAPANESE)
                self.which = part.radio("which", SLOTS, "which_")
                self.tried = part.html("tried")
            with gr.Column(min_width=320, elem_classes="card"):
                part.html(value=f"<h3>{part.both('word_title')}</h3>", elem_classes="why-this-cut-part")
                self.word = part.textbox("word", max_length=200, html_attributes=JAPANESE)
                self.entries = part.html("entries")
        # what a link restores
        self.linked = {"at": self.position, "try": self.replacement, "in": self.which, "word": self.word}


def connect(section: Section, playground: Playground, tab: "TokenizeTab", due: gr.HTML) -> None:
    """Wire the events. The selected token of the text in `tab` is explained; `due` changes when the section has to be updated."""
    chosen: list[Any] = [section.position, section.replacement, section.which, section.word]
    shown = [section.explanation, section.tried, section.entries]

    @handler(strings, errors=section.explanation, empty=shown)
    def draw(t: Words, document: Document, at: Any, replacement: str, which: Slot, word: str) -> dict[Any, str]:
        return dict(zip(shown, shown_of(playground, document.text, at, replacement, which, word, t), strict=True))

    # In the browser (script.js): the token that is selected in the text above is explained, and a position that was entered here
    # selects its token there.
    for event in (due.change, tab.editor.select):
        event(None, section.position, section.position, js="(at) => neoxjp.whyThisCut?.taken(at) ?? at", **BROWSER)
    for button, by in ((section.before, -1), (section.after, 1)):
        button.click(None, js=f"() => neoxjp.whyThisCut.step({by})", **BROWSER)
    section.position.change(None, section.position, js="(at) => neoxjp.whyThisCut?.follow(at)", **BROWSER)
    latest([due.change, *(component.change for component in chosen)], draw, [tab.document, *chosen], shown)


def shown_of(
    playground: Playground,
    text: str,
    position: float | None,
    replacement: str | None,
    which: Slot,
    word: str | None,
    t: Words,
) -> tuple[str, str, str]:
    """The chosen position, the replacement and the entries close to the word, as HTML. `position` counts from 1."""
    check_length(playground, text)
    if not text:
        return render(view.TEMPLATE, "empty", t), "", ""
    cuts = _cuts(playground.tokenizer, text[:LONGEST])
    at = max(0, min(int(position or 1), len(cuts.text)) - 1)
    index = cuts.at(at)
    try:
        tried = view.tried(what_if(cuts, index, replacement, which), cuts, t) if replacement else ""
    except NeoxjpError as error:
        tried = error_notice(error, t)
    try:
        start, end = span_of(cuts.text, word, at) if word else word_at(cuts.text, at)
        entries = view.word(nearest(cuts, start, end), t)
    except NeoxjpError as error:
        entries = error_notice(error, t)
    return truncation_notice(text, LONGEST, t) + view.explanation(cuts, cuts[index], t), tried, entries


_cuts = lru_cache(maxsize=4)(Cuts)  # so that a step through a long text does not tokenize it again
