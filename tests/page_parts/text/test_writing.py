"""The generated text: as pieces, as a prompt to continue from, after a reload."""

import json
from dataclasses import replace
from typing import Any

import pytest

from neoxjp.engine import Choice as Alternative
from neoxjp.engine import Step
from neoxjp.labs.common import steps as render_steps
from neoxjp.page_parts.strings import words
from neoxjp.page_parts.text.editing import Pieces, details, pieces_of
from neoxjp.page_parts.text.state import Text, VisitorState
from neoxjp.page_parts.text.stream import scorer, stream
from neoxjp.page_parts.text.view import summary
from neoxjp.page_parts.text.writing import branch, settled, write
from neoxjp.page_parts.token_editor import Piece
from neoxjp.ui import generate
from tests.support.written import LIVELY, frames, kept, step

EN = words("en")


# ---------------------------------------------------------------- the text as pieces


def pieces(*steps: Step) -> tuple[Piece, ...]:
    found = Pieces()
    found.add(steps)
    return found.all()


def test_what_a_visitor_writes_stays_text(playground):
    hostile = "<script>alert(1)</script>${1+1}{{value}}\"'&"
    found = frames(playground, VisitorState(), "new", prompt=hostile)[-1].pieces
    assert "".join(piece.text for piece in found).startswith(hostile)


def test_the_bytes_of_a_character_are_one_piece_with_the_probability_of_all():
    assert [piece.ids for piece in pieces(step("", 1), step("", 2), step("é", 3), step("猫", 4))] == [(1, 2, 3), (4,)]
    assert pieces(step("", 1), step("", 2), step("é", 3))[0].probability == pytest.approx(0.0498, abs=1e-4)  # e**-3


def test_a_stopped_text_ends_with_its_held_tokens_in_a_piece_of_their_own():
    assert [piece.ids for piece in pieces(step("猫", 1), step("", 2))] == [(1,), (2,)]


def test_blanks_and_newlines_have_a_sign_and_keep_their_text():
    found = pieces(step("。\r\n"), step("\n"), step(" "), step("\u200b"))
    assert [piece.text for piece in found] == ["。\n", "\n", " ", "\u200b"]
    assert [piece.sign for piece in found] == ["", "⏎", "␣", "U+200B"]


def test_levels_follow_the_legend():
    assert [render_steps.level(p) for p in (1.0, 0.5, 0.49, 0.1, 0.05, 0.01, 0.001, 0.0001)] == [0, 0, 1, 1, 2, 3, 4, 5]
    assert render_steps.scale("x").count("<li>") == 6


def test_the_curve_of_no_tokens_is_empty_and_of_many_is_bounded():
    assert render_steps.spark([], EN) == ""
    assert render_steps.spark([3.0] * 5000, EN).count("M") == 120


def test_summary_counts_bits_by_the_models_own_probability():
    found = summary([step("猫", logprob=-0.6931471805599453), step("です", logprob=-0.6931471805599453)], None)
    assert found["bits"] == pytest.approx(2.0)
    assert found["bits_per_token"] == pytest.approx(1.0)
    assert found["bits_per_character"] == pytest.approx(2 / 3)
    assert summary([], None)["bits_per_character"] is None


# ---------------------------------------------------------------- going on


def text_of(steps: list[Step], finish: Any) -> Text:
    return Text("", (0,), tuple(steps), 0, 0, 1, finish=finish)


class Words:
    """Decodes ids as numbers of letters: 1 → "a", 2 → "b"."""

    def decode(self, ids: list[int], skip_special_tokens: bool = False) -> str:
        return "".join("\ufffd" if id >= 50 else chr(96 + id) for id in ids)


def test_going_on_after_a_stop_string_brings_it_back():
    steps = settled(text_of([step("a", 1), step("", 2), step("", 3)], "stop"), Words())
    assert "".join(one.text for one in steps) == "abc"
    assert [one.id for one in steps] == [1, 2, 3]


@pytest.mark.parametrize("tail", [[step("", 52), step("", 53)], [step("", 52), step("\ufffd", 53)]])
def test_going_on_leaves_out_a_character_that_was_never_completed(tail):
    steps = settled(text_of([step("a", 1), *tail], "cancelled"), Words())
    assert [one.id for one in steps] == [1]


