"""One layer of the network: attention, the MLP, two norms and the residual.

Attribute names are the checkpoint's names. The linears have no biases (as in PaLM, arXiv 2204.02311) but for the last layer's
`dense_bias`; the residual is sequential, where GPT-NeoX has a parallel one; positions are passed as angles, so there are no
buffers.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neoxjp.model import attention
from neoxjp.model.attention import Implementation
from neoxjp.model.config import GPTNeoXJapaneseConfig
from neoxjp.model.kv_cache import KVCache, attention_dtype
from neoxjp.model.rotary import Rope, rotate

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "relu": F.relu,
    "silu": F.silu,
    **dict.fromkeys(("gelu_new", "gelu_fast", "gelu_pytorch_tanh"), functools.partial(F.gelu, approximate="tanh")),
}


@dataclass(frozen=True)
class BatchLayout:
    """The layout of the batch of one forward, for the attention of every layer."""

    caches: list[KVCache] | None  # one for each row
    token_positions: list[Tensor] | None  # for each row the positions that are no padding; None: all (no padding, or no caches)
    ragged: bool  # some cache has tokens already and the batch is not one unpadded row: attend row by row
    implementation: Implementation
    dropout: float
    need_weights: bool


class TrackedModule(nn.Module):
    """A module that counts, for all of its kind together, how often a submodule was replaced."""

    changes = 0

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if isinstance(value, nn.Module):
            TrackedModule.changes += 1


class GPTNeoXJapaneseLayer(TrackedModule):
    """One block: x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, config: GPTNeoXJapaneseConfig, number: int) -> None:
        super().__init__()
        self.hidden_dropout = config.hidden_dropout
        self.input_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.post_attention_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.attention = GPTNeoXJapaneseAttention(config, number)
        self.mlp = GPTNeoXJapaneseMLP(config)

    def forward(self, x: Tensor, angles: Rope, mask: Tensor | None, rows: BatchLayout) -> tuple[Tensor, Tensor | None]:
        """(B, T, C) → the same, and the attention weights (B, H, T, S) if asked for."""
        out, weights = self.attention(self.input_layernorm(x), angles, mask, rows)
        x = x + F.dropout(out, self.hidden_dropout, self.training)
        return x + F.dropout(self.mlp(self.post_attention_layernorm(x)), self.hidden_dropout, self.training), weights


class GPTNeoXJapaneseAttention(TrackedModule):
    """Self-attention. The rows of `query_key_value` go head by head: query, key, value of the first head, then of the second."""

    def __init__(self, config: GPTNeoXJapaneseConfig, number: int) -> None:
        super().__init__()
        self.number = number
        self.num_heads = config.num_attention_heads
        self.query_key_value = nn.Linear(config.hidden_size, 3 * config.hidden_size, bias=False)
        self.dense = nn.Linear(config.hidden_size, config.hidden_size, bias=False)
        last = number == config.num_hidden_layers - 1
        self.dense_bias = nn.Parameter(torch.zeros(config.hidden_size)) if last else None

    def forward(self, x: Tensor, angles: Rope, mask: Tensor | None, rows: BatchLayout) -> tuple[Tensor, Tensor | None]:
        """(B, T, C) → the same, and the weights if asked for. Writes the new keys and values into the rows' caches."""
        batch, width, size = x.shape
        qkv = self.query_key_value(x).view(batch, width, self.num_heads, 3, -1)  # (B, T, H, 3, D)
        v = qkv[..., 2, :].transpose(1, 2)  # (B, H, T, D)
        v = v if rows.caches is None else v.to(attention_dtype(v.device, v.dtype))
        q, k = (part.transpose(1, 2) for part in rotate(qkv[..., :2, :], angles).to(v.dtype).unbind(3))
        if rows.ragged:
            out, weights = self._attend_by_row(q, k, v, rows)
        else:
            k, v = self._update_caches(k, v, rows)
            out, weights = attention.attend(
                q, k, v, mask, implementation=rows.implementation, dropout=rows.dropout, need_weights=rows.need_weights
            )
        out = self.dense(out.transpose(1, 2).reshape(batch, width, size).to(x.dtype))
        return (out if self.dense_bias is None else out + self.dense_bias), weights

    def _update_caches(self, k: Tensor, v: Tensor, rows: BatchLayout) -> tuple[Tensor, Tensor]:
        """Write each row's tokens into its cache. Returns what to attend to: the batch's keys and values, or all of one row."""
        if rows.caches is None:
            return k, v
        for number, cache in enumerate(rows.caches):
            token_positions = slice(None) if rows.token_positions is None else rows.token_positions[number].to(k.device)
            row = cache.update(self.number, k[number][:, token_positions], v[number][:, token_positions])
        if len(rows.caches) == 1 and rows.token_positions is None:
            return row
        if all(cache.dtype is None for cache in rows.caches):
            return k, v
        kept = [(cache.round_trip(k[number]), cache.round_trip(v[number])) for number, cache in enumerate(rows.caches)]
        return torch.stack([keys for keys, _ in kept]), torch.stack([values for _, values in kept])

    def _attend_by_row(self, q: Tensor, k: Tensor, v: Tensor, rows: BatchLayout) -> tuple[Tensor, Tensor | None]:
        """Rows with caches of different lengths: each attends to its own; padding becomes zeros."""
        assert rows.caches is not None
        out = torch.zeros_like(q)
        longest = max(cache.length for cache in rows.caches) + q.shape[2]
        weights = q.new_zeros((*q.shape[:3], longest)) if rows.need_weights else None
        for number, cache in enumerate(rows.caches):
            token_positions = slice(None) if rows.token_positions is None else rows.token_positions[number].to(q.device)
            if isinstance(token_positions, Tensor) and not len(token_positions):
                continue  # a row of padding only
            keys, values = cache.update(self.number, k[number][:, token_positions], v[number][:, token_positions])
            row, row_weights = attention.attend(
                q[number : number + 1, :, token_positions],
                keys,
                values,
                implementation=rows.implementation,
                dropout=rows.dropout,
                need_weights=rows.need_weights,
            )
            out[number, :, token_positions] = row[0]
            if weights is not None and row_weights is not None:
                weights[number, :, token_positions, : keys.shape[2]] = row_weights[0]
        return out, weights


class GPTNeoXJapaneseMLP(TrackedModule):
    """Two linears and an activation."""

    def __init__(self, config: GPTNeoXJapaneseConfig) -> None:
        super().__init__()
        self.dense_h_to_4h = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.dense_4h_to_h = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)
        self.act = _ACTIVATIONS[config.hidden_act]

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) → the same."""
        return self.dense_4h_to_h(self.act(self.dense_h_to_4h(x)))


SMALL = 4096  # row width up to which GELU is fastest on one core
_SERIAL = 2**14  # torch's GELU uses one core for up to this many numbers


def row_stable_gelu(x: Tensor) -> Tensor:
    """F.gelu of (N, F) whose rows have the same bits for any N. Without gradients.

    For few numbers torch's own kernel is three times faster than oneDNN's, which torch uses for contiguous tensors: so the
    input is transposed, as rows of half the width. That kernel computes full vectors, and single numbers where a core's part
    ends within
    one, which are rounded differently: hence only widths of full vectors, and no more than one core computes.
    """
    count, size = x.shape
    if size > SMALL or size % 64 or not x.is_cpu or x.dtype != torch.float32:
        return F.gelu(x)
    at_once = _SERIAL // size
    if count > at_once:
        return torch.cat([row_stable_gelu(piece) for piece in x.split(at_once)])
    return F.gelu(x.view(2 * count, -1).t()).t().view(count, size)
