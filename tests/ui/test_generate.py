"""The Generate tab without a browser: what a visitor's text goes through, and what each frame shows."""

import json
import pickle
import re
import threading
import time
from dataclasses import replace
from itertools import pairwise
from typing import Any

import gradio as gr
import pytest

from neoxjp.engine import Request
from neoxjp.errors import NeoxjpError, ParameterError, PromptTooLong
from neoxjp.labs.common import html as render
from neoxjp.labs.common import steps as render_steps
from neoxjp.page_parts import generate_tab
from neoxjp.page_parts.editing import details, pieces_of, places, prompt_text, typed
from neoxjp.page_parts.generate_tab import GenerateTab
from neoxjp.page_parts.parts import ranges
from neoxjp.page_parts.session import Limits, Playground, Progress
from neoxjp.page_parts.settings import Settings
from neoxjp.page_parts.stream import Update, scorer, stream
from neoxjp.page_parts.strings import Lang, words
from neoxjp.page_parts.text_view import state
from neoxjp.page_parts.texts import VisitorState
from neoxjp.page_parts.writing import Frame, settled, write
from neoxjp.sampling import SamplingParams
from neoxjp.ui import generate
from tests.engine.test_engine import in_child
from tests.support.written import LIVELY, frames, kept, shown, tab_of

EN, JA = words("en"), words("ja")


def engine_of(playground: Playground) -> Any:
    assert playground.loaded is not None
    return playground.loaded.engine


# ---------------------------------------------------------------- the stream


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


LONG = LIVELY.change(max_new_tokens=60, min_new_tokens=60)


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


def test_what_was_read_before_is_said(playground):
    writing = VisitorState()
    opening = "東京都の猫です。" * 3
    frames(playground, writing, "new", prompt=opening)
    last = frames(playground, writing, "again")[-1]
    assert writing.text.stats.reused == len(writing.text.prompt_ids)
    assert f"from the cache</dt><dd>{len(writing.text.prompt_ids)} tokens" in last.stats
    assert "キャッシュから再利用" in state(writing.text, words("ja"))[1]


@pytest.mark.parametrize(
    ("seconds", "said"), [(None, "–"), (0.0042, "4.2 ms"), (0.0871, "87 ms"), (0.2, "0.20 s"), (1.284, "1.28 s")]
)
def test_the_first_tokens_time_is_said_in_a_unit_that_shows_it(playground, seconds, said):
    writing = VisitorState()
    frames(playground, writing, "new")
    text = replace(writing.text, stats=replace(writing.text.stats, time_to_first_token=seconds))
    assert f"time to first token</dt><dd>{said}</dd>" in state(text, EN)[1]


def test_drafts_that_came_true_are_counted(playground):
    writing = VisitorState()
    frames(playground, writing, "new")
    assert "speculative" not in state(writing.text, EN)[1]
    writing.text = replace(writing.text, stats=replace(writing.text.stats, drafted=9, accepted=4))
    assert "4 of 9" in state(writing.text, EN)[1]


def test_a_seed_is_no_promise_where_sums_differ_beside_others(playground):
    writing = VisitorState()
    frames(playground, writing, "new")
    assert not writing.text.rows_are_independent  # float32
    for beside, rows_are_independent, said in ((0, False, False), (3, False, True), (3, True, False)):
        text = replace(
            writing.text, stats=replace(writing.text.stats, max_concurrent=beside), rows_are_independent=rows_are_independent
        )
        assert ("batched with other requests" in state(text, EN)[1]) == said


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


def turned(playground: Playground, writing: VisitorState, go: Any) -> Frame | None:
    return generate.turned(playground, scorer(playground), writing, go, EN)


