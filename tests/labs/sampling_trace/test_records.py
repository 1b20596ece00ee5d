"""The trace of a step against the engine's own draws; the kept logits; what a step costs to look at again."""

import dataclasses
import itertools
import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neoxjp.engine import Engine, LogitsCache, next_logits
from neoxjp.errors import ParameterError, PromptTooLong
from neoxjp.labs.sampling_trace.records import StepTrace, trace_at, trace_of_logits, uniform_number
from neoxjp.sampling import SamplingParams
from tests.support.fake_model import EOS, Fake, V, ids, mixed
from tests.support.tiny_model import ours

FIVE = torch.tensor([0.4, 0.3, 0.15, 0.1, 0.05]).log()
DRAW = SamplingParams(do_sample=True, top_k=0, seed=5, max_new_tokens=12, eos_token_id=())
WISHES = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.floats(0.1, 3),
        "top_k": st.integers(0, 12),
        "top_p": st.floats(0, 1),
        "min_p": st.floats(0, 1),
        "typical_p": st.floats(0.05, 1),
        "repetition_penalty": st.floats(0.5, 2),
        "no_repeat_ngram_size": st.integers(0, 3),
        "min_new_tokens": st.integers(0, 4),
        "do_sample": st.booleans(),
    },
)


def sums(record: StepTrace) -> list[float]:
    return [
        math.fsum(candidate.probabilities[stage] for candidate in record.candidates) + record.others.probabilities[stage]
        for stage in range(len(record.stages))
    ]


def test_each_filter_by_hand():
    params = SamplingParams(do_sample=True, top_k=4, top_p=0.8)
    record = trace_of_logits(FIVE, params, [4], banned=[0], written=2, uniform=0.99, show=2)
    assert [(stage.name, stage.tokens_left) for stage in record.stages] == [
        ("model", 5),
        ("min_new_tokens", 4),
        ("top_k", 4),
        ("top_p", 3),
    ]
    assert [stage.removed_probability for stage in record.stages] == pytest.approx([0, 0.4, 0, 0.05])
    assert record.total_removed_probability == pytest.approx(0.45)
    # the two likeliest for the model (0, 1), the two likeliest in the end (1, 2), the written one (2) and the drawn one (3)
    assert [candidate.id for candidate in record.candidates] == [0, 1, 2, 3]
    assert [candidate.removed_by for candidate in record.candidates] == ["min_new_tokens", None, None, None]
    assert record.candidates[1].probabilities == pytest.approx((0.3, 0.5, 0.5, 6 / 11))
    assert record.candidates[3].interval == pytest.approx((9 / 11, 1))
    assert (record.written, record.drawn, record.uniform) == (2, 3, 0.99)
    assert (record.others.count, record.others.tokens_left) == (1, 0)
    assert record.others.probabilities == pytest.approx((0.05, 0.05 / 0.6, 0.05 / 0.6, 0))
    assert record.entropy_before == pytest.approx(-sum(p * math.log2(p) for p in (0.4, 0.3, 0.15, 0.1, 0.05)))
    assert record.entropy_after == pytest.approx(-sum(p / 11 * math.log2(p / 11) for p in (6, 3, 2)))


@settings(max_examples=60)
@given(
    WISHES, st.integers(0, 2**32), st.lists(st.integers(0, 11), max_size=9), st.integers(1, 20), st.floats(0, 1, exclude_max=True)
)
def test_every_stage_sums_to_one_and_the_number_lies_in_the_drawn_interval(wishes, seed, history, show, uniform):
    logits = torch.randn(12, generator=torch.Generator().manual_seed(seed)) * 3
    record = trace_of_logits(logits, SamplingParams(**({"do_sample": True} | wishes)), history, uniform=uniform, show=show)
    assert sums(record) == pytest.approx([1.0] * len(record.stages), abs=1e-9)
    assert sum(stage.removed_probability for stage in record.stages) == pytest.approx(record.total_removed_probability, abs=1e-9)
    assert len(record.candidates) + record.others.count == 12
    assert record.others.tokens_left + sum(c.removed_by is None for c in record.candidates) == record.stages[-1].tokens_left
    intervals = sorted(candidate.interval for candidate in record.candidates if candidate.interval)
    assert all(before[1] <= after[0] + 1e-12 for before, after in itertools.pairwise(intervals))
    assert record.drawn is not None
    drawn = next(candidate for candidate in record.candidates if candidate.id == record.drawn)
    assert drawn.interval is not None
    if record.uniform is not None:
        assert drawn.interval[0] - 1e-9 <= record.uniform <= drawn.interval[1] + 1e-9
    json.dumps(dataclasses.asdict(record), allow_nan=False)


def test_a_token_that_cannot_come_has_no_logit_in_json():
    record = trace_of_logits(torch.tensor([0.0, -math.inf]), SamplingParams(do_sample=True), [])
    assert [candidate.logit for candidate in record.candidates] == [0.0, None]
    json.dumps(dataclasses.asdict(record), allow_nan=False)


@pytest.mark.parametrize("show", [0, -1, 201])
def test_the_number_of_candidates_is_bounded(show):
    with pytest.raises(ParameterError, match="from 1 to 200") as caught:
        trace_of_logits(FIVE, DRAW, [], show=show)
    assert "200" in caught.value.ja


def test_the_uniform_numbers_are_those_of_the_engine():
    generator = torch.Generator().manual_seed(77)
    numbers = [float(torch.rand((), dtype=torch.float64, generator=generator)) for _ in range(40)]
    assert [uniform_number(77, position) for position in range(40)] == numbers


