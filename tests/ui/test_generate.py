"""Generating a text without a browser: the stream, continuing, steps, seeds, Stop and undo."""

import itertools
import pickle
import time
from itertools import pairwise

import pytest

from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.strings import words
from neoxjp.page_parts.text.editing import details, pieces_of, places, typed
from neoxjp.page_parts.text.settings import Settings
from neoxjp.page_parts.text.state import VisitorState
from neoxjp.page_parts.text.stream import Update, scorer, stream
from neoxjp.page_parts.text.view import state
from neoxjp.page_parts.text.writing import settled, write
from neoxjp.sampling import SamplingParams
from tests.engine.test_engine import in_child
from tests.support.written import LIVELY, engine_of, frames, shown

EN, JA = words("en"), words("ja")
LONG = LIVELY.change(max_new_tokens=60, min_new_tokens=60)


def test_a_stream_only_appends_and_ends_idle(playground):
    shown = frames(playground, VisitorState(), "new")
    views = [frame.pieces for frame in shown if frame.pieces is not None]
    for earlier, later in pairwise(views):  # the first bytes of a character wait for the rest of it
        settled = earlier if not earlier or earlier[-1].text else earlier[:-1]
        assert later[: len(settled)] == settled
    assert [frame.running for frame in shown[-2:]] == [True, False]
    assert shown[0].announce
    assert shown[-1].announce
    assert all(frame.announce is None for frame in shown[1:-1])


def test_each_token_has_its_probability_and_ten_alternatives(playground):
    writing = VisitorState()
    writing.document.patch(frames(playground, writing, "new")[-1].pieces)
    assert writing.text is not None
    assert tuple(id for piece in writing.document.pieces for id in piece.ids) == writing.text.ids
    for at, piece in places(writing.document.pieces):
        if piece.own:
            continue
        found = details(writing, at, EN)
        assert 0 < piece.probability <= 1
        assert found["probability"] == pytest.approx(piece.probability)
        assert piece.ids[0] in [id for _, id, *_ in found["alternatives"]]
        assert 10 <= len(found["alternatives"]) <= 11
        assert sum(after for *_, after, _ in found["alternatives"]) <= 1.001


def test_the_same_seed_writes_the_same_text_again(playground):
    writing = VisitorState()
    frames(playground, writing, "new")
    first = writing.text
    frames(playground, writing, "again")
    assert writing.text is not None
    assert writing.text is not first
    assert writing.text.ids == first.ids
    assert writing.text.seed == first.seed
    assert len(writing.tree.nodes) == 2  # the prompt and one branch, not two with the same text


def test_a_set_seed_is_used_and_an_empty_one_is_fresh(playground):
    writing = VisitorState()
    frames(playground, writing, "new", settings=LIVELY.change(seed="７"))
    assert writing.text.seed == 7
    seeds = set()
    for _ in range(2):
        frames(playground, writing, "new", settings=LIVELY.change(seed=""))
        seeds.add(writing.text.seed)
    assert len(seeds) == 2


def test_continuing_appends_ids_and_cuts_nothing_anew(playground, monkeypatch):
    writing = VisitorState()
    frames(playground, writing, "new", prompt="東京都")
    before = writing.text.prompt_ids + tuple(step.id for step in settled(writing.text, playground.tokenizer))
    monkeypatch.setattr(type(playground.tokenizer), "encode", None)
    frames(playground, writing, "continue")
    assert writing.text.ids[: len(before)] == before
    assert len(writing.text.ids) > len(before)
    assert writing.text.prompt == "東京都"
    assert writing.text.base == len(before) - len(writing.text.prompt_ids)


def test_greedy_in_two_parts_is_greedy_at_once(playground):
    greedy = Settings.set(temperature=0, max_new_tokens=6, repetition_penalty=1.0)
    whole, parts = VisitorState(), VisitorState()
    frames(playground, whole, "new", settings=greedy.change(max_new_tokens=12))
    frames(playground, parts, "new", settings=greedy)
    frames(playground, parts, "continue", settings=greedy)
    assert parts.text.ids == whole.text.ids


