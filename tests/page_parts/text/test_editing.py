"""What the visitor types: what lies before an edit keeps its ids, the rest is the visitor's own; and the facts of one token."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from neoxjp.engine import score
from neoxjp.errors import ParameterError, PromptTooLong
from neoxjp.labs.branches.actions import delete
from neoxjp.page_parts.session.playground import Limits, Playground
from neoxjp.page_parts.strings import words
from neoxjp.page_parts.text.editing import details, own_end, own_text, pieces_of, prompt_text, score_text, step_of, typed
from neoxjp.page_parts.text.linked import add_scores
from neoxjp.page_parts.text.settings import Settings
from neoxjp.page_parts.text.state import VisitorState
from neoxjp.page_parts.text.stream import scorer, stream
from neoxjp.page_parts.text.writing import branch, write
from neoxjp.page_parts.token_editor import Document, Edit, Piece
from neoxjp.ui import generate
from tests.support.written import LIVELY, frames, tab_of

EN = words("en")
LONG = LIVELY.change(max_new_tokens=12, min_new_tokens=12)


def written(playground: Playground, prompt: str = "猫です。") -> VisitorState:
    """A prompt and twelve tokens of the model."""
    writing = VisitorState()
    frames(playground, writing, "new", prompt=prompt, settings=LONG)
    assert writing.text is not None
    return writing


def string(playground: Playground, writing: VisitorState) -> str:
    return "".join(piece.text for piece in pieces_of(writing.text, playground.tokenizer))


def send(playground: Playground, writing: VisitorState, sent: Any) -> Any:
    """The patch that answers an edit."""
    found = generate.edited(tab_of(playground), writing, sent, EN)
    assert found is not None
    return json.loads(found["patch"])


def test_the_pieces_of_a_text_have_all_its_ids_and_its_whole_text(playground):
    writing = written(playground)
    pieces = pieces_of(writing.text, playground.tokenizer)
    assert tuple(id for piece in pieces for id in piece.ids) == writing.text.ids
    assert string(playground, writing) == writing.text.whole.replace("\r\n", "\n")
    assert [piece.own for piece in pieces].index(False) == len(
        pieces_of(prompt_text(playground, "猫です。"), playground.tokenizer)
    )


@pytest.mark.parametrize("prompt", ["", "慶應と慶応", "𩸽と👨\u200d👩\u200d👧", "a\tb\nc d\u3000e", "<|endoftext|>"])
def test_a_prompt_is_shown_as_it_was_typed(playground, prompt):
    text = prompt_text(playground, prompt)
    pieces = pieces_of(text, playground.tokenizer)
    assert "".join(piece.text for piece in pieces) == prompt
    assert all(piece.own for piece in pieces)
    assert tuple(id for piece in pieces for id in piece.ids) == text.ids


def test_what_lies_before_an_edit_keeps_its_ids_and_probabilities(playground):
    writing = written(playground)
    before, pieces = writing.text, pieces_of(writing.text, playground.tokenizer)
    whole = string(playground, writing)
    place = len("".join(piece.text for piece in pieces[:-4]))
    typed(playground, writing, whole[:place] + "犬" + whole[place:])
    after = pieces_of(writing.text, playground.tokenizer)
    assert after[: len(pieces) - 4] == pieces[:-4]
    assert string(playground, writing) == whole[:place] + "犬" + whole[place:]
    assert all(piece.own for piece in after[len(pieces) - 4 :])
    assert writing.text is not before
    assert own_end(writing) == len(writing.text.ids)


def test_typing_back_what_was_there_is_no_edit(playground):
    writing = written(playground)
    before, whole = writing.text, string(playground, writing)
    typed(playground, writing, whole + "犬")
    assert writing.draft is not None
    assert typed(playground, writing, whole) is before
    assert (writing.text, writing.draft, writing.saved) == (before, None, None)


def test_typed_characters_are_encoded_together_not_one_by_one(playground):
    writing = written(playground)
    whole, ids = string(playground, writing), writing.text.ids
    for end in range(1, 5):
        typed(playground, writing, whole + "東京都。"[:end])
    assert writing.text.ids == ids + tuple(playground.tokenizer.encode("東京都。"))


def test_an_edit_of_the_prompt_makes_the_whole_text_the_visitors(playground):
    writing = written(playground)
    whole = string(playground, writing)
    typed(playground, writing, "大" + whole)
    assert writing.text.prompt == "大" + whole
    assert writing.text.steps == ()
    assert writing.text.prompt_ids == tuple(playground.tokenizer.encode("大" + whole))


def test_generate_replaces_what_the_model_wrote_and_continues_after_an_edit(playground):
    writing = written(playground)
    first = writing.text
    list_of(playground, writing, LONG.change(seed="4"))
    assert writing.text.prompt_ids == first.prompt_ids
    assert writing.text.ids != first.ids
    assert len(writing.text.steps) == len(first.steps)
    whole = string(playground, writing)
    typed(playground, writing, whole + "犬")
    end = writing.text.ids
    list_of(playground, writing, LONG)
    assert writing.text.ids[: len(end)] == end
    assert len(writing.text.ids) == len(end) + 12


def test_after_the_end_was_deleted_generate_continues_from_there(playground):
    writing = written(playground)
    pieces = pieces_of(writing.text, playground.tokenizer)
    typed(playground, writing, "".join(piece.text for piece in pieces[:-5]))
    ids = writing.text.ids
    list_of(playground, writing, LONG)
    assert writing.text.ids[: len(ids)] == ids


def list_of(playground: Playground, writing: VisitorState, settings: Settings) -> None:
    assert list(write(playground, stream(playground), writing, "new", settings, EN))


def test_redo_brings_back_the_edit_that_undo_took_away(playground):
    writing = written(playground)
    first, whole = writing.text, string(playground, writing)
    typed(playground, writing, whole + "犬")
    draft = writing.text
    writing.undo()
    writing.undo()  # the generation, too
    assert writing.can_redo
    assert writing.redo() is first
    assert writing.redo() is draft
    assert not writing.can_redo
    assert writing.undo() is first
    typed(playground, writing, whole + "猫")  # another edit
    assert writing.undo() is first
    assert writing.redo().whole == whole + "猫"


def test_a_draft_that_was_undone_outlives_a_look_at_a_token(playground):
    writing = written(playground)
    typed(playground, writing, string(playground, writing) + "犬")
    draft = writing.text
    writing.undo()
    score_text(playground, scorer(playground), writing, 10)
    assert not add_scores(writing)
    writing.show(writing.tree, writing.text)
    assert writing.redo() is draft


def test_a_draft_on_an_empty_page_that_was_undone_comes_back(playground):
    writing = written(playground)
    delete(playground, scorer(playground), writing)
    while writing.tree.nodes:
        delete(playground, scorer(playground), writing)
    typed(playground, writing, "犬です")
    draft = writing.text
    assert writing.undo() is None
    assert writing.redo() is draft


def test_ids_before_an_edit_have_the_text_of_the_field(playground):
    writing = written(playground)
    whole = writing.text.whole
    last = writing.text.steps[-1]
    hidden = replace(last, text="")  # as after a stop string
    writing.text = replace(writing.text, steps=(*writing.text.steps[:-1], hidden))
    shown = string(playground, writing)
    assert shown != whole
    typed(playground, writing, shown + "犬")
    assert playground.tokenizer.decode(writing.text.ids, skip_special_tokens=True) == shown + "犬"


def test_undo_takes_back_the_edit_then_the_generation(playground):
    writing = written(playground)
    first, whole = writing.text, string(playground, writing)
    typed(playground, writing, whole + "犬")
    assert writing.undo() is first
    typed(playground, writing, whole + "犬")
    list_of(playground, writing, LONG)
    assert writing.undo().whole == whole + "犬"
    assert writing.undo() is first


def test_a_text_of_another_vocabulary_becomes_the_visitors_own(playground):
    writing = written(playground)
    writing.text = writing.text.__class__(**{**vars(writing.text), "serial": -5})
    typed(playground, writing, "猫です。" + "犬")
    assert writing.text.serial == playground.serial
    assert writing.text.steps == ()


def test_too_many_characters_are_refused_and_nothing_changes(playground, monkeypatch):
    writing = written(playground)
    before = writing.text
    monkeypatch.setattr(playground, "limits", Limits(characters=10))
    with pytest.raises(PromptTooLong):
        typed(playground, writing, "猫" * 11)
    assert writing.text is before
    answer = send(playground, writing, {"text": "猫" * 11})
    assert "11 characters" in answer["message"]


def test_what_is_typed_counts_as_text_of_the_visitor(playground, monkeypatch):
    charged: list[tuple[str, int]] = []
    monkeypatch.setattr(playground.visitors, "charge", lambda visitor, what, number: charged.append((what, number)))
    send(playground, VisitorState(), {"text": "猫です。"})
    assert charged == [("characters", 4)]


# ---------------------------------------------------------------- patches


def test_patches_rebuild_the_text_in_the_page(playground):
    writing, page = VisitorState(), list[Any]()
    for sent in ({"text": "猫です。"}, {"start": 1, "delete": 0, "insert": "と犬"}, {"start": 0, "delete": 3, "insert": "𩸽"}):
        patch = send(playground, writing, sent | {"revision": writing.document.revision} if "start" in sent else sent)
        start = 0 if patch.get("whole") else patch["start"]
        page[start : len(page) if patch.get("whole") else start + patch["delete"]] = patch["pieces"]
        assert patch["typed"]
        assert "".join(piece[0] for piece in page) == writing.document.text
    assert writing.document.text == "𩸽です。"


def test_a_patch_is_small_however_long_the_text_is():
    document = Document()
    long = [Piece("猫", (1,), 0.5, 1)] * 2000
    document.patch(long)
    assert len(document.patch([*long, Piece("犬", (2,), 0.25, 1)]).encode()) < 200
    assert len(document.patch([*long[:1000], Piece("x", (3,)), *long[1000:], Piece("犬", (2,), 0.25, 1)]).encode()) < 200


def test_a_token_is_selected_once_when_its_text_comes():
    document, pieces = Document(to_select=("猫犬", 2)), [Piece("猫", (1, 2)), Piece("犬", (3,))]
    assert "select" not in json.loads(document.patch(pieces[:1]))
    assert json.loads(document.patch(pieces))["select"] == 2
    document.patch(pieces[:1])
    assert "select" not in json.loads(document.patch(pieces))
    assert "select" not in json.loads(Document(to_select=("猫犬", 3)).patch(pieces))


EDIT = {"revision": 0, "start": 0, "delete": 0, "insert": "x"}
BAD = [{"start": -1}, {"start": True}, {"delete": 10**12}, {"insert": None}, {"revision": "0"}]


@pytest.mark.parametrize("sent", [None, [], {"start": 1}, {"text": 5}, *(EDIT | bad for bad in BAD)])
def test_what_is_no_edit_is_refused(sent):
    with pytest.raises(ParameterError):
        Edit.read(sent)


def test_an_edit_beyond_the_end_gets_a_sentence_and_for_an_old_text_the_page_is_asked(playground):
    writing = VisitorState()
    send(playground, writing, {"text": "猫"})
    now = writing.document.revision
    assert "at 5" in send(playground, writing, {"revision": now, "start": 5, "delete": 1, "insert": ""})["message"]
    for state in (writing, VisitorState()):
        assert send(playground, state, {"revision": now, "start": 0, "delete": 0, "insert": "犬"})["want"] == "text"
    assert writing.document.text == "猫"


# ---------------------------------------------------------------- one token


def test_a_token_of_the_prompt_has_the_probability_that_score_gives(playground):
    writing = VisitorState()
    typed(playground, writing, "猫です。犬です。")
    writing.document.patch(pieces_of(writing.text, playground.tokenizer))
    assert details(writing, 2, EN) is None
    score_text(playground, scorer(playground), writing, 10)
    expected = score(playground.loaded.model, writing.text.ids, playground.tokenizer, top=10)
    for at in range(1, len(expected)):
        found = details(writing, at, EN)
        assert found["probability"] == pytest.approx(math.exp(expected[at].logprob))
        assert found["rank"] == expected[at].rank
    assert details(writing, 0, EN) == {"note": EN("generate_unscored")}
    typed(playground, writing, "猫です。鳥です。")
    assert step_of(writing, 2) is not None  # the beginning is the same
    assert step_of(writing, len(writing.text.ids) - 1) is None


@pytest.mark.parametrize("at", [1, 2])
def test_one_can_continue_with_another_token_of_the_prompt(playground, at):
    writing = VisitorState()
    typed(playground, writing, "猫です。犬です。")
    ids = writing.text.ids
    score_text(playground, scorer(playground), writing, 10)
    other = next(choice.id for choice in step_of(writing, at).top if choice.id != ids[at])
    assert list(branch(playground, stream(playground), writing, at, other, LONG, EN))
    assert writing.text.ids[: at + 1] == (*ids[:at], other)
    assert len(writing.text.ids) == at + 1 + 12


@pytest.mark.parametrize("at", [None, True, -1, 0, 10**6, "1"])
def test_no_token_is_there(playground, at):
    writing = written(playground)
    (frame,) = branch(playground, stream(playground), writing, at, 1, LONG, EN)
    assert 'role="alert"' in frame.line


def test_the_own_text_ends_where_the_model_went_on(playground):
    writing = written(playground)
    assert own_text(writing) == "猫です。"
    whole = string(playground, writing)
    typed(playground, writing, whole + "犬")
    assert own_text(writing) == whole + "犬"
    assert own_text(VisitorState()) == ""


def test_what_the_model_reads_as_something_else_is_marked_and_said(playground):
    writing = VisitorState()
    typed(playground, writing, "猫\u3000犬")
    writing.document.patch(pieces_of(writing.text, playground.tokenizer))
    assert [(piece.text, piece.marks) for piece in writing.document.pieces] == [("猫", ""), ("\u3000", "lossy"), ("犬", "")]
    score_text(playground, scorer(playground), writing, 5)
    notes = [details(writing, at, EN).get("notes") for at in range(3)]
    assert notes == [None, [["lossy", "Decoding gives “␣” instead of “□”."]], None]
