"""The KV cache of one sequence, and the formats in which it stores keys and values. Knows no config.

float16 and int8 take a half and about a quarter of float32's bytes. They are stored only: attention computes in float32, and it
reads what was stored, also of tokens that were computed a moment ago. So a position has the same numbers in a prompt, in a
decoding step, and after a crop or fork.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

from neoxjp.errors import ParameterError
from neoxjp.quantization import empty_in_huge_pages

CacheDtype = Literal["float32", "float16", "int8"]  # the format of keys and values in a cache
CACHE_DTYPES: tuple[CacheDtype, ...] = get_args(CacheDtype)
CACHE_BLOCK = 256  # tokens per cache block
SCALE_BYTES = 4  # of an int8 row, which ends with its scale in float32
_LARGEST_HALF = 65504.0  # the largest fp16 number; larger ones are stored as this
_STORED: dict[CacheDtype, torch.dtype] = {"float32": torch.float32, "float16": torch.float16, "int8": torch.int8}


def parse_cache_dtype(cache_dtype: str | None) -> CacheDtype | None:
    """A user's choice; None: the model's default. Raises ParameterError."""
    if cache_dtype is None or cache_dtype in CACHE_DTYPES:
        return cache_dtype
    raise ParameterError(f"cache_dtype={cache_dtype!r} is not one of None, {', '.join(map(repr, CACHE_DTYPES))}.")


def cache_bytes_per_token(cache_dtype: str, layers: int, hidden: int, heads: int) -> int:
    """Bytes per token of keys and values, in a cache's format or a dtype such as "bfloat16": 655,360 for the 2.7B in float32."""
    if cache_dtype == "int8":
        return 2 * layers * (hidden + SCALE_BYTES * heads)
    return 2 * layers * hidden * getattr(torch, cache_dtype).itemsize


