"""Sentences with word boundaries set by hand, from CoNLL-U files (https://universaldependencies.org/format.html).

A word of the file is a short unit. Japanese treebanks give two longer units in the last column: `LUWBILabel` (long unit words)
and `BunsetuBILabel` (bunsetsu), B where one begins and I inside it. One sentence is in memory; the first fault raises, with file
and line.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from neoxjp.documents.encodings import detect_encoding
from neoxjp.documents.rows import refuse
from neoxjp.documents.training import open_file
from neoxjp.errors import ParameterError

COLUMNS = 10
MAX_LINE = 1 << 20  # bytes
MAX_WORDS = 10_000  # of a sentence
MISC = {"long": "LUWBILabel", "bunsetsu": "BunsetuBILabel"}
"""A unit and the field of the last column that says where it begins."""
_SPACE = re.compile(r"\s")
_NUMBER = re.compile(r"[1-9][0-9]*")
_RANGE = re.compile(r"([1-9][0-9]*)-([1-9][0-9]*)")
_EMPTY = re.compile(r"[0-9]+\.[1-9][0-9]*")


@dataclass(frozen=True)
class Sentence:
    """A sentence as it was cut by hand. Spans are half-open, in characters of its text."""

    text: str
    words: tuple[tuple[int, int], ...]  # short units
    begins: dict[str, frozenset[int]]  # "long", "bunsetsu": where one begins; a unit that the file does not mark is missing
    line: int  # its first line in the file


def read_conllu(path: str | Path, on_read: Callable[[int], object] | None = None) -> Iterator[Sentence]:
    """The sentences of a file, which may end in .xz or .gz.

    Args:
        on_read: is called with the bytes of the file that are read so far, before each sentence.

    Raises:
        ParameterError: naming file and line, where the file breaks the rules of CoNLL-U, is not UTF-8, or has no sentence.
    """
    path = Path(path)
    found = 0
    with open_file(path) as (file, read):
        for sentence in _sentences(file):
            found += 1
            if on_read:
                on_read(read())
            yield sentence
        if not found:
            raise ParameterError(
                "the file has no sentence: a CoNLL-U file has one word on each line and an empty line after each sentence",
                ja="文がありません。CoNLL-U は 1 行に 1 語を書き、文の後に空行を置く形式です。",
            )


def _sentences(file: BinaryIO) -> Iterator[Sentence]:
    rows: list[tuple[int, list[str]]] = []  # number of the line, columns
    said: tuple[int, str] | None = None  # the line "# text = …"
    for number, line in _lines(file):
        if not line.strip():
            if rows:
                yield _sentence(rows, said)
            rows, said = [], None
        elif line.startswith("#"):
            if rows:
                refuse(number, "a comment inside a sentence", "文の途中にコメントがあります")
            key, _, value = line[1:].partition("=")
            said = (number, value.strip()) if key.strip() == "text" else said
        else:
            columns = line.split("\t")
            if len(columns) != COLUMNS:
                refuse(
                    number,
                    f"{len(columns)} columns instead of {COLUMNS} (separated by tabs): {line[:40]!r}",
                    f"列が {len(columns)} 個です（タブ区切りで {COLUMNS} 個必要です）：{line[:40]!r}",
                )
            rows.append((number, columns))
            if len(rows) > MAX_WORDS:
                refuse(
                    number,
                    f"the sentence that begins in line {rows[0][0]:,} has more than {MAX_WORDS:,} words: "
                    "is the empty line after a sentence missing?",
                    f"{rows[0][0]:,} 行目から始まる文が {MAX_WORDS:,} 語を超えています。文の後の空行がない可能性があります",
                )
    if rows:
        yield _sentence(rows, said)


def _lines(file: BinaryIO) -> Iterator[tuple[int, str]]:
    """Number and text of each line."""
    number = 0
    while data := file.readline(MAX_LINE + 1):
        number += 1
        if len(data) > MAX_LINE:
            refuse(number, f"more than {MAX_LINE:,} bytes in one line", f"1 行が {MAX_LINE:,} バイトを超えています")
        try:
            line = data.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            name, codec = _looks_like(file)
            refuse(
                number,
                f"byte {data[error.start]:#04x} is not UTF-8{name and f' (the file looks like {name})'}: convert the file, for "
                f"example with iconv -f {codec} -t UTF-8",
                f"UTF-8 ではないバイト {data[error.start]:#04x} があります{name and f'（{name} のようです）'}。"
                f"iconv -f {codec} -t UTF-8 などで変換してください",
            )
        yield number, line.rstrip("\r\n")


def _looks_like(file: BinaryIO) -> tuple[str, str]:
    """The encoding of a file that is not UTF-8, as a name to show ("" where it is not clear) and as iconv calls it."""
    try:
        found = detect_encoding(file, 1 << 20)
    except ParameterError:
        return "", "CP932"
    if found.codec == "utf-8":
        return "", "CP932"
    return found.name, found.codec.upper().replace("_", "-").replace("ISO2022", "ISO-2022")


def _sentence(rows: list[tuple[int, list[str]]], said: tuple[int, str] | None) -> Sentence:
    surface = list(_surface(rows))
    text, words = "", []
    for number, form, misc in surface:
        words.append((len(text), len(text) + len(form)))
        text += form + ("" if misc.get("SpaceAfter") == "No" or number == surface[-1][0] else " ")
    begins = {}
    for unit, label in MISC.items():
        marks = [(number, misc.get(label)) for number, _, misc in surface]
        if all(mark is None for _, mark in marks):
            continue
        for place, (number, mark) in enumerate(marks):
            if mark not in ("B", "I") or (mark == "I" and not place):
                asked = f"{label}={mark}" if mark else f"no {label}"
                refuse(
                    number,
                    f"{asked}, but the words of a sentence have B or I, the first one B",
                    f"{label} が{f' {mark} です' if mark else 'ありません'}。文の語には B か I、最初の語には B が必要です",
                )
        begins[unit] = frozenset(start for (start, _), (_, mark) in zip(words, marks, strict=True) if mark == "B")
    if said and _compact(said[1]) != _compact(text):
        refuse(
            said[0],
            f"the text {said[1][:40]!r} is not that of the words below it, {text[:40]!r}",
            f"text の {said[1][:40]!r} が、続く語をつないだ {text[:40]!r} と一致しません",
        )
    return Sentence(text, tuple(words), begins, rows[0][0])


def _surface(rows: list[tuple[int, list[str]]]) -> Iterator[tuple[int, str, dict[str, str]]]:
    """Line, form and last column of each word as it is written: a range (1-2) instead of its words, no empty nodes (1.1)."""
    expected, covered = 1, 0
    for number, columns in rows:
        id, form = columns[0], columns[1]
        misc = dict(pair.partition("=")[::2] for pair in columns[9].split("|"))
        if span := _RANGE.fullmatch(id):
            first, last = int(span[1]), int(span[2])
            if first != expected or last <= first or first <= covered:
                refuse(number, f"the range {id} does not begin at word {expected}", f"範囲 {id} が語 {expected} から始まりません")
            covered = last
        elif _EMPTY.fullmatch(id):
            continue
        elif not _NUMBER.fullmatch(id) or int(id) != expected:
            refuse(
                number,
                f"the word has the number {id[:20]!r}, expected {expected}",
                f"語の番号が {id[:20]!r} です（{expected} のはず）",
            )
        else:
            expected += 1
            if int(id) <= covered:
                continue
        if not form.strip():
            refuse(number, "the word has no form (column 2)", "語形（2 列目）がありません")
        yield number, form, misc
    if covered >= expected:
        refuse(
            rows[-1][0], f"the words of the range end at {expected - 1}, not at {covered}", f"範囲の語が {covered} まで続きません"
        )


def _compact(text: str) -> str:
    return _SPACE.sub("", unicodedata.normalize("NFC", text))
