"""What the columns and the grid have in common: labels, buttons, the line below them, and whether they run."""

from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from neoxjp.labs.side_by_side.records import Sample
from neoxjp.labs.side_by_side.strings import both, label


@dataclass
class Run:
    """The columns, or the grid, of one visitor: whether they are running, and the samples of the grid."""

    running: bool = False
    stopped: bool = False
    samples: list[Sample] = field(default_factory=list)

    def stop(self) -> None:
        """End them at their next update; what was generated is kept."""
        self.stopped = True


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
