"""Many requests in one forward: the same bits alone and beside others, with kept prompts and drafts; faults stay alone."""

import functools
import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neoxjp.engine import Engine, Request
from neoxjp.engine.prefix_cache import CHUNK
from neoxjp.engine.speculation import MAX_DRAFT
from neoxjp.model.attention import MAX_SINGLE_QUERIES
from neoxjp.quantization import fp16_kernel
from neoxjp.quantization import pack as packing
from neoxjp.sampling import SamplingParams
from tests.support.fake_model import DRAW, Clock, Fake, mixed
from tests.support.tiny_model import ours

FORMATS = ("float16", "int8", "float16+float32", "int8+int8")  # of the weights; behind + of the KV cache


@functools.cache
def packed(name: str) -> Any:
    """A tiny network with random weights in a packed format."""
    name, _, cache_dtype = name.partition("+")
    model = ours(max_position_embeddings=160, cache_dtype=cache_dtype or None)
    if name == "float16":
        if isinstance(kernel := fp16_kernel(), str):
            pytest.skip(kernel)
        return packing.pack_model(model, torch.float16)
    return packing.pack_model(model, None, "int8")


def bits(request: Request, steps: list) -> list[tuple]:
    """All that a text says of itself, to the last bit."""
    return [(s.id, s.logprob, s.rank, s.entropy, tuple((c.id, c.logprob, c.probability) for c in s.top)) for s in steps]


def alone(model: Any, prompt: list[int], params: SamplingParams) -> list[tuple]:
    engine = Engine(model, prefix_bytes=0, speculate=False, chunk=CHUNK)
    engine._rows_are_independent = False  # the slow way: one chunk a forward
    request = engine.submit(prompt, params, top=3)
    return bits(request, list(request))


# The prompts share beginnings, so that reuse happens, and repeat themselves, so that drafts are made.
prompts = st.tuples(st.integers(1, 90), st.integers(1, 3), st.sampled_from([7, 11, 50])).map(
    lambda p: [(n * p[1] + n * n // p[2]) % 50 for n in range(p[0])]
)
wishes = st.tuples(
    prompts,
    st.integers(1, 24),  # new ids
    st.integers(0, 5),  # seed
    st.sampled_from([{}, {"do_sample": True}, {"do_sample": True, "temperature": 0.5, "top_p": 0.9, "repetition_penalty": 1.2}]),
    st.integers(0, 12),  # forwards before it comes
    st.one_of(st.none(), st.integers(0, 8)),  # forwards until it is cancelled
)


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=40, deadline=None)
@given(st.lists(wishes, min_size=2, max_size=8), st.integers(1, 8), st.booleans(), st.booleans(), st.sampled_from([0, 2**22]))
def test_packed_weights_give_the_same_bits_alone_and_beside_others(name, asked, slots, speculate, quick, prefix_bytes):
    model = packed(name)
    clock = Clock() if quick else itertools.count().__next__  # so that pieces of prompts go beside texts, or a second is too long
    engine = Engine(model, max_batch=slots, speculate=speculate, prefix_bytes=prefix_bytes, chunk=CHUNK, clock=clock)
    params = [SamplingParams(max_new_tokens=new, seed=seed, **kind) for _, new, seed, kind, _, _ in asked]
    requests: dict[int, Request] = {}
    for turn in range(400):
        for number, (prompt, *_, arrival, _) in enumerate(asked):
            if arrival == turn:
                requests[number] = engine.submit(prompt, params[number], top=3)
        for number, request in requests.items():
            if asked[number][5] is not None and turn == asked[number][4] + asked[number][5]:
                request.cancel()
        if not engine.step() and turn > 12:
            break
    assert engine.running == engine.waiting == 0
    for number, request in requests.items():
        expected = alone(model, asked[number][0], params[number])
        found = bits(request, list(request.steps))
        assert found == expected[: len(found)]
        assert request.finish == "cancelled" or len(found) == len(expected)


@settings(max_examples=15, deadline=None)
@given(st.lists(wishes, min_size=2, max_size=8))
def test_in_float32_the_probabilities_are_close(asked):
    model = ours(max_position_embeddings=160)
    engine = Engine(model, max_batch=8)
    params = [SamplingParams(max_new_tokens=1, seed=seed, **kind) for _, _, seed, kind, _, _ in asked]
    requests = [engine.submit(wish[0], own) for wish, own in zip(asked, params, strict=True)]
    for wish, own, request in zip(asked, params, requests, strict=True):
        [step] = list(request)
        [expected] = list(Engine(model, prefix_bytes=0).submit(wish[0], own))
        assert step.id == expected.id
        assert step.logprob == pytest.approx(expected.logprob, abs=1e-4)


def test_a_draft_with_the_id_before_it_attends_one_by_one():
    assert MAX_DRAFT + 1 <= MAX_SINGLE_QUERIES


def test_of_one_row_at_fault_the_others_do_not_hear():
    def faulty(ids):
        if ids[0] == 7 and len(ids) == 4:
            raise RuntimeError("the fault")
        return mixed(ids)

    engine = Engine(Fake(faulty), speculate=False)
    good, bad, other = (engine.submit([first], DRAW) for first in (1, 7, 2))
    while engine.step():
        pass
    assert (good.finish, bad.finish, other.finish) == ("length", "error", "length")
    assert len(bad.ids) == 3
    for request in (good, other):
        own = Engine(Fake(mixed)).submit(request.prompt_ids, DRAW)
        assert request.ids == [step.id for step in own]
        assert [step.logprob for step in request] == [
            step.logprob for step in Engine(Fake(mixed)).submit(request.prompt_ids, DRAW)
        ]


def test_a_forward_that_fails_for_all_at_once_is_done_one_by_one():
    class Small(Fake):
        def forward_unpadded(self, input_ids, counts, caches, logits_at=None, chunk=None):
            if len(counts) > 1:
                caches[0].extend(input_ids[: counts[0]].tolist())  # half-way
                raise RuntimeError("out of memory")
            return super().forward_unpadded(input_ids, counts, caches, logits_at, chunk)

    engine = Engine(Small(mixed))
    requests = [engine.submit([n], DRAW) for n in range(3)]
    while engine.step():
        pass
    assert [request.finish for request in requests] == ["length"] * 3
    for request in requests:
        assert request.ids == [step.id for step in Engine(Fake(mixed)).submit(request.prompt_ids, DRAW)]


def test_logits_that_are_no_numbers_end_one_request_only():
    engine = Engine(Fake(lambda ids: torch.full((12,), torch.nan) if ids[0] == 7 else mixed(ids)))
    good, bad = engine.submit([1], DRAW), engine.submit([7], DRAW)
    while engine.step():
        pass
    assert (good.finish, bad.finish) == ("length", "error")
    assert "not numbers" in str(bad.error)


def test_stats_tell_how_many_others_a_forward_served():
    engine = Engine(Fake(mixed))
    requests = [engine.submit([n], DRAW) for n in range(3)]
    assert requests[0].stats.max_concurrent == 0
    engine.step()
    assert [request.stats.max_concurrent for request in requests] == [2, 2, 2]
