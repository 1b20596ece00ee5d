"""The grid of samples: its components, and the generator that runs it and yields what the page shows."""

import re
import secrets
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import gradio as gr

from neoxjp.errors import ParameterError
from neoxjp.labs.common import html as render
from neoxjp.labs.common import steps as render_steps
from neoxjp.labs.side_by_side import records, view
from neoxjp.labs.side_by_side.records import Progress, Sample, to_row
from neoxjp.labs.side_by_side.section.columns import LOADED, NUMBERS, engines_of, prepare
from neoxjp.labs.side_by_side.section.parts import PART, build_run
from neoxjp.labs.side_by_side.strings import strings
from neoxjp.page_parts.answers import Run, follow_language, streamed
from neoxjp.page_parts.events import QUIET
from neoxjp.page_parts.files import downloads
from neoxjp.page_parts.gradio_private import current_visitor
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.session.zerogpu import gpu
from neoxjp.page_parts.strings import Words, language
from neoxjp.page_parts.tabs.generate import GenerateTab
from neoxjp.page_parts.text.editing import own_text
from neoxjp.page_parts.text.settings import Settings, seed_of
from neoxjp.page_parts.text.state import VisitorState
from neoxjp.sampling import SamplingParams

MAX_VALUES = 5  # of temperature, and of top-p
MIN_LENGTH, MAX_LENGTH = 10, 40  # tokens of a sample
POLL = 0.1  # seconds after which Stop takes effect within a sample

StreamSamples = Callable[[Sequence[int], Sequence[float], Sequence[float], SamplingParams, int], Iterator[Progress]]


@dataclass
class Samples(Run):
    """The grid of one visitor."""

    samples: list[Sample] = field(default_factory=list)


class Sweep:
    """The components of the grid, folded."""

    def __init__(self) -> None:
        with gr.Accordion(open=False, **PART.named("sweep")):
            PART.html(value=f"<p>{PART.both('sweep_info')}</p>", elem_classes="section")
            with gr.Row():
                short: dict[str, Any] = {"max_lines": 1, "max_length": 100, "min_width": 160}
                self.temperatures = gr.Textbox("0.4, 0.8, 1.2", **short, **PART.named("sweep_temperatures"))
                self.top_ps = gr.Textbox("0.8, 0.95, 1", **short, **PART.named("sweep_top_ps"))
                self.length = gr.Slider(MIN_LENGTH, MAX_LENGTH, 20, step=1, **PART.named("sweep_length"))
            self.go, self.stop, self.csv, self.line = build_run("sweep_")
            self.result = PART.html("sweep_result", js_on_load=downloads.SCRIPT)
        self.run = gr.State(Samples(), delete_callback=Samples.stop)


def connect(part: Sweep, playground: Playground, tab: GenerateTab, due: gr.HTML) -> None:
    """Wire the events. `tab` is the tab above; `due` changes when the section must be up to date."""
    streamer = sample_streamer(playground)

    def on_go(
        request: gr.Request, run: Samples, writing: VisitorState, temperatures: str, top_ps: str, length: float, *values: Any
    ) -> Iterator[dict[Any, Any]]:
        settings = tab.settings_of(values).change(max_new_tokens=int(length or MIN_LENGTH))
        axes = temperatures or "", top_ps or ""
        prompt, t = own_text(writing), strings.words(language(request))
        shown = run_grid(playground, streamer, run, prompt, axes, settings, t)
        updates = ({part.line: line, part.result: result} for line, result in shown)
        yield from streamed(
            run, part, request, updates, (part.csv,), lambda: {part.csv: gr.Button(interactive=bool(run.samples))}
        )

    inputs = [part.run, tab.writing, part.temperatures, part.top_ps, part.length, *tab.settings]
    outputs = [part.line, part.result, part.go, part.stop, part.csv]
    ran = part.go.click(on_go, inputs, outputs, show_progress="hidden", api_visibility="private", concurrency_limit=4)
    part.stop.click(Samples.stop, part.run, None, **QUIET)
    follow_language(due, part.run, [part.line, part.result], strings, ran, playground=playground)
    downloads.connect(part.csv, part.result, "sweep.csv", lambda t, run: list(map(to_row, run.samples)), part.run)


