"""Section of the generation lab: a generation to save, to run again and to copy as code."""

import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.context import Context

from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.labs.common import html as render
from neoxjp.labs.common import steps as render_steps
from neoxjp.labs.replay import view as render_replay
from neoxjp.labs.replay.as_code import URL, WAYS, as_code
from neoxjp.labs.replay.records import FORMAT, MOST_BYTES, VERSION, State, from_json, to_json
from neoxjp.labs.replay.run import again, readable, state_of
from neoxjp.labs.replay.strings import both, label, strings, words
from neoxjp.page_parts import link_address as address
from neoxjp.page_parts.answers import message_of
from neoxjp.page_parts.chooser import json_chooser
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.stream import stream
from neoxjp.page_parts.strings import Words, language
from neoxjp.page_parts.texts import Text, Writing
from neoxjp.page_parts.writing import Frame

if TYPE_CHECKING:
    from neoxjp.page_parts.generate_tab import GenerateTab

NAME = "run"
"""The parameter of a link that holds a generation."""


@dataclass(frozen=True)
class Replay:
    """The components of the section."""

    saved: gr.HTML
    pasted: gr.Textbox
    file: gr.HTML
    go: gr.Button
    stop: gr.Button
    line: gr.HTML
    verdict: gr.HTML
    code: dict[str, gr.HTML]
    linked: dict[str, Any] = field(default_factory=dict)  # a link of its own holds all of it


def build(playground: Playground) -> Replay:
    """Draw the section."""
    script = (files("neoxjp.labs.replay") / "script.js").read_text(encoding="utf-8")
    gr.HTML(f"<h2>{both('replay_title')}</h2><p>{both('replay_intro')}</p>", elem_classes="section", apply_default_css=False)

    def part(key: str) -> None:
        gr.HTML(f"<h3>{both(key)}</h3>", apply_default_css=False, elem_classes="r-part")

    with gr.Row(elem_classes="two-columns"):
        with gr.Column(min_width=320, elem_classes="card"):
            part("replay_save_title")
            saved = gr.HTML(elem_id="r-saved", apply_default_css=False)
        with gr.Column(min_width=320, elem_classes="card"):
            part("replay_load_title")
            pasted = gr.Textbox(
                "",
                label=label("replay_pasted"),
                placeholder=label("replay_pasted_placeholder"),
                lines=3,
                max_lines=6,
                max_length=MOST_BYTES,
                elem_id="r-pasted",
                html_attributes=gr.InputHTMLAttributes(spellcheck=False),
            )
            file = gr.HTML(
                json_chooser(strings, "replay", "r-file", MOST_BYTES),
                elem_id="r-file-part",
                apply_default_css=False,
                js_on_load=script,
            )
            with gr.Row(elem_id="r-go-row"):
                go = gr.Button(label("replay_go"), variant="primary", elem_id="r-go", min_width=110)
                stop = gr.Button(label("replay_stop"), elem_id="r-stop", min_width=80, interactive=False)
            line = gr.HTML(elem_id="r-line", apply_default_css=False)
            verdict = gr.HTML(elem_id="r-verdict", apply_default_css=False)
    with gr.Column(elem_classes="card"):
        part("replay_code_title")
        code: dict[str, gr.HTML] = {}
        with gr.Tabs(elem_id="r-code"):
            for way in WAYS:
                with gr.Tab(label(f"replay_way_{way}"), id=way, render_children=True):
                    code[way] = gr.HTML(elem_id=f"r-code-{way}", elem_classes="r-code-part", apply_default_css=False)
    return Replay(saved, pasted, file, go, stop, line, verdict, code)


