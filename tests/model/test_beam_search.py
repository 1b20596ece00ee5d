"""Beam search: transformers' texts token for token, and the search itself against looking at every text."""

import itertools

import pytest
import torch

from neoxjp.errors import NeoxjpError
from neoxjp.model import BeamParams, KVCache, generate_beams
from neoxjp.model.outputs import CausalLMOutput
from neoxjp.sampling import SamplingParams
from tests.support.tiny_model import ours, pair

PAIRS = [pair(seed, tie_word_embeddings=bool(seed % 2)) for seed in range(4)]
MANY_ENDS = [60, 1, 5, 7, 9, 11]


def some_ids(rows=3, width=6, seed=0):
    return torch.randint(0, 59, (rows, width), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    "options",
    [
        {"num_beams": 3},
        {"num_beams": 5, "num_return_sequences": 5},
        {"num_beams": 4, "eos_token_id": MANY_ENDS, "num_return_sequences": 4},
        {"num_beams": 4, "eos_token_id": MANY_ENDS, "length_penalty": 2.5, "num_return_sequences": 2},
        {"num_beams": 4, "eos_token_id": MANY_ENDS, "length_penalty": -1.5},
        {"num_beams": 4, "eos_token_id": MANY_ENDS, "length_penalty": 0.0, "early_stopping": "never"},
        {"num_beams": 4, "eos_token_id": MANY_ENDS, "early_stopping": True, "num_return_sequences": 3},
        {"num_beams": 3, "eos_token_id": MANY_ENDS, "early_stopping": "never", "length_penalty": 1.5},
        {"num_beams": 3, "eos_token_id": MANY_ENDS, "min_new_tokens": 5},
        {"num_beams": 3, "repetition_penalty": 1.4},
        {"num_beams": 3, "repetition_penalty": 1.2, "no_repeat_ngram_size": 2, "eos_token_id": 7, "pad_token_id": 3},
        {"num_beams": 3, "max_new_tokens": 1, "num_return_sequences": 3},
    ],
    ids=str,
)
def test_beams_equal_transformers_token_for_token(options):
    options = {"max_new_tokens": 10} | options
    mask = torch.ones(3, 6, dtype=torch.long)
    for seed, (our, theirs) in enumerate(PAIRS):
        mask[0, :2] = seed % 2
        ids = some_ids(seed=seed)
        wanted = theirs.generate(ids, attention_mask=mask, **({"pad_token_id": 60} | options))
        assert torch.equal(our.generate(ids, attention_mask=mask, **options), wanted)


@torch.no_grad()
def test_a_search_wide_enough_finds_the_likeliest_of_all_texts():
    model = ours(vocab_size=5, bos_token_id=None, eos_token_id=None)
    prompt = [1, 2]
    logprobs = {}
    for text in itertools.product(range(5), repeat=3):
        logits = model(torch.tensor([[*prompt, *text]])).logits[0].log_softmax(-1)
        logprobs[text] = float(sum(logits[1 + i, id] for i, id in enumerate(text)))
    found = generate_beams(model, prompt, BeamParams(num_beams=25, max_new_tokens=3, length_penalty=0.0), SamplingParams())
    best = sorted(logprobs, key=logprobs.__getitem__, reverse=True)[:25]
    assert [text.ids for text in found] == best
    assert [text.score for text in found] == pytest.approx([logprobs[ids] for ids in best], abs=1e-4)


def test_one_beam_is_greedy():
    model = ours()
    prompt = some_ids(1)[0].tolist()
    text = generate_beams(model, prompt, BeamParams(num_beams=1, max_new_tokens=8), SamplingParams())[0]
    assert list(text.ids) == model.generate(some_ids(1), max_new_tokens=8, eos_token_id=())[0, 6:].tolist()


def test_the_score_is_the_mean_log_probability_at_length_penalty_one():
    model = ours()
    prompt = some_ids(1)[0].tolist()
    for text in generate_beams(model, prompt, BeamParams(3, 6, eos_ids=(60, 7, 9)), SamplingParams()):
        logits = model(torch.tensor([[*prompt, *text.ids]])).logits[0, 5:-1].log_softmax(-1)
        mean = logits.gather(1, torch.tensor(text.ids)[:, None]).mean()
        assert text.score == pytest.approx(float(mean.detach()), abs=1e-5)


def test_a_prompt_longer_than_one_forward_is_read_in_pieces(monkeypatch):
    model = ours()
    wanted = model.generate(some_ids(1, 20), num_beams=3, max_new_tokens=5)
    monkeypatch.setattr("neoxjp.model.beam_search.PREFILL", 6)
    assert torch.equal(model.generate(some_ids(1, 20), num_beams=3, max_new_tokens=5), wanted)


# ---- sampling


def test_sampled_beams_repeat_with_the_seed_whatever_else_is_in_the_batch():
    model = ours()
    options = {"num_beams": 3, "do_sample": True, "temperature": 2.0, "max_new_tokens": 6, "eos_token_id": ()}
    batch = model.generate(some_ids(), seed=4, **options)
    alone = torch.cat([model.generate(row[None], seed=4, **options) for row in some_ids()])
    assert torch.equal(batch, alone)
    assert not torch.equal(batch, model.generate(some_ids(), seed=5, **options))


@pytest.mark.parametrize("options", [{"top_k": 1}, {"top_k": 0, "top_p": 1e-9}, {"top_k": 0, "min_p": 1.0}], ids=str)
def test_sampled_beams_keep_candidates_that_go_on_as_in_transformers(options):
    for eos in ((), 7, [7, 9]):
        found = ours().generate(
            some_ids(1),
            do_sample=True,
            num_beams=3,
            num_return_sequences=3,
            max_new_tokens=6,
            eos_token_id=eos,
            seed=0,
            **options,
        )
        assert len({tuple(row) for row in found.tolist()}) == 3


def test_sampled_continuations_are_drawn_by_their_probability():
    probabilities = torch.tensor([0.5, 0.3, 0.15, 0.05])

    class Model:
        device = "cpu"

        def new_cache(self):
            return KVCache(0)

        def __call__(self, input_ids, **_):
            return CausalLMOutput(logits=probabilities.log()[None, None])

    counts = torch.zeros(4)
    params, generator = SamplingParams(do_sample=True, top_k=0), torch.Generator().manual_seed(0)
    for _ in range(1000):
        counts[generate_beams(Model(), [1, 2], BeamParams(1, 1), params, generator)[0].ids[0]] += 1
    torch.testing.assert_close(counts / 1000, probabilities, rtol=0, atol=0.05)


def test_logits_that_are_no_numbers_are_refused():
    model = ours()
    with torch.no_grad():
        model.embed_out.weight[3] = torch.nan
    with pytest.raises(NeoxjpError, match="not numbers"):
        generate_beams(model, [1, 2], BeamParams(2, 2), SamplingParams())
