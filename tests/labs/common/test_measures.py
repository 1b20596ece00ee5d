"""The numbers of a written text, by hand."""

import math

import pytest

from neoxjp.engine import Step
from neoxjp.labs.common.measures import distinct, first_difference, measure, repeats


def step(id: int, text: str = "", logprob: float | None = None) -> Step:
    return Step(id, text, logprob, None, None, (), 0.0, None)


def test_repeats_counts_the_most_frequent_run():
    assert repeats([1, 2, 1, 2, 1], run=2) == 2
    assert repeats([1, 1, 1, 1], run=2) == 3
    assert repeats([1, 2], run=3) == 0
    assert repeats(list(range(100))) == 1


def test_distinct_is_the_share_of_different_pairs():
    assert distinct([1, 2, 1, 2]) == pytest.approx(2 / 3)
    assert distinct([1, 2, 3]) == 1.0
    assert distinct([1]) == 1.0


def test_measures_by_hand():
    found = measure([step(1, "猫", -math.log(2)), step(2, "が", -math.log(4)), step(1, "猫"), step(9, "", -math.log(8))])
    assert (found.tokens, found.characters, found.repeats) == (4, 3, 0)
    assert (found.distinct_1, found.distinct_2, found.distinct_3) == (3 / 4, 1.0, 1.0)
    assert found.mean_logprob == pytest.approx(-2 * math.log(2))  # of the three that have one
    assert found.bits_per_character == pytest.approx(2)  # the end token has a price and no characters


def test_an_empty_text_has_no_mean():
    found = measure([])
    assert (found.tokens, found.mean_logprob, found.bits_per_character, found.distinct_2) == (0, None, None, 1.0)


@pytest.mark.parametrize(
    ("one", "other", "place"), [([], [], None), ([1, 2], [1, 2], None), ([1, 2], [1, 3], 1), ([1], [1, 2], 1), ([5], [6], 0)]
)
def test_the_first_difference(one, other, place):
    assert first_difference(one, other) == first_difference(other, one) == place
