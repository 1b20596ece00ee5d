"""Who may run and who waits, by slots and by bytes."""

import pytest

from neoxjp.engine import Engine
from neoxjp.engine.scheduler import cache_bytes_needed
from neoxjp.errors import PromptTooLong, QueueFull
from neoxjp.sampling import SamplingParams
from tests.support.fake_model import PER_TOKEN, Fake, mixed

BLOCK_BYTES = 256 * PER_TOKEN


def asking(new: int) -> SamplingParams:
    return SamplingParams(max_new_tokens=new, eos_token_id=())


def test_bytes_are_counted_in_whole_blocks_of_prompt_and_new_tokens():
    assert cache_bytes_needed(1, 1, PER_TOKEN, 256, None) == BLOCK_BYTES
    assert cache_bytes_needed(200, 56, PER_TOKEN, 256, None) == BLOCK_BYTES
    assert cache_bytes_needed(200, 57, PER_TOKEN, 256, None) == 2 * BLOCK_BYTES


def test_who_does_not_fit_waits_and_nobody_overtakes():
    engine = Engine(Fake(mixed, context=1000), cache_bytes=3 * BLOCK_BYTES)
    first, second = engine.submit([1], asking(300)), engine.submit([2], asking(300))
    small = engine.submit([3], asking(2))
    assert [request.position for request in (first, second, small)] == [0, 1, 2]  # small would fit, but it came later
    first.cancel()
    assert [request.position for request in (second, small)] == [0, 0]
    assert len(list(small)) == 2


def test_who_never_fits_is_refused_at_once_with_the_numbers():
    engine = Engine(Fake(mixed, context=1000), cache_bytes=BLOCK_BYTES)
    with pytest.raises(PromptTooLong, match=r"the prompt's 2 tokens and 300 new ones need .* MiB of cache") as caught:
        engine.submit([1, 2], asking(300))
    assert "キャッシュ" in caught.value.ja
    with pytest.raises(PromptTooLong, match="lower max_new_tokens"):
        engine.submit([1], SamplingParams())  # until the context is full
    assert engine.submit([1], asking(3)).position == 0


def test_the_line_is_bounded_when_bytes_are_short_too():
    engine = Engine(Fake(mixed), cache_bytes=BLOCK_BYTES, max_waiting=1)
    engine.submit([1], asking(3))
    engine.submit([1], asking(3))
    with pytest.raises(QueueFull, match="1 requests run and 1 wait"):
        engine.submit([1], asking(3))


def test_all_caches_together_stay_within_the_bytes():
    model = Fake(mixed, context=600)
    engine = Engine(model, cache_bytes=4 * BLOCK_BYTES, max_waiting=30)
    requests = [engine.submit([n % 9] * (40 + n), asking(5 + 30 * (n % 10))) for n in range(20)]
    while engine.step():
        live = sum(request.cache.nbytes for request in requests if request.cache is not None)
        assert live + engine.prefix_cache_bytes <= 4 * BLOCK_BYTES + 8 * 600 + 4 * 12 * 30  # ids and logits beside them
    assert all(request.finish == "length" for request in requests)
