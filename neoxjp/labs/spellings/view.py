"""Spellings × tokenizers as HTML: the matrix, one row's pieces column against column, the text with its readings above.

Every character of the pieces is a column of its own, one cell a tokenizer, so that the browser can wrap the text anywhere and
the cuts still line up. What a click does with the markup stands in `script.js`, the looks in `style.css`.
"""

import unicodedata
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from neoxjp.japanese import Word, ruby
from neoxjp.labs.common.html import GLYPHS, Words, attributes, data, notice, unseen, visible, whole
from neoxjp.labs.spellings.records import Column, Doubts, Matrix, shared_starts

if TYPE_CHECKING:
    from neoxjp.compare import Comparison

ALIGNED = 300  # characters of a row whose pieces are drawn
RUBY = 400  # characters of a text that are drawn with their readings


def table(found: Matrix, say: Words, *, selected: int, same: bool, problems: Sequence[str | None]) -> str:
    """The matrix: a row a spelling, a cell a tokenizer with its count and a bar on the one scale.

    Args:
        selected: the row whose pieces stand below.
        same: False: rows that changed nothing are only named under the matrix.
        problems: for each column why it is not open, in the visitor's language.
    """
    rows = [row for row in range(len(found.spellings)) if same or found.changed(row)]
    if not rows or not found.columns:
        return notice(say("c_no_columns")) if rows else ""
    heads = "".join(f'<th scope="col">{escape(column.title)}</th>' for column in found.columns)
    body = "".join(_row(found, row, say, selected == row) for row in rows)
    scale = escape(say("one_scale", n=f"{found.largest:,}"))
    top = f'<thead><tr><th scope="col"><span class="sr">{escape(say("col_spelling"))}</span></th>{heads}</tr></thead>'
    folded = [say(f"spelling_{found.spellings[row].key}") for row in range(len(found.spellings)) if row not in rows]
    under = f'<p class="under"><span>{scale}</span>'
    under += f"<span>{escape(say('c_same', rows=say('c_comma').join(folded)))}</span>" if folded else ""
    closed = "".join(
        f'<p class="closed"><b>{escape(column.title)}</b>{escape(problem or say("c_pending"))}</p>'
        for column, problem in zip(found.columns, problems, strict=True)
        if column.peer is None
    )
    return f'<table class="matrix">{top}<tbody>{body}</tbody></table>{closed}{under}</p>'


def _row(found: Matrix, row: int, say: Words, selected: bool) -> str:
    spelling = found.spellings[row]
    name = say(f"spelling_{spelling.key}")
    cells = "".join(
        _cell(cell, column, found.largest, row, say) for cell, column in zip(found.cells[row], found.columns, strict=True)
    )
    length = 24 if any(map(_wide, spelling.text[:48])) else 48
    shown = visible(spelling.text[:length]).replace(f'<i class="blank">{GLYPHS[" "]}</i>', " ")
    shown += "…" if len(spelling.text) > length else ""
    mark = f"<small>{escape(say('c_is_same'))}</small>" if not found.changed(row) else f'<small lang="ja">{shown}</small>'
    button = (
        f'<button type="button"{attributes(aria_pressed=str(selected).lower(), data_key=spelling.key)}>{escape(name)}</button>'
    )
    facts = attributes(data_key=spelling.key, class_="on" if selected else None)
    return f'<tr{facts}><th scope="row">{button}{mark}</th>{cells}</tr>'


def _cell(cell: "Comparison | None", column: Column, largest: int, row: int, say: Words) -> str:
    facts = attributes(data_name=column.title)
    if cell is None:
        # Why stands under the matrix, once; the cells only say that there is nothing.
        return f'<td{facts} class="none"><span aria-hidden="true">–</span><span class="sr">{escape(say("c_closed"))}</span></td>'
    count = cell.counts.tokens
    share = count / largest if largest else 0
    times = "" if cell.ratio is None or row == 0 else f" <small>×{cell.ratio:.2f}</small>"
    spoken = f'<span class="sr">{escape(say("n_tokens", n=count))}</span>'
    bar = f'<i aria-hidden="true" style="width:{100 * share:.2f}%"></i>'
    return f'<td{facts}><b><span aria-hidden="true">{count:,}</span>{spoken}{times}</b><span class="track">{bar}</span></td>'


# ---------------------------------------------------------------- one row's pieces


