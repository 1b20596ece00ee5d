"""What the page says of a generation: numbers, endings, errors, waiting and loading."""

import threading
from dataclasses import replace
from typing import Any

import pytest

from neoxjp.engine import Request
from neoxjp.errors import NeoxjpError, ParameterError, PromptTooLong
from neoxjp.labs.branches.actions import scored
from neoxjp.page_parts.session.playground import Limits, Playground, Progress
from neoxjp.page_parts.strings import words
from neoxjp.page_parts.text.editing import settled, typed
from neoxjp.page_parts.text.state import VisitorState
from neoxjp.page_parts.text.stream import scorer, stream
from neoxjp.page_parts.text.view import state
from neoxjp.page_parts.text.writing import write
from neoxjp.sampling import SamplingParams
from tests.support.written import LIVELY, engine_of, frames

EN, JA = words("en"), words("ja")
LONG = LIVELY.change(max_new_tokens=60, min_new_tokens=60)


def test_what_was_read_before_is_said(playground):
    writing = VisitorState()
    opening = "東京都の猫です。" * 3
    frames(playground, writing, "new", prompt=opening)
    last = frames(playground, writing, "again")[-1]
    assert writing.text.stats.reused == len(writing.text.prompt_ids)
    assert f"from the cache</dt><dd>{len(writing.text.prompt_ids)} tokens" in last.stats
    assert "キャッシュから再利用" in state(writing.text, words("ja"))[1]


def test_times_are_left_to_the_browser(playground):
    writing = VisitorState()
    found = frames(playground, writing, "new")
    assert '<div data-timing="first" hidden><dt>time to first token</dt><dd><b></b> s</dd></div>' in found[-1].stats
    counts = [frame.generated for frame in found]
    assert (counts[0], counts[-1]) == (0, len(writing.text.steps))
    assert counts == sorted(counts)


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
    kept = len(settled(writing.text, playground.tokenizer))  # without the bytes of a character that is not complete
    assert kept in (19, 20)
    typed(playground, writing, writing.text.whole + "犬")  # the visitor's own do not count
    last = frames(playground, writing, "continue", settings=ten)[-1].announce
    assert "Generated 10 tokens." in last
    assert f"the model wrote {kept + 10} tokens" in last
    again = scored(playground, scorer(playground), writing.tree, None)  # nor where the model has scored them all
    assert all(step.logprob is not None for step in again.steps)
    assert f"the model wrote {kept + 10} tokens" in state(replace(again, finish="length"), EN)[0]


def test_expected_errors_are_neoxjps():
    assert issubclass(ParameterError, NeoxjpError)
