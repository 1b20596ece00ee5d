"""Values for view.html: the rows of the table, each character's cells, the words with readings, the bars of the chart."""

import math
import unicodedata
from collections.abc import Iterable, Sequence

from neoxjp.compare import Comparison
from neoxjp.japanese import Word
from neoxjp.japanese import ruby as ruby_parts
from neoxjp.labs.common import html
from neoxjp.labs.common.glyphs import glyphs, unseen
from neoxjp.labs.common.templates import Words, render
from neoxjp.labs.spellings.records import Matrix, shared_starts

TEMPLATE = "labs/spellings/view.html"
ALIGNED = 300  # characters of a row whose tokens are shown
RUBY = 400  # characters of a text that are shown with their readings
WIDTH = 720  # of the chart, in units of the SVG
# Okabe–Ito, darkened as in page.css: 3:1 on white.
COLOURS = ("#5a66c4", "#d55e00", "#00805d", "#b1508a", "#8a6d00", "#1d7fb4", "#5b6270")


def table(found: Matrix, t: Words, *, selected: int, same: bool) -> str:
    """A row for each spelling, a cell for each tokenizer: the number of tokens, and a bar on the common scale.

    Args:
        selected: the row whose tokens are shown below.
        same: False: rows that equal the text as written are only named below the table.
    """
    rows = [row for row in range(len(found.spellings)) if same or found.changed(row)]
    if not rows or not found.columns:
        return html.notice(t("spellings_no_columns")) if rows else ""
    folded = [t(f"spellings_name_{spelling.key}") for row, spelling in enumerate(found.spellings) if row not in rows]
    samples = [(row, _pieces(found, row), _start(found.spellings[row].text)) for row in rows]
    return render(TEMPLATE, "table", t, found=found, rows=samples, selected=selected, folded=folded)


def _pieces(found: Matrix, row: int) -> list[tuple[str, int]]:
    """The first pieces of a spelling, with their tokens, as the first tokenizer that is open splits it; at first ours."""
    cell = next((cell for cell in found.cells[row] if cell is not None), None)
    length = _length(found.spellings[row].text)
    return [(piece.text, piece.tokens) for piece in cell.pieces if piece.end <= length] if cell else []


def _start(text: str) -> str:
    """The beginning of a spelling, with signs for what is invisible, but plain blanks."""
    length = _length(text)
    return "".join(" " if sign == "␣" else sign for sign, _ in glyphs(text[:length])) + ("…" if len(text) > length else "")


def _length(text: str) -> int:
    """How many characters of a spelling are shown in its row."""
    return 24 if any(map(_wide, text[:48])) else 48


def aligned(found: Matrix, row: int, t: Words, *, limit: int = ALIGNED) -> str:
    """The tokens of a row, one line for each tokenizer. A boundary that not all share has a notch, not only a colour."""
    text = found.spellings[row].text
    lines = [(column, cell) for column, cell in zip(found.columns, found.cells[row], strict=True) if cell is not None]
    if not lines or not text:
        return ""
    shared = shared_starts(found.cells[row]) if len(lines) > 1 else set(range(len(text)))
    end = min(len(text), limit)
    strips = [list(_strip(cell, end, shared)) for _, cell in lines]
    characters = []
    for at, character in enumerate(text[:end]):
        kinds = ("wide", _wide(character)), ("odd", unseen(character)), ("all", at in shared and len(lines) > 1)
        characters.append((character, [kind for kind, given in kinds if given], [strip[at] for strip in strips]))
    name = t(f"spellings_name_{found.spellings[row].key}")
    values = {"groups": end // 6 + 1, "end": end, "rest": len(text) - end}
    return render(TEMPLATE, "aligned", t, name=name, lines=lines, characters=characters, **values)


def _strip(cell: Comparison, end: int, shared: set[int]) -> Iterable[tuple[list[str], int]]:
    """For each character its classes and, at the end of a piece of several tokens, their number; else 0."""
    for place, piece in enumerate(cell.pieces):
        for at in range(piece.start, min(piece.end, end)):
            boundary = [] if at > piece.start else ["cut"] if at in shared else ["cut", "own"]
            yield ["even", *boundary] if place % 2 else boundary, piece.tokens if at == piece.end - 1 else 0


def _wide(character: str) -> bool:
    width = unicodedata.east_asian_width(character)  # "A", as of ① and …: as wide as a kanji in Japanese text
    return width in "WF" or (width == "A" and not character.isalpha()) or unicodedata.combining(character) > 0


def ruby(words: Sequence[Word], corrected: Iterable[str], t: Words, *, limit: int = RUBY) -> str:
    """A text with its readings above the words."""
    shown = [word for word in words if word.end <= limit]
    parts = [(word, ruby_parts(word) if word.reading is not None or word.unknown else None) for word in shown]
    sentences = {key: t(f"spellings_{key}", word="{word}") for key in ("fix", "fix_ok", "fix_back", "fix_close")}
    cut = limit if len(shown) < len(words) else 0
    return render(TEMPLATE, "ruby", t, words=parts, corrected=list(corrected), sentences=sentences, limit=cut)


def chart(found: Matrix, t: Words, *, same: bool = True) -> str:
    """Tokens per character of each spelling with each open tokenizer, as an SVG that needs no style sheet; "" if there are none.

    `same`: False leaves out the spellings that equal the text as written.
    """
    groups = []
    for row, (spelling, cells) in enumerate(zip(found.spellings, found.cells, strict=True)):
        columns = enumerate(zip(found.columns, cells, strict=True))
        bars = [(column.title, cell.counts, place % len(COLOURS)) for place, (column, cell) in columns if cell is not None]
        if spelling.text and bars and (same or found.changed(row)):
            groups.append((f"spellings_name_{spelling.key}", bars))
    if not groups:
        return ""
    largest = max(counts.tokens / counts.characters for _, bars in groups for _, counts, _ in bars)
    step = next((step for step in (0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0) if largest / step <= 8), largest / 8)
    marks = [round(n * step, 6) for n in range(max(1, math.ceil(largest / step)) + 1)]
    return render(TEMPLATE, "chart", t, groups=groups, marks=marks, width=WIDTH, colours=COLOURS)
