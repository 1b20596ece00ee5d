"""Section of the Generate tab: how sampling chose the selected token, and what other settings would have chosen.

Only the filters are computed, from the logits stored during generation. Where these are gone, a button recomputes them.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import gradio as gr
import torch

from neoxjp.errors import NeoxjpError
from neoxjp.labs.sampling_trace import view as views
from neoxjp.labs.sampling_trace.records import trace_position
from neoxjp.labs.sampling_trace.strings import strings
from neoxjp.page_parts.answers import error_notice, handler
from neoxjp.page_parts.events import BROWSER, QUIET, STREAMED
from neoxjp.page_parts.parts import Parts
from neoxjp.page_parts.session import calls
from neoxjp.page_parts.session.playground import Loaded, Playground
from neoxjp.page_parts.session.zerogpu import gpu
from neoxjp.page_parts.strings import Strings, Words, option_strings
from neoxjp.page_parts.text.state import Part, Text, VisitorState
from neoxjp.sampling import OPTIONS, Option, SamplingParams, filter_options

if TYPE_CHECKING:
    import numpy as np

    from neoxjp.page_parts.tabs.generate import GenerateTab

ROWS = 10  # candidates by the model's own probability, and as many by the final one
NO_FILTERS = SamplingParams(do_sample=True, **{option.name: option.off for option in filter_options()})
LogitsReader = Callable[[Sequence[int], int], "np.ndarray"]


class Section:
    """The components of the section. A link restores none of them."""

    def __init__(self, playground: Playground):
        part = Parts("sampling_trace", strings)

        def heading(key: str, below: str = "") -> None:
            part.html(value=f"<h3>{part.both(key)}</h3>{below}", elem_classes="sampling-trace-part")

        with gr.Column(elem_classes="card"):
            with gr.Row(elem_classes="sampling-trace-controls"):
                self.before, self.after = part.button("before", size="sm"), part.button("after", size="sm")
                self.position = gr.Number(1, precision=0, minimum=1, min_width=110, **part.named("position"))  # from 1
            self.drawing = part.html("draw", js_on_load=part.script())
            # visible where the logits are no longer stored
            self.recompute = part.button("recompute", size="sm", min_width=None, visible=False)
        with gr.Row(elem_id="sampling-trace-body", elem_classes="two-columns"):
            with gr.Column(scale=7, min_width=520, elem_classes="card", elem_id="sampling-trace-tables"):
                heading("candidates")
                self.candidates = part.html("candidates")
                heading("filters")
                self.filters = part.html("filters")
            with gr.Column(scale=3, min_width=260, elem_classes="card", elem_id="sampling-trace-try"):
                heading("try", f"<p>{part.both('try_help')}</p>")
                options = filter_options(playground.options)  # in the order in which the filters are applied
                self.tried = {option.name: _slider(option, part, playground.options) for option in options}
                self.reset = part.button("reset", size="sm", min_width=None)
        self.part = gr.State(None)  # the `Part` that the sliders are set to


def _slider(option: Option, part: Parts, options: Iterable[Option]) -> gr.Slider:
    assert option.slider is not None
    low, high, step = option.slider
    text = Strings(option_strings(options)).label(f"option_{option.name}")
    return gr.Slider(low, high, option.off, step=step, label=text, elem_id=part.id(option.name))


def connect(section: Section, playground: Playground, tab: "GenerateTab", due: gr.HTML) -> None:
    """Wire the events. `tab` is the tab above; `due` changes when the section has to be updated."""
    live: dict[str, Any] = QUIET | {"trigger_mode": "always_last", "concurrency_limit": None}
    words = Strings(strings.table | option_strings(playground.options))
    sliders = list(section.tried.values())
    asked = [tab.writing, section.part, section.position, *sliders]
    shown = [section.drawing, section.candidates, section.filters]
    outputs = [*shown, section.recompute, section.part, *sliders]
    reader = logits_reader(playground)

    def update(t: Words, writing: VisitorState, part: Part | None, position: float | None, *values: Any) -> dict[Any, Any]:
        if writing.running:  # the section keeps what it shows until the new text is complete
            return gr.skip()
        return updates(section, playground, writing.text, part, position, values, t)

    draw = handler(words, errors=section.drawing, empty=shown)(update)

    @handler(words, errors=section.drawing, empty=shown)
    def recompute(t: Words, writing: VisitorState, part: Part | None, position: float | None, *values: Any) -> dict[Any, Any]:
        text = writing.text
        if not writing.running and text is not None and text.steps:
            recompute_logits(playground, reader, text, step_at(text, position))
        return update(t, writing, part, position, *values)

    @handler(words, errors=section.drawing, empty=shown)
    def reset(t: Words, writing: VisitorState, position: float | None, *values: Any) -> dict[Any, Any]:
        return update(t, writing, None, position, *values)

    def select(event: Any, js: str) -> Any:
        return event(None, section.position, section.position, js=f"(at) => neoxjp.samplingTrace?.{js} ?? at", **BROWSER)

    select(due.change, "selection()").then(draw, asked, outputs, **live)
    select(tab.editor.select, "visibleSelection()")
    select(section.before.click, "step(-1)")
    select(section.after.click, "step(1)")
    section.position.input(None, section.position, None, js="(at) => neoxjp.samplingTrace?.select(at)", **BROWSER)
    gr.on([section.position.change, *(slider.input for slider in sliders)], draw, asked, outputs, **live)
    section.reset.click(reset, [tab.writing, section.position, *sliders], outputs, **live)
    section.recompute.click(recompute, asked, outputs, **STREAMED | {"show_progress": "minimal", "concurrency_limit": 1})


# ---------------------------------------------------------------- one position of a text, and its logits


@dataclass(frozen=True)
class TextStep:
    """One position of a text and the generation that wrote it."""

    position: int  # from 0
    part: Part
    known: bool  # the settings of `part` are those of the generation
    prompt: tuple[int, ...]  # of that generation, as the model saw it
    ids: tuple[int, ...]  # what that generation wrote

    @property
    def history(self) -> tuple[int, ...]:
        """The ids before the step."""
        return self.prompt + self.ids[: self.position - self.part.start]


def step_at(text: Text, number: float | None) -> TextStep:
    """The step at a number, counted from 1, or the nearest one."""
    position = max(1, min(int(number or 1), len(text.steps))) - 1
    part = text.part_of(position)
    known = part is not None
    if part is None:  # how many ids were truncated is known only for the last generation
        part = Part(text.base, NO_FILTERS, text.truncated_tokens) if position >= text.base else Part(0, NO_FILTERS, 0)
    end = min([later.start for later in text.parts if later.start > position], default=len(text.steps))
    before = len(text.prompt_ids) + part.start
    return TextStep(
        position, part, known, text.ids[part.truncated_tokens : before], tuple(step.id for step in text.steps[part.start : end])
    )


def logits_reader(playground: Playground) -> LogitsReader:
    """The function that runs the model again: (ids, first) → the logits (n, V) float32 after each id from position `first` on."""

    @gpu(duration=60)
    def read(ids: Sequence[int], first: int) -> "np.ndarray":
        return playground.ready.call(calls.logits_after, ids, first)

    return read


def recompute_logits(playground: Playground, reader: LogitsReader, text: Text, step: TextStep) -> None:
    """Compute and store the logits of a generation again: all, or as many around the step as fill half the store.

    Raises:
        NeoxjpError: no model is loaded, or the text fills the context.
    """
    loaded = playground.ready
    if text.serial == loaded.serial:
        at, most = step.position - step.part.start, max(1, loaded.logits.max_bytes // 2 // (4 * loaded.tokenizer.vocab_size))
        first = max(0, min(at - most // 2, len(step.ids) - most))
        ids = step.prompt + step.ids[: min(first + most, len(step.ids)) - 1]
        store_logits(loaded, reader, ids, len(ids) - len(step.prompt) - first + 1)


def store_logits(loaded: Loaded, reader: LogitsReader, ids: tuple[int, ...], count: int) -> None:
    """Compute and store the logits after each of the last `count` ids, where they are not stored yet."""
    missing = loaded.logits.missing(ids, range(len(ids) - count + 1, len(ids) + 1))
    if missing:
        first = missing[0]
        for end, logits in enumerate(reader(ids[: missing[-1]], first - 1), first):
            if end in missing:
                loaded.logits.keep(ids[:end], torch.from_numpy(logits), drawn_from=False)


# ---------------------------------------------------------------- what the handlers show


def shown_of(
    playground: Playground, text: Text | None, step: TextStep | None, params: SamplingParams | None, t: Words
) -> tuple[str, str, str, bool]:
    """HTML of the draw, the candidates and the filters, and whether the logits have to be recomputed for them.

    params: settings to try instead of those of the generation.

    Raises:
        NeoxjpError: no model is loaded, or the filters leave no token.
    """
    if text is None or step is None:
        return views.hint(t("sampling_trace_empty"), t), "", "", False
    loaded = playground.ready
    if text.serial != loaded.serial:
        return views.hint(t("sampling_trace_other_model"), t), "", "", False
    stored = loaded.logits.get(step.history)
    if stored is None:
        return views.hint(t("sampling_trace_not_stored", n=f"{len(step.history):,}"), t), "", "", True
    own = step.part.params
    params = own if params is None else params
    at = step.position - step.part.start
    found, config = stored, loaded.model.config
    record = trace_position(
        config, loaded.tokenizer, step.prompt, step.ids, at, params, read=lambda _: found, seed=own.seed, show=ROWS
    )
    names = views.filter_names(params, t, playground.options)
    drawing = views.draw(record, names, params != own, step.known, step.position, len(text.steps), t)
    return drawing, views.candidates(record, names, t), views.filters(record, names, t), False


def settings(params: SamplingParams, values: Sequence[Any], options: Iterable[Option] = OPTIONS) -> SamplingParams:
    """These settings with the sliders' values, in the order of `filter_options`. None, an emptied field, keeps the setting.

    Raises:
        ParameterError: a value out of its range.
    """
    names = [option.name for option in filter_options(options)]
    return replace(params, **{name: value for name, value in zip(names, values, strict=True) if value is not None})


def updates(
    section: Section,
    playground: Playground,
    text: Text | None,
    part: Part | None,
    position: float | None,
    values: Sequence[Any],
    t: Words,
) -> dict[Any, Any]:
    """The components' new values. The sliders move to the settings of the token's generation, unless they are set to it."""
    step = step_at(text, position) if text is not None and text.steps else None
    stay = step is None or (step.part is part if step.known else step.part == part)
    found: dict[Any, Any] = {}
    if step is not None:
        found[section.part] = step.part
        if not stay:
            for option in filter_options(playground.options):
                found[section.tried[option.name]] = _moved(option, step.part.params)
    missing = False
    try:
        params = settings(step.part.params, values, playground.options) if step is not None and stay else None
        *shown, missing = shown_of(playground, text, step, params, t)
    except NeoxjpError as error:
        shown = [error_notice(error, t), "", ""]
    found |= zip((section.drawing, section.candidates, section.filters), shown, strict=True)
    return found | {section.recompute: gr.Button(visible=missing)}


def _moved(option: Option, params: SamplingParams) -> Any:
    """A slider at the setting of a generation, its range widened where a replay set one outside of it."""
    assert option.slider is not None
    (low, high, _), value = option.slider, getattr(params, option.name)
    if option.up_to_context and params.max_new_tokens is not None:
        high = params.max_new_tokens
    return gr.Slider(value=value, minimum=min(low, value), maximum=max(high, value))
