"""Weights in fewer bits for inference: linears with packed float16, int8 or int4 weights, and the kernels for them.

`pack_model` packs a model in memory; `packing_for` says how linears are packed on a device. The kernels in C are in kernels/.
"""

from neoxjp.quantization.grouped_weight import (
    GRIDS,
    GROUP,
    GroupBits,
    GroupedWeight,
    Int8Weight,
    grid_numbers,
    nearest,
    round_to_groups,
)
from neoxjp.quantization.kernels import NativeNetwork
from neoxjp.quantization.kernels.network import NewRows
from neoxjp.quantization.kernels.pages import empty_in_huge_pages, huge_pages_refusal
from neoxjp.quantization.pack import (
    NO_GRADIENTS,
    QUANTIZATIONS,
    describe_linears,
    is_packed,
    linear_names,
    one_device_message,
    pack_linear,
    pack_model,
    packed_linears,
    packing_for,
    parse_quantization,
    quantization_of,
    refuse_gradients,
    rows_are_independent,
    stable_width,
)
from neoxjp.quantization.packed_linear import (
    Kernel,
    PackedLinear,
    Packing,
    available_kernels,
    fp16_kernel,
    int4_kernel,
    packed_bytes,
)
from neoxjp.quantization.rounding import feedback_factor, round_to_int8, round_with_feedback

__all__ = [
    "GRIDS",
    "GROUP",
    "NO_GRADIENTS",
    "QUANTIZATIONS",
    "GroupBits",
    "GroupedWeight",
    "Int8Weight",
    "Kernel",
    "NativeNetwork",
    "NewRows",
    "PackedLinear",
    "Packing",
    "available_kernels",
    "describe_linears",
    "empty_in_huge_pages",
    "feedback_factor",
    "fp16_kernel",
    "grid_numbers",
    "huge_pages_refusal",
    "int4_kernel",
    "is_packed",
    "linear_names",
    "nearest",
    "one_device_message",
    "pack_linear",
    "pack_model",
    "packed_bytes",
    "packed_linears",
    "packing_for",
    "parse_quantization",
    "quantization_of",
    "refuse_gradients",
    "round_to_groups",
    "round_to_int8",
    "round_with_feedback",
    "rows_are_independent",
    "stable_width",
]
