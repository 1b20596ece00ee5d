"""The whole network, top-down: GPT-NeoX-Japanese for next-token prediction, and its body without the output layer.

Attribute names are the checkpoint's names. A layer is in layers.py, the forward for many sequences in unpadded.py,
`generate` in generate.py, loading and saving of weights in neoxjp/weights.
"""

import dataclasses
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neoxjp.errors import ParameterError
from neoxjp.hub import resolve_model
from neoxjp.model import attention, rotary
from neoxjp.model.attention import Implementation
from neoxjp.model.config import GPTNeoXJapaneseConfig
from neoxjp.model.generate import generate
from neoxjp.model.kv_cache import CACHE_BLOCK, CacheDtype, KVCache, attention_dtype, cache_bytes_per_token, parse_cache_dtype
from neoxjp.model.layers import BatchLayout, GPTNeoXJapaneseLayer, TrackedModule
from neoxjp.model.outputs import CausalLMOutput, ModelOutput
from neoxjp.model.unpadded import forget_functions, forward_unpadded, positions_are_identical
from neoxjp.quantization import (
    NO_GRADIENTS,
    is_packed,
    packed_linears,
    parse_quantization,
    quantization_of,
    refuse_gradients,
    rows_are_independent,
)
from neoxjp.weights import LoadReport, empty_weights, load_weights, parse_dtype, save_weights


