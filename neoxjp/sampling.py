"""Logits and history in, one id out; and the ledger of what each filter did on the way. Pure functions on one vector.

The order is that of transformers' `generate`: repetition penalty, no-repeat n-gram, minimum length, temperature, top-k, top-p,
min-p, typical-p. `sample` and `ledger` walk the same stages, so the ledger cannot tell another story than the draw.
Everything runs on the CPU in float32: a vector of 32,000 numbers is small, and one generator then means one text on any device.
"""

import math
import operator
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from neoxjp.errors import NeoxjpError, ParameterError

History = Sequence[int] | np.ndarray  # ids in order, the prompt included
HEAD = 256  # of the vocabulary, sorted first where no top-k says how many are needed
_MOST = float(np.finfo(np.float32).max)

Stage = Literal[
    "model",
    "repetition_penalty",
    "no_repeat_ngram",
    "min_new_tokens",
    "greedy",
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "typical_p",
]


@dataclass(frozen=True)
class SamplingParams:
    """How to choose tokens. The defaults are those of transformers' `generate`.

    >>> SamplingParams(do_sample=True, temperature=0.9, top_p=0.95, seed=7, stop=("。",))

    Raises ParameterError, naming every field that is out of its range. `stop` may be one string, `eos_token_id` one id.
    """

    do_sample: bool = False  # False: always the most probable token; every field from temperature to typical_p is then unused
    temperature: float = 1.0  # logits are divided by it; 0 means greedy
    top_k: int = 50  # keep the k most probable (and what ties with the last of them); 0 = off
    top_p: float = 1.0  # keep the smallest set of most probable tokens whose mass reaches p; 1 = off
    min_p: float = 0.0  # drop tokens below min_p times the largest probability; 0 = off
    typical_p: float = 1.0  # keep the tokens whose surprise is nearest the entropy, up to this mass (arXiv 2202.00666); 1 = off
    repetition_penalty: float = 1.0  # of ids in prompt and text: positive logits are divided by it, negative multiplied; 1 = off
    no_repeat_ngram_size: int = 0  # no run of n ids comes twice, prompt included; 0 = off
    seed: int | None = None  # None: a fresh one for each request (Request.seed says which)
    max_new_tokens: int | None = None  # None: until the context is full
    min_new_tokens: int = 0  # the end token cannot be drawn before
    stop: tuple[str, ...] = ()  # the text ends before the first of these
    deadline_s: float | None = None  # seconds after submit, waiting included
    eos_token_id: int | tuple[int, ...] | None = None  # None: the model's own; (): nothing ends the text

    def __post_init__(self) -> None:
        problems: list[tuple[str, str]] = []

        def check(name: str, convert: Callable[[Any], Any], good: Callable[[Any], bool], wanted: str, ja: str) -> None:
            given = getattr(self, name)
            try:
                value = convert(given)
                fits = good(value)
            except (TypeError, ValueError, OverflowError):
                fits = False
            if fits:
                object.__setattr__(self, name, value)
            else:
                problems.append((f"{name}={given!r} must be {wanted}", f"{name}={given!r} は{ja}にしてください"))

        check("do_sample", _boolean, lambda v: True, "True or False", "True か False ")
        check("temperature", _number, lambda v: v >= 0, "a number from 0 (greedy) upwards", "0（貪欲法）以上の数")
        check("top_k", _integer, lambda v: v >= 0, "a whole number from 0 (off) upwards", "0（なし）以上の整数")
        check("top_p", _number, lambda v: 0 <= v <= 1, "a number from 0 to 1 (off)", "0 から 1（なし）までの数")
        check("min_p", _number, lambda v: 0 <= v <= 1, "a number from 0 (off) to 1", "0（なし）から 1 までの数")
        check("typical_p", _number, lambda v: 0 < v <= 1, "a number above 0 and up to 1 (off)", "0 より大きく 1（なし）以下の数")
        check("repetition_penalty", _number, lambda v: v > 0, "a number above 0 (1 is off)", "0 より大きい数（1 はなし）")
        check("no_repeat_ngram_size", _integer, lambda v: v >= 0, "a whole number from 0 (off) upwards", "0（なし）以上の整数")
        check("min_new_tokens", _integer, lambda v: v >= 0, "a whole number from 0 upwards", "0 以上の整数")
        check("stop", _strings, lambda v: all(v), "strings of at least one character", "1 文字以上の文字列")
        if self.seed is not None:
            check(
                "seed",
                _integer,
                lambda v: 0 <= v < 2**63,
                "a whole number from 0 to 2**63 - 1, or None",
                "0 以上 2**63 未満の整数",
            )
        if self.max_new_tokens is not None:
            check("max_new_tokens", _integer, lambda v: v >= 1, "a whole number from 1 upwards, or None", "1 以上の整数")
        if self.deadline_s is not None:
            check("deadline_s", _number, lambda v: v > 0, "a number of seconds above 0, or None", "0 より大きい秒数")
        if self.eos_token_id is not None:
            check("eos_token_id", _ids, lambda v: all(i >= 0 for i in v), "an id or several, or None", "ID")
        if not problems and self.max_new_tokens is not None and self.min_new_tokens > self.max_new_tokens:
            limits = f"min_new_tokens={self.min_new_tokens} must be at most max_new_tokens={self.max_new_tokens}"
            problems.append(
                (limits, f"min_new_tokens={self.min_new_tokens} は max_new_tokens={self.max_new_tokens} 以下にしてください")
            )
        if problems:
            raise ParameterError("; ".join(p[0] for p in problems), ja="。".join(p[1] for p in problems))

    @property
    def greedy(self) -> bool:
        """Whether the most probable token is taken and no random number is used."""
        return not self.do_sample or self.temperature == 0


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
    return torch.tensor(remaining(logits, params, history, banned).draw(generator))


