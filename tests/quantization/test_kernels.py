"""Our own products: fbgemm's numbers bit for bit, how they are built and kept, and what is said where they cannot be."""

import copy
import ctypes
import pickle
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from neoxjp.errors import ParameterError
from neoxjp.model import CACHE_DTYPES, KVCache
from neoxjp.model import unpadded as packed
from neoxjp.model.rotary import rope_table
from neoxjp.quantization import GRIDS, Int8Weight, Kernel, NewRows, PackedLinear, Packing, round_to_groups
from neoxjp.quantization import kernels as native
from neoxjp.quantization import pack as packing
from neoxjp.quantization import packed_linear as linear
from neoxjp.quantization.kernels import NativeUnavailable, NativeWeight, build
from tests.quantization import sanitize
from tests.support.tiny_model import ours, pair

ELF = b"\x7fELF" + bytes(4096)  # the beginning of a library, and nothing behind it


@pytest.fixture
def built():
    try:
        build.library()
    except NativeUnavailable as refused:
        pytest.skip(f"not built here: {refused}")


@pytest.fixture(scope="module")
def compile_once(tmp_path_factory):
    """`build._compile`, which the compiler does once for the same command and source: it takes some seconds."""
    compiled, compile_anew = {}, build._compile

    def compile_or_copy(compiler, folder):
        key = (*compiler, *build.OPTIONS, *(path.read_bytes() for path in (build.SOURCE, *build.HEADERS)))
        if key not in compiled:
            compiled[key] = compile_anew(compiler, tmp_path_factory.mktemp("compiled"))
        return shutil.copy(compiled[key], folder / "network.so")

    return compile_or_copy


@pytest.fixture
def anew(monkeypatch, compile_once):
    """As in a process that has not asked for the library yet."""
    build._library.cache_clear()
    monkeypatch.delenv(build.SWITCH, raising=False)
    monkeypatch.setattr(build, "_compile", compile_once)
    yield monkeypatch
    monkeypatch.undo()
    build._library.cache_clear()


def options_for(march):
    """Those of the compiler, for another processor; a warning is an error."""
    return *("-march=" + march if part == "-march=native" else part for part in build.OPTIONS), "-Wall", "-Wextra", "-Werror"


@pytest.mark.parametrize("format", ["float16", "int8"])
@pytest.mark.parametrize(("out", "size"), [(32, 16), (64, 383), (96, 512), (1152, 384), (384, 1536), (8192, 384)])
@pytest.mark.parametrize("rows", [1, 2, 3, 5, 8, 9, 70])
def test_its_numbers_are_those_of_fbgemm(built, format, out, size, rows):
    kernel = Kernel("fbgemm", native.qmax() if format == "int8" else 127)
    problem = (
        linear._check_fp16_kernel("fbgemm") if format == "float16" else linear._check_int8_kernel("fbgemm", kernel.limit, "cpu")
    )
    if problem is not None:
        pytest.skip(f"fbgemm: {problem}")
    generator = torch.Generator().manual_seed(out + size + rows)
    weight = torch.randn(out, size, generator=generator) * 0.02
    x = torch.randn(rows, size, generator=generator) * 5
    found = []
    for chosen in (Kernel("native", kernel.limit), kernel):
        found.append(PackedLinear(weight, Packing(format, chosen, torch.float32, torch.float16))(x))
    assert torch.equal(*found)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_its_numbers_do_not_hang_on_the_threads(built, threads):
    weight, x = torch.randn(1000, 700).half(), torch.randn(9, 700)
    layer = NativeWeight(weight)
    before, wanted = torch.get_num_threads(), layer.multiply(x)
    try:
        torch.set_num_threads(threads)
        assert torch.equal(layer.multiply(x), wanted)
    finally:
        torch.set_num_threads(before)


# Quantizations with formats of the cache; the network with groups differs in its products only.
FORMATS = [(quantization, cache) for quantization in (None, "int8") for cache in CACHE_DTYPES] + [("int4", "float16")]
GROUPS = [(bits, shape) for bits in (4, 5, 6) for shape in ((64, 32), (1, 1), (70, 33), (200, 96), (384, 1536), (129, 700))]


@pytest.mark.parametrize(("bits", "shape"), GROUPS, ids=str)
def test_products_with_groups_are_those_of_the_reference(built, bits, shape):
    weight, rows = groups_and_rows(bits, shape)
    layer = NativeWeight(weight)
    wanted = multiply_groups(weight, rows)
    for count in (1, 2, 3, 4, 5, 6, 7, 8, 9, 17, len(rows)):
        assert torch.equal(layer.multiply(rows[:count]), wanted[:count])


