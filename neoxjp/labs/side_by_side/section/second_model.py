"""The second model, beside the one of the page: its components, loading and unloading."""

import gc
from collections.abc import Iterator
from typing import Any

import gradio as gr
import torch

from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.hub import resolve_model
from neoxjp.labs.common import html as render
from neoxjp.labs.common import steps as render_steps
from neoxjp.labs.side_by_side.section.parts import PART
from neoxjp.labs.side_by_side.strings import strings
from neoxjp.model import check_memory, cpu_dtype
from neoxjp.page_parts.answers import error_notice, handler, switched
from neoxjp.page_parts.events import QUIET, STREAMED, latest
from neoxjp.page_parts.session.playground import Choice, Playground, Ready
from neoxjp.page_parts.strings import Words

LOAD_POLL = 0.25  # seconds between two updates while the model is loading


class SecondModel:
    """The components, and the model in a playground of its own."""

    def __init__(self) -> None:
        self.playground = Playground()
        with PART.accordion("second", "second_title"):
            self.name = PART.textbox("second_name", info=PART.label("second_info"), max_length=1000)
            with gr.Row(elem_id="side-by-side-second-row"):
                self.load = PART.button("second_load", size="sm", min_width=80)
                self.unload = PART.button("second_unload", size="sm", min_width=80, interactive=False)
            self.line = PART.html("second_line", f'<p class="work">{PART.both("second_none")}</p>')


def connect(part: SecondModel, playground: Playground, due: gr.HTML) -> None:
    """Wire the events. `due` changes when the section must be up to date: the model belongs to all pages of the process."""

    @handler(strings)
    def on_due(t: Words) -> dict[Any, Any]:
        if not isinstance(part.playground.loaded, Ready):
            return switched(off=[part.unload])
        return {part.line: ready_line(part.playground.loaded, t)} | switched(on=[part.unload])

    @handler(strings)
    def on_load(t: Words, name: str) -> Iterator[dict[Any, Any]]:
        try:
            for line in load(playground, part.playground, name or "", t):
                yield {part.line: line}
        except NeoxjpError as error:
            yield {part.line: error_notice(error, t)}
        yield {part.unload: gr.Button(interactive=isinstance(part.playground.loaded, Ready))}

    @handler(strings)
    def on_unload(t: Words) -> dict[Any, Any]:
        unload(part.playground)
        return {part.line: render_steps.working(t("side_by_side_second_none"))} | switched(off=[part.unload])

    outputs: list[Any] = [part.line, part.unload]
    gr.on([part.load.click, part.name.submit], on_load, part.name, outputs, **STREAMED | {"concurrency_limit": 1})
    part.unload.click(on_unload, None, outputs, **QUIET)
    latest([due.change], on_due, None, outputs)


def load(playground: Playground, other: Playground, name: str, t: Words) -> Iterator[str]:
    """Load the model of this name into `other`, if it fits into memory beside the page's own; yields the progress as HTML.

    Raises NeoxjpError: there is no such model, or it cannot be loaded; ModelTooLarge. A second model that is loaded stays then.
    """
    name = name.strip()
    if not name:
        raise strings.error(ParameterError, "side_by_side_second_unnamed")
    first = playground.ready
    device = first.choice.device
    on_cpu = device == "cpu" or (device == "auto" and not torch.cuda.is_available())
    folder = resolve_model(name, local_files_only=True)
    dtype, cache_dtype = cpu_dtype(folder) if on_cpu else None, first.choice.cache_dtype
    check_memory(name, folder, dtype, device, first.here.model, cache_dtype=cache_dtype)
    thread = other.start(Choice(name, device=device, offline=True, cache_dtype=cache_dtype))
    while thread.is_alive():
        progress = other.progress
        yield render_steps.working(t("side_by_side_second_loading", name=progress.name, percent=progress.percent))
        thread.join(LOAD_POLL)
    if other.progress.error is not None:
        raise other.progress.error
    yield ready_line(other.ready, t)


def ready_line(loaded: Ready, t: Words) -> str:
    """Which model is the second one."""
    weights = render.short_count(loaded.model.num_parameters)
    return render_steps.working(t("side_by_side_second_ready", name=loaded.title(t("bundled")), weights=weights))


def unload(other: Playground) -> None:
    """Free its memory. Columns that it is generating end."""
    if isinstance(other.loaded, Ready):
        other.loaded.engine.close()
    other.loaded = None
    gc.collect()
