"""How well scores of sentences agree with people's judgments: AUC and Matthews' correlation, for three normalisations.

The scores are the log probability of a sentence (in sum), its mean over the tokens (per token), and SLOR (Pauls and Klein 2012;
Lau, Clark and Lappin, Cognitive Science 2017): the log probability minus the sum of its tokens' unigram log probabilities,
divided by the number of tokens. Sentences are streamed: of each only its numbers are kept.
"""

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from neoxjp.documents import JudgedSentence
from neoxjp.errors import ParameterError
from neoxjp.train.scorers import Scorer, Unigrams
from neoxjp.train.statistics import auc, best_threshold, bootstrap_auc, cross_validated_mcc, interval

Measure = Literal["in_sum", "per_token", "slor"]
MEASURES: tuple[Measure, ...] = get_args(Measure)


@dataclass(frozen=True)
class Auc:
    """How often an acceptable sentence scores above one that is not. None where all have one label."""

    auc: float | None
    low: float | None  # of the middle 95 % of 1,000 resamples
    high: float | None


@dataclass(frozen=True)
class Agreement(Auc):
    """How well one score agrees with the judgments of all sentences."""

    mcc: float  # Matthews' correlation, the threshold of each tenth chosen on the other nine
    best_mcc: float  # with the best threshold of the same sentences: too good, but what others report
    threshold: float | None  # that threshold: acceptable is what scores above it; None: below all scores


@dataclass(frozen=True)
class GroupAgreement:
    """The sentences of one phenomenon or source."""

    sentences: int
    acceptable: int
    measures: Mapping[Measure, Auc]


@dataclass(frozen=True)
class ScoredSentences:
    """What one scorer made of the sentences."""

    all: Mapping[Measure, Agreement]
    groups: Mapping[str, GroupAgreement]  # empty where the file names none


@dataclass(frozen=True)
class AcceptabilityReport:
    """Scorers on the same sentences, and the first against each other one."""

    sentences: int
    acceptable: int
    scored: Mapping[str, ScoredSentences]
    against: Mapping[str, Mapping[Measure, Auc]] = field(default_factory=dict)  # AUC of the first less that of the other

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""

        def measures(found: Mapping[Measure, Auc]) -> dict[str, Any]:
            return {measure: vars(each) for measure, each in found.items()}

        scored = {
            name: {
                "all": measures(each.all),
                "groups": {
                    group: {"sentences": some.sentences, "acceptable": some.acceptable, **measures(some.measures)}
                    for group, some in each.groups.items()
                },
            }
            for name, each in self.scored.items()
        }
        differences = {
            name: {measure: {"difference": each.auc, "low": each.low, "high": each.high} for measure, each in found.items()}
            for name, found in self.against.items()
        }
        return {"sentences": self.sentences, "acceptable": self.acceptable, "scored": scored, "against": differences}


class _Numbers:
    """Of each sentence its numbers with one scorer."""

    def __init__(self) -> None:
        self.nats, self.single, self.tokens = array("d"), array("d"), array("i")

    def scores(self) -> dict[Measure, np.ndarray]:
        """(n,) each; higher is better."""
        nats, single = np.frombuffer(self.nats), np.frombuffer(self.single)
        tokens = np.maximum(np.frombuffer(self.tokens, dtype=np.intc), 1)
        return {"in_sum": -nats, "per_token": -nats / tokens, "slor": (single - nats) / tokens}


def score_judgments(
    sentences: Iterable[JudgedSentence], scorers: Mapping[str, Scorer], unigrams: Mapping[str, Unigrams]
) -> AcceptabilityReport:
    """Score the sentences with each scorer; the first is compared with the others on the same resamples.

    Args:
        unigrams: of each scorer, for SLOR.

    Raises:
        ParameterError: all labels are the same, or a score is not a number.
    """
    numbers = {name: _Numbers() for name in scorers}
    labels, places = array("b"), array("i")
    groups: dict[str, int] = {}
    for sentence in sentences:
        labels.append(sentence.acceptable)
        places.append(groups.setdefault(sentence.group, len(groups)))
        for name, scorer in scorers.items():
            nats, tokens = scorer(sentence.text)
            numbers[name].nats.append(nats)
            numbers[name].tokens.append(tokens)
            numbers[name].single.append(unigrams[name](sentence.text))
    good = np.frombuffer(labels, dtype=np.int8).astype(bool)
    if good.all() or not good.any():
        raise ParameterError("acceptable sentences (label 1) and others (0) are needed")
    scores = {name: each.scores() for name, each in numbers.items()}
    for name, found in scores.items():
        if not all(np.isfinite(each).all() for each in found.values()):
            raise ParameterError(f"{name}: the probability of a sentence is not a number: the weights are damaged or overflow")
    resampled = {name: _resampled(found, good) for name, found in scores.items()}
    group_of, named = np.frombuffer(places, dtype=np.intc), set(groups) != {""}
    scored = {
        name: ScoredSentences(
            {measure: _agreement(each, good, resampled[name][measure]) for measure, each in found.items()},
            {group: _group(found, good, group_of == place) for group, place in groups.items()} if named else {},
        )
        for name, found in scores.items()
    }
    first, *others = scorers
    against = {
        name: {
            measure: Auc(
                (auc(scores[first][measure], good) or 0.0) - (auc(scores[name][measure], good) or 0.0),
                *interval(resampled[first][measure] - resampled[name][measure]),
            )
            for measure in MEASURES
        }
        for name in others
    }
    return AcceptabilityReport(len(good), int(good.sum()), scored, against)


def _resampled(scores: Mapping[Measure, np.ndarray], good: np.ndarray) -> dict[Measure, np.ndarray]:
    """The AUC on each resample; these are the same for every scorer, as seed and labels are."""
    return dict(zip(scores, bootstrap_auc(list(scores.values()), good).T, strict=True))


def _agreement(scores: np.ndarray, good: np.ndarray, resampled: np.ndarray) -> Agreement:
    threshold, best = best_threshold(scores, good)
    shown = threshold if np.isfinite(threshold) else None
    return Agreement(auc(scores, good), *interval(resampled), cross_validated_mcc(scores, good), best, shown)


def _group(scores: Mapping[Measure, np.ndarray], good: np.ndarray, inside: np.ndarray) -> GroupAgreement:
    good = good[inside]
    found = {measure: each[inside] for measure, each in scores.items()}
    if good.all() or not good.any():
        return GroupAgreement(len(good), int(good.sum()), dict.fromkeys(MEASURES, Auc(None, None, None)))
    resampled = _resampled(found, good)
    some = {measure: Auc(auc(each, good), *interval(resampled[measure])) for measure, each in found.items()}
    return GroupAgreement(len(good), int(good.sum()), some)