@pytest.mark.parametrize("march", ["haswell", "skylake-avx512"])
def test_groups_have_the_same_products_without_vnni(built, anew, tmp_path, march):
    if march == "skylake-avx512" and "avx512bw" not in build._instructions():
        pytest.skip("this processor has no AVX512")
    anew.setattr(build, "OPTIONS", options_for(march))
    anew.setattr(build, "CACHE", tmp_path)
    assert native.qmax() == 64
    for bits, shape in GROUPS:
        weight, rows = groups_and_rows(bits, shape)
        assert torch.equal(NativeWeight(weight).multiply(rows[:13]), multiply_groups(weight, rows[:13]))


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("bits", [4, 5, 6])
def test_products_with_groups_do_not_depend_on_the_threads(built, threads, bits):
    weight, rows = groups_and_rows(bits, (1000, 704))
    layer, before = NativeWeight(weight), torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        assert torch.equal(layer.multiply(rows), multiply_groups(weight, rows))
    finally:
        torch.set_num_threads(before)


def groups_and_rows(bits, shape):
    draw = torch.Generator().manual_seed(sum(shape) + bits)
    rows = torch.randn(33, shape[1], generator=draw) * 5
    rows[1], rows[2, 0] = 0, 1000
    rows[3] = 1  # the largest sums
    weight = round_to_groups(torch.randn(shape, generator=draw) * 0.02, bits)
    weight.values[0], weight.values[-1] = 0, (1 << bits) - 1
    return weight, rows


def multiply_groups(weight, x):
    """The product as gemm.h describes it, group by group; each sum of a product is rounded once."""
    absmax = x.abs().amax(1, keepdim=True).clamp(min=1e-30)
    steps = torch.tensor(1.0) / torch.tensor(1 / 127)
    values = ((x / absmax).double() * steps.double() + 128).float().round().sub(128).double()
    one = 1 if weight.bits == 4 else 256 >> weight.bits
    numbers = torch.tensor(GRIDS[weight.bits]).div(one)[weight.values.int()].double()
    total = torch.zeros(len(x), len(numbers))
    for group, (a, b) in enumerate(zip(values.split(32, 1), numbers.split(32, 1), strict=True)):
        total = (total.double() + (a @ b.t()) * weight.scale[:, group].double()).float()
    return total * (torch.tensor(one / 128) * torch.tensor(1 / 127)) * absmax


def test_rows_that_do_not_lie_together_and_no_rows(built):
    layer = NativeWeight(torch.randn(48, 20).half())
    wide = torch.randn(6, 40)
    assert torch.equal(layer.multiply(wide[:, :20]), layer.multiply(wide[:, :20].contiguous()))
    assert layer.multiply(wide[:0, :20]).shape == (0, 48)


@pytest.mark.parametrize(
    "x",
    [
        torch.zeros(2, 20).half(),
        torch.zeros(2, 20).double(),
        torch.zeros(2, 5),
        torch.zeros(20),
        torch.zeros(2, 20, device="meta"),
    ],
)
def test_rows_of_another_kind_are_refused(built, x):
    with pytest.raises(ParameterError, match="with float32 rows of 20 numbers on the CPU, not with"):
        NativeWeight(torch.randn(48, 20).half()).multiply(x)


@pytest.mark.parametrize("march", ["haswell", "alderlake", "skylake-avx512", "icelake-server", "sapphirerapids"])
def test_every_processor_it_is_written_for_compiles(built, monkeypatch, compile_once, tmp_path, march):
    monkeypatch.setattr(build, "OPTIONS", options_for(march))
    assert compile_once(build.find_compiler(), tmp_path)


def test_the_sums_of_seven_bits_are_exact_too(built, anew, tmp_path):
    """As a processor with AVX2 alone would have it: any that this library runs on has AVX2."""
    anew.setattr(build, "OPTIONS", options_for("haswell"))
    anew.setattr(build, "CACHE", tmp_path)
    assert native.qmax() == 64
    assert linear._check_int8_kernel("native", 64, "cpu") is None
    assert linear._check_fp16_kernel("native") is None
    assert linear._check_group_kernel() is None


def test_a_processor_with_tiles_computes_the_same(built, anew, tmp_path):
    """As one with AMX has it, whose tiles tests/support/tiles.h plays here."""
    if native.qmax() != 127:
        pytest.skip("written for processors with VNNI, which all with AMX have")
    kernel, draw = Packing("int8", Kernel("native", 127), torch.float32, torch.float16), torch.Generator().manual_seed(3)
    layers = [PackedLinear(torch.randn(*shape, generator=draw), kernel) for shape in ((32, 64), (200, 512), (96, 100))]
    model = packing.pack_model(pair(hidden_size=64, max_position_embeddings=512)[0], torch.float16, "int8")
    rows = [torch.randn(count, layer.in_features, generator=draw) for count in (1, 2, 16, 17, 40) for layer in layers]

    def run():
        build._library.cache_clear()
        packed._cached_functions.clear()
        logits = [model.forward_unpadded(torch.arange(n) % 59, [n], [model.new_cache()], torch.arange(n)) for n in (1, 2, 35)]
        return [layer(x) for layer, x in zip(layers * 5, rows, strict=True)] + logits

    wanted = run()
    anew.setattr(build, "OPTIONS", (*build.OPTIONS, "-include", str(Path(__file__).parents[1] / "support" / "tiles.h")))
    anew.setattr(build, "CACHE", tmp_path)
    found = run()
    packed._cached_functions.clear()
    assert ctypes.c_int.in_dll(build.library(), "tiles_played").value > 0
    assert all(map(torch.equal, found, wanted))


