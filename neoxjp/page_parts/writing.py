"""Writing a visitor's text: behind an opening, on, over again, from another token; the stream of frames while the engine writes.

Has no components. A text is ids first: continuing appends ids to ids and never cuts the text anew. The alternatives of each
token stay in its `Step`, in the visitor's own state (texts.py); the engine and its model are everyone's.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from neoxjp.engine import LN2, Stats, Step, nats_of, surprisal
from neoxjp.errors import NeoxjpError, ParameterError, PromptTooLong
from neoxjp.labs.branches.records import Tree
from neoxjp.labs.common import html as render
from neoxjp.labs.common import steps as render_steps
from neoxjp.page_parts.session import Loaded, Playground
from neoxjp.page_parts.settings import Settings
from neoxjp.page_parts.stream import Paint, Stream
from neoxjp.page_parts.strings import COMMON, Lang, Words, words
from neoxjp.page_parts.texts import Part as Part
from neoxjp.page_parts.texts import Text as Text
from neoxjp.page_parts.texts import Writing as Writing
from neoxjp.page_parts.texts import opened, planted, step_place
from neoxjp.sampling import SamplingParams

log = logging.getLogger(__name__)

ALTERNATIVES = 10  # of each token, kept and shown

Mode = Literal["new", "continue", "again", "step"]
Begun = tuple[Tree, Text, SamplingParams, bool]
"""The tree that the text will belong to, the text to go on from, the settings, and whether what is too long is cut."""


@dataclass(frozen=True)
class Frame:
    """What one paint of the stream shows. None: leave that part as it is."""

    line: str  # HTML: what is going on, or how it ended
    running: bool
    view: str | None = None  # HTML of the text, growing
    stats: str | None = None  # HTML
    announce: str | None = None  # a sentence for screen readers


def write(
    playground: Playground, stream: Stream, writing: Writing, mode: Mode, prompt: str, settings: Settings, lang: Lang
) -> Iterator[Frame]:
    """Write, and yield what to show. However it is left, the slot is freed and the text kept.

    "new" starts from `prompt`; "continue" goes on behind the text on show; "again" writes its last part again with the same seed
    (and with `settings` as they are now). "step" writes one token: behind the text on show, as if its last part had been longer
    by one where `settings` are still the same; or the first behind another `prompt`.
    """

    def begin() -> Begun:
        loaded = playground.ready
        if mode == "step":
            start, params, cut = _step(playground, loaded, writing, prompt, settings)
        else:
            start = _start(playground, loaded, writing, mode, prompt)
            most, full = room(playground, loaded, len(start.ids), settings["max_new_tokens"], settings.cut)
            start, cut = replace(start, full=full), settings.cut
            params = settings.params(most, start.seed if mode == "again" else None)
        return _tree(writing, loaded, start), start, params, cut

    return _write(playground, stream, writing, begin, lang)


def branch(
    playground: Playground, stream: Stream, writing: Writing, at: Any, id: Any, settings: Settings, lang: Lang
) -> Iterator[Frame]:
    """Write on from another token: `id`, an alternative of the step at place `at`, stands there instead; else as `write`.

    Where it is the token that stands there, what follows its piece is written anew. What was there stays as another branch.
    """

    def begin() -> Begun:
        loaded = playground.ready
        text = replace(_there(writing, loaded), finish=None, stats=None)
        place = step_place(text, at)
        step = text.steps[place]
        choice = next((choice for choice in step.top if choice.id == id), None)
        if choice is None or type(id) is not int:
            raise COMMON.error(ParameterError, "g_no_such_token")
        tree = writing.tree
        assert tree.current is not None
        if id == step.id:
            end = render_steps.box_end(text.steps, place)
            steps = settled(text, loaded.tokenizer) if end == len(text.steps) else text.steps[:end]
            start = replace(text, steps=steps, base=len(steps))
        else:
            other = loaded.tokenizer.stream_decoder(skip_special_tokens=True).push(id)
            rank = None if choice is step.top[-1] and len(step.top) > ALTERNATIVES else step.top.index(choice) + 1
            put = replace(step, id=id, text=other, logprob=choice.logprob, rank=rank, seconds=0.0, finish=None)
            hand = Part(place, SamplingParams(), 0, drawn=False)
            parts = (*[part for part in text.parts if part.start < place], hand)
            start = replace(text, steps=(*text.steps[:place], put), base=place + 1, parts=parts)
            tree = tree.grow(tree.current, [id], "user", len(text.prompt_ids) + place)
        most, full = room(playground, loaded, len(start.ids), settings["max_new_tokens"], settings.cut)
        return tree, replace(start, full=full), settings.params(most), settings.cut

    return _write(playground, stream, writing, begin, lang)


def rewrite(
    playground: Playground, stream: Stream, writing: Writing, start: Text, params: SamplingParams, lang: Lang
) -> Iterator[Frame]:
    """Write behind the ids of `start` with exactly these settings, as once before; else as `write`."""

    def begin() -> Begun:
        return _tree(writing, playground.ready, start), start, params, False

    return _write(playground, stream, writing, begin, lang)


def _write(playground: Playground, stream: Stream, writing: Writing, begin: Callable[[], Begun], lang: Lang) -> Iterator[Frame]:
    if writing.running:
        return
    writing.running, writing.stopped = True, False
    try:
        tree, start, params, cut = begin()
        tree.require_room(1, params.max_new_tokens or 0)
        drawn = len(start.steps) - start.base  # of this part, by a step before
        most, least = (params.max_new_tokens or drawn) - drawn, max(0, params.min_new_tokens - drawn)
        rest = replace(params, max_new_tokens=most, min_new_tokens=least) if drawn else params
        paints = stream(start.ids, rest, cut, ALTERNATIVES, drawn)
        last = start.steps[-1] if start.steps else None
        if last is not None and not last.text and playground.tokenizer.vocabulary.byte_values[last.id] >= 0:
            paints = _joined(paints, start.steps, playground.tokenizer)
        first = next(paints)
        model = playground.ready.model
        steady = model is not None and model.rows_are_independent
        part = Part(start.base, replace(params, seed=first.seed), first.cut)
        parts = (*[old for old in start.parts if old.start < start.base], part)
        start = replace(start, cut=first.cut, seed=first.seed, steady=steady, parts=parts)
        yield from _frames(writing, tree, paints, start, params.max_new_tokens or 0, lang)
    except NeoxjpError as error:
        yield _failed(writing, _sentence(playground, error, lang))
    except Exception:
        log.exception("starting to generate")
        yield _failed(writing, words(lang)("unexpected"))
    finally:
        writing.running = False


def _failed(writing: Writing, message: str) -> Frame:
    writing.running = False
    return Frame(render.notice(message, "error"), running=False, announce=message)


def _frames(writing: Writing, tree: Tree, paints: Iterator[Paint], start: Text, most: int, lang: Lang) -> Iterator[Frame]:
    """The frames of one request, from the waiting line to its end."""
    say = words(lang)
    sheet = render_steps.Sheet(start.prompt, say, cut=start.cut)
    sheet.add(start.steps)
    steps = list(start.steps)
    text, error = start, ""
    try:
        yield Frame(render_steps.working(say("g_starting")), True, sheet.html, announce=say("g_starting"))
        for paint in paints:
            steps += paint.steps
            sheet.add(paint.steps)
            text = replace(start, steps=tuple(steps), finish=paint.finish, stats=paint.stats)
            if paint.over or writing.stopped:
                break
            line = _progress(paint, len(steps) - start.base, most, say)
            yield Frame(line, True, sheet.html, _numbers(text, say))
    except NeoxjpError as expected:
        error = expected.ja if lang == "ja" else str(expected)
    except Exception:
        log.exception("generating")
        error = say("unexpected")
    finally:
        paints.close()  # type: ignore[attr-defined]  # a generator; frees the slot
        finish = "error" if error else text.finish or "cancelled"
        text = replace(text, finish=finish, full=start.full and finish == "length")
        if len(steps) > len(start.steps):
            writing.keep(planted(tree, text, len(start.ids)), text)
        writing.running = False
    sheet.end()
    line = render.notice(error, "error") if error else render_steps.working(ended(text, say))
    yield Frame(line, False, sheet.html, _numbers(text, say), announce=error or ended(text, say))


def _tree(writing: Writing, loaded: Loaded, start: Text) -> Tree:
    """The tree that a text will belong to which goes on from `start`."""
    return writing.tree if start.steps else opened(writing.fresh(loaded.tokenizer), start)


def _start(playground: Playground, loaded: Loaded, writing: Writing, mode: Mode, prompt: str) -> Text:
    """The text to go on from, its ids made or taken over."""
    if mode == "new":
        most = playground.limits.characters
        if len(prompt) > most:
            raise COMMON.error(PromptTooLong, "g_too_many_characters", n=f"{len(prompt):,}", most=f"{most:,}")
        assert loaded.model is not None
        ids = tuple(loaded.tokenizer.encode(prompt))
        bos = loaded.model.config.bos_token_id
        if not ids:
            if bos is None:
                raise COMMON.error(ParameterError, "g_no_bos")
            ids = (bos,)
        return Text(render.whole(prompt), ids, (), 0, 0, loaded.serial)
    text = _there(writing, loaded)
    if mode == "again":
        return replace(text, steps=text.steps[: text.base], finish=None, stats=None)
    steps = settled(text, loaded.tokenizer)
    return replace(text, steps=steps, base=len(steps), finish=None, stats=None)


def _there(writing: Writing, loaded: Loaded) -> Text:
    """The text on show. Raises ParameterError: there is none, or another model wrote it."""
    text = writing.text
    if text is None:
        raise COMMON.error(ParameterError, "g_nothing_yet")
    if text.serial != loaded.serial:
        raise COMMON.error(ParameterError, "g_other_model")
    return text


def _step(
    playground: Playground, loaded: Loaded, writing: Writing, prompt: str, settings: Settings
) -> tuple[Text, SamplingParams, bool]:
    """What to write one token behind, and with which settings: those of the last part, which it then belongs to, or new ones."""
    text = writing.text
    mode: Mode = "continue" if text is not None and render.whole(prompt) == text.prompt else "new"
    start = _start(playground, loaded, writing, mode, prompt)
    if mode == "continue" and text is not None and text.finish != "stop":  # then all is kept, also half of a character
        start = replace(start, steps=_unsaid(text.steps), base=len(text.steps))
        last = text.parts[-1] if text.parts else None
        if last is not None and not last.cut and text.finish in ("length", "cancelled"):
            seed = None if settings["seed"].strip() else last.params.seed
            if settings.params(last.params.max_new_tokens or 1, seed) == last.params:
                room(playground, loaded, len(start.ids), 1, cut=False)
                return replace(start, base=last.start), settings.params(len(start.steps) - last.start + 1, seed), False
    room(playground, loaded, len(start.ids), 1, settings.cut)
    return start, settings.params(1), settings.cut


def _unsaid(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps, a character at their end that is not complete yet still to be said."""
    if steps and steps[-1].text.endswith("\ufffd"):
        return (*steps[:-1], replace(steps[-1], text=""))
    return steps


