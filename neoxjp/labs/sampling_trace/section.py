"""Section of the generation lab: what sampling did at the chosen token, and what it would have done with other settings.

Where the logits of a step are kept, nothing is computed but the filters; else a button reads the text once more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import gradio as gr

from neoxjp.errors import NeoxjpError
from neoxjp.labs.sampling_trace import view as render_ledger
from neoxjp.labs.sampling_trace.records import ledger_at
from neoxjp.labs.sampling_trace.steps import NO_FILTERS, Step, keep_again, reading, step_at
from neoxjp.labs.sampling_trace.strings import both, label, words
from neoxjp.page_parts.answers import message_of
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.settings import CONTROLS
from neoxjp.page_parts.strings import Words, language
from neoxjp.page_parts.writing import Part, Text, Writing
from neoxjp.sampling import SamplingParams

if TYPE_CHECKING:
    from neoxjp.page_parts.generate_tab import GenerateTab

ROWS = 10  # candidates of the table, by the model's probability, and as many by the final one
TRIED = (  # in the order in which they are applied, as in the table of filters
    "repetition_penalty",
    "no_repeat_ngram_size",
    "min_new_tokens",
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "typical_p",
)


@dataclass(frozen=True)
class Ledger:
    """The components of the section."""

    place: gr.Number  # of the token, from 1
    before: gr.Button
    behind: gr.Button
    drawing: gr.HTML
    read: gr.Button  # shown where logits have to be read again
    candidates: gr.HTML
    filters: gr.HTML
    tried: dict[str, gr.Slider]
    reset: gr.Button
    part: gr.State  # the `Part` that the sliders were set to
    drawn: gr.Number  # another number whenever all must be drawn anew
    linked: dict[str, Any]  # what a link restores: nothing, the text is not in it


def build(playground: Playground) -> Ledger:
    """Draw the section."""
    script = (files("neoxjp.labs.sampling_trace") / "script.js").read_text(encoding="utf-8")
    gr.HTML(f"<h2>{both('ledger_title')}</h2><p>{both('ledger_intro')}</p>", elem_classes="section", apply_default_css=False)
    with gr.Column(elem_classes="card"):
        with gr.Row(elem_classes="xl-steps"):
            before = gr.Button(label("ledger_before"), size="sm", elem_id="ledger-before", min_width=110)
            behind = gr.Button(label("ledger_behind"), size="sm", elem_id="ledger-behind", min_width=110)
            place = gr.Number(1, label=label("ledger_place"), precision=0, minimum=1, elem_id="ledger-place", min_width=110)
        drawing = gr.HTML(elem_id="ledger-draw", apply_default_css=False, js_on_load=script)
        read = gr.Button(label("ledger_read"), size="sm", visible=False, elem_id="ledger-read")
    with gr.Row(elem_id="ledger-body", elem_classes="two-columns"):
        with gr.Column(scale=7, min_width=320, elem_classes="card", elem_id="ledger-tables"):
            gr.HTML(f"<h3>{both('ledger_candidates')}</h3>", apply_default_css=False, elem_classes="xl-part")
            candidates = gr.HTML(elem_id="ledger-candidates", apply_default_css=False)
            gr.HTML(f"<h3>{both('ledger_filters')}</h3>", apply_default_css=False, elem_classes="xl-part")
            filters = gr.HTML(elem_id="ledger-filters", apply_default_css=False)
        with gr.Column(scale=3, min_width=260, elem_classes="card", elem_id="ledger-try"):
            heading = f"<h3>{both('ledger_try')}</h3><p>{both('ledger_try_help')}</p>"
            gr.HTML(heading, apply_default_css=False, elem_classes="xl-part")
            tried = {name: _slider(name) for name in TRIED}
            reset = gr.Button(label("ledger_reset"), size="sm", elem_id="ledger-reset")
    drawn = gr.Number(0, visible="hidden")
    return Ledger(place, before, behind, drawing, read, candidates, filters, tried, reset, gr.State(None), drawn, {})


def _slider(name: str) -> gr.Slider:
    control = next(control for control in CONTROLS if control.name == name)
    neutral = getattr(NO_FILTERS, name)
    return gr.Slider(
        control.low,
        control.high,
        neutral,
        step=control.step,
        label=label(f"g_{name}"),
        elem_id=f"ledger-{name.replace('_', '-')}",
    )


def connect(section: Ledger, playground: Playground, tab: "GenerateTab", due: gr.Number) -> None:
    """Wire the events. `tab` is the tab above; `due` changes whenever the section must draw anew."""
    live: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    live |= {"trigger_mode": "always_last", "concurrency_limit": None}
    sliders = list(section.tried.values())
    asked = [tab.writing, section.part, section.place, *sliders]
    shown = [section.drawing, section.candidates, section.filters, section.read, section.part, *sliders]
    reader = reading(playground)

    def draw(request: gr.Request, writing: Writing, part: Part | None, place: float | None, *values: Any) -> list[Any]:
        if writing.running:  # what is on show stays until the new text is there
            return [gr.skip()] * len(shown)
        return _updates(playground, writing.text, part, place, values, request)

    def again(request: gr.Request, writing: Writing, part: Part | None, place: float | None, *values: Any) -> list[Any]:
        text = writing.text
        if not writing.running and text is not None and text.steps:
            try:
                keep_again(playground, reader, text, step_at(text, place))
            except NeoxjpError as error:
                message = render_ledger.trouble(message_of(error, request))
                return [message, "", "", *[gr.skip()] * (len(shown) - 3)]
        return draw(request, writing, part, place, *values)

    def reset(request: gr.Request, writing: Writing, place: float | None, *values: Any) -> list[Any]:
        return draw(request, writing, None, place, *values)

    # A piece chosen in the text above is shown at once while the section is open: see ledger.js.
    private: dict[str, Any] = {"api_visibility": "private", "queue": False}
    due.change(
        None,
        section.place,
        [section.place, section.drawn],
        js="(at) => [neoxjp.ledger?.taken() ?? at, performance.now()]",
        **private,
    )
    tab.view.select(None, section.place, section.place, js="(at) => neoxjp.ledger?.chosen() ?? at", **private)
    section.place.input(None, section.place, None, js="(at) => neoxjp.ledger?.mark(at)", **private)
    for event, by in ((section.before.click, -1), (section.behind.click, 1)):
        event(None, section.place, section.place, js=f"(at) => neoxjp.ledger?.step({by}) ?? at", **private)
    moved = [slider.input for slider in sliders]
    gr.on([section.drawn.change, section.place.change, *moved], draw, asked, shown, **live)
    section.reset.click(reset, [tab.writing, section.place, *sliders], shown, **live)
    section.read.click(again, asked, shown, show_progress="minimal", api_visibility="private", concurrency_limit=1)


# ---------------------------------------------------------------- what the handlers show


def shown_of(
    playground: Playground, text: Text | None, step: Step | None, params: SamplingParams | None, say: Words
) -> tuple[str, str, str, bool]:
    """The draw, the candidates and the filters as HTML, and whether the logits must be read again for them.

    params: instead of those of the generation.

    Raises:
        NeoxjpError: no model is there, or the filters leave no token.
    """
    if text is None or step is None:
        return render_ledger.hint(say("ledger_empty")), "", "", False
    loaded = playground.ready
    if text.serial != loaded.serial:
        return render_ledger.hint(say("ledger_other_model")), "", "", False
    if loaded.logits.get(step.history) is None:
        return render_ledger.hint(say("ledger_not_kept", n=f"{len(step.history):,}")), "", "", True
    was = step.part.params
    params = was if params is None else params
    assert loaded.model is not None
    record = ledger_at(
        loaded.model,
        loaded.tokenizer,
        step.prompt,
        step.ids,
        step.place - step.part.start,
        params,
        seed=was.seed,
        kept=loaded.logits,
        show=ROWS,
    )
    draw = render_ledger.draw(record, params, params != was, step.known, step.place, len(text.steps), say)
    return draw, render_ledger.candidates(record, params, say), render_ledger.filters(record, params, say), False


def settings(params: SamplingParams, values: Sequence[Any]) -> SamplingParams:
    """These settings with the sliders' values, in the order of `TRIED`; one that was emptied leaves what was.

    Raises:
        ParameterError: a value out of its range.
    """
    return replace(params, **{name: value for name, value in zip(TRIED, values, strict=True) if value is not None})


def _updates(
    playground: Playground, text: Text | None, part: Part | None, place: float | None, values: Sequence[Any], request: gr.Request
) -> list[Any]:
    """Values for what a handler shows. The sliders move where the place belongs to another generation than they were set to."""
    say = words(language(request))
    step = step_at(text, place) if text is not None and text.steps else None
    stay = step is None or (step.part is part if step.known else step.part == part)
    try:
        params = settings(step.part.params, values) if step is not None and stay else None
        draw, candidates, filters, again = shown_of(playground, text, step, params, say)
    except NeoxjpError as error:
        draw, candidates, filters, again = render_ledger.trouble(message_of(error, request)), "", "", False
    moved = [gr.skip() if step is None or stay else _moved(name, step.part.params) for name in TRIED]
    return [draw, candidates, filters, gr.Button(visible=again), gr.skip() if step is None else step.part, *moved]


def _moved(name: str, params: SamplingParams) -> Any:
    """A slider at the setting of a generation; a replay may have set one beyond its ends. A minimum length ends at the length."""
    control, value = next(control for control in CONTROLS if control.name == name), getattr(params, name)
    high = params.max_new_tokens if name == "min_new_tokens" and params.max_new_tokens is not None else control.high
    return gr.Slider(value=value, minimum=min(control.low, value), maximum=max(high, value))
