"""Minimal pairs from a file: two texts that differ in one thing, of which the first is the better one.

.jsonl, .csv or .tsv (also .xz, .gz) with the fields or columns `good`, `bad` and, where there are several kinds, `phenomenon`;
`sentence_good` and `sentence_bad`, as BLiMP has them, are read too. One pair is in memory; the first fault raises, with file and
line.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from neoxjp.documents.text_files import Row, csv_rows, jsonl_rows, read_header, read_lines
from neoxjp.documents.training import detect, open_file
from neoxjp.errors import ParameterError, quoted

SUFFIXES = (".jsonl", ".csv", ".tsv")
NAMES = {"good": ("good", "sentence_good"), "bad": ("bad", "sentence_bad")}


@dataclass(frozen=True)
class MinimalPair:
    """Two texts of which a good model finds the first one likelier."""

    good: str
    bad: str
    phenomenon: str  # "" where the file names none
    line: int  # in the file


def read_minimal_pairs(path: str | Path) -> Iterator[MinimalPair]:
    """The pairs of a file.

    Raises:
        ParameterError: naming file and line, where a side is missing, empty, or equal to the other, or there is no pair.
    """
    path = Path(path)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    kind = next((suffix for suffix in reversed(suffixes) if suffix not in (".xz", ".gz")), "")
    if kind not in SUFFIXES:
        raise ParameterError(f"{str(path)!r}: minimal pairs are read from {', '.join(SUFFIXES)} files (.xz and .gz too)")
    with open_file(path) as (file, _):
        found = 0
        for row in _rows(file, kind, path.name):
            found += 1
            yield _pair(row.values, row.number)
        if not found:
            raise ParameterError("the file has no minimal pair: each line has a good text and a bad one")


def _rows(file: BinaryIO, kind: str, name: str) -> Iterator[Row]:
    if not file.read(1):
        return
    file.seek(0)
    encoding = detect(file)
    if kind == ".jsonl":
        yield from jsonl_rows(read_lines(file, encoding, None), None)
        return
    delimiter, columns, _ = read_header(read_lines(file, encoding, None), name)
    for side, names in NAMES.items():
        if not set(names) & set(columns):
            raise ParameterError(f"line 1: there is no column {side!r}, but {quoted(list(columns))}")
    yield from csv_rows(read_lines(file, encoding, None), columns, delimiter, None)


def _pair(values: Mapping[str, Any], line: int) -> MinimalPair:
    sides = {}
    for side, names in NAMES.items():
        text = next((values[name] for name in names if name in values), None)
        if not isinstance(text, str) or not text.strip():
            fault = f"there is no text {side!r}" if text is None or not isinstance(text, str) else f"the text {side!r} is empty"
            raise ParameterError(f"line {line:,}: {fault}: a minimal pair has a good text and a bad one")
        sides[side] = text
    if sides["good"] == sides["bad"]:
        raise ParameterError(f"line {line:,}: both texts are {sides['good'][:40]!r}: a minimal pair differs in something")
    return MinimalPair(sides["good"], sides["bad"], str(values.get("phenomenon") or ""), line)
