"""Texts from an open file of unknown origin: plain text, CSV or JSONL, decoded and split into lines and rows.

Two ways to treat faults: with `Faults`, invalid bytes become U+FFFD, broken rows are skipped, and both are counted (files of
visitors); without, the first fault raises (`training.read_documents`). One piece of a plain text, or one row, is in memory.
"""

import codecs
import csv
import json
import re
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Literal

from neoxjp.documents.encodings import CHUNK, Encoding, detect_encoding, parse_encoding, refuse_binary
from neoxjp.errors import ParameterError, quoted

Kind = Literal["text", "csv", "jsonl"]
KINDS: dict[str, Kind] = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}
PIECE = 1 << 15  # characters of a plain text that are read at once
MAX_LINE = 32 * PIECE  # characters without a line end, above which a text is cut inside the line
SAMPLE_ROWS = 20  # rows that the columns are determined from
SAMPLE_CHARACTERS = 1 << 21  # of these rows together, beyond the first
MAX_COLUMNS = 2_000
MAX_NAME = 200  # characters of a column's name
MAX_VALUES = 1 << 20  # in a row: a value that takes two bytes in a file takes eighty in memory
EXAMPLES = 5  # faults that are listed


@dataclass(frozen=True)
class FileInfo:
    """What the first look at a file shows."""

    kind: Kind
    encoding: Encoding
    size: int  # bytes
    delimiter: str = ","  # between the cells of a CSV
    columns: tuple[str, ...] = ()  # of a CSV, or the text fields of a JSONL file's first objects
    column: str = ""  # the one that most likely has the text


@dataclass
class Faults:
    """What could not be read; filled while a file is read."""

    invalid_bytes: int = 0  # bytes that the encoding does not allow
    invalid_at: list[tuple[int, str]] = field(default_factory=list)  # offset in the file and the bytes, "0x81 0x20"
    broken_lines: int = 0  # lines of a JSONL file, or rows of a CSV, without a text
    broken: list[tuple[int, str, str]] = field(default_factory=list)  # number of the line (from 1), its fault, that in Japanese

    def add_bytes(self, offset: int, found: bytes) -> None:
        self.invalid_bytes += len(found)
        if len(self.invalid_at) < EXAMPLES:
            self.invalid_at.append((offset, " ".join(f"0x{byte:02X}" for byte in found)))

    def add_line(self, number: int, fault: str, ja: str) -> None:
        self.broken_lines += 1
        if len(self.broken) < EXAMPLES:
            self.broken.append((number, fault, ja))


@dataclass(frozen=True)
class TextPart:
    """A text, or a piece of one."""

    text: str
    last: bool = True  # False: the next part continues this text
    bytes_read: int = 0  # of the file so far


@dataclass(frozen=True)
class Row:
    """A row of a CSV, or an object of a JSONL file."""

    number: int  # of its last line, from 1
    values: dict[str, Any]
    bytes_read: int  # of the file so far
    surplus: int = 0  # cells of a CSV beyond those that the first line names; they are in no column


def inspect_file(file: BinaryIO, name: str, encoding: str = "") -> FileInfo:
    """Kind (by the name's ending), encoding and columns of a file, which is left at its beginning.

    Raises:
        ParameterError: it is not a text file, the encoding is unknown, or the CSV has too many columns.
    """
    kind = KINDS.get(Path(name).suffix.lower(), "text")
    size = file.seek(0, 2)
    refuse_binary(file)  # whatever encoding was chosen
    found = parse_encoding(encoding) if encoding else detect_encoding(file)
    columns: tuple[str, ...] = ()
    delimiter, column = ",", ""
    lines = read_lines(file, found, Faults())
    if kind == "csv":
        delimiter, columns, column = read_header(lines, name)
    elif kind == "jsonl":
        columns, column = _text_fields(line for line, _ in islice(lines, SAMPLE_ROWS))
    file.seek(0)
    return FileInfo(kind, found, size, delimiter, columns, column)


def preview(file: BinaryIO, encoding: Encoding, length: int) -> str:
    """The first characters of a file."""
    return next((text for text, _ in decode_chunks(file, encoding, Faults())), "")[:length]


