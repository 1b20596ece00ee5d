"""A packed weight as the kernels read it, and the product with it alone."""

import ctypes

import torch
from torch import Tensor
from torch.nn import functional as F

from neoxjp.errors import ParameterError
from neoxjp.quantization.grouped_weight import ENDS, GRIDS, GROUP, GroupBits, GroupedWeight, Int8Weight
from neoxjp.quantization.kernels.build import NativeUnavailable, library
from neoxjp.quantization.kernels.pages import empty_in_huge_pages

_PANEL = 16  # output channels that lie side by side
_BLOCK = 4  # panels whose groups lie side by side
_ONE_THREAD_BYTES = 2**19  # of a weight, times rows: up to here a second thread gains nothing

WORKSPACE_TOO_SMALL = 1
_PROBLEMS = {
    WORKSPACE_TOO_SMALL: "the workspace is too small",
    2: "a cache has no room for the new tokens",
    3: "a row is out of range",
    4: "a position is beyond the rotary table",
    5: "the weight has too many input channels: sums would not fit 32 bits",
    6: "a cache has an unknown format",
    7: "a weight has another number of bits than 4, 5, 6, 8 or 16",
}


class Weight(ctypes.Structure):
    """`Weight` of network.c."""

    _fields_ = (("values", ctypes.c_void_p), ("scale", ctypes.c_void_p), ("bits", ctypes.c_int64))


def qmax() -> int:
    """The largest magnitude of an int8 weight whose sums are exact on this processor: 127, or 64. Raises NativeUnavailable."""
    return int(library().neoxjp_qmax())


