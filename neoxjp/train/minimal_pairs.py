"""Minimal pairs: how often a model finds the better of two texts likelier, by phenomenon, with intervals.

A text is scored by the sum of its tokens' log probabilities after <|endoftext|>, and by that sum over the number of its tokens:
the sum prefers short texts. Intervals are Wilson's with 95 %; two scorers are compared on the same pairs by McNemar's exact test.
Pairs are streamed; the worst few are kept.
"""

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from neoxjp.documents import MinimalPair
from neoxjp.train.statistics import Accuracy, McNemar

if TYPE_CHECKING:
    from neoxjp.train.scorers import Scorer

WORST = 10  # pairs that are listed

Score = tuple[float, int]
"""Minus the log probability of a text in nats, and its number of tokens."""


@dataclass
class PairCounts:
    """The pairs of one phenomenon. A tie, both texts equally likely (spellings of one id), is not right."""

    in_sum: Accuracy = field(default_factory=Accuracy)  # by the log probability of the whole text
    per_token: Accuracy = field(default_factory=Accuracy)  # by its mean over the tokens
    equal_length: Accuracy = field(default_factory=Accuracy)  # in sum, pairs whose texts have equally many tokens
    unequal_length: Accuracy = field(default_factory=Accuracy)  # in sum, the others
    ties: int = 0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        parts = ("in_sum", "per_token", "equal_length", "unequal_length")
        return {part: getattr(self, part).as_dict() for part in parts} | {"ties": self.ties}


@dataclass(frozen=True)
class WorstPair:
    """A pair that a model got wrong."""

    nats: float  # by which the bad text is likelier
    pair: MinimalPair


@dataclass
class Scored:
    """What one scorer made of the pairs."""

    by_phenomenon: dict[str, PairCounts] = field(default_factory=dict)
    all: PairCounts = field(default_factory=PairCounts)
    worst: list[WorstPair] = field(default_factory=list)  # the largest mistakes first

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "all": self.all.as_dict(),
            "phenomena": {name: found.as_dict() for name, found in self.by_phenomenon.items()},
            "worst": [{"nats": each.nats, **asdict(each.pair)} for each in self.worst],
        }


@dataclass(frozen=True)
class PairReport:
    """Scorers on the same minimal pairs, and the first against each other one, in sum."""

    scored: Mapping[str, Scored]
    against: Mapping[str, McNemar]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        tests = {name: test.as_dict() for name, test in self.against.items()}
        return {"scored": {name: scored.as_dict() for name, scored in self.scored.items()}, "against": tests}


class PairCounter:
    """Counts pairs one after the other; the first scorer is compared with the others."""

    def __init__(self, scorers: Iterable[str]):
        self._found = {name: Scored() for name in scorers}
        self._first, *others = self._found
        self._against = {name: McNemar() for name in others}
        self._heaps: dict[str, list[tuple[float, int, MinimalPair]]] = {name: [] for name in self._found}
        self._pairs = 0

    def add(self, pair: MinimalPair, scores: Mapping[str, tuple[Score, Score]]) -> None:
        """Count a pair with each scorer's scores of its good and its bad text."""
        right = {}
        for name, ((good, good_tokens), (bad, bad_tokens)) in scores.items():
            right[name] = good < bad
            found = self._found[name]
            for counts in (found.all, found.by_phenomenon.setdefault(pair.phenomenon, PairCounts())):
                counts.in_sum.add(good < bad)
                counts.per_token.add(good / max(good_tokens, 1) < bad / max(bad_tokens, 1))
                (counts.equal_length if good_tokens == bad_tokens else counts.unequal_length).add(good < bad)
                counts.ties += good == bad
            if good > bad:
                heap, entry = self._heaps[name], (good - bad, -self._pairs, pair)
                (heapq.heappush if len(heap) < WORST else heapq.heappushpop)(heap, entry)
        for name, test in self._against.items():
            test.add(right[self._first], right[name])
        self._pairs += 1

    def report(self) -> PairReport:
        """What was counted so far."""
        for name, heap in self._heaps.items():
            self._found[name].worst = [WorstPair(nats, pair) for nats, _, pair in sorted(heap, reverse=True)]
        return PairReport(self._found, self._against)


def score_pairs(pairs: Iterable[MinimalPair], scorers: "Mapping[str, Scorer]") -> PairReport:
    """Score the pairs with each scorer; the first is compared with the others."""
    counter = PairCounter(scorers)
    for pair in pairs:
        counter.add(pair, {name: (scorer(pair.good), scorer(pair.bad)) for name, scorer in scorers.items()})
    return counter.report()
