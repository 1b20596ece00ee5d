"""Rotary positions (arXiv 2104.09864), with rotate-half as in GPT-NeoX: for batches, and from a table. Knows no config."""

import functools
from typing import NamedTuple

import torch
from torch import Tensor


class Rope(NamedTuple):
    """The rotation of each position: cosines and sines, (B or 1, T, R) float32, R = `rotary_ndims`."""

    cos: Tensor
    sin: Tensor


def rope(positions: Tensor, ndims: int, base: float) -> Rope:
    """Angles for `positions` (B or 1, T) int64. Always float32: half precision cannot tell late positions apart."""
    exponents = torch.arange(0, ndims, 2, dtype=torch.float32, device=positions.device) / max(ndims, 1)
    angles = positions[..., None].float() * (1.0 / base**exponents)
    angles = torch.cat((angles, angles), dim=-1)  # (B, T, R)
    return Rope(angles.cos(), angles.sin())


def rotate(x: Tensor, angles: Rope) -> Tensor:
    """Rotate the first R numbers of each head by position. `x` (B, T, …, D) → the same shape, float32 or 64."""
    ndims = angles.cos.shape[-1]
    shape = (*angles.cos.shape[:2], *[1] * (x.dim() - 3), ndims)
    cos, sin = angles.cos.view(shape), angles.sin.view(shape)
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    turned, rest = x[..., :ndims], x[..., ndims:]
    first, second = turned[..., : ndims // 2], turned[..., ndims // 2 :]
    turned = turned * cos + torch.cat((-second, first), dim=-1) * sin
    return torch.cat((turned, rest), dim=-1) if rest.shape[-1] else turned


@functools.lru_cache(maxsize=8)
def rope_table(length: int, ndims: int, base: float, head_dim: int, device: torch.device) -> Rope:
    """Cosines and sines of positions 0 … length - 1 for queries, keys and values together, (length, 1, 3, D) float32 each.

    For `rotate_qkv`: the sines of the first half are negated as rotate-half needs it, and numbers that are not rotated (values,
    the rest of a head) have cosine 1 and sine 0.
    """
    with torch.inference_mode(False):
        angles = rope(torch.arange(length, device=device)[None], ndims, base)
        cos = torch.ones(length, 1, 3, head_dim, dtype=torch.float32, device=device)
        sin = torch.zeros(length, 1, 3, head_dim, dtype=torch.float32, device=device)
        cos[:, 0, :2, :ndims] = angles.cos[0, :, None]
        sin[:, 0, :2, :ndims] = angles.sin[0, :, None]
        sin[..., : ndims // 2].neg_()
    return Rope(cos, sin)


def rotate_qkv(qkv: Tensor, angles: Rope, ndims: int) -> Tensor:
    """`rotate` for queries, keys and values (N, H, 3, D) at once, with rows of `rope_table` (N, 1, 3, D); float32."""
    qkv = qkv.to(torch.promote_types(qkv.dtype, torch.float32))
    if not ndims:
        return qkv
    half = ndims // 2
    if ndims == qkv.shape[-1]:
        other = qkv.roll(half, -1)
    else:
        other = torch.cat([qkv[..., half:ndims], qkv[..., :half], qkv[..., ndims:]], -1)
    # Separate operations: a fused multiply-add would round differently at the end of vectorised loops.
    return (qkv * angles.cos).add_(other.mul_(angles.sin))
