"""Products of the compiled kernels: fbgemm's numbers bit for bit in float16 and int8, a reference's for groups."""

import pytest
import torch

from neoxjp.errors import ParameterError
from neoxjp.quantization import GRIDS, Int8Weight, Kernel, PackedLinear, Packing, round_to_groups
from neoxjp.quantization import kernels as native
from neoxjp.quantization import packed_linear as linear
from neoxjp.quantization.kernels import NativeWeight, build


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


GROUPS = [(bits, shape) for bits in (4, 5, 6) for shape in ((64, 32), (1, 1), (70, 33), (200, 96), (384, 1536), (129, 700))]


@pytest.mark.parametrize(("bits", "shape"), GROUPS, ids=str)
def test_products_with_groups_are_those_of_the_reference(built, bits, shape):
    weight, rows = groups_and_rows(bits, shape)
    layer = NativeWeight(weight)
    wanted = multiply_groups(weight, rows)
    for count in (1, 2, 3, 4, 5, 6, 7, 8, 9, 17, len(rows)):
        assert torch.equal(layer.multiply(rows[:count]), wanted[:count])


@pytest.mark.parametrize("march", ["haswell", "skylake-avx512"])
def test_groups_have_the_same_products_without_vnni(built, anew, tmp_path, march, options_for):
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


def test_more_inputs_than_sums_can_hold_are_refused(built):
    with pytest.raises(ParameterError, match="65,536"):
        NativeWeight(Int8Weight(torch.zeros(16, 65_540, dtype=torch.int8), torch.ones(16)))
