"""Section of the tokenizer lab: the vocabulary as a list, one entry, statistics, and a comparison with another vocabulary.

The list is HTML of our own, 50 rows a page: gr.Dataframe would send all 32,000 rows, which takes seconds.
"""

import random
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from neoxjp.errors import ParameterError
from neoxjp.labs.common import html
from neoxjp.labs.common.glyphs import SCRIPTS
from neoxjp.labs.common.templates import render
from neoxjp.labs.vocabulary_browser import difference as differences
from neoxjp.labs.vocabulary_browser import records, statistics
from neoxjp.labs.vocabulary_browser.strings import strings
from neoxjp.page_parts.answers import check_length, handler
from neoxjp.page_parts.events import BROWSER, QUIET, latest
from neoxjp.page_parts.files import downloads
from neoxjp.page_parts.gradio_private import current_visitor
from neoxjp.page_parts.parts import JAPANESE, Parts
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.strings import Words, language
from neoxjp.page_parts.token_editor import Document

if TYPE_CHECKING:
    from neoxjp.page_parts.tabs.tokenize import TokenizeTab

ID = "vocabulary-browser"  # prefix of elements
ROWS = 50  # of a page
CSV_CHARACTERS = 20  # of the visitor's budget, for a row of the file
SPELLINGS = 200  # of an entry that are shown; the others are folded
SIGNS: dict[str, str] = {**{str(script): sign for script, sign in SCRIPTS.items()}, "mixed": "漢あ"}
# Each filter's control, and its name in a link.
FILTERS = {
    "query": "q", "match": "m", "script": "s", "kind": "k", "length": "l",
    "spellings": "n", "ids": "d", "reach": "r", "sort": "o", "descending": "z",
}  # fmt: skip
view: Callable[..., str] = partial(render, "labs/vocabulary_browser/view.html")
part = Parts("vocabulary_browser", strings)