def connect(section: Replay, playground: Playground, tab: "GenerateTab", due: gr.Number) -> None:
    """Wire the events. `tab` is the tab above; `due` changes whenever the section must draw anew."""
    silent: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    paints = stream(playground)

    def draw(request: gr.Request, writing: Writing) -> tuple[str, ...]:
        say = words(language(request))
        try:
            return drawn(playground, writing.text, say, own_address(request))
        except NeoxjpError as error:
            return (render.notice(message_of(error, request)), *[""] * len(WAYS))

    due.change(draw, tab.writing, [section.saved, *section.code.values()], trigger_mode="always_last", **silent)

    def on_go(request: gr.Request, writing: Writing, pasted: str) -> Iterator[list[Any]]:
        keep: list[Any] = [gr.skip()] * (len(tab.shown) + 1)
        on, off = gr.Button(interactive=True), gr.Button(interactive=False)
        if writing.running:
            yield [gr.skip()] * (4 + len(keep))
            return
        yield ["", "", off, on, *keep]
        above = keep  # told again with the last word: see `updates`
        try:
            state = readable(playground, pasted or "")
            for line, verdict, frame in again(playground, paints, writing, state, language(request)):
                if isinstance(frame, Frame):
                    found = tab.updates(frame, writing, prompt=True)
                    above = [found.get(part, gr.skip()) for part in [*tab.shown, tab.prompt]]
                yield [line, verdict, off, on, *above]
        except NeoxjpError as error:
            yield [render.notice(message_of(error, request), "error"), "", off, on, *above]
        yield [gr.skip(), gr.skip(), on, off, *above]

    shown = [section.line, section.verdict, section.go, section.stop, *tab.shown, tab.prompt]
    events: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
    section.go.click(on_go, [tab.writing, section.pasted], shown, **events)
    section.stop.click(Writing.stop, tab.writing, None, **silent)
    section.file.select(
        None, section.pasted, section.pasted, js="(now) => neoxjp.replay.taken(now)", queue=False, api_visibility="private"
    )

    def on_load(request: gr.Request) -> tuple[Any, ...]:
        value = (request.query_params or {}).get(NAME)
        if value is None:
            return (gr.skip(),) * 5
        say, filled = words(language(request)), gr.skip()
        try:
            filled = to_json(opened(value))
            note = render_steps.working(say("replay_linked"))
        except NeoxjpError as error:
            note = render.notice(message_of(error, request), "error")
        return filled, note, gr.Tabs(selected="replay"), "replay", time.time()

    page = Context.root_block
    assert page is not None
    page.load(on_load, None, [section.pasted, section.line, tab.lab.tabs, tab.lab.open, due], **silent)


# ---------------------------------------------------------------- what the handlers show


def drawn(playground: Playground, text: Text | None, say: Words, url: str) -> tuple[str, ...]:
    """What would be saved of the text on show, and the code for each way, as HTML.

    Raises NeoxjpError: how it was written is not known, or another model is loaded.
    """
    if text is None or not text.steps:
        empty = render_steps.working(say("replay_code_empty"))
        return (render_steps.working(say("replay_empty")), *[empty] * len(WAYS))
    state = state_of(playground, text)
    file = f"neoxjp-{state.params.seed if not state.params.greedy else 'greedy'}.json"
    codes = [render_replay.code(as_code(state, playground.tokenizer, way, url), say) for way in WAYS]
    return (render_replay.saved(state, to_json(state), link_of(state), file, say), *codes)


def link_of(state: State, space: str | None = None) -> str:
    """A link that fills in the state: on a Space a whole address, elsewhere its query string; "" where it would be too long."""
    base = address.space_address(os.environ.get("SPACE_ID", "") if space is None else space)
    content = {name: value for name, value in json.loads(to_json(state)).items() if name not in ("format", "fingerprint_covers")}
    query = f"?{NAME}={address.pack(content)}"
    return base + query if len(query) <= address.LONGEST - (len(base) or address.ADDRESS) else ""


def opened(value: str) -> State:
    """The state in a link. Raises ParameterError: it is damaged."""
    try:
        content = address.unpack(value)
    except address.DamagedLink:
        raise strings.error(ParameterError, "replay_link_damaged") from None
    return from_json(json.dumps({"version": VERSION} | content | {"format": FORMAT}))


def own_address(request: gr.Request) -> str:
    """The address of this page as its visitor sees it, for code: "http://127.0.0.1:7860"."""
    if re.fullmatch(r"[\w.-]{1,200}", space := os.environ.get("SPACE_HOST", "")):
        return f"https://{space}"
    headers = request.headers or {}
    host, scheme = headers.get("x-forwarded-host") or headers.get("host") or "", headers.get("x-forwarded-proto") or "http"
    good = re.fullmatch(r"[\w.:\[\]-]{1,200}", host)
    return f"{'https' if scheme == 'https' else 'http'}://{host}" if good else URL
