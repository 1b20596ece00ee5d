"""The numbers of a written text, by hand."""

import math
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neoxjp.engine import Step
from neoxjp.labs.common.measures import distinct, first_difference, measure, percent, repeats


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


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0.612, "61.2 %"), (1, "100.0 %"), (0.1, "10.0 %"), (0.0994, "9.94 %"), (0.0123, "1.23 %"), (0.00099, "0.099 %"),
     (0.00012, "0.012 %"), (1e-5, "0.001 %"), (7.6e-7, "< 0.001 %"), (1e-300, "< 0.001 %"), (0.0, "0 %"), (-1e-9, "0 %")],
)  # fmt: skip
def test_a_share_is_written_for_people(share: float, shown: str):
    assert percent(share) == shown


@given(st.floats(0, 1), st.sampled_from([None, 0, 1, 2]))
@example(0.005, 0)
def test_no_share_is_written_with_an_exponent_or_as_nothing(share: float, digits: int | None):
    shown = percent(share, digits)
    assert re.fullmatch(r"(< )?\d+(\.\d+)? %", shown)
    assert share == 0 or float(re.sub("[^0-9.]", "", shown)) > 0


def test_an_empty_text_has_no_mean():
    found = measure([])
    assert (found.tokens, found.mean_logprob, found.bits_per_character, found.distinct_2) == (0, None, None, 1.0)


@pytest.mark.parametrize(
    ("one", "other", "place"), [([], [], None), ([1, 2], [1, 2], None), ([1, 2], [1, 3], 1), ([1], [1, 2], 1), ([5], [6], 0)]
)
def test_the_first_difference(one, other, place):
    assert first_difference(one, other) == first_difference(other, one) == place
