"""Rounding a weight to groups with calibration: which numbers and scales keep the layer's output closest.

`round_with_feedback` goes through the input channels in order and corrects the later ones for the error made so far (GPTQ, arXiv
2210.17323). Unlike GPTQ it searches each group's scale when it arrives there, with each channel's error counted by how large its
activations are (as llama.cpp's importance matrix does). `round_to_groups`, in grouped_weight.py, needs no calibration.
"""

import torch
from torch import Tensor

from neoxjp.errors import ParameterError
from neoxjp.quantization.grouped_weight import GRIDS, GROUP, GroupBits, GroupedWeight, Int8Weight, nearest
from neoxjp.quantization.packed_linear import quantize

_SHRINKS = (1.05, 1.0, 0.95, 0.9, 0.85, 0.8, 0.75)  # of a group's range, tried in turn at either end of the grid
_FITS = 1  # least-squares fits of the scale from each of them
_BLOCK = 128  # input channels whose errors are passed on together; a multiple of GROUP
DAMPING = 0.003  # of the mean of the second moments, added to each: so that few tokens do not decide alone
_UNIT = 128.0  # weight = scale · GRIDS[bits][number] / 128


def round_to_int8(weight: Tensor) -> Int8Weight:
    """(out, in) of any float dtype → the nearest numbers, each row with the scale that its largest weight needs."""
    return Int8Weight(*quantize(weight))


def search_scale(weight: Tensor, bits: GroupBits, importance: Tensor) -> Tensor:
    """The scale of each group with the smallest error.

    Args:
        weight: (groups, size) float32.
        importance: what an error counts, (1 or groups, size).
    Returns:
        (groups, 1) float32, exact in float16.
    """
    grid = _grid(bits)
    extreme = weight.gather(1, weight.abs().argmax(1, keepdim=True))
    best = torch.full_like(extreme, torch.inf)
    found = torch.ones_like(extreme)
    for end in (float(grid[0]), float(grid[-1])):  # the extreme weight becomes the first or the last number of the grid
        for shrink in _SHRINKS:
            scale = _exact(extreme * shrink / end)
            for fit in range(_FITS + 1):
                numbers = grid[nearest(weight / scale * _UNIT, bits).long()]
                error = (importance * (numbers * scale - weight).square_()).sum(1, keepdim=True)
                better = error < best
                best = torch.where(better, error, best)
                found = torch.where(better, scale, found)
                if fit < _FITS:
                    part = importance * numbers
                    scale = _exact((part * weight).sum(1, keepdim=True) / (part * numbers).sum(1, keepdim=True).clamp(min=1e-30))
    return found


def feedback_factor(moments: Tensor, damping: float = DAMPING) -> Tensor:
    """How an error in one input channel is best compensated in the following ones: for `round_with_feedback`, with any bits.

    Args:
        moments: (in, in) the mean of xᵀx over the activations x of the layer.
    Returns:
        The upper Cholesky factor of the inverse, (in, in) float32.
    """
    mean = float(moments.diagonal().mean()) or 1.0
    while True:
        factor = moments.float().clone()
        factor.diagonal().add_(damping * mean)
        try:
            torch.linalg.cholesky(factor, out=factor)
            torch.cholesky_inverse(factor, out=factor)
            return torch.linalg.cholesky(factor, upper=True, out=factor)
        except torch.linalg.LinAlgError:  # too few different activations for float32
            if damping > 1:
                raise
            damping *= 10


def round_with_feedback(weight: Tensor, bits: GroupBits, importance: Tensor, factor: Tensor) -> GroupedWeight:
    """Numbers chosen channel by channel; each channel's error is compensated in the following ones.

    Args:
        weight: (out, in) of any float dtype; in is a multiple of 32.
        importance: (in,) the mean square of each input channel's activations.
        factor: from `feedback_factor`.
    """
    out, size = weight.shape
    if size % GROUP:
        raise ParameterError(f"a weight of {size} input channels has no whole groups of {GROUP}: keep it at 8 bits")
    grid = _grid(bits)
    left = weight.float().clone()  # the weights with the corrections for all errors so far
    channels = importance.float().clamp(min=float(importance.mean()) * 1e-6 + 1e-30)
    values = torch.empty(out, size, dtype=torch.uint8)
    scales = torch.empty(out, size // GROUP, dtype=torch.float16)
    for start in range(0, size, _BLOCK):
        stop = min(start + _BLOCK, size)
        block = left[:, start:stop].t().contiguous()  # (channels, out): a channel is contiguous
        errors = torch.empty_like(block)
        for first in range(0, stop - start, GROUP):
            at = slice(start + first, start + first + GROUP)
            scale = search_scale(block[first : first + GROUP].t().contiguous(), bits, channels[at][None])[:, 0]
            scales[:, at.start // GROUP] = scale.half()
            for place in range(first, first + GROUP):
                channel = start + place
                numbers = nearest(block[place] / scale * _UNIT, bits)
                values[:, channel] = numbers
                errors[place] = (block[place] - grid[numbers.long()] * scale) / factor[channel, channel]
                block[place + 1 :].addr_(factor[channel, channel + 1 : stop], errors[place], alpha=-1)
        left[:, stop:].addmm_(errors.t(), factor[start:stop, stop:], alpha=-1)
    return GroupedWeight(values, scales, bits)


def _grid(bits: GroupBits) -> Tensor:
    """The numbers of a group with a scale of 1, float32."""
    return torch.as_tensor(GRIDS[bits], dtype=torch.float32) / _UNIT


def _exact(scale: Tensor) -> Tensor:
    """A scale that float16 holds, and by which one can divide."""
    return torch.where(scale.abs() < 6e-8, 6e-8, scale.clamp(-65504, 65504)).half().float()
