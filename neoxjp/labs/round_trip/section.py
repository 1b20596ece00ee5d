"""Section of the Tokens tab: what changes when a text is encoded and decoded, and what normalizing it first would change."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import gradio as gr

from neoxjp.errors import NeoxjpError
from neoxjp.labs.common import html
from neoxjp.labs.common.templates import render
from neoxjp.labs.round_trip import records as lab
from neoxjp.labs.round_trip import view
from neoxjp.labs.round_trip.strings import label, words
from neoxjp.page_parts.answers import check_length, message_of
from neoxjp.page_parts.events import QUIET
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.strings import Words, language
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

LONGEST = 100_000  # characters of a text that the section checks


@dataclass(frozen=True)
class Roundtrip:
    """The components of the section."""

    compat: gr.Checkbox
    summary: gr.HTML
    text: gr.HTML
    reasons: gr.HTML
    normalization: gr.Radio
    effect: gr.HTML
    use: gr.Button

    @property
    def linked(self) -> dict[str, Any]:
        """What a link restores."""
        return {"norm": self.normalization, "compat": self.compat}


def build(playground: Playground) -> Roundtrip:
    """Draw the section."""

    def part(name: str) -> gr.HTML:
        return gr.HTML(elem_id=f"round-trip-{name}", apply_default_css=False)

    with gr.Row(elem_classes="two-columns"):
        with gr.Column(scale=7, min_width=320, elem_classes="card"):
            summary, text = part("summary"), part("text-part")
            compat = gr.Checkbox(
                False, label=label("round_trip_compat"), info=label("round_trip_compat_info"), elem_id="round-trip-compat"
            )
        with gr.Column(scale=4, min_width=300, elem_classes="card"):
            offered = [(label(f"round_trip_{name}"), name) for name in lab.NORMALIZATIONS]
            normalization = gr.Radio(
                offered, value="none", label=label("round_trip_normalization"), elem_id="round-trip-normalization"
            )
            effect = part("effect")
            use = gr.Button(label("round_trip_use"), size="sm", elem_id="round-trip-use", elem_classes="plain", interactive=False)
    with gr.Column(elem_classes="card"):
        reasons = part("reasons")
    return Roundtrip(compat, summary, text, reasons, normalization, effect, use)


def connect(section: Roundtrip, playground: Playground, source: gr.Textbox, due: gr.HTML) -> None:
    """Wire the events. `source` is the text above; `due` changes whenever the section must be drawn again."""
    inputs = [source, section.compat, section.normalization]

    def draw(request: gr.Request, text: str, compat: bool, normalization: lab.Normalization) -> dict[Any, Any]:
        try:
            shown = shown_of(playground, text, compat, normalization, words(language(request)))
        except NeoxjpError as error:
            shown = {**EMPTY, "summary": html.notice(message_of(error, request), "error")}
        return {getattr(section, name): value for name, value in shown.items()}

    def use(text: str, compat: bool, normalization: lab.Normalization) -> dict[Any, Any]:
        try:
            return {source: normalized(playground, text, compat, normalization), section.normalization: "none"}
        except NeoxjpError:
            return {}  # the section shows the error already

    changes = [due.change, section.compat.change, section.normalization.change]
    shown = [section.summary, section.text, section.reasons, section.effect, section.use]
    gr.on(changes, draw, inputs, shown, trigger_mode="always_last", concurrency_limit=None, **QUIET)
    section.use.click(use, inputs, [source, section.normalization], **QUIET)


# ---------------------------------------------------------------- what the handlers show

EMPTY: dict[str, Any] = {"summary": "", "text": "", "reasons": "", "effect": "", "use": gr.update(interactive=False)}
"""The values of the components, by field of `Roundtrip`, where there is nothing to show."""


def shown_of(playground: Playground, text: str, compat: bool, normalization: lab.Normalization, t: Words) -> dict[str, Any]:
    """The values of the components, by field of `Roundtrip`."""
    check_length(playground, text)
    if not text:
        return {**EMPTY, "summary": render(view.TEMPLATE, "empty", t)}
    tokenizer = _tokenizer(playground, compat)
    found = _roundtrip(tokenizer, text[:LONGEST])
    effect = lab.effect(tokenizer, found, normalization)
    truncated = html.notice(t("round_trip_truncated", n=f"{LONGEST:,}")) if len(text) > LONGEST else ""
    return {
        "summary": truncated + view.summary(found, t),
        "text": view.text(found, t),
        "reasons": view.reasons(found, t),
        "effect": view.effect(effect, t),
        "use": gr.update(interactive=bool(effect.replacements)),
    }


def normalized(playground: Playground, text: str, compat: bool, normalization: lab.Normalization) -> str:
    """The whole text, normalized."""
    check_length(playground, text)
    tokenizer = _tokenizer(playground, compat)
    return html.replace_surrogates(lab.effect(tokenizer, lab.roundtrip(tokenizer, text), normalization).text)


def _tokenizer(playground: Playground, compat: bool) -> GPTNeoXJapaneseTokenizer:
    return playground.compat() if compat else playground.tokenizer


@lru_cache(maxsize=4)
def _roundtrip(tokenizer: GPTNeoXJapaneseTokenizer, text: str) -> lab.Roundtrip:
    """Cached, so that choosing a normalization does not encode the same text again."""
    return lab.roundtrip(tokenizer, text)
