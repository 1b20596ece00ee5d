"""What the views of generated tokens share: levels of probability, names of tokens, the numbers of a text. Markup: steps.html."""

import re
from collections.abc import Sequence
from itertools import pairwise

from markupsafe import Markup

from neoxjp.engine import Step
from neoxjp.labs.common.glyphs import GLYPHS, unseen
from neoxjp.labs.common.templates import Words, render

TEMPLATE = "labs/common/steps.html"

LEVELS = (0.5, 0.1, 0.02, 0.004, 0.0005)
"""Borders of the colour scale: a token of at least the first probability has level 0, one below the last has level 5."""

SPECIAL = re.compile(r"<\|[a-z]+\|>")
"""The name of a token that is neither text nor a byte of a character."""

SIGNS = {"<|endoftext|>": "⏹"}


def level(probability: float) -> int:
    """0 (expected) to 5 (very surprising)."""
    return sum(probability < border for border in LEVELS)


def box_end(steps: Sequence[Step], at: int) -> int:
    """The end (exclusive) of the box that begins with the step at this place."""
    end = at + 1
    while end < len(steps) and not steps[end - 1].text and not (end == at + 1 and SPECIAL.fullmatch(name(steps[at]))):
        end += 1
    return end


def name(step: Step) -> str:
    """The token's name, as in its alternatives: "猫", "<|byte240|>", "<|endoftext|>"; "" where none are listed."""
    return next((choice.text for choice in step.top if choice.id == step.id), "")


def plain(text: str) -> str:
    """Text for `textContent`, blanks and controls replaced by their signs: " \\n" → "␣⏎"."""
    return "".join(GLYPHS.get(c, f"U+{ord(c):04X}" if unseen(c) else c) for c in text)


def scale(title: Markup) -> str:
    """The legend of the six levels with their probabilities."""
    return render(TEMPLATE, "scale", title=title, ranges=level_ranges())


def level_ranges() -> list[str]:
    """The probabilities of each level: "≥ 50 %", "10–50 %", … "< 0.05 %"."""
    return ranges([100 * border for border in reversed(LEVELS)], " %")[::-1]


def ranges(borders: Sequence[float], unit: str = "") -> list[str]:
    """What lies between borders: (1, 3, 10) → "< 1", "1–3", "3–10", "≥ 10", each with the unit."""
    names = [f"{border:,g}" for border in borders]
    found = [f"< {names[0]}", *(f"{low}–{high}" for low, high in pairwise(names)), f"≥ {names[-1]}"]
    return [f"{each}{unit}" for each in found]


def numbers(cells: Sequence[tuple[str, str]], timings: Sequence[tuple[str, str, str]], bits: Sequence[float], t: Words) -> str:
    """The numbers of a generation as (term, value), under a chart of each token's surprisal (bits).

    timings: (name, term, unit) of what is measured in the browser: hidden until ui/generate.js fills them in.
    """
    return render(TEMPLATE, "numbers", cells=cells, timings=timings, spark=Markup(spark(bits, t)))


def spark(bits: Sequence[float], t: Words, *, width: int = 120) -> str:
    """Bars for the surprisal of the last `width` tokens, in bits, and a dashed line at the mean of all."""
    shown = list(bits[-width:])
    if not shown:
        return ""
    top = max(12.0, *shown)
    heights, mean = [40 * value / top for value in shown], 40 * sum(bits) / len(bits) / top
    return render(TEMPLATE, "spark", heights=heights, mean=mean, width=width, label=t("generate_spark", top=f"{top:.0f}"))


def working(message: str, done: int = 0, total: int = 0) -> str:
    """The line that says what is happening; with `total`, a progress bar beside it."""
    return render(TEMPLATE, "working", message=message, done=done, total=total)
