"""Section of the generation lab: a text coloured by what the model expected, and two texts against each other."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from neoxjp.engine.records import checked_ids
from neoxjp.errors import ParameterError, PromptTooLong
from neoxjp.labs.heat_map import view as render_heat
from neoxjp.labs.heat_map.records import Heat as Record
from neoxjp.labs.heat_map.records import Pair, heat_of_steps, pair_of, spans_of
from neoxjp.labs.heat_map.strings import both, label, strings, words
from neoxjp.labs.heat_map.view import MEASURES, Measure
from neoxjp.page_parts.answers import check_length, expected, guarded
from neoxjp.page_parts.events import latest
from neoxjp.page_parts.sections import script
from neoxjp.page_parts.session import Loaded, Playground
from neoxjp.page_parts.stream import Scorer, scorer
from neoxjp.page_parts.strings import Words, language
from neoxjp.page_parts.text_above import Source, changed_notice, ids_above, source_above
from neoxjp.page_parts.writing import Writing

if TYPE_CHECKING:
    from neoxjp.page_parts.generate_tab import GenerateTab

CONTEXTS = 4  # a text may be so many contexts long
PAIRS = {
    "particle": ("昔々、あるところにおじいさんがいました。", "昔々、あるところにおじいさんはいました。"),
    "object": ("犬が吠える。", "犬を吠える。"),
    "kana": ("今日は天気がいい。", "きょうはてんきがいい。"),
    "order": ("猫が魚を食べる。", "魚が猫を食べる。"),
    "form": ("慶応大学に通う。", "慶應大学に通う。"),
}
"""Pairs to begin with. The letter forms of the last are one id, with the bundled vocabulary and with abeja's."""


@dataclass(frozen=True)
class Shown:
    """What is on show."""

    heat: Record
    of: Source | None  # None: the text came from the field


@dataclass(frozen=True)
class Heat:
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
        """What a link restores."""
        return {"text": self.text, "by": self.measure, "a": self.first, "b": self.second}


def build(playground: Playground) -> Heat:
    """Draw the section."""
    gr.HTML(f"<h2>{both('heat_title')}</h2><p>{both('heat_intro')}</p>", elem_classes="section", apply_default_css=False)
    japanese = gr.InputHTMLAttributes(lang="ja", spellcheck=False)
    with gr.Column(elem_classes="card"):
        text = gr.Textbox(
            "",
            label=label("heat_text"),
            placeholder=label("heat_text_placeholder"),
            lines=1,
            max_lines=8,
            elem_id="heat-text",
            html_attributes=japanese,
        )
        with gr.Row(elem_classes="lab-controls"):
            go = gr.Button(label("heat_go"), variant="primary", elem_id="heat-go", min_width=110)
            offered = [(label(f"heat_measure_{name}"), name) for name in MEASURES]
            measure = gr.Radio(offered, value="logprob", label=label("heat_measure"), elem_id="heat-measure")
        line = gr.HTML(f'<p class="lab-hint">{both("heat_press")}</p>', elem_id="heat-line", apply_default_css=False)
        view = gr.HTML(elem_id="heat-view", apply_default_css=False, js_on_load=script("walk.js"))
    with gr.Column(elem_classes="card"):
        head = f"<h3>{both('heat_pair_title')}</h3><p>{both('heat_pair_intro')}</p>"
        gr.HTML(head, apply_default_css=False, elem_classes="lab-part")
        fields = []
        with gr.Row(elem_classes="two-columns"):
            for name, value in zip(("first", "second"), PAIRS["particle"], strict=True):
                fields.append(
                    gr.Textbox(
                        value,
                        label=label(f"heat_{name}"),
                        lines=1,
                        max_lines=4,
                        min_width=260,
                        elem_id=f"heat-{name}",
                        html_attributes=japanese,
                    )
                )
        with gr.Row(elem_classes="lab-controls"):
            compare = gr.Button(label("heat_compare"), variant="primary", elem_id="heat-compare", min_width=110)
            with gr.Row(elem_classes="chips"):
                chips = {name: gr.Button(label(f"heat_ex_{name}"), size="sm", min_width=0, elem_classes="chip") for name in PAIRS}
        press = f'<p class="lab-hint">{both("heat_pair_press")}</p>'
        pair = gr.HTML(press, elem_id="heat-pair", apply_default_css=False)
    first, second = fields
    return Heat(text, go, measure, gr.State(None), line, view, first, second, chips, compare, pair)


