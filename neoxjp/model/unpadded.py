"""One forward for many sequences: their new ids concatenated without padding, each sequence with its own KV cache.

Linears and norms process all N positions together, attention runs for each sequence, and the output layer only for the
requested rows. No gradients. With packed weights a position has the same bits whatever else is in the batch
(quantization/packed_linear.py). Where the kernels in C can compute the whole network they do; else torch's operators.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neoxjp.errors import ParameterError
from neoxjp.model import attention
from neoxjp.model.kv_cache import CACHE_BLOCK, KVCache, attention_dtype
from neoxjp.model.layers import TrackedModule, row_stable_gelu
from neoxjp.model.rotary import Rope, rope_table, rotate_qkv
from neoxjp.quantization import NativeNetwork, NewRows, PackedLinear, stable_width


@torch.inference_mode()
def forward_unpadded(
    model: Any,
    input_ids: Tensor,
    counts: Sequence[int],
    caches: Sequence[KVCache],
    logits_at: Tensor | None = None,
    chunk: int | None = None,
) -> Tensor:
    """Logits (R, V) float32 of the positions `logits_at`, or of each sequence's last one; the caches grow by `counts`.

    >>> forward_unpadded(model, torch.tensor([5, 6, 7, 8]), [3, 1], [fresh, running])   # 5 6 7 begin a text, 8 continues another

    With torch's operators a sequence of at most `attention.MAX_SINGLE_QUERIES` new ids attends query by query, so that each
    position is computed as a decoding step of its own would be; a longer one (a piece of a prompt) in one kernel call. The
    kernels in C compute each position as a step, in any piece.

    Args:
        input_ids: (N,) int64; the first counts[0] belong to caches[0], and so on.
        counts: new ids of each sequence, 1 or more; N in sum.
        caches: one for each sequence, all different; extended in place.
        logits_at: (R,) int64, flat positions from 0 to N - 1; R may be 0.
        chunk: a sequence's new ids attend in pieces that end at multiples of this many positions, each as in a separate forward;
            None: all at once.

    Raises:
        ParameterError: counts, caches and ids do not match each other or the model; an id outside the vocabulary; a position
            that does not exist.
    """
    _check(model, input_ids, counts, caches)
    if logits_at is not None:
        _check_places(logits_at, len(input_ids))
    else:
        logits_at = None if len(counts) == len(input_ids) else torch.tensor(counts).cumsum(0).sub_(1)
    if _is_hooked(model):  # accelerate loads weights when modules are called, and only the plain forward calls them all
        hidden = torch.cat(
            [_forward_with_hooks(model, ids, cache) for ids, cache in zip(input_ids.split(list(counts)), caches, strict=True)]
        )
        return model.embed_out(hidden if logits_at is None else hidden[logits_at.to(hidden.device)]).float()
    functions, config = _forward_functions(model), model.config
    pieces = _pieces(counts, caches, chunk)
    if functions.network is not None and _attends_natively(model):
        return _forward_native(functions, functions.network, config, input_ids, pieces, logits_at)
    count = len(input_ids)
    x = functions.embed_in(input_ids)  # (N, C)
    width = stable_width(functions.embed_out, count)
    if width > count:
        x = F.pad(x, (0, 0, 0, width - count))
    angles = _angles(pieces, width, config, x.device)
    implementation, ndims, shape = model.attn_implementation, config.rotary_ndims, (width, config.num_attention_heads, 3, -1)
    attend_one, groups = _attend_one(implementation, x), _runs(pieces, width)
    filling = x.new_zeros(width - count, config.hidden_size) if width > count else None
    exact = attention_dtype(x.device, x.dtype)
    for layer in functions.layers:
        qkv = rotate_qkv(layer.query_key_value(layer.input_layernorm(x)).view(shape), angles, ndims)  # (width, H, 3, D)
        rows = _attend(layer.number, qkv if qkv.dtype == exact else qkv.to(exact), pieces, attend_one, implementation)
        if filling is not None:
            rows.append(filling)
        out = rows[0] if len(rows) == 1 else torch.cat(rows)  # (width, C)
        out = layer.dense(out if out.dtype == x.dtype else out.to(x.dtype))
        bias = layer.parameters.get("dense_bias")
        x = (out if bias is None else out.add_(bias)).add_(x)
        inner = layer.dense_h_to_4h(layer.post_attention_layernorm(x))
        x = layer.dense_4h_to_h(_gelu(inner, groups) if layer.act is F.gelu else layer.act(inner)).add_(x)
    for piece in pieces:
        piece.cache.advance(piece.new)
    if logits_at is not None:
        x = x[logits_at.to(x.device)]
    elif width > count:
        x = x[:count]
    return functions.compute_logits(functions.final_layer_norm(x)).float()


def positions_are_identical(model: Any) -> bool:
    """Whether a position has the same bits in a decoding step, in any chunk of a prompt, and in any batch."""
    return not _is_hooked(model) and _forward_functions(model).network is not None and _attends_natively(model)


def _attends_natively(model: Any) -> bool:
    return model.attn_implementation == "auto"


Compute = Callable[[Tensor], Tensor]  # (N, …) → (N, …)


@dataclass(frozen=True, slots=True)
class _Layer:
    """The functions of a layer. They look up their weights at each call, so that moved or reloaded weights are used."""

    number: int  # in a cache
    input_layernorm: Compute
    query_key_value: Compute
    parameters: dict[str, nn.Parameter | None]  # of the attention: perhaps "dense_bias"
    dense: Compute
    post_attention_layernorm: Compute
    dense_h_to_4h: Compute
    act: Compute
    dense_4h_to_h: Compute


@dataclass(frozen=True, slots=True)
class _ForwardFunctions:
    """The functions of a model without its modules, whose calls take a fifth of a small model's step. Hooks are not run."""

    changes: int  # TrackedModule.changes when it was made
    modules: list[nn.Module | None]  # the layers
    embed_in: Compute
    layers: list[_Layer]
    final_layer_norm: Compute
    embed_out: nn.Module
    compute_logits: Compute
    network: NativeNetwork | None  # the network in C, where it supports these weights


