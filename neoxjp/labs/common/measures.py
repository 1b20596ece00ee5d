"""A written text in numbers: its repetition, its probability, and its bits per character."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from neoxjp.engine import Step, measure_surprisal, nats_of

RUN = 10  # ids; a text that repeats one run of this length again and again loops


@dataclass(frozen=True, slots=True)
class Measures:
    """One text as the model wrote it. All numbers but the repetition are of the model's own distribution, before any filter."""

    tokens: int
    characters: int
    distinct_1: float  # different ids over all of them (distinct-n, arXiv 1510.03055)
    distinct_2: float  # the same of pairs
    distinct_3: float
    repeats: int  # how often the most frequent run of ten ids comes in the last half; more than two: the text loops
    mean_logprob: float | None  # nats a token; None without a token
    bits_per_character: float | None  # None without a character


def measure(steps: Sequence[Step]) -> Measures:
    """Count the steps of one text, the end token included: it has bits but no characters."""
    ids = [step.id for step in steps]
    logprobs = [step.logprob for step in steps if step.logprob is not None]
    characters = sum(len(step.text) for step in steps)
    nats = nats_of(logprobs)
    return Measures(
        tokens=len(steps),
        characters=characters,
        distinct_1=distinct(ids, 1),
        distinct_2=distinct(ids, 2),
        distinct_3=distinct(ids, 3),
        repeats=repeats(ids[len(ids) // 2 :]),
        mean_logprob=-nats / len(logprobs) if logprobs else None,
        bits_per_character=measure_surprisal(nats, len(logprobs), characters).bits_per_character,
    )


def repeats(ids: Sequence[int], run: int = RUN) -> int:
    """How often the most frequent run of `run` ids comes. (1, 2, 1, 2, 1) with runs of 2 → 2."""
    counted = Counter(tuple(ids[start : start + run]) for start in range(len(ids) - run + 1))
    return max(counted.values(), default=0)


def distinct(ids: Sequence[int], run: int = 2) -> float:
    """distinct-n (arXiv 1510.03055): different runs of `run` ids over all of them; 1.0 for a text too short to have one."""
    runs = [tuple(ids[start : start + run]) for start in range(len(ids) - run + 1)]
    return len(set(runs)) / len(runs) if runs else 1.0


def percent(share: float, digits: int | None = None) -> str:
    """A share as the page writes it: 0.612 → "61.2 %", 0.0123 → "1.23 %", 0.00012 → "0.012 %", 7.6e-7 → "< 0.001 %", 0.0 → "0 %".

    With `digits`, so many decimals, for numbers that are compared with each other: 0.0 → "0.0 %", 0.0004 → "< 0.1 %".
    """
    shown = 100 * max(share, 0.0)  # a sum of probabilities less its parts can be slightly negative
    if digits is None:
        if not shown:
            return "0 %"
        digits = 1 if shown >= 9.95 else 2 if shown >= 0.0995 else 3
    rounded = f"{shown:.{digits}f}"
    return f"< {10.0**-digits:.{digits}f} %" if shown and not float(rounded) else f"{rounded} %"


def shared_length(one: Sequence[Any], other: Sequence[Any]) -> int:
    """The length of the beginning that two sequences share: "abc", "abd" → 2."""
    return next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def first_difference(one: Sequence[Any], other: Sequence[Any]) -> int | None:
    """The first place where two sequences differ; of a sequence and its beginning the length of that; None: they are equal."""
    place = shared_length(one, other)
    return None if place == len(one) == len(other) else place
