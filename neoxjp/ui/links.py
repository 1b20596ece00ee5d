"""Under the token view: a button that copies a link to what one sees, and a folded menu that copies the view itself.

A link is in address.py, a copy in lab/tokens/copies.py; `assets/copies.js` writes both to the clipboard,
or saves a file where the browser forbids that. Opening a link fills in text and choices and draws the section that was open.
It presses nothing.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

import gradio as gr

from neoxjp import render
from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.glyphs import SCRIPTS
from neoxjp.lab.tokens import copies
from neoxjp.ui import address
from neoxjp.ui.address import space_address
from neoxjp.ui.answers import check_length, expected, message_of, said
from neoxjp.ui.lab import Lab
from neoxjp.ui.session import Playground
from neoxjp.ui.strings import Words, both, label, language, words

KINDS = ("html", "markdown", "text", "png", "save")  # "save": the picture as a file
SAID = ("l_copied", "l_copied_part", "l_saved", "l_part", "l_link_copied", "l_link_shown", *(f"l_{kind}" for kind in KINDS))
MOST_VALUES = 64  # of one list in a link: rows, tokenizers
LONGEST_CHOICE = 500  # characters of a choice that is no free text


@dataclass(frozen=True)
class Links:
    """The components of the row."""

    link: gr.Button
    kinds: dict[str, gr.Button]
    separator: gr.Textbox
    note: gr.HTML
    given: gr.Textbox  # what the browser is to copy, as JSON
    kept: gr.Textbox  # the text that the browser remembers, where this visit is a reload


@dataclass(frozen=True)
class Linked:
    """What a link restores: the text, which tabs are open, and each section's choices."""

    tabs: gr.Tabs  # of the page
    text: gr.Textbox
    lab: Lab
    own: Mapping[str, Any]  # choices of the Tokens tab itself

    def parts(self) -> Iterator[tuple[str, str, Any]]:
        """Section, short name and component of each choice."""
        yield from (("tokens", name, component) for name, component in self.own.items())
        for key, section in self.lab.sections.items():
            yield from ((key, name, component) for name, component in section.linked.items())


def build() -> Links:
    """Draw the row."""
    with gr.Row(elem_classes="links"):
        link = gr.Button(label("l_link"), size="sm", min_width=0, elem_id="l-copy-link")
        fields = {name: f"{{{name}}}" for name in ("kind", "n", "all")}
        sentences = {lang: {key: words(lang)(key, **fields) for key in SAID} for lang in ("ja", "en")}
        live = f'<p id="l-said" role="status"{render.attributes(data_words=render.data(sentences))}></p>'
        gr.HTML(live, apply_default_css=False)
    note = gr.HTML(elem_id="l-note", apply_default_css=False)
    with gr.Accordion(label("l_menu"), open=False, elem_id="l-menu"):
        gr.HTML(f"<p>{both('l_menu_info')}</p>", elem_classes="section", apply_default_css=False)
        with gr.Row(elem_classes="links"):
            kinds = {kind: gr.Button(label(f"l_{kind}"), size="sm", min_width=0, elem_id=f"l-copy-{kind}") for kind in KINDS}
            separator = gr.Textbox(
                "│",
                label=label("l_separator"),
                max_lines=1,
                max_length=copies.LONGEST_SEPARATOR,
                elem_id="l-separator",
            )
    given = gr.Textbox(visible="hidden", show_label=False)
    kept = gr.Textbox(visible="hidden", show_label=False)
    return Links(link, kinds, separator, note, given, kept)


def connect(links: Links, playground: Playground, blocks: gr.Blocks, linked: Linked) -> None:
    """Wire the events."""
    silent: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    parts = list(linked.parts())
    components = [component for _, _, component in parts]

    def on_link(request: gr.Request, text: str, section: str, *values: Any) -> tuple[str, str]:
        try:
            found = link_of(address.View(text, section, changed(parts, values)))
        except NeoxjpError as error:
            return "", render.notice(message_of(error, request), "error")
        return json.dumps({"value": found}), ""

    def on_copy(kind: copies.Format) -> Callable[..., tuple[str, str]]:
        def answer(request: gr.Request, text: str, separator: str, ids: bool) -> tuple[str, str]:
            try:
                return copy_of(playground, kind, text, separator, ids, words(language(request))), ""
            except NeoxjpError as error:
                return "", render.notice(message_of(error, request), "error")

        return answer

    def on_load(request: gr.Request, kept: str | None) -> tuple[Any, ...]:
        value = (request.query_params or {}).get(address.NAME)
        if value is None:
            return nothing
        try:
            view = opened(playground, value)
        except NeoxjpError as error:
            note = render.notice(message_of(error, request), "error")
            return gr.Tabs(selected="tokenize"), *nothing[1:-1], note
        section = view.section if view.section in linked.lab.tab else linked.lab.open.value
        text = kept if isinstance(kept, str) and kept else view.text
        chosen = [view.choices.get(key, {}).get(name) for key, name, _ in parts]
        limit = playground.limits.characters
        return (
            gr.Tabs(selected="tokenize"),
            gr.Tabs(selected=section),
            section,
            render.whole(text),
            *(value if accepts(each, value, limit) else gr.skip() for each, value in zip(components, chosen, strict=True)),
            *(time.time() if key == section else gr.skip() for key in linked.lab.due),
            "",
        )

    asked = [linked.text, linked.lab.open, *components]
    filled = [linked.tabs, linked.lab.tabs, linked.lab.open, linked.text, *components, *linked.lab.due.values(), links.note]
    nothing = tuple(gr.skip() for _ in filled)
    done = "(given) => neoxjp.copied(given)"
    links.link.click(on_link, asked, [links.given, links.note], **silent).then(
        None, links.given, js=done, api_visibility="private"
    )
    for kind in get_args(copies.Format):
        links.kinds[kind].click(
            on_copy(kind), [linked.text, links.separator, linked.own["ids"]], [links.given, links.note], **silent
        ).then(None, links.given, js=done, api_visibility="private")
    blocks.load(on_load, links.kept, filled, js="() => neoxjp.reloaded('text')", **silent).then(
        None, js="() => neoxjp.arrived()", api_visibility="private"
    )


