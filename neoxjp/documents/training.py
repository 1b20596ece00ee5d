"""Texts for training and evaluation, read one document at a time from .txt, .jsonl, .csv and .parquet files.

Text files may be compressed (.xz, .gz) and in any encoding. The first fault raises. One document is in memory, or one
piece of a long .txt; .parquet needs pyarrow.
"""

import gzip
import lzma
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Literal

from neoxjp.documents.encodings import Encoding, detect_encoding, parse_encoding
from neoxjp.documents.text_files import csv_rows, jsonl_rows, read_header, read_lines, read_pieces
from neoxjp.errors import ParameterError, quoted

Split = Literal["file", "blank", "line"]
SUFFIXES = (".txt", ".jsonl", ".csv", ".parquet")
DETECT_BYTES = 1 << 24  # of a file that the encoding is detected from


@dataclass(frozen=True)
class Document:
    """One text and its origin."""

    text: str
    source: str = ""
    licence: str = ""
    continues: bool = False  # the next document is the rest of this one


def read_documents(path: str | Path, *, column: str = "text", split: Split = "file", encoding: str = "") -> Iterator[Document]:
    """The documents of a file: rows of .jsonl, .csv and .parquet, or a .txt.

    Args:
        path: may end in .xz or .gz after .txt, .jsonl or .csv.
        column: the field or column with the text; `source` and `licence` are read where they exist.
        split: what a document of a .txt is: the whole file, the lines between blank lines, or each line. A whole file comes in
            pieces that end with a line, all but the last marked `continues`. Line ends become "\\n".
        encoding: any that Python has ("cp932", "euc_jp"); "": detected.

    Raises:
        ParameterError: naming file and line, where the file is absent, of another kind, damaged, in an encoding that cannot be
            detected with confidence, or lacks the column.
    """
    path = Path(path)
    kind, packing = _kind(path)
    if not path.is_file():
        raise ParameterError(f"no file {str(path)!r}: name files with text, ending in {', '.join(SUFFIXES)} (.xz and .gz too)")
    if kind == ".parquet":
        yield from _parquet(path, column)
        return
    with _open(path, packing) as file:
        found = parse_encoding(encoding) if encoding else _detect(file)
        yield from _txt(file, found, path.name, split) if kind == ".txt" else _rows(file, found, kind, path.name, column)


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
def _open(path: Path, packing: str) -> Iterator[BinaryIO]:
    """The file, unpacked; errors name it."""
    opener: Any = {"": open, ".xz": lzma.open, ".gz": gzip.open}[packing]
    try:
        with opener(path, "rb") as file:
            yield file
    except ParameterError as error:
        raise ParameterError(f"{str(path)!r}: {error}", ja=error.ja and f"{str(path)!r}：{error.ja}") from error
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise ParameterError(
            f"{str(path)!r} cannot be read: {error}. Is it complete, and compressed as its name says?"
        ) from error


def _detect(file: BinaryIO) -> Encoding:
    """Raises ParameterError if the encoding is uncertain: a wrong one would train on garbage."""
    found = detect_encoding(file, DETECT_BYTES)
    if found.confidence == "guess":
        raise ParameterError(
            f"the encoding cannot be detected with confidence (it may be {found.name}): convert the file to UTF-8, for example "
            "with iconv -f CP932 -t UTF-8"
        )
    return found


def _txt(file: BinaryIO, encoding: Encoding, name: str, split: Split) -> Iterator[Document]:
    if split == "file":
        buffer = ""
        for piece in _newlines(text for text, _ in read_pieces(file, encoding, None)):
            if buffer:
                yield Document(buffer, name, continues=True)
            buffer = piece
        yield Document(buffer, name)
        return
    lines = _newlines(line for line, _ in read_lines(file, encoding, None))
    texts = (line.rstrip("\n") for line in lines) if split == "line" else _paragraphs(lines)
    yield from (Document(text, name) for text in texts if text.strip())


def _newlines(texts: Iterable[str]) -> Iterator[str]:
    """The texts with "\\n" for "\\r\\n" and "\\r", also where a "\\r\\n" is cut in two."""
    cut = False
    for text in texts:
        begin = 1 if cut and text.startswith("\n") else 0
        cut = text.endswith("\r")
        if text := text[begin:].replace("\r\n", "\n").replace("\r", "\n"):
            yield text


def _paragraphs(lines: Iterable[str]) -> Iterator[str]:
    """Paragraphs: lines up to a blank line, joined."""
    run: list[str] = []
    for line in chain(lines, [""]):
        if line.strip():
            run.append(line)
        elif run:
            yield "".join(run).rstrip("\n")
            run = []


def _rows(file: BinaryIO, encoding: Encoding, kind: str, name: str, column: str) -> Iterator[Document]:
    lines = read_lines(file, encoding, None)
    if kind == ".jsonl":
        for row in jsonl_rows(lines, None):
            if column not in row.values:
                raise ParameterError(f"line {row.number}: the JSON object has no field {column!r} (--column names another)")
            yield _document(row.values, column)
        return
    delimiter, columns, _ = read_header(lines, name)
    _check_column(name, column, columns)
    yield from (_document(row.values, column) for row in csv_rows(read_lines(file, encoding, None), columns, delimiter, None))


def _parquet(path: Path, column: str) -> Iterator[Document]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ModuleNotFoundError as error:
        raise ParameterError(f"reading {str(path)!r} needs the package pyarrow: pip install pyarrow") from error
    try:
        with ParquetFile(path) as file:
            names = file.schema_arrow.names
            _check_column(path.name, column, names)
            wanted = [column, *(name for name in ("source", "licence") if name in names and name != column)]
            for batch in file.iter_batches(batch_size=256, columns=wanted):
                yield from (_document(row, column) for row in batch.to_pylist())
    except ArrowException as error:
        raise ParameterError(f"{str(path)!r} is not a Parquet file: {error}") from error


def _check_column(name: str, column: str, columns: Iterable[str]) -> None:
    if column not in columns:
        found = quoted(list(columns)) or "none at all"
        raise ParameterError(f"{name} has no column {column!r}, but {found}: name one with --column")


def _document(row: dict[str, Any], column: str) -> Document:
    """A missing value is an empty text."""
    text, source, licence = (row.get(name) for name in (column, "source", "licence"))
    return Document("" if text is None else str(text), str(source or ""), str(licence or ""))


def parse_weighted_path(value: str) -> tuple[Path, float | None]:
    """ "a/b.txt=3" → (a/b.txt, 3.0); "a=b.txt" → (a=b.txt, None). Raises ParameterError for a number that is not above 0."""
    name, _, number = value.rpartition("=")
    try:
        weight = float(number)
    except ValueError:
        return Path(value), None
    if not name:
        return Path(value), None
    if not 0 < weight < float("inf"):
        raise ParameterError(f"{value!r}: the number after = must be above 0")
    return Path(name), weight
