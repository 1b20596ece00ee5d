"""The network layer by layer: the residual stream after each, and from a given one on."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from neoxjp.engine import bos_ids, check_ids
from neoxjp.errors import ParameterError, PromptTooLong
from neoxjp.model import BatchLayout, rope

MAX_TOKENS = 512  # a head's weights grow with their square


def layer_outputs(model: Any, ids: Sequence[int], weights_of: Container[int] = ()) -> Iterator[tuple[Tensor, Tensor | None]]:
    """The residual stream (1, T, C) after 0, 1, … layers, and the attention weights (1, H, T, T) of the layers in `weights_of`.

    The same steps as the model's forward, which returns the weights of all layers together or none. A layer is computed when
    it is asked for.
    """
    body = model.gpt_neox_japanese
    hidden = body.embed_in(torch.tensor([list(ids)], device=model.device)).to(body.final_layer_norm.weight.dtype)  # (1, T, C)
    yield hidden, None
    yield from later_outputs(model, hidden, 0, weights_of)


def later_outputs(
    model: Any, hidden: Tensor, layers: int, weights_of: Container[int] = ()
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """The same after `layers` + 1, … layers, for residual streams (B, T, C) after that many layers; none where these are all."""
    body = model.gpt_neox_japanese
    rows = BatchLayout([model.new_cache() for _ in hidden], None, False, model.attn_implementation, 0.0, False)
    places = torch.arange(hidden.shape[1], device=hidden.device)[None]
    angles = rope(places, model.config.rotary_ndims, model.config.rotary_emb_base)
    for number in range(layers, len(body.layers)):
        hidden, weights = body.layers[number](hidden, angles, None, replace(rows, need_weights=number in weights_of))
        yield hidden, weights


def checked_ids(model: Any, ids: Sequence[int], most: int = MAX_TOKENS) -> tuple[int, ...]:
    """The ids, or bos where there are none. Raises PromptTooLong: more than `most`, or than the context."""
    most = min(most, model.config.max_position_embeddings)
    if len(ids) > most:
        raise PromptTooLong(
            f"the text has {len(ids)} tokens; only texts of up to {most} can be inspected: shorten it",
            ja=f"{len(ids)} トークンあります。内部を表示できるのは {most} トークンまでです。短くしてください。",
        )
    return check_ids(ids, model.config.vocab_size, "ids") or bos_ids(model.config)


def checked_index(name: str, given: int, count: int, ja: str) -> int:
    """`given` as an index from 0; negative ones count from the end."""
    if not -count <= given < count:
        raise ParameterError(
            f"{name}={given!r} must be 0 to {count - 1} (or -1 to {-count}, from the end)",
            ja=f"{ja} {given} はありません。0 から {count - 1} の範囲で指定してください。",
        )
    return given % count
