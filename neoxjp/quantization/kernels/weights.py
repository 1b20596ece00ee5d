"""A weight as network.c wants it, and the product with it alone."""

import ctypes

import torch
from torch import Tensor
from torch.nn import functional as F

from neoxjp.errors import ParameterError
from neoxjp.quantization.kernels.build import library

_GROUP = 16  # output channels that lie side by side
_SMALL = 2**19  # bytes of a weight, times rows, up to which a second thread gains nothing


class Weight(ctypes.Structure):
    """`Weight` of network.c."""

    _fields_ = (("values", ctypes.c_void_p), ("scale", ctypes.c_void_p))


def most() -> int:
    """The largest magnitude of an int8 weight whose sums are exact on this processor: 127, or 64. Raises NativeUnavailable."""
    return int(library().neoxjp_most())


class NativeWeight:
    """The weight (out_features, in_features) of a linear without a bias, laid out for network.c.

    Raises NativeUnavailable where that cannot be built here.
    """

    def __init__(self, values: Tensor, scale: Tensor | None = None) -> None:
        """values: float16, or int8 of at most `most()` with scale (out_features,) float32."""
        offset = library().neoxjp_offset()
        self.out_features, self.in_features = values.shape
        self.scale = scale
        if scale is None:
            groups = _filled(values, 1).view(-1, _GROUP, self.in_features)
            self.values = groups.transpose(1, 2).contiguous()  # (out / 16, in, 16)
            return
        filled = _filled(values, 4)
        fours = filled.view(-1, _GROUP, filled.shape[1] // 4, 4).transpose(1, 2)  # (out / 16, in / 4, 16, 4)
        # A byte without its sign counts from the offset on: 128 turns the sign bit, 64 is added.
        self.values = fours.contiguous().add_(offset - 128).view(torch.uint8).bitwise_xor_(128)

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
        x, rows = x.contiguous(), len(x)
        out = x.new_empty(rows, self.out_features)
        threads = 1 if rows * self.values.nbytes < _SMALL else torch.get_num_threads()
        weight = self.pointers()
        sizes = self.in_features, self.out_features
        check(library().neoxjp_linear(ctypes.addressof(weight), *sizes, x.data_ptr(), rows, out.data_ptr(), threads))
        return out


def check(failed: int) -> None:
    """Raise what a function of network.c came back with."""
    if failed:
        raise MemoryError("no memory for the layers of a forward")


def _filled(values: Tensor, columns: int) -> Tensor:
    """With zeros up to whole groups of rows and of so many columns; as it is where that is given."""
    missing = (0, -values.shape[1] % columns, 0, -values.shape[0] % _GROUP)
    return F.pad(values, missing) if any(missing) else values
