"""`model.generate`, as in transformers: a batch of prompts in, the batch with its continuations out.

Each row is generated independently, by the engine (greedy, sampling) or by beam_search.py, so its text depends only on its
prompt, the options and the seed. This file turns arguments into rows, and rows into one padded tensor.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from neoxjp.engine import PREFIX_BYTES, Engine, check_ids
from neoxjp.errors import ParameterError, prompt_too_long
from neoxjp.model.beam_search import BeamParams, generate_beams
from neoxjp.sampling import SamplingParams

AT_ONCE = 8  # rows in one forward
LARGEST_PENALTY = 50  # length ** 50 is still a float for a context of a million
DEFAULT_NEW_TOKENS = 20  # as in transformers, whose default max_length of 20 does not count the prompt


class Streamer(Protocol):
    """What transformers' streamers are: `put` gets the prompts (B, T) first, then the new ids (B,) of each step; then `end`."""

    def put(self, value: Tensor) -> None: ...

    def end(self) -> None: ...


def generate(
    model: Any,
    input_ids: Tensor | None = None,
    *,
    attention_mask: Tensor | None = None,
    max_length: int | None = None,
    max_new_tokens: int | None = None,
    min_new_tokens: int | None = 0,
    do_sample: bool = False,
    temperature: float | None = 1.0,
    top_k: int | None = 50,
    top_p: float | None = 1.0,
    min_p: float | None = 0.0,
    typical_p: float | None = 1.0,
    repetition_penalty: float | None = 1.0,
    no_repeat_ngram_size: int | None = 0,
    num_return_sequences: int = 1,
    num_beams: int = 1,
    length_penalty: float = 1.0,
    early_stopping: bool | Literal["never"] = False,
    seed: int | None = None,
    eos_token_id: int | Sequence[int] | None = None,
    pad_token_id: int | None = None,
    streamer: Streamer | None = None,
) -> Tensor:
    """Continue each row of `input_ids`, greedily by default. (B, T) → (B · num_return_sequences, T + longest), int64.

    >>> model.generate(input_ids, do_sample=True, temperature=0.9, max_length=100)

    Args:
        input_ids: (B, T) int64; None: one row of the bos id.
        attention_mask: (B, T), 0 for padding (on the left, so that prompt and continuation are adjacent). By default, ids
            equal to pad_token_id are padding, unless it is an end token too.
        max_length: ids of a row with its prompt and padding. Without it and max_new_tokens: 20 new ids, or what fits.
        max_new_tokens: new ids of a row; has priority over max_length.
        min_new_tokens: the text does not end before.
        temperature, top_k, top_p, min_p, typical_p: filters of sampling, see SamplingParams; None is off.
        repetition_penalty, no_repeat_ngram_size: also with greedy and beams; the prompt counts.
        num_return_sequences: texts for each row, in consecutive rows; needs sampling or as many beams.
        num_beams, length_penalty, early_stopping: beam search, see BeamParams.
        seed: gives the same text for the same prompt in any batch (so equal rows give equal texts: use num_return_sequences for
            several). None: taken from torch's global generator, so torch.manual_seed works.
        eos_token_id: ids that end a text; None: the model's; () for none.
        pad_token_id: fills rows that ended early; None: the config's, else the first eos id.
        streamer: an object with put(tensor) and end(); not with beams.

    Raises:
        ParameterError: an option out of its range, options that exclude each other, an id outside the vocabulary.
        PromptTooLong: prompt and new ids do not fit the context.
    """
    config = model.config
    if input_ids is None:
        if config.bos_token_id is None:
            raise ParameterError("input_ids is missing and the model has no bos_token_id to begin with: give at least one id.")
        input_ids = torch.tensor([[config.bos_token_id]], device=model.device)
    if not isinstance(input_ids, Tensor):
        raise ParameterError(f"input_ids must be a tensor, found {type(input_ids).__name__}: torch.tensor([ids]) for one text.")
    eos = config.eos_ids if eos_token_id is None else _ids(eos_token_id, config.vocab_size)
    pad = config.pad_token_id if pad_token_id is None else pad_token_id
    if attention_mask is None and pad is not None and pad not in eos:
        attention_mask = input_ids.ne(pad)
    prompts = _prompts(input_ids, attention_mask, config)
    count = _new_tokens(max_length, max_new_tokens, input_ids.shape[1], max(map(len, prompts)), config.max_position_embeddings)
    params = SamplingParams(
        do_sample=do_sample,
        temperature=1.0 if temperature is None else temperature,
        top_k=top_k or 0,
        top_p=1.0 if top_p is None else top_p,
        min_p=min_p or 0.0,
        typical_p=1.0 if typical_p is None else typical_p,
        repetition_penalty=1.0 if repetition_penalty is None else repetition_penalty,
        no_repeat_ngram_size=no_repeat_ngram_size or 0,
        seed=seed,
        max_new_tokens=count,
        min_new_tokens=min_new_tokens or 0,
        eos_token_id=eos,
    )
    _check_together(params, num_return_sequences, num_beams, length_penalty, early_stopping, streamer)
    fill = pad if pad is not None else eos[0] if eos else 0
    repeated = input_ids.repeat_interleave(num_return_sequences, 0)
    if num_beams > 1:
        beams = BeamParams(num_beams, count, eos, length_penalty, early_stopping)
        texts = _search(model, prompts, beams, params, num_return_sequences)
    else:
        texts = _write(model, prompts, params, num_return_sequences, repeated, fill, streamer)
    longest = max(map(len, texts))
    written = torch.tensor([text + [fill] * (longest - len(text)) for text in texts], dtype=torch.int64)
    return torch.cat((repeated.long(), written.to(input_ids.device)), 1)


