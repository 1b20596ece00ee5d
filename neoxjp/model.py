"""The whole network, top-down: GPT-NeoX-Japanese for next-token prediction, its body, a layer, attention, the MLP.

Attribute names are the checkpoint's names. The linears have no biases (as in PaLM, arXiv 2204.02311) but for the last layer's
`dense_bias`; the residual is sequential; the rotary embedding is a function, so the module has no buffers. `generate` stands on
engine.py and beam.py, loading and saving on checkpoint.py.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neoxjp import attention
from neoxjp.attention import Implementation, KVCache, Rope
from neoxjp.config import GPTNeoXJapaneseConfig
from neoxjp.errors import ParameterError

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "relu": F.relu,
    "silu": F.silu,
    **dict.fromkeys(("gelu_new", "gelu_fast", "gelu_pytorch_tanh"), lambda x: F.gelu(x, approximate="tanh")),
}


class _Unpackable:
    """A record that is also the tuple of its filled fields: `loss, logits = output`, `output[0]`, `output["logits"]`."""

    def to_tuple(self) -> tuple[Any, ...]:
        """The fields that are not None, in order."""
        values = (getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]
        return tuple(value for value in values if value is not None)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.to_tuple())

    def __len__(self) -> int:
        return len(self.to_tuple())

    def __getitem__(self, key: int | slice | str) -> Any:
        return getattr(self, key) if isinstance(key, str) else self.to_tuple()[key]


@dataclass(frozen=True)
class ModelOutput(_Unpackable):
    """What the body gives."""

    last_hidden_state: Tensor  # (B, T, C), after the final layer norm
    past_key_values: list[KVCache] | None = None  # one a row
    hidden_states: tuple[Tensor, ...] | None = None  # what enters each layer, then last_hidden_state; (B, T, C) each
    attentions: tuple[Tensor, ...] | None = (
        None  # weights of each layer, (B, H, T, S); S is the longest row's, shorter rows end in zeros
    )


@dataclass(frozen=True)
class CausalLMOutput(_Unpackable):
    """What the network gives."""

    loss: Tensor | None = None  # mean cross entropy in nats over the labels that are not -100
    logits: Tensor | None = None  # (B, T, V), or the last `logits_to_keep` positions of it
    past_key_values: list[KVCache] | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


@dataclass(frozen=True)
class _Rows:
    """How one forward lays out its rows: made once by the body, read by every layer's attention."""

    caches: list[KVCache] | None  # one a row
    columns: list[Tensor] | None  # for each row the columns that hold tokens; None: all of them (nothing is padded, or no caches)
    ragged: bool  # some cache holds tokens already and the batch is not one whole row: attend row by row
    implementation: Implementation
    dropout: float
    need_weights: bool


