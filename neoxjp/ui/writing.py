"""One visitor's text: what was written, how to go on, back, or over it again; and the stream of frames while the engine writes.

Knows nothing of Gradio. A text is ids first: continuing appends ids to ids and never cuts the text anew. The alternatives of each
token stay in its `Step`, in the visitor's own state; the engine and its model are everyone's.
"""

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from neoxjp import render, render_steps
from neoxjp.engine import Request, Stats
from neoxjp.errors import NeoxjpError, ParameterError, PromptTooLong
from neoxjp.steps import Finish, Step
from neoxjp.ui.session import Loaded, Playground
from neoxjp.ui.settings import Settings
from neoxjp.ui.strings import Lang, Words, words

log = logging.getLogger(__name__)

LN2 = math.log(2)
PAINT = 1 / 15  # seconds between two frames
ALTERNATIVES = 10  # of each token, kept and shown
REMEMBERED = 30  # texts that undo can go back to

Mode = Literal["new", "continue", "again"]


@dataclass(frozen=True)
class Text:
    """A prompt and what the model made of it. Never changed: each generation makes a new one."""

    prompt: str
    prompt_ids: tuple[int, ...]  # all of them, also those that a cut hides from the model
    steps: tuple[Step, ...]
    base: int  # how many of the steps stood there before the last generation
    seed: int  # of the last generation
    serial: int  # of the model it was written by: its ids mean nothing to another vocabulary
    cut: int = 0  # ids at the front that the last generation did not see
    finish: Finish | None = None  # None: the stream was broken off
    full: bool = False  # it ended because the context was full
    stats: Stats | None = None  # of the last generation

    @property
    def ids(self) -> tuple[int, ...]:
        return self.prompt_ids + tuple(step.id for step in self.steps)

    @property
    def written(self) -> str:
        """What the model wrote."""
        return "".join(step.text for step in self.steps)


@dataclass
class Writing:
    """A visitor's state: the text on show, those before it, and the request that is running."""

    text: Text | None = None
    past: list[Text | None] = field(default_factory=list)  # what undo goes back to, the latest last
    request: Request | None = None

    @property
    def running(self) -> bool:
        return self.request is not None

    def stop(self) -> None:
        """End what is running; its stream then ends by itself and keeps what was written."""
        if self.request is not None:
            self.request.cancel()

    def keep(self, text: Text) -> None:
        """Show this text; undo leads back to the one before."""
        self.past = [*self.past, self.text][-REMEMBERED:]
        self.text = text

    def undo(self) -> Text | None:
        """Back to the text before the last generation."""
        if self.past and not self.running:
            self.text = self.past.pop()
        return self.text


@dataclass(frozen=True)
class Frame:
    """What one paint of the stream shows. None: leave that part as it is."""

    line: str  # HTML: what is going on, or how it ended
    running: bool
    view: str | None = None  # HTML of the text, growing
    stats: str | None = None  # HTML
    announce: str | None = None  # a sentence for screen readers


def write(playground: Playground, writing: Writing, mode: Mode, prompt: str, settings: Settings, lang: Lang) -> Iterator[Frame]:
    """Write, and yield what to show, at most 15 times a second. However it is left, the slot is freed and the text kept.

    "new" starts from `prompt`; "continue" goes on behind the text on show; "again" writes its last part again with the same seed
    (and with `settings` as they are now).
    """
    say = words(lang)
    if writing.running:
        return
    try:
        loaded = playground.ready
        start = _start(playground, loaded, writing, mode, prompt)
        most, full = room(playground, loaded, len(start.ids), settings.length, settings.cut)
        params = settings.params(most, start.seed if mode == "again" else None)
        assert loaded.engine is not None
        overflow: Literal["cut", "error"] = "cut" if settings.cut else "error"
        request = loaded.engine.submit(start.ids, params, top=ALTERNATIVES, overflow=overflow)
    except NeoxjpError as error:
        message = _sentence(playground, error, lang)
        yield Frame(render.notice(message, "error"), running=False, announce=message)
        return
    start = replace(start, cut=request.cut, seed=request.seed, full=full)
    yield from _stream(writing, request, start, most, say, lang)


