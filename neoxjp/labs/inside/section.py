"""Section of the generation lab: the guess after each layer, and what a head of attention looks at."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import gradio as gr

from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.labs.common import html as render
from neoxjp.labs.inside import view as render_inside
from neoxjp.labs.inside.strings import both, label, strings
from neoxjp.page_parts.answers import check_length, expected, guarded, message_of, whole_numbers
from neoxjp.page_parts.events import latest
from neoxjp.page_parts.sections import script
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.strings import Words, language
from neoxjp.page_parts.text_above import changed_notice, ids_above, source_above
from neoxjp.page_parts.writing import Writing
from neoxjp.page_parts.zerogpu import gpu

if TYPE_CHECKING:
    from neoxjp.labs.inside.records import Attention, Lens
    from neoxjp.page_parts.generate_tab import GenerateTab

LONGEST = 512  # tokens: neoxjp.labs.inside.records.LONGEST, which needs torch to be imported
MOST_GUESSES = 20  # of a layer, in the API
FACE = '<p class="lab-hint">{}</p>'
Looker = tuple[Callable[[Sequence[int], int, int], "Lens"], Callable[[Sequence[int], int, int, int | None], "Attention"]]


@dataclass(frozen=True)
class Inside:
    """The components of the section."""

    at: gr.Number
    layer: gr.Slider
    head: gr.Slider
    go: gr.Button
    of: gr.State  # what is on show, a `Source`
    line: gr.HTML
    attention: gr.HTML
    lens: gr.HTML

    @property
    def linked(self) -> dict[str, Any]:
        """What a link restores."""
        return {"at": self.at, "layer": self.layer, "head": self.head}


def build(playground: Playground) -> Inside:
    """Draw the section."""
    intro = both("inside_intro", most=LONGEST)
    gr.HTML(f"<h2>{both('inside_title')}</h2><p>{intro}</p>", elem_classes="section", apply_default_css=False)
    with gr.Column(elem_classes="card"):
        with gr.Row(elem_classes="lab-controls lab-sliders"):
            at = gr.Number(
                0,
                label=label("inside_at"),
                info=label("inside_at_help"),
                precision=0,
                min_width=220,
                elem_id="inside-at",
            )
            sliders = [
                gr.Slider(
                    0,
                    11,
                    0,
                    step=1,
                    label=label(f"inside_{name}"),
                    info=label(f"inside_{name}_help"),
                    min_width=220,
                    elem_id=f"inside-{name}",
                )
                for name in ("layer", "head")
            ]
        with gr.Row(elem_classes="lab-controls"):
            go = gr.Button(label("inside_go"), variant="primary", elem_id="inside-go", min_width=110)
        line = gr.HTML(elem_id="inside-line", apply_default_css=False)
        attention = gr.HTML(
            FACE.format(both("inside_press")),
            elem_id="inside-attention",
            apply_default_css=False,
            js_on_load=script("walk.js") + (files("neoxjp.labs.inside") / "script.js").read_text(encoding="utf-8"),
        )
    with gr.Column(elem_classes="card"):
        lens = gr.HTML(FACE.format(both("inside_press")), elem_id="inside-lens", apply_default_css=False)
    layer, head = sliders
    return Inside(at, layer, head, go, gr.State(None), line, attention, lens)


def connect(section: Inside, playground: Playground, tab: "GenerateTab", due: gr.Number) -> None:
    """Wire the events. `tab` is the tab above; with `due` the sliders follow the model that is loaded, and
    what is of an earlier text says so.
    """
    queued: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": 2, "concurrency_id": "lab"}
    quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    looker_of = looker(playground)

    def look(writing: Writing, prompt: str, at: Any, layer: Any, head: Any, request: gr.Request) -> tuple[Any, ...]:
        def show(say: Words) -> tuple[Any, ...]:
            asked = (at, layer, head)
            found = views(playground, looker_of, writing, prompt or "", asked, say, lambda e: message_of(e, request))
            return "", *found, source_above(playground, writing, prompt or "")

        return guarded(show, strings=strings, request=request, empty=("", "", None))

    def look_again(
        shown: str | None, writing: Writing, prompt: str, at: Any, layer: Any, head: Any, request: gr.Request
    ) -> tuple[Any, ...]:
        return look(writing, prompt, at, layer, head, request) if "inside-text" in (shown or "") else (gr.skip(),) * 4

    def told(writing: Writing, prompt: str, of: Any, request: gr.Request) -> Any:
        return changed_notice(playground, writing, prompt or "", of, strings.words(language(request)), "inside_changed")

    def ranges(layer: Any, head: Any) -> Any:
        loaded = playground.loaded
        if loaded is None or loaded.model is None:
            return gr.skip(), gr.skip()
        config = loaded.model.config
        counts = (config.num_hidden_layers, config.num_attention_heads)
        # a value that fits is not written back: a link, or the visitor, may have set another meanwhile
        return tuple(
            gr.Slider(maximum=most) if (now or 0) <= most else gr.Slider(maximum=most, value=most)
            for now, most in zip((layer, head), (count - 1 for count in counts), strict=True)
        )

    asked = [tab.writing, tab.prompt, section.at, section.layer, section.head]
    shown = [section.line, section.attention, section.lens, section.of]
    now: tuple[Any, ...] = (told, [tab.writing, tab.prompt, section.of], section.line)
    pressed = section.attention.select(None, section.at, section.at, js="(at) => neoxjp.inside ?? at", **quiet)
    looks = [
        section.go.click(look, asked, shown, **queued),
        section.at.submit(look, asked, shown, **queued),
        pressed.then(look, asked, shown, **queued),
        gr.on([section.layer.release, section.head.release], look_again, [section.attention, *asked], shown, **queued),
    ]
    for looked in looks:
        looked.then(*now, **quiet)  # the text may have changed meanwhile
    latest([due.change], ranges, [section.layer, section.head], [section.layer, section.head])
    latest([due.change, tab.prompt.change], *now)


def endpoints(playground: Playground) -> None:
    """The section's actions as API: /lens and /attention."""
    lensed, attended = looker(playground)

    def lens(text: str, at: int = -1, top: int = 5) -> dict[str, Any]:
        """Tell the model's guess of the next token after each layer (the logit lens).

        Args:
            text: The text, read as it stands, with nothing before it; at most 512 tokens.
            at: What follows this token is guessed, counted from 0; -1 is the last.
            top: So many guesses a layer, 1 to 20.

        Returns:
            ids, texts, at, next_id, layers (layers, top, entropy and divergence in nats, answer_rank, next_rank, next_logprob):
            the first is the embedding alone, the last the model's own answer.
        """
        whole_numbers(at=at, top=top)
        return asdict(lensed(_encoded(playground, text), at, min(top, MOST_GUESSES)))

    def attention(text: str, layer: int, head: int, at: int | None = None) -> dict[str, Any]:
        """Tell the weights of one head of attention over a text.

        Args:
            text: The text, read as it stands, with nothing before it; at most 512 tokens.
            layer: Counted from 0.
            head: Counted from 0.
            at: The weights of this token alone, counted from 0; -1 is the last; left out, of all tokens.

        Returns:
            ids, texts, layer, head, layers, heads, positions, weights (of each position, on itself and all before it).
        """
        whole_numbers(layer=layer, head=head, at=0 if at is None else at)
        return asdict(attended(_encoded(playground, text), layer, head, at))

    gr.api(expected(lens), api_name="lens", concurrency_limit=1)
    gr.api(expected(attention), api_name="attention", concurrency_limit=1)


