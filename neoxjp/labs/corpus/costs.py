"""How many tokens texts have with one tokenizer, which ones, and how many of them are bytes.

Our own vocabularies are counted by id, at the speed of encoding. Others are counted by their pieces, which takes many times as
long; bytes and characters need no tokenizing.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from neoxjp.compare import Characters, OwnTokenizer, Peer, Utf8Bytes
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

if TYPE_CHECKING:
    import numpy as np

LISTED = 50  # tokens listed
MAX_PIECES = 1 << 18  # distinct pieces that are counted; above, those that occurred once are dropped


@dataclass(frozen=True)
class TokenCount:
    """A token and how often it occurs."""

    text: str  # the piece; of our vocabularies the decoded text
    id: int | None  # None where the tokenizer has no ids, or the piece has several
    count: int
    share: float  # of all tokens


@dataclass(frozen=True)
class Cost:
    """The tokens of a corpus with one tokenizer."""

    key: str  # of the tokenizer: "neoxjp", "tekken", ...
    name: str
    tokens: int
    characters_per_token: float  # 0.0 for an empty corpus
    byte_tokens: int | None = None  # tokens that are parts of a character; None where there are no ids
    byte_share: float | None = None  # of all tokens
    ids_used: int | None = None  # distinct ids that occurred; None where there are no ids
    vocabulary: int | None = None  # number of ids; None where it is not known
    frequent: tuple[TokenCount, ...] = ()
    longest: tuple[TokenCount, ...] = ()  # in characters; of equal length the most frequent first


class TokenCounter(ABC):
    """Counts the tokens of texts that come in pieces."""

    def __init__(self, key: str, name: str):
        self.key, self.name, self.tokens = key, name, 0

    @abstractmethod
    def add(self, texts: list[str]) -> "list[np.ndarray]":
        """Count more texts; returns the ids (T,) of each for our vocabularies, else nothing."""

    def cost(self, characters: int) -> Cost:
        """The result; `characters` is the number of all texts together."""
        return Cost(self.key, self.name, self.tokens, characters / self.tokens if self.tokens else 0.0)

    def _listed(self, items: Sequence[tuple[str, int | None, int]]) -> tuple[TokenCount, ...]:
        """The first of (text, id, count)."""
        return tuple(TokenCount(*item, item[2] / self.tokens) for item in items[:LISTED])


def token_counter(key: str, name: str, tokenizer: GPTNeoXJapaneseTokenizer | Peer) -> TokenCounter:
    """The counter that fits a tokenizer."""
    if isinstance(tokenizer, OwnTokenizer):
        return IdCounter(key, name, tokenizer.tokenizer)
    if isinstance(tokenizer, GPTNeoXJapaneseTokenizer):
        return IdCounter(key, name, tokenizer)
    if isinstance(tokenizer, (Characters, Utf8Bytes)):
        return UnitCounter(key, name, isinstance(tokenizer, Utf8Bytes))
    return PieceCounter(key, name, tokenizer)


class IdCounter(TokenCounter):
    """Counts the ids of a vocabulary of ours."""

    def __init__(self, key: str, name: str, tokenizer: GPTNeoXJapaneseTokenizer):
        super().__init__(key, name)
        self.tokenizer = tokenizer
        self._counts: Counter[int] = Counter()

    def add(self, texts: list[str]) -> "list[np.ndarray]":
        ids = self.tokenizer.encode_batch(texts)
        for some in ids:
            self._counts.update(some.tolist())
        self.tokens += sum(map(len, ids))
        return ids

    def cost(self, characters: int) -> Cost:
        vocabulary = self.tokenizer.vocabulary
        in_bytes = {id for id in self._counts if vocabulary.kinds[id] == "byte"}
        items = [
            (vocabulary.spellings[id][0] if id in in_bytes else vocabulary.texts[id], id, count)
            for id, count in sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        ]
        byte_tokens = sum(self._counts[id] for id in in_bytes)
        return replace(
            super().cost(characters),
            byte_tokens=byte_tokens,
            byte_share=byte_tokens / max(self.tokens, 1),
            ids_used=len(items),
            vocabulary=len(vocabulary),
            frequent=self._listed(items),
            longest=self._listed(sorted((item for item in items if item[1] not in in_bytes), key=lambda item: -len(item[0]))),
        )


class PieceCounter(TokenCounter):
    """Counts the pieces of any other tokenizer. A piece of several tokens is a character that was split into bytes."""

    def __init__(self, key: str, name: str, peer: Peer):
        super().__init__(key, name)
        self.peer, self._byte_tokens = peer, 0
        self._pieces: Counter[tuple[str, int | None]] = Counter()
        self._ids: set[int] = set()

    def add(self, texts: list[str]) -> "list[np.ndarray]":
        for text in texts:
            pieces = self.peer.pieces(text)
            self._pieces.update((piece.text, piece.id) for piece in pieces)
            self._ids.update(piece.id for piece in pieces if piece.id is not None)
            self.tokens += sum(piece.tokens for piece in pieces)
            self._byte_tokens += sum(piece.tokens for piece in pieces if piece.tokens > 1)
        if len(self._pieces) > MAX_PIECES:
            self._pieces = Counter({piece: count for piece, count in self._pieces.items() if count > 1})
        return []

    def cost(self, characters: int) -> Cost:
        items = [(text, id, count) for (text, id), count in self._pieces.items()]
        frequent = sorted(items, key=lambda item: (-item[2], item[0]))
        longest = sorted((item for item in frequent if item[1] is not None or not self._ids), key=lambda item: -len(item[0]))
        found = replace(super().cost(characters), frequent=self._listed(frequent), longest=self._listed(longest))
        if not self._ids:
            return found
        byte_share = self._byte_tokens / max(self.tokens, 1)
        return replace(found, byte_tokens=self._byte_tokens, byte_share=byte_share, ids_used=len(self._ids))


class UnitCounter(TokenCounter):
    """Counts UTF-8 bytes or characters, without lists of tokens."""

    def __init__(self, key: str, name: str, in_bytes: bool):
        super().__init__(key, name)
        self._in_bytes = in_bytes

    def add(self, texts: list[str]) -> "list[np.ndarray]":
        joined = "".join(texts)
        self.tokens += len(joined.encode("utf-8", "surrogatepass")) if self._in_bytes else len(joined)
        return []

    def cost(self, characters: int) -> Cost:
        return replace(super().cost(characters), vocabulary=256 if self._in_bytes else None)
