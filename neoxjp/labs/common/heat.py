"""How surprised the model is by a text, token by token, and in sum; and which of two texts it finds likelier, and where.

    heat(model, tokenizer, "猫が魚を食べる。")          every piece with its bits, rank and entropy; the sums
    compare_texts(model, tokenizer, first, second)      a minimal pair (BLiMP, arXiv 1912.00582; for Japanese JBLiMP)

The numbers are those of `neoxjp.score`: the model's own softmax in float32, before any filter. A text longer than the context is
read in windows that overlap by half, so memory holds one window and the records.
"""

import difflib
import heapq
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from neoxjp.engine import LN2, Step, measure_surprisal, nats_of, score
from neoxjp.errors import ParameterError
from neoxjp.labs.common.spans import piece_ranges
from neoxjp.tokenizer import Span

LISTED = 10  # pieces named as the most surprising
ALIGNED = 2000  # pieces: two longer middles are not searched for common parts, which would take time with their square


@dataclass(frozen=True, slots=True)
class ScoredPiece:
    """A token, or the byte tokens of one character together, with its log probability, rank and entropy."""

    start: int  # half-open span in characters of the text; a special token that writes nothing has none, start == end
    end: int
    surface: str  # text[start:end]
    ids: tuple[int, ...]
    logprob: float | None  # nats, the sum of its ids'; None: the text's first id was not scored (no bos before it)
    bits: float | None  # -logprob / ln 2
    rank: int | None  # 1 = the most probable id; of several ids the worst
    entropy: float | None  # nats: how surprised the model expected to be here; of several ids the sum


@dataclass(frozen=True, slots=True)
class Heat:
    """A text with the surprise of each piece, and in sum.

    bits is -Σ log2 p(id | bos and all ids before): what the text costs under this model (and this way of cutting it; another
    cut of the same text would add some probability). From it follow, with tokens and characters of what was scored,

        bits_per_character        bits / characters          comparable between models with different vocabularies
        perplexity_per_token      2 ** (bits / tokens)       exp of transformers' loss; only comparable with the same tokenizer
        perplexity_per_character  2 ** bits_per_character    effective number of equally likely choices

    Characters are Unicode code points of the text as it stands. Spellings that share an id ("慶応", "慶應") cost the same.
    """

    text: str
    pieces: tuple[ScoredPiece, ...]  # tile the text
    tokens: int  # scored ids
    characters: int  # of the pieces whose ids were all scored
    bits: float
    bits_per_character: float | None  # None: no character was scored
    perplexity_per_token: float | None
    perplexity_per_character: float | None
    surprising: tuple[int, ...]  # places in `pieces` of those with the most bits, most first


def heat(model: Any, tokenizer: Any, text: str, *, bos: bool = True) -> Heat:
    """Score a text. bos: begin with the model's bos id, so that the first piece is scored too.

    Raises ParameterError where the model has no bos id and one is asked for.
    """
    tokens = tokenizer.analyze(text)
    steps = score(model, [token.id for token in tokens], bos=bos)
    return heat_of_steps(text, [(token.start, token.end) for token in tokens], steps)


def heat_of_steps(text: str, spans: Sequence[Span], steps: Sequence[Step]) -> Heat:
    """Records of ids and the span of each in the text → pieces and sums; for steps that are there already.

    Raises ParameterError where they are not equally many.
    """
    if len(spans) != len(steps):
        raise ParameterError(f"{len(steps)} steps and {len(spans)} spans: give one span a step")
    pieces = tuple(_pieces(text, spans, steps))
    logprobs = [step.logprob for step in steps if step.logprob is not None]
    characters = sum(piece.end - piece.start for piece in pieces if piece.bits is not None)
    found = measure_surprisal(nats_of(logprobs), len(logprobs), characters)
    scored = [(piece.bits, -place) for place, piece in enumerate(pieces) if piece.bits is not None]
    return Heat(
        text=text,
        pieces=pieces,
        tokens=len(logprobs),
        characters=characters,
        bits=found.bits,
        bits_per_character=found.bits_per_character,
        perplexity_per_token=found.perplexity_per_token,
        perplexity_per_character=found.perplexity_per_character,
        surprising=tuple(-place for _, place in heapq.nlargest(LISTED, scored)),
    )


def _pieces(text: str, spans: Sequence[Span], steps: Sequence[Step]) -> Iterator[ScoredPiece]:
    """One piece for each run of ids with the same span."""
    for run in piece_ranges(spans):
        group, span = steps[run.start : run.stop], spans[run.start]
        logprob = _sum(step.logprob for step in group)
        ranks = [step.rank for step in group]
        yield ScoredPiece(
            start=span[0],
            end=span[1],
            surface=text[slice(*span)],
            ids=tuple(step.id for step in group),
            logprob=logprob,
            bits=None if logprob is None else 0.0 - logprob / LN2,
            rank=None if None in ranks else max(rank for rank in ranks if rank is not None),
            entropy=_sum(step.entropy for step in group),
        )


def _sum(values: Iterable[float | None]) -> float | None:
    """The sum, or None where one is missing."""
    given = list(values)
    return None if None in given else math.fsum(value for value in given if value is not None)


