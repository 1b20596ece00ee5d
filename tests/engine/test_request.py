"""One text in the making over a small fake model whose next token is known: its steps, how it ends, its prompt and context."""

import pytest
import torch

from neoxjp.engine import Engine, score
from neoxjp.errors import NeoxjpError, ParameterError, PromptTooLong
from neoxjp.sampling import SamplingParams, candidates
from tests.support.fake_model import BOS, DRAW, EOS, Clock, Fake, V, ids, mixed, saying
from tests.support.tiny_model import ours

# One request


def test_a_step_tells_probability_rank_entropy_and_alternatives():
    [step] = Engine(Fake(mixed)).submit([1, 2], SamplingParams(do_sample=True, seed=3, max_new_tokens=1, top_k=4), top=3)
    logits = mixed([1, 2])
    p = logits.softmax(0)
    assert step.logprob == pytest.approx(float(p[step.id].log()), abs=1e-6)
    assert step.rank == 1 + int((p > p[step.id]).sum())
    assert step.entropy == pytest.approx(float(-(p * p.log()).sum()), abs=1e-6)
    assert ids(step.top)[:3] == p.topk(3).indices.tolist()
    assert step.id in ids(step.top)
    left = dict(zip(*(t.tolist() for t in candidates(logits, SamplingParams(do_sample=True, top_k=4), [])), strict=True))
    for choice in step.top:
        assert choice.logprob == pytest.approx(float(p[choice.id].log()), abs=1e-6)
        assert choice.passed_filters == (choice.id in left)
        assert choice.probability == pytest.approx(left.get(choice.id, 0.0), abs=1e-6)
        assert choice.text == ""


def test_the_drawn_token_is_listed_even_when_it_is_improbable():
    for seed in range(20):
        for step in Engine(Fake(mixed)).submit([1], SamplingParams(do_sample=True, temperature=3.0, seed=seed, top_k=0), top=1):
            assert len(step.top) == (1 if step.rank == 1 else 2)
            assert step.top[-1].id == step.id


def test_removed_alternatives_are_shown_as_removed():
    [step] = Engine(Fake(mixed)).submit([1], SamplingParams(max_new_tokens=1), top=3)
    assert [(c.probability, c.passed_filters) for c in step.top] == [(1.0, True), (0.0, False), (0.0, False)]


def test_without_top_nothing_is_listed():
    assert all(step.top == () for step in Engine(Fake(mixed)).submit([1], DRAW))


def test_the_same_seed_gives_the_same_text_and_another_seed_another():
    def run(seed):
        return ids(Engine(Fake(mixed)).submit([1], SamplingParams(do_sample=True, temperature=2.0, seed=seed, max_new_tokens=12)))

    assert run(5) == run(5)
    assert run(5) != run(6)


def test_a_text_drawn_in_two_requests_is_the_text_drawn_in_one():
    draw = SamplingParams(do_sample=True, temperature=2.0, seed=5, max_new_tokens=12, eos_token_id=())
    whole = ids(Engine(Fake(mixed)).submit([1], draw))
    rest = SamplingParams(**(vars(draw) | {"max_new_tokens": 8}))
    assert ids(Engine(Fake(mixed)).submit([1, *whole[:4]], rest, drawn=4)) == whole[4:]
    assert ids(Engine(Fake(mixed)).submit([1, *whole[:4]], rest)) != whole[4:]


def test_a_request_without_seed_says_which_one_it_used():
    params = SamplingParams(do_sample=True, temperature=2.0, max_new_tokens=12, eos_token_id=())
    first, second = (Engine(Fake(mixed)).submit([1], params) for _ in range(2))
    assert first.seed != second.seed
    again = Engine(Fake(mixed)).submit([1], SamplingParams(**(vars(params) | {"seed": first.seed})))
    assert ids(first) == ids(again)


def test_an_empty_prompt_begins_with_bos():
    model = Fake(mixed)
    request = Engine(model).submit([], DRAW)
    next(request)
    assert model.forwards[0] == [BOS]
    assert request.prompt_ids == (BOS,)


def test_without_bos_an_empty_prompt_is_refused():
    for refused in (lambda m: Engine(m).submit([]), lambda m: score(m, [1], bos=True)):
        with pytest.raises(ParameterError, match="no bos_token_id: give at least one id"):
            refused(Fake(mixed, bos=None))


def test_prompts_come_as_list_array_or_tensor():
    for prompt in ([1, 2], (1, 2), torch.tensor([1, 2]), torch.tensor([1, 2]).numpy()):
        assert Engine(Fake(mixed)).submit(prompt).prompt_ids == (1, 2)


@pytest.mark.parametrize("prompt", [[[1, 2]], torch.tensor([[1, 2]]), "text", [1.5], torch.tensor(3), [None]])
def test_a_prompt_that_is_no_row_of_ids_is_refused(prompt):
    with pytest.raises(ParameterError, match="prompt_ids must be one sequence of whole numbers"):
        Engine(Fake(mixed)).submit(prompt)


