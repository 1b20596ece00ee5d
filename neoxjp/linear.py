"""How a linear layer holds its weight: plain, packed fp16 with float32 activations, or int8. Which kernel runs is asked of torch.

Packed weights are for inference on one device: no gradients, no state dict. int8 is symmetric: each output channel of the weight
has one scale, each **row** of the activations its own (LLM.int8(), arXiv 2208.07339, calls this vector-wise), and sums are whole
numbers: a row's result does not depend on its neighbours, bit for bit. The packed formats are fbgemm's
(github.com/pytorch/FBGEMM).
"""

import ctypes
import functools
import sys
import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neoxjp.errors import ParameterError

Format = Literal["float16", "int8"]
QUANTIZATIONS = (None, "int8")
_AT_ONCE = 2**20  # numbers of a weight that are quantized at a time: bounds the float32 copies
_FBGEMM: tuple[Literal["fbgemm", "dynamic"], ...] = ("fbgemm", "dynamic")  # the kernels whose packed weights are fbgemm's objects


@dataclass(frozen=True)
class Kernel:
    """A way to multiply with a packed weight here."""

    name: Literal["fbgemm", "dynamic", "int_mm", "dequantized"]
    limit: int = 127  # the largest weight that its sums hold exactly
    passed_over: str | None = None  # why no better one


@dataclass(frozen=True)
class Packing:
    """What becomes of each linear of a model, and of the rest."""

    format: Format
    kernel: Kernel
    rest: torch.dtype  # of the norms and biases, and so of the activations
    rows: torch.dtype  # of the embedding


def parse_quantization(quantization: str | None) -> Literal["int8"] | None:
    if quantization is None or quantization == "int8":
        return quantization  # type: ignore[return-value]
    raise ParameterError(f"quantization={quantization!r} is not one of {', '.join(map(repr, QUANTIZATIONS))}.")


def packing_for(dtype: torch.dtype | None, quantization: str | None, device: torch.device) -> Packing | None:
    """How linears are packed on `device`; None: they stay plain torch linears of `dtype`.

    float16 is packed on a CPU with fbgemm. int8 is packed everywhere; `dtype` is then the embedding's (None: float16) and, on
    other devices than the CPU, the activations'.
    """
    on_cpu = device.type == "cpu"
    if parse_quantization(quantization) == "int8":
        rows = dtype or torch.float16
        return Packing("int8", int8_kernel(device.type), torch.float32 if on_cpu else rows, rows)
    if dtype == torch.float16 and on_cpu and fp16_refusal() is None:
        return Packing("float16", Kernel("fbgemm"), torch.float32, torch.float16)
    return None