def _stream(writing: Writing, request: Request, start: Text, most: int, say: Words, lang: Lang) -> Iterator[Frame]:
    """The frames of one request, from the waiting line to its end."""
    sheet = render_steps.Sheet(start.prompt, say, cut=request.cut)
    sheet.add(start.steps)
    steps = list(start.steps)
    writing.request = request
    error: Exception | None = None
    try:
        yield Frame(render_steps.working(say("g_starting")), True, sheet.html, announce=say("g_starting"))
        over = False
        while not over:
            new, over = read(request)
            steps += new
            sheet.add(new)
            yield Frame(
                _progress(request, len(steps) - start.base, most, say),
                True,
                sheet.html,
                _numbers(steps, request.stats, None, say),
            )
    except NeoxjpError as expected:
        error = expected
    except Exception as fault:
        log.exception("generating")
        error = fault
    finally:
        request.cancel()
        writing.request = None
        finish = request.finish
        text = replace(start, steps=tuple(steps), finish=finish, full=start.full and finish == "length", stats=request.stats)
        if len(steps) > start.base:
            writing.keep(text)
    if error is not None:
        message = say("unexpected") if not isinstance(error, NeoxjpError) else (error.ja if lang == "ja" else str(error))
        yield Frame(render.notice(message, "error"), False, sheet.html, announce=message)
        return
    sheet.end(text.finish, say)
    ending = ended(text, say)
    yield Frame(render_steps.working(ending), False, sheet.html, _numbers(steps, request.stats, text.seed, say), announce=ending)


def read(request: Request) -> tuple[list[Step], bool]:
    """The steps of one paint, and whether that was the end."""
    began = time.monotonic()
    request.wait(PAINT)
    time.sleep(max(0.0, began + PAINT - time.monotonic()))
    steps: list[Step] = []
    while time.monotonic() < began + 2 * PAINT and request.wait(0):
        try:
            steps.append(next(request))
        except StopIteration:
            return steps, True
    return steps, False


def _start(playground: Playground, loaded: Loaded, writing: Writing, mode: Mode, prompt: str) -> Text:
    """The text to go on from, its ids made or taken over."""
    if mode == "new":
        most = playground.limits.characters
        if len(prompt) > most:
            numbers = {"n": f"{len(prompt):,}", "most": f"{most:,}"}
            raise PromptTooLong(
                words("en")("g_too_many_characters", **numbers), ja=words("ja")("g_too_many_characters", **numbers)
            )
        assert loaded.model is not None
        ids = tuple(loaded.tokenizer.encode(prompt))
        bos = loaded.model.config.bos_token_id
        if not ids:
            if bos is None:
                raise ParameterError(words("en")("g_no_bos"), ja=words("ja")("g_no_bos"))
            ids = (bos,)
        return Text(prompt, ids, (), 0, 0, loaded.serial)
    text = writing.text
    if text is None:
        raise ParameterError(words("en")("g_nothing_yet"), ja=words("ja")("g_nothing_yet"))
    if text.serial != loaded.serial:
        raise ParameterError(words("en")("g_other_model"), ja=words("ja")("g_other_model"))
    if mode == "again":
        return replace(text, steps=text.steps[: text.base], finish=None, stats=None)
    steps = settled(text, loaded.tokenizer)
    return replace(text, steps=steps, base=len(steps), finish=None, stats=None)


def settled(text: Text, tokenizer: Any) -> tuple[Step, ...]:
    """The steps to go on from, their texts joined being the whole text.

    What a stop string held back comes into view again. The bytes of a character that never was completed go.
    """
    steps = text.steps
    if text.finish == "stop":
        whole = tokenizer.decode([step.id for step in steps], skip_special_tokens=True)
        hidden = whole[len(text.written) :]
        return (*steps[:-1], replace(steps[-1], text=steps[-1].text + hidden)) if steps else ()
    if text.finish != "eos":
        if steps and steps[-1].text.endswith("\ufffd"):
            steps = (*steps[:-1], replace(steps[-1], text=""))
        while steps and not steps[-1].text:
            steps = steps[:-1]
    return steps


