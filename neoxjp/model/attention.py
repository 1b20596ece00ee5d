"""The KV cache of one sequence, causal attention, and which kernel computes it. Knows no config.

Everything is causal and aligned to the bottom right: of S keys the T queries are the last T, query i sees keys 0 … S-T+i. SDPA's
own `is_causal` is aligned to the top left and is therefore used only where T equals S. The flash-attn package
(github.com/Dao-AILab/flash-attention) is optional.
"""

import functools
import importlib
import math
import warnings
from dataclasses import dataclass
from types import ModuleType
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from neoxjp.errors import ParameterError

Implementation = Literal["auto", "sdpa", "flash_attn", "eager"]
IMPLEMENTATIONS = ("auto", "sdpa", "flash_attn", "eager")
Kernel = Literal["flash", "cudnn", "efficient", "math", "flash_attn", "eager", "native"]  # native: neoxjp/quantization/kernels
_SDPA_KERNELS: dict[int, Kernel] = {0: "math", 1: "flash", 2: "efficient", 3: "cudnn"}
CACHE_BLOCK = 256  # tokens per cache block
QUERY_BLOCK = 128  # queries computed at a time when training in bfloat16 on a CPU
MAX_SINGLE_QUERIES = 8  # at most this many new positions of a sequence attend one by one in `forward_unpadded`


