"""The curve of a training run as an SVG: bits per character over the tokens read. Text and lines take the page's colours."""

from collections.abc import Sequence
from html import escape

from neoxjp.render import short_count
from neoxjp.train.plot import ticks

LEFT, TOP, RIGHT, BOTTOM = 44, 12, 628, 196  # of the axes, in the SVG's units
SIZE = (640, 232)


def curve(points: Sequence[tuple[int, float]], tokens: str, bits: str, spoken: str) -> str:
    """SVG of (tokens, bits per character); `tokens` and `bits` name the axes, `spoken` is what a screen reader says.

    Empty for fewer than two points.
    """
    if len(points) < 2:
        return ""
    most = points[-1][0]
    values = [value for _, value in points]
    high = min(max(values), sorted(values)[len(values) // 2] + 3)  # the first steps would flatten all the others
    low = min(values)
    lines, labels = [], []
    for value in ticks(low, high, 4):
        y = _y(value, low, high)
        lines.append(f'<line x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        labels.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    for value in ticks(0, most, 5):
        x = LEFT + (RIGHT - LEFT) * value / most
        anchor = "end" if x > RIGHT - 12 else "middle"
        labels.append(f'<text x="{x:.1f}" y="{BOTTOM + 17}" text-anchor="{anchor}">{short_count(int(value))}</text>')
    path = " ".join(f"{LEFT + (RIGHT - LEFT) * at / most:.1f},{_y(min(value, high), low, high):.1f}" for at, value in points)
    width, height = SIZE
    return (
        f'<svg class="curve" role="img" aria-label="{escape(spoken)}" viewBox="0 0 {width} {height}">'
        f'<g class="grid">{"".join(lines)}</g><polyline points="{path}"/><g class="ticks">{"".join(labels)}</g>'
        f'<text x="{LEFT}" y="{height - 4}">↑ {escape(bits)}</text>'
        f'<text x="{RIGHT}" y="{height - 4}" text-anchor="end">{escape(tokens)} →</text></svg>'
    )


def _y(value: float, low: float, high: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * (value - low) / ((high - low) or 1.0)
