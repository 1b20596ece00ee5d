"""A button on the Tokens and the Generate tab that copies a link to the tab's state, and the menu that copies the token view.

page_parts/link_address.py encodes a link, copies.py writes a copy; page.js puts both on the clipboard, or saves a file where the
browser forbids that. Opening a link restores text and choices and shows the section that was open. It starts nothing.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, get_args

import gradio as gr

from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.labs.common import html as render
from neoxjp.labs.common.glyphs import SCRIPTS
from neoxjp.labs.share_link import copies
from neoxjp.labs.share_link.strings import both, label, strings, words
from neoxjp.page_parts import link_address as address
from neoxjp.page_parts.answers import check_length, message_of
from neoxjp.page_parts.events import BROWSER, QUIET
from neoxjp.page_parts.files import downloads
from neoxjp.page_parts.gradio_private import current_visitor
from neoxjp.page_parts.links import Link, Linked, Links
from neoxjp.page_parts.parts import largest
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.strings import Lang, Words, language
from neoxjp.page_parts.token_editor import Document

KINDS = ("html", "markdown", "text", "png", "save")  # "save": the picture as a file
SENTENCES = ("copied", "copied_part", "saved", "part", "link_copied", "link_shown", *KINDS)  # for page.js
IDS: dict[address.Tab, str] = {"tokenize": "share-link", "generate": "share-link-generate"}  # prefix of ids and strings
LANGS: tuple[Lang, ...] = ("ja", "en")
COPY = "watch(Object.keys({ answer: 0 }), () => neoxjp.copied(props.answer));"  # a quoted name would be an event to Gradio (6.31)
LARGEST = 1_000_000  # largest value of a slider whose maximum depends on the model
MOST_VALUES = 64  # of one list in a link: rows, tokenizers
LONGEST_CHOICE = 500  # characters of a choice that is not free text


def build_link(tab: address.Tab) -> Link:
    """Draw the button and its status line."""
    id = IDS[tab]
    with gr.Row(elem_classes="share-link-row"):
        button = gr.Button(label("share_link_link"), size="sm", min_width=0, elem_id=f"{id}-copy-link")
        file = gr.Button(label("share_link_file"), size="sm", min_width=0, visible=False, elem_id=f"{id}-file")
        fields = {name: f"{{{name}}}" for name in ("kind", "n", "all")}
        keys = {f"share_link_{name}": f"share_link_{name}" for name in SENTENCES}
        if tab == "generate":
            keys["share_link_link_copied"] = "share_link_generate_link_copied"
        sentences = {lang: {name: words(lang)(key, **fields) for name, key in keys.items()} for lang in LANGS}
        help_line = both("share_link_generate_help") if tab == "generate" else ""
        facts = render.attributes(id=f"{id}-status", class_="share-link-status", data_words=render.data(sentences))
        gr.HTML(f'<p{facts} role="status">{help_line}</p>', apply_default_css=False)
    note = gr.HTML(elem_id=f"{id}-note", apply_default_css=False, js_on_load=COPY + downloads.SCRIPT, answer=None)
    selected = gr.Number(-1, precision=0, visible="hidden", elem_id=f"{id}-selected")
    return Link(button, file, selected, note)


def answer(notice: str = "", **copied: Any) -> gr.HTML:
    """What the browser is to copy (`value`), or HTML of the reason why there is nothing."""
    return gr.HTML(notice, answer=copied | {"time": time.time()})  # with the time, the same content is copied again


def build() -> Links:
    """Draw the row under the token view."""
    link = build_link("tokenize")
    with gr.Accordion(label("share_link_menu"), open=False, elem_id="share-link-menu"):
        gr.HTML(f"<p>{both('share_link_menu_info')}</p>", elem_classes="section", apply_default_css=False)
        with gr.Row(elem_classes="share-link-row"):
            kinds = {
                kind: gr.Button(label(f"share_link_{kind}"), size="sm", min_width=0, elem_id=f"share-link-copy-{kind}")
                for kind in KINDS
            }
            separator = gr.Textbox(
                "│",
                label=label("share_link_separator"),
                max_lines=1,
                max_length=copies.LONGEST_SEPARATOR,
                elem_id="share-link-separator",
            )
    return Links(link, kinds, separator)


def connect(links: Links, playground: Playground, document: gr.State, show_ids: gr.Checkbox) -> None:
    """Wire the menu that copies the tokens. document: the `Document` of the text."""

    def on_copy(kind: copies.Format) -> Callable[..., gr.HTML]:
        def copied(request: gr.Request, document: Document, separator: str, ids: bool) -> gr.HTML:
            try:
                return answer(**copy_of(playground, kind, document.text, separator, ids, words(language(request))))
            except NeoxjpError as error:
                return answer(render.notice(message_of(error, request), "error"))

        return copied

    for kind in get_args(copies.Format):
        inputs = [document, links.separator, show_ids]
        links.kinds[kind].click(on_copy(kind), inputs, links.link.note, **QUIET)


ARRIVE = "".join(f"if (neoxjp.linked('{name}')) trigger('{name}');" for name in address.NAMES.values())
"""`js_on_load` of HTML that is always on the page: only a page that was opened with a link asks what the link restores.