def test_undo_while_writing_leaves_the_buttons_alone(playground, tab):
    writing = VisitorState()
    frames(playground, writing, "new")
    typed(playground, writing, "犬")
    stream_of = write(playground, stream(playground), writing, "new", LIVELY, EN)
    next(stream_of)
    assert turned(playground, writing, VisitorState.undo) is None
    assert turned(playground, writing, VisitorState.redo) is None
    assert len(list(stream_of)) > 0
    for go, prompt in ((VisitorState.undo, "犬"), (VisitorState.undo, "猫"), (VisitorState.redo, "犬")):
        tab.updates(turned(playground, writing, go), writing, EN)
        assert writing.document.text.startswith(prompt)


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


def test_a_full_context_is_said_and_the_way_out_works(playground):
    writing = VisitorState()
    long = "猫" * 60  # the context is 64
    last = frames(playground, writing, "new", prompt=long, settings=LIVELY.change(max_new_tokens=30, min_new_tokens=30))[-1]
    assert writing.text.full
    assert "context is full" in last.line
    refused = frames(playground, writing, "continue")[-1]
    assert "Truncate long prompts from the left" in refused.line
    assert "64" in refused.line
    before = len(writing.text.steps)
    frames(playground, writing, "continue", settings=replace(LIVELY, truncate=True))
    assert len(writing.text.steps) > before
    assert writing.text.truncated_tokens > 0
    assert f"first {writing.text.truncated_tokens} tokens" in state(writing.text, EN)[0]


@pytest.mark.parametrize(
    ("lang", "sentence"), [("ja", "長すぎる入力は先頭を切り捨てる"), ("en", "Truncate long prompts from the left")]
)
def test_a_prompt_too_long_gets_a_sentence_in_the_visitors_language(playground, lang, sentence):
    (frame,) = frames(playground, VisitorState(), "new", prompt="猫" * 100, lang=lang)
    assert sentence in frame.line
    assert 'role="alert"' in frame.line
    assert frame.pieces is None


def test_more_characters_than_the_limit_are_refused_before_they_are_cut(playground, monkeypatch):
    monkeypatch.setattr(playground, "limits", Limits(characters=10))
    monkeypatch.setattr(type(playground.tokenizer), "encode", None)
    with pytest.raises(PromptTooLong, match="11 characters"):
        typed(playground, VisitorState(), "猫" * 11)


def test_a_visitor_of_a_public_page_gets_no_more_tokens_than_the_limit(playground, monkeypatch):
    monkeypatch.setattr(playground, "limits", Limits(new_tokens=3))
    writing = VisitorState()
    frames(playground, writing, "new", settings=LIVELY.change(max_new_tokens=50))
    assert len(writing.text.steps) <= 3


@pytest.mark.parametrize("mode", ["continue", "again"])
def test_going_on_from_nothing_says_what_to_press(playground, mode):
    (frame,) = frames(playground, VisitorState(), mode)
    assert "Generate" in frame.line


def test_another_models_text_is_not_continued(playground):
    writing = VisitorState()
    frames(playground, writing, "new")
    writing.text = replace(writing.text, serial=writing.text.serial - 1)
    (frame,) = frames(playground, writing, "continue")
    assert "Another model" in frame.line


def test_while_loading_it_says_what_is_loading_and_how_far():
    playground = Playground(progress=Progress("weights", "models/mine", done=30, total=60))
    (frame,) = write(playground, stream(playground), VisitorState(), "new", LIVELY, EN)
    assert "mine" in frame.line
    assert "50 %" in frame.line


def test_a_wrong_seed_gets_a_sentence(playground):
    (frame,) = frames(playground, VisitorState(), "new", settings=LIVELY.change(seed="<b>x"))
    assert "&lt;b&gt;x" in frame.line


def test_a_waiting_visitor_sees_the_place(playground):
    engine = engine_of(playground)
    held = [engine.submit([1], SamplingParams(max_new_tokens=60, min_new_tokens=60)) for _ in range(engine.max_batch)]
    hold = threading.Event()
    advance = engine._advance
    engine._advance = lambda rows: (hold.wait(10), advance(rows))
    writing = VisitorState()
    try:
        typed(playground, writing, "犬")
        running = write(playground, stream(playground), writing, "new", LIVELY, EN)
        line = next(frame.line for frame in running if "queue" in frame.line)
        assert "position 1" in line
    finally:
        hold.set()
        running.close()
        engine._advance = advance
        for request in held:
            request.cancel()


