"""Texts for training and evaluation, read one document at a time from .txt, .jsonl, .csv and .parquet files.

Text files may be compressed (.xz, .gz) and in any encoding. The first fault raises. One document is in memory, or one
piece of a long .txt; .parquet needs pyarrow.
"""

import gzip
import lzma
import math
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from neoxjp.documents.encodings import Encoding, detect_encoding, parse_encoding
from neoxjp.documents.text_files import csv_rows, jsonl_rows, read_header, read_lines, read_pieces, surplus
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


def read_documents(
    path: str | Path,
    *,
    column: str = "text",
    split: Split = "file",
    encoding: str = "",
    part: tuple[int, int] | None = None,
    on_read: Callable[[int], object] | None = None,
) -> Iterator[Document]:
    """The documents of a file: rows of .jsonl, .csv and .parquet, or a .txt.

    Args:
        path: may end in .xz or .gz after .txt, .jsonl or .csv.
        column: the field or column with the text; `source` and `licence` are read where they exist.
        split: what a document of a .txt is: the whole file, the lines between blank lines, or each line. A whole file comes in
            pieces that end with a line, all but the last marked `continues`. Line ends become "\\n".
        encoding: any that Python has ("cp932", "euc_jp"); "": detected.
        part: read only these, [start, stop): row groups of a .parquet; bytes of another file that is not compressed, from the
            beginning of a document to the end of one (see `line_start`).
        on_read: is called with the bytes of the file that are read so far, before each document; of a .parquet never.

    Raises:
        ParameterError: naming file and line, where the file is absent, of another kind, damaged, in an encoding that cannot be
            detected with confidence, or lacks the column.
    """
    path = Path(path)
    kind, _ = parse_kind(path)
    if not path.is_file():
        raise ParameterError(f"no file {str(path)!r}: name files with text, ending in {', '.join(SUFFIXES)} (.xz and .gz too)")
    if kind == ".parquet":
        yield from _parquet(path, column, part)
        return
    with open_file(path) as (file, position):
        found = parse_encoding(encoding) if encoding else detect(file)
        read = cast(BinaryIO, _Part(file, *part)) if part else file
        before = (lambda: count_line_ends(file, part[0])) if part else (lambda: 0)
        rows = _txt(read, found, path.name, split) if kind == ".txt" else _rows(read, found, kind, path.name, column, before)
        for document in rows:
            if on_read:
                on_read(position())
            yield document


def join_pieces(documents: Iterable[Document]) -> Iterator[Document]:
    """Documents that were read in pieces (`continues`) as one document each."""
    pieces: list[str] = []
    for document in documents:
        pieces.append(document.text)
        if not document.continues:
            yield replace(document, text="".join(pieces))
            pieces = []


class _Part:
    """Some bytes of a file as a file. Places in error messages are those of the file: `seek` returns them."""

    def __init__(self, file: BinaryIO, start: int, stop: int):
        self.file, self.start, self.stop = file, start, stop

    def seek(self, offset: int) -> int:
        return self.file.seek(self.start + offset)

    def read(self, size: int) -> bytes:
        return self.file.read(max(min(size, self.stop - self.file.tell()), 0))


def line_start(file: BinaryIO, offset: int, *, blank: bool = False) -> int:
    """Where the first line after a byte of a UTF-8 file starts, with `blank` the first after an empty one; or the file's end."""
    file.seek(offset)
    if not file.readline().endswith(b"\n"):
        return file.tell()
    while blank and (line := file.readline()) and line.decode("utf-8", "replace").strip():
        pass
    return file.tell()


def count_line_ends(file: BinaryIO, stop: int) -> int:
    """How many lines (\\n, \\r\\n or \\r) end in the first bytes of a UTF-8 file."""
    file.seek(0)
    count, last = 0, b""
    while data := file.read(min(1 << 20, stop - file.tell())):
        count += data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n") - (last == b"\r" and data[:1] == b"\n")
        last = data[-1:]
    return count


def unpacked_suffix(path: Path) -> str:
    """ "a.CSV.xz" → ".csv", "a" → ""."""
    return next((suffix for suffix in map(str.lower, reversed(path.suffixes)) if suffix not in (".xz", ".gz")), "")