def _write(
    model: Any,
    prompts: list[list[int]],
    params: SamplingParams,
    samples: int,
    repeated: Tensor,
    fill: int,
    streamer: Streamer | None,
) -> list[list[int]]:
    """The new ids of each row, by the engine: in one batch where that changes no bit or a streamer is given, else one by one.

    Several texts of one prompt share its prefill. Speculative decoding is used where it changes no bit.
    """
    rows = [(prompt, _own_seed(params, sample)) for prompt in prompts for sample in range(samples)]
    exact = model.rows_are_independent
    at_once = len(rows) if streamer is not None else min(AT_ONCE, len(rows)) if exact else 1
    prefix_bytes = PREFIX_BYTES if samples > 1 else 0
    with Engine(model, max_batch=at_once, max_waiting=len(rows), prefix_bytes=prefix_bytes, speculate=exact) as engine:
        requests = [engine.submit(prompt, own) for prompt, own in rows]
        if streamer is None:
            return [[step.id for step in request] for request in requests]
        streamer.put(repeated.cpu())
        try:
            while any(steps := [next(request, None) for request in requests]):
                streamer.put(torch.tensor([fill if step is None else step.id for step in steps]))
        finally:  # a reader in another thread must not wait for ever
            streamer.end()
        return [list(request.ids) for request in requests]


def _search(model: Any, prompts: list[list[int]], beams: BeamParams, params: SamplingParams, best: int) -> list[list[int]]:
    """The new ids of the `best` texts of each row, by beam search."""
    texts: list[list[int]] = []
    for prompt in prompts:
        seed = None if params.greedy else _own_seed(params, 0).seed
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        texts += [list(text.ids) for text in generate_beams(model, prompt, beams, params, generator)[:best]]
    return texts


def _own_seed(params: SamplingParams, sample: int) -> SamplingParams:
    """The options with the seed of a row's n-th text: derived from the given seed, or a new one."""
    if params.seed is None:
        return dataclasses.replace(params, seed=0 if params.greedy else int(torch.randint(2**63 - 1, ())))
    return dataclasses.replace(params, seed=(params.seed + sample * 0x9E3779B97F4A7C15) % 2**63)  # 2**64 / golden ratio


