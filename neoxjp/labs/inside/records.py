"""Looking into the network while it reads: the next-token guess after each layer, and what a head of attention looks at.

    lens(model, tokenizer, ids)                     the logit lens at the last position
    attention(model, tokenizer, ids, 3, 0)          the weights of layer 3, head 0, every position over the text

The logit lens is nostalgebraist's ("interpreting GPT: the logit lens", LessWrong, August 2020): what stands in the residual
stream after a layer, put through the final norm and the output matrix as if no layer followed. It shows when a guess takes shape,
not what a layer computes: a layer need not write in the output's terms, and early ones often do not (arXiv 2303.08112 measures
how far that misleads). A weight of attention says from where a head takes, not what it takes nor whether it matters
(arXiv 1902.10186). Layers and heads are counted from 0, as in the checkpoint's names.

Packed and int8 models are read with the numbers they compute with; layers that accelerate keeps elsewhere are brought in by it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neoxjp.engine.records import bos_of, checked_ids, choices, namer, record
from neoxjp.errors import ParameterError, PromptTooLong
from neoxjp.model.layers import Rows
from neoxjp.model.rotary import rope
from neoxjp.sampling.filters import require_numbers

LONGEST = 512  # tokens: a head's weights grow with their square


@dataclass(frozen=True, slots=True)
class Guess:
    """A token that could come next."""

    id: int
    text: str  # the piece, like "<|byte240|>", where a token is no text alone
    probability: float


@dataclass(frozen=True, slots=True)
class LayerGuess:
    """What the residual stream after a layer says of the next token, read through the final norm and the output matrix."""

    layers: int  # so many have run: 0 is the embedding alone; the last is the model's own answer
    top: tuple[Guess, ...]  # the most probable, best first
    entropy: float  # nats
    divergence: float  # nats, KL(the model's own answer ‖ this one): 0.0 at the last layer
    answer_rank: int  # rank of what the model finds most probable in the end: 1 from where the guess stands
    next_rank: int | None  # rank and log probability (nats) of the id that follows in the text; None at its end
    next_logprob: float | None


@dataclass(frozen=True, slots=True)
class Lens:
    """The guesses at one position, layer by layer."""

    ids: tuple[int, ...]
    texts: tuple[str, ...]  # of each id, as in Guess
    at: int  # the position; the guesses are of position at + 1
    next_id: int | None  # what stands there; None: the text ends at `at`
    layers: tuple[LayerGuess, ...]  # one more than the model has layers


@dataclass(frozen=True, slots=True)
class Attention:
    """What one head of one layer looks at."""

    ids: tuple[int, ...]
    texts: tuple[str, ...]  # of each id, as in Guess
    layer: int  # from 0
    head: int  # from 0
    layers: int  # how many the model has
    heads: int
    positions: tuple[int, ...]  # the queries: one, or all
    weights: tuple[tuple[float, ...], ...]  # of each of them, on positions 0 … itself (it sees no later one); 1.0 in sum


@torch.inference_mode()
def lens(model: Any, tokenizer: Any, ids: Sequence[int], at: int = -1, top: int = 5) -> Lens:
    """The model's guess of what follows position `at` (from 0; -1 is the last), after each layer.

    Args:
        tokenizer: names the ids; None leaves their texts "".
        ids: of the text; none: the bos id alone. At most 512 and the context.
        top: guesses a layer, at least 1.

    Raises:
        ParameterError: `at` or `top` out of range, an id outside the vocabulary. PromptTooLong: too many ids.
        NeoxjpError: a layer gives no numbers (NaN).
    """
    read = _checked(model, ids)
    at = _place("at", at, len(read), "位置")
    if top < 1:
        raise ParameterError(f"top={top!r} must be 1 or more", ja=f"top={top!r} は 1 以上にしてください。")
    states = [state[0, at] for state, _ in _states(model, read[: at + 1])]  # (C,); what follows changes nothing here
    norm, output = model.gpt_neox_japanese.final_layer_norm, model.embed_out
    logits = output(norm(torch.stack([state.to(states[-1].device) for state in states]))).float().cpu()  # (L + 1, V)
    require_numbers(logits)
    next_id = read[at + 1] if at + 1 < len(read) else None
    return _lens(logits, read, at, next_id, top, namer(tokenizer))


def _lens(logits: Tensor, ids: tuple[int, ...], at: int, next_id: int | None, top: int, name: Any) -> Lens:
    answer = int(logits[-1].argmax())
    final = record(logits[-1], answer)[0].astype(np.float64)  # (V,) nats
    layers = []
    for number, row in enumerate(logits):
        logprobs, answer_rank, entropy = record(row, answer)
        best = choices(logprobs, int(row.argmax()), top, name)[:top]
        divergence = max(0.0, float((np.exp(final) * (final - logprobs)).sum()))
        follows = (None, None) if next_id is None else (record(row, next_id)[1], float(logprobs[next_id]))
        guesses = tuple(Guess(choice.id, choice.text, choice.probability) for choice in best)
        layers.append(LayerGuess(number, guesses, entropy, divergence, answer_rank, *follows))
    return Lens(ids, tuple(name(id) for id in ids), at, next_id, tuple(layers))


@torch.inference_mode()
def attention(model: Any, tokenizer: Any, ids: Sequence[int], layer: int, head: int, at: int | None = None) -> Attention:
    """The weights of one head: of every position over the text, or of position `at` alone (from 0; -1 is the last).

    Only the layers up to the asked one are computed, so that one head's weights are all that memory holds.

    Raises:
        ParameterError: a layer, head or position that is not there, an id outside the vocabulary. PromptTooLong: too many ids.
        NeoxjpError: the weights are no numbers (NaN).
    """
    config = model.config
    read = _checked(model, ids)
    layer = _place("layer", layer, config.num_hidden_layers, "層")
    head = _place("head", head, config.num_attention_heads, "ヘッド")
    positions = range(len(read)) if at is None else [_place("at", at, len(read), "位置")]
    *_, (_, weights) = _states(model, read, layer)
    assert weights is not None
    rows = weights[0, head].float().cpu()  # (T, T)
    require_numbers(rows)
    kept = tuple(tuple(rows[place, : place + 1].tolist()) for place in positions)
    name = namer(tokenizer)
    return Attention(
        ids=read,
        texts=tuple(name(id) for id in read),
        layer=layer,
        head=head,
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        positions=tuple(positions),
        weights=kept,
    )


def _states(model: Any, ids: Sequence[int], weights_of: int | None = None) -> Iterator[tuple[Tensor, Tensor | None]]:
    """The residual stream (1, T, C) after 0, 1, … layers; with `weights_of` up to that layer, and its weights (1, H, T, T).

    The same steps as the body's forward, which keeps the weights of all layers or of none.
    """
    body = model.gpt_neox_japanese
    rows = Rows([model.new_cache()], None, False, model.attn_implementation, 0.0, False)
    hidden = body.embed_in(torch.tensor([list(ids)], device=model.device)).to(body.final_layer_norm.weight.dtype)  # (1, T, C)
    places = torch.arange(len(ids), device=hidden.device)[None]
    angles = rope(places, model.config.rotary_ndims, model.config.rotary_emb_base)
    yield hidden, None
    for number, layer in enumerate(body.layers):
        wanted = number == weights_of
        hidden, weights = layer(hidden, angles, None, replace(rows, need_weights=wanted))
        yield hidden, weights
        if wanted:
            return


def _checked(model: Any, ids: Sequence[int]) -> tuple[int, ...]:
    """The ids, or bos for none; PromptTooLong for too many."""
    most = min(LONGEST, model.config.max_position_embeddings)
    if len(ids) > most:
        raise PromptTooLong(
            f"the text has {len(ids)} tokens; the layers can be looked into for up to {most}: take a part of it",
            ja=f"{len(ids)} トークンあります。層の中を見られるのは {most} トークンまでです。一部分を選んでください。",
        )
    return checked_ids(ids, model.config.vocab_size, "ids") or bos_of(model.config)


def _place(name: str, given: int, count: int, ja: str) -> int:
    """`given` as a place from 0; negative ones count from the end."""
    if not -count <= given < count:
        raise ParameterError(
            f"{name}={given!r} must be 0 to {count - 1} (or -1 to {-count}, from the end)",
            ja=f"{ja} {given} はありません。0 から {count - 1} までを選んでください。",
        )
    return given % count
