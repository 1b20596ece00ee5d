"""Section of the Tokens tab: why the text is split where it is, token by token, and the vocabulary entries close to a word."""

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import gradio as gr

from neoxjp.errors import NeoxjpError
from neoxjp.labs.common import html
from neoxjp.labs.common.templates import render
from neoxjp.labs.why_this_cut import view
from neoxjp.labs.why_this_cut.records import MOST_REPLACEMENT, SLOTS, Cuts, Slot, nearest, span_of, what_if, word_at
from neoxjp.labs.why_this_cut.strings import both, label, words
from neoxjp.page_parts.answers import check_length, message_of
from neoxjp.page_parts.events import BROWSER, latest
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.strings import language
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

LONGEST = 100_000  # characters of a text that the section checks


@dataclass(frozen=True)
class WhyThisCut:
    """The components of the section."""

    strip: gr.HTML
    place: gr.HTML
    before: gr.Button
    after: gr.Button
    position: gr.Number
    replacement: gr.Textbox
    which: gr.Radio
    tried: gr.HTML
    word: gr.Textbox
    entries: gr.HTML

    @property
    def linked(self) -> dict[str, Any]:
        """What a link restores."""
        return {"at": self.position, "try": self.replacement, "in": self.which, "word": self.word}


def build(playground: Playground) -> WhyThisCut:
    """Draw the section."""
    script = (files("neoxjp.labs.why_this_cut") / "script.js").read_text(encoding="utf-8")
    with gr.Column(elem_classes="card"):
        strip = _html("strip", js_on_load=script)
        with gr.Row(elem_classes="why-this-cut-steps one-line"):
            before, after = (
                gr.Button(label(f"why_this_cut_{name}"), size="sm", elem_id=f"why-this-cut-{name}", min_width=110)
                for name in ("before", "after")
            )
            position = gr.Number(
                1, label=label("why_this_cut_position"), precision=0, elem_id="why-this-cut-position", min_width=110
            )
        place = _html("place", js_on_load="watch('value', () => neoxjp.whyThisCut?.mark())")
    with gr.Row(elem_classes="two-columns"):
        with gr.Column(min_width=320, elem_classes="card"):
            _part("why_this_cut_try_title")
            placeholder = label("why_this_cut_try_placeholder")
            replacement = _textbox("try", max_length=MOST_REPLACEMENT, placeholder=placeholder)
            offered = [(label(f"why_this_cut_which_{slot}"), slot) for slot in SLOTS]
            which = gr.Radio(offered, value="next", label=label("why_this_cut_which"), elem_id="why-this-cut-which")
            tried = _html("tried")
        with gr.Column(min_width=320, elem_classes="card"):
            _part("why_this_cut_word_title")
            word = _textbox("word", max_length=200, info=label("why_this_cut_word_info"))
            entries = _html("entries")
    return WhyThisCut(strip, place, before, after, position, replacement, which, tried, word, entries)


def _html(name: str, **more: Any) -> gr.HTML:
    return gr.HTML(elem_id=f"why-this-cut-{name}", apply_default_css=False, **more)


def _part(key: str) -> None:
    gr.HTML(f"<h3>{both(key)}</h3>", apply_default_css=False, elem_classes="why-this-cut-part")


def _textbox(name: str, **more: Any) -> gr.Textbox:
    more["html_attributes"] = gr.InputHTMLAttributes(lang="ja", spellcheck=False)
    return gr.Textbox("", max_lines=1, label=label(f"why_this_cut_{name}"), elem_id=f"why-this-cut-{name}", **more)


def connect(section: WhyThisCut, playground: Playground, text: gr.Textbox, due: gr.HTML) -> None:
    """Wire the events. `text` is the text above; `due` changes whenever the section must be drawn again."""
    chosen: list[Any] = [section.position, section.replacement, section.which, section.word]
    shown = [section.strip, section.place, section.tried, section.entries]

    def draw(request: gr.Request, text: str, at: Any, replacement: str, which: Slot, word: str) -> dict[Any, str]:
        try:
            drawn = shown_of(playground, text, at, replacement, which, word, request)
        except NeoxjpError as error:
            drawn = _message(error, request), "", "", ""
        return dict(zip(shown, drawn, strict=True))

    # In the browser: a token that was selected in the view above since the last time becomes the chosen one (script.js).
    for event, place in (
        (due.change, "taken(at)"),
        (section.before.click, "step(-1)"),
        (section.after.click, "step(1)"),
        (section.strip.select, "wanted"),
    ):
        event(None, section.position, section.position, js=f"(at) => neoxjp.whyThisCut?.{place} ?? at", **BROWSER)
    latest([due.change, *(component.change for component in chosen)], draw, [text, *chosen], shown)


def shown_of(
    playground: Playground,
    text: str,
    position: float | None,
    replacement: str | None,
    which: Slot,
    word: str | None,
    request: gr.Request | None,
) -> tuple[str, str, str, str]:
    """The strip, the chosen position, the replacement and the entries close to the word, as HTML. `position` counts from 1."""
    t = words(language(request))
    check_length(playground, text)
    if not text:
        return render(view.TEMPLATE, "empty", t), "", "", ""
    cuts = _cuts(playground.tokenizer, text[:LONGEST])
    at = max(0, min(int(position or 1), len(cuts.text)) - 1)
    index = cuts.at(at)
    truncated = html.notice(t("why_this_cut_truncated", n=f"{LONGEST:,}")) if len(text) > LONGEST else ""
    try:
        tried = view.tried(what_if(cuts, index, replacement, which), cuts, t) if replacement else ""
    except NeoxjpError as error:
        tried = _message(error, request)
    try:
        start, end = span_of(cuts.text, word, at) if word else word_at(cuts.text, at)
        entries = view.word(nearest(cuts, start, end), t)
    except NeoxjpError as error:
        entries = _message(error, request)
    return truncated + view.strip(cuts, index, t), view.place(cuts, cuts[index], t), tried, entries


def _message(error: NeoxjpError, request: gr.Request | None) -> str:
    return html.notice(message_of(error, request), "error")


@lru_cache(maxsize=4)
def _cuts(tokenizer: GPTNeoXJapaneseTokenizer, text: str) -> Cuts:
    """Cached, so that a step through a long text does not tokenize it again."""
    return Cuts(tokenizer, text)
