"""A network with packed weights as one function of network.c."""

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neoxjp.quantization.kernels.build import library
from neoxjp.quantization.kernels.weights import NativeWeight, Weight, check


class Norm(ctypes.Structure):
    """`Norm` of network.c."""

    _fields_ = (("weight", ctypes.c_void_p), ("bias", ctypes.c_void_p), ("eps", ctypes.c_float))


class Layer(ctypes.Structure):
    """`Layer` of network.c."""

    _fields_ = (
        ("before_attention", Norm),
        ("before_mlp", Norm),
        ("qkv", Weight),
        ("dense", Weight),
        ("up", Weight),
        ("down", Weight),
        ("dense_bias", ctypes.c_void_p),
    )


class Shape(ctypes.Structure):
    """`Shape` of network.c."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("size", "heads", "inner", "turned")),
        ("cos", ctypes.c_void_p),
        ("sin", ctypes.c_void_p),
        ("stride", ctypes.c_int64),
    )


class Output(ctypes.Structure):
    """`Output` of network.c."""

    _fields_ = (("norm", Norm), ("weight", Weight), ("vocabulary", ctypes.c_int64))


class NewRows(NamedTuple):
    """The new positions of one sequence."""

    start: int  # of them among all rows
    new: int
    past: int  # tokens it had before
    kept: Sequence[Tensor]  # of each layer, its keys and values (2, 1, H, capacity, D) with room for the new ones


class NativeNetwork:
    """The layers, the last norm and the output of a model whose linears are all NativeWeights.

    It reads the model's own tensors where they lay when it was made: `is_current` says whether they still do.
    """

    def __init__(self, layers: Sequence[Any], norm: nn.LayerNorm, embed_out: Any, heads: int, turned: int) -> None:
        """layers: GPTNeoXJapaneseLayers; heads and turned: attention heads, and how many numbers of each are rotated."""
        self._library = library()
        # A module's tensors, a name, which it was and where it lay.
        self._seen: list[tuple[dict[str, Any], str, Tensor | None, int | None]] = []
        first = layers[0]
        self._packed = [_packed_of(layer) for layer in layers]
        self._layers = (Layer * len(layers))(*(self._layer(*each) for each in zip(layers, self._packed, strict=True)))
        self._out = embed_out._packed  # which lives as long as it is pointed to
        self._output = Output(self._norm_of(norm), self._out.pointers(), self._out.out_features)
        self._shape = first.mlp.dense_4h_to_h.out_features, heads, first.mlp.dense_h_to_4h.out_features, turned

    @staticmethod
    def fits(layers: Sequence[Any], norm: nn.LayerNorm, embed_out: Any) -> bool:
        """Whether a model's parts are what network.c computes: our packed weights, float32 norms and biases, exact GELU."""
        linears = [embed_out, *(linear for layer in layers for linear in _linears_of(layer))]
        norms = [norm, *(one for layer in layers for one in (layer.input_layernorm, layer.post_attention_layernorm))]
        biases = [layer.attention.dense_bias for layer in layers]
        floats = [*(weight for one in norms for weight in one.parameters()), *(bias for bias in biases if bias is not None)]
        return (
            all(layer.mlp.act is F.gelu for layer in layers)
            and all(isinstance(getattr(linear, "_packed", None), NativeWeight) for linear in linears)
            and all(one.is_cpu and one.dtype == torch.float32 and one.is_contiguous() for one in floats)
        )

    def is_current(self) -> bool:
        return all(own.get(name) is tensor and _address(tensor) == place for own, name, tensor, place in self._seen)

    def forward(self, x: Tensor, sequences: Sequence[NewRows], table: Any, logits_at: Tensor | None = None) -> Tensor:
        """Logits (asked, V) of the rows `logits_at`, or of all.

        x: (rows, C), the embedded tokens of all sequences; what the last layer leaves stands there afterwards.
        table: a `rope_table` that reaches as far as the longest sequence.
        """
        x = x.contiguous()
        which = torch.arange(len(x)) if logits_at is None else logits_at.contiguous()
        logits = x.new_empty(len(which), self._output.vocabulary)
        cos, sin = table
        # Of this call alone: another thread may be computing with another table.
        own = Shape(*self._shape, cos.data_ptr(), sin.data_ptr(), cos.stride(0))
        shape, layers, output = (ctypes.addressof(part) for part in (own, self._layers, self._output))
        rows = [number for each in sequences for number in (each.start, each.new, each.past)]
        kept = [number for layer in range(len(self._layers)) for each in sequences for number in _place(each.kept[layer])]
        check(
            self._library.neoxjp_forward(
                *(shape, layers, len(self._layers), output),
                *(x.data_ptr(), len(x), _numbers(rows), len(sequences), _numbers(kept)),
                *(which.data_ptr(), len(which), logits.data_ptr(), torch.get_num_threads()),
            )
        )
        return logits

    def _layer(self, layer: Any, packed: Sequence[NativeWeight]) -> Layer:
        norms = self._norm_of(layer.input_layernorm), self._norm_of(layer.post_attention_layernorm)
        return Layer(*norms, *(weight.pointers() for weight in packed), self._place(layer.attention, "dense_bias"))

    def _norm_of(self, norm: nn.LayerNorm) -> Norm:
        return Norm(self._place(norm, "weight"), self._place(norm, "bias"), norm.eps)

    def _place(self, module: nn.Module, name: str) -> int | None:
        tensor = module._parameters.get(name)
        place = _address(tensor)
        self._seen.append((module._parameters, name, tensor, place))
        return place


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _linears_of(layer: Any) -> tuple[Any, Any, Any, Any]:
    return layer.attention.query_key_value, layer.attention.dense, layer.mlp.dense_h_to_4h, layer.mlp.dense_4h_to_h


def _packed_of(layer: Any) -> tuple[NativeWeight, ...]:
    return tuple(linear._packed for linear in _linears_of(layer))


def _numbers(found: list[int]) -> Any:
    return (ctypes.c_int64 * len(found))(*found)


def _place(kept: Tensor) -> tuple[int, int]:
    """`Kept` of network.c."""
    return kept.data_ptr(), kept.shape[3]
