"""Statistics of evaluations: Wilson's interval, McNemar's test, AUC with a bootstrap, Matthews' correlation. Needs numpy only.

Wilson (1927) and McNemar (1947, the exact test) are of shares of right answers; AUC is how often an acceptable sentence scores
above one that is not, half for a tie (Mann and Whitney 1947).
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

Z = 1.959963984540054  # of a normal distribution: 95 % lie within
RESAMPLES = 1_000
SEED = 0
FOLDS = 10
_CELLS = 1 << 20  # weights that are in memory at once


@dataclass
class Accuracy:
    """How many answers were right."""

    pairs: int = 0  # or questions
    correct: int = 0

    def add(self, correct: bool) -> None:
        self.pairs += 1
        self.correct += correct

    def as_dict(self, unit: str = "pairs") -> dict[str, float | None]:
        """With the share and its interval, which are None without an answer."""
        low, high = wilson(self.correct, self.pairs)
        share = self.correct / self.pairs if self.pairs else None
        return {unit: self.pairs, "correct": self.correct, "accuracy": share, "low": low, "high": high}


@dataclass
class McNemar:
    """Two scorers on the same pairs or questions."""

    only_first: int = 0  # those that only the first got right
    only_second: int = 0

    def add(self, first: bool, second: bool) -> None:
        self.only_first += first and not second
        self.only_second += second and not first

    @property
    def p(self) -> float:
        """Two-sided, exact: how likely so uneven a split of the answers on which they differ is, if both are equally good."""
        return mcnemar_p(self.only_first, self.only_second)

    def as_dict(self) -> dict[str, float]:
        """For JSON."""
        return {**asdict(self), "p": self.p}


def wilson(correct: int, n: int, z: float = Z) -> tuple[float | None, float | None]:
    """Wilson's interval of a share: 8 of 10 → (0.490, 0.943). None without a trial."""
    if not n:
        return None, None
    share, spread = correct / n, z * z / n
    center = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return center - half if correct else 0.0, center + half if correct < n else 1.0


def mcnemar_p(only_first: int, only_second: int) -> float:
    """The exact two-sided p of McNemar's test: 1 and 9 → 22 / 1024 = 0.0215; 1 where they are the same."""
    n, fewer = only_first + only_second, min(only_first, only_second)
    all_ways = math.lgamma(n + 1) - n * math.log(2)
    tail = math.fsum(math.exp(all_ways - math.lgamma(k + 1) - math.lgamma(n - k + 1)) for k in range(fewer + 1))
    return min(1.0, 2 * tail)


# ---- AUC


class _Ranked:
    """The scores of both classes in rising order; the AUC where each sentence is there any number of times."""

    def __init__(self, scores: np.ndarray, good: np.ndarray):
        ours, others = scores[good], scores[~good]
        self.good_order, self.bad_order = np.argsort(ours, kind="stable"), np.argsort(others, kind="stable")
        ours, others = ours[self.good_order], others[self.bad_order]
        self.below = np.searchsorted(others, ours, "left")  # how many others each acceptable sentence is above
        self.not_above = np.searchsorted(others, ours, "right")  # these, and those that tie

    def auc(self, good: np.ndarray, bad: np.ndarray) -> np.ndarray:
        """good: (R, acceptable) and bad: (R, others) int32, how often each sentence is there → (R,)."""
        before = np.zeros((len(bad), bad.shape[1] + 1), dtype=np.int32)
        np.cumsum(bad[:, self.bad_order], axis=1, out=before[:, 1:])
        wins = before[:, self.below].astype(np.int64) + before[:, self.not_above]  # twice
        return (good[:, self.good_order] * wins).sum(axis=1) / (2 * good.shape[1] * bad.shape[1])


def auc(scores: np.ndarray, good: np.ndarray) -> float | None:
    """How often an acceptable sentence scores above one that is not. scores: (n,); good: (n,) bool. None with one class only."""
    if good.all() or not good.any():
        return None
    sizes = int(good.sum()), int((~good).sum())
    return float(_Ranked(scores, good).auc(*(np.ones((1, size), dtype=np.int32) for size in sizes))[0])