def read_texts(file: BinaryIO, name: str, info: FileInfo, faults: Faults, column: str = "") -> Iterator[TextPart]:
    """The texts of a file; a plain text comes in pieces of about `PIECE` characters that end with a line.

    Args:
        info: the result of `inspect_file`.
        faults: is filled.
        column: of a CSV or JSONL file; "": the one that most likely has the text.

    Raises:
        ParameterError: no row of the file has such a column.
    """
    if info.kind == "text":
        for piece, read in read_pieces(file, info.encoding, faults):
            yield TextPart(piece, False, read)
        yield TextPart("", True, info.size)
        return
    column = column or info.column
    if info.kind == "csv" and column not in info.columns:
        raise _no_column(name, column, info.columns)
    lines = read_lines(file, info.encoding, faults)
    rows = csv_rows(lines, info.columns, info.delimiter, faults) if info.kind == "csv" else jsonl_rows(lines, faults)
    texts = 0
    for row in rows:
        text: Any = row.values.get(column)
        if not isinstance(text, str):
            if info.kind == "csv":
                fault, ja = f"{len(row.values)} cells, no {column!r}", f"セルが {len(row.values)} 個で、{column!r} がありません"
            elif column not in row.values:
                fault, ja = f"no field {column!r}", f"{column!r} がありません"
            else:
                kind = type(text).__name__
                fault, ja = f"{kind}, not a text, in {column!r}", f"{column!r} の値がテキストではありません（{kind}）"
            faults.add_line(row.number, fault, ja)
            continue
        texts += 1
        for start in range(0, len(text), MAX_LINE):  # a cell may be as long as the file
            yield TextPart(text[start : start + MAX_LINE], start + MAX_LINE >= len(text), row.bytes_read)
        if not text:
            yield TextPart("", True, row.bytes_read)
    if not texts and faults.broken_lines:
        if info.kind == "jsonl" and info.columns:
            raise _no_column(name, column, info.columns)
        number, fault, ja = faults.broken[0]
        raise ParameterError(
            f"{name}: none of its {faults.broken_lines:,} lines has a text. Line {number}: {fault}. A JSONL file has one JSON "
            "object on each line",
            ja=f"{name}：{faults.broken_lines:,} 行のどれにもテキストがありません。{number} 行目：{ja}。"
            "JSONL は 1 行に 1 つの JSON オブジェクトです。",
        )


def _no_column(name: str, column: str, columns: tuple[str, ...]) -> ParameterError:
    if not columns:
        return ParameterError(f"{name} has no text", ja=f"{name} にはテキストがありません。")
    found = quoted(list(columns))
    return ParameterError(
        f"{name} has no column {column[:60]!r}; its columns: {found}",
        ja=f"{name} に列 {column[:60]!r} はありません。列：{found}",
    )


# ---------------------------------------------------------------- bytes to characters

_invalid = threading.local()


def _record_invalid(error: UnicodeError) -> tuple[str, int]:
    """Error handler for codecs: U+FFFD for invalid bytes, which are recorded."""
    assert isinstance(error, UnicodeDecodeError)
    _invalid.found.append((error.start, error.object[error.start : error.end]))
    return "\ufffd", error.end


def decode_chunks(file: BinaryIO, encoding: Encoding, faults: Faults | None) -> Iterator[tuple[str, int]]:
    """The characters of a file, chunk by chunk, and the number of bytes read so far. Without `faults` invalid bytes raise."""
    codecs.register_error("neoxjp.record", _record_invalid)
    decoder = codecs.getincrementaldecoder(encoding.codec)("strict" if faults is None else "neoxjp.record")
    done, data = file.seek(0), b"."  # not 0 where the file is a part of a larger one
    lines = 0 if done == 0 else None  # the number of a line is not known in a part
    first = done == 0
    while data:
        data = file.read(CHUNK)
        offset = done - len(_pending(decoder))
        _invalid.found = []
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeError as error:  # also UTF-16 without a byte order mark; "idna", which is for domain names
            why = str(error)
            if isinstance(error, UnicodeDecodeError):
                why = f"found byte {error.object[error.start]:#04x} at {offset + error.start:,}"
                if lines is not None:
                    before = error.object[: error.start].decode(encoding.codec, "replace")
                    why += f", line {lines + before.count(chr(10)) + 1:,}"
            hint = "choose another encoding, or convert the file to UTF-8, for example with iconv -f CP932 -t UTF-8"
            raise ParameterError(
                f"the file cannot be read as {encoding.name} ({why}): {hint}",
                ja=f"{encoding.name} としては読めません。ほかの文字コードを選ぶか、自動判定にしてください。",
            ) from error
        for start, found in _invalid.found:
            assert faults is not None
            faults.add_bytes(offset + start, found)
        done += len(data)
        lines = None if lines is None else lines + text.count("\n")
        if first and text:  # a byte order mark, which is no text; the decoders of "utf-8" and "utf-16-le" leave it
            text, first = text.removeprefix("\ufeff"), False
        if text:
            yield text, done


def _pending(decoder: codecs.IncrementalDecoder) -> bytes:
    try:
        return decoder.getstate()[0]
    except (NotImplementedError, UnicodeError):
        return b""


