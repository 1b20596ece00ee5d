"""Section of the tokenizer lab: the vocabulary itself, to look through. Its list, one entry, its numbers, and another beside it.

The list is HTML of our own, 50 rows a page: gr.Dataframe would send all 32,000 and take seconds over what needs milliseconds.
What the handlers show is in lexicon_view.py, the endpoints in lexicon_api.py.
"""

import time
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import gradio as gr

from neoxjp.errors import NeoxjpError
from neoxjp.labs.vocabulary_browser import difference as lexicon_diff
from neoxjp.labs.vocabulary_browser import records as lexicon
from neoxjp.labs.vocabulary_browser.drawing import FILTERS, csv_of, diff_of, entry_of, list_of, random_id, stats_of, turned
from neoxjp.labs.vocabulary_browser.endpoints import endpoints
from neoxjp.labs.vocabulary_browser.search import MATCHES
from neoxjp.labs.vocabulary_browser.strings import both, label, strings
from neoxjp.page_parts.answers import guarded
from neoxjp.page_parts.events import latest
from neoxjp.page_parts.session import Playground

__all__ = ["build", "connect", "endpoints"]
TO_TEXT = "() => document.getElementById('t-text')?.scrollIntoView({ block: 'nearest' })"


@dataclass(frozen=True)
class Difference:
    """The components of the part with two vocabularies."""

    section: gr.Accordion
    open: gr.State
    against: gr.Radio
    folder: gr.Textbox
    side: gr.Radio
    query: gr.Textbox
    summary: gr.HTML
    view: gr.HTML
    page: gr.State
    turns: tuple[gr.Button, gr.Button]


@dataclass(frozen=True)
class Lexicon:
    """The components of the section."""

    filters: dict[str, Any]  # by the names of FILTERS
    view: gr.HTML
    page: gr.State
    turns: tuple[gr.Button, gr.Button]  # back and forth
    download: gr.Button
    csv: gr.Textbox
    id: gr.Textbox  # of the opened entry
    random: gr.Button
    use: gr.Button
    entry: gr.HTML
    stats_section: gr.Accordion
    stats_open: gr.State
    stats: gr.HTML
    usage: gr.HTML
    difference: Difference
    drawn: gr.State  # the serial of the vocabulary that the list shows
    anew: gr.Number  # another number whenever another vocabulary is loaded
    linked: dict[str, Any]  # what a link restores: a short name and its component


def build(playground: Playground) -> Lexicon:
    """Draw the section."""
    gr.HTML(f"<h2>{both('v_title')}</h2><p>{both('v_intro')}</p>", elem_classes="section", apply_default_css=False)
    with gr.Row(elem_classes="two-columns lexicon"):
        with gr.Column(scale=6, min_width=320, elem_classes="card lexicon-list"):
            filters = _filters()
            view = _pressed("v-list")
            with gr.Row(elem_classes="chips turns"):
                turns = _turns("v")
                download = gr.Button(label("v_download"), size="sm", min_width=60, elem_id="v-download")
            csv = gr.Textbox(visible="hidden", show_label=False)
        with gr.Column(scale=5, min_width=300, elem_classes="card side lexicon-entry"):
            with gr.Row(elem_classes="look-up one-line"):
                # no gr.Number: that one writes a 0 where it is given nothing, and id 0 would be looked up
                opened = gr.Textbox(
                    "",
                    label=label("v_id"),
                    max_lines=1,
                    max_length=20,
                    elem_id="v-id",
                    min_width=110,
                    html_attributes=gr.InputHTMLAttributes(spellcheck=False),
                )
                chance = gr.Button(label("v_random"), size="sm", min_width=90, elem_id="v-random")
                use = gr.Button(label("v_use"), size="sm", min_width=90, elem_id="v-use", interactive=False)
            entry = _pressed("v-entry", f'<p class="hint">{both("v_entry_hint")}</p>')
    with gr.Accordion(label("v_stats"), open=False, elem_id="v-stats") as stats_section:
        stats = _pressed("v-numbers")
        gr.HTML(f"<h3>{both('v_usage')}</h3>", elem_classes="section", apply_default_css=False)
        usage = _pressed("v-usage")
    difference = _difference(playground)
    short = dict(zip(("q", "m", "s", "k", "l", "n", "d", "r", "o", "z"), filters.values(), strict=True))
    return Lexicon(
        filters=filters,
        view=view,
        page=gr.State(0),
        turns=turns,
        download=download,
        csv=csv,
        id=opened,
        random=chance,
        use=use,
        entry=entry,
        stats_section=stats_section,
        stats_open=gr.State(False),
        stats=stats,
        usage=usage,
        difference=difference,
        drawn=gr.State(-1),
        anew=gr.Number(0, visible="hidden"),
        linked={**short, "id": opened},
    )


