"""A network with packed weights as one function of network.c."""

import ctypes
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neoxjp.errors import ParameterError
from neoxjp.quantization.kernels.build import NativeUnavailable, library
from neoxjp.quantization.kernels.weights import WORKSPACE_TOO_SMALL, NativeWeight, Weight, check


class Norm(ctypes.Structure):
    """`Norm` of network.c."""

    _fields_ = (("weight", ctypes.c_void_p), ("bias", ctypes.c_void_p), ("eps", ctypes.c_float))


class Layer(ctypes.Structure):
    """`Layer` of network.c."""

    _fields_ = (
        ("input_layernorm", Norm),
        ("post_attention_layernorm", Norm),
        ("query_key_value", Weight),
        ("dense", Weight),
        ("dense_h_to_4h", Weight),
        ("dense_4h_to_h", Weight),
        ("dense_bias", ctypes.c_void_p),
    )


class Shape(ctypes.Structure):
    """`Shape` of network.c."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("hidden", "heads", "intermediate", "rotary")),
        ("cos", ctypes.c_void_p),
        ("sin", ctypes.c_void_p),
        ("stride", ctypes.c_int64),
        ("positions", ctypes.c_int64),
    )


class Output(ctypes.Structure):
    """`Output` of network.c."""

    _fields_ = (("norm", Norm), ("weight", Weight), ("vocab", ctypes.c_int64))


class KVView(ctypes.Structure):
    """`KVView` of network.c."""

    _fields_ = (("keys", ctypes.c_void_p), ("capacity", ctypes.c_int64), ("format", ctypes.c_int64))


STRUCTURES = (Weight, Norm, Layer, Shape, Output, KVView)
KV_FORMATS = (torch.float32, torch.float16, torch.int8)  # of a cache's buffer, in the order of network.c


class NewRows(NamedTuple):
    """The new positions of one sequence."""

    start: int  # of them among all rows
    new: int
    past: int  # tokens in its cache
    caches: Sequence[Tensor]  # of each layer, its keys and values (2, 1, H, capacity, row) with room for the new ones


class NativeNetwork:
    """The layers, the last norm and the output of a model whose linear layers are all NativeWeights.

    It reads the model's own tensors where they were when it was made: `is_current` says whether they still are.

    Raises ParameterError where a norm, a bias or a weight has not the shape that the others ask for.
    """

    def __init__(self, layers: Sequence[Any], norm: nn.LayerNorm, embed_out: Any, heads: int, rotary: int) -> None:
        """layers: GPTNeoXJapaneseLayers; heads and rotary: attention heads, and how many channels of each are rotated."""
        self._library = library()
        wrong = [one.__name__ for n, one in enumerate(STRUCTURES) if self._library.neoxjp_sizeof(n) != ctypes.sizeof(one)]
        if wrong:
            raise NativeUnavailable(f"network.c and network.py disagree about {', '.join(wrong)}")
        # A module's tensors, a name, which it was and where it lay.
        self._seen: list[tuple[dict[str, Any], str, Tensor | None, int | None]] = []
        first = layers[0].mlp
        hidden, intermediate = first.dense_4h_to_h.out_features, first.dense_h_to_4h.out_features
        _check_shapes(layers, norm, embed_out, hidden, intermediate, heads, rotary)
        self._packed = [_packed_of(layer) for layer in layers]
        self._layers = (Layer * len(layers))(*(self._layer(*each) for each in zip(layers, self._packed, strict=True)))
        self._out = embed_out._packed  # which lives as long as it is pointed to
        self._output = Output(self._norm_of(norm), self._out.pointers(), self._out.out_features)
        self._shape = hidden, heads, intermediate, rotary
        self._workspace = torch.empty(0, dtype=torch.uint8)
        self._lock = threading.Lock()  # of the workspace

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
        """Logits (n_logits, V) of the rows `logits_at`, or of all.

        x: (rows, C), the embedded tokens of all sequences; what the last layer leaves is in it afterwards.
        table: a `rope_table` that reaches as far as the longest sequence.
        """
        x = x.contiguous()
        if x.dtype != torch.float32 or x.shape[1:] != self._shape[:1]:
            width = self._shape[0]
            raise ParameterError(f"embedded tokens of {tuple(x.shape)} {x.dtype}: expected (rows, {width}) float32")
        chosen = torch.arange(len(x)) if logits_at is None else logits_at.to("cpu").contiguous()
        logits = x.new_empty(len(chosen), self._output.vocab)
        cos, sin = table
        # Of this call alone: another thread may be computing with another table.
        own = Shape(*self._shape, cos.data_ptr(), sin.data_ptr(), cos.stride(0), len(cos))
        shape, layers, output = (ctypes.addressof(part) for part in (own, self._layers, self._output))
        rows = _numbers([number for each in sequences for number in (each.start, each.new, each.past)])
        views = _numbers([n for layer in range(len(self._layers)) for each in sequences for n in _view(each.caches[layer])])
        threads = torch.get_num_threads()
        model = shape, layers, len(self._layers), output
        inputs = x.data_ptr(), len(x), rows, len(sequences), views, chosen.data_ptr(), len(chosen), logits.data_ptr()
        mine = self._lock.acquire(blocking=False)  # a second forward at the same time takes memory of its own
        try:
            workspace = self._workspace if mine else torch.empty(0, dtype=torch.uint8)
            problem = self._library.neoxjp_forward(*model, *inputs, workspace.data_ptr(), len(workspace), threads)
            if problem == WORKSPACE_TOO_SMALL:
                needed = self._library.neoxjp_forward_workspace(shape, len(x), rows, len(sequences), len(chosen), threads)
                workspace = torch.empty(needed + needed // 4, dtype=torch.uint8)  # a longer text needs more at each step
                problem = self._library.neoxjp_forward(*model, *inputs, workspace.data_ptr(), len(workspace), threads)
            check(problem)
            if mine:
                self._workspace = workspace
        finally:
            if mine:
                self._lock.release()
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


def _check_shapes(
    layers: Sequence[Any], norm: nn.LayerNorm, embed_out: Any, hidden: int, intermediate: int, heads: int, rotary: int
) -> None:
    """Raises ParameterError, naming every tensor that has another shape than (hidden, intermediate) ask for."""
    wanted: list[tuple[str, Any, tuple[int, ...]]] = []

    def norms(name: str, one: nn.LayerNorm) -> None:
        wanted.extend((f"{name}.{part}", getattr(one, part), (hidden,)) for part in ("weight", "bias"))

    for n, layer in enumerate(layers):
        norms(f"layers.{n}.input_layernorm", layer.input_layernorm)
        norms(f"layers.{n}.post_attention_layernorm", layer.post_attention_layernorm)
        if layer.attention.dense_bias is not None:
            wanted.append((f"layers.{n}.attention.dense_bias", layer.attention.dense_bias, (hidden,)))
        sizes = ((3 * hidden, hidden), (hidden, hidden), (intermediate, hidden), (hidden, intermediate))
        names = ("attention.query_key_value", "attention.dense", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h")
        wanted += [(f"layers.{n}.{name}", p, size) for name, p, size in zip(names, _packed_of(layer), sizes, strict=True)]
    norms("final_layer_norm", norm)
    wanted.append(("embed_out", embed_out._packed, (embed_out._packed.out_features, hidden)))
    found = [(name, _shape_of(tensor), size) for name, tensor, size in wanted if _shape_of(tensor) != size]
    problems = [f"{name} is {shape}, expected {size}" for name, shape, size in found]
    if hidden % heads or not 0 <= rotary <= hidden // heads or rotary % 2:
        problems.append(f"{hidden} channels, {heads} heads, {rotary} of a head rotated: they do not fit together")
    if problems:
        raise ParameterError("; ".join(problems))


def _shape_of(tensor: Any) -> tuple[int, ...] | None:
    if isinstance(tensor, NativeWeight):
        return tensor.out_features, tensor.in_features
    return None if tensor is None else tuple(tensor.shape)


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _linears_of(layer: Any) -> tuple[Any, Any, Any, Any]:
    return layer.attention.query_key_value, layer.attention.dense, layer.mlp.dense_h_to_4h, layer.mlp.dense_4h_to_h


def _packed_of(layer: Any) -> tuple[NativeWeight, ...]:
    return tuple(linear._packed for linear in _linears_of(layer))


def _numbers(found: list[int]) -> Any:
    return (ctypes.c_int64 * len(found))(*found)


def _view(cache: Tensor) -> tuple[int, int, int]:
    """The numbers of a `KVView`."""
    return cache.data_ptr(), cache.shape[3], KV_FORMATS.index(cache.dtype)
