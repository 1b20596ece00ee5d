"""What the columns and the grid have in common: labels, buttons, the line below them."""

import gradio as gr

from neoxjp.labs.side_by_side.strings import strings
from neoxjp.page_parts.parts import Parts

PART = Parts("side_by_side", strings)


def build_run(prefix: str) -> tuple[gr.Button, gr.Button, gr.Button, gr.HTML]:
    """The buttons of the columns (prefix "") or the grid (prefix "sweep_"), and the line below them."""
    with gr.Row(elem_id=PART.id(f"{prefix}buttons")):
        go = PART.button(f"{prefix}go", variant="primary", min_width=120)
        stop = PART.button(f"{prefix}stop", interactive=False, min_width=80)
        csv = PART.button(f"{prefix}csv", interactive=False, min_width=80) if prefix else stop
    return go, stop, csv, PART.html(f"{prefix}line", f'<p class="work">{PART.both(f"{prefix}empty")}</p>')
