"""How well a model predicts a text: bits, bits per character and perplexity, computed from its log probabilities."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

LN2 = math.log(2)
"""Nats divided by it are bits."""


@dataclass(frozen=True, slots=True)
class Surprisal:
    """The surprisal of a text, in sum and on average. An average is None where there is nothing to average over."""

    bits: float  # minus log2 of the text's probability
    bits_per_token: float | None
    bits_per_character: float | None  # can be compared between models with different vocabularies
    perplexity_per_token: float | None  # 2 ** bits_per_token: the effective number of equally likely choices
    perplexity_per_character: float | None


def measure_surprisal(nats: float, tokens: int, characters: int) -> Surprisal:
    """From minus the log probability of all scored tokens (nats), their number, and the number of their characters.

    >>> measure_surprisal(2 * math.log(8), tokens=2, characters=3)
    Surprisal(bits=6.0, bits_per_token=3.0, bits_per_character=2.0, perplexity_per_token=8.0, perplexity_per_character=4.0)
    """
    bits = nats / LN2
    per_token = bits / tokens if tokens else None
    per_character = bits / characters if characters else None
    return Surprisal(bits, per_token, per_character, _power(per_token), _power(per_character))


def nats_of(logprobs: Iterable[float | None]) -> float:
    """Minus the sum of log probabilities; None, a token that was not scored, counts nothing. 0.0 for none, not -0.0."""
    return 0.0 - math.fsum(logprob for logprob in logprobs if logprob is not None)


def _power(bits: float | None) -> float | None:
    """2 ** bits; None where no float holds it."""
    return None if bits is None or bits >= 1024 else 2.0**bits
