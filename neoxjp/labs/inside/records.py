"""Inside the network on one text: the next-token prediction after each layer, and the attention weights of a head.

    lens(model, tokenizer, ids)                     the logit lens at the last position
    attention(model, tokenizer, ids, 3, 0)          the weights of layer 3, head 0, for every position of the text

All heads together are in heads.py, the effect of single tokens on a prediction is in salience.py.

The logit lens (nostalgebraist, "interpreting GPT: the logit lens", LessWrong, August 2020) puts the residual stream after a layer
through the final norm and the output matrix, as if no layer followed. It shows where a prediction takes shape, not what a layer
computes: early layers often do not use the output's representation (arXiv 2303.08112 measures how misleading that is). An
attention weight says where a head reads, not what it reads nor whether it matters (arXiv 1902.10186). Layers and heads are
counted from 0, as in the checkpoint's names.

Packed and int8 models are read with the numbers that they compute with; accelerate loads the layers that it has offloaded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neoxjp.engine import token_statistics, token_text_function, top_choices
from neoxjp.errors import ParameterError
from neoxjp.labs.common.layers import checked_ids, checked_index, layer_outputs
from neoxjp.sampling import check_finite


@dataclass(frozen=True, slots=True)
class Guess:
    """A token that could come next."""

    id: int
    text: str  # the piece, like "<|byte240|>", where a token is not text by itself
    probability: float


@dataclass(frozen=True, slots=True)
class LayerGuess:
    """The prediction of the next token from the residual stream after a layer."""

    layers: int  # how many have run: 0 is the embedding alone; the last is the model's own output
    top: tuple[Guess, ...]  # the most probable, best first
    entropy: float  # nats
    divergence: float  # nats, KL(the model's output ‖ this prediction): 0.0 at the last layer
    answer_rank: int  # rank of the token that is most probable in the model's output
    next_rank: int | None  # rank and log probability (nats) of the id that follows in the text; None at its end
    next_logprob: float | None


@dataclass(frozen=True, slots=True)
class Lens:
    """The predictions at one position, layer by layer."""

    ids: tuple[int, ...]
    texts: tuple[str, ...]  # of each id, as in Guess
    at: int  # the position; the token at at + 1 is predicted
    next_id: int | None  # the id at at + 1; None: the text ends at `at`
    layers: tuple[LayerGuess, ...]  # one more than the model has layers


@dataclass(frozen=True, slots=True)
class Attention:
    """The attention weights of one head of one layer."""

    ids: tuple[int, ...]
    texts: tuple[str, ...]  # of each id, as in Guess
    layer: int  # from 0
    head: int  # from 0
    layers: int  # how many the model has
    heads: int
    positions: tuple[int, ...]  # of the query tokens: one, or all
    weights: tuple[tuple[float, ...], ...]  # of each query token, on positions 0 … itself (later ones are masked); sum 1.0


@torch.inference_mode()
def lens(model: Any, tokenizer: Any, ids: Sequence[int], at: int = -1, top: int = 5) -> Lens:
    """The prediction of the token after position `at` (from 0; -1 is the last), after each layer.

    Args:
        tokenizer: names the ids; None leaves their texts "".
        ids: of the text; empty: the bos id alone. At most MAX_TOKENS, and the context.
        top: guesses per layer, at least 1.

    Raises:
        ParameterError: `at` or `top` out of range, an id outside the vocabulary. PromptTooLong: too many ids.
        NeoxjpError: a layer returns NaN.
    """
    read = checked_ids(model, ids)
    at = checked_index("at", at, len(read), "位置")
    if top < 1:
        raise ParameterError(f"top={top!r} must be 1 or more", ja=f"top={top!r} は 1 以上にしてください。")
    states = [state[0, at] for state, _ in layer_outputs(model, read[: at + 1])]  # (C,); later tokens change nothing here
    norm, output = model.gpt_neox_japanese.final_layer_norm, model.embed_out
    logits = output(norm(torch.stack([state.to(states[-1].device) for state in states]))).float().cpu()  # (L + 1, V)
    check_finite(logits)
    next_id = read[at + 1] if at + 1 < len(read) else None
    return _lens(logits, read, at, next_id, top, token_text_function(tokenizer))


def _lens(logits: Tensor, ids: tuple[int, ...], at: int, next_id: int | None, top: int, name: Any) -> Lens:
    answer = int(logits[-1].argmax())
    final = token_statistics(logits[-1], answer)[0].astype(np.float64)  # (V,) nats
    layers = []
    for number, row in enumerate(logits):
        logprobs, answer_rank, entropy = token_statistics(row, answer)
        best = top_choices(logprobs, int(row.argmax()), top, name)[:top]
        divergence = max(0.0, float((np.exp(final) * (final - logprobs)).sum()))
        follows = (None, None) if next_id is None else (token_statistics(row, next_id)[1], float(logprobs[next_id]))
        guesses = tuple(Guess(choice.id, choice.text, choice.probability) for choice in best)
        layers.append(LayerGuess(number, guesses, entropy, divergence, answer_rank, *follows))
    return Lens(ids, tuple(name(id) for id in ids), at, next_id, tuple(layers))


@torch.inference_mode()
def attention(model: Any, tokenizer: Any, ids: Sequence[int], layer: int, head: int, at: int | None = None) -> Attention:
    """The attention weights of one head: of every position, or of position `at` alone (from 0; -1 is the last).

    Only the layers up to the given one are computed, and only its weights are kept in memory.

    Raises:
        ParameterError: no such layer, head or position, an id outside the vocabulary. PromptTooLong: too many ids.
        NeoxjpError: the weights are NaN.
    """
    config = model.config
    read = checked_ids(model, ids)
    layer = checked_index("layer", layer, config.num_hidden_layers, "層")
    head = checked_index("head", head, config.num_attention_heads, "ヘッド")
    positions = range(len(read)) if at is None else [checked_index("at", at, len(read), "位置")]
    weights = next(weights for _, weights in layer_outputs(model, read, {layer}) if weights is not None)
    rows = weights[0, head].float().cpu()  # (T, T)
    check_finite(rows)
    past = tuple(tuple(rows[place, : place + 1].tolist()) for place in positions)
    name = token_text_function(tokenizer)
    return Attention(
        ids=read,
        texts=tuple(name(id) for id in read),
        layer=layer,
        head=head,
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        positions=tuple(positions),
        weights=past,
    )
