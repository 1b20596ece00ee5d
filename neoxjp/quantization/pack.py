"""Packing the linears of a whole model: which format and kernel, tensor by tensor, and what a packed model cannot do.

How one linear holds its weight is in linear.py.
"""

import ctypes
import sys
from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import Tensor, nn

from neoxjp.errors import ParameterError
from neoxjp.quantization.packed_linear import (
    BLOCK_NUMBERS,
    PackedLinear,
    Packing,
    describe_kernel,
    fp16_kernel,
    int8_kernel,
    stable_row_count,
)

QUANTIZATIONS = (None, "int8")


def parse_quantization(quantization: str | None) -> Literal["int8"] | None:
    if quantization is None or quantization == "int8":
        return quantization  # type: ignore[return-value]
    raise ParameterError(f"quantization={quantization!r} is not one of {', '.join(map(repr, QUANTIZATIONS))}.")


def packing_for(dtype: torch.dtype | None, quantization: str | None, device: torch.device) -> Packing | None:
    """How linears are packed on `device`; None: they stay plain torch linears of `dtype`.

    float16 is packed on a CPU, where a kernel for it runs. int8 is packed everywhere; `dtype` is then the embedding's (None:
    float16) and, on other devices than the CPU, the activations'.
    """
    on_cpu = device.type == "cpu"
    if parse_quantization(quantization) == "int8":
        rows = dtype or torch.float16
        return Packing("int8", int8_kernel(device.type), torch.float32 if on_cpu else rows, rows)
    half = fp16_kernel() if dtype == torch.float16 and on_cpu else "not asked for"
    return None if isinstance(half, str) else Packing("float16", half, torch.float32, torch.float16)


def pack_linear(model: nn.Module, name: str, weight: Tensor, packing: Packing) -> None:
    """Put a PackedLinear of `weight` in the place of the linear `name`, whose own weight is not looked at."""
    parent = model.get_submodule(name.rpartition(".")[0])
    setattr(parent, name.rpartition(".")[2], PackedLinear(weight, packing).eval())
    if weight.is_cpu and weight.numel() > BLOCK_NUMBERS:
        _trim_heap()


def _trim_heap() -> None:
    """Give the pages of freed copies back: glibc keeps the smaller ones in its heap, between the packed weights."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def pack_model(model: nn.Module, dtype: torch.dtype | None, quantization: str | None = None) -> nn.Module:
    """Change a model (or a layer of one) in memory and in place, linear by linear, each freed before the next is packed.

    dtype: what from_pretrained takes, parsed; None leaves plain weights as they are.
    Raises ParameterError for a model that is packed already, or spread over devices.
    """
    if is_packed(model):
        raise ParameterError("this model's weights are packed already: load it again to have them in another format.")
    devices = {weight.device for weight in model.parameters()}
    if quantization is not None and len(devices) > 1:
        raise ParameterError(one_device_message(quantization))
    packing = packing_for(dtype, quantization, next(iter(devices))) if len(devices) == 1 else None
    if packing is None:
        return model if dtype is None else model.to(dtype)
    for name in linear_names(model):
        weight = model.get_submodule(name).weight
        assert isinstance(weight, Tensor)
        pack_linear(model, name, weight, packing)
        del weight
    for module in model.modules():
        for key, weight in module.named_parameters(recurse=False):
            kept = packing.rows if isinstance(module, nn.Embedding) else packing.rest
            setattr(module, key, nn.Parameter(weight.detach().to(kept), requires_grad=False))
    return model


def stable_width(linear: nn.Module, rows: int) -> int:
    """To how many rows a whole forward is best filled up, so that no linear like this one has to do it."""
    filled = isinstance(linear, PackedLinear) and (linear.format, linear.kernel.name) == ("float16", "fbgemm")
    return stable_row_count(rows) if filled else rows


def linear_names(model: nn.Module) -> list[str]:
    """The names of the plain linears in a model."""
    return [name for name, module in model.named_modules() if type(module) is nn.Linear]


def packed_linears(model: nn.Module) -> Iterator[PackedLinear]:
    return (module for module in model.modules() if isinstance(module, PackedLinear))


def is_packed(model: nn.Module) -> bool:
    return next(packed_linears(model), None) is not None


def rows_are_independent(model: nn.Module) -> bool:
    """Whether a packed forward gives a position the same numbers whatever stands beside it, bit for bit.

    So with our own, fbgemm's and exact integer products on a CPU. Plain products, and int8 brought back to floats, add up in an
    order that hangs on the number of rows.
    """
    kernels = {module.kernel.name for module in packed_linears(model)}
    return bool(kernels) and "dequantized" not in kernels and all(weight.is_cpu for weight in model.parameters())


def one_device_message(quantization: str) -> str:
    return (
        f"quantization={quantization!r} needs the whole model on one device: packed weights cannot be spread over several or "
        "offloaded. Leave device_map and max_memory out, or name one device."
    )


def describe_linears(model: nn.Module) -> str:
    """Which kernel multiplies, in one line for people, and why no better one: for `neoxjp doctor` and the page."""
    first = next(packed_linears(model), None)
    if first is not None:
        return describe_kernel(first.format, first.kernel)
    dtypes = dict.fromkeys(str(weight.dtype).removeprefix("torch.") for weight in model.parameters())
    return f"{', '.join(dtypes)} (torch)"


class _Refusal(torch.autograd.Function):
    """The identity, until somebody asks for gradients."""

    @staticmethod
    def forward(ctx: Any, loss: Tensor, anchor: Tensor) -> Tensor:
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> Any:
        raise ParameterError(NO_GRADIENTS)


NO_GRADIENTS = (
    "packed weights have no gradients: load the model with packed=False, dtype='float32' or dtype='bfloat16', and without "
    "quantization, to train it."
)


def refuse_gradients(loss: Tensor) -> Tensor:
    """The same loss; `.backward()` on it says in words that packed weights have no gradients."""
    return _Refusal.apply(loss, torch.zeros((), requires_grad=True)) if torch.is_grad_enabled() else loss