def aligned(found: Matrix, row: int, say: Words, *, limit: int = ALIGNED) -> str:
    """The pieces of a row, one line a tokenizer, under the text. A cut that not all share has a notch, and not only a colour."""
    text = found.spellings[row].text
    lines = [(column, cell) for column, cell in zip(found.columns, found.cells[row], strict=True) if cell is not None]
    if not lines or not text:
        return ""
    shared = shared_starts(found.cells[row])
    end = min(len(text), limit)
    strips = [_strip(cell, end, shared, len(lines)) for _, cell in lines]
    columns = []
    for at in range(end):
        kind = "k" + (" wide" if _wide(text[at]) else "") + (" odd" if unseen(text[at]) else "")
        kind += " all" if at in shared and len(lines) > 1 else ""
        shown = visible(text[at])
        cells = "".join(f'<i class="{marks}">{shown}{count}</i>' for marks, count in (strip[at] for strip in strips))
        columns.append(f'<span class="{kind}"><b>{shown}</b>{cells}</span>')
    names = "".join(f"<b>{escape(column.title)}</b>" for column, _ in lines)
    # The names stand beside every line of the wrapped text: more of them than can be needed, the rest is cut off by the style.
    group = f"<span><b>{escape(say('c_the_text'))}</b>{names}</span>"
    spoken = "".join(f"<li>{escape(column.title)}: {_said(cell, end)}</li>" for column, cell in lines)
    more = notice(say("c_aligned_cut", n=f"{limit:,}", rest=f"{len(text) - limit:,}")) if len(text) > limit else ""
    legend = f'<p class="legend"><span class="cut all">{escape(say("c_cut_all"))}</span>'
    legend += f'<span class="cut own">{escape(say("c_cut_own"))}</span></p>' if len(lines) > 1 else "</p>"
    head = f"<h3>{escape(say('c_pieces_of', name=say(f'spelling_{found.spellings[row].key}')))}</h3>"
    return (
        f'<section class="aligned" style="--lines:{len(lines) + 1}">{head}<ul class="sr" lang="ja">{spoken}</ul>'
        f'<div class="grid" aria-hidden="true"><div class="names">{group * (end // 6 + 1)}</div>'
        f'<div class="text" lang="ja">{"".join(columns)}</div></div>{legend if len(lines) > 1 else ""}{more}</section>'
    )


def _strip(cell: "Comparison", end: int, shared: set[int], lines: int) -> list[tuple[str, str]]:
    """For each character its classes and, at the end of a piece of several tokens, their number."""
    made: list[tuple[str, str]] = []
    for place, piece in enumerate(cell.pieces):
        if piece.start >= end:
            break
        for at in range(piece.start, min(piece.end, end)):
            marks = "e" if place % 2 else "o"
            if at == piece.start:
                marks += " cut" + ("" if at in shared or lines == 1 else " own")
            last = at == piece.end - 1 and piece.tokens > 1
            made.append((marks, f"<sup>{piece.tokens}</sup>" if last else ""))
    return made


def _said(cell: "Comparison", end: int) -> str:
    return " | ".join(escape(whole(piece.text)) for piece in cell.pieces if piece.start < end)


def _wide(character: str) -> bool:
    width = unicodedata.east_asian_width(character)  # "A", as of ① and …: as wide as a kanji where they stand among kanji
    return width in "WF" or (width == "A" and not character.isalpha()) or unicodedata.combining(character) > 0


# ---------------------------------------------------------------- readings and doubts


def ruby_text(words: Sequence[Word], corrected: Sequence[str], say: Words, *, limit: int = RUBY) -> str:
    """A text with its readings above the words. A word that is chosen gets a field to correct its reading (matrix.js)."""
    parts, first = [], True
    for word in words:
        if word.end > limit:
            parts.append(f'<span class="more">{escape(say("c_ruby_cut", n=f"{limit:,}"))}</span>')
            break
        if word.reading is None and not word.unknown:
            parts.append(visible(word.surface).replace("⏎</i>", "⏎</i><br>"))
            continue
        inside = "".join(
            f"<ruby>{visible(text)}<rt>{escape(read)}</rt></ruby>" if read else visible(text) for text, read in ruby(word)
        )
        kind = " ".join(["word", *(["unknown"] if word.unknown else []), *(["corrected"] if word.surface in corrected else [])])
        named = say("c_word", word=word.surface, reading=word.reading or "?")
        facts = attributes(
            class_=kind, data_surface=word.surface, data_reading=word.reading or "", aria_label=named, tabindex=0 if first else -1
        )
        parts.append(f'<span role="button"{facts}>{inside}</span>')
        first = False
    told = data({key: say(key, word="{word}") for key in ("c_fix", "c_fix_ok", "c_fix_back", "c_fix_close")})
    return f'<div class="furigana" lang="ja"{attributes(data_words=told)}>{"".join(parts)}</div>'


def doubtful(found: Doubts, say: Words) -> str:
    """What an old or new spelling cannot promise, in one sentence each."""
    parts = []
    if found.unsure:
        shown = say("c_comma").join(f"{each.character} → {each.written}（{'・'.join(each.others)}）" for each in found.unsure[:8])
        parts.append(notice(say("c_unsure", shown=shown)))
    if found.unstable:
        parts.append(notice(say("c_unstable", shown=found.unstable[:20])))
    return "".join(parts)