def room(playground: Playground, loaded: Loaded, there: int, wanted: int, cut: bool) -> tuple[int, bool]:
    """How many new tokens there will be behind the `there` ids, and whether the context ends before the `wanted` length.

    Raises:
        PromptTooLong: not even one.
    """
    assert loaded.model is not None
    context = loaded.model.config.max_position_embeddings
    wanted = min(wanted, playground.limits.new_tokens or wanted)
    if cut:
        return max(1, min(wanted, context // 2)), False
    left = context - there
    if left < 1:
        numbers = {"n": f"{there:,}", "context": f"{context:,}"}
        raise PromptTooLong(words("en")("g_too_long", **numbers), ja=words("ja")("g_too_long", **numbers))
    return (left, True) if left < wanted else (wanted, False)


def _sentence(playground: Playground, error: NeoxjpError, lang: Lang) -> str:
    """The error in the visitor's language; while something is loading, what that is and how far."""
    progress = playground.progress
    if progress.busy and (playground.loaded is None or playground.loaded.engine is None):
        return words(lang)("g_loading", name=progress.name, percent=progress.percent)
    return error.ja if lang == "ja" else str(error)


def _progress(request: Request, done: int, most: int, say: Words) -> str:
    place = request.position
    if place:
        return render_steps.working(say("g_waiting", n=place))
    if not done and request.prefilled < request.total:
        return render_steps.working(
            say("g_reading", n=f"{request.prefilled:,}", total=f"{request.total:,}"), request.prefilled, request.total
        )
    return render_steps.working(say("g_writing", n=f"{done:,}", total=f"{most:,}"), done, most)


def ended(text: Text, say: Words) -> str:
    """How the last generation ended, in a sentence."""
    new = len(text.steps) - text.base
    if text.full:
        return say("g_finish_full", n=f"{new:,}")
    return say(f"g_finish_{text.finish or 'cancelled'}", n=f"{new:,}")


def show(text: Text | None, say: Words) -> tuple[str, str, str]:
    """View, line and numbers of a text that is there already: after undo."""
    if text is None:
        return "", render_steps.working(say("g_hint")), ""
    sheet = render_steps.Sheet(text.prompt, say, cut=text.cut)
    sheet.add(text.steps)
    sheet.end(text.finish, say)
    return sheet.html, render_steps.working(ended(text, say)), _numbers(list(text.steps), text.stats, text.seed, say)


def summary(steps: list[Step], stats: Stats | None) -> dict[str, Any]:
    """The numbers of a text, for the page and for the API. Bits are of the model's own distribution, before any filter."""
    nats = [-step.logprob for step in steps if step.logprob is not None]
    bits = sum(nats) / LN2
    characters = sum(len(step.text) for step in steps)
    return {
        "tokens": len(steps),
        "characters": characters,
        "bits": bits,
        "mean_surprise_bits": bits / len(nats) if nats else None,
        "bits_per_character": bits / characters if characters else None,
        "time_to_first_token_s": stats.time_to_first_token if stats else None,
        "tokens_per_second": stats.tokens_per_second if stats else None,
        "queue_s": stats.queue_s if stats else None,
    }


def _numbers(steps: list[Step], stats: Stats | None, seed: int | None, say: Words) -> str:
    if not steps:
        return ""
    found = summary(steps, stats)

    def number(key: str, form: str, unit: str = "") -> str:
        return "–" if found[key] is None else format(found[key], form) + unit

    cells = [
        (say("g_n_tokens"), say("g_n_tokens_value", tokens=f"{found['tokens']:,}", characters=f"{found['characters']:,}")),
        (say("g_n_first"), number("time_to_first_token_s", ".2f", say("g_seconds"))),
        (
            say("g_n_speed"),
            number("tokens_per_second", ".0f" if (found["tokens_per_second"] or 0) >= 20 else ".1f", say("g_per_second")),
        ),
        (say("g_n_surprise"), number("mean_surprise_bits", ".2f", say("g_bits"))),
        (say("g_n_bpc"), number("bits_per_character", ".2f", say("g_bits"))),
    ]
    cells.append((say("g_n_seed"), "…" if seed is None else str(seed)))
    return render_steps.numbers(cells, [-step.logprob / LN2 for step in steps if step.logprob is not None], say)
