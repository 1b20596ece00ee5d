"""A curve as SVG: bits over tokens or layers. Text and lines have the colours of the page."""

from collections.abc import Sequence

from markupsafe import Markup

from neoxjp.labs.common.html import short_count
from neoxjp.labs.common.templates import no_words, render
from neoxjp.train import ticks

LEFT, TOP, RIGHT, BOTTOM = 44, 12, 12, 36  # margins, in units of the SVG
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
) -> Markup:
    """SVG of (number, value), or "" for fewer than two points.

    Args:
        across: name of the horizontal axis with its unit; up: of the vertical axis; spoken: for screen readers.
        ends: of the vertical axis; None: from the smallest value to the largest, but at most 3 above the median. A larger value
            is drawn at the upper end, with "≫" after its number.
        dots: a dot at each point, with its value.
    """
    if len(points) < 2:
        return Markup("")
    width, height = size
    top, right, bottom = TOP + 14 * dots, width - RIGHT, height - BOTTOM  # a value stands above its dot
    most, values = points[-1][0], [value for _, value in points]
    # the first steps of a training run would flatten all others
    low, high = ends or (min(values), min(max(values), sorted(values)[len(values) // 2] + 3))

    def place(at: float, value: float) -> tuple[float, float]:
        share = (min(value, high) - low) / ((high - low) or 1.0)
        return round(LEFT + (right - LEFT) * at / most, 1), round(bottom - (bottom - top) * share, 1)

    def anchor(x: float) -> str:
        """A label that would not fit at x ends or begins there."""
        return "end" if x > right - 12 else "start" if x < LEFT else "middle"

    drawn = [(*place(at, value), value) for at, value in points]
    columns = [(place(value, low)[0], short_count(int(value))) for value in ticks(0, most, 5)]
    lines = {
        "path": " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in drawn),
        "rows": [(place(0, value)[1], f"{value:g}") for value in ticks(low, high, 4)],
        "columns": [(x, anchor(x), label) for x, label in columns],
        "points": [(x, y, anchor(x), f"{value:.1f}{' ≫' if value > high else ''}") for x, y, value in drawn if dots],
    }
    axes = {"left": LEFT, "right": right, "bottom": bottom, "across": across, "up": up, "spoken": spoken}
    return Markup(render("labs/common/curve.html", "curve", no_words, width=width, height=height, **axes, **lines))
