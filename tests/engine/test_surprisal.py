"""Bits and perplexity from log probabilities, by hand."""

import math

import pytest

from neoxjp.engine import measure_surprisal, nats_of


def test_two_tokens_of_an_eighth_are_six_bits():
    found = measure_surprisal(nats_of([-math.log(8), None, -math.log(8)]), tokens=2, characters=3)
    assert found.bits == pytest.approx(6)
    assert found.bits_per_token == pytest.approx(3)
    assert found.bits_per_character == pytest.approx(2)
    assert found.perplexity_per_token == pytest.approx(8)
    assert found.perplexity_per_character == pytest.approx(4)


def test_an_average_of_nothing_is_none_and_nothing_costs_zero():
    found = measure_surprisal(nats_of([]), tokens=0, characters=0)
    assert str(found.bits) == "0.0"
    assert (found.bits_per_token, found.bits_per_character) == (None, None)
    assert (found.perplexity_per_token, found.perplexity_per_character) == (None, None)


def test_a_perplexity_that_no_float_holds_is_none():
    found = measure_surprisal(2000.0, tokens=1, characters=1)
    assert found.bits_per_token == pytest.approx(2000 / math.log(2))
    assert found.perplexity_per_token is None