The answer changes every component that a link can restore, which takes the browser half a second.
"""


def connect_link(link: Link, playground: Playground, arrival: gr.HTML, linked: Linked) -> None:
    """Wire the button of a tab, and the restoring of its link when the page opens. arrival: has the script ARRIVE."""
    parts = list(linked.parts())
    components = [component for _, _, component in parts]
    name = f"'{address.NAMES[linked.tab]}'"

    def on_link(request: gr.Request, selected: Any, given: Any, section: str, *values: Any) -> dict[Any, Any]:
        chosen = selected if type(selected) is int and selected >= 0 else None
        view = replace(linked.view(given, chosen), section=section, choices=changed(parts, values))
        try:
            return {link.note: answer(value=link_of(view, linked.tab)), link.file: gr.Button(visible=False)}
        except NeoxjpError as error:
            note = answer(render.notice(message_of(error, request), "error"))
            return {link.note: note, link.file: gr.Button(visible=linked.file is not None)}

    def on_load(request: gr.Request, given: Any) -> dict[Any, Any]:
        value = (request.query_params or {}).get(address.NAMES[linked.tab])
        if value is None:
            return gr.skip()
        try:
            view = opened(playground, value, linked.tab)
        except NeoxjpError as error:
            return {linked.tabs: gr.Tabs(selected=linked.tab), link.note: render.notice(message_of(error, request), "error")}
        if linked.remember is not None:
            linked.remember(given, view)
        section = view.section if view.section in linked.lab.tab else linked.lab.open.value
        limit, growing = playground.limits.characters, largest(playground, linked.growing)
        found = {
            component: restored(component, view.choices.get(key, {}).get(name), limit, growing) for key, name, component in parts
        }
        return {
            **found,
            linked.tabs: gr.Tabs(selected=linked.tab),
            linked.lab.tabs: gr.Tabs(selected=section),
            linked.lab.open: section,
            linked.filled: linked.fill(render.replace_surrogates(view.text)),
            link.note: "",
        } | linked.lab.update(section)

    inputs = [linked.text, linked.lab.open, *components]
    filled = [linked.tabs, linked.lab.tabs, linked.lab.open, linked.filled, *components, *linked.lab.due.values(), link.note]
    selected = f"(now, ...others) => [neoxjp.editor('{linked.tab}-text')?.selected ?? -1, ...others]"
    link.button.click(on_link, [link.selected, *inputs], [link.note, link.file], js=selected, **QUIET)
    if linked.file is not None:
        name_of_file, write = linked.file
        downloads.connect(link.file, link.note, name_of_file, lambda t, given: write(given), linked.text)
    opened_with = getattr(arrival, address.NAMES[linked.tab])(on_load, linked.text, filled, **QUIET)
    opened_with.then(None, js=f"() => neoxjp.arrived({name})", **BROWSER)


# ---------------------------------------------------------------- links


def link_of(view: address.View, tab: address.Tab = "tokenize") -> str:
    """The link to a view: a complete address on a Space, elsewhere a query string; the browser adds the page's address.

    Raises:
        ParameterError: the link would be too long.
    """
    query = address.query(view, tab)
    if (link := address.complete(query)) is None:
        without_choices = address.query(replace(view, choices={}), tab)
        longest = "text" if len(without_choices) > address.LONGEST / 2 else "choices"
        numbers = {"n": len(query) + address.ADDRESS, "most": address.LONGEST, "text": len(view.text)}
        key = f"{IDS[tab].replace('-', '_')}_too_long_{longest}"
        raise strings.error(ParameterError, key, **{name: f"{number:,}" for name, number in numbers.items()})
    return link


def changed(parts: list[tuple[str, str, Any]], values: tuple[Any, ...]) -> dict[str, dict[str, Any]]:
    """The choices that differ from the page's defaults: a link has only these."""
    found: dict[str, dict[str, Any]] = {}
    for (section, name, component), value in zip(parts, values, strict=True):
        if value != component.value and not (value in (None, "", []) and component.value in (None, "", [])):
            found.setdefault(section, {})[name] = value
    return found


