"""Rotary positions, the cache of one sequence, the attention paths against each other, and which kernel runs."""

import math
import sys
import types
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.attention import SDPBackend, sdpa_kernel

from neoxjp.errors import ParameterError
from neoxjp.model import KVCache, attention, backend_in_use, rope
from neoxjp.model.attention import Backend, attend, padding_mask
from neoxjp.model.kv_cache import CACHE_BLOCK
from neoxjp.model.rotary import rope_table, rotate, rotate_qkv
from tests.support.tiny_model import ours, pair


def qkv(queries, keys, batch=2, heads=3, size=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(batch, heads, n, size, generator=generator) for n in (queries, keys, keys)]


# ---- rotary positions


def test_rotation_turns_a_pair_by_position_times_frequency():
    x = torch.tensor([[[1.0, 0.0]]]).expand(1, 3, 2)
    turned = rotate(x, rope(torch.arange(3)[None], 2, 10000.0))
    torch.testing.assert_close(turned[0], torch.tensor([[math.cos(p), math.sin(p)] for p in range(3)]))


def test_a_pair_is_split_over_the_two_halves_of_the_head():
    x = torch.tensor([[[1.0, 2.0, 3.0, 4.0]]])
    first, second = rotate(x, rope(torch.tensor([[1]]), 4, 100.0))[0, 0].view(2, 2)
    angle = torch.tensor([1.0, 0.1])
    torch.testing.assert_close(first, x[0, 0, :2] * angle.cos() - x[0, 0, 2:] * angle.sin())
    torch.testing.assert_close(second, x[0, 0, 2:] * angle.cos() + x[0, 0, :2] * angle.sin())


def test_partial_rotation_leaves_the_rest_of_the_head():
    x = torch.randn(1, 5, 2, 10)
    turned = rotate(x, rope(torch.arange(5)[None], 4, 10000.0))
    assert torch.equal(turned[..., 4:], x[..., 4:])
    assert not torch.equal(turned[:, 1:, :, :4], x[:, 1:, :, :4])


def test_angles_are_float32_for_half_precision_too():
    late = rope(torch.tensor([[2047, 2046]]), 8, 10000.0)
    assert late.cos.dtype == torch.float32
    assert not torch.equal(late.cos[0, 0], late.cos[0, 1])
    assert rotate(torch.ones(1, 2, 8, dtype=torch.float16), late).dtype == torch.float32


@pytest.mark.parametrize(("size", "ndims"), [(8, 8), (10, 4), (6, 0)])
def test_the_table_turns_queries_and_keys_as_rotate_does_and_leaves_values(size, ndims):
    qkv = torch.randn(7, 3, 3, size, generator=torch.Generator().manual_seed(0))  # (N, H, 3, D)
    places = torch.tensor([0, 1, 5, 5, 63, 2, 30])
    table = rope_table(64, ndims, 10000.0, size, torch.device("cpu"))
    found = rotate_qkv(qkv, type(table)(table.cos[places], table.sin[places]), ndims)
    wanted = rotate(qkv[None, :, :, :2], rope(places[None], ndims, 10000.0))[0]
    torch.testing.assert_close(found[:, :, :2], wanted, rtol=0, atol=1e-6)
    assert torch.equal(found[:, :, 2], qkv[:, :, 2])
    for half in (qkv.bfloat16(), qkv.half()):  # turned in float32
        rows = type(table)(table.cos[places], table.sin[places])
        assert torch.equal(rotate_qkv(half, rows, ndims), rotate_qkv(half.float(), rows, ndims))


# ---- the cache


def test_a_cache_gives_back_everything_that_was_written():
    cache, keys = KVCache(2), torch.randn(3, 700, 8)
    for start, end in ((0, 5), (5, 6), (6, 600), (600, 700)):
        for layer in range(2):
            k, v = cache.update(layer, keys[:, start:end] + layer, keys[:, start:end] - layer)
        cache.advance(end - start)
    assert cache.length == 700
    assert torch.equal(k[0], keys + 1)
    assert torch.equal(v[0], keys - 1)


def test_a_cache_grows_in_blocks():
    cache = KVCache(1)
    assert cache.nbytes == 0
    cache.update(0, torch.zeros(3, 5, 8), torch.zeros(3, 5, 8))
    assert cache.nbytes == 2 * 3 * CACHE_BLOCK * 8 * 4
    cache.advance(5)
    cache.update(0, torch.zeros(3, CACHE_BLOCK, 8), torch.zeros(3, CACHE_BLOCK, 8))
    assert cache.nbytes == 2 * 3 * 2 * CACHE_BLOCK * 8 * 4


