"""The components of a link to the page, and what such a link restores. labs/share_link/ wires them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from neoxjp.page_parts.link_address import Tab, View
from neoxjp.page_parts.parts import Growing
from neoxjp.page_parts.tabs.sections import Lab


@dataclass(frozen=True)
class Link:
    """The components of a button that copies a link."""

    button: gr.Button
    file: gr.Button  # saves as a file what a link cannot have; visible after a link would have been too long
    selected: gr.Number  # place of the selected token's first id; -1: none. Its value comes from the browser
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
    growing: Growing
    view: Callable[[Any, int | None], View]  # from the value of `text`, and the selected token
    filled: Any  # the component that shows the text of a link
    fill: Callable[[str], Any]  # its value for a text
    remember: Callable[[Any, View], None] | None = None  # gives the value of `text` the view that a link restores
    file: tuple[str, Callable[[Any], str]] | None = None  # name and content of the file that has more than a link can

    def parts(self) -> Iterator[tuple[str, str, Any]]:
        """Section, short name and component of each choice."""
        yield from ((self.tab if self.tab == "generate" else "tokens", name, component) for name, component in self.own.items())
        for key, section in self.lab.sections.items():
            yield from ((key, name, component) for name, component in getattr(section, "linked", {}).items())