def read_pieces(file: BinaryIO, encoding: Encoding, faults: Faults | None) -> Iterator[tuple[str, int]]:
    """A plain text in pieces that end with a line, so that no token crosses their border; a very long line is cut inside."""
    buffer, read = "", 0
    for text, read in decode_chunks(file, encoding, faults):
        buffer += text
        while len(buffer) > PIECE:
            end = buffer.rfind("\n", 0, PIECE) + 1 or buffer.find("\n") + 1
            if not end:
                if len(buffer) <= MAX_LINE:
                    break
                end = max(buffer.rfind(" ", 0, PIECE), buffer.rfind("\u3000", 0, PIECE)) + 1 or PIECE
            if end == len(buffer) and not buffer.endswith("\n"):
                break
            yield buffer[:end], read
            buffer = buffer[end:]
    if buffer:
        yield buffer, read


_LINE_END = re.compile(r"\r\n|\n|\r")


def read_lines(file: BinaryIO, encoding: Encoding, faults: Faults | None, most: int | None = None) -> Iterator[tuple[str, int]]:
    """The lines with their ends: \\n, \\r\\n or \\r, nothing else (a JSON string may contain U+2028).

    most: the beginning of a line with more characters comes as a line, before the rest is read: for those who refuse it.
    """
    held = 0
    parts: list[str] = []  # of a line that is not complete; joined once, or a line of 50 MB would be copied for each chunk
    for text, read in decode_chunks(file, encoding, faults):
        if "\n" not in text and "\r" not in text and not (parts and parts[-1].endswith("\r")):
            parts.append(text)
            held += len(text)
            if most is not None and held > most:
                yield "".join(parts), read
                parts, held = [], 0
            continue
        buffer = "".join([*parts, text])
        done = 0
        for match in _LINE_END.finditer(buffer):
            if match.end() == len(buffer) and match.group() == "\r":
                break  # the \n may be still to come
            yield buffer[done : match.end()], read
            done = match.end()
        parts, held = [buffer[done:]], len(buffer) - done
    if rest := "".join(parts):
        yield rest, read


# ---------------------------------------------------------------- CSV


# csv refuses cells of 131,072 characters. The limit is one for the whole process: set once, as threads would set it back.
csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # a C long, which has 32 bits on Windows