def test_a_fault_of_the_model_keeps_the_text_and_gets_a_sentence(playground, monkeypatch, caplog):
    engine = engine_of(playground)

    def broken(request: Any, row: Any) -> None:
        if len(request.ids) == 3:
            raise RuntimeError("boom")
        request_write(request, row)

    request_write = Request.write
    monkeypatch.setattr(Request, "write", broken)
    monkeypatch.setattr(engine, "speculate", False)
    writing = VisitorState()
    last = frames(playground, writing, "new")[-1]
    assert "The model failed while generating" in last.line
    assert "boom" not in last.line
    assert "boom" in caplog.text
    assert len(writing.text.steps) == 3
    assert writing.text.finish == "error"
    monkeypatch.undo()
    frames(playground, writing, "continue")
    assert len(writing.text.steps) > 3


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_every_ending_has_a_sentence(lang):
    for finish in ("eos", "length", "stop", "deadline", "cancelled", "error", "full"):
        assert "3" in words(lang)(f"generate_finish_{finish}", n=3)


def test_the_sentence_at_the_end_counts_what_was_continued_and_all_of_it(playground):
    writing, ten = VisitorState(), LIVELY.change(max_new_tokens=10, min_new_tokens=10)
    assert "Generated 10 tokens." in frames(playground, writing, "new", settings=ten)[-1].announce
    assert "the model wrote" not in frames(playground, writing, "again", settings=ten)[-1].announce
    last = frames(playground, writing, "continue", settings=ten)[-1].announce
    assert "Generated 10 tokens." in last
    assert "the model wrote 20 tokens of this text" in last
    assert "20" in state(writing.text, JA)[0]
    typed(playground, writing, writing.text.whole + "犬")  # the visitor's own do not count
    last = frames(playground, writing, "continue", settings=ten)[-1].announce
    assert "Generated 10 tokens." in last
    assert "the model wrote 30 tokens" in last


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


# ---------------------------------------------------------------- the tab


def counted(playground: Playground, text: str, lang: Lang = "en") -> str:
    return generate_tab.counted(playground, prompt_text(playground, text), words(lang))


def test_the_tokens_are_counted_of_the_context(playground):
    assert "3 of 64 tokens" in counted(playground, "猫です。")
    assert 'role="alert"' in counted(playground, "猫" * 64)
    assert "starts from scratch" in counted(playground, "")
    assert "starts from scratch" in generate_tab.counted(playground, None, EN)


def test_tokens_are_counted_with_the_vocabulary_alone(playground):
    only = Playground(loaded=replace(playground.loaded, model=None, engine=None))
    assert counted(only, "猫です。").count("3 tokens") == 1


def test_the_length_goes_up_to_the_context(playground):
    sliders = {option.name: gr.Slider(1, 512, 100) for option in playground.options if option.up_to_context}
    tab = replace(tab_of(playground), controls=sliders)
    found = ranges(playground, tab.up_to_context)
    assert set(found) == set(sliders.values())
    assert all(new["maximum"] == 63 and "value" not in new for new in found.values())  # what a link has set meanwhile stays
    assert ranges(Playground(), tab.up_to_context) == {}


@pytest.fixture
def tab(playground) -> GenerateTab:
    return tab_of(playground)


def sent(tab: GenerateTab, frame: Frame, writing: VisitorState) -> dict[str, Any]:
    """What comes beside the text with a frame."""
    return json.loads(tab.patched(frame, writing, EN)["patch"])["also"]


