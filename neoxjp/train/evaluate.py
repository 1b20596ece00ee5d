"""How well a model predicts text: bits per character, which can be compared between vocabularies, unlike the loss per token."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from neoxjp.documents import Document
from neoxjp.engine import measure_surprisal
from neoxjp.errors import ParameterError
from neoxjp.model import GPTNeoXJapaneseForCausalLM
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.train.options import CHARACTERS


@dataclass(frozen=True)
class TextScore:
    """The sum over the documents of one source."""

    documents: int
    characters: int
    tokens: int
    nats: float  # minus the log probability of all tokens
    first: int = 0  # tokens that the model found likeliest of all
    first_five: int = 0  # tokens among the five likeliest
    truncated_documents: int = 0  # documents of which only the beginning was scored

    @property
    def bits_per_character(self) -> float:
        """Bits that the model needs for a character on average: comparable between vocabularies.

        The choice between the spellings of an id is not counted.
        """
        found = measure_surprisal(self.nats, self.tokens, self.characters).bits_per_character
        assert found is not None  # a document without characters is not scored
        return found

    @property
    def perplexity(self) -> float:
        """exp of the mean of minus the log probability of a token: the number of equally likely ids with the same uncertainty.

        Its unit is a token, so it can be compared between models of one vocabulary only; use `bits_per_character` otherwise.
        """
        found = measure_surprisal(self.nats, max(self.tokens, 1), self.characters).perplexity_per_token
        return math.exp(700.0) if found is None else found

    def as_dict(self) -> dict[str, int | float]:
        """The sums and what follows from them, for JSON."""
        return asdict(self) | {
            "bits_per_character": self.bits_per_character,
            "perplexity_per_token": self.perplexity,
            "top1": self.first / max(self.tokens, 1),
            "top5": self.first_five / max(self.tokens, 1),
        }


def bits_per_character(
    model: GPTNeoXJapaneseForCausalLM,
    tokenizer: GPTNeoXJapaneseTokenizer,
    documents: Iterable[Document],
    *,
    limit: int | None = CHARACTERS,
) -> dict[str, TextScore]:
    """Score documents by source: {"Aozora Bunko": TextScore(...), ...}; each document is cut at `limit` characters (None: whole).

    A document starts after <|endoftext|>, as in training. Beyond the context, windows overlap by half, so every
    token but the first ones is predicted from at least half a context.

    Raises ParameterError when there is no text.
    """
    sums: dict[str, list[float]] = {}
    half = max(1, model.config.max_position_embeddings // 2)
    used, before = 0, [tokenizer.eos_token_id]  # of the document that a piece continues: characters scored, the last ids
    for document in documents:
        text = document.text if limit is None else document.text[: max(0, limit - used)]
        if text:
            ids = tokenizer.encode(text)
            nats, first, first_five = score_ids(model, [*before, *ids], new=len(before))
            found = (used == 0, len(text), len(ids), nats, first, first_five, len(text) < len(document.text))
            sums[document.source] = [a + b for a, b in zip(sums.get(document.source, [0.0] * 7), found, strict=True)]
            before = [*before, *ids][-half:]
        used += len(text)
        if not document.continues:
            used, before = 0, [tokenizer.eos_token_id]
    if not sums:
        raise ParameterError("there is no text to evaluate on: every document is empty")
    return {source: TextScore(int(row[0]), int(row[1]), int(row[2]), row[3], *map(int, row[4:])) for source, row in sums.items()}


@torch.inference_mode()
def score_ids(model: GPTNeoXJapaneseForCausalLM, ids: Sequence[int], new: int = 1) -> tuple[float, int, int]:
    """For ids[new:]: minus their log probability in nats, how many were the likeliest id, how many among the five likeliest."""
    context = model.config.max_position_embeddings
    total, first, first_five = 0.0, 0, 0
    for start, position in _windows(len(ids), context, new):
        window = torch.tensor([ids[start : start + context]], device=model.device)
        logits: Tensor = (
            model(window, past_key_values=[model.new_cache()]).logits[0, position - start - 1 : -1].float()
        )  # (new tokens, V)
        targets = window[0, position - start :]
        total += sum_of_nats(logits, targets)
        best = logits.topk(min(5, logits.shape[-1])).indices == targets[:, None]  # (new tokens, 5)
        first += int(best[:, 0].sum())
        first_five += int(best.sum())
    return total, first, first_five


def sum_of_nats(logits: Tensor, targets: Tensor) -> float:
    """Minus the log probability of ids in nats. logits: (n, V) float32; targets: (n,). Raises ParameterError: not a number."""
    nats = float(F.cross_entropy(logits, targets, reduction="none").double().sum())
    if not math.isfinite(nats):
        raise ParameterError("the probability of a text is not a number: the weights are damaged, or too large for this dtype")
    return nats


def _windows(length: int, context: int, new: int = 1) -> Iterator[tuple[int, int]]:
    """(start, first new position) of each window: (0, 1), then windows that overlap by half."""
    start = 0
    while new < length:
        yield start, new
        new = start + context
        start += max(context // 2, 1)