def test_a_cache_on_the_cpu_is_float32():
    k, _ = KVCache(1).update(0, torch.ones(1, 1, 2, dtype=torch.bfloat16), torch.ones(1, 1, 2, dtype=torch.bfloat16))
    assert k.dtype == torch.float32


def test_a_forward_that_fails_leaves_the_cache_as_it_was():
    model, cache = ours(), KVCache(2)
    ids = torch.tensor([[1, 2, 3]])
    before = model(ids, past_key_values=[cache]).logits
    handle = model.gpt_neox_japanese.layers[1].mlp.register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model(torch.tensor([[7, 8]]), past_key_values=[cache])
    handle.remove()
    assert cache.length == 3
    cache.crop(0)
    assert torch.equal(model(ids, past_key_values=[cache]).logits, before)


def test_crop_forgets_and_refuses_what_is_not_there():
    cache = KVCache(1)
    cache.update(0, torch.zeros(1, 5, 2), torch.zeros(1, 5, 2))
    cache.advance(5)
    cache.crop(-2)
    assert cache.length == 3
    cache.crop(1)
    assert cache.length == 1
    for wrong in (2, -2):
        with pytest.raises(ParameterError, match=rf"crop\({wrong}\): the cache holds 1 tokens"):
            cache.crop(wrong)


@torch.no_grad()
def test_a_fork_goes_its_own_way():
    model, first = ours(), KVCache(2)
    model(torch.tensor([[1, 2, 3]]), past_key_values=[first])
    second = first.fork()
    a = model(torch.tensor([[4, 5]]), past_key_values=[first]).logits
    b = model(torch.tensor([[6]]), past_key_values=[second]).logits
    assert (first.length, second.length) == (5, 4)
    torch.testing.assert_close(a, model(torch.tensor([[1, 2, 3, 4, 5]])).logits[:, 3:], rtol=0, atol=1e-5)
    torch.testing.assert_close(b, model(torch.tensor([[1, 2, 3, 6]])).logits[:, 3:], rtol=0, atol=1e-5)


def test_a_cache_made_in_inference_mode_can_be_used_outside():
    model, cache = ours(), KVCache(2)
    with torch.inference_mode():
        model(torch.tensor([[1, 2]]), past_key_values=[cache])
    with torch.no_grad():
        model(torch.tensor([[3]]), past_key_values=[cache])
    assert cache.fork().length == 3


# ---- attention


@settings(max_examples=25, deadline=None)
@given(queries=st.integers(1, 6), past=st.integers(0, 6), size=st.sampled_from([1, 5, 8]))
def test_sdpa_equals_attention_written_out_at_any_lengths(queries, past, size):
    q, k, v = qkv(queries, past + queries, size=size)
    torch.testing.assert_close(attend(q, k, v, implementation="sdpa")[0], attend(q, k, v, implementation="eager")[0])


def test_attention_is_aligned_to_the_bottom_right():
    q, k, v = qkv(2, 5)
    weights = attend(q, k, v, need_weights=True)[1]
    assert (weights[..., 0, :4] > 0).all()
    assert (weights[..., 0, 4] == 0).all()
    assert (weights[..., 1, :] > 0).all()


def test_padding_mask_lets_no_token_see_padding():
    mask = padding_mask(torch.tensor([[False, True, True], [True, True, False]]))
    assert mask[0, 0].tolist() == [[False, False, False], [False, True, False], [False, True, True]]
    assert mask[1, 0].tolist() == [[True, False, False], [True, True, False], [True, True, False]]


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_query_that_sees_nothing_gets_the_mean_and_no_nan(implementation, dtype):
    q, k, v = (x.to(dtype) for x in qkv(3, 3))
    out = attend(q, k, v, torch.zeros(2, 1, 3, 3, dtype=torch.bool), implementation=implementation)[0]
    assert out.isfinite().all()
    if dtype != torch.float16:  # whose lowest number, -65504, does not swallow the scores
        torch.testing.assert_close(
            out[:, :, 0], v.float().mean(2).to(dtype), rtol=0, atol=1e-6 if dtype == torch.float32 else 0.02
        )


def test_dropout_drops_weights_in_every_path():
    q, k, v = qkv(40, 40)
    for implementation in ("sdpa", "eager"):
        torch.manual_seed(0)
        dropped = attend(q, k, v, implementation=implementation, dropout=0.5)[0]
        assert not torch.allclose(dropped, attend(q, k, v, implementation=implementation)[0], atol=1e-3)


# ---- the flash-attn package, played by a stand-in with its documented signatures


