"""A visitor's file as texts: plain text, CSV or JSONL, in any encoding, in pieces and with what could not be read counted.

`train/documents.py` refuses a file with a fault; this one goes on: broken lines are left out, wrong bytes replaced, both told.
Memory holds one piece of a plain text, or one row.
"""

import codecs
import csv
import json
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Literal

from neoxjp.documents.encodings import READ, Found, chosen, find, refuse_other_files
from neoxjp.errors import ParameterError, listed

Kind = Literal["text", "csv", "jsonl"]
KINDS: dict[str, Kind] = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
PIECE = 1 << 15  # characters of a text that come at once
LONGEST = 32 * PIECE  # characters without the end of a line, from which on a text is cut within it
PEEKED = 20  # rows from which the columns are known
PEEKED_CHARACTERS = 1 << 21  # of these rows together, beyond the first
MOST_COLUMNS = 2_000
LONGEST_NAME = 200  # characters of a column's name
MOST_VALUES = 1 << 20  # in a row: what takes two bytes in a file takes eighty in memory
TOLD = 5  # examples of what is broken


@dataclass(frozen=True)
class Peek:
    """What a look at a file tells before it is read."""

    kind: Kind
    found: Found
    size: int  # bytes
    delimiter: str = ","  # between the cells of a CSV
    columns: tuple[str, ...] = ()  # of a CSV, or the text fields of a JSONL file's first objects
    column: str = ""  # the one that looks like the text


@dataclass
class Faults:
    """What could not be read; filled while a file is read."""

    wrong_bytes: int = 0  # bytes that the encoding does not allow
    wrong_at: list[tuple[int, str]] = field(default_factory=list)  # offset in the file and the bytes, "0x81 0x20"
    broken_lines: int = 0  # lines of a JSONL file, or rows of a CSV, without a text
    broken: list[tuple[int, str]] = field(default_factory=list)  # number of the line (from 1) and what is wrong there

    def line(self, number: int, why: str) -> None:
        self.broken_lines += 1
        if len(self.broken) < TOLD:
            self.broken.append((number, why))


@dataclass(frozen=True)
class Part:
    """A text, or a piece of one."""

    text: str
    last: bool = True  # False: the next part is the rest of this text
    read: int = 0  # bytes of the file that were read so far


def peek(file: BinaryIO, name: str, encoding: str = "") -> Peek:
    """Kind (by the name's ending), encoding and columns of a file; it stands at its beginning afterwards.

    Raises:
        ParameterError: it is no text file, the encoding is unknown, or the CSV has no line.
    """
    kind = KINDS.get(Path(name).suffix.lower(), "text")
    size = file.seek(0, 2)
    refuse_other_files(file)  # whatever encoding was chosen
    found = chosen(encoding) if encoding else find(file)
    if Path(name).suffix.lower() == ".json":
        kind = "jsonl"
    columns: tuple[str, ...] = ()
    faults, delimiter, column = Faults(), ",", ""
    file.seek(0)
    lines = _lines(file, found.encoding, faults)
    if kind == "csv":
        delimiter, columns, column = _csv_columns(_first_lines(lines), name)
    elif kind == "jsonl":
        columns, column = _jsonl_fields(line for line, _ in islice(lines, PEEKED))
    file.seek(0)
    return Peek(kind, found, size, delimiter, columns, column)


def read(file: BinaryIO, name: str, plan: Peek, faults: Faults, column: str = "") -> Iterator[Part]:
    """The texts of a file, in pieces of some `PIECE` characters that end with a line.

    Args:
        plan: what `peek` told.
        faults: filled on the way.
        column: of a CSV or JSONL file; left out, the one that looks like the text.

    Raises:
        ParameterError: there is no such column in the whole file.
    """
    file.seek(0)
    if plan.kind == "text":
        for text, read in _characters(file, plan.found.encoding, faults):
            yield Part(text, False, read)
        yield Part("", True, plan.size)
        return
    wanted = column or plan.column
    if plan.kind == "csv" and wanted not in plan.columns:
        raise _no_column(name, wanted, plan.columns)
    lines = _lines(file, plan.found.encoding, faults)
    rows = _csv(lines, plan, wanted, faults) if plan.kind == "csv" else _jsonl(lines, wanted, faults)
    texts = 0
    for text, read in rows:
        texts += 1
        for start in range(0, len(text), LONGEST):  # a cell may be as long as the file
            yield Part(text[start : start + LONGEST], start + LONGEST >= len(text), read)
        if not text:
            yield Part("", True, read)
    if not texts and faults.broken_lines:
        if plan.kind == "jsonl" and plan.columns:
            raise _no_column(name, wanted, plan.columns)
        number, why = faults.broken[0]
        raise ParameterError(
            f"{name}: none of {faults.broken_lines:,} lines holds a text. Line {number}: {why}. A JSONL file has one JSON object "
            "on each line",
            ja=f"{name}：{faults.broken_lines:,} 行のどれにも文章がありません。{number} 行目：{why}。"
            "JSONL は 1 行に 1 つの JSON オブジェクトです。",
        )


