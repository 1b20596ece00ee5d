"""Rows of a table with known columns: .jsonl, .csv or .tsv (also .xz, .gz); the first fault raises, with file and line.

One row is in memory. The readers of minimal pairs, judged sentences and questions build on it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from neoxjp.documents.encodings import Encoding, parse_encoding
from neoxjp.documents.text_files import Row, csv_rows, jsonl_rows, read_header, read_lines, surplus
from neoxjp.documents.training import detect, open_file, unpacked_suffix
from neoxjp.errors import ParameterError, quoted

SUFFIXES = (".jsonl", ".csv", ".tsv")
MAX_ROW = 1 << 20  # characters of one row
MOST_GROUPS = 1_000
GROUPS = ("phenomenon", "source")
"""What a row belongs to: the phenomenon, or else where it is from."""


@dataclass(frozen=True)
class Kind:
    """What the rows of a file are."""

    name: str  # of one of them: "minimal pair"
    ja: str
    form: str  # what each row must have
    form_ja: str
    needed: Mapping[str, tuple[str, ...]]  # a field or column → the names that it may have


@contextmanager
def open_table(path: str | Path, kind: Kind, encoding: str = "") -> Iterator[Iterator[Row]]:
    """The rows of a file; errors inside the block name it. encoding: "": detected."""
    path = Path(path)
    suffix = unpacked_suffix(path)
    if suffix not in SUFFIXES:
        raise ParameterError(
            f"{str(path)!r}: {kind.name}s are read from {', '.join(SUFFIXES)} files (.xz and .gz too)",
            ja=f"{str(path)!r}：{kind.ja}は {'、'.join(SUFFIXES)} のファイルから読み込みます（.xz、.gz も可）。",
        )
    with open_file(path) as (file, _):
        yield read_table(file, suffix, kind, parse_encoding(encoding) if encoding else None)


def read_table(file: BinaryIO, suffix: str, kind: Kind, encoding: Encoding | None = None) -> Iterator[Row]:
    """The rows of an open file.

    Args:
        suffix: one of SUFFIXES; the separator of a .csv or .tsv is what the first line has most of.
        encoding: None: detected.

    Raises:
        ParameterError: a row is broken or longer than a million characters, a column is missing, or there is no row.
    """
    found = 0
    for row in _rows(file, suffix, kind, encoding) if file.read(1) else ():
        found += 1
        yield row
    if not found:
        raise ParameterError(f"there is no {kind.name}: {kind.form}", ja=f"{kind.ja}がありません。{kind.form_ja}。")


def _rows(file: BinaryIO, suffix: str, kind: Kind, given: Encoding | None) -> Iterator[Row]:
    file.seek(0)
    encoding = given or detect(file)
    before = size = 0  # lines of the rows that are complete, characters of the row that is read

    def bounded() -> Iterator[tuple[str, int]]:
        nonlocal size
        for line, read in read_lines(file, encoding, None, MAX_ROW):
            size += len(line)
            if size > MAX_ROW:
                refuse(
                    before + 1,
                    f"a row of more than {MAX_ROW:,} characters begins here: is a closing quotation mark missing?",
                    f"{MAX_ROW:,} 文字を超える行が始まっています。引用符が閉じていない可能性があります",
                )
            yield line, read

    columns: tuple[str, ...] = ()
    if suffix == ".jsonl":
        rows = jsonl_rows(bounded(), None)
    else:
        delimiter, columns, _ = read_header(read_lines(file, encoding, None, MAX_ROW), f"this {suffix} file")
        for name, names in kind.needed.items():
            if not set(names) & set(columns):
                found = quoted(list(columns))
                refuse(
                    1,
                    f"there is no column {name!r}, but {found or 'none at all'}",
                    f"列 {name!r} がありません（{f'{found} があります' if found else '列が一つもありません'}）",
                )
        rows = csv_rows(bounded(), columns, delimiter, None)
    for row in rows:
        if row.surplus:
            raise surplus(row, columns, delimiter)
        yield row
        before, size = row.number, 0


def text_of(row: Row, name: str, kind: Kind) -> str:
    """The text of a field or column of `kind.needed`. Raises ParameterError where there is none, or an empty one."""
    text = next((row.values[each] for each in kind.needed[name] if each in row.values), None)
    if not isinstance(text, str):
        refuse(row.number, f"there is no text {name!r}: {kind.form}", f"テキスト {name!r} がありません。{kind.form_ja}")
    if not text.strip():
        refuse(row.number, f"the text {name!r} is empty: {kind.form}", f"テキスト {name!r} が空です。{kind.form_ja}")
    return text


def group_of(row: Row) -> str:
    """The phenomenon of a row, or else its source; "" where it names neither."""
    return next((str(row.values[name]) for name in GROUPS if row.values.get(name) not in (None, "")), "")


class GroupLimit:
    """Counts the phenomena or sources of a file: results are kept for each, so their number is limited."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def add(self, name: str, line: int) -> None:
        """Raises ParameterError where it is one too many."""
        self._seen.add(name)
        if len(self._seen) > MOST_GROUPS:
            refuse(
                line,
                f"{name[:40]!r} is the {MOST_GROUPS + 1:,}th phenomenon or source: name at most {MOST_GROUPS:,}",
                f"phenomenon または source が {MOST_GROUPS:,} 種類を超えています",
            )


def label_found(given: object) -> str:
    """The beginning of a sentence about a label that is none."""
    return "there is no label" if given is None or given == "" else f"the label is {str(given)[:40]!r}"


def label_found_ja(given: object) -> str:
    """The same in Japanese."""
    return "ラベルがありません" if given is None or given == "" else f"ラベルが {str(given)[:40]!r} です"


def refuse(line: int, fault: str, ja: str) -> NoReturn:
    """Raise ParameterError with the number of the line."""
    raise ParameterError(f"line {line:,}: {fault}", ja=f"{line:,} 行目：{ja}。")
