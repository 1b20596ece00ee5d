"""Filters by hand on four numbers, the whole chain against transformers' own, the sampling trace against the sampled id."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import GenerationConfig

from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.sampling import SamplingParams, apply_filters, candidates, filtered_scores, filters, sample, trace_sampling
from neoxjp.sampling.sampler import HEAD

FOUR = torch.tensor([0.5, 0.25, 0.125, 0.125]).log()
DRAWING = {"do_sample": True, "top_k": 0}  # every filter off


def left(logits=FOUR, history=(), banned=(), **params):
    """{id: probability} after the filters named."""
    ids, probabilities = candidates(logits, SamplingParams(**(DRAWING | params)), history, banned)
    return dict(zip(ids.tolist(), probabilities.tolist(), strict=True))


def test_without_filters_the_softmax_is_left():
    assert left() == pytest.approx({0: 0.5, 1: 0.25, 2: 0.125, 3: 0.125})


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"temperature": 0.5}, {0: 8 / 11, 1: 2 / 11, 2: 0.5 / 11, 3: 0.5 / 11}),  # p squared, over the sum
        ({"temperature": 1e-30}, {0: 1.0, 1: 0.0, 2: 0.0, 3: 0.0}),
        ({"temperature": 1e-45}, {0: 1.0}),  # overflows float32 unless one takes care
        ({"temperature": 1e300}, {0: 0.25, 1: 0.25, 2: 0.25, 3: 0.25}),
        ({"top_k": 1}, {0: 1.0}),
        ({"top_k": 2}, {0: 2 / 3, 1: 1 / 3}),
        ({"top_k": 3}, {0: 0.5, 1: 0.25, 2: 0.125, 3: 0.125}),  # 2 and 3 tie: both stay, as in transformers
        ({"top_k": 99}, {0: 0.5, 1: 0.25, 2: 0.125, 3: 0.125}),
        ({"top_p": 0.0}, {0: 1.0}),
        ({"top_p": 0.45}, {0: 1.0}),
        ({"top_p": 0.55}, {0: 2 / 3, 1: 1 / 3}),
        ({"top_p": 0.7}, {0: 2 / 3, 1: 1 / 3}),
        ({"top_p": 0.8}, {0: 4 / 7, 1: 2 / 7, 2: 1 / 7}),
        ({"min_p": 0.3}, {0: 2 / 3, 1: 1 / 3}),
        ({"min_p": 1.0}, {0: 1.0}),
        # surprise 1, 2, 3, 3 bits around an entropy of 1.75 bits: nearest is 1, then 0
        ({"typical_p": 0.2}, {1: 1.0}),
        ({"typical_p": 0.5}, {0: 2 / 3, 1: 1 / 3}),
        ({"typical_p": 0.9}, {0: 0.5, 1: 0.25, 2: 0.125, 3: 0.125}),
    ],
)
def test_each_filter_by_hand(params, expected):
    assert left(**params) == pytest.approx(expected)


def test_filters_apply_one_after_another():
    # top-k leaves 4/7 2/7 1/7 (a tie broken first), top-p 0.8 then 4/7 2/7; top-p alone would have left three
    logits = torch.tensor([0.5, 0.25, 0.125, 0.1]).log()
    assert left(logits, top_k=3, top_p=0.8) == pytest.approx({0: 2 / 3, 1: 1 / 3})


@pytest.mark.parametrize("penalty", [5e-324, 1e-40, 1e40, 1e308])
def test_a_repetition_penalty_beyond_float32_still_leaves_a_token_to_draw(penalty):
    logits = torch.tensor([3.0, -2.0, 0.5, 0.0, -math.inf])
    drawn = apply_filters(logits, SamplingParams(temperature=1.0, repetition_penalty=penalty), [0, 1, 3, 4]).draw(None)
    assert drawn == (0 if penalty < 1 else 2)


def test_the_repetition_penalty_divides_positive_and_multiplies_negative_logits():
    logits = torch.tensor([2.0, -1.0, 1.0, 0.0])
    expected = torch.tensor([1.0, -2.0, 1.0, 0.0]).softmax(0)
    assert left(logits, history=[0, 1, 0, 0], repetition_penalty=2.0) == pytest.approx(dict(enumerate(expected.tolist())))
    assert logits.tolist() == [2.0, -1.0, 1.0, 0.0]  # the caller's vector stays as it is


@pytest.mark.parametrize(("n", "gone"), [(1, {1, 2, 3}), (2, {3}), (3, {3}), (4, set()), (9, set())])
def test_no_run_of_n_ids_comes_twice(n, gone):
    logits = torch.zeros(5)
    assert set(left(logits, history=[1, 2, 3, 1, 2], no_repeat_ngram_size=n)) == set(range(5)) - gone


def test_an_empty_history_repeats_nothing():
    assert len(left(history=[], no_repeat_ngram_size=1, repetition_penalty=3.0)) == 4


def test_banned_ids_are_not_drawn():
    assert left(banned=[0]) == pytest.approx({1: 0.5, 2: 0.25, 3: 0.25})
    assert int(sample(FOUR, SamplingParams(), [], None, banned=[0])) == 1


@pytest.mark.parametrize("temperature", [5e-324, 1e-50, 1e-31, 1e39, 1e308])
@pytest.mark.parametrize("filter", [{}, {"top_k": 3}, {"top_p": 0.9}, {"min_p": 0.1}, {"typical_p": 0.5}])
def test_a_temperature_beyond_float32_draws_no_banned_id_and_always_one(temperature, filter):
    found = left(torch.tensor([-1.0, 0.0, -2.0, -3.0]), banned=(3,), temperature=temperature, **filter)
    assert found
    assert 3 not in found
    assert sum(found.values()) == pytest.approx(1)
    assert temperature > 1 or found[1] == 1


def test_filters_that_leave_nothing_are_an_error():
    with pytest.raises(ParameterError, match=r"no_repeat_ngram_size=1 leaves none of the 4 tokens") as caught:
        left(history=[0, 1, 2, 3], no_repeat_ngram_size=1)
    assert "残りません" in caught.value.ja


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_logits_that_are_no_numbers_are_an_error(bad):
    for params in (SamplingParams(), SamplingParams(do_sample=True)):
        with pytest.raises(NeoxjpError, match="not numbers"):
            sample(torch.tensor([0.0, bad, 1.0]), params, [], None)


def test_tokens_at_minus_infinity_are_never_left():
    logits = torch.tensor([0.0, -math.inf, -math.inf, 0.0])
    assert left(logits, top_k=3) == pytest.approx({0: 0.5, 3: 0.5})
    assert left(logits, typical_p=0.9, top_p=0.99) == pytest.approx({0: 0.5, 3: 0.5})


def test_temperature_zero_and_greedy_ignore_the_seed_and_the_filters():
    logits = torch.randn(100, generator=torch.Generator().manual_seed(3))
    for params in (SamplingParams(), SamplingParams(do_sample=True, temperature=0.0), SamplingParams(typical_p=0.1)):
        for seed in range(3):
            generator = torch.Generator().manual_seed(seed)
            before = generator.get_state()
            assert int(sample(logits, params, [], generator)) == int(logits.argmax())
            assert torch.equal(before, generator.get_state())


def test_one_uniform_number_a_token():
    used, reference = torch.Generator().manual_seed(5), torch.Generator().manual_seed(5)
    for _ in range(20):
        uniform = float(torch.rand((), dtype=torch.float64, generator=reference))
        expected = 0 if uniform < 0.5 else 1 if uniform < 0.75 else 2 if uniform < 0.875 else 3
        assert int(sample(FOUR, SamplingParams(**DRAWING), [], used)) == expected


@pytest.mark.parametrize(("uniform", "expected"), [(0.0, 0), (0.5 - 2**-53, 0), (0.5, 1), (1 - 2**-53, 1)])
def test_the_interval_that_holds_the_number_is_hit(monkeypatch, uniform, expected):
    logits = torch.tensor([3.0, 3.0, -1e9, -1e9])  # ½ ½ 0 0
    monkeypatch.setattr(torch, "rand", lambda *a, **k: torch.tensor(uniform, dtype=torch.float64))
    assert int(sample(logits, SamplingParams(**DRAWING), [], None)) == expected


def test_frequencies_follow_the_probabilities():
    generator = torch.Generator().manual_seed(0)
    params = SamplingParams(do_sample=True, top_k=3, temperature=0.5)
    drawn = torch.stack([sample(FOUR, params, [], generator) for _ in range(3000)]).bincount(minlength=4) / 3000
    assert drawn.tolist() == pytest.approx([8 / 11, 2 / 11, 0.5 / 11, 0.5 / 11], abs=0.02)


def test_half_precision_logits_give_the_same_as_their_float32():
    logits = torch.randn(500, generator=torch.Generator().manual_seed(1)).to(torch.bfloat16)
    params = SamplingParams(do_sample=True, top_p=0.9)
    assert candidates(logits, params, [])[1].tolist() == candidates(logits.float(), params, [])[1].tolist()


def test_top_k_comes_before_any_sort(monkeypatch):
    sizes = []
    in_order = filters.sort_candidates
    monkeypatch.setattr(filters, "sort_candidates", lambda ids, values: sizes.append(len(values)) or in_order(ids, values))
    left(torch.randn(5000), top_k=40, top_p=0.9, typical_p=0.9, min_p=0.01)
    assert sizes
    assert max(sizes) == 40


@given(st.lists(st.floats(width=32, allow_nan=False) | st.sampled_from([0.0, -0.0, 1.0, -math.inf]), max_size=50))
def test_the_order_is_that_of_a_stable_sort(values):
    expected = torch.tensor(values, dtype=torch.float32).sort(descending=True, stable=True)
    ids, found = filters.sort_candidates(np.arange(len(values)), np.array(values, dtype=np.float32))
    assert ids.tolist() == expected.indices.tolist()
    assert found.tolist() == expected.values.tolist()


def slow_candidates(logits, params):
    """The filters written out with full sorts: ids and float64 probabilities, most probable first, equals by id."""
    x, ids = (logits / params.temperature).sort(descending=True, stable=True)
    if 0 < params.top_k < len(x):
        ids, x = ids[x >= x[params.top_k - 1]], x[x >= x[params.top_k - 1]]
    if params.top_p < 1:
        e = (x - x[0]).exp()
        total = (logits / params.temperature - x[0]).exp().numpy() if params.top_k in (0, len(logits)) else e.numpy()
        before = e.double().cumsum(0) - e.double()
        keep = before < params.top_p * float(total.sum(dtype="float64"))
        keep[0] = True
        ids, x = ids[keep], x[keep]
    if params.min_p > 0:
        keep = (x - x[0]).exp() >= params.min_p
        ids, x = ids[keep], x[keep]
    return ids, x.double().softmax(0)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(1, 3 * HEAD),
    st.sampled_from([0.0, 0.3, 1.0, 6.0]),
    st.sampled_from([0, 1, 40, 400]),
    st.sampled_from([0.0, 0.5, 0.95, 0.999, 1.0]),
    st.sampled_from([0.0, 0.02]),
)
def test_sorting_only_the_head_leaves_and_draws_what_a_full_sort_does(seed, size, spread, top_k, top_p, min_p):
    logits = (torch.randn(size, generator=torch.Generator().manual_seed(seed)) * spread).round(decimals=1)  # many equal ones
    params = SamplingParams(do_sample=True, temperature=0.9, top_k=top_k, top_p=top_p, min_p=min_p)
    ids, probabilities = slow_candidates(logits, params)
    found = candidates(logits, params, [])
    assert found[0].tolist() == ids.tolist()
    assert found[1].tolist() == pytest.approx(probabilities.tolist(), rel=1e-9)
    generator, reference = torch.Generator().manual_seed(seed), torch.Generator().manual_seed(seed)
    for _ in range(5):
        uniform = torch.rand((), dtype=torch.float64, generator=reference)
        ends = probabilities.cumsum(0)
        place = int(torch.searchsorted(ends, uniform * ends[-1], right=True))
        assert int(sample(logits, params, [], generator)) == int(ids[min(place, len(ids) - 1)])


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([{}, {"top_k": 5}, {"top_p": 0.7}]), st.booleans())
def test_the_chance_of_an_id_is_its_probability_among_the_candidates(seed, params, do_sample):
    logits = torch.randn(50, generator=torch.Generator().manual_seed(seed)) * 3
    logits[7] = -math.inf
    params = SamplingParams(do_sample=do_sample, **({"top_k": 0} | params))
    expected = dict(zip(*(t.tolist() for t in candidates(logits, params, [])), strict=True))
    for id, chance in enumerate(apply_filters(logits, params, []).probabilities(range(50))):
        assert chance == pytest.approx(expected[id]) if id in expected else chance is None


wishes = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.sampled_from([0.3, 0.7, 1.5, 4.0]),
        "top_k": st.sampled_from([0, 1, 5, 50]),
        "top_p": st.sampled_from([0.1, 0.5, 0.9, 0.99]),
        "min_p": st.sampled_from([0.01, 0.1, 0.5]),
        "typical_p": st.sampled_from([0.2, 0.7, 0.95]),
        "repetition_penalty": st.sampled_from([0.8, 1.3, 2.0]),
        "no_repeat_ngram_size": st.integers(1, 4),
        "min_new_tokens": st.integers(1, 6),
    },
)


@settings(max_examples=150, deadline=None)
@given(wishes, st.integers(0, 2**32), st.lists(st.integers(0, 9), min_size=1, max_size=20), st.booleans())
def test_what_is_left_equals_transformers_own_chain(their_model, params, seed, history, do_sample):
    logits = torch.randn(61, generator=torch.Generator().manual_seed(seed)) * 3
    eos, prompt = 60, max(len(history) - 3, 1)
    config = GenerationConfig(do_sample=do_sample, eos_token_id=eos, **({"top_k": 0} | params))
    their_model._prepare_special_tokens(config)
    chain = their_model._get_logits_processor(config, input_ids_seq_length=prompt)
    theirs = chain(torch.tensor([history]), logits[None].clone())[0]
    banned = [eos] if len(history) - prompt < params.get("min_new_tokens", 0) else []
    if do_sample:
        expected = {i: p for i, p in enumerate(theirs.softmax(0).tolist()) if theirs[i] > -math.inf}
        assert left(logits, history, banned, **params) == pytest.approx(expected, abs=1e-6)
    else:
        greedy = SamplingParams(**params)
        assert int(sample(logits, greedy, history, None, banned)) == int(theirs.argmax())


@pytest.fixture(scope="module")
def their_model():
    from transformers import GPTNeoXJapaneseConfig, GPTNeoXJapaneseForCausalLM

    return GPTNeoXJapaneseForCausalLM(
        GPTNeoXJapaneseConfig(vocab_size=61, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
    )


@settings(max_examples=80, deadline=None)
@given(wishes, st.integers(0, 2**32), st.lists(st.integers(0, 9), max_size=20))
def test_the_ledger_tells_what_the_draw_does(params, seed, history):
    logits = torch.randn(40, generator=torch.Generator().manual_seed(seed)) * 3
    params = SamplingParams(do_sample=True, **params)
    book = trace_sampling(logits, params, history, show=40)
    assert book.stages[0] == "model"
    assert book.tokens_left[0] == len(book.rows) == 40
    assert [row.logit for row in book.rows] == sorted(logits.tolist(), reverse=True)
    for row in book.rows:
        assert len(row.probabilities) == len(book.stages)
        assert (row.removed_by is None) == (row.interval is not None)
        if row.removed_by is not None:
            at = book.stages.index(row.removed_by)
            assert not any(row.probabilities[at:])
    intervals = sorted(row.interval for row in book.rows if row.interval)
    assert len(intervals) == book.tokens_left[-1]
    assert intervals[0][0] == 0.0
    assert intervals[-1][1] == 1.0
    assert all(a[1] == b[0] for a, b in itertools.pairwise(intervals))
    uniform = float(torch.rand((), dtype=torch.float64, generator=torch.Generator().manual_seed(seed)))
    drawn = int(sample(logits, params, history, torch.Generator().manual_seed(seed)))
    start, end = next(row.interval for row in book.rows if row.id == drawn)
    assert start - 1e-9 <= uniform <= end + 1e-9


def test_the_ledger_names_the_filter_that_removed_each_token():
    logits = torch.tensor([0.4, 0.3, 0.15, 0.1, 0.05]).log()
    book = trace_sampling(logits, SamplingParams(do_sample=True, top_k=4, top_p=0.8), [4], show=5, banned=[0])
    assert book.stages == ("model", "min_new_tokens", "top_k", "top_p")
    assert book.tokens_left == (5, 4, 4, 3)  # of the four that are left top-k takes all
    assert [row.removed_by for row in book.rows] == ["min_new_tokens", None, None, None, "top_p"]
    assert book.rows[1].probabilities == pytest.approx((0.3, 0.5, 0.5, 6 / 11))
    assert book.rows[1].interval == pytest.approx((0, 6 / 11))
    assert book.total_removed_probability == pytest.approx(0.45)
    assert book.entropy_before == pytest.approx(-sum(p * math.log(p) for p in (0.4, 0.3, 0.15, 0.1, 0.05)))
    assert book.entropy_after == pytest.approx(-sum(p / 11 * math.log(p / 11) for p in (6, 3, 2)))


def test_the_ledger_of_greedy_shows_one_winner():
    book = trace_sampling(FOUR, SamplingParams(), [], show=1, include=[3, 0])
    assert book.stages == ("model", "greedy")
    assert [(row.id, row.removed_by, row.interval) for row in book.rows] == [(0, None, (0.0, 1.0)), (3, "greedy", None)]
    assert book.entropy_after == 0.0


BAD = {
    "do_sample": (1, "True or False"),
    "temperature": (-0.5, "a number from 0 (greedy) upwards"),
    "top_k": (1.5, "a whole number from 0 (off) upwards"),
    "top_p": (2, "a number from 0 to 1 (off)"),
    "min_p": (math.nan, "a number from 0 (off) to 1"),
    "typical_p": (0, "a number above 0 and up to 1 (off)"),
    "repetition_penalty": ("1", "a number above 0"),
    "no_repeat_ngram_size": (-1, "a whole number from 0 (off) upwards"),
    "seed": (-1, "a whole number from 0 to 2**63 - 1"),
    "max_new_tokens": (0, "a whole number from 1 upwards"),
    "min_new_tokens": (True, "a whole number from 0 upwards"),
    "stop": (("",), "strings of at least one character"),
    "deadline_s": (math.inf, "a number of seconds above 0"),
    "eos_token_id": ("end", "an id or several"),
}


def test_every_problem_of_the_parameters_is_named_at_once():
    with pytest.raises(ParameterError) as caught:
        SamplingParams(**{name: value for name, (value, _) in BAD.items()})
    for name, (value, wanted) in BAD.items():
        assert f"{name}={value!r} must be {wanted}" in str(caught.value)
        assert f"{name}={value!r} は" in caught.value.ja


def test_the_shortest_text_cannot_be_longer_than_the_longest():
    with pytest.raises(ParameterError, match="min_new_tokens=5 must be at most max_new_tokens=4"):
        SamplingParams(min_new_tokens=5, max_new_tokens=4)


def test_convenient_spellings_are_taken():
    params = SamplingParams(stop="。", eos_token_id=7, temperature=1, top_k=torch.tensor(3))
    assert params == SamplingParams(stop=("。",), eos_token_id=(7,), top_k=3)
    assert SamplingParams(stop=["a", "b"]).stop == ("a", "b")
    assert SamplingParams(eos_token_id=()).eos_token_id == ()


@pytest.mark.parametrize("keep", [2, 3, 8])
@pytest.mark.parametrize("name", ["top_k", "top_p", "min_p", "typical_p"])
def test_for_beams_each_filter_leaves_as_many_as_transformers_own(name, keep):
    from transformers.generation import logits_process as theirs

    warpers = {
        "top_k": theirs.TopKLogitsWarper, "top_p": theirs.TopPLogitsWarper,
        "min_p": theirs.MinPLogitsWarper, "typical_p": theirs.TypicalLogitsWarper,
    }  # fmt: skip
    logits = torch.randn(40, generator=torch.Generator().manual_seed(keep)) * 4
    for value in (1, 4) if name == "top_k" else (0.01, 0.3, 0.95):
        params = SamplingParams(**({"do_sample": True, "top_k": 0} | {name: value}))
        wanted = warpers[name](value, min_tokens_to_keep=keep)(torch.tensor([[0]]), logits[None])[0]
        assert torch.equal(filtered_scores(logits, params, [0], keep=keep), wanted)


def test_the_defaults_are_those_of_transformers(their_model):
    theirs = GenerationConfig()
    defaults = theirs._get_default_generation_params()
    ours = SamplingParams()
    for name in ("do_sample", "temperature", "top_k", "top_p", "typical_p", "repetition_penalty", "no_repeat_ngram_size"):
        assert getattr(ours, name) == defaults[name], name
