"""Section of the generation lab: the prediction after each layer (logit lens), and the attention weights of one head."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import gradio as gr

from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.labs.common import html as render
from neoxjp.labs.inside import records, view
from neoxjp.labs.inside.records import MAX_TOKENS, Attention, Lens
from neoxjp.labs.inside.strings import both, label, strings, words
from neoxjp.page_parts.answers import message_of
from neoxjp.page_parts.events import QUIET, latest
from neoxjp.page_parts.sections import script
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.strings import Lang, language
from neoxjp.page_parts.text_above import changed_notice, ids_above, source_above
from neoxjp.page_parts.texts import VisitorState
from neoxjp.page_parts.zerogpu import gpu

if TYPE_CHECKING:
    from neoxjp.page_parts.generate_tab import GenerateTab

INTRO = {"most": MAX_TOKENS}  # for the section's heading
ReadLens = Callable[[Sequence[int], int, int], Lens]
ReadAttention = Callable[[Sequence[int], int, int, int | None], Attention]


@dataclass(frozen=True)
class Inside:
    """The components of the section."""

    at: gr.Number
    layer: gr.Slider
    head: gr.Slider
    go: gr.Button
    source: gr.State  # the text that is displayed, a `Source`
    line: gr.HTML
    attention: gr.HTML
    lens: gr.HTML

    @property
    def linked(self) -> dict[str, Any]:
        """What a link restores."""
        return {"at": self.at, "layer": self.layer, "head": self.head}

    @property
    def growing(self) -> tuple[gr.Slider, ...]:
        """The sliders whose largest value follows the model."""
        return self.layer, self.head


def build(playground: Playground) -> Inside:
    """Draw the section."""

    def common(name: str) -> dict[str, Any]:
        key = f"inside_{name}"
        return {"label": label(key), "info": label(f"{key}_help"), "min_width": 220, "elem_id": f"inside-{name}"}

    press = f'<p class="lab-hint">{both("inside_press")}</p>'
    js = script("walk.js") + (files("neoxjp.labs.inside") / "script.js").read_text(encoding="utf-8")
    with gr.Column(elem_classes="card"):
        with gr.Row(elem_classes="lab-controls lab-sliders"):
            at = gr.Number(0, precision=0, **common("at"))
            layer, head = (gr.Slider(0, 11, 0, step=1, **common(name)) for name in ("layer", "head"))
        with gr.Row(elem_classes="lab-controls"):
            go = gr.Button(label("inside_go"), variant="primary", elem_id="inside-go", min_width=110)
        line = gr.HTML(elem_id="inside-line", apply_default_css=False)
        attention = gr.HTML(press, elem_id="inside-attention", apply_default_css=False, js_on_load=js)
    with gr.Column(elem_classes="card"):
        lens = gr.HTML(press, elem_id="inside-lens", apply_default_css=False)
    return Inside(at, layer, head, go, gr.State(None), line, attention, lens)


def connect(section: Inside, playground: Playground, tab: "GenerateTab", due: gr.HTML) -> None:
    """Wire the events. `tab` is the tab above; `due` changes when the section must be up to date.

    Then the sliders take the ranges of the loaded model, and a sentence says so where the section shows a previous text.
    """
    readers_ = readers(playground)

    def on_go(writing: VisitorState, prompt: str, at: Any, layer: Any, head: Any, request: gr.Request) -> dict[Any, Any]:
        try:
            attention, lens = views(playground, readers_, writing, prompt or "", (at, layer, head), language(request))
        except NeoxjpError as error:
            message = render.notice(message_of(error, request), "error")
            return {section.line: message, section.attention: "", section.lens: "", section.source: None}
        source = source_above(playground, writing, prompt or "")
        return {section.line: "", section.attention: attention, section.lens: lens, section.source: source}

    def on_slider(
        source: Any, writing: VisitorState, prompt: str, at: Any, layer: Any, head: Any, request: gr.Request
    ) -> dict[Any, Any]:
        return gr.skip() if source is None else on_go(writing, prompt, at, layer, head, request)

    def check(writing: VisitorState, prompt: str, source: Any, request: gr.Request) -> Any:
        return changed_notice(playground, writing, prompt or "", source, words(language(request)), "inside_changed")

    def ranges(layer: Any, head: Any) -> dict[Any, Any]:
        loaded = playground.loaded
        if loaded is None or loaded.model is None:
            return gr.skip()
        config = loaded.model.config
        sizes = ((section.layer, layer, config.num_hidden_layers), (section.head, head, config.num_attention_heads))
        # a value that fits is not written back: a link, or the visitor, may have set another one meanwhile
        return {
            slider: gr.Slider(maximum=count - 1) if (now or 0) < count else gr.Slider(maximum=count - 1, value=count - 1)
            for slider, now, count in sizes
        }

    inputs = [tab.writing, tab.prompt, section.at, section.layer, section.head]
    outputs = [section.line, section.attention, section.lens, section.source]
    queued: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": 2, "concurrency_id": "lab"}
    pressed = section.attention.select(None, section.at, section.at, js="(at) => neoxjp.inside ?? at", **QUIET)
    released = [section.layer.release, section.head.release]
    shown = (check, [tab.writing, tab.prompt, section.source], section.line)
    for event in (
        section.go.click(on_go, inputs, outputs, **queued),
        section.at.submit(on_go, inputs, outputs, **queued),
        pressed.then(on_go, inputs, outputs, **queued),
        gr.on(released, on_slider, [section.source, *inputs], outputs, **queued),
    ):
        event.then(*shown, **QUIET)  # the text may have changed meanwhile
    latest([due.change], ranges, [section.layer, section.head], [section.layer, section.head])
    latest([due.change, tab.prompt.change], *shown)


def readers(playground: Playground) -> tuple[ReadLens, ReadAttention]:
    """The functions that read the model of `playground`: (ids, at, top) → lens, (ids, layer, head, at) → attention."""

    @gpu(duration=30)
    def read_lens(ids: Sequence[int], at: int, top: int) -> Lens:
        loaded = playground.ready
        return records.lens(loaded.model, loaded.tokenizer, ids, at, top)

    @gpu(duration=30)
    def read_attention(ids: Sequence[int], layer: int, head: int, at: int | None) -> Attention:
        loaded = playground.ready
        return records.attention(loaded.model, loaded.tokenizer, ids, layer, head, at)

    return read_lens, read_attention


def views(
    playground: Playground,
    readers: tuple[ReadLens, ReadAttention],
    writing: VisitorState,
    prompt: str,
    asked: tuple[Any, Any, Any],
    lang: Lang,
) -> tuple[str, str]:
    """Attention and lens as HTML for (token number from 1, 0 or None for the last; layer; head).

    Raises:
        NeoxjpError: there is no text, or no such token.
    """
    (at, layer, head), t = asked, words(lang)
    ids = ids_above(playground, writing, prompt)
    loaded = playground.ready
    assert loaded.model is not None
    most = min(MAX_TOKENS, loaded.model.config.max_position_embeddings)
    place = at or min(len(ids), most)
    if place != int(place) or not 1 <= place <= len(ids):
        raise strings.error(ParameterError, "inside_bad_place", n=len(ids))
    note = render.notice(t("inside_cut", n=f"{len(ids):,}", most=most)) if len(ids) > most else ""
    place = int(place) - 1
    read = ids[:most] if place < most else ids  # too many: the error of the record says how many it takes
    read_lens, read_attention = readers
    lens = note + view.lens(read_lens(read, place, 5), t)
    try:
        weights = note + view.attention(read_attention(read, int(layer or 0), int(head or 0), place), place, t)
    except NeoxjpError as error:  # this model does not have the layer: the lens is shown all the same
        weights = render.notice(error.ja if lang == "ja" and error.ja else str(error), "error")
    return weights, lens