def _joined(paints: Iterator[Paint], before: Sequence[Step], tokenizer: Any) -> Iterator[Paint]:
    """The paints of a request that goes on within a character, of which `before` ends with the first bytes.

    Its text stands at the step that completes it, or shows that there is none; from there on it is the request's own.
    """
    ids, written = [step.id for step in before], sum(len(step.text) for step in before)
    within = True
    try:
        for paint in paints:
            steps = []
            for step in paint.steps:
                if within:
                    byte = tokenizer.vocabulary.byte_values[step.id] >= 0
                    ids += [step.id] if byte else []
                    text = tokenizer.decode(ids, skip_special_tokens=True)[written:]
                    last = paint.over and step is paint.steps[-1]
                    within = byte and text.endswith("\ufffd") and not last
                    step = replace(step, text="" if within else text if byte else text + step.text)
                steps.append(step)
            yield replace(paint, steps=tuple(steps))
    finally:
        paints.close()  # type: ignore[attr-defined]  # a generator


def settled(text: Text, tokenizer: Any) -> tuple[Step, ...]:
    """The steps to go on from, their texts joined being the whole text.

    What a stop string held back comes into view again. The bytes of a character that never was completed go.
    """
    steps = _unsaid(text.steps)
    whole = tokenizer.decode([step.id for step in steps], skip_special_tokens=True)
    hidden = whole[sum(len(step.text) for step in steps) :]
    if "\ufffd" in hidden:
        while steps and not steps[-1].text:
            steps = steps[:-1]
    elif hidden:
        steps = (*steps[:-1], replace(steps[-1], text=steps[-1].text + hidden))
    return steps


