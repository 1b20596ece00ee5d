"""A second model beside the one of the page, for columns of two models. Not on a public page: it takes memory."""

import gc
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
import torch

from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.hub import resolve_model
from neoxjp.labs.common import html as render
from neoxjp.labs.common import steps as render_steps
from neoxjp.labs.side_by_side.strings import both, label, strings, words
from neoxjp.model import check_memory, cpu_dtype
from neoxjp.page_parts.answers import message_of
from neoxjp.page_parts.session import Choice, Playground
from neoxjp.page_parts.strings import Words, language

TOLD = 0.25  # seconds between two looks at how far loading is


@dataclass(frozen=True)
class Second:
    """The components, and the model in a playground of its own."""

    name: gr.Textbox
    load: gr.Button
    drop: gr.Button
    line: gr.HTML
    playground: Playground = field(default_factory=Playground)


def build() -> Second:
    """Draw the part."""
    with gr.Accordion(label("columns_second_title"), open=False, elem_id="c-second"):
        name = gr.Textbox(
            "",
            label=label("columns_second_name"),
            info=label("columns_second_info"),
            max_lines=1,
            max_length=1000,
            elem_id="c-second-name",
        )
        with gr.Row(elem_id="c-second-row"):
            load = gr.Button(label("columns_second_load"), size="sm", elem_id="c-second-load", min_width=80)
            drop = gr.Button(label("columns_second_drop"), size="sm", elem_id="c-second-drop", min_width=80, interactive=False)
        line = gr.HTML(f'<p class="work">{both("columns_second_none")}</p>', elem_id="c-second-line", apply_default_css=False)
    return Second(name, load, drop, line)


def connect(part: Second, playground: Playground) -> None:
    """Wire the events."""

    def on_load(request: gr.Request, name: str) -> Iterator[tuple[Any, ...]]:
        say = words(language(request))
        try:
            for line in loading(playground, part.playground, name or "", say):
                yield line, gr.skip()
        except NeoxjpError as error:
            yield render.notice(message_of(error, request), "error"), gr.skip()
        there = part.playground.loaded is not None and part.playground.loaded.engine is not None
        yield gr.skip(), gr.Button(interactive=there)

    def on_drop(request: gr.Request) -> tuple[str, Any]:
        drop(part.playground)
        return render_steps.working(words(language(request))("columns_second_none")), gr.Button(interactive=False)

    gr.on(
        [part.load.click, part.name.submit],
        on_load,
        part.name,
        [part.line, part.drop],
        show_progress="hidden",
        api_visibility="private",
        concurrency_limit=1,
    )
    part.drop.click(on_drop, None, [part.line, part.drop], queue=False, show_progress="hidden", api_visibility="private")


def loading(playground: Playground, other: Playground, name: str, say: Words) -> Iterator[str]:
    """Load the model of this name into `other`, where it fits beside the page's own; HTML of how far it is.

    Raises NeoxjpError: there is none, it cannot be loaded, NoRoom. What was loaded there before then stays.
    """
    name = name.strip()
    if not name:
        raise strings.error(ParameterError, "columns_second_unnamed")
    first = playground.ready
    device = first.choice.device
    on_cpu = device == "cpu" or (device == "auto" and not torch.cuda.is_available())
    folder = resolve_model(name, local_files_only=True)
    check_memory(name, folder, cpu_dtype(folder) if on_cpu else None, device, first.model)
    thread = other.start(Choice(name, device=device, offline=True))
    while thread.is_alive():
        yield render_steps.working(say("columns_second_loading", name=other.progress.name, percent=other.progress.percent))
        thread.join(TOLD)
    if other.progress.error is not None:
        raise other.progress.error
    loaded = other.ready
    assert loaded.model is not None
    weights = render.short_count(loaded.model.num_parameters)
    yield render_steps.working(say("columns_second_ready", name=loaded.title(say("bundled")), weights=weights))


def drop(other: Playground) -> None:
    """Give its memory back; columns that it is writing end."""
    if other.loaded is not None and other.loaded.engine is not None:
        other.loaded.engine.close()
    other.loaded = None
    gc.collect()
