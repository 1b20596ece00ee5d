"""The Generate tab: prompt, generated text, sampling. It has the components and events; writing.py does the work."""

import json
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

import gradio as gr

from neoxjp.engine import Step
from neoxjp.errors import NeoxjpError, QueueFull
from neoxjp.labs.branches.actions import KEY, SECRET, recall, text_of
from neoxjp.labs.branches.files import LARGEST_MEMO, to_json
from neoxjp.labs.common import steps as render_steps
from neoxjp.labs.common import templates
from neoxjp.labs.features import FEATURES, Feature, sections_of
from neoxjp.labs.share_link import section as links
from neoxjp.page_parts.answers import error_notice, handler
from neoxjp.page_parts.events import BROWSER, QUIET, READING, latest
from neoxjp.page_parts.gradio_private import current_visitor, payload
from neoxjp.page_parts.link_address import View
from neoxjp.page_parts.parts import Parts, ranges, within_ranges
from neoxjp.page_parts.session.memory import session_memory
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.session.zerogpu import on_zerogpu
from neoxjp.page_parts.strings import COMMON, Strings, Words, both, label, language, option_strings, words
from neoxjp.page_parts.tabs import sections
from neoxjp.page_parts.tabs.generate import GenerateTab, shown
from neoxjp.page_parts.text.editing import details, pieces_of, score_text, typed
from neoxjp.page_parts.text.linked import add_scores, restore
from neoxjp.page_parts.text.settings import PRESETS, Settings, preset, start_value
from neoxjp.page_parts.text.state import Text, VisitorState, examples
from neoxjp.page_parts.text.stream import Scorer, scorer, stream
from neoxjp.page_parts.text.view import numbers, state
from neoxjp.page_parts.text.writing import ALTERNATIVES, MODES, Frame, branch, write
from neoxjp.page_parts.token_editor import Call, Edit, TokenEditor
from neoxjp.sampling import Option

KEYS = {
    "go": "Ctrl+Enter",
    "step": "Alt+Enter",
    "more": "Ctrl+Shift+Enter",
    "stop": "Esc",
    "undo": "Ctrl+Z",
    "redo": "Ctrl+Shift+Z",
    "walk": "Alt+↓",
}
"""The shortcuts that the page names; `ui/generate.js` answers them."""
part = Parts("generate", COMMON)


def build(playground: Playground, features: Sequence[Feature] = FEATURES) -> GenerateTab:
    """Make the components of the tab."""
    parts: dict[str, Any] = {"playground": playground, "writing": gr.State(VisitorState(), delete_callback=VisitorState.stop)}
    with gr.Row(elem_id="generate"):
        with gr.Column(scale=6, min_width=320, elem_id="generate-main"):
            _build_text(parts)
        with gr.Column(scale=5, min_width=320, elem_id="generate-side"):
            _build_sampling(playground, parts)
            with gr.Column(elem_id="generate-lab"):
                gr.HTML(
                    templates.render("ui/frame.html", "lab_head", both=both),
                    elem_id="lab-head",
                    apply_default_css=False,
                    js_on_load=(files("neoxjp.ui") / "lab.js").read_text(encoding="utf-8"),
                )
                parts["lab"] = sections.build(playground, sections_of(features, "generate"), "genlab")
    return GenerateTab(**parts)


