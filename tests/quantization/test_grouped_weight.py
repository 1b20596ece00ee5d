"""Weights in groups as tensors: what they are, and rounding to the nearest numbers."""

import pytest
import torch

from neoxjp.errors import ParameterError
from neoxjp.quantization.grouped_weight import GroupedWeight, Int8Weight, round_to_groups


def test_a_grouped_weight_is_scale_times_value_plus_minimum_of_its_group():
    values = torch.zeros(2, 33, dtype=torch.uint8)
    values[0, 31], values[0, 32], values[1, 0] = 3, 2, 15
    scale = torch.tensor([[0.5, 2.0], [1.0, 0.25]], dtype=torch.float16)
    minimum = torch.tensor([[-1.0, 8.0], [0.0, -0.5]], dtype=torch.float16)
    found = GroupedWeight(values, scale, minimum, 4).dequantize()
    assert found.shape == (2, 33)
    assert found[0, [0, 31, 32]].tolist() == [-1.0, 0.5, 12.0]
    assert found[1, [0, 1, 32]].tolist() == [15.0, 0.0, -0.5]


def test_an_int8_weight_is_scale_times_value():
    found = Int8Weight(torch.tensor([[1, -2], [127, 0]], dtype=torch.int8), torch.tensor([0.5, 2.0])).dequantize()
    assert found.tolist() == [[0.5, -1.0], [254.0, 0.0]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bits": 3}, "bits=3 must be 4, 5 or 6"),
        ({"values": torch.zeros(4, 40, dtype=torch.int8)}, r"values \(4, 40\) torch.int8: expected \(out, in\) torch.uint8"),
        ({"scale": torch.zeros(4, 1).half()}, r"scale \(4, 1\) torch.float16: expected \(4, 2\) torch.float16"),
        ({"minimum": torch.zeros(4, 2)}, r"minimum \(4, 2\) torch.float32: expected \(4, 2\) torch.float16"),
    ],
)
def test_a_part_of_another_kind_is_named(changes, message):
    half = torch.zeros(4, 2, dtype=torch.float16)
    parts = {"values": torch.zeros(4, 40, dtype=torch.uint8), "scale": half, "minimum": half, "bits": 4}
    with pytest.raises(ParameterError, match=message):
        GroupedWeight(**(parts | changes))


@pytest.mark.parametrize("bits", [4, 5, 6])
def test_what_groups_can_represent_is_rounded_to_itself(bits):
    values = torch.randint(0, 2**bits, (6, 3, 32), generator=torch.Generator().manual_seed(bits))
    values[..., 0], values[..., 1] = 0, 2**bits - 1
    scale, minimum = (2.0 ** torch.arange(-6, 0))[:, None, None], -0.125
    weight = (values * scale + minimum).view(6, 96)
    assert torch.equal(round_to_groups(weight, bits).dequantize(), weight)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("size", [1, 31, 32, 77])
def test_rounding_is_no_further_than_the_plain_range_would_be(dtype, size):
    weight = (torch.randn(9, size, generator=torch.Generator().manual_seed(size)) * 0.02).to(dtype)
    weight[4] = 0
    found = round_to_groups(weight).dequantize()
    assert not found[4].any()
    for start in range(0, size, 32):
        part = weight[:, start : start + 32].float()
        step = (part.amax(1) - part.amin(1)) / 15
        plain = ((part - part.amin(1, keepdim=True)) / step.clamp(min=1e-12)[:, None]).round() * step[:, None]
        plain += part.amin(1, keepdim=True)
        error = (found[:, start : start + 32] - part).square().sum(1)
        assert (error <= (plain - part).square().sum(1) + 1e-8).all()


def test_fewer_bits_lose_more():
    weight = torch.randn(64, 256, generator=torch.Generator().manual_seed(1))
    lost = [float((round_to_groups(weight, bits).dequantize() - weight).square().mean()) for bits in (4, 5, 6)]
    assert lost[0] > 3 * lost[1] > 9 * lost[2]
