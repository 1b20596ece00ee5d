"""Weights in a few bits as tensors: numbers of a grid with a scale per group of 32 channels, or int8 with one per row.

A `PackedLinear` is made from these or from a plain weight, which is rounded here to the nearest numbers. Rounding with
calibration is in rounding.py.

The grid of 4 bits is not linear: it is dense around zero, as a group's numbers are. It is that of GGUF's IQ4_NL, so that such a
weight can be exported as it is; 5 bits are those of its Q5_0.
"""

import itertools
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from neoxjp.errors import ParameterError

GROUP = 32  # input channels that share a scale
GroupBits = Literal[4, 5, 6]
GRIDS: dict[int, tuple[int, ...]] = {  # what each value means, in 1/128 of the scale
    4: (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113),
    5: tuple(range(-128, 128, 8)),
    6: tuple(range(-128, 128, 4)),
}
_BLOCK_NUMBERS = 2**20  # numbers of a weight that are rounded at a time: bounds the float32 copies
# Where a group's number of the largest magnitude is placed, in 1/128 of the scale. Below zero: where the grid reaches further.
ENDS = (-128.0, -120.0, -136.0, -112.0, -145.0, 104.0, 112.0, 120.0)


@dataclass(frozen=True)
class GroupedWeight:
    """A weight (out, in) in groups of 32 input channels, the last of which may be shorter.

    weight = scale · GRIDS[bits][value] / 128

    Raises ParameterError for tensors of another shape or dtype.
    """

    values: Tensor  # (out, in) uint8, one number per byte, 0 to 2^bits - 1
    scale: Tensor  # (out, groups) float16, also below zero; groups = in / 32, rounded up
    bits: GroupBits

    def __post_init__(self) -> None:
        if self.bits not in GRIDS:
            raise ParameterError(f"bits={self.bits!r} must be 4, 5 or 6")
        if self.values.dim() != 2 or self.values.dtype != torch.uint8:
            raise ParameterError(f"values {tuple(self.values.shape)} {self.values.dtype}: expected (out, in) torch.uint8")
        wanted = len(self.values), -(-self.values.shape[1] // GROUP)
        if tuple(self.scale.shape) != wanted or self.scale.dtype != torch.float16:
            raise ParameterError(f"scale {tuple(self.scale.shape)} {self.scale.dtype}: expected {wanted} torch.float16")

    @property
    def shape(self) -> torch.Size:
        return self.values.shape

    def dequantize(self) -> Tensor:
        """The weight (out, in) in float32."""
        scale = self.scale.float().repeat_interleave(GROUP, 1)[:, : self.values.shape[1]]
        return grid_numbers(self.values, self.bits).mul_(scale).div_(128)


@dataclass(frozen=True)
class Int8Weight:
    """A weight (out, in) in int8: weight = scale · value."""

    values: Tensor  # (out, in) int8, -127 to 127
    scale: Tensor  # (out,) float32

    @property
    def shape(self) -> torch.Size:
        return self.values.shape

    def dequantize(self) -> Tensor:
        """The weight (out, in) in float32."""
        return self.values.float() * self.scale[:, None]


def grid_numbers(values: Tensor, bits: GroupBits) -> Tensor:
    """values → the numbers of the grid that they mean, in 1/128 of the scale: float32 of the same shape."""
    return torch.tensor(GRIDS[bits], dtype=torch.float32, device=values.device)[values.int()]


def nearest(x: Tensor, bits: GroupBits) -> Tensor:
    """x = weight / scale · 128 → the values whose grid numbers are nearest, uint8 of the same shape."""
    if bits != 4:
        return (x / (256 >> bits) + (1 << bits - 1)).round_().clamp_(0, (1 << bits) - 1).to(torch.uint8)
    found = torch.zeros(x.shape, dtype=torch.uint8, device=x.device)
    for low, high in itertools.pairwise(GRIDS[4]):
        found += x > (low + high) / 2
    return found


def round_to_groups(weight: Tensor, bits: GroupBits = 4) -> GroupedWeight:
    """(out, in) of any float dtype → the nearest numbers, with the scale of each group that gives the smallest squared error."""
    out, size = weight.shape
    groups = -(-size // GROUP)
    values = torch.empty(out, size, dtype=torch.uint8, device=weight.device)
    scale = torch.empty(out, groups, dtype=torch.float16, device=weight.device)
    count = max(1, _BLOCK_NUMBERS // size)
    whole = size // GROUP * GROUP
    for start in range(0, out, count):
        rows = slice(start, start + count)
        part = weight[rows].float()
        for columns, width in ((slice(0, whole), GROUP), (slice(whole, size), size - whole)):  # the last group may be shorter
            if columns.stop > columns.start:
                at = slice(columns.start // GROUP, -(-columns.stop // GROUP))
                found, scale[rows, at] = _round_block(part[:, columns].unflatten(1, (-1, width)), bits)
                values[rows, columns] = found.flatten(1)
    return GroupedWeight(values, scale, bits)


def _round_block(part: Tensor, bits: GroupBits) -> tuple[Tensor, Tensor]:
    """part (rows, groups, numbers) → values of that shape, uint8; scale (rows, groups) float16."""
    largest = part.gather(2, part.abs().argmax(2, keepdim=True))
    best = torch.full_like(largest, float("inf"))
    values = torch.zeros_like(part, dtype=torch.uint8)
    scale = (part * 0).sum(2, keepdim=True)  # NaN where a number is not finite, so that the weight shows it
    for end in ENDS:
        tried = largest * (128 / end)
        found = nearest(part * (128 / torch.where(tried == 0, 1.0, tried)), bits)
        numbers = grid_numbers(found, bits)
        # The scale that fits these numbers best (least squares), as it is stored.
        fitted = (numbers * part).sum(2, keepdim=True) / numbers.square().sum(2, keepdim=True).clamp_(min=1) * 128
        fitted = fitted.clamp_(-65504, 65504).half().float()
        error = numbers.mul_(fitted / 128).sub_(part).square_().sum(2, keepdim=True)
        better = error < best
        best, scale = torch.where(better, error, best), torch.where(better, fitted, scale)
        values = torch.where(better, found, values)
    return values, scale[..., 0].half()