class _Pretrained(TrackedModule):
    """A network that is loaded from a model folder or the Hub, and saved to a folder."""

    config: GPTNeoXJapaneseConfig
    load_report: LoadReport | None = None  # what from_pretrained read
    _can_unpack = False  # whether from_pretrained packed without being asked: the stored weights can take the packed ones' place

    def __init__(
        self, config: GPTNeoXJapaneseConfig, attn_implementation: Implementation = "auto", cache_dtype: str | None = None
    ) -> None:
        super().__init__()
        attention.check_implementation(attn_implementation)
        self.config = config
        self.attn_implementation = attn_implementation
        self._cache_dtype = parse_cache_dtype(cache_dtype)  # as asked for

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path,
        *,
        revision: str | None = None,
        dtype: str | torch.dtype | None = None,
        torch_dtype: str | torch.dtype | None = None,
        quantization: str | None = None,
        packed: bool = True,
        device_map: str | int | torch.device | Mapping[str, str | int | torch.device] | None = None,
        max_memory: Mapping[int | str, int | str] | None = None,
        offload_folder: str | Path | None = None,
        attn_implementation: Implementation = "auto",
        cache_dtype: str | None = None,
        local_files_only: bool = False,
        allow_pickle: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Self:
        """Load a local folder or a Hub id, ready to generate (`.eval()`).

        Args:
            name_or_path: "models/mine", or "abeja/gpt-neox-japanese-2.7b" (its weights come from a safetensors conversion).
            revision: branch, tag or commit on the Hub.
            dtype: "float32", "bfloat16", "float16" or a torch.dtype; "auto" keeps the stored one, as plain torch linears.
                "float16" on a CPU packs the linears: float16 weights, float32 activations, several times faster than plain
                linears; such a model cannot be trained or saved.
                None, the default: the stored dtype, made ready for inference. On a CPU, weights that are stored in 16 bits are
                packed where a kernel for it runs. `.train()`, and `.to` with another device or dtype, then read the stored
                weights again and make plain linears of them; create an optimizer after that. `state_dict` and `save_pretrained`
                give the stored weights.
            torch_dtype: the older name of dtype.
            quantization: "int8": the linears hold and multiply whole numbers of 8 bits; "int4": numbers of 4 bits in groups of 32
                with a scale each, the output layer in int8. `dtype` is then the embedding's.
            packed: False: plain torch linears in any case.
            device_map: None (the CPU), a device, "auto", or module names → devices or "disk"; accelerate places the weights.
            max_memory, offload_folder: bounds and disk space for device_map.
            attn_implementation: "auto" takes the fastest kernel that can run, else "sdpa", "flash_attn" or "eager".
            cache_dtype: how KV caches store keys and values: "float32", "float16" or "int8" (one scale for each head and
                position); attention computes in float32. None, the default: float16 with packed weights where the kernels in C
                run, which read it directly; else float32 on a CPU, and the model's dtype elsewhere.
            local_files_only: no request leaves this machine.
            allow_pickle: also read a .bin, with weights_only=True.
            progress: called with (bytes done, bytes in all).

        Raises:
            CheckpointError: nothing found, a damaged file, tensors that do not fit (all of them named).
            ConfigError: config.json makes no network.
            ParameterError: a dtype, device or attention that cannot be had here.
        """
        asked = dtype if torch_dtype is None else torch_dtype
        wanted = parse_dtype(asked)
        attention.check_implementation(attn_implementation)
        parse_cache_dtype(cache_dtype)
        if parse_quantization(quantization) is not None and not packed:
            raise ParameterError(f"packed=False and quantization={quantization!r} exclude each other: leave one of the two out.")
        folder = resolve_model(
            name_or_path, revision=revision, local_files_only=local_files_only, allow_pickle=allow_pickle, progress=progress
        )
        config = GPTNeoXJapaneseConfig.from_folder(folder)
        with empty_weights():
            model = cls(config, attn_implementation, cache_dtype)
        report = load_weights(
            model,
            folder,
            dtype=wanted,
            quantization=quantization,
            packing="never" if not packed else "lossless" if asked is None else "asked",
            device_map=device_map,
            max_memory=max_memory,
            offload_folder=offload_folder,
            allow_pickle=allow_pickle,
            progress=progress,
        )
        model.load_report = report
        model._can_unpack = report.packed and asked is None and quantization is None
        config = dataclasses.replace(config, tie_word_embeddings=report.tied, dtype=str(report.dtype).removeprefix("torch."))
        for module in model.modules():  # the network and its body
            if isinstance(module, _Pretrained):
                module.config = config
        model.attention_backend()  # refuses a kernel that cannot run on the device where the weights are now
        return model.eval()

    def save_pretrained(self, folder: str | Path, *, max_shard_size: str | int = "5GB") -> None:
        """Write config.json and safetensors, whole or not at all; other files of the folder stay. transformers reads it too.

        A model that was packed by default is written as it is stored in its own folder; one from a quantized folder unpacked, in
        float16, with a warning.

        Raises ParameterError for a model that was packed on request: load it with dtype="auto" to save it.
        """
        if self._can_unpack:
            report = self.load_report
            if report is not None and report.quantization is not None:
                warnings.warn(
                    f"the weights are written unpacked, in float16: copy {str(report.folder)!r} to keep them packed",
                    stacklevel=2,
                )
            return self._as_stored().save_pretrained(folder, max_shard_size=max_shard_size)
        if is_packed(self):
            raise ParameterError(
                "a model with packed weights (dtype='float16' on a CPU, or quantization) cannot be saved: load it with "
                "dtype='auto' and without quantization to save it."
            )
        return save_weights(self.state_dict(), self.config.to_dict(), Path(folder), max_shard_size=max_shard_size)

    def _as_stored(self) -> Self:
        """The same model with plain linears, read again from the folder that it was loaded from (memory-mapped)."""
        report = self.load_report
        assert report is not None
        return type(self).from_pretrained(
            report.folder,
            dtype="auto",
            attn_implementation=self.attn_implementation,
            cache_dtype=self._cache_dtype,
            local_files_only=True,
            allow_pickle=report.format == "pickle",
        )

    def _unpack(self) -> None:
        """Replace the packed weights by the stored ones."""
        plain = self._as_stored()
        for name, child in plain.named_children():
            setattr(self, name, child)
        self.config, self.load_report, self._can_unpack = plain.config, plain.load_report, False
        forget_functions(self)

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """As in torch; of a model that was packed by default the stored weights."""
        return self._as_stored().state_dict(*args, **kwargs) if self._can_unpack else super().state_dict(*args, **kwargs)

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """As in torch; a model that was packed by default is unpacked first."""
        if self._can_unpack:
            self._unpack()
        return super().load_state_dict(*args, **kwargs)

    def _embedding(self) -> nn.Embedding:
        body: Any = self._modules.get("gpt_neox_japanese", self)
        return body.embed_in

    @property
    def device(self) -> torch.device:
        """Where input ids belong; for an offloaded embedding the device that computes it."""
        embedding = self._embedding()
        hook = embedding.__dict__.get("_hf_hook")  # asking a module for what it lacks takes long, and this is asked at each step
        device = getattr(hook, "execution_device", None)
        return embedding.weight.device if device is None else torch.device(device)

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the embedding."""
        return self._embedding().weight.dtype

    def train(self, mode: bool = True) -> Self:
        """As in torch. A model that was packed by default is unpacked first.

        Raises ParameterError for a model that was packed on request: packed weights have no gradients.
        """
        if mode and self._can_unpack:
            self._unpack()
            warnings.warn(
                "the weights were packed for inference, and train() has read the stored ones again as new parameters: create the "
                "optimizer after train(), or load the model with packed=False",
                stacklevel=2,
            )
        if mode and is_packed(self):
            raise ParameterError(NO_GRADIENTS)
        return super().train(mode)

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        if self._can_unpack:
            moved = fn(torch.empty(0, dtype=torch.float16))
            if moved.device.type != "cpu" or moved.dtype != torch.float16:
                self._unpack()
            elif fn(torch.empty(0, dtype=torch.float32)).dtype != torch.float32:
                return self  # .half() and .to(torch.float16): its weights are float16 already; norms and activations stay float32
        for module in packed_linears(self):
            module.check_move(fn)  # before anything has moved
        return super()._apply(fn, recurse)

    @property
    def num_parameters(self) -> int:
        """The number of weights; a tied output layer is not counted, also if it is packed separately."""
        count = sum(weight.numel() for weight in self.parameters())
        packed = sum(module.in_features * module.out_features for module in packed_linears(self))
        twice = packed and hasattr(self, "embed_out") and self.config.tie_word_embeddings
        return count + packed - (self._embedding().weight.numel() if twice else 0)

    @property
    def quantization(self) -> str | None:
        """ "int8" or "int4" where the linears hold such numbers, "mixed" for several formats."""
        return quantization_of(self)

    @property
    def rows_are_independent(self) -> bool:
        """Whether `forward_unpadded` gives a sequence the same bits alone and in a batch (quantization/packed_linear.py)."""
        return rows_are_independent(self)

    def new_cache(self) -> KVCache:
        """An empty cache for one sequence."""
        return KVCache(self.config.num_hidden_layers, self._stored_cache_dtype)

    @property
    def cache_dtype(self) -> str:
        """The format of keys and values in its caches: "float32", "float16" or "int8"; on a GPU also the model's own dtype."""
        return self._stored_cache_dtype or str(self._attention_dtype).removeprefix("torch.")

    @property
    def _stored_cache_dtype(self) -> CacheDtype | None:
        """The format that was asked for, or the default of this network; None: the dtype in which attention computes."""
        return self._cache_dtype

    @property
    def cache_bytes_per_token(self) -> int:
        """Bytes per token in a KV cache: 655,360 for the 2.7B in float32. A cache grows by kv_cache.CACHE_BLOCK tokens."""
        config = self.config
        sizes = config.num_hidden_layers, config.hidden_size, config.num_attention_heads
        return cache_bytes_per_token(self.cache_dtype, *sizes)

    def attention_backend(self) -> attention.Backend:
        """Which attention kernel processes a prompt with the model as it is now, and why it is not flash."""
        shape = (1, self.config.num_attention_heads, 16, self.config.head_dim)
        q = torch.zeros(shape, dtype=self._attention_dtype, device=self.device)
        return attention.backend_in_use(q, q, q, implementation=self.attn_implementation)

    @property
    def _attention_dtype(self) -> torch.dtype:
        """The dtype in which attention computes."""
        return attention_dtype(self.device, self.dtype)


