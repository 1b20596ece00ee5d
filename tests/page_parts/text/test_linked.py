"""A generated text in a link: it comes back token by token, and what a link cannot have is text or a sentence."""

import json
from dataclasses import replace
from typing import Any

import pytest

from neoxjp.page_parts import link_address as address
from neoxjp.page_parts.link_address import LinkedRun, View
from neoxjp.page_parts.session.playground import Playground, Progress
from neoxjp.page_parts.strings import words
from neoxjp.page_parts.text.editing import details, own_end, pieces_of, prompt_text, score_text, typed
from neoxjp.page_parts.text.linked import add_scores, restore, view_of
from neoxjp.page_parts.text.state import Text, VisitorState, add_text_to_tree
from neoxjp.page_parts.text.stream import scorer
from neoxjp.ui import generate
from tests.support.written import LIVELY, frames, step, tab_of

EN = words("en")


def shown(playground: Playground, writing: VisitorState) -> VisitorState:
    """The page has the text of the state."""
    writing.document.patch(pieces_of(writing.text, playground.tokenizer))
    return writing


def of_two_letters(playground: Playground) -> VisitorState:
    """After a prompt, a word that the model wrote letter by letter: encoding it gives fewer tokens."""
    tokenizer = playground.tokenizer
    ids = [tokenizer.encode(letter)[0] for letter in "東京"]
    assert tokenizer.encode("東京") != ids
    steps = tuple(step(letter, id) for letter, id in zip("東京", ids, strict=True))
    text = replace(prompt_text(playground, "慶應と"), steps=steps)
    writing = VisitorState()
    typed(playground, writing, "慶應と")
    writing.keep_draft()
    writing.commit(add_text_to_tree(writing.tree, text, len(text.prompt_ids)), text)
    return shown(playground, writing)


def opened(playground: Playground, view: View) -> tuple[VisitorState, dict[str, Any]]:
    """A page that was opened with a link, and the patch that it got."""
    writing = VisitorState()
    send(playground, writing, "ページの例文")  # may come before the link's text, or after it
    writing.linked = address.read(address.write(view))
    return writing, send(playground, writing, view.text)


def send(playground: Playground, writing: VisitorState, text: str) -> dict[str, Any]:
    found = generate.edited(tab_of(playground), writing, {"text": text}, EN)
    assert found is not None
    return json.loads(found["patch"])


def facts(writing: VisitorState) -> list[tuple[Any, ...]]:
    return [(piece.text, piece.ids, piece.own) for piece in writing.document.pieces]


def ask(playground: Playground, writing: VisitorState) -> None:
    """The event that the page sends because the patch said so."""
    score_text(playground, scorer(playground), writing, 10)
    assert add_scores(writing)
    shown(playground, writing)


@pytest.mark.parametrize("edit", ["", "慶應の犬"])
def test_a_generated_text_comes_back_with_its_ids_its_authors_and_its_probabilities(playground, edit):
    first = VisitorState()
    frames(playground, first, "new", prompt="慶應と猫")
    if edit:
        typed(playground, first, first.text.whole + edit)
    shown(playground, first)
    second, patch = opened(playground, view_of(first, 3))
    assert second.text.ids == first.text.ids
    assert second.document.text == first.document.text
    assert own_end(second) == own_end(first)
    assert second.text.prompt_ids == first.text.prompt_ids
    assert (patch["select"], patch["ask"], second.linked) == (3, True, None)
    assert "Showing the text of the link" in patch["also"]["html"]["generate-line"]
    assert f"{len(first.text.steps)} tokens, " in patch["also"]["html"]["generate-stats"]
    assert "bits" not in patch["also"]["html"]["generate-stats"]  # the model has not scored it yet
    ask(playground, second)
    scored = json.loads(generate.scored_now(tab_of(playground), second, EN)["patch"])["also"]["html"]
    assert "bits" in scored["generate-stats"]
    assert "Showing the text of the link" in scored["generate-line"]
    assert facts(second) == facts(first)
    for one, other in zip(first.document.pieces, second.document.pieces, strict=True):
        assert (other.probability or 0) == pytest.approx(one.probability or 0, rel=1e-4)
    assert details(second, first.text.ids.index(first.text.steps[-1].id), EN) is not None
    assert not add_scores(second)  # once is enough
    again = send(playground, second, second.document.text)  # a page that sends its whole text drops patches from before it
    assert again["also"]["html"]["generate-stats"] == scored["generate-stats"]
    assert view_of(second, 3) == view_of(first, 3)


def test_tokens_that_encoding_would_not_give_come_back(playground):
    first = of_two_letters(playground)
    view = view_of(first, None)
    assert [run.ids for run in view.runs] == [None, first.text.ids[-2:]]
    second, _ = opened(playground, view)
    assert second.text.ids == first.text.ids != tuple(playground.tokenizer.encode("慶應と東京"))
    assert second.document.text == "慶應と東京"


def test_what_is_typed_after_a_link_keeps_the_ids_before_it(playground):
    first = of_two_letters(playground)
    second, _ = opened(playground, view_of(first, None))
    typed(playground, second, "慶應と東京の犬")
    assert second.text.ids[: len(first.text.ids)] == first.text.ids


