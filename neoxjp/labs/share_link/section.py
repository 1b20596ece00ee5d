"""On the Tokens and the Generate tab: a button that copies a link to what one set; and the menu that copies the token view.

A link is in address.py, a copy in lab/tokens/copies.py; `ui/copies.js` writes both to the clipboard,
or saves a file where the browser forbids that. Opening a link fills in text and choices and draws the section that was open.
It presses nothing.
"""

import json
import os
import time
from collections.abc import Callable, Sequence
from typing import Any, get_args

import gradio as gr

from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.labs.common import html as render
from neoxjp.labs.common.glyphs import SCRIPTS
from neoxjp.labs.share_link import copies
from neoxjp.labs.share_link.strings import both, label, strings, words
from neoxjp.page_parts import link_address as address
from neoxjp.page_parts.answers import check_length, message_of
from neoxjp.page_parts.link_address import space_address
from neoxjp.page_parts.links import Link, Linked, Links
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.strings import Lang, Words, language

KINDS = ("html", "markdown", "text", "png", "save")  # "save": the picture as a file
SAID = ("l_copied", "l_copied_part", "l_saved", "l_part", "l_link_copied", "l_link_shown", *(f"l_{kind}" for kind in KINDS))
IDS: dict[address.Tab, str] = {"tokenize": "l", "generate": "l-g"}  # what the ids of a tab's row begin with, and its words
LANGS: tuple[Lang, ...] = ("ja", "en")
SILENT: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
COPIED = "(given) => neoxjp.copied(given)"
LARGEST = 1_000_000  # of a number whose largest value follows the model
MOST_VALUES = 64  # of one list in a link: rows, tokenizers
LONGEST_CHOICE = 500  # characters of a choice that is no free text


def build_link(tab: address.Tab) -> Link:
    """Draw the button, and the place where it says what it did."""
    id = IDS[tab]
    with gr.Row(elem_classes="links"):
        button = gr.Button(label("l_link"), size="sm", min_width=0, elem_id=f"{id}-copy-link")
        fields = {name: f"{{{name}}}" for name in ("kind", "n", "all")}
        said_as = {"l_link_copied": "l_g_link_copied"} if tab == "generate" else {}
        sentences = {lang: {key: words(lang)(said_as.get(key, key), **fields) for key in SAID} for lang in LANGS}
        help_line = both("l_g_help") if tab == "generate" else ""
        facts = render.attributes(id=f"{id}-said", class_="l-said", data_words=render.data(sentences))
        gr.HTML(f'<p{facts} role="status">{help_line}</p>', apply_default_css=False)
    note = gr.HTML(elem_id=f"{id}-note", apply_default_css=False)
    return Link(button, note, gr.Textbox(visible="hidden", show_label=False), gr.Textbox(visible="hidden", show_label=False))


def build() -> Links:
    """Draw the row under the token view."""
    link = build_link("tokenize")
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
    return Links(link, kinds, separator)


def connect(links: Links, playground: Playground, text: gr.Textbox, show_ids: gr.Checkbox) -> None:
    """Wire the menu that copies the token view."""

    def on_copy(kind: copies.Format) -> Callable[..., tuple[str, str]]:
        def answer(request: gr.Request, text: str, separator: str, ids: bool) -> tuple[str, str]:
            try:
                return copy_of(playground, kind, text, separator, ids, words(language(request))), ""
            except NeoxjpError as error:
                return "", render.notice(message_of(error, request), "error")

        return answer

    for kind in get_args(copies.Format):
        asked, answers = [text, links.separator, show_ids], [links.link.given, links.link.note]
        links.kinds[kind].click(on_copy(kind), asked, answers, **SILENT).then(
            None, links.link.given, js=COPIED, api_visibility="private"
        )


