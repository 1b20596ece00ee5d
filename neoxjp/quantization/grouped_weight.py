"""Weights in a few bits as tensors: numbers in groups of 32 input channels, and int8 with one scale per row.

A `PackedLinear` is made from these or from a plain weight, which is rounded here to the nearest numbers. Rounding with
calibration is in grouped.py.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from neoxjp.errors import ParameterError

GROUP = 32  # input channels that share a scale and a minimum
GroupBits = Literal[4, 5, 6]
_BLOCK_NUMBERS = 2**20  # numbers of a weight that are rounded at a time: bounds the float32 copies
_SHRINKS = (1.0, 0.97, 0.94, 0.91, 0.88, 0.85, 0.8)  # of a group's range, tried in turn


@dataclass(frozen=True)
class GroupedWeight:
    """A weight (out, in) in groups of 32 input channels: weight = scale · value + minimum. The last group may be shorter.

    Raises ParameterError for tensors of another shape or dtype.
    """

    values: Tensor  # (out, in) uint8, one number per byte, 0 to 2^bits - 1
    scale: Tensor  # (out, groups) float16; groups = in / 32, rounded up
    minimum: Tensor  # (out, groups) float16
    bits: GroupBits

    def __post_init__(self) -> None:
        if self.bits not in (4, 5, 6):
            raise ParameterError(f"bits={self.bits!r} must be 4, 5 or 6")
        if self.values.dim() != 2 or self.values.dtype != torch.uint8:
            raise ParameterError(f"values {tuple(self.values.shape)} {self.values.dtype}: expected (out, in) torch.uint8")
        wanted = len(self.values), -(-self.values.shape[1] // GROUP)
        for name, found in (("scale", self.scale), ("minimum", self.minimum)):
            if tuple(found.shape) != wanted or found.dtype != torch.float16:
                raise ParameterError(f"{name} {tuple(found.shape)} {found.dtype}: expected {wanted} torch.float16")

    @property
    def shape(self) -> torch.Size:
        return self.values.shape

    def dequantize(self) -> Tensor:
        """The weight (out, in) in float32."""
        scale, minimum = (
            part.float().repeat_interleave(GROUP, 1)[:, : self.values.shape[1]] for part in (self.scale, self.minimum)
        )
        return self.values.float() * scale + minimum


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


def round_to_groups(weight: Tensor, bits: GroupBits = 4) -> GroupedWeight:
    """(out, in) of any float dtype → the nearest numbers, with the range of each group that gives the smallest squared error."""
    out, size = weight.shape
    groups = -(-size // GROUP)
    values = torch.empty(out, size, dtype=torch.uint8, device=weight.device)
    scale = torch.empty(out, groups, dtype=torch.float16, device=weight.device)
    minimum = torch.empty_like(scale)
    count = max(1, _BLOCK_NUMBERS // size)
    for start in range(0, out, count):
        rows = slice(start, start + count)
        part = weight[rows].float()
        whole = size // GROUP * GROUP
        for columns, width in ((slice(0, whole), GROUP), (slice(whole, size), size - whole)):  # the last group may be shorter
            if width and columns.stop > columns.start:
                at = slice(columns.start // GROUP, -(-columns.stop // GROUP))
                found, scale[rows, at], minimum[rows, at] = _round_block(part[:, columns].unflatten(1, (-1, width)), 2**bits - 1)
                values[rows, columns] = found.flatten(1)
    return GroupedWeight(values, scale, minimum, bits)


def _round_block(part: Tensor, largest: int) -> tuple[Tensor, Tensor, Tensor]:
    """part (rows, groups, numbers) → values of that shape, uint8; scale and minimum (rows, groups) float16."""
    low, high = part.amin(2), part.amax(2)
    middle, half = (low + high) / 2, (high - low) / 2
    best = torch.full_like(low, float("inf"))
    values, scale, minimum = part.to(torch.uint8), low.half(), low.half()
    for shrink in _SHRINKS:
        step = (half * (2 * shrink / largest)).half()
        start = (middle - half * shrink).half()
        divisor = step.float().clamp(min=1e-12)[..., None]
        numbers = ((part - start.float()[..., None]) / divisor).round_().clamp_(0, largest)
        # The scale and minimum that fit these numbers best (least squares).
        mean_n, mean_w = numbers.mean(2, keepdim=True), part.mean(2, keepdim=True)
        centred = numbers - mean_n
        spread = centred.square().sum(2)
        slope = (centred * (part - mean_w)).sum(2) / spread.clamp(min=1e-12)
        fitted = torch.where(spread > 0, slope, step.float()).half()
        offset = (mean_w[..., 0] - fitted.float() * mean_n[..., 0]).half()
        error = (numbers * fitted.float()[..., None] + offset.float()[..., None] - part).square_().sum(2)
        better = error < best
        best = torch.where(better, error, best)
        values = torch.where(better[..., None], numbers.to(torch.uint8), values)
        scale, minimum = torch.where(better, fitted, scale), torch.where(better, offset, minimum)
    return values, scale, minimum
