"""Several requests over a small fake model whose next token is known: queue, batches, threads, processes, sampling trace."""

import os
import threading
from collections.abc import Callable

import pytest
import torch

from neoxjp.engine import Engine
from neoxjp.engine.batch import MAX_PREFILL_SECONDS
from neoxjp.errors import NeoxjpError, ParameterError, PromptTooLong, QueueFull
from neoxjp.sampling import SamplingParams
from tests.support.fake_model import BOS, DRAW, Clock, Fake, V, ids, mixed
from tests.support.tiny_model import ours


def test_the_waiting_line_is_bounded():
    engine = Engine(Fake(mixed), max_batch=2, max_waiting=1)
    requests = [engine.submit([1], DRAW) for _ in range(3)]
    with pytest.raises(QueueFull, match="2 requests run and 1 wait") as caught:
        engine.submit([1], DRAW)
    assert "混み合っています" in caught.value.ja
    requests[0].cancel()
    assert engine.submit([1], DRAW).position == 1


def test_all_that_run_share_each_forward_and_join_and_leave_between_two():
    model = Fake(mixed)
    engine = Engine(model, max_batch=2, speculate=False, prefix_bytes=0)
    for first, length in ((1, 2), (2, 3), (3, 2)):
        engine.submit([first], SamplingParams(max_new_tokens=length, eos_token_id=()))
    while engine.step():
        pass
    assert model.batches == [2, 2, 2, 1]
    assert [piece[0] for piece in model.forwards[:2]] == [1, 2]
    assert model.forwards[4:6].count([3]) == 1  # the third came when the first had left
    assert engine.running == 0


def test_a_long_prompt_holds_texts_up_by_one_piece_only():
    model = Fake(mixed, context=1000)
    engine = Engine(model, speculate=False)
    text = engine.submit([1], SamplingParams(max_new_tokens=20, eos_token_id=()))
    next(text)
    engine.submit([2] * 100, DRAW)
    for _ in range(3):
        before = len(model.forwards)
        next(text)
        assert sorted(map(len, model.forwards[before:])) == [1, 16]


def test_several_prompts_are_read_in_turns_and_short_ones_share_a_piece():
    model = Fake(mixed, context=1000)
    engine = Engine(model, prefix_bytes=0)
    long, other, *short = (engine.submit([n] * size, DRAW) for n, size in enumerate((48, 32, 8, 8)))
    progress = []
    while long.prefilled < 48:
        engine.step()
        progress.append((long.prefilled, other.prefilled, *(request.prefilled for request in short)))
    # Four chunks in one forward as long as nothing is written, then one.
    assert progress == [(16, 16, 8, 8), (32, 16, 8, 8), (32, 32, 8, 8), (48, 32, 8, 8)]


@pytest.mark.parametrize(
    ("seconds", "then"),
    [
        (
            MAX_PREFILL_SECONDS + 0.01,
            [[32] * 3 + [16] * 3, [32] * 4 + [16] * 2, [32] * 5 + [16], [32] * 6],
        ),  # one chunk beside texts
        (MAX_PREFILL_SECONDS, [[32] * 6]),
    ],
)
def test_many_prompts_share_forwards_until_the_first_text_begins_or_while_they_take_no_time(seconds, then):
    model, clock = Fake(mixed, context=1000), Clock()
    read = model.forward_unpadded

    def slowly(*arguments):
        clock.now += seconds
        return read(*arguments)

    model.forward_unpadded = slowly
    engine = Engine(model, prefix_bytes=0, clock=clock)
    requests = [engine.submit([n] * 32, DRAW) for n in range(6)]
    progress = []
    while any(request.prefilled < 32 for request in requests):
        engine.step()
        progress.append([request.prefilled for request in requests])
    assert progress == [[16] * 4 + [0] * 2, [32] * 2 + [16] * 4, *then]


def test_a_text_is_the_same_alone_and_beside_others():
    model = ours()
    params = [SamplingParams(do_sample=True, temperature=1.5, seed=n, max_new_tokens=10 + n, eos_token_id=()) for n in range(5)]
    prompts = [[n, n + 1, 2 * n] for n in range(5)]
    alone = [list(Engine(model).submit(ids, p)) for ids, p in zip(prompts, params, strict=True)]
    engine = Engine(model, max_batch=3)
    requests = [engine.submit(ids, p) for ids, p in zip(prompts, params, strict=True)]
    beside = [list(request) for request in reversed(requests)][::-1]
    for a, b in zip(alone, beside, strict=True):
        assert ids(a) == ids(b)  # in float32 the last bits may differ: tests/test_batch.py has the formats where none does
        assert [s.logprob for s in a] == pytest.approx([s.logprob for s in b], abs=1e-4)