def test_generate_and_continue_go_on_from_the_same_place(playground):
    first = of_two_letters(playground)
    second, _ = opened(playground, view_of(first, None))
    for mode in ("continue", "new"):
        for writing in (first, second):
            before = writing.text.ids if mode == "continue" else writing.text.prompt_ids
            list(generate.write(playground, generate.stream(playground), writing, mode, LIVELY, EN))
            assert writing.text.ids[: len(before)] == before
        assert first.text.ids == second.text.ids


def test_the_text_without_a_stop_string_stays_without_it(playground):
    tokenizer = playground.tokenizer
    ids = tokenizer.encode("犬です。")
    prompt = prompt_text(playground, "猫")
    steps = [step(text, id) for text, id in zip(["犬", *[""] * (len(ids) - 1)], ids, strict=True)]
    writing = VisitorState(replace(prompt, steps=tuple(steps), finish="stop"))
    writing.tree_for(tokenizer)
    writing.history = replace(writing.history, tree=replace(writing.tree, vocabulary=writing.tree_for(tokenizer).vocabulary))
    second, _ = opened(playground, view_of(shown(playground, writing), None))
    assert second.document.text == "猫犬"
    assert second.text.ids == writing.text.ids


def test_a_prompt_of_ones_own_needs_no_ids_and_an_empty_one_has_its_first_token(playground):
    writing = VisitorState()
    typed(playground, writing, "慶應と慶応")
    assert view_of(shown(playground, writing), 1) == View("慶應と慶応", "", selected=1)
    typed(playground, writing, "")
    (run,) = view_of(shown(playground, writing), None).runs
    assert run == LinkedRun(0, "user", writing.text.prompt_ids)


@pytest.mark.parametrize("selected", [None, -1, 6, 10**9])
def test_no_token_beyond_the_text_is_selected(playground, selected):
    first = of_two_letters(playground)
    assert view_of(first, selected).selected is None
    _, patch = opened(playground, replace(view_of(first, None), selected=10**9))
    assert "select" not in patch


def test_of_another_vocabulary_the_text_comes_back_with_a_sentence(playground):
    view = replace(view_of(of_two_letters(playground), 2), vocabulary="0123abcd")
    second, patch = opened(playground, view)
    assert second.document.text == "慶應と東京"
    assert second.text.ids == tuple(playground.tokenizer.encode("慶應と東京"))
    assert "another vocabulary" in patch["message"]
    assert "select" not in patch


@pytest.mark.parametrize(
    "runs",
    [
        [(3, 0), (2, 1, [10**9, 1])],  # no such id
        [(3, 0), (2, 1, [1])],  # another text
        [(3, 0), (2, 1, [])],
        [(3, 0, []), (2, 1)],
        [(3, 1, [3]), (2, 1, [4])],
        [(0, 1), (3, 0), (2, 2, [1, 2, 3])],
    ],
)
def test_ids_that_are_not_those_of_the_text_are_ignored_with_a_sentence(playground, runs):
    plain = view_of(of_two_letters(playground), None)
    authors = ("user", "model", "edit", "forced")
    made = tuple(LinkedRun(n, authors[author], tuple(ids[0]) if ids else None) for n, author, *ids in runs)
    second, patch = opened(playground, replace(plain, runs=made))
    assert second.text.ids == tuple(playground.tokenizer.encode("慶應と東京"))
    assert "not those of its text" in patch["message"]


def test_a_link_opened_before_the_model_is_there_waits_for_it(playground, monkeypatch):
    view = view_of(of_two_letters(playground), 2)
    loaded, writing = playground.loaded, VisitorState()
    writing.linked = view
    monkeypatch.setattr(playground, "progress", Progress("weights", "x"))
    monkeypatch.setattr(playground, "loaded", None)
    assert generate.edited(tab_of(playground), writing, {"text": view.text}, EN) is None
    monkeypatch.setattr(playground, "loaded", type(loaded).__base__(loaded.choice, loaded.tokenizer, serial=1))
    send(playground, writing, view.text)
    assert writing.linked is view
    monkeypatch.setattr(playground, "loaded", loaded)
    patch = send(playground, writing, view.text)
    assert writing.text.serial == loaded.serial
    assert [len(piece.ids) for piece in writing.document.pieces][-2:] == [1, 1]
    assert (patch["select"], patch["ask"], writing.linked) == (2, True, None)


def test_a_link_without_generated_tokens_leaves_the_hint(playground):
    writing, patch = opened(playground, View("猫です", ""))
    assert writing.text.whole == "猫です"
    assert "generate-line" not in patch["also"]["html"]
    assert "generate-stats" not in patch["also"]["html"]


def test_another_text_is_not_that_of_the_link(playground):
    view = view_of(of_two_letters(playground), 2)
    writing = VisitorState()
    writing.linked = view
    send(playground, writing, view.text + "。")
    assert writing.text.ids == tuple(playground.tokenizer.encode(view.text + "。"))


def test_while_the_model_writes_the_link_has_what_is_there(playground):
    writing = of_two_letters(playground)
    grown = writing.text
    writing.live = Text(**{**vars(grown), "steps": (*grown.steps, step("犬", playground.tokenizer.encode("犬")[0]))})
    assert view_of(writing, None).text == "慶應と東京犬"
    writing.live = None
    assert restore(playground, writing, view_of(writing, None)).whole == "慶應と東京"
