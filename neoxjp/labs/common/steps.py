"""Steps → HTML: the written text in pieces, each with its probability and its alternatives; the numbers beside it.

Everything is escaped through render.py's functions. The text grows by appending only (`Sheet`), so that the browser adds to what
it shows instead of drawing it anew. `ui/written.js` shows a piece's alternatives, `ui/generate.css` has the looks.
"""

import math
import re
from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import Any

from neoxjp.engine import LN2, Step
from neoxjp.labs.common.html import GLYPHS, Words, attributes, data, unseen, visible, whole

LEVELS = (0.5, 0.1, 0.02, 0.004, 0.0005)
"""Borders of the colour scale: a token of at least the first probability has level 0, one below the last has level 5."""

SPECIAL = re.compile(r"<\|[a-z]+\|>")
"""The name of a token that is no text, and no byte of one."""

SIGNS = {"<|endoftext|>": "⏹"}

DETAIL_WORDS = (
    *("g_view", "g_id", "g_rank", "g_probability", "g_surprise", "g_entropy", "g_unscored"),
    *("g_model", "g_filtered", "g_removed", "g_drawn", "g_bytes"),
    *("g_from_here", "g_from_here_spoken", "g_from_here_drawn"),
)
"""What `written.js` needs to write the panel under the text."""


def level(probability: float) -> int:
    """0 (expected) to 5 (very surprising)."""
    return sum(probability < border for border in LEVELS)


class Sheet:
    """One text being written, as HTML that only grows.

    Tokens that are no text yet (the first bytes of a character, the beginning of a stop string) wait for the one that completes
    them and share its box. After `end` the sheet is complete.
    """

    def __init__(self, prompt: str, say: Words, *, cut: int = 0):
        """`prompt`: what the visitor wrote; `cut`: how many of its first tokens the model does not see."""
        self._held: list[Step] = []
        self._boxed = 0  # steps that have their box
        words = {key: say(key, n="{n}", text="{text}") for key in DETAIL_WORDS} | {"bits": say("g_bits")}
        note = f'<span class="cut-note">{escape(say("g_cut_note", n=cut))}</span>' if cut else ""
        self.html = (
            f'<span hidden class="words"{attributes(data_words=data(words))}></span>'
            f'{note}<bdi class="given">{lines(prompt)}</bdi>'
        )

    def add(self, steps: Sequence[Step]) -> None:
        """Append these steps."""
        for step in steps:
            self._held.append(step)
            if step.text or (len(self._held) == 1 and SPECIAL.fullmatch(name(step))):
                self._box(step.text)

    def end(self) -> None:
        """Append what is still held back."""
        if self._held:
            self._box("")

    def _box(self, text: str) -> None:
        group, self._held = self._held, []
        facts = record(group, text)
        sign = SIGNS.get(facts["s"]) or facts["s"].strip("<|>") or "∅"
        shown = visible(text) if text else f'<i class="blank">{escape(sign)}</i>'
        count = f"<sup>{len(group)}</sup>" if len(group) > 1 else ""
        names = attributes(class_=f"w l{facts['l']}", data_at=self._boxed, data_step=data(facts))
        self._boxed += len(group)
        breaks = "<br>" * text.replace("\r\n", "\n").count("\n")
        self.html += f'<span role="option" tabindex="-1"{names}>{shown}{count}</span>{breaks}'


def box_end(steps: Sequence[Step], at: int) -> int:
    """Where the box ends that begins with the step at this place: the place behind its last one."""
    end = at + 1
    while end < len(steps) and not steps[end - 1].text and not (end == at + 1 and SPECIAL.fullmatch(name(steps[at]))):
        end += 1
    return end


def record(group: Sequence[Step], text: str) -> dict[str, Any]:
    """What the browser is told about one box.

    s text, i ids, l level, p probability, b bits, r rank, e entropy in bits, a alternatives (text, id, probability, the same
    after the filters, kept).

    Several tokens that make one character count together; rank, entropy and alternatives are those of the first.
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
    """What the token is called among its alternatives: "猫", "<|byte240|>", "<|endoftext|>"; "" where none are listed."""
    return next((choice.text for choice in step.top if choice.id == step.id), "")


def plain(text: str) -> str:
    """Text for `textContent`, blanks and controls replaced by their signs: " \\n" → "␣⏎"."""
    return "".join(GLYPHS.get(c, f"U+{ord(c):04X}" if unseen(c) else c) for c in text)


def lines(text: str) -> str:
    """The visitor's own text: escaped, newlines kept."""
    return escape(whole(text)).replace("\r\n", "\n").replace("\r", "\n").replace("\n", "<br>")


def scale(title: str) -> str:
    """The legend of the six levels, with numbers. `title` is HTML."""
    borders = [f"{100 * border:g}" for border in LEVELS]
    between = [f"{low}–{high} %" for high, low in pairwise(borders)]
    texts = [f"≥ {borders[0]} %", *between, f"< {borders[-1]} %"]
    items = "".join(f'<li><i class="l{number}">字</i>{text}</li>' for number, text in enumerate(texts))
    return f'<ul class="prob-scale"><li class="name">{title}</li>{items}</ul>'


def numbers(cells: Sequence[tuple[str, str]], bits: Sequence[float], say: Words) -> str:
    """The numbers of a generation, and the surprise of each token as a line of small bars."""
    rows = "".join(f"<div><dt>{escape(term)}</dt><dd>{escape(value)}</dd></div>" for term, value in cells)
    return f'<div class="gen-stats">{spark(bits, say)}<dl>{rows}</dl></div>'


def spark(bits: Sequence[float], say: Words, *, width: int = 120) -> str:
    """Bars of the last `width` tokens' surprise, bits; a dashed line at the mean."""
    shown = list(bits[-width:])
    if not shown:
        return ""
    top = max(12.0, *shown)
    tall = [40 * value / top for value in shown]
    bars = "".join(f'<rect x="{at}" y="{40 - height:.2f}" width=".8" height="{height:.2f}"/>' for at, height in enumerate(tall))
    mean = 40 - 40 * (sum(bits) / len(bits)) / top
    line = f'<line x1="0" x2="{width}" y1="{mean:.2f}" y2="{mean:.2f}"/>'
    words = escape(say("g_spark", top=f"{top:.0f}"))
    return (
        f'<figure class="spark"><svg viewBox="0 0 {width} 40" preserveAspectRatio="none" role="img" aria-label="{words}">'
        f"{bars}{line}</svg>"
        f"<figcaption>{words}</figcaption></figure>"
    )


def working(message: str, done: int = 0, total: int = 0) -> str:
    """The line that says what is going on; with `total`, a bar beside it."""
    bar = f"<progress{attributes(value=done, max=total, aria_label=message)}></progress>" if total else ""
    return f'<p class="work">{bar}<span>{escape(whole(message))}</span></p>'


def _rounded(value: float) -> float | None:
    """Four significant digits: short in the page, exact enough to read. None: not known (NaN)."""
    return None if math.isnan(value) else float(f"{value:.4g}")