_cached_functions: WeakKeyDictionary[nn.Module, _ForwardFunctions] = WeakKeyDictionary()


def forget_functions(model: nn.Module) -> None:
    """Drop what is cached of a model whose weights were replaced, and with it the old weights."""
    _cached_functions.pop(model, None)


def _forward_functions(model: Any) -> _ForwardFunctions:
    found, body = _cached_functions.get(model), model._modules["gpt_neox_japanese"]
    modules = list(body._modules["layers"]._modules.values())
    if found is not None and found.network is not None and not found.network.is_current():
        found = None
    if found is None or found.changes != TrackedModule.changes or found.modules != modules:
        layers, norm = [_layer(layer) for layer in modules], body.final_layer_norm
        out = model.embed_out
        network = _network(modules, norm, out, model.config)
        found = _ForwardFunctions(
            TrackedModule.changes, modules, _embedding(body), layers, _norm(norm), out, _linear(out), network
        )
        _cached_functions[model] = found
    return found


def _network(layers: list[Any], norm: nn.LayerNorm, embed_out: nn.Module, config: Any) -> NativeNetwork | None:
    if not NativeNetwork.fits(layers, norm, embed_out):
        return None
    return NativeNetwork(layers, norm, embed_out, config.num_attention_heads, config.rotary_ndims)


def _embedding(body: Any) -> Compute:
    parameters, norm = body.embed_in._parameters, body.final_layer_norm._parameters
    return lambda ids: F.embedding(ids, parameters["weight"]).to(norm["weight"].dtype)