def _build_text(parts: dict[str, Any]) -> None:
    prompts = examples()
    with gr.Row(elem_id="generate-examples"):
        part.html("examples-name", part.both("examples"))
        parts["examples"] = {name: part.chip(f"ex_{name}") for name in prompts}
    parts["editor"] = TokenEditor(next(iter(prompts.values())), elem_id=part.id("text"))
    with gr.Row(elem_id="generate-under"):
        part.slot("line", render_steps.working(part.both("hint")))
        part.slot("count")
    with gr.Row(elem_id="generate-buttons"):
        parts["go"] = part.button("go", variant="primary", min_width=120)
        for name in ("stop", "more"):
            parts[name] = part.button(name, min_width=80, interactive=False)
        gr.HTML(templates.render("ui/frame.html", "lab_opener", both=both), elem_id="lab-opener", apply_default_css=False)
        for name in ("step", "again", "undo", "redo"):
            parts[name] = part.button(name, min_width=80, interactive=name == "step")
        parts["recall"] = part.button("recall", min_width=80, visible=False)
    parts["memo"] = gr.BrowserState(None, storage_key=KEY, secret=SECRET)
    script = (files("neoxjp.ui") / "generate.js").read_text(encoding="utf-8")
    part.html("announce", elem_classes="sr", js_on_load=script)
    part.html("scale", render_steps.scale(part.both("scale")))
    parts["link"] = links.build_link("generate")
    part.slot("stats")
    part.html("keys", templates.render("ui/frame.html", "keys", both=both, keys=KEYS))


def _build_sampling(playground: Playground, parts: dict[str, Any]) -> None:
    parts["options"] = options = playground.options
    made: dict[str, Any] = {}

    def draw(in_view: bool, sliders: bool) -> None:
        for option in options:
            if option.in_view == in_view and bool(option.slider) == sliders:
                made[option.name] = control(option, option_strings(options))

    with part.accordion("sampling", open=True):
        with gr.Row(elem_id="generate-presets"):
            parts["presets"] = {name: part.chip(f"preset_{name}") for name in PRESETS}
        draw(in_view=True, sliders=True)
        with gr.Row(elem_id="generate-seed-row"):
            draw(in_view=True, sliders=False)
            parts["dice"] = part.chip("dice")
        with part.accordion("more_filters"):
            parts["truncate"] = gr.Checkbox(False, **part.named("truncate"))
            draw(in_view=False, sliders=True)
            draw(in_view=False, sliders=False)
    parts["controls"] = {option.name: made[option.name] for option in options}


def control(option: Option, table: Mapping[str, tuple[str, str]]) -> Any:
    """The slider or the text field of an option. table: the strings of the options."""
    words = Strings(table)
    common: dict[str, Any] = {
        "label": words.label(f"option_{option.name}"),
        "info": words.label(f"option_{option.name}_help"),
        "elem_id": option_id(option.name),
    }
    start = start_value(option)
    if option.slider:
        low, high, step = option.slider
        return gr.Slider(low, high, start, step=step, **common)
    if option.kind == "strings":
        return gr.Textbox(start, placeholder=label("generate_one_per_line"), lines=2, max_lines=6, **common)
    return gr.Textbox(start, max_lines=1, min_width=120, **common)


def option_id(name: str) -> str:
    """The element id of an option's control: "top_p" → "option-top-p"."""
    return "option-" + name.replace("_", "-")