def endpoints(playground: Playground) -> None:
    """The menu's action as API: /copy."""

    def copy(text: str, format: str = "html", ids: bool = False, separator: str = "│", compat: bool = False) -> str:
        """Draw the tokens of a text as something to paste elsewhere.

        Args:
            text: The text to cut.
            format: "html" (with its own styles), "markdown" (pieces in backticks) or "text" (pieces with separators).
            ids: True: the ids stand beside each piece.
            separator: What stands between the pieces of "text".
            compat: True: the tokens that the transformers library gives, its faults included.

        Returns:
            The copy. Of a long text it is the first part, and says how many tokens that is; "text" then ends in "…".
        """
        check_length(playground, text)
        tokenizer = playground.compat() if compat else playground.tokenizer
        tokens = tokenizer.analyze(text)
        drawn = copies.first(tokens, playground.limits.drawn_pieces)
        caption = None if len(drawn) == len(tokens) else _caption(len(drawn), len(tokens), words("en"))
        copied = copies.copy(drawn, text, format, ids=ids, separator=separator, caption=caption)  # type: ignore[arg-type]
        return copied + " …" if format == "text" and len(drawn) < len(tokens) else copied

    gr.api(expected(copy), api_name="copy", queue=False, concurrency_limit=None)


# ---------------------------------------------------------------- links


def link_of(view: address.View, space: str | None = None) -> str:
    """The link to a view: on a Space a whole address, elsewhere its query string, to which the browser adds the page's own.

    Raises:
        ParameterError: it would be longer than what travels safely.
    """
    base = space_address(os.environ.get("SPACE_ID", "") if space is None else space)
    most = address.LONGEST - (len(base) or address.ADDRESS)
    found = address.query(view)
    if len(found) > most:
        plain = len(address.query(address.View(view.text, view.section)))
        key = "l_too_long_text" if plain > most / 2 else "l_too_long_choices"
        excess = f"{len(found) + address.LONGEST - most:,}"
        raise said(ParameterError, key, n=excess, most=f"{address.LONGEST:,}", text=f"{len(view.text):,}")
    return base + found


def changed(parts: list[tuple[str, str, Any]], values: tuple[Any, ...]) -> dict[str, dict[str, Any]]:
    """The choices that are not as the page starts with them: a link names only these."""
    found: dict[str, dict[str, Any]] = {}
    for (section, name, component), value in zip(parts, values, strict=True):
        if value != component.value and not (value in (None, "", []) and component.value in (None, "", [])):
            found.setdefault(section, {})[name] = value
    return found


def opened(playground: Playground, value: str) -> address.View:
    """What a link says.

    Raises:
        ParameterError: nothing that this page wrote, or a text longer than it takes.
    """
    try:
        view = address.read(value)
    except address.DamagedLink:
        raise said(ParameterError, "l_damaged") from None
    check_length(playground, view.text)
    return view


def accepts(component: Any, value: Any, longest: int) -> bool:
    """Whether a value from a link is one that this component could have had: its type, its choices, its length."""
    if value is None:
        return False
    if isinstance(component, gr.Checkbox):
        return isinstance(value, bool)
    if isinstance(component, (gr.Slider, gr.Number)):
        low, high = component.minimum, component.maximum
        number = type(value) in (int, float) and abs(value) < 1e15  # no Infinity, nothing that a browser would round
        return number and (low is None or value >= low) and (high is None or value <= high)
    if isinstance(component, gr.Textbox):
        return isinstance(value, str) and len(value) <= min(longest, component.max_length or longest)
    if isinstance(component, gr.CheckboxGroup) or (isinstance(component, gr.Dropdown) and component.multiselect):
        return isinstance(value, list) and len(value) <= MOST_VALUES and all(_choice(component, each) for each in value)
    return isinstance(component, (gr.Radio, gr.Dropdown)) and _choice(component, value)


def _choice(component: Any, value: Any) -> bool:
    if getattr(component, "allow_custom_value", False):
        return isinstance(value, str) and len(value) <= LONGEST_CHOICE
    return any(type(value) is type(known) and value == known for _, known in component.choices)


# ---------------------------------------------------------------- copies


def copy_of(playground: Playground, kind: copies.Format, text: str, separator: str, ids: bool, say: Words) -> str:
    """What the browser is to copy, as JSON: the copy, how many tokens are in it, and how many there are."""
    check_length(playground, text)
    tokens = playground.tokenizer.analyze(text)
    drawn = copies.first(tokens, playground.limits.drawn_pieces)
    legend = {key: say(key if key in SCRIPTS else f"legend_{key}") for key in copies.ENGLISH}
    caption = _caption(len(drawn), len(tokens), say)
    copied = copies.copy(drawn, text, kind, separator=separator, ids=ids, words=legend, caption=caption)
    return json.dumps({"value": render.whole(copied), "n": len(drawn), "all": len(tokens)})


def _caption(drawn: int, all: int, say: Words) -> str:
    return say("n_tokens", n=f"{all:,}") if drawn == all else say("l_part", n=f"{drawn:,}", all=f"{all:,}")
