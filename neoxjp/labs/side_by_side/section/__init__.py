"""Section of the generation lab: texts side by side, a second model for them, and a grid of samples.

The files of this folder: `columns` runs the columns, `sweep` is the grid, `second_model` the second model.
"""

from collections.abc import Iterator
from typing import Any, get_args

import gradio as gr

from neoxjp.labs.side_by_side.records import MAX_COLUMNS
from neoxjp.labs.side_by_side.section import second_model, sweep
from neoxjp.labs.side_by_side.section.columns import (
    LOADED,
    LONGEST_SEED,
    NUMBERS,
    SECOND,
    Differs,
    choose,
    column_streamer,
    fields_for_link,
    fields_from_link,
    read_fields,
    run_columns,
    suggest,
    values_of,
)
from neoxjp.labs.side_by_side.section.parts import PART, build_run
from neoxjp.labs.side_by_side.strings import strings
from neoxjp.page_parts.answers import Run, follow_language, streamed
from neoxjp.page_parts.events import QUIET, latest
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.strings import language
from neoxjp.page_parts.tabs.generate import GenerateTab
from neoxjp.page_parts.text.editing import own_text
from neoxjp.page_parts.text.settings import Settings
from neoxjp.page_parts.text.state import VisitorState


class Section:
    """The components of the section."""

    def __init__(self, playground: Playground):
        keys = [key for key in get_args(Differs) if key != "model" or playground.can_load]
        named = [f"side_by_side_differs_{key}" if key in ("model", "custom") else f"option_{key}" for key in keys]
        offered = [(strings.label(name), key) for name, key in zip(named, keys, strict=True)]
        with gr.Column(elem_classes="card"):
            with gr.Row(elem_id="side-by-side-set"):
                self.count = gr.Radio([2, 3, 4], value=2, min_width=140, scale=1, **PART.named("count"))
                self.differs = gr.Radio(offered, value="temperature", min_width=300, scale=4, **PART.named("differs"))
            with gr.Accordion(open=False, **PART.named("fields")), gr.Row(elem_id="side-by-side-fields-row"):
                built = [_build_fields(playground, number) for number in range(MAX_COLUMNS)]
            self.second = second_model.SecondModel() if playground.can_load else None
            self.go, self.stop, _, self.line = build_run("")
        self.result = PART.html("result")
        legend = f"<summary>{PART.both('legend_title')}</summary><p>{PART.both('legend')}</p>"
        PART.html(value=f'<details class="side-by-side-legend">{legend}</details>')
        self.boxes = [box for box, _ in built]  # the fields of each column
        self.fields = [each for _, fields in built for each in fields]  # column by column in the order of `ColumnSettings`
        self.filled = gr.State(values_of(suggest(Settings(), "temperature")))  # the values that the page filled in last
        self.run = gr.State(Run(), delete_callback=Run.stop)
        self.sweep = sweep.Sweep()
        grid = {"t": self.sweep.temperatures, "p": self.sweep.top_ps, "l": self.sweep.length}
        self.own = gr.State("")  # the values where a field was changed by hand, as `fields_for_link` writes them
        self.linked = {"n": self.count, "differs": self.differs, "own": self.own, **grid}  # what a link restores


def _build_fields(playground: Playground, number: int) -> tuple[gr.Column, list[Any]]:
    start, place = suggest(Settings(), "temperature")[number], number + 1
    with gr.Column(
        min_width=180, visible=number < 2, elem_classes="side-by-side-field", elem_id=f"side-by-side-field-{place}"
    ) as box:
        PART.html(value=f"<h3>{PART.both('column', n=place)}</h3>")

        def common(name: str, key: str) -> dict[str, Any]:
            return {"label": strings.label(key), "elem_id": f"side-by-side-{name}-{place}"}

        fields: list[Any] = [
            gr.Number(getattr(start, name), step=0.05, min_width=120, **common(name, f"option_{name}")) for name in NUMBERS
        ]
        empty = strings.label("side_by_side_seed_new")
        fields.append(gr.Textbox("", placeholder=empty, max_lines=1, max_length=LONGEST_SEED, **common("seed", "option_seed")))
        models = [(strings.label(f"side_by_side_{key}"), key) for key in (LOADED, SECOND)]
        shown: dict[str, Any] = {"visible": playground.can_load, "elem_classes": "side-by-side-model"}
        fields.append(gr.Dropdown(models, value=LOADED, **shown, **common("model", "side_by_side_model")))
    return box, fields


def connect(section: Section, playground: Playground, tab: GenerateTab, due: gr.HTML) -> None:
    """Wire the events. `tab` is the tab above; `due` changes when the section must be up to date."""
    other = section.second.playground if section.second else None
    tabs = len(tab.settings)
    streamer = column_streamer(playground, other)

    def fill(differs: Differs, *values: Any) -> dict[Any, Any]:
        if differs == "custom":
            return gr.skip()
        filled = values_of(suggest(tab.settings_of(values), differs))
        return {section.filled: filled, **dict(zip(section.fields, filled, strict=True))}

    def on_due(own: str, differs: Differs, filled: list[Any], *values: Any) -> dict[Any, Any]:
        if read_fields(values[tabs:]) == read_fields(filled) and (linked := fields_from_link(own)) is not None:
            return {section.differs: "custom", **dict(zip(section.fields, linked, strict=True))}
        now, _ = choose(differs, tab.settings_of(values[:tabs]), values[tabs:], filled)
        changed = {section.differs: now} if now != differs else {}
        return changed | ({} if now == "custom" else fill(now, *values[:tabs])) or gr.skip()

    # The fields follow the tab until one is changed by hand. Their own events do not say who changed them.
    filled = [section.filled, *section.fields]
    section.differs.input(fill, [section.differs, *tab.settings], filled, **QUIET)
    chosen = [section.differs, section.filled, *tab.settings, *section.fields]
    due.change(on_due, [section.own, *chosen], [section.differs, *filled], **QUIET)
    changed = [field.change for field in section.fields]
    latest(changed, lambda filled, *values: fields_for_link(values, filled), [section.filled, *section.fields], section.own)
    section.count.change(
        lambda n: [gr.Column(visible=number < n) for number in range(MAX_COLUMNS)], section.count, section.boxes, **QUIET
    )

    def on_go(
        request: gr.Request, run: Run, writing: VisitorState, n: int, differs: Differs, filled: list[Any], *values: Any
    ) -> Iterator[dict[Any, Any]]:
        settings = tab.settings_of(values[:tabs])
        now, asked = choose(differs, settings, values[tabs:], filled)
        t = strings.words(language(request))
        shown = run_columns(playground, other, streamer, run, own_text(writing), settings, asked[:n], now, t)

        def updates() -> Iterator[dict[Any, Any]]:
            changed = {section.differs: now} if now != differs else {}
            for line, result in shown:
                yield {section.line: line, section.result: result} | changed
                changed = {}  # once: the visitor may choose something else meanwhile

        yield from streamed(run, section, request, updates())

    inputs = [section.run, tab.writing, section.count, *chosen]
    outputs = [section.line, section.result, section.go, section.stop, section.differs]
    ran = section.go.click(on_go, inputs, outputs, show_progress="hidden", api_visibility="private", concurrency_limit=8)
    section.stop.click(Run.stop, section.run, None, **QUIET)
    follow_language(due, section.run, [section.line, section.result], strings, ran)
    sweep.connect(section.sweep, playground, tab, due)
    if section.second:
        second_model.connect(section.second, playground, due)
