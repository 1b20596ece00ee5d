"""Section of the Generate tab: a text coloured by how well the model predicted it, and two texts compared."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import gradio as gr

from neoxjp.engine import LN2, check_ids
from neoxjp.errors import NeoxjpError, ParameterError, PromptTooLong
from neoxjp.labs.common import html as render
from neoxjp.labs.common.glyphs import boxes, replace_surrogates, sign_of
from neoxjp.labs.common.heat import Heat, Pair, ScoredPiece, heat_of_steps, pair_of
from neoxjp.labs.common.spans import spans_of
from neoxjp.labs.heat_map import view as views
from neoxjp.labs.heat_map.strings import strings
from neoxjp.labs.heat_map.view import MEASURES, Measure
from neoxjp.page_parts.answers import check_length, follow_language, handler
from neoxjp.page_parts.events import BROWSER, QUIET, READING, latest
from neoxjp.page_parts.gradio_private import payload
from neoxjp.page_parts.parts import JAPANESE, Parts
from neoxjp.page_parts.results import Result
from neoxjp.page_parts.session.memory import session_memory
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.strings import Lang, Words, language
from neoxjp.page_parts.tabs.tokenize import pieces_of
from neoxjp.page_parts.text.editing import shown_text
from neoxjp.page_parts.text.main_text import Source, changed_notice, ids_above, source_above
from neoxjp.page_parts.text.state import VisitorState
from neoxjp.page_parts.text.stream import Scorer, scorer
from neoxjp.page_parts.token_editor import WORDS, Document, Edit, Piece, TokenEditor

if TYPE_CHECKING:
    from neoxjp.page_parts.tabs.generate import GenerateTab

SCORED_BYTES = 400  # of memory: a token with its numbers
CONTEXTS = 4  # the longest text, in context lengths
PAIRS = {
    "particle": ("昔々、あるところにおじいさんがいました。", "昔々、あるところにおじいさんはいました。"),
    "object": ("犬が吠える。", "犬を吠える。"),
    "kana": ("今日は天気がいい。", "きょうはてんきがいい。"),
    "order": ("猫が魚を食べる。", "魚が猫を食べる。"),
    "form": ("慶応大学に通う。", "慶應大学に通う。"),
}
"""Examples. The two character forms of the last one share an id, in the bundled vocabulary and in abeja's."""


@dataclass(frozen=True)
class Shown:
    """The result on the page."""

    heat: Heat
    source: Source | None  # None: the visitor wrote the text
    serial: int  # of the model


@dataclass
class HeatText:
    """The text of the section, as its page has it."""

    document: Document = field(default_factory=Document)
    own: bool = False  # the visitor wrote it, otherwise it is the text above
    shown: Shown | None = None  # what its colours, numbers and curve are from
    drawn: tuple[Measure, Lang] | None = None  # how

    @property
    def nbytes(self) -> int:
        """About how much memory it takes."""
        return self.document.nbytes + (len(self.shown.heat.pieces) * SCORED_BYTES if self.shown else 0)

    def trim(self) -> None:
        """Keep the text alone: it is coloured again with the next press of the button."""
        self.document.trim()
        self.shown = None


