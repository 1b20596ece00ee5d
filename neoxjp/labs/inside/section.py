"""Section of the generation lab: the prediction after each layer (logit lens), and the attention weights of one head."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.labs.common import html as render
from neoxjp.labs.inside import records, view
from neoxjp.labs.inside.records import MAX_TOKENS, Attention, Lens
from neoxjp.labs.inside.strings import strings
from neoxjp.page_parts.answers import error_notice, handler
from neoxjp.page_parts.events import QUIET, READING, latest
from neoxjp.page_parts.gradio_private import payload
from neoxjp.page_parts.parts import Parts, slider_up_to
from neoxjp.page_parts.sections import script
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.strings import Words
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
    part = Parts("inside", strings)
    with gr.Column(elem_classes="card"):
        with gr.Row(elem_classes="lab-controls lab-sliders"):
            at = gr.Number(0, precision=0, min_width=220, **part.named("at"))
            layer, head = (part.slider(name, 0, 11, 0, 1) for name in ("layer", "head"))
        with gr.Row(elem_classes="lab-controls"):
            go = part.button("go", variant="primary")
        line = part.html("line")
        attention = part.html("attention", part.hint("press"), js_on_load=script("walk.js") + part.script())
    with gr.Column(elem_classes="card"):
        lens = part.html("lens", part.hint("press"))
    return Inside(at, layer, head, go, gr.State(None), line, attention, lens)


def connect(section: Inside, playground: Playground, tab: "GenerateTab", due: gr.HTML) -> None:
    """Wire the events. `tab` is the tab above; `due` changes when the section must be up to date.

    Then the sliders take the ranges of the loaded model, and a sentence says so where the section shows a previous text.
    """
    readers_ = readers(playground)
    outputs = [section.line, section.attention, section.lens, section.source]

    @handler(strings, errors=section.line, empty=outputs)
    def on_go(t: Words, writing: VisitorState, prompt: str, at: Any, layer: Any, head: Any) -> dict[Any, Any]:
        attention, lens = views(playground, readers_, writing, prompt or "", (at, layer, head), t)
        source = source_above(playground, writing, prompt or "")
        return {section.line: "", section.attention: attention, section.lens: lens, section.source: source}

    def on_token(request: gr.Request, event: gr.EventData, *given: Any) -> dict[Any, Any]:
        at = payload(event).get("at")
        at = at if type(at) is int else 0
        return {section.at: at} | on_go(request, *given[:2], at, *given[2:])

    def on_slider(request: gr.Request, source: Any, *given: Any) -> dict[Any, Any]:
        return gr.skip() if source is None else on_go(request, *given)

    @handler(strings)
    def check(t: Words, writing: VisitorState, prompt: str, source: Any) -> Any:
        return changed_notice(playground, writing, prompt or "", source, t, "inside_changed")

    def ranges(layer: Any, head: Any) -> dict[Any, Any]:
        loaded = playground.loaded
        if loaded is None or loaded.model is None:
            return gr.skip()
        config = loaded.model.config
        return {
            section.layer: slider_up_to(config.num_hidden_layers - 1, layer),
            section.head: slider_up_to(config.num_attention_heads - 1, head),
        }

    above, sliders = [tab.writing, tab.prompt], [section.layer, section.head]
    inputs = [*above, section.at, *sliders]
    source = (check, [*above, section.source], section.line)
    released = [slider.release for slider in sliders]
    for event in (
        gr.on([section.go.click, section.at.submit], on_go, inputs, outputs, **READING),
        section.attention.select(on_token, [*above, *sliders], [section.at, *outputs], **READING),
        gr.on(released, on_slider, [section.source, *inputs], outputs, **READING),
    ):
        event.then(*source, **QUIET)  # the text may have changed meanwhile
    latest([due.change], ranges, sliders, sliders)
    latest([due.change, tab.prompt.change], *source)


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
    t: Words,
) -> tuple[str, str]:
    """Attention and lens as HTML for (token number from 1, 0 or None for the last; layer; head).

    Raises:
        NeoxjpError: there is no text, or no such token.
    """
    at, layer, head = asked
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
        weights = error_notice(error, t)
    return weights, lens
