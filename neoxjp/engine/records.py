"""The record of one token (`Step`), for generated and for given text: log probability, rank, entropy, alternatives; and `score`.

Uses models through the protocol `LanguageModel`, tokenizers through `decode` and `stream_decoder`. The numbers are of the model's
own softmax in float32, before any filter, in nats.
"""

import functools
import math
import operator
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from neoxjp.errors import ParameterError
from neoxjp.sampling import SamplingParams, check_finite, top_candidates

Finish = Literal["eos", "length", "stop", "deadline", "cancelled", "error"]
SCORE_CHUNK = 256  # ids in one forward of a given text: bounds the memory of the logits, and lets other threads run between
CHUNK, LARGE_CHUNK = 16, 64  # prompt ids in one forward, of large and of small models
LARGE = 500_000_000  # parameters: 16 ids of the 2.7B take 0.35 s in int8 on two cores without VNNI, 64 of this size 0.3 s


class LanguageModel(Protocol):
    """What the engine needs of a model; `GPTNeoXJapaneseForCausalLM` implements it."""

    config: Any  # .vocab_size .max_position_embeddings .bos_token_id .eos_token_id

    @property
    def device(self) -> Any: ...

    cache_block: int  # tokens per cache block

    @property
    def cache_bytes_per_token(self) -> int: ...

    @property
    def num_parameters(self) -> int: ...

    @property
    def rows_are_independent(self) -> bool: ...  # a row has the same bits alone and in a batch

    @property
    def positions_are_identical(self) -> bool: ...  # a position has the same bits in a prompt and in a decoding step

    def new_cache(self) -> Any: ...  # of one sequence: .length .nbytes .crop(length) .advance(count) .fork()

    def forward_unpadded(
        self,
        input_ids: Tensor,
        counts: Sequence[int],
        caches: Sequence[Any],
        logits_at: Tensor | None = None,
        chunk: int | None = None,
    ) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class Choice:
    """An alternative token."""

    id: int
    text: str  # "" without a tokenizer; the piece, such as "<|byte240|>", where the token alone is not text
    logprob: float  # nats, of the model's own softmax
    probability: float  # after all filters: the probability with which it is sampled; 0.0 where it was removed
    passed_filters: bool  # False: a filter removed it


@dataclass(frozen=True, slots=True)
class Step:
    """One token. Log probability and entropy in nats, of the model's own softmax (temperature 1, no filter), in float32."""

    id: int
    text: str  # new text; "" while the rest of a character or of a possible stop string is missing
    logprob: float | None  # None: the first id of `score` without bos
    rank: int | None  # 1 = the most probable
    entropy: float | None
    top: tuple[Choice, ...]  # the most probable tokens, best first; its own is always among them (if need be at the end)
    seconds: float  # since the step before; the first: since the request started
    finish: Finish | None  # set on the last step, where this token ended the text

    @classmethod
    def unscored(cls, id: int, text: str = "") -> "Step":
        """A token that no model has scored."""
        return cls(id, text, None, None, None, (), 0.0, None)

    def unfiltered(self) -> "Step":
        """The same without the probabilities after the filters, where it is not known which filters there were."""
        return replace(self, top=tuple(replace(choice, probability=math.nan) for choice in self.top))