class PackedLinear(nn.Module):
    """x → x · weightᵀ, (…, in_features) → (…, out_features), without a bias. There is no `.weight`."""

    _values: Tensor
    _scale: Tensor

    def __init__(self, weight: Tensor, packing: Packing) -> None:
        """Pack `weight` (out_features, in_features), of any float dtype and untouched by this."""
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self.format, self.kernel = packing.format, packing.kernel
        self.nbytes = weight.numel() * (2 if packing.format == "float16" else 1)  # without an int8's scales
        weight = weight.detach()
        if packing.format == "float16":
            self._packed = torch.ops.quantized.linear_prepack_fp16(weight.float().contiguous(), None)
            self.forward = self._fp16
            return
        values, scale = quantize(weight, packing.kernel.limit)
        self.forward = getattr(self, f"_{packing.kernel.name}")
        if packing.kernel.name in _FBGEMM:
            self._packed = _prepack_int8(values, scale)
        else:
            self.register_buffer("_values", values, persistent=False)
            self.register_buffer("_scale", scale, persistent=False)

    def _fp16(self, x: Tensor) -> Tensor:
        """fbgemm's kernels for one and two rows add up in another order: rows are filled up to where none of them runs."""
        flat = x.reshape(-1, self.in_features)
        rows = flat.shape[0]
        steady = steady_rows(rows)
        if steady == rows and x.dim() > 1:
            return _product("linear_dynamic_fp16", x, self._packed)
        filled = flat.new_empty(steady, self.in_features)
        filled[:rows] = flat
        filled[rows:] = 0.0
        out = _product("linear_dynamic_fp16", filled, self._packed)
        return out[:rows].view(*x.shape[:-1], self.out_features)

    def _fbgemm(self, x: Tensor) -> Tensor:
        """Rows scaled to ±1 and rounded to steps of 1/127."""
        flat = x if x.dim() == 2 else x.reshape(-1, self.in_features)
        largest = _largest(flat)
        out = _product("linear_with_input_q_dq_qweight_dq_output_fp32", flat / largest, 1 / 127, 128, self._packed).mul_(largest)
        return out if x.dim() == 2 else out.view(*x.shape[:-1], self.out_features)

    def _dynamic(self, x: Tensor) -> Tensor:
        """The same where the step is taken from the range of the whole tensor: one more row makes that range [-128/127, 1]."""
        flat = x.reshape(-1, self.in_features)
        largest = _largest(flat)
        pinned = F.pad(flat / largest, (0, 0, 0, 1))
        pinned[-1, :2] = torch.tensor([1.0, -128 / 127])
        out = torch.ops.quantized.linear_dynamic(pinned, self._packed, False)[:-1].mul_(largest)
        return out.view(*x.shape[:-1], self.out_features)

    def _int_mm(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, self.in_features)
        largest = _largest(flat.float())
        values = (flat / largest * 127).round().to(torch.int8)
        rows = len(values)
        if rows < 32 and values.is_cuda:  # cuBLAS takes no fewer than 17
            values = F.pad(values, (0, 0, 0, 32 - rows))
        sums = torch._int_mm(values, self._values.t())[:rows]
        return (sums * (self._scale * (largest / 127))).to(x.dtype).view(*x.shape[:-1], self.out_features)

    def _dequantized(self, x: Tensor) -> Tensor:
        """The weight is brought back to x's dtype each time; activations are not rounded."""
        return F.linear(x, self._values.to(x.dtype)) * self._scale.to(x.dtype)

    def _apply(self, fn: Any, recurse: bool = True) -> "PackedLinear":
        """`.to`, `.cuda`, `.float` of the model come here; only the device may change, and not of fbgemm's objects."""
        self.check_move(fn)
        super()._apply(fn, recurse)
        if self.kernel.name not in _FBGEMM:
            self._scale = self._scale.float()
        return self

    def check_move(self, fn: Any) -> None:
        if self.kernel.name in _FBGEMM and fn(torch.empty(0)).device.type != "cpu":
            raise ParameterError(
                f"weights packed as {self.format} stay on the CPU: load the model again with device_map for another device."
            )

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, {self.format}, {self.kernel.name}"


def _product(name: str, *arguments: Any) -> Tensor:
    """What one of torch's quantized operators gives.

    torch asks each argument whether it overrides operators, which the object of a packed weight answers by an exception thrown
    and caught: 8 of the 10 µs that such a call takes of itself. Nothing here overrides any.
    """
    with getattr(torch._C, "DisableTorchFunctionSubclass", nullcontext)():
        return _operator(name)(*arguments)


@functools.cache
def _operator(name: str) -> Any:
    """The operator without the Python around it, which takes 2 µs."""
    packet = getattr(torch.ops.quantized, name)
    return getattr(packet, "_op", packet)


def _largest(x: Tensor) -> Tensor:
    """The largest magnitude of each row, (rows, 1); a row of zeros gets a tiny number to divide by."""
    return x.abs().amax(1, keepdim=True).clamp_(min=1e-30)


