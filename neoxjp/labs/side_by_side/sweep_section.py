"""The grid of temperature × top-p under the columns: small samples with one seed, to read beside each other, and as CSV."""

import re
import secrets
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.labs.common import html as render
from neoxjp.labs.common import steps as render_steps
from neoxjp.labs.side_by_side import sweep as grids
from neoxjp.labs.side_by_side import view as render_columns
from neoxjp.labs.side_by_side.run import LOADED, engines_of, opening
from neoxjp.labs.side_by_side.strings import both, label, strings, words
from neoxjp.labs.side_by_side.sweep import Meanwhile, Progress, Sample, to_csv
from neoxjp.page_parts.answers import message_of
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.settings import Settings, seed_of
from neoxjp.page_parts.strings import Words, language
from neoxjp.page_parts.zerogpu import gpu
from neoxjp.sampling import SamplingParams

if TYPE_CHECKING:
    from neoxjp.page_parts.generate_tab import GenerateTab

MOST = 5  # temperatures, and top-p
SHORTEST, LONGEST = 10, 40  # tokens of a sample
MOST_SAMPLES = 4  # of one cell, for the API
HEARD = 0.1  # seconds after which Stop is heard, also within a sample
Samples = Callable[[Sequence[int], Sequence[float], Sequence[float], SamplingParams, int], Iterator[Progress | Meanwhile]]


@dataclass
class Grid:
    """One visitor's sweep: what is written, and whether more is coming."""

    samples: list[Sample] = field(default_factory=list)
    running: bool = False
    stopped: bool = False

    def stop(self) -> None:
        """End it after the sample that is being written."""
        self.stopped = True


@dataclass(frozen=True)
class Sweep:
    """The components of the part."""

    grid: gr.State
    temperatures: gr.Textbox
    top_ps: gr.Textbox
    length: gr.Slider
    go: gr.Button
    stop: gr.Button
    csv: gr.Button
    line: gr.HTML
    result: gr.HTML
    saved: gr.Textbox


def build() -> Sweep:
    """Draw the part, folded."""
    with gr.Accordion(label("columns_sweep"), open=False, elem_id="c-sweep"):
        gr.HTML(f"<p>{both('columns_sweep_info')}</p>", elem_classes="section", apply_default_css=False)
        with gr.Row():
            common: dict[str, Any] = {"max_lines": 1, "max_length": 100, "min_width": 160}
            temperatures = gr.Textbox(
                "0.4, 0.8, 1.2", label=label("columns_sweep_temperatures"), elem_id="c-sweep-temperatures", **common
            )
            top_ps = gr.Textbox("0.8, 0.95, 1", label=label("columns_sweep_top_ps"), elem_id="c-sweep-top-ps", **common)
            length = gr.Slider(SHORTEST, LONGEST, 20, step=1, label=label("columns_sweep_length"), elem_id="c-sweep-length")
        with gr.Row(elem_id="c-sweep-buttons"):
            go = gr.Button(label("columns_sweep_go"), variant="primary", elem_id="c-sweep-go", min_width=120)
            stop = gr.Button(label("columns_sweep_stop"), elem_id="c-sweep-stop", interactive=False, min_width=80)
            csv = gr.Button(label("columns_sweep_csv"), elem_id="c-sweep-csv", interactive=False, min_width=80)
        line = gr.HTML(f'<p class="work">{both("columns_sweep_empty")}</p>', elem_id="c-sweep-line", apply_default_css=False)
        result = gr.HTML(elem_id="c-sweep-result", apply_default_css=False)
    saved = gr.Textbox(visible="hidden", show_label=False)
    grid = gr.State(Grid(), delete_callback=Grid.stop)
    return Sweep(grid, temperatures, top_ps, length, go, stop, csv, line, result, saved)