# ---------------------------------------------------------------- what the handlers do


def looker(playground: Playground) -> Looker:
    """The functions that look into the model of `playground`: (ids, at, top) → lens, (ids, layer, head, at) → attention."""

    @gpu(duration=30)
    def lensed(ids: Sequence[int], at: int, top: int) -> "Lens":
        from neoxjp.labs.inside.records import lens

        loaded = playground.ready
        return lens(loaded.model, loaded.tokenizer, ids, at, top)

    @gpu(duration=30)
    def attended(ids: Sequence[int], layer: int, head: int, at: int | None) -> "Attention":
        from neoxjp.labs.inside.records import attention

        loaded = playground.ready
        return attention(loaded.model, loaded.tokenizer, ids, layer, head, at)

    return lensed, attended


def views(
    playground: Playground,
    looker: Looker,
    writing: Writing,
    prompt: str,
    asked: tuple[Any, Any, Any],
    say: Words,
    told: Any = str,
) -> tuple[str, str]:
    """Attention and lens as HTML, for (token counted from 1, 0 or None for the last; layer; head).

    Raises:
        NeoxjpError: there is no text, or no such token.
    """
    at, layer, head = asked
    ids = ids_above(playground, writing, prompt)
    loaded = playground.ready
    assert loaded.model is not None
    most = min(LONGEST, loaded.model.config.max_position_embeddings)
    place = at or min(len(ids), most)
    if place != int(place) or not 1 <= place <= len(ids):
        raise strings.error(ParameterError, "inside_bad_place", n=len(ids))
    note = render.notice(say("inside_cut", n=f"{len(ids):,}", most=most)) if len(ids) > most else ""
    read, place = ids[:most], int(place) - 1
    if place >= most:  # the record's own sentence says what can be read
        read = ids
    lensed, attended = looker
    guesses = note + render_inside.lens(lensed(read, place, 5), say)
    try:
        weights = note + render_inside.attention(attended(read, int(layer or 0), int(head or 0), place), place, say)
    except NeoxjpError as error:  # a layer that this model has not: the lens is there all the same
        weights = render.notice(told(error), "error")
    return weights, guesses


def _encoded(playground: Playground, text: str) -> list[int]:
    check_length(playground, text)
    return playground.ready.tokenizer.encode(text)
