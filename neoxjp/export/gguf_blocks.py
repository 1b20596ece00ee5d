"""The numbers of a quantized folder as blocks of GGUF, without rounding them again: a scale and 32 numbers each.

4 bits are IQ4_NL, whose grid they have; 5 bits Q5_0; 6 bits and int8 Q8_0. Scales become float16 there: those of groups are a
power of two times theirs, which is exact but for the smallest, those of int8 rows are rounded. The layouts are from
https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h.
"""

import torch
from torch import Tensor

from neoxjp.quantization import GROUP, GroupedWeight, Int8Weight

TYPES = {4: "IQ4_NL", 5: "Q5_0", 6: "Q8_0", 8: "Q8_0"}  # bits → GGUF's type


def to_blocks(weight: GroupedWeight | Int8Weight) -> Tensor:
    """(out, in) → the bytes of each row's blocks, (out, bytes) uint8. The input channels are a multiple of 32."""
    out, size = weight.shape
    blocks = weight.values.view(out, size // GROUP, GROUP)
    if isinstance(weight, Int8Weight):
        return _joined(weight.scale[:, None].expand(out, size // GROUP), blocks)
    scale = weight.scale.float()
    if weight.bits == 6:
        return _joined(scale / 32, blocks.to(torch.int8) - 32)
    low = blocks & 15
    nibbles = low[..., :16] | (low[..., 16:] << 4)
    if weight.bits == 4:
        return _joined(scale / 128, nibbles)
    fifth = (blocks >> 4).view(out, -1, 4, 8) << torch.arange(8, dtype=torch.uint8)
    return _joined(scale / 16, fifth.sum(3, dtype=torch.uint8), nibbles)


def _joined(scale: Tensor, *parts: Tensor) -> Tensor:
    """The float16 scale before the parts (out, blocks, bytes) of each block."""
    first = scale.half()[..., None].contiguous().view(torch.uint8)
    return torch.cat([first, *(part.contiguous().view(torch.uint8) for part in parts)], 2).flatten(1)