def candidates(logits: Tensor, params: SamplingParams, history: History, banned: Collection[int] = ()) -> tuple[Tensor, Tensor]:
    """What all filters leave: ids (n,) int64 and their probabilities (n,) float64, most probable first, equals by id."""
    *_, (_, ids, values) = _stages(logits, params, history, banned)
    return _ordered(ids, values)


def filtered(logits: Tensor, params: SamplingParams, history: History, banned: Collection[int] = ()) -> Tensor:
    """The scores (V,) float32 after all filters but the choice itself, -inf where removed: what beam search adds up."""
    scores = logits
    for name, ids, values in _stages(logits, params, history, banned):
        if name != "greedy":
            scores = values if ids is None else torch.full(logits.shape, -math.inf).index_copy_(0, ids, values)
    return scores


class Remaining:
    """What the filters leave of one distribution: to draw from, and to ask for the chance of an id.

    The candidates stand most probable first, equals by id; where no filter made them few, no more of them are sorted than a draw
    needs. The numbers are the same however many are.
    """

    def __init__(self, ids: Tensor | None, values: Tensor, greedy: bool):
        if ids is not None:
            alive = values > -math.inf
            ids, values = ids[alive], values[alive]
        self._ids = ids  # (n,), sorted; None: all (V,), not sorted
        self._values = values  # float32
        self._greedy = greedy
        self._weights = (values.double() - values.max()).exp().numpy()  # float64; the probabilities but for a factor
        self._total = float(self._weights.sum())

    def draw(self, generator: torch.Generator | None) -> int:
        """Inverse CDF: the id whose interval of the cumulative sum holds one uniform number. Greedy takes none."""
        if self._greedy:
            assert self._ids is not None
            return int(self._ids[0])
        aim = float(torch.rand((), dtype=torch.float64, generator=generator)) * self._total
        size = HEAD
        while True:
            ids = self._ids if self._ids is not None else _head(self._values, size)[0]
            weights = self._weights if self._ids is not None else self._weights[ids.numpy()]
            ends = weights.cumsum()
            if aim < ends[-1] or len(weights) == len(self._weights):
                break
            size *= 8
        hit = int(np.searchsorted(ends, aim, side="right"))  # right: an interval of no width is never hit
        last = int(np.count_nonzero(weights)) - 1  # rounding may carry the number to the very end
        return int(ids[min(hit, last)])

    def chances(self, ids: Sequence[int]) -> list[float | None]:
        """The probability of each id to be drawn; None where a filter removed it."""
        if self._ids is None:
            alive = self._values > -math.inf
            return [float(self._weights[id]) / self._total if alive[id] else None for id in ids]
        places = {id: place for place, id in enumerate(self._ids.tolist())}
        return [float(self._weights[places[id]]) / self._total if id in places else None for id in ids]


def remaining(logits: Tensor, params: SamplingParams, history: History, banned: Collection[int] = ()) -> Remaining:
    """What `candidates` finds, sorted no further than a draw needs. Arguments and errors as for `sample`."""
    *_, (_, ids, values) = _stages(logits, params, history, banned)
    return Remaining(ids, values, params.greedy)


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One candidate on its way through the filters."""

    id: int
    logit: float  # the model's own
    probabilities: tuple[float, ...]  # after each of Ledger.stages; 0.0 once removed
    removed_by: Stage | None  # None: it could be drawn
    interval: tuple[float, float] | None  # its part of the final cumulative sum, [start, end) within [0, 1)


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the filters did to one distribution. Entropies in nats.

    `rows` are the `show` tokens the model finds most probable, in that order, then those asked for besides. Only stages that
    were switched on are listed; "model" is the plain softmax.
    """

    stages: tuple[Stage, ...]
    kept: tuple[int, ...]  # how many tokens are left after each stage
    rows: tuple[LedgerRow, ...]
    entropy_before: float  # of the plain softmax
    entropy_after: float  # of what is drawn from
    mass_cut: float  # share of the plain softmax that lies on removed tokens


