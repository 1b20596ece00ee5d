"""Branches on the page without a browser: one history for all changes, going on by ids, forced words, files, models."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from neoxjp.engine import Step, score
from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.labs.branches import actions, records
from neoxjp.labs.branches import section as branches
from neoxjp.labs.branches import view as views
from neoxjp.labs.branches.actions import text_of
from neoxjp.labs.branches.files import LARGEST_MEMO, rows_of, to_json
from neoxjp.labs.branches.records import Tree, surprisal_of_steps
from neoxjp.labs.branches.strings import strings
from neoxjp.labs.common.fingerprints import vocabulary_fingerprint
from neoxjp.labs.replay.section import state_of
from neoxjp.labs.sampling_trace import section as trace
from neoxjp.labs.sampling_trace.section import logits_reader, recompute_logits, step_at
from neoxjp.labs.sampling_trace.strings import words as trace_words
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.text.editing import pieces_of, typed
from neoxjp.page_parts.text.settings import Settings
from neoxjp.page_parts.text.state import Text, VisitorState
from neoxjp.page_parts.text.stream import scorer, stream
from neoxjp.page_parts.text.writing import Frame, Mode, branch, write
from neoxjp.ui import generate
from tests.support.written import frames

EN = strings.words("en")
LIVELY = Settings.set(temperature=1.5, top_p=1.0, max_new_tokens=8, min_new_tokens=8, repetition_penalty=1.0, seed="3")
HOSTILE = "<script>hacked=1</script>${hacked=2}"


def put(
    playground: Playground, writing: VisitorState, mode: Mode = "new", prompt: str = "猫", settings: Settings = LIVELY
) -> Text:
    *_, last = frames(playground, writing, mode, prompt, settings)
    assert 'role="alert"' not in last.line
    assert writing.text is not None
    return writing.text


def go_on(playground: Playground, writing: VisitorState, at: Any, id: Any, settings: Settings = LIVELY) -> Frame:
    """Continue from another token: `at` counts from the first after the prompt."""
    place = at + len(writing.text.prompt_ids) if type(at) is int and writing.text else at
    *_, last = branch(playground, stream(playground), writing, place, id, settings, EN)
    return last


def other_than_written(text: Text, at: int, tokenizer: Any) -> int:
    """An alternative that is text by itself."""
    step = text.steps[at]
    byte_values = tokenizer.vocabulary.byte_values
    special = tokenizer.all_special_ids
    return next(choice.id for choice in step.top if choice.id not in (step.id, *special) and byte_values[choice.id] < 0)


def shape(writing: VisitorState) -> list[tuple[str, int | None, int]]:
    return [(node.author, node.parent, node.shared_ids) for node in writing.tree.nodes.values()]


# ---------------------------------------------------------------- one history


def test_everything_that_writes_feeds_one_tree(playground):
    writing = VisitorState()
    first = put(playground, writing)
    assert shape(writing) == [("user", None, 0), ("model", 0, 1)]
    assert writing.tree.nodes[1].params == first.params
    put(playground, writing, "again", settings=LIVELY.change(temperature=0.0))
    assert shape(writing)[2:] == [("model", 0, 1)]  # beside the first
    longer = put(playground, writing, "continue")
    assert len(writing.tree.nodes) == 3
    assert writing.tree.ids(2) == longer.ids
    assert writing.tree.nodes[2].params is None  # two generations
    put(playground, writing, prompt="犬")
    put(playground, writing)
    assert shape(writing)[3:] == [("user", None, 0), ("model", 3, 1)]
    assert writing.tree.current == 1  # the same text again is no second branch
    assert [writing.tree.ids(key) for key in (0, 1)] == [first.prompt_ids, first.ids]


def test_undo_and_redo_walk_all_changes_and_bring_back_the_very_texts(playground):
    writing = VisitorState()
    put(playground, writing)
    texts: list[Text | None] = [None, writing.stored_text(writing.history.past[-1]), writing.text]  # with the prompt alone
    texts.append(put(playground, writing, "continue"))
    go_on(playground, writing, 2, other_than_written(texts[-1], 2, playground.tokenizer))
    texts.append(writing.text)
    actions.name(writing, "a name")
    texts.append(writing.text)
    actions.force(playground, scorer(playground), writing, "犬です", None)
    texts.append(writing.text)
    actions.force(playground, scorer(playground), writing, "東京", None)
    texts.append(writing.text)
    actions.delete(playground, scorer(playground), writing)
    texts.append(writing.text)
    trees = [*writing.history.past, writing.tree]
    for text, tree in zip(texts[-2::-1], trees[-2::-1], strict=True):
        assert writing.undo() is text
        assert writing.tree is tree
    for text, tree in zip(texts[1:], trees[1:], strict=True):
        assert writing.redo() is text
        assert writing.tree is tree
    assert writing.redo() is texts[-1]


def test_a_change_gives_up_what_was_undone_and_a_look_does_not(playground):
    writing = VisitorState()
    put(playground, writing)
    put(playground, writing, prompt="犬")
    writing.undo()
    actions.show(playground, scorer(playground), writing, 0)
    assert writing.history.future
    put(playground, writing, "continue")
    assert not writing.history.future


@pytest.mark.parametrize("action", ["show", "name", "delete", "force", "load"])
@pytest.mark.parametrize("more", [True, False], ids=["behind the text", "another text"])
def test_what_was_typed_since_becomes_a_branch_before_anything_else_happens(playground, action, more):
    writing, scored = VisitorState(), scorer(playground)
    written = put(playground, writing).whole
    own = written + "私も。" if more else "私の文章"
    typed(playground, writing, own)
    if action == "show":
        actions.show(playground, scored, writing, 0)
        assert actions.show(playground, scored, writing, max(writing.tree.nodes)).whole == own
    elif action == "name":
        actions.name(writing, "a name")
        assert writing.tree.nodes[writing.tree.current].name == "a name"
    elif action == "delete":
        assert actions.delete(playground, scored, writing) == 1
    elif action == "force":
        actions.force(playground, scored, writing, "犬", None)
        assert writing.text.whole == own + "犬"
    else:
        other = VisitorState()
        put(playground, other, prompt="犬")
        actions.load(playground, scored, writing, to_json(other.tree))
    assert writing.draft is None
    if writing.text is not None:
        assert writing.tree.ids(writing.tree.current) == writing.text.ids
        put(playground, writing, "continue")
        assert writing.tree.ids(writing.tree.current) == writing.text.ids
    seen = [own] if action == "show" else []  # a look is no change to undo
    while writing.history.past:
        text = writing.undo()
        seen.append(text.whole if text is not None else "")
    assert own in seen
    assert written in seen


def test_redo_waits_until_nothing_typed_is_lost(playground):
    writing = VisitorState()
    put(playground, writing)
    writing.undo()
    typed(playground, writing, "猫、私も。")
    assert not writing.can_redo
    assert writing.redo().whole == "猫、私も。"
    writing.undo()
    assert writing.can_redo


def test_the_tree_is_not_changed_while_the_model_writes(playground):
    writing = VisitorState()
    put(playground, writing)
    running = write(playground, stream(playground), writing, "continue", LIVELY, EN)
    next(running)
    for change in (
        lambda: actions.name(writing, "x"),
        lambda: actions.delete(playground, scorer(playground), writing),
        lambda: actions.show(playground, scorer(playground), writing, 0),
        lambda: actions.force(playground, scorer(playground), writing, "x", None),
        lambda: actions.load(playground, scorer(playground), writing, "{}"),
    ):
        with pytest.raises(ParameterError, match="is generating"):
            change()
    running.close()


def test_no_more_than_the_tree_can_hold_is_begun(playground, monkeypatch):
    writing = VisitorState()
    put(playground, writing)
    monkeypatch.setattr(records.limits, "ids", 12)
    (frame,) = write(playground, stream(playground), writing, "continue", LIVELY, EN)
    assert "delete some" in frame.line
    assert len(writing.tree.nodes) == 2


def test_the_bound_of_memory_drops_the_oldest_and_they_are_scored_anew(playground, monkeypatch):
    monkeypatch.setattr("neoxjp.page_parts.text.state.MOST_STEPS", 12)
    writing = VisitorState()
    first = put(playground, writing)
    put(playground, writing, prompt="犬")
    assert writing.stored_text(writing.tree.show(1)) is None
    back = actions.show(playground, scorer(playground), writing, 1)
    assert (back.ids, back.whole, back.prompt, back.parts) == (first.ids, first.whole, first.prompt, first.parts)
    for new, old in zip(back.steps, first.steps, strict=True):
        assert (new.id, new.text, new.rank) == (old.id, old.text, old.rank)
        assert new.logprob == pytest.approx(old.logprob, abs=1e-4)
    assert math.isnan(back.steps[0].top[0].probability)  # what the filters left is not known


# ---------------------------------------------------------------- going on from another token


def test_an_alternative_stands_in_its_place_and_the_model_goes_on_by_ids(playground, monkeypatch):
    writing = VisitorState()
    text = put(playground, writing, prompt="東京都の猫")
    id = other_than_written(text, 3, playground.tokenizer)
    monkeypatch.setattr(type(playground.tokenizer), "encode", None)
    go_on(playground, writing, 3, id)
    new, place = writing.text, len(text.prompt_ids) + 3
    assert new.ids[: place + 1] == (*text.ids[:place], id)
    assert len(new.ids) == place + 9
    assert shape(writing)[2:] == [("user", 1, place), ("model", 2, place + 1)]
    assert writing.tree.ids(1) == text.ids  # the old one stays
    assert len(writing.history.past) == 3  # the prompt, the generation, one change
    put_there = new.steps[3]
    choice = next(choice for choice in text.steps[3].top if choice.id == id)
    assert (put_there.logprob, put_there.rank) == (choice.logprob, text.steps[3].top.index(choice) + 1)
    assert new.part_of(2) == text.parts[0]
    assert new.part_of(3) is None  # nobody drew it
    assert new.part_of(4).start == 4


def test_the_sampling_trace_and_the_replay_know_that_nobody_drew_a_token_put_there(playground):
    writing = VisitorState()
    text = put(playground, writing)
    go_on(playground, writing, 3, other_than_written(text, 3, playground.tokenizer))
    step = step_at(writing.text, 4)
    assert (step.position, step.known) == (3, False)
    assert step.history == text.ids[: len(text.prompt_ids) + 3]
    recompute_logits(playground, logits_reader(playground), writing.text, step)
    assert "random number are unknown" in trace.shown_of(playground, writing.text, step, None, trace_words("en"))[0]
    assert step_at(writing.text, 3).part == text.parts[0]
    state = state_of(playground, writing.text)
    assert state.prompt_ids == writing.text.ids[: len(text.prompt_ids) + 4]
    actions.force(playground, scorer(playground), writing, "犬", None)
    with pytest.raises(ParameterError, match="not known"):
        state_of(playground, writing.text)


def test_the_token_that_stands_there_writes_anew_behind_it(playground):
    writing = VisitorState()
    text = put(playground, writing)
    at = next(at for at, step in enumerate(text.steps[:-1]) if step.text)
    go_on(playground, writing, at, text.steps[at].id, LIVELY.change(seed="9"))
    assert writing.text.steps[: at + 1] == text.steps[: at + 1]
    assert [node[0] for node in shape(writing)] == ["user", "model", "model"]
    assert writing.text.base == at + 1


@pytest.mark.parametrize(("at", "id"), [(99, 1), (-1, 1), (None, None), ("0", 1), (0, 10**9), (0, "x"), (0, 1.0), (True, 1)])
def test_what_is_no_alternative_gets_a_sentence(playground, at, id):
    writing = VisitorState()
    before = put(playground, writing)
    assert "select another" in go_on(playground, writing, at, id).line
    assert writing.text is before
    assert "press Generate" in go_on(playground, VisitorState(), 0, 1).line


def test_half_a_character_is_completed_by_what_follows(playground):
    tokenizer = playground.tokenizer
    head, tail = tokenizer.encode("é")
    writing = VisitorState()
    text = put(playground, writing)
    top = (replace(text.steps[2].top[0], id=head), *text.steps[2].top[1:])
    steps = (*text.steps[:2], replace(text.steps[2], top=top), *text.steps[3:])
    writing.show(writing.tree, replace(text, steps=steps))

    def paints(*given: Any) -> Any:
        for paint in stream(playground)(*given):
            yield replace(paint, steps=tuple(replace(step, id=tail, text="\ufffd") for step in paint.steps[:1]) + paint.steps[1:])

    list(
        branch(playground, paints, writing, len(text.prompt_ids) + 2, head, LIVELY.change(max_new_tokens=1, min_new_tokens=1), EN)
    )
    assert writing.text.whole.endswith("é")


# ---------------------------------------------------------------- a branch as a text


def test_the_opening_is_shown_as_it_was_typed(playground):
    writing = VisitorState()
    put(playground, writing, prompt="慶應の大学")
    later = VisitorState()
    actions.recall(playground, scorer(playground), later, to_json(writing.tree, LARGEST_MEMO))
    assert later.text.prompt == "慶應の大学"
    assert later.text.whole.startswith("慶應の大学")
    assert rows_of(later.tree, playground.tokenizer)[0].begins == "慶應の大学"


def test_an_opening_of_nothing_is_nothing(playground):
    writing = VisitorState()
    put(playground, writing, prompt="")
    later = VisitorState()
    actions.recall(playground, scorer(playground), later, to_json(writing.tree, LARGEST_MEMO))
    assert (later.text.prompt, later.text.ids) == ("", writing.text.ids)


def test_every_branch_of_any_tree_can_be_shown(playground):
    size = playground.tokenizer.vocab_size
    tree = (
        Tree(vocabulary=vocabulary_fingerprint(playground.tokenizer)).start([]).grow(0, range(20)).start(range(size - 40, size))
    )
    tree = tree.grow(2, [1], at=3).grow(2, [5, 6], "forced", at=0)
    tree = tree.start(list(range(60)) * 6).grow(5, [3]).grow(6, [], "edit", at=2).grow(6, [3] * 300)
    writing = VisitorState()
    writing.tree_for(playground.tokenizer)
    for key in tree.nodes:
        text = text_of(playground, scorer(playground), writing, tree.show(key))
        assert text.ids == tree.ids(key)
        assert "".join(piece.text for piece in pieces_of(text, playground.tokenizer)) == text.whole.replace("\r\n", "\n")
        assert text.whole == playground.tokenizer.decode(text.ids, skip_special_tokens=True) or key in (2, 3, 4)
    long, longer = (text_of(playground, scorer(playground), writing, tree.show(key)) for key in (6, 8))
    assert long.steps[0].logprob is not None  # what stands far before it is left out
    assert longer.steps[0].logprob is None  # more than is scored
    assert text_of(playground, scorer(playground), writing, tree.show(None)) is None


# ---------------------------------------------------------------- force


@pytest.mark.parametrize("at", [None, 3])
def test_forced_words_have_the_price_that_the_record_says(playground, at):
    writing = VisitorState()
    text = put(playground, writing)
    found = actions.force(playground, scorer(playground), writing, "東京です", at)
    before = text.ids if at is None else text.ids[: len(text.prompt_ids) + at]
    forced = playground.tokenizer.encode("東京です")
    assert writing.text.ids == (*before, *forced)
    assert writing.tree.nodes[writing.tree.current].author == "forced"
    steps = score(playground.ready.model, [*before, *forced], playground.tokenizer, top=1)
    theirs = surprisal_of_steps(steps[-len(forced) :])
    assert [(token.text, token.rank, token.likeliest) for token in found.tokens] == [
        (token.text, token.rank, token.likeliest) for token in theirs.tokens
    ]
    assert found.bits == pytest.approx(theirs.bits, abs=1e-3)
    assert f"{found.bits:.2f} bits in total" in views.forced(found, EN)


def test_words_are_forced_in_the_place_of_ones_own_words_too(playground):
    writing = VisitorState()
    frames(playground, writing, "new", prompt="東京です。")
    whole = writing.text.whole
    typed(playground, writing, whole + "猫が好き")
    place = len(writing.saved.steps) if writing.saved else 0
    found = actions.force(playground, scorer(playground), writing, "猫は", place)
    assert found.bits > 0
    assert writing.text.whole == whole + "猫は"


def test_what_cannot_be_forced_gets_a_sentence(playground):
    writing = VisitorState()
    with pytest.raises(ParameterError, match="Press Generate first"):
        actions.force(playground, scorer(playground), writing, "猫", None)
    put(playground, writing)
    for text, at, sentence in (
        ("", None, "Enter the words"),
        ("猫", 99, "select another"),
        ("猫" * 300, None, "the limit is 256"),
    ):
        with pytest.raises(NeoxjpError, match=sentence):
            actions.force(playground, scorer(playground), writing, text, at)
    assert len(writing.tree.nodes) == 2


# ---------------------------------------------------------------- the list, two side by side


def test_the_list_names_author_place_and_the_branch_shown_above(playground):
    writing = VisitorState()
    put(playground, writing, prompt=HOSTILE)
    actions.name(writing, "<b>" + HOSTILE)
    html, fields, others = branches.listed(writing, EN)
    assert "<script" not in html
    assert html.count("<b") == html.count('<b class="branches-named">') + html.count("<bdi")
    assert html.count('role="treeitem"') == 2
    assert html.count('aria-selected="true"') == 1
    assert "● </i>" not in html
    for said in ("you</span>", "model</span>", "◀ shown", "8 tokens", f"from token {len(writing.text.prompt_ids) + 1}"):
        assert said in html
    assert [key for _, key in others] == [0]
    assert fields == {"key": 1, "name": ("<b>" + HOSTILE)}
    empty, fields, _ = branches.listed(VisitorState(), EN)
    assert "Press Generate" in empty
    assert not fields


def test_two_branches_stand_side_by_side(playground):
    writing = VisitorState()
    text = put(playground, writing)
    go_on(playground, writing, 2, other_than_written(text, 2, playground.tokenizer))
    html = branches.compared(writing, 1, EN)
    place = len(text.prompt_ids) + 2
    assert f"common beginning: {place} tokens" in html
    assert html.count("differs from here") == 2
    assert html.count("▼") == 0  # the sign is the style sheet's
    assert f"continues with {len(text.ids) - place} tokens" in html
    assert "#4 ◀ shown" in html
    assert "The texts are identical" in branches.compared(writing, 3, EN)
    assert "ends here" in branches.compared(writing, 0, EN)
    with pytest.raises(ParameterError, match="no branch"):
        branches.compared(writing, 77, EN)
    with pytest.raises(ParameterError, match="Choose a branch"):
        branches.compared(writing, None, EN)


@pytest.mark.slow
def test_five_hundred_branches_of_a_long_text_stay_usable(playground):
    tokenizer = playground.tokenizer
    long = "東京都の猫です。" * 12_500  # 100,000 characters
    writing = VisitorState()
    tree = writing.tree_for(tokenizer).start(tokenizer.encode(long), typed=long)
    for count in range(499):
        tree = tree.grow(0 if count % 7 else max(0, tree.current), [count % 300] * 3)
    writing.commit(tree, text_of(playground, scorer(playground), writing, tree))
    html, *_ = branches.listed(writing, EN)
    assert "survive a reload" not in html
    assert html.count('role="treeitem"') == 500
    assert len(html) < 400_000
    assert len(branches.compared(writing, 1, EN)) < 100_000


# ---------------------------------------------------------------- files, reload, other models


def test_a_file_adds_its_branches_behind_and_undo_takes_them_out(playground):
    one, other = VisitorState(), VisitorState()
    put(playground, one, prompt="猫")
    put(playground, other, prompt="犬")
    before = other.tree
    assert actions.load(playground, scorer(playground), other, to_json(one.tree)) == 2
    assert [other.tree.ids(key) for key in (2, 3)] == [one.tree.ids(key) for key in (0, 1)]
    assert other.text.ids == one.text.ids
    put(playground, other, "continue")
    other.undo()
    other.undo()
    assert other.tree is before


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (None, "no branches"),
        ("", "damaged"),
        ("{" + HOSTILE, "damaged"),
        ("x" * (8 * 2**20 + 1), "bytes, more than"),
        (to_json(Tree(vocabulary="other").start([1])), "another vocabulary"),
    ],
)
def test_a_file_that_cannot_be_used_gets_a_sentence_and_nothing_is_lost(playground, file, sentence):
    writing = VisitorState()
    text = put(playground, writing)
    tree = writing.tree
    with pytest.raises(ParameterError, match=sentence):
        actions.load(playground, scorer(playground), writing, file)
    assert (writing.tree, writing.text) == (tree, text)


def test_a_reload_brings_all_branches_back(playground):
    writing, later = VisitorState(), VisitorState()
    text = put(playground, writing, prompt="慶應")
    go_on(playground, writing, 2, other_than_written(text, 2, playground.tokenizer))
    actions.name(writing, "長い名前")
    frame = generate.recalled(
        playground, scorer(playground), later, json.loads(json.dumps(to_json(writing.tree, LARGEST_MEMO))), EN
    )
    assert "Restored your last texts" in frame.line
    assert later.tree == writing.tree
    assert later.text.ids == writing.text.ids
    assert later.undo() is None
    assert later.redo().ids == writing.text.ids


def test_what_the_browser_keeps_is_bounded_and_said(playground, monkeypatch):
    writing = VisitorState()
    put(playground, writing, prompt="犬")
    put(playground, writing, prompt="猫")
    assert "survive a reload" not in branches.listed(writing, EN)[0]
    most = len(to_json(writing.tree)) - 1
    monkeypatch.setattr(branches, "LARGEST_MEMO", most)
    assert "survive a reload" in branches.listed(writing, EN)[0]
    later = VisitorState()
    actions.recall(playground, scorer(playground), later, to_json(writing.tree, most))
    assert later.text.ids == writing.text.ids
    assert 2 <= len(later.tree.nodes) < 4


def test_another_models_branches_are_seen_and_saved_but_do_not_go_on(playground, monkeypatch):
    writing = VisitorState()
    text = put(playground, writing)
    monkeypatch.setattr(playground, "loaded", replace(playground.ready, serial=playground.serial + 1))
    assert "Another model" in go_on(playground, writing, 0, text.steps[0].top[0].id).line
    # of the same vocabulary: to show it is to score it by the model that is there, which then goes on
    assert actions.show(playground, scorer(playground), writing, 1).serial == playground.serial
    put(playground, writing, "continue")
    monkeypatch.setattr("neoxjp.labs.branches.actions.vocabulary_fingerprint", lambda tokenizer: "another")
    monkeypatch.setattr("neoxjp.page_parts.text.state.vocabulary_fingerprint", lambda tokenizer: "another")
    monkeypatch.setattr(playground, "loaded", replace(playground.ready, serial=playground.serial + 1))
    assert not branches.usable(playground, writing)
    with pytest.raises(ParameterError, match="another vocabulary"):
        actions.force(playground, scorer(playground), writing, "猫", None)
    writing._texts.clear()
    bare = actions.show(playground, scorer(playground), writing, 1)
    assert bare.ids == writing.tree.ids(1)
    assert {step.logprob for step in bare.steps} == {None}
    assert len(branches.listed(writing, EN)[0]) > 100
    assert json.loads(to_json(writing.tree))["nodes"]
    actions.delete(playground, scorer(playground), writing)
    old = writing.tree
    put(playground, writing, prompt="犬")  # a tree of its own; the old one is an Undo away
    assert len(writing.tree.nodes) == 2
    assert not set(writing.tree.nodes) & set(old.nodes)
    writing.undo()
    writing.undo()
    assert writing.tree is old


def test_a_text_shows_a_place_where_each_box_ends(playground):
    def step(text: str) -> Step:
        return Step(1, text, -1.0, 1, 0.5, (), 0.0, None)

    from neoxjp.labs.common.steps import box_end

    steps = [step("a"), step(""), step(""), step("b"), step("")]
    assert [box_end(steps, at) for at in (0, 1, 4)] == [1, 4, 5]