def parse_numbers(text: str, name: str) -> list[float]:
    """ "0.5, 0.8　１.２" → [0.5, 0.8, 1.2], each once. Raises ParameterError: not a number, none, too many."""
    found: list[float] = []
    for part in re.split(r"[\s,、;]+", unicodedata.normalize("NFKC", text).strip(" ,、;")):
        try:
            found += [float(part)] if part else []
        except ValueError:
            raise strings.error(ParameterError, "side_by_side_not_a_number", value=part[:20]) from None
    unique = list(dict.fromkeys(found))
    if not 1 <= len(unique) <= MAX_VALUES:
        raise strings.error(ParameterError, "side_by_side_how_many", name=name, most=MAX_VALUES)
    return unique


def run_grid(
    playground: Playground,
    streamer: StreamSamples,
    run: Samples,
    prompt: str,
    axes: tuple[str, str],
    settings: Settings,
    t: Words,
) -> Iterator[tuple[str, str]]:
    """Generate the grid, and yield the line and the table as HTML. `axes` are temperatures and top-p as typed.

    Raises NeoxjpError before anything is generated.
    """
    temperatures, top_ps = (parse_numbers(text, t(f"option_{name}")) for text, name in zip(axes, NUMBERS, strict=False))
    start, params = prepare_grid(playground, prompt, settings)
    serial = playground.serial
    run.running, run.stopped, run.samples = True, False, []
    total, seed = len(temperatures) * len(top_ps), params.seed
    cells: dict[tuple[float, float], Sample] = {}

    def html_of(t: Words) -> str:
        return view.grid(cells, temperatures, top_ps, t, render.replace_surrogates(prompt))

    stream = streamer(start, temperatures, top_ps, params, 1)
    try:
        yield render_steps.working(t("side_by_side_sweep_progress", n=0, total=total, seed=seed), 0, total), html_of(t)
        for progress in stream:
            line = t("side_by_side_sweep_progress", n=progress.done, total=total, seed=seed)
            if (sample := progress.sample) is not None:
                run.samples.append(sample)
                cells[sample.temperature, sample.top_p] = sample
            elif progress.waiting:
                line = t("generate_waiting", n=progress.waiting)
            if run.stopped:
                break
            yield render_steps.working(line, progress.done, total), html_of(t)
    finally:
        stream.close()  # type: ignore[attr-defined]  # a generator; frees the slots
        run.running = False
    key = "side_by_side_sweep_stopped" if len(cells) < total else "side_by_side_sweep_done"
    line, html = run.result.show(lambda t: (render_steps.working(t(key, n=len(cells), seed=seed)), html_of(t)), t, serial)
    yield line, html


def prepare_grid(playground: Playground, prompt: str, settings: Settings) -> tuple[Sequence[int], SamplingParams]:
    """The prompt's ids and what all samples share, with a new seed where none is set."""
    start, params = prepare(playground, engines_of(playground, None, {LOADED}), prompt, settings)
    assert not isinstance(start, str)  # one vocabulary
    seed = seed_of(settings["seed"])
    return start, replace(params, seed=secrets.randbelow(1_000_000) if seed is None else seed)


def sample_streamer(playground: Playground) -> StreamSamples:
    """The function that generates a grid with the model of `playground`."""

    @gpu(duration=sample_seconds)
    def stream(
        ids: Sequence[int], temperatures: Sequence[float], top_ps: Sequence[float], params: SamplingParams, each: int
    ) -> Iterator[Progress]:
        engine, visitor = playground.ready.engine, current_visitor()
        yield from records.sweep(engine, ids, temperatures, top_ps, params, each, every=POLL, visitor=visitor)

    return stream


def sample_seconds(
    ids: Sequence[int], temperatures: Sequence[float], top_ps: Sequence[float], params: SamplingParams, each: int
) -> int:
    """The longest time for which a GPU is reserved."""
    return min(120, 15 + len(temperatures) * len(top_ps) * each * (params.max_new_tokens or MAX_LENGTH) // 40)
