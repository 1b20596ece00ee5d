"""Statistics of a vocabulary: entries by kind, script, length and number of spellings, and how many of them a text uses."""

import weakref
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from neoxjp.labs.vocabulary_browser.records import KINDS, SCRIPTS, Index, index_of
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

GROUPS = ((1, 1), (2, 2), (3, 4), (5, 9), (10, 99), (100, 999), (1000, None))  # of numbers of spellings
LARGEST = 10  # entries with the most spellings that are listed
COVERAGE = (0.5, 0.9, 0.99)  # shares of a text's tokens
FREQUENT = 20  # most frequent entries of a text that are listed
BATCH_CHARACTERS = 1 << 20  # of texts that are encoded in one call


@dataclass(frozen=True)
class Group:
    """Entries of one kind, one script, one length, …"""

    name: str  # "word", "kanji", "3", "10–99"
    ids: int
    used: int | None = None  # of these ids, in a text; None: no text was counted


@dataclass(frozen=True)
class Statistics:
    """A vocabulary in numbers."""

    ids: int
    spellings: int
    shared: int  # ids with several spellings
    twice: int  # spellings on several lines of vocab.txt: encoding gives the id of the last one
    never: int  # ids that no text is encoded to
    by_kind: tuple[Group, ...]
    by_script: tuple[Group, ...]  # of words
    by_length: tuple[Group, ...]  # of words, in characters of the first spelling
    by_spellings: tuple[Group, ...]
    largest: tuple[tuple[int, str, int], ...]  # id, first spelling, number of spellings; descending


@dataclass(frozen=True)
class Usage:
    """Which part of a vocabulary a text uses."""

    tokens: int
    ids: int  # different ones
    of: int  # ids of the vocabulary
    once: int  # ids that occur once
    covering: tuple[tuple[float, int], ...]  # share of the tokens, and how many of the most frequent ids cover it
    by_kind: tuple[Group, ...]
    by_script: tuple[Group, ...]  # of words
    frequent: tuple[tuple[int, str, int], ...]  # id, first spelling, times


_counted: dict[int, Statistics] = {}  # by the vocabulary's identity, for as long as it lives


def statistics(tokenizer: GPTNeoXJapaneseTokenizer) -> Statistics:
    """The vocabulary in numbers. Encodes every spelling once, so the result is cached."""
    key = id(tokenizer.vocabulary)
    if key not in _counted:
        counted = _statistics(tokenizer, index_of(tokenizer.vocabulary))
        weakref.finalize(tokenizer.vocabulary, _counted.pop, key, None)
        _counted[key] = counted
    return _counted[key]


def _statistics(tokenizer: GPTNeoXJapaneseTokenizer, index: Index) -> Statistics:
    words = index.kind_codes == KINDS.index("word")
    every = [spelling for entry in index.spellings for spelling in entry]
    lengths = Counter(index.lengths[words].tolist())
    spread = [int(((index.counts >= low) & (index.counts <= (high or index.counts.max()))).sum()) for low, high in GROUPS]
    order = np.argsort(-index.counts, kind="stable")[:LARGEST].tolist()
    return Statistics(
        ids=len(index),
        spellings=len(every),
        shared=int((index.counts > 1).sum()),
        twice=sum(times > 1 for times in Counter(every).values()),
        never=int((~index.reached(tokenizer)).sum()),
        by_kind=_groups(KINDS, index.kind_codes),
        by_script=_groups(SCRIPTS, index.script_codes[words]),
        by_length=tuple(Group(str(length), lengths[length]) for length in sorted(lengths)),
        by_spellings=tuple(Group(span(low, high), n) for (low, high), n in zip(GROUPS, spread, strict=True) if n),
        largest=tuple((id, index.spellings[id][0], int(index.counts[id])) for id in order if index.counts[id] > 1),
    )


def count_ids(tokenizer: GPTNeoXJapaneseTokenizer, texts: Iterable[str]) -> np.ndarray:
    """How often each id occurs in the texts, int64 (V,). About a megabyte of text is in memory at a time."""
    times = np.zeros(len(tokenizer.vocabulary), np.int64)
    for batch in _batches(texts):
        times += np.bincount(np.concatenate(tokenizer.encode_batch(batch)), minlength=len(times))
    return times


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size >= BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def usage(tokenizer: GPTNeoXJapaneseTokenizer, times: np.ndarray) -> Usage:
    """The usage that `count_ids` counted.

    "猫と猫" → Usage(tokens=3, ids=2, once=1, …)
    """
    index = index_of(tokenizer.vocabulary)
    words, used = index.kind_codes == KINDS.index("word"), times > 0
    order = np.argsort(-times, kind="stable")
    total, so_far = int(times.sum()), np.cumsum(times[order])
    return Usage(
        tokens=total,
        ids=int(used.sum()),
        of=len(index),
        once=int((times == 1).sum()),
        # 1e-6: the rounding error of 0.99 × 100 must not add one id
        covering=tuple((share, int(np.searchsorted(so_far, share * total - 1e-6)) + 1) for share in COVERAGE if total),
        by_kind=_groups(KINDS, index.kind_codes, used),
        by_script=_groups(SCRIPTS, index.script_codes[words], used[words]),
        frequent=tuple((id, index.spellings[id][0], int(times[id])) for id in order[:FREQUENT].tolist() if times[id]),
    )


def span(low: int, high: int | None) -> str:
    """ "2", "3–4", "1000–": a group's name."""
    return f"{low}–" if high is None else str(low) if low == high else f"{low}–{high}"


def _groups(names: Sequence[str], codes: np.ndarray, used: np.ndarray | None = None) -> tuple[Group, ...]:
    """How many ids have each code, and how many of them are used; names without an id are left out."""
    all_of = np.bincount(codes, minlength=len(names))
    some = np.bincount(codes[used], minlength=len(names)) if used is not None else None
    return tuple(
        Group(name, int(all_of[place]), None if some is None else int(some[place]))
        for place, name in enumerate(names)
        if all_of[place]
    )