def test_the_thread_of_the_engine_serves_many_readers():
    with Engine(Fake(mixed), max_batch=2).start() as engine:
        results: dict[int, list[int]] = {}

        def read(seed: int) -> None:
            results[seed] = ids(engine.submit([1], SamplingParams(do_sample=True, seed=seed, max_new_tokens=9, eos_token_id=())))

        readers = [threading.Thread(target=read, args=(seed,)) for seed in range(8)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
    for seed, found in results.items():
        expected = SamplingParams(do_sample=True, seed=seed, max_new_tokens=9, eos_token_id=())
        assert found == ids(Engine(Fake(mixed)).submit([1], expected))
    assert len(results) == 8


def test_many_threads_can_drive_one_engine_inline():
    engine = Engine(Fake(mixed), max_batch=3, max_waiting=10)
    requests = [engine.submit([n], DRAW) for n in range(6)]
    results: dict[int, list[int]] = {}
    readers = [threading.Thread(target=lambda n=n: results.update({n: ids(requests[n])})) for n in range(6)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert {n: len(found) for n, found in results.items()} == dict.fromkeys(range(6), 8)


def test_cancel_from_another_thread_ends_the_reader():
    entered, go = threading.Event(), threading.Event()

    def held(ids):
        if len(ids) == 3:
            entered.set()
            go.wait(30)
        return mixed(ids)

    with Engine(Fake(held)).start() as engine:
        request = engine.submit([1], SamplingParams(eos_token_id=()))
        threading.Thread(target=lambda: (entered.wait(30), request.cancel(), go.set())).start()
        assert len(list(request)) == 2  # the token that was being made is dropped
        assert request.finish == "cancelled"


def test_wait_tells_of_a_request_without_reading_it():
    go = threading.Event()

    def held(ids):
        go.wait(30)
        return mixed(ids)

    with Engine(Fake(held)).start() as engine:
        request = engine.submit([1], SamplingParams(max_new_tokens=1))
        assert not request.wait(0.01)
        go.set()
        assert request.wait(30)
        assert request.wait(30)
        assert len(list(request)) == 1
        assert request.wait(0)


def test_close_cancels_and_refuses():
    engine = Engine(Fake(mixed), max_batch=1).start()
    engine.close()
    with pytest.raises(NeoxjpError, match="engine is closed"):
        engine.submit([1])
    with pytest.raises(NeoxjpError, match="engine is closed"):
        engine.start()
    engine = Engine(Fake(mixed), max_batch=1)
    requests = [engine.submit([1]), engine.submit([1])]
    engine.close()
    engine.close()
    assert [list(r) for r in requests] == [[], []]
    assert [r.finish for r in requests] == ["cancelled", "cancelled"]


def test_stats_are_by_the_clock():
    clock = Clock()
    engine = Engine(Fake(mixed), max_batch=1, clock=clock)
    first = engine.submit([1], SamplingParams(max_new_tokens=1))
    request = engine.submit([1], SamplingParams(max_new_tokens=5, eos_token_id=()))
    assert request.stats.time_to_first_token is None
    clock.now = 2
    assert request.stats.queue_s == 2
    next(first)
    for now in (5, 6, 7, 8, 10):
        clock.now = now
        next(request)
    stats = request.stats
    assert (stats.queue_s, stats.prefill_s, stats.decode_s, stats.time_to_first_token) == (2, 3, 5, 5)
    assert (stats.tokens, stats.tokens_per_second) == (5, 4 / 5)
    clock.now = 99
    assert request.stats == stats


def in_child(work: Callable[[], bool]) -> bool:
    """Run `work` in a forked child; whether it said True within the alarm."""
    import signal
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads: that is what is tested
        pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return os.waitpid(pid, 0)[1] == 0


def test_a_forked_child_generates_inline():
    model = ours(hidden_size=256, vocab_size=4000, bos_token_id=1, eos_token_id=2)
    prompt, params = list(range(60)), SamplingParams(do_sample=True, seed=4, max_new_tokens=4)
    torch.randn(600, 600) @ torch.randn(600, 600)  # torch's thread pool is up in the parent
    with Engine(model).start() as engine:
        expected = ids(engine.submit(prompt, params))
        assert in_child(lambda: ids(engine.submit(prompt, params)) == expected)  # the parent's engine; its thread is not there
        assert in_child(lambda: ids(Engine(model).submit(prompt, params)) == expected)
        assert ids(engine.submit(prompt, params)) == expected


def test_a_forked_child_does_not_run_its_parents_requests():
    engine = Engine(Fake(mixed), max_batch=1)
    request = engine.submit([1], DRAW)
    engine.step()
    with engine._forward, engine._changed:  # held by some thread at the moment of the fork
        assert in_child(
            lambda: len(list(request)) == 1 and request.finish == "cancelled" and len(list(engine.submit([1], DRAW))) == 8
        )
    assert len(list(request)) == 8


def test_a_forked_child_cancels_all_requests_of_its_parent_whoever_holds_the_lock():
    engine = Engine(Fake(mixed), max_batch=2)
    requests = [engine.submit([1], DRAW) for _ in range(4)]
    engine.step()
    torch.set_num_threads(2)
    assert in_child(
        lambda: (
            len(list(engine.submit([1], DRAW))) == 8
            and all(request.finish == "cancelled" for request in requests)
            and torch.get_num_threads() == 1
        )
    )
    assert [len(list(request)) for request in requests] == [8] * 4


# Ledger


def test_the_ledger_of_the_engine_is_about_the_next_token():
    engine = Engine(Fake(mixed))
    params = SamplingParams(do_sample=True, min_new_tokens=2, top_k=3)
    book = engine.sampling_trace([1, 2], params, new=1, show=V)
    assert book.stages == ("model", "min_new_tokens", "top_k")
    assert [row.logit for row in book.rows] == pytest.approx(sorted(mixed([1, 2]).tolist(), reverse=True))
    assert engine.sampling_trace([1, 2], params, new=2).stages == ("model", "top_k")
    assert engine.sampling_trace([], params, new=2).rows[0].logit == pytest.approx(float(mixed([BOS]).max()))
    with pytest.raises(PromptTooLong):
        engine.sampling_trace([1] * 40, params)
    with pytest.raises(ParameterError, match="include holds id -1"):
        engine.sampling_trace([1], params, include=[-1])
