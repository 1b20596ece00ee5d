"""The Generate tab: prompt, generated text, sampling. It has the components and events; writing.py does the work."""

import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

import gradio as gr
from markupsafe import Markup

from neoxjp.errors import NeoxjpError
from neoxjp.hub import bundled_path
from neoxjp.labs.branches.actions import KEY, SECRET, recall, text_of
from neoxjp.labs.common import html as render
from neoxjp.labs.common import steps as render_steps
from neoxjp.labs.common import templates
from neoxjp.labs.features import FEATURES, Feature, sections_of
from neoxjp.labs.share_link import section as links
from neoxjp.page_parts import sections
from neoxjp.page_parts.answers import error_notice, handler
from neoxjp.page_parts.events import QUIET, STREAMED, latest
from neoxjp.page_parts.generate_tab import GenerateTab
from neoxjp.page_parts.gradio_private import payload
from neoxjp.page_parts.parts import Parts, slider_up_to
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.settings import PRESETS, preset, start_value
from neoxjp.page_parts.stream import Scorer, scorer, stream
from neoxjp.page_parts.strings import COMMON, Strings, Words, both, label, language, option_strings, words
from neoxjp.page_parts.text_view import show
from neoxjp.page_parts.texts import Text, VisitorState
from neoxjp.page_parts.writing import Frame, Mode, branch, write
from neoxjp.sampling import Option

KEYS = {
    "go": "Ctrl+Enter",
    "step": "Alt+Enter",
    "more": "Ctrl+Shift+Enter",
    "stop": "Esc",
    "undo": "Ctrl+Z",
    "redo": "Ctrl+Shift+Z",
    "walk": "← → ↑ ↓ Home End",
}
"""The tab's shortcuts, as `ui/written.js` has them."""
part = Parts("generate", COMMON)


def build(playground: Playground, features: Sequence[Feature] = FEATURES) -> GenerateTab:
    """Make the components of the tab."""
    parts: dict[str, Any] = {"writing": gr.State(VisitorState(), delete_callback=VisitorState.stop)}
    with gr.Row(elem_id="generate"):
        with gr.Column(scale=7, min_width=320, elem_id="generate-main"):
            _build_text(parts)
        with gr.Column(scale=3, min_width=280, elem_id="generate-side"):
            _build_sampling(playground, parts)
            parts["link"] = links.build_link("generate")
            parts["stats"] = part.html("stats")
    parts["lab"] = sections.build(playground, sections_of(features, "generate"), "genlab")
    return GenerateTab(**parts)


def _build_text(parts: dict[str, Any]) -> None:
    prompts = examples()
    with gr.Group(elem_id="generate-prompt-card"):
        parts["prompt"] = part.textbox("prompt", next(iter(prompts.values())), lines=2, max_lines=8)
        with gr.Row(elem_id="generate-under"):
            parts["count"] = part.html("count")
            with gr.Row(elem_id="generate-examples"):
                part.html("examples-name", part.both("examples"))
                parts["examples"] = {name: part.chip(f"ex_{name}") for name in prompts}
    with gr.Row(elem_id="generate-buttons"):
        parts["go"] = part.button("go", variant="primary", min_width=120)
        for name in ("stop", "more", "step", "again", "undo", "redo"):
            parts[name] = part.button(name, min_width=80, interactive=name == "step")
        parts["recall"] = part.button("recall", min_width=80, visible=False)
    parts["memo"] = gr.BrowserState(None, storage_key=KEY, secret=SECRET)
    parts["line"] = part.html("line", templates.render("ui/frame.html", "line", message=part.both("hint")))
    parts["announce"] = part.html("announce", elem_classes="sr")
    scale = Markup(render_steps.scale(part.both("scale")))
    template = templates.render("ui/frame.html", "text", both=both, label=words("en")("generate_view_label"), scale=scale)
    script = (files("neoxjp.ui") / "written.js").read_text(encoding="utf-8")
    parts["view"] = part.html("view", html_template=template, js_on_load=script)
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
        parts["cut"] = gr.Checkbox(False, **part.named("cut"))
        with gr.Row(elem_id="generate-seed-row"):
            draw(in_view=True, sliders=False)
            parts["dice"] = part.chip("dice")
        with part.accordion("more_filters"):
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


def examples() -> dict[str, str]:
    """The prompts that the page offers, by name: "story" → "むかし、…"."""
    return json.loads((bundled_path() / "prompts.json").read_text(encoding="utf-8"))


