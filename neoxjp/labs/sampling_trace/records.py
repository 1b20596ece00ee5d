"""The ledger of one generated token: what each filter did to its candidates, what was drawn; the same step with other settings.

Logits come from `logits.py`: kept while the text was written, or read again. Everything else follows from them, the ids
before, the settings and one uniform number, so another temperature needs no forward. Entropies here in bits, for people.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from neoxjp.engine import LanguageModel, LogitsCache, bos_ids, check_ids, eos_ids, next_logits, token_text_function
from neoxjp.errors import ParameterError
from neoxjp.sampling import SamplingParams, Stage, apply_filters, trace_sampling

LN2 = math.log(2)
SHOWN = 20  # candidates by the model's own probability, and as many by the final one
MOST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Sieve:
    """One stage on the way from the model's distribution to the draw: a filter that is switched on, or the model itself."""

    name: Stage
    kept: int  # tokens that are left after it
    cut: float  # share of the model's own probability mass that lies on the tokens it removed


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token that could have stood here."""

    id: int
    text: str  # "" without a tokenizer
    logit: float | None  # the model's own; None: minus infinity
    probabilities: tuple[float, ...]  # after each stage; 0.0 once removed
    removed_by: Stage | None  # None: it could be drawn
    interval: tuple[float, float] | None  # its part of the final cumulative sum; it is drawn by a uniform number in there


@dataclass(frozen=True, slots=True)
class Others:
    """All tokens without a row of their own, together."""

    count: int
    kept: int  # of them, how many could be drawn
    probabilities: tuple[float, ...]  # their sum after each stage


@dataclass(frozen=True, slots=True)
class StepLedger:
    """What sampling did at one place. After each stage the candidates and the others sum to one."""

    place: int  # of the token behind the ids before it; 0: the first
    stages: tuple[Sieve, ...]
    candidates: tuple[Candidate, ...]  # by the model's own probability, the drawn ones always among them
    others: Others
    written: int | None  # the id that stands in the text; None: nothing does yet
    uniform: float | None  # the random number of this step, in [0, 1); None: greedy, or not known
    drawn: int | None  # the id that these settings draw with that number; None: it is not known
    entropy_before: float  # bits, of the model's own distribution
    entropy_after: float  # bits, of what is drawn from
    mass_cut: float  # share of the model's own probability mass that lies on removed tokens
    kept_logits: bool  # the very logits of the generation; False: read again, and equal to them but for the last digits


def step_ledger(
    logits: Tensor,
    params: SamplingParams,
    history: Sequence[int],
    *,
    banned: Collection[int] = (),
    written: int | None = None,
    uniform: float | None = None,
    show: int = SHOWN,
    tokenizer: Any = None,
    kept_logits: bool = True,
) -> StepLedger:
    """The ledger from one vector of logits.

    logits: (V,). history: the ids before, prompt included. banned: ids that cannot be drawn yet (the end token before
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
    book = trace_sampling(logits, params, history, show, banned=banned, include=marked, also=show)
    name = token_text_function(tokenizer)
    rows = sorted(book.rows, key=lambda row: (-row.probabilities[0], row.id))
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
        kept=book.kept[-1] - sum(row.removed_by is None for row in rows),
        probabilities=book.others,
    )
    return StepLedger(
        place=len(history),
        stages=tuple(Sieve(*stage) for stage in zip(book.stages, book.kept, book.cut, strict=True)),
        candidates=candidates,
        others=left_over,
        written=written,
        uniform=None if params.greedy else uniform,
        drawn=drawn,
        entropy_before=book.entropy_before / LN2,
        entropy_after=book.entropy_after / LN2,
        mass_cut=book.mass_cut,
        kept_logits=kept_logits,
    )


def ledger_at(
    model: LanguageModel,
    tokenizer: Any,
    prompt_ids: Sequence[int],
    ids: Sequence[int],
    place: int,
    params: SamplingParams,
    *,
    seed: int | None,
    kept: LogitsCache | None = None,
    show: int = SHOWN,
) -> StepLedger:
    """The ledger of one id of a generation, with its own settings or others.

    prompt_ids: what the generation began from, as the model saw it (after a cut). ids: what it wrote. place: which of them, from
    0; len(ids): the one that would come next. seed: of the generation; None: it is not known, and so is what would be drawn.

    Raises PromptTooLong where the ids before fill the context, ParameterError for ids or a place that cannot be.
    """
    config = model.config
    prompt = check_ids(prompt_ids, config.vocab_size) or bos_ids(config)
    new = check_ids(ids, config.vocab_size, "ids")
    if not 0 <= place <= len(new):
        raise ParameterError(
            f"place={place!r} must be from 0 to {len(new)}, the number of ids", ja=f"位置は 0 から {len(new)} までです。"
        )
    history = (*prompt, *new[:place])
    logits, exact = next_logits(model, history, kept)
    return step_ledger(
        logits,
        params,
        history,
        banned=eos_ids(params, config) if place < params.min_new_tokens else (),
        written=new[place] if place < len(new) else None,
        uniform=None if seed is None else uniform_number(seed, place),
        show=show,
        tokenizer=tokenizer,
        kept_logits=exact,
    )


def uniform_number(seed: int, place: int) -> float:
    """The random number that a generation with this seed uses for its token number `place`, from 0. Greedy uses none."""
    generator = torch.Generator().manual_seed(seed)
    return float(torch.rand(place + 1, dtype=torch.float64, generator=generator)[-1])
