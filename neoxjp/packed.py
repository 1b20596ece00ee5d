"""One forward for many sequences: their new ids one after the other, without padding, each with a cache of its own.

Linears and norms see all N positions at once, attention goes sequence by sequence, and the output layer reads only the asked
rows. No gradients. With weights whose linears are row-independent (linear.py: packed fp16, int8) a position's numbers are the
same bit for bit whatever stands beside it.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from neoxjp import attention
from neoxjp.attention import KVCache
from neoxjp.errors import ParameterError


@torch.inference_mode()
def forward_packed(
    model: Any, input_ids: Tensor, counts: Sequence[int], caches: Sequence[KVCache], logits_at: Tensor | None = None
) -> Tensor:
    """Logits (R, V) float32 of the positions `logits_at`, or of each sequence's last one; the caches grow by `counts`.

    >>> forward_packed(model, torch.tensor([5, 6, 7, 8]), [3, 1], [fresh, running])   # 5 6 7 begin one text, 8 goes on another

    A sequence of at most `attention.SINGLY` new ids attends query by query, so that each position is computed as a decoding step
    of its own would be; a longer one (a piece of a prompt) in one kernel call.

    Args:
        input_ids: (N,) int64; the first counts[0] belong to caches[0], and so on.
        counts: new ids of each sequence, 1 or more; N in sum.
        caches: one a sequence, all different; extended in place.
        logits_at: (R,) int64, flat positions from 0 to N - 1.

    Raises:
        ParameterError: counts, caches and ids that do not fit together; an id outside the vocabulary.
    """
    _check(model, input_ids, counts, caches)
    if logits_at is None:
        logits_at = torch.tensor(counts).cumsum(0) - 1
    logits_at = logits_at.to(model.device)
    if _is_hooked(model):  # accelerate brings weights in as modules are called: the plain forward calls them all
        hidden = torch.cat([_plain(model, ids, cache) for ids, cache in zip(input_ids.split(list(counts)), caches, strict=True)])
        return model.embed_out(hidden[logits_at.to(hidden.device)]).float()
    body, config = model.gpt_neox_japanese, model.config
    starts = [torch.arange(cache.length, cache.length + count) for cache, count in zip(caches, counts, strict=True)]
    angles = attention.rope(torch.cat(starts).to(model.device)[None], config.rotary_ndims, config.rotary_emb_base)
    x = body.embed_in(input_ids).to(body.final_layer_norm.weight.dtype)  # (N, C)
    for layer in body.layers:
        x = x + _attention(layer.attention, layer.input_layernorm(x), angles, counts, caches, model.attn_implementation)
        x = x + layer.mlp(layer.post_attention_layernorm(x))
    for cache, count in zip(caches, counts, strict=True):
        cache.advance(count)
    return model.embed_out(body.final_layer_norm(x[logits_at])).float()


def _attention(
    module: Any, x: Tensor, angles: attention.Rope, counts: Sequence[int], caches: Sequence[KVCache], implementation: Any
) -> Tensor:
    """The attention block of one layer: (N, C) → (N, C); the new keys and values go into the caches."""
    qkv = module.query_key_value(x).view(1, len(x), module.num_heads, 3, -1)  # (1, N, H, 3, D)
    q, k = attention.rotate(qkv[..., :2, :], angles)[0].transpose(0, 1).unbind(2)  # (H, N, D)
    v = qkv[0, ..., 2, :].transpose(0, 1)
    if x.device.type == "cpu" and v.dtype != torch.float64:
        v = v.float()
    q, k = q.to(v.dtype), k.to(v.dtype)
    out = torch.empty_like(v)
    start = 0
    for count, cache in zip(counts, caches, strict=True):
        end = start + count
        keys, values = cache.update(module.number, k[:, start:end], v[:, start:end])  # (1, H, S, D)
        for first, last in _spans(count):
            seen = cache.length + last
            queries = q[None, :, start + first : start + last]
            out[:, start + first : start + last] = attention.attend(
                queries, keys[:, :, :seen], values[:, :, :seen], implementation=implementation
            )[0][0]
        start = end
    out = module.dense(out.transpose(0, 1).reshape(x.shape).to(x.dtype))
    return out if module.dense_bias is None else out + module.dense_bias


def _spans(count: int) -> list[tuple[int, int]]:
    """Which of a sequence's new positions attend in one call."""
    return [(i, i + 1) for i in range(count)] if count <= attention.SINGLY else [(0, count)]


def _is_hooked(model: Any) -> bool:
    return hasattr(model, "_hf_hook") or hasattr(model.gpt_neox_japanese, "_hf_hook")


def _plain(model: Any, ids: Tensor, cache: KVCache) -> Tensor:
    """The last hidden states (T, C) of one sequence by the plain forward."""
    return model.gpt_neox_japanese(ids[None], past_key_values=[cache]).last_hidden_state[0]


def _check(model: Any, input_ids: Tensor, counts: Sequence[int], caches: Sequence[KVCache]) -> None:
    if input_ids.dim() != 1 or input_ids.is_floating_point() or not len(input_ids):
        raise ParameterError(
            f"input_ids must be whole numbers of the shape (positions,), at least one, not {tuple(input_ids.shape)} "
            f"{input_ids.dtype}."
        )
    if min(counts, default=0) < 1 or sum(counts) != len(input_ids):
        raise ParameterError(
            f"counts={list(counts)!r:.60} must be 1 or more each and {len(input_ids)} in sum, one id of input_ids each."
        )
    if len(caches) != len(counts) or len({id(cache) for cache in caches}) != len(counts):
        raise ParameterError(f"caches must be {len(counts)} different KVCaches, one for each of counts; found {len(caches)}.")
    if input_ids.device.type == "cpu":  # reading ids back from another device would make the host wait
        low, high = (int(bound) for bound in input_ids.aminmax())
        if low < 0 or high >= model.config.vocab_size:
            raise ParameterError(
                f"input_ids holds {low if low < 0 else high}: the model's ids run from 0 to {model.config.vocab_size - 1}. "
                "Is this the tokenizer that belongs to the model?"
            )
