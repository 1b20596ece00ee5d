"""Prefix cache: KV caches of earlier requests, reused where a new prompt begins with the same ids.

A text must not depend on whether its prompt was computed or found here, so only what a fresh prefill computes bit for bit the
same is reused. With the kernels in C a position has the same bits in a prompt and in a decoding step: there every id is
reused, also those that were generated. With torch's operators the queries of a prompt attend together and those of a step
alone, and the sums differ in their last bits: there only complete chunks of a prompt are reused, at fixed boundaries counted
from position 0, and generated ids are prefilled again (several times faster than decoding them). A prompt that comes again
unchanged needs no forward: the logits after it are cached too.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from neoxjp.engine.records import CHUNK

WORTH_WAITING = 32  # prompt ids: computing fewer takes less time than the forward for which a request would wait


@dataclass(frozen=True, slots=True, eq=False)
class PrefixEntry:
    """The ids of a text and their KV cache, which is not written to any more."""

    ids: np.ndarray  # (n,) int64, the tokens in the cache
    cache: Any
    logits: Tensor | None  # (V,) after its prompt; None: the prompt was not completed
    prompt: int  # length of its prompt, in ids

    @property
    def nbytes(self) -> int:
        return self.cache.nbytes + self.ids.nbytes + (0 if self.logits is None else self.logits.nbytes)

    def covers(self, ids: np.ndarray, chunk: int) -> int:
        """How many of a prompt's `ids` this entry saves."""
        return reusable_length(self.ids, None if self.logits is None else self.prompt, ids, chunk)


class PrefixCache:
    """Entries within a number of bytes; the least recently used are evicted. Not thread-safe."""

    def __init__(self, max_bytes: int, chunk: int = CHUNK):
        """chunk: multiples of this many ids are reused; 1 where a position has the same bits in any chunk."""
        self.max_bytes = max_bytes
        self.chunk = chunk
        self._entries: list[PrefixEntry] = []  # least recently used first
        self._nbytes = 0

    @property
    def nbytes(self) -> int:
        """Bytes of all entries, the unused part of each last block included."""
        return self._nbytes

    def __len__(self) -> int:
        return len(self._entries)

    def longest_match(self, ids: np.ndarray, running: Sequence[PrefixEntry] = ()) -> PrefixEntry | None:
        """The entry with the longest reusable prefix of `ids`, which becomes the most recently used; None: there is none.

        running: the entries of running requests, which are candidates too.
        """
        best = max((*self._entries, *running), key=lambda entry: entry.covers(ids, self.chunk), default=None)
        if best is None or not best.covers(ids, self.chunk):
            return None
        if best in self._entries:
            self._entries.remove(best)
            self._entries.append(best)
        return best

    def add(self, fresh: PrefixEntry) -> None:
        """Add the KV cache of an ended request. Positions beyond its ids are dropped."""
        ids = fresh.ids[: fresh.cache.length]  # after an error in sampling the last id was not processed
        if fresh.logits is None:
            ids = ids[: len(ids) // self.chunk * self.chunk]
        fresh = replace(fresh, ids=ids)
        if not len(ids) or fresh.nbytes > self.max_bytes or any(_contains(entry, fresh) for entry in self._entries):
            return
        fresh.cache.crop(len(ids))
        self._entries = [entry for entry in self._entries if not _contains(fresh, entry)]
        self._entries.append(fresh)
        self._nbytes = sum(entry.nbytes for entry in self._entries)  # here, for `shrink` is called after each forward
        self.shrink(self.max_bytes)

    def shrink(self, max_bytes: int) -> None:
        """Evict the least recently used entries until at most `max_bytes` bytes are left."""
        max_bytes = min(max_bytes, self.max_bytes)
        while self._entries and self._nbytes > max_bytes:
            self._nbytes -= self._entries.pop(0).nbytes


def reusable_length(read: np.ndarray, prompt: int | None, ids: np.ndarray, chunk: int = CHUNK) -> int:
    """How many of a prompt's `ids` can be taken from a cache that holds the ids `read`.

    prompt: the logits after this many of `read` are known, so that exactly these ids need no forward. In all other cases at least
        the last id is computed again, for its logits.
    """
    shorter = min(len(read), len(ids))
    differ = np.flatnonzero(read[:shorter] != ids[:shorter])
    same = int(differ[0]) if len(differ) else shorter
    if same == len(ids) == prompt:
        return same
    return min(same, len(ids) - 1) // chunk * chunk


def is_coming(ids: np.ndarray, covered: int, others: Iterable[tuple[np.ndarray, int]], chunk: int = CHUNK) -> bool:
    """Whether a prompt that is being processed saves this one much: at least half of what it lacks.

    covered: how many of `ids` are there. others: such prompts, and their lengths.
    """
    least = max(WORTH_WAITING, (len(ids) - covered) / 2)
    return any(reusable_length(prompt, total, ids, chunk) - covered >= least for prompt, total in others)


def fork_prefix(cache: Any, length: int) -> Any:
    """A copy of the first `length` tokens of a KV cache."""
    whole = cache.length
    cache.crop(length)
    try:
        return cache.fork()
    finally:
        cache.advance(whole - length)


def _contains(one: PrefixEntry, other: PrefixEntry) -> bool:
    """Whether `other` is superfluous beside `one`: a prefix of it, without logits that `one` lacks."""
    n, known = len(other.ids), other.logits is None or (one.logits is not None and one.prompt == other.prompt)
    return known and len(one.ids) >= n and bool((one.ids[:n] == other.ids).all())
