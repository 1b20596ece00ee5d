"""Minimal pairs from a file: two texts that differ in one thing, of which the first is the better one.

.jsonl, .csv or .tsv (also .xz, .gz) with the fields or columns `good`, `bad` and, where there are several kinds, `phenomenon`;
`sentence_good` and `sentence_bad`, as BLiMP has them, are read too.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from neoxjp.documents.encodings import parse_encoding
from neoxjp.documents.rows import GroupLimit, Kind, Row, open_table, read_table, refuse, text_of

PAIRS = Kind(
    "minimal pair",
    "最小対",
    "a minimal pair has a good text and a bad one",
    "最小対には良い文 good と悪い文 bad が必要です",
    {"good": ("good", "sentence_good"), "bad": ("bad", "sentence_bad")},
)


@dataclass(frozen=True)
class MinimalPair:
    """Two texts of which a good model finds the first one likelier."""

    good: str
    bad: str
    phenomenon: str  # "" where the file names none
    line: int  # in the file


def read_minimal_pairs(path: str | Path, encoding: str = "") -> Iterator[MinimalPair]:
    """The pairs of a file. encoding: "": detected.

    Raises:
        ParameterError: naming file and line, where a side is missing, empty, or equal to the other, there is no pair, or there
            are more than 1,000 phenomena.
    """
    with open_table(path, PAIRS, encoding) as rows:
        yield from _pairs(rows)


def minimal_pairs_in(text: str) -> Iterator[MinimalPair]:
    """The pairs of a text: JSONL where it begins with {, else CSV or TSV. Raises as `read_minimal_pairs`, without a file."""
    text = text.removeprefix("\ufeff")
    suffix = ".jsonl" if text.lstrip().startswith("{") else ".csv"
    return _pairs(read_table(io.BytesIO(text.encode()), suffix, PAIRS, parse_encoding("utf-8")))


def _pairs(rows: Iterator[Row]) -> Iterator[MinimalPair]:
    phenomena = GroupLimit()
    for pair in map(_pair, rows):
        phenomena.add(pair.phenomenon, pair.line)
        yield pair


def _pair(row: Row) -> MinimalPair:
    good, bad = text_of(row, "good", PAIRS), text_of(row, "bad", PAIRS)
    if good == bad:
        refuse(
            row.number,
            f"both texts are {good[:40]!r}: a minimal pair differs in something",
            f"2 つの文が同じです（{good[:40]!r}）。最小対には違いが必要です",
        )
    phenomenon = row.values.get("phenomenon")
    return MinimalPair(good, bad, "" if phenomenon is None else str(phenomenon), row.number)