class Section:
    """The components of the section."""

    def __init__(self, playground: Playground):
        part = Parts("heat_map", strings)
        with gr.Column(elem_classes="card"):
            ja, en = strings.table["heat_map_text_placeholder"]
            self.text = TokenEditor(placeholder={"ja": ja, "en": en}, words=named(), elem_id=part.id("text"))
            with gr.Row(elem_classes="lab-controls"):
                self.go = part.button("go", variant="primary")
                self.measure = part.radio("measure", MEASURES, "measure_")
            self.line = part.html("line", part.hint("press"))
            self.view = part.html("view", js_on_load=part.script())
        with gr.Column(elem_classes="card"):
            part.html(value=f"<h3>{part.both('pair_title')}</h3><p>{part.both('pair_intro')}</p>", elem_classes="lab-part")
            with gr.Row(elem_classes="two-columns"):
                pairs = zip(("first", "second"), PAIRS["particle"], strict=True)
                self.first, self.second = [
                    part.textbox(name, value, max_lines=4, min_width=260, html_attributes=JAPANESE) for name, value in pairs
                ]
            with gr.Row(elem_classes="lab-controls"):
                self.compare = part.button("compare", variant="primary")
                with gr.Row(elem_classes="chips"):
                    self.examples = {name: part.chip(f"ex_{name}") for name in PAIRS}
            self.pair = part.html("pair", part.hint("pair_press"))
        self.heat = gr.State(HeatText())
        self.paired = gr.State(Result())
        self.own = gr.State("")  # the text where the visitor wrote it, "" for the text above: what a link restores
        self.linked = {"text": self.own, "by": self.measure, "a": self.first, "b": self.second}


def named() -> dict[str, dict[str, str]]:
    """The editor's words, with the name of the field."""
    label = dict(zip(("ja", "en"), strings.table["heat_map_view"], strict=True))
    return {lang: {**words, "label": label[lang]} for lang, words in WORDS.items()}


def connect(section: Section, playground: Playground, tab: "GenerateTab", due: gr.HTML) -> None:
    """Wire the events. `tab` is the tab above; `due` changes when the section has to be updated."""
    scored = scorer(playground)
    outputs = [section.line, section.view, section.text]
    quick = QUIET | {"trigger_mode": "multiple"}

    @handler(strings, errors=section.line)
    def colour(t: Words, writing: VisitorState, heat: HeatText, measure: Measure) -> dict[Any, Any]:
        before = heat.document.text if heat.own else ""
        shown = heat_of(playground, scored, writing, before)
        if heat.own and heat.document.text != before:  # it was edited meanwhile
            return {section.line: render.notice(t("heat_map_changed_here"))}
        heat.shown, heat.own, heat.drawn = shown, bool(before), (measure, t.lang)
        found = {
            section.line: "",
            section.view: view_of(playground, shown, measure, t),
            section.text: patched(playground, heat, measure),
        }
        session_memory.note(heat)
        return found

    @handler(strings)
    def recolour(t: Words, heat: HeatText, measure: Measure) -> Any:
        if heat.shown is None or heat.drawn == (measure, t.lang):
            return gr.skip()
        heat.drawn = measure, t.lang
        found = {section.view: view_of(playground, heat.shown, measure, t)}
        return found if edited_since(heat) else found | {section.text: patched(playground, heat, measure)}

    @handler(strings)
    def check_source(t: Words, writing: VisitorState, heat: HeatText) -> Any:
        shown = heat.shown
        if shown is not None and shown.source is None and shown.serial != playground.serial and not writing.running:
            return render.notice(t("earlier_model"))
        return changed_notice(playground, writing, shown.source if shown is not None else None, t, "heat_map_changed")

    def on_edit(heat: HeatText, request: gr.Request, event: gr.EventData) -> dict[Any, Any]:
        before = heat.document.text
        shown, line = edited(playground, heat, payload(event), strings.words(language(request)))
        found = {section.text: shown, section.line: line}
        if heat.document.text == before:  # such as the first event of the page, before the text of a link is there
            return found
        return found | {section.own: heat.document.text if heat.own else ""}

    def on_pick(heat: HeatText, request: gr.Request, event: gr.EventData) -> Any:
        return details(heat, payload(event), strings.words(language(request)))

    def restore(heat: HeatText, own: str) -> Any:
        return TokenEditor.give(own) if own and own != heat.document.text else gr.skip()

    section.text.edit(on_edit, section.heat, [section.text, section.line, section.own], **quick)
    section.text.sync(lambda heat: TokenEditor.show(heat.document.whole()), section.heat, section.text, **quick)
    section.text.pick(on_pick, section.heat, section.text, **quick)
    # One selected token: where both texts are the same, each follows the other.
    section.text.select(None, js="() => neoxjp.heatMap?.lead()", **BROWSER)
    tab.editor.select(None, js="() => neoxjp.heatMap?.follow()", **BROWSER)

    source: tuple[Any, ...] = (check_source, [tab.writing, section.heat], section.line)
    asked = [tab.writing, section.heat, section.measure]
    settled = section.go.click(None, js="() => neoxjp.editor('heat-map-text').settled()", **BROWSER)
    coloured = settled.then(colour, asked, outputs, **READING)
    coloured.then(*source, **QUIET)  # the text above may have changed in the meantime
    latest([due.change], *source)
    latest([due.change], restore, [section.heat, section.own], section.text)  # the text of a link
    again: tuple[Any, ...] = (recolour, [section.heat, section.measure], [section.view, section.text])
    section.measure.change(*again, **QUIET)
    coloured.then(*again, **QUIET)  # the measure or the language may have changed in the meantime
    latest([due.change], *again)

    @handler(strings, errors=section.pair)
    def show_pair(t: Words, result: Result, first: str, second: str) -> str:
        result.trim()  # also where there will be an error
        if not first or not second:
            raise strings.error(ParameterError, "heat_map_pair_empty")
        serial = playground.serial
        pair = compared(playground, scored, first, second)
        return result.show(lambda t: (views.pair(pair, t),), t, serial)[0]

    fields = [section.first, section.second]
    comparing: tuple[Any, ...] = (show_pair, [section.paired, *fields], section.pair)
    runs = [gr.on([section.compare.click, section.first.submit, section.second.submit], *comparing, **READING)]
    for name, chip in section.examples.items():
        filled = chip.click(lambda name=name: PAIRS[name], None, fields, **QUIET)
        runs.append(filled.then(*comparing, **READING))
    follow_language(due, section.paired, [section.pair], strings, *runs, playground=playground)