def connect(
    tab: GenerateTab, playground: Playground, features: Sequence[Feature], status: gr.HTML, switches: gr.HTML, page: gr.Blocks
) -> None:
    """Wire the events. `status.load` comes when another model was loaded, `switches.change` when the language was changed."""
    scored = scorer(playground)
    tab.editor.answer(tab.writing, calls(tab), streams=("write", "apply"), route=not on_zerogpu())
    # Another model has another vocabulary: the page sends its text, and gets its new tokens.
    status.load(lambda writing: gr.HTML(**shown(writing.document.unknown(), writing)), tab.writing, tab.editor, **QUIET)

    def on_ask(writing: VisitorState, request: gr.Request, event: gr.EventData) -> Any:
        def score() -> None:
            score_text(playground, scored, writing, ALTERNATIVES)

        found = facts_of(writing, payload(event), words(language(request)), score)
        if not add_scores(writing):
            return gr.skip() if found is None else gr.HTML(**found)
        return gr.HTML(**scored_now(tab, writing, words(language(request))))

    tab.editor.ask(on_ask, tab.writing, tab.editor, trigger_mode="multiple", show_progress="hidden", **READING)

    def turn(go: Callable[[VisitorState], Text | None]) -> Callable[..., dict[Any, Any]]:
        @handler(COMMON)
        def on_turn(t: Words, writing: VisitorState) -> dict[Any, Any]:
            frame = turned(playground, few_at_once(scored), writing, go, t)
            return gr.skip() if frame is None else tab.updates(frame, writing, t)

        return on_turn

    for button, go in ((tab.undo, VisitorState.undo), (tab.redo, VisitorState.redo)):
        button.click(turn(go), tab.writing, tab.shown, **QUIET)

    @handler(COMMON)
    def on_recall(t: Words, writing: VisitorState, memo: Any) -> dict[Any, Any]:
        if writing.running:
            return gr.skip()
        return tab.updates(recalled(playground, scored, writing, memo, t), writing, t)

    tab.recall.click(on_recall, [tab.writing, tab.memo], tab.shown, show_progress="hidden", **READING)
    page.load(lambda memo: gr.Button(visible=bool(memo)), tab.memo, tab.recall, **QUIET)

    def on_changed(writing: VisitorState) -> Any:
        nothing_new = writing.running or writing.draft is not None or not writing.tree.nodes
        return gr.skip() if nothing_new else to_json(writing.tree, LARGEST_MEMO)

    # The first step is in the browser: see `latest`, which takes no events of a script.
    heard = tab.editor.changed(None, None, None, js="() => neoxjp.generate.keep()", **BROWSER)
    always: dict[str, Any] = QUIET | {"trigger_mode": "always_last", "concurrency_limit": None}
    changed = heard.then(on_changed, tab.writing, tab.memo, **always)

    def on_model() -> dict[Any, Any]:
        return ranges(playground, tab.up_to_context) or gr.skip()

    lengths = list(tab.up_to_context)
    ranged = latest([status.load], on_model, None, lengths)
    ranged.then(None, lengths, lengths, js=within_ranges(lengths), **BROWSER)
    prompts = examples()
    for name, button in tab.examples.items():
        button.click(None, js=f"() => neoxjp.generate.replace({json.dumps(prompts[name])})", **BROWSER)
    for name, button in tab.presets.items():
        values = {tab.controls[field]: value for field, value in preset(name, tab.options).items()}
        button.click(lambda values=values: values, None, list(values), **QUIET)
    table = {name: [preset(name, tab.options).get(option.name) for option in tab.options] for name in tab.presets}
    # The script sends the settings with each generation; those that are folded away, it knows from here.
    ids = [control.elem_id for control in tab.settings]
    settings = f"(...values) => {{ neoxjp.generate.settings({json.dumps(ids)}, {json.dumps(table)}, values); }}"
    gr.on([page.load, *(control.change for control in tab.settings)], None, tab.settings, None, js=settings, **BROWSER)
    tab.dice.click(lambda: str(secrets.randbelow(1_000_000)), None, tab.controls["seed"], **QUIET)

    @handler(COMMON)
    def on_language(t: Words, writing: VisitorState) -> dict[Any, Any]:
        if writing.running:
            return gr.skip()
        line, stats = state(writing.text, t)
        return tab.updates(Frame(line, False, stats=stats, announce=""), writing, t)

    translated = switches.change(on_language, tab.writing, tab.shown, trigger_mode="multiple", **QUIET)
    sections.connect(tab.lab, sections_of(features, "generate"), playground, tab, changed, translated)


