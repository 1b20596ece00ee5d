"""A generation as a state, and a state run again, in the tab or beside it. No components."""

import logging
from collections.abc import Iterator
from pathlib import Path

from neoxjp.engine import token_text_function
from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.hub import bundled_path
from neoxjp.labs.common import html as render
from neoxjp.labs.common import steps as render_steps
from neoxjp.labs.common.fingerprints import setup
from neoxjp.labs.replay import view as render_replay
from neoxjp.labs.replay.records import BROKEN_OFF, BUNDLED, MOST_BYTES, Replay, State, from_json, judged, rerun
from neoxjp.labs.replay.strings import strings, words
from neoxjp.page_parts.session import Loaded, Playground
from neoxjp.page_parts.settings import stop_strings
from neoxjp.page_parts.stream import Stream
from neoxjp.page_parts.strings import Lang
from neoxjp.page_parts.texts import Text, Writing
from neoxjp.page_parts.writing import Frame, rewrite

log = logging.getLogger(__name__)


def state_of(playground: Playground, text: Text) -> State:
    """The last generation of a text.

    Raises NeoxjpError: another model wrote it, or how it was written is not known.
    """
    loaded = playground.ready
    if text.serial != loaded.serial:
        raise strings.error(ParameterError, "g_other_model")
    part = text.part_of(len(text.steps) - 1) if text.steps else None
    if part is None:
        raise strings.error(ParameterError, "replay_unknown")
    assert loaded.model is not None
    start = len(text.prompt_ids) + part.start
    report = loaded.model.load_report
    return State(
        prompt_ids=text.ids[part.cut : start],
        ids=text.ids[start:],
        params=part.params,
        finish=text.finish,
        beside=text.stats.beside if text.stats else 0,
        steady=text.steady,
        name=_name(playground, loaded),
        revision=loaded.choice.revision or (report.revision if report else None),
        setup=setup(loaded.model, loaded.tokenizer),
    )


def _name(playground: Playground, loaded: Loaded) -> str:
    """A Hub id, a folder, or BUNDLED; visitors of a public page are not told folders of its machine."""
    name = loaded.choice.name
    if Path(name) == bundled_path():
        return BUNDLED
    return loaded.name if playground.public and Path(name).exists() else name


def readable(playground: Playground, pasted: str) -> State:
    """The state that a visitor gave.

    Raises ParameterError: none, a damaged one, or one that asks for more than a visitor may.
    """
    if not pasted.strip():
        raise strings.error(ParameterError, "replay_nothing")
    state = from_json(pasted[: MOST_BYTES + 1])
    stop_strings(list(state.params.stop))
    wanted, most = rerun(state).max_new_tokens, playground.limits.new_tokens
    if most is not None and (wanted is None or wanted > most):
        asked = f"{wanted:,}" if wanted is not None else "∞"
        raise strings.error(ParameterError, "replay_too_many", n=asked, most=f"{most:,}")
    return state


def same_model(playground: Playground, state: State) -> bool:
    """Whether the model that is loaded wrote it: then the text can stand in the tab."""
    loaded = playground.ready
    assert loaded.model is not None
    now = setup(loaded.model, loaded.tokenizer)
    return (now.model, now.vocabulary) == (state.setup.model, state.setup.vocabulary)


def again(
    playground: Playground, stream: Stream, writing: Writing, state: State, lang: Lang
) -> Iterator[tuple[str, str, Frame | None]]:
    """Run a state again, and yield the section's line, the verdict, and a frame for the tab above where the model is the same.

    Raises NeoxjpError as `Engine.submit` does, where the text stands in the section only.
    """
    say = words(lang)
    loaded = playground.ready
    assert loaded.model is not None
    names, size = token_text_function(loaded.tokenizer), loaded.tokenizer.vocab_size

    def named(id: int) -> str:
        return names(id) if id < size else "?"  # a file may hold any

    total = f"{len(state.ids):,}"
    above = same_model(playground, state) and not (state.finish in BROKEN_OFF and not state.ids)
    if not above:
        writing.running, writing.stopped = True, False
        try:
            for step in alone(playground, stream, state, writing):
                if isinstance(step, int):
                    line = say("replay_running", n=f"{step:,}", total=total)
                    yield render_steps.working(line, step, len(state.ids)), "", None
                else:
                    yield "", render_replay.verdict(state, step, writing.stopped, False, named, say), None
        finally:
            writing.running = False
        return
    prompt = loaded.tokenizer.decode(state.prompt_ids, skip_special_tokens=True)
    seed = state.params.seed or 0
    start = Text(render.whole(prompt), state.prompt_ids, (), 0, seed, loaded.serial)
    before = writing.text
    for frame in rewrite(playground, stream, writing, start, rerun(state), lang):
        verdict = ""
        if not frame.running and writing.text is not None and writing.text is not before:
            text = writing.text
            ids = [step.id for step in text.steps]
            found = judged(state, ids, loaded.model, loaded.tokenizer, text.stats.beside if text.stats else 0)
            verdict = render_replay.verdict(state, found, text.finish in BROKEN_OFF, True, named, say)
        yield ("" if verdict else frame.line), verdict, frame


def alone(playground: Playground, stream: Stream, state: State, writing: Writing | None = None) -> Iterator[int | Replay]:
    """Run a state again beside the tab: how many tokens there are so far, last what is to be said. `writing` can stop it."""
    loaded = playground.ready
    assert loaded.model is not None
    ids: list[int] = []
    beside = 0
    if state.ids or state.finish not in BROKEN_OFF:
        updates = stream(state.prompt_ids, rerun(state), False, 0, 0)
        try:
            for update in updates:
                ids += [step.id for step in update.steps]
                beside = update.stats.beside
                if update.done or (writing is not None and writing.stopped):
                    break
                yield len(ids)
        except NeoxjpError:
            raise
        except Exception as error:
            log.exception("replaying")
            raise NeoxjpError(f"the model failed ({type(error).__name__})", ja="モデルでエラーが起きました。") from error
        finally:
            updates.close()  # type: ignore[attr-defined]  # a generator; frees the slot
    yield judged(state, ids, loaded.model, loaded.tokenizer, beside)
