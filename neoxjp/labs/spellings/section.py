"""Section of the tokenizer lab: one text in its spellings, side by side over many tokenizers; readings, pieces, chart, files.

Everything drawn comes from components, so that a link can restore it; only which tokenizers were opened stays with the visit.
What the handlers show is computed in matrix_view.py.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import gradio as gr

from neoxjp import compare as peers
from neoxjp import japanese
from neoxjp.errors import NeoxjpError
from neoxjp.labs.common import html as render
from neoxjp.labs.spellings import drawing as matrix_view
from neoxjp.labs.spellings.drawing import ASKED_FOR, DEFAULT, Asked
from neoxjp.labs.spellings.strings import both, label, words
from neoxjp.page_parts.answers import message_of
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.strings import language

GROUPS = ("ours", "units", "words", "package", "hub")


@dataclass(frozen=True)
class Comparison:
    """The components of the section."""

    ruby: gr.HTML
    reset: gr.Button
    view: gr.HTML
    open: gr.Button
    note: gr.HTML
    pieces: gr.HTML
    groups: dict[str, gr.CheckboxGroup]
    local: gr.Textbox
    own: list[gr.Textbox]
    take: gr.Button
    same: gr.Checkbox
    chart: gr.HTML
    save: dict[str, gr.Button]
    corrected: gr.Textbox  # JSON of corrected readings
    row: gr.Textbox  # the key of the row whose pieces are shown
    opened: gr.State  # of tokenizers that wait for the visitor's word: None once open, or why they cannot be
    drawn: gr.Number  # another number whenever the section must be drawn anew
    csv: gr.Textbox
    linked: dict[str, Any] = field(default_factory=dict)  # what a link restores: a short name and its component


def build(playground: Playground) -> Comparison:
    """Draw the section."""
    script = (files("neoxjp.labs.spellings") / "script.js").read_text(encoding="utf-8")
    gr.HTML(f"<h2>{both('c_title')}</h2><p>{both('c_intro')}</p>", elem_classes="section", apply_default_css=False)
    with gr.Column(elem_classes="card"):
        view = gr.HTML(elem_id="c-view", js_on_load=script, apply_default_css=False)
        note = gr.HTML(elem_id="c-note", apply_default_css=False)
        open_button = gr.Button(label("c_open"), size="sm", visible=False, elem_id="c-open", elem_classes="plain")
        pieces = gr.HTML(elem_id="c-pieces", apply_default_css=False)
    with gr.Column(elem_classes="card"):
        gr.HTML(f"<p>{both('c_ruby')}</p>", elem_classes="section", apply_default_css=False)
        ruby = gr.HTML(elem_id="c-ruby", js_on_load=script, apply_default_css=False)
        reset = gr.Button(label("c_reset"), size="sm", visible=False, elem_id="c-reset", elem_classes="plain")
    with gr.Accordion(label("c_columns"), open=False, elem_id="c-columns"):
        groups = {group: _group(playground, group) for group in GROUPS}
        local = gr.Textbox(
            "", label=label("c_local"), info=label("c_local_info"), visible=not playground.public, max_lines=1, elem_id="c-local"
        )
    with gr.Accordion(label("c_rows"), open=False, elem_id="c-rows"):
        gr.HTML(f"<p>{both('c_rows_info')}</p>", elem_classes="section", apply_default_css=False)
        own = [_own_row(key) for key in japanese.CUSTOM_KEYS]
        with gr.Row():
            take = gr.Button(label("c_take"), size="sm", elem_id="c-take", elem_classes="plain")
            same = gr.Checkbox(False, label=label("c_show_same"), container=False, elem_id="c-same")
    with gr.Accordion(label("c_chart"), open=False, elem_id="c-chart-section"):
        chart = gr.HTML(elem_id="c-chart", apply_default_css=False)
        with gr.Row(elem_classes="chips"):
            gr.HTML(both("c_save"), apply_default_css=False)
            save = {kind: gr.Button(label(f"c_{kind}"), size="sm", elem_id=f"c-{kind}") for kind in ("csv", "svg", "png")}
    hidden: dict[str, Any] = {"visible": "hidden", "show_label": False}
    corrected, row, csv = gr.Textbox("", **hidden), gr.Textbox("written", **hidden), gr.Textbox(**hidden)
    linked = {**groups, "local": local, "readings": corrected, "row": row, "same": same}
    linked |= dict(zip(japanese.CUSTOM_KEYS, own, strict=True))
    return Comparison(
        ruby, reset, view, open_button, note, pieces, groups, local, own, take, same, chart, save, corrected, row, gr.State({}),
        gr.Number(0, visible="hidden"), csv, linked,
    )  # fmt: skip


def _group(playground: Playground, group: str) -> gr.CheckboxGroup:
    """The tokenizers of a group, each with where it comes from."""
    offered = [offer for offer in peers.list_offers() if offer.group == group]
    return gr.CheckboxGroup(
        [(_choice(offer), offer.key) for offer in offered],
        value=[offer.key for offer in offered if offer.key in DEFAULT],
        label=label(f"c_group_{group}"),
        info=label(f"c_need_{group}"),
        elem_id=f"c-group-{group}",
    )


def _choice(offer: peers.Offer) -> str:
    if offer.key in matrix_view.TRANSLATED:
        return label(f"c_{offer.key}")
    return f"{offer.title}（{offer.source}）" if offer.group == "hub" else offer.title


def _own_row(key: str) -> gr.Textbox:
    return gr.Textbox("", label=label(f"spelling_{key}"), lines=1, max_lines=4, elem_id=f"c-row-{key}")


def connect(section: Comparison, playground: Playground, text: gr.Textbox, due: gr.Number) -> None:
    """Wire the events. `text` is the text above; `due` changes whenever the section must draw anew."""
    silent: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    live: dict[str, Any] = {**silent, "trigger_mode": "always_last", "concurrency_limit": None}
    groups = list(section.groups.values())
    given = [text, *groups, section.local, *section.own, section.corrected, section.row, section.same, section.opened]

    def asked_of(text: str, *rest: Any) -> Asked:
        chosen, rest = rest[: len(groups)], rest[len(groups) :]
        local, *own, corrected, row, same, opened = rest
        columns = [key for keys in chosen for key in keys or []] + ([local.strip()] if local and local.strip() else [])
        return Asked(text or "", tuple(columns), tuple(value or "" for value in own), corrected, row, bool(same), opened)

    def on_draw(request: gr.Request, *values: Any) -> tuple[Any, ...]:
        asked, lang = asked_of(*values), language(request)
        try:
            found = matrix_view.draw(playground, asked, lang == "ja", words(lang))
        except NeoxjpError as error:
            return "", render.notice(message_of(error, request), "error"), "", "", gr.Button(visible=False), gr.skip()
        reset = gr.Button(visible=bool(matrix_view.corrections(asked.corrected)))
        return found.ruby, found.table, found.pieces, found.chart, gr.Button(visible=bool(found.pending)), reset

    def on_row(request: gr.Request, *values: Any) -> str:
        try:
            return matrix_view.row_of(playground, asked_of(*values), words(language(request)))
        except NeoxjpError:
            return ""  # the matrix says why already

    def on_press(event: gr.EventData, written: str, row: str) -> tuple[Any, Any]:
        pressed = event._data if isinstance(event._data, dict) else {}
        key, word, kana = (pressed.get(name) for name in ("row", "word", "reading"))
        if isinstance(word, str) and isinstance(kana, str):
            return matrix_view.corrected(written, word, kana), gr.skip()
        return gr.skip(), (key if isinstance(key, str) else gr.skip())

    def on_open(request: gr.Request, *values: Any) -> Iterator[tuple[Any, Any, Any]]:
        """Open what was chosen and is not open yet. Only what the visitor did comes here, never what a link restored."""
        asked, say = asked_of(*values), words(language(request))
        wanted = [
            key for key in asked.columns if peers.find_offer(key).group in ASKED_FOR and asked.opened.get(key, False) is not None
        ]
        wanted = wanted[: matrix_view.MOST_COLUMNS]
        if not wanted:
            yield gr.skip(), "", time.time()
            return
        yield (
            gr.skip(),
            render.notice(say("c_opening", names=", ".join(peers.find_offer(key).title for key in wanted))),
            gr.skip(),
        )
        found = {column.key: column.problem for column in matrix_view.opened(playground, wanted)}
        yield {**asked.opened, **found}, "", time.time()

    def on_take(*values: Any) -> tuple[Any, ...]:
        asked = asked_of(*values)
        spelled = {each.key: each.text for each in matrix_view.spellings_of(asked)}
        free = next((place for place, value in enumerate(asked.own) if not value), len(asked.own) - 1)
        return tuple(spelled.get(asked.row, "") if place == free else gr.skip() for place in range(len(asked.own)))  # type: ignore[call-overload]

    # Everything that changes the matrix changes `drawn`; only that draws. So an older answer never covers a newer one.
    changing: list[Any] = [*groups, section.local, *section.own, section.corrected, section.same]
    parts = [section.ruby, section.view, section.pieces, section.chart, section.open, section.reset]
    anew = "() => performance.now()"
    gr.on([due.change, *(each.change for each in changing)], None, None, section.drawn, js=anew, api_visibility="private")
    section.drawn.change(on_draw, given, parts, **live)
    section.row.change(on_row, given, section.pieces, **live)
    for html in (section.view, section.ruby):
        html.select(on_press, [section.corrected, section.row], [section.corrected, section.row], **silent)
    section.reset.click(lambda: "", None, section.corrected, **silent)
    section.take.click(on_take, given, section.own, **silent)
    asking = [section.groups[name].input for name in ASKED_FOR if name in section.groups]
    opening: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": 2}
    gr.on(
        [*asking, section.local.submit, section.open.click],
        on_open, given, [section.opened, section.note, section.drawn], **opening,
    )  # fmt: skip

    def on_download(request: gr.Request, *values: Any) -> str:
        try:
            return matrix_view.csv_of(playground, asked_of(*values), words(language(request)))
        except NeoxjpError:
            return ""  # the matrix says why already; there is nothing to save

    save = "(text) => { if (text) neoxjp.download(text, 'spellings.csv', 'text/csv;charset=utf-8') }"
    section.save["csv"].click(on_download, given, section.csv, **silent).then(
        None, section.csv, js=save, api_visibility="private"
    )
    for kind in ("svg", "png"):
        drawing = f"() => neoxjp.saveDrawing('#c-chart svg', 'spellings', '{kind}')"
        section.save[kind].click(None, js=drawing, api_visibility="private")