def ledger(
    logits: Tensor,
    params: SamplingParams,
    history: History,
    show: int = 20,
    *,
    banned: Collection[int] = (),
    include: Sequence[int] = (),
) -> Ledger:
    """The way of the `show` most probable tokens, and of the ids in `include`, through each filter. Arguments as for `sample`."""
    names: list[Stage] = []
    steps: list[Tensor] = []  # one (V,) vector of logits a stage
    ids: Tensor | None = None
    values = torch.empty(0)
    for name, ids, values in _stages(logits, params, history, banned):
        names.append(name)
        steps.append(values if ids is None else torch.full_like(steps[0], -math.inf).index_copy_(0, ids, values))
    probabilities = torch.stack(steps).double().softmax(-1)  # (stages, V)
    alive = torch.stack(steps) > -math.inf  # (stages, V)
    final_ids, final = _ordered(ids, values)
    sums = final.cumsum(0)
    ends = (sums / sums[-1]).tolist()
    interval = dict(zip(final_ids.tolist(), zip([0.0, *ends], ends, strict=False), strict=True))
    first = steps[0].topk(min(max(show, 0), len(steps[0]))).indices.tolist()
    rows = []
    for id in dict.fromkeys([*first, *include]):
        gone = (~alive[:, id]).nonzero()
        removed: Stage | None = names[int(gone[0])] if len(gone) else None
        rows.append(LedgerRow(id, float(steps[0][id]), tuple(probabilities[:, id].tolist()), removed, interval.get(id)))
    return Ledger(
        stages=tuple(names),
        kept=tuple(alive.sum(-1).tolist()),
        rows=tuple(rows),
        entropy_before=float(torch.special.entr(probabilities[0]).sum()),
        entropy_after=float(torch.special.entr(final).sum()),
        mass_cut=float(probabilities[0][~alive[-1]].sum()),
    )


def require_numbers(logits: Tensor) -> None:
    """Raise NeoxjpError where the best logit of a row (..., V) is NaN or infinite; -inf beside a finite one is allowed."""
    if not (math.isfinite(float(logits.max())) if logits.dim() == 1 else torch.isfinite(logits.amax(-1)).all()):
        raise NeoxjpError(
            "the model's logits are not numbers (NaN or infinite): a weight is damaged or a half-precision sum overflowed; "
            "load with dtype='float32', and check the model's files",
            ja="モデルの出力が数になっていません。dtype='float32' で読み込み、モデルのファイルを確かめてください。",
        )


def _stages(
    logits: Tensor, params: SamplingParams, history: History, banned: Collection[int]
) -> Iterator[tuple[Stage, Tensor | None, Tensor]]:
    """Each stage that is switched on: its name, the ids that are left (n,), and their logits (n,) float32; ids None: all (V,).

    From top-k on the candidates are few and sorted, most probable first. Removed tokens may also stand in a full vector as -inf.
    """
    x = logits.detach().to("cpu", torch.float32)  # (V,)
    require_numbers(x)
    yield "model", None, x
    if params.repetition_penalty != 1.0 and len(history):
        seen = torch.from_numpy(np.asarray(history, dtype=np.int64))  # one that stands twice is written twice, with one value
        x, there = x.clone(), x[seen]
        x[seen] = torch.where(there < 0, there * params.repetition_penalty, there / params.repetition_penalty)
        yield "repetition_penalty", None, x
    if params.no_repeat_ngram_size:
        x = _without(x, _completing(history, params.no_repeat_ngram_size), f"no_repeat_ngram_size={params.no_repeat_ngram_size}")
        yield "no_repeat_ngram", None, x
    if len(banned):
        x = _without(x, list(banned), f"min_new_tokens={params.min_new_tokens}")
        yield "min_new_tokens", None, x
    if params.greedy:
        best = x.argmax()
        yield "greedy", best[None], x[best][None]
        return
    if params.temperature != 1.0:
        x = _tempered(x, params.temperature)
        yield "temperature", None, x
    ids: Tensor | None = None
    if 0 < params.top_k < len(x):
        ids, x = _head(x, params.top_k)  # ties with the last one stay, as in transformers
        yield "top_k", ids, x
    if params.top_p < 1:
        ids, x = _nucleus(ids, x, params.top_p)
        yield "top_p", ids, x
    if params.min_p > 0:
        likely = (x - x.max()).exp() >= params.min_p
        ids, x = _sorted(likely.nonzero()[:, 0], x[likely]) if ids is None else _kept(ids, x, likely)
        yield "min_p", ids, x
    if ids is None and params.typical_p < 1:
        ids, x = _sorted(torch.arange(len(x)), x)
    if params.typical_p < 1:
        logp = x.log_softmax(0)
        distance = (-logp - torch.special.entr(logp.exp()).sum()).abs()
        near, order = distance.sort(stable=True)
        reached = (x[order].softmax(0).cumsum(0) < params.typical_p).sum().clamp(max=len(x) - 1)
        ids, x = _kept(ids, x, distance <= near[reached], always=int(order[0]))
        yield "typical_p", ids, x


