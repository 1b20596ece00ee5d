"""Beam search as a tree: its winner is generate's, its numbers are the model's, and its outcomes are what happened."""

import json
from dataclasses import asdict

import pytest
import torch

from neoxjp import GPTNeoXJapaneseTokenizer
from neoxjp.cli.main import main
from neoxjp.errors import NeoxjpError, PromptTooLong
from neoxjp.labs.beams.records import NEW_TOKENS, NUM_BEAMS, beam_tree
from neoxjp.model import BeamParams, KVCache, generate_beams
from neoxjp.model.outputs import CausalLMOutput
from neoxjp.sampling import SamplingParams
from tests.support.tiny_model import ours

MANY_ENDS = (60, 1, 5, 7, 9, 11)
PROMPT = [12, 3, 44, 8, 30]


def path(tree, place):
    """The new ids of a node."""
    ids = []
    while place is not None:
        ids.insert(0, tree.nodes[place].id)
        place = tree.nodes[place].parent
    return tuple(ids)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"length_penalty": 2.5},
        {"length_penalty": -1.5},
        {"length_penalty": 0.0},
    ],
    ids=str,
)
@pytest.mark.parametrize("ends", [(), MANY_ENDS], ids=["no end", "ends"])
def test_the_finished_texts_are_generates(options, ends):
    for seed in range(4):
        model = ours(seed, eos_token_id=ends)
        tree = beam_tree(model, None, PROMPT, num_beams=4, max_new_tokens=8, **options)
        for count in (1, 4):
            rows = model.generate(
                torch.tensor([PROMPT]),
                num_beams=4,
                num_return_sequences=count,
                max_new_tokens=8,
                pad_token_id=0,
                **options,
            )[:, len(PROMPT) :].tolist()
            for row, hypothesis in zip(rows, tree.hypotheses, strict=False):
                assert tuple(row[: len(hypothesis.ids)]) == hypothesis.ids
                assert not any(row[len(hypothesis.ids) :])
        assert len(tree.hypotheses) == 4


@torch.no_grad()
def test_scores_are_the_models_log_probabilities_with_and_without_the_length_penalty():
    model = ours(1, eos_token_id=MANY_ENDS)
    tree = beam_tree(model, None, PROMPT, num_beams=3, max_new_tokens=5, length_penalty=0.7)
    for place, node in enumerate(tree.nodes):
        ids = path(tree, place)
        assert len(ids) == node.step
        logprobs = model(torch.tensor([[*PROMPT, *ids]])).logits[0, len(PROMPT) - 1 : -1].log_softmax(-1)
        each = logprobs.gather(1, torch.tensor(ids)[:, None])[:, 0]
        assert node.logprob == pytest.approx(float(each[-1]), abs=1e-4)
        assert node.total == pytest.approx(float(each.sum()), abs=1e-4)
        assert node.score == pytest.approx(node.total / node.step**0.7)
    for hypothesis in tree.hypotheses:
        assert hypothesis.ids == path(tree, hypothesis.node)
        assert tree.nodes[hypothesis.node].score == hypothesis.score
        assert hypothesis.finish == ("eos" if hypothesis.ids[-1] in MANY_ENDS else "length")
    assert [h.score for h in tree.hypotheses] == sorted((h.score for h in tree.hypotheses), reverse=True)


