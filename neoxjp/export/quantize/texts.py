"""The texts for `neoxjp quantize`: one half calibrates the rounding, the other measures the loss, and neither does both."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from neoxjp.documents import join_pieces, read_documents
from neoxjp.errors import ParameterError

DEFAULT_TEXTS = Path(__file__).parent / "texts.jsonl"
MOST_TOKENS = 16_384  # of each half: what lies behind is not used
FEWEST_TOKENS = 512  # of each half
FEWEST_OF_DOCUMENT = 256  # tokens that are read of a document where there are many
FEWEST_TEXTS = 8  # an interval from drawing fewer of them again would be too narrow


class Encoder(Protocol):
    """What this file needs of a tokenizer."""

    eos_token_id: int

    def encode(self, text: str) -> list[int]: ...


@dataclass(frozen=True)
class Window:
    """A stretch of a text, at most a context long."""

    text: int  # its number
    ids: Tensor  # (T,) int64
    targets: Tensor  # (T,) the id after each


@dataclass(frozen=True)
class TextHalf:
    """The documents that calibrate, or those that measure; where these are few, parts of them."""

    texts: tuple[str, ...]
    windows: tuple[Window, ...]
    documents: int  # that the texts are from

    @property
    def characters(self) -> int:
        return sum(map(len, self.texts))

    @property
    def tokens(self) -> int:
        return sum(len(window.ids) for window in self.windows)

    @property
    def sha256(self) -> str:
        """Of the documents in UTF-8, one after the other: tells whether two losses are of the same text."""
        return hashlib.sha256("".join(self.texts).encode("utf-8", "surrogatepass")).hexdigest()


def split_texts(texts: Sequence[str], tokenizer: Encoder, context: int) -> tuple[TextHalf, TextHalf]:
    """The half that calibrates and the half that measures: every other document; a single one is cut in the middle.

    Raises ParameterError for texts that are too short.
    """
    kept = [text for text in texts if text.strip()]
    if len(kept) == 1:
        size = len(kept[0].rstrip())
        middle = kept[0].find("\n", size // 2, size * 3 // 4) + 1 or size // 2
        kept = [kept[0][:middle], kept[0][middle:]]
    halves = _half(kept[0::2], tokenizer, context), _half(kept[1::2], tokenizer, context)
    short = min(half.tokens for half in halves)
    if short < FEWEST_TOKENS:
        raise ParameterError(
            f"the text is too short: half of it calibrates, the other half measures the loss, and the shorter one has {short:,} "
            f"tokens where {FEWEST_TOKENS:,} are needed. Give more text, or leave it out: a text comes with neoxjp"
        )
    return halves


def read_texts(paths: Sequence[Path], column: str = "text") -> list[str]:
    """The documents of the files."""
    return [document.text for path in paths for document in join_pieces(read_documents(path, column=column))]


def cut_few(texts: Sequence[str]) -> list[str]:
    """The texts; where these are fewer than FEWEST_TEXTS, each in parts of one length, so that there are as many."""
    parts = -(-FEWEST_TEXTS // max(len(texts), 1)) if len(texts) < FEWEST_TEXTS else 1
    cuts = [[len(text) * number // parts for number in range(parts + 1)] for text in texts]
    return [text[a:b] for text, at in zip(texts, cuts, strict=True) for a, b in pairwise(at) if a < b]


def _half(texts: Sequence[str], tokenizer: Encoder, context: int) -> TextHalf:
    """The beginnings of the documents, about as long as each other where not all of the text is needed."""
    documents = len(texts)
    texts = cut_few([text[: 16 * MOST_TOKENS // min(documents, FEWEST_TEXTS)] for text in texts])
    used: list[str] = []
    windows: list[Window] = []
    tokens = 0
    for text in texts:
        ids = torch.tensor([tokenizer.eos_token_id, *tokenizer.encode(text)])
        left = min(MOST_TOKENS - tokens, max(FEWEST_OF_DOCUMENT, MOST_TOKENS // len(texts)))
        if len(ids) - 1 > left:  # about as many characters as there are tokens left
            text = text[: len(text) * left // len(ids)]
            ids = torch.tensor([tokenizer.eos_token_id, *tokenizer.encode(text)])
        for start in range(0, len(ids) - 1, context):
            targets = ids[start + 1 : start + 1 + context]
            windows.append(Window(len(used), ids[start : start + len(targets)], targets))
        used.append(text)
        tokens += len(ids) - 1
        if tokens >= MOST_TOKENS * 0.99:
            break
    return TextHalf(tuple(used), tuple(windows), min(documents, len(used)))
