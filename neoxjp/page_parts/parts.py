"""The components of a section: labels, element ids and scripts follow from the names of the feature and of the component."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import gradio as gr
from markupsafe import Markup

from neoxjp.model import GPTNeoXJapaneseConfig
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.strings import Strings

JAPANESE = gr.InputHTMLAttributes(lang="ja", spellcheck=False)


@dataclass(frozen=True)
class Parts:
    """Makes the components of a feature.

    >>> part = Parts("heat_map", strings)
    >>> part.button("go")  # its label is the string `heat_map_go`, its element id `heat-map-go`

    Where the label has another name, `key` gives it. All other arguments go to the component.
    """

    feature: str  # name of its folder; of a tab of the page, "generate"
    strings: Strings

    def id(self, name: str) -> str:
        """ "edit_note" → "branches-edit-note"."""
        return f"{self.feature}-{name}".replace("_", "-")

    def label(self, name: str) -> str:
        """The string `<feature>_<name>` as the label of a component."""
        return self.strings.label(f"{self.feature}_{name}")

    def both(self, name: str, **values: object) -> Markup:
        """The string `<feature>_<name>` as HTML in both languages."""
        return self.strings.both(f"{self.feature}_{name}", **values)

    def named(self, name: str, key: str = "") -> dict[str, Any]:
        """Label, element id, and the help text and the placeholder that have a string: `<name>_help`, `<name>_placeholder`."""
        key = key or name
        found = {"label": self.label(key), "elem_id": self.id(name)}
        more = {"info": f"{key}_help", "placeholder": f"{key}_placeholder"}
        return found | {
            option: self.label(text) for option, text in more.items() if f"{self.feature}_{text}" in self.strings.table
        }

    def html(self, name: str | None = None, value: str = "", **more: Any) -> gr.HTML:
        """HTML; without a name it has no element id."""
        return gr.HTML(value, elem_id=name and self.id(name), apply_default_css=False, **more)

    def slot(self, name: str, html: str = "", **more: Any) -> gr.HTML:
        """HTML that comes with a patch of a text, under "html" and this element id: see `Document.patch` and ui/page.js."""
        return self.html(name, f'<div data-slot="{self.id(name)}">{html}</div>', **more)

    def hint(self, name: str) -> str:
        """A string as HTML, for a component that shows nothing yet."""
        return f'<p class="lab-hint">{self.both(name)}</p>'

    def button(self, name: str, key: str = "", **more: Any) -> gr.Button:
        return gr.Button(self.label(key or name), elem_id=self.id(name), **{"min_width": 110} | more)

    def chip(self, name: str, key: str = "", **more: Any) -> gr.Button:
        """A small button in a row of them."""
        return self.button(name, key, size="sm", elem_classes="chip", **{"min_width": 0} | more)

    def textbox(self, name: str, value: str = "", key: str = "", **more: Any) -> gr.Textbox:
        """A field for text of one line; `lines`, `max_lines` make it larger."""
        return gr.Textbox(value, **self.named(name, key) | {"lines": 1, "max_lines": 1} | more)

    def slider(self, name: str, low: float, high: float, value: float, step: float, **more: Any) -> gr.Slider:
        return gr.Slider(low, high, value, step=step, **self.named(name) | {"min_width": 220} | more)

    def radio(self, name: str, choices: Iterable[str], prefix: str = "", **more: Any) -> gr.Radio:
        """Choices with the labels `<prefix><choice>`, of which the first is chosen at the start."""
        named = [(self.label(prefix + choice), choice) for choice in choices]
        return gr.Radio(named, **self.named(name) | {"value": named[0][1]} | more)

    def accordion(self, name: str, key: str = "", open: bool = False) -> gr.Accordion:
        """A part that can be folded."""
        return gr.Accordion(self.label(key or name), open=open, elem_id=self.id(name))

    def script(self, name: str = "script.js") -> str:
        """A script in the feature's folder, for `js_on_load`."""
        return (files(f"neoxjp.labs.{self.feature}") / name).read_text(encoding="utf-8")


Growing = Mapping[gr.Slider, Callable[[GPTNeoXJapaneseConfig], int]]
"""Sliders whose largest value depends on the model, and what it is."""


def largest(playground: Playground, growing: Growing) -> dict[gr.Slider, int | None]:
    """The largest value of each of these sliders for the loaded model; None while there is none."""
    loaded = playground.loaded
    config = None if loaded is None or loaded.model is None else loaded.model.config
    return {slider: None if config is None else most(config) for slider, most in growing.items()}


def ranges(playground: Playground, growing: Growing) -> dict[Any, Any]:
    """The sliders with the ranges of the loaded model; empty while there is none. See `within_ranges` for their values."""
    # Not gr.Slider: it refuses a single value, and a model may have one layer.
    return {slider: gr.update(maximum=most) for slider, most in largest(playground, growing).items() if most is not None}


def within_ranges(sliders: Iterable[gr.Slider]) -> str:
    """A function in JavaScript that gives these sliders their values, at most the largest that they have on the page now.

    The server does not write a value when the range changes: a link, or the visitor, may have set another one meanwhile.
    """
    return f"(...values) => neoxjp.withinRanges({json.dumps([slider.elem_id for slider in sliders])}, values)"
