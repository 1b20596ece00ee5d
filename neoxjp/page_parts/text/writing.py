"""Generating a visitor's text: from a prompt, continuing it, again, from another token. Yields what the page shows meanwhile.

It has no components. Continuing appends ids to ids; the text is never encoded again. The alternatives of each token stay in its
`Step`, in the visitor's own state (state.py); the engine and its model are shared by all visitors.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from neoxjp.engine import Step
from neoxjp.errors import NeoxjpError, ParameterError, PromptTooLong
from neoxjp.labs.branches.records import Tree
from neoxjp.labs.common import html as render
from neoxjp.labs.common import steps as render_steps
from neoxjp.page_parts.session.playground import Loaded, Playground
from neoxjp.page_parts.strings import COMMON, Words
from neoxjp.page_parts.text.editing import (
    Pieces,
    own_end,
    pieces_of,
    places,
    prompt_pieces,
    settled,
    start_of_last_part,
    step_of,
    tree_on_display,
    without_incomplete_character,
)
from neoxjp.page_parts.text.settings import Settings
from neoxjp.page_parts.text.state import Part, Text, VisitorState, add_text_to_tree, tree_with_prompt
from neoxjp.page_parts.text.stream import Stream, Update
from neoxjp.page_parts.text.view import ended, numbers, progress
from neoxjp.page_parts.token_editor.records import Piece
from neoxjp.sampling import SamplingParams

log = logging.getLogger(__name__)

ALTERNATIVES = 10  # of each token, kept and shown

Mode = Literal["new", "continue", "again", "step"]
MODES: tuple[Mode, ...] = get_args(Mode)
Start = tuple[Tree, Text, SamplingParams, bool]
"""The tree that the text will belong to, the text to continue, the settings, and whether to truncate from the left."""


@dataclass(frozen=True)
class Frame:
    """What the page shows of a generation at one moment. None: leave that part as it is."""

    line: str  # HTML: what is happening, or how it ended
    running: bool
    pieces: tuple[Piece, ...] | None = None  # of the text
    stats: str | None = None  # HTML
    announce: str | None = None  # a sentence for screen readers
    generated: int | None = None  # how many tokens the request of this frame has generated so far


def write(
    playground: Playground, stream: Stream, writing: VisitorState, mode: Mode, settings: Settings, t: Words
) -> Iterator[Frame]:
    """Generate, and yield what to show. However the iteration ends, the engine's slot is freed and the text is kept.

    Args:
        mode: "new" replaces what the model wrote after the visitor's own text; "continue" continues the whole text; "again"
            generates its last part again with the same seed and the current `settings`; "step" generates one token, as part of
            the last generation where `settings` have not changed.
    """

    def prepare() -> Start:
        loaded = playground.ready
        if mode == "step":
            start, params, truncate = _step(playground, loaded, writing, settings)
        else:
            start = _start(loaded, writing, mode)
            most, full = max_new_tokens_that_fit(
                playground, loaded, len(start.ids), settings["max_new_tokens"], settings.truncate
            )
            start, truncate = replace(start, full=full), settings.truncate
            params = settings.params(most, start.seed if mode == "again" else None)
        return _tree(writing, loaded, start), start, params, truncate

    return _generate(playground, stream, writing, prepare, t)


def branch(
    playground: Playground, stream: Stream, writing: VisitorState, at: Any, id: Any, settings: Settings, t: Words
) -> Iterator[Frame]:
    """Continue from another token: `id`, an alternative of the id at place `at` of the text, replaces it. Otherwise as `write`.

    Where `id` is that id itself, everything after it is generated again. The old text stays as another branch.
    """

    def prepare() -> Start:
        loaded = playground.ready
        text = replace(_current_text(writing, loaded), finish=None, stats=None)
        step = step_of(writing, at) if type(at) is int and at > 0 else None
        choice = None if step is None else next((choice for choice in step.top if choice.id == id), None)
        if step is None or choice is None or type(id) is not int:
            raise COMMON.error(ParameterError, "generate_no_such_token")
        tree, place = tree_on_display(writing), at - len(text.prompt_ids)
        assert tree.current is not None
        if place < 0:  # a token of the prompt: what is before it becomes the prompt
            pieces = [piece for before, piece in places(prompt_pieces(text, loaded.tokenizer)) if before < at]
            text = replace(text, prompt="".join(piece.text for piece in pieces), prompt_ids=text.ids[:at], steps=(), parts=())
            tree, place = tree_with_prompt(tree, text), 0
        if id == step.id and text.steps:
            end = render_steps.box_end(text.steps, place)
            steps = settled(text, loaded.tokenizer) if end == len(text.steps) else text.steps[:end]
            start = replace(text, steps=steps, base=len(steps))
        else:
            other = loaded.tokenizer.stream_decoder(skip_special_tokens=True).push(id)
            rank = None if choice is step.top[-1] and len(step.top) > ALTERNATIVES else step.top.index(choice) + 1
            put = replace(step, id=id, text=other, logprob=choice.logprob, rank=rank, seconds=0.0, finish=None)
            manual = Part(place, SamplingParams(), 0, drawn=False, by_model=False)
            parts = (*[part for part in text.parts if part.start < place], manual)
            start = replace(text, steps=(*text.steps[:place], put), base=place + 1, parts=parts)
            assert tree.current is not None
            tree = tree.grow(tree.current, [id], "user", len(text.prompt_ids) + place)
        most, full = max_new_tokens_that_fit(playground, loaded, len(start.ids), settings["max_new_tokens"], settings.truncate)
        return tree, replace(start, full=full), settings.params(most), settings.truncate

    return _generate(playground, stream, writing, prepare, t)


def rewrite(
    playground: Playground, stream: Stream, writing: VisitorState, start: Text, params: SamplingParams, t: Words
) -> Iterator[Frame]:
    """Generate after the ids of `start` with exactly these settings, as in an earlier run. Otherwise as `write`."""

    def prepare() -> Start:
        return _tree_of_prompt(writing, playground.ready, start), start, params, False

    return _generate(playground, stream, writing, prepare, t)


class _Run:
    """One request: the text so far, its HTML, and the updates that are still to come."""

    def __init__(self, playground: Playground, stream: Stream, writing: VisitorState, start: Start, t: Words):
        """Submits the request. Raises NeoxjpError as `Engine.submit` does."""
        self.writing, self.t, self.tokenizer = writing, t, playground.tokenizer
        self.tree, text, params, truncate = start
        self.tree.require_room(1, params.max_new_tokens or 0)
        drawn = len(text.steps) - text.base  # steps of the same generation, one by one before
        most, least = (params.max_new_tokens or drawn) - drawn, max(0, params.min_new_tokens - drawn)
        rest = replace(params, max_new_tokens=most, min_new_tokens=least) if drawn else params
        self.updates = stream(text.ids, rest, truncate, ALTERNATIVES, drawn)
        last = text.steps[-1] if text.steps else None
        within = last is not None and not last.text and playground.tokenizer.vocabulary.byte_values[last.id] >= 0
        self.complete = _Completer(text.steps[start_of_last_part(text) :], playground.tokenizer) if within else None
        first = next(self.updates)
        model = playground.ready.model
        rows_are_independent = model is not None and model.rows_are_independent
        part = Part(text.base, replace(params, seed=first.seed), first.truncated_tokens)
        parts = (*[old for old in text.parts if old.start < text.base], part)
        self.start = replace(
            text, truncated_tokens=first.truncated_tokens, seed=first.seed, rows_are_independent=rows_are_independent, parts=parts
        )
        self.text, self.most = self.start, params.max_new_tokens or 0
        self.pieces = Pieces(prompt_pieces(text, playground.tokenizer))
        self.pieces.add(text.steps)

    @property
    def generated(self) -> int:
        """How many tokens were generated and are kept."""
        return len(self.text.steps) - len(self.start.steps)

    def add(self, update: Update) -> None:
        """Append the new steps."""
        new = update.steps if self.complete is None else self.complete(update)
        self.pieces.add(new)
        self.text = replace(self.start, steps=(*self.text.steps, *new), finish=update.finish, stats=update.stats)
        self.writing.live = self.text

    def frame(self, update: Update) -> Frame:
        """What to show while the request runs."""
        line = progress(update, len(self.text.steps) - self.start.base, self.most, self.t)
        return Frame(line, True, self.pieces.all(), numbers(self.text, self.t), generated=self.generated)

    def keep(self, error: str) -> None:
        """Free the engine's slot, and keep what was generated as a branch of the tree."""
        self.writing.live = None
        self.updates.close()  # type: ignore[attr-defined]  # a generator
        finish = "error" if error else self.text.finish or "cancelled"
        self.text = replace(self.text, finish=finish, full=self.start.full and finish == "length")
        if self.writing.stopped and self.writing.stopped_at is not None:
            self._end_at(self.writing.stopped_at)
        if self.generated:
            self.writing.keep_draft()
            self.writing.commit(add_text_to_tree(self.tree, self.text, len(self.start.ids)), self.text)

    def _end_at(self, seen: int) -> None:
        """Keep the first `seen` ids: what came after them was not visible when Stop was pressed."""
        steps = self.text.steps[: max(len(self.start.steps), seen - len(self.text.prompt_ids))]
        if len(steps) < len(self.text.steps):
            self.text = replace(self.text, steps=steps, finish="cancelled", full=False)
            self.pieces = Pieces(prompt_pieces(self.text, self.tokenizer))
            self.pieces.add(steps)

    def last_frame(self, error: str) -> Frame:
        """How it ended. Where nothing was generated, with the text that was there before."""
        sentence = error or ended(self.text, self.t)
        line = render.notice(error, "error") if error else render_steps.working(sentence)
        text = self.text if self.generated else self.writing.text
        pieces = self.pieces.all() if self.generated else pieces_of(text, self.tokenizer)
        stats = "" if text is None else numbers(text, self.t)
        return Frame(line, False, pieces, stats, announce=sentence, generated=self.generated)


