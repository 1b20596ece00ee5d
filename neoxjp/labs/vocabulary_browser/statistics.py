"""Statistics of a vocabulary: entries by kind, script, length and number of spellings, and how many of them a text uses."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate, islice
from typing import Any

from neoxjp.labs.common.caching import cached_per_tokenizer
from neoxjp.labs.vocabulary_browser.records import KINDS, SCRIPTS, Row, reached_ids, rows_of
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

GROUPS = ((1, 1), (2, 2), (3, 4), (5, 9), (10, 99), (100, 999), (1000, None))  # of numbers of spellings
LARGEST = 10  # entries with the most spellings that are listed
COVERAGE = (0.5, 0.9, 0.99)  # shares of a text's tokens
FREQUENT = 20  # most frequent entries of a text that are listed
BATCH = 256  # texts that are encoded in one call


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


@cached_per_tokenizer
def statistics(tokenizer: GPTNeoXJapaneseTokenizer) -> Statistics:
    """The vocabulary in numbers. Encodes every spelling once."""
    rows = rows_of(tokenizer)
    lines = Counter(spelling for entry in tokenizer.vocabulary.spellings for spelling in entry)
    lengths = Counter(row.length for row in rows if row.kind == "word")
    spread = Counter(_group_of(row.spellings) for row in rows)
    largest = sorted(rows, key=lambda row: -row.spellings)[:LARGEST]
    return Statistics(
        ids=len(rows),
        spellings=lines.total(),
        shared=sum(row.spellings > 1 for row in rows),
        twice=sum(times > 1 for times in lines.values()),
        never=len(rows) - len(reached_ids(tokenizer)),
        by_kind=_by_kind(rows),
        by_script=_by_script(rows),
        by_length=tuple(Group(str(length), lengths[length]) for length in sorted(lengths)),
        by_spellings=tuple(Group(name, spread[name]) for name in map(_name, GROUPS) if spread[name]),
        largest=tuple((row.id, row.piece, row.spellings) for row in largest if row.spellings > 1),
    )


def count_ids(tokenizer: GPTNeoXJapaneseTokenizer, texts: Iterable[str]) -> Counter[int]:
    """How often each id occurs in the texts, of which `BATCH` are in memory at a time."""
    times, texts = Counter[int](), iter(texts)
    while batch := list(islice(texts, BATCH)):
        for ids in tokenizer.encode_batch(batch):
            times.update(ids.tolist())
    return times


def usage(tokenizer: GPTNeoXJapaneseTokenizer, times: Counter[int]) -> Usage:
    """The usage that `count_ids` counted.

    "猫と猫" → Usage(tokens=3, ids=2, once=1, …)
    """
    rows, total = rows_of(tokenizer), times.total()
    ranked = sorted(times.items(), key=lambda item: (-item[1], item[0]))
    so_far = list(accumulate(number for _, number in ranked))
    return Usage(
        tokens=total,
        ids=len(times),
        of=len(rows),
        once=sum(number == 1 for number in times.values()),
        # 1e-6: the rounding error of 0.99 × 100 must not add one id
        covering=tuple((share, bisect_left(so_far, share * total - 1e-6) + 1) for share in COVERAGE if total),
        by_kind=_by_kind(rows, times),
        by_script=_by_script(rows, times),
        frequent=tuple((id, rows[id].piece, number) for id, number in ranked[:FREQUENT]),
    )


def record(tokenizer: GPTNeoXJapaneseTokenizer, times: Counter[int] | None) -> dict[str, Any]:
    """The statistics and the usage that was counted, for the API and the command line."""
    used = None if times is None else asdict(usage(tokenizer, times))
    return {"vocabulary": asdict(statistics(tokenizer)), "usage": used}


def _group_of(number: int) -> str:
    """The name of the group of this number of spellings: 4 → "3–4"."""
    return _name(next(span for span in reversed(GROUPS) if number >= span[0]))


def _name(span: tuple[int, int | None]) -> str:
    """ "2", "3–4", "1000–"."""
    low, high = span
    return f"{low}–" if high is None else str(low) if low == high else f"{low}–{high}"


def _by_kind(rows: Sequence[Row], times: Counter[int] | None = None) -> tuple[Group, ...]:
    return _groups(KINDS, [(row.id, row.kind) for row in rows], times)


def _by_script(rows: Sequence[Row], times: Counter[int] | None = None) -> tuple[Group, ...]:
    return _groups(SCRIPTS, [(row.id, row.script) for row in rows if row.kind == "word"], times)


def _groups(names: Sequence[str], members: Sequence[tuple[int, str]], times: Counter[int] | None) -> tuple[Group, ...]:
    """How many ids are in each group, and how many of them are used; groups without an id are left out."""
    ids = Counter(name for _, name in members)
    used = None if times is None else Counter(name for id, name in members if id in times)
    return tuple(Group(name, ids[name], None if used is None else used[name]) for name in names if ids[name])
