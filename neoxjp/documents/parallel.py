"""Pairs of a Japanese text and its English translation, from a file with one pair on each line.

.tsv and .txt: two columns with a tab between them; .csv: with a comma; .jsonl: the fields "ja" and "en". A first line that names
the columns (ja and en, in any order) is read as such; without one the first column is the Japanese one. One pair is in memory;
the first fault raises, with file and line.
"""

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from neoxjp.documents.encodings import Encoding
from neoxjp.documents.rows import refuse
from neoxjp.documents.text_files import jsonl_rows, read_lines
from neoxjp.documents.training import detect, open_file, unpacked_suffix
from neoxjp.errors import ParameterError

Pair = tuple[str, str]  # Japanese, English
NAMES = {"ja": "ja", "jp": "ja", "japanese": "ja", "日本語": "ja", "en": "en", "english": "en", "英語": "en"}
MAX_LINE = 1 << 20  # characters
_JAPANESE = re.compile("[ぁ-ヿ㐀-鿿]")


def read_pairs(path: str | Path, on_read: Callable[[int], object] | None = None) -> Iterator[Pair]:
    """The pairs of a file, which may end in .xz or .gz.

    Args:
        on_read: is called with the bytes of the file that are read so far, before each pair.

    Raises:
        ParameterError: naming file and line, where a pair has one side only, the columns are swapped, or there is no pair.
    """
    path = Path(path)
    kind = unpacked_suffix(path)
    found = 0
    with open_file(path) as (file, read):
        if not file.read(1):
            raise _no_pair()
        file.seek(0)
        encoding = detect(file)
        for number, (ja, en) in (_objects if kind == ".jsonl" else _columns)(file, encoding, "," if kind == ".csv" else "\t"):
            _check(number, ja, en)
            found += 1
            if on_read:
                on_read(read())
            yield ja, en
        if not found:
            raise _no_pair()


def _no_pair() -> ParameterError:
    return ParameterError(
        "the file has no pair of texts: write Japanese, a tab and English on each line",
        ja="対訳がありません。1 行に日本語、タブ、英語の順で書いてください。",
    )


def _check(number: int, ja: str, en: str) -> None:
    if not ja.strip() or not en.strip():
        missing = ("English", "英語") if ja.strip() else ("Japanese", "日本語")
        refuse(number, f"the {missing[0]} side is empty", f"{missing[1]}が空です")
    if not _JAPANESE.search(ja) and _JAPANESE.search(en):
        refuse(
            number,
            "the first column is English and the second Japanese: put Japanese first, or name the columns ja and en in line 1",
            "1 列目が英語、2 列目が日本語です。日本語を先に書くか、1 行目に列名 en と ja を書いてください",
        )


def _columns(file: BinaryIO, encoding: Encoding, delimiter: str) -> Iterator[tuple[int, Pair]]:
    swapped, first = False, True
    for number, (line, _) in enumerate(read_lines(file, encoding, None, MAX_LINE), 1):
        if len(line) > MAX_LINE:
            refuse(number, f"more than {MAX_LINE:,} characters in one line", f"1 行が {MAX_LINE:,} 文字を超えています")
        line = line.strip("\ufeff\r\n")
        if not line.strip():
            continue
        try:
            cells = next(csv.reader([line], strict=True), []) if delimiter == "," else line.split(delimiter)
        except csv.Error as error:
            refuse(number, f"this is not CSV: {error}", f"CSV ではありません（{error}）")
        if len(cells) != 2:
            name = ("commas", "カンマ") if delimiter == "," else ("tabs", "タブ")
            refuse(
                number,
                f"{len(cells)} column{'s' * (len(cells) != 1)} (separated by {name[0]}) instead of 2, Japanese and English",
                f"{name[1]}区切りの列が {len(cells)} 個です（日本語と英語の 2 個が必要です）",
            )
        names = [NAMES.get(cell.strip().lower()) for cell in cells]
        head, first = first and set(names) == {"ja", "en"}, False
        if head:
            swapped = names[0] == "en"
            continue
        yield number, ((cells[1], cells[0]) if swapped else (cells[0], cells[1]))


def _objects(file: BinaryIO, encoding: Encoding, _: str) -> Iterator[tuple[int, Pair]]:
    for row in jsonl_rows(read_lines(file, encoding, None, MAX_LINE), None):
        sides = [row.values.get(name) for name in ("ja", "en")]
        for name, side in zip(("ja", "en"), sides, strict=True):
            if not isinstance(side, str):
                refuse(row.number, f'the JSON object has no text "{name}"', f'JSON に文字列 "{name}" がありません')
        yield row.number, (str(sides[0]), str(sides[1]))