@pytest.mark.parametrize("bad", [-1, V])
def test_an_id_outside_the_vocabulary_is_named(bad):
    with pytest.raises(ParameterError, match=f"holds id {bad} at place 1, outside 0 to {V - 1}"):
        Engine(Fake(mixed)).submit([0, bad])
    with pytest.raises(ParameterError, match=f"holds id {bad} at place 1"):
        score(Fake(mixed), [0, bad])


def test_an_eos_outside_the_vocabulary_is_named():
    with pytest.raises(ParameterError, match="eos_token_id holds id 99"):
        Engine(Fake(mixed)).submit([0], SamplingParams(eos_token_id=99))


def test_impossible_arguments_are_refused():
    engine = Engine(Fake(mixed))
    with pytest.raises(ParameterError, match="overflow='chop' must be 'error' or 'truncate'"):
        engine.submit([1], overflow="chop")
    with pytest.raises(ParameterError, match="top=-1 must be 0 or more"):
        engine.submit([1], top=-1)
    with pytest.raises(ParameterError, match="drawn=2 must be from 0 to the prompt's 1 ids"):
        engine.submit([1], drawn=2)
    with pytest.raises(ParameterError, match=r"stop=.* needs an engine with a tokenizer"):
        engine.submit([1], SamplingParams(stop=("a",)))
    with pytest.raises(ParameterError, match="max_batch=0 must be at least 1"):
        Engine(Fake(mixed), max_batch=0)


# How a text ends


def test_the_end_token_ends_the_text_and_is_its_last_step():
    request = Engine(Fake(saying([3, 4, EOS]))).submit([1])
    steps = list(request)
    assert ids(steps) == [3, 4, EOS]
    assert [step.finish for step in steps] == [None, None, "eos"]
    assert request.finish == "eos"


def test_other_end_tokens_can_be_named_or_none():
    assert ids(Engine(Fake(saying([3, 4, EOS]))).submit([1], SamplingParams(eos_token_id=4))) == [3, 4]
    assert ids(Engine(Fake(saying([3, EOS, 4]))).submit([1], SamplingParams(eos_token_id=(), max_new_tokens=3))) == [3, EOS, 4]


def test_no_end_before_min_new_tokens():
    steps = list(Engine(Fake(saying([EOS] * 9))).submit([1], SamplingParams(min_new_tokens=3)))
    assert len(steps) == 4
    assert EOS not in ids(steps[:3])
    assert steps[3].finish == "eos"


def test_a_text_ends_at_its_length_or_when_the_context_is_full():
    request = Engine(Fake(mixed)).submit([1], DRAW)
    assert len(list(request)) == 8
    assert request.finish == "length"
    request = Engine(Fake(mixed, context=10)).submit([1, 2, 3], SamplingParams(eos_token_id=()))
    assert len(list(request)) == 7
    assert request.finish == "length"


def test_a_deadline_ends_the_text_at_the_next_token():
    clock = Clock()
    request = Engine(Fake(mixed), clock=clock).submit([1], SamplingParams(deadline_s=5, eos_token_id=()))
    next(request)
    clock.now = 4.9
    assert next(request).finish is None
    clock.now = 5.0
    assert list(request) == []
    assert request.finish == "deadline"


def test_a_deadline_that_passes_during_a_forward_marks_its_token():
    clock = Clock()

    def slow(ids):
        clock.now += 2
        return mixed(ids)

    steps = list(Engine(Fake(slow), clock=clock).submit([1], SamplingParams(deadline_s=5, eos_token_id=())))
    assert [step.finish for step in steps] == [None, None, "deadline"]
    assert [step.seconds for step in steps] == [2, 2, 2]


def test_a_deadline_counts_in_the_waiting_line():
    clock = Clock()
    engine = Engine(Fake(mixed), max_batch=1, clock=clock)
    first = engine.submit([1], SamplingParams(eos_token_id=()))
    second = engine.submit([1], SamplingParams(deadline_s=1))
    clock.now = 2
    next(first)
    assert second.finish == "deadline"
    assert engine.waiting == 0


def test_cancel_keeps_what_was_made_and_frees_slot_and_cache_at_once():
    engine = Engine(Fake(mixed), max_batch=1)
    first = engine.submit([1], SamplingParams(eos_token_id=()))
    second = engine.submit([2], SamplingParams(eos_token_id=()))
    assert (first.position, second.position) == (0, 1)
    engine.step()
    engine.step()
    first.cancel()
    assert (engine.running, engine.waiting, second.position) == (1, 0, 0)
    assert first.cache is None
    assert len(list(first)) == 2
    assert first.finish == "cancelled"
    second.cancel()
    second.cancel()
    assert engine.running == 0
    assert not engine.step()


