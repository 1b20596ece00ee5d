"""The Tokens tab: a text that shows its tokens while one types, its counts and ids; below it the sections of the lab.

`build` makes the components, `connect` wires the events. What the handlers show is computed in plain functions below.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, islice
from typing import Any

import gradio as gr

from neoxjp import compare
from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.labs.common import html as render
from neoxjp.labs.common.glyphs import boxes
from neoxjp.labs.common.steps import plain
from neoxjp.labs.features import FEATURES, Feature, sections_of
from neoxjp.labs.share_link import section as links
from neoxjp.page_parts.answers import check_length, handler
from neoxjp.page_parts.events import BROWSER, QUIET, latest
from neoxjp.page_parts.gradio_private import current_visitor, payload
from neoxjp.page_parts.parts import Parts
from neoxjp.page_parts.session.memory import session_memory
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.strings import COMMON, Words, both, label, language, words
from neoxjp.page_parts.tabs import sections
from neoxjp.page_parts.tabs.tokenize import TokenizeTab, pieces_of
from neoxjp.page_parts.token_editor import Document, Edit, Piece, TokenEditor
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer, Token

EXAMPLES = {
    "tokenize_example_prose": "吾輩は猫である。名前はまだ無い。どこで生れたか頓と見当がつかぬ。",
    "tokenize_example_kana": "慶應義塾と慶応義塾、國語と国語、ﾊﾝｶｸとハンカク、①と1。",
    "tokenize_example_bytes": "𩸽と鱈を食べた👨\u200d👩\u200d👧 café で🐈\u200d⬛を見た👋🏻",
    "tokenize_example_mixed": "2024年4月、東京都で AI の会議が開かれ、約１２００人が参加した。",
}
FIRST = EXAMPLES["tokenize_example_kana"]
IDS_SHOWN = 5_000  # ids shown in the field to copy from
SPELLINGS_SHOWN = 24  # spellings of one id in the popover; an id can have hundreds
BEHIND = 1_000  # characters behind the last token on the page, for what a token depends on
REMEMBERED = 100_000  # characters of the longest text whose tokens are kept
SCROLL_TO_LAB = "() => document.getElementById('lab')?.scrollIntoView({ block: 'nearest' })"


def build(playground: Playground, features: Sequence[Feature] = FEATURES) -> TokenizeTab:
    """Make the components of the tab."""
    part = Parts("tokenize", COMMON)
    ja, en = COMMON.table["tokenize_text_placeholder"]
    with gr.Row(elem_classes="two-columns"):
        with gr.Column(scale=7, min_width=320, elem_classes="card"):
            with gr.Row(elem_classes="chips"):
                examples = {key: gr.Button(label(key), size="sm", min_width=60) for key in EXAMPLES}
                show_ids = gr.Checkbox(container=False, min_width=100, **part.named("show_ids"))
            editor = TokenEditor(FIRST, look="pieces", placeholder={"ja": ja, "en": en}, elem_id=part.id("text"))
            part.slot("legend", both("wait_vocabulary"))
            row = links.build()
        with gr.Column(scale=3, min_width=250):
            with gr.Column(elem_classes="card side"):
                part.slot("counts", js_on_load="neoxjp.restoreText('tokenize-text', 'lab')")
            with part.accordion("ids_section"):
                output: dict[str, Any] = {"max_lines": 6, "interactive": False, "buttons": ["copy"]}
                ids = part.textbox("ids", lines=3, elem_classes="ids", **output)
                paste = part.textbox("paste", lines=3, max_lines=6)
                paste_note = part.html("paste-note")
                pasted = part.textbox("pasted", key="decoded", **output)
    below = sections.build(playground, sections_of(features, "tokenize"), "lab")
    document = gr.State(Document())
    return TokenizeTab(document, editor, examples, show_ids, row, ids, paste, paste_note, pasted, below)


def connect(tab: TokenizeTab, playground: Playground, features: Sequence[Feature], status: gr.HTML, switches: gr.HTML) -> None:
    """Wire the events. `status.load` comes when another model was loaded, `switches.change` when the language was changed."""
    quick = QUIET | {"trigger_mode": "multiple"}

    def edit(document: Document, sent: Mapping[str, Any], request: gr.Request) -> Iterator[dict[str, Any]]:
        found = edited(playground, document, sent, words(language(request)))
        if found is not None:
            yield found

    def sync(document: Document, sent: Mapping[str, Any], request: gr.Request) -> Iterator[dict[str, Any]]:
        try:  # making it again takes as long as what was typed
            playground.visitors.charge(current_visitor(), "characters", len(document.text))
            yield TokenEditor.patched(document.whole())
        except NeoxjpError as error:
            yield TokenEditor.patched(document.refused(words(language(request)).message(error)))

    def pick(document: Document, sent: Mapping[str, Any], request: gr.Request) -> Iterator[dict[str, Any]]:
        found = details(playground, document, sent, words(language(request)), tuple(tab.lab.tab))
        if found is not None:
            yield found

    def on_go(event: gr.EventData) -> dict[Any, Any]:
        name = payload(event).get("name")
        return {tab.lab.tabs: gr.Tabs(selected=name), tab.lab.open: name} | tab.lab.update(name) if name in tab.lab.tab else {}

    @handler(COMMON)
    def on_language(t: Words, document: Document) -> Any:
        if playground.loaded is None:
            return gr.skip()
        playground.visitors.charge(current_visitor(), "characters", len(document.text))
        html = beside(document.text, document.pieces, tokens_of(playground.tokenizer, document.text), t)
        return TokenEditor.show(document.patch(document.pieces, also={"html": html}))

    @handler(COMMON, empty=[tab.ids])
    def on_changed(t: Words, document: Document) -> str:
        if len(document.text) > REMEMBERED:  # it is tokenized again
            playground.visitors.charge(current_visitor(), "characters", len(document.text))
        return ids_of(playground, document.text, t)

    @handler(COMMON, errors=tab.paste_note, empty=[tab.pasted])
    def on_ids(t: Words, pasted: str) -> dict[Any, Any]:
        return {tab.pasted: render.replace_surrogates(text_of_ids(playground, pasted)), tab.paste_note: ""}

    tab.editor.answer(tab.document, {"edit": edit, "sync": sync, "pick": pick})
    moved = [tab.lab.tabs, tab.lab.open, *tab.lab.due.values()]
    tab.editor.go(on_go, None, moved, **QUIET).then(None, js=SCROLL_TO_LAB, **BROWSER)
    # Another model has another vocabulary: the page sends its text, and gets its new tokens.
    status.load(lambda document: TokenEditor.show(document.unknown()), tab.document, tab.editor, **QUIET)
    # The first step is in the browser: see `latest`, which takes no events of a script.
    heard = tab.editor.changed(None, None, None, js="() => neoxjp.keepText('tokenize-text', 'lab')", **BROWSER)
    always: dict[str, Any] = QUIET | {"trigger_mode": "always_last", "concurrency_limit": None}
    changed = heard.then(on_changed, tab.document, tab.ids, **always)
    latest([tab.paste.change], on_ids, tab.paste, [tab.pasted, tab.paste_note])
    for key, button in tab.examples.items():
        button.click(None, js=f"() => neoxjp.editor('tokenize-text').replace({json.dumps(EXAMPLES[key])})", **BROWSER)
    tab.show_ids.change(lambda on: gr.HTML(ids=bool(on)), tab.show_ids, tab.editor, **QUIET)
    lab = sections_of(features, "tokenize")
    translated = switches.change(on_language, tab.document, tab.editor, **quick)
    sections.connect(tab.lab, lab, playground, tab, changed, translated)  # after `changed`: the tokens come first


# ---------------------------------------------------------------- what the handlers show


def edited(playground: Playground, document: Document, sent: Any, t: Words) -> dict[str, Any] | None:
    """The editor's update after the visitor's edit, with the counts and the legend."""
    if playground.loaded is None:  # the page asks again when the vocabulary is there
        return None
    try:
        edit = Edit.read(sent)
        if not edit.whole and edit.revision != document.revision:
            return TokenEditor.patched(document.unknown())  # what the visitor sees counts
        text = edit.apply(document.text)
        check_length(playground, text)
        text = render.replace_surrogates(text)
        tokens = tokens_of(playground.tokenizer, text)
    except NeoxjpError as error:
        return TokenEditor.patched(document.refused(t.message(error)))
    pieces = pieces_of(boxes(tokens, text), text, playground.limits.drawn_pieces, document.pieces)
    patch = document.patch(pieces, answers=edit, also={"html": beside(text, pieces, tokens, t)})
    session_memory.note(document)
    return TokenEditor.patched(patch)


def beside(text: str, pieces: Sequence[Piece], tokens: Sequence[Token], t: Words) -> dict[str, str]:
    """The counts and the legend of a text: element id → HTML."""
    drawn = list(islice(boxes(tokens, text), sum(bool(piece.ids) for piece in pieces)))
    rest = len(tokens) - sum(len(box.tokens) for box in drawn)
    counts = render.counts(compare.count_text(text, tokens), t)
    return {"tokenize-counts": counts, "tokenize-legend": render.legend(drawn, rest, t)}


def details(
    playground: Playground, document: Document, sent: Mapping[str, Any], t: Words, sections: Sequence[str] = ()
) -> dict[str, Any] | None:
    """The editor's update with all about a token: ids, pieces, bytes, script, kind, position, the spellings of its id.

    Args:
        sections: keys of the lab's sections: a button in the popover opens the one that explains why the text is split here.
    """
    at, revision = sent.get("at"), sent.get("revision")
    if type(at) is not int or type(revision) is not int or playground.loaded is None:
        return None
    tokenizer, text = playground.tokenizer, document.text
    drawn = sum(len(piece.text) for piece in document.pieces if piece.ids)
    text = text[: drawn + BEHIND]  # the rest of a long text has no tokens on the page
    shown = list(boxes(tokens_of(tokenizer, text), text))
    places = accumulate((len(box.tokens) for box in shown), initial=0)
    box = next((box for box, place in zip(shown, places, strict=False) if place == at), None)
    if box is None:
        return None
    first, end = box.tokens[0], box.start + len(box.surface)
    facts = {
        "id": box.ids,
        "piece": " ".join(token.piece for token in box.tokens),
        "bytes": box.surface.encode("utf-8", "replace").hex(" ").upper(),
        "script": t(box.script),
        "kind": t(f"kind_{first.kind}"),
        "at": f"{box.start + 1}" if end == box.start + 1 else f"{box.start + 1}–{end}",
    }
    found: dict[str, Any] = {"name": box.shown, "facts": [[t(f"d_{key}"), value] for key, value in facts.items()]}
    if box.mark:
        written = plain("".join(token.text for token in box.tokens)) or t("d_nothing")
        found["notes"] = [[box.mark, t(f"d_{box.mark}", a=box.shown, b=written)]]
    known = list(tokenizer.spellings(first.id)) if len(box.tokens) == 1 else []
    if len(known) > 1:
        more = len(known) - SPELLINGS_SHOWN
        found["texts"] = [t("d_spellings"), known[:SPELLINGS_SHOWN], t("d_more", n=more) if more > 0 else ""]
    if "why_this_cut" in sections:
        found["buttons"] = [["why_this_cut", t("tokenize_why")]]
    return TokenEditor.details(at, revision, **found)


def ids_of(playground: Playground, text: str, t: Words) -> str:
    """The ids of a text, to copy."""
    tokens = tokens_of(playground.tokenizer, text)
    ids = ", ".join(str(token.id) for token in tokens[:IDS_SHOWN])
    return ids if len(tokens) <= IDS_SHOWN else f"{ids} … {t('tokenize_ids_cut', drawn=f'{IDS_SHOWN:,}')}"


def tokens_of(tokenizer: GPTNeoXJapaneseTokenizer, text: str) -> Sequence[Token]:
    """The tokens of a text. Those of the last texts are kept, unless they are long."""
    return (_analyze if len(text) <= REMEMBERED else GPTNeoXJapaneseTokenizer.analyze)(tokenizer, text)


_analyze = lru_cache(maxsize=4)(GPTNeoXJapaneseTokenizer.analyze)  # an edit is followed by what else shows its text


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
