"""Section of the Tokens tab: one text in its spellings, compared over many tokenizers; readings, tokens, chart, files.

All that is shown follows from components that a link restores, and from which tokenizers this visitor has opened.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from neoxjp import compare as peers
from neoxjp import japanese
from neoxjp.errors import NeoxjpError
from neoxjp.labs.common import html
from neoxjp.labs.common.templates import render
from neoxjp.labs.spellings import view
from neoxjp.labs.spellings.records import Column, Matrix, doubts, matrix, open_columns, records
from neoxjp.labs.spellings.strings import strings
from neoxjp.page_parts.answers import check_length, error_notice, handler
from neoxjp.page_parts.events import BROWSER, QUIET, STREAMED, latest
from neoxjp.page_parts.files import downloads
from neoxjp.page_parts.gradio_private import payload
from neoxjp.page_parts.parts import Parts
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.strings import Words
from neoxjp.page_parts.token_editor import Document

if TYPE_CHECKING:
    from neoxjp.page_parts.tabs.tokenize import TokenizeTab

COMPARED = 2_000  # characters of a text that are compared; its rōmaji may be three times as long
MOST_COLUMNS = 10  # tokenizers compared at a time
MOST_OPENED = 50  # whose result is remembered
LONGEST_KEY = 500  # characters of a tokenizer's path, or of a row's name
MOST_CORRECTIONS, MOST_WRITTEN = 200, 100_000  # corrected readings, and the characters of their JSON
DEFAULT = ("neoxjp", "gpt-4o", "characters", "sudachi-c", "bytes")
GROUPS = ("ours", "gpt", "units", "words", "package", "hub")
ON_REQUEST = ("package", "hub", "local")  # groups whose tokenizers are opened only when the visitor asks for it
part = Parts("spellings", strings)

SCROLLS = """
const box = element.closest(".html-container") ?? element;
box.tabIndex = 0; // on a phone it scrolls, also by the keyboard
box.setAttribute("role", "group");
"""


class Section:
    """The components of the section."""

    def __init__(self, playground: Playground):
        with gr.Column(elem_classes="card"):
            self.view, self.note = part.html("view", js_on_load=part.script()), part.html("note")
            self.open = part.button("open", size="sm", elem_classes="plain", visible=False)
            self.pieces = part.html("pieces")
        with gr.Column(elem_classes="card"):
            part.html(value=f"<p>{part.both('ruby')}</p>", elem_classes="section")
            self.ruby = part.html("ruby", js_on_load=part.script())
            self.reset = part.button("reset", size="sm", elem_classes="plain", visible=False)
        with part.accordion("columns"):
            self.groups = {group: _group(group) for group in GROUPS}
            self.local = part.textbox("local", visible=not playground.public)
        with part.accordion("rows"):
            part.html(value=f"<p>{part.both('rows_info')}</p>", elem_classes="section")
            self.own = [part.textbox(f"row_{key}", key=f"name_{key}", max_lines=4) for key in japanese.CUSTOM_KEYS]
            with gr.Row():
                self.take = part.button("take", size="sm", elem_classes="plain")
                self.same = gr.Checkbox(False, container=False, **part.named("same", "show_same"))
        with part.accordion("chart-section", "chart"):
            self.chart = part.html("chart", js_on_load=downloads.SCRIPT + SCROLLS)
            with gr.Row(elem_classes="chips"):
                part.html(value=part.both("save"))
                self.save = {kind: part.button(kind, size="sm") for kind in ("csv", "svg", "png")}
        self.corrected = gr.State("")  # JSON of corrected readings
        self.row = gr.State("written")  # the key of the row whose tokens are shown
        self.opened = gr.State({})  # tokenizers on request by key: None if open, else the reason why not
        linked = {**self.groups, "local": self.local, "readings": self.corrected, "row": self.row, "same": self.same}
        self.linked = linked | dict(zip(japanese.CUSTOM_KEYS, self.own, strict=True))  # what a link restores


def _group(group: str) -> gr.CheckboxGroup:
    """The tokenizers of a group."""
    offered = [offer for offer in peers.list_offers() if offer.group == group]
    chosen = [offer.key for offer in offered if offer.key in DEFAULT]
    return gr.CheckboxGroup([(_choice(offer), offer.key) for offer in offered], value=chosen, **part.named(f"group_{group}"))


def _choice(offer: peers.Offer) -> str:
    if (key := f"tokenizer_{offer.key}") in strings.table:
        return strings.label(key)
    return f"{offer.title}（{offer.source}）" if offer.group == "hub" else offer.title


def connect(section: Section, playground: Playground, tab: "TokenizeTab", due: gr.HTML) -> None:
    """Wire the events. `tab` has the text above; `due` changes when the section has to be updated."""
    groups = list(section.groups.values())
    given = [tab.document, *groups, section.local, *section.own, section.corrected, section.row, section.same, section.opened]

    def asked_of(document: Document, *rest: Any) -> Asked:
        chosen, rest = rest[: len(groups)], rest[len(groups) :]
        local, *own, corrected, row, same, opened = rest
        columns = [key for keys in chosen for key in keys or []] + ([local.strip()] if local and local.strip() else [])
        columns = [key for key in columns if len(key) <= LONGEST_KEY]
        return Asked(document.text, tuple(columns), tuple(value or "" for value in own), corrected, row, bool(same), opened)

    @handler(strings)
    def on_draw(t: Words, *values: Any) -> dict[Any, Any]:
        asked = asked_of(*values)
        try:
            found = draw(playground, asked, t)
        except NeoxjpError as error:
            found = Drawn(table=error_notice(error, t))
        return {
            section.ruby: found.ruby,
            section.view: found.table,
            section.pieces: found.pieces,
            section.chart: found.chart,
            section.open: gr.Button(visible=bool(found.pending)),
            section.reset: gr.Button(visible=bool(corrections(asked.corrected))),
        }

    @handler(strings)
    def on_row(t: Words, *values: Any) -> str:
        return row_of(playground, asked_of(*values), t)

    def on_click(event: gr.EventData, written: str) -> dict[Any, str]:
        pressed = payload(event)
        if "row" in pressed:
            return {section.row: str(pressed["row"])[:LONGEST_KEY]}
        if "word" in pressed and "reading" in pressed:
            return {section.corrected: corrected(written, str(pressed["word"])[:100], str(pressed["reading"])[:100])}
        return {}  # the page sends one of these

    @handler(strings)
    def on_open(t: Words, *values: Any) -> Iterator[dict[Any, Any]]:
        """Open the selected tokenizers. Runs only after an action of the visitor, never for a link."""
        asked = asked_of(*values)
        on_request = [key for key in asked.columns if peers.find_offer(key).group in ON_REQUEST]
        wanted = [key for key in on_request if asked.opened.get(key, False) is not None][:MOST_COLUMNS]
        if wanted:
            names = ", ".join(peers.find_offer(key).title for key in wanted)
            yield {section.note: html.notice(t("spellings_opening", names=names))}
        found = {column.key: column.problem for column in opened(playground, wanted)}
        kept = list({**asked.opened, **found}.items())[-MOST_OPENED:]
        yield {section.opened: dict(kept), section.note: ""}

    @handler(strings)
    def on_take(t: Words, *values: Any) -> dict[Any, str]:
        asked = asked_of(*values)
        if "" not in asked.own:
            return {section.note: html.notice(t("spellings_rows_full"), "error")}
        spelled: dict[str, str] = {each.key: each.text for each in spellings_of(asked)}
        return {section.own[asked.own.index("")]: spelled.get(asked.row, ""), section.note: ""}

    changing: list[Any] = [*groups, section.local, *section.own, section.corrected, section.same]
    parts = [section.ruby, section.view, section.pieces, section.chart, section.open, section.reset]
    asking = [section.groups[name].input for name in ON_REQUEST if name in section.groups]
    gr.on(
        [*asking, section.local.submit, section.open.click],
        on_open,
        given,
        [section.opened, section.note],
        **STREAMED | {"concurrency_limit": 2},
    )
    # One listener draws, so that an older answer never replaces a newer one.
    latest([due.change, section.opened.change, *(each.change for each in changing)], on_draw, given, parts)
    latest([section.row.change], on_row, given, section.pieces)
    # STREAMED: Gradio sends the change of a state only for a handler in its queue
    for shown in (section.view, section.ruby):
        shown.select(on_click, section.corrected, [section.corrected, section.row], **STREAMED)
    section.reset.click(lambda: "", None, section.corrected, **STREAMED)
    section.take.click(on_take, given, [*section.own, section.note], **QUIET)
    downloads.connect(
        section.save["csv"],
        section.chart,
        "spellings.csv",
        lambda t, *values: csv_records(playground, asked_of(*values), t),
        given,
        strings,
    )
    for kind in ("svg", "png"):
        drawing = f"() => neoxjp.saveDrawing('#spellings-chart svg', 'spellings', '{kind}')"
        section.save[kind].click(None, js=drawing, **BROWSER)


# ---------------------------------------------------------------- what the handlers show


@dataclass(frozen=True)
class Asked:
    """The visitor's choices. They come from the browser or a link, and are checked where they are used."""

    text: str = ""
    columns: tuple[str, ...] = DEFAULT
    own: tuple[str, ...] = ()  # the visitor's own rows, including empty ones
    corrected: str = ""  # JSON of corrected readings, {"日本": "にっぽん"}
    row: str = "written"  # the key of the row whose tokens are shown
    same: bool = False  # show also the rows that equal the text as written
    opened: Mapping[str, NeoxjpError | None] = field(default_factory=dict)  # tokenizers on request: None if open, else the reason


