"""Steps → HTML: a generated text in tokens, each with its probability and its alternatives, and the numbers of the text.

The HTML only grows (`Sheet`): the browser appends what is new instead of replacing the text. The markup is in steps.html.
"""

import math
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from markupsafe import Markup

from neoxjp.engine import LN2, Step
from neoxjp.labs.common.glyphs import GLYPHS, replace_surrogates, unseen
from neoxjp.labs.common.templates import Words, render

TEMPLATE = "labs/common/steps.html"

LEVELS = (0.5, 0.1, 0.02, 0.004, 0.0005)
"""Borders of the colour scale: a token of at least the first probability has level 0, one below the last has level 5."""

SPECIAL = re.compile(r"<\|[a-z]+\|>")
"""The name of a token that is neither text nor a byte of a character."""

SIGNS = {"<|endoftext|>": "⏹"}

DETAILS = "view id rank probability surprise entropy unscored model filtered removed drawn bytes from_here from_here_spoken"
DETAIL_WORDS = [f"generate_{name}" for name in [*DETAILS.split(), "from_here_drawn"]]
"""The strings that `written.js` uses in the panel under the text."""


def level(probability: float) -> int:
    """0 (expected) to 5 (very surprising)."""
    return sum(probability < border for border in LEVELS)


class Sheet:
    """A text as HTML that only grows, while it is generated.

    Tokens without text (the first bytes of a character, the beginning of a stop string) wait for the token that completes them
    and share its box. After `end` the HTML is complete.
    """

    def __init__(self, prompt: str, t: Words, *, cut: int = 0):
        """cut: how many tokens at the front of the prompt the model does not see."""
        self._t = t
        self._waiting: list[Step] = []
        self._boxed = 0  # steps that have their box
        words = {key: t(key, n="{n}", text="{text}") for key in DETAIL_WORDS} | {"bits": t("generate_bits")}
        self.html = render(TEMPLATE, "given", t, words=words, cut=cut, prompt=lines(prompt))

    def add(self, steps: Sequence[Step]) -> None:
        """Append these steps."""
        boxes = []
        for step in steps:
            self._waiting.append(step)
            if step.text or (len(self._waiting) == 1 and SPECIAL.fullmatch(name(step))):
                boxes.append(self._box(step.text))
        self._append(boxes)

    def end(self) -> None:
        """Append the tokens that still wait."""
        if self._waiting:
            self._append([self._box("")])

    def _box(self, text: str) -> dict[str, Any]:
        group, self._waiting = self._waiting, []
        facts, at = record(group, text), self._boxed
        self._boxed += len(group)
        return {
            "text": text,
            "sign": SIGNS.get(facts["s"]) or facts["s"].strip("<|>") or "∅",
            "facts": facts,
            "at": at,
            "number": len(group),
            "breaks": text.replace("\r\n", "\n").count("\n"),
        }

    def _append(self, boxes: Sequence[dict[str, Any]]) -> None:
        if boxes:
            self.html += render(TEMPLATE, "boxes", self._t, boxes=boxes)


def box_end(steps: Sequence[Step], at: int) -> int:
    """The end (exclusive) of the box that begins with the step at this place."""
    end = at + 1
    while end < len(steps) and not steps[end - 1].text and not (end == at + 1 and SPECIAL.fullmatch(name(steps[at]))):
        end += 1
    return end


def record(group: Sequence[Step], text: str) -> dict[str, Any]:
    """The facts of one box for the browser.

    s text, i ids, l level, p probability, b surprisal in bits, r rank, e entropy in bits, a alternatives (text, id, probability,
    probability after the filters, whether the filters kept it). Tokens that share a box count together; rank, entropy and
    alternatives are those of the first.
    """
    first = group[0]
    logprob = math.fsum(step.logprob for step in group if step.logprob is not None)
    scored = all(step.logprob is not None for step in group)
    probability = math.exp(logprob)
    return {
        "s": plain(text or name(first)),
        "i": [step.id for step in group],
        "l": level(probability) if scored else 0,
        "p": _rounded(probability) if scored else None,
        "b": _rounded(-logprob / LN2) if scored else None,
        "r": first.rank,
        "e": None if first.entropy is None else _rounded(first.entropy / LN2),
        "a": [
            [plain(choice.text), choice.id, _rounded(math.exp(choice.logprob)), _rounded(choice.probability), int(choice.kept)]
            for choice in first.top
        ],
    }


def name(step: Step) -> str:
    """The token's name, as in its alternatives: "猫", "<|byte240|>", "<|endoftext|>"; "" where none are listed."""
    return next((choice.text for choice in step.top if choice.id == step.id), "")


def plain(text: str) -> str:
    """Text for `textContent`, blanks and controls replaced by their signs: " \\n" → "␣⏎"."""
    return "".join(GLYPHS.get(c, f"U+{ord(c):04X}" if unseen(c) else c) for c in text)


def lines(text: str) -> Markup:
    """The visitor's own text: escaped, with `<br>` for newlines."""
    rows = replace_surrogates(text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return Markup("<br>").join(rows)


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


def numbers(cells: Sequence[tuple[str, str]], bits: Sequence[float], t: Words) -> str:
    """The numbers of a generation as (term, value), under a chart of each token's surprisal (bits)."""
    return render(TEMPLATE, "numbers", cells=cells, spark=Markup(spark(bits, t)))


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


def _rounded(value: float) -> float | None:
    """Four significant digits: short in the page, exact enough to read. None: not known (NaN)."""
    return None if math.isnan(value) else float(f"{value:.4g}")
