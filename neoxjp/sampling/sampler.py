"""Logits and history in, one id out; and the trace of what each filter did. Pure functions on one vector.

`sample` and `trace_sampling` use the same stages (filters.py), so the trace always agrees with the draw. Everything runs on the
CPU
in float32: a vector of 32,000 numbers is small, and a seed then gives the same text on any device.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from neoxjp.sampling.filters import HEAD, History, Stage, sort_candidates, stages, top_candidates
from neoxjp.sampling.params import SamplingParams

__all__ = [
    "FilteredDistribution",
    "SamplingParams",
    "SamplingTrace",
    "TraceRow",
    "apply_filters",
    "candidates",
    "filtered_scores",
    "sample",
    "trace_sampling",
]


def sample(
    logits: Tensor,
    params: SamplingParams,
    history: History,
    generator: torch.Generator | None,
    banned: Collection[int] = (),
) -> Tensor:
    """Draw one id.

    logits: the model's output for the next token (V,); any device and float type.
    history: the ids so far in order, prompt included. banned: ids that cannot be drawn now (the end token before min_new_tokens).
    generator: a CPU generator; exactly one uniform number is taken from it, none when greedy.
    Returns the id: (), int64, on the CPU.

    Raises ParameterError when the filters leave no token, NeoxjpError for logits that are not numbers.
    """
    return torch.tensor(apply_filters(logits, params, history, banned).draw(generator))


def candidates(logits: Tensor, params: SamplingParams, history: History, banned: Collection[int] = ()) -> tuple[Tensor, Tensor]:
    """The candidates after all filters: ids (n,) int64 and their probabilities (n,) float64, most probable first, ties by id."""
    *_, (_, ids, values) = stages(logits, params, history, banned)
    return _probable(ids, values)


def filtered_scores(
    logits: Tensor, params: SamplingParams, history: History, banned: Collection[int] = (), *, keep: int = 1
) -> Tensor:
    """The scores (V,) float32 after all filters, -inf where removed, without the greedy choice; for beam search.

    keep: how many candidates each filter leaves at least.
    """
    scores = logits
    for name, ids, values in stages(logits, params, history, banned, keep):
        if name != "greedy":
            scores = _spread(ids, values, len(logits))
    return scores


class FilteredDistribution:
    """The distribution after the filters: to sample from, and to look up the probability of an id.

    Candidates are sorted, most probable first, ties by id. Without top-k, only as many are sorted as a draw needs; the results
    are the same.
    """

    def __init__(self, ids: np.ndarray | None, values: np.ndarray, greedy: bool):
        if ids is not None:
            alive = values > -math.inf
            ids, values = ids[alive], values[alive]
        self._ids = ids  # (n,), sorted; None: all (V,), not sorted
        self._values = values  # float32
        self._greedy = greedy
        self._weights = np.exp(values.astype(np.float64) - values.max())  # the probabilities up to a factor
        self._total = float(self._weights.sum())

    def draw(self, generator: torch.Generator | None) -> int:
        """Sample by inverse CDF: the id whose interval of the cumulative sum contains a uniform number. Greedy uses none."""
        if self._greedy:
            assert self._ids is not None
            return int(self._ids[0])
        return self.at(float(torch.rand((), dtype=torch.float64, generator=generator)))

    def at(self, uniform: float) -> int:
        """The id for a uniform number in [0, 1)."""
        aim = uniform * self._total
        size = HEAD
        while True:
            ids = self._ids if self._ids is not None else top_candidates(self._values, size)[0]
            weights = self._weights if self._ids is not None else self._weights[ids]
            ends = weights.cumsum()
            if aim < ends[-1] or len(weights) == len(self._weights):
                break
            size *= 8
        hit = int(np.searchsorted(ends, aim, side="right"))  # right: an empty interval is never hit
        last = int(np.count_nonzero(weights)) - 1  # rounding may move the number to the end
        return int(ids[min(hit, last)])

    def probabilities(self, ids: Sequence[int]) -> list[float | None]:
        """The probability with which each id is sampled; None where a filter removed it."""
        if self._ids is None:
            return [float(self._weights[id]) / self._total if self._values[id] > -math.inf else None for id in ids]
        same = self._ids == np.asarray(ids)[:, None]  # (asked, n)
        found, places = same.any(1).tolist(), same.argmax(1)
        return [float(self._weights[place]) / self._total if here else None for here, place in zip(found, places, strict=True)]


def apply_filters(logits: Tensor, params: SamplingParams, history: History, banned: Collection[int] = ()) -> FilteredDistribution:
    """Apply all filters. Arguments and errors as for `sample`."""
    *_, (_, ids, values) = stages(logits, params, history, banned)
    return FilteredDistribution(ids, values, params.greedy)


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One candidate in the trace."""

    id: int
    logit: float  # the model's own
    probabilities: tuple[float, ...]  # after each of SamplingTrace.stages; 0.0 once removed
    removed_by: Stage | None  # None: it can be sampled
    interval: tuple[float, float] | None  # its part of the final cumulative sum, [start, end) within [0, 1)