def connect(part: Sweep, playground: Playground, tab: "GenerateTab") -> None:
    """Wire the events."""
    silent: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    samples = sampler(playground)

    def on_go(
        request: gr.Request, grid: Grid, prompt: str, temperatures: str, top_ps: str, length: float, *values: Any
    ) -> Iterator[tuple[Any, ...]]:
        if grid.running:
            yield (gr.skip(),) * 5
            return
        on, off = gr.Button(interactive=True), gr.Button(interactive=False)
        yield gr.skip(), gr.skip(), off, on, off
        try:
            settings = tab.settings_of(values).change(max_new_tokens=int(length or SHORTEST))
            say = words(language(request))
            for line, result in write(playground, samples, grid, prompt or "", temperatures or "", top_ps or "", settings, say):
                yield line, result, off, on, off
        except NeoxjpError as error:
            yield render.notice(message_of(error, request), "error"), gr.skip(), off, on, off
        finally:
            grid.running = False
        yield gr.skip(), gr.skip(), on, off, gr.Button(interactive=bool(grid.samples))

    asked = [part.grid, tab.prompt, part.temperatures, part.top_ps, part.length, *tab.settings]
    shown = [part.line, part.result, part.go, part.stop, part.csv]
    part.go.click(on_go, asked, shown, show_progress="hidden", api_visibility="private", concurrency_limit=4)
    part.stop.click(Grid.stop, part.grid, None, **silent)
    save = "(text) => { if (text) neoxjp.download(text, 'sweep.csv', 'text/csv;charset=utf-8') }"

    def on_csv(grid: Grid) -> str:
        return to_csv(grid.samples).decode("utf-8") if grid.samples else ""

    part.csv.click(on_csv, part.grid, part.saved, **silent).then(None, part.saved, js=save, api_visibility="private")


# ---------------------------------------------------------------- what the handlers show


def numbers(text: str, name: str) -> list[float]:
    """ "0.5, 0.8　１.２" → [0.5, 0.8, 1.2], each once. Raises ParameterError: not a number, none, too many."""
    found: list[float] = []
    for part in re.split(r"[\s,、;]+", unicodedata.normalize("NFKC", text).strip(" ,、;")):
        try:
            found += [float(part)] if part else []
        except ValueError:
            raise strings.error(ParameterError, "columns_bad_number", value=part[:20]) from None
    unique = list(dict.fromkeys(found))
    if not 1 <= len(unique) <= MOST:
        raise strings.error(ParameterError, "columns_sweep_few", name=name, most=MOST)
    return unique


def write(
    playground: Playground,
    samples: Samples,
    grid: Grid,
    prompt: str,
    temperatures: str,
    top_ps: str,
    settings: Settings,
    say: Words,
) -> Iterator[tuple[str, str]]:
    """Write the grid, and yield the line and the table as HTML. Raises NeoxjpError before anything is written."""
    rows, heads = numbers(temperatures, say("columns_temperature")), numbers(top_ps, say("columns_top_p"))
    start, params = start_of(playground, prompt, settings)
    grid.running, grid.stopped, grid.samples = True, False, []
    total, seed = len(rows) * len(heads), params.seed
    stream = samples(start, rows, heads, params, 1)
    cells: dict[tuple[float, float], Sample] = {}

    def drawn(line: str, done: int = 0, most: int = 0) -> tuple[str, str]:
        return render_steps.working(line, done, most), render_columns.grid(cells, rows, heads, say, render.whole(prompt))

    try:
        yield drawn(say("columns_sweep_going", n=0, total=total, seed=seed), 0, total)
        for progress in stream:
            line = say("columns_sweep_going", n=progress.done, total=total, seed=seed)
            if isinstance(progress, Progress):
                sample = progress.sample
                grid.samples.append(sample)
                cells[sample.temperature, sample.top_p] = sample
            elif progress.place:
                line = say("g_waiting", n=progress.place)
            if grid.stopped:
                break
            yield drawn(line, progress.done, total)
    finally:
        stream.close()  # type: ignore[attr-defined]  # a generator; frees the slots
        grid.running = False
    key = "columns_sweep_stopped" if len(cells) < total else "columns_sweep_done"
    yield drawn(say(key, n=len(cells), seed=seed))


def start_of(playground: Playground, prompt: str, settings: Settings) -> tuple[Sequence[int], SamplingParams]:
    """The prompt's ids and what all samples share, its seed made up where none is set."""
    start, params = opening(playground, engines_of(playground, None, {LOADED}), prompt, settings)
    assert not isinstance(start, str)  # one vocabulary
    seed = seed_of(settings["seed"])
    return start, replace(params, seed=secrets.randbelow(1_000_000) if seed is None else seed)


def sampler(playground: Playground) -> Samples:
    """The function that writes a grid with the model of `playground`."""

    @gpu(duration=seconds)
    def samples(
        ids: Sequence[int], temperatures: Sequence[float], top_ps: Sequence[float], params: SamplingParams, each: int
    ) -> Iterator[Progress | Meanwhile]:
        engine = playground.ready.engine
        assert engine is not None
        yield from grids.watched_sweep(engine, ids, temperatures, top_ps, params, each, every=HEARD)

    return samples


def seconds(ids: Sequence[int], temperatures: Sequence[float], top_ps: Sequence[float], params: SamplingParams, each: int) -> int:
    """How long a GPU is borrowed for at most."""
    return min(120, 15 + len(temperatures) * len(top_ps) * each * (params.max_new_tokens or LONGEST) // 40)
