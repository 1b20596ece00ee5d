"""Section of the tokenizer lab: why the text is cut where it is, token by token, and a word's nearest entries."""

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import gradio as gr

from neoxjp.errors import NeoxjpError
from neoxjp.labs.common import html as render
from neoxjp.labs.why_this_cut import view as render_why
from neoxjp.labs.why_this_cut.nearest import nearest, span_of, word_at
from neoxjp.labs.why_this_cut.records import MOST_REPLACEMENT, SLOTS, Cuts, Slot, what_if
from neoxjp.labs.why_this_cut.strings import both, label, words
from neoxjp.page_parts.answers import check_length, message_of
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.strings import Words, language
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

LONGEST = 100_000  # characters of a text that the section looks at


@dataclass(frozen=True)
class Why:
    """The components of the section."""

    strip: gr.HTML
    place: gr.HTML
    before: gr.Button
    behind: gr.Button
    position: gr.Number
    replacement: gr.Textbox
    which: gr.Radio
    tried: gr.HTML
    word: gr.Textbox
    entries: gr.HTML
    drawn: gr.Number  # another number whenever all must be drawn anew

    @property
    def linked(self) -> dict[str, Any]:
        """What a link restores."""
        return {"at": self.position, "try": self.replacement, "in": self.which, "word": self.word}


def build(playground: Playground) -> Why:
    """Draw the section."""
    script = (files("neoxjp.labs.why_this_cut") / "script.js").read_text(encoding="utf-8")
    gr.HTML(f"<h2>{both('w_title')}</h2><p>{both('w_intro')}</p>", elem_classes="section", apply_default_css=False)
    with gr.Column(elem_classes="card"):
        strip = gr.HTML(elem_id="w-strip", apply_default_css=False, js_on_load=script)
        with gr.Row(elem_classes="w-steps one-line"):
            before = gr.Button(label("w_before"), size="sm", elem_id="w-before", min_width=110)
            behind = gr.Button(label("w_behind_button"), size="sm", elem_id="w-behind", min_width=110)
            position = gr.Number(1, label=label("w_position"), precision=0, elem_id="w-position", min_width=110)
        place = gr.HTML(elem_id="w-place", apply_default_css=False, js_on_load="watch('value', () => neoxjp.why?.mark())")
    with gr.Row(elem_classes="two-columns"):
        with gr.Column(min_width=320, elem_classes="card"):
            gr.HTML(f"<h3>{both('w_try_title')}</h3>", apply_default_css=False, elem_classes="w-part")
            replacement = gr.Textbox(
                "",
                label=label("w_try"),
                placeholder=label("w_try_placeholder"),
                max_length=MOST_REPLACEMENT,
                max_lines=1,
                elem_id="w-try",
                html_attributes=gr.InputHTMLAttributes(lang="ja", spellcheck=False),
            )
            offered = [(label(f"w_which_{slot}"), slot) for slot in SLOTS]
            which = gr.Radio(offered, value="next", label=label("w_which"), elem_id="w-which")
            tried = gr.HTML(elem_id="w-tried", apply_default_css=False)
        with gr.Column(min_width=320, elem_classes="card"):
            gr.HTML(f"<h3>{both('w_word_title')}</h3>", apply_default_css=False, elem_classes="w-part")
            word = gr.Textbox(
                "",
                label=label("w_word"),
                info=label("w_word_info"),
                max_length=200,
                max_lines=1,
                elem_id="w-word",
                html_attributes=gr.InputHTMLAttributes(lang="ja", spellcheck=False),
            )
            entries = gr.HTML(elem_id="w-entries", apply_default_css=False)
    drawn = gr.Number(0, visible="hidden")
    return Why(strip, place, before, behind, position, replacement, which, tried, word, entries, drawn)


def connect(section: Why, playground: Playground, text: gr.Textbox, due: gr.Number) -> None:
    """Wire the events. `text` is the text above; `due` changes whenever the section must draw anew."""
    live: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    live |= {"trigger_mode": "always_last", "concurrency_limit": None}
    asked = [text, section.position, section.replacement, section.which, section.word]
    shown = [section.strip, section.place, section.tried, section.entries]

    def draw(request: gr.Request, text: str, at: Any, replacement: str, which: Slot, word: str) -> tuple[str, str, str, str]:
        say = words(language(request))
        try:
            return shown_of(playground, text, at, replacement, which, word, say, lambda error: message_of(error, request))
        except NeoxjpError as error:
            return render.notice(message_of(error, request), "error"), "", "", ""

    # A token that was chosen in the view above since the last time is the one to explain: see why.js.
    private: dict[str, Any] = {"api_visibility": "private", "queue": False}
    take = "(at) => [neoxjp.why?.taken(at) ?? at, performance.now()]"
    due.change(None, section.position, [section.position, section.drawn], js=take, **private)
    given = (section.drawn, section.position, section.replacement, section.which, section.word)
    gr.on([component.change for component in given], draw, asked, shown, **live)
    for event, step in ((section.before.click, -1), (section.behind.click, 1)):
        event(None, section.position, section.position, js=f"(at) => neoxjp.why?.step({step}) ?? at", **private)
    section.strip.select(None, section.position, section.position, js="(at) => neoxjp.why?.wanted ?? at", **private)


# ---------------------------------------------------------------- what the handlers show


def shown_of(
    playground: Playground,
    text: str,
    position: float | None,
    replacement: str | None,
    which: Slot,
    word: str | None,
    say: Words,
    told: Any = str,
) -> tuple[str, str, str, str]:
    """The strip, the place, what was tried and the nearest entries, each as HTML. `position` counts from 1."""
    check_length(playground, text)
    if not text:
        return f'<p class="w-scale">{say("w_empty")}</p>', "", "", ""
    cuts = _cuts(playground.tokenizer, text[:LONGEST])
    at = max(0, min(int(position or 1), len(cuts.text)) - 1)
    index = cuts.at(at)
    strip = render_why.strip(cuts, index, say)
    if len(text) > LONGEST:
        strip = render.notice(say("w_cut_off", n=f"{LONGEST:,}")) + strip
    tried = ""
    if replacement:
        try:
            tried = render_why.tried(what_if(cuts, index, replacement, which), cuts, say)
        except NeoxjpError as error:
            tried = render.notice(told(error), "error")
    try:
        start, end = span_of(cuts.text, word, at) if word else word_at(cuts.text, at)
        entries = render_why.word(nearest(cuts, start, end), say)
    except NeoxjpError as error:
        entries = render.notice(told(error), "error")
    return strip, render_why.place(cuts, cuts[index], say), tried, entries


@lru_cache(maxsize=4)
def _cuts(tokenizer: GPTNeoXJapaneseTokenizer, text: str) -> Cuts:
    """The cuts of the texts that were looked at last: a step through a long one does not cut it again."""
    return Cuts(tokenizer, text)
