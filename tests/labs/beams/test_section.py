"""Rules of the section "beams", without a browser: the tree that is drawn and /beams, against its record."""

import html
import re
from dataclasses import asdict, replace
from typing import Any

import pytest

from neoxjp.errors import NeoxjpError
from neoxjp.labs.beams import section as beams
from neoxjp.labs.beams import view as render_beams
from neoxjp.labs.beams.records import BeamTree, beam_tree
from neoxjp.labs.beams.strings import strings
from neoxjp.page_parts.session.playground import Playground
from tests.support.near import near

EN, JA = strings.words("en"), strings.words("ja")


@pytest.fixture(scope="module")
def tree(playground: Playground) -> BeamTree:
    return beams.tree_of(playground, beams.search(playground), "東京", 4, 8, 1.0)


def drawn(tree: BeamTree, prompt: str = "東京", t: Any = EN) -> str:
    """The view of a tree."""
    return render_beams.view(tree, prompt, t)


def nodes(view: str) -> list[dict[str, str]]:
    """The attributes of each box of the tree."""
    found = re.findall(r'<g role="option"([^>]*)>', view)
    return [{key: html.unescape(value) for key, value in re.findall(r'([\w-]+)="([^"]*)"', one)} for one in found]


def test_the_section_searches_as_the_record_does(playground: Playground, tree: BeamTree) -> None:
    loaded = playground.ready
    ids = loaded.tokenizer.encode("東京")
    assert tree == beam_tree(loaded.model, loaded.tokenizer, ids, num_beams=4, max_new_tokens=8, length_penalty=1.0)


def test_every_candidate_is_a_box_with_both_scores(tree: BeamTree) -> None:
    boxes = nodes(drawn(tree))
    assert len(boxes) == len(tree.nodes)
    for box, (place, node) in zip(boxes, enumerate(tree.nodes), strict=True):
        assert box["data-node"] == str(place)
        assert box["data-step"] == str(node.step)
        assert box.get("data-parent") == (None if node.parent is None else str(node.parent))
        assert f"total −{-node.total:.2f} · with the penalty −{-node.score:.2f}" in box["aria-label"]


def test_each_outcome_has_its_own_look_and_sign(tree: BeamTree) -> None:
    node = replace(tree.nodes[0], step=3, outcome="continued", pruned_at=None)
    looks = {
        ("active", ""): node,
        ("dead-end", "✕5"): replace(node, pruned_at=5),
        ("dead-end", "✕4"): replace(node, outcome="dead_end", pruned_at=4),
        ("pruned", "×"): replace(node, outcome="pruned", pruned_at=3),
        ("outscored", "△"): replace(node, outcome="outscored", pruned_at=6),
        ("finished", "✓"): replace(node, outcome="finished"),
        ("active", "…"): replace(node, outcome="unfinished"),
    }
    for look, one in looks.items():
        assert (render_beams.kind_of(one), render_beams.sign(one)) == look
    assert len({render_beams.outcome(one, EN) for one in looks.values()}) == len(looks)
    assert render_beams.outcome(replace(node, pruned_at=5), JA) == "続きがステップ 5 までにすべて脱落"


def test_the_best_path_leads_to_the_best_text(tree: BeamTree) -> None:
    best = [int(box["data-node"]) for box in nodes(drawn(tree)) if box["class"] == "beams-node beams-best"]
    assert tuple(tree.nodes[place].id for place in best) == tree.hypotheses[0].ids
    assert "★" in drawn(tree)


def test_the_best_candidate_is_a_sentence(tree: BeamTree) -> None:
    said = html.unescape(drawn(tree))
    best = tree.hypotheses[0]
    assert "The best continuation of “東京” is “" in said
    assert f"total log probability −{-best.total:.2f}, score with the length penalty −{-best.score:.2f}" in said
    assert "（文頭）" in drawn(tree, "", JA)


def test_the_tables_list_the_finished_texts_and_every_candidate(tree: BeamTree) -> None:
    finished, every = drawn(tree).split("<details")
    assert finished.count('<th scope="row">') == len(tree.hypotheses)
    assert every.count('<th scope="row">') == len(tree.nodes)


def test_four_beams_and_ten_steps_fit_a_wide_page(playground: Playground) -> None:
    tree = beams.tree_of(playground, beams.search(playground), "東", 4, 10, 1.0)
    width = re.search(r'<svg class="beams-svg" width="(\d+)"', drawn(tree))
    assert width is not None
    assert int(width[1]) <= 1120


def test_nothing_of_a_vocabulary_or_a_prompt_becomes_markup(tree: BeamTree) -> None:
    bad = replace(tree.nodes[0], text="<script>\u202e\ud800")
    view = render_beams.view(replace(tree, nodes=(bad, *tree.nodes[1:])), "<img src=x>", EN)
    for forbidden in ("<script", "<img", "\u202e", "\ud800"):
        assert forbidden not in view


def test_an_empty_prompt_begins_with_bos(playground: Playground) -> None:
    tree = beams.tree_of(playground, beams.search(playground), "", 2, 3, 0.0)
    assert playground.ready.model is not None
    assert tree.prompt_ids == (playground.ready.model.config.bos_token_id,)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ((1, 5, 1.0), "num_beams must be 2 to 6"),
        ((2.5, 5, 1.0), "num_beams must be 2 to 6"),
        ((None, 5, 1.0), "num_beams must be 2 to 6"),
        ((4, 21, 1.0), "max_new_tokens must be 1 to 20"),
        ((4, True, 1.0), "max_new_tokens must be 1 to 20"),
        ((4, 5, float("nan")), "length_penalty must be -2.0 to 4.0"),
        ((4, 5, "x"), "length_penalty must be -2.0 to 4.0"),
    ],
)
def test_what_is_out_of_range_is_refused(playground: Playground, asked: Any, message: str) -> None:
    with pytest.raises(NeoxjpError, match=message):
        beams.tree_of(playground, beams.search(playground), "猫", *asked)


def test_a_prompt_without_room_is_refused(playground: Playground) -> None:
    with pytest.raises(NeoxjpError, match="the context is 64") as refused:
        beams.tree_of(playground, beams.search(playground), "猫" * 60, 2, 5, 1.0)
    assert "コンテキスト長 64" in refused.value.ja


def test_beams_answers_with_the_record(page_url: str, tree: BeamTree) -> None:
    from gradio_client import Client

    client = Client(page_url, verbose=False)
    answer = client.predict(prompt="東京", num_beams=4, max_new_tokens=8, api_name="/beams")
    record = asdict(tree)
    assert set(answer) == {"prompt_ids", "nodes", "hypotheses", "stopped"}
    assert answer["prompt_ids"] == list(record["prompt_ids"])
    assert answer["nodes"] == near(record["nodes"])
    assert [found["ids"] for found in answer["hypotheses"]] == [list(found.ids) for found in tree.hypotheses]
    with pytest.raises(Exception, match="num_beams must be 2 to 6"):
        client.predict(prompt="東京", num_beams=99, api_name="/beams")
