"""Section of the generation lab: what each attention head does, where one attends, the prediction after each layer, and what a
prediction rests on."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.labs.common import html as render
from neoxjp.labs.common.layers import MAX_TOKENS
from neoxjp.labs.inside import view
from neoxjp.labs.inside.strings import strings
from neoxjp.page_parts.answers import error_notice, follow_language, handler
from neoxjp.page_parts.events import BROWSER, QUIET, READING, latest
from neoxjp.page_parts.parts import Growing, Parts, ranges, within_ranges
from neoxjp.page_parts.results import Result
from neoxjp.page_parts.session import calls
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.session.zerogpu import gpu, on_zerogpu
from neoxjp.page_parts.strings import Words
from neoxjp.page_parts.tabs.sections import script
from neoxjp.page_parts.text.main_text import Source, changed_notice, ids_above, source_above
from neoxjp.page_parts.text.state import VisitorState

if TYPE_CHECKING:
    from neoxjp.page_parts.tabs.generate import GenerateTab

INTRO = {"most": MAX_TOKENS}  # for the section's heading
GUESSES = 5  # per layer


VIEWS = ("heads", "attention", "lens", "salience")  # the first depends on the text alone
Draw = Callable[[Words], str]
"""A view in a language."""


@dataclass
class Views:
    """What the views of a page show, and the number of the visitor's newest request for each."""

    results: dict[str, Result] = field(default_factory=lambda: {name: Result() for name in VIEWS})
    newest: dict[str, int] = field(default_factory=lambda: dict.fromkeys(VIEWS, 0))

    def begin(self, names: Iterable[str]) -> int:
        """The number of a new request for these views."""
        number = max(self.newest.values()) + 1
        self.newest.update(dict.fromkeys(names, number))
        return number

    def trim(self) -> None:
        """Forget what is shown."""
        for result in self.results.values():
            result.trim()

    def translated(self, t: Words, model: int | None = None) -> tuple[Any, ...] | None:
        """As `Result.translated`, for all views."""
        found = [result.translated(t) for result in self.results.values()]
        return tuple(html[0] if html else gr.skip() for html in found) if any(found) else None


class Section:
    """The components of the section."""

    def __init__(self, playground: Playground):
        part = Parts("inside", strings)
        with gr.Column(elem_classes="card"):
            with gr.Row(elem_classes="lab-controls lab-sliders"):
                self.at = gr.Number(0, precision=0, min_width=220, **part.named("at"))
                self.layer, self.head = (part.slider(name, 0, 11, 0, 1) for name in ("layer", "head"))
            with gr.Row(elem_classes="lab-controls"):
                self.go = part.button("go", variant="primary")
            self.line = part.html("line")
            self.heads = part.html("heads", part.hint("press"), js_on_load=script("walk.js") + part.script("heads.js"))
            self.attention = part.html("attention", js_on_load=script("walk.js") + part.script())
        with gr.Column(elem_classes="card"):
            self.salience = part.html("salience", part.hint("salience_press"), js_on_load=script("walk.js"))
            with gr.Row(elem_classes="lab-controls"):
                self.leave_out = part.button("leave_out", visible=False)  # small models need no press
        with gr.Column(elem_classes="card"):
            self.lens = part.html("lens", part.hint("press"))
        self.chosen = gr.Number(None, precision=0, visible="hidden")  # token selected in the text above; None: selected here
        self.source = gr.State(None)  # the text that is displayed, a `Source`
        self.views = gr.State(Views())
        self.linked = {"at": self.at, "layer": self.layer, "head": self.head}  # what a link restores
        self.growing: Growing = {
            self.layer: lambda config: config.num_hidden_layers - 1,
            self.head: lambda config: config.num_attention_heads - 1,
        }


