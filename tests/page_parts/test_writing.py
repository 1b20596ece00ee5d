"""The generated text: as HTML, as a prompt to continue from, after a reload."""

import json
from typing import Any

import pytest

from neoxjp.engine import Choice as Alternative
from neoxjp.engine import Step
from neoxjp.labs.common import steps as render_steps
from neoxjp.page_parts.stream import scorer
from neoxjp.page_parts.strings import words
from neoxjp.page_parts.text_view import show, summary
from neoxjp.page_parts.texts import Text, VisitorState
from neoxjp.page_parts.writing import settled
from neoxjp.ui import generate
from tests.support.written import LIVELY, boxes, frames, kept, step

EN = words("en")


# ---------------------------------------------------------------- the text as HTML


def test_what_a_visitor_writes_stays_text(playground):
    hostile = "<script>alert(1)</script>${1+1}{{value}}\"'&"
    view = frames(playground, VisitorState(), "new", prompt=hostile)[-1].view
    assert "<script" not in view
    assert "&lt;script&gt;" in view


def test_hostile_pieces_are_escaped_in_text_and_data():
    evil = '<img src=x onerror=1>"'
    one = Step(5, evil, -1.0, 1, 0.5, (Alternative(5, evil, -1.0, 0.4, True),), 0.0, None)
    sheet = render_steps.Sheet("", EN)
    sheet.add([one])
    assert "<img" not in sheet.html
    assert boxes(sheet.html)[0]["a"][0][0] == evil.replace(" ", "␣")


def test_the_bytes_of_a_character_share_a_box_with_their_number():
    sheet = render_steps.Sheet("", EN)
    sheet.add([step("", 1), step("", 2)])
    assert boxes(sheet.html) == []
    sheet.add([step("é", 3), step("猫", 4)])
    assert [box["i"] for box in boxes(sheet.html)] == [[1, 2, 3], [4]]
    assert "é<sup>3</sup>" in sheet.html
    assert boxes(sheet.html)[0]["p"] == pytest.approx(0.0498, abs=1e-4)  # e**-3


def test_a_stopped_text_ends_with_its_held_tokens_in_a_box_of_their_own():
    sheet = render_steps.Sheet("", EN)
    sheet.add([step("猫", 1), step("", 2)])
    sheet.end()
    assert [box["i"] for box in boxes(sheet.html)] == [[1], [2]]


def test_newlines_and_blanks_are_seen_and_the_line_breaks():
    sheet = render_steps.Sheet("a\r\nb", EN)
    sheet.add([step("。\n"), step(" ")])
    assert "a<br>b" in sheet.html
    assert "⏎</i></span><br>" in sheet.html
    assert "␣" in sheet.html
    assert [box["s"] for box in boxes(sheet.html)] == ["。⏎", "␣"]


def test_levels_follow_the_legend():
    assert [render_steps.level(p) for p in (1.0, 0.5, 0.49, 0.1, 0.05, 0.01, 0.001, 0.0001)] == [0, 0, 1, 1, 2, 3, 4, 5]
    assert render_steps.scale("x").count("<li>") == 6


def test_the_curve_of_no_tokens_is_empty_and_of_many_is_bounded():
    assert render_steps.spark([], EN) == ""
    assert render_steps.spark([3.0] * 5000, EN).count("<rect") == 120


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


def test_a_token_that_is_no_text_has_a_box_of_its_own():
    top = (Alternative(9, "<|endoftext|>", -1.0, 0.4, True),)
    sheet = render_steps.Sheet("", EN)
    sheet.add([step("猫", 1), Step(9, "", -1.0, 1, 0.5, top, 0.0, None), step("犬", 2)])
    assert [box["i"] for box in boxes(sheet.html)] == [[1], [9], [2]]
    assert "⏹" in sheet.html


# ---------------------------------------------------------------- after a reload


def test_a_kept_text_comes_back_by_ids_and_can_be_continued(playground):
    writing, later = VisitorState(), VisitorState()
    frames(playground, writing, "new", prompt="猫<b>", settings=LIVELY.change(min_new_tokens=12))
    frame = generate.recalled(playground, scorer(playground), later, kept(writing), EN)
    assert later.text.ids == writing.text.ids
    assert later.text.written == writing.text.written
    assert [box["i"] for box in boxes(frame.view)] == [box["i"] for box in boxes(show(writing.text, EN)[0])]
    for new, old in zip(later.text.steps, writing.text.steps, strict=True):
        assert new.logprob == pytest.approx(old.logprob, abs=1e-4)
    assert {after for box in boxes(frame.view) for *_, after, _ in box["a"]} == {None}
    assert later.text.parts == writing.text.parts
    assert "Restored your last texts" in frame.line
    whole = [step.id for step in settled(writing.text, playground.tokenizer)]
    frames(playground, later, "continue")
    assert [step.id for step in later.text.steps[: len(whole)]] == whole


@pytest.mark.parametrize(
    "change", [{"ids": [10**6]}, {"ids": ["x"]}, {"parent": 9}, {"place": 99}, {"author": "<b>"}, {"cut": -1}, {"seed": "x"}]
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
