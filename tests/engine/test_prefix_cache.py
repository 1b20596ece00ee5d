"""What of a prompt is begun from again, and that a text does not tell whether it was."""

import numpy as np
import pytest
import torch

from neoxjp.engine import Engine
from neoxjp.engine.batch import MAX_CHUNKS
from neoxjp.engine.prefix_cache import CHUNK, PrefixCache, PrefixEntry, fork_prefix, reusable_length
from neoxjp.sampling import SamplingParams
from tests.engine.test_batch import FORMATS, packed
from tests.support.fake_model import DRAW, PER_TOKEN, Fake, FakeCache, mixed
from tests.support.tiny_model import ours

BLOCK_BYTES = 256 * PER_TOKEN


def row(length: int, start: int = 0) -> list[int]:
    return [(start + n) % 9 for n in range(length)]


def numbers(*ids: int) -> np.ndarray:
    return np.array(ids, dtype=np.int64)


def read(ids: np.ndarray, logits: torch.Tensor | None = None, prompt: int | None = None) -> PrefixEntry:
    return PrefixEntry(ids, FakeCache(range(len(ids))), logits, len(ids) if prompt is None else prompt)


def test_only_whole_pieces_are_reused_and_never_the_last_id():
    known = np.arange(2 * CHUNK + 5)
    assert reusable_length(known, None, np.arange(3 * CHUNK)) == 2 * CHUNK
    assert reusable_length(known, None, np.arange(2 * CHUNK)) == CHUNK  # its last logits are not known
    assert reusable_length(known, None, np.arange(2 * CHUNK + 1)) == 2 * CHUNK
    assert reusable_length(known, len(known), known) == len(known)
    assert reusable_length(known, None, known) == 2 * CHUNK
    changed = known.copy()
    changed[CHUNK + 3] = 99
    assert reusable_length(known, len(known), changed) == CHUNK
    assert reusable_length(known, len(known), np.arange(1, 50)) == 0
    assert reusable_length(numbers(), None, numbers(1)) == 0


def test_a_beginning_is_a_copy_and_leaves_the_cache_whole():
    cache = FakeCache([1, 2, 3])
    copy = fork_prefix(cache, 2)
    copy.extend([9])
    assert (copy.ids[: copy.length], cache.ids, cache.length) == ([1, 2, 9], [1, 2, 3], 3)


def test_the_least_recently_used_goes_first_and_bytes_are_counted_whole():
    prefixes = PrefixCache(2 * (BLOCK_BYTES + 8 * CHUNK) + 10)
    for start in (0, 1):
        prefixes.add(read(np.arange(start, start + CHUNK), None))
    assert prefixes.nbytes == 2 * (BLOCK_BYTES + 8 * CHUNK)
    assert prefixes.longest_match(np.arange(0, 50)) is not None
    prefixes.add(read(np.arange(2, 2 + CHUNK), None))
    assert [bool(prefixes.longest_match(np.arange(start, start + 50))) for start in (0, 1, 2)] == [True, False, True]
    prefixes.shrink(0)
    assert (len(prefixes), prefixes.nbytes) == (0, 0)


def test_a_beginning_of_what_is_kept_is_not_kept_twice():
    prefixes = PrefixCache(10**9)
    for length in (CHUNK, 3 * CHUNK, 2 * CHUNK, 3 * CHUNK + 7):
        prefixes.add(read(np.arange(length), None))
    assert len(prefixes) == 1
    prefixes.add(read(np.arange(10), torch.zeros(3)))
    assert len(prefixes) == 2  # a whole short prompt, for when it comes again
    prefixes.add(read(np.arange(10), None))  # not one piece was read
    assert len(prefixes) == 2


def test_texts_with_one_prompt_are_kept_side_by_side_and_none_twice():
    prefixes, logits = PrefixCache(10**9, chunk=1), torch.zeros(3)
    prefixes.add(read(numbers(1, 2, 3, 4), logits, 2))
    prefixes.add(read(numbers(1, 2, 3), logits, 2))  # a beginning of it
    prefixes.add(read(numbers(1, 2, 3, 4), logits, 2))
    assert [entry.ids.tolist() for entry in prefixes._entries] == [[1, 2, 3, 4]]
    prefixes.add(read(numbers(1, 2, 5), logits, 2))
    prefixes.add(read(numbers(1, 2, 5, 6), logits, 3))  # a longer prompt
    prefixes.add(read(numbers(1, 2, 5, 6, 7), logits, 3))  # which is written on
    assert [entry.ids.tolist() for entry in prefixes._entries] == [[1, 2, 3, 4], [1, 2, 5], [1, 2, 5, 6, 7]]


def test_a_text_too_large_to_be_kept_drives_no_other_out():
    prefixes = PrefixCache(BLOCK_BYTES + 8 * CHUNK)
    prefixes.add(read(np.arange(CHUNK)))
    prefixes.add(read(np.arange(1, 1 + 30 * CHUNK)))
    assert [entry.ids.tolist() for entry in prefixes._entries] == [list(range(CHUNK))]


def test_an_id_that_was_never_read_is_not_kept():
    prefixes = PrefixCache(10**9, chunk=1)
    prefixes.add(PrefixEntry(np.arange(9), FakeCache(range(8)), None, 3))
    assert [entry.ids.tolist() for entry in prefixes._entries] == [list(range(8))]