# ---------------------------------------------------------------- what the handlers show


def heat_of(playground: Playground, scored: Scorer, writing: VisitorState, text: str) -> Shown:
    """Score the text of the field, or the text above where the field is empty."""
    serial = playground.serial  # before the work: another model may be loaded meanwhile
    if text:
        return Shown(heat_of_text(playground, scored, text), None, serial)
    ids, above = ids_above(playground, writing), writing.text
    source, only_prompt = source_above(playground, writing), above is not None and not above.steps
    found = heat_of_text(playground, scored, above.prompt) if above and only_prompt else heat_of_written(playground, scored, ids)
    return Shown(found, source, serial)


def heat_of_text(playground: Playground, scored: Scorer, text: str) -> Heat:
    """Score a text after the beginning-of-text token, where the model has one."""
    model, tokenizer = _loaded(playground)
    check_length(playground, text)
    tokens = tokenizer.analyze(text)
    ids = [token.id for token in tokens]
    _check(model, len(ids))
    steps = scored(ids, 0, model.config.bos_token_id is not None)
    return heat_of_steps(text, [(token.start, token.end) for token in tokens], steps)


def heat_of_written(playground: Playground, scored: Scorer, ids: Sequence[int]) -> Heat:
    """Score ids without a beginning-of-text token."""
    model, tokenizer = _loaded(playground)
    given = check_ids(ids, model.config.vocab_size, "ids")
    _check(model, len(given))
    steps = scored(given, 0, False)
    return heat_of_steps(*spans_of(given, tokenizer, skip_special=True), steps)


def compared(playground: Playground, scored: Scorer, first: str, second: str) -> Pair:
    """Score and align two texts."""
    return pair_of(heat_of_text(playground, scored, first), heat_of_text(playground, scored, second))


def view_of(playground: Playground, shown: Shown, measure: Measure, t: Words) -> str:
    """HTML of the numbers, the scale, the curve and the list of a result."""
    return views.view(shown.heat, measure_of(measure), t, playground.limits.drawn_pieces)


