"""Values for view.html: the level of each token, the axis of the curve."""

import math
from itertools import pairwise
from typing import Any, Literal, get_args

from neoxjp.engine import LN2
from neoxjp.labs.common.heat import Heat, Pair, ScoredPiece
from neoxjp.labs.common.steps import LEVELS, level, level_ranges, ranges
from neoxjp.labs.common.templates import Words, render

Measure = Literal["logprob", "rank", "entropy"]
MEASURES: tuple[Measure, ...] = get_args(Measure)
RANKS = (1, 5, 20, 100, 1000)  # borders of the levels: rank 1 has level 0, one above the last has level 5
ENTROPIES = (1, 3, 5, 7, 9)  # the same in bits: one below the first has level 0
BARS = 480  # of the curve; in a longer text each bar is the mean of several pieces
CONTEXT = 8  # characters shown before a piece in the list
TEMPLATE = "labs/heat_map/view.html"


def view(heat: Heat, measure: Measure, t: Words, limit: int = 3_000) -> str:
    """HTML of one text: numbers, scale, curve and list. Only the first `limit` pieces are coloured."""
    top = [(place, heat.pieces[place], math.exp(heat.pieces[place].logprob or 0.0)) for place in heat.surprising]
    values = {"levels": _levels(measure), "curve": _curve(heat, measure, t), "top": top, "context": CONTEXT}
    return render(TEMPLATE, "view", t, heat=heat, measure=measure, rest=max(0, len(heat.pieces) - limit), **values)


def pair(found: Pair, t: Words) -> str:
    """HTML of two texts: which one is likelier, by how much, and where the difference comes from."""
    bits = abs(found.difference)
    ratio = 2.0**bits if bits < 40 else None
    times = "" if ratio is None else t("heat_map_pair_times", n=f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2g}")
    likelier = {"first": 1, "second": 2, None: None}[found.likelier]
    return render(TEMPLATE, "pair", t, found=found, likelier=likelier, bits=f"{bits:.2f}", times=times)


def level_of(piece: ScoredPiece, measure: Measure) -> int | None:
    """0 (pale) to 5 (strong); None where the piece was not scored."""
    if piece.logprob is None or piece.rank is None or piece.entropy is None:
        return None
    if measure == "logprob":
        return level(math.exp(piece.logprob))
    if measure == "rank":
        return sum(piece.rank > border for border in RANKS)
    return sum(piece.entropy / LN2 >= border for border in ENTROPIES)


def _levels(measure: Measure) -> list[str]:
    """The legend: the range of each of the six levels."""
    if measure == "rank":
        return ["1", *(f"{low + 1:,}–{high:,}" for low, high in pairwise(RANKS)), f"> {RANKS[-1]:,}"]
    if measure == "entropy":
        return ranges(ENTROPIES)
    bits = [f"{-math.log2(border):.1f}".removesuffix(".0") for border in LEVELS]
    in_bits = [f"≤ {bits[0]}", *(f"{low}–{high}" for low, high in pairwise(bits)), f"> {bits[-1]}"]
    return [f"{share}（{cost}）" for share, cost in zip(level_ranges(), in_bits, strict=True)]


def _curve(heat: Heat, measure: Measure, t: Words) -> dict[str, Any] | None:
    """The bars, the axis and the labels of the curve; None for fewer than two scored pieces."""
    values = [_height(piece, measure) for piece in heat.pieces if piece.bits is not None]
    if len(values) < 2:
        return None
    each = -(-len(values) // BARS)
    bars = [math.fsum(group) / len(group) for group in (values[i : i + each] for i in range(0, len(values), each))]
    most = max(bars)
    marks = _marks(most, measure)
    name = t(f"heat_map_curve_{measure}")
    highest = f"{10**most:,.0f}" if measure == "rank" else f"{most:.1f}"
    mean = f"{t('heat_map_curve_mean', k=each)} · " if each > 1 else ""
    return {
        "name": name,
        "across": mean + t("heat_map_curve_x", n=f"{len(heat.pieces):,}"),
        "spoken": t("heat_map_curve_spoken", name=name, n=f"{len(values):,}", most=highest),
        "bars": bars,
        "marks": marks,
        "top": max(most, marks[-1][0]) * 1.02,
    }


def _height(piece: ScoredPiece, measure: Measure) -> float:
    """Height of a piece's bar: bits, or the logarithm of the rank."""
    if measure == "rank":
        return math.log10(piece.rank or 1)
    return (piece.bits or 0.0) if measure == "logprob" else (piece.entropy or 0.0) / LN2


def _marks(most: float, measure: Measure) -> list[tuple[float, str]]:
    """The lines of the axis: height and label."""
    if measure == "rank":
        return [(at, f"{10**at:,}") for at in range(max(1, math.floor(most)) + 1)]
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 1e9) if most / step <= 4)
    return [(at * step, f"{at * step:g}") for at in range(max(1, int(most / step)) + 1)]