@dataclass(frozen=True)
class Drawn:
    """The HTML of the section's parts."""

    ruby: str = ""
    table: str = ""
    pieces: str = ""
    chart: str = ""
    pending: tuple[str, ...] = ()  # keys of selected tokenizers that are not open


def draw(playground: Playground, asked: Asked, t: Words) -> Drawn:
    """The whole section."""
    check_length(playground, asked.text)
    found = matrix(spellings_of(asked), columns_of(playground, asked, t))
    pending = tuple(column.key for column in found.columns if column.peer is None)
    if not found.spellings:
        return Drawn(pending=pending)
    row = next((i for i, each in enumerate(found.spellings) if each.key == asked.row), 0)
    notes = ""
    if len(asked.text) > COMPARED:
        notes += html.notice(t("spellings_truncated", n=f"{COMPARED:,}"))
    if len(set(asked.columns)) > MOST_COLUMNS:
        notes += html.notice(t("spellings_many_columns", n=MOST_COLUMNS))
    return Drawn(
        ruby=view.ruby(found.spellings[0].readings, corrections(asked.corrected), t),
        table=notes + view.table(found, t, selected=row, same=asked.same),
        pieces=pieces_of(found, row, t),
        chart=view.chart(found, t, same=asked.same),
        pending=pending,
    )


