"""Linears with packed weights: fp16 with float32 activations, int8, or 4 to 6 bits; and the choice of a kernel on this machine.

Packed weights are for inference on one device: no gradients, no state dict. int8 is symmetric: each output channel of the weight
has one scale, each **row** of the activations its own (LLM.int8(), arXiv 2208.07339, calls this vector-wise), and sums are whole
numbers: a row's result does not depend on its neighbours, bit for bit. The kernels are ours in C (kernels/), which need a C
compiler, fbgemm's (github.com/pytorch/FBGEMM), which give the same numbers, and torch's.

int4 is a grid of 16 numbers with one scale per group of 32 input channels (grouped_weight.py), activations as with int8. Only our
kernels multiply with it; elsewhere it is unpacked to int8.
"""

import functools
import warnings
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neoxjp.errors import ParameterError
from neoxjp.quantization.grouped_weight import GRIDS, GROUP, GroupedWeight, Int8Weight, round_to_groups
from neoxjp.quantization.kernels import NativeUnavailable, NativeWeight, qmax, round_groups

Format = Literal["float16", "int8", "int6", "int5", "int4"]
GROUPED: tuple[Format, ...] = ("int4", "int5", "int6")
_LARGEST_HALF = 65504.0  # the largest fp16 number
BLOCK_NUMBERS = 2**20  # numbers of a weight that are quantized at a time: bounds the float32 copies
Name = Literal["native", "fbgemm", "dynamic", "int_mm", "dequantized"]
_FBGEMM: tuple[Name, ...] = ("fbgemm", "dynamic")  # the kernels whose packed weights are fbgemm's objects
_OF_CPU: tuple[Name, ...] = ("native", *_FBGEMM)


@dataclass(frozen=True)
class Kernel:
    """A kernel for products with packed weights on this machine."""

    name: Name
    limit: int = 127  # the largest weight for which its sums are exact
    fallback_reason: str | None = None  # why no better one


@dataclass(frozen=True)
class Packing:
    """How the linears and the other weights of a model are stored."""

    format: Format
    kernel: Kernel
    norm_dtype: torch.dtype  # of the norms and biases, and so of the activations
    embedding_dtype: torch.dtype  # of the embedding