class KVCache:
    """Keys and values of one sequence for all layers; `cache.length` is the number of tokens.

    A forward calls `update` once for each layer and `advance` once at its end, so that a failed forward leaves the cache
    unchanged. On the CPU the dtype is float32, with which attention is several times faster there than in half precision; else
    it is k's.
    """

    def __init__(self, num_layers: int) -> None:
        self.length = 0  # tokens, all layers complete
        self._layers: list[Tensor | None] = [None] * num_layers  # keys and values of each, (2, 1, H, capacity, D)

    @property
    def nbytes(self) -> int:
        """Bytes of all buffers, the unused part of the last block included."""
        return sum(buffer.nbytes for buffer in self._layers if buffer is not None)

    def update(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Write T new positions of one layer, `k` and `v` (H, T, D), and return all S = length + T of them, (1, H, S, D).

        With gradients on, the new positions keep theirs; the old ones have none.
        """
        end = self.length + k.shape[1]
        keys, values = self._reserve_layer(layer, k, end)
        keys[0, :, self.length : end] = k.detach()
        values[0, :, self.length : end] = v.detach()
        if torch.is_grad_enabled() and (k.requires_grad or v.requires_grad):
            old_k, old_v = keys[:, :, : self.length], values[:, :, : self.length]
            return torch.cat((old_k, k.to(keys.dtype)[None]), 2), torch.cat((old_v, v.to(values.dtype)[None]), 2)
        return keys[:, :, :end], values[:, :, :end]

    def append(self, layer: int, kv: Tensor) -> Tensor:
        """`update` in fewer operations: `kv` (2, 1, H, T, D) are new keys and values; returns all of them, (2, 1, H, S, D)."""
        count = kv.shape[3]
        end = self.length + count
        buffer = self._layers[layer]
        if buffer is None or self.length == 0 or end > buffer.shape[3]:
            buffer = self._reserve_layer(layer, kv[0, 0], end)
        buffer.narrow(3, self.length, count).copy_(kv)
        return buffer.narrow(3, 0, end)

    def reserve(self, end: int, like: Tensor, layers: int) -> list[Tensor]:
        """The buffers of all layers, (2, 1, H, capacity, D), with a capacity of at least `end` positions; `like` (H, T, D).

        What is written from `length` on becomes valid with `advance`. Raises ParameterError for a cache of another model.
        """
        if len(self._layers) < layers:
            raise ParameterError(f"this cache is for a model with {len(self._layers)} layers, not {layers}: create a new one.")
        for layer, buffer in enumerate(self._layers[:layers]):
            if buffer is None or end > buffer.shape[3] or self.length == 0:
                buffer = self._reserve_layer(layer, like, end)
            held = buffer.shape[2], buffer.shape[4], _short(buffer.dtype), buffer.device.type
            asked = like.shape[0], like.shape[2], _short(like.dtype), like.device.type
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
        """An independent copy that continues from the same tokens."""
        copy = KVCache(len(self._layers))
        copy.length = self.length
        capacity = _blocks(self.length + 1)
        copy._layers = [None if buffer is None else _copy(buffer, self.length, capacity) for buffer in self._layers]
        return copy

    def _reserve_layer(self, layer: int, new: Tensor, end: int) -> Tensor:
        """The layer's buffer with a capacity of at least `end` positions; size, device and dtype are those of `new` (H, T, D)."""
        buffer = self._layers[layer]
        if buffer is None or (self.length == 0 and buffer.device != new.device):
            dtype = torch.float32 if new.device.type == "cpu" and new.dtype != torch.float64 else new.dtype
            buffer = _empty((2, 1, new.shape[0], _blocks(end), new.shape[2]), dtype, new.device)
        elif end > buffer.shape[3]:
            buffer = _copy(buffer, self.length, _blocks(end))
        self._layers[layer] = buffer
        return buffer


def _blocks(length: int) -> int:
    """`length` rounded up to whole blocks."""
    return -(-length // CACHE_BLOCK) * CACHE_BLOCK


def _empty(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """A buffer that can be written in any mode; one created under inference_mode could only be written there."""
    with torch.inference_mode(False):
        return torch.empty(shape, dtype=dtype, device=device)


def _copy(buffer: Tensor, length: int, capacity: int) -> Tensor:
    """A new buffer of `capacity` positions with the first `length` of the old one."""
    copy = _empty((*buffer.shape[:3], capacity, buffer.shape[4]), buffer.dtype, buffer.device)
    copy[:, :, :, :length] = buffer[:, :, :, :length]
    return copy


def padding_mask(valid: Tensor) -> Tensor:
    """The mask of a padded batch: `valid` (B, T) bool, True for tokens → (B, 1, T, T) bool, True where a query sees a key.

    A padding position before the first token sees no key; `attend` then returns the mean of all values, as transformers does.
    """
    count = valid.shape[1]
    return (torch.ones(count, count, dtype=torch.bool, device=valid.device).tril() & valid[:, None, :])[:, None]


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    *,
    implementation: Implementation = "auto",
    dropout: float = 0.0,
    need_weights: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Causal attention of the last T positions over all S.

    Args:
        q: (B, H, T, D).
        k, v: (B, H, S, D), S ≥ T, of q's dtype.
        mask: what `padding_mask` gives, for a padded batch with S = T; None for whole rows.
        dropout: share of the weights that is dropped (training).
        need_weights: also return the weights, which only the eager path computes.

    Returns:
        (B, H, T, D) and the weights (B, H, T, S) or None.
    """
    chosen = "eager" if need_weights else choose_implementation(implementation, q)[0]
    if chosen == "eager":
        out, weights = _eager(q, k, v, mask, dropout)
        return out, weights if need_weights else None
    if chosen == "flash_attn":
        return _flash_attn(q, k, v, mask, dropout), None
    queries, keys = q.shape[2], k.shape[2]
    if mask is not None:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=_bias(mask, q.dtype), dropout_p=dropout), None
    if queries == 1:
        return F.scaled_dot_product_attention(q, k, v, dropout_p=dropout), None
    if queries == keys and _trains_in_bf16_on_cpu(q) and not dropout:
        return _attend_in_blocks(q, k, v), None
    if queries == keys:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=dropout), None
    bias = _lower_right(queries, keys, q.device)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias, dropout_p=dropout), None


def _bias(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where the mask is True and a very low number elsewhere. Not -inf, so that a row that sees no key gives the mean.

    In float32 it is bfloat16's lowest number, which autocast can convert.
    """
    lowest = max(torch.finfo(dtype).min, torch.finfo(torch.bfloat16).min)
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, lowest)


def _lower_right(queries: int, keys: int, device: torch.device) -> Tensor:
    """The mask of T queries at the end of S keys; on CUDA as torch's own bias object, with which the flash kernel can run."""
    if device.type == "cuda":
        from torch.nn.attention.bias import causal_lower_right

        return causal_lower_right(queries, keys)
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)


def _trains_in_bf16_on_cpu(q: Tensor) -> bool:
    """Whether gradients are needed in bfloat16 on a CPU, where SDPA's backward takes twice as long as plain matrix products."""
    return q.device.type == "cpu" and q.dtype == torch.bfloat16 and q.requires_grad and torch.is_grad_enabled()


def _attend_in_blocks(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Causal attention (B, H, T, D) where T = S, QUERY_BLOCK queries at a time: each block reads only the keys up to its last."""
    batch, heads, length, size = q.shape
    q, k, v = (q * size**-0.5).flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1)
    blocks = []
    for start in range(0, length, QUERY_BLOCK):
        end = min(start + QUERY_BLOCK, length)
        bias = q.new_full((end - start, end), -math.inf).triu(start + 1)
        scores = torch.baddbmm(bias.expand(batch * heads, -1, -1), q[:, start:end], k[:, :end].mT)
        blocks.append(scores.softmax(-1) @ v[:, :end])
    return torch.cat(blocks, 1).unflatten(0, (batch, heads))


def _eager(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout: float) -> tuple[Tensor, Tensor]:
    """Attention written out, in float32 (or 64) up to the softmax. Returns the result and the weights after dropout."""
    queries, keys, exact = q.shape[2], k.shape[2], torch.promote_types(q.dtype, torch.float32)
    scores = q.to(exact) @ k.to(exact).transpose(-1, -2) / math.sqrt(q.shape[-1])  # (B, H, T, S)
    if mask is None:
        mask = torch.ones(queries, keys, dtype=torch.bool, device=q.device).tril(keys - queries)
    weights = (scores + _bias(mask, scores.dtype)).softmax(-1).to(v.dtype)
    weights = F.dropout(weights, dropout) if dropout else weights
    return weights @ v, weights


def _flash_attn(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout: float) -> Tensor:
    """The flash-attn package, which takes (B, T, H, D) and aligns `causal` to the bottom right by itself.

    Padding is removed first (flash_attn_varlen_func); a cache is passed with its length (flash_attn_with_kvcache).
    """
    flash = _flash_attn_package()
    assert flash is not None
    if mask is not None:
        return _flash_attn_padded(flash, q, k, v, mask[:, 0, -1], dropout)
    q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)  # (B, T, H, D)
    if q.shape[1] == k.shape[1]:
        out = flash.flash_attn_func(q, k, v, dropout_p=dropout, causal=True)
    else:
        lengths = torch.full((q.shape[0],), k.shape[1], dtype=torch.int32, device=q.device)
        out = flash.flash_attn_with_kvcache(q, k, v, cache_seqlens=lengths, causal=True)
    return out.transpose(1, 2)


def _flash_attn_padded(flash: ModuleType, q: Tensor, k: Tensor, v: Tensor, valid: Tensor, dropout: float) -> Tensor:
    """Attention of the rows' tokens, `valid` (B, T) bool, without padding: (tokens, H, D) and where each row begins."""
    lengths = valid.sum(1, dtype=torch.int32)
    borders = F.pad(lengths.cumsum(0, dtype=torch.int32), (1, 0))
    longest = int(lengths.max())
    packed = [x.transpose(1, 2)[valid] for x in (q, k, v)]
    rows = flash.flash_attn_varlen_func(*packed, borders, borders, longest, longest, dropout_p=dropout, causal=True)
    out = torch.zeros_like(q.transpose(1, 2))
    out[valid] = rows
    return out.transpose(1, 2)


@dataclass(frozen=True)
class Backend:
    """Which kernel runs, and why it is not a flash kernel (None if it is one)."""

    name: Kernel
    refused: str | None = None


def check_implementation(implementation: str) -> None:
    """Check the name of an implementation before anything is loaded.

    Raises:
        ParameterError: an unknown name, or "flash_attn" without the package.
    """
    if implementation not in IMPLEMENTATIONS:
        raise ParameterError(f"attn_implementation={implementation!r} is not one of {', '.join(map(repr, IMPLEMENTATIONS))}.")
    if implementation == "flash_attn" and _flash_attn_package() is None:
        raise ParameterError(_cannot_flash("the flash-attn package is not installed"))


def choose_implementation(implementation: Implementation, q: Tensor) -> tuple[Literal["sdpa", "flash_attn", "eager"], str | None]:
    """The implementation to use for queries like `q`, and why it is not flash-attn.

    Raises:
        ParameterError: an unknown name, or "flash_attn" where it cannot run.
    """
    if implementation == "eager" or implementation == "sdpa":
        return implementation, f"attn_implementation={implementation!r} was asked for"
    refused = flash_attn_refusal(q.device, q.dtype, q.shape[-1])
    if implementation == "auto":
        return ("sdpa", refused) if refused else ("flash_attn", None)
    check_implementation(implementation)
    if refused:
        raise ParameterError(_cannot_flash(refused))
    return "flash_attn", None


def _cannot_flash(why: str) -> str:
    return f"attn_implementation='flash_attn' cannot run: {why}. Use 'auto', which chooses what the device supports."


@functools.cache
def _flash_attn_package() -> ModuleType | None:
    """The flash-attn package, or None where it is not installed or does not load."""
    try:
        return importlib.import_module("flash_attn")
    except (ImportError, OSError):  # OSError: built for another torch or CUDA
        return None


def flash_attn_refusal(device: torch.device, dtype: torch.dtype, head_dim: int) -> str | None:
    """Why the flash-attn package cannot run here, as text; None if it can."""
    if device.type != "cuda":
        return f"the flash-attn package needs a CUDA device, this is {device.type!r}"
    reasons = _no_flash_on_cuda(device, dtype, head_dim)
    if _flash_attn_package() is None:
        reasons.append("the flash-attn package is not installed")
    return "; ".join(reasons) or None


def _no_flash_on_cuda(device: torch.device, dtype: torch.dtype, head_dim: int) -> list[str]:
    """Why no flash kernel, of torch or of the package, can run on a CUDA device."""
    reasons = []
    if dtype not in (torch.float16, torch.bfloat16):
        reasons.append(f"flash attention needs float16 or bfloat16, this is {_short(dtype)}")
    if head_dim > 256:
        reasons.append(f"flash attention ends at head size 256, this is {head_dim}")
    capability = torch.cuda.get_device_capability(device)
    if capability < (8, 0):
        name = torch.cuda.get_device_name(device)
        reasons.append(f"flash attention needs compute capability 8.0, {name} has {capability[0]}.{capability[1]}")
    return reasons


def backend_in_use(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, *, implementation: Implementation = "auto"
) -> Backend:
    """Which kernel `attend` runs for these tensors: q (B, H, T, D), k and v (B, H, S, D), mask as there.

    For SDPA torch itself is asked, with the arguments that `attend` would pass. On a CUDA device without flash: also its reasons.
    """
    chosen, refused = choose_implementation(implementation, q)
    if chosen != "sdpa":
        return Backend(chosen, refused)
    queries, keys = q.shape[2], k.shape[2]
    if mask is not None:
        mask = _bias(mask, q.dtype) if mask.dtype == torch.bool else mask
    elif 1 < queries < keys:
        if q.device.type == "cuda":
            name = _causal_bias_kernel(q, k, v)
            return Backend(name, None if name == "flash" else _why_not_flash(q, k, v, None))
        mask = _lower_right(queries, keys, q.device)
    causal = mask is None and queries > 1
    name = _SDPA_KERNELS.get(torch._fused_sdp_choice(q, k, v, attn_mask=mask, is_causal=causal), "math")
    return Backend(name, None if name == "flash" else _why_not_flash(q, k, v, mask))


def _causal_bias_kernel(q: Tensor, k: Tensor, v: Tensor) -> Kernel:
    """The kernel behind torch's `causal_lower_right`, which chooses by itself (torch/nn/attention/bias.py)."""
    params = torch.backends.cuda.SDPAParams(q, k, v, None, 0.0, False, False)
    if torch.backends.cuda.can_use_flash_attention(params):
        return "flash"
    return "efficient" if torch.backends.cuda.can_use_efficient_attention(params) else "math"


def _why_not_flash(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> str:
    """The simple reasons first, then torch's own messages."""
    if not torch.backends.cuda.flash_sdp_enabled():
        return "flash attention is switched off in torch (torch.backends.cuda.enable_flash_sdp or sdpa_kernel)"
    if q.device.type != "cuda":
        return f"torch has no flash kernel for these tensors on {q.device.type!r} ({_short(q.dtype)}, head size {q.shape[-1]})"
    reasons = [] if mask is None else ["flash attention takes no mask, and this batch is padded"]
    reasons += _no_flash_on_cuda(q.device, q.dtype, q.shape[-1])
    if reasons:
        return "; ".join(reasons)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        params = torch.backends.cuda.SDPAParams(q, k, v, mask, 0.0, False, False)
        torch.backends.cuda.can_use_flash_attention(params, debug=True)
    words = [str(w.message).split(" (Triggered")[0] for w in caught]
    return "; ".join(words) or "torch prefers another kernel here and gives no reason"


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
