"""A curve as SVG: bits over tokens or layers. Text and lines have the colours of the page."""

import math
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
    log: bool = False,
    dots: bool = False,
) -> Markup:
    """SVG of (number, value), or "" for fewer than two points.

    Args:
        across: name of the horizontal axis with its unit; up: of the vertical axis; spoken: for screen readers.
        log: the vertical axis goes from 0 to the largest value, with heights as log(1 + value); else from the smallest value to
            the largest, but at most 3 above the median: a larger one is drawn at the upper end.
        dots: a dot at each point, with its value.
    """
    if len(points) < 2:
        return Markup("")
    width, height = size
    top, right, bottom = TOP + 14 * dots, width - RIGHT, height - BOTTOM  # a value stands above its dot
    most, values = points[-1][0], [value for _, value in points]
    # the first steps of a training run would flatten all others
    low, high = (0.0, max(values)) if log else (min(values), min(max(values), sorted(values)[len(values) // 2] + 3))
    level = math.log1p if log else float

    def place(at: float, value: float) -> tuple[float, float]:
        share = (level(min(value, high)) - level(low)) / ((level(high) - level(low)) or 1.0)
        return round(LEFT + (right - LEFT) * at / most, 1), round(bottom - (bottom - top) * share, 1)

    def anchor(x: float) -> str:
        """A label that would not fit at x ends or begins there."""
        return "end" if x > right - 12 else "start" if x < LEFT else "middle"

    drawn = [(*place(at, value), value) for at, value in points]
    columns = [(place(value, low)[0], short_count(int(value))) for value in ticks(0, most, 5)]
    lines = {
        "path": " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in drawn),
        "rows": [(place(0, value)[1], f"{value:g}") for value in (log_ticks(high) if log else ticks(low, high, 4))],
        "columns": [(x, anchor(x), label) for x, label in columns],
        "points": [(x, y, anchor(x), f"{value:.1f}") for x, y, value in drawn if dots],
    }
    axes = {"left": LEFT, "right": right, "bottom": bottom, "across": across, "up": up, "spoken": spoken}
    return Markup(render("labs/common/curve.html", "curve", no_words, width=width, height=height, **axes, **lines))


def log_ticks(high: float) -> list[float]:
    """Round numbers from 0 to `high` for heights that are log(1 + value): 45 → [0, 1, 3, 10, 30]."""
    steps = [factor * 10.0**power for power in range(9) for factor in (1, 3) if factor * 10**power <= high]
    return [0.0, *steps] if len(steps) > 1 else ticks(0.0, high, 4)
