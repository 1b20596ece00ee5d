"""Section of the Tokens tab: what changes when a text is encoded and decoded, and what normalizing it first would change."""

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from neoxjp.labs.common.glyphs import replace_surrogates
from neoxjp.labs.common.templates import render
from neoxjp.labs.round_trip import records as lab
from neoxjp.labs.round_trip.strings import strings
from neoxjp.labs.round_trip.view import DRAWN, parts
from neoxjp.page_parts.answers import check_length, handler, truncation_notice
from neoxjp.page_parts.events import QUIET
from neoxjp.page_parts.parts import Parts
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.strings import Words
from neoxjp.page_parts.token_editor import Document, TokenEditor

if TYPE_CHECKING:
    from neoxjp.page_parts.tabs.tokenize import TokenizeTab

LONGEST = 100_000  # characters of a text that the section checks
view = partial(render, "labs/round_trip/view.html")


class Section:
    """The components of the section."""

    def __init__(self, playground: Playground):
        part = Parts("round_trip", strings)
        with gr.Row(elem_classes="two-columns"):
            with gr.Column(scale=7, min_width=320, elem_classes="card"):
                self.summary, self.text = part.html("summary"), part.html("text-part")
                self.compat = gr.Checkbox(False, **part.named("compat"))
            with gr.Column(scale=4, min_width=300, elem_classes="card"):
                self.normalization = part.radio("normalization", lab.NORMALIZATIONS)
                self.effect = part.html("effect")
                self.use = part.button("use", size="sm", elem_classes="plain", interactive=False)
        with gr.Column(elem_classes="card"):
            self.reasons = part.html("reasons")
        self.linked = {"norm": self.normalization, "compat": self.compat}  # what a link restores


def connect(section: Section, playground: Playground, tab: "TokenizeTab", due: gr.HTML) -> None:
    """Wire the events. `tab` has the text above; `due` changes when the section has to be updated."""
    inputs = [tab.document, section.compat, section.normalization]
    outputs = [section.summary, section.text, section.reasons, section.effect, section.use]

    @handler(strings, errors=section.summary, empty=outputs)
    def draw(t: Words, document: Document, compat: bool, normalization: lab.Normalization) -> dict[Any, Any]:
        return dict(zip(outputs, shown_of(playground, document.text, compat, normalization, t), strict=True))

    @handler(strings)
    def use(t: Words, document: Document, compat: bool, normalization: lab.Normalization) -> dict[Any, Any]:
        given = TokenEditor.give(normalized(playground, document.text, compat, normalization))
        return {tab.editor: given, section.normalization: "none"}

    changes = [due.change, section.compat.change, section.normalization.change]
    gr.on(changes, draw, inputs, outputs, trigger_mode="always_last", concurrency_limit=None, **QUIET)
    section.use.click(use, inputs, [tab.editor, section.normalization], **QUIET)


# ---------------------------------------------------------------- what the handlers show


def shown_of(playground: Playground, text: str, compat: bool, normalization: lab.Normalization, t: Words) -> tuple[Any, ...]:
    """Summary, text, reasons and effect as HTML, and an update of the button that uses the normalized text."""
    check_length(playground, text)
    if not text:
        return view("empty", t), "", "", "", gr.update(interactive=False)
    tokenizer = playground.tokenizer_as(compat)
    found = _roundtrip(tokenizer, text[:LONGEST])
    effect = lab.effect(tokenizer, found, normalization)
    return (
        truncation_notice(text, LONGEST, t) + view("summary", t, found=found),
        view("text", t, parts=list(parts(found)), drawn=DRAWN, rest=len(found.differences) - DRAWN),
        view("reasons", t, found=found, grouped=lab.grouped),
        view("effect", t, found=effect, grouped=lab.grouped),
        gr.update(interactive=bool(effect.replacements)),
    )


def normalized(playground: Playground, text: str, compat: bool, normalization: lab.Normalization) -> str:
    """The whole text, normalized."""
    check_length(playground, text)
    tokenizer = playground.tokenizer_as(compat)
    return replace_surrogates(lab.effect(tokenizer, lab.roundtrip(tokenizer, text), normalization).text)


_roundtrip = lru_cache(maxsize=4)(lab.roundtrip)  # so that choosing a normalization does not encode the same text again