def _generate(
    playground: Playground, stream: Stream, writing: VisitorState, prepare: Callable[[], Start], t: Words
) -> Iterator[Frame]:
    """The frames of one request, from the queue to its end. `prepare` says what to generate, or raises NeoxjpError."""
    if writing.running:
        return
    writing.running, writing.stopped, writing.stopped_at = True, False, None
    run: _Run | None = None
    error = ""
    try:
        run = _Run(playground, stream, writing, prepare(), t)
        line = render_steps.working(t("generate_starting"))
        yield Frame(line, True, run.pieces.all(), announce=t("generate_starting"), generated=0)
        for update in run.updates:
            run.add(update)
            if update.done or writing.stopped:
                break
            yield run.frame(update)
    except NeoxjpError as expected:
        load, loaded = playground.progress, playground.loaded
        if run is None and load.busy and (loaded is None or loaded.engine is None):
            error = t("generate_loading", name=load.name, percent=load.percent)
        else:
            error = t.message(expected)
    except Exception:
        log.exception("generating")
        error = t("unexpected")
    finally:
        writing.running = False
        if run is not None:
            run.keep(error)
    yield Frame(render.notice(error, "error"), False, announce=error) if run is None else run.last_frame(error)


def _tree(writing: VisitorState, loaded: Loaded, start: Text) -> Tree:
    """The tree that a text which continues `start` will belong to."""
    if writing.draft is not None:
        return writing.draft
    return writing.tree if start.steps else _tree_of_prompt(writing, loaded, start)


