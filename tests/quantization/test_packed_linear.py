"""Packed linears: exact sums, rows that do not disturb each other, each kernel that may run, and what they refuse."""

import gc
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neoxjp.quantization import Int8Weight, Kernel, PackedLinear, Packing, round_to_groups
from neoxjp.quantization import packed_linear as linear
from neoxjp.quantization.packed_linear import quantize

KERNELS = [linear.int8_kernel("cpu"), Kernel("dequantized")]
KERNELS += [Kernel(name, 64) for name in ("fbgemm", "dynamic", "int_mm") if linear._check_int8_kernel(name, 64, "cpu") is None]
PACKINGS = [Packing("int8", kernel, torch.float32, torch.float16) for kernel in dict.fromkeys(KERNELS)]
HALVES = [Kernel(name) for name in ("native", "fbgemm") if linear._check_fp16_kernel(name) is None]
PACKINGS += [Packing("float16", kernel, torch.float32, torch.float16) for kernel in HALVES]
PACKINGS += [
    Packing("int4", kernel, torch.float32, torch.float16) for kernel in dict.fromkeys((linear.int4_kernel("cpu"), *KERNELS))
]
NAMES = [f"{packing.format} {packing.kernel.name}" for packing in PACKINGS]
STEADY = [(p, n) for p, n in zip(PACKINGS, NAMES, strict=True) if p.kernel.name != "dequantized"]  # rows do not depend on others


def weight_and_rows(out=96, size=64, rows=70, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, size, generator=generator)
    x[3] *= 50
    x[5] = 0
    x[7, 1] = 1000
    return torch.randn(out, size, generator=generator) * 0.02, x


# ---- one layer


@pytest.mark.parametrize("packing", PACKINGS, ids=NAMES)
@pytest.mark.parametrize(("out", "size"), [(96, 64), (1, 4), (30, 20), (256, 1030)])
def test_the_product_is_near_the_plain_one(packing, out, size):
    weight, x = weight_and_rows(out, size)
    wanted, found = x @ weight.t(), PackedLinear(weight, packing)(x)
    bound = {"float16": 5e-4, "int8": 0.06, "int4": 0.13}[packing.format]
    assert float((found - wanted).norm() / wanted.norm()) < bound
    assert found.dtype == torch.float32
    assert not found[5].any()


@pytest.mark.parametrize("packing", PACKINGS, ids=NAMES)
def test_any_leading_shape(packing):
    weight, x = weight_and_rows(rows=12)
    layer = PackedLinear(weight, packing)
    flat = layer(x)
    assert torch.equal(layer(x.view(2, 6, 64)), flat.view(2, 6, 96)) or packing.kernel.name == "dequantized"
    assert layer(x[0]).shape == (96,)


@pytest.mark.parametrize("packing", [p for p, _ in STEADY], ids=[n for _, n in STEADY])
@settings(deadline=None, max_examples=60)
@given(cuts=st.lists(st.integers(0, 140), max_size=8), seed=st.integers(0, 3))
def test_a_row_is_the_same_bit_for_bit_whatever_stands_beside_it(packing, cuts, seed):
    weight, x = weight_and_rows(rows=140, seed=seed)
    layer = PackedLinear(weight, packing)
    pieces = torch.tensor_split(x, sorted(cuts))
    assert torch.equal(torch.cat([layer(piece) for piece in pieces if len(piece)]), layer(x))


def test_int8_products_are_those_of_whole_numbers():
    weight, x = weight_and_rows(size=512)
    for packing in PACKINGS:
        if packing.format == "int8" and packing.kernel.name != "dequantized":
            values, scale = quantize(weight, packing.kernel.limit)
            assert int(values.abs().max()) == packing.kernel.limit
            largest = x.abs().amax(1, keepdim=True).clamp(min=1e-30)
            whole = (x / largest * 127).round().long() @ values.long().t()
            wanted = whole.double() * (largest / 127).double() * scale.double()
            torch.testing.assert_close(PackedLinear(weight, packing)(x).double(), wanted, rtol=1e-5, atol=1e-12)


def test_the_largest_sums_are_exact():
    for packing in PACKINGS:
        if packing.kernel.name in ("native", "fbgemm", "dynamic") and packing.format == "int8":
            assert linear._check_int8_kernel(packing.kernel.name, packing.kernel.limit, "cpu") is None


@pytest.mark.skipif(linear._check_int8_kernel("fbgemm", 64, "cpu") is not None, reason="no fbgemm here")
def test_a_step_that_is_given_is_the_one_that_is_found_from_the_range():
    weight, x = weight_and_rows(size=512)
    given, found = (
        PackedLinear(weight, Packing("int8", Kernel(name, 64), torch.float32, torch.float16)) for name in linear._FBGEMM
    )
    for rows in (1, 2, 9, 70):
        assert torch.equal(given(x[:rows]), found(x[:rows]))


def test_a_weight_is_quantized_row_by_row_and_a_row_of_zeros_stays():
    weight = torch.tensor([[1.0, -2.0, 0.5], [0.0, 0.0, 0.0], [100.0, 1.0, -100.0]], dtype=torch.bfloat16)
    values, scale = quantize(weight)
    assert values.tolist() == [[64, -127, 32], [0, 0, 0], [127, 1, -127]]
    torch.testing.assert_close(scale * 127, torch.tensor([2.0, 0.0, 100.0]), atol=1e-20, rtol=1e-6)