def test_token_by_token_is_the_text_at_once(playground):
    at_once, one_by_one = VisitorState(), VisitorState()
    settings = LIVELY.change(max_new_tokens=6, min_new_tokens=4)
    frames(playground, at_once, "new", settings=settings)
    for n in range(1, 7):
        frames(playground, one_by_one, "step", settings=settings.change(max_new_tokens=99))
        assert len(one_by_one.text.steps) == n
    assert one_by_one.text.ids == at_once.text.ids
    assert one_by_one.text.whole == at_once.text.whole
    assert one_by_one.text.parts == at_once.text.parts
    frames(playground, one_by_one, "again", settings=settings)
    assert one_by_one.text.ids == at_once.text.ids
    one_by_one.undo()  # the same text again was no change
    assert one_by_one.text.ids == at_once.text.ids[:-1]


def test_steps_without_a_seed_are_one_generation_and_other_settings_begin_another(playground):
    writing = VisitorState()
    fresh = LIVELY.change(seed="", min_new_tokens=3)  # none ends before, whatever is drawn
    for _ in range(3):
        frames(playground, writing, "step", settings=fresh)
    seed = writing.text.seed
    assert [(part.start, part.params.seed, part.params.max_new_tokens) for part in writing.text.parts] == [(0, seed, 3)]
    frames(playground, writing, "step", settings=fresh.change(temperature=0.5))
    assert [(part.start, part.params.max_new_tokens) for part in writing.text.parts] == [(0, 3), (3, 1)]
    at_once = VisitorState()
    frames(playground, at_once, "new", settings=fresh.change(max_new_tokens=3, seed=str(seed)))
    assert at_once.text.ids == writing.text.ids[:-1]


def test_a_step_goes_on_behind_what_was_written_and_begins_behind_another_opening(playground):
    writing = VisitorState()
    frames(playground, writing, "new")
    before = writing.text
    frames(playground, writing, "step", settings=LIVELY.change(temperature=1.0))
    assert len(writing.text.parts) == 2
    writing.undo()
    frames(playground, writing, "step")
    assert writing.text.ids[:-1] == before.ids
    typed(playground, writing, "犬")
    frames(playground, writing, "step")
    assert (writing.text.prompt, len(writing.text.steps)) == ("犬", 1)


def test_a_step_past_the_context_is_refused(playground):
    context = playground.loaded.model.config.max_position_embeddings
    writing = VisitorState()
    frames(playground, writing, "new", settings=LIVELY.change(max_new_tokens=context))
    full = writing.text
    shown = frames(playground, writing, "step")
    assert "do not fit" in shown[-1].line
    assert writing.text is full


def test_writing_again_after_continuing_redoes_only_the_last_part(playground):
    writing = VisitorState()
    frames(playground, writing, "new")
    base = writing.text.prompt_ids + tuple(step.id for step in settled(writing.text, playground.tokenizer))
    frames(playground, writing, "continue")
    long = writing.text.ids
    frames(playground, writing, "again")
    assert writing.text.ids == long
    assert long[: len(base)] == base