def connect(section: Section, playground: Playground, tab: "GenerateTab", due: gr.HTML) -> None:
    """Wire the events. `tab` is the tab above; `due` changes when the section must be up to date.

    Then the sliders take the ranges of the loaded model, a small model runs on the new text, and with a larger one a sentence
    says where the section shows a previous text.
    """
    models = Readers(playground)
    outputs = [section.line, section.at, section.heads, section.attention, section.lens, section.salience, section.source]

    answer = handler(strings, errors=section.line, empty=[part for part in outputs if part is not section.at])

    def show(t: Words, writing: VisitorState, at: Any, *given: Any, only: str = "") -> Iterator[Any]:
        """only: the one view that has to change, if the text is the same. A view that a newer request fills is left out."""
        layer, head, source, views = given
        now = source_above(playground, writing)
        wanted = (only,) if only and source == now else VIEWS if source != now else VIEWS[1:]
        mine = views.begin(wanted)

        def drawn(name: str, read: Callable[[], Draw]) -> dict[Any, Any]:
            if views.newest[name] != mine:
                return {}
            draw = read()
            overtaken = views.newest[name] != mine  # while it was read
            return {} if overtaken else {getattr(section, name): views.results[name].show(lambda t: (draw(t),), t)[0]}

        try:
            asked = Asked.of(playground, writing, at)
            readers: dict[str, Callable[[], Draw]] = {
                "heads": lambda: heads_view(models, asked),
                "attention": lambda: attention_view(models, asked, layer, head),
                "lens": lambda: lens_view(models, asked),
                "salience": lambda: (
                    salience_view(models, asked) if only == "salience" or runs_at_once(playground) else ask_for_salience
                ),
            }
            if wanted == (only,):
                yield {section.line: ""} | drawn(only, readers[only])
                return
            found = drawn("attention", readers["attention"]) | drawn("lens", readers["lens"])
            if views.newest["lens"] == mine:
                found |= {section.line: "", section.source: now, section.at: asked.place + 1}
            yield found or gr.skip()
            for name in ("heads", "salience"):
                if name in wanted:
                    yield drawn(name, readers[name]) or gr.skip()
        except NeoxjpError:
            if any(views.newest[name] == mine for name in wanted):
                views.trim()
                raise
            yield gr.skip()

    @answer
    def on_go(t: Words, *given: Any) -> Iterator[dict[Any, Any]]:
        yield from show(t, *given[:-2], None, given[-1])

    @answer
    def on_leave_out(t: Words, *given: Any) -> Iterator[dict[Any, Any]]:
        yield from show(t, *given, only="salience")

    @answer
    def on_head(t: Words, *given: Any) -> Iterator[dict[Any, Any]]:
        yield from [gr.skip()] if given[-2] is None else show(t, *given, only="attention")

    @answer
    def on_token(t: Words, chosen: Any, writing: VisitorState, at: Any, *given: Any) -> Iterator[dict[Any, Any]]:
        at = at if chosen is None else selected_number(writing, chosen, at)
        if chosen is None or follows(playground, writing, given[-2]):
            yield from show(t, writing, at, *given)
        else:  # the button shows it
            yield gr.skip() if writing.running else {section.at: at}

    @handler(strings)
    def check(t: Words, writing: VisitorState, source: Any) -> Any:
        return changed_notice(playground, writing, source, t, "inside_changed")

    def on_model() -> dict[Any, Any]:
        found = ranges(playground, section.growing)
        return found | {section.leave_out: gr.Button(visible=not runs_at_once(playground))} if found else gr.skip()

    above, sliders = [tab.writing], [section.layer, section.head]
    inputs = [*above, section.at, *sliders, section.source, section.views]
    source = (check, [*above, section.source], section.line)
    quick: dict[str, Any] = READING | {"show_progress": "hidden", "trigger_mode": "always_last"}
    # What a script sends is put into components first: a deferred "always_last" listener gets the data of the first event (6.31).
    asked = [section.at, section.chosen]
    token = section.attention.select(None, section.at, asked, js="(at) => neoxjp.inside.asked(at)", **BROWSER)
    pressed = section.heads.select(None, None, sliders, js="() => neoxjp.insideHeads.pressed", **BROWSER)
    for event in (
        gr.on([section.go.click, section.at.submit], on_go, inputs, outputs, **READING),
        section.leave_out.click(on_leave_out, inputs, outputs, **READING),
        token.then(on_token, [section.chosen, *inputs], outputs, **quick),
        pressed.then(on_head, inputs, outputs, **quick),
        gr.on([slider.input for slider in sliders], on_head, inputs, outputs, **quick),
    ):
        event.then(*source, **QUIET)  # the text may have changed meanwhile
    ranged = latest([due.change], on_model, None, [*sliders, section.leave_out])
    ranged.then(None, sliders, sliders, js=within_ranges(sliders), **BROWSER)
    latest([due.change], *source)
    follow_language(due, section.views, [getattr(section, name) for name in VIEWS], strings)
    for event in (due.change, tab.editor.select):
        event(None, None, None, js="() => { neoxjp.inside?.follow(); return []; }", **BROWSER)