def room(playground: Playground, loaded: Loaded, there: int, wanted: int | None, cut: bool) -> tuple[int, bool]:
    """How many new tokens there will be behind the `there` ids, and whether the context ends before the `wanted` length.

    wanted: None: until the context is full.

    Raises:
        PromptTooLong: not even one.
    """
    assert loaded.model is not None
    context = loaded.model.config.max_position_embeddings
    wanted = context if wanted is None else wanted
    wanted = min(wanted, playground.limits.new_tokens or wanted)
    if cut:
        return max(1, min(wanted, context // 2)), False
    left = context - there
    if left < 1:
        raise COMMON.error(PromptTooLong, "g_too_long", n=f"{there:,}", context=f"{context:,}")
    return (left, True) if left < wanted else (wanted, False)


def _sentence(playground: Playground, error: NeoxjpError, lang: Lang) -> str:
    """The error in the visitor's language; while something is loading, what that is and how far."""
    progress = playground.progress
    if progress.busy and (playground.loaded is None or playground.loaded.engine is None):
        return words(lang)("g_loading", name=progress.name, percent=progress.percent)
    return error.ja if lang == "ja" else str(error)


def _progress(paint: Paint, done: int, most: int, say: Words) -> str:
    if paint.place:
        return render_steps.working(say("g_waiting", n=paint.place))
    if not done and paint.read < paint.to_read:
        line = say("g_reading", n=f"{paint.read:,}", total=f"{paint.to_read:,}")
        return render_steps.working(line, paint.read, paint.to_read)
    return render_steps.working(say("g_writing", n=f"{done:,}", total=f"{most:,}"), done, most)


def ended(text: Text, say: Words) -> str:
    """How the last generation ended, in a sentence."""
    new = len(text.steps) - text.base
    if text.finish is None:  # of a branch whose end nobody knows
        return say("g_branch_shown")
    if text.full:
        return say("g_finish_full", n=f"{new:,}")
    return say(f"g_finish_{text.finish}", n=f"{new:,}")


def show(text: Text | None, say: Words) -> tuple[str, str, str]:
    """View, line and numbers of a text that is there already: after undo."""
    if text is None:
        return "", render_steps.working(say("g_hint")), ""
    sheet = render_steps.Sheet(text.prompt, say, cut=text.cut)
    sheet.add(text.steps)
    sheet.end()
    return sheet.html, render_steps.working(ended(text, say)), _numbers(text, say)


def summary(steps: Sequence[Step], stats: Stats | None) -> dict[str, Any]:
    """The numbers of a text, for the page and for the API. Bits are of the model's own distribution, before any filter."""
    logprobs = [step.logprob for step in steps if step.logprob is not None]
    characters = sum(len(step.text) for step in steps)
    found = surprisal(nats_of(logprobs), len(logprobs), characters)
    return {
        "tokens": len(steps),
        "characters": characters,
        "bits": found.bits,
        "mean_surprise_bits": found.bits_per_token,
        "bits_per_character": found.bits_per_character,
        "time_to_first_token_s": stats.time_to_first_token if stats else None,
        "tokens_per_second": stats.tokens_per_second if stats else None,
        "queue_s": stats.queue_s if stats else None,
        "reused_tokens": stats.reused if stats else None,
        "drafted_tokens": stats.drafted if stats else None,
        "accepted_tokens": stats.accepted if stats else None,
    }


def _duration(seconds: float, say: Words) -> str:
    """In milliseconds up to a tenth of a second, which is all that a small model takes."""
    if seconds < 0.1:
        return f"{1000 * seconds:.{0 if seconds >= 0.01 else 1}f}" + say("g_milliseconds")
    return f"{seconds:.2f}" + say("g_seconds")


def _numbers(text: Text, say: Words) -> str:
    if not text.steps:
        return ""
    found = summary(text.steps, text.stats)

    def number(key: str, unit: str, form: str = ".2f") -> str:
        return "–" if found[key] is None else format(found[key], form) + say(unit)

    fast, first = (found["tokens_per_second"] or 0) >= 20, found["time_to_first_token_s"]
    size = say("g_n_tokens_value", tokens=f"{found['tokens']:,}", characters=f"{found['characters']:,}")
    cells = [
        (say("g_n_tokens"), size),
        (say("g_n_first"), "–" if first is None else _duration(first, say)),
        (say("g_n_speed"), number("tokens_per_second", "g_per_second", ".0f" if fast else ".1f")),
        (say("g_n_surprise"), number("mean_surprise_bits", "g_bits")),
        (say("g_n_bpc"), number("bits_per_character", "g_bits")),
    ]
    if found["reused_tokens"]:
        cells.append((say("g_n_reused"), say("n_tokens", n=f"{found['reused_tokens']:,}")))
    if found["drafted_tokens"]:
        taken, drafted = found["accepted_tokens"], found["drafted_tokens"]
        cells.append((say("g_n_drafts"), say("g_n_drafts_value", taken=f"{taken:,}", drafted=f"{drafted:,}")))
    if text.params is not None:
        cells.append((say("g_n_seed"), str(text.seed)))
    if text.stats is not None and text.stats.beside and not text.steady:
        cells.append((say("g_n_beside"), say("g_n_beside_value")))
    return render_steps.numbers(cells, [-step.logprob / LN2 for step in text.steps if step.logprob is not None], say)
