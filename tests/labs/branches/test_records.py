"""The tree of branches: ids are kept, undo undoes, files come back, damaged ones are a sentence; edits and forced words."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neoxjp.engine import score
from neoxjp.errors import ParameterError
from neoxjp.labs.branches import records as branches
from neoxjp.labs.branches.files import from_json, rows_of, to_json
from neoxjp.labs.branches.records import History, Node, Tree, edited, shown_pieces, surprisal_of_steps
from neoxjp.sampling import SamplingParams
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from tests.support.tiny import LINES
from tests.support.tiny_model import ours

V = 50
EAST, CAPITAL, TOKYO = (LINES.index(line) for line in ("東", "京", "東京"))


@pytest.fixture(scope="module")
def tokenizer(tiny_vocabulary):
    return GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """A tree after some operations in any order."""
    tree = Tree(vocabulary="abc").start(draw(IDS), typed=draw(st.text(max_size=4)))
    for _ in range(draw(st.integers(0, 12))):
        tree = draw(st.sampled_from(OPERATIONS))(draw, tree)
    return tree


IDS = st.lists(st.integers(0, V - 1), max_size=6)


def _grow(draw: st.DrawFn, tree: Tree) -> Tree:
    key = draw(st.sampled_from(list(tree.nodes)))
    place = draw(st.none() | st.integers(0, len(tree.ids(key))))
    author = draw(st.sampled_from(branches.AUTHORS))
    params = draw(st.none() | st.just(SamplingParams(do_sample=True, seed=3, stop=("。",), eos_token_id=())))
    seed, cut = draw(st.none() | st.integers(0, 2**63 - 1)), draw(st.integers(0, place or 0))
    grown = tree.grow(key, draw(IDS), author, place)
    return grown.change(grown.current, seed=seed, params=params, truncated_tokens=cut)


def _start(draw: st.DrawFn, tree: Tree) -> Tree:
    started = tree.start(draw(IDS))
    return started.name(started.current, draw(st.text(max_size=5)))


def _name(draw: st.DrawFn, tree: Tree) -> Tree:
    return tree.name(draw(st.sampled_from(list(tree.nodes))), draw(st.text(max_size=100)))


def _delete(draw: st.DrawFn, tree: Tree) -> Tree:
    smaller = tree.delete(draw(st.sampled_from(list(tree.nodes))))
    return smaller if smaller.nodes else tree


def _show(draw: st.DrawFn, tree: Tree) -> Tree:
    return tree.show(draw(st.sampled_from([None, *tree.nodes])))


def _extend(draw: st.DrawFn, tree: Tree) -> Tree:
    return tree.extend(draw(st.sampled_from(list(tree.nodes))), draw(IDS), draw(st.sampled_from(branches.AUTHORS)))


OPERATIONS = (_grow, _extend, _grow, _grow, _start, _name, _delete, _show)


@given(trees())
def test_a_text_is_the_ids_of_its_parent_up_to_a_place_and_its_own(tree):
    for key, node in tree.nodes.items():
        before = () if node.parent is None else tree.ids(node.parent)[: node.shared_ids]
        assert tree.ids(key) == (*before, *node.ids)


@given(trees())
def test_the_runs_of_a_text_tile_it_and_name_who_wrote_it(tree):
    for key in tree.nodes:
        text, end = tree.ids(key), 0
        for run in tree.runs(key):
            assert (run.start, run.author) == (end, tree.nodes[run.node].author)
            assert run.end > run.start
            own = tree.nodes[run.node]
            assert text[run.start : run.end] == own.ids[: run.end - run.start]
            end = run.end
        assert end == len(text)


@given(trees())
def test_the_walk_meets_every_branch_once_below_its_parent(tree):
    met: dict[int, int] = {}
    for depth, node in tree.walk():
        assert depth == (0 if node.parent is None else met[node.parent] + 1)
        met[node.key] = depth
    assert set(met) == set(tree.nodes)
    assert tree.current is None or tree.current in met


@given(trees(), st.data())
def test_undo_takes_back_and_redo_brings_back(tree, data):
    history = History(tree)
    changed = history
    for _ in range(data.draw(st.integers(1, 5))):
        changed = changed.commit(data.draw(st.sampled_from(OPERATIONS))(data.draw, changed.tree))
    steps = len(changed.past)
    undone = changed
    for _ in range(steps):
        undone = undone.undo()
    assert undone.tree == tree
    assert undone.undo() == undone
    redone = undone
    for _ in range(steps):
        redone = redone.redo()
    assert redone == changed
    assert redone.redo() == redone


def test_a_change_after_undo_clears_redo_and_showing_a_branch_does_not():
    tree = Tree().start([1]).grow(0, [2])
    undone = History().commit(Tree().start([1])).commit(tree).undo()
    assert undone.show(undone.tree.show(None)).redo().tree == tree
    assert undone.commit(undone.tree.grow(0, [9])).future == ()
    assert undone.commit(undone.tree) is undone  # the same again is no change


@settings(max_examples=60)
@given(trees())
def test_a_file_comes_back_as_it_was(tree):
    assert from_json(to_json(tree), "abc", V) == tree
    assert from_json(to_json(tree).encode(), "abc", V) == tree


@given(trees(), st.data())
def test_no_file_does_anything_but_load_or_say_a_sentence(tree, data):
    """One value of a good file replaced by any other."""
    file = json.loads(to_json(tree))
    place: dict | list = file
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.floats(allow_nan=False) | st.just([1])
    )
    loaded, refusal = None, None
    try:
        loaded = from_json(json.dumps(file), "abc", V)
    except ParameterError as error:
        refusal = error
    if loaded is None:
        assert refusal is not None
        assert refusal.ja
        assert "\n" not in str(refusal)
        return
    assert all(0 <= id < V for key in loaded.nodes for id in loaded.ids(key))
    assert from_json(to_json(loaded), "abc", V) == loaded


@pytest.mark.parametrize(
    "change",
    [{"typed": 3}, {"typed": "x" * 1_000_001}, {"truncated_tokens": 2}, {"truncated_tokens": -1}, {"truncated_tokens": None}],
)
def test_what_only_some_branches_have_is_checked_too(change):
    file = json.loads(to_json(Tree(vocabulary="abc").start([1], typed="a").grow(0, [2]).change(1, truncated_tokens=1)))
    assert from_json(json.dumps(file), "abc", V).nodes[0].typed == "a"
    assert "typed" not in file["nodes"][1]
    file["nodes"][0 if "typed" in change else 1] |= change
    with pytest.raises(ParameterError, match="damaged"):
        from_json(json.dumps(file), "abc", V)
    file = json.loads(to_json(Tree(vocabulary="abc").start([1]).grow(0, [2])))
    file["nodes"][1]["typed"] = "a"
    with pytest.raises(ParameterError, match="typed is set for a branch that has a parent"):
        from_json(json.dumps(file), "abc", V)


@pytest.mark.parametrize("file", ["", "{", "[]", "3", b"\x00\xff", "[" * 100_000, '{"format": "neoxjp-branches", "version": 1}'])
def test_a_damaged_file_is_one_sentence(file):
    with pytest.raises(ParameterError, match="not a neoxjp-branches file, or it is damaged") as caught:
        from_json(file, "abc", V)
    assert "壊れている" in caught.value.ja


def test_a_file_of_another_vocabulary_or_version_and_one_too_large_are_refused():
    file = to_json(Tree(vocabulary="abc").start([1]))
    with pytest.raises(ParameterError, match="another vocabulary"):
        from_json(file, "xyz", V)
    with pytest.raises(ParameterError, match="version 2, but"):
        from_json(file.replace('"version": 1', '"version": 2'), "abc", V)
    with pytest.raises(ParameterError, match="bytes, more than"):
        from_json(" " * (8 * 2**20 + 1), "abc", V)
    with pytest.raises(ParameterError, match="ids is not an integer from 0 to 0"):
        from_json(file, "abc", 1)


def test_ids_are_never_cut_anew(tokenizer):
    tree = Tree().start([EAST, CAPITAL])
    tree = tree.grow(0, [TOKYO])
    assert tree.ids(1) == (EAST, CAPITAL, TOKYO)
    assert tokenizer.decode(tree.ids(1)) == "東京東京"
    assert tokenizer.encode("東京東京") == [TOKYO, TOKYO]


def test_an_alternative_starts_a_branch_and_the_old_one_stays():
    tree = Tree().start([1, 2]).grow(0, [3, 4, 5], "model").grow(1, [9], "user", at=3).grow(2, [7, 7], "model")
    assert tree.ids(1) == (1, 2, 3, 4, 5)
    assert tree.ids(3) == (1, 2, 3, 9, 7, 7)
    assert [(run.start, run.end, run.author) for run in tree.runs(3)] == [
        (0, 2, "user"),
        (2, 3, "model"),
        (3, 4, "user"),
        (4, 6, "model"),
    ]


def test_another_version_of_a_branch_stands_beside_it():
    tree = Tree().start([1, 2]).grow(0, [3, 4]).grow(1, [5])
    again = tree.grow(2, [6], "model", at=2)  # the text from id 2 on was branch 1's
    assert (again.nodes[3].parent, again.ids(3)) == (0, (1, 2, 6))
    assert tree.grow(2, [6], "model", at=3).nodes[3].parent == 1
    assert tree.grow(2, [6]).nodes[3].parent == 2
    assert tree.grow(2, [6], at=1).ids(3) == (1, 6)
    emptied = tree.grow(2, [], "edit", at=2)  # an edit may leave nothing of its own: what follows hangs on it
    assert emptied.grow(3, [7]).nodes[4].parent == 3


def test_trees_are_joined_behind_each_other():
    one, other = Tree().start([1]).grow(0, [2]), Tree().start([3]).start([4]).grow(0, [5]).show(0).delete(1)
    both = one.join(other)
    assert [both.ids(key) for key in both.nodes] == [(1,), (1, 2), (3,), (3, 5)]
    assert both.ids(both.current) == (3,)
    assert both.grow(both.current, [9]).current not in both.nodes
    assert one.join(Tree()) == one
    assert Tree().join(other) == other


def test_what_is_known_about_draws_can_be_told_after_token_by_token():
    tree = Tree().start([1]).grow(0, [2]).change(1, seed=4).extend(1, [3])
    params = SamplingParams(seed=4)
    assert tree.change(1, seed=4, params=params, truncated_tokens=1).nodes[1] == Node(1, 0, 1, (2, 3), "model", "", 4, params, 1)


@given(trees(), st.integers(0, 3000))
def test_a_file_of_bounded_size_holds_the_branch_on_show_and_the_newest(tree, most):
    file = to_json(tree, most)
    if not file:
        assert tree.current is not None
        alone = replace(tree, nodes={node.key: node for node in tree.path(tree.current)})
        assert len(to_json(alone)) > most
        return
    found = from_json(file, "abc", V)
    assert len(file) <= most or not found.nodes
    assert found.current == tree.current
    assert {key: tree.ids(key) for key in found.nodes} == {key: found.ids(key) for key in found.nodes}


def test_token_by_token_is_one_branch():
    tree = Tree().start([1]).extend(0, [2])
    for id in (3, 4):
        tree = tree.extend(1, [id])
    assert (tree.nodes[1].ids, tree.current, len(tree.nodes)) == ((2, 3, 4), 1, 2)
    assert tree.extend(0, [5], "user").nodes[2].ids == (5,)  # something starts from it
    assert tree.extend(1, [5], "user").nodes[2].shared_ids == 4  # somebody else wrote it
    drawn = Tree().start([1]).grow(0, [2]).change(1, seed=3).extend(1, [4])
    assert drawn.nodes[1].seed is None


def test_deleting_takes_what_hangs_on_it_and_shows_what_is_left():
    tree = Tree().start([1]).grow(0, [2]).grow(1, [3]).start([5])
    assert tree.current == 3
    assert set(tree.delete(1).nodes) == {0, 3}
    assert tree.show(2).delete(1).current == 0
    assert tree.delete(3).current == 2
    assert tree.show(0).delete(0).current == 3
    empty = tree.delete(0).delete(3)
    assert (len(empty.nodes), empty.current) == (0, None)
    assert empty.start([1]).current == 4  # no key comes twice
    with pytest.raises(ParameterError, match="no branch 1") as caught:
        tree.delete(1).ids(1)
    assert "分岐" in caught.value.ja


def test_names_are_one_line_and_bounded():
    tree = Tree().start([1]).name(0, "  a\n b\ud800\u2028" + "長" * 200)
    assert tree.nodes[0].name.startswith("a b\ufffd 長")
    assert len(tree.nodes[0].name) == 80


def test_a_tree_is_bounded(monkeypatch):
    monkeypatch.setattr(branches.limits, "nodes", 3)
    tree = Tree().start([1]).grow(0, [2]).grow(1, [3])
    with pytest.raises(ParameterError, match="delete some"):
        tree.grow(2, [4])
    monkeypatch.setattr(branches.limits, "ids", 4)
    with pytest.raises(ParameterError, match="delete some"):
        tree.delete(2).grow(1, [1, 2, 3])
    with pytest.raises(ParameterError, match="delete some"):
        tree.delete(2).extend(1, [1, 2, 3])
    with pytest.raises(ParameterError, match="from 0 to 1"):
        tree.delete(1).grow(0, [1], at=2)
    monkeypatch.setattr(branches.limits, "nodes", 30)
    long = Tree().start([1], typed="猫" * 27)  # four in all
    with pytest.raises(ParameterError, match="9 typed characters count as one"):
        long.start([1])
    with pytest.raises(ParameterError, match="delete some"):
        Tree().start([1]).join(long)


def test_the_list_for_a_page(tokenizer):
    tree = Tree().start(tokenizer.encode("東京です")).name(0, "start").grow(0, [EAST], "model", at=1).start([])
    rows = rows_of(tree, tokenizer)
    assert [(row.node.key, row.depth, row.node.name, row.node.length, row.begins) for row in rows] == [
        (0, 0, "start", 2, "東京です"),
        (1, 1, "", 2, "東"),
        (2, 0, "", 0, ""),
    ]


# Edits


def test_an_edit_keeps_the_ids_before_it_and_says_where_they_agree_again(tokenizer):
    ids = [EAST, CAPITAL, *tokenizer.encode("の大学です。")]
    found = edited(ids, "東京の犬です。", tokenizer)
    assert found.ids[:3] == tuple(ids[:3])  # 東 and 京 stay two tokens
    assert found.unchanged_ids == 3
    assert [tokenizer.decode(found.ids[slice(*found.new_span)]), tokenizer.decode(ids[slice(*found.old_span)])] == ["犬", "大学"]
    assert found.agree_from == 4
    assert found.ids[4:] == tuple(ids[-2:])
    assert (found.text, found.lossy) == ("東京の犬です。", False)


def test_an_edit_inside_a_token_cuts_that_token_anew(tokenizer):
    ids = tokenizer.encode("私は東京都の人")
    found = edited(ids, "私は東京の人", tokenizer)
    assert found.unchanged_ids == 2
    assert found.ids == tuple(tokenizer.encode("私は東京の人"))


def test_the_bytes_of_a_character_stay_together(tokenizer):
    ids = tokenizer.encode("猫é𩸽")
    found = edited(ids, "猫é𩸻", tokenizer)
    assert found.unchanged_ids == 3  # 猫 and the two bytes of é
    assert found.text == "猫é𩸻"
    assert found.agree_from is None


def test_the_spelling_that_was_typed_is_no_edit(tokenizer):
    prompt = "慶應の大学"
    ids = [*tokenizer.encode(prompt), *tokenizer.encode("です")]
    pieces = shown_pieces(ids, prompt, tokenizer)
    assert "".join(pieces) == "慶應の大学です"
    found = edited(ids, "慶應の大学でした", tokenizer, pieces)
    assert found.unchanged_ids == len(tokenizer.encode(prompt))
    assert found.lossy  # 慶応 comes back
    assert "".join(shown_pieces(ids, "another", tokenizer)) == tokenizer.decode(ids)
    assert shown_pieces(tokenizer.encode("é猫"), "é猫", tokenizer) == ["", "é", "猫"]


TEXTS = st.text(st.sampled_from("東京都大学です。猫é𩸽a\n 慶應応"), max_size=12)


@settings(max_examples=150)
@given(before=TEXTS, after=TEXTS)
def test_an_edit_keeps_a_beginning_and_cuts_the_rest_from_its_text(tokenizer, before, after):
    ids = tuple(tokenizer.encode(before))
    pieces = shown_pieces(ids, before, tokenizer)
    assert "".join(pieces) == before
    found = edited(ids, after, tokenizer, pieces)
    assert found.ids[: found.unchanged_ids] == ids[: found.unchanged_ids]
    front = "".join(pieces[: found.unchanged_ids])
    assert after.startswith(front)
    assert found.ids[found.unchanged_ids :] == tuple(tokenizer.encode(after[len(front) :]))
    if found.agree_from is not None:
        assert found.ids[found.agree_from :] == ids[found.old_span[1] :]
    assert found.new_span == (found.unchanged_ids, len(found.ids) - (len(ids) - found.old_span[1]))
    assert found.lossy == (tokenizer.decode(found.ids) != after)
    if before == after:
        assert found.ids == ids


def test_the_end_token_is_no_text(tokenizer):
    ids = [tokenizer.bos_token_id, *tokenizer.encode("東京です"), tokenizer.eos_token_id]
    assert shown_pieces(ids, "", tokenizer)[0] == shown_pieces(ids, "", tokenizer)[-1] == ""
    found = edited(ids, "東京の犬", tokenizer)
    assert found.ids == (tokenizer.bos_token_id, *tokenizer.encode("東京の犬"))
    assert not found.lossy


# Forced


def test_forced_tokens_have_the_numbers_of_their_steps(tokenizer):
    model = ours(vocab_size=tokenizer.vocab_size, bos_token_id=tokenizer.bos_token_id)
    steps = score(model, [3, 1, 4, 1, 5], tokenizer, top=4)[2:]
    found = surprisal_of_steps(steps)
    assert [(token.id, token.rank) for token in found.tokens] == [(step.id, step.rank) for step in steps]
    assert [token.bits for token in found.tokens] == pytest.approx([-step.logprob / math.log(2) for step in steps], abs=1e-5)
    assert [token.likeliest for token in found.tokens] == [step.top[0].text for step in steps]
    assert all(token.likeliest_bits <= token.bits for token in found.tokens)
    assert found.bits == pytest.approx(sum(token.bits for token in found.tokens))
    assert surprisal_of_steps([]).bits == 0
