"""How sampling chose one token: what each filter did to the candidates, and which one was drawn, with any settings.

Everything follows from the logits, the ids before, the settings and one uniform random number, so that other settings need no
forward pass. The logits are those stored during generation, or recomputed (`engine/logits_cache.py`). Entropies are in bits.
"""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from neoxjp.engine import LN2, LanguageModel, LogitsCache, bos_ids, check_ids, eos_ids, next_logits, token_text_function
from neoxjp.errors import ParameterError
from neoxjp.sampling import SamplingParams, Stage, apply_filters, trace_sampling

SHOWN = 20  # candidates by the model's own probability, and as many by the final one
MOST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class FilterStep:
    """A filter that is switched on, or the model's own distribution, which comes first."""

    name: Stage
    tokens_left: int  # tokens left after it
    removed_probability: float  # the model's own probability mass on the tokens that it removed


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token that the model could have chosen."""

    id: int
    text: str  # "" without a tokenizer
    logit: float | None  # the model's own; None: minus infinity
    probabilities: tuple[float, ...]  # after each stage; 0.0 once removed
    removed_by: Stage | None  # None: it can be drawn
    interval: tuple[float, float] | None  # of the final cumulative sum; a uniform number in it draws this token


@dataclass(frozen=True, slots=True)
class Others:
    """All tokens without a row of their own, together."""

    count: int
    tokens_left: int  # of them, how many could be drawn
    probabilities: tuple[float, ...]  # their sum after each stage


@dataclass(frozen=True, slots=True)
class StepTrace:
    """What sampling did at one position. After each filter, the probabilities of the candidates and the others sum to one."""

    position: int  # of the token, counted from the beginning of the prompt
    stages: tuple[FilterStep, ...]
    candidates: tuple[Candidate, ...]  # by the model's own probability; include the drawn and the written one
    others: Others
    written: int | None  # the id in the text; None: the next token, not written yet
    uniform: float | None  # random number of this step, in [0, 1); None: greedy or unknown
    drawn: int | None  # the id that these settings draw with that number; None: unknown
    entropy_before: float  # bits, of the model's own distribution
    entropy_after: float  # bits, of what is drawn from
    total_removed_probability: float  # the model's own probability mass on removed tokens
    stored_logits: bool  # stored during generation; False: recomputed, the last digits may differ


def trace_of_logits(
    logits: Tensor,
    params: SamplingParams,
    history: Sequence[int],
    *,
    banned: Collection[int] = (),
    written: int | None = None,
    uniform: float | None = None,
    show: int = SHOWN,
    tokenizer: Any = None,
    stored_logits: bool = True,
) -> StepTrace:
    """Trace one step from its logits.

    logits: (V,). history: the ids before, including the prompt. banned: ids that cannot be drawn yet (the end token before
    min_new_tokens). uniform: the step's random number, see `uniform_number`.

    Raises ParameterError when the filters leave no token, or for `show` out of its range.
    """
    if not 1 <= show <= MOST_SHOWN:
        raise ParameterError(
            f"show={show!r} must be from 1 to {MOST_SHOWN} candidates", ja=f"候補の数は 1 から {MOST_SHOWN} にしてください。"
        )
    drawn = None
    if params.greedy or uniform is not None:
        left = apply_filters(logits, params, history, banned)
        drawn = left.draw(None) if params.greedy else left.at(uniform or 0.0)
    marked = [id for id in (written, drawn) if id is not None]
    found = trace_sampling(logits, params, history, show, banned=banned, include=marked, also=show)
    name = token_text_function(tokenizer)
    rows = sorted(found.rows, key=lambda row: (-row.probabilities[0], row.id))
    candidates = tuple(
        Candidate(
            row.id,
            name(row.id),
            row.logit if math.isfinite(row.logit) else None,
            row.probabilities,
            row.removed_by,
            row.interval,
        )
        for row in rows
    )
    left_over = Others(
        count=len(logits) - len(rows),
        tokens_left=found.tokens_left[-1] - sum(row.removed_by is None for row in rows),
        probabilities=found.others,
    )
    return StepTrace(
        position=len(history),
        stages=tuple(
            FilterStep(*stage) for stage in zip(found.stages, found.tokens_left, found.removed_probability, strict=True)
        ),
        candidates=candidates,
        others=left_over,
        written=written,
        uniform=None if params.greedy else uniform,
        drawn=drawn,
        entropy_before=found.entropy_before / LN2,
        entropy_after=found.entropy_after / LN2,
        total_removed_probability=found.total_removed_probability,
        stored_logits=stored_logits,
    )


def trace_at(
    model: LanguageModel,
    tokenizer: Any,
    prompt_ids: Sequence[int],
    ids: Sequence[int],
    position: int,
    params: SamplingParams,
    *,
    seed: int | None,
    store: LogitsCache | None = None,
    show: int = SHOWN,
) -> StepTrace:
    """Trace one id of a generation, with the settings of the generation or others.

    store: logits stored during generation; others are computed. Otherwise as `trace_position`.

    Raises PromptTooLong where the ids before fill the context.
    """

    def read(history: tuple[int, ...]) -> tuple[Tensor, bool]:
        return next_logits(model, history, store)

    return trace_position(model.config, tokenizer, prompt_ids, ids, position, params, read=read, seed=seed, show=show)


def trace_position(
    config: Any,
    tokenizer: Any,
    prompt_ids: Sequence[int],
    ids: Sequence[int],
    position: int,
    params: SamplingParams,
    *,
    read: Callable[[tuple[int, ...]], tuple[Tensor, bool]],
    seed: int | None,
    show: int = SHOWN,
) -> StepTrace:
    """Trace one id of a generation, with the settings of the generation or others, from logits.

    prompt_ids: the prompt as the model saw it, after truncation. ids: the generated ids. position: an index into them; len(ids)
    for the next token. read: from the ids before to the logits (V,), and whether the generation sampled from them. seed: of the
    generation; None: unknown, and so is the drawn id.

    Raises ParameterError for invalid ids or an invalid position.
    """
    prompt = check_ids(prompt_ids, config.vocab_size) or bos_ids(config)
    new = check_ids(ids, config.vocab_size, "ids")
    if not 0 <= position <= len(new):
        raise ParameterError(
            f"position={position!r} must be from 0 to {len(new)}, the number of ids", ja=f"位置は 0 から {len(new)} までです。"
        )
    history = (*prompt, *new[:position])
    logits, exact = read(history)
    return trace_of_logits(
        logits,
        params,
        history,
        banned=eos_ids(params, config) if position < params.min_new_tokens else (),
        written=new[position] if position < len(new) else None,
        uniform=None if seed is None else uniform_number(seed, position),
        show=show,
        tokenizer=tokenizer,
        stored_logits=exact,
    )


def uniform_number(seed: int, position: int) -> float:
    """The random number of a generation with this seed for its token `position`, counted from 0. Greedy decoding uses none."""
    generator = torch.Generator().manual_seed(seed)
    return float(torch.rand(position + 1, dtype=torch.float64, generator=generator)[-1])
