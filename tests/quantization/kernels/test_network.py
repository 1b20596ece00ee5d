"""A whole network in the compiled kernels: it computes what torch computes, in any pieces and with any number of threads."""

import copy
import pickle
import threading

import pytest
import torch

from neoxjp.errors import ParameterError
from neoxjp.model import CACHE_DTYPES, KVCache
from neoxjp.model import unpadded as packed
from neoxjp.model.rotary import rope_table
from neoxjp.quantization import Int8Weight, Kernel, NewRows, PackedLinear, Packing
from neoxjp.quantization import kernels as native
from neoxjp.quantization import pack as packing
from neoxjp.quantization.kernels import NativeUnavailable, NativeWeight
from tests.support.tiny_model import ours, pair

# Quantizations with formats of the cache; the network with groups differs in its products only.
FORMATS = [(quantization, cache) for quantization in (None, "int8") for cache in CACHE_DTYPES] + [("int4", "float16")]


@pytest.fixture
def by_torch(monkeypatch):
    """A function that computes without our own layers."""

    def compute(run):
        with monkeypatch.context() as without:
            without.setattr(packed, "_network", lambda *_: None)
            packed._cached_functions.clear()
            found = run()
        packed._cached_functions.clear()
        return found

    return compute


@pytest.mark.parametrize(("quantization", "cache_dtype"), FORMATS)
@pytest.mark.parametrize("changes", [{}, {"rotary_pct": 0.5}, {"rotary_pct": 0.0}, {"tie_word_embeddings": False}])
@pytest.mark.parametrize(
    ("lengths", "chunk"),
    [
        ([(0, 1)], None),
        ([(5, 1), (300, 1), (0, 1)], None),
        ([(9, 3), (2, 1)], None),
        ([(0, 20)], 16),
        ([(7, 1), (20, 35), (3, 2)], 16),
    ],
)
def test_a_network_computes_what_torch_computes(built, by_torch, cache_dtype, quantization, changes, lengths, chunk):
    model = packing.pack_model(pair(hidden_size=64, max_position_embeddings=512, **changes)[0], torch.float16, quantization)
    draw = torch.Generator().manual_seed(1)
    pasts, news = ([torch.randint(0, 59, (count,), generator=draw) for count in counts] for counts in zip(*lengths, strict=True))

    def run():
        caches = [KVCache(2, cache_dtype) for _ in lengths]
        for cache, past in zip(caches, pasts, strict=True):
            if len(past):
                model.forward_unpadded(past, [len(past)], [cache])
        counts = [len(new) for new in news]
        found = [model.forward_unpadded(torch.cat(news), counts, caches, torch.arange(sum(counts)), chunk)]
        found.append(model.forward_unpadded(torch.tensor([7] * len(caches)), [1] * len(caches), caches))
        return torch.cat(found)

    assert packed._forward_functions(model).network is not None
    found, wanted = run(), by_torch(run)
    apart, largest = (found - wanted).abs(), float(wanted.abs().max())
    # A number that differs in its last bit may be rounded to another whole one, or half.
    typical, most = {"float32": (1e-6, 1e-5), "float16": (2e-5, 1e-3), "int8": (1e-3, 0.05)}[cache_dtype]
    if quantization is not None:
        typical, most = (typical if cache_dtype == "float32" else 1e-3), 0.05
    assert float(apart.median()) < typical * largest
    assert float(apart.max()) < most * largest