def _no_column(name: str, column: str, columns: tuple[str, ...]) -> ParameterError:
    if not columns:
        return ParameterError(f"{name} holds no text", ja=f"{name} には文章がありません。")
    there = listed(list(columns))
    return ParameterError(
        f"{name} has no column {column[:60]!r}; it has: {there}", ja=f"{name} に列 {column[:60]!r} はありません。ある列：{there}"
    )


# ---------------------------------------------------------------- bytes to characters

_counting = threading.local()


def _count(error: UnicodeError) -> tuple[str, int]:
    """Error handler for codecs: U+FFFD in place of what cannot be read, and a note of it."""
    assert isinstance(error, UnicodeDecodeError)
    _counting.wrong.append((error.start, error.object[error.start : error.end]))
    return "\ufffd", error.end


def decoded(file: BinaryIO, encoding: str, faults: Faults) -> Iterator[tuple[str, int]]:
    """The characters of a file as they are read, and how many bytes were read so far."""
    codecs.register_error("neoxjp.count", _count)
    decoder = codecs.getincrementaldecoder(encoding)("neoxjp.count")
    done, data = 0, b"."
    while data:
        data = file.read(READ)
        held = len(_pending(decoder))
        _counting.wrong = []
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeError as error:  # UTF-16 without a byte order mark; "idna", which is for domain names
            raise ParameterError(
                f"the file cannot be read as {encoding} ({error}): choose another encoding, or let it be found",
                ja=f"{encoding} としては読めません。ほかの文字コードを選ぶか、自動にしてください。",
            ) from error
        for start, wrong in _counting.wrong:
            faults.wrong_bytes += len(wrong)
            if len(faults.wrong_at) < TOLD:
                faults.wrong_at.append((done - held + start, " ".join(f"0x{byte:02X}" for byte in wrong)))
        done += len(data)
        if text:
            yield text, done


def _pending(decoder: codecs.IncrementalDecoder) -> bytes:
    try:
        return decoder.getstate()[0]
    except (NotImplementedError, UnicodeError):
        return b""


def _characters(file: BinaryIO, encoding: str, faults: Faults) -> Iterator[tuple[str, int]]:
    """A plain text in pieces that end with a line, so that no token reaches over their border; a very long line is cut within."""
    held, read = "", 0
    for text, read in decoded(file, encoding, faults):
        held += text
        while len(held) > PIECE:
            end = held.rfind("\n", 0, PIECE) + 1 or held.find("\n") + 1
            if not end:
                if len(held) <= LONGEST:
                    break
                end = max(held.rfind(" ", 0, PIECE), held.rfind("\u3000", 0, PIECE)) + 1 or PIECE
            if end == len(held) and not held.endswith("\n"):
                break
            yield held[:end], read
            held = held[end:]
    if held:
        yield held, read


_END = re.compile(r"\r\n|\n|\r")


def _lines(file: BinaryIO, encoding: str, faults: Faults) -> Iterator[tuple[str, int]]:
    """The lines with their ends: \\n, \\r\\n or \\r, nothing else (U+2028 may stand in a JSON string)."""
    parts: list[str] = []  # of a line that is not complete; joined once, or a line of 50 MB would be copied for each piece
    for text, read in decoded(file, encoding, faults):
        if "\n" not in text and "\r" not in text:
            parts.append(text)
            continue
        held = "".join([*parts, text])
        done = 0
        for match in _END.finditer(held):
            if match.end() == len(held) and match.group() == "\r":
                break  # the \n may be still to come
            yield held[done : match.end()], read
            done = match.end()
        parts = [held[done:]]
    if rest := "".join(parts):
        yield rest, read


# ---------------------------------------------------------------- CSV