@torch.inference_mode()
def score(model: LanguageModel, ids: Sequence[int], tokenizer: Any = None, top: int = 0, bos: bool = False) -> list[Step]:
    """Score a given text: one Step for each id, without filters or sampling. Choice.probability is the model's own.

    A text longer than the context is processed in windows that overlap by half, so that each id after the first window has at
    least half a context before it.

    Args:
        top: how many of the most probable tokens each Step lists.
        bos: put the model's bos id first (it gets no Step), so that the first id has a log probability; else that is None.

    Raises:
        ParameterError: an id outside the vocabulary.
    """
    config = model.config
    given = check_ids(ids, config.vocab_size)
    text = (bos_ids(config) if bos else ()) + given
    token_text = token_text_function(tokenizer)
    stream = tokenizer.stream_decoder() if tokenizer is not None else None
    steps: list[Step] = []
    if given and not bos:
        steps.append(Step(given[0], stream.push(given[0]) if stream else "", None, None, None, (), 0.0, None))
    known = 1  # ids of `text` that have a Step or are bos
    context = config.max_position_embeddings
    chunk = chunk_for(model.num_parameters)  # the ids attend as in the engine, which scores prompts: the same bits
    start = 0
    while known < len(text):
        window = text[start : start + context]
        cache = model.new_cache()
        for offset in range(0, len(window), SCORE_CHUNK):
            piece = window[offset : offset + SCORE_CHUNK]
            began = time.monotonic()
            logits = forward_one(model, piece, cache, chunk=chunk)  # (T, V)
            seconds = (time.monotonic() - began) / len(piece)
            for row in range(len(piece)):
                place = start + offset + row + 1  # of the id that this row predicts, in `text`
                if not known <= place < len(text):
                    continue
                id = text[place]
                steps.append(scored_step(logits[row], id, stream.push(id) if stream else "", top, token_text, seconds))
                known += 1
        start = known - max(context // 2, 1)
    if stream and steps and (rest := stream.flush()):
        last = steps[-1]
        steps[-1] = replace(last, text=last.text + rest)
    return steps


class StoppingText:
    """Streaming text of one request: ids in, text out that no longer changes.

    Incomplete characters are held back, and so is what may begin a stop string: with stop "。」" a "。" waits for the next token.
    drawn: earlier ids whose text was emitted already; a stop string may begin in it.
    """

    def __init__(self, tokenizer: Any, stop: tuple[str, ...], drawn: Sequence[int] = ()):
        self._decoder = None if tokenizer is None else tokenizer.stream_decoder(skip_special_tokens=True)
        self._stop = stop
        self._longest = max((len(string) - 1 for string in stop), default=0)  # characters of an incomplete stop string
        self._held = ""
        self._emitted = ""  # the end of the emitted text, as long as an incomplete stop string may be
        if drawn and self._longest:
            self._emit(tokenizer.decode(list(drawn), skip_special_tokens=True))

    def push(self, id: int) -> tuple[str, bool]:
        """The text that is final now, and whether a stop string is complete (it is dropped with all that follows)."""
        return self._grow(self._decoder.push(id)) if self._decoder else ("", False)

    def flush(self) -> str:
        """The text that was held back, at the end."""
        text = self._grow(self._decoder.flush())[0] if self._decoder else ""
        held, self._held = self._held, ""
        return text + held

    def _grow(self, more: str) -> tuple[str, bool]:
        text, given = self._held + more, len(self._emitted)
        whole = self._emitted + text
        found = [at for stop in self._stop if (at := whole.find(stop, max(0, given + 1 - len(stop)))) >= 0]
        if found:
            self._held = ""
            return whole[given : max(given, min(found))], True
        hold = next((n for n in range(min(len(whole), self._longest), 0, -1) if self._may_stop(whole[-n:])), 0)
        final = max(0, len(text) - hold)
        self._held = text[final:]
        return self._emit(text[:final]), False

    def _emit(self, text: str) -> str:
        given = self._emitted + text
        self._emitted = given[max(0, len(given) - self._longest) :]
        return text

    def _may_stop(self, tail: str) -> bool:
        return any(stop.startswith(tail) for stop in self._stop)


def scored_step(logits: Tensor, id: int, text: str, top: int, token_text: Callable[[int], str], seconds: float = 0.0) -> Step:
    """The Step of an id of a given text, from the logits (V,) float32 before it."""
    logprobs, rank, entropy = token_statistics(logits, id)
    others = top_choices(logprobs, id, top, token_text) if top else ()
    return Step(id, text, float(logprobs[id]), rank, entropy, others, seconds, None)


def chunk_for(parameters: int) -> int:
    """How many prompt ids one forward reads for a model of this size, so that other requests are not delayed for long."""
    return CHUNK if parameters > LARGE else LARGE_CHUNK


def forward_one(model: LanguageModel, ids: Sequence[int], cache: Any, keep: int = 0, chunk: int | None = None) -> Tensor:
    """Run the model over ids of one sequence: logits (T, V), or of the last `keep` positions, float32 on the CPU.

    The cache grows by T. chunk: as for `forward_unpadded`.
    """
    rows = torch.tensor(ids, dtype=torch.int64, device=model.device)  # (T,)
    places = torch.arange(len(ids) - keep if keep else 0, len(ids))
    logits = model.forward_unpadded(rows, [len(ids)], [cache], places, chunk).to("cpu", torch.float32)
    check_finite(logits)
    return logits


def token_statistics(logits: Tensor, id: int) -> tuple[np.ndarray, int, float]:
    """Log probabilities (V,) float32 in nats, the rank of `id` counted from 1, and the entropy (nats), of logits (V,) float32."""
    values = logits.numpy()
    below = values - values.max()  # (V,), 0 and less
    weights = np.exp(below)
    total = float(weights.sum(dtype=np.float64))
    size = math.log(total)
    if values.min() == -math.inf:  # some ids are impossible
        mean = float((weights * np.where(weights > 0, below, 0)).sum(dtype=np.float64)) / total
    else:
        mean = float((weights * below).sum(dtype=np.float64)) / total
    return below - np.float32(size), 1 + int(np.count_nonzero(values > values[id])), size - mean


Probabilities = Callable[[list[int]], list[float | None]]


def top_choices(
    logprobs: np.ndarray, id: int, top: int, token_text: Callable[[int], str], probabilities: Probabilities | None = None
) -> tuple[Choice, ...]:
    """The `top` most probable ids, and `id`. probabilities: those after the filters, None where an id was removed."""
    best = top_candidates(logprobs, top)[0][:top].tolist() if top else []
    ids = best if id in best else [*best, id]
    own = logprobs[ids].tolist()
    after = probabilities(ids) if probabilities else [math.exp(logprob) for logprob in own]
    return tuple(
        Choice(i, token_text(i), logprob, chance or 0.0, chance is not None)
        for i, logprob, chance in zip(ids, own, after, strict=True)
    )


def token_text_function(tokenizer: Any) -> Callable[[int], str]:
    """A function from an id to its text, or to its piece where it is not text alone; "" for all without a tokenizer."""

    @functools.cache
    def token_text(id: int) -> str:
        text = tokenizer.decode([id])
        return text if text and "\ufffd" not in text else tokenizer.convert_ids_to_tokens(id)

    return token_text if tokenizer is not None else lambda id: ""


def check_ids(ids: Sequence[int], vocab_size: int, what: str = "prompt_ids") -> tuple[int, ...]:
    """One sequence of ids (list, array or tensor) as a tuple.

    Raises:
        ParameterError: it is not one sequence of whole numbers, or an id is outside the vocabulary.
    """
    given = ids.tolist() if hasattr(ids, "tolist") else ids
    try:
        values = tuple(operator.index(id) for id in given)
    except TypeError:
        raise ParameterError(
            f"{what} must be one sequence of whole numbers, one row and not a batch or a text; found {given!r:.60}"
        ) from None
    for place, id in enumerate(values):
        if not 0 <= id < vocab_size:
            raise ParameterError(
                f"{what} holds id {id} at place {place}, outside 0 to {vocab_size - 1}: not in this model's vocabulary",
                ja=f"ID {id}（{place + 1} 番目）は 0 から {vocab_size - 1} までの範囲にありません。",
            )
    return values


def bos_ids(config: Any) -> tuple[int]:
    """The id that an empty prompt becomes. Raises ParameterError: the model has none."""
    if config.bos_token_id is None:
        raise ParameterError("the prompt is empty, and the model's config has no bos_token_id: give at least one id")
    return (int(config.bos_token_id),)


def eos_ids(params: SamplingParams, config: Any) -> tuple[int, ...]:
    """The ids that end a text: those of `params`, else the model's."""
    eos = config.eos_token_id if params.eos_token_id is None else params.eos_token_id
    return () if eos is None else (eos,) if isinstance(eos, int) else tuple(eos)
