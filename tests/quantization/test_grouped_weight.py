"""Weights in groups as tensors: what they are, and rounding to the nearest numbers."""

import itertools

import pytest
import torch

from neoxjp.errors import ParameterError
from neoxjp.quantization.grouped_weight import GRIDS, GroupedWeight, Int8Weight, nearest, round_to_groups
from neoxjp.quantization.kernels import NativeUnavailable, round_groups


@pytest.fixture(params=[round_to_groups, round_groups])
def rounding(request):
    """By torch, and by the kernels in C."""
    try:
        request.param(torch.ones(1, 1), 4)
    except NativeUnavailable as refused:
        pytest.skip(f"not built here: {refused}")
    return request.param


def test_a_grouped_weight_is_the_scale_of_its_group_times_a_number_of_the_grid():
    values = torch.zeros(2, 33, dtype=torch.uint8)
    values[0, 31], values[0, 32], values[1, 0] = 17, 31, 24
    scale = torch.tensor([[0.5, 2.0], [1.0, -0.25]], dtype=torch.float16)
    found = GroupedWeight(values, scale, 5).dequantize()
    assert found.shape == (2, 33)
    assert found[0, [0, 31, 32]].tolist() == [-0.5, 0.5 / 16, 2 * 15 / 16]
    assert found[1, [0, 1, 32]].tolist() == [0.5, -1.0, 0.25]


def test_the_grid_of_four_bits_is_dense_around_zero():
    grid = GRIDS[4]
    steps = [high - low for low, high in itertools.pairwise(grid)]
    assert len(grid) == 16
    assert min(steps) > 0
    assert max(steps[5:10]) < min(*steps[:2], *steps[-2:])


@pytest.mark.parametrize("bits", [4, 5, 6])
def test_the_nearest_number_of_the_grid_is_found(bits):
    x = torch.linspace(-200, 200, 3001)
    grid = torch.tensor(GRIDS[bits]).float()
    apart = (x[:, None] - grid).abs()
    torch.testing.assert_close(apart.gather(1, nearest(x, bits).long()[:, None])[:, 0], apart.amin(1), atol=1e-4, rtol=0)


def test_an_int8_weight_is_scale_times_value():
    found = Int8Weight(torch.tensor([[1, -2], [127, 0]], dtype=torch.int8), torch.tensor([0.5, 2.0])).dequantize()
    assert found.tolist() == [[0.5, -1.0], [254.0, 0.0]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bits": 3}, "bits=3 must be 4, 5 or 6"),
        ({"values": torch.zeros(4, 40, dtype=torch.int8)}, r"values \(4, 40\) torch.int8: expected \(out, in\) torch.uint8"),
        ({"scale": torch.zeros(4, 1).half()}, r"scale \(4, 1\) torch.float16: expected \(4, 2\) torch.float16"),
        ({"scale": torch.zeros(4, 2)}, r"scale \(4, 2\) torch.float32: expected \(4, 2\) torch.float16"),
    ],
)
def test_a_part_of_another_kind_is_named(changes, message):
    parts = {"values": torch.zeros(4, 40, dtype=torch.uint8), "scale": torch.zeros(4, 2, dtype=torch.float16), "bits": 4}
    with pytest.raises(ParameterError, match=message):
        GroupedWeight(**(parts | changes))


@pytest.mark.parametrize("bits", [4, 5, 6])
def test_what_groups_can_represent_is_rounded_to_itself(rounding, bits):
    values = torch.randint(0, 2**bits, (6, 96), generator=torch.Generator().manual_seed(bits)).to(torch.uint8)
    values[:, ::32] = 0  # the number of the largest magnitude
    scale = (2.0 ** torch.arange(-9, 9).float()).view(6, 3).half()
    scale[1::2] *= -1
    weight = GroupedWeight(values, scale, bits).dequantize()
    assert torch.equal(rounding(weight, bits).dequantize(), weight)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("size", [1, 31, 32, 77])
def test_rounding_is_no_further_than_with_the_plain_range(rounding, dtype, size):
    weight = (torch.randn(9, size, generator=torch.Generator().manual_seed(size)) * 0.02).to(dtype)
    weight[4] = 0
    found = rounding(weight, 4).dequantize()
    assert not found[4].any()
    for start in range(0, size, 32):
        part = weight[:, start : start + 32].float()
        largest = part.gather(1, part.abs().argmax(1, keepdim=True)).clamp(min=-1)
        scale = torch.where(largest == 0, 1.0, -largest)
        plain = torch.tensor(GRIDS[4]).float()[nearest(part / scale * 128, 4).int()] * scale / 128
        error = (found[:, start : start + 32] - part).square().sum(1)
        assert (error <= (plain - part).square().sum(1) * 1.001 + 1e-12)[largest[:, 0] != 0].all()


def test_fewer_bits_lose_more(rounding):
    weight = torch.randn(64, 256, generator=torch.Generator().manual_seed(1))
    lost = [float((rounding(weight, bits).dequantize() - weight).square().mean()) for bits in (4, 5, 6)]
    assert lost[0] > 3 * lost[1] > 9 * lost[2]
    assert 0.004 < lost[0] < 0.0056


@pytest.mark.parametrize("bits", [4, 5, 6])
def test_both_ways_of_rounding_agree(bits):
    weight = torch.randn(64, 333, generator=torch.Generator().manual_seed(bits)) * 0.02
    try:
        found = round_groups(weight, bits)
    except NativeUnavailable as refused:
        pytest.skip(f"not built here: {refused}")
    wanted = round_to_groups(weight, bits)  # whose sums run in another order: a tie may go the other way
    assert float((found.values == wanted.values).float().mean()) > 0.98
    lost = [float((one.dequantize() - weight).square().sum()) for one in (found, wanted)]
    assert lost[0] == pytest.approx(lost[1], rel=1e-3)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_not_a_number_stays_visible(rounding, number):
    weight = torch.ones(2, 64)
    weight[0, 40] = number
    found = rounding(weight, 4)
    assert found.scale.isnan().tolist() == [[False, True], [False, False]]
