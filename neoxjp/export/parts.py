"""The tensors of a model folder, read one at a time: under the checkpoint's names, and under those of GPT-NeoX."""

import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from neoxjp.errors import CheckpointError
from neoxjp.hub import find_weights
from neoxjp.model import GPTNeoXJapaneseConfig
from neoxjp.weights import (
    DTYPES,
    INPUT,
    OUTPUT,
    PREFIX,
    QuantizedWeight,
    StoredTensor,
    StoredWeights,
    empty_weights,
    match_tensors,
    open_stored,
    same_bytes,
)


@dataclass(frozen=True)
class Part:
    """One tensor, read on demand."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    read: Callable[[], Tensor]
    bits: int | None = None  # of a quantized weight
    read_quantized: Callable[[], QuantizedWeight] | None = None  # it as it is stored

    @property
    def nbytes(self) -> int:
        return torch.Size(self.shape).numel() * self.dtype.itemsize


def stored_parts(folder: Path, config: GPTNeoXJapaneseConfig) -> list[Part]:
    """The tensors of a model folder under the checkpoint's names, in the network's order; no output where it is the embedding.

    Raises CheckpointError, naming all tensors that are missing, unexpected or of another shape.
    """
    stored = open_stored(find_weights(folder))
    wanted = tensor_shapes(config)
    found = match_tensors(stored, wanted).tensors
    output = found.get(OUTPUT)
    if output is not None and same_bytes(stored.read(output), stored.read(found[PREFIX + INPUT])):
        del found[OUTPUT]
    parts = []
    for name in wanted:
        if name in found:
            tensor = found[name]
            assert isinstance(tensor.dtype, torch.dtype)  # match_tensors rejects others
            quantized = None if tensor.bits is None else partial(stored.read_quantized, tensor)
            parts.append(Part(name, tensor.shape, tensor.dtype, partial(_read, stored, tensor), tensor.bits, quantized))
    return parts


def _read(stored: StoredWeights, tensor: StoredTensor) -> Tensor:
    """A tensor in the dtype of its Part: a quantized weight is float32 when it is read."""
    assert isinstance(tensor.dtype, torch.dtype)
    return stored.read(tensor).to(tensor.dtype)


def tensor_shapes(config: GPTNeoXJapaneseConfig) -> dict[str, tuple[int, ...]]:
    """The checkpoint's names and shapes, in the network's order, the output last."""
    from neoxjp.model import GPTNeoXJapaneseForCausalLM

    with empty_weights():
        state = GPTNeoXJapaneseForCausalLM(config).state_dict()
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def gpt_neox_parts(parts: Sequence[Part]) -> list[Part]:
    """The same tensors under GPT-NeoX's names, with the biases and the output layer that GPT-NeoX has."""
    own = {part.name: part for part in parts}
    embedding = own[PREFIX + INPUT]
    named: list[Part] = []
    for part in parts:
        name = part.name.replace(PREFIX, "gpt_neox.", 1)
        if name.endswith("attention.dense_bias"):
            continue
        named.append(dataclasses.replace(part, name=name))
        if name.endswith((".query_key_value.weight", ".dense.weight", ".dense_h_to_4h.weight", ".dense_4h_to_h.weight")):
            given = own.get(part.name.replace("dense.weight", "dense_bias"))
            zeros = Part("", part.shape[:1], part.dtype, lambda part=part: torch.zeros(part.shape[0], dtype=part.dtype))  # type: ignore[misc]
            bias = zeros if given is None or given is part else given
            named.append(dataclasses.replace(bias, name=name.removesuffix("weight") + "bias"))
    if OUTPUT not in own:
        named.append(dataclasses.replace(embedding, name=OUTPUT))
    return named


def write_safetensors(parts: Sequence[Part], path: Path) -> None:
    """One safetensors file, tensor by tensor: the library's own writer holds all of them in memory. On the disk when it returns.

    Raises CheckpointError where the disk is too full.
    """
    check_disk(path.parent, sum(part.nbytes for part in parts))
    words = {dtype: word for word, dtype in DTYPES.items()} | {torch.uint8: "U8", torch.int8: "I8"}
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for part in parts:
        header[part.name] = {"dtype": words[part.dtype], "shape": part.shape, "data_offsets": [end, end + part.nbytes]}
        end += part.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # the data begins on an even address
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for part in parts:
            file.write(part.read().contiguous().view(-1).view(torch.uint8).numpy().data)
        file.flush()
        os.fsync(file.fileno())


def check_disk(folder: Path, need: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < need:
        raise CheckpointError(
            f"the disk is too full: the export takes {need:,} bytes, {free:,} are free",
            ja=f"ディスクの空きが足りません（必要 {need:,} バイト、空き {free:,} バイト）。",
        )