def _layer(layer: Any) -> _Layer:
    block, mlp = layer.attention, layer.mlp
    return _Layer(
        block.number,
        _norm(layer.input_layernorm),
        _linear(block.query_key_value),
        block._parameters,
        _linear(block.dense),
        _norm(layer.post_attention_layernorm),
        _linear(mlp.dense_h_to_4h),
        mlp.act,
        _linear(mlp.dense_4h_to_h),
    )


def _norm(norm: nn.LayerNorm) -> Compute:
    parameters, shape, eps = norm._parameters, norm.normalized_shape, norm.eps
    return lambda x: torch.layer_norm(x, shape, parameters["weight"], parameters["bias"], eps)


def _linear(linear: nn.Module) -> Compute:
    if type(linear) is nn.Linear:
        parameters = linear._parameters
        return lambda x: F.linear(x, parameters["weight"], parameters["bias"])  # type: ignore[arg-type]
    return linear.forward if type(linear) is PackedLinear else linear


class _Piece(NamedTuple):
    """The new positions of one sequence."""

    cache: KVCache
    start: int  # its first row
    new: int
    past: int  # tokens in the cache
    ends: Sequence[int]  # of the new positions that attend together, from `start` on


def _pieces(counts: Sequence[int], caches: Sequence[KVCache], chunk: int | None) -> list[_Piece]:
    pieces, start = [], 0
    for cache, count in zip(caches, counts, strict=True):
        past = cache.length
        ends = (count,) if chunk is None or count == 1 else (*range(chunk - past % chunk, count, chunk), count)
        pieces.append(_Piece(cache, start, count, past, ends))
        start += count
    return pieces


def _runs(pieces: list[_Piece], width: int) -> list[tuple[bool, int]]:
    """Groups of consecutive rows: whether they attend one by one, and how many. Filler rows belong to the last group."""
    sizes = [end - begin for piece in pieces for begin, end in itertools.pairwise((0, *piece.ends))]
    groups = [
        (singly, sum(group)) for singly, group in itertools.groupby(sizes, lambda size: size <= attention.MAX_SINGLE_QUERIES)
    ]
    groups[-1] = groups[-1][0], groups[-1][1] + width - sum(sizes)
    return groups


def _gelu(x: Tensor, groups: list[tuple[bool, int]]) -> Tensor:
    """GELU: for single steps by the kernel that is fast for few numbers, for chunks of prompts by the other, in any batch."""
    if len(groups) == 1:
        return row_stable_gelu(x) if groups[0][0] else F.gelu(x)
    parts = zip(groups, x.split([count for _, count in groups]), strict=True)
    return torch.cat([row_stable_gelu(part) if singly else F.gelu(part) for (singly, _), part in parts])