class GPTNeoXJapaneseForCausalLM(nn.Module):
    """The network with its output layer: ids in, logits of the next id out."""

    _no_split_modules = ("GPTNeoXJapaneseLayer",)  # accelerate keeps a layer on one device

    def __init__(self, config: GPTNeoXJapaneseConfig, attn_implementation: Implementation = "auto") -> None:
        super().__init__()
        self.config = config
        self.load_report: Any = None  # checkpoint.LoadReport of from_pretrained
        self.gpt_neox_japanese = GPTNeoXJapaneseModel(config, attn_implementation)
        self.embed_out = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        nn.init.normal_(self.embed_out.weight, std=config.initializer_range)
        self.tie_weights()

    def tie_weights(self) -> None:
        """Share the embedding with the output layer, if the config says so. Needed after every load that assigns weights."""
        if self.config.tie_word_embeddings:
            self.embed_out.weight = self.gpt_neox_japanese.embed_in.weight

    @property
    def device(self) -> torch.device:
        """Where input ids belong."""
        return self.gpt_neox_japanese.device

    @property
    def dtype(self) -> torch.dtype:
        """How the embedding is stored."""
        return self.gpt_neox_japanese.embed_in.weight.dtype

    def new_cache(self) -> KVCache:
        """An empty cache for one sequence."""
        return self.gpt_neox_japanese.new_cache()

    @property
    def cache_bytes_per_token(self) -> int:
        """Bytes that one token takes in a KV cache: 655,360 for the 2.7B in float32."""
        size = 4 if self.device.type == "cpu" and self.dtype != torch.float64 else self.dtype.itemsize
        return 2 * self.config.num_hidden_layers * self.config.hidden_size * size

    def attention_backend(self) -> attention.Backend:
        """Which attention kernel reads a prompt with the model as it is now, and why it is not flash."""
        config = self.config
        shape = (1, config.num_attention_heads, 16, config.head_dim)
        on_cpu = self.device.type == "cpu" and self.dtype != torch.float64
        q = torch.zeros(shape, dtype=torch.float32 if on_cpu else self.dtype, device=self.device)
        return attention.backend_in_use(q, q, q, implementation=self.gpt_neox_japanese.attn_implementation)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        past_key_values: Sequence[KVCache] | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
        logits_to_keep: int | Tensor = 0,
        return_dict: bool = True,
    ) -> CausalLMOutput | tuple[Any, ...]:
        """Logits of the next id at each position; with `labels` also the loss.

        Args:
            input_ids: (B, T) int64. Or inputs_embeds (B, T, C).
            attention_mask: (B, T), 1 for tokens, 0 for padding on either side; with caches, columns for the past may stand before.
            position_ids: (B or 1, T); by default each row counts its own tokens, after those in its cache.
            past_key_values: one cache a row, each of its own length; they are extended in place by the row's tokens.
            labels: (B, T) int64, the ids themselves (they are shifted here); -100 is left out of the loss.
            use_cache: return caches. By default where no labels are given and the model does not train.
            output_attentions: also return each layer's weights (computed by the eager path).
            logits_to_keep: only the last so many positions, or those of an index tensor; 0 keeps all.
            return_dict: False gives the plain tuple.

        Raises:
            ParameterError: shapes that do not fit together, an id outside the vocabulary.
        """
        if use_cache is None:
            use_cache = past_key_values is not None or (labels is None and not self.training)
        body = self.gpt_neox_japanese(
            input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            past_key_values=past_key_values,
            use_cache=use_cache,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        hidden = body.last_hidden_state  # (B, T, C)
        if isinstance(logits_to_keep, Tensor):
            hidden = hidden[:, logits_to_keep]
        elif logits_to_keep:
            hidden = hidden[:, -logits_to_keep:]
        logits = self.embed_out(hidden)  # (B, T or kept, V)
        loss = None if labels is None else _loss(logits, labels)
        output = CausalLMOutput(loss, logits, body.past_key_values, body.hidden_states, body.attentions)
        return output if return_dict else output.to_tuple()


def _loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross entropy (nats) of the next id: the logits (B, T, V) of position t against the label (B, T) of t + 1."""
    if labels.shape != logits.shape[:2]:
        raise ParameterError(
            f"labels have the shape {tuple(labels.shape)}, the logits {tuple(logits.shape)}: give one label a position."
        )
    following = F.pad(labels[:, 1:], (0, 1), value=-100).to(logits.device)  # the last position has nothing to predict
    return F.cross_entropy(logits.float().flatten(0, 1), following.flatten(), ignore_index=-100)


class GPTNeoXJapaneseModel(nn.Module):
    """The network without its output layer: embedding, layers, final layer norm."""

    _no_split_modules = ("GPTNeoXJapaneseLayer",)

    def __init__(self, config: GPTNeoXJapaneseConfig, attn_implementation: Implementation = "auto") -> None:
        super().__init__()
        if attn_implementation not in attention.IMPLEMENTATIONS:
            names = ", ".join(map(repr, attention.IMPLEMENTATIONS))
            raise ParameterError(f"attn_implementation={attn_implementation!r} is not one of {names}.")
        self.config = config
        self.attn_implementation: Implementation = attn_implementation
        self.embed_in = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(GPTNeoXJapaneseLayer(config, number) for number in range(config.num_hidden_layers))
        self.final_layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=config.initializer_range)

    @property
    def device(self) -> torch.device:
        """Where input ids belong; for an offloaded embedding the device that computes it."""
        hook = getattr(self.embed_in, "_hf_hook", None)
        device = getattr(hook, "execution_device", None)
        return self.embed_in.weight.device if device is None else torch.device(device)

    def new_cache(self) -> KVCache:
        """An empty cache for one sequence."""
        return KVCache(self.config.num_hidden_layers)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        past_key_values: Sequence[KVCache] | None = None,
        use_cache: bool | None = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
        return_dict: bool = True,
    ) -> ModelOutput | tuple[Any, ...]:
        """The last hidden state (B, T, C). The arguments are those of `GPTNeoXJapaneseForCausalLM.forward`."""
        if (input_ids is None) == (inputs_embeds is None):
            raise ParameterError("Give either input_ids or inputs_embeds, and not both.")
        if inputs_embeds is None:
            assert input_ids is not None
            _check_ids(input_ids, self.config.vocab_size)
            inputs_embeds = self.embed_in(input_ids)  # (B, T, C)
        count, width = inputs_embeds.shape[:2]
        caches = self._caches(past_key_values, use_cache, count)
        valid = _valid(attention_mask, count, width, inputs_embeds.device)
        if position_ids is None:
            position_ids = _positions(valid, caches, width, inputs_embeds.device)
        rows = self._rows(caches, valid, count, output_attentions)
        mask = None if valid is None or rows.ragged else attention.padding_mask(valid)
        angles = attention.rope(position_ids, self.config.rotary_ndims, self.config.rotary_emb_base)

        hidden = inputs_embeds
        hidden_states: list[Tensor] = []
        attentions: list[Tensor] = []
        for layer in self.layers:
            hidden_states += [hidden] if output_hidden_states else []
            hidden, weights = layer(hidden, angles, mask, rows)
            attentions += [weights] if output_attentions else []
        hidden = self.final_layer_norm(hidden)
        hidden_states += [hidden] if output_hidden_states else []
        for number, cache in enumerate(caches or []):
            cache.advance(width if rows.columns is None else len(rows.columns[number]))
        output = ModelOutput(hidden, caches, tuple(hidden_states) or None, tuple(attentions) or None)
        return output if return_dict else output.to_tuple()

    def _caches(self, given: Sequence[KVCache] | None, use_cache: bool | None, count: int) -> list[KVCache] | None:
        """One cache a row: those given, fresh ones, or none."""
        if given is None:
            wanted = not self.training if use_cache is None else use_cache
            return [self.new_cache() for _ in range(count)] if wanted else None
        if isinstance(given, KVCache) or len(given) != count or len({id(cache) for cache in given}) != count:
            found = "one KVCache" if isinstance(given, KVCache) else f"{len({id(c) for c in given})} different ones"
            raise ParameterError(
                f"past_key_values must be a list of {count} caches, one a row, but is {found}. Use [model.new_cache()]."
            )
        return list(given)

    def _rows(self, caches: list[KVCache] | None, valid: Tensor | None, count: int, need_weights: bool) -> _Rows:
        """The layout of this forward."""
        columns = None
        if caches is not None and valid is not None:
            columns = [row.nonzero().squeeze(1) for row in valid]
        past = any(cache.length for cache in caches or ())
        ragged = past and (count > 1 or valid is not None)
        dropout = self.config.attention_dropout if self.training else 0.0
        return _Rows(caches, columns, ragged, self.attn_implementation, dropout, need_weights)


def _check_ids(input_ids: Tensor, vocab_size: int) -> None:
    """Name a wrong id before the embedding fails on it (on a GPU that would end the process)."""
    if input_ids.dim() != 2 or input_ids.is_floating_point():
        raise ParameterError(
            f"input_ids must be whole numbers of the shape (rows, positions), not {tuple(input_ids.shape)} {input_ids.dtype}."
        )
    if not input_ids.numel():
        raise ParameterError(f"input_ids is empty, {tuple(input_ids.shape)}: give at least one id, for example the bos_token_id.")
    if input_ids.shape[1] == 1 and input_ids.device.type != "cpu":
        return  # a decoding step: reading the ids back would make the host wait for the device
    low, high = int(input_ids.min()), int(input_ids.max())
    if low < 0 or high >= vocab_size:
        raise ParameterError(f"input_ids holds {low if low < 0 else high}: the model's ids run from 0 to {vocab_size - 1}. "
                             "Is this the tokenizer that belongs to the model?")  # fmt: skip


def _valid(attention_mask: Tensor | None, count: int, width: int, device: torch.device) -> Tensor | None:
    """The mask's columns for the new positions, (B, T) bool; None where nothing is padded."""
    if attention_mask is None:
        return None
    if attention_mask.dim() != 2 or attention_mask.shape[0] != count or attention_mask.shape[1] < width:
        raise ParameterError(
            f"attention_mask has the shape {tuple(attention_mask.shape)}, the input {(count, width)}: give one number a token."
        )
    valid = attention_mask[:, -width:].to(device).bool()
    return None if bool(valid.all()) else valid


def _positions(valid: Tensor | None, caches: list[KVCache] | None, width: int, device: torch.device) -> Tensor:
    """Each row's tokens counted from the length of its cache, (B or 1, T); padding behind them goes on counting."""
    past = [cache.length for cache in caches] if caches else [0]
    start = torch.tensor(past, device=device)[:, None]
    if valid is not None:
        beyond = valid.flip(1).cumsum(1).eq(0).flip(1).cumsum(1)  # how far behind the row's last token
        return start + (valid.cumsum(1) - 1 + beyond).clamp(min=0)
    return (start if len(set(past)) > 1 else start[:1]) + torch.arange(width, device=device)


class GPTNeoXJapaneseLayer(nn.Module):
    """One block: x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, config: GPTNeoXJapaneseConfig, number: int) -> None:
        super().__init__()
        self.hidden_dropout = config.hidden_dropout
        self.input_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.post_attention_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.attention = GPTNeoXJapaneseAttention(config, number)
        self.mlp = GPTNeoXJapaneseMLP(config)

    def forward(self, x: Tensor, angles: Rope, mask: Tensor | None, rows: _Rows) -> tuple[Tensor, Tensor | None]:
        """(B, T, C) → the same, and the attention weights (B, H, T, S) if asked for."""
        out, weights = self.attention(self.input_layernorm(x), angles, mask, rows)
        x = x + F.dropout(out, self.hidden_dropout, self.training)
        return x + F.dropout(self.mlp(self.post_attention_layernorm(x)), self.hidden_dropout, self.training), weights


class GPTNeoXJapaneseAttention(nn.Module):
    """Self-attention. The rows of `query_key_value` go head by head: query, key, value of the first head, then of the second."""

    def __init__(self, config: GPTNeoXJapaneseConfig, number: int) -> None:
        super().__init__()
        self.number = number
        self.num_heads = config.num_attention_heads
        self.query_key_value = nn.Linear(config.hidden_size, 3 * config.hidden_size, bias=False)
        self.dense = nn.Linear(config.hidden_size, config.hidden_size, bias=False)
        last = number == config.num_hidden_layers - 1
        self.dense_bias = nn.Parameter(torch.zeros(config.hidden_size)) if last else None

    def forward(self, x: Tensor, angles: Rope, mask: Tensor | None, rows: _Rows) -> tuple[Tensor, Tensor | None]:
        """(B, T, C) → the same, and the weights if asked for. Writes the new keys and values into the rows' caches."""
        batch, width, size = x.shape
        qkv = self.query_key_value(x).view(batch, width, self.num_heads, 3, -1)  # (B, T, H, 3, D)
        v = qkv[..., 2, :].transpose(1, 2)  # (B, H, T, D)
        exact = rows.caches is not None and x.device.type == "cpu" and v.dtype != torch.float64
        v = v.float() if exact else v
        q, k = (part.transpose(1, 2) for part in attention.rotate(qkv[..., :2, :], angles).to(v.dtype).unbind(3))
        if rows.ragged:
            out, weights = self._attend_by_row(q, k, v, rows)
        else:
            k, v = self._remember(k, v, rows)
            out, weights = attention.attend(
                q, k, v, mask, implementation=rows.implementation, dropout=rows.dropout, need_weights=rows.need_weights
            )
        out = self.dense(out.transpose(1, 2).reshape(batch, width, size).to(x.dtype))
        return (out if self.dense_bias is None else out + self.dense_bias), weights

    def _remember(self, k: Tensor, v: Tensor, rows: _Rows) -> tuple[Tensor, Tensor]:
        """Write each row's tokens into its cache. Returns what to attend to: the batch's own, or the single row's whole past."""
        if rows.caches is None:
            return k, v
        for number, cache in enumerate(rows.caches):
            columns = slice(None) if rows.columns is None else rows.columns[number].to(k.device)
            row = cache.update(self.number, k[number][:, columns], v[number][:, columns])
        return row if len(rows.caches) == 1 and rows.columns is None else (k, v)

    def _attend_by_row(self, q: Tensor, k: Tensor, v: Tensor, rows: _Rows) -> tuple[Tensor, Tensor | None]:
        """Rows with pasts of different lengths: each attends to its own cache; padding gets zeros."""
        assert rows.caches is not None
        out = torch.zeros_like(q)
        longest = max(cache.length for cache in rows.caches) + q.shape[2]
        weights = q.new_zeros((*q.shape[:3], longest)) if rows.need_weights else None
        for number, cache in enumerate(rows.caches):
            columns = torch.arange(q.shape[2], device=q.device) if rows.columns is None else rows.columns[number].to(q.device)
            if not len(columns):
                continue
            keys, values = cache.update(self.number, k[number][:, columns], v[number][:, columns])
            row, row_weights = attention.attend(
                q[number : number + 1, :, columns],
                keys,
                values,
                implementation=rows.implementation,
                dropout=rows.dropout,
                need_weights=rows.need_weights,
            )
            out[number, :, columns] = row[0]
            if weights is not None and row_weights is not None:
                weights[number, :, columns, : keys.shape[2]] = row_weights[0]
        return out, weights


class GPTNeoXJapaneseMLP(nn.Module):
    """Two linears and an activation."""

    def __init__(self, config: GPTNeoXJapaneseConfig) -> None:
        super().__init__()
        self.dense_h_to_4h = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.dense_4h_to_h = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)
        self.act = _ACTIVATIONS[config.hidden_act]

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) → the same."""
        return self.dense_4h_to_h(self.act(self.dense_h_to_4h(x)))