def stand_in(calls):
    """A module `flash_attn` that computes in torch and checks what the real one asks for."""

    def run(q, k, v):  # (B, T, H, D); bottom right
        assert q.dim() == 4
        assert q.shape[2:] == k.shape[2:] == v.shape[2:]
        assert q.stride(-1) == k.stride(-1) == v.stride(-1) == 1, "the last dimension must be contiguous"
        scores = torch.einsum("bthd,bshd->bhts", q, k) / q.shape[-1] ** 0.5
        allowed = torch.ones(q.shape[1], k.shape[1], dtype=torch.bool).tril(k.shape[1] - q.shape[1])
        return torch.einsum("bhts,bshd->bthd", scores.masked_fill(~allowed, -torch.inf).softmax(-1), v)

    def flash_attn_func(
        q,
        k,
        v,
        dropout_p=0.0,
        softmax_scale=None,
        causal=False,
        window_size=(-1, -1),
        softcap=0.0,
        alibi_slopes=None,
        deterministic=False,
        return_attn_probs=False,
    ):
        assert causal
        assert q.shape == k.shape
        calls.append(("func", tuple(q.shape), dropout_p))
        return run(q, k, v)

    def flash_attn_with_kvcache(
        q,
        k_cache,
        v_cache,
        k=None,
        v=None,
        rotary_cos=None,
        rotary_sin=None,
        cache_seqlens=None,
        cache_batch_idx=None,
        cache_leftpad=None,
        block_table=None,
        softmax_scale=None,
        causal=False,
    ):
        assert causal
        assert cache_seqlens.dtype == torch.int32
        assert cache_seqlens.shape == (q.shape[0],)
        calls.append(("kvcache", tuple(q.shape), cache_seqlens.tolist()))
        rows = zip(q, k_cache, v_cache, cache_seqlens.tolist(), strict=True)
        return torch.cat([run(row[None], keys[None, :end], values[None, :end]) for row, keys, values, end in rows])

    def flash_attn_varlen_func(
        q, k, v, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k, dropout_p=0.0, softmax_scale=None, causal=False
    ):
        assert causal
        assert q.dim() == 3
        assert cu_seqlens_q.dtype == cu_seqlens_k.dtype == torch.int32
        borders = cu_seqlens_q.tolist()
        assert borders[0] == 0
        assert borders[-1] == len(q)
        assert max_seqlen_q == max_seqlen_k == max(b - a for a, b in pairwise(borders))
        calls.append(("varlen", tuple(q.shape), borders))
        pieces = [run(*(x[None, a:b] for x in (q, k, v)))[0] for a, b in pairwise(borders)]
        return torch.cat(pieces)

    module = types.ModuleType("flash_attn")
    module.flash_attn_func = flash_attn_func
    module.flash_attn_with_kvcache = flash_attn_with_kvcache
    module.flash_attn_varlen_func = flash_attn_varlen_func
    return module


@pytest.fixture
def flash_calls(monkeypatch):
    """The calls that reach the stand-in, which passes for a package that runs on this device."""
    calls = []
    attention._flash_attn_package.cache_clear()
    with monkeypatch.context() as patch:  # only while ours looks: transformers would look closer at a module without a file
        patch.setitem(sys.modules, "flash_attn", stand_in(calls))
        assert attention._flash_attn_package() is not None
    monkeypatch.setattr(attention, "flash_attn_refusal", lambda device, dtype, head_dim: None)
    yield calls
    attention._flash_attn_package.cache_clear()


@torch.no_grad()
def test_flash_attn_reads_a_prompt_and_then_by_the_length_of_the_cache(flash_calls):
    model, theirs = pair(attn_implementation="flash_attn")
    ids = torch.randint(0, 59, (1, 9), generator=torch.Generator().manual_seed(1))
    cache = model.new_cache()
    pieces = [model(piece, past_key_values=[cache]).logits for piece in ids.split([4, 3, 1, 1], 1)]
    torch.testing.assert_close(torch.cat(pieces, 1), theirs(ids).logits, rtol=0, atol=1e-5)
    assert flash_calls[::2] == [
        ("func", (1, 4, 4, 8), 0.0),
        ("kvcache", (1, 3, 4, 8), [7]),
        ("kvcache", (1, 1, 4, 8), [8]),
        ("kvcache", (1, 1, 4, 8), [9]),
    ]