@contextmanager
def _any_width() -> Iterator[None]:
    """csv refuses cells of 131,072 characters; the limit is one for the whole process."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _first_lines(lines: Iterator[tuple[str, int]]) -> list[str]:
    found, held = [], 0
    for line, _ in islice(lines, 20 * PEEKED):
        found.append(line)
        held += len(line)
        if held > PEEKED_CHARACTERS:
            break
    return found


def _csv_columns(lines: list[str], name: str) -> tuple[str, tuple[str, ...], str]:
    """Delimiter, columns, and the column with most text. The first line names the columns."""
    if not lines:
        return ",", (), ""
    counts = {mark: lines[0].count(mark) for mark in ",\t;"}
    delimiter = max(counts, key=lambda mark: counts[mark])
    if counts[delimiter] >= MOST_VALUES:
        raise _too_many_columns(name)
    while len(lines) > 1 and sum(line.count(delimiter) for line in lines) > MOST_VALUES:
        lines = lines[: len(lines) // 2]
    with _any_width():
        try:
            rows = list(islice(csv.reader(lines, delimiter=delimiter), PEEKED + 1))
        except csv.Error:
            rows = [next(csv.reader(lines[:1], delimiter=delimiter), [])]
    columns = tuple(cell[: 2 * LONGEST_NAME].strip()[:LONGEST_NAME] for cell in rows[0]) if rows else ()
    if len(columns) > MOST_COLUMNS:
        raise _too_many_columns(name)
    lengths = {column: sum(_size(row[i]) for row in rows[1:] if i < len(row)) for i, column in enumerate(columns)}
    return delimiter, columns, _likeliest(lengths)


def _too_many_columns(name: str) -> ParameterError:
    return ParameterError(
        f"{name}: the first line of a CSV names its columns, and has more than {MOST_COLUMNS:,} here; if it is plain text, "
        "give it the ending .txt",
        ja=f"{name}：CSV の最初の行は列の名前ですが、{MOST_COLUMNS:,} を超えています。ふつうの文章なら .txt にしてください。",
    )


def _csv(lines: Iterator[tuple[str, int]], plan: Peek, column: str, faults: Faults) -> Iterator[tuple[str, int]]:
    read = cells = 0

    def fed() -> Iterator[str]:
        nonlocal read, cells
        for line, read in lines:  # noqa: B007
            cells += line.count(plan.delimiter)
            if cells > MOST_VALUES:
                end = f"{rows.line_num + 1:,}"
                raise ParameterError(
                    f"the row that ends in line {end} has more than {MOST_VALUES:,} cells: is a quotation mark open?",
                    ja=f"{end} 行目で終わる行のセルが {MOST_VALUES:,} 個を超えています。引用符が閉じていませんか。",
                )
            yield line

    rows, place, first = csv.reader(fed(), delimiter=plan.delimiter), plan.columns.index(column), True
    while True:
        cells = 0
        with _any_width():
            try:
                row = next(rows, None)
            except csv.Error as error:
                faults.line(rows.line_num, str(error))
                continue
        if row is None:
            return
        if first or not row:  # an empty line is no row
            first = False
        elif place < len(row):
            yield row[place], read
        else:
            faults.line(rows.line_num, f"{len(row)} cells, no {column!r}")


# ---------------------------------------------------------------- JSONL


def _jsonl_fields(lines: Iterator[str]) -> tuple[tuple[str, ...], str]:
    """The fields that hold text in the first lines, and the one with most of it."""
    lengths: dict[str, int] = {}
    for line in lines:
        row = _object(line)
        for key, value in row.items() if isinstance(row, dict) else ():
            key = key[:LONGEST_NAME]
            if isinstance(value, str) and (key in lengths or len(lengths) < MOST_COLUMNS):
                lengths[key] = lengths.get(key, 0) + _size(value)
    return tuple(lengths), _likeliest(lengths)


def _likeliest(lengths: dict[str, int]) -> str:
    """ "text" where there is one, else the column with most text."""
    return "text" if "text" in lengths else max(lengths, key=lambda name: lengths[name], default="")


def _size(cell: str) -> int:
    """Bytes, of which a Japanese text has three times as many as an id or a date; a number has none."""
    return 0 if cell.isdecimal() else len(cell.encode("utf-8", "surrogatepass"))


def _object(line: str) -> Any:
    """The value on a line, or the reason why there is none as an exception."""
    if sum(map(line.count, ",[{")) > MOST_VALUES:
        return ValueError(f"more than {MOST_VALUES:,} values")
    try:
        return json.loads(line)
    except RecursionError:
        return ValueError("nested too deep")
    except ValueError as error:
        return error


def _jsonl(lines: Iterator[tuple[str, int]], column: str, faults: Faults) -> Iterator[tuple[str, int]]:
    for number, (line, read) in enumerate(lines, 1):
        if not line.strip():
            continue
        row = _object(line)
        if isinstance(row, Exception):
            why = f"{row.msg} ({line.strip()[:40]!r})" if isinstance(row, json.JSONDecodeError) else str(row)[:80]
            faults.line(number, why)
        elif not isinstance(row, dict):
            faults.line(number, f"a JSON {type(row).__name__}, not an object")
        elif not isinstance(text := row.get(column), str):
            found = "no field" if column not in row else f"{type(text).__name__}, no text, in"
            faults.line(number, f"{found} {column!r}")
        else:
            yield text, read