def measure_of(given: Any) -> Measure:
    """The measure that a control has, or the first one."""
    return given if given in MEASURES else "logprob"


def patched(playground: Playground, heat: HeatText, measure: Measure) -> gr.HTML:
    """The editor's update with the colours of the result."""
    assert heat.shown is not None
    found = heat.shown.heat
    drawn = found.pieces[: playground.limits.drawn_pieces]
    pieces = [piece_of(piece, views.level_of(piece, measure_of(measure))) for piece in drawn]
    rest = found.text[drawn[-1].end :] if drawn else ""
    return TokenEditor.show(heat.document.patch([*pieces, *([Piece(shown_text(rest), (), own=True)] if rest else [])]))


def piece_of(piece: ScoredPiece, level: int | None) -> Piece:
    """A scored piece with its colour."""
    mark = "" if level is None else f"l{level}"
    return Piece(
        shown_text(piece.surface), piece.ids, own=True, sign=sign_of(piece.surface) or ("" if piece.surface else "∅"), marks=mark
    )


def edited_since(heat: HeatText) -> bool:
    """Whether the text is another one than the result is about."""
    return heat.shown is None or heat.document.text != shown_text(heat.shown.heat.text)


def edited(playground: Playground, heat: HeatText, sent: Any, t: Words) -> tuple[Any, Any]:
    """The updates of the editor and of the line after the visitor's edit, whose tokens have no colours yet."""
    document = heat.document
    if playground.loaded is None:  # the page asks again when the vocabulary is there
        return gr.skip(), gr.skip()
    try:
        edit = Edit.read(sent)
        if not edit.whole and edit.revision != document.revision:
            return TokenEditor.show(document.unknown()), gr.skip()
        text = replace_surrogates(edit.apply(document.text))
        if text == document.text and not document.trimmed:
            return TokenEditor.show(document.patch(document.pieces, answers=edit)), gr.skip()
        check_length(playground, text)
    except NeoxjpError as error:
        return TokenEditor.show(document.refused(t.message(error))), gr.skip()
    plain = boxes(playground.tokenizer.analyze(text), text)
    pieces = [replace(piece, marks="") for piece in pieces_of(plain, text, playground.limits.drawn_pieces, document.pieces)]
    heat.own = bool(text) and (heat.own or text != document.text)
    patch = document.patch(pieces, answers=edit)
    session_memory.note(heat)
    return TokenEditor.show(patch), render.notice(t("heat_map_changed_here" if heat.shown and text else "heat_map_press"))


def details(heat: HeatText, sent: Mapping[str, Any], t: Words) -> Any:
    """The editor's update with the numbers of a token."""
    at, revision = sent.get("at"), sent.get("revision")
    if type(at) is not int or type(revision) is not int:
        return gr.skip()
    if edited_since(heat):
        return TokenEditor.tell(at, revision, note=t("heat_map_not_coloured"))
    assert heat.shown is not None
    pieces = heat.shown.heat.pieces
    places = accumulate((len(piece.ids) for piece in pieces), initial=0)
    piece = next((piece for piece, place in zip(pieces, places, strict=False) if place == at), None)
    if piece is None or piece.logprob is None:
        return TokenEditor.tell(at, revision, note=t("heat_map_unscored_first"))
    entropy = None if piece.entropy is None else piece.entropy / LN2
    return TokenEditor.tell(at, revision, probability=math.exp(piece.logprob), rank=piece.rank, entropy=entropy)


def _loaded(playground: Playground) -> tuple[Any, Any]:
    loaded = playground.ready
    assert loaded.model is not None
    return loaded.model, loaded.tokenizer


def _check(model: Any, tokens: int) -> None:
    most = CONTEXTS * model.config.max_position_embeddings
    if tokens > most:
        raise strings.error(PromptTooLong, "heat_map_too_many", n=f"{tokens:,}", most=f"{most:,}")
