"""Texts for training and measuring, read one document at a time from .txt, .jsonl, .csv and .parquet files.

Text files may be compressed (.xz, .gz). Memory holds one document, and of a long .txt one piece of it; .parquet needs pyarrow.
"""

import csv
import gzip
import json
import lzma
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any, Literal

from neoxjp.errors import ParameterError, listed

Split = Literal["file", "blank", "line"]
SUFFIXES = (".txt", ".jsonl", ".csv", ".parquet")
_PIECE = 1 << 18  # characters of a .txt that are in memory at once


@dataclass(frozen=True)
class Document:
    """One text and what is known of it."""

    text: str
    source: str = ""
    licence: str = ""
    continues: bool = False  # the next document is the rest of this one


def read_documents(path: str | Path, *, column: str = "text", split: Split = "file") -> Iterator[Document]:
    """The documents of a file: rows of .jsonl, .csv and .parquet, or a .txt.

    Args:
        path: may end in .xz or .gz after .txt, .jsonl or .csv.
        column: the field or column with the text; `source` and `licence` are read where they are.
        split: what a document of a .txt is: the whole file, what stands between blank lines, or each line. A whole file comes in
            pieces that end with a line, all but the last marked `continues`.

    Raises:
        ParameterError: naming file and line, where the file is absent, of another kind, not UTF-8, or lacks the column.
    """
    path = Path(path)
    kind, packing = _kind(path)
    if not path.is_file():
        raise ParameterError(f"no file {str(path)!r}: name files with text, ending in {', '.join(SUFFIXES)} (.xz and .gz too)")
    if kind == ".parquet":
        yield from _parquet(path, column)
        return
    readers: dict[str, Callable[[IO[str]], Iterator[Document]]] = {
        ".jsonl": lambda lines: _jsonl(lines, path.name, column),
        ".csv": lambda lines: _csv(lines, path.name, column),
        ".txt": lambda lines: _txt(lines, path.name, split),
    }
    with _opened(path, packing, newline="" if kind == ".csv" else None) as lines:
        yield from readers[kind](lines)


def _kind(path: Path) -> tuple[str, str]:
    """ "a.jsonl.xz" → (".jsonl", ".xz"). Raises ParameterError."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packing = suffixes.pop() if suffixes[-1:] in ([".xz"], [".gz"]) else ""
    kind = suffixes[-1] if suffixes else ""
    if kind not in SUFFIXES or (packing and kind == ".parquet"):
        raise ParameterError(
            f"{str(path)!r} ends in {path.suffix!r}: texts are read from {', '.join(SUFFIXES)} files (all but .parquet "
            "may be compressed: .xz, .gz)"
        )
    return kind, packing


@contextmanager
def _opened(path: Path, packing: str, newline: str | None) -> Iterator[IO[str]]:
    opener: Any = {"": open, ".xz": lzma.open, ".gz": gzip.open}[packing]
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline=newline) as lines:
            yield lines
    except UnicodeDecodeError as error:
        raise ParameterError(
            f"{str(path)!r} is not UTF-8 (found byte {error.object[error.start]:#04x}): convert it first, for example with "
            f"iconv -f CP932 -t UTF-8"
        ) from error
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise ParameterError(
            f"{str(path)!r} cannot be read: {error}. Is it complete, and compressed as its name says?"
        ) from error


def _txt(lines: IO[str], name: str, split: Split) -> Iterator[Document]:
    if split == "line":
        yield from (Document(text, name) for line in lines if (text := line.rstrip("\n")).strip())
        return
    if split == "blank":
        yield from (Document(text, name) for text in _paragraphs(lines))
        return
    piece = ""
    while new := lines.read(_PIECE):
        piece += new
        end = piece.rfind("\n") + 1  # tokens do not cross the end of a line, so the ids are those of the whole
        if not end and len(piece) >= 16 * _PIECE:
            end = len(piece)  # a line of four million characters: at most two tokens differ
        if len(piece) >= _PIECE and end:
            yield Document(piece[:end], name, continues=True)
            piece = piece[end:]
    yield Document(piece, name)


def _paragraphs(lines: Iterable[str]) -> Iterator[str]:
    """Runs of lines without a blank one, joined."""
    run: list[str] = []
    for line in chain(lines, [""]):
        if line.strip():
            run.append(line)
        elif run:
            yield "".join(run).rstrip("\n")
            run = []


def _jsonl(lines: IO[str], name: str, column: str) -> Iterator[Document]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            raw = json.loads(line)
            text = raw[column]
        except (json.JSONDecodeError, KeyError, TypeError, RecursionError) as error:
            raise ParameterError(
                f"{name}, line {number}: found {line[:60]!r}, not a JSON object with a field {column!r} (--column names another)"
            ) from error
        yield _row(text, raw)


def _csv(lines: IO[str], name: str, column: str) -> Iterator[Document]:
    csv.field_size_limit(sys.maxsize)  # its default refuses texts of 131,072 characters
    rows = csv.DictReader(lines)
    _need_column(name, column, list(rows.fieldnames or []))
    try:
        for row in rows:
            yield _row(row[column], row)
    except csv.Error as error:
        raise ParameterError(f"{name}, line {rows.line_num}: this is no CSV: {error}") from error


def _parquet(path: Path, column: str) -> Iterator[Document]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ModuleNotFoundError as error:
        raise ParameterError(f"reading {str(path)!r} needs the package pyarrow: pip install pyarrow") from error
    try:
        with ParquetFile(path) as file:
            names = file.schema_arrow.names
            _need_column(path.name, column, names)
            wanted = [column, *(name for name in ("source", "licence") if name in names and name != column)]
            for batch in file.iter_batches(batch_size=256, columns=wanted):
                yield from (_row(row[column], row) for row in batch.to_pylist())
    except ArrowException as error:
        raise ParameterError(f"{str(path)!r} is no Parquet file: {error}") from error


def _need_column(name: str, column: str, found: list[str]) -> None:
    if column not in found:
        raise ParameterError(f"{name} has no column {column!r}, but {listed(found) or 'none at all'}: name one with --column")


def _row(text: Any, raw: dict[str, Any]) -> Document:
    """A missing value is an empty text."""
    return Document("" if text is None else str(text), str(raw.get("source") or ""), str(raw.get("licence") or ""))


def named(value: str) -> tuple[Path, float | None]:
    """ "a/b.txt=3" → (a/b.txt, 3.0); "a=b.txt" → (a=b.txt, None). Raises ParameterError for a number that is not above 0."""
    name, _, number = value.rpartition("=")
    try:
        share = float(number)
    except ValueError:
        return Path(value), None
    if not name:
        return Path(value), None
    if not 0 < share < float("inf"):
        raise ParameterError(f"{value!r}: the number after = must be above 0")
    return Path(name), share