def finished(engine: Engine, prompt: list[int], params: SamplingParams = DRAW) -> tuple[list, int]:
    request = engine.submit(prompt, params)
    return [(step.id, step.logprob) for step in request], request.stats.reused


def test_the_same_prompt_again_is_not_read_at_all():
    model = Fake(mixed)
    engine = Engine(model)
    first, reused = finished(engine, [1, 2, 3])
    assert reused == 0
    read = len(model.forwards)
    again = engine.submit([1, 2, 3], DRAW)
    step = next(again)
    assert (step.id, step.logprob) == first[0]
    assert len(model.forwards) == read
    assert again.stats.reused == 3
    assert [(s.id, s.logprob) for s in again] == first[1:]


def test_a_visitor_beside_another_with_the_same_prompt_begins_from_it():
    model = Fake(mixed)
    engine = Engine(model)
    engine.submit([1, 2, 3], DRAW)
    engine.step()
    second = engine.submit([1, 2, 3], DRAW)
    next(second)
    assert second.stats.reused == 3


def test_texts_of_one_prompt_that_begin_together_read_it_once():
    engine = Engine(Fake(mixed, context=200))
    prompt = row(60)
    texts = [engine.submit([*prompt, last], DRAW) for last in (5, 5, 6)]
    other = engine.submit([9, 8, 7], DRAW)
    for text in (*texts, other):
        list(text)
    assert [text.stats.reused for text in (*texts, other)] == [0, 32, 32, 0]  # the last ids are not worth the waiting


@pytest.mark.parametrize("name", ["float32", *FORMATS])
def test_a_replay_is_the_same_to_the_bit_warm_and_cold(name):
    model = ours(max_position_embeddings=160) if name == "float32" else packed(name)
    params = SamplingParams(do_sample=True, seed=5, max_new_tokens=30, eos_token_id=())
    prompt = row(40)
    warm = Engine(model, chunk=CHUNK)
    first, _ = finished(warm, prompt, params)
    longer = [*prompt, *(id for id, _ in first)]  # continue
    branch = [*longer[:55], 20]
    alike = model.positions_are_identical
    for asked, expected in (
        (prompt, 40),
        (longer, 69 if alike else 32),  # all but the last id
        (branch, 55 if alike else 48),
        (longer, 70),
        ([*longer, 1], 70 if alike else 64),
    ):
        found, reused = finished(warm, asked, params)
        assert reused == expected
        assert found == finished(Engine(model, prefix_bytes=0, chunk=CHUNK), asked, params)[0]


def test_where_positions_are_alike_what_was_written_is_not_read_again():
    model = Fake(mixed, context=200)
    model.positions_are_identical = True
    engine = Engine(model)
    request = engine.submit(row(20), DRAW)
    ids = [step.id for step in request]
    before = len(model.forwards)
    assert finished(engine, [*row(20), *ids, 1, 2])[1] == 20 + len(ids) - 1  # the last id was drawn and never read
    assert model.forwards[before] == [ids[-1], 1, 2]
    assert finished(engine, row(20))[1] == 20  # and the prompt alone is not read at all
    cut = engine.submit(row(20, 5), SamplingParams(max_new_tokens=50, seed=1, eos_token_id=()))
    for _ in range(10):
        next(cut)
    cut.cancel()
    assert finished(engine, [*row(20, 5), *cut.ids])[1] == 20 + len(cut.ids) - 1


def test_what_a_cancelled_request_read_is_kept():
    model = Fake(mixed, context=200)
    engine = Engine(model)
    request = engine.submit(row(100), DRAW)
    engine.step()
    request.cancel()
    assert finished(engine, row(100))[1] == MAX_CHUNKS * CHUNK


def test_nothing_is_kept_without_bytes_for_it():
    engine = Engine(Fake(mixed), prefix_bytes=0)
    assert [finished(engine, [1, 2, 3])[1] for _ in range(2)] == [0, 0]
    assert engine.prefix_cache_bytes == 0


def test_kept_prompts_give_way_to_those_that_run():
    engine = Engine(Fake(mixed), cache_bytes=2 * BLOCK_BYTES)
    finished(engine, [1, 2, 3])
    assert not engine.step()
    assert 0 < engine.prefix_cache_bytes <= 2 * BLOCK_BYTES
    requests = [engine.submit([n], DRAW) for n in (4, 5)]
    engine.step()
    assert (engine.running, engine.prefix_cache_bytes) == (2, 0)
    for request in requests:
        request.cancel()


@pytest.mark.parametrize(("cache_dtype", "held"), [("float32", 2), ("float16", 4), ("int8", 6)])
def test_smaller_caches_let_more_prefixes_into_the_same_bytes(cache_dtype, held):
    model = ours(cache_dtype=cache_dtype, max_position_embeddings=160)  # 32 numbers in 4 heads: int8 takes 48 bytes, not 32
    block = 256 * 2 * 2 * 32 * 4  # bytes of a text's cache in float32
    engine = Engine(model, chunk=CHUNK, prefix_bytes=int(2.5 * block))
    for start in range(8):
        finished(engine, row(20, start))
    assert len(engine._prefixes) == held
    assert engine.prefix_cache_bytes <= 2.5 * block


def test_a_closed_engine_holds_no_bytes():
    engine = Engine(Fake(mixed))
    finished(engine, [1, 2, 3])
    engine.close()
    assert engine.prefix_cache_bytes == 0