def calls(tab: GenerateTab) -> dict[str, Call]:
    """What answers the editor's events, by name."""
    playground, streamed = tab.playground, stream(tab.playground)

    def edit(writing: VisitorState, sent: Mapping[str, Any], request: gr.Request) -> Iterator[dict[str, Any]]:
        found = edited(tab, writing, sent, words(language(request)))
        if found is not None:
            yield found

    def sync(writing: VisitorState, sent: Mapping[str, Any], request: gr.Request) -> Iterator[dict[str, Any]]:
        running, t = writing.running, words(language(request))
        try:  # making it again takes as long as what was typed
            playground.visitors.charge(current_visitor(), "characters", len(writing.document.text))
        except NeoxjpError as error:
            yield shown(writing.document.refused(t.message(error)), writing)
            return
        line, stats = state(writing.text, t)
        around = tab.around(writing, not running, t, None if running else Frame(line, False, stats=stats))
        yield shown(writing.document.whole(running=running, also=around), writing)

    def pick(writing: VisitorState, sent: Mapping[str, Any], request: gr.Request) -> Iterator[dict[str, Any]]:
        found = facts_of(writing, sent, words(language(request)))
        if found is not None:
            yield found

    def stop(writing: VisitorState, sent: Mapping[str, Any], request: gr.Request) -> Iterator[dict[str, Any]]:
        seen = sent.get("ids")
        writing.stop(seen if type(seen) is int else None)
        yield from ()

    def generate(
        writing: VisitorState, sent: Mapping[str, Any], request: gr.Request, frames: Callable[[Settings, Words], Iterator[Frame]]
    ) -> Iterator[dict[str, Any]]:
        t = words(language(request))
        try:
            settings = tab.settings_sent(sent.get("settings"))
        except NeoxjpError as error:
            yield tab.patched(Frame(error_notice(error, t), writing.running, announce=t.message(error)), writing, t)
            return
        for frame in frames(settings, t):
            yield tab.patched(frame, writing, t)

    def write_text(writing: VisitorState, sent: Mapping[str, Any], request: gr.Request) -> Iterator[dict[str, Any]]:
        mode = sent.get("mode")
        if mode not in MODES:
            return iter(())
        return generate(writing, sent, request, lambda settings, t: write(playground, streamed, writing, mode, settings, t))

    def apply(writing: VisitorState, sent: Mapping[str, Any], request: gr.Request) -> Iterator[dict[str, Any]]:
        at, id = sent.get("at"), sent.get("id")
        return generate(writing, sent, request, lambda settings, t: branch(playground, streamed, writing, at, id, settings, t))

    return {"edit": edit, "sync": sync, "pick": pick, "stop": stop, "write": write_text, "apply": apply}


def edited(tab: GenerateTab, writing: VisitorState, sent: Any, t: Words) -> dict[str, Any] | None:
    """The editor's update after the visitor's edit."""
    playground, document = tab.playground, writing.document
    if writing.running or playground.loaded is None:  # the page asks again: after the text, or when the vocabulary is there
        return None
    try:
        edit = Edit.read(sent)
        if not edit.whole and edit.revision != document.revision:
            return shown(document.unknown(), writing)  # what the visitor sees counts
        text = typed(playground, writing, edit.apply(document.text))
        more: dict[str, Any] = {}
        frame: Frame | None = None
        if writing.linked is not None and writing.linked.text == text.whole:
            text, more = linked(playground, writing, writing.linked, text, t)
            if text.steps:
                frame = linked_frame(text, t)
        around = tab.around(writing, True, t, frame)
        if edit.whole and text.steps:  # the page may have missed the patch with the numbers, such as those of a scored link
            around["html"]["generate-stats"] = numbers(text, t)
        patch = document.patch(pieces_of(text, playground.tokenizer), answers=edit, also=around, **more)
        session_memory.note(writing)
        return shown(patch, writing)
    except NeoxjpError as error:
        return shown(document.refused(t.message(error)), writing)