def round_groups(weight: Tensor, bits: GroupBits = 4) -> GroupedWeight:
    """The same as grouped_weight.py's `round_to_groups`, faster, for a weight on the CPU. Raises NativeUnavailable."""
    kernels, plain = library(), weight.float().contiguous()
    out, size = plain.shape
    values = torch.empty(out, size, dtype=torch.uint8)
    scale = torch.empty(out, -(-size // GROUP), dtype=torch.float16)
    grid, ends = torch.tensor(GRIDS[bits], dtype=torch.float32), torch.tensor(ENDS, dtype=torch.float32)
    tables = grid.data_ptr(), bits, ends.data_ptr(), len(ends)
    threads = torch.get_num_threads()
    check(kernels.neoxjp_round_groups(plain.data_ptr(), out, size, *tables, values.data_ptr(), scale.data_ptr(), threads))
    return GroupedWeight(values, scale, bits)


class NativeWeight:
    """The weight (out_features, in_features) of a linear layer without a bias, in the layout of the kernels (gemm.h).

    Raises NativeUnavailable where they cannot be built here, ParameterError for more input channels than exact sums allow.
    """

    def __init__(self, weight: Tensor | Int8Weight | GroupedWeight) -> None:
        """weight: float16, or int8 of at most `qmax()`, or groups."""
        kernels = library()
        self.out_features, self.in_features = weight.shape
        self.scale: Tensor | None = None
        self._zero_point = kernels.neoxjp_zero_point()  # of int8: it depends on the processor
        if isinstance(weight, GroupedWeight):
            self.bits: int = weight.bits
            self.values = _group_blocks(weight)
            return
        if isinstance(weight, Tensor):
            self.bits = 16
            panels = _pad(weight, 1).view(-1, _PANEL, self.in_features)
            self.values = empty_in_huge_pages((len(panels), self.in_features, _PANEL), torch.float16)
            self.values.copy_(panels.transpose(1, 2))
            return
        self.bits, values, scale = 8, weight.values, weight.scale
        if self.in_features > kernels.neoxjp_max_in():
            raise ParameterError(
                f"an int8 weight of {self.in_features:,} input channels: the kernels add up to {kernels.neoxjp_max_in():,} "
                "exactly; use float16"
            )
        if scale.shape != (self.out_features,) or scale.dtype != torch.float32:
            raise ParameterError(f"scale {tuple(scale.shape)} {scale.dtype}: expected ({self.out_features},) float32")
        padded = _pad(values, 4)
        fours = padded.view(-1, _PANEL, padded.shape[1] // 4, 4).transpose(1, 2)  # (out / 16, in / 4, 16, 4)
        # Stored without a sign, counted from the zero point: 128 turns the sign bit, 64 is added.
        stored = empty_in_huge_pages(tuple(fours.shape), torch.int8).copy_(fours)
        self.values = stored.add_(self._zero_point - 128).view(torch.uint8).bitwise_xor_(128)
        self.scale = scale.contiguous()

    def pointers(self) -> Weight:
        """Where it lies, for as long as this object lives.

        Raises NativeUnavailable for an int8 weight that was pickled on another processor.
        """
        if self.bits == 8 and library().neoxjp_zero_point() != self._zero_point:
            raise NativeUnavailable("packed for another processor: load the model from its folder instead of a pickle")
        return Weight(self.values.data_ptr(), None if self.scale is None else self.scale.data_ptr(), self.bits)

    def multiply(self, x: Tensor) -> Tensor:
        """x (rows, in_features) → x · weightᵀ (rows, out_features), float32 on the CPU. A row never depends on the others.

        Raises ParameterError for anything else.
        """
        if x.dtype != torch.float32 or not x.is_cpu or x.dim() != 2 or x.shape[1] != self.in_features:
            raise ParameterError(
                f"a packed weight is multiplied with float32 rows of {self.in_features} numbers on the CPU, "
                f"not with {str(x.dtype).removeprefix('torch.')} {tuple(x.shape)} on {x.device.type}."
            )
        kernels, x, rows = library(), x.contiguous(), len(x)
        out = x.new_empty(rows, self.out_features)
        threads = 1 if rows * self.values.nbytes < _ONE_THREAD_BYTES else torch.get_num_threads()
        weight, sizes = self.pointers(), (self.in_features, self.out_features)
        workspace = torch.empty(kernels.neoxjp_linear_workspace(self.in_features, rows), dtype=torch.uint8)
        check(
            kernels.neoxjp_linear(
                *(ctypes.addressof(weight), *sizes, x.data_ptr(), rows, out.data_ptr()),
                *(workspace.data_ptr(), len(workspace), threads),
            )
        )
        return out


def check(problem: int) -> None:
    """Raise what a function of network.c returned. Our own checks come before: this is the last one."""
    if problem:
        raise RuntimeError(f"the kernels refused a call: {_PROBLEMS.get(problem, problem)}")


def _group_blocks(weight: GroupedWeight) -> Tensor:
    """(out / 64, in / 32, bytes of a block): the scales of 64 output channels, then each panel's numbers (gemm.h, simd.h)."""
    values, bits = _pad(weight.values, GROUP, _BLOCK * _PANEL), weight.bits
    blocks, groups = len(values) // (_BLOCK * _PANEL), values.shape[1] // GROUP
    # Of each group eight vectors: (8, blocks, groups, 4 panels, 16 output channels, 4 input channels)
    vectors = values.view(blocks, _BLOCK, _PANEL, groups, 8, 4).permute(4, 0, 3, 1, 2, 5)
    found = empty_in_huge_pages((blocks, groups, _BLOCK * _PANEL * (2 + 4 * bits)), torch.uint8)
    scales, numbers = found[..., : 2 * _BLOCK * _PANEL], found[..., 2 * _BLOCK * _PANEL :]
    padded = _pad(weight.scale, 1, _BLOCK * _PANEL)
    scales.view(torch.float16).copy_(padded.view(blocks, _BLOCK * _PANEL, groups).transpose(1, 2))
    planes = numbers.view(blocks, groups, _BLOCK, bits, _PANEL, 4)
    for n in range(4):
        planes[:, :, :, n] = (vectors[n] & 15) | (vectors[n + 4] << 4)
    per_plane = 8 // (bits - 4) if bits > 4 else 8  # vectors whose upper bits share a plane
    for n in range(bits - 4):
        plane = torch.zeros_like(planes[:, :, :, 0])
        for place, vector in enumerate(vectors[n * per_plane : (n + 1) * per_plane]):
            plane |= (vector >> 4) << (place * (bits - 4))
        planes[:, :, :, 4 + n] = plane
    return found


def _pad(values: Tensor, columns: int, rows: int = _PANEL) -> Tensor:
    """With zeros up to a multiple of `rows` and of `columns`; as it is where that is given."""
    missing = (0, -values.shape[1] % columns, 0, -values.shape[0] % rows)
    return F.pad(values, missing) if any(missing) else values