def _filters() -> dict[str, Any]:
    """The controls, in the order of FILTERS."""

    def choice(key: str, choices: list[Any], first: str, **more: Any) -> gr.Dropdown:
        return gr.Dropdown(choices, value=first, label=label(key), filterable=False, min_width=110, **more)

    def ranged(key: str) -> gr.Textbox:
        return gr.Textbox(
            "", label=label(f"v_{key}"), placeholder=label(f"v_{key}_help"), max_lines=1, min_width=110, elem_id=f"v-{key}"
        )

    everything = (label("v_all"), "all")
    with gr.Row():
        query = gr.Textbox(
            "",
            label=label("v_query"),
            placeholder=label("v_query_placeholder"),
            info=label("v_query_help"),
            max_lines=1,
            scale=3,
            min_width=160,
            elem_id="v-query",
            html_attributes=gr.InputHTMLAttributes(lang="ja", spellcheck=False),
        )
        matches = [(label(f"v_{name}"), name) for name in MATCHES]
        match = choice("v_match", matches, "contains", elem_id="v-match", scale=1)
    with gr.Accordion(label("v_more"), open=False, elem_id="v-more"):
        with gr.Row():
            scripts = [(label("v_mixed" if name == "mixed" else name), name) for name in lexicon.SCRIPTS]
            script = choice("v_script", [everything, *scripts], "all", elem_id="v-script")
            kinds = [(label(f"kind_{name}"), name) for name in lexicon.KINDS]
            kind = choice("v_kind", [everything, *kinds], "all", elem_id="v-kind")
            reaches = [(label("v_all" if name == "all" else f"v_{name}"), name) for name in lexicon.REACHES]
            reach = choice("v_reach", reaches, "all", elem_id="v-reach")
        with gr.Row():
            length, spellings, ids = ranged("length"), ranged("count"), ranged("ids")
        with gr.Row():
            sort = choice("v_sort", [(label(f"v_sort_{name}"), name) for name in lexicon.SORTS], "id", elem_id="v-sort")
            descending = gr.Checkbox(label=label("v_descending"), elem_id="v-descending", min_width=110)
    given = (query, match, script, kind, length, spellings, ids, reach, sort, descending)
    return dict(zip(FILTERS, given, strict=True))


def _difference(playground: Playground) -> Difference:
    with gr.Accordion(label("v_diff"), open=False, elem_id="v-diff") as section:
        with gr.Row():
            offered = [(label(f"v_{key}"), key) for key in ("bundled", "folder") if key == "bundled" or not playground.public]
            against = gr.Radio(offered, value="bundled", label=label("v_against"), elem_id="v-against")
            folder = gr.Textbox("", label=label("v_folder_path"), visible=False, max_lines=1, elem_id="v-folder")
        summary = gr.HTML(elem_id="v-summary", apply_default_css=False)
        with gr.Column(elem_classes="lexicon-list"):
            with gr.Row():
                sides = [(label(f"v_side_{side}"), side) for side in lexicon_diff.SIDES]
                side = gr.Radio(sides, value="only_here", label=label("v_side"), elem_id="v-side")
                query = gr.Textbox("", label=label("v_diff_query"), max_lines=1, elem_id="v-diff-query")
            view = _pressed("v-differences")
            with gr.Row(elem_classes="chips turns"):
                turns = _turns("v-diff")
    return Difference(section, gr.State(False), against, folder, side, query, summary, view, gr.State(0), turns)


def _pressed(elem_id: str, value: str = "") -> gr.HTML:
    """HTML whose entries and spellings can be pressed: its `select` event tells which."""
    script = (files("neoxjp.labs.vocabulary_browser") / "script.js").read_text(encoding="utf-8")
    return gr.HTML(value, elem_id=elem_id, apply_default_css=False, js_on_load=script)


def _turns(name: str) -> tuple[gr.Button, gr.Button]:
    given: dict[str, Any] = {"size": "sm", "min_width": 60, "interactive": False}
    back = gr.Button(label("v_previous"), elem_id=f"{name}-previous", elem_classes="turn-previous", **given)
    return back, gr.Button(label("v_next"), elem_id=f"{name}-next", elem_classes="turn-next", **given)


