"""Many sequences in one forward: each as if it were alone."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from neoxjp.errors import ParameterError
from neoxjp.model import attention
from neoxjp.model.kv_cache import CACHE_BLOCK
from neoxjp.model.layers import SMALL, row_stable_gelu
from neoxjp.quantization import pack as packing
from tests.support.model_folders import load
from tests.support.tiny_model import ours, pair

MODEL = ours(rotary_pct=0.5, max_position_embeddings=512)


def ids_of(count, seed=0):
    return torch.randint(0, 59, (count,), generator=torch.Generator().manual_seed(seed))


def read(model, ids):
    """A cache that holds `ids`, by the plain forward."""
    cache = model.new_cache()
    if len(ids):
        with torch.no_grad():
            model(ids[None], past_key_values=[cache])
    return cache


def plain(model, past, ids):
    """Logits (T, V) of `ids` after `past`, by the plain forward."""
    with torch.no_grad():
        return model(ids[None], past_key_values=[read(model, past)]).logits[0].float()


def check(model, lengths, atol=1e-5):
    """Sequences of (past, new) lengths: every position's logits equal the plain forward's, and so does what the cache holds."""
    pasts = [ids_of(past, seed) for seed, (past, _) in enumerate(lengths)]
    news = [ids_of(new, 100 + seed) for seed, (_, new) in enumerate(lengths)]
    caches = [read(model, past) for past in pasts]
    counts = [len(new) for new in news]
    found = model.forward_unpadded(torch.cat(news), counts, caches, torch.arange(sum(counts)))
    wanted = torch.cat([plain(model, past, new) for past, new in zip(pasts, news, strict=True)])
    torch.testing.assert_close(found, wanted, rtol=0, atol=atol)
    assert [cache.length for cache in caches] == [past + new for past, new in lengths]
    for past, new, cache in zip(pasts, news, caches, strict=True):
        following = model.forward_unpadded(torch.tensor([7]), [1], [cache])
        wanted = plain(model, torch.cat((past, new)), torch.tensor([7]))
        torch.testing.assert_close(following, wanted, rtol=0, atol=atol)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 30)), min_size=1, max_size=5))
def test_each_sequence_is_as_the_plain_forward_computes_it(lengths):
    check(MODEL, lengths)


@pytest.mark.parametrize("attn_implementation", ["auto", "sdpa", "eager"])
@pytest.mark.parametrize("changes", [{}, {"rotary_pct": 0.0}, {"tie_word_embeddings": False}, {"hidden_act": "relu"}])
def test_any_network_and_attention(changes, attn_implementation):
    model = pair(attn_implementation=attn_implementation, **changes)[0]
    check(model, [(0, 20), (9, 1), (3, 8), (300, 9)] if "rotary_pct" not in changes else [(0, 1), (5, 12)])


def test_a_cache_grows_over_its_blocks_in_the_middle_of_a_chunk():
    check(MODEL, [(CACHE_BLOCK - 3, 20), (CACHE_BLOCK - 1, 1), (CACHE_BLOCK, 4)])


def test_without_logits_at_each_sequence_gives_its_last_position():
    counts, ids = [3, 1, 12], ids_of(16)
    every = MODEL.forward_unpadded(ids, counts, [MODEL.new_cache() for _ in counts], torch.arange(16))
    last = MODEL.forward_unpadded(ids, counts, [MODEL.new_cache() for _ in counts])
    some = MODEL.forward_unpadded(ids, counts, [MODEL.new_cache() for _ in counts], torch.tensor([5, 0, 5]))
    torch.testing.assert_close(last, every[[2, 3, 15]], rtol=0, atol=1e-6)
    torch.testing.assert_close(some, every[[5, 0, 5]], rtol=0, atol=1e-6)
    assert last.dtype == torch.float32
    assert last.shape == (3, 61)


@pytest.mark.parametrize("count", [1, 2, attention.MAX_SINGLE_QUERIES, attention.MAX_SINGLE_QUERIES + 1])
def test_up_to_eight_new_positions_attend_one_by_one(count, monkeypatch):
    queries = []
    attend = F.scaled_dot_product_attention
    monkeypatch.setattr(F, "scaled_dot_product_attention", lambda q, *a, **kw: queries.append(q.shape[2]) or attend(q, *a, **kw))
    MODEL.forward_unpadded(ids_of(count), [count], [read(MODEL, ids_of(5))])
    layers = MODEL.config.num_hidden_layers
    calls = queries[-layers * (count if count <= attention.MAX_SINGLE_QUERIES else 1) :]
    assert set(calls) == ({1} if count <= attention.MAX_SINGLE_QUERIES else {count})


@pytest.mark.parametrize("past", [0, 3, 16])
def test_chunks_attend_as_in_forwards_of_their_own(past, monkeypatch):
    seen = []
    attend = F.scaled_dot_product_attention
    monkeypatch.setattr(
        F, "scaled_dot_product_attention", lambda q, k, *a, **kw: seen.append((q.shape[2], k.shape[2])) or attend(q, k, *a, **kw)
    )
    ids, at_once, alone = ids_of(45), read(MODEL, ids_of(past, 1)), read(MODEL, ids_of(past, 1))
    seen.clear()
    found = MODEL.forward_unpadded(ids, [45], [at_once], torch.arange(45), 16)
    layers, together = MODEL.config.num_hidden_layers, seen.copy()
    seen.clear()
    ends = [*range(16 - past % 16, 45, 16), 45]
    wanted = [
        MODEL.forward_unpadded(ids[start:end], [end - start], [alone], torch.arange(end - start))
        for start, end in zip([0, *ends], ends, strict=False)
    ]
    torch.testing.assert_close(found, torch.cat(wanted), rtol=0, atol=1e-5)
    assert sorted(together) == sorted(seen)
    assert at_once.length == alone.length == past + 45
    assert len(together) % layers == 0


def test_a_model_that_is_spread_or_offloaded_computes_the_same(tmp_path):
    MODEL.save_pretrained(tmp_path / "model")
    body = {"gpt_neox_japanese.embed_in": "cpu", "gpt_neox_japanese": "disk", "embed_out": "cpu"}
    check(load(tmp_path / "model", device_map=body), [(0, 12), (5, 1)])


def test_a_cropped_cache_goes_on_from_where_it_was_cut():
    cache = read(MODEL, ids_of(20))
    cache.crop(12)
    found = MODEL.forward_unpadded(torch.tensor([1, 2]), [2], [cache])
    torch.testing.assert_close(found, plain(MODEL, ids_of(20)[:12], torch.tensor([1, 2]))[-1:], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("ids", "counts", "caches", "said"),
    [
        ([[1, 2]], [2], 1, r"shape \(positions,\)"),
        ([], [], 0, "at least one"),
        ([1, 2, 3], [1, 1], 2, r"counts=\[1, 1\] must be 1 or more each and 3 in sum"),
        ([1, 2], [2, 0], 2, "1 or more each"),
        ([1, 2], [1, 1], 1, "must be 2 different KVCaches"),
        ([1, 61], [2], 1, "input_ids holds 61: the model's ids run from 0 to 60"),
        ([-1, 1], [2], 1, "input_ids holds -1"),
    ],
)
def test_what_does_not_fit_together_is_refused(ids, counts, caches, said):
    made = [MODEL.new_cache() for _ in range(caches)]
    with pytest.raises(ParameterError, match=said):
        MODEL.forward_unpadded(torch.tensor(ids, dtype=torch.int64), counts, made)
    assert all(cache.length == 0 for cache in made)


def test_one_cache_for_two_sequences_is_refused():
    with pytest.raises(ParameterError, match="different KVCaches"):
        MODEL.forward_unpadded(torch.tensor([1, 2]), [1, 1], [MODEL.new_cache()] * 2)


# ---- the layers without their modules


def test_weights_that_were_put_in_the_place_of_others_count():
    model, ids = ours(max_position_embeddings=512), ids_of(7)
    check(model, [(3, 4), (0, 9)])
    body, other = model.gpt_neox_japanese, ours(initializer_range=0.3, max_position_embeddings=512)
    layer, given = body.layers[0], other.gpt_neox_japanese.layers[0]
    swaps = [
        lambda: setattr(layer.mlp, "dense_h_to_4h", given.mlp.dense_h_to_4h),
        lambda: setattr(layer.attention.dense, "weight", nn.Parameter(given.attention.dense.weight.detach().clone())),
        lambda: setattr(layer.input_layernorm, "bias", nn.Parameter(torch.randn(32))),
        lambda: setattr(body, "final_layer_norm", nn.LayerNorm(32, eps=0.5)),
        lambda: setattr(body.embed_in, "weight", nn.Parameter(torch.randn(61, 32))),
        lambda: setattr(model, "embed_out", copy.deepcopy(other.embed_out)),
        lambda: model.load_state_dict(ours(initializer_range=0.2).state_dict(), assign=True),
        lambda: body.layers.__setitem__(0, copy.deepcopy(given)),
        lambda: body.layers.pop(0),
        lambda: model.double().float(),
        lambda: packing.pack_model(model, None, "int8"),
    ]
    for number, swap in enumerate(swaps):
        before = model.forward_unpadded(ids, [7], [model.new_cache()])
        swap()
        found, wanted = model.forward_unpadded(ids, [7], [model.new_cache()]), plain(model, ids[:0], ids)[-1:]
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5 if number < 10 else 0.02)
        assert number == 9 or not torch.equal(found, before)


def test_a_copy_of_a_model_computes_with_its_own_weights():
    model, ids = ours(), ids_of(7)
    before = model.forward_unpadded(ids, [7], [model.new_cache()])
    copied = copy.deepcopy(model)
    with torch.no_grad():
        copied.gpt_neox_japanese.layers[0].attention.dense.weight.mul_(2)
    assert torch.equal(model.forward_unpadded(ids, [7], [model.new_cache()]), before)
    assert not torch.equal(copied.forward_unpadded(ids, [7], [copied.new_cache()]), before)


@pytest.mark.parametrize("size", [64, 192, 1536, SMALL, SMALL + 64, 100])
@settings(deadline=None, max_examples=20)
@given(rows=st.integers(1, 70), start=st.integers(0, 69))
def test_a_row_of_gelu_is_the_same_bit_for_bit_whatever_stands_beside_it(size, rows, start):
    x = torch.randn(70, size, generator=torch.Generator().manual_seed(size)) * 3
    whole, start = row_stable_gelu(x), min(start, 70 - rows)
    found = row_stable_gelu(x[start : start + rows])
    assert torch.equal(found, whole[start : start + rows])
    assert found.is_contiguous()
    torch.testing.assert_close(whole, F.gelu(x), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("format", [None, "float16"])
@pytest.mark.parametrize(
    ("places", "said"),
    [
        ([-1], "from -1 to -1"),
        ([0, 3], "from 0 to 3: those of this forward run from 0 to 2"),
        ([10**9], "1000000000"),
        ([True, False, True], "torch.bool"),
        ([[0]], r"\(1, 1\)"),
        ([0.0], "torch.float32"),
    ],
)
def test_positions_that_are_not_there_are_refused(format, places, said):
    model = ours() if format is None else packing.pack_model(ours(), torch.float16)
    with pytest.raises(ParameterError, match=said):
        model.forward_unpadded(torch.tensor([1, 2, 3]), [3], [model.new_cache()], torch.tensor(places))
