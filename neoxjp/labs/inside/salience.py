"""What the prediction of a token rests on: the tokens before it left out, one at a time.

    salience(model, tokenizer, ids, at)        the effect of each of the last 64 tokens before position `at`, in bits

Exact, by running the model again without the token ("erasure": Li et al. 2016, arXiv 1612.08220): the surprisal of the predicted
token without it minus the surprisal with it. The tokens behind the gap move up by one. Two tokens that say the same each count
little, because the other one remains; a text with a gap may be unlike all that the model was trained on.

Byte tokens of one character are left out together, and predicted together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from neoxjp.engine import LN2, bos_ids, forward_one, token_text_function
from neoxjp.errors import ParameterError
from neoxjp.labs.common.layers import checked_ids, checked_index
from neoxjp.labs.common.spans import piece_ranges, spans_of
from neoxjp.sampling import check_finite

MOST = 64  # tokens that are left out: those right before the predicted one
CACHE_TOKENS = 2048  # in the caches of the runs of one batch


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The prediction without one piece of the text."""

    start: int  # positions of its tokens in the text, [start, end)
    end: int
    text: str
    surprisal: float  # of the predicted tokens without it, bits
    bits: float  # that minus the surprisal with it; above 0: it makes the prediction more probable


@dataclass(frozen=True, slots=True)
class Salience:
    """What one prediction rests on."""

    ids: tuple[int, ...]
    start: int  # positions of the predicted tokens, [start, end): one, or the byte tokens of a character
    end: int
    text: str  # of the predicted tokens
    surprisal: float  # -log2 p(predicted tokens | all tokens before), bits
    context_tokens: int  # tokens at the beginning of the text that were never left out
    context_text: str
    left_out: tuple[LeftOut, ...]  # in the order of the text


@torch.inference_mode()
def salience(model: Any, tokenizer: Any, ids: Sequence[int], at: int = -1, most: int = MOST) -> Salience:
    """Leave out each piece among the last `most` tokens before the piece at position `at` (from 0; -1 is the last).

    Where nothing remains before the predicted tokens, the model's bos id is put there, as for an empty prompt.

    Args:
        tokenizer: names the ids and finds the byte tokens of a character; None: each id is a piece, without text.
        ids: of the text. At most MAX_TOKENS, and the context.

    Raises:
        ParameterError: `at` out of range or the first piece, an id outside the vocabulary. PromptTooLong: too many ids.
        NeoxjpError: the logits are NaN.
    """
    ids = checked_ids(model, ids)
    at = checked_index("at", at, len(ids), "位置")
    spans = [(place, place + 1) for place in range(len(ids))] if tokenizer is None else spans_of(ids, tokenizer)[1]
    pieces = list(piece_ranges(spans))
    target = next(piece for piece in pieces if at in piece)
    if not target.start:
        raise ParameterError(
            "nothing precedes the first token of the text, so nothing can be left out",
            ja="文章の最初のトークンより前には何もないので、除けるトークンがありません。",
        )
    ids = ids[: target.stop]
    before = [piece for piece in pieces if piece.stop <= target.start and piece.start >= target.start - most]
    cache = model.new_cache()
    logits = forward_one(model, ids[:-1], cache, keep=len(target))  # (targets, V)
    surprisal = _bits(logits, ids[target.start :])
    without = [bits for rows in _runs(model, ids, target, before, cache) for bits in rows]
    name = token_text_function(tokenizer)

    def text(piece: range) -> str:
        if tokenizer is None or len(piece) == 1:
            return "".join(name(ids[place]) for place in piece)
        return str(tokenizer.decode([ids[place] for place in piece]))

    left_out = tuple(
        LeftOut(piece.start, piece.stop, text(piece), bits, bits - surprisal) for piece, bits in zip(before, without, strict=True)
    )
    context_tokens = before[0].start if before else target.start
    return Salience(
        ids, target.start, target.stop, text(target), surprisal, context_tokens, text(range(context_tokens)), left_out
    )


def _runs(model: Any, ids: tuple[int, ...], target: range, pieces: Sequence[range], cache: Any) -> Iterator[list[float]]:
    """The surprisal of the target without each piece (bits), batch by batch. The run before a piece is reused from `cache`."""
    rows: list[tuple[tuple[int, ...], Any]] = []  # new ids and the cache that they extend
    size = 0  # tokens in these caches, in whole blocks
    for piece in pieces:
        short = ids[: piece.start] + ids[piece.stop : -1]
        if len(short) < len(target):  # nothing is left before the target
            short = bos_ids(model.config) + short
        length = -(-len(short) // model.cache_block) * model.cache_block
        if rows and size + length > CACHE_TOKENS:
            yield _batch(model, rows, ids[target.start :])
            rows, size = [], 0
        reused = min(piece.start, len(short) - len(target))  # the logits of the last ones are needed
        fork = cache.fork()
        fork.crop(reused)
        rows.append((short[reused:], fork))
        size += length
    if rows:
        yield _batch(model, rows, ids[target.start :])


def _batch(model: Any, rows: Sequence[tuple[tuple[int, ...], Any]], targets: Sequence[int]) -> list[float]:
    """The surprisal (bits) of `targets` at the end of each row: its last ids predict them."""
    counts = [len(new) for new, _ in rows]
    ends = torch.tensor(counts).cumsum(0)
    places = (ends[:, None] - torch.arange(len(targets), 0, -1)).flatten()  # (rows * targets,)
    given = torch.tensor([id for new, _ in rows for id in new], device=model.device)
    logits = model.forward_unpadded(given, counts, [cache for _, cache in rows], places).to("cpu", torch.float32)
    check_finite(logits)
    return [_bits(part, targets) for part in logits.split(len(targets))]


def _bits(logits: Tensor, targets: Sequence[int]) -> float:
    """-log2 of the probability of all targets together, from the logits (targets, V) before each."""
    logprobs = logits.double().log_softmax(-1)
    return -float(logprobs[torch.arange(len(targets)), list(targets)].sum()) / LN2