@pytest.mark.parametrize("length_penalty", [1.0, -2.0])
@pytest.mark.parametrize("seed", range(4))
def test_outcomes_are_what_the_later_steps_show(seed, length_penalty):
    """An oracle: follow every node's descendants."""
    model = ours(seed, eos_token_id=MANY_ENDS)
    tree = beam_tree(model, None, PROMPT, num_beams=3, max_new_tokens=9, length_penalty=length_penalty)
    last = tree.nodes[-1].step
    children = {place: [c for c, node in enumerate(tree.nodes) if node.parent == place] for place in range(len(tree.nodes))}
    won = {hypothesis.node for hypothesis in tree.hypotheses}
    ran = [place for place, node in enumerate(tree.nodes) if node.outcome in ("continued", "dead_end", "unfinished")]
    for step in range(1, last + (tree.stopped == "no_better")):
        assert sum(tree.nodes[place].step == step for place in ran) == 3

    def lives(place):
        return place in won or tree.nodes[place].outcome == "unfinished" or any(map(lives, children[place]))

    for place, node in enumerate(tree.nodes):
        assert (node.outcome == "finished") == (place in won)
        assert (node.pruned_at is None) == lives(place)
        assert bool(children[place]) <= (place in ran)
        if node.outcome == "pruned":
            assert node.pruned_at == node.step
            assert node.id not in MANY_ENDS
        if node.outcome == "dead_end":
            assert node.pruned_at == node.step + 1
        if node.outcome == "outscored":
            assert node.pruned_at >= node.step
            assert node.id in MANY_ENDS or node.step == 9
        if node.outcome == "unfinished":
            assert (node.step, tree.stopped) == (last, "no_better")


def scripted(*rows):
    """A model of four ids whose probabilities after the prompt depend on how many ids there are; id 0 ends."""

    class Model:
        device = "cpu"
        config = type("Config", (), {"vocab_size": 4, "max_position_embeddings": 50, "bos_token_id": 3, "eos_token_id": 0})

        def new_cache(self):
            return KVCache(0)

        def __call__(self, input_ids, past_key_values, **_):
            for cache in past_key_values:
                cache.advance(input_ids.shape[1])
            probabilities = torch.tensor(rows[past_key_values[0].length - 1])
            return CausalLMOutput(logits=probabilities.log().expand(len(input_ids), 1, 4))

    return Model()


def outcomes(tree, step):
    return {path(tree, place): (node.outcome, node.pruned_at) for place, node in enumerate(tree.nodes) if node.step == step}


def test_a_search_worked_out_by_hand():
    model = scripted([0.06, 0.6, 0.29, 0.05], [0.5, 0.3, 0.13, 0.07], [0.9, 0.05, 0.03, 0.02])
    tree = beam_tree(model, None, [3], num_beams=2, max_new_tokens=3, length_penalty=0.0)
    assert outcomes(tree, 1) == {
        (1,): ("continued", None),  # 0.6
        (2,): ("continued", 3),  # 0.29
        (0,): ("outscored", 1),  # 0.06: an end that is not among the 2 likeliest is none
        (3,): ("pruned", 1),  # 0.05
    }
    assert outcomes(tree, 2) == {
        (1, 0): ("finished", None),  # 0.3
        (1, 1): ("continued", None),  # 0.18
        (2, 0): ("outscored", 2),  # 0.145, the third
        (2, 1): ("dead_end", 3),  # 0.087: of it at most 0.0783 comes, which 0.3 and 0.162 beat
    }
    assert [(hypothesis.ids, hypothesis.finish) for hypothesis in tree.hypotheses] == [((1, 0), "eos"), ((1, 1, 0), "eos")]
    assert [hypothesis.total for hypothesis in tree.hypotheses] == pytest.approx(torch.tensor([0.3, 0.162]).log().tolist())
    assert tree.stopped == "length"


def test_a_finished_text_may_be_outscored_by_longer_ones():
    model = scripted([0.3, 0.6, 0.06, 0.04], [0.6, 0.3, 0.07, 0.03], [0.9, 0.05, 0.03, 0.02])
    tree = beam_tree(model, None, [3], num_beams=2, max_new_tokens=3, length_penalty=2.0)
    # log 0.3 = -1.20 alone, until log 0.36 / 4 = -0.26 and log 0.162 / 9 = -0.20 are there
    assert outcomes(tree, 1)[(0,)] == ("outscored", 3)
    assert [hypothesis.ids for hypothesis in tree.hypotheses] == [(1, 1, 0), (1, 0)]
    plain = beam_tree(model, None, [3], num_beams=2, max_new_tokens=3, length_penalty=0.0)
    assert [hypothesis.ids for hypothesis in plain.hypotheses] == [(1, 0), (0,)]
    assert plain.stopped == "no_better"  # 0.18 runs, and cannot beat 0.3
    assert outcomes(plain, 2)[(1, 1)] == ("unfinished", None)


