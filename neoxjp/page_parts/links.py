"""The components of a link to the page, and what such a link restores. labs/share_link/ wires them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from neoxjp.page_parts.link_address import Tab
from neoxjp.page_parts.sections import Lab


@dataclass(frozen=True)
class Link:
    """The components of a button that copies a link."""

    button: gr.Button
    note: gr.HTML  # an error; its property `answer` is what the browser is to copy


@dataclass(frozen=True)
class Links:
    """The components of the row under the token view."""

    link: Link
    kinds: dict[str, gr.Button]
    separator: gr.Textbox


@dataclass(frozen=True)
class Linked:
    """What a link restores: the text, which tabs are open, and each section's choices."""

    tab: Tab
    tabs: gr.Tabs  # of the page
    text: Any  # the component that has the text, as an input
    lab: Lab
    own: Mapping[str, Any]  # choices of the tab itself
    growing: Sequence[gr.Slider] = ()  # those whose largest value follows the model
    string: Callable[[Any], str] = str  # the text of the value of `text`
    filled: Any = None  # the component that shows the text of a link; None: `text`
    fill: Callable[[str], Any] = str  # its value for a text

    def parts(self) -> Iterator[tuple[str, str, Any]]:
        """Section, short name and component of each choice."""
        yield from ((self.tab if self.tab == "generate" else "tokens", name, component) for name, component in self.own.items())
        for key, section in self.lab.sections.items():
            yield from ((key, name, component) for name, component in getattr(section, "linked", {}).items())
