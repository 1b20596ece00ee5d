"""The scores and pictures of attention heads: worked out by hand, and of transformers' attentions with the same weights."""

import json
import math
from dataclasses import asdict

import pytest
import torch

from neoxjp.cli.main import main
from neoxjp.errors import NeoxjpError, PromptTooLong
from neoxjp.labs.inside.heads import heads, score_heads, shrink, successors
from neoxjp.labs.inside.records import attention
from tests.support.tiny_model import ours, pair

A, B, C = 0, 1, 2
ABAB = torch.tensor(
    [
        [1.0, 0.0, 0.0, 0.0],
        [0.5, 0.5, 0.0, 0.0],
        [0.25, 0.5, 0.25, 0.0],
        [0.0, 0.0, 1.0, 0.0],
    ]
)


def of(*matrices: torch.Tensor, ids: list[int], cells: int = 0):
    return score_heads(torch.stack(matrices), successors(ids), 3, cells)


def test_each_score_is_the_mean_over_the_query_tokens_after_the_first():
    (found,) = of(ABAB, ids=[A, B, A, B])
    assert (found.layer, found.head) == (3, 0)
    assert found.itself == pytest.approx((0.5 + 0.25 + 0.0) / 3)
    assert found.previous == pytest.approx((0.5 + 0.5 + 1.0) / 3)
    assert found.first == pytest.approx((0.5 + 0.25 + 0.0) / 3)
    assert found.entropy == pytest.approx((1.0 + 1.5 + 0.0) / 3)  # bits


def test_induction_is_the_weight_on_what_followed_the_same_token_before():
    (found,) = of(ABAB, ids=[A, B, A, B])  # the second A → the first B: 0.5; the second B → the second A: 1.0
    assert found.induction == pytest.approx(0.75)
    three = torch.tensor([[1.0, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0.1, 0.2, 0.3, 0.15, 0.25]])
    (found,) = of(three, ids=[A, B, A, C, A])  # only the third A: B and C followed the earlier ones; the second A → B: 0
    assert found.induction == pytest.approx((0.0 + 0.2 + 0.15) / 2)


def test_the_query_is_no_successor_of_the_same_token_right_before_it():
    assert successors([A, A, A]).tolist() == [[False] * 3, [False] * 3, [False, True, False]]
    assert successors([A, B, A, B]).nonzero().tolist() == [[2, 1], [3, 2]]
    assert not successors([A]).any()


def test_without_a_repeated_token_there_is_no_induction_score_and_of_one_token_no_score():
    (found,) = of(ABAB, ids=[A, B, C, 3])
    assert found.induction is None
    assert found.previous is not None
    (found,) = of(torch.ones(1, 1), ids=[A])
    assert (found.itself, found.previous, found.first, found.induction, found.entropy) == (None,) * 5


def test_the_scores_of_pure_heads_are_one_and_those_of_a_uniform_one_its_entropy():
    count = 8
    itself = torch.eye(count)
    previous = torch.eye(count).roll(-1, 1).tril()
    previous[0, 0] = 1
    sink = torch.zeros(count, count)
    sink[:, 0] = 1
    uniform = torch.ones(count, count).tril() / torch.arange(1, count + 1)[:, None]
    found = of(itself, previous, sink, uniform, ids=list(range(count)))
    assert (found[0].itself, found[0].previous, found[0].entropy) == (1, 0, 0)
    assert (found[1].previous, found[1].itself) == (1, 0)
    assert (found[2].first, found[2].itself) == (1, 0)
    assert found[3].entropy == pytest.approx(sum(math.log2(n) for n in range(2, count + 1)) / (count - 1), abs=1e-6)
    assert [head.head for head in found] == [0, 1, 2, 3]


def test_a_picture_adds_keys_and_averages_queries():
    rows = shrink(ABAB[None], 2)[0].tolist()
    assert rows == [[1.0, 0.0], [pytest.approx((0.75 + 0.0) / 2), pytest.approx((0.25 + 1.0) / 2)]]
    assert shrink(ABAB[None], 4).equal(ABAB[None])
    assert shrink(ABAB[None], 9).equal(ABAB[None])  # no more cells than tokens
    (found,) = of(ABAB, ids=[A, B, A, B], cells=2)
    assert found.picture == ((1.0,), tuple(rows[1]))  # later keys are not visible
    assert of(ABAB, ids=[A, B, A, B])[0].picture == ()


