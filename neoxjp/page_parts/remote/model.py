"""What a page knows of a model in another process. It has no weights here."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neoxjp.engine import LogitsCache
from neoxjp.model import GPTNeoXJapaneseConfig
from neoxjp.page_parts.remote.records import Card


@dataclass(frozen=True)
class RemoteModel:
    """The facts of the model under the names that a model has in this process."""

    card: Card
    config: GPTNeoXJapaneseConfig

    load_report = None
    """The files were read elsewhere."""

    @property
    def num_parameters(self) -> int:
        return self.card.facts.parameters

    @property
    def dtype(self) -> str:
        return self.card.facts.dtype

    @property
    def device(self) -> str:
        return self.card.device

    @property
    def quantization(self) -> str | None:
        return self.card.facts.quantization

    @property
    def rows_are_independent(self) -> bool:
        return self.card.facts.rows_are_independent

    @property
    def positions_are_identical(self) -> bool:
        return self.card.positions_are_identical


class RemoteLogits(LogitsCache):
    """The logits of the last texts: what was fetched is here, the rest is where the model is.

    Args:
        max_bytes: of what is here.
        fetch: the call `stored_logits` of the engine.
        missing: its call `missing_logits`.
    """

    def __init__(
        self,
        max_bytes: int,
        fetch: Callable[[Sequence[int]], "tuple[np.ndarray, bool] | None"],
        missing: Callable[[Sequence[int], Sequence[int]], list[int]],
    ):
        super().__init__(max_bytes)
        self._fetch, self._missing = fetch, missing

    def get(self, history: Any) -> tuple[Tensor, bool] | None:
        """As `LogitsCache.get`. Raises EngineAway."""
        found = super().get(history)
        if found is not None or (fetched := self._fetch([int(id) for id in history])) is None:
            return found
        logits, drawn_from = torch.from_numpy(fetched[0]), fetched[1]
        self.keep(history, logits, drawn_from)
        return logits, drawn_from

    def missing(self, ids: Sequence[int], ends: Iterable[int]) -> list[int]:
        """As `LogitsCache.missing`. Raises EngineAway."""
        left = super().missing(ids, ends)
        return self._missing(ids, left) if left else left