def _ordered(ids: Tensor | None, values: Tensor) -> tuple[Tensor, Tensor]:
    """The last stage's ids and their probabilities in float64, most probable first."""
    if ids is None:
        ids, values = _sorted(torch.arange(len(values)), values)
    alive = values > -math.inf
    return ids[alive], values[alive].double().softmax(0)


def _sorted(ids: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    values, order = values.sort(descending=True, stable=True)
    return ids[order], values


def _head(x: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The `size` most probable of x (V,) and what ties with the last of them: ids and values, sorted. No sort of the rest."""
    if size >= len(x):
        return _sorted(torch.arange(len(x)), x)
    values = x.numpy()
    least = np.partition(values, len(values) - size)[len(values) - size]
    ids = torch.from_numpy(np.flatnonzero(values >= max(least, -_MOST)))  # not what is at -inf already
    return _sorted(ids, x[ids])


def _nucleus(ids: Tensor | None, x: Tensor, top_p: float) -> tuple[Tensor, Tensor]:
    """The smallest set of most probable tokens whose mass reaches top_p: those with less than top_p before them.

    `ids` (n,), sorted, with their values; None: x is all (V,), of which only the head is sorted.
    """
    weights = np.exp((x - x.max()).numpy())  # (n or V,) float32
    reach = top_p * float(weights.sum(dtype=np.float64))
    size = HEAD
    while True:
        some, values = (ids, x) if ids is not None else _head(x, size)
        ends = (weights if ids is not None else weights[some.numpy()]).cumsum(dtype=np.float64)
        count = 1 + int(np.searchsorted(ends[:-1], reach))
        if ids is not None or count < len(some) or len(some) < size or size >= len(x):
            return some[:count], values[:count]
        size *= 8


def _kept(ids: Tensor | None, values: Tensor, keep: Tensor, always: int = 0) -> tuple[Tensor, Tensor]:
    assert ids is not None
    keep[always] = True
    return ids[keep], values[keep]


def _tempered(x: Tensor, temperature: float) -> Tensor:
    scaled = x / temperature
    if not torch.isfinite(scaled.max()):  # a tiny temperature overflows float32: only distances from the best one matter
        scaled = ((x - x.max()).double() / temperature).float()
    return scaled


def _without(x: Tensor, banned: Sequence[int], asked: str) -> Tensor:
    x = x.clone()
    x[torch.as_tensor(banned, dtype=torch.int64)] = -math.inf
    if not torch.isfinite(x.max()):
        raise ParameterError(
            f"{asked} leaves none of the {len(x)} tokens; make it smaller", ja=f"{asked} では選べるトークンが残りません。"
        )
    return x


def _completing(history: History, n: int) -> list[int]:
    """The ids that would make the last n - 1 ids a run of n that was there before: [1, 2, 3, 1, 2], 3 → [3]."""
    ids = np.asarray(history, dtype=np.int64)
    starts = len(ids) - n + 1  # number of complete runs of n
    if starts < 1:
        return []
    same = np.ones(starts, dtype=bool)
    for offset in range(n - 1):
        same &= ids[offset : offset + starts] == ids[starts + offset]
    return ids[n - 1 :][same].tolist()


def _boolean(value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError
    return bool(value)


def _integer(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    return operator.index(value)


def _number(value: Any) -> float:
    if isinstance(value, (bool, str)) or not math.isfinite(float(value)):
        raise TypeError
    return float(value)


def _strings(value: Any) -> tuple[str, ...]:
    strings = (value,) if isinstance(value, str) else tuple(value)
    if not all(isinstance(s, str) for s in strings):
        raise TypeError
    return strings


def _ids(value: Any) -> tuple[int, ...]:
    return tuple(_integer(i) for i in value) if isinstance(value, (tuple, list)) else (_integer(value),)
