"""Activation patching: which states of one run carry the difference between the predictions of two texts.

    patch(model, tokenizer, ids, donor_ids)     one number for every layer and word

The model reads the base text and the donor text, say 慶応義塾大学は and けいおうぎじゅくだいがくは. Then it reads the base text
again, but after one layer and at the tokens of one word its residual stream is replaced by the donor's, and the layers after it
go on from there (Vig et al. 2020, arXiv 2004.12265; Meng et al. 2022, arXiv 2202.05262; good practice: arXiv 2309.16042 and
2404.15255). How far the prediction of the next token moves from the base's to the donor's is what this word carries at this
depth:

    score = log2 p(target) - log2 p(other)                  bits, after the last token
    share = (score patched - score base) / (score donor - score base)

target and other are what the donor and the base predict. Where that is the same token, target is the one that adds most to
KL(donor ‖ base), other the one that adds most to KL(base ‖ donor): the tokens that the donor makes likelier and less likely.
Where a target alone is asked for, the score is log2 p(target). Shares can be below 0 and above 1, and those of one layer need not
add up to 1. Spans of different length: the last states of the longer one, as many as the shorter one has, are replaced.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from neoxjp.engine import LN2, check_ids, token_text_function
from neoxjp.errors import ParameterError
from neoxjp.labs.common.layers import checked_ids, checked_index, later_outputs, layer_outputs
from neoxjp.labs.patching.alignment import SpanPair, align
from neoxjp.sampling import check_finite

MAX_TOKENS = 128  # of each text; the work grows with the square
ROWS_TOKENS = 2048  # tokens of the runs of one batch
LEAST = 1e-3  # bits; below, two scores do not differ

Places = Sequence[tuple[int, int]]
"""(position in the base, position in the donor) of each state that is replaced."""


@dataclass(frozen=True, slots=True)
class Scored:
    """The prediction of the next token by one run."""

    id: int  # the most probable token
    text: str  # the piece, like "<|byte240|>", where a token is not text by itself
    probability: float
    target: float  # probability of the target
    other: float | None  # probability of the other token, if the score has one
    score: float  # bits


@dataclass(frozen=True, slots=True)
class Patching:
    """The scores of the base text with states of the donor text in it, by layer and span."""

    ids: tuple[int, ...]
    donor_ids: tuple[int, ...]
    spans: tuple[SpanPair, ...]
    target_id: int
    target_text: str
    other_id: int | None  # None: the score is that of the target alone
    other_text: str
    base: Scored
    donor: Scored
    scores: tuple[tuple[float, ...], ...]  # bits; a row after 0, 1, … all layers, a column a span
    whole: tuple[float, ...]  # bits; all spans replaced, after 0, 1, … all layers

    def share(self, score: float) -> float | None:
        """How far a score is from the base's to the donor's, 0.0 to 1.0 and beyond; None where these do not differ."""
        difference = self.donor.score - self.base.score
        return (score - self.base.score) / difference if abs(difference) >= LEAST else None


@torch.inference_mode()
def patch(
    model: Any,
    tokenizer: Any,
    ids: Sequence[int],
    donor_ids: Sequence[int],
    target: int | None = None,
    other: int | None = None,
    most: int = MAX_TOKENS,
) -> Patching:
    """Replace the states of each span after each layer, and score the next token.

    Args:
        tokenizer: names the ids and finds the spans (alignment.py); None: spans of one token, counted from the end of the texts.
        ids, donor_ids: of the two texts; empty: the bos id alone.
        target: the id whose probability is scored; None: both are chosen, as above.
        other: the id that it is compared with; None: none. Without a target it is not used.
        most: tokens of each text, at most.

    Raises:
        ParameterError: an id outside the vocabulary. PromptTooLong: too many ids. NeoxjpError: the logits are NaN.
    """
    ids, donor_ids = checked_ids(model, ids, most), checked_ids(model, donor_ids, most)
    states, donor_states = ([hidden for hidden, _ in layer_outputs(model, each)] for each in (ids, donor_ids))
    logits, donor_logits = last_logits(model, states[-1])[0], last_logits(model, donor_states[-1])[0]  # (V,)
    best, donor_best = int(logits.argmax()), int(donor_logits.argmax())
    if target is None:
        target, other = (donor_best, best) if donor_best != best else (moved(logits, donor_logits), moved(donor_logits, logits))
        other = None if other == target else other
    check_ids([target] if other is None else [target, other], model.config.vocab_size, "target, other")
    if target == other:
        raise ParameterError(
            f"target and other are the same token, {target}: the difference of a probability to itself is always 0",
            ja=f"比べる 2 つのトークンが同じです（ID {target}）。別のトークンを指定してください。",
        )
    spans = align(ids, donor_ids, tokenizer)
    groups = [*([pair.places] for pair in spans), [pair.places for pair in spans]]  # the last: all at once
    rows = [[place for places in group for place in places] for group in groups]
    scores = []
    for layers, (state, donor_state) in enumerate(zip(states, donor_states, strict=True)):
        found = torch.cat([*_patched(model, state, donor_state, rows, layers)])  # (spans + 1, V)
        scores.append([_score(row, target, other) for row in found])
    name = token_text_function(tokenizer)

    def scored(row: Tensor, best: int) -> Scored:
        chances = row.softmax(-1)
        against = None if other is None else float(chances[other])
        return Scored(best, name(best), float(chances[best]), float(chances[target]), against, _score(row, target, other))

    return Patching(
        ids=ids,
        donor_ids=donor_ids,
        spans=spans,
        target_id=target,
        target_text=name(target),
        other_id=other,
        other_text="" if other is None else name(other),
        base=scored(logits, best),
        donor=scored(donor_logits, donor_best),
        scores=tuple(tuple(row[:-1]) for row in scores),
        whole=tuple(row[-1] for row in scores),
    )


def moved(logits: Tensor, donor_logits: Tensor) -> int:
    """The id that adds most to KL(donor ‖ base): the one that the donor makes likelier. Of equal predictions: the best."""
    base, donor = logits.double().log_softmax(-1), donor_logits.double().log_softmax(-1)
    added = donor.exp() * (donor - base)
    return int(added.argmax() if float(added.abs().max()) > 0 else donor.argmax())


@torch.inference_mode()
def patched_logits(
    model: Any, ids: Sequence[int], donor_ids: Sequence[int], places: Mapping[int, Places], most: int = MAX_TOKENS
) -> Tensor:
    """The logits (V,) float32 of the next token after `ids`, with states of the donor put in: {layers that have run: places}.

    With no places, those of the model itself; with (last, last) after all layers, the donor's.

    Raises:
        ParameterError: no such layer or position.  PromptTooLong, NeoxjpError: as of `patch`.
    """
    ids, donor_ids = checked_ids(model, ids, most), checked_ids(model, donor_ids, most)
    check_places(places, model.config.num_hidden_layers, len(ids), len(donor_ids))
    donor = [hidden for hidden, _ in layer_outputs(model, donor_ids)]
    hidden = next(layer_outputs(model, ids))[0]
    for layers in range(len(donor)):
        if layers:
            hidden = next(later_outputs(model, hidden, layers - 1))[0]
        hidden = replaced(hidden, donor[layers], places.get(layers, ()))
    return last_logits(model, hidden)[0]


def as_dict(found: Patching) -> dict[str, Any]:
    """The record with its shares, for JSON."""
    shares = [[found.share(score) for score in row] for row in found.scores]
    return asdict(found) | {"shares": shares, "whole_shares": [found.share(score) for score in found.whole]}


def check_places(places: Mapping[int, Places], layers: int, count: int, donor_count: int) -> None:
    """Raises ParameterError: no such layer or position."""
    for after, pairs in places.items():
        checked_index("layers", after, layers + 1, "層")
        for place, donor_place in pairs:
            checked_index("place", place, count, "位置")
            checked_index("donor place", donor_place, donor_count, "位置")


def replaced(hidden: Tensor, donor: Tensor, places: Places) -> Tensor:
    """A residual stream (1, T, C) with the donor's (1, T', C) at these places; a copy, or `hidden` where there are none."""
    if not places:
        return hidden
    mine, theirs = zip(*places, strict=True)
    found = hidden.clone()
    found[0, list(mine)] = donor[0, list(theirs)].to(found.device)
    return found


def last_logits(model: Any, hidden: Tensor) -> Tensor:
    """The logits (B, V) float32 after the last position of residual streams (B, T, C) that all layers have passed."""
    logits = model.embed_out(model.gpt_neox_japanese.final_layer_norm(hidden[:, -1])).float().cpu()
    check_finite(logits)
    return logits


def _patched(model: Any, state: Tensor, donor: Tensor, rows: Sequence[Places], layers: int) -> Iterator[Tensor]:
    """The logits (B, V) of the runs in which each of `rows` is replaced after so many layers, batch by batch."""
    at_once = max(1, ROWS_TOKENS // state.shape[1])
    for start in range(0, len(rows), at_once):
        streams = torch.cat([replaced(state, donor, places) for places in rows[start : start + at_once]])  # (B, T, C)
        for hidden, _ in later_outputs(model, streams, layers):
            streams = hidden  # only those of one layer are in memory
        yield last_logits(model, streams)


def _score(logits: Tensor, target: int, other: int | None) -> float:
    """Bits: the log probability of the target, less that of the other token."""
    logprobs = logits.double().log_softmax(-1)
    return float(logprobs[target] - (0.0 if other is None else logprobs[other])) / LN2