def linked(playground: Playground, writing: VisitorState, link: View, text: Text, t: Words) -> tuple[Text, dict[str, Any]]:
    """The text of a link with its own tokens, and what the editor's update says of it. text: the same, encoded again."""
    more: dict[str, Any] = {}
    loaded = playground.loaded
    complete = loaded is not None and loaded.model is not None
    if complete or not playground.progress.busy:  # otherwise the text comes once more, when the model is there
        writing.linked = None
    else:
        return text, more
    if link.runs:
        try:
            text = restore(playground, writing, link)
            more["ask"] = complete
        except NeoxjpError as error:
            more["message"] = t.message(error)
    if link.selected is not None and link.selected < len(text.ids) and "message" not in more:
        more["select"] = link.selected
    return text, more


def linked_frame(text: Text, t: Words) -> Frame:
    """The line and the numbers of a text that was generated before its link was made."""
    return Frame(render_steps.working(t("generate_linked_shown")), False, stats=numbers(text, t))


def scored_now(tab: GenerateTab, writing: VisitorState, t: Words) -> dict[str, Any]:
    """The editor's update when the text of a link has got its probabilities."""
    assert writing.text is not None
    around = tab.around(writing, True, t, linked_frame(writing.text, t))
    pieces = pieces_of(writing.text, writing.tokenizer())
    return shown(writing.document.patch(pieces, same=True, also=around), writing)


def facts_of(
    writing: VisitorState, sent: Mapping[str, Any], t: Words, score: Callable[[], None] | None = None
) -> dict[str, Any] | None:
    """The editor's update with the facts of a token. score: computes those that are not known yet."""
    at, revision = sent.get("at"), sent.get("revision")
    if type(at) is not int or type(revision) is not int:
        return None
    try:
        found = details(writing, at, t)
        if found is None and writing.running:  # the model is busy with this visitor's text: what the page knows has to do
            found = {"note": ""}
        elif found is None and score is not None:
            score()
            found = details(writing, at, t)
    except NeoxjpError as error:
        found = {"note": t.message(error)}
    return TokenEditor.details(at, revision, **({"ask": True} if found is None else found))


def turned(
    playground: Playground, scored: Scorer, writing: VisitorState, go: Callable[[VisitorState], Text | None], t: Words
) -> Frame | None:
    """The text after undo or redo (`go`). None while a text is generated: a late click must not disable Stop."""
    if writing.running:
        return None
    before = writing.history, writing.draft, writing.saved, writing.text
    if go(writing) is None:
        try:
            text = text_of(playground, scored, writing, writing.tree)
        except NeoxjpError as error:  # such as too many of these at once: as if it had not been pressed
            writing.history, writing.draft, writing.saved, writing.text = before
            return Frame(error_notice(error, t), False, announce=t.message(error))
        if writing.draft is not None:  # typed meanwhile
            return None
        writing.show(writing.tree, text)
    line, stats = state(writing.text, t)
    return Frame(line, False, pieces_of(writing.text, writing.tokenizer()), stats, announce="")


_SCORING = threading.BoundedSemaphore(2)


def few_at_once(scored: Scorer) -> Scorer:
    """The same for a handler that is not in a queue: raises QueueFull where two texts are being scored."""

    def score(ids: Sequence[int], top: int, bos: bool) -> list[Step]:
        if not _SCORING.acquire(blocking=False):
            raise QueueFull(
                "other texts are being computed: try again in a moment",
                ja="ほかの文章を計算中です。少し待ってからもう一度お試しください。",
                seconds=2,
            )
        try:
            return scored(ids, top, bos)
        finally:
            _SCORING.release()

    return score


def recalled(playground: Playground, scored: Scorer, writing: VisitorState, memo: Any, t: Words) -> Frame:
    """Restore the branches that the browser has stored (`memo`)."""
    try:
        recall(playground, scored, writing, memo)
    except NeoxjpError as error:
        return Frame(error_notice(error, t), False, announce=t.message(error))
    _, stats = state(writing.text, t)
    pieces = pieces_of(writing.text, writing.tokenizer())
    return Frame(render_steps.working(t("generate_recalled")), False, pieces, stats, announce=t("generate_recalled"))