def connect_link(link: Link, playground: Playground, blocks: gr.Blocks, linked: Linked) -> None:
    """Wire the button of a tab, and what happens where a page is opened by its link."""
    parts = list(linked.parts())
    components = [component for _, _, component in parts]
    name = f"'{address.NAMES[linked.tab]}'"

    def on_link(request: gr.Request, text: str, section: str, *values: Any) -> tuple[str, str]:
        try:
            found = link_of(address.View(text, section, changed(parts, values)), tab=linked.tab)
        except NeoxjpError as error:
            return "", render.notice(message_of(error, request), "error")
        return json.dumps({"value": found}), ""

    def on_load(request: gr.Request, kept: str | None) -> tuple[Any, ...]:
        value = (request.query_params or {}).get(address.NAMES[linked.tab])
        if value is None:
            return nothing
        try:
            view = opened(playground, value, linked.tab)
        except NeoxjpError as error:
            note = render.notice(message_of(error, request), "error")
            return gr.Tabs(selected=linked.tab), *nothing[1:-1], note
        section = view.section if view.section in linked.lab.tab else linked.lab.open.value
        text = kept if isinstance(kept, str) and kept else view.text
        chosen = [view.choices.get(key, {}).get(name) for key, name, _ in parts]
        limit = playground.limits.characters
        return (
            gr.Tabs(selected=linked.tab),
            gr.Tabs(selected=section),
            section,
            render.whole(text),
            *(restored(each, value, limit, linked.growing) for each, value in zip(components, chosen, strict=True)),
            *(time.time() if key == section else gr.skip() for key in linked.lab.due),
            "",
        )

    asked = [linked.text, linked.lab.open, *components]
    filled = [linked.tabs, linked.lab.tabs, linked.lab.open, linked.text, *components, *linked.lab.due.values(), link.note]
    nothing = tuple(gr.skip() for _ in filled)
    link.button.click(on_link, asked, [link.given, link.note], **SILENT).then(
        None, link.given, js=COPIED, api_visibility="private"
    )
    linked.text.change(None, linked.text, js=f"(text) => {{ neoxjp.keep({name}, text) }}", api_visibility="private")
    blocks.load(on_load, link.kept, filled, js=f"() => neoxjp.reloaded({name})", **SILENT).then(
        None, js=f"() => neoxjp.arrived({name})", api_visibility="private"
    )


# ---------------------------------------------------------------- links


def link_of(view: address.View, space: str | None = None, tab: address.Tab = "tokenize") -> str:
    """The link to a view: on a Space a whole address, elsewhere its query string, to which the browser adds the page's own.

    Raises:
        ParameterError: it would be longer than what travels safely.
    """
    base = space_address(os.environ.get("SPACE_ID", "") if space is None else space)
    most = address.LONGEST - (len(base) or address.ADDRESS)
    found = address.query(view, tab)
    if len(found) > most:
        plain = len(address.query(address.View(view.text, view.section), tab))
        key = f"{IDS[tab].replace('-', '_')}_too_long_{'text' if plain > most / 2 else 'choices'}"
        excess = f"{len(found) + address.LONGEST - most:,}"
        raise strings.error(ParameterError, key, n=excess, most=f"{address.LONGEST:,}", text=f"{len(view.text):,}")
    return base + found


def changed(parts: list[tuple[str, str, Any]], values: tuple[Any, ...]) -> dict[str, dict[str, Any]]:
    """The choices that are not as the page starts with them: a link names only these."""
    found: dict[str, dict[str, Any]] = {}
    for (section, name, component), value in zip(parts, values, strict=True):
        if value != component.value and not (value in (None, "", []) and component.value in (None, "", [])):
            found.setdefault(section, {})[name] = value
    return found


def opened(playground: Playground, value: str, tab: address.Tab = "tokenize") -> address.View:
    """What a link says.

    Raises:
        ParameterError: nothing that this page wrote, or a text longer than it takes.
    """
    try:
        view = address.read(value)
    except address.DamagedLink:
        raise strings.error(ParameterError, "l_damaged") from None
    if tab == "tokenize":
        check_length(playground, view.text)
    elif len(view.text) > (most := playground.limits.characters):
        raise strings.error(ParameterError, "g_too_many_characters", n=f"{len(view.text):,}", most=f"{most:,}")
    return view


def restored(component: Any, value: Any, longest: int, growing: Sequence[gr.Slider] = ()) -> Any:
    """A value from a link as an update of its component; nothing where that could not have it."""
    if component in growing and accepts(component, value, longest, LARGEST):
        return gr.Slider(value=value, maximum=max(value, component.maximum))
    return value if accepts(component, value, longest) else gr.skip()


def accepts(component: Any, value: Any, longest: int, largest: float | None = None) -> bool:
    """Whether a value from a link is one that this component could have had: its type, its choices, its length.

    largest: instead of the end of a slider that follows the model.
    """
    if value is None:
        return False
    if isinstance(component, gr.Checkbox):
        return isinstance(value, bool)
    if isinstance(component, (gr.Slider, gr.Number)):
        low, high = component.minimum, component.maximum if largest is None else largest
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
