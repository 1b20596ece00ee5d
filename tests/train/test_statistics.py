"""Statistics of evaluations: equal to brute force, and what is worked out by hand."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neoxjp.train.statistics import auc, best_threshold, bootstrap_auc, cross_validated_mcc, interval, mcnemar_p, wilson

SAMPLES = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=40).filter(
    lambda rows: len({good for _, good in rows}) == 2
)


def arrays(rows: list[tuple[int, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([score for score, _ in rows], dtype=float), np.array([good for _, good in rows])


def brute_auc(scores: np.ndarray, good: np.ndarray) -> float:
    pairs = list(product(scores[good], scores[~good]))
    return sum((a > b) + (a == b) / 2 for a, b in pairs) / len(pairs)


def brute_mcc(above: np.ndarray, good: np.ndarray) -> float:
    return 0.0 if len({*above}) == 1 or len({*good}) == 1 else float(np.corrcoef(above, good)[0, 1])


def test_the_interval_is_wilsons() -> None:
    assert wilson(8, 10) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)
    assert wilson(0, 10)[0] == 0
    assert wilson(10, 10)[1] == 1
    assert wilson(0, 0) == (None, None)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share(given_: tuple[int, int]) -> None:
    correct, n = given_
    low, high = wilson(correct, n)
    assert low is not None
    assert high is not None
    assert 0 <= low <= correct / n <= high <= 1


def test_mcnemar_is_the_exact_test() -> None:
    assert mcnemar_p(1, 9) == pytest.approx(22 / 1024)
    assert mcnemar_p(9, 1) == mcnemar_p(1, 9)
    assert mcnemar_p(0, 0) == mcnemar_p(5, 5) == 1
    assert mcnemar_p(0, 6) == pytest.approx(2 / 64)
    assert mcnemar_p(40_000, 60_000) < 1e-300


@given(SAMPLES)
def test_the_auc_is_the_share_of_pairs_in_order(rows: list[tuple[int, bool]]) -> None:
    assert auc(*arrays(rows)) == pytest.approx(brute_auc(*arrays(rows)))


def test_one_class_has_no_auc() -> None:
    assert auc(np.array([1.0, 2.0]), np.array([True, True])) is None
    assert auc(np.array([1.0, 2.0]), np.array([False, False])) is None


@given(SAMPLES)
def test_the_best_threshold_is_the_best_of_all(rows: list[tuple[int, bool]]) -> None:
    scores, good = arrays(rows)
    threshold, found = best_threshold(scores, good)
    assert found == pytest.approx(max(brute_mcc(scores > each, good) for each in [-1.0, *{*scores}]), abs=1e-9)
    assert found == pytest.approx(brute_mcc(scores > threshold, good), abs=1e-9)


@given(SAMPLES)
def test_the_cross_validated_correlation_takes_each_threshold_from_the_other_sentences(rows: list[tuple[int, bool]]) -> None:
    scores, good = arrays(rows)
    folds, shuffled = np.zeros(len(good), dtype=int), np.random.default_rng(0)
    for some in (np.flatnonzero(good), np.flatnonzero(~good)):
        for place, number in enumerate(shuffled.permutation(len(some))):
            folds[some[place]] = number % 10
    above = np.zeros(len(good), dtype=bool)
    for fold in range(10):
        inside = folds == fold
        if inside.any() and not inside.all():
            above[inside] = scores[inside] > best_threshold(scores[~inside], good[~inside])[0]
        elif inside.all():
            above[inside] = True
    assert cross_validated_mcc(scores, good) == pytest.approx(brute_mcc(above, good), abs=1e-9)


def test_the_order_of_good_and_bad_sentences_does_not_matter_across_folds() -> None:
    rng = np.random.default_rng(3)
    found = []
    for _ in range(40):
        good = rng.permutation(np.arange(200) % 2 == 0)
        scores = rng.normal(size=200) + 0.4 * good
        order = np.argsort(np.argsort(~good, kind="stable") % 100, kind="stable")  # good, bad, good, bad
        found.append([cross_validated_mcc(scores, good), cross_validated_mcc(scores[order], good[order])])
    shuffled, alternating = np.mean(found, axis=0)
    assert abs(shuffled - alternating) < 0.02


def test_random_scores_are_no_better_than_chance_across_folds() -> None:
    rng = np.random.default_rng(0)
    scores, good = rng.random(2_000), rng.random(2_000) < 0.8
    assert best_threshold(scores, good)[1] > 0.02
    assert abs(cross_validated_mcc(scores, good)) < 0.05


def test_the_bootstrap_has_the_spread_of_independent_samples() -> None:
    rng = np.random.default_rng(1)
    good = np.arange(300) < 200

    def draw() -> np.ndarray:
        return rng.normal(size=300) + good

    independent = np.std([auc(draw(), good) for _ in range(500)])
    scores = draw()
    resampled = bootstrap_auc([scores], good)[:, 0]
    assert np.std(resampled) == pytest.approx(independent, rel=0.25)
    low, high = interval(resampled)
    found = auc(scores, good)
    assert found is not None
    assert low < found < high
    assert high - low == pytest.approx(4 * np.std(resampled), rel=0.1)


def test_the_bootstrap_is_the_same_each_time_and_paired() -> None:
    rng = np.random.default_rng(2)
    good = rng.random(90) < 0.5
    scores = rng.normal(size=90) + good
    first = bootstrap_auc([scores, 3 * scores + 1, rng.normal(size=90)], good, resamples=50)
    assert (first == bootstrap_auc([scores, scores, scores], good, resamples=50)[:, [0]])[:, :2].all()
    assert not (first[:, 0] == first[:, 2]).all()


def test_resamples_in_small_pieces_are_those_of_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    good, scores = np.array([True, False, True, True, False]), np.array([3.0, 1.0, 2.0, 1.0, 2.0])
    # with a piece for each resample the draws of the two classes alternate: their distribution is the same, not their order
    expected = bootstrap_auc([scores], good, resamples=4_000)
    monkeypatch.setattr("neoxjp.train.statistics._CELLS", 1)
    found = bootstrap_auc([scores], good, resamples=4_000)
    assert found.mean() == pytest.approx(expected.mean(), abs=0.02)
    assert auc(scores, good) == pytest.approx(expected.mean(), abs=0.02)


def test_no_threshold_is_better_than_chance_where_all_scores_are_equal() -> None:
    assert best_threshold(np.zeros(4), np.array([True, False, True, False])) == (-math.inf, 0.0)


def test_the_auc_of_a_million_sentences_takes_little_memory_and_time() -> None:
    rng = np.random.default_rng(3)
    good = rng.random(1_000_000) < 0.5
    found = bootstrap_auc([rng.normal(size=1_000_000) + good], good, resamples=3)
    assert np.ptp(found) < 0.01
