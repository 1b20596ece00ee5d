"""The tour of 30 seconds through the Generate tab, by the page's own controls: `tour.js` runs it, `words.py` has its words."""

from importlib.resources import files

import gradio as gr

from neoxjp.labs.common import templates
from neoxjp.ui.tour.words import STRINGS, strings


def build() -> gr.HTML:
    """The button that starts the tour; it offers the tour to those who have not seen it."""
    words = {
        lang: {key.removeprefix("tour_"): pair[number] for key, pair in STRINGS.items()}
        for number, lang in enumerate(("ja", "en"))
    }
    return gr.HTML(
        templates.render("ui/tour/tour.html", "start", both=strings.both),
        elem_id="tour",
        apply_default_css=False,
        js_on_load=text("tour.js"),
        words=words,
    )


def text(name: str) -> str:
    """A file of this folder: `text("tour.css")`."""
    return (files("neoxjp.ui.tour") / name).read_text(encoding="utf-8")