def test_every_frame_carries_the_buttons(playground, tab):
    names = ["go", "stop", "more", "step", "again"]

    def on(found: dict[str, Any]) -> list[bool]:
        return [found["buttons"][name] for name in names]

    writing = VisitorState()
    shown = [sent(tab, frame, writing) for frame in frames(playground, writing, "new")]
    middle = sent(tab, Frame("line", True, (), "stats"), writing)
    assert on(shown[0]) == on(middle) == [False, True, False, False, False]
    assert middle["announce"] is None
    assert on(shown[-1]) == [True, False, True, True, True]
    assert (shown[0]["recall"], shown[-1]["recall"]) == (False, False)
    assert sent(tab, Frame("", False), VisitorState())["recall"]


def test_a_frame_changes_the_editor_alone(playground, tab):
    writing = VisitorState()
    for frame in frames(playground, writing, "new"):
        assert set(tab.updates(frame, writing, EN)) == set(tab.shown) == {tab.editor}


def test_a_step_is_few_bytes_however_long_the_text_is(playground, tab):
    writing, sizes = VisitorState(), []
    for _ in range(2):
        for frame in frames(playground, writing, "new" if not sizes else "continue", settings=LIVELY.change(max_new_tokens=25)):
            tab.patched(frame, writing, EN)
        step = frames(playground, writing, "step")
        sizes.append(sum(len(json.dumps(tab.patched(frame, writing, EN))) for frame in step))
    assert max(sizes) < 4096
    assert abs(sizes[1] - sizes[0]) < 600  # the chart of the last 120 tokens


def test_half_a_surrogate_pair_never_reaches_the_wire(playground, tab):
    """JSON can carry "\\ud800" to the page; nothing can carry it back."""
    writing, later, hostile = VisitorState(), VisitorState(), "猫\ud800"

    def wire(frame: Frame, writing: VisitorState) -> bytes:
        return tab.patched(frame, writing, EN)["patch"].encode()

    for settings in (LIVELY, LIVELY.change(seed=hostile)):
        for frame in frames(playground, writing, "new", prompt=hostile, settings=settings):
            assert wire(frame, writing)
    damaged = kept(writing, {"typed": hostile, "name": hostile}, 0)
    assert wire(generate.recalled(playground, scorer(playground), later, damaged, EN), later)
    assert later.text is not None
    assert render.notice(hostile).encode()
    assert render_steps.working(hostile).encode()


def test_what_is_shown_as_html_has_no_html_of_the_visitor(playground, tab):
    writing = VisitorState()
    hostile = LIVELY.change(seed="<img src=x onerror=alert(1)>")
    shown = [sent(tab, frame, writing) for frame in frames(playground, writing, "new", settings=hostile)]
    assert "<img" in shown[-1]["announce"]  # the page shows it as text
    assert not any("<img" in html for found in shown for html in found["html"].values())


@pytest.mark.parametrize(
    "values", [[], "x", [0.7], {"a": 1}, ["hot", *[0] * 11], [True, *[0] * 8, "", "", False], [[0.7], *[0] * 8, "", "", False]]
)
def test_settings_of_another_shape_get_a_sentence(tab, values):
    with pytest.raises(ParameterError, match=r"settings of this page, found") as found:
        tab.settings_sent(values)
    assert "の設定ではありません" in found.value.ja
    assert all(repr(str(values)[:60]) in sentence for sentence in (str(found.value), found.value.ja))


def test_settings_that_nobody_has_changed_are_the_recommended_ones(tab):
    assert tab.settings_sent(None).params(5) == Settings().params(5)


def test_stop_keeps_what_was_visible(playground):
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


def test_the_offered_prompts_are_japanese():
    prompts = generate.examples()
    assert list(prompts) == ["story", "dialogue", "evening", "explanation"]
    assert all(re.search("[ぁ-ん]", text) for text in prompts.values())


def test_expected_errors_are_neoxjps():
    assert issubclass(ParameterError, NeoxjpError)
