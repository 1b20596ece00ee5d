"""Rounding with calibration: the layer's output stays closer than with the nearest numbers."""

import pytest
import torch

from neoxjp.errors import ParameterError
from neoxjp.quantization import GRIDS, feedback_factor, round_to_groups, round_to_int8, round_with_feedback
from neoxjp.quantization.rounding import search_scale


def layer(out: int = 24, size: int = 96, tokens: int = 400) -> tuple[torch.Tensor, torch.Tensor]:
    """A weight, and activations whose channels depend on each other and differ in size."""
    draw = torch.Generator().manual_seed(0)
    mixing = torch.eye(size) + 0.3 * torch.randn(size, size, generator=draw)
    x = torch.randn(tokens, size, generator=draw) * (0.1 + 3 * torch.rand(size, generator=draw))
    return torch.randn(out, size, generator=draw) * 0.02, x @ mixing


def output_error(weight: torch.Tensor, rounded: torch.Tensor, x: torch.Tensor) -> float:
    return float(((x @ (rounded - weight).t()) ** 2).sum())


@pytest.mark.parametrize("bits", [4, 5, 6])
def test_feedback_keeps_the_output_closer_than_the_nearest_numbers(bits):
    weight, x = layer()
    moments = x.t() @ x / len(x)
    found = round_with_feedback(weight, bits, moments.diagonal(), feedback_factor(moments))
    nearest = output_error(weight, round_to_groups(weight, bits).dequantize(), x)
    assert found.bits == bits
    assert output_error(weight, found.dequantize(), x) < 0.6 * nearest


def test_without_dependent_channels_feedback_is_the_nearest_number_on_each_groups_own_scale():
    weight, _ = layer()
    found = round_with_feedback(weight, 4, torch.ones(96), feedback_factor(torch.eye(96)))
    grid = torch.tensor(GRIDS[4], dtype=torch.float32) / 128
    scale = found.scale.float().repeat_interleave(32, 1)
    nearest = ((weight / scale)[..., None] - grid).abs().argmin(2)
    assert torch.equal(found.values, nearest.to(torch.uint8))


def test_a_heavy_channel_is_rounded_with_a_smaller_error():
    weight, _ = layer(size=32)
    heavy = torch.ones(1, 32)
    heavy[0, 5] = 10_000.0
    grid = torch.tensor(GRIDS[4], dtype=torch.float32) / 128

    def error(importance: torch.Tensor) -> float:
        scale = search_scale(weight, 4, importance)
        return float((((weight / scale)[..., None] - grid).abs().amin(2) * scale.abs())[:, 5].sum())

    assert error(heavy) < 0.3 * error(torch.ones(1, 32))


def test_weights_on_the_grid_stay_as_they_are():
    grid = torch.tensor(GRIDS[4], dtype=torch.float32) / 128
    values = torch.arange(64).remainder(16).repeat(3, 1)
    weight = grid[values] * torch.tensor([[0.5], [-0.25], [2.0]])
    found = round_with_feedback(weight, 4, torch.ones(64), feedback_factor(torch.eye(64)))
    assert torch.equal(found.dequantize(), weight)


@pytest.mark.parametrize("value", [0.0, 0.1, -3e4])
def test_equal_weights_are_rounded_to_themselves(value):
    weight = torch.full((2, 64), value)
    found = round_with_feedback(weight, 4, torch.ones(64), feedback_factor(torch.eye(64))).dequantize()
    assert torch.allclose(found, weight, rtol=1e-3, atol=1e-7)


def test_fewer_tokens_than_channels_still_round():
    weight, x = layer(tokens=3)
    moments = x.t() @ x / len(x)
    found = round_with_feedback(weight, 4, moments.diagonal(), feedback_factor(moments)).dequantize()
    assert bool(found.isfinite().all())
    assert output_error(weight, found, x) < output_error(weight, round_to_groups(weight, 4).dequantize(), x)


def test_channels_without_any_activation_still_round():
    weight, x = layer()
    x[:, :40] = 0.0
    moments = x.t() @ x / len(x)
    found = round_with_feedback(weight, 4, moments.diagonal(), feedback_factor(moments)).dequantize()
    assert float((found - weight).abs().max()) < 0.02


def test_rows_without_whole_groups_are_refused():
    with pytest.raises(ParameterError, match="33 input channels has no whole groups of 32: keep it at 8 bits"):
        round_with_feedback(torch.zeros(2, 33), 4, torch.ones(33), torch.eye(33))


def test_int8_keeps_the_largest_weight_of_each_row():
    weight, _ = layer()
    found = round_to_int8(weight)
    assert torch.equal(found.values.abs().amax(1), torch.full((24,), 127, dtype=torch.int8))
    assert float((found.dequantize() - weight).abs().max()) <= float(weight.abs().max()) / 254 * 1.001