def test_recording_the_rounds_changes_nothing():
    model, params = ours(), SamplingParams()
    beams = BeamParams(3, 6, MANY_ENDS)
    rounds = []
    assert generate_beams(model, PROMPT, beams, params, None, rounds.append) == generate_beams(model, PROMPT, beams, params)
    assert [step.count for step in rounds] == list(range(1, len(rounds) + 1))
    assert [step.over for step in rounds] == [False] * (len(rounds) - 1) + [True]


def test_more_beams_than_ids_hold_no_texts_that_are_not_there():
    model = ours(vocab_size=5, bos_token_id=None, eos_token_id=None)
    tree = beam_tree(model, None, [1, 2], num_beams=25, max_new_tokens=3)
    assert sum(node.step == 1 for node in tree.nodes) == 5
    assert sum(node.step == 2 for node in tree.nodes) == 25
    assert len({path(tree, place) for place in range(len(tree.nodes))}) == len(tree.nodes)
    assert len(tree.hypotheses) == 25
    json.dumps(asdict(tree), allow_nan=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_beams": 0}, "num_beams=0 must be an integer of at least 1"),
        ({"max_new_tokens": 0}, "max_new_tokens=0 must be an integer of at least 1"),
        ({"length_penalty": float("nan")}, "length_penalty=nan must be a number"),
        ({"length_penalty": 1000.0}, "from -20 to 20"),
    ],
)
def test_an_option_out_of_its_range_is_named(options, message):
    with pytest.raises(NeoxjpError, match=message):
        beam_tree(ours(), None, PROMPT, **({"num_beams": 2, "max_new_tokens": 2} | options))


def test_what_does_not_fit_the_context_is_refused():
    with pytest.raises(PromptTooLong, match="5 tokens and 60 new ones are asked for, but the context is 64"):
        beam_tree(ours(), None, PROMPT, num_beams=2, max_new_tokens=60)


# ---------------------------------------------------------------- the command


def test_beams_prints_each_step_and_the_finished_texts(capsys, tiny_folder):
    arguments = ["beams", "東京", "--model", str(tiny_folder), "--beams", "3", "--new", "4", "--length-penalty", "2"]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if line.startswith("step")] == ["step 1", "step 2", "step 3", "step 4"]
    assert all(word in out for word in ("> kept", "· pruned", "■ finished"))
    assert main([*arguments, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_folder)
    best = record["hypotheses"][0]
    assert best["text"] == tokenizer.decode(best["ids"], skip_special_tokens=True)
    assert repr(best["text"]) in out.splitlines()[-len(record["hypotheses"])]
    assert record["beams"]["length_penalty"] == 2.0


def test_beams_of_nothing_begin_a_text(capsys, tiny_folder):
    assert main(["beams", "", "--model", str(tiny_folder), "--new", "2", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["prompt_ids"]) == 1


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["--beams", "7"], "--beams 7: this command takes 2 to 6"),
        (["--beams", "1"], "--beams 1: this command takes 2 to 6"),
        (["--new", "1000"], "--new 1000: this command takes 1 to 20"),
        (["--new", "0", "--beams", "99"], "--beams 99: this command takes 2 to 6"),
    ],
)
def test_the_command_refuses_a_search_too_large_to_be_shown_before_a_model_is_read(capsys, asked, message):
    assert main(["beams", "東京", "--model", "/nowhere", *asked]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "call model.generate(ids, num_beams=" in said


def test_the_commands_help_names_its_limits(capsys):
    assert main(["beams", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for low, high in (NUM_BEAMS, NEW_TOKENS):
        assert f", {low} to {high}. [default:" in said
