"""What each attention head does on one text: five scores, and a small picture of its weights.

    heads(model, tokenizer, ids)        every head of every layer

A score is a mean over the query tokens of the text, all but the first, which can only attend to itself:

    itself      weight on the query token itself
    previous    weight on the token before it: a previous token head (Elhage et al. 2021, "A Mathematical Framework for
                Transformer Circuits", transformer-circuits.pub; Voita et al. 2019, arXiv 1905.09418: "positional" heads)
    first       weight on the first token of the text: an attention sink (Xiao et al. 2023, arXiv 2309.17453)
    induction   weight on the tokens that followed earlier occurrences of the query token: an induction head (Olsson et al. 2022,
                arXiv 2209.11895). Only query tokens that have such a successor count; Olsson et al. measure it on repeated random
                tokens, we on the text itself, where these may be few: `repeated` says how many.
    entropy     bits; 0: all weight is on one token, log2(n): it is spread evenly over n tokens

In "ABAB" the last B attends to its induction target if it attends to the second A, which followed the first B.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from neoxjp.engine import LN2, token_text_function
from neoxjp.labs.common.layers import checked_ids, layer_outputs
from neoxjp.sampling import check_finite


@dataclass(frozen=True, slots=True)
class Head:
    """One attention head on one text. The scores are None where no query token counts."""

    layer: int  # from 0
    head: int  # from 0
    itself: float | None  # mean weights, 0.0 to 1.0
    previous: float | None
    first: float | None
    induction: float | None
    entropy: float | None  # mean, bits
    picture: tuple[tuple[float, ...], ...]  # weights by query and key in at most `cells` groups of neighbours; see `shrink`


@dataclass(frozen=True, slots=True)
class Heads:
    """All attention heads on one text."""

    ids: tuple[int, ...]
    texts: tuple[str, ...]  # of each id; the piece, like "<|byte240|>", where a token is not text by itself
    layers: int
    heads: int  # per layer
    repeated: int  # query tokens that the induction score is a mean over
    scores: tuple[Head, ...]  # by layer and head


@torch.inference_mode()
def heads(model: Any, tokenizer: Any, ids: Sequence[int], cells: int = 0) -> Heads:
    """Run the model once over a text and score every head; the weights of one layer at a time are in memory.

    Args:
        tokenizer: names the ids; None leaves their texts "".
        ids: of the text; empty: the bos id alone. At most MAX_TOKENS, and the context.
        cells: largest number of rows of the pictures; 0: none are made.

    Raises:
        ParameterError: an id outside the vocabulary. PromptTooLong: too many ids. NeoxjpError: the weights are NaN.
    """
    config, read = model.config, checked_ids(model, ids)
    targets = successors(read)
    scores: list[Head] = []
    for _, weights in layer_outputs(model, read, range(config.num_hidden_layers)):
        if weights is not None:
            layer = len(scores) // config.num_attention_heads
            scores += score_heads(weights[0].float(), targets.to(weights.device), layer, cells)
    name = token_text_function(tokenizer)
    return Heads(
        ids=read,
        texts=tuple(name(id) for id in read),
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        repeated=int(targets.any(-1).sum()),
        scores=tuple(scores),
    )


def score_heads(weights: Tensor, targets: Tensor, layer: int = 0, cells: int = 0) -> list[Head]:
    """The heads of one layer, from their weights (H, T, T) float32 and what `successors` gives for the text, (T, T) bool.

    Raises NeoxjpError: the weights are NaN.
    """
    check_finite(weights)
    later = weights[:, 1:]  # (H, T - 1, T)
    queries = targets.any(-1)  # (T,)
    parts = {
        "itself": later.diagonal(1, -2, -1),  # (H, T - 1)
        "previous": later.diagonal(0, -2, -1),
        "first": later[..., 0],
        "induction": (weights * targets).sum(-1)[:, queries],  # (H, repeated)
        "entropy": torch.special.entr(later).sum(-1) / LN2,
    }
    means = {name: part.mean(-1).tolist() for name, part in parts.items() if part.shape[-1]}
    pictures = shrink(weights, cells).tolist() if cells else [[]] * len(weights)
    return [
        Head(
            layer=layer,
            head=head,
            **{name: means[name][head] if name in means else None for name in parts},
            picture=tuple(tuple(row[: place + 1]) for place, row in enumerate(picture)),
        )
        for head, picture in enumerate(pictures)
    ]


def successors(ids: Sequence[int]) -> Tensor:
    """Which keys followed an earlier occurrence of the query's token: (T, T) bool, by query and key.

    Only keys before the query: in "AAA" the second A has none, since what followed the first one is the query itself.
    """
    row = torch.tensor(ids)
    same = row[:, None] == row[None]  # (T, T)
    return same.roll(1, -1).tril(-1) & (torch.arange(len(ids)) > 0)


def shrink(weights: Tensor, cells: int) -> Tensor:
    """Weights (H, T, T) in at most `cells` groups of neighbouring tokens: (H, N, N).

    A cell is the share of their attention that the queries of a group give to the keys of a group, in the mean: keys are added,
    queries averaged. The rows still add up to 1.
    """
    count = weights.shape[-1]
    groups = min(cells, count)
    group = torch.arange(count, device=weights.device) * groups // count  # (T,), of each token
    member = torch.nn.functional.one_hot(group, groups).to(weights.dtype)  # (T, N)
    return (member / member.sum(0)).T @ weights @ member