def _prompts(input_ids: Tensor, attention_mask: Tensor | None, config: Any) -> list[list[int]]:
    """The ids of each row without its padding; a row of padding only becomes the bos id."""
    if input_ids.dim() != 2 or not input_ids.numel() or input_ids.is_floating_point():
        raise ParameterError(
            f"input_ids must be whole numbers of the shape (rows, positions) with at least one id, not {tuple(input_ids.shape)} "
            f"{input_ids.dtype}. For one text: torch.tensor([ids])."
        )
    if attention_mask is None:
        return input_ids.tolist()
    if attention_mask.shape != input_ids.shape:
        raise ParameterError(f"attention_mask has the shape {tuple(attention_mask.shape)}, input_ids {tuple(input_ids.shape)}.")
    masks = attention_mask.tolist()
    rows = [[id for id, real in zip(row, mask, strict=True) if real] for row, mask in zip(input_ids.tolist(), masks, strict=True)]
    if config.bos_token_id is None and not all(rows):
        raise ParameterError(
            "a row of input_ids is all padding, and the model has no bos_token_id to begin with: leave the row out."
        )
    return [row or [config.bos_token_id] for row in rows]


def _new_tokens(max_length: int | None, max_new_tokens: int | None, width: int, longest: int, context: int) -> int:
    """The largest number of new ids, from the arguments and the padded width. Raises PromptTooLong."""
    for name, given in (("max_new_tokens", max_new_tokens), ("max_length", max_length)):
        if given is not None and (not isinstance(given, int) or isinstance(given, bool)):
            raise ParameterError(f"{name}={given!r} must be a whole number.")
    if max_new_tokens is not None:
        count = max_new_tokens
    elif max_length is not None:
        count = max_length - width
        if count < 1:
            raise ParameterError(
                f"max_length={max_length} counts the prompt, which has {width} ids already: give a larger one, or max_new_tokens."
            )
    else:
        count = max(1, min(DEFAULT_NEW_TOKENS, context - longest))
    if longest + count > context:
        raise prompt_too_long(longest, count, context)
    return count


def _check_together(
    params: SamplingParams,
    samples: int,
    num_beams: int,
    length_penalty: float,
    early_stopping: bool | str,
    streamer: Streamer | None,
) -> None:
    """Check the options of beams, and for options that exclude each other."""
    if not isinstance(length_penalty, int | float) or not abs(length_penalty) <= LARGEST_PENALTY:
        raise ParameterError(f"length_penalty={length_penalty!r} must be from {-LARGEST_PENALTY} to {LARGEST_PENALTY}.")
    for name, value in (("num_return_sequences", samples), ("num_beams", num_beams)):
        if not isinstance(value, int) or value < 1:
            raise ParameterError(f"{name}={value!r} must be a whole number from 1 upwards.")
    if early_stopping not in (True, False, "never"):
        raise ParameterError(f"early_stopping={early_stopping!r} must be True, False or 'never'.")
    if num_beams > 1 and streamer is not None:
        raise ParameterError(
            f"a streamer cannot follow num_beams={num_beams}: the text is known only at the end. Use num_beams=1."
        )
    if num_beams > 1 and samples > num_beams:
        raise ParameterError(f"num_return_sequences={samples} must be at most num_beams={num_beams}.")
    if num_beams == 1 and samples > 1 and params.greedy:
        raise ParameterError(
            f"num_return_sequences={samples} would be one text {samples} times: greedy has only one. Use do_sample=True or beams."
        )


def _ids(given: int | Sequence[int] | Tensor, vocab_size: int) -> tuple[int, ...]:
    single = isinstance(given, int) or (isinstance(given, Tensor) and not given.dim())
    return check_ids([int(given)] if single else given, vocab_size, "eos_token_id")  # type: ignore[arg-type]