@pytest.mark.parametrize("finish", ["eos", "length", "cancelled"])
def test_going_on_keeps_a_token_that_is_no_text(finish):
    class Silent(Words):
        def decode(self, ids: list[int], skip_special_tokens: bool = False) -> str:
            return super().decode([id for id in ids if id != 3])

    steps = settled(text_of([step("a", 1), step("", 3)], finish), Silent())
    assert [one.id for one in steps] == [1, 3]


def test_a_token_that_is_no_text_has_a_piece_of_its_own():
    top = (Alternative(9, "<|endoftext|>", -1.0, 0.4, True),)
    found = pieces(step("猫", 1), Step(9, "", -1.0, 1, 0.5, top, 0.0, None), step("犬", 2))
    assert [piece.ids for piece in found] == [(1,), (9,), (2,)]
    assert found[1].sign == "⏹"


# ---------------------------------------------------------------- after a reload


@pytest.mark.parametrize("mode", ["new", "continue", "again", "other token"])
def test_a_text_that_was_stopped_before_its_first_token_is_the_one_before(playground, mode):
    writing = VisitorState()
    frames(playground, writing, "new")
    before, text = pieces_of(writing.text, writing.tokenizer()), writing.text

    def waiting(*request: Any) -> Any:
        updates = stream(playground)(*request)
        first = next(updates)
        try:
            yield first
            yield replace(first, position=3)
            yield from updates
        finally:
            updates.close()

    if mode == "other token":
        at = len(text.prompt_ids) + 1
        other = next(choice.id for choice in text.steps[1].top if choice.id != text.steps[1].id)
        found = branch(playground, waiting, writing, at, other, LIVELY, EN)
    else:
        found = write(playground, waiting, writing, mode, LIVELY, EN)
    next(found)
    writing.stop(len(text.prompt_ids))
    *_, last = found
    assert last.pieces == before
    assert writing.text is text
    assert not last.running


def test_a_kept_text_comes_back_by_ids_and_can_be_continued(playground):
    writing, later = VisitorState(), VisitorState()
    frames(playground, writing, "new", prompt="猫<b>", settings=LIVELY.change(min_new_tokens=12))
    frame = generate.recalled(playground, scorer(playground), later, kept(writing), EN)
    assert later.text.ids == writing.text.ids
    assert later.text.whole == writing.text.whole
    expected = pieces_of(writing.text, playground.tokenizer)
    assert [(piece.text, piece.ids) for piece in frame.pieces] == [(piece.text, piece.ids) for piece in expected]
    for new, old in zip(later.text.steps, writing.text.steps, strict=True):
        assert new.logprob == pytest.approx(old.logprob, abs=1e-4)
    later.document.pieces = frame.pieces
    first = len(later.text.prompt_ids)
    assert {after for *_, after, _ in details(later, first, EN)["alternatives"]} == {None}
    assert later.text.parts == writing.text.parts
    assert "Restored your last texts" in frame.line
    whole = [step.id for step in settled(writing.text, playground.tokenizer)]
    frames(playground, later, "continue")
    assert [step.id for step in later.text.steps[: len(whole)]] == whole


@pytest.mark.parametrize(
    "change",
    [
        {"ids": [10**6]},
        {"ids": ["x"]},
        {"parent": 9},
        {"shared_ids": 99},
        {"author": "<b>"},
        {"truncated_tokens": -1},
        {"seed": "x"},
    ],
)
def test_a_damaged_memo_gets_a_sentence(playground, change):
    writing, later = VisitorState(), VisitorState()
    frames(playground, writing, "new")
    frame = generate.recalled(playground, scorer(playground), later, kept(writing, change), EN)
    assert "could not be read" in frame.line
    assert later.text is None


@pytest.mark.parametrize("nonsense", [None, [], "x", {"model": 1}, "{}", "[" * 100_000])
def test_nonsense_from_a_browser_gets_a_sentence(playground, nonsense):
    assert "could not be read" in generate.recalled(playground, scorer(playground), VisitorState(), nonsense, EN).line


def test_another_models_memo_is_refused(playground):
    writing = VisitorState()
    frames(playground, writing, "new")
    other = json.dumps(json.loads(kept(writing)) | {"vocabulary": "other"})
    assert "another vocabulary" in generate.recalled(playground, scorer(playground), VisitorState(), other, EN).line