# --- two texts


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of two aligned texts: the same tokens in both, or where they differ."""

    kind: Literal["same", "different"]
    first: Span  # in characters of the first text
    second: Span
    first_text: str  # of the same tokens too it may differ: "慶応" and "慶應" are one id
    second_text: str
    first_bits: float
    second_bits: float
    difference: float  # first_bits - second_bits: above 0, the second text is likelier here


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts, which of them the model finds likelier, and where the difference arises.

    `likelier` compares total bits, and `difference` is by how much: p(likelier) / p(other) = 2 ** |difference|. An average would
    favour texts padded with predictable tokens. But totals favour short texts: if the lengths differ, look at
    `likelier_per_character` too; if the two disagree, the comparison is inconclusive.

    The stretches show where it arises. What is the same at the beginning costs the same; what is the same **behind** a
    difference need not, since the model read something else before: 犬が/犬を吠える differs in が and を, and again in 吠える.
    """

    first: Heat
    second: Heat
    same_ids: bool  # the model cannot tell the two apart: it reads the same ids
    likelier: Literal["first", "second"] | None  # by bits; None: equal
    difference: float  # bits of the first - bits of the second: above 0, the second is likelier
    likelier_per_character: Literal["first", "second"] | None  # by bits per character; None: equal, or one is empty
    stretches: tuple[Stretch, ...]  # tile both texts


def compare_texts(model: Any, tokenizer: Any, first: str, second: str, *, bos: bool = True) -> Pair:
    """Score two texts and align them by their tokens: the common beginning and end, between them place by place or by difflib.

    Raises ParameterError as `heat` does.
    """
    return pair_of(heat(model, tokenizer, first, bos=bos), heat(model, tokenizer, second, bos=bos))


def pair_of(first: Heat, second: Heat) -> Pair:
    """Two texts that were scored."""
    return Pair(
        first=first,
        second=second,
        same_ids=[piece.ids for piece in first.pieces] == [piece.ids for piece in second.pieces],
        likelier=_less(first.bits, second.bits),
        difference=first.bits - second.bits,
        likelier_per_character=_less(first.bits_per_character, second.bits_per_character),
        stretches=tuple(_stretch(first, second, *part) for part in _parts(first.pieces, second.pieces)),
    )


def _less(first: float | None, second: float | None) -> Literal["first", "second"] | None:
    if first is None or second is None or first == second:
        return None
    return "first" if first < second else "second"


Part = tuple[Literal["same", "different"], int, int, int, int]  # pieces [i, j) of the first and [k, l) of the second


def _parts(first: Sequence[ScoredPiece], second: Sequence[ScoredPiece]) -> Iterator[Part]:
    """Same and different runs of pieces, which tile both."""
    a, b = [piece.ids for piece in first], [piece.ids for piece in second]
    shorter = min(len(a), len(b))
    head = next((i for i in range(shorter) if a[i] != b[i]), shorter)
    tail = next((i for i in range(shorter - head) if a[-1 - i] != b[-1 - i]), shorter - head)
    left, right = a[head : len(a) - tail], b[head : len(b) - tail]
    if head:
        yield "same", 0, head, 0, head
    if max(len(left), len(right)) > ALIGNED:
        yield "different", head, head + len(left), head, head + len(right)
    else:
        for kind, i, j, k, l in _middle(left, right):
            yield kind, head + i, head + j, head + k, head + l
    if tail:
        yield "same", len(a) - tail, len(a), len(b) - tail, len(b)


def _middle(left: list[tuple[int, ...]], right: list[tuple[int, ...]]) -> list[Part]:
    """difflib's alignment; or place by place, where as many pieces are the same then: 猫が魚 and 魚が猫 share their が."""
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    found: list[Part] = [("same" if tag == "equal" else "different", i, j, k, l) for tag, i, j, k, l in matcher.get_opcodes()]
    same = [one == other for one, other in zip(left, right, strict=False)]
    if len(left) != len(right) or sum(same) < sum(j - i for kind, i, j, _, _ in found if kind == "same"):
        return found
    starts = [i for i in range(len(same)) if i == 0 or same[i] != same[i - 1]]
    return [("same" if same[i] else "different", i, j, i, j) for i, j in itertools.pairwise([*starts, len(same)])]


def _stretch(first: Heat, second: Heat, kind: Literal["same", "different"], i: int, j: int, k: int, l: int) -> Stretch:
    one, other = _span(first, i, j), _span(second, k, l)
    bits, others = _bits(first.pieces[i:j]), _bits(second.pieces[k:l])
    texts = first.text[slice(*one)], second.text[slice(*other)]
    return Stretch(kind, one, other, *texts, first_bits=bits, second_bits=others, difference=bits - others)


def _span(scored: Heat, i: int, j: int) -> Span:
    """The characters of pieces [i, j); of none the place between two."""
    if i < j:
        return scored.pieces[i].start, scored.pieces[j - 1].end
    place = scored.pieces[i].start if i < len(scored.pieces) else len(scored.text)
    return place, place


def _bits(pieces: Sequence[ScoredPiece]) -> float:
    return math.fsum(piece.bits for piece in pieces if piece.bits is not None)