class GPTNeoXJapaneseForCausalLM(_Pretrained):
    """The network with its output layer: ids in, logits of the next id out."""

    generate = generate
    cache_block = CACHE_BLOCK
    forward_unpadded = forward_unpadded

    def __init__(
        self, config: GPTNeoXJapaneseConfig, attn_implementation: Implementation = "auto", cache_dtype: str | None = None
    ) -> None:
        super().__init__(config, attn_implementation, cache_dtype)
        self.gpt_neox_japanese = GPTNeoXJapaneseModel(config, attn_implementation, cache_dtype)
        self.embed_out = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        nn.init.normal_(self.embed_out.weight, std=config.initializer_range)
        self.tie_weights()

    def tie_weights(self) -> None:
        """Share the embedding with the output layer, if the config says so. Needed after every load that assigns weights."""
        if self.config.tie_word_embeddings and isinstance(self.embed_out, nn.Linear):
            self.embed_out.weight = self.gpt_neox_japanese.embed_in.weight

    @property
    def positions_are_identical(self) -> bool:
        """Whether `forward_unpadded` gives a position the same bits in a decoding step and in any chunk of a prompt."""
        return positions_are_identical(self)

    @property
    def _stored_cache_dtype(self) -> CacheDtype | None:
        return self._cache_dtype or ("float16" if self.positions_are_identical else None)

    def attention_backend(self) -> attention.Backend:
        """Which attention kernel `forward_unpadded`, and so the engine, uses for a prompt now, and why it is not flash.

        "native" is the kernel in C.
        """
        return attention.Backend("native") if self.positions_are_identical else super().attention_backend()

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
            attention_mask: (B, T), 1 for tokens, 0 for padding on either side; with caches, the past's columns may stand before.
            position_ids: (B or 1, T); by default each row counts its own tokens, after those in its cache.
            past_key_values: one cache for each row, of any lengths; they are extended in place by the row's tokens.
            labels: (B, T) int64, the ids themselves (they are shifted here); -100 is left out of the loss.
            use_cache: return caches. By default True without labels and outside training.
            output_attentions: also return each layer's weights (computed by the eager path).
            logits_to_keep: the number of last positions that need logits, or an index tensor; 0 keeps all.
            return_dict: False gives the plain tuple.

        Raises:
            ParameterError: shapes that do not match, an id outside the vocabulary.
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
        if loss is not None and not isinstance(self.embed_out, nn.Linear):
            loss = refuse_gradients(loss)
        output = CausalLMOutput(loss, logits, body.past_key_values, body.hidden_states, body.attentions)
        return output if return_dict else output.to_tuple()