def parse_kind(path: Path) -> tuple[str, str]:
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
def open_file(path: Path) -> Iterator[tuple[BinaryIO, Callable[[], int]]]:
    """The file, unpacked where its name ends in .xz or .gz, and how many of its bytes were read so far; errors name the file."""
    opener: Any = {".xz": lzma.open, ".gz": gzip.open}.get(path.suffix.lower())
    try:
        with path.open("rb") as packed:
            if opener is None:
                yield packed, packed.tell
                return
            with opener(packed) as file:
                yield file, packed.tell
    except ParameterError as error:
        raise ParameterError(f"{str(path)!r}: {error}", ja=error.ja and f"{str(path)!r}：{error.ja}") from error
    except FileNotFoundError as error:
        raise ParameterError(f"no file {str(path)!r}", ja=f"ファイル {str(path)!r} がありません。") from error
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise ParameterError(
            f"{str(path)!r} cannot be read: {error}. Is it complete, and compressed as its name says?"
        ) from error


def detect(file: BinaryIO) -> Encoding:
    """Raises ParameterError if the encoding is uncertain: a wrong one would train on garbage."""
    found = detect_encoding(file, DETECT_BYTES)
    if found.confidence == "guess":
        raise ParameterError(
            f"the encoding cannot be detected with confidence (it may be {found.name}): convert the file to UTF-8, for example "
            "with iconv -f CP932 -t UTF-8",
            ja=f"文字コードを判定できません（{found.name} の可能性があります）。UTF-8 に変換してください。",
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


def _rows(
    file: BinaryIO, encoding: Encoding, kind: str, name: str, column: str, lines_before: Callable[[], int]
) -> Iterator[Document]:
    lines = read_lines(file, encoding, None)
    if kind == ".jsonl":
        for row in jsonl_rows(lines, None, lines_before):
            if column not in row.values:
                number = row.number + lines_before()
                raise ParameterError(f"line {number}: the JSON object has no field {column!r} (--column names another)")
            try:
                document = _document(row.values, column)
            except ParameterError as error:
                raise ParameterError(f"line {row.number + lines_before()}: {error}") from error
            yield document
        return
    delimiter, columns, _ = read_header(lines, name)
    _check_column(name, column, columns)
    for row in csv_rows(read_lines(file, encoding, None), columns, delimiter, None):
        if row.surplus:
            raise surplus(row, columns, delimiter)
        yield _document(row.values, column)


def _parquet(path: Path, column: str, groups: tuple[int, int] | None) -> Iterator[Document]:
    with _open_parquet(path, column) as file:
        names = file.schema_arrow.names
        wanted = [column, *(name for name in ("source", "licence") if name in names and name != column)]
        some = {"row_groups": range(*groups)} if groups else {}
        for batch in file.iter_batches(batch_size=256, columns=wanted, **some):
            yield from (_document(row, column) for row in batch.to_pylist())


@contextmanager
def _open_parquet(path: Path, column: str) -> Iterator[Any]:
    """A ParquetFile that has the column; errors name it."""
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ModuleNotFoundError as error:
        raise ParameterError(f"reading {str(path)!r} needs the package pyarrow: pip install pyarrow") from error
    try:
        with ParquetFile(path) as file:
            _check_column(path.name, column, file.schema_arrow.names)
            yield file
    except (ArrowException, OSError) as error:  # broken pages of data are an OSError
        if isinstance(error, ParameterError):
            raise
        raise ParameterError(f"{str(path)!r} is not a Parquet file, or a damaged one: {error}") from error


def row_group_sizes(path: Path, column: str) -> list[int]:
    """Bytes of text in each row group of a .parquet, uncompressed; 0 for one without rows. Raises ParameterError."""
    with _open_parquet(path, column) as file:
        place = file.schema.names.index(column) if column in file.schema.names else 0  # a nested column has other names
        groups = (file.metadata.row_group(number) for number in range(file.metadata.num_row_groups))
        return [group.column(place).total_uncompressed_size if group.num_rows else 0 for group in groups]


def _check_column(name: str, column: str, columns: Iterable[str]) -> None:
    if column not in columns:
        found = quoted(list(columns)) or "none at all"
        raise ParameterError(f"{name} has no column {column!r}, but {found}: name one with --column")


def _document(row: dict[str, Any], column: str) -> Document:
    """A missing value is an empty text. Raises ParameterError for a value that is no text, such as a list of messages."""
    text, source, licence = (row.get(name) for name in (column, "source", "licence"))
    if not isinstance(text, (str, int, float, type(None))) or isinstance(text, bool):
        raise ParameterError(f"the field {column!r} is no text but {text!r:.80}: name another with --column, or convert the file")
    if isinstance(text, float) and not math.isfinite(text):  # what pandas writes for a missing value
        text = None
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
