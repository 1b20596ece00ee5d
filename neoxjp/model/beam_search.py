"""Beam search for one prompt.

The results are those of `generate` in transformers 5 (with `early_stopping` and `length_penalty`). Prompts are searched one at a
time, so a result does not depend on the rest of a batch. With sampling, continuations are sampled instead of taken from the top.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from neoxjp.model.kv_cache import KVCache
from neoxjp.sampling import SamplingParams, check_finite, filtered_scores

PREFILL = 256  # prompt ids in one forward


@dataclass(frozen=True)
class BeamParams:
    """The width of the search, and how texts of different lengths are compared."""

    num_beams: int  # number of beams
    max_new_tokens: int
    eos_ids: tuple[int, ...] = ()  # the ids that end a text
    length_penalty: float = 1.0  # a text's score is its log probability (nats) / length ** this; above 0 favours long texts
    early_stopping: bool | Literal["never"] = (
        False  # True: stop at n finished texts; False: when no running one is likely to beat them
    )


@dataclass(frozen=True)
class BeamText:
    """A finished text: its new ids, the end token included, and its score (nats, after the length penalty)."""

    ids: tuple[int, ...]
    score: float


@dataclass(frozen=True)
class BeamStep:
    """The candidates of one step and which were chosen. Scores are sums of log probabilities (nats)."""

    count: int  # new ids of each text after this step
    parents: tuple[int, ...]  # the beam that each candidate continues: an index into `survivors` of the step before
    ids: tuple[int, ...]  # the new id of each candidate
    scores: tuple[float, ...]  # before the length penalty
    ends: tuple[bool, ...]  # whether the text is complete: an end token, or max_new_tokens
    survivors: tuple[int, ...]  # the candidates that continue, best first (in the last step: that would)
    finished: tuple[BeamText, ...]  # the best complete texts so far, best first
    over: bool  # whether the search ends here


@torch.no_grad()
def generate_beams(
    model: Any,
    prompt: Sequence[int],
    beams: BeamParams,
    params: SamplingParams,
    generator: torch.Generator | None = None,
    watch: Callable[[BeamStep], None] | None = None,
) -> list[BeamText]:
    """The `num_beams` best texts after `prompt`, best first.

    Args:
        model: has `new_cache()`, `device` and the network's forward.
        prompt: at least one id.
        params: penalties and min_new_tokens, and with do_sample the filters, applied to log probabilities as in transformers.
        generator: a CPU generator for do_sample.
        watch: called with each step. At first there is one text; the other n - 1 beams have scores of -1e9.
    """
    width = beams.num_beams
    cache, logits = _prefill(model, prompt)
    caches, logits = [cache] * width, logits.expand(width, -1)  # (n, V); the beams separate in _follow
    running: list[tuple[int, ...]] = [()] * width  # new ids of each beam
    scores = torch.full(
        (width,), -1e9
    )  # nats, float32 as in transformers; at first only one beam counts, or all would be the same
    scores[0] = 0.0
    finished: list[tuple[Tensor, tuple[int, ...]]] = []  # score (), ids; best first, at most n

    for count in range(1, beams.max_new_tokens + 1):  # new ids after this step
        total = _log_probabilities(logits, prompt, running, params, beams.eos_ids) + scores[:, None]  # (n, V)
        best, parents, ids = _continuations(total, beams, params, generator)
        texts = [(*running[parent], id) for parent, id in zip(parents, ids, strict=True)]
        ends = [id in beams.eos_ids or count == beams.max_new_tokens for id in ids]
        finished += [(best[i] / float(count) ** beams.length_penalty, texts[i]) for i in range(width) if ends[i]]
        finished = sorted(finished, key=lambda text: -float(text[0]))[:width]
        open_best = torch.where(torch.tensor(ends), best - 1e9, best)
        scores, survivors = open_best.topk(width)
        chosen = survivors.tolist()
        over = count == beams.max_new_tokens or (len(finished) == width and _settled(scores[0], finished[-1][0], count, beams))
        if watch is not None:
            complete = tuple(BeamText(text, float(score)) for score, text in finished)
            watch(BeamStep(count, tuple(parents), tuple(ids), tuple(best.tolist()), tuple(ends), tuple(chosen), complete, over))
        if over:
            break
        running = [texts[i] for i in chosen]
        caches = _follow(caches, [parents[i] for i in chosen])
        logits = _forward(model, [text[-1:] for text in running], caches)
    return [BeamText(ids, float(score)) for score, ids in finished]


def _settled(best_running: Tensor, worst_finished: Tensor, count: int, beams: BeamParams) -> bool:
    """Whether to stop at n finished texts: no running one is expected to beat the worst of them."""
    if beams.early_stopping is True:
        return True
    hopeful = beams.early_stopping == "never" and beams.length_penalty > 0
    length = beams.max_new_tokens if hopeful else count
    return not bool(best_running / float(length) ** beams.length_penalty > worst_finished)


def _log_probabilities(
    logits: Tensor, prompt: Sequence[int], running: list[tuple[int, ...]], params: SamplingParams, eos_ids: tuple[int, ...]
) -> Tensor:
    """Log probabilities (n, V), float32, on the CPU, after penalties and filters, not normalised again."""
    logits = logits.to("cpu", torch.float32)
    check_finite(logits)
    logprobs = logits.log_softmax(-1)
    banned = eos_ids if len(running[0]) < params.min_new_tokens else ()
    rows = zip(logprobs, running, strict=True)
    keep = max(2, len(eos_ids) + 1)  # so that a text can go on where the others that are left would end it
    return torch.stack([filtered_scores(row, params, (*prompt, *text), banned, keep=keep) for row, text in rows])


def _continuations(
    total: Tensor, beams: BeamParams, params: SamplingParams, generator: torch.Generator | None
) -> tuple[Tensor, list[int], list[int]]:
    """Enough candidates that at least n do not end: scores (K,), parents and ids. In order of score, or as sampled.

    total: (n, V), the scores of all.
    """
    count = max(2, 1 + len(beams.eos_ids)) * beams.num_beams
    flat = total.flatten()
    if params.greedy:
        best, places = flat.topk(min(count, len(flat)))
    else:  # the order of p / Exp(1) is a sample without replacement (arXiv 1903.06059)
        noise = torch.empty(len(flat), dtype=torch.float64).exponential_(generator=generator)
        places = (flat.double() - noise.log()).topk(min(count, len(flat))).indices
        best = flat[places]
    return best, (places // total.shape[1]).tolist(), (places % total.shape[1]).tolist()


def _follow(caches: list[KVCache], parents: list[int]) -> list[KVCache]:
    """Each beam takes the cache of its parent; a parent with several children is copied for all but the first."""
    taken: set[int] = set()
    followed = []
    for cache in (caches[parent] for parent in parents):
        followed.append(cache.fork() if id(cache) in taken else cache)
        taken.add(id(cache))
    return followed


def _prefill(model: Any, prompt: Sequence[int]) -> tuple[KVCache, Tensor]:
    """Prefill the prompt: its cache, and the logits (1, V) of the next id."""
    cache = model.new_cache()
    for start in range(0, len(prompt), PREFILL):
        logits = _forward(model, [prompt[start : start + PREFILL]], [cache])
    return cache, logits


def _forward(model: Any, ids: Sequence[Sequence[int]], caches: list[KVCache]) -> Tensor:
    """Logits (B, V) after the new ids (B, T) of each cache."""
    input_ids = torch.tensor([list(row) for row in ids], device=model.device)
    return model(input_ids, past_key_values=caches, logits_to_keep=1).logits[:, -1]
