"""A packed weight as the kernels read it, and the product with it alone."""

import ctypes

import torch
from torch import Tensor
from torch.nn import functional as F

from neoxjp.errors import ParameterError
from neoxjp.quantization.kernels.build import library

_PANEL = 16  # output channels that lie side by side
_ONE_THREAD_BYTES = 2**19  # of a weight, times rows: up to here a second thread gains nothing

WORKSPACE_TOO_SMALL = 1
_PROBLEMS = {
    WORKSPACE_TOO_SMALL: "the workspace is too small",
    2: "a cache has no room for the new tokens",
    3: "a row is out of range",
    4: "a position is beyond the rotary table",
    5: "the weight has too many input channels: sums would not fit 32 bits",
    6: "a cache has an unknown format",
}


class Weight(ctypes.Structure):
    """`Weight` of network.c."""

    _fields_ = (("values", ctypes.c_void_p), ("scale", ctypes.c_void_p))


def qmax() -> int:
    """The largest magnitude of an int8 weight whose sums are exact on this processor: 127, or 64. Raises NativeUnavailable."""
    return int(library().neoxjp_qmax())


class NativeWeight:
    """The weight (out_features, in_features) of a linear layer without a bias, in the layout of the kernels.

    Raises NativeUnavailable where they cannot be built here, ParameterError for more input channels than exact sums allow.
    """

    def __init__(self, values: Tensor, scale: Tensor | None = None) -> None:
        """values: float16, or int8 of at most `qmax()` with scale (out_features,) float32."""
        kernels = library()
        self.out_features, self.in_features = values.shape
        self.scale = scale
        if scale is None:
            panels = _pad(values, 1).view(-1, _PANEL, self.in_features)
            self.values = panels.transpose(1, 2).contiguous()  # (out / 16, in, 16)
            return
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
        self.values = fours.contiguous().add_(kernels.neoxjp_zero_point() - 128).view(torch.uint8).bitwise_xor_(128)
        self.scale = scale.contiguous()

    def pointers(self) -> Weight:
        """Where it lies, for as long as this object lives."""
        return Weight(self.values.data_ptr(), None if self.scale is None else self.scale.data_ptr())

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


def _pad(values: Tensor, columns: int) -> Tensor:
    """With zeros up to whole panels of rows and a multiple of `columns`; as it is where that is given."""
    missing = (0, -values.shape[1] % columns, 0, -values.shape[0] % _PANEL)
    return F.pad(values, missing) if any(missing) else values
