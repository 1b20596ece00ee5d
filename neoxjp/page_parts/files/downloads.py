"""Files that the visitor's browser saves. Gradio's own download would write each of them to the server's disk.

The file is sent as a property of a `gr.HTML` of the section, whose script saves it:

>>> table = gr.HTML(js_on_load=downloads.SCRIPT)
>>> downloads.connect(button, table, "table.csv", lambda t, text: records_of(text, t), [text], strings)
"""

import time
from collections.abc import Callable
from typing import Any

import gradio as gr

from neoxjp.compare import to_csv, to_frame
from neoxjp.page_parts.answers import handler
from neoxjp.page_parts.events import QUIET
from neoxjp.page_parts.strings import COMMON, Strings, Words

TYPES = {
    "csv": "text/csv;charset=utf-8",
    "json": "application/json",
    "md": "text/markdown;charset=utf-8",
}  # by the ending of the file's name

SCRIPT = "\nneoxjp.saveFile(watch, props);"
"""For the end of the `js_on_load` of the `gr.HTML` that the file is sent through."""


def connect(
    button: gr.Button, through: gr.HTML, name: str, write: Callable[..., Any], inputs: Any, strings: Strings = COMMON
) -> None:
    """Save a file whenever the button is pressed.

    Args:
        through: a component that has `SCRIPT` in its `js_on_load`.
        name: of the file.
        write: `write(t, *values)` is the file's text for the values of `inputs`, or of a CSV its records. Where it is "", or
            where an expected error is raised, nothing is saved: the section shows the error already.
    """

    @handler(strings)
    def on_click(t: Words, *values: Any) -> Any:
        text = write(t, *values)
        if not isinstance(text, str):
            text = to_csv(to_frame(text)).decode("utf-8")
        # `time`: a browser gets only a property that changes, and the same file may be saved twice
        file = {"text": text, "name": name, "type": TYPES[name.rpartition(".")[2]], "time": time.time()}
        return gr.HTML(file=file) if text else gr.skip()

    button.click(on_click, inputs, through, **QUIET)
