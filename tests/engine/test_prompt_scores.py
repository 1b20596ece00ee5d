"""Scores of a prompt: what the engine computes beside other requests is what `score` computes alone."""

from dataclasses import replace

import pytest

from neoxjp.engine import Engine, Request, Step, Visitor, score
from neoxjp.errors import NeoxjpError, PromptTooLong
from neoxjp.hub import bundled_path
from neoxjp.model import GPTNeoXJapaneseForCausalLM
from neoxjp.sampling import SamplingParams
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from tests.support.fake_model import Fake, mixed
from tests.support.tiny_model import ours

TEXT = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。何でも薄暗いじめじめした所で泣いていた。" * 3
TWO = SamplingParams(max_new_tokens=2, eos_token_id=())


def untimed(steps: list[Step]) -> list[Step]:
    return [replace(step, seconds=0.0) for step in steps]


@pytest.mark.parametrize("attention", ["auto", "sdpa"])  # the kernels in C, or torch's operators with packed weights
def test_the_scores_of_a_prompt_are_those_of_score_alone_and_beside_others(attention):
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(bundled_path())
    model = GPTNeoXJapaneseForCausalLM.from_pretrained(bundled_path(), dtype="float16", attn_implementation=attention)
    if not model.rows_are_independent:
        pytest.skip("this machine has no packed weights")
    ids = tokenizer.encode(TEXT)
    prompts = [ids, ids[:64], ids[:65], ids[3:200], ids[:7], ids[5:6]]
    expected = [untimed(score(model, prompt, tokenizer, top=3)) for prompt in prompts]
    engine = Engine(model, tokenizer, max_batch=8)
    streams = [engine.submit(ids[:n], TWO) for n in (9, 70)]
    requests = [engine.submit(prompt, TWO, prompt_top=3, prompt_only=only) for only in (True, False) for prompt in prompts]
    for request in [*streams, *requests]:
        list(request)
    for request, steps in zip(requests, [*expected, *expected], strict=True):
        assert untimed(request.prompt_steps) == steps


def test_the_scores_of_a_prompt_are_near_those_of_score_in_float32():
    model = ours()
    ids = [(7 * n + n * n) % 59 for n in range(50)]
    engine = Engine(model)
    requests = [engine.submit(ids[n:], TWO, prompt_top=0) for n in range(3)]
    for n, request in enumerate(requests):
        list(request)
        for found, step in zip(request.prompt_steps[1:], score(model, ids[n:])[1:], strict=True):
            assert found.logprob == pytest.approx(step.logprob, abs=1e-5)


def test_a_request_for_its_prompt_only_generates_nothing_and_may_fill_the_context():
    engine = Engine(Fake(mixed, context=40))
    request = engine.submit([n % 10 for n in range(40)], prompt_top=1, prompt_only=True)
    assert list(request) == []
    assert (request.finish, len(request.prompt_steps), request.ids) == ("length", 40, [])
    with pytest.raises(PromptTooLong, match="41 tokens and 0 new ones"):
        engine.submit([1] * 41, prompt_only=True)


def test_a_prompt_in_the_prefix_cache_is_scored_too():
    engine = Engine(Fake(mixed), chunk=1)
    list(engine.submit([1, 2, 3, 4], TWO))
    request = engine.submit([1, 2, 3, 4], TWO, prompt_top=1)
    list(request)
    assert untimed(request.prompt_steps) == untimed(score(Fake(mixed), [1, 2, 3, 4], top=1))
    again = engine.submit([1, 2, 3, 4], TWO)
    assert [step.id for step in again] == request.ids
    assert again.reused == 4


def test_an_error_in_scoring_ends_its_request_only():
    def broken(ids):
        return mixed(ids) * (float("nan") if ids == [7] else 1.0)

    engine = Engine(Fake(broken))
    bad, good = engine.submit([7, 1], TWO, prompt_top=0), engine.submit([1, 7], TWO, prompt_top=0)
    with pytest.raises(NeoxjpError, match="not numbers"):
        list(bad)
    assert len(list(good)) == 2


def test_a_reader_without_a_thread_is_woken_and_reads_what_is_there():
    woken: list[bool] = []
    engine = Engine(Fake(mixed), chunk=2)
    request: Request = engine.submit([1, 2, 3], TWO, wake=lambda: woken.append(True))
    assert request.read() == []
    while request.finish is None:
        before = len(woken)
        engine.step()
        assert len(woken) > before
    assert [step.id for step in request.read()] == request.ids
    assert request.read() == []


def test_others_wait_only_where_another_address_waits():
    engine = Engine(Fake(mixed), max_batch=1)
    for _ in range(2):
        engine.submit([1], TWO, visitor=Visitor("a"))
    assert not engine.others_wait(Visitor("a", "another session"))
    assert engine.others_wait(Visitor("b"))


def test_a_prompt_that_is_in_the_prefix_cache_ends_where_nothing_is_to_be_written():
    engine = Engine(Fake(mixed), chunk=2)
    for _ in range(2):
        request = engine.submit([1, 2, 3, 4], prompt_only=True)
        assert list(request) == []
        assert request.finish == "length"
    assert request.reused == 4