def test_gelu_is_that_of_torch(built):
    """Seen through a layer whose other parts do nothing."""
    size = 64
    layer = packing.pack_model(ours(hidden_size=size).gpt_neox_japanese.layers[0], torch.float16)
    x = torch.linspace(-30, 30, 2 * size).view(2, size)
    eye = torch.eye(size)
    layer.mlp.dense_h_to_4h = PackedLinear(eye, Packing("float16", Kernel("native"), torch.float32, torch.float16))
    layer.mlp.dense_4h_to_h = PackedLinear(eye, Packing("float16", Kernel("native"), torch.float32, torch.float16))
    layer.attention.dense = PackedLinear(
        torch.zeros(size, size), Packing("float16", Kernel("native"), torch.float32, torch.float16)
    )
    network = native.NativeNetwork([layer], layer.input_layernorm, layer.attention.dense, 2, 0)
    layer_norm, rows = torch.nn.functional.layer_norm(x, (size,)), x.clone()
    kept = torch.empty(2, 1, 2, 2, size // 2)
    network.forward(rows, [NewRows(0, 2, 0, [kept])], rope_table(2, 0, 10000.0, size // 2, x.device))
    torch.testing.assert_close(rows - x, torch.nn.functional.gelu(layer_norm), rtol=1e-5, atol=4e-6)


# heads of 160, 80, 64, 40 and 20 numbers
@pytest.mark.parametrize(("hidden", "heads"), [(160, 1), (160, 2), (128, 2), (160, 4), (160, 8)])
@pytest.mark.parametrize(("format", "cache_dtype"), FORMATS)
def test_a_position_is_the_same_in_any_piece_and_with_any_threads(built, hidden, heads, format, cache_dtype):
    model = packing.pack_model(
        ours(hidden_size=hidden, num_attention_heads=heads, max_position_embeddings=128), torch.float16, format
    )
    ids, before = torch.arange(50) % 40, torch.get_num_threads()
    wanted, cache = [], KVCache(2, cache_dtype)
    for id in ids:
        wanted.append(model.forward_unpadded(id[None], [1], [cache]))
    try:
        for threads, pieces in [(1, [50]), (2, [50]), (3, [1, 2, 3, 5, 7, 32]), (2, [49, 1])]:
            torch.set_num_threads(threads)
            cache, other = KVCache(2, cache_dtype), KVCache(2, cache_dtype)
            found = []
            for piece in ids.split(pieces):
                both = model.forward_unpadded(
                    torch.cat([piece[:1], piece]), [1, len(piece)], [other, cache], torch.arange(1, 1 + len(piece))
                )
                found.append(both)
            assert torch.equal(torch.cat(found), torch.cat(wanted))
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("cache_dtype", ["float16", "int8"])
@pytest.mark.parametrize("heads", [2, 3])  # of 48 and 32 numbers
def test_the_kernels_store_what_the_python_cache_stores(built, cache_dtype, heads):
    model = packing.pack_model(ours(hidden_size=96, num_attention_heads=heads), torch.float16)
    exact, stored = KVCache(2), KVCache(2, cache_dtype)
    for cache in (exact, stored):
        model.forward_unpadded(torch.arange(20), [20], [cache])
    k, v = exact.update(0, *torch.zeros(2, heads, 1, 96 // heads))
    by_torch = KVCache(2, cache_dtype)
    by_torch.update(0, k[0, :, :20], v[0, :, :20])
    found, wanted = (cache.reserve(20, k[0], 1)[0][:, :, :, :20] for cache in (stored, by_torch))
    assert found.dtype == wanted.dtype
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("cache_dtype", ["float16", "int8"])
def test_what_is_not_a_number_stays_visible_in_a_cache(built, cache_dtype):
    model = packing.pack_model(ours(hidden_size=64), torch.float16)
    cache = KVCache(2, cache_dtype)
    model.forward_unpadded(torch.tensor([1, 2]), [2], [cache])
    kept = cache.fork()
    buffer = cache.reserve(3, torch.zeros(4, 1, 16), 2)[0]
    buffer.view(-1)[:1].copy_(torch.tensor(float("nan"))) if cache_dtype == "float16" else buffer[0, 0, 0, 0, -4:].fill_(-1)
    found = [model.forward_unpadded(torch.tensor([3]), [1], [each]).isnan() for each in (cache, kept)]
    assert found[0].all()
    assert not found[1].any()


def test_what_is_not_a_number_stays_visible(built):
    model = packing.pack_model(ours(hidden_size=64), torch.float16)
    model.gpt_neox_japanese.layers[0].input_layernorm.weight.data[3] = float("nan")
    assert model.forward_unpadded(torch.tensor([1, 2]), [1, 1], [model.new_cache(), model.new_cache()]).isnan().all()


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan"), 3e38])
def test_infinity_and_overflow_stay_visible_in_int8(built, number):
    layer = PackedLinear(torch.randn(32, 64), Packing("int8", Kernel("native", native.qmax()), torch.float32, torch.float16))
    x = torch.ones(2, 64)
    x[1, 3] = number
    found = layer(x)
    assert torch.equal(found[0], layer(x[:1])[0])
    assert not found[1].isfinite().any() or number == 3e38


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("final_layer_norm.weight", (63,)),
        ("layers.0.input_layernorm.bias", (65,)),
        ("layers.1.post_attention_layernorm.weight", (1,)),
        ("layers.1.attention.dense_bias", (32,)),
    ],
)
def test_a_norm_or_bias_of_another_length_is_named(built, path, shape):
    model = packing.pack_model(ours(hidden_size=64), torch.float16)
    *names, last = path.split(".")
    module = model.gpt_neox_japanese.get_submodule(".".join(names))
    setattr(module, last, torch.nn.Parameter(torch.ones(shape), requires_grad=False))
    with pytest.raises(ParameterError, match=rf"{path} is \({shape[0]},\), expected \(64,\)"):
        model.forward_unpadded(torch.tensor([1, 2]), [2], [model.new_cache()])


@pytest.mark.parametrize("other", [{"hidden_size": 96}, {"num_attention_heads": 2}, {"num_hidden_layers": 1}])
def test_a_cache_of_another_model_is_refused(built, other):
    model, strange = (packing.pack_model(ours(**{"hidden_size": 64} | changes), torch.float16) for changes in ({}, other))
    cache = strange.new_cache()
    strange.forward_unpadded(torch.tensor([1, 2]), [2], [cache])
    with pytest.raises(ParameterError, match="create a new one"):
        model.forward_unpadded(torch.tensor([1]), [1], [cache])


def test_two_threads_compute_with_tables_of_their_own(built):
    model = packing.pack_model(ours(hidden_size=64, max_position_embeddings=64), torch.float16)
    ids = torch.arange(600) % 50  # beyond the context: a longer table
    wanted = model.forward_unpadded(ids, [600], [model.new_cache()])
    over = threading.Event()

    def short():
        while not over.is_set():
            model.forward_unpadded(ids[:1], [1], [model.new_cache()])

    beside = threading.Thread(target=short)
    beside.start()
    try:
        found = [model.forward_unpadded(ids, [600], [model.new_cache()]) for _ in range(10)]
    finally:
        over.set()
        beside.join()
    assert all(torch.equal(one, wanted) for one in found)


def test_a_model_can_be_copied_and_pickled(built):
    model, ids = packing.pack_model(ours(hidden_size=64), torch.float16, "int8"), torch.tensor([1, 2])
    wanted = model.forward_unpadded(ids, [2], [model.new_cache()])
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(copied.forward_unpadded(ids, [2], [copied.new_cache()]), wanted)


def test_a_pickle_of_another_processor_is_refused(built, monkeypatch):
    layer = NativeWeight(Int8Weight(torch.ones(16, 32, dtype=torch.int8), torch.ones(16)))
    other = 192 - layer._zero_point  # 64 or 128
    monkeypatch.setattr(layer, "_zero_point", other)
    with pytest.raises(NativeUnavailable, match="packed for another processor"):
        layer.multiply(torch.ones(1, 32))


def test_embedded_tokens_of_another_width_are_refused(built):
    model = packing.pack_model(ours(hidden_size=64), torch.float16, "int8")
    model.gpt_neox_japanese.embed_in = torch.nn.Embedding(50, 32)
    with pytest.raises(ParameterError, match=r"expected \(rows, 64\) float32"):
        model.forward_unpadded(torch.tensor([1, 2]), [2], [model.new_cache()])


def test_torchs_default_dtype_changes_nothing(built):
    model, ids = packing.pack_model(ours(hidden_size=64, rotary_emb_base=9999.0), torch.float16), torch.tensor([1, 2])
    torch.set_default_dtype(torch.float64)
    try:
        found = model.forward_unpadded(ids, [2], [model.new_cache()])
    finally:
        torch.set_default_dtype(torch.float32)
    rope_table.cache_clear()
    assert torch.equal(found, model.forward_unpadded(ids, [2], [model.new_cache()]))


def test_weights_that_are_put_elsewhere_count(built):
    model = packing.pack_model(ours(hidden_size=64), torch.float16)
    ids, norm = torch.tensor([1]), model.gpt_neox_japanese.final_layer_norm
    before = model.forward_unpadded(ids, [1], [model.new_cache()])
    norm.weight = torch.nn.Parameter(norm.weight * 2, requires_grad=False)
    norm.bias.data = norm.bias.data * 2
    torch.testing.assert_close(model.forward_unpadded(ids, [1], [model.new_cache()]), 2 * before)
    layer = model.gpt_neox_japanese.layers[0]
    assert layer.attention.dense_bias is None
    without = model.forward_unpadded(ids, [1], [model.new_cache()])
    layer.attention.dense_bias = torch.nn.Parameter(torch.arange(64.0), requires_grad=False)  # norms would take out a constant
    assert not torch.allclose(model.forward_unpadded(ids, [1], [model.new_cache()]), without)
    model.gpt_neox_japanese.layers[1].mlp.dense_4h_to_h = torch.nn.Linear(model.config.intermediate_size, 64, bias=False)
    assert packed._forward_functions(model).network is None


def test_norms_with_gaps_between_their_numbers_go_by_torch(built):
    model = packing.pack_model(ours(hidden_size=64), torch.float16)
    assert model.positions_are_identical
    model.gpt_neox_japanese.final_layer_norm.weight = torch.nn.Parameter(torch.ones(128)[::2], requires_grad=False)
    assert not model.positions_are_identical


@pytest.mark.parametrize("changes", [{"hidden_act": "relu"}, {"attn_implementation": "eager"}])
def test_what_it_is_not_written_for_goes_by_torch(built, changes, monkeypatch):
    model = packing.pack_model(ours(hidden_size=64, **changes), torch.float16)
    monkeypatch.setattr(native.NativeNetwork, "forward", lambda *_: pytest.fail("not its work"))
    assert model.forward_unpadded(torch.tensor([1, 2]), [2], [model.new_cache()]).isfinite().all()