@dataclass(frozen=True, slots=True)
class SamplingTrace:
    """What each filter did to one distribution. Entropies in nats.

    `rows` are the `show` most probable tokens of the model, then the `also` most probable ones after all filters, then the
    requested ones. Only stages that are switched on are listed; "model" is the plain softmax.
    """

    stages: tuple[Stage, ...]
    tokens_left: tuple[int, ...]  # how many tokens are left after each stage
    removed_probability: tuple[float, ...]  # share of the plain softmax that lies on the tokens which each stage removed
    rows: tuple[TraceRow, ...]
    others: tuple[float, ...]  # probability, after each stage, of all tokens without a row
    entropy_before: float  # of the plain softmax
    entropy_after: float  # of the distribution that is sampled from
    total_removed_probability: float  # share of the plain softmax that lies on removed tokens


def trace_sampling(
    logits: Tensor,
    params: SamplingParams,
    history: History,
    show: int = 20,
    *,
    banned: Collection[int] = (),
    include: Sequence[int] = (),
    also: int = 0,
) -> SamplingTrace:
    """Trace the `show` most probable tokens and the ids in `include` through each filter. Arguments as for `sample`.

    also: number of the most probable tokens after all filters that are shown too.
    """
    names: list[Stage] = []
    steps: list[Tensor] = []  # one (V,) vector of logits a stage
    for name, ids, values in stages(logits, params, history, banned):
        names.append(name)
        steps.append(_spread(ids, values, len(logits)))
    probabilities = torch.stack(steps).double().softmax(-1)  # (stages, V)
    alive = torch.stack(steps) > -math.inf  # (stages, V)
    final_ids, final = _probable(ids, values)
    sums = final.cumsum(0)
    ends = (sums / sums[-1]).tolist()
    interval = dict(zip(final_ids.tolist(), zip([0.0, *ends], ends, strict=False), strict=True))
    first = steps[0].topk(min(max(show, 0), len(steps[0]))).indices.tolist()
    shown = dict.fromkeys([*first, *final_ids[: max(also, 0)].tolist(), *include])
    rows = []
    for id in shown:
        gone = (~alive[:, id]).nonzero()
        removed: Stage | None = names[int(gone[0])] if len(gone) else None
        rows.append(TraceRow(id, float(steps[0][id]), tuple(probabilities[:, id].tolist()), removed, interval.get(id)))
    gone_here = torch.cat((~alive[:1], alive[:-1] & ~alive[1:]))  # (stages, V)
    unseen = torch.ones(len(steps[0]), dtype=torch.bool)
    unseen[list(shown)] = False
    return SamplingTrace(
        stages=tuple(names),
        tokens_left=tuple(alive.sum(-1).tolist()),
        removed_probability=tuple((probabilities[0] * gone_here).sum(-1).tolist()),
        rows=tuple(rows),
        others=tuple(probabilities[:, unseen].sum(-1).tolist()),
        entropy_before=float(torch.special.entr(probabilities[0]).sum()),
        entropy_after=float(torch.special.entr(final).sum()),
        total_removed_probability=float(probabilities[0][~alive[-1]].sum()),
    )


def _probable(ids: np.ndarray | None, values: np.ndarray) -> tuple[Tensor, Tensor]:
    """The last stage's ids and their probabilities in float64, most probable first."""
    ids, values = sort_candidates(np.arange(len(values)), values) if ids is None else (ids, values)
    alive = values > -math.inf
    return torch.from_numpy(ids[alive]), torch.from_numpy(values[alive]).double().softmax(0)


def _spread(ids: np.ndarray | None, values: np.ndarray, size: int) -> Tensor:
    """A stage's logits as a vector of all (V,), -inf where removed."""
    if ids is None:
        return torch.from_numpy(values)
    return torch.full((size,), -math.inf, dtype=torch.float32).index_copy_(0, torch.from_numpy(ids), torch.from_numpy(values))