def pieces_of(found: Matrix, row: int, t: Words) -> str:
    """The tokens of one row, and what its spelling leaves open."""
    unclear = doubts(found.spellings[0].text, found.spellings[row])
    return view.aligned(found, row, t) + render(view.TEMPLATE, "doubts", t, found=unclear)


def row_of(playground: Playground, asked: Asked, t: Words) -> str:
    """The tokens of the selected row, without the rest of the table."""
    check_length(playground, asked.text)
    spelled = spellings_of(asked)
    if not spelled:
        return ""
    lines = spelled[:1] + [each for each in spelled[1:] if each.key == asked.row]
    return pieces_of(matrix(lines, columns_of(playground, asked, t)), len(lines) - 1, t)


def spellings_of(asked: Asked) -> list[japanese.Spelling]:
    """The text in all its spellings, and the visitor's own rows; empty if there is no text."""
    text = html.replace_surrogates(asked.text[:COMPARED])
    if not text:
        return []
    spelled = japanese.spellings(text, corrections(asked.corrected), japanese.ALL_KEYS)
    own = zip(japanese.CUSTOM_KEYS, asked.own, strict=False)
    return spelled + [japanese.Spelling(key, html.replace_surrogates(value[: 3 * COMPARED])) for key, value in own if value]


def columns_of(playground: Playground, asked: Asked, t: Words) -> list[Column]:
    """The selected tokenizers in the order of the offers; those on request stay closed until the visitor opens them."""
    order = [offer.key for offer in peers.list_offers(playground.tokenizer)]
    keys = sorted(dict.fromkeys(asked.columns), key=lambda key: order.index(key) if key in order else len(order))
    found = []
    for key in keys[:MOST_COLUMNS]:
        offer = peers.find_offer(key)
        title = title_of(playground, offer, t)
        if offer.group not in ON_REQUEST or asked.opened.get(key, False) is None:
            (column,) = opened(playground, [key])
            found.append(replace(column, title=title))
        else:
            found.append(Column(key, title, problem=asked.opened.get(key)))
    return found


def opened(playground: Playground, keys: Sequence[str]) -> list[Column]:
    return open_columns(keys, playground.tokenizer, public=playground.public, local_files_only=playground.offline)


def title_of(playground: Playground, offer: peers.Offer, t: Words) -> str:
    if offer.key == "neoxjp" and playground.loaded:
        return playground.loaded.title(t("bundled"))
    key = f"tokenizer_{offer.key}"
    return t(key) if key in strings.table else offer.title


def corrections(written: str | None) -> dict[str, str]:
    """Corrected readings from the browser or a link. Invalid ones are ignored."""
    try:
        found = json.loads(written or "{}") if len(written or "") <= MOST_WRITTEN else {}
    except (ValueError, RecursionError):
        return {}
    pairs = list(found.items())[:MOST_CORRECTIONS] if isinstance(found, dict) else []
    return {word: kana for word, kana in pairs if word and isinstance(kana, str) and 0 < len(kana) <= 60 and len(word) <= 40}


def corrected(written: str | None, word: str, kana: str | None) -> str:
    """The corrections with one more. An empty reading removes the word's correction."""
    found = corrections(written)
    found.pop(word, None)
    if kana and kana.strip() and len(found) < MOST_CORRECTIONS:
        found[word] = kana.strip()
    return json.dumps(corrections(json.dumps(found)), ensure_ascii=False) if found else ""


def csv_records(playground: Playground, asked: Asked, t: Words) -> list[dict[str, Any]]:
    """The table in the visitor's language, for a CSV; its last column "error" only where a tokenizer could not be opened."""
    columns = ("spelling", "tokenizer", "ratio", "text", "pieces")
    heads = {name: t(f"spellings_col_{name}") for name in columns} | {"tokens": t("tokens")}
    found = matrix(spellings_of(asked), columns_of(playground, asked, t))
    made: list[dict[str, Any]] = [{**record} for record in records(found, by="title")]
    if all(record["error"] is None for record in made):
        made = [{name: value for name, value in record.items() if name != "error"} for record in made]
    named = (record | {"spelling": t(f"spellings_name_{record['spelling']}")} for record in made)
    return [{heads.get(name, name): value for name, value in record.items()} for record in named]
