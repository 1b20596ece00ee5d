"""The format of a quantized model folder: bit by bit, and what a reader refuses."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neoxjp.errors import CheckpointError
from neoxjp.quantization import GroupedWeight, Int8Weight
from neoxjp.weights import from_parts, read_quantization, stored_bytes, to_parts
from neoxjp.weights.quantized import part_shapes


def grouped(bits: int, out: int = 3, groups: int = 2, seed: int = 0) -> GroupedWeight:
    draw = torch.Generator().manual_seed(seed)
    values = torch.randint(2**bits, (out, groups * 32), generator=draw, dtype=torch.uint8)
    return GroupedWeight(values, torch.randn(out, groups, generator=draw).half(), bits)


@given(st.sampled_from([4, 5, 6]), st.integers(1, 5), st.integers(1, 4), st.integers(0, 99))
def test_a_weight_comes_back_from_its_parts(bits, out, groups, seed):
    weight = grouped(bits, out, groups, seed)
    parts = to_parts("w", weight)
    back = from_parts("w", parts, bits)
    assert isinstance(back, GroupedWeight)
    assert torch.equal(back.values, weight.values)
    assert torch.equal(back.scale, weight.scale)
    assert {name: (part.dtype, tuple(part.shape)) for name, part in parts.items()} == part_shapes("w", (out, groups * 32), bits)
    assert sum(part.nbytes for part in parts.values()) == stored_bytes((out, groups * 32), bits)


def test_the_first_number_lies_in_the_lowest_bits():
    values = torch.zeros(1, 32, dtype=torch.uint8)
    values[0, :4] = torch.tensor([0b110001, 0b010010, 0b000011, 0b100100], dtype=torch.uint8)
    parts = to_parts("w", GroupedWeight(values, torch.ones(1, 1, dtype=torch.float16), 6))
    assert parts["w.values"][0, :2].tolist() == [0b0010_0001, 0b0100_0011]
    assert parts["w.high"][0, 0].item() == 0b10_00_01_11
    values[0, :4] = torch.tensor([0b10001, 0b00010, 0b10011, 0b00100], dtype=torch.uint8)
    assert to_parts("w", GroupedWeight(values, torch.ones(1, 1, dtype=torch.float16), 5))["w.high"][0, 0].item() == 0b0101


@pytest.mark.parametrize(("bits", "wanted"), [(4, 4.5), (5, 5.5), (6, 6.5)])
def test_a_group_costs_its_bits_and_one_scale(bits, wanted):
    assert stored_bytes((10, 320), bits) * 8 == wanted * 3200


def test_int8_comes_back_from_its_parts():
    weight = Int8Weight(torch.tensor([[1, -127], [5, 0]], dtype=torch.int8), torch.tensor([0.5, 2.0]))
    back = from_parts("w", to_parts("w", weight), 8)
    assert torch.equal(back.dequantize(), torch.tensor([[0.5, -63.5], [10.0, 0.0]]))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"quant_method": "gptq", "bits": 4}, "is quantized by another program .quant_method 'gptq'.*before it was quantized"),
        ({"quant_method": "neoxjp", "format_version": 2}, "is quantized in format 2, and this version of neoxjp reads up to 1"),
        ({"quant_method": "neoxjp", "format_version": "x"}, "is quantized in format 'x'"),
        ({"quant_method": "neoxjp", "format_version": 1}, "does not say how many bits each weight has"),
        ({"quant_method": "neoxjp", "format_version": 1, "bits": {"w": 3}}, "does not say how many bits each weight has"),
        ([4], "is quantized by another program .quant_method None"),
    ],
)
def test_facts_that_cannot_be_used_are_refused(tmp_path, config, message):
    (tmp_path / "config.json").write_text(json.dumps({"quantization_config": config}))
    with pytest.raises(CheckpointError, match=message):
        read_quantization(tmp_path)


def test_a_folder_without_such_facts_is_not_quantized(tmp_path):
    assert read_quantization(tmp_path) is None
    (tmp_path / "config.json").write_text("{}")
    assert read_quantization(tmp_path) is None
