"""Section of the generation lab: save a generation, run it again, copy it as code."""

import json
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from neoxjp.engine import token_text_function
from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.hub import BUNDLED, bundled_path
from neoxjp.labs.common import html as render
from neoxjp.labs.common import steps as render_steps
from neoxjp.labs.replay import view
from neoxjp.labs.replay.as_code import TARGETS, URL, as_code
from neoxjp.labs.replay.records import (
    FORMAT,
    INTERRUPTED,
    MAX_BYTES,
    VERSION,
    Replay,
    State,
    compare,
    from_json,
    rerun_params,
    to_json,
)
from neoxjp.labs.replay.strings import strings
from neoxjp.page_parts import link_address as address
from neoxjp.page_parts.answers import follow_language, message_of, streamed
from neoxjp.page_parts.events import QUIET, STREAMED
from neoxjp.page_parts.files.chooser import json_chooser
from neoxjp.page_parts.gradio_private import current_page
from neoxjp.page_parts.parts import Parts
from neoxjp.page_parts.results import Result
from neoxjp.page_parts.session import calls
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.strings import Lang, Words, language
from neoxjp.page_parts.tabs.generate import GenerateTab
from neoxjp.page_parts.tabs.generate import shown as editor_update
from neoxjp.page_parts.text.state import Text, VisitorState
from neoxjp.page_parts.text.stream import Stream, stream
from neoxjp.page_parts.text.writing import Frame, rewrite

log = logging.getLogger(__name__)

NAME = "run"
"""The parameter of a link that contains a generation."""


class Section:
    """The components of the section. Its links contain a whole generation: see `link_of`."""

    def __init__(self, playground: Playground):
        part = Parts("replay", strings)

        def heading(name: str) -> None:
            part.html(value=f"<h3>{part.both(name)}</h3>", elem_classes="replay-part")

        with gr.Row(elem_classes="two-columns"):
            with gr.Column(min_width=320, elem_classes="card"):
                heading("save_title")
                self.saved = part.html("saved")
            with gr.Column(min_width=320, elem_classes="card"):
                heading("load_title")
                spelling = gr.InputHTMLAttributes(spellcheck=False)
                self.pasted = part.textbox("pasted", lines=3, max_lines=6, max_length=MAX_BYTES, html_attributes=spelling)
                chooser = json_chooser(strings, "replay", "replay-file", MAX_BYTES)
                self.file = part.html("file_part", chooser, js_on_load=part.script())
                with gr.Row(elem_id="replay-run"):
                    self.go = part.button("go", variant="primary")
                    self.stop = part.button("stop", min_width=80, interactive=False)
                self.line, self.verdict = part.html("line"), part.html("verdict")
        self.result = gr.State(Result())  # of the second run
        self.code: dict[str, gr.HTML] = {}
        with gr.Column(elem_classes="card"):
            heading("code_title")
            with gr.Tabs(elem_id="replay-code"):
                for target in TARGETS:
                    with gr.Tab(part.label(f"target_{target}"), id=target, render_children=True):
                        id = f"replay-code-{target}"
                        self.code[target] = gr.HTML(elem_id=id, elem_classes="replay-tab", apply_default_css=False)


