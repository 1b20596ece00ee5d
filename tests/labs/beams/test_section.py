"""Rules of the section "beams", without a browser: the tree that is drawn and /beams, against its record."""

import html
import re
from dataclasses import asdict, replace
from typing import Any

import pytest

from neoxjp.errors import NeoxjpError
from neoxjp.labs.beams import section as beams
from neoxjp.labs.beams import view as render_beams
from neoxjp.labs.beams.records import Tree, grow
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.strings import words
from tests.support.near import near

EN, JA = words("en"), words("ja")


@pytest.fixture(scope="module")
def tree(playground: Playground) -> Tree:
    return beams.tree_of(playground, beams.grower(playground), "東京", 4, 8, 1.0)


def nodes(view: str) -> list[dict[str, str]]:
    """The attributes of each box of the tree."""
    found = re.findall(r'<g role="option"([^>]*)>', view)
    return [{key: html.unescape(value) for key, value in re.findall(r'([\w-]+)="([^"]*)"', one)} for one in found]


def test_the_tree_is_the_record_of_lab_beams(playground: Playground, tree: Tree) -> None:
    loaded = playground.ready
    ids = loaded.tokenizer.encode("東京")
    assert tree == grow(loaded.model, loaded.tokenizer, ids, num_beams=4, max_new_tokens=8, length_penalty=1.0)


def test_every_text_that_was_weighed_is_a_box_with_both_scores(tree: Tree) -> None:
    drawn = nodes(render_beams.picture(tree, EN))
    assert len(drawn) == len(tree.nodes)
    for box, (place, node) in zip(drawn, enumerate(tree.nodes), strict=True):
        assert box["data-node"] == str(place)
        assert box["data-step"] == str(node.step)
        assert box.get("data-parent") == (None if node.parent is None else str(node.parent))
        assert f"sum −{-node.score:.2f} · with the penalty −{-node.penalised:.2f}" in box["aria-label"]


def test_each_fate_has_its_own_look_and_sign(tree: Tree) -> None:
    node = replace(tree.nodes[0], step=3, fate="followed", died=None)
    looks = {
        ("alive", ""): node,
        ("dead", "✕5"): replace(node, died=5),
        ("dead", "✕4"): replace(node, fate="died", died=4),
        ("dropped", "×"): replace(node, fate="dropped", died=3),
        ("outdone", "△"): replace(node, fate="outdone", died=6),
        ("finished", "✓"): replace(node, fate="finished"),
        ("alive", "…"): replace(node, fate="stopped"),
    }
    for look, one in looks.items():
        assert (render_beams._kind(one, 0, set()), render_beams._sign(one)) == look
        assert render_beams._kind(one, 0, {0}) == "best"
    assert len({render_beams.fate(one, EN) for one in looks.values()}) == len(looks)
    assert render_beams.fate(replace(node, died=5), JA) == "続きはみな 5 歩目までに死んだ"


def test_the_winners_path_leads_to_the_best_text(tree: Tree) -> None:
    best = [int(box["data-node"]) for box in nodes(render_beams.picture(tree, EN)) if box["class"] == "node best"]
    assert tuple(tree.nodes[place].id for place in best) == tree.hypotheses[0].ids
    assert "★" in render_beams.picture(tree, EN)


def test_the_winner_is_told_as_a_sentence(tree: Tree) -> None:
    said = html.unescape(render_beams.winner(tree, "東京", EN))
    best = tree.hypotheses[0]
    assert "After “東京” the winner is “" in said
    assert f"log probability −{-best.score:.2f} in all, −{-best.penalised:.2f} with the length penalty" in said
    assert "（文頭）" in render_beams.winner(tree, "", JA)


def test_the_table_names_every_text(tree: Tree) -> None:
    table = render_beams.table(tree, EN)
    assert table.count('<th scope="row">') == len(tree.nodes)
    finished = render_beams.found(tree, EN)
    assert finished.count('<th scope="row">') == len(tree.hypotheses)


def test_four_beams_and_ten_steps_fit_a_wide_page(playground: Playground) -> None:
    tree = beams.tree_of(playground, beams.grower(playground), "東", 4, 10, 1.0)
    width = re.search(r'<svg class="beams" width="(\d+)"', render_beams.picture(tree, EN))
    assert width is not None
    assert int(width[1]) <= 1120


def test_nothing_of_a_vocabulary_or_a_prompt_becomes_markup(tree: Tree) -> None:
    bad = replace(tree.nodes[0], text="<script>\u202e\ud800")
    view = render_beams.view(replace(tree, nodes=(bad, *tree.nodes[1:])), "<img src=x>", EN)
    for forbidden in ("<script", "<img", "\u202e", "\ud800"):
        assert forbidden not in view


def test_an_empty_prompt_begins_with_bos(playground: Playground) -> None:
    tree = beams.tree_of(playground, beams.grower(playground), "", 2, 3, 0.0)
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
        beams.tree_of(playground, beams.grower(playground), "猫", *asked)


def test_a_prompt_without_room_is_refused(playground: Playground) -> None:
    with pytest.raises(NeoxjpError, match="the context is 64") as refused:
        beams.tree_of(playground, beams.grower(playground), "猫" * 60, 2, 5, 1.0)
    assert "文脈の長さ 64" in refused.value.ja


def test_beams_answers_with_the_record(page_url: str, tree: Tree) -> None:
    from gradio_client import Client

    client = Client(page_url, verbose=False)
    answer = client.predict(prompt="東京", num_beams=4, max_new_tokens=8, api_name="/beams")
    record = asdict(tree)
    assert set(answer) == {"prompt_ids", "nodes", "hypotheses", "over"}
    assert answer["prompt_ids"] == list(record["prompt_ids"])
    assert answer["nodes"] == near(record["nodes"])
    assert [found["ids"] for found in answer["hypotheses"]] == [list(found.ids) for found in tree.hypotheses]
    with pytest.raises(Exception, match="num_beams must be 2 to 6"):
        client.predict(prompt="東京", num_beams=99, api_name="/beams")
