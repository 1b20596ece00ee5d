"""What the columns and the grid have in common: labels, buttons, the line below them, and what both show while they run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from neoxjp.errors import NeoxjpError
from neoxjp.labs.common import html as render
from neoxjp.labs.side_by_side.records import Sample
from neoxjp.labs.side_by_side.strings import both, label
from neoxjp.page_parts.answers import message_of


@dataclass
class Run:
    """The columns, or the grid, of one visitor: whether they are running, and the samples of the grid."""

    running: bool = False
    stopped: bool = False
    samples: list[Sample] = field(default_factory=list)

    def stop(self) -> None:
        """End them at their next update; what was generated is kept."""
        self.stopped = True


def streamed(
    run: Run,
    part: Any,
    request: gr.Request,
    updates: Iterator[dict[Any, Any]],
    off: tuple[gr.Button, ...] = (),
    end: Callable[[], dict[Any, Any]] = dict,
) -> Iterator[dict[Any, Any]]:
    """The updates of a run, with its buttons in each of them. An expected error becomes a notice in the line.

    Args:
        part: has the button `go`, which is disabled while it runs, the button `stop`, and `line`.
        off: other buttons that are disabled while it runs.
        end: what is updated at the end.
    """
    if run.running:
        yield {part.go: gr.skip()}
        return
    running = switched(on=[part.stop], off=[part.go, *off])
    yield running
    try:
        for update in updates:
            yield running | update
    except NeoxjpError as error:
        yield running | {part.line: render.notice(message_of(error, request), "error")}
    finally:
        run.running = False
    yield switched(on=[part.go], off=[part.stop]) | end()


def switched(*, on: Any = (), off: Any = ()) -> dict[Any, Any]:
    """Updates that enable and disable buttons."""
    return {button: gr.Button(interactive=True) for button in on} | {button: gr.Button(interactive=False) for button in off}


def label_and_id(name: str) -> dict[str, Any]:
    """Label and element id of a component."""
    return {"label": label(f"side_by_side_{name}"), "elem_id": f"side-by-side-{name.replace('_', '-')}"}


def build_run(elem_id: str, part: str) -> tuple[gr.Button, gr.Button, gr.Button, gr.HTML]:
    """The buttons of the columns (part "") or the grid (part "sweep_"), and the line below them."""

    def button(name: str, **given: Any) -> gr.Button:
        return gr.Button(label(f"side_by_side_{part}{name}"), elem_id=f"{elem_id}-{name}", **{"min_width": 80} | given)

    with gr.Row(elem_id=f"{elem_id}-buttons"):
        go = button("go", variant="primary", min_width=120)
        stop = button("stop", interactive=False)
        csv = button("csv", interactive=False) if part else stop
    empty = f'<p class="work">{both(f"side_by_side_{part}empty")}</p>'
    return go, stop, csv, gr.HTML(empty, elem_id=f"{elem_id}-line", apply_default_css=False)