@dataclass(frozen=True)
class Page:
    """A page of a list."""

    html: str
    number: int = 0  # from 0
    last: int = 0  # number of the last page

    @classmethod
    def of(cls, number: int, rows: Sequence[Any], draw: Callable[..., str]) -> "Page":
        """The page of this number, or the nearest; `draw` makes its HTML."""
        last = max(0, (len(rows) - 1) // ROWS)
        number = max(0, min(number, last))
        first = number * ROWS
        return cls(draw(rows=rows[first : first + ROWS], first=first, total=len(rows)), number, last)


class Pager:
    """The component that shows a page of a list, and those that turn it."""

    def __init__(self, view: gr.HTML, prefix: str):
        """Create the buttons; `prefix` is that of their ids."""
        look = {"size": "sm", "min_width": 60, "interactive": False}
        buttons = (part.button(prefix + name, name, elem_classes=part.id(name), **look) for name in ("previous", "next"))
        self.view, self.number = view, gr.State(0)
        self.previous, self.next = buttons
        self.turns = [self.previous, self.next]
        self.components: list[Any] = [view, self.number, *self.turns]

    def show(self, page: Page) -> dict[Any, Any]:
        return {
            self.view: page.html,
            self.number: page.number,
            self.previous: gr.Button(interactive=page.number > 0),
            self.next: gr.Button(interactive=page.number < page.last),
        }


class Section:
    """The components of the section."""

    def __init__(self, playground: Playground):
        with gr.Row(elem_classes=f"two-columns {ID}"):
            with gr.Column(scale=6, min_width=320, elem_classes=f"card {ID}-card"):
                self.filters = _filters()
                drawn = _html("list")
                with gr.Row(elem_classes=f"chips {ID}-paging"):
                    self.list = Pager(drawn, "")
                    self.download = part.button("download", size="sm", min_width=60)
            with gr.Column(scale=5, min_width=300, elem_classes="card side"):
                with gr.Row(elem_classes=f"{ID}-look-up one-line"):
                    # gr.Number would write 0 into an empty field, and id 0 would be looked up
                    self.id = _text("id", max_length=20, html_attributes=gr.InputHTMLAttributes(spellcheck=False))
                    self.random = part.button("random", size="sm", min_width=90)
                    self.use = part.button("use", size="sm", min_width=90, interactive=False)
                self.entry = _html("entry", f'<p class="{ID}-hint">{part.both("entry_hint")}</p>')
        with part.accordion("stats") as self.accordion:
            self.statistics = _html("numbers")
            part.html(value=f"<h3>{part.both('usage')}</h3>", elem_classes="section")
            self.usage = _html("usage")
        self.open = gr.State(False)  # whether the statistics are unfolded
        self.difference = Difference(playground)
        self.shown = gr.State(None)  # serial of the vocabulary and language that the list shows
        self.linked = {short: self.filters[name] for name, short in FILTERS.items()} | {"id": self.id}  # what a link restores


def _filters() -> dict[str, Any]:
    """The controls by the names of FILTERS."""

    def choice(key: str, names: Iterable[str], keys: str = "vocabulary_browser_", **more: Any) -> gr.Dropdown:
        """A choice of values; the label of each is the string `keys` + its name."""
        labels = [(part.label(name) if name in ("all", "mixed") else strings.label(keys + name), name) for name in names]
        return gr.Dropdown(labels, value=labels[0][1], filterable=False, min_width=110, **part.named(key), **more)

    with gr.Row():
        query = _text("query", scale=3, min_width=160, html_attributes=JAPANESE)
        match = choice("match", records.MATCHES, scale=1)
    with part.accordion("more"):
        with gr.Row():
            script = choice("script", ("all", *records.SCRIPTS), "")
            kind = choice("kind", ("all", *records.KINDS), "kind_")
            reach = choice("reach", records.REACHES)
        with gr.Row():
            length, spellings, ids = _text("length"), _text("count"), _text("ids")
        with gr.Row():
            sort = choice("sort", records.SORTS, "vocabulary_browser_sort_")
            descending = gr.Checkbox(min_width=110, **part.named("descending"))
    given = (query, match, script, kind, length, spellings, ids, reach, sort, descending)
    return dict(zip(FILTERS, given, strict=True))


class Difference:
    """The components of the comparison with another vocabulary."""

    def __init__(self, playground: Playground):
        with part.accordion("diff") as self.accordion:
            with gr.Row():
                self.against = part.radio("against", ("bundled",) if playground.public else ("bundled", "folder"))
                self.folder = _text("folder_path", visible=False)
            self.summary = _html("summary")
            with gr.Column(elem_classes=f"{ID}-card"):
                with gr.Row():
                    self.side = part.radio("side", differences.SIDES, "side_")
                    self.query = _text("diff_query")
                drawn = _html("differences")
                with gr.Row(elem_classes=f"chips {ID}-paging"):
                    self.list = Pager(drawn, "diff-")
        self.open = gr.State(False)


def _html(name: str, value: str = "") -> gr.HTML:
    """HTML in which entries and spellings can be pressed; script.js triggers `select`."""
    return part.html(name, value, elem_classes=f"{ID}-html", js_on_load=part.script() + downloads.SCRIPT)


def _text(key: str, **more: Any) -> gr.Textbox:
    return part.textbox(key, **{"min_width": 110} | more)


def connect(section: Section, playground: Playground, tab: "TokenizeTab", due: gr.HTML) -> None:
    """Add the events. `tab` has the text above; `due` changes when the section has to be updated."""
    filters = list(section.filters.values())
    pager, part = section.list, section.difference
    comparing: list[Any] = [part.open, part.against, part.folder, part.side, part.query]
    entry = [section.entry, section.use]
    numbers = [section.statistics, section.usage]
    difference = [part.summary, *part.list.components]

    @handler(strings, errors=pager.view, empty=pager.turns)
    def show_list(t: Words, number: int, *values: Any) -> dict[Any, Any]:
        return pager.show(list_page(playground, number, values, t))

    @handler(strings, errors=section.entry, empty=[section.use])
    def show_entry(t: Words, id: str | None) -> dict[Any, Any]:
        shown, found = entry_html(playground, id or "", t)
        return {section.entry: shown, section.use: gr.Button(interactive=found)}

    @handler(strings, errors=part.summary, empty=[part.list.view, *part.list.turns])
    def show_difference(t: Words, number: int, open: bool, *values: Any) -> dict[Any, Any]:
        if not open:
            return {}
        summary, page = difference_page(playground, number, values, t)
        return {part.summary: summary, **part.list.show(page)}

    @handler(strings, errors=section.statistics, empty=[section.usage])
    def show_statistics(t: Words, open: bool, document: Document) -> dict[Any, Any]:
        return dict(zip(numbers, statistics_html(playground, document.text, t), strict=True)) if open else {}

    def on_due(
        request: gr.Request, before: tuple[int, str] | None, id: str, number: int, difference_number: int, *values: Any
    ) -> dict[Any, Any]:
        now = playground.serial, language(request)
        if before == now:
            return {}
        if before is None or before[0] != now[0]:
            number = difference_number = 0
        shown = show_list(request, number, *values[len(comparing) :])
        shown |= show_difference(request, difference_number, *values[: len(comparing)])
        return {section.shown: now} | show_entry(request, id) | shown

    def turn(show: Callable[..., dict[Any, Any]], step: int | None = None) -> Callable[..., dict[Any, Any]]:
        """A handler that shows another page of a list, or without a step the first."""

        def on_turn(request: gr.Request, number: int, *values: Any) -> dict[Any, Any]:
            return show(request, 0 if step is None else number + step, *values)

        return on_turn

    latest(
        [due.change],
        on_due,
        [section.shown, section.id, pager.number, part.list.number, *comparing, *filters],
        [section.shown, *pager.components, *entry, *difference],
    )
    latest([section.id.change], show_entry, section.id, entry)
    latest([part.against.change], lambda against: gr.Textbox(visible=against == "folder"), part.against, part.folder)
    lists = (
        (pager, show_list, filters, filters, pager.components),
        (part.list, show_difference, comparing, comparing[1:], difference),
    )
    for turned, show, values, changing, outputs in lists:
        inputs = [turned.number, *values]
        latest([control.change for control in changing], turn(show), inputs, outputs)
        turned.previous.click(turn(show, -1), inputs, outputs, **QUIET)
        turned.next.click(turn(show, 1), inputs, outputs, **QUIET)
    latest([due.change], show_statistics, [section.open, tab.document], numbers)
    _on_unfold(section.accordion, section.open, show_statistics, [section.open, tab.document], numbers)
    _on_unfold(part.accordion, part.open, turn(show_difference), [part.list.number, *comparing], difference)

    # In the browser, as the server's answer would undo what is pressed or typed meanwhile.
    apply = "(id) => neoxjp.vocabularyBrowser.apply(id)"
    for pressed in (pager.view, section.entry, section.statistics, section.usage, part.list.view):
        pressed.select(None, section.id, section.id, js=apply, **BROWSER)
    section.use.click(None, js="() => neoxjp.vocabularyBrowser.append()", **BROWSER)

    @handler(strings)  # the list shows an error
    def on_random(t: Words, *values: Any) -> Any:
        return random_id(playground, values) or gr.skip()

    section.random.click(on_random, filters, section.id, **QUIET)

    def to_save(t: Words, *values: Any) -> list[dict[str, Any]]:
        found = records.csv_records(playground.tokenizer, filters_of(values))
        playground.visitors.charge(current_visitor(), "characters", CSV_CHARACTERS * len(found))
        return found

    downloads.connect(section.download, pager.view, "vocabulary.csv", to_save, filters)


def _on_unfold(accordion: gr.Accordion, open: gr.State, draw: Callable[..., Any], inputs: Any, outputs: Any) -> None:
    """Draw when the accordion is unfolded, and note in `open` whether it is."""
    options: dict[str, Any] = QUIET | {"trigger_mode": "always_last", "concurrency_limit": None}
    accordion.expand(lambda: True, None, open, **options).then(draw, inputs, outputs, **options)
    accordion.collapse(lambda: False, None, open, **options)


# ---------------------------------------------------------------- what the handlers show


def filters_of(values: Sequence[Any]) -> records.Filters:
    """The filters from the values of the controls, in the order of FILTERS; an emptied control has its default."""
    return records.checked_filters(**{name: value for name, value in zip(FILTERS, values, strict=True) if value is not None})


def list_page(playground: Playground, number: int, values: Sequence[Any], t: Words) -> Page:
    """A page of the list."""
    tokenizer = playground.tokenizer
    found = records.select(tokenizer, filters_of(values))
    return Page.of(number, found, partial(view, "entries", t, vocab_size=tokenizer.vocab_size, signs=SIGNS))


def entry_html(playground: Playground, id: str, t: Words) -> tuple[str, bool]:
    """One entry, and whether there is one; `id` as typed: "17749", "１７７４９"; "": a hint.

    Raises:
        ParameterError: it is not a number, or not an id of this vocabulary.
    """
    digits = unicodedata.normalize("NFKC", id[:100]).strip()
    if not digits:
        return f'<p class="{ID}-hint">{t("vocabulary_browser_entry_hint")}</p>', False
    if not re.fullmatch("[0-9]{1,9}", digits):
        raise strings.error(ParameterError, "vocabulary_browser_no_id", found=repr(digits[:20]))
    found = records.entry(playground.tokenizer, int(digits))
    return view("entry", t, found=found, text=records.text_for(found), signs=SIGNS, limit=SPELLINGS), True


def random_id(playground: Playground, values: Sequence[Any]) -> str:
    """One of the ids that pass the filters; "" where none does."""
    found = records.select(playground.tokenizer, filters_of(values))
    return str(random.choice(found).id) if found else ""


def statistics_html(playground: Playground, text: str, t: Words) -> tuple[str, str]:
    """The statistics of the vocabulary, and which ids the text uses."""
    check_length(playground, text)
    tokenizer = playground.tokenizer
    used = statistics.usage(tokenizer, statistics.count_ids(tokenizer, [text] if text else []))
    counted = statistics.statistics(tokenizer)
    return view("statistics", t, counted=counted, signs=SIGNS), view("usage", t, used=used, signs=SIGNS)


def difference_page(playground: Playground, number: int, values: Sequence[Any], t: Words) -> tuple[str, Page]:
    """The counts of the differences, and a page of one list of them; `values` are of the controls."""
    against, folder, side, query = values
    folder = folder or ""
    other = differences.open_other(playground.tokenizer, against, folder, public=playground.public)
    if other is playground.tokenizer:
        return html.notice(t("vocabulary_browser_itself")), Page("")
    compared = differences.compare(playground.tokenizer, other)
    bundled = t("bundled")
    names = {
        "here": playground.loaded.title(bundled) if playground.loaded else "",
        "there": bundled if against == "bundled" else Path(folder.strip()).name,
    }
    page = Page.of(number, compared.select(side, query or ""), partial(view, "differences", t, **names))
    return view("summary", t, counted=compared.counts, **names), page
