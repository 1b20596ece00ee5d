"""Causal attention, and which kernel computes it. Knows no config.

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
QUERY_BLOCK = 128  # queries computed at a time when training in bfloat16 on a CPU
MAX_SINGLE_QUERIES = 8  # at most this many new positions of a sequence attend one by one in `forward_unpadded`


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