def test_a_library_is_built_once_and_found_again(built, anew, tmp_path):
    anew.setattr(build, "CACHE", tmp_path)
    build.library()
    (kept,) = tmp_path.iterdir()  # and nothing half made beside it
    build._library.cache_clear()
    anew.setattr(build, "_compile", lambda *_: pytest.fail("it was there"))
    build.library()
    assert kept.suffix == ".so"


@pytest.mark.parametrize(
    "damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: data[:-1] + b"x", lambda _: ELF]
)
def test_a_cut_or_foreign_library_is_built_again(built, anew, tmp_path, damage):
    anew.setattr(build, "CACHE", tmp_path)
    build.library()
    (cached,) = tmp_path.iterdir()
    whole = cached.read_bytes()
    cached.unlink()  # the file that is open stays as it is
    cached.write_bytes(damage(whole))
    build._library.cache_clear()
    asked = []
    anew.setattr(build, "_compile", lambda *how, compiled=build._compile: asked.append(how) or compiled(*how))
    assert build.library().neoxjp_qmax() in (64, 127)
    assert build._is_intact(cached)
    assert len(asked) == 1


def test_a_header_that_changes_builds_another_library(built, anew, tmp_path):
    before = build._key(build.find_compiler())
    other = tmp_path / "simd.h"
    other.write_text(build.HEADERS[0].read_text() + "\n")
    anew.setattr(build, "HEADERS", (other, *build.HEADERS[1:]))
    assert build._key(build.find_compiler()) != before


def test_a_folder_that_cannot_be_written_is_done_without(built, anew, tmp_path):
    (tmp_path / "file").write_text("")
    anew.setattr(build, "CACHE", tmp_path / "file" / "below")
    assert build.library().neoxjp_qmax() in (64, 127)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"NEOXJP_NATIVE": "0"}, "switched off by NEOXJP_NATIVE=0"),
        ({"CC": "/no/such/compiler"}, "No such file"),
        ({"CC": "false"}, "false did not compile it"),
        ({"CC": f"{sys.executable} -c 'raise SystemExit(\"an error of its own\")'"}, "an error of its own"),
        ({"CC": "", "PATH": ""}, "no C compiler here"),
        ({"CC": "'gcc"}, "No closing quotation"),
        ({"CC": "gcc \udcff"}, "did not compile it|No such file|argument"),
        ({"CC": "/"}, "ermission denied|s a directory"),
    ],
)
def test_why_there_is_none_is_said(anew, tmp_path, setting, said):
    anew.setattr(build, "CACHE", tmp_path)
    for name, value in setting.items():
        anew.setenv(name, value)
    with pytest.raises(NativeUnavailable, match=said):
        build.library()
    assert not any(tmp_path.iterdir())


def test_other_machines_are_told_what_it_is_written_for(anew):
    anew.setattr(build.platform, "machine", lambda: "aarch64")
    with pytest.raises(NativeUnavailable, match=r"written for Linux on x86_64, not for .* on aarch64"):
        build.library()


def test_without_it_fbgemm_runs_and_the_reason_is_said(tmp_path):
    """In a process of its own, as somebody without a compiler has it."""
    code = "from neoxjp.quantization.packed_linear import available_kernels; print(available_kernels())"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"NEOXJP_NATIVE": "0", "PATH": ""}, capture_output=True, text=True, check=True
    )
    assert done.stdout.count("native: switched off by NEOXJP_NATIVE=0") == 3
    assert "int4 weights, unpacked to int8: slower, and twice the memory" in done.stdout
    assert "(native)" not in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("kind", sanitize.KINDS)
def test_the_sanitizers_find_nothing(kind):
    """On all kernels, in buffers of exactly the size that they need, with NaN and infinity among the numbers."""
    done = sanitize.sanitize(kind)
    if done.returncode == sanitize.SKIPPED:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all kernels passed" in done.stdout


def test_more_inputs_than_sums_can_hold_are_refused(built):
    with pytest.raises(ParameterError, match="65,536"):
        NativeWeight(Int8Weight(torch.zeros(16, 65_540, dtype=torch.int8), torch.ones(16)))


# ---- a whole network


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