class PackedLinear(nn.Module):
    """x → x · weightᵀ, (…, in_features) → (…, out_features), without a bias. There is no `.weight`."""

    _values: Tensor
    _scale: Tensor

    def __init__(self, weight: Tensor | Int8Weight | GroupedWeight, packing: Packing) -> None:
        """Pack a weight (out_features, in_features), which is not changed.

        weight: of any float dtype, rounded here to the packing's format; or already in numbers, then in their format.
        """
        super().__init__()
        self.out_features, self.in_features = weight.shape
        if isinstance(weight, Tensor):
            weight = weight.detach()
            if packing.format == "int4":
                fast = packing.kernel.name == "native" and weight.is_cpu
                weight = round_groups(weight) if fast else round_to_groups(weight)
        self.format, self.kernel = _format_of(weight, packing), packing.kernel
        kernel = packing.kernel.name
        self.nbytes = packed_bytes(self.out_features, self.in_features, self.format, kernel)
        own = f"_fbgemm_{'float16' if self.format == 'float16' else 'int8'}" if kernel == "fbgemm" else f"_{kernel}"
        self._multiply = getattr(type(self), own)  # the function, not the method: that would hold the weights in a cycle
        if isinstance(weight, GroupedWeight) and kernel == "native":
            self._packed: Any = NativeWeight(weight)
        elif isinstance(weight, Tensor) and self.format == "float16":
            halves = weight.clamp(-_LARGEST_HALF, _LARGEST_HALF)
            self._packed = NativeWeight(halves.half()) if kernel == "native" else _prepack_fp16(halves)
        else:
            self._pack_int8(_in_int8(weight, packing.kernel.limit))

    def _pack_int8(self, weight: Int8Weight) -> None:
        if self.kernel.name in _OF_CPU:
            self._packed = NativeWeight(weight) if self.kernel.name == "native" else _prepack_int8(weight.values, weight.scale)
        else:
            values = weight.values
            if self.kernel.name == "int_mm":  # cuBLAS takes multiples of 8 only
                values = F.pad(values, (0, -self.in_features % 8, 0, -self.out_features % 8))
            self.register_buffer("_values", values, persistent=False)
            self.register_buffer("_scale", weight.scale, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(…, in_features) → (…, out_features)."""
        return self._multiply(self, x)

    def _native(self, x: Tensor) -> Tensor:
        if x.dim() == 2:
            return self._packed.multiply(x)
        return self._packed.multiply(x.reshape(-1, self.in_features)).view(*x.shape[:-1], self.out_features)

    def _fbgemm_float16(self, x: Tensor) -> Tensor:
        """fbgemm's kernels for one and two rows add up in another order, so the input is padded to more rows."""
        flat = x.reshape(-1, self.in_features)
        rows = flat.shape[0]
        steady = stable_row_count(rows)
        if steady == rows and x.dim() > 1:
            return _product("linear_dynamic_fp16", x, self._packed)
        filled = flat.new_empty(steady, self.in_features)
        filled[:rows] = flat
        filled[rows:] = 0.0
        out = _product("linear_dynamic_fp16", filled, self._packed)
        return out[:rows].view(*x.shape[:-1], self.out_features)

    def _fbgemm_int8(self, x: Tensor) -> Tensor:
        """Rows scaled to ±1 and rounded to steps of 1/127."""
        flat = x if x.dim() == 2 else x.reshape(-1, self.in_features)
        largest = _row_absmax(flat)
        out = _product("linear_with_input_q_dq_qweight_dq_output_fp32", flat / largest, 1 / 127, 128, self._packed).mul_(largest)
        return out if x.dim() == 2 else out.view(*x.shape[:-1], self.out_features)

    def _dynamic(self, x: Tensor) -> Tensor:
        """The same with an operator that scales by the range of the tensor: an added row makes that range [-128/127, 1]."""
        flat = x.reshape(-1, self.in_features)
        largest = _row_absmax(flat)
        pinned = F.pad(flat / largest, (0, 0, 0, 1))
        pinned[-1, :2] = torch.tensor([1.0, -128 / 127])
        out = torch.ops.quantized.linear_dynamic(pinned, self._packed, False)[:-1].mul_(largest)
        return out.view(*x.shape[:-1], self.out_features)

    def _int_mm(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, self.in_features)
        largest = _row_absmax(flat.float())
        values = (flat / largest * 127).round().to(torch.int8)
        values = F.pad(values, (0, -self.in_features % 8))
        rows = len(values)
        if rows < 32 and values.is_cuda:  # cuBLAS takes no fewer than 17
            values = F.pad(values, (0, 0, 0, 32 - rows))
        sums = torch._int_mm(values, self._values.t())[:rows, : self.out_features]
        return (sums * (self._scale * (largest / 127))).to(x.dtype).view(*x.shape[:-1], self.out_features)

    def _dequantized(self, x: Tensor) -> Tensor:
        """The weight is converted to x's dtype for each product; activations are not quantized."""
        return F.linear(x, (self._values * self._scale[:, None]).to(x.dtype))  # unscaled sums can exceed float16

    def _apply(self, fn: Any, recurse: bool = True) -> "PackedLinear":
        """`.to`, `.cuda` and `.float` of a model call this. Only the device may change, and not for weights packed for a CPU."""
        self.check_move(fn)
        scale = None if self.kernel.name in _OF_CPU else self._scale  # stays float32, also while the rest becomes half precision
        super()._apply(fn, recurse)
        if scale is not None:
            self._scale = scale.to(self._scale.device)
        return self

    def check_move(self, fn: Any) -> None:
        """Raise ParameterError if `fn` would move a packed weight to a device or dtype that it cannot have."""
        if self.kernel.name not in _OF_CPU:
            return
        moved = fn(torch.empty(0, dtype=torch.float32))
        if moved.device.type != "cpu":
            raise ParameterError(
                f"weights packed as {self.format} stay on the CPU: load the model again with device_map for another device."
            )
        if moved.dtype != torch.float32:
            raise ParameterError(
                f"weights packed as {self.format} are multiplied with float32 activations: load the model again with "
                f"dtype={str(moved.dtype).removeprefix('torch.')!r} for others."
            )

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, {self.format}, {self.kernel.name}"


def _format_of(weight: Tensor | Int8Weight | GroupedWeight, packing: Packing) -> Format:
    if isinstance(weight, GroupedWeight):
        return GROUPED[weight.bits - 4]
    return "int8" if isinstance(weight, Int8Weight) else packing.format


def packed_bytes(out: int, size: int, format: Format, kernel: Name = "native") -> int:
    """Bytes of a packed weight (out, size), without an int8's scales."""
    if format in GROUPED and kernel == "native":
        return out * -(-size // GROUP) * (GROUP * int(format[3]) // 8 + 2)
    return out * size * (2 if format == "float16" else 1)


def _in_int8(weight: Tensor | Int8Weight | GroupedWeight, limit: int) -> Int8Weight:
    """One scale per row, and values of at most `limit`."""
    if isinstance(weight, Int8Weight) and max(-int(weight.values.min()), int(weight.values.max())) <= limit:
        return weight
    return Int8Weight(*quantize(weight if isinstance(weight, Tensor) else weight.dequantize(), limit))


def _product(name: str, *arguments: Any) -> Tensor:
    """The result of one of torch's quantized operators.

    torch checks whether an argument overrides operators, which for a packed weight throws and catches an exception: 8 of the 10
    µs of overhead of such a call. Nothing here overrides operators, so the check is turned off.
    """
    with getattr(torch._C, "DisableTorchFunctionSubclass", nullcontext)():
        return _operator(name)(*arguments)


@functools.cache
def _operator(name: str) -> Any:
    """The operator without its Python wrapper, which takes 2 µs."""
    packet = getattr(torch.ops.quantized, name)
    return getattr(packet, "_op", packet)


def _row_absmax(x: Tensor) -> Tensor:
    """The largest magnitude of each row, (rows, 1); a tiny number for a row of zeros, to divide by."""
    return x.abs().amax(1, keepdim=True).clamp_(min=1e-30)


def quantize(weight: Tensor, limit: int = 127) -> tuple[Tensor, Tensor]:
    """(out, in) of any float dtype → int8 values of that shape in [-limit, limit], and each row's float32 scale (out,)."""
    values = torch.empty(weight.shape, dtype=torch.int8, device=weight.device)
    scale = torch.empty(len(weight), dtype=torch.float32, device=weight.device)
    count = max(1, BLOCK_NUMBERS // weight.shape[1])
    for start in range(0, len(weight), count):
        rows = slice(start, start + count)
        part = weight[rows].float()
        scale[rows] = part.abs().amax(1).clamp_(min=1e-30) / limit
        values[rows] = (part / scale[rows, None]).round_().to(torch.int8)
    return values, scale


def available_kernels() -> dict[str, str]:
    """The kernel of each packed format on this machine's CPU, as text."""
    half = fp16_kernel()
    plain = f"plain torch linears (no packed weights: {half})"
    return {
        "float16": plain if isinstance(half, str) else describe_kernel("float16", half),
        "int8": describe_kernel("int8", int8_kernel("cpu")),
        "int4": describe_kernel("int4", int4_kernel("cpu")),
    }


def describe_kernel(format: Format, kernel: Kernel) -> str:
    """One line of text: the kernel, and why no better one."""
    if format in GROUPED:
        if kernel.name == "native":
            return f"{format} weights in groups of {GROUP}, int8 activations (native)"
        return f"{format} weights, unpacked to int8: slower, and twice the memory; {describe_kernel('int8', kernel)}"
    how = {
        ("float16", "native"): "float16 weights, float32 activations (native)",
        ("int8", "native"): "int8 weights and activations (native)",
        ("float16", "fbgemm"): "float16 weights, float32 activations (fbgemm)",
        ("int8", "fbgemm"): "int8 weights and activations (fbgemm)",
        ("int8", "dynamic"): "int8 weights and activations (torch's quantized linear)",
        ("int8", "int_mm"): "int8 weights and activations (torch._int_mm)",
        ("int8", "dequantized"): "int8 weights, dequantized for each product (torch)",
    }[format, kernel.name]
    notes = [f"weights of 7 bits: this processor's sums of 8 × 8 bits overflow (limit {kernel.limit})"] * (kernel.limit < 127)
    notes += [kernel.fallback_reason] if kernel.fallback_reason else []
    return "; ".join([how, *notes])


@functools.cache
def fp16_kernel() -> Kernel | str:
    """The best kernel for packed fp16 on this CPU, found by testing; or why there is none."""
    refused: list[str] = []
    names: tuple[Name, ...] = ("native", "fbgemm")
    for name in names:
        why = _check_fp16_kernel(name)
        if why is None:
            return Kernel(name, fallback_reason="; ".join(refused) or None)
        refused.append(f"{name}: {why}")
    return "; ".join(refused)


def _check_fp16_kernel(name: Name) -> str | None:
    """The error of a kernel on a small product that is exact in any order; None if it is correct."""
    weight = torch.arange(-64.0, 64.0, dtype=torch.float32).repeat(24, 2)
    x = torch.arange(-8.0, 8.0, dtype=torch.float32).repeat(5, 16)
    try:
        found = PackedLinear(weight, Packing("float16", Kernel(name), torch.float32, torch.float32))(x)
    except (NativeUnavailable, RuntimeError, AttributeError, NotImplementedError) as error:
        return _first_line(error)
    return None if torch.equal(found, x @ weight.t()) else "its product is wrong here"


@functools.cache
def stable_row_count(rows: int) -> int:
    """The smallest number of rows, from `rows` on, for which fbgemm's fp16 product adds up as usual: 1 → 3 with AVX2."""
    row, packed, wanted = _order_probe()
    for count in range(rows, rows + 8):
        if bool((torch.ops.quantized.linear_dynamic_fp16(row.repeat(count, 1), packed) == wanted).all()):
            return count
    return rows


@functools.cache
def _order_probe() -> tuple[Tensor, Any, Tensor]:
    """A row, a packed weight and their product in the order of the six-row kernel; another order gives another rounding."""
    draw = torch.Generator().manual_seed(0)
    row = torch.randn(1, 256, generator=draw)
    packed = torch.ops.quantized.linear_prepack_fp16(torch.randn(64, 256, generator=draw), None)
    return row, packed, torch.ops.quantized.linear_dynamic_fp16(row.repeat(6, 1), packed)[:1]


@functools.cache
def int8_kernel(device: str) -> Kernel:
    """The best int8 kernel on a device ("cpu", "cuda") with exact sums, found by testing.

    Without VNNI, AVX2 adds two products of 8 × 8 bits in 16 bits and saturates. There weights have 7 bits, and the activations,
    whose outliers need the range more, keep 8.
    """
    return _first_exact((*_OF_CPU, "int_mm") if device == "cpu" else ("int_mm",), device, [])


@functools.cache
def int4_kernel(device: str) -> Kernel:
    """The kernel for groups of 4, 5 and 6 bits on a device: ours, found by testing; else they are unpacked for one of int8."""
    kernel = int8_kernel(device)
    problem = _check_group_kernel() if kernel.name == "native" else None
    return kernel if problem is None else _first_exact((*_FBGEMM, "int_mm"), device, [f"native: {problem}"])


def _first_exact(names: tuple[Name, ...], device: str, refused: list[str]) -> Kernel:
    """The first of these int8 kernels with exact sums; `refused` are those that were tried before, and why."""
    for name in names:
        for limit in _limits(name):
            why = _check_int8_kernel(name, limit, device)
            if why is None:
                return Kernel(name, limit, "; ".join(refused) or None)
        refused.append(f"{'torch._int_mm' if name == 'int_mm' else name}: {why}")
    return Kernel("dequantized", 127, "; ".join(refused))


def _check_group_kernel() -> str | None:
    """The error of our kernels on products that are exact in any order; None if they are correct."""
    x = torch.tensor([127.0, -127.0, 1.0, 0.0, -64.0]).repeat(5, 26)[:, :128].clone()
    x[:, 0], x[3] = 127.0, -x[3]
    for bits in GRIDS:
        values = torch.arange(48 * 128).remainder_(1 << bits).to(torch.uint8).view(48, 128)
        weight = GroupedWeight(values, torch.full((48, 4), 0.5, dtype=torch.float16), bits)  # type: ignore[arg-type]
        try:
            found = NativeWeight(weight).multiply(x)
        except (NativeUnavailable, RuntimeError) as error:
            return _first_line(error)
        if not torch.allclose(found, x @ weight.dequantize().t(), rtol=1e-6, atol=1e-3):
            return f"its products with {bits} bits are wrong here"
    return None


def _limits(name: Name) -> tuple[int, ...]:
    try:
        return (qmax(),) if name == "native" else (127, 64)
    except NativeUnavailable:
        return (127,)  # the test of the kernel gives the reason


def _check_int8_kernel(name: Name, limit: int, device: str) -> str | None:
    """The error of a kernel on the largest possible sums, rows of ±127 with weights of ±limit; None if it is correct."""
    weight = torch.full((64, 256), float(limit), dtype=torch.float32, device=device)
    weight[1::2] *= -1
    weight[2::4, ::2] *= -1
    x = torch.full((40, 256), 127.0, dtype=torch.float32, device=device)
    x[1::2] *= -1
    try:
        linear = PackedLinear(weight, Packing("int8", Kernel(name, limit), torch.float32, torch.float32))
        for rows in (1, 40):
            wanted = (x[:rows].double() @ weight.double().t()).float()
            if not torch.allclose(linear(x[:rows]), wanted, rtol=1e-5, atol=1.0):
                return "its sums overflow here"
    except (NativeUnavailable, RuntimeError, AttributeError, NotImplementedError) as error:
        return _first_line(error)
    return None


def _prepack_fp16(weight: Tensor) -> Any:
    return torch.ops.quantized.linear_prepack_fp16(weight.float().contiguous(), None)


def _prepack_int8(values: Tensor, scale: Tensor) -> Any:
    with warnings.catch_warnings():
        # torch.ao's quantized tensors are to go, fbgemm's packed weights can be made from nothing else yet.
        warnings.filterwarnings("ignore", message=".*[Qq]uant.*deprecat.*|.*deprecat.*[Qq]uant.*|.*TypedStorage is deprecated.*")
        zeros = torch.zeros(len(scale), dtype=torch.int64)
        quantized = torch._make_per_channel_quantized_tensor(values, scale.double(), zeros, 0)
        return torch.ops.quantized.linear_prepack(quantized, None)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
