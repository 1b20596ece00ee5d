"""How the weights of a quantized model folder (`neoxjp quantize`) lie in its safetensors file, and reading them back.

A weight X (out, in) of 4, 5 or 6 bits is two or three tensors, in groups of 32 input channels:

    X.values    U8 (out, in / 2)                the low four bits of each number, two numbers to a byte, the first in the low half
    X.high      U8 (out, in · (bits - 4) / 8)   5 and 6 bits: the remaining bits, the first number in the lowest ones
    X.scale     F16 (out, in / 32)
                                                weight = scale · GRIDS[bits][number] / 128

and one of 8 bits is X.values I8 (out, in) and X.scale F32 (out,). Everything else lies there as in any model folder. config.json
says which bits each weight has, how it was rounded, and what that cost (`quantization_config`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from neoxjp.errors import CheckpointError, quoted
from neoxjp.hub import read_json
from neoxjp.quantization import GROUP, GroupBits, GroupedWeight, Int8Weight

METHOD = "neoxjp"  # config.json's quant_method: transformers refuses what it does not know by this name
FORMAT_VERSION = 1
BITS = (4, 5, 6, 8)
QuantizedWeight = GroupedWeight | Int8Weight


def read_quantization(folder: Path) -> dict[str, int] | None:
    """The bits (4, 5, 6 or 8) of each weight of a quantized model folder, by name; None for any other folder.

    Raises:
        CheckpointError: quantized by another program, in a newer format, or with facts that make no sense.
    """
    path = folder / "config.json"
    raw = read_json(path).get("quantization_config") if path.is_file() else None
    if raw is None:
        return None
    method = raw.get("quant_method") if isinstance(raw, dict) else None
    if method != METHOD:
        raise CheckpointError(
            f"{str(folder)!r} is quantized by another program (quant_method {method!r}), which cannot be read here: "
            "take the model before it was quantized, and quantize it with `neoxjp quantize`",
            ja=f"{str(folder)!r} は別のプログラム（quant_method {method!r}）で量子化されています。"
            "量子化前のモデルを使ってください。",
        )
    version = raw.get("format_version")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise CheckpointError(
            f"{str(folder)!r} is quantized in format {version!r}, and this version of neoxjp reads up to {FORMAT_VERSION}: "
            "update neoxjp (pip install -U), or quantize the model again",
            ja=f"{str(folder)!r} の量子化形式（{version!r}）はこのバージョンでは読めません。neoxjp を更新してください。",
        )
    bits = raw.get("bits")
    if not isinstance(bits, dict) or not bits or any(type(value) is not int or value not in BITS for value in bits.values()):
        raise CheckpointError(
            f"{str(path)!r} does not say how many bits each weight has (quantization_config.bits): fetch the folder again"
        )
    return bits


def part_shapes(name: str, shape: tuple[int, int], bits: int) -> dict[str, tuple[torch.dtype, tuple[int, ...]]]:
    """The stored tensors of one weight: name → dtype and shape."""
    out, size = shape
    if bits == 8:
        return {f"{name}.values": (torch.int8, (out, size)), f"{name}.scale": (torch.float32, (out,))}
    groups = (torch.float16, (out, size // GROUP))
    high = {f"{name}.high": (torch.uint8, (out, size * (bits - 4) // 8))} if bits > 4 else {}
    return {f"{name}.values": (torch.uint8, (out, size // 2)), **high, f"{name}.scale": groups}


def stored_bytes(shape: tuple[int, int], bits: int) -> int:
    """Bytes of one weight in the file."""
    return sum(torch.Size(part).numel() * dtype.itemsize for dtype, part in part_shapes("", shape, bits).values())


def to_parts(name: str, weight: QuantizedWeight) -> dict[str, Tensor]:
    """The stored tensors of one weight. The input channels of a GroupedWeight must be a multiple of 32."""
    if isinstance(weight, Int8Weight):
        return {f"{name}.values": weight.values, f"{name}.scale": weight.scale}
    low = weight.values & 15
    parts = {f"{name}.values": low[:, 0::2] | (low[:, 1::2] << 4)}
    if weight.bits > 4:
        parts[f"{name}.high"] = _join(weight.values >> 4, weight.bits - 4)
    return parts | {f"{name}.scale": weight.scale}


def from_parts(name: str, parts: Mapping[str, Tensor], bits: int) -> QuantizedWeight:
    """The weight of its stored tensors."""
    values = parts[f"{name}.values"]
    if bits == 8:
        return Int8Weight(values, parts[f"{name}.scale"])
    numbers = torch.stack((values & 15, values >> 4), 2).flatten(1)  # (out, in)
    if bits > 4:
        numbers |= _split(parts[f"{name}.high"], bits - 4) << 4
    return GroupedWeight(numbers, parts[f"{name}.scale"], cast(GroupBits, bits))


def check_parts(folder: Path, bits: Mapping[str, int], found: Mapping[str, tuple[torch.dtype | str, tuple[int, ...]]]) -> None:
    """Compare the headers of the file with the bits of config.json.

    Args:
        found: stored name → dtype and shape.
    Raises:
        CheckpointError: names the weights whose tensors are missing or differ.
    """
    wrong = []
    for name, width in bits.items():
        values = found.get(f"{name}.values")
        if values is None or len(values[1]) != 2:
            wrong.append(name)
            continue
        out, columns = values[1]
        wanted = part_shapes(name, (out, columns if width == 8 else columns * 2), width)
        words = {torch.int8: "I8", torch.uint8: "U8"}
        if any(found.get(key) != (words.get(dtype, dtype), shape) for key, (dtype, shape) in wanted.items()):
            wrong.append(name)
    if wrong:
        raise CheckpointError(
            f"the weights in {str(folder)!r} are not stored as its config.json says: {quoted(wrong)}. Config and weights belong "
            "together: fetch both from one place"
        )


def _join(numbers: Tensor, width: int) -> Tensor:
    """(out, in) of `width` bits → (out, in · width / 8), the first number in the lowest bits."""
    count = 8 // width
    spread = numbers.unflatten(1, (-1, count)) << torch.arange(0, 8, width, dtype=torch.uint8)
    return spread.sum(2, dtype=torch.uint8)


def _split(joined: Tensor, width: int) -> Tensor:
    """The reverse of `_join`."""
    shifts = torch.arange(0, 8, width, dtype=torch.uint8)
    return ((joined[:, :, None] >> shifts) & (2**width - 1)).flatten(1)