def _loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross entropy (nats) of the next id: the logits (B, T, V) of position t against the label (B, T) of t + 1."""
    if labels.shape != logits.shape[:2]:
        raise ParameterError(
            f"labels have the shape {tuple(labels.shape)}, the logits {tuple(logits.shape)}: give one label for each position."
        )
    following = F.pad(labels[:, 1:], (0, 1), value=-100).to(logits.device)  # the last position predicts nothing
    return F.cross_entropy(logits.float().flatten(0, 1), following.flatten(), ignore_index=-100)


class GPTNeoXJapaneseModel(_Pretrained):
    """The network without its output layer: embedding, layers, final layer norm."""

    def __init__(
        self, config: GPTNeoXJapaneseConfig, attn_implementation: Implementation = "auto", cache_dtype: str | None = None
    ) -> None:
        super().__init__(config, attn_implementation, cache_dtype)
        self.embed_in = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(GPTNeoXJapaneseLayer(config, number) for number in range(config.num_hidden_layers))
        self.final_layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=config.initializer_range)

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
            inputs_embeds = self.embed_in(input_ids).to(self.final_layer_norm.weight.dtype)  # (B, T, C)
        count, width = inputs_embeds.shape[:2]
        caches = self._caches(past_key_values, use_cache, count)
        valid = _valid(attention_mask, count, width, inputs_embeds.device)
        if position_ids is None:
            position_ids = _positions(valid, caches, width, inputs_embeds.device)
        rows = self._rows(caches, valid, count, output_attentions)
        mask = None if valid is None or rows.ragged else attention.padding_mask(valid)
        angles = rotary.rope(position_ids, self.config.rotary_ndims, self.config.rotary_emb_base)

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
            cache.advance(width if rows.token_positions is None else len(rows.token_positions[number]))
        output = ModelOutput(hidden, caches, tuple(hidden_states) or None, tuple(attentions) or None)
        return output if return_dict else output.to_tuple()

    def _caches(self, given: Sequence[KVCache] | None, use_cache: bool | None, count: int) -> list[KVCache] | None:
        """One cache for each row: the given ones, new ones, or none."""
        if given is None:
            wanted = not self.training if use_cache is None else use_cache
            return [self.new_cache() for _ in range(count)] if wanted else None
        fits = isinstance(given, Sequence) and all(isinstance(cache, KVCache) for cache in given)
        if not fits or len(given) != count or len({id(cache) for cache in given}) != count:
            found = f"{len({id(cache) for cache in given})} different ones" if fits else f"a {type(given).__name__}"
            raise ParameterError(
                f"past_key_values must be a list of {count} KVCaches, a different one for each row, but is {found}. "
                "Create them with model.new_cache()."
            )
        return list(given)

    def _rows(self, caches: list[KVCache] | None, valid: Tensor | None, count: int, need_weights: bool) -> BatchLayout:
        """The layout of this forward."""
        token_positions = None
        if caches is not None and valid is not None:
            token_positions = [row.nonzero().squeeze(1) for row in valid]
        past = any(cache.length for cache in caches or ())
        ragged = past and (count > 1 or valid is not None)
        dropout = self.config.attention_dropout if self.training else 0.0
        implementation = self.attn_implementation
        if valid is not None and torch.is_grad_enabled() and not bool(valid[:, 0].all()):
            implementation = "eager"  # the fused kernels have wrong gradients for queries that see no key (padding on the left)
        return BatchLayout(caches, token_positions, ragged, implementation, dropout, need_weights)


def _check_ids(input_ids: Tensor, vocab_size: int) -> None:
    """Raise ParameterError for wrong ids before the embedding fails on them (on a GPU that would end the process)."""
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
    """The mask's columns for the new positions, (B, T) bool; None without padding."""
    if attention_mask is None:
        return None
    if attention_mask.dim() != 2 or attention_mask.shape[0] != count or attention_mask.shape[1] < width:
        raise ParameterError(
            f"attention_mask has the shape {tuple(attention_mask.shape)}, the input {(count, width)}: one number for each token."
        )
    valid = attention_mask[:, -width:].to(device).bool()
    return None if bool(valid.all()) else valid


def _positions(valid: Tensor | None, caches: list[KVCache] | None, width: int, device: torch.device) -> Tensor:
    """Each row's tokens counted from the length of its cache, (B or 1, T); padding continues the count."""
    past = [cache.length for cache in caches] if caches else [0]
    start = torch.tensor(past, device=device)[:, None]
    if valid is not None:
        ahead = valid.cumsum(1).eq(0).flip(1).cumsum(1).flip(1)  # of the row's first token, in columns
        behind = valid.flip(1).cumsum(1).eq(0).flip(1).cumsum(1)  # its last token
        return start + (valid.cumsum(1) - 1).clamp(min=0) - ahead + behind
    return (start if len(set(past)) > 1 else start[:1]) + torch.arange(width, device=device)