@pytest.fixture
def slow(playground: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model writes slowly enough to be stopped on the way."""
    engine = engine_of(playground)
    advance = engine._advance
    monkeypatch.setattr(engine, "_advance", lambda rows: (time.sleep(0.03), advance(rows)))


@pytest.mark.usefixtures("slow")
def test_stop_keeps_the_text_and_frees_the_slot(playground):
    writing = VisitorState()
    typed(playground, writing, "犬")
    running = write(playground, stream(playground), writing, "new", LONG, EN)
    for frame in running:
        if shown(frame.pieces):
            break
    writing.stop()
    last = list(running)[-1]
    assert writing.text is not None
    assert writing.text.finish == "cancelled"
    assert "Stopped" in last.line
    assert shown(last.pieces)
    assert not writing.running
    assert engine_of(playground).running == 0


@pytest.mark.usefixtures("slow")
def test_closing_the_tab_frees_the_slot_and_keeps_the_text(playground):
    writing = VisitorState()
    typed(playground, writing, "犬")
    running = write(playground, stream(playground), writing, "new", LONG, EN)
    for frame in running:
        if shown(frame.pieces):
            break
    running.close()
    assert not writing.running
    assert engine_of(playground).running == 0
    assert writing.text.steps


def test_a_second_press_while_writing_does_nothing(playground):
    writing = VisitorState(running=True)
    assert frames(playground, writing, "new") == []


def test_undo_goes_back_through_the_generations(playground):
    writing = VisitorState()
    frames(playground, writing, "new", prompt="猫")
    first = writing.text
    frames(playground, writing, "new", prompt="犬")
    assert writing.undo().whole == "犬"  # what the visitor typed is a step of its own
    assert writing.undo() is first
    assert writing.undo().whole == "猫"
    assert writing.undo() is None
    assert writing.undo() is None
    assert pieces_of(None, playground.tokenizer) == ()
    assert state(None, EN)[1] == ""


def test_what_is_shown_after_undo_is_what_was_shown_before(playground):
    writing = VisitorState()
    last = frames(playground, writing, "new")[-1]
    assert pieces_of(writing.text, playground.tokenizer) == last.pieces
    assert state(writing.text, EN)[1] == last.stats


def test_an_empty_prompt_begins_with_the_models_own_beginning(playground):
    writing = VisitorState()
    frames(playground, writing, "new", prompt="")
    assert writing.text.prompt_ids == (playground.loaded.model.config.bos_token_id,)
    assert writing.text.steps


def test_the_text_ends_before_a_stop_string_whose_token_stays_and_comes_back_with_continue(playground):
    writing = VisitorState()
    frames(playground, writing, "new", prompt="犬")
    at = next(at for at, step in enumerate(writing.text.steps) if at and step.text.isalpha())
    stop, before = writing.text.steps[at].text, "".join(step.text for step in writing.text.steps[:at])
    assert stop not in before
    stopped = frames(playground, writing, "new", prompt="犬", settings=LIVELY.change(stop=stop))[-1]
    assert writing.text.finish == "stop"
    assert writing.text.whole == "犬" + before
    assert "".join(piece.text for piece in stopped.pieces) == writing.text.whole.replace("\r\n", "\n")
    assert (stopped.pieces[-1].text, stopped.pieces[-1].sign) == ("", stop)
    frames(playground, writing, "continue")
    assert writing.text.whole.startswith("犬" + before + stop)


def test_the_stream_runs_in_a_forked_child_and_its_updates_travel(playground):
    """As ZeroGPU does it."""
    params = SamplingParams(max_new_tokens=4, eos_token_id=())

    def ids(updates: list[Update]) -> list[int]:
        return [step.id for update in updates for step in update.steps]

    expected = list(stream(playground)([1, 2], params, False, 3))
    assert ids(pickle.loads(pickle.dumps(expected))) == ids(expected)
    assert in_child(lambda: ids(list(stream(playground)([1, 2], params, False, 3))) == ids(expected))
    assert in_child(lambda: len(scorer(playground)([1, 2, 3], 2, True)) == 3)


def test_stop_keeps_what_was_visible(playground, monkeypatch):
    def one_step(request, steps, first):
        """The updates of a slow model: one token each."""
        steps.extend(itertools.islice(request, 1))
        return not steps

    monkeypatch.setattr("neoxjp.page_parts.text.stream._collect", one_step)
    writing = VisitorState()
    typed(playground, writing, "猫")
    running = write(playground, stream(playground), writing, "new", LIVELY.change(max_new_tokens=40), EN)
    next(running)
    seen = len(writing.text.prompt_ids) + 3
    for _ in running:
        if writing.live is not None and len(writing.live.ids) > seen:
            writing.stop(seen)
    assert len(writing.text.ids) == seen
    assert writing.text.finish == "cancelled"
    assert "".join(piece.text for piece in pieces_of(writing.text, playground.tokenizer)) == writing.text.whole
    more = frames(playground, writing, "continue")
    assert len(writing.text.ids) > seen
    assert more[-1].running is False
