"""Section of the generation lab: beam search as a tree."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from neoxjp.errors import ParameterError
from neoxjp.labs.beams import view as render_beams
from neoxjp.labs.beams.records import MOST_BEAMS, MOST_NEW
from neoxjp.labs.beams.strings import both, label, strings, words
from neoxjp.labs.common import html as render
from neoxjp.page_parts.answers import check_length, expected, guarded
from neoxjp.page_parts.events import latest
from neoxjp.page_parts.sections import script
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.strings import Words, language
from neoxjp.page_parts.zerogpu import gpu

if TYPE_CHECKING:
    from neoxjp.labs.beams.records import Tree
    from neoxjp.page_parts.generate_tab import GenerateTab

PENALTIES = (-2.0, 4.0)  # length penalties that one search may ask for
Grower = Callable[[Sequence[int], int, int, float], "Tree"]


@dataclass(frozen=True)
class Beams:
    """The components of the section."""

    number: gr.Slider
    new: gr.Slider
    penalty: gr.Slider
    go: gr.Button
    of: gr.State  # serial of the model and opening of the tree on show
    line: gr.HTML
    view: gr.HTML

    @property
    def linked(self) -> dict[str, Any]:
        """What a link restores."""
        return {"beams": self.number, "new": self.new, "penalty": self.penalty}


def build(playground: Playground) -> Beams:
    """Draw the section."""

    def slider(name: str, low: float, high: float, value: float, step: float) -> gr.Slider:
        key = f"beams_{name}"
        return gr.Slider(
            low, high, value, step=step, label=label(key), info=label(f"{key}_help"), elem_id=f"beams-{name}", min_width=220
        )

    gr.HTML(f"<h2>{both('beams_title')}</h2><p>{both('beams_intro')}</p>", elem_classes="section", apply_default_css=False)
    with gr.Column(elem_classes="card"):
        with gr.Row(elem_classes="lab-controls lab-sliders"):
            number = slider("number", *MOST_BEAMS, 4, 1)
            new = slider("new", *MOST_NEW, 10, 1)
            penalty = slider("penalty", *PENALTIES, 1.0, 0.1)
        with gr.Row(elem_classes="lab-controls"):
            go = gr.Button(label("beams_go"), variant="primary", elem_id="beams-go", min_width=110)
        line = gr.HTML(elem_id="beams-line", apply_default_css=False)
        press = f'<p class="lab-hint">{both("beams_press")}</p>'
        view = gr.HTML(press, elem_id="beams-view", apply_default_css=False, js_on_load=script("walk.js"))
    return Beams(number, new, penalty, go, gr.State(None), line, view)


def connect(section: Beams, playground: Playground, tab: "GenerateTab", due: gr.Number) -> None:
    """Wire the events. `tab` is the tab above; with `due` a tree of another opening says so: a search begins with a click."""
    grown = grower(playground)

    def search(prompt: str, number: int, new: int, penalty: float, request: gr.Request) -> tuple[Any, ...]:
        def show(say: Words) -> tuple[Any, ...]:
            of = playground.ready.serial, prompt or ""
            return "", render_beams.view(tree_of(playground, grown, of[1], number, new, penalty), of[1], say), of

        return guarded(show, strings=strings, request=request, empty=("", None))

    def told(prompt: str, of: tuple[int, str] | None, request: gr.Request) -> Any:
        if of is None:
            return gr.skip()
        return "" if of == (playground.serial, prompt or "") else render.notice(words(language(request))("beams_changed"))

    asked = [tab.prompt, section.number, section.new, section.penalty]
    queued: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": 2, "concurrency_id": "lab"}
    quiet: dict[str, Any] = {
        "queue": False,
        "show_progress": "hidden",
        "api_visibility": "private",
        "trigger_mode": "always_last",
    }
    searched = section.go.click(search, asked, [section.line, section.view, section.of], **queued)
    searched.then(told, [tab.prompt, section.of], section.line, **quiet)  # the opening may have changed meanwhile
    latest([due.change, tab.prompt.change], told, [tab.prompt, section.of], section.line)


def endpoints(playground: Playground) -> None:
    """The section's action as API: /beams."""
    grown = grower(playground)

    def beams(prompt: str, num_beams: int = 4, max_new_tokens: int = 10, length_penalty: float = 1.0) -> dict[str, Any]:
        """Search the likeliest continuation with beams, and tell all that was weighed on the way.

        Args:
            prompt: What to go on from; empty: the model begins by itself.
            num_beams: So many texts are kept at each step, 2 to 6.
            max_new_tokens: How many tokens a text may have, 1 to 20.
            length_penalty: A finished text's score is its log probability ÷ length ^ this, -2 to 4.

        Returns:
            prompt_ids, nodes (step, parent, id, text, logprob, score and penalised in nats, fate, died), hypotheses (node, ids,
            text, score, penalised, end), best first, and over ("length" or "settled").
        """
        found = asdict(tree_of(playground, grown, prompt, num_beams, max_new_tokens, length_penalty))
        return {name: found[name] for name in ("prompt_ids", "nodes", "hypotheses", "over")}

    gr.api(expected(beams), api_name="beams", concurrency_limit=1)


# ---------------------------------------------------------------- what the handlers do


def grower(playground: Playground) -> Grower:
    """The function that searches with the model of `playground`: (prompt ids, beams, new tokens, length penalty) → tree."""

    @gpu(duration=60)
    def grown(ids: Sequence[int], number: int, new: int, penalty: float) -> "Tree":
        from neoxjp.labs.beams.records import grow

        loaded = playground.ready
        return grow(loaded.model, loaded.tokenizer, ids, num_beams=number, max_new_tokens=new, length_penalty=penalty)

    return grown


def tree_of(playground: Playground, grown: Grower, prompt: str, number: Any, new: Any, penalty: Any) -> "Tree":
    """The search behind a prompt.

    Raises:
        ParameterError: a number out of its range; the prompt is empty and the model cannot begin by itself.
        PromptTooLong: there is no room in the context.
    """
    loaded = playground.ready
    check_length(playground, prompt)
    for name, value, low, high in (
        ("num_beams", number, *MOST_BEAMS),
        ("max_new_tokens", new, *MOST_NEW),
        ("length_penalty", penalty, *PENALTIES),
    ):
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        if not numeric or not low <= value <= high or (name != "length_penalty" and value != int(value)):
            raise strings.error(ParameterError, "beams_range", name=name, low=low, high=high)
    assert loaded.model is not None
    if not prompt and loaded.model.config.bos_token_id is None:
        raise strings.error(ParameterError, "g_no_bos")
    return grown(loaded.tokenizer.encode(prompt), int(number), int(new), float(penalty))