def connect(section: Section, playground: Playground, tab: GenerateTab, due: gr.HTML) -> None:
    """Wire the events. `tab` is the tab above; `due` changes when the section must be up to date."""
    streamer = stream(playground)

    def on_due(request: gr.Request, writing: VisitorState) -> dict[Any, Any]:
        try:
            saved, codes = shown(playground, writing.text, strings.words(language(request)), own_address(request))
        except NeoxjpError as error:
            saved, codes = render.notice(message_of(error, request)), [""] * len(TARGETS)
        return {section.saved: saved, **dict(zip(section.code.values(), codes, strict=True))}

    due.change(on_due, tab.writing, [section.saved, *section.code.values()], trigger_mode="always_last", **QUIET)

    def on_go(request: gr.Request, writing: VisitorState, result: Result, pasted: str) -> Iterator[dict[Any, Any]]:
        above: dict[Any, Any] = {}  # of the tab; repeated in the last update: see `tab.updates`

        def updates() -> Iterator[dict[Any, Any]]:
            result.trim()
            yield {section.line: "", section.verdict: ""}
            state = parse_state(playground, pasted or "")
            lang = language(request)
            for line, verdict, frame in rerun(playground, streamer, writing, state, lang, result):
                if frame is not None:
                    above.update(tab.updates(frame, writing, strings.words(lang)))
                yield {section.line: line, section.verdict: verdict} | above
            if not above:  # the text of another model: what was typed meanwhile was not taken, and the page sends it again
                above[tab.editor] = gr.HTML(**editor_update(writing.document.unknown(), writing))

        yield from streamed(writing, section, request, updates(), end=lambda: above)

    outputs = [section.line, section.verdict, section.go, section.stop, *tab.shown]
    ran = section.go.click(on_go, [tab.writing, section.result, section.pasted], outputs, **STREAMED)
    follow_language(due, section.result, [section.line, section.verdict], strings, ran)
    section.stop.click(VisitorState.stop, tab.writing, None, **QUIET)
    section.file.select(None, section.pasted, section.pasted, js="(now) => neoxjp.replay.pasted(now)", **QUIET)

    def on_load(request: gr.Request) -> dict[Any, Any]:
        value = (request.query_params or {}).get(NAME)
        if value is None:
            return gr.skip()
        opened: dict[Any, Any] = {tab.lab.tabs: gr.Tabs(selected="replay"), tab.lab.open: "replay"}
        opened |= tab.lab.update("replay")
        try:
            opened[section.pasted] = to_json(state_of_link(value))
            opened[section.line] = render_steps.working(strings.words(language(request))("replay_linked"))
        except NeoxjpError as error:
            opened[section.line] = render.notice(message_of(error, request), "error")
        return opened

    current_page().load(on_load, None, [section.pasted, section.line, tab.lab.tabs, tab.lab.open, due], **QUIET)


# ---------------------------------------------------------------- saving


def shown(playground: Playground, text: Text | None, t: Words, url: str) -> tuple[str, list[str]]:
    """As HTML: what would be saved of the text above, and the code for each target.

    Raises NeoxjpError: the settings that generated it are not known, or another model is loaded.
    """
    if text is None or not text.steps:
        return render_steps.working(t("replay_empty")), [render_steps.working(t("replay_code_empty"))] * len(TARGETS)
    state = state_of(playground, text)
    file = f"neoxjp-{state.params.seed if not state.params.greedy else 'greedy'}.json"
    codes = [view.code(as_code(state, playground.tokenizer, target, url), t) for target in TARGETS]
    return view.saved(state, to_json(state), link_of(state), file, t), codes


def state_of(playground: Playground, text: Text) -> State:
    """The last generation of a text.

    Raises NeoxjpError: another model wrote it, or its settings are not known.
    """
    loaded = playground.ready
    if text.serial != loaded.serial:
        raise strings.error(ParameterError, "generate_other_model")
    part = text.part_of(len(text.steps) - 1) if text.steps else None
    if part is None:
        raise strings.error(ParameterError, "replay_unknown")
    start, report, name = len(text.prompt_ids) + part.start, loaded.model.load_report, loaded.choice.name
    if Path(name) == bundled_path():
        name = BUNDLED
    elif playground.public and Path(name).exists():
        name = loaded.name  # visitors of a public page do not see folders of its machine
    return State(
        prompt_ids=text.ids[part.truncated_tokens : start],
        ids=text.ids[start:],
        params=part.params,
        finish=text.finish,
        concurrent=text.stats.max_concurrent if text.stats else 0,
        rows_are_independent=text.rows_are_independent,
        name=name,
        revision=loaded.choice.revision or (report.revision if report else None),
        setup=loaded.call(calls.setup),
    )


def link_of(state: State) -> str | None:
    """A link that loads the state; None: it would be too long."""
    content = {name: value for name, value in json.loads(to_json(state)).items() if name not in ("format", "fingerprint_covers")}
    return address.complete(f"?{NAME}={address.pack(content)}")


def state_of_link(value: str) -> State:
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


# ---------------------------------------------------------------- running again


