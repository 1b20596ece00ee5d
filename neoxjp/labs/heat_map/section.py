"""Section of the Generate tab: a text coloured by how well the model predicted it, and two texts compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from neoxjp.engine import check_ids
from neoxjp.errors import ParameterError, PromptTooLong
from neoxjp.labs.common.spans import spans_of
from neoxjp.labs.heat_map import view as views
from neoxjp.labs.heat_map.records import Heat, Pair, heat_of_steps, pair_of
from neoxjp.labs.heat_map.strings import strings
from neoxjp.labs.heat_map.view import MEASURES, Measure
from neoxjp.page_parts.answers import check_length, handler
from neoxjp.page_parts.events import QUIET, READING, latest
from neoxjp.page_parts.parts import JAPANESE, Parts
from neoxjp.page_parts.sections import script
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.stream import Scorer, scorer
from neoxjp.page_parts.strings import Words
from neoxjp.page_parts.text_above import Source, changed_notice, ids_above, source_above
from neoxjp.page_parts.texts import VisitorState

if TYPE_CHECKING:
    from neoxjp.page_parts.generate_tab import GenerateTab

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
    source: Source | None  # None: the text came from the field


@dataclass(frozen=True)
class Section:
    """The components of the section."""

    text: gr.Textbox
    go: gr.Button
    measure: gr.Radio
    shown: gr.State  # a Shown
    line: gr.HTML
    view: gr.HTML
    first: gr.Textbox
    second: gr.Textbox
    examples: dict[str, gr.Button]
    compare: gr.Button
    pair: gr.HTML

    @property
    def linked(self) -> dict[str, Any]:
        """The components that a link restores."""
        return {"text": self.text, "by": self.measure, "a": self.first, "b": self.second}


def build(playground: Playground) -> Section:
    """Create the components."""
    part = Parts("heat_map", strings)
    with gr.Column(elem_classes="card"):
        text = part.textbox("text", max_lines=8, html_attributes=JAPANESE)
        with gr.Row(elem_classes="lab-controls"):
            go = part.button("go", variant="primary")
            measure = part.radio("measure", MEASURES, "measure_")
        line = part.html("line", part.hint("press"))
        view = part.html("view", js_on_load=script("walk.js"))
    with gr.Column(elem_classes="card"):
        part.html(value=f"<h3>{part.both('pair_title')}</h3><p>{part.both('pair_intro')}</p>", elem_classes="lab-part")
        with gr.Row(elem_classes="two-columns"):
            pairs = zip(("first", "second"), PAIRS["particle"], strict=True)
            first, second = [
                part.textbox(name, value, max_lines=4, min_width=260, html_attributes=JAPANESE) for name, value in pairs
            ]
        with gr.Row(elem_classes="lab-controls"):
            compare = part.button("compare", variant="primary")
            with gr.Row(elem_classes="chips"):
                examples = {name: part.chip(f"ex_{name}") for name in PAIRS}
        pair = part.html("pair", part.hint("pair_press"))
    return Section(text, go, measure, gr.State(None), line, view, first, second, examples, compare, pair)


def connect(section: Section, playground: Playground, tab: "GenerateTab", due: gr.HTML) -> None:
    """Wire the events. `tab` is the tab above; `due` changes when the section has to be updated."""
    scored = scorer(playground)
    outputs = [section.line, section.view, section.shown]

    @handler(strings, errors=section.line, empty=outputs)
    def colour(t: Words, writing: VisitorState, text: str, measure: Measure) -> dict[Any, Any]:
        shown = heat_of(playground, scored, writing, text or "")
        return {section.line: "", section.view: view_of(playground, shown, measure, t), section.shown: shown}

    @handler(strings)
    def recolour(t: Words, shown: Shown | None, measure: Measure) -> Any:
        return gr.skip() if shown is None else view_of(playground, shown, measure, t)

    @handler(strings)
    def check_source(t: Words, writing: VisitorState, shown: Shown | None) -> Any:
        source = None if shown is None else shown.source
        return changed_notice(playground, writing, source, t, "heat_map_changed")

    @handler(strings, errors=section.pair)
    def show_pair(t: Words, first: str, second: str) -> str:
        if not first and not second:
            raise strings.error(ParameterError, "heat_map_pair_empty")
        return views.pair(compared(playground, scored, first or "", second or ""), t)

    source: tuple[Any, ...] = (check_source, [tab.writing, section.shown], section.line)
    asked = [tab.writing, section.text, section.measure]
    coloured = gr.on([section.go.click, section.text.submit], colour, asked, outputs, **READING)
    coloured.then(*source, **QUIET)  # the text above may have changed in the meantime
    latest([due.change], *source)
    section.measure.change(recolour, [section.shown, section.measure], section.view, **QUIET)
    fields = [section.first, section.second]
    gr.on([section.compare.click, section.first.submit, section.second.submit], show_pair, fields, section.pair, **READING)
    for name, chip in section.examples.items():
        chip.click(lambda name=name: PAIRS[name], None, fields, **QUIET).then(show_pair, fields, section.pair, **READING)


# ---------------------------------------------------------------- what the handlers show


def heat_of(playground: Playground, scored: Scorer, writing: VisitorState, text: str) -> Shown:
    """Score the text of the field, or the text above where the field is empty."""
    if text:
        return Shown(heat_of_text(playground, scored, text), None)
    ids, above = ids_above(playground, writing), writing.text
    only_prompt = above is not None and not above.steps
    found = heat_of_text(playground, scored, above.prompt) if above and only_prompt else heat_of_written(playground, scored, ids)
    return Shown(found, source_above(playground, writing))


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
    return heat_of_steps(*spans_of(given, tokenizer), steps)


def compared(playground: Playground, scored: Scorer, first: str, second: str) -> Pair:
    """Score and align two texts."""
    return pair_of(heat_of_text(playground, scored, first), heat_of_text(playground, scored, second))


def view_of(playground: Playground, shown: Shown, measure: Measure, t: Words) -> str:
    """HTML of the result."""
    return views.view(shown.heat, measure if measure in MEASURES else "logprob", t, playground.limits.drawn_pieces)


def _loaded(playground: Playground) -> tuple[Any, Any]:
    loaded = playground.ready
    assert loaded.model is not None
    return loaded.model, loaded.tokenizer


def _check(model: Any, tokens: int) -> None:
    most = CONTEXTS * model.config.max_position_embeddings
    if tokens > most:
        raise strings.error(PromptTooLong, "heat_map_too_many", n=f"{tokens:,}", most=f"{most:,}")
