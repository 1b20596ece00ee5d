"""Caches of texts that were read, kept to begin from again: continue, regenerate, branch, the same example once more.

A text must be the same whether its prompt was read afresh or found here. So only what a fresh reading computes in the very same
way is reused. Where positions are computed alike in prompts and in steps (native/) that is every id that was read, those that
decoding wrote included. With torch's operators a prompt's queries attend together and a step's alone, and the two sums differ in
their last bits: there whole chunks of a prompt's ids are reused, at fixed boundaries counted from position 0, and after
"continue" the text is read again from the last boundary inside the old prompt: at the speed of a prompt, several times that of
writing. A prompt that comes again as it was is not read at all, the logits behind it are kept too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

CHUNK, LARGE_CHUNK = 16, 64  # ids of a prompt that one forward reads, of large and of small models
LARGE = 500_000_000  # parameters: 16 ids of the 2.7B take 0.35 s in int8 on two cores without VNNI, 64 of this size 0.3 s


def chunk_for(parameters: int) -> int:
    """How many ids of a prompt one forward reads of a model of this size, so that others do not wait long for it."""
    return CHUNK if parameters > LARGE else LARGE_CHUNK


@dataclass(frozen=True, slots=True, eq=False)
class PrefixEntry:
    """A text that was read and its cache. Nobody writes into the cache any more."""

    ids: np.ndarray  # (n,) int64, what the cache holds
    cache: Any
    logits: Tensor | None  # (V,) after its prompt; None: that was not read to its end
    prompt: int  # ids of the prompt

    @property
    def nbytes(self) -> int:
        return self.cache.nbytes + self.ids.nbytes + (0 if self.logits is None else self.logits.nbytes)

    def covers(self, ids: np.ndarray, chunk: int) -> int:
        """How many of the prompt's `ids` need not be read again."""
        return reusable_length(self.ids, None if self.logits is None else self.prompt, ids, chunk)


class PrefixCache:
    """Kept caches within a number of bytes, the least recently used going first. For one thread at a time."""

    def __init__(self, most_bytes: int, chunk: int = CHUNK):
        """chunk: of how many ids a multiple is reused; 1 where positions are computed alike in any piece."""
        self.most_bytes = most_bytes
        self.chunk = chunk
        self._kept: list[PrefixEntry] = []  # the least recently used first

    @property
    def nbytes(self) -> int:
        """Bytes held, the free room of each cache's last block included."""
        return sum(kept.nbytes for kept in self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def longest(self, ids: np.ndarray, beside: Sequence[PrefixEntry] = ()) -> PrefixEntry | None:
        """The one that covers most of `ids`, now the most recently used; None: nothing is covered.

        beside: what running requests have read, to begin from as well.
        """
        best = max((*self._kept, *beside), key=lambda kept: kept.covers(ids, self.chunk), default=None)
        if best is None or not best.covers(ids, self.chunk):
            return None
        if best in self._kept:
            self._kept.remove(best)
            self._kept.append(best)
        return best

    def keep(self, fresh: PrefixEntry) -> None:
        """Take over a cache that nobody uses any more; of more than its ids, the rest is forgotten."""
        ids = fresh.ids[: fresh.cache.length]  # where a draw failed, the last id was never read
        if fresh.logits is None:
            ids = ids[: len(ids) // self.chunk * self.chunk]
        fresh = replace(fresh, ids=ids)
        if not len(ids) or fresh.nbytes > self.most_bytes or any(_holds(kept, fresh) for kept in self._kept):
            return
        fresh.cache.crop(len(ids))
        self._kept = [kept for kept in self._kept if not _holds(fresh, kept)]
        self._kept.append(fresh)
        self.shrink(self.most_bytes)

    def shrink(self, most_bytes: int) -> None:
        """Let go of the least recently used until at most so many bytes are held."""
        most_bytes = min(most_bytes, self.most_bytes)
        while self._kept and self.nbytes > most_bytes:
            del self._kept[0]


def reusable_length(read: np.ndarray, prompt: int | None, ids: np.ndarray, chunk: int = CHUNK) -> int:
    """How many of a prompt's `ids` a cache that read `read` has as a fresh reading would.

    prompt: behind so many of `read` the logits are known: just these ids then need no reading at all. Otherwise at least the last
    id is read again, for its logits.
    """
    shorter = min(len(read), len(ids))
    differ = np.flatnonzero(read[:shorter] != ids[:shorter])
    same = int(differ[0]) if len(differ) else shorter
    if same == len(ids) == prompt:
        return same
    return min(same, len(ids) - 1) // chunk * chunk


def fork_prefix(cache: Any, length: int) -> Any:
    """An independent copy of a cache's first `length` tokens."""
    whole = cache.length
    cache.crop(length)
    try:
        return cache.fork()
    finally:
        cache.advance(whole - length)


def _holds(one: PrefixEntry, other: PrefixEntry) -> bool:
    """Whether `other` is of no use beside `one`: a beginning of it, without logits that `one` does not have."""
    n, known = len(other.ids), other.logits is None or (one.logits is not None and one.prompt == other.prompt)
    return known and len(one.ids) >= n and bool((one.ids[:n] == other.ids).all())