def connect(section: Lexicon, playground: Playground, text: gr.Textbox, due: gr.Number) -> None:
    """Wire the events. `text` is the text above; `due` changes whenever the section must draw anew."""
    silent: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    live: dict[str, Any] = {**silent, "trigger_mode": "always_last", "concurrency_limit": None}
    filters = list(section.filters.values())
    listed = [section.view, section.page, *section.turns]

    def on_due(drawn: int) -> tuple[Any, Any]:
        return (gr.skip(), gr.skip()) if drawn == playground.serial else (playground.serial, time.time())

    def draw(request: gr.Request, *values: Any) -> tuple[Any, ...]:
        return guarded(list_of, playground, 0, *values, strings=strings, request=request, empty=(0, *turned(0, 0)[2]))

    def turn(step: int) -> Any:
        def on_turn(request: gr.Request, page: int, *values: Any) -> tuple[Any, ...]:
            return guarded(
                list_of, playground, page + step, *values, strings=strings, request=request, empty=(0, *turned(0, 0)[2])
            )

        return on_turn

    def on_id(id: str | None, request: gr.Request) -> tuple[Any, ...]:
        return guarded(entry_of, playground, id or "", strings=strings, request=request, empty=(gr.Button(interactive=False),))

    latest([due.change], on_due, section.drawn, [section.drawn, section.anew])
    latest([section.anew.change, *(control.change for control in filters)], draw, filters, listed)
    for button, step in zip(section.turns, (-1, 1), strict=True):
        button.click(turn(step), [section.page, *filters], listed, **silent)
    latest([section.anew.change, section.id.change], on_id, section.id, [section.entry, section.use])

    # In the browser: an answer of the server's would undo what was pressed or typed meanwhile.
    pressed = "(id, text) => neoxjp.lexicon.pressed(id, text)"
    difference = section.difference
    for view in (section.view, section.entry, section.stats, section.usage, difference.view):
        view.select(None, [section.id, text], [section.id, text], js=pressed, api_visibility="private")

    def on_random(*values: Any) -> Any:
        try:
            return random_id(playground, *values)
        except NeoxjpError:
            return gr.skip()  # the list says why already

    def on_download(*values: Any) -> str:
        try:
            return csv_of(playground, *values)
        except NeoxjpError:
            return ""

    section.random.click(on_random, filters, section.id, **silent)
    section.use.click(None, text, text, js="(text) => neoxjp.lexicon.used(text)", api_visibility="private").then(
        None, js=TO_TEXT, api_visibility="private"
    )
    save = "(text) => { if (text) neoxjp.download(text, 'vocabulary.csv', 'text/csv;charset=utf-8') }"
    section.download.click(on_download, filters, section.csv, **silent).then(None, section.csv, js=save, api_visibility="private")
    _connect_stats(section, playground, text, due, live)
    _connect_difference(section, playground, live)


def _connect_stats(section: Lexicon, playground: Playground, text: gr.Textbox, due: gr.Number, live: dict[str, Any]) -> None:
    """The numbers: drawn while that part is unfolded."""

    def draw(opened: bool, text: str, request: gr.Request) -> tuple[Any, Any]:
        return (
            guarded(stats_of, playground, text, strings=strings, request=request, empty=("",))
            if opened
            else (gr.skip(), gr.skip())
        )

    drawing: tuple[Any, ...] = (draw, [section.stats_open, text], [section.stats, section.usage])
    section.stats_section.expand(lambda: True, None, section.stats_open, **live).then(*drawing, **live)
    section.stats_section.collapse(lambda: False, None, section.stats_open, **live)
    latest([due.change], *drawing)


def _connect_difference(section: Lexicon, playground: Playground, live: dict[str, Any]) -> None:
    """The other vocabulary: opened while that part is unfolded."""
    part = section.difference
    asked: list[Any] = [part.against, part.folder, part.side, part.query]
    drawn = [part.summary, part.view, part.page, *part.turns]

    def shown(request: gr.Request, page: int, against: str, folder: str, side: Any, query: str) -> tuple[Any, ...]:
        given = (against, folder or "", side, query or "", page)
        return guarded(diff_of, playground, *given, strings=strings, request=request, empty=("", 0, *turned(0, 0)[2]))

    def draw(request: gr.Request, opened: bool, *given: Any) -> tuple[Any, ...]:
        return shown(request, 0, *given) if opened else tuple(gr.skip() for _ in drawn)

    def turn(step: int) -> Any:
        def on_turn(request: gr.Request, page: int, *given: Any) -> tuple[Any, ...]:
            return shown(request, page + step, *given)

        return on_turn

    part.section.expand(lambda: True, None, part.open, **live).then(draw, [part.open, *asked], drawn, **live)
    part.section.collapse(lambda: False, None, part.open, **live)
    changes = [section.anew.change, *(control.change for control in asked)]
    latest(changes, draw, [part.open, *asked], drawn)
    latest([part.against.change], lambda against: gr.Textbox(visible=against == "folder"), part.against, part.folder)
    for button, step in zip(part.turns, (-1, 1), strict=True):
        button.click(turn(step), [part.page, *asked], drawn, **live)