@torch.no_grad()
def test_flash_attn_cuts_padding_out(flash_calls):
    model, theirs = pair(attn_implementation="auto")
    ids = torch.randint(0, 59, (3, 6), generator=torch.Generator().manual_seed(2))
    mask = torch.tensor([[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0], [1] * 6])
    found, wanted = (m(ids, attention_mask=mask, use_cache=False).logits[mask.bool()] for m in (model, theirs))
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)
    assert flash_calls[0] == ("varlen", (15, 4, 8), [0, 4, 9, 15])


@torch.no_grad()
def test_flash_attn_serves_caches_of_different_lengths(flash_calls):
    model, plain = ours(attn_implementation="flash_attn"), ours(attn_implementation="eager")
    results = []
    for m in (model, plain):
        caches = [m.new_cache(), m.new_cache()]
        m(torch.tensor([[1, 2, 3, 4]]), past_key_values=caches[:1])
        m(torch.tensor([[5, 6]]), past_key_values=caches[1:])
        results.append(m(torch.tensor([[7], [8]]), past_key_values=caches).logits)
    torch.testing.assert_close(*results, rtol=0, atol=1e-5)
    assert [call[2] for call in flash_calls[-2:]] == [[5], [3]]


def test_flash_attn_gets_the_dropout_in_training(flash_calls):
    ours(attn_implementation="flash_attn", attention_dropout=0.25).train()(torch.tensor([[1, 2, 3]]))
    assert flash_calls[0] == ("func", (1, 3, 4, 8), 0.25)


# ---- which kernel runs


def test_the_kernel_that_torch_would_take_is_named():
    q, k, v = qkv(4, 4)
    assert backend_in_use(q, k, v) == Backend("flash", None)
    with sdpa_kernel(SDPBackend.MATH):
        backend = backend_in_use(q, k, v)
    assert backend.name == "math"
    assert "switched off" in backend.refused


@pytest.mark.parametrize(("queries", "keys"), [(1, 1), (1, 7), (3, 7)])
def test_the_kernel_is_named_for_decoding_too(queries, keys):
    assert backend_in_use(*qkv(queries, keys)).name == "flash"


def test_eager_says_that_it_was_asked_for():
    assert backend_in_use(*qkv(2, 2), implementation="eager") == Backend("eager", "attn_implementation='eager' was asked for")


def test_flash_attn_is_named_where_it_runs(flash_calls):
    assert backend_in_use(*qkv(2, 2)) == Backend("flash_attn", None)
    assert ours().attention_backend().name == "flash_attn"


def test_flash_attn_without_its_package_is_refused_at_once():
    with pytest.raises(ParameterError, match=r"the flash-attn package is not installed\. Use 'auto'"):
        ours(attn_implementation="flash_attn")


def test_flash_attn_on_the_cpu_is_refused(monkeypatch):
    monkeypatch.setattr(attention, "_flash_attn_package", lambda: stand_in([]))
    model = ours(attn_implementation="flash_attn")
    with pytest.raises(ParameterError, match="needs a CUDA device, this is 'cpu'"):
        model(torch.tensor([[1]]))


def test_an_unknown_implementation_is_refused_with_the_choices():
    with pytest.raises(ParameterError, match="attn_implementation='fast' is not one of 'auto', 'sdpa', 'flash_attn', 'eager'"):
        ours(attn_implementation="fast")


@pytest.mark.parametrize(
    ("dtype", "size", "words"),
    [
        (torch.float32, 80, "float16 or bfloat16, this is float32"),
        (torch.float16, 320, "ends at head size 256, this is 320"),
        (torch.float16, 80, "compute capability 8.0, Tesla T4 has 7.5"),
    ],
)
def test_a_refusal_says_why(monkeypatch, dtype, size, words):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Tesla T4")
    assert words in attention.flash_attn_refusal(torch.device("cuda"), dtype, size)


def test_a_capable_device_refuses_only_for_the_missing_package(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    refused = attention.flash_attn_refusal(torch.device("cuda"), torch.bfloat16, 80)
    assert refused == "the flash-attn package is not installed"


# ---- training in bfloat16 on a CPU


@pytest.mark.parametrize("length", [1, 100, 300])
def test_attention_in_blocks_is_causal_attention_with_its_gradients(length):
    parts = [part.bfloat16().requires_grad_() for part in qkv(length, length, size=16)]
    copies = [part.detach().float().requires_grad_() for part in parts]
    out, expected = attend(*parts)[0], attend(*copies)[0]
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), expected, atol=0.03, rtol=0)
    for result in (out, expected):
        result.float().square().sum().backward()
    for part, copy in zip(parts, copies, strict=True):
        torch.testing.assert_close(part.grad.float(), copy.grad, atol=0.15, rtol=0.05)