class KVCache:
    """Keys and values of one sequence for all layers; `cache.length` is the number of tokens.

    A forward calls `update` once for each layer and `advance` once at its end, so that a failed forward leaves the cache
    unchanged.
    """

    def __init__(self, num_layers: int, dtype: CacheDtype | None = None) -> None:
        """dtype: the stored format. None: that of the keys, on a CPU float32, with which torch's attention is several times
        faster there than with half precision. int8 has one scale for each head and position."""
        self.length = 0  # tokens, all layers complete
        self.dtype = dtype
        self._layers: list[Tensor | None] = [None] * num_layers  # keys and values of each, (2, 1, H, capacity, row)

    @property
    def nbytes(self) -> int:
        """Bytes of all buffers, the unused part of the last block included."""
        return sum(buffer.nbytes for buffer in self._layers if buffer is not None)

    def update(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Write T new positions of one layer, `k` and `v` (H, T, D), and return all S = length + T of them, (1, H, S, D).

        With gradients on, the new positions keep theirs; the old ones have none.
        """
        end = self.length + k.shape[1]
        buffer = self._reserve_layer(layer, k, end)
        for part, new in zip(buffer, (k, v), strict=True):
            part[0, :, self.length : end] = self._encode(new.detach(), buffer.dtype)
        keys, values = self._decode(buffer.narrow(3, 0, end), k).unbind(0)
        if torch.is_grad_enabled() and (k.requires_grad or v.requires_grad):
            return self._with_gradients(keys, k), self._with_gradients(values, v)
        return keys, values

    def append(self, layer: int, kv: Tensor) -> Tensor:
        """`update` in fewer operations: `kv` (2, 1, H, T, D) are new keys and values; returns all of them, (2, 1, H, S, D)."""
        count = kv.shape[3]
        end = self.length + count
        buffer = self._layers[layer]
        if buffer is None or self.length == 0 or end > buffer.shape[3]:
            buffer = self._reserve_layer(layer, kv[0, 0], end)
        buffer.narrow(3, self.length, count).copy_(self._encode(kv, buffer.dtype))
        return self._decode(buffer.narrow(3, 0, end), kv)

    def round_trip(self, x: Tensor) -> Tensor:
        """Keys or values (…, D) as they are after storing and reading them; gradients pass through."""
        if self.dtype is None:
            return x
        stored = self._decode(self._encode(x.detach(), _STORED[self.dtype]), x).to(x.dtype)
        return stored + (x - x.detach()) if x.requires_grad else stored

    def reserve(self, end: int, like: Tensor, layers: int) -> list[Tensor]:
        """The buffers of all layers, (2, 1, H, capacity, row), with a capacity of at least `end` positions; `like` (H, T, D).

        A row is D numbers; in int8 D bytes and their scale in float32. What is written from `length` on becomes valid with
        `advance`. Raises ParameterError for a cache of another model.
        """
        if len(self._layers) < layers:
            raise ParameterError(f"this cache is for a model with {len(self._layers)} layers, not {layers}: create a new one.")
        width, dtype = self._row(like)
        for layer, buffer in enumerate(self._layers[:layers]):
            if buffer is None or end > buffer.shape[3] or self.length == 0:
                buffer = self._reserve_layer(layer, like, end)
            held = buffer.shape[2], buffer.shape[4], _short(buffer.dtype), buffer.device.type
            asked = like.shape[0], width, _short(dtype), like.device.type
            if held != asked:
                raise ParameterError(
                    f"this cache has (heads, head size, dtype, device) = {held}, the model {asked}: create a new one."
                )
        return self._layers[:layers]  # type: ignore[return-value]

    def advance(self, count: int) -> None:
        """Make the last `count` tokens valid, after every layer was updated with them."""
        self.length += count

    def crop(self, length: int) -> None:
        """Drop all tokens from position `length` on; a negative number counts from the end."""
        new_length = self.length + length if length < 0 else length
        if not 0 <= new_length <= self.length:
            raise ParameterError(
                f"crop({length}): the cache holds {self.length} tokens; choose from {-self.length} to {self.length}."
            )
        self.length = new_length

    def fork(self) -> "KVCache":
        """An independent copy that continues from the same tokens, in the same format."""
        copy = KVCache(len(self._layers), self.dtype)
        copy.length = self.length
        capacity = _blocks(self.length + 1)
        copy._layers = [None if buffer is None else _copy(buffer, self.length, capacity) for buffer in self._layers]
        return copy

    def _row(self, new: Tensor) -> tuple[int, torch.dtype]:
        """How many elements of which dtype a row (D,) of `new` (…, D) takes in a buffer."""
        if self.dtype is None:
            return new.shape[-1], attention_dtype(new.device, new.dtype)
        return new.shape[-1] + (SCALE_BYTES if self.dtype == "int8" else 0), _STORED[self.dtype]

    def _reserve_layer(self, layer: int, new: Tensor, end: int) -> Tensor:
        """The layer's buffer with a capacity of at least `end` positions, for rows like those of `new` (H, T, D)."""
        buffer = self._layers[layer]
        if buffer is None or (self.length == 0 and buffer.device != new.device):
            width, dtype = self._row(new)
            buffer = _empty((2, 1, new.shape[0], _blocks(end), width), dtype, new.device)
        elif end > buffer.shape[3]:
            buffer = _copy(buffer, self.length, _blocks(end))
        self._layers[layer] = buffer
        return buffer

    def _encode(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """Rows (…, D) as a buffer of `dtype` stores them, (…, row); of float32 and 64 as they are, copying converts them."""
        if dtype == torch.float16 and self.dtype is not None:
            return x.clamp(-_LARGEST_HALF, _LARGEST_HALF).half()
        return encode_int8(x) if dtype == torch.int8 else x

    def _decode(self, rows: Tensor, like: Tensor) -> Tensor:
        """Stored rows (…, row) as attention reads them, (…, D): in float32 or `like`'s dtype; a view where that is stored."""
        wanted = attention_dtype(like.device, like.dtype)
        if rows.dtype == torch.int8:
            return decode_int8(rows).to(wanted)
        return rows if self.dtype is None else rows.to(wanted)

    def _with_gradients(self, stored: Tensor, new: Tensor) -> Tensor:
        """(1, H, S, D) as it is, the gradients of its last T positions going to `new` (H, T, D)."""
        past = stored.shape[2] - new.shape[1]
        exact = new.to(stored.dtype)[None]
        last = exact if self.dtype is None else stored[:, :, past:] + (exact - exact.detach())
        return torch.cat((stored[:, :, :past], last), 2)


def attention_dtype(device: torch.device, dtype: torch.dtype) -> torch.dtype:
    """The dtype in which torch's attention computes: float32 on a CPU, where half precision is several times slower."""
    return torch.float32 if device.type == "cpu" and dtype != torch.float64 else dtype


def encode_int8(x: Tensor) -> Tensor:
    """(…, D) → int8 (…, D + SCALE_BYTES): whole numbers from -127 to 127, then their scale. As kv_store_int8 in network.c."""
    x = x.float()
    largest = x.abs().amax(-1, keepdim=True).clamp(min=1e-30)
    strange = ~largest.isfinite()
    scale = (largest / 127).masked_fill(strange, torch.nan)
    values = (x * (127 / largest)).round().masked_fill(strange, 0).to(torch.int8)
    return torch.cat((values, scale.contiguous().view(torch.int8)), -1)


def decode_int8(rows: Tensor) -> Tensor:
    """What `encode_int8` has stored, (…, D) float32."""
    values, scale = rows.split((rows.shape[-1] - SCALE_BYTES, SCALE_BYTES), -1)
    return values.float() * scale.contiguous().view(torch.float32)


def _blocks(length: int) -> int:
    """`length` rounded up to whole blocks."""
    return -(-length // CACHE_BLOCK) * CACHE_BLOCK


def _empty(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """A buffer that can be written in any mode; one created under inference_mode could only be written there.

    On a CPU it lies in huge pages where the system gives them: a step then reads a long cache half as fast again.
    """
    with torch.inference_mode(False):
        return empty_in_huge_pages(shape, dtype) if device.type == "cpu" else torch.empty(shape, dtype=dtype, device=device)


def _copy(buffer: Tensor, length: int, capacity: int) -> Tensor:
    """A new buffer of `capacity` positions with the first `length` of the old one."""
    copy = _empty((*buffer.shape[:3], capacity, buffer.shape[4]), buffer.dtype, buffer.device)
    copy[:, :, :, :length] = buffer[:, :, :, :length]
    return copy


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
