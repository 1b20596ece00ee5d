"""Minimal pairs of a file, counted with a heat map for each text, and the pairs that the model gets most wrong."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from neoxjp.documents import MinimalPair
from neoxjp.engine import LN2
from neoxjp.labs.common.heat import Heat, Pair, ScoredPiece, pair_of
from neoxjp.train import PairCounter, PairCounts

MODEL = "model"


@dataclass(frozen=True)
class WrongPair:
    """A pair whose bad text is likelier."""

    line: int
    phenomenon: str
    bits: float  # by which the bad text is likelier
    pair: Pair  # the good text is the first


@dataclass(frozen=True)
class Found:
    """The accuracy by phenomenon, and the worst pairs."""

    pairs: int  # that are counted
    total: int  # that were given; more where the count was stopped
    all: PairCounts
    by_phenomenon: dict[str, PairCounts]  # empty where the pairs name none
    worst: tuple[WrongPair, ...]  # the largest mistakes first


def count_pairs(
    pairs: Sequence[MinimalPair], heat_of: Callable[[MinimalPair, str], Heat], stopped: Callable[[], bool]
) -> Iterator[int | Found]:
    """Count pairs: yields how many are done after each, and `Found` last, also where `stopped` says so before the end.

    Args:
        heat_of: scores a text of a pair.
    """
    counter, done = PairCounter([MODEL]), 0
    for pair in pairs:
        if stopped():
            break
        good, bad = heat_of(pair, pair.good), heat_of(pair, pair.bad)
        counter.add(pair, {MODEL: ((good.bits * LN2, good.tokens), (bad.bits * LN2, bad.tokens))})
        done += 1
        yield done
    scored = counter.report().scored[MODEL]
    worst = (
        WrongPair(each.pair.line, each.pair.phenomenon, each.nats / LN2, pair_of(*_heats(each.pair, heat_of)))
        for each in scored.worst
    )
    named = scored.by_phenomenon if set(scored.by_phenomenon) != {""} else {}
    yield Found(done, len(pairs), scored.all, dict(sorted(named.items())), tuple(worst))


def _heats(pair: MinimalPair, heat_of: Callable[[MinimalPair, str], Heat]) -> tuple[Heat, Heat]:
    return heat_of(pair, pair.good), heat_of(pair, pair.bad)


def marked(found: Pair) -> tuple[list[tuple[ScoredPiece, bool]], list[tuple[ScoredPiece, bool]]]:
    """The pieces of both texts, and whether each is one of those that differ."""
    ranges = [(part.first, part.second) for part in found.stretches if part.kind == "different"]
    return (
        [(piece, any(start <= piece.start < end for (start, end), _ in ranges)) for piece in found.first.pieces],
        [(piece, any(start <= piece.start < end for _, (start, end) in ranges)) for piece in found.second.pieces],
    )