@pytest.mark.parametrize("count", [1, 5, 24, 25, 47, 100])
def test_the_rows_of_a_picture_add_up_to_one(count):
    weights = torch.rand(3, count, count).tril()
    weights /= weights.sum(-1, keepdim=True)
    found = shrink(weights, 24)
    assert found.shape == (3, min(count, 24), min(count, 24))
    assert found.sum(-1).flatten().tolist() == pytest.approx([1.0] * 3 * min(count, 24), abs=1e-5)


@torch.no_grad()
def test_the_scores_are_those_of_transformers_attentions():
    model, theirs = pair(num_hidden_layers=3, rotary_pct=0.5)
    theirs.set_attn_implementation("eager")
    ids = torch.randint(0, 7, (13,), generator=torch.Generator().manual_seed(5)).tolist()
    found = heads(model, None, ids, cells=5)
    assert (found.layers, found.heads, len(found.scores)) == (3, 4, 12)
    targets = [[t for t in range(1, i) if ids[t - 1] == ids[i]] for i in range(13)]
    assert found.repeated == sum(map(bool, targets)) > 3
    for layer, attentions in enumerate(theirs(torch.tensor([ids]), output_attentions=True).attentions):
        for head, weights in enumerate(attentions[0].tolist()):
            score = found.scores[4 * layer + head]
            assert (score.layer, score.head) == (layer, head)
            later = range(1, 13)
            near = {"abs": 1e-5}
            assert score.itself == pytest.approx(sum(weights[i][i] for i in later) / 12, **near)
            assert score.previous == pytest.approx(sum(weights[i][i - 1] for i in later) / 12, **near)
            assert score.first == pytest.approx(sum(weights[i][0] for i in later) / 12, **near)
            induction = sum(weights[i][t] for i in range(13) for t in targets[i])
            assert score.induction == pytest.approx(induction / found.repeated, **near)
            bits = [-sum(w * math.log2(w) for w in weights[i] if w > 0) for i in later]
            assert score.entropy == pytest.approx(sum(bits) / 12, abs=1e-4)
            assert len(score.picture) == 5


def test_all_heads_at_once_have_the_weights_of_each_alone():
    model = ours(num_hidden_layers=2)
    ids = [5, 6, 7, 5, 6]
    for found in heads(model, None, ids, cells=24).scores:
        alone = attention(model, None, ids, found.layer, found.head).weights
        for row, weights in zip(found.picture, alone, strict=True):
            assert row == pytest.approx(weights, abs=1e-6)


def test_a_text_that_cannot_be_read_is_refused():
    with pytest.raises(PromptTooLong, match="up to 64"):
        heads(ours(), None, [1] * 65)
    with pytest.raises(NeoxjpError, match="id 61"):
        heads(ours(), None, [61])
    assert heads(ours(), None, []).ids == (59,)
    damaged = ours()
    with torch.no_grad():
        damaged.gpt_neox_japanese.layers[0].attention.query_key_value.weight[0] = torch.nan
    with pytest.raises(NeoxjpError, match="not numbers"):
        heads(damaged, None, [1, 2])


# ---------------------------------------------------------------- the command


def test_the_command_sorts_heads_by_a_score(capsys, tiny_folder):
    arguments = ["heads", "東京都の東京都の大学", "--model", str(tiny_folder)]
    assert main([*arguments, "--by", "previous", "--top", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["layer", "head", "itself", "previous", "first", "induction", "entropy"]
    assert len(lines) == 1 + 3 + 1
    values = [float(line.split()[3].rstrip("%")) for line in lines[1:4]]
    assert values == sorted(values, reverse=True)
    assert "repeated" in lines[-1]
    assert main([*arguments, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert [(score["layer"], score["head"]) for score in record["scores"]] == [(l, h) for l in range(2) for h in range(4)]


def test_a_record_is_json(tiny_folder):
    found = heads(ours(), None, [1, 2, 1], cells=2)
    assert json.loads(json.dumps(asdict(found), allow_nan=False))["repeated"] == 1
