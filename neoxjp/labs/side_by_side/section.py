"""Section of the generation lab: generations side by side. The grid below them is sweep.py, a second model second.py."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, get_args

import gradio as gr

from neoxjp.errors import NeoxjpError
from neoxjp.labs.common import html as render
from neoxjp.labs.side_by_side import second
from neoxjp.labs.side_by_side import sweep_section as sweep
from neoxjp.labs.side_by_side.records import MOST
from neoxjp.labs.side_by_side.run import LOADED, SECOND, Differs, Run, Setting, chosen_of, proposed, write, writer
from neoxjp.labs.side_by_side.strings import both, label, words
from neoxjp.page_parts.answers import message_of
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.settings import Settings
from neoxjp.page_parts.strings import language

if TYPE_CHECKING:
    from neoxjp.page_parts.generate_tab import GenerateTab


@dataclass(frozen=True)
class Columns:
    """The components of the section."""

    run: gr.State
    count: gr.Radio
    differs: gr.Radio
    boxes: list[gr.Column]  # the fields of each column
    fields: list[dict[str, Any]]  # by the names of `Setting`
    filled: gr.State  # what the fields were last filled with, as `values`
    go: gr.Button
    stop: gr.Button
    line: gr.HTML
    result: gr.HTML
    sweep: sweep.Sweep
    second: second.Second | None  # None: on a public page nothing else is loaded

    @property
    def linked(self) -> dict[str, Any]:
        """What a link restores."""
        grid = {"t": self.sweep.temperatures, "p": self.sweep.top_ps, "l": self.sweep.length}
        return {"n": self.count, "differs": self.differs, **grid}

    @property
    def values(self) -> list[Any]:
        """All fields, column by column in the order of `Setting`."""
        return [field for fields in self.fields for field in fields.values()]


def build(playground: Playground) -> Columns:
    """Draw the section."""
    gr.HTML(f"<h2>{both('columns_heading')}</h2><p>{both('columns_intro')}</p>", elem_classes="section", apply_default_css=False)
    choices = [key for key in get_args(Differs) if key != "model" or not playground.public]
    with gr.Column(elem_classes="card"):
        with gr.Row(elem_id="c-set"):
            count = gr.Radio([2, 3, 4], value=2, label=label("columns_count"), elem_id="c-count", min_width=140, scale=1)
            offered = [(label(f"columns_differs_{key}"), key) for key in choices]
            differs = gr.Radio(
                offered, value="temperature", label=label("columns_differs"), elem_id="c-differs", min_width=300, scale=4
            )
        with gr.Accordion(label("columns_fields"), open=False, elem_id="c-fields"), gr.Row(elem_id="c-fields-row"):
            drawn = [_fields(playground, number, shown=number < 2) for number in range(MOST)]
        model = None if playground.public else second.build()
        with gr.Row(elem_id="c-buttons"):
            go = gr.Button(label("columns_go"), variant="primary", elem_id="c-go", min_width=120)
            stop = gr.Button(label("columns_stop"), elem_id="c-stop", interactive=False, min_width=80)
        line = gr.HTML(f'<p class="work">{both("columns_empty")}</p>', elem_id="c-line", apply_default_css=False)
    result = gr.HTML(elem_id="c-result", apply_default_css=False)
    legend = f"<summary>{both('columns_legend_title')}</summary><p>{both('columns_legend')}</p>"
    gr.HTML(f'<details class="c-legend">{legend}</details>', apply_default_css=False)
    boxes, fields = [box for box, _ in drawn], [fields for _, fields in drawn]
    run = gr.State(Run(), delete_callback=Run.stop)
    filled = gr.State(_values(proposed(Settings(), "temperature")))
    return Columns(run, count, differs, boxes, fields, filled, go, stop, line, result, sweep.build(), model)


def _fields(playground: Playground, number: int, shown: bool) -> tuple[gr.Column, dict[str, Any]]:
    start = proposed(Settings(), "temperature")[number]
    with gr.Column(min_width=180, visible=shown, elem_classes="c-field", elem_id=f"c-field-{number + 1}") as box:
        gr.HTML(f"<h4>{both(f'columns_title_{number + 1}')}</h4>", apply_default_css=False)
        fields: dict[str, Any] = {
            name: gr.Number(
                getattr(start, name), label=label(f"columns_{name}"), step=0.05, elem_id=f"c-{name}-{number + 1}", min_width=120
            )
            for name in ("temperature", "top_p", "repetition_penalty")
        }
        fields["seed"] = gr.Textbox(
            "",
            label=label("columns_seed"),
            placeholder=label("columns_seed_fresh"),
            max_lines=1,
            max_length=40,
            elem_id=f"c-seed-{number + 1}",
        )
        models = [(label(f"columns_{key}"), key) for key in (LOADED, SECOND)]
        fields["model"] = gr.Dropdown(
            models, value=LOADED, label=label("columns_model"), elem_id=f"c-model-{number + 1}", visible=not playground.public
        )
    return box, fields


def _values(settings: list[Setting]) -> list[Any]:
    """The values of the fields, column by column."""
    return [value for setting in settings for value in asdict(setting).values()]


def connect(section: Columns, playground: Playground, tab: "GenerateTab", due: gr.Number) -> None:
    """Wire the events. `tab` is the tab above; `due` changes whenever the section must draw anew."""
    silent: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    other = section.second.playground if section.second else None
    tabs = len(tab.settings)
    updates = writer(playground, other)

    def propose(differs: Differs, *values: Any) -> list[Any]:
        if differs == "hand":
            return [gr.skip()] * (1 + len(section.values))
        filled = _values(proposed(tab.settings_of(values), differs))
        return [filled, *filled]

    def renew(differs: Differs, filled: list[Any], *values: Any) -> list[Any]:
        told, _ = chosen_of(differs, tab.settings_of(values[:tabs]), values[tabs:], filled)
        return [gr.skip() if told == differs else told, *propose(told, *values[:tabs])]

    # What is set above is taken over until a field is changed by hand. Listening to the fields would not tell who changed them.
    filled = [section.filled, *section.values]
    section.differs.input(propose, [section.differs, *tab.settings], filled, **silent)
    asked = [section.differs, section.filled, *tab.settings, *section.values]
    due.change(renew, asked, [section.differs, *filled], **silent)
    section.count.change(
        lambda n: [gr.Column(visible=number < n) for number in range(MOST)], section.count, section.boxes, **silent
    )

    def on_go(
        request: gr.Request, run: Run, prompt: str, n: int, differs: Differs, filled: list[Any], *values: Any
    ) -> Iterator[tuple[Any, ...]]:
        if run.running:
            yield (gr.skip(),) * 5
            return
        say = words(language(request))
        on, off = gr.Button(interactive=True), gr.Button(interactive=False)
        try:
            settings = tab.settings_of(values[:tabs])
            differs, chosen = chosen_of(differs, settings, values[tabs:], filled)
            yield gr.skip(), gr.skip(), off, on, differs
            for line, result in write(playground, other, updates, run, prompt or "", settings, chosen[:n], differs, say):
                yield line, result, off, on, differs
        except NeoxjpError as error:
            yield render.notice(message_of(error, request), "error"), gr.skip(), off, on, gr.skip()
        finally:
            run.running = False
        yield gr.skip(), gr.skip(), on, off, gr.skip()

    asked = [section.run, tab.prompt, section.count, section.differs, section.filled, *tab.settings, *section.values]
    shown = [section.line, section.result, section.go, section.stop, section.differs]
    section.go.click(on_go, asked, shown, show_progress="hidden", api_visibility="private", concurrency_limit=8)
    section.stop.click(Run.stop, section.run, None, **silent)
    if section.second:
        second.connect(section.second, playground)
    sweep.connect(section.sweep, playground, tab)