def _table(pieces: list[_Piece], config: Any, device: torch.device) -> Rope:
    """The rotations of all positions up to the context, or up to the longest sequence in blocks."""
    longest = max(piece.past + piece.new for piece in pieces)
    length = max(config.max_position_embeddings, -(-longest // CACHE_BLOCK) * CACHE_BLOCK)
    return rope_table(length, config.rotary_ndims, config.rotary_emb_base, config.head_dim, device)


def _angles(pieces: list[_Piece], width: int, config: Any, device: torch.device) -> Rope:
    """The rotation of each row, (width, 1, 3, D); those of filler rows do not matter."""
    table, first = _table(pieces, config, device), pieces[0]
    if len(pieces) == 1 and first.past + width <= len(table.cos):
        return Rope(table.cos[first.past : first.past + width], table.sin[first.past : first.past + width])
    places = [piece.past + place for piece in pieces for place in range(piece.new)]
    at = torch.tensor(places + [0] * (width - len(places)), device=device)
    return Rope(table.cos[at], table.sin[at])


def _attend(number: int, qkv: Tensor, pieces: list[_Piece], attend_one: Any, implementation: Any) -> list[Tensor]:
    """Attention of one layer, sequence by sequence: queries, keys and values (width, H, 3, D) → rows (T, H · D), in order."""
    width = len(qkv)
    q = qkv.narrow(2, 0, 1)  # (width, H, 1, D)
    kv = qkv.narrow(2, 1, 2).permute(2, 1, 0, 3).unsqueeze(1)  # (2, 1, H, width, D)
    rows = []
    for cache, start, count, past, ends in pieces:
        new = kv if count == width else kv.narrow(3, start, count)
        keys, values = cache.append(number, new).unbind(0)  # (1, H, S, D)
        if count == 1:
            rows.append(attend_one(q.narrow(0, start, 1), keys, values).view(1, -1))
            continue
        begin = 0
        for end in ends:
            if end - begin > attention.MAX_SINGLE_QUERIES:
                queries = q.narrow(0, start + begin, end - begin).permute(2, 1, 0, 3)  # (1, H, T, D)
                k, v = keys.narrow(2, 0, past + end), values.narrow(2, 0, past + end)
                rows.append(attention.attend(queries, k, v, implementation=implementation)[0][0].transpose(0, 1).flatten(1))
            else:
                for place in range(begin, end):
                    single, seen = q.narrow(0, start + place, 1), past + place + 1
                    rows.append(attend_one(single, keys.narrow(2, 0, seen), values.narrow(2, 0, seen)).view(1, -1))
            begin = end
    return rows


def _attend_one(implementation: Any, like: Tensor) -> Any:
    """Attention of one query (1, H, 1, D) to all of (1, H, S, D): torch's own unless another is requested."""
    if implementation == "sdpa" or (implementation == "auto" and like.is_cpu):
        return F.scaled_dot_product_attention
    return lambda q, k, v: attention.attend(q, k, v, implementation=implementation)[0]


def _forward_native(
    functions: _ForwardFunctions,
    network: NativeNetwork,
    config: Any,
    input_ids: Tensor,
    pieces: list[_Piece],
    logits_at: Tensor | None,
) -> Tensor:
    """What `forward_unpadded` computes, by one function in C: each position as if it stood alone, in any piece."""
    x = functions.embed_in(input_ids)  # (N, C)
    table = _table(pieces, config, x.device)
    like = x[:1].view(config.num_attention_heads, 1, -1)
    sequences = [
        NewRows(start, new, past, cache.reserve(past + new, like, len(functions.layers))) for cache, start, new, past, _ in pieces
    ]
    logits = network.forward(x, sequences, table, logits_at)
    for piece in pieces:
        piece.cache.advance(piece.new)
    return logits


def _is_hooked(model: Any) -> bool:
    return "_hf_hook" in model.__dict__ or "_hf_hook" in model._modules["gpt_neox_japanese"].__dict__


def _forward_with_hooks(model: Any, ids: Tensor, cache: KVCache) -> Tensor:
    """The last hidden states (T, C) of one sequence by the plain forward."""
    return model.gpt_neox_japanese(ids[None], past_key_values=[cache]).last_hidden_state[0]


def _check_places(logits_at: Tensor, count: int) -> None:
    if logits_at.dim() != 1 or logits_at.dtype != torch.int64:
        raise ParameterError(
            f"logits_at must be positions of the shape (rows,) in int64, not {tuple(logits_at.shape)} {logits_at.dtype}."
        )
    places = logits_at.tolist() if logits_at.is_cpu else []  # reading them back from another device would make the host wait
    low, high = min(places, default=0), max(places, default=0)
    if low < 0 or high >= count:
        raise ParameterError(f"logits_at holds positions from {low} to {high}: those of this forward run from 0 to {count - 1}.")


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
        ids = input_ids.tolist()
        low, high = min(ids), max(ids)
        if low < 0 or high >= model.config.vocab_size:
            raise ParameterError(
                f"input_ids holds {low if low < 0 else high}: the model's ids run from 0 to {model.config.vocab_size - 1}. "
                "Is this the tokenizer that belongs to the model?"
            )