@pytest.mark.parametrize("repeated", [False, True])
def test_a_kept_step_draws_what_the_generation_drew(repeated):
    """Drafts included: where the text repeats itself the engine reads several ids in one forward."""
    model = Fake(lambda so_far: mixed([len(so_far) % 3] if repeated else so_far))
    kept = LogitsCache()
    written = ids(Engine(model).submit([1, 2], dataclasses.replace(DRAW, max_new_tokens=30), watch=kept.keep))
    assert len(kept) == 30
    reads = len(model.forwards)
    for position, id in enumerate(written):
        record = trace_at(model, None, [1, 2], written, position, DRAW, seed=5, store=kept)
        assert (record.drawn, record.written, record.position, record.stored_logits) == (id, id, position + 2, True)
    assert len(model.forwards) == reads  # not one forward


@settings(max_examples=25, deadline=None)
@given(WISHES)
def test_the_same_step_with_other_settings_is_what_generating_with_them_draws(wishes):
    """Up to and including the first difference both texts have the same ids before them, so the draws must be the same."""
    model, other = Fake(mixed), SamplingParams(**({"do_sample": True, "top_k": 0} | wishes), seed=5, max_new_tokens=12)
    kept = LogitsCache()
    written = ids(Engine(model).submit([3], DRAW, watch=kept.keep))
    expected = ids(Engine(model).submit([3], other))
    for position, id in enumerate(expected):
        record = trace_at(model, None, [3], written, position, other, seed=5, store=kept)
        assert record.stored_logits
        assert record.drawn == id
        if written[position] != id:
            break


def test_on_a_real_network_a_kept_step_is_exact_and_a_step_read_again_is_close():
    model = ours()
    kept = LogitsCache()
    prompt = [3, 1, 4]
    params = dataclasses.replace(DRAW, max_new_tokens=20)
    written = ids(Engine(model).submit(prompt, params, watch=kept.keep))
    for position in (0, 1, 19):
        exact = trace_at(model, None, prompt, written, position, params, seed=5, store=kept)
        again = trace_at(model, None, prompt, written, position, params, seed=5)
        assert (exact.stored_logits, again.stored_logits) == (True, False)
        assert exact.drawn == written[position]
        assert [c.id for c in again.candidates] == [c.id for c in exact.candidates]
        for one, two in zip(exact.candidates, again.candidates, strict=True):
            assert one.probabilities == pytest.approx(two.probabilities, abs=1e-5)


def test_the_end_token_is_banned_only_before_min_new_tokens():
    params = SamplingParams(do_sample=True, min_new_tokens=2)
    for position, banned in ((0, True), (1, True), (2, False)):
        record = trace_at(Fake(mixed), None, [1], [2, 3], position, params, seed=None)
        assert ("min_new_tokens" in [stage.name for stage in record.stages]) == banned
        assert next(c for c in record.candidates if c.id == EOS).probabilities[-1] == 0.0 or not banned
        assert (record.drawn, record.uniform) == (None, None)  # without a seed nobody knows


def test_the_next_step_has_no_written_id_and_a_place_beyond_it_is_refused():
    assert trace_at(Fake(mixed), None, [], [], 0, DRAW, seed=1).written is None
    for position in (-1, 3):
        with pytest.raises(ParameterError, match="from 0 to 2"):
            trace_at(Fake(mixed), None, [1], [2, 3], position, DRAW, seed=1)
    with pytest.raises(PromptTooLong):
        trace_at(Fake(mixed, context=4), None, [1, 2, 3], [4], 1, DRAW, seed=1)


# The store


def test_the_store_keeps_to_its_bytes_and_lets_the_longest_unused_go():
    kept = LogitsCache(max_bytes=3 * 4 * V)
    for id in range(4):
        kept.keep([id], torch.full((V,), float(id)))
        kept.get([1])
    assert len(kept) == 3
    assert kept.nbytes == 3 * 4 * V
    assert [kept.get([id]) is not None for id in range(4)] == [False, True, True, True]
    kept.clear()
    assert (len(kept), kept.nbytes) == (0, 0)


def test_the_store_holds_copies():
    kept, logits = LogitsCache(), torch.zeros(V)
    kept.keep([1], logits)
    logits += 1
    found = kept.get([1])
    assert found is not None
    found[0].add_(1)
    assert kept.get([1])[0].tolist() == [0.0] * V


def test_a_store_of_no_bytes_keeps_nothing():
    kept = LogitsCache(0)
    kept.keep([1], torch.zeros(V))
    assert len(kept) == 0
    with pytest.raises(ParameterError, match="max_bytes"):
        LogitsCache(-1)


def test_what_was_read_again_is_kept_and_goes_on_to_say_so():
    model, kept = Fake(mixed), LogitsCache()
    logits, drawn_from = next_logits(model, [1, 2], kept)
    assert torch.equal(logits, mixed([1, 2]))
    reads = len(model.forwards)
    again, drawn_from_now = next_logits(model, [1, 2], kept)
    assert torch.equal(again, logits)
    assert (drawn_from, drawn_from_now) == (False, False)
    assert len(model.forwards) == reads


def test_logits_read_again_are_those_of_a_generation_that_starts_there():
    """Bit for bit: what "go on from here with other settings" will draw."""
    model, kept = ours(), LogitsCache()
    prompt = list(range(40))
    ids(Engine(model).submit(prompt, dataclasses.replace(DRAW, max_new_tokens=1), watch=kept.keep))
    assert torch.equal(next_logits(model, prompt)[0], kept.get(prompt)[0])


def test_a_watcher_that_fails_ends_its_own_request_only():
    def fail(history, logits):
        raise RuntimeError("watcher")

    engine = Engine(Fake(mixed))
    other, watched = engine.submit([1], DRAW), engine.submit([1], DRAW, watch=fail)
    with pytest.raises(RuntimeError, match="watcher"):
        list(watched)
    assert len(list(other)) == 12
