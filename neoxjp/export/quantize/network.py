"""A model folder computed one layer at a time in float32, so that one layer's weights are in memory, whatever its size.

Texts run through a layer together before the next one is read. Knows nothing of quantization: weights may be replaced.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neoxjp.errors import CheckpointError
from neoxjp.export.parts import tensor_shapes
from neoxjp.hub import find_weights
from neoxjp.model import BatchLayout, GPTNeoXJapaneseConfig, GPTNeoXJapaneseLayer, rope
from neoxjp.weights import INPUT, OUTPUT, PREFIX, StoredWeights, empty_weights, match_tensors, open_stored

LINEARS = ("attention.query_key_value", "attention.dense", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h")  # of a layer
Read = Callable[[str], Tensor]  # name of a tensor → its numbers, (shape) float32


class LayerByLayer:
    """The network of a model folder, whose weights are read from the file when they are used."""

    def __init__(self, folder: Path) -> None:
        """Raises CheckpointError and ConfigError as loading does."""
        self.config = GPTNeoXJapaneseConfig.from_folder(folder)
        self.stored: StoredWeights = open_stored(find_weights(folder))
        self.tensors = match_tensors(self.stored, tensor_shapes(self.config)).tensors

    def read(self, name: str) -> Tensor:
        """A tensor in float32. Raises CheckpointError where a number is NaN or infinite."""
        found = self.stored.read(self.tensors[name]).float()
        if not found.isfinite().all():
            raise CheckpointError(f"{name!r} in {str(self.stored.files.folder)!r} holds NaN or infinite numbers: fetch it again")
        return found

    @property
    def output_name(self) -> str:
        """The tensor of the output layer: the embedding where they are one."""
        return OUTPUT if OUTPUT in self.tensors else PREFIX + INPUT

    def linear_names(self, number: int) -> list[str]:
        """The weights of the linears of a layer."""
        return [f"{PREFIX}layers.{number}.{inner}.weight" for inner in LINEARS]

    def layer(self, number: int, read: Read | None = None) -> GPTNeoXJapaneseLayer:
        """A layer with its weights; `read` gives others."""
        with empty_weights():
            layer = GPTNeoXJapaneseLayer(self.config, number)
        prefix = f"{PREFIX}layers.{number}."
        layer.load_state_dict({name: (read or self.read)(prefix + name) for name in layer.state_dict()}, assign=True)
        return layer.requires_grad_(False).eval()

    def embed(self, windows: Sequence[Tensor], table: Tensor | None = None) -> list[Tensor]:
        """The hidden states before the first layer, (T, C) float32 for each window of ids (T,)."""
        if table is None:
            table = self.stored.read(self.tensors[PREFIX + INPUT])
        return [table[ids].float() for ids in windows]

    def forward(self, layer: GPTNeoXJapaneseLayer, hidden: Tensor) -> Tensor:
        """(T, C) → the same, after the layer."""
        angles = rope(torch.arange(len(hidden))[None], self.config.rotary_ndims, self.config.rotary_emb_base)
        rows = BatchLayout(None, None, False, "sdpa", 0.0, False)
        return layer(hidden[None], angles, None, rows)[0][0]

    def norm(self, hidden: Tensor) -> Tensor:
        """The final layer norm, (T, C) → the same."""
        weight, bias = (self.read(f"{PREFIX}final_layer_norm.{part}") for part in ("weight", "bias"))
        return F.layer_norm(hidden, weight.shape, weight, bias, self.config.layer_norm_eps)


def nats(hidden: Tensor, output: Tensor, targets: Tensor) -> float:
    """Minus the log probability of the next ids.

    Args:
        hidden: (T, C) after the final layer norm.
        output: (V, C), the weight of the output layer.
        targets: (T,) the next id of each position.
    """
    parts = zip(hidden.split(256), targets.split(256), strict=True)
    return sum(float(F.cross_entropy(part @ output.t(), ids, reduction="none").double().sum()) for part, ids in parts)


@contextmanager
def watch_inputs(layer: nn.Module, see: Callable[[str, Tensor], Tensor | None]) -> Iterator[None]:
    """In this context, `see(name of a linear, its input (T, in))` is called before each product; it may return another input."""

    def hook(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], Tensor | None]:
        def before(_: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor | None:
            x = inputs[0]
            found = see(name, x.flatten(0, -2))
            return None if found is None else found.view(x.shape)

        return before

    handles = [layer.get_submodule(name).register_forward_pre_hook(hook(name)) for name in LINEARS]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def round_activations(x: Tensor) -> Tensor:
    """Rows in steps of 1/127 of their largest number, as the kernels for packed weights see them: (T, in) → the same."""
    step = x.abs().amax(1, keepdim=True).clamp(min=1e-30) / 127
    return (x / step).round() * step