def opened(playground: Playground, value: str, tab: address.Tab = "tokenize") -> address.View:
    """The view in a link.

    Raises:
        ParameterError: the link is damaged, or its text is too long for this page.
    """
    try:
        view = address.read(value)
    except address.DamagedLink:
        raise strings.error(ParameterError, "share_link_damaged") from None
    if tab == "tokenize":
        check_length(playground, view.text)
    elif len(view.text) > (most := playground.limits.characters):
        raise strings.error(ParameterError, "generate_too_many_characters", n=f"{len(view.text):,}", most=f"{most:,}")
    else:
        playground.visitors.charge(current_visitor(), "characters", len(view.text))
    return view


def restored(component: Any, value: Any, longest: int, growing: Mapping[gr.Slider, int | None]) -> Any:
    """A value from a link as an update of its component; no update if the component cannot have it.

    growing: the largest values that sliders have with the loaded model; None: there is no model yet.
    """
    if component in growing and accepts(component, value, longest, LARGEST):
        end = growing[component]
        most = max(value, component.maximum) if end is None else end
        return gr.update(value=min(value, most), maximum=most)
    return value if accepts(component, value, longest) else gr.skip()


def accepts(component: Any, value: Any, longest: int, largest: float | None = None) -> bool:
    """Whether this component can have a value from a link: its type, its choices, its length.

    largest: replaces the maximum of a slider that depends on the model.
    """
    if value is None:
        return False
    if isinstance(component, gr.Checkbox):
        return isinstance(value, bool)
    if isinstance(component, (gr.Slider, gr.Number)):
        low, high = component.minimum, component.maximum if largest is None else largest
        number = type(value) in (int, float) and abs(value) < 1e15  # no Infinity, no number that a browser would round
        return number and (low is None or value >= low) and (high is None or value <= high)
    if isinstance(component, (gr.Textbox, gr.State)):  # a state that a link restores is a string
        return isinstance(value, str) and len(value) <= min(longest, getattr(component, "max_length", None) or longest)
    if isinstance(component, gr.CheckboxGroup) or (isinstance(component, gr.Dropdown) and component.multiselect):
        return isinstance(value, list) and len(value) <= MOST_VALUES and all(_choice(component, each) for each in value)
    return isinstance(component, (gr.Radio, gr.Dropdown)) and _choice(component, value)


def _choice(component: Any, value: Any) -> bool:
    if getattr(component, "allow_custom_value", False):
        return isinstance(value, str) and len(value) <= LONGEST_CHOICE
    return any(type(value) is type(known) and value == known for _, known in component.choices)


# ---------------------------------------------------------------- copies


def copy_of(playground: Playground, kind: copies.Format, text: str, separator: str, ids: bool, t: Words) -> dict[str, Any]:
    """What the browser copies: the copy, its number of tokens, and the number of all tokens."""
    check_length(playground, text)
    tokens = playground.tokenizer.analyze(text)
    shown = copies.first(tokens, playground.limits.drawn_pieces)
    legend = {key: t(key if key in SCRIPTS else f"legend_{key}") for key in copies.ENGLISH}
    caption = caption_of(len(shown), len(tokens), t)
    copied = copies.copy(shown, text, kind, separator=separator, ids=ids, words=legend, caption=caption)
    return {"value": render.replace_surrogates(copied), "n": len(shown), "all": len(tokens)}


def caption_of(shown: int, all: int, t: Words) -> str:
    """How many of all tokens a copy has."""
    return t("n_tokens", n=f"{all:,}") if shown == all else t("share_link_part", n=f"{shown:,}", all=f"{all:,}")
