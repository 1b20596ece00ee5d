"""The layers of a network with packed weights, each in one or two calls of layers.c, or all in one for single positions."""

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neoxjp.native.build import library
from neoxjp.native.weights import NativeWeight, Weight, check


class Norm(ctypes.Structure):
    """`Norm` of layers.c."""

    _fields_ = (("weight", ctypes.c_void_p), ("bias", ctypes.c_void_p), ("eps", ctypes.c_float))


class Layer(ctypes.Structure):
    """`Layer` of layers.c."""

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
    """`Shape` of layers.c."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("size", "heads", "inner", "turned")),
        ("cos", ctypes.c_void_p),
        ("sin", ctypes.c_void_p),
        ("stride", ctypes.c_int64),
    )


class Past(ctypes.Structure):
    """`Past` of layers.c: where one row's keys and values of one layer are kept, and its place among them."""

    _fields_ = (("keys", ctypes.c_void_p), ("capacity", ctypes.c_int64), ("place", ctypes.c_int64))


class NativeNetwork:
    """The layers, the last norm and the output of a model whose linears are all NativeWeights.

    It reads the model's own tensors where they lay when it was made: `is_current` says whether they still do.
    """

    def __init__(self, layers: Sequence[Any], norm: nn.LayerNorm, embed_out: Any, heads: int, turned: int) -> None:
        """layers: GPTNeoXJapaneseLayers; heads and turned: attention heads, and how many numbers of each are rotated."""
        self._library = library()
        self._seen: list[tuple[dict[str, Any], str, Tensor, int]] = []  # a module's tensors, a name, which it was, where it lay
        first = layers[0]
        self._packed = [_packed_of(layer) for layer in layers]
        self._layers = (Layer * len(layers))(*(self._layer(*each) for each in zip(layers, self._packed, strict=True)))
        self._norm, self._out = self._norm_of(norm), embed_out._packed
        self._shape = Shape(first.mlp.dense_4h_to_h.out_features, heads, first.mlp.dense_h_to_4h.out_features, turned)
        self._table: Any = None

    @staticmethod
    def fits(layers: Sequence[Any], norm: nn.LayerNorm, embed_out: Any) -> bool:
        """Whether a model's parts are what layers.c computes: our packed weights, float32 norms and exact GELU."""
        linears = [embed_out, *(linear for layer in layers for linear in _linears_of(layer))]
        norms = [norm, *(one for layer in layers for one in (layer.input_layernorm, layer.post_attention_layernorm))]
        return (
            all(layer.mlp.act is F.gelu for layer in layers)
            and all(isinstance(getattr(linear, "_packed", None), NativeWeight) for linear in linears)
            and all(weight.is_cpu and weight.dtype == torch.float32 for one in norms for weight in one.parameters())
        )

    def is_current(self) -> bool:
        return all(own[name] is tensor and tensor.data_ptr() == place for own, name, tensor, place in self._seen)

    def qkv(self, layer: int, x: Tensor) -> Tensor:
        """x (rows, C) → queries, keys and values (rows, 3 · C) of its norm."""
        return self._packed[layer][0].multiply(x, self._layers[layer].before_attention)

    def after(self, layer: int, attended: Tensor, x: Tensor) -> Tensor:
        """x (rows, C) with what follows attention added, in place."""
        attended = attended.contiguous()
        shape, at, threads = ctypes.addressof(self._shape), ctypes.addressof(self._layers[layer]), torch.get_num_threads()
        check(self._library.neoxjp_after(shape, at, attended.data_ptr(), x.data_ptr(), len(x), threads))
        return x

    def attend(self, qkv: Tensor, pasts: "ctypes.Array[Past]", table: Any) -> Tensor:
        """Attention of single positions in one layer: qkv (rows, 3 · C), not rotated yet → (rows, C).

        Their keys and values are written where `pasts` says. table: a `rope_table` that reaches so far.
        """
        out = qkv.new_empty(len(qkv), qkv.shape[1] // 3)
        self._turn_by(table)
        shape, threads = ctypes.addressof(self._shape), torch.get_num_threads()
        check(self._library.neoxjp_attend(shape, qkv.data_ptr(), pasts, len(qkv), out.data_ptr(), threads))
        return out

    def steps(self, x: Tensor, pasts: "ctypes.Array[Past]", table: Any) -> Tensor:
        """All layers for single positions, x (rows, C) in place. pasts: layer by layer, each with every row."""
        self._turn_by(table)
        shape, threads = ctypes.addressof(self._shape), torch.get_num_threads()
        check(self._library.neoxjp_steps(shape, self._layers, len(self._layers), x.data_ptr(), pasts, len(x), threads))
        return x

    def logits(self, x: Tensor) -> Tensor:
        """x (rows, C) → (rows, V), by the last norm."""
        return self._out.multiply(x, self._norm)

    def _turn_by(self, table: Any) -> None:
        if table is not self._table:
            cos, sin = table
            self._shape.cos, self._shape.sin, self._shape.stride = cos.data_ptr(), sin.data_ptr(), cos.stride(0)
            self._table = table

    def _layer(self, layer: Any, packed: Sequence[NativeWeight]) -> Layer:
        norms = self._norm_of(layer.input_layernorm), self._norm_of(layer.post_attention_layernorm)
        bias = None if layer.attention.dense_bias is None else self._place(layer.attention, "dense_bias")
        return Layer(*norms, *(weight.pointers() for weight in packed), bias)

    def _norm_of(self, norm: nn.LayerNorm) -> Norm:
        return Norm(self._place(norm, "weight"), self._place(norm, "bias"), norm.eps)

    def _place(self, module: nn.Module, name: str) -> int:
        own = module._parameters
        tensor = own[name]
        assert tensor is not None
        self._seen.append((own, name, tensor, tensor.data_ptr()))
        return tensor.data_ptr()


def _linears_of(layer: Any) -> tuple[Any, Any, Any, Any]:
    return layer.attention.query_key_value, layer.attention.dense, layer.mlp.dense_h_to_4h, layer.mlp.dense_4h_to_h


def _packed_of(layer: Any) -> tuple[NativeWeight, ...]:
    return tuple(linear._packed for linear in _linears_of(layer))