def connect(section: Heat, playground: Playground, tab: "GenerateTab", due: gr.Number) -> None:
    """Wire the events. `tab` is the tab above; `due` changes whenever the section must draw anew."""
    queued: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": 2, "concurrency_id": "lab"}
    quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    scored = scorer(playground)

    def colour(writing: Writing, prompt: str, text: str, measure: Measure, request: gr.Request) -> tuple[Any, ...]:
        def show(say: Words) -> tuple[Any, ...]:
            shown = heat_of(playground, scored, writing, prompt or "", text or "")
            return "", view_of(playground, shown, measure, say), shown

        return guarded(show, strings=strings, request=request, empty=("", None))

    def recolour(shown: Shown | None, measure: Measure, request: gr.Request) -> Any:
        return gr.skip() if shown is None else view_of(playground, shown, measure, words(language(request)))

    def look(writing: Writing, prompt: str, shown: Shown | None, request: gr.Request) -> Any:
        of = None if shown is None else shown.of
        return changed_notice(playground, writing, prompt or "", of, words(language(request)), "heat_changed")

    def show_pair(first: str, second: str, request: gr.Request) -> tuple[Any, ...]:
        def show(say: Words) -> tuple[str]:
            if not first and not second:
                raise strings.error(ParameterError, "heat_pair_empty")
            return (render_heat.pair(compared(playground, scored, first or "", second or ""), say),)

        return guarded(show, strings=strings, request=request, empty=())[0]

    asked = [tab.writing, tab.prompt, section.text, section.measure]
    out = [section.line, section.view, section.shown]
    coloured = gr.on([section.go.click, section.text.submit], colour, asked, out, **queued)
    section.measure.change(recolour, [section.shown, section.measure], section.view, **quiet)
    now: tuple[Any, ...] = (look, [tab.writing, tab.prompt, section.shown], section.line)
    coloured.then(*now, **quiet)  # the text may have changed meanwhile
    latest([due.change, tab.prompt.change], *now)
    fields = [section.first, section.second]
    gr.on([section.compare.click, section.first.submit, section.second.submit], show_pair, fields, section.pair, **queued)
    for name, chip in section.examples.items():
        chip.click(lambda name=name: PAIRS[name], None, fields, **quiet).then(show_pair, fields, section.pair, **queued)


def endpoints(playground: Playground) -> None:
    """The section's actions as API: /heat and /compare_texts."""
    scored = scorer(playground)

    def heat(text: str = "", ids: list[int] | None = None) -> dict[str, Any]:
        """Say how surprised the model is by a text, piece by piece and in sum.

        Args:
            text: The text; the model reads it behind its beginning-of-text token.
            ids: Or the ids of a text as they are, with nothing before them: the first piece is then not scored.

        Returns:
            text, pieces (start, end, surface, ids, logprob and entropy in nats, bits, rank), tokens, characters, bits,
            bits_per_character, perplexity_per_token, perplexity_per_character, surprising (places of the pieces with most bits).
        """
        if ids is not None:
            if text:
                raise ParameterError("text and ids were both given: give one of the two")
            return asdict(heat_of_written(playground, scored, ids))
        return asdict(heat_of_text(playground, scored, text))

    def compare_texts(first: str, second: str) -> dict[str, Any]:
        """Say which of two texts the model finds likelier, by how many bits, and where: a minimal pair.

        Args:
            first: A text.
            second: Another.

        Returns:
            first and second (records as /heat gives), same_ids, likelier ("first", "second" or null), difference (bits of the
            first less those of the second), likelier_per_character, stretches (kind, first, second, first_text, second_text,
            first_bits, second_bits, difference).
        """
        return asdict(compared(playground, scored, first, second))

    gr.api(expected(heat), api_name="heat", concurrency_limit=1)
    gr.api(expected(compare_texts), api_name="compare_texts", concurrency_limit=1)


# ---------------------------------------------------------------- what the handlers do


def heat_of(playground: Playground, scored: Scorer, writing: Writing, prompt: str, text: str) -> Shown:
    """The text of the field, or what stands above."""
    if text:
        return Shown(heat_of_text(playground, scored, text), None)
    ids = ids_above(playground, writing, prompt)
    found = heat_of_text(playground, scored, prompt) if writing.text is None else heat_of_written(playground, scored, ids)
    return Shown(found, source_above(playground, writing, prompt))


def heat_of_text(playground: Playground, scored: Scorer, text: str) -> Record:
    """A text, read behind the beginning-of-text token where the model has one."""
    loaded = playground.ready
    check_length(playground, text)
    tokens = loaded.tokenizer.analyze(text)
    ids = [token.id for token in tokens]
    _check(loaded, len(ids))
    steps = scored(ids, 0, _has_bos(loaded))
    return heat_of_steps(text, [(token.start, token.end) for token in tokens], steps)


def heat_of_written(playground: Playground, scored: Scorer, ids: Sequence[int]) -> Record:
    """Ids as they are."""
    loaded = playground.ready
    assert loaded.model is not None
    given = checked_ids(ids, loaded.model.config.vocab_size, "ids")
    _check(loaded, len(given))
    steps = scored(given, 0, False)
    text, spans = spans_of(given, loaded.tokenizer)
    return heat_of_steps(text, spans, steps)


def compared(playground: Playground, scored: Scorer, first: str, second: str) -> Pair:
    """Two texts."""
    return pair_of(heat_of_text(playground, scored, first), heat_of_text(playground, scored, second))


def view_of(playground: Playground, shown: Shown, measure: Measure, say: Words) -> str:
    """HTML of what is on show."""
    return render_heat.view(shown.heat, measure if measure in MEASURES else "logprob", say, playground.limits.drawn_pieces)


def _check(loaded: Loaded, tokens: int) -> None:
    assert loaded.model is not None
    most = CONTEXTS * loaded.model.config.max_position_embeddings
    if tokens > most:
        raise strings.error(PromptTooLong, "heat_too_many", n=f"{tokens:,}", most=f"{most:,}")


def _has_bos(loaded: Loaded) -> bool:
    assert loaded.model is not None
    return loaded.model.config.bos_token_id is not None
