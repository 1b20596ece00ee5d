"""The Tokens tab: a text as tokens while it is typed, its counts and ids; below it the sections of the lab.

`build` makes the components, `connect` wires the events. What the handlers show is computed in plain functions below.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from neoxjp import compare
from neoxjp.errors import ParameterError
from neoxjp.labs.common import html as render
from neoxjp.labs.features import FEATURES, Feature, sections_of
from neoxjp.labs.share_link import section as links
from neoxjp.page_parts import sections
from neoxjp.page_parts.answers import check_length, handler
from neoxjp.page_parts.events import BROWSER, QUIET, latest
from neoxjp.page_parts.links import Linked
from neoxjp.page_parts.parts import JAPANESE, Parts
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.strings import COMMON, Words, both, label

EXAMPLES = {
    "tokenize_example_prose": "吾輩は猫である。名前はまだ無い。どこで生れたか頓と見当がつかぬ。",
    "tokenize_example_kana": "慶應義塾と慶応義塾、國語と国語、ﾊﾝｶｸとハンカク、①と1。",
    "tokenize_example_bytes": "𩸽と鱈を食べた👨\u200d👩\u200d👧 café で🐈\u200d⬛を見た👋🏻",
    "tokenize_example_mixed": "2024年4月、東京都で AI の会議が開かれ、約１２００人が参加した。",
}
FIRST = EXAMPLES["tokenize_example_kana"]
IDS_SHOWN = 5_000  # ids shown in the field to copy from


@dataclass(frozen=True)
class TokenizeTab:
    """The components of the tab."""

    text: gr.Textbox
    examples: dict[str, gr.Button]
    show_ids: gr.Checkbox
    view: gr.HTML
    links: links.Links
    counts: gr.HTML
    ids: gr.Textbox
    paste: gr.Textbox
    paste_note: gr.HTML
    pasted: gr.Textbox
    lab: sections.Lab

    def linked(self, tabs: gr.Tabs) -> Linked:
        """What a link to this tab restores; `tabs` are those of the page."""
        return Linked("tokenize", tabs, self.text, self.lab, {"ids": self.show_ids})


def build(playground: Playground, features: Sequence[Feature] = FEATURES) -> TokenizeTab:
    """Make the components of the tab."""
    part = Parts("tokenize", COMMON)
    with gr.Row(elem_classes="two-columns"):
        with gr.Column(scale=7, min_width=320, elem_classes="card"):
            with gr.Row(elem_classes="chips"):
                examples = {key: gr.Button(label(key), size="sm", min_width=60) for key in EXAMPLES}
                show_ids = gr.Checkbox(container=False, min_width=100, **part.named("show_ids"))
            text = part.textbox("text", FIRST, lines=2, max_lines=8, elem_classes="text-input", html_attributes=JAPANESE)
            view = part.html("view", both("wait_vocabulary"))
            row = links.build()
        with gr.Column(scale=3, min_width=250, elem_classes="card side"):
            counts = part.html("counts")
    with part.accordion("ids_section"), gr.Row():
        output: dict[str, Any] = {"max_lines": 6, "interactive": False, "buttons": ["copy"]}
        with gr.Column(min_width=280):
            ids = part.textbox("ids", lines=3, elem_classes="ids", **output)
        with gr.Column(min_width=280):
            paste = part.textbox("paste", lines=3, max_lines=6)
            paste_note = part.html("paste-note")
            pasted = part.textbox("pasted", key="decoded", **output)
    below = sections.build(playground, sections_of(features, "tokenize"), "lab")
    return TokenizeTab(text, examples, show_ids, view, row, counts, ids, paste, paste_note, pasted, below)


def connect(tab: TokenizeTab, playground: Playground, features: Sequence[Feature], status: gr.HTML) -> None:
    """Wire the events. `status.load` comes when another model was loaded."""

    @handler(COMMON, errors=tab.view, empty=[tab.counts, tab.ids])
    def on_text(t: Words, text: str) -> dict[Any, Any]:
        return dict(zip((tab.view, tab.counts, tab.ids), view_of(playground, text, t), strict=True))

    @handler(COMMON, errors=tab.paste_note, empty=[tab.pasted])
    def on_ids(t: Words, pasted: str) -> dict[Any, Any]:
        return {tab.pasted: render.replace_surrogates(text_of_ids(playground, pasted)), tab.paste_note: ""}

    # "change", not "input": that one does not fire for Japanese input methods
    shown = latest([tab.text.change, status.load], on_text, tab.text, [tab.view, tab.counts, tab.ids])
    status.load(None, tab.text, tab.text, js="(text) => neoxjp.kept('lab', text)", **BROWSER)
    latest([tab.paste.change], on_ids, tab.paste, [tab.pasted, tab.paste_note])
    for key, button in tab.examples.items():
        button.click(lambda example=EXAMPLES[key]: example, outputs=tab.text, **QUIET)
    tab.show_ids.change(None, tab.show_ids, js="(on) => { document.body.classList.toggle('show-ids', on) }", **BROWSER)
    lab = sections_of(features, "tokenize")
    sections.connect(tab.lab, lab, playground, tab.text, shown)  # after `shown`: the tokens come first


def view_of(playground: Playground, text: str, t: Words) -> tuple[str, str, str]:
    """The token view, the counts (both HTML) and the ids of a text."""
    tokenizer = playground.tokenizer
    check_length(playground, text)
    tokens = tokenizer.analyze(text)
    drawn = render.tokens(tokens, text, t, spellings=tokenizer.spellings, limit=playground.limits.drawn_pieces)
    ids = ", ".join(str(token.id) for token in tokens[:IDS_SHOWN])
    if len(tokens) > IDS_SHOWN:
        ids += " … " + t("tokenize_ids_cut", drawn=f"{IDS_SHOWN:,}")
    return drawn, render.counts(compare.count_text(text, tokens), t), ids


def text_of_ids(playground: Playground, pasted: str) -> str:
    """What pasted ids decode to: "[31000, 17749]", "31000 17749", one on each line, ...

    Raises:
        ParameterError: it has something that is not an id, or an id outside the vocabulary.
    """
    check_length(playground, pasted)
    found = [word for word in re.split(r"[\s,、，;\[\](){}]+", pasted) if word]
    wrong = next((word for word in found if not re.fullmatch(r"[0-9]{1,9}", word)), None)
    if wrong is not None:
        raise COMMON.error(ParameterError, "tokenize_bad_id", found=repr(wrong[:40]))
    return playground.tokenizer.decode(checked_ids(playground, [int(word) for word in found]))


def checked_ids(playground: Playground, ids: Sequence[int]) -> list[int]:
    """The ids as a list. Raises ParameterError: one is not in the vocabulary, or they are no list of whole numbers."""
    last = playground.tokenizer.vocab_size - 1
    if not isinstance(ids, list) or not all(type(id) is int for id in ids):
        raise ParameterError(f"ids={str(ids)[:40]!r}: expected a list of whole numbers")
    if len(ids) > playground.limits.characters:
        raise ParameterError(f"{len(ids):,} ids: at most {playground.limits.characters:,} can be decoded at a time")
    wrong = next((id for id in ids if not 0 <= id <= last), None)
    if wrong is not None:
        raise COMMON.error(ParameterError, "tokenize_id_range", found=wrong, last=last)
    return list(ids)
