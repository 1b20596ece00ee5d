"""The results of a forward: frozen dataclasses that can also be unpacked and indexed like tuples, as in transformers."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor

from neoxjp.model.kv_cache import KVCache


class _Unpackable:
    """A dataclass that is also the tuple of its filled fields: `loss, logits = output`, `output[0]`, `output["logits"]`."""

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
    """The result of GPTNeoXJapaneseModel."""

    last_hidden_state: Tensor  # (B, T, C), after the final layer norm
    past_key_values: list[KVCache] | None = None  # one for each row
    hidden_states: tuple[Tensor, ...] | None = None  # the input of each layer, then last_hidden_state; (B, T, C) each
    attentions: tuple[Tensor, ...] | None = (
        None  # weights of each layer, (B, H, T, S); S is the longest row's, shorter rows end in zeros
    )


@dataclass(frozen=True)
class CausalLMOutput(_Unpackable):
    """The result of GPTNeoXJapaneseForCausalLM."""

    loss: Tensor | None = None  # mean cross entropy in nats over the labels that are not -100
    logits: Tensor | None = None  # (B, T, V), or the last `logits_to_keep` positions of it
    past_key_values: list[KVCache] | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None
