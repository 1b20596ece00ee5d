"""Values for view.html: shares with their intervals, and the colour of each token."""

import math
from typing import Any

from neoxjp.labs.common.heat import ScoredPiece
from neoxjp.labs.common.steps import level, level_ranges
from neoxjp.labs.common.templates import Words, render
from neoxjp.labs.minimal_pairs.records import Found, WrongPair, marked
from neoxjp.train import Accuracy, PairCounts

TEMPLATE = "labs/minimal_pairs/view.html"


def report(found: Found, t: Words) -> str:
    """HTML of the accuracies and the worst pairs."""
    rows = [_row(name or t("minimal_pairs_no_name"), counts, t) for name, counts in found.by_phenomenon.items()]
    rows.append(_row(t("minimal_pairs_all"), found.all, t))
    lengths = [
        t(f"minimal_pairs_{part}", right=f"{accuracy.correct:,}", pairs=f"{accuracy.pairs:,}", interval=_interval(accuracy, t))
        for part in ("equal_length", "unequal_length")
        if (accuracy := getattr(found.all, part)).pairs
    ]
    worst = [_worst(each) for each in found.worst]
    return render(TEMPLATE, "report", t, rows=rows, lengths=lengths, worst=worst, ranges=level_ranges())


def _row(name: str, counts: PairCounts, t: Words) -> dict[str, Any]:
    shares = [
        (each.correct / max(each.pairs, 1), f"{100 * each.correct / max(each.pairs, 1):.1f} %", _interval(each, t))
        for each in (counts.in_sum, counts.per_token)
    ]
    return {"name": name, "pairs": counts.in_sum.pairs, "shares": shares, "ties": counts.ties}


def _interval(found: Accuracy, t: Words) -> str:
    """ "[43.6–97.0]", in percent."""
    low, high = (f"{100 * (found.as_dict()[end] or 0.0):.1f}" for end in ("low", "high"))
    return t("minimal_pairs_interval", low=low, high=high)


def _worst(found: WrongPair) -> dict[str, Any]:
    first, second = marked(found.pair)
    texts = [("good", found.pair.first, first), ("bad", found.pair.second, second)]
    return {
        "line": found.line,
        "phenomenon": found.phenomenon,
        "bits": found.bits,
        "texts": [(side, heat.bits, _pieces(pieces)) for side, heat, pieces in texts],
    }


def _pieces(pieces: list[tuple[ScoredPiece, bool]]) -> list[dict[str, Any]]:
    """What each token shows: its text, its level (None: not scored), its bits, and whether it differs."""
    return [
        {
            "surface": piece.surface,
            "level": None if piece.logprob is None else level(math.exp(piece.logprob)),
            "bits": piece.bits,
            "differs": differs,
        }
        for piece, differs in pieces
    ]