def quantize(weight: Tensor, limit: int = 127) -> tuple[Tensor, Tensor]:
    """(out, in) of any float dtype → int8 values of that shape in [-limit, limit], and each row's float32 scale (out,)."""
    values = torch.empty(weight.shape, dtype=torch.int8, device=weight.device)
    scale = torch.empty(len(weight), dtype=torch.float32, device=weight.device)
    count = max(1, _AT_ONCE // weight.shape[1])
    for start in range(0, len(weight), count):
        rows = slice(start, start + count)
        part = weight[rows].float()
        scale[rows] = part.abs().amax(1).clamp_(min=1e-30) / limit
        values[rows] = (part / scale[rows, None]).round_().to(torch.int8)
    return values, scale


def pack(model: nn.Module, name: str, weight: Tensor, packing: Packing) -> None:
    """Put a PackedLinear of `weight` in the place of the linear `name`, whose own weight is not looked at."""
    parent = model.get_submodule(name.rpartition(".")[0])
    setattr(parent, name.rpartition(".")[2], PackedLinear(weight, packing).eval())
    if weight.is_cpu and weight.numel() > _AT_ONCE:
        _trim_heap()


def _trim_heap() -> None:
    """Give the pages of freed copies back: glibc keeps the smaller ones in its heap, between the packed weights."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def convert(model: nn.Module, dtype: torch.dtype | None, quantization: str | None = None) -> nn.Module:
    """Change a model (or a layer of one) in memory and in place, linear by linear, each freed before the next is packed.

    dtype: what from_pretrained takes, parsed; None leaves plain weights as they are.
    Raises ParameterError for a model that is packed already, or spread over devices.
    """
    if is_packed(model):
        raise ParameterError("this model's weights are packed already: load it again to have them in another format.")
    devices = {weight.device for weight in model.parameters()}
    if quantization is not None and len(devices) > 1:
        raise ParameterError(spread_refusal(quantization))
    packing = packing_for(dtype, quantization, next(iter(devices))) if len(devices) == 1 else None
    if packing is None:
        return model if dtype is None else model.to(dtype)
    for name in linears(model):
        weight = model.get_submodule(name).weight
        assert isinstance(weight, Tensor)
        pack(model, name, weight, packing)
        del weight
    for module in model.modules():
        for key, weight in module.named_parameters(recurse=False):
            kept = packing.rows if isinstance(module, nn.Embedding) else packing.rest
            setattr(module, key, nn.Parameter(weight.detach().to(kept), requires_grad=False))
    return model


def steady_width(linear: nn.Module, rows: int) -> int:
    """To how many rows a whole forward is best filled up, so that no linear like this one has to do it."""
    return steady_rows(rows) if isinstance(linear, PackedLinear) and linear.format == "float16" else rows


def linears(model: nn.Module) -> list[str]:
    """The names of the plain linears in a model."""
    return [name for name, module in model.named_modules() if type(module) is nn.Linear]


def packed(model: nn.Module) -> Iterator[PackedLinear]:
    return (module for module in model.modules() if isinstance(module, PackedLinear))


def is_packed(model: nn.Module) -> bool:
    return next(packed(model), None) is not None


def rows_are_independent(model: nn.Module) -> bool:
    """Whether a packed forward gives a position the same numbers whatever stands beside it, bit for bit.

    So with fbgemm's and exact integer products on a CPU. Plain products, and int8 brought back to floats, add up in an order that
    hangs on the number of rows.
    """
    kernels = {module.kernel.name for module in packed(model)}
    return bool(kernels) and "dequantized" not in kernels and all(weight.is_cpu for weight in model.parameters())


def spread_refusal(quantization: str) -> str:
    return (
        f"quantization={quantization!r} needs the whole model on one device: packed weights cannot be spread over several or "
        "offloaded. Leave device_map and max_memory out, or name one device."
    )


class _Refusal(torch.autograd.Function):
    """The identity, until somebody asks for gradients."""

    @staticmethod
    def forward(ctx: Any, loss: Tensor, anchor: Tensor) -> Tensor:
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> Any:
        raise ParameterError(NO_GRADIENTS)


NO_GRADIENTS = (
    "packed weights have no gradients: load the model with dtype='float32' or 'bfloat16' and without quantization to train it."
)


def refuse_gradients(loss: Tensor) -> Tensor:
    """The same loss; `.backward()` on it says in words that packed weights have no gradients."""
    return _Refusal.apply(loss, torch.zeros((), requires_grad=True)) if torch.is_grad_enabled() else loss


def describe(model: nn.Module) -> str:
    """Which kernel multiplies, in one line for people, and why no better one: for `neoxjp doctor` and the page."""
    first = next(packed(model), None)
    if first is not None:
        return _said(first.format, first.kernel)
    dtypes = dict.fromkeys(str(weight.dtype).removeprefix("torch.") for weight in model.parameters())
    return f"{', '.join(dtypes)} (torch)"


def available() -> dict[str, str]:
    """What each packed format would run with on this machine's CPU."""
    refused = fp16_refusal()
    return {
        "float16": f"plain torch linears (no packed weights: {refused})" if refused else _said("float16", Kernel("fbgemm")),
        "int8": _said("int8", int8_kernel("cpu")),
    }


def _said(format: Format, kernel: Kernel) -> str:
    how = {
        ("float16", "fbgemm"): "float16 weights, float32 activations (fbgemm)",
        ("int8", "fbgemm"): "int8 weights and activations (fbgemm)",
        ("int8", "dynamic"): "int8 weights and activations (torch's quantized linear)",
        ("int8", "int_mm"): "int8 weights and activations (torch._int_mm)",
        ("int8", "dequantized"): "int8 weights, brought back to floats for each product (torch)",
    }[format, kernel.name]
    notes = [f"weights of 7 bits: this processor's sums of 8 × 8 bits overflow (limit {kernel.limit})"] * (kernel.limit < 127)
    notes += [kernel.passed_over] if kernel.passed_over else []
    return "; ".join([how, *notes])


@functools.cache
def fp16_refusal() -> str | None:
    """Why fbgemm's packed fp16 cannot run here; None where it does."""
    try:
        weight = torch.eye(16)
        packed = torch.ops.quantized.linear_prepack_fp16(weight, None)
        right = torch.equal(torch.ops.quantized.linear_dynamic_fp16(weight, packed), weight)
    except (RuntimeError, AttributeError, NotImplementedError) as error:
        return _first_line(error)
    return None if right else "fbgemm's fp16 product is wrong here"


@functools.cache
def steady_rows(rows: int) -> int:
    """The next count from `rows` on with which fbgemm's fp16 product adds up every row in the same order: 1 → 3 with AVX2."""
    row, packed, wanted = _order_probe()
    for count in range(rows, rows + 8):
        if bool((torch.ops.quantized.linear_dynamic_fp16(row.repeat(count, 1), packed) == wanted).all()):
            return count
    return rows


@functools.cache
def _order_probe() -> tuple[Tensor, Any, Tensor]:
    """A row, a packed weight and their product in the order of the six-row kernel; one that adds otherwise rounds otherwise."""
    draw = torch.Generator().manual_seed(0)
    row = torch.randn(1, 256, generator=draw)
    packed = torch.ops.quantized.linear_prepack_fp16(torch.randn(64, 256, generator=draw), None)
    return row, packed, torch.ops.quantized.linear_dynamic_fp16(row.repeat(6, 1), packed)[:1]


@functools.cache
def int8_kernel(device: str) -> Kernel:
    """The best int8 product on a device ("cpu", "cuda") that gives exact sums, found by trying.

    Without VNNI, AVX2 adds two products of 8 × 8 bits in 16 and saturates: there weights of 7 bits are exact, and the
    activations, whose outliers need the range more, keep their 8.
    """
    refused: list[str] = []
    for name in _FBGEMM if device == "cpu" else ():
        for limit in (127, 64):
            why = _wrong_sums(name, limit, device)
            if why is None:
                return Kernel(name, limit, "; ".join(refused) or None)
        refused.append(f"{name}: {why}")
    for limit in (127, 64):
        why = _wrong_sums("int_mm", limit, device)
        if why is None:
            return Kernel("int_mm", limit, "; ".join(refused) or None)
    return Kernel("dequantized", 127, "; ".join([*refused, f"torch._int_mm: {why}"]))


def _wrong_sums(name: Literal["fbgemm", "dynamic", "int_mm"], limit: int, device: str) -> str | None:
    """What a kernel says or gets wrong on the largest sums there are: rows of ±127 against weights of ±limit."""
    weight = torch.full((64, 256), float(limit), device=device)
    weight[1::2] *= -1
    weight[2::4, ::2] *= -1
    x = torch.full((40, 256), 127.0, device=device)
    x[1::2] *= -1
    try:
        linear = PackedLinear(weight, Packing("int8", Kernel(name, limit), torch.float32, torch.float32))
        for rows in (1, 40):
            wanted = (x[:rows].double() @ weight.double().t()).float()
            if not torch.allclose(linear(x[:rows]), wanted, rtol=1e-5, atol=1.0):
                return "its sums overflow here"
    except (RuntimeError, AttributeError, NotImplementedError) as error:
        return _first_line(error)
    return None


def _prepack_int8(values: Tensor, scale: Tensor) -> Any:
    with warnings.catch_warnings():
        # torch.ao's quantized tensors are to go, fbgemm's packed weights can be made from nothing else yet.
        warnings.filterwarnings("ignore", message=".*[Qq]uant.*deprecat.*|.*deprecat.*[Qq]uant.*|.*TypedStorage is deprecated.*")
        zeros = torch.zeros(len(scale), dtype=torch.int64)
        quantized = torch._make_per_channel_quantized_tensor(values, scale.double(), zeros, 0)
        return torch.ops.quantized.linear_prepack(quantized, None)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