def _tree_of_prompt(writing: VisitorState, loaded: Loaded, start: Text) -> Tree:
    """The branches, and the draft if there is one, with the prompt of `start` displayed."""
    tree = writing.tree_for(loaded.tokenizer)
    if writing.draft is not None and writing.draft.vocabulary == tree.vocabulary:
        tree = writing.draft
    return tree_with_prompt(tree, start)


def _start(loaded: Loaded, writing: VisitorState, mode: Mode) -> Text:
    """The text to continue."""
    text = _current_text(writing, loaded)
    if mode == "again":
        return replace(text, steps=text.steps[: text.base], finish=None, stats=None)
    if mode == "new":
        own = max(0, own_end(writing) - len(text.prompt_ids))
        return replace(text, steps=text.steps[:own], base=own, finish=None, stats=None)
    steps = settled(text, loaded.tokenizer)
    return replace(text, steps=steps, base=len(steps), finish=None, stats=None)


def _current_text(writing: VisitorState, loaded: Loaded) -> Text:
    """The text on display. Raises ParameterError: there is none, another model generated it, or it is empty and needs a token."""
    text = writing.text
    if text is None:
        raise COMMON.error(ParameterError, "generate_nothing_yet")
    if not text.ids:
        raise COMMON.error(ParameterError, "generate_no_bos")
    if text.serial != loaded.serial:
        raise COMMON.error(ParameterError, "generate_other_model")
    return text


