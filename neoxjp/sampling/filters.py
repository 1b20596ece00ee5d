"""The filters of sampling, in order: a vector of logits in, the remaining candidates after each stage out.

The order is that of transformers' `generate`: repetition penalty, no-repeat n-gram, minimum length, temperature, top-k, top-p,
min-p, typical-p. In numpy, float32: on vectors of this size its calls take a third of the time of torch's.
"""

import math
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.sampling.options import Stage
from neoxjp.sampling.params import SamplingParams

History = Sequence[int] | np.ndarray  # ids in order, the prompt included
HEAD = 1024  # candidates to sort first where no top-k limits them
_MOST = float(np.finfo(np.float32).max)


def stages(
    logits: Tensor, params: SamplingParams, history: History, banned: Collection[int], keep: int = 1
) -> Iterator[tuple[Stage, np.ndarray | None, np.ndarray]]:
    """Each stage that is switched on: its name, the remaining ids (n,), and their logits (n,) float32; ids None: all (V,).

    From top-k on the candidates are sorted, most probable first, ties by id. Before that, removed tokens are -inf in the vector.
    keep: how many candidates each of the filters from top-k on leaves at least.
    """
    numbers = logits.detach().to("cpu", torch.float32)  # (V,)
    check_finite(numbers)
    x = numbers.numpy()
    yield "model", None, x
    if params.repetition_penalty != 1.0 and len(history):
        seen = np.asarray(history, dtype=np.int64)  # an id that occurs twice is written twice with the same value
        there = x[seen]
        x = x.copy()
        penalty = min(max(params.repetition_penalty, 1e-30), 1e30)  # beyond, float32 has only 0 and infinity
        with np.errstate(over="ignore"):
            penalised = np.where(there < 0, there * penalty, there / penalty).clip(-_MOST / 4, _MOST / 4)
        x[seen] = np.where(np.isneginf(there), there, penalised)
        yield "repetition_penalty", None, x
    if params.no_repeat_ngram_size:
        x = _without(x, _completing(history, params.no_repeat_ngram_size), f"no_repeat_ngram_size={params.no_repeat_ngram_size}")
        yield "no_repeat_ngram", None, x
    if len(banned):
        x = _without(x, list(banned), f"min_new_tokens={params.min_new_tokens}")
        yield "min_new_tokens", None, x
    if params.greedy:
        best = int(x.argmax())
        yield "greedy", np.array([best]), x[best : best + 1]
        return
    if params.temperature != 1.0:
        x = _tempered(x, params.temperature)
        yield "temperature", None, x
    ids: np.ndarray | None = None
    if 0 < params.top_k < len(x):
        ids, x = top_candidates(x, max(params.top_k, keep))  # ties with the last one stay, as in transformers
        yield "top_k", ids, x
    if params.top_p < 1:
        ids, x = _top_p(ids, x, params.top_p, keep)
        yield "top_p", ids, x
    if params.min_p > 0:
        likely = np.exp(x - x.max()) >= params.min_p
        if keep > 1:
            likely |= x >= np.sort(x)[-min(keep, len(x))]
        ids, x = sort_candidates(np.flatnonzero(likely), x[likely]) if ids is None else (ids[likely], x[likely])
        yield "min_p", ids, x
    if params.typical_p < 1:
        ids, x = sort_candidates(np.arange(len(x)), x) if ids is None else (ids, x)
        typical = _typical(torch.from_numpy(x), params.typical_p, keep)
        ids, x = ids[typical], x[typical]
        yield "typical_p", ids, x


def check_finite(logits: Tensor) -> None:
    """Raise NeoxjpError if the largest logit of a row (..., V) is NaN or infinite; -inf beside a finite one is allowed."""
    if not (math.isfinite(float(logits.max())) if logits.dim() == 1 else torch.isfinite(logits.amax(-1)).all()):
        raise NeoxjpError(
            "the model's logits are not numbers (NaN or infinite): a weight is damaged or a half-precision sum overflowed; "
            "load with dtype='float32', and check the model's files",
            ja="モデルの出力に NaN または無限大が含まれています。dtype='float32' で読み込むか、"
            "モデルのファイルを確認してください。",
        )


