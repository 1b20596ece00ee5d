"""Drafts from the text itself: what they guess, when they are made, and that they change no id."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neoxjp.engine import Engine
from neoxjp.engine.speculation import MAX_DRAFT, DraftLength, draft_ids
from neoxjp.sampling import SamplingParams
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from tests.support.fake_model import EOS, Fake, V, writing


def guess(*ids: int, most: int = 4) -> list[int]:
    return draft_ids(np.array(ids, dtype=np.int64), most)


def test_a_draft_is_what_followed_before():
    assert guess(5, 1, 2, 3, 9, 1, 2) == [3, 9, 1, 2]
    assert guess(5, 1, 2, 3, 9, 1, 2, most=1) == [3]
    assert guess(1, 2, 3, 1, 2, 4, 1, 2, most=1) == [4]  # the latest
    assert guess(7, 1, 2, 3, 8, 1, 2, 4, 7, 1, 2, most=1) == [3]  # the longest
    assert guess(7, 7, 7) == [7, 7, 7, 7]  # a repetition goes on
    assert guess(1, 2, 1, 2, most=5) == [1, 2, 1, 2, 1]


def test_where_the_end_is_new_nothing_is_drafted():
    for ids in ((), (1,), (1, 1), (1, 2, 3), (1, 2, 3, 2), (9, 2, 5, 2)):
        assert guess(*ids) == []
    assert guess(1, 2, 1, 2, most=0) == []


@given(st.lists(st.integers(0, 3), max_size=30), st.integers(1, MAX_DRAFT))
def test_a_draft_continues_an_earlier_run_of_the_last_ids(ids, most):
    found = guess(*ids, most=most)
    if found:
        assert len(found) == most
        whole = [*ids, *found]
        ends = [end for end in range(2, len(ids)) if ids[end - 2 : end] == ids[-2:]]
        assert any(whole[end : end + most] == found for end in ends)
    else:
        assert ids[-2:] not in [ids[end - 2 : end] for end in range(2, len(ids))] or len(ids) < 3


def test_drafts_that_are_taken_grow_and_those_that_are_not_stop():
    good, bad = DraftLength(), DraftLength()
    first = good.length(1)
    assert 1 <= first < MAX_DRAFT
    for _ in range(10):
        good.note(good.length(1), 4)
    assert good.length(1) == MAX_DRAFT
    lengths = []
    for _ in range(60):
        lengths.append(bad.length(1))
        if lengths[-1]:
            bad.note(lengths[-1], 0)
    assert sum(map(bool, lengths)) <= 10
    assert sum(lengths[20:]) <= 3
    assert (bad.accepted, good.accepted) == (0, 40)


def test_beside_others_a_draft_must_be_better_to_be_worth_its_rows():
    assert DraftLength().length(1) > DraftLength().length(3) >= DraftLength().length(8)


def looping(strength: float):
    """Random logits that lean towards saying the last seven ids again."""

    def logits(ids: list[int]) -> torch.Tensor:
        random = torch.randn(V, generator=torch.Generator().manual_seed(hash(tuple(ids)) % 2**32))
        random[ids[-7 % len(ids)]] += strength
        return random

    return logits


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from([0.0, 2.0, 6.0]),
    st.fixed_dictionaries(
        {},
        optional={
            "do_sample": st.just(True),
            "temperature": st.sampled_from([0.5, 1.0]),
            "top_p": st.just(0.9),
            "repetition_penalty": st.sampled_from([0.9, 1.2]),
            "no_repeat_ngram_size": st.integers(2, 8),
            "min_new_tokens": st.integers(1, 20),
            "max_new_tokens": st.integers(20, 60),
        },
    ),
)
def test_ids_and_records_are_those_that_come_without_drafts(seed, strength, params):
    params = SamplingParams(seed=seed, **params)
    prompt = [(seed + n) % 7 for n in range(15)]
    texts = []
    for speculate in (False, True):
        request = Engine(Fake(looping(strength), context=80), speculate=speculate).submit(prompt, params, top=2)
        texts.append(([(s.id, s.logprob, s.rank, s.top, s.finish) for s in request], request.finish))
    assert texts[0] == texts[1]


def test_a_text_that_repeats_itself_takes_fewer_forwards_and_says_so():
    model = Fake(looping(20.0), context=120)
    request = Engine(model).submit([1, 2, 3, 4, 5, 6, 7], SamplingParams(max_new_tokens=80, eos_token_id=()))
    assert len(list(request)) == 80
    assert len(model.forwards) < 30
    assert request.stats.accepted > 50
    assert request.stats.accepted <= request.stats.drafted


def test_the_end_token_inside_a_draft_ends_the_text():
    script = [1, 2, 3, EOS, 1, 2, 3]
    model = Fake(lambda ids: torch.nn.functional.one_hot(torch.tensor(script[len(ids) % 4]), V) * 20.0, context=60)
    request = Engine(model).submit([1, 2, 3, EOS, 1], SamplingParams())
    assert [step.id for step in request] == [2, 3, EOS]
    assert request.finish == "eos"


def test_a_stop_string_inside_a_draft_ends_the_text_there(tiny_vocabulary):
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    text = "猫です。" * 8
    for speculate in (False, True):
        model = writing(tokenizer, text[1:])
        engine = Engine(model, tokenizer, speculate=speculate)
        request = engine.submit(tokenizer.encode("猫"), SamplingParams(stop=("。猫です。猫です。猫で",), eos_token_id=()))
        assert "".join(step.text for step in request) == "です"
        assert request.finish == "stop"


@pytest.mark.parametrize("context", [20, 21, 22, 23, 24, 25])
def test_a_draft_never_reaches_past_the_context(context):
    request = Engine(Fake(lambda ids: torch.nn.functional.one_hot(torch.tensor(ids[-2:][0]), V) * 9.0, context=context)).submit(
        [1, 2, 1, 2], SamplingParams(eos_token_id=())
    )
    assert len(list(request)) == context - 4
    assert request.finish == "length"