def _step(playground: Playground, loaded: Loaded, writing: VisitorState, settings: Settings) -> tuple[Text, SamplingParams, bool]:
    """The text to add one token to, its settings, and whether to truncate from the left.

    With unchanged settings the token joins the last part.
    """
    text = _current_text(writing, loaded)
    start = _start(loaded, writing, "continue")
    if text.finish != "stop":  # all steps stay, also those of an incomplete character
        start = replace(start, steps=without_incomplete_character(text.steps), base=len(text.steps))
        last = text.parts[-1] if text.parts else None
        if last is not None and last.drawn and not last.truncated_tokens and text.finish in ("length", "cancelled"):
            seed = None if settings["seed"].strip() else last.params.seed
            if settings.params(last.params.max_new_tokens or 1, seed) == last.params:
                max_new_tokens_that_fit(playground, loaded, len(start.ids), 1, truncate=False)
                return replace(start, base=last.start), settings.params(len(start.steps) - last.start + 1, seed), False
    max_new_tokens_that_fit(playground, loaded, len(start.ids), 1, settings.truncate)
    return start, settings.params(1), settings.truncate


class _Completer:
    """Gives the first steps of a request their text where `before` ends within a character, with the first of its bytes.

    The text belongs to the step that completes the character, or shows that there is none.
    """

    def __init__(self, before: Sequence[Step], tokenizer: Any):
        self.ids, self.written = [step.id for step in before], sum(len(step.text) for step in before)
        self.tokenizer, self.within = tokenizer, True

    def __call__(self, update: Update) -> tuple[Step, ...]:
        return tuple(self._step(step, update.done and step is update.steps[-1]) for step in update.steps)

    def _step(self, step: Step, last: bool) -> Step:
        if not self.within:
            return step
        byte = self.tokenizer.vocabulary.byte_values[step.id] >= 0
        self.ids += [step.id] if byte else []
        text = self.tokenizer.decode(self.ids, skip_special_tokens=True)[self.written :]
        self.within = byte and text.endswith("\ufffd") and not last
        return replace(step, text="" if self.within else text if byte else text + step.text)


def max_new_tokens_that_fit(
    playground: Playground, loaded: Loaded, there: int, wanted: int | None, truncate: bool
) -> tuple[int, bool]:
    """How many new tokens fit after `there` ids, and whether the context ends before `wanted` tokens. None: as many as fit.

    Raises:
        PromptTooLong: not even one.
    """
    assert loaded.model is not None
    context = loaded.model.config.max_position_embeddings
    wanted = context if wanted is None else wanted
    wanted = min(wanted, playground.limits.new_tokens or wanted)
    if truncate:
        return max(1, min(wanted, context // 2)), False
    left = context - there
    if left < 1:
        raise COMMON.error(PromptTooLong, "generate_too_long", n=f"{there:,}", context=f"{context:,}")
    return (left, True) if left < wanted else (wanted, False)
