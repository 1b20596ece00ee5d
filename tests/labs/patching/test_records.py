"""Activation patching: against hooks on transformers' model with the same weights, and what must be exact."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from neoxjp import GPTNeoXJapaneseForCausalLM
from neoxjp.cli.main import main
from neoxjp.errors import NeoxjpError, ParameterError, PromptTooLong
from neoxjp.labs.patching.records import MAX_TOKENS, as_dict, patch, patched_logits
from tests.support.tiny_model import ours, pair

IDS, DONOR = torch.randint(0, 59, (2, 7), generator=torch.Generator().manual_seed(5)).tolist()
SHORT = DONOR[:4]
LAYERS = 3


@pytest.fixture(scope="module")
def models() -> Any:
    return pair(num_hidden_layers=LAYERS, rotary_pct=0.5)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("packed")
    ours(hidden_size=64, num_hidden_layers=LAYERS).save_pretrained(folder)
    return GPTNeoXJapaneseForCausalLM.from_pretrained(folder, dtype="float16")


@torch.no_grad()
def hooked(theirs: Any, ids: Sequence[int], donor_ids: Sequence[int], layers: int, places: Sequence[tuple[int, int]]) -> Tensor:
    """transformers' log probabilities (V,) after the last token, with the donor's states put in by a forward hook."""
    body = theirs.gpt_neox_japanese
    module = body.layers[layers - 1] if layers else body.embed_in
    kept: list[Tensor] = []

    def state(output: Any) -> Tensor:
        return output if isinstance(output, Tensor) else output[0]

    handle = module.register_forward_hook(lambda _, given, output: kept.append(state(output).clone()))
    theirs(torch.tensor([donor_ids]))
    handle.remove()

    def put_in(_: Any, given: Any, output: Any) -> None:
        for place, donor_place in places:
            state(output)[0, place] = kept[0][0, donor_place]

    handle = module.register_forward_hook(put_in)
    logits = theirs(torch.tensor([ids])).logits[0, -1]
    handle.remove()
    return logits.log_softmax(-1)


def test_every_cell_is_what_hooks_on_transformers_model_give(models: Any) -> None:
    model, theirs = models
    for donor in (DONOR, SHORT):
        found = patch(model, None, IDS, donor)
        target, other = found.target_id, found.other_id
        assert len(found.scores) == LAYERS + 1
        for layers, row in enumerate(found.scores):
            assert len(row) == len(found.spans) == len(donor)
            for span, score in zip(found.spans, row, strict=True):
                logprobs = hooked(theirs, IDS, donor, layers, span.places)
                wanted = (logprobs[target] - (0 if other is None else logprobs[other])) / torch.tensor(2.0).log()
                assert score == pytest.approx(float(wanted), abs=1e-4)
        everywhere = [place for span in found.spans for place in span.places]
        logprobs = hooked(theirs, IDS, donor, 1, everywhere)
        assert found.whole[1] == pytest.approx(float((logprobs[target] - logprobs[other]) / torch.tensor(2.0).log()), abs=1e-4)


@torch.no_grad()
def test_everything_after_the_last_layer_gives_the_donors_logits_exactly(models: Any, packed: Any) -> None:
    for model in (models[0], packed):
        for donor in (DONOR, SHORT):
            found = patch(model, None, IDS, donor)
            exact = pytest.approx(0.0, abs=0.0 if model is packed else 1e-6)  # plain linears round batches otherwise
            assert found.whole[-1] - found.donor.score == exact
            assert found.scores[-1][-1] - found.donor.score == exact  # the last token alone decides there
            assert [score - found.base.score for score in found.scores[-1][:-1]] == [exact] * (len(found.spans) - 1)
            places = {LAYERS: [place for span in found.spans for place in span.places]}
            own = patched_logits(model, donor, donor, {})
            assert torch.equal(patched_logits(model, IDS, donor, places), own)
        assert torch.equal(
            patched_logits(model, IDS, DONOR, {0: [(place, place) for place in range(7)]}), patched_logits(model, DONOR, IDS, {})
        )


@torch.no_grad()
def test_nothing_put_in_changes_no_bit(models: Any, packed: Any) -> None:
    for model in (models[0], packed):
        cache = model.new_cache()
        wanted = model(torch.tensor([IDS]), past_key_values=[cache], logits_to_keep=1).logits[0, -1]
        assert torch.equal(patched_logits(model, IDS, DONOR, {}), wanted)
        itself = {layers: [(place, place) for place in range(7)] for layers in range(LAYERS + 1)}
        assert torch.equal(patched_logits(model, IDS, IDS, itself), wanted)
    found = patch(packed, None, IDS, IDS)  # rows of a batch have the same bits as alone
    assert {score for row in found.scores for score in row} == {found.base.score}
    assert found.share(found.base.score) is None


def test_a_word_before_a_change_carries_nothing(models: Any) -> None:
    donor = [*IDS[:3], *DONOR[3:]]
    found = patch(models[0], None, IDS, donor)
    for row in found.scores:
        assert [found.share(score) for score in row[:3]] == pytest.approx([0.0] * 3, abs=1e-5)


def test_the_score_is_of_the_two_predictions_or_of_what_is_asked_for(models: Any) -> None:
    model, theirs = models
    with torch.no_grad():
        base, donor = (theirs(torch.tensor([ids])).logits[0, -1].log_softmax(-1) for ids in (IDS, DONOR))
    found = patch(model, None, IDS, DONOR)
    best = int(base.argmax()), int(donor.argmax())
    assert (found.base.id, found.donor.id) == best
    if best[0] != best[1]:
        assert (found.other_id, found.target_id) == best
    asked = patch(model, None, IDS, DONOR, 11)
    assert (asked.target_id, asked.other_id) == (11, None)
    assert asked.base.score == pytest.approx(float(base[11]) / 0.6931472, abs=1e-4)
    both = patch(model, None, IDS, DONOR, 11, 12)
    assert both.donor.score == pytest.approx(float(donor[11] - donor[12]) / 0.6931472, abs=1e-4)
    record = as_dict(both)
    assert json.loads(json.dumps(record))["whole_shares"][-1] == pytest.approx(1.0, abs=1e-6)


def test_equal_predictions_are_told_apart_by_the_tokens_that_move_most(models: Any) -> None:
    model, _ = models
    donor = IDS  # the same text: nothing moves, and nothing is divided by zero
    found = patch(model, None, IDS, donor)
    assert (found.target_id, found.other_id) == (found.base.id, None)
    assert as_dict(found)["shares"][0] == [None] * len(IDS)


@pytest.mark.parametrize(
    ("ids", "donor", "options", "message"),
    [
        ([99999], DONOR, {}, "99999"),
        (IDS, DONOR, {"target": -1}, "-1"),
        (IDS, DONOR, {"target": 3, "other": 10**9}, "1000000000"),
        (IDS, DONOR, {"target": 3, "other": 3}, "the same token, 3"),
    ],
)
def test_what_is_no_id_is_refused(models: Any, ids: list[int], donor: list[int], options: Any, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        patch(models[0], None, ids, donor, **options)


def test_too_long_a_text_and_places_that_are_not_there_are_refused(models: Any) -> None:
    with pytest.raises(PromptTooLong, match=f"up to {4}"):
        patch(models[0], None, IDS, DONOR, most=4)
    assert MAX_TOKENS == 128
    for places in ({LAYERS + 1: [(0, 0)]}, {0: [(7, 0)]}, {0: [(0, 7)]}):
        with pytest.raises(ParameterError, match="must be 0 to"):
            patched_logits(models[0], IDS, DONOR, places)


def test_numbers_that_are_not_finite_are_an_error() -> None:
    model = ours(num_hidden_layers=2)
    with torch.no_grad():
        model.embed_out.weight[3] = float("nan")
    with pytest.raises(NeoxjpError, match="not numbers"):
        patch(model, None, IDS, DONOR)


def test_the_command_prints_a_line_a_layer_or_json(capsys: pytest.CaptureFixture[str], tiny_folder: Any) -> None:
    given = ["patch", "猫は東京", "猫が東京", "--model", str(tiny_folder)]
    assert main(given) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["base:", "donor:", "layers", "0", "1", "2"]
    assert lines[-1].split()[-1] == "100%"
    assert main([*given, "--target", "猫", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["target_text"], record["other_id"], len(record["scores"])) == ("猫", None, 3)
    for wrong, message in (
        (["--target", "猫は"], "has 2 tokens"),
        (["--other", "猫"], "give both"),
        (["--target", ""], "has 0 tokens"),
    ):
        assert main([*given, *wrong]) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert message in err