def read_header(lines: Iterator[tuple[str, int]], name: str) -> tuple[str, tuple[str, ...], str]:
    """Delimiter, columns, and the column with most text, from the first lines of a CSV. The first line names the columns."""
    first, size = [], 0
    for line, _ in islice(lines, 20 * SAMPLE_ROWS):
        first.append(line)
        size += len(line)
        if size > SAMPLE_CHARACTERS:
            break
    if not first:
        return ",", (), ""
    counts = {mark: first[0].count(mark) for mark in ",\t;"}
    delimiter = max(counts, key=lambda mark: counts[mark])
    if counts[delimiter] >= MAX_VALUES:
        raise _too_many_columns(name)
    while len(first) > 1 and sum(line.count(delimiter) for line in first) > MAX_VALUES:
        first = first[: len(first) // 2]
    try:
        rows = list(islice(csv.reader(first, delimiter=delimiter), SAMPLE_ROWS + 1))
    except csv.Error:
        rows = [next(csv.reader(first[:1], delimiter=delimiter), [])]
    columns = tuple(cell[: 2 * MAX_NAME].strip()[:MAX_NAME] for cell in rows[0]) if rows else ()
    if len(columns) > MAX_COLUMNS:
        raise _too_many_columns(name)
    sizes = {column: sum(_text_size(row[i]) for row in rows[1:] if i < len(row)) for i, column in enumerate(columns)}
    return delimiter, columns, _likely_text(sizes)


def _too_many_columns(name: str) -> ParameterError:
    return ParameterError(
        f"{name}: the first line of a CSV names its columns, and this one has more than {MAX_COLUMNS:,}; if it is plain text, "
        "rename it to .txt",
        ja=f"{name}：CSV の 1 行目は列の名前ですが、{MAX_COLUMNS:,} 列を超えています。"
        "プレーンテキストなら拡張子を .txt にしてください。",
    )


def csv_rows(lines: Iterator[tuple[str, int]], columns: tuple[str, ...], delimiter: str, faults: Faults | None) -> Iterator[Row]:
    """The rows below the header, by column; a short row lacks the last columns. Without `faults` a broken row raises."""
    read = cells = 0

    def counted() -> Iterator[str]:
        nonlocal read, cells
        for line, read in lines:  # noqa: B007
            cells += line.count(delimiter)
            if cells > MAX_VALUES and faults is not None:
                end = f"{rows.line_num + 1:,}"
                raise ParameterError(
                    f"the row that ends in line {end} has more than {MAX_VALUES:,} cells: is a closing quotation mark missing?",
                    ja=f"{end} 行目で終わる行のセルが {MAX_VALUES:,} 個を超えています。引用符が閉じていない可能性があります。",
                )
            yield line

    rows, header = csv.reader(counted(), delimiter=delimiter, strict=faults is None), True
    while True:
        cells, begins = 0, rows.line_num + 1
        try:
            row = next(rows, None)
        except csv.Error as error:
            if faults is None:
                raise ParameterError(
                    f"line {begins}: the row that begins here is not CSV ({error}): is a quotation mark missing?",
                    ja=f"{begins} 行目から始まる行は CSV ではありません（{error}）。引用符が抜けている可能性があります。",
                ) from error
            faults.add_line(rows.line_num, str(error), f"CSV として読めません（{error}）")
            continue
        if row is None:
            return
        if row and not header:  # an empty line is no row
            cells_by_column = reversed(list(zip(columns, row, strict=False)))  # of columns with one name the first
            yield Row(rows.line_num, dict(cells_by_column), read, max(len(row) - len(columns), 0))
        header = False


def surplus(row: Row, columns: tuple[str, ...], delimiter: str) -> ParameterError:
    """The error of a row with more cells than the header names columns."""
    cells = len(columns) + row.surplus
    return ParameterError(
        f"line {row.number:,}: {cells} cells, but line 1 names {len(columns)} columns: put texts with {delimiter!r} between "
        "quotation marks",
        ja=f"{row.number:,} 行目：セルが {cells} 個ありますが、1 行目の列は {len(columns)} 個です。"
        f"{delimiter!r} を含むテキストは引用符で囲んでください。",
    )


# ---------------------------------------------------------------- JSONL


def _text_fields(lines: Iterator[str]) -> tuple[tuple[str, ...], str]:
    """The fields with text in the first lines, and the one with most of it."""
    sizes: dict[str, int] = {}
    for line in lines:
        row = _parse_json(line, MAX_VALUES)
        for key, value in row.items() if isinstance(row, dict) else ():
            key = key[:MAX_NAME]
            if isinstance(value, str) and (key in sizes or len(sizes) < MAX_COLUMNS):
                sizes[key] = sizes.get(key, 0) + _text_size(value)
    return tuple(sizes), _likely_text(sizes)


def _likely_text(sizes: dict[str, int]) -> str:
    """ "text" where there is one, else the column with most text."""
    return "text" if "text" in sizes else max(sizes, key=lambda name: sizes[name], default="")


def _text_size(cell: str) -> int:
    """Bytes, of which a Japanese text has three times as many as an id or a date; 0 for a number."""
    return 0 if cell.isdecimal() else len(cell.encode("utf-8", "surrogatepass"))


def _parse_json(line: str, max_values: int) -> Any:
    """The value on a line; an exception that says why there is none."""
    if max_values and sum(map(line.count, ",[{")) > max_values:
        return ParameterError(f"more than {max_values:,} values", ja=f"値が {max_values:,} 個を超えています")
    try:
        return json.loads(line)
    except RecursionError:
        return ParameterError("nested too deep", ja="入れ子が深すぎます")
    except ValueError as error:
        return error


def jsonl_rows(
    lines: Iterator[tuple[str, int]], faults: Faults | None, lines_before: Callable[[], int] = lambda: 0
) -> Iterator[Row]:
    """The objects of a JSONL file. Without `faults` a line that is not an object raises; its number counts `lines_before`."""
    for number, (line, read) in enumerate(lines, 1):
        if not line.strip():
            continue
        row = _parse_json(line, MAX_VALUES if faults else 0)
        if isinstance(row, dict):
            yield Row(number, row, read)
            continue
        fault, ja = f"a JSON {type(row).__name__}, not an object", f"JSON の {type(row).__name__} で、オブジェクトではありません"
        if isinstance(row, ParameterError):
            fault, ja = str(row), row.ja
        elif isinstance(row, json.JSONDecodeError):
            start = repr(line.strip()[:40])
            fault, ja = f"{row.msg} ({start})", f"JSON として読めません（{start}）"
        elif isinstance(row, Exception):
            fault, ja = str(row)[:80], f"JSON として読めません（{str(row)[:80]}）"
        if faults is None:
            number += lines_before()
            raise ParameterError(
                f"line {number}: {fault}; a JSONL file has one JSON object on each line",
                ja=f"{number} 行目：{ja}。JSONL は 1 行に 1 つの JSON オブジェクトです。",
            )
        faults.add_line(number, fault, ja)