def test_cancel_is_heard_in_the_waiting_line():
    engine = Engine(Fake(mixed), max_batch=1)
    requests = [engine.submit([1], DRAW) for _ in range(3)]
    requests[1].cancel()
    assert [r.position for r in requests] == [0, 0, 1]
    assert list(requests[1]) == []


def test_leaving_the_block_frees_the_slot():
    engine = Engine(Fake(mixed))

    def leave() -> None:
        with engine.submit([1], SamplingParams(eos_token_id=())) as request:
            for step in request:
                raise KeyError(step)

    with pytest.raises(KeyError):
        leave()
    assert engine.running == 0


def test_a_fault_of_the_model_ends_that_request_only():
    def faulty(ids):
        if ids[:1] == [7] and len(ids) > 2:
            raise RuntimeError("the fault")
        return mixed(ids)

    engine = Engine(Fake(faulty))
    bad, good = engine.submit([7], DRAW), engine.submit([1], DRAW)
    assert len(list(good)) == 8
    next(bad)
    next(bad)
    with pytest.raises(RuntimeError, match="the fault"):
        next(bad)
    assert list(bad) == []
    assert bad.finish == "error"
    assert isinstance(bad.error, RuntimeError)
    assert engine.running == 0


def test_logits_that_are_no_numbers_end_the_request_with_an_expected_error():
    request = Engine(Fake(lambda ids: torch.full((V,), torch.nan))).submit([1])
    with pytest.raises(NeoxjpError, match="not numbers"):
        next(request)
    with pytest.raises(NeoxjpError, match="not numbers"):
        score(Fake(lambda ids: torch.full((V,), torch.nan)), [1, 2])


def test_an_interrupt_while_driving_inline_frees_the_slot():
    def interrupted(ids):
        raise KeyboardInterrupt

    engine = Engine(Fake(interrupted))
    request = engine.submit([1])
    with pytest.raises(KeyboardInterrupt):
        next(request)
    assert request.finish == "cancelled"
    assert engine.running == 0


# Prompts and context


def test_a_prompt_too_long_is_refused_or_visibly_cut():
    engine = Engine(Fake(mixed, context=20))
    with pytest.raises(PromptTooLong, match="prompt has 20 tokens and 1 new ones are asked for, but the context is 20") as caught:
        engine.submit([1] * 20)
    assert "収まりません" in caught.value.ja
    with pytest.raises(PromptTooLong, match="prompt has 15 tokens and 6 new ones"):
        engine.submit([1] * 15, SamplingParams(max_new_tokens=6))
    prompt = [n % 10 for n in range(30)]
    request = engine.submit(prompt, SamplingParams(max_new_tokens=6, eos_token_id=()), overflow="truncate")
    assert request.truncated_tokens == 16
    assert request.prompt_ids == tuple(prompt[16:])
    assert len(list(request)) == 6
    request = engine.submit(prompt, SamplingParams(eos_token_id=()), overflow="truncate")
    assert (request.truncated_tokens, len(request.prompt_ids)) == (15, 15)  # a quarter of the context is for new text
    assert len(list(request)) == 5
    assert engine.submit([1] * 14, SamplingParams(max_new_tokens=6), overflow="truncate").truncated_tokens == 0
    with pytest.raises(PromptTooLong):  # no cut can help
        engine.submit([1], SamplingParams(max_new_tokens=20), overflow="truncate")


def test_a_long_prompt_is_read_in_pieces_and_can_be_cancelled_between_them():
    model = Fake(mixed, context=1000)
    engine = Engine(model, prefix_bytes=0)
    request = engine.submit([1] * 150, SamplingParams(max_new_tokens=1))
    seen = []
    while not request.wait(0):
        seen.append((request.prefilled, request.total))
    assert seen == [(64, 150), (128, 150)]
    assert [len(piece) for piece in model.forwards] == [64, 64, 22]
    request = engine.submit([1] * 150)
    engine.step()
    request.cancel()
    assert not engine.step()
    assert request.prefilled == 64


def test_a_prompt_has_one_chunk_in_a_forward_where_bits_depend_on_the_number_of_rows():
    model = Fake(mixed, context=1000)
    model.rows_are_independent = False
    list(Engine(model, prefix_bytes=0).submit([1] * 40, SamplingParams(max_new_tokens=1)))
    assert [len(piece) for piece in model.forwards] == [16, 16, 8]


def test_reading_in_pieces_gives_what_one_forward_gives():
    model = ours(max_position_embeddings=600)
    prompt = [n * n % 59 for n in range(300)]
    [step] = Engine(model).submit(prompt, SamplingParams(max_new_tokens=1))
    with torch.inference_mode():
        logprobs = model(torch.tensor([prompt])).logits[0, -1].log_softmax(0)
    assert step.id == int(logprobs.argmax())
    assert step.logprob == pytest.approx(float(logprobs.max()), abs=1e-5)