def connect(tab: GenerateTab, playground: Playground, features: Sequence[Feature], status: gr.HTML, page: gr.Blocks) -> None:
    """Wire the events. `status.load` comes when another model was loaded."""
    streamed, scored = stream(playground), scorer(playground)

    def generator(mode: Mode) -> Callable[..., Iterator[dict[Any, Any]]]:
        @handler(COMMON)
        def generate(t: Words, writing: VisitorState, prompt: str, *values: Any) -> Iterator[dict[Any, Any]]:
            if writing.running:  # two buttons were pressed at once; with no answer at all Gradio would empty the outputs
                yield gr.skip()
                return
            for frame in write(playground, streamed, writing, mode, prompt or "", tab.settings_of(values), t):
                yield tab.updates(frame, writing)

        return generate

    inputs = [tab.writing, tab.prompt, *tab.settings]
    modes: list[tuple[gr.Button, Mode]] = [(tab.go, "new"), (tab.more, "continue"), (tab.step, "step"), (tab.again, "again")]
    for button, mode in modes:
        # Steps may follow each other quickly: Gradio would drop a click until the answer to the one before is complete.
        button.click(generator(mode), inputs, tab.shown, trigger_mode="multiple" if mode == "step" else "once", **STREAMED)
    tab.stop.click(VisitorState.stop, tab.writing, None, **QUIET)

    def on_alternative(writing: VisitorState, request: gr.Request, event: gr.EventData, *values: Any) -> Iterator[dict[Any, Any]]:
        if writing.running:
            yield gr.skip()
            return
        chosen, settings, t = payload(event), tab.settings_of(values), words(language(request))
        for frame in branch(playground, streamed, writing, chosen.get("at"), chosen.get("id"), settings, t):
            yield tab.updates(frame, writing)

    tab.view.apply(on_alternative, [tab.writing, *tab.settings], tab.shown, **STREAMED)

    def turn(go: Callable[[VisitorState], Text | None]) -> Callable[..., dict[Any, Any]]:
        @handler(COMMON)
        def on_turn(t: Words, writing: VisitorState) -> dict[Any, Any]:
            frame = turned(playground, scored, writing, go, t)
            return gr.skip() if frame is None else tab.updates(frame, writing, prompt=True)

        return on_turn

    turns = [
        button.click(turn(go), tab.writing, [*tab.shown, tab.prompt], **QUIET)
        for button, go in ((tab.undo, VisitorState.undo), (tab.redo, VisitorState.redo))
    ]

    @handler(COMMON)
    def on_recall(t: Words, writing: VisitorState, memo: Any) -> dict[Any, Any]:
        if writing.running:
            return gr.skip()
        return tab.updates(recalled(playground, scored, writing, memo, t), writing, prompt=True)

    tab.recall.click(on_recall, [tab.writing, tab.memo], [*tab.shown, tab.prompt], **STREAMED)
    page.load(lambda memo: gr.Button(visible=bool(memo)), tab.memo, tab.recall, **QUIET)

    @handler(COMMON)
    def count_tokens(t: Words, prompt: str) -> str:
        return counted(playground, prompt or "", t)

    latest([tab.prompt.change, status.load], count_tokens, tab.prompt, tab.count)

    def on_model(*lengths: float) -> dict[Any, Any]:
        return {slider: length_slider(playground, now) for slider, now in zip(tab.up_to_context, lengths, strict=True)}

    latest([status.load], on_model, tab.up_to_context, tab.up_to_context)
    prompts = examples()
    for name, button in tab.examples.items():
        button.click(lambda text=prompts[name]: text, None, tab.prompt, **QUIET)
    for name, button in tab.presets.items():
        values = {tab.controls[field]: value for field, value in preset(name, tab.options).items()}
        button.click(lambda values=values: values, None, list(values), **QUIET)
    tab.dice.click(lambda: str(secrets.randbelow(1_000_000)), None, tab.controls["seed"], **QUIET)
    # The announcement changes when a generation starts and when it has ended, but not on undo.
    announced = tab.announce.change(lambda: None, None, None, **QUIET)
    sections.connect(tab.lab, sections_of(features, "generate"), playground, tab, announced, *turns)


def turned(
    playground: Playground, scored: Scorer, writing: VisitorState, go: Callable[[VisitorState], Text | None], t: Words
) -> Frame | None:
    """The text after undo or redo (`go`). None while a text is generated: a late click must not disable Stop."""
    if writing.running:
        return None
    if go(writing) is None:
        writing.show(writing.tree, text_of(playground, scored, writing, writing.tree))
    view, line, stats = show(writing.text, t)
    return Frame(line, False, view, stats, announce="")


def recalled(playground: Playground, scored: Scorer, writing: VisitorState, memo: Any, t: Words) -> Frame:
    """Restore the branches that the browser has stored (`memo`)."""
    try:
        recall(playground, scored, writing, memo)
    except NeoxjpError as error:
        return Frame(error_notice(error, t), False, announce=t.message(error))
    view, _, stats = show(writing.text, t)
    return Frame(render_steps.working(t("generate_recalled")), False, view, stats, announce=t("generate_recalled"))


def counted(playground: Playground, prompt: str, t: Words) -> str:
    """HTML: how many tokens the prompt has, of the model's context; an error where they do not fit."""
    if len(prompt) > playground.limits.characters:
        found = t("generate_too_many_characters", n=f"{len(prompt):,}", most=f"{playground.limits.characters:,}")
        return render.notice(found, "error")
    try:
        number = len(playground.tokenizer.encode(prompt))
    except NeoxjpError as error:
        return render_steps.working(t.message(error))
    if not prompt:
        return render_steps.working(t("generate_count_bos"))
    loaded = playground.loaded
    if loaded is None or loaded.model is None:
        return render_steps.working(t("generate_count_no_context", n=f"{number:,}"))
    context = loaded.model.config.max_position_embeddings
    if number >= context:
        return render.notice(t("generate_count_over", n=f"{number:,}", context=f"{context:,}"), "error")
    return render_steps.working(t("generate_count", n=f"{number:,}", context=f"{context:,}"), number, context)


def length_slider(playground: Playground, now: float) -> Any:
    """A slider of lengths that ends at the model's context, or at what a visitor may ask for. now: its value."""
    loaded = playground.loaded
    if loaded is None or loaded.model is None:
        return gr.skip()
    context = loaded.model.config.max_position_embeddings
    most = min(context - 1, playground.limits.new_tokens or context)
    return slider_up_to(most, now)
