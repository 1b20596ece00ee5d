"""Minimal pairs: how often a model finds the better of two texts likelier, by phenomenon, with intervals.

A text is scored by the sum of its tokens' log probabilities after <|endoftext|>, and by that sum over the number of its tokens:
the sum prefers short texts. Intervals are Wilson's (1927) with 95 %; two scorers are compared on the same pairs by the
exact test of McNemar (1947). Pairs are streamed; the worst few are kept.
"""

import heapq
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from neoxjp.documents import MinimalPair
from neoxjp.errors import ParameterError
from neoxjp.model import GPTNeoXJapaneseForCausalLM
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.train.evaluate import score_ids
from neoxjp.train.ngram import Ngram

Z = 1.959963984540054  # of a normal distribution: 95 % lie within
WORST = 10  # pairs that are listed
MAX_PHENOMENA = 1_000

Scorer = Callable[[str], tuple[float, int]]
"""A text → minus its log probability in nats, and its number of tokens (of an n-gram: characters)."""


def model_scorer(model: GPTNeoXJapaneseForCausalLM, tokenizer: GPTNeoXJapaneseTokenizer) -> Scorer:
    """Scores texts with a model, each after <|endoftext|>."""

    def score(text: str) -> tuple[float, int]:
        ids = tokenizer.encode(text)
        return score_ids(model, [tokenizer.eos_token_id, *ids])[0], len(ids)

    return score


def ngram_scorer(ngram: Ngram) -> Scorer:
    """Scores texts with an n-gram of characters."""
    return lambda text: (float(ngram.bits(text).sum()) * math.log(2), len(text))


@dataclass
class Accuracy:
    """How many pairs were right."""

    pairs: int = 0
    correct: int = 0

    def add(self, correct: bool) -> None:
        self.pairs += 1
        self.correct += correct

    def as_dict(self) -> dict[str, float | None]:
        """With the share and its interval, which are None without a pair."""
        low, high = wilson(self.correct, self.pairs)
        share = self.correct / self.pairs if self.pairs else None
        return {"pairs": self.pairs, "correct": self.correct, "accuracy": share, "low": low, "high": high}


@dataclass
class PairCounts:
    """The pairs of one phenomenon. A tie, both texts equally likely (spellings of one id), is not right."""

    in_sum: Accuracy = field(default_factory=Accuracy)  # by the log probability of the whole text
    per_token: Accuracy = field(default_factory=Accuracy)  # by its mean over the tokens
    equal_length: Accuracy = field(default_factory=Accuracy)  # in sum, pairs whose texts have equally many tokens
    unequal_length: Accuracy = field(default_factory=Accuracy)  # in sum, the others
    ties: int = 0


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

        def counts(found: PairCounts) -> dict[str, Any]:
            parts = ("in_sum", "per_token", "equal_length", "unequal_length")
            return {part: getattr(found, part).as_dict() for part in parts} | {"ties": found.ties}

        return {
            "all": counts(self.all),
            "phenomena": {name: counts(found) for name, found in self.by_phenomenon.items()},
            "worst": [{"nats": each.nats, **asdict(each.pair)} for each in self.worst],
        }


@dataclass
class McNemar:
    """Two scorers on the same pairs."""

    only_first: int = 0  # pairs that only the first got right
    only_second: int = 0

    @property
    def p(self) -> float:
        """Two-sided, exact: how likely so uneven a split of the pairs on which they differ is, if both are equally good."""
        return mcnemar_p(self.only_first, self.only_second)


@dataclass(frozen=True)
class PairReport:
    """Scorers on the same minimal pairs, and the first against each other one, in sum."""

    scored: Mapping[str, Scored]
    against: Mapping[str, McNemar]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        tests = {name: {**asdict(test), "p": test.p} for name, test in self.against.items()}
        return {"scored": {name: scored.as_dict() for name, scored in self.scored.items()}, "against": tests}


def score_pairs(pairs: Iterable[MinimalPair], scorers: Mapping[str, Scorer]) -> PairReport:
    """Score the pairs with each scorer; the first is compared with the others.

    Raises:
        ParameterError: more than 1,000 phenomena.
    """
    found = {name: Scored() for name in scorers}
    first, *others = scorers
    against = {name: McNemar() for name in others}
    heaps: dict[str, list[tuple[float, int, MinimalPair]]] = {name: [] for name in scorers}
    for number, pair in enumerate(pairs):
        right: dict[str, bool] = {}
        for name, scorer in scorers.items():
            (good, good_tokens), (bad, bad_tokens) = scorer(pair.good), scorer(pair.bad)
            right[name] = good < bad
            if pair.phenomenon not in found[name].by_phenomenon and len(found[name].by_phenomenon) == MAX_PHENOMENA:
                raise ParameterError(
                    f"line {pair.line:,}: {pair.phenomenon[:40]!r} is the {MAX_PHENOMENA + 1:,}th phenomenon: name at most "
                    f"{MAX_PHENOMENA:,}"
                )
            for counts in (found[name].all, found[name].by_phenomenon.setdefault(pair.phenomenon, PairCounts())):
                counts.in_sum.add(good < bad)
                counts.per_token.add(good / max(good_tokens, 1) < bad / max(bad_tokens, 1))
                (counts.equal_length if good_tokens == bad_tokens else counts.unequal_length).add(good < bad)
                counts.ties += good == bad
            if good > bad:
                entry = (good - bad, -number, pair)
                (heapq.heappush if len(heaps[name]) < WORST else heapq.heappushpop)(heaps[name], entry)
        for name in others:
            against[name].only_first += right[first] and not right[name]
            against[name].only_second += right[name] and not right[first]
    for name, heap in heaps.items():
        found[name].worst = [WorstPair(nats, pair) for nats, _, pair in sorted(heap, reverse=True)]
    return PairReport(found, against)


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
