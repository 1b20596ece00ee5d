"""How well a model predicts text: bits per character, which can be compared between vocabularies, unlike the loss a token."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from neoxjp.errors import ParameterError
from neoxjp.model import GPTNeoXJapaneseForCausalLM
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.train.corpus import Document


@dataclass(frozen=True)
class TextScore:
    """The sum over the documents of one source."""

    documents: int
    characters: int
    tokens: int
    nats: float  # minus the log probability of all tokens

    @property
    def bits_per_character(self) -> float:
        """Bits that the model needs for a character on average. Which of an id's spellings was written costs nothing here."""
        return self.nats / math.log(2) / self.characters


def bits_per_character(
    model: GPTNeoXJapaneseForCausalLM,
    tokenizer: GPTNeoXJapaneseTokenizer,
    documents: Iterable[Document],
    *,
    limit: int | None = 1200,
) -> dict[str, TextScore]:
    """Score documents by source: {"Aozora Bunko": TextScore(...), ...}; each document is cut at `limit` characters.

    A document starts after <|endoftext|>, as in training. Past the context it goes on in windows that overlap by half, so every
    token but the first ones is predicted from at least half a context.

    Raises ParameterError when there is no text.
    """
    sums: dict[str, list[float]] = {}
    for document in documents:
        text = document.text[:limit]
        if text:
            ids = tokenizer.encode(text)
            row = sums.setdefault(document.source, [0, 0, 0, 0.0])
            for column, value in enumerate((1, len(text), len(ids), _nats(model, [tokenizer.eos_token_id, *ids]))):
                row[column] += value
    if not sums:
        raise ParameterError("there is no text to evaluate on: every document is empty")
    return {source: TextScore(int(row[0]), int(row[1]), int(row[2]), row[3]) for source, row in sums.items()}


@torch.inference_mode()
def _nats(model: GPTNeoXJapaneseForCausalLM, ids: list[int]) -> float:
    """Minus the log probability of ids[1:], in nats."""
    context = model.config.max_position_embeddings
    total = 0.0
    for start, new in _windows(len(ids), context):
        window = torch.tensor([ids[start : start + context]], device=model.device)
        logits: Tensor = model(window, use_cache=False).logits[0, :-1].float()  # (T - 1, V)
        nats = F.cross_entropy(logits, window[0, 1:], reduction="none")  # (T - 1,)
        total += float(nats[new - start - 1 :].double().sum())
    return total


def _windows(length: int, context: int) -> Iterator[tuple[int, int]]:
    """(start, first new position) of each window: (0, 1), then windows that overlap by half."""
    start, new = 0, 1
    while new < length:
        yield start, new
        new = start + context
        start += context // 2
