"""Spellings × tokenizers as a chart: an SVG that stands alone, of bars grouped by spelling, each with its name and number.

The colours are attributes, those of the light theme, so that a saved file looks as it should; the page's style sheet puts its own
in their place. No colour has to be told from another: each bar is named.
"""

from html import escape

from neoxjp.labs.common.html import Words, whole
from neoxjp.labs.spellings.records import Matrix

WIDTH = 720  # of the drawing, in its own units
NAMES = 150  # of it for the tokenizers' names
BAR, GAP, HEAD = 18, 16, 24  # height of a bar's line, space between groups, height of a group's heading
FONT = "Hiragino Sans, Noto Sans JP, Noto Sans CJK JP, Yu Gothic UI, Meiryo, sans-serif"
# Okabe–Ito, darkened as in page.css: 3:1 on white.
COLOURS = ("#5a66c4", "#d55e00", "#00805d", "#b1508a", "#8a6d00", "#1d7fb4", "#5b6270")


def chart(found: Matrix, say: Words, *, same: bool = True) -> str:
    """Tokens per character of each spelling with each open tokenizer, as an SVG; "" where there is nothing to draw.

    `same`: False leaves out the spellings that changed nothing.
    """
    rows = [row for row in range(len(found.spellings)) if found.spellings[row].text and (same or found.changed(row))]
    rows = [row for row in rows if any(found.cells[row])]
    rates = {
        (row, place): cell.counts.tokens / cell.counts.characters
        for row in rows
        for place, cell in enumerate(found.cells[row])
        if cell is not None
    }
    if not rates:
        return ""
    step = _step(max(rates.values()))
    last = step * max(1, -(-max(rates.values()) // step))
    scale = (WIDTH - NAMES - 60) / last
    y = 58.0
    marks: list[str] = []
    for row in rows:
        marks.append(_text(8, y + 12, say(f"spelling_{found.spellings[row].key}"), size=14, weight=600))
        y += HEAD
        for place, column in enumerate(found.columns):
            rate = rates.get((row, place))
            if rate is None:
                continue
            colour = COLOURS[place % len(COLOURS)]
            marks.append(_text(NAMES - 8, y + 10, _short(column.title), anchor="end", css="name"))
            marks.append(
                f'<rect class="bar s{place % len(COLOURS)}" x="{NAMES}" y="{y:g}" width="{max(1, rate * scale):.1f}" height="13" '
                f'rx="2" fill="{colour}"/>'
            )
            marks.append(_text(NAMES + max(1, rate * scale) + 6, y + 10, f"{rate:.2f}"))
            y += BAR
        y += GAP
    grid = []
    at = 0.0
    while at <= last + step / 2:
        x = NAMES + at * scale
        grid.append(f'<line class="grid" x1="{x:.1f}" y1="50" x2="{x:.1f}" y2="{y - GAP:g}" stroke="#ccd1dc"/>')
        grid.append(_text(x, 44, f"{at:g}", anchor="middle", css="name"))
        at = round(at + step, 6)
    height = y + 4
    title = say("c_chart_title")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" '
        f'height="{height:g}" '
        f'role="img" aria-label="{escape(title)}" font-family="{FONT}" font-size="12">'
        f'<rect class="paper" width="{WIDTH}" height="{height:g}" fill="#ffffff"/>{_text(8, 20, title, size=15, weight=700)}'
        f"{''.join(grid)}{''.join(marks)}</svg>"
    )


def _step(largest: float) -> float:
    """The distance of the lines: at most eight of them. 2.4 → 0.5."""
    return next((step for step in (0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0) if largest / step <= 8), largest / 8)


def _text(x: float, y: float, words: str, *, size: int = 12, weight: int = 400, anchor: str = "start", css: str = "ink") -> str:
    colour = "#1a1f2b" if css == "ink" else "#4d566a"
    return (
        f'<text class="{css}" x="{x:.1f}" y="{y:g}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="{colour}">'
        f"{escape(whole(words))}</text>"
    )


def _short(title: str) -> str:
    return title if len(title) <= 20 else title[:19] + "…"