def bootstrap_auc(scores: Sequence[np.ndarray], good: np.ndarray, resamples: int = RESAMPLES, seed: int = SEED) -> np.ndarray:
    """The AUC of several scores of the same sentences, each on the same resamples: (resamples, len(scores)).

    Acceptable and other sentences are drawn apart, with replacement, as many as there are. `good` has both classes.
    """
    ranked = [_Ranked(each, good) for each in scores]
    rng = np.random.default_rng(seed)
    found = np.empty((resamples, len(scores)))
    rows = max(1, min(resamples, _CELLS // len(good)))
    for start in range(0, resamples, rows):
        count = min(rows, resamples - start)
        drawn = [_drawn(rng, count, int(each.sum())) for each in (good, ~good)]
        for column, each in enumerate(ranked):
            found[start : start + count, column] = each.auc(*drawn)
    return found


def _drawn(rng: np.random.Generator, resamples: int, size: int) -> np.ndarray:
    """How often each of `size` sentences is in each resample: (resamples, size) int32."""
    places = rng.integers(0, size, (resamples, size)) + size * np.arange(resamples)[:, None]
    return np.bincount(places.ravel(), minlength=resamples * size).astype(np.int32).reshape(resamples, size)


def interval(resampled: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of a figure over the resamples. resampled: (R,)."""
    low, high = np.quantile(resampled, [0.025, 0.975])
    return float(low), float(high)


# ---- Matthews' correlation


def best_threshold(scores: np.ndarray, good: np.ndarray) -> tuple[float, float]:
    """The threshold with the highest correlation of "above it" and "acceptable", and that correlation, on these sentences.

    The threshold is in the middle between two scores; where none is better than chance, it is below all.
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # of each run of equal scores
    true = np.cumsum(good[order])[last].astype(float)  # acceptable ones above each threshold
    false = last + 1 - true
    found = _correlation(true, false, float(good.sum()) - true, float((~good).sum()) - false)
    place = int(np.argmax(found))
    if found[place] <= 0:
        return -math.inf, 0.0
    below = ranked[last[place] + 1]
    return float((ranked[last[place]] + below) / 2), float(found[place])


def cross_validated_mcc(scores: np.ndarray, good: np.ndarray, folds: int = FOLDS) -> float:
    """Matthews' correlation where the threshold for each tenth of the sentences is the best one of the other nine tenths.

    The tenths are drawn with a fixed seed, each with the same share of acceptable sentences: else a tenth that lacks a class
    would shift the threshold against it.
    """
    fold, shuffled = np.zeros(len(good), dtype=int), np.random.default_rng(0)
    for some in (good, ~good):
        fold[some] = shuffled.permutation(int(some.sum())) % folds
    above = np.zeros(len(good), dtype=bool)
    for each in range(min(folds, len(good))):
        inside = fold == each
        threshold, _ = best_threshold(scores[~inside], good[~inside]) if not inside.all() else (-math.inf, 0.0)
        above[inside] = scores[inside] > threshold
    counts = [np.array([float((above_ & good_).sum())]) for good_, above_ in _cells(good, above)]
    return float(_correlation(*counts)[0])


def _cells(good: np.ndarray, above: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """True positives, false positives, false negatives, true negatives as pairs of masks."""
    return [(good, above), (~good, above), (good, ~above), (~good, ~above)]


def _correlation(true: np.ndarray, false: np.ndarray, missed: np.ndarray, rejected: np.ndarray) -> np.ndarray:
    """Matthews' correlation; 0 where one class, or one answer, has no sentence."""
    under = np.sqrt((true + false) * (true + missed) * (rejected + false) * (rejected + missed))
    return np.divide(true * rejected - false * missed, under, out=np.zeros_like(under), where=under > 0)
