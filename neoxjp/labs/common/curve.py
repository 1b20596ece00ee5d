"""A curve as an SVG: bits over tokens or layers. Text and lines take the page's colours."""

from collections.abc import Sequence
from html import escape

from neoxjp.labs.common.html import short_count
from neoxjp.train.plot import ticks

LEFT, TOP, RIGHT, BOTTOM = 44, 12, 12, 36  # between the axes and the edges, in the SVG's units
SIZE = (640, 232)


def curve(
    points: Sequence[tuple[int, float]],
    across: str,
    up: str,
    spoken: str,
    *,
    size: tuple[int, int] = SIZE,
    ends: tuple[float, float] | None = None,
    dots: bool = False,
) -> str:
    """SVG of (number, value); `across` and `up` name the axes with their units, `spoken` is what a screen reader says.

    Empty for fewer than two points.

    Args:
        ends: of the upright axis; left out: from the smallest value to the largest, or to 3 above the middle one if that is less.
            What is above is drawn at the upper end, with "≫" behind its value.
        dots: a dot at each point, and its value beside it.
    """
    if len(points) < 2:
        return ""
    width, height = size
    top, right, bottom = TOP + 14 * dots, width - RIGHT, height - BOTTOM  # a value stands above its dot
    most = points[-1][0]
    values = [value for _, value in points]
    # a run's first steps would flatten all the others
    low, high = ends or (min(values), min(max(values), sorted(values)[len(values) // 2] + 3))

    def place(at: float, value: float) -> tuple[float, float]:
        share = (min(value, high) - low) / ((high - low) or 1.0)
        return LEFT + (right - LEFT) * at / most, bottom - (bottom - top) * share

    lines, labels, marks = [], [], []
    for value in ticks(low, high, 4):
        y = place(0, value)[1]
        lines.append(f'<line x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        labels.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    for value in ticks(0, most, 5):
        x = place(value, low)[0]
        labels.append(f'<text x="{x:.1f}" y="{bottom + 17}" text-anchor="{_anchor(x, right)}">{short_count(int(value))}</text>')
    path = " ".join("{:.1f},{:.1f}".format(*place(*point)) for point in points)
    for at, value in points if dots else ():
        x, y = place(at, value)
        beyond = " ≫" if value > high else ""
        near = f'<text x="{x:.1f}" y="{y - 8:.1f}" text-anchor="{_anchor(x, right)}">'
        marks.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>{near}{value:.1f}{beyond}</text>')
    return (
        f'<svg class="curve" role="img" aria-label="{escape(spoken)}" viewBox="0 0 {width} {height}">'
        f'<g class="grid">{"".join(lines)}</g><polyline points="{path}"/><g class="ticks">{"".join(labels)}</g>'
        f'<g class="dots">{"".join(marks)}</g><text x="{LEFT}" y="{height - 4}">↑ {escape(up)}</text>'
        f'<text x="{right}" y="{height - 4}" text-anchor="end">{escape(across)} →</text></svg>'
    )


def _anchor(x: float, right: float) -> str:
    """Where a label at x would stand out of the drawing, it ends or begins there."""
    return "end" if x > right - 12 else "start" if x < LEFT else "middle"