@pytest.mark.parametrize(
    "kernel", [packing.kernel for packing in PACKINGS if packing.format == "int4"], ids=lambda kernel: kernel.name
)
@pytest.mark.parametrize("bits", [4, 5, 6])
def test_numbers_that_are_rounded_already_are_multiplied_as_they_are(kernel, bits):
    weight, x = weight_and_rows(size=100)
    groups = round_to_groups(weight, bits)
    layer = PackedLinear(groups, Packing("int4", kernel, torch.float32, torch.float16))
    wanted = x @ groups.dequantize().t()
    assert layer.format == f"int{bits}"
    assert float((layer(x) - wanted).norm() / wanted.norm()) < 0.025
    assert (layer.nbytes == 96 * 4 * (4 * bits + 2)) == (kernel.name == "native")
    rows = Int8Weight(*quantize(weight, 127))
    layer = PackedLinear(rows, Packing("int4", kernel, torch.float32, torch.float16))
    wanted = x @ rows.dequantize().t()
    assert (layer.format, layer.nbytes) == ("int8", 9600)
    assert float((layer(x) - wanted).norm() / wanted.norm()) < 0.025


def test_values_beyond_a_kernels_limit_are_rounded_again():
    layer = PackedLinear(
        Int8Weight(torch.full((16, 4), 127, dtype=torch.int8), torch.ones(16)),
        Packing("int8", Kernel("dequantized", 64), torch.float32, torch.float16),
    )
    assert int(layer._values.max()) == 64
    assert layer(torch.ones(1, 4))[0, 0] == pytest.approx(508)


def test_large_activations_do_not_overflow_in_float16():
    layer = PackedLinear(torch.full((8, 2560), 0.05), Packing("int8", Kernel("dequantized"), torch.float16, torch.float16))
    assert torch.allclose(layer(torch.full((1, 2560), 0.25, dtype=torch.float16)).float(), torch.tensor(32.0), rtol=0.01)


def test_another_dtype_leaves_the_scales_as_they_are():
    layer = PackedLinear(torch.randn(8, 16) * 1e-5, Packing("int8", Kernel("dequantized"), torch.float32, torch.float16))
    before = layer._scale.clone()
    assert torch.equal(layer.half().float()._scale, before)


def test_a_layer_is_freed_with_its_last_name():
    gc.collect()
    gc.disable()
    try:
        for packing in PACKINGS:
            layer = PackedLinear(torch.zeros(8, 16), packing)
            gone = weakref.ref(layer)
            del layer
            assert gone() is None
    finally:
        gc.enable()


def test_torchs_default_dtype_changes_no_weight():
    weight = weight_and_rows()[0]
    wanted = [PackedLinear(weight, packing)(torch.eye(64)) for packing in PACKINGS]
    torch.set_default_dtype(torch.float64)
    try:
        layers = [PackedLinear(weight, packing) for packing in PACKINGS]
        assert all(linear._check_fp16_kernel(kernel.name) is None for kernel in HALVES)
        assert linear._check_int8_kernel("dequantized", 127, "cpu") is None
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(torch.equal(layer(torch.eye(64)), values) for layer, values in zip(layers, wanted, strict=True))


@pytest.mark.parametrize("packing", PACKINGS, ids=NAMES)
def test_not_a_number_stays_visible(packing):
    weight, x = weight_and_rows(rows=12)
    x[1, 2] = float("nan")
    found = PackedLinear(weight, packing)(x)
    assert found[1].isnan().all()
    assert found[[0, *range(2, 12)]].isfinite().all()


# ---- which kernel


def test_kernels_that_are_absent_or_wrong_are_passed_over(monkeypatch):
    for count, wanted in enumerate(("fbgemm", "dynamic", "int_mm"), 1):
        absent = ("native", "fbgemm", "dynamic")[:count]
        monkeypatch.setattr(
            linear, "_check_int8_kernel", lambda name, *_, absent=absent: "no such operator" if name in absent else None
        )
        found = linear.int8_kernel.__wrapped__("cpu")
        assert (found.name, found.fallback_reason) == (wanted, "; ".join(f"{name}: no such operator" for name in absent))
    monkeypatch.setattr(linear, "_check_int8_kernel", lambda name, limit, device: "its sums overflow here")
    found = linear.int8_kernel.__wrapped__("cpu")
    assert found.name == "dequantized"
    wrong = "its sums overflow here"
    assert found.fallback_reason == f"native: {wrong}; fbgemm: {wrong}; dynamic: {wrong}; torch._int_mm: {wrong}"


def test_sums_that_overflow_are_found_and_avoided_by_smaller_weights(monkeypatch):
    absent = {"native": "no compiler"}
    monkeypatch.setattr(linear, "_check_int8_kernel", lambda name, limit, _: absent.get(name, "overflow" if limit > 64 else None))
    kernel = linear.int8_kernel.__wrapped__("cpu")
    assert kernel == Kernel("fbgemm", 64, "native: no compiler")
    assert "7 bits" in linear.describe_kernel("int8", kernel)


@pytest.mark.parametrize("packing", PACKINGS, ids=NAMES)
def test_what_runs_is_said(packing):
    described = linear.describe_kernel(packing.format, packing.kernel)
    assert described.startswith(packing.format)
    assert ("unpacked to int8: slower, and twice the memory; int8 weights" in described) == (
        packing.format == "int4" and packing.kernel.name != "native"
    )


def test_wrong_products_with_groups_are_found_and_another_kernel_is_taken(monkeypatch):
    if linear.int8_kernel("cpu").name != "native":
        pytest.skip("needs the kernels in C")
    assert linear._check_group_kernel() is None
    multiply = linear.NativeWeight.multiply
    monkeypatch.setattr(linear.NativeWeight, "multiply", lambda self, x: multiply(self, x) + (self.bits == 5))
    kernel = linear.int4_kernel.__wrapped__("cpu")
    assert kernel.name != "native"
    assert kernel.fallback_reason.startswith("native: its products with 5 bits are wrong here")