def parse_state(playground: Playground, pasted: str) -> State:
    """The state that a visitor pasted.

    Raises ParameterError: there is none, it is damaged, or asks for more than a visitor may generate.
    """
    if not pasted.strip():
        raise strings.error(ParameterError, "replay_nothing")
    state = from_json(pasted[: MAX_BYTES + 1])
    wanted, most = rerun_params(state).max_new_tokens, playground.limits.new_tokens
    if most is not None and (wanted is None or wanted > most):
        asked = f"{wanted:,}" if wanted is not None else "∞"
        raise strings.error(ParameterError, "replay_too_many", n=asked, most=f"{most:,}")
    return state


def rerun(
    playground: Playground, streamer: Stream, writing: VisitorState, state: State, lang: Lang, shown: Result | None = None
) -> Iterator[tuple[str, str, Frame | None]]:
    """Run a state again. Where the loaded model wrote it, its text appears in the tab above.

    Yields the section's line and verdict as HTML, and a frame for the tab above, or None. `shown` gets the last of them.
    Raises NeoxjpError as `Engine.submit` does, where the text does not appear in the tab.
    """
    t = strings.words(lang)
    loaded = playground.ready
    names, size = token_text_function(loaded.tokenizer), loaded.tokenizer.vocab_size

    def verdict_of(found: Replay, stopped: bool, above: bool) -> str:
        def draw(t: Words) -> tuple[str, str]:  # a file may have any id
            return "", view.verdict(state, found, stopped, above, lambda id: names(id) if id < size else "?", t)

        return (shown or Result()).show(draw, t)[1]

    current = loaded.call(calls.setup)
    same_model = (current.model, current.vocabulary) == (state.setup.model, state.setup.vocabulary)
    if not same_model or (state.finish in INTERRUPTED and not state.ids):
        writing.running, writing.stopped = True, False
        try:
            for step in rerun_alone(playground, streamer, state, writing):
                if isinstance(step, int):
                    line = t("replay_running", n=f"{step:,}", total=f"{len(state.ids):,}")
                    yield render_steps.working(line, step, len(state.ids)), "", None
                else:
                    yield "", verdict_of(step, writing.stopped, above=False), None
        finally:
            writing.running = False
        return
    prompt = render.replace_surrogates(loaded.tokenizer.decode(state.prompt_ids, skip_special_tokens=True))
    start = Text(prompt, state.prompt_ids, (), 0, state.params.seed or 0, loaded.serial)
    before = writing.text
    for frame in rewrite(playground, streamer, writing, start, rerun_params(state), t):
        verdict, text = "", writing.text
        if not frame.running and text is not None and text is not before:
            ids = [step.id for step in text.steps]
            found = compare(
                state,
                ids,
                current,
                loaded.model.rows_are_independent,
                loaded.tokenizer,
                text.stats.max_concurrent if text.stats else 0,
            )
            verdict = verdict_of(found, text.finish in INTERRUPTED, above=True)
        yield ("" if verdict else frame.line), verdict, frame


def rerun_alone(
    playground: Playground, streamer: Stream, state: State, writing: VisitorState | None = None
) -> Iterator[int | Replay]:
    """Run a state again without the tab: the number of tokens so far, at last the comparison. `writing` can stop it."""
    loaded = playground.ready
    ids: list[int] = []
    concurrent = 0
    if state.ids or state.finish not in INTERRUPTED:
        updates = streamer(state.prompt_ids, rerun_params(state), False, 0, 0)
        try:
            for update in updates:
                ids += [step.id for step in update.steps]
                concurrent = update.stats.max_concurrent
                if update.done or (writing is not None and writing.stopped):
                    break
                yield len(ids)
        except NeoxjpError:
            raise
        except Exception as error:
            log.exception("replaying")
            raise NeoxjpError(f"the model failed ({type(error).__name__})", ja="モデルでエラーが起きました。") from error
        finally:
            updates.close()  # type: ignore[attr-defined]  # a generator; frees the slot
    current, rows_are_independent = loaded.call(calls.setup), loaded.model.rows_are_independent
    yield compare(state, ids, current, rows_are_independent, loaded.tokenizer, concurrent)
