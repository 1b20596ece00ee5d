"""The formats of a KV cache: what is stored is what is read, everywhere; and how much memory each takes."""

import pytest
import torch

from neoxjp.errors import ParameterError
from neoxjp.model import CACHE_DTYPES, GPTNeoXJapaneseForCausalLM, KVCache, default_cache_dtype, needed_bytes
from neoxjp.model.kv_cache import CACHE_BLOCK, decode_int8, encode_int8
from neoxjp.quantization import fp16_kernel, pack_model
from tests.support.tiny_model import our_config, ours

STORED = ("float16", "int8")
BYTES = {"float32": 2 * 3 * 8 * 4, "float16": 2 * 3 * 8 * 2, "int8": 2 * 3 * (8 + 4)}  # a token of 3 heads of 8 numbers


def test_int8_rows_are_whole_numbers_and_a_scale():
    rows = encode_int8(torch.tensor([[127.0, -64.0, 0.4, 0.6], [0, 0, 0, 0], [0.5, 0.25, -0.5, 0]]))
    assert (rows.dtype, rows.shape) == (torch.int8, (3, 8))
    assert rows[:, :4].tolist() == [[127, -64, 0, 1], [0, 0, 0, 0], [127, 64, -127, 0]]
    assert decode_int8(rows)[0].tolist() == [127, -64, 0, 1]
    assert decode_int8(rows)[1].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_an_int8_row_with_a_number_that_is_none_becomes_nan(number):
    found = decode_int8(encode_int8(torch.tensor([[1.0, number], [1.0, 2.0]])))
    assert found[0].isnan().all()
    assert found[1].isfinite().all()


def test_float16_holds_its_largest_number_where_one_is_larger():
    cache = KVCache(1, "float16")
    keys, _ = cache.update(0, torch.tensor([[[1e6, -1e6, 1.0]]]), torch.zeros(1, 1, 3))
    assert keys.dtype == torch.float32
    assert keys.tolist() == [[[[65504, -65504, 1]]]]


@pytest.mark.parametrize("dtype", STORED)
def test_a_number_is_the_same_when_it_was_just_written_and_when_it_is_read_later(dtype):
    cache, x = KVCache(1, dtype), torch.randn(2, 3, 700, 8)
    for start, end in ((0, 5), (5, 6), (6, 600), (600, 700)):
        k, v = cache.update(0, x[0, :, start:end], x[1, :, start:end])
        assert torch.equal(k[0, :, start:], cache.round_trip(x[0, :, start:end]))
        cache.advance(end - start)
    assert torch.equal(k[0], cache.round_trip(x[0]))
    assert torch.equal(v[0], cache.round_trip(x[1]))
    appended = KVCache(1, dtype)
    assert torch.equal(appended.append(0, x[:, None]), torch.stack((k, v)))
    bound = x.abs().amax(-1, keepdim=True) / 127 / 2 if dtype == "int8" else x.abs() / 2048
    assert ((torch.stack((k, v))[:, 0] - x).abs() <= bound * 1.001 + 3e-8).all()  # the smallest halves are 6e-8 apart


@pytest.mark.parametrize("dtype", CACHE_DTYPES)
def test_a_format_takes_its_bytes_also_in_a_fork_and_after_a_crop(dtype):
    cache = KVCache(1, dtype)
    cache.update(0, *torch.randn(2, 3, 300, 8))
    cache.advance(300)
    assert cache.nbytes == 2 * CACHE_BLOCK * BYTES[dtype]
    cache.crop(200)
    fork = cache.fork()
    assert (fork.dtype, fork.nbytes) == (dtype, CACHE_BLOCK * BYTES[dtype])
    new = torch.randn(2, 3, 1, 8)
    assert torch.equal(fork.update(0, *new)[0], cache.update(0, *new)[0])


@pytest.mark.parametrize("dtype", [*CACHE_DTYPES, None])
@torch.no_grad()
def test_a_padded_batch_attends_to_what_its_caches_store(dtype):
    model = ours(cache_dtype=dtype)
    rows = [[1, 2, 3, 4, 5], [6, 7, 8]]
    ids = torch.tensor([rows[0], [0, 0, *rows[1]]])
    batch = model(ids, attention_mask=torch.tensor([[1] * 5, [0, 0, 1, 1, 1]]))
    again = model(torch.tensor([[9], [9]]), past_key_values=batch.past_key_values)
    for number, row in enumerate(rows):
        alone = [model(torch.tensor([row]))]
        alone.append(model(torch.tensor([[9]]), past_key_values=alone[0].past_key_values))
        torch.testing.assert_close(batch.logits[number, -1], alone[0].logits[0, -1], rtol=0, atol=1e-5)
        torch.testing.assert_close(again.logits[number, -1], alone[1].logits[0, -1], rtol=0, atol=1e-5)
        assert batch.past_key_values[number].dtype == dtype