def sort_candidates(ids: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ids in rising order and their values → most probable first, ties by id."""
    # Sorting integers is several times faster than a stable sort of floats. A key is the bits of the value, changed so that they
    # fall as it rises, followed by its position.
    bits = (values + np.float32(0)).view(np.int32)  # -0.0 becomes 0.0
    falling = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).astype(np.int64) ^ -1  # from -2**31 to 2**31 - 1
    keys = (falling << 32) | np.arange(len(values))
    keys.sort()
    order = keys & 0xFFFFFFFF
    return ids[order], values[order]


def top_candidates(x: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The `size` largest of x (V,), and ties with the last: ids and values, sorted. The rest is not sorted."""
    if size >= len(x):
        return sort_candidates(np.arange(len(x)), x)
    least = np.partition(x, len(x) - size)[len(x) - size]
    ids = np.flatnonzero(x >= max(least, -_MOST))  # without what is -inf already
    return sort_candidates(ids, x[ids])


def _top_p(ids: np.ndarray | None, x: np.ndarray, top_p: float, least: int) -> tuple[np.ndarray, np.ndarray]:
    """The smallest set of most probable tokens whose mass reaches top_p: those with less than top_p before them, and `least`.

    `ids` (n,), in order, with their values; None: x is all (V,), of which only the head is sorted.
    """
    weights = np.exp(x - x.max())  # (n or V,) float32
    reach = top_p * float(weights.sum(dtype=np.float64))
    size = HEAD
    while True:
        some, values = (ids, x) if ids is not None else top_candidates(x, size)
        ends = (weights if ids is not None else weights[some]).cumsum(dtype=np.float64)
        count = max(least, 1 + int(np.searchsorted(ends[:-1], reach)))
        if ids is not None or count < len(some) or len(some) < size or size >= len(x):
            return some[:count], values[:count]
        size *= 8


def _typical(x: Tensor, typical_p: float, least: int) -> np.ndarray:
    """Which of x (n,) stay: those whose surprisal is nearest to the entropy, up to the mass typical_p, and at least `least`."""
    logp = x.log_softmax(0)
    distance = (-logp - torch.special.entr(logp.exp()).sum()).abs()
    near, order = distance.sort(stable=True)
    reached = (x[order].softmax(0).cumsum(0) < typical_p).sum().clamp(max=len(x) - 1)
    keep = distance <= near[reached]
    keep[order[:least]] = True
    return keep.numpy()


def _tempered(x: np.ndarray, temperature: float) -> np.ndarray:
    with np.errstate(over="ignore"):  # of what is far below the best one
        if 1e-30 <= temperature <= 1e30 and abs(float(x.max())) / temperature <= _MOST:
            return x / np.float32(temperature)
        # Beyond, float32 has only 0 and infinity, and only distances from the best one matter.
        return ((x - x.max()).astype(np.float64) / temperature).astype(np.float32)


def _without(x: np.ndarray, banned: Sequence[int], asked: str) -> np.ndarray:
    x = x.copy()
    x[banned] = -math.inf
    if not math.isfinite(x.max()):
        raise ParameterError(
            f"{asked} leaves none of the {len(x)} tokens; make it smaller",
            ja=f"{asked} では、選べるトークンが残りません。値を小さくしてください。",
        )
    return x


def _completing(history: History, n: int) -> list[int]:
    """The ids that would complete an n-gram that occurred before: [1, 2, 3, 1, 2], 3 → [3]."""
    ids = np.asarray(history, dtype=np.int64)
    starts = len(ids) - n + 1  # number of n-grams
    if starts < 1:
        return []
    same = np.ones(starts, dtype=bool)
    for offset in range(n - 1):
        same &= ids[offset : offset + starts] == ids[starts + offset]
    return ids[n - 1 :][same].tolist()