def runs_at_once(playground: Playground) -> bool:
    """Whether the model may run without a press on a button: a small one, where no visitor's GPU quota is spent."""
    loaded = playground.loaded
    return not on_zerogpu() and loaded is not None and loaded.model is not None and loaded.model.num_parameters <= calls.SMALL


def follows(playground: Playground, writing: VisitorState, source: Source | None) -> bool:
    """Whether the section shows at once what is selected in the text above: of a generated text, or one that it showed before."""
    generated = writing.text is not None and bool(writing.text.steps)
    return runs_at_once(playground) and not writing.running and (generated or source is not None)


def selected_number(writing: VisitorState, chosen: int, at: Any) -> int:
    """The number, from 1, of the token that is selected in the text above; where none is, `at` if there is such a token, else 0.

    chosen: the position of its first id in the text, from 0, as neoxjp.selection in the browser has it; -1: none.
    """
    if writing.text is not None and chosen >= 0:
        return chosen + 1
    most = len(writing.text.ids) if writing.text is not None else MAX_TOKENS
    return at if type(at) is int and 0 <= at <= most else 0


class Readers:
    """The functions behind the section with the model of `playground`."""

    def __init__(self, playground: Playground):
        def reader(function: Callable[..., Any], seconds: int = 30) -> Callable[..., Any]:
            @gpu(duration=seconds)
            def read(ids: Sequence[int], *given: Any) -> Any:
                return playground.ready.call(function, ids, *given)

            return read

        self.lens, self.attention = reader(calls.lens), reader(calls.attention)
        self.heads, self.salience = reader(calls.heads), reader(calls.salience, 60)


@dataclass(frozen=True)
class Asked:
    """The token that the section shows, and the text up to which the model reads."""

    ids: tuple[int, ...]
    place: int  # of the token, from 0
    cut: tuple[int, int] | None  # all tokens, and how many of them are used; None: all

    @classmethod
    def of(cls, playground: Playground, writing: VisitorState, at: Any) -> "Asked":
        """at: number of the token from 1; 0 or None: the last.

        Raises:
            NeoxjpError: there is no text, or no such token.
        """
        ids = ids_above(playground, writing)
        most = min(MAX_TOKENS, playground.ready.model.config.max_position_embeddings)
        place = at or min(len(ids), most)
        if place != int(place) or not 1 <= place <= len(ids):
            raise strings.error(ParameterError, "inside_bad_place", n=len(ids))
        place = int(place) - 1
        # too many: the error of the records says how many they take
        read = ids[:most] if place < most else ids
        return cls(read, place, (len(ids), most) if len(ids) > most else None)

    def note(self, t: Words) -> str:
        """HTML that says that only the beginning is used; "" where all is."""
        return render.notice(t("inside_cut", n=f"{self.cut[0]:,}", most=self.cut[1])) if self.cut else ""


def heads_view(models: Readers, asked: Asked) -> Draw:
    """The pictures of all heads as HTML."""
    found = models.heads(asked.ids, view.CELLS)
    return lambda t: view.heads(found, t)


def attention_view(models: Readers, asked: Asked, layer: Any, head: Any) -> Draw:
    """The weights of one head as HTML, or why there are none."""
    try:
        found = models.attention(asked.ids, int(layer or 0), int(head or 0), asked.place)
    except NeoxjpError as error:  # this model does not have the layer: the other views are shown all the same
        return partial(error_notice, _without_frames(error))
    return lambda t: asked.note(t) + view.attention(found, asked.place, t)


def lens_view(models: Readers, asked: Asked) -> Draw:
    """The prediction after each layer as HTML."""
    found = models.lens(asked.ids, asked.place, GUESSES)
    return lambda t: asked.note(t) + view.lens(found, t)


def salience_view(models: Readers, asked: Asked) -> Draw:
    """What the prediction of the token rests on as HTML, or why there is nothing to leave out."""
    try:
        found = models.salience(asked.ids, asked.place)
    except NeoxjpError as error:
        return partial(_hint_of, _without_frames(error))
    return lambda t: view.salience(found, t)


def _without_frames(error: NeoxjpError) -> NeoxjpError:
    """An error that is kept: its traceback would keep the model in memory."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def _hint_of(error: NeoxjpError, t: Words) -> str:
    return view.hint(t.message(error))


def ask_for_salience(t: Words) -> str:
    """Where tokens were not left out: which button does it, as HTML."""
    return view.hint(t("inside_salience_press"))