@pytest.mark.parametrize("dtype", STORED)
def test_gradients_pass_through_what_was_stored(dtype):
    exact, stored = ours(), ours(cache_dtype=dtype)
    ids = torch.tensor([[1, 2, 3, 4]])
    for model in (exact, stored):
        model(ids, past_key_values=[model.new_cache()], labels=ids).loss.backward()
    for a, b in zip(exact.parameters(), stored.parameters(), strict=True):
        assert b.grad.abs().sum() > 0 or not a.grad.abs().sum()
        torch.testing.assert_close(b.grad, a.grad, rtol=0.2, atol=0.02)


@pytest.fixture
def folder(tmp_path):
    ours().save_pretrained(tmp_path)
    return tmp_path


def runs_native() -> bool:
    kernel = fp16_kernel()
    return not isinstance(kernel, str) and kernel.name == "native"


def test_packed_weights_have_a_float16_cache_where_the_kernels_in_c_run(folder):
    load = GPTNeoXJapaneseForCausalLM.from_pretrained
    packed = load(folder, dtype="float16")
    expected = "float16" if runs_native() else "float32"
    assert (packed.cache_dtype, packed.new_cache().dtype) == (expected, expected if runs_native() else None)
    assert load(folder, dtype="float16", cache_dtype="float32").cache_dtype == "float32"
    assert load(folder, dtype="float16", attn_implementation="sdpa").cache_dtype == "float32"
    for plain in (load(folder), load(folder, dtype="bfloat16"), load(folder, dtype="auto")):
        assert (plain.cache_dtype, plain.new_cache().dtype) == ("float32", None)


@pytest.mark.parametrize("dtype", CACHE_DTYPES)
@pytest.mark.parametrize("packed", [False, True])
def test_a_model_counts_the_bytes_of_its_caches(folder, dtype, packed):
    model = GPTNeoXJapaneseForCausalLM.from_pretrained(folder, dtype="float16" if packed else None, cache_dtype=dtype)
    cache = model.new_cache()
    with torch.inference_mode():
        model.forward_unpadded(torch.arange(5), [5], [cache])
    assert cache.nbytes == CACHE_BLOCK * model.cache_bytes_per_token
    assert model.cache_bytes_per_token == {"float32": 512, "float16": 256, "int8": 2 * 2 * (32 + 4 * 4)}[dtype]


@pytest.mark.parametrize("dtype", STORED)
def test_a_forward_by_torch_reads_what_its_caches_store(dtype):
    """Several sequences in one forward are each what they are alone, in pieces or at once."""
    model = ours(cache_dtype=dtype)
    ids = torch.tensor([1, 2, 3, 4, 5, 6])
    with torch.inference_mode():
        alone = [model(ids[None], past_key_values=[model.new_cache()]).logits[0, -1]]
        alone.append(model(ids[None, :2], past_key_values=[model.new_cache()]).logits[0, -1])
        a, b = model.new_cache(), model.new_cache()
        model.forward_unpadded(ids[:4], [4], [a])
        found = model.forward_unpadded(torch.cat((ids[4:], ids[:2])), [2, 2], [a, b])
    torch.testing.assert_close(found, torch.stack(alone), rtol=0, atol=1e-5)


def test_memory_is_counted_in_the_format_of_the_cache(folder):
    config = our_config()
    numbers = 2 * config.num_hidden_layers * config.max_position_embeddings * config.hidden_size
    weights = needed_bytes(folder, torch.float32) - 4 * numbers
    assert needed_bytes(folder, torch.float32, None, "float16") == weights + 2 * numbers
    scales = numbers // config.head_dim * 4
    assert needed_bytes(folder, torch.float32, None, "int8") == weights + numbers + scales
    assert default_cache_dtype(torch.float16, None, "cpu") == ("float16" if runs_native() else "float32")
    assert default_cache_dtype(torch.float32, None, "cpu") == "float32"
    assert default_cache_dtype(torch.float16, "int8", "cuda") == "float32"


def test_an_unknown_format_is_refused_before_anything_is_read(tmp_path):
    for asked in (
        lambda: GPTNeoXJapaneseForCausalLM.from_pretrained(tmp_path, cache_dtype="int4"),
        lambda: ours(cache_dtype="int4"),
    ):
        with pytest.raises(ParameterError, match="cache_dtype='int4' is not one of None, 'float32', 'float16', 'int8'"):
            asked()


def test_a_model_that_was_unpacked_has_the_cache_of_its_dtype(folder):
    half = ours().half()
    half.save_pretrained(folder)
    model = GPTNeoXJapaneseForCausalLM.from_pretrained(folder)
    with pytest.warns(UserWarning, match="packed for inference"):
        model.train()
    assert model.cache_dtype == "float32"


def test_a_cache_of_one_format_goes_on_in_it_with_any_model():
    model = pack_model(ours(), torch.float16)
    with torch.inference_mode():
        wanted = None
        for dtype in (None, "float32"):
            cache = KVCache(2, dtype)
            found = [model.forward_unpadded(piece, [2], [cache]) for piece in torch.tensor([[1, 2], [3, 4]])]
            assert wanted is None or torch.equal(found[-1], wanted)
            wanted = found[-1]
