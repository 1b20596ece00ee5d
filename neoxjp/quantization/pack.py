"""Packing the linears of a whole model: which format and kernel, tensor by tensor, and what a packed model cannot do.

How one linear stores its weight is in packed_linear.py.
"""

import ctypes
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from neoxjp.errors import ParameterError
from neoxjp.quantization.grouped_weight import GroupedWeight, Int8Weight
from neoxjp.quantization.packed_linear import (
    BLOCK_NUMBERS,
    GROUPED,
    Format,
    PackedLinear,
    Packing,
    describe_kernel,
    fp16_kernel,
    int4_kernel,
    int8_kernel,
    stable_row_count,
)

Quantization = Literal["int8", "int4", "mixed"]
QUANTIZATIONS = (None, "int8", "int4")
_OUTPUT = "embed_out"  # the output layer: int4 has it in int8, as its rounding would show in every token


def parse_quantization(quantization: str | None) -> Quantization | None:
    if quantization in (*QUANTIZATIONS, "mixed"):  # a folder of `neoxjp quantize` may be mixed, no other can be loaded so
        return quantization  # type: ignore[return-value]
    raise ParameterError(f"quantization={quantization!r} is not one of {', '.join(map(repr, QUANTIZATIONS))}.")


def packing_for(dtype: torch.dtype | None, quantization: str | None, device: torch.device) -> Packing | None:
    """How linears are packed on `device`; None: they stay plain torch linears of `dtype`.

    float16 is packed on a CPU where a kernel for it runs. int8 and int4 are packed on every device; `dtype` is then that of the
    embedding (None: float16) and, except on a CPU, of the activations.
    """
    on_cpu = device.type == "cpu"
    format = parse_quantization(quantization)
    if format == "mixed":
        raise ParameterError(
            f"quantization={quantization!r} is what a folder of `neoxjp quantize` can have, loaded on a CPU: name such a folder, "
            "or ask for 'int8' or 'int4'"
        )
    if format is not None:
        rows, kernel = dtype or torch.float16, (int8_kernel if format == "int8" else int4_kernel)(device.type)
        return Packing(format, kernel, torch.float32 if on_cpu else rows, rows)
    half = fp16_kernel() if dtype == torch.float16 and on_cpu else "not asked for"
    return None if isinstance(half, str) else Packing("float16", half, torch.float32, torch.float16)


def pack_linear(model: nn.Module, name: str, weight: Tensor | Int8Weight | GroupedWeight, packing: Packing) -> None:
    """Replace the linear `name` by a PackedLinear of `weight`. The linear's own weight is not used.

    A plain weight of the output layer is rounded to int8 where the packing is int4.
    """
    parent = model.get_submodule(name.rpartition(".")[0])
    if name == _OUTPUT and packing.format == "int4":
        packing = replace(packing, format="int8")
    setattr(parent, name.rpartition(".")[2], PackedLinear(weight, packing).eval())
    if weight.shape.numel() > BLOCK_NUMBERS:
        _trim_heap()


def _trim_heap() -> None:
    """Return freed memory to the system: glibc keeps small blocks in its heap."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def pack_model(model: nn.Module, dtype: torch.dtype | None, quantization: str | None = None) -> nn.Module:
    """Pack a model (or a layer) in memory and in place, linear by linear; each is freed before the next is packed.

    Args:
        dtype: as in `packing_for`; None leaves plain weights unchanged.

    Raises:
        ParameterError: the model is packed already, or is spread over devices.
    """
    if is_packed(model):
        raise ParameterError("this model's weights are packed already: load it again for another format.")
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
            new_dtype = packing.embedding_dtype if isinstance(module, nn.Embedding) else packing.norm_dtype
            setattr(module, key, nn.Parameter(weight.detach().to(new_dtype), requires_grad=False))
    return model


def stable_width(linear: nn.Module, rows: int) -> int:
    """The number of rows to which a forward should be padded, so that linears like this one need not do it."""
    filled = isinstance(linear, PackedLinear) and (linear.format, linear.kernel.name) == ("float16", "fbgemm")
    return stable_row_count(rows) if filled else rows


def linear_names(model: nn.Module) -> list[str]:
    """The names of the plain linears in a model."""
    return [name for name, module in model.named_modules() if type(module) is nn.Linear]


def packed_linears(model: nn.Module) -> Iterator[PackedLinear]:
    """The packed linears in a model."""
    return (module for module in model.modules() if isinstance(module, PackedLinear))


def is_packed(model: nn.Module) -> bool:
    """Whether a model has packed linears."""
    return next(packed_linears(model), None) is not None


def rows_are_independent(model: nn.Module) -> bool:
    """Whether a position has the same bits whatever else is in the batch.

    True for the kernels in C, fbgemm's, and exact integer products on a CPU. Plain products and dequantized int8 add up in an
    order that depends on the number of rows.
    """
    kernels = {module.kernel.name for module in packed_linears(model)}
    return bool(kernels) and "dequantized" not in kernels and all(weight.is_cpu for weight in model.parameters())


def one_device_message(quantization: str) -> str:
    return (
        f"quantization={quantization!r} needs the complete model on one device: packed weights cannot be split over devices or "
        "offloaded. Leave device_map and max_memory out, or name one device."
    )


def describe_linears(model: nn.Module) -> str:
    """One line of text: which kernel the linears use, and why no better one. For `neoxjp doctor` and the page."""
    packed = {linear.format: linear.kernel for linear in packed_linears(model)}
    if packed:
        smallest = min(packed, key=_FORMATS.index)
        others = [format for format in packed if format != smallest]
        beside = f" (others {', '.join(sorted(others, key=_FORMATS.index))})" if others else ""
        return describe_kernel(smallest, packed[smallest]) + beside
    dtypes = dict.fromkeys(str(weight.dtype).removeprefix("torch.") for weight in model.parameters())
    return f"{', '.join(dtypes)} (torch)"


_FORMATS: tuple[Format, ...] = (*GROUPED, "int8", "float16")  # the smallest first


def quantization_of(model: nn.Module) -> str | None:
    """ "int8", "int4" (with its output layer in int8), "mixed" for other mixtures; None without numbers of fewer bits."""
    found = {name: module.format for name, module in model.named_modules() if isinstance(module, PackedLinear)}
    formats = {format for name, format in found.items() if name != _OUTPUT} or set(found.values())
    if not formats or formats == {"float16"}:
        return None
    plain = formats in ({"int8"}, {"int4"}) and found.get(_OUTPUT, "int8") == "int8"
    return formats.pop() if plain else "mixed"


class _Refusal(torch.autograd.Function):
    """The identity in the forward pass; an error in the backward pass."""

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
    """The same loss, on which `.backward()` raises ParameterError: packed weights have no gradients."""
    return _Refusal.apply(loss, torch.zeros((), requires_grad=True)) if torch.is_grad_enabled() else loss
