"""How many tokens texts have with one tokenizer, which ones, and how many of them are bytes.

Our own vocabularies are counted by id, at the speed of encoding. Others are counted by their pieces, which takes many times as
long; bytes and characters need no tokenizing.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

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
    byte_tokens: int | None  # tokens that are parts of a character; None where there are no ids
    byte_share: float | None  # of all tokens
    ids_used: int | None  # distinct ids that occurred; None where there are no ids
    vocabulary: int | None  # number of ids; None where it is not known
    frequent: tuple[TokenCount, ...]
    longest: tuple[TokenCount, ...]  # in characters; of equal length the most frequent first


class TokenCounter(Protocol):
    """Counts the tokens of texts that come in pieces."""

    tokens: int

    def add(self, texts: list[str]) -> "list[np.ndarray]":
        """Count more texts; returns the ids (T,) of each for our vocabularies, else nothing."""

    def cost(self, characters: int) -> Cost:
        """The result; `characters` is the number of all texts together."""


def token_counter(key: str, name: str, tokenizer: GPTNeoXJapaneseTokenizer | Peer) -> TokenCounter:
    """The counter that fits a tokenizer."""
    if isinstance(tokenizer, OwnTokenizer):
        return IdCounter(key, name, tokenizer.tokenizer)
    if isinstance(tokenizer, GPTNeoXJapaneseTokenizer):
        return IdCounter(key, name, tokenizer)
    if isinstance(tokenizer, (Characters, Utf8Bytes)):
        return UnitCounter(key, name, isinstance(tokenizer, Utf8Bytes))
    return PieceCounter(key, name, tokenizer)


class IdCounter:
    """Counts the ids of a vocabulary of ours."""

    def __init__(self, key: str, name: str, tokenizer: GPTNeoXJapaneseTokenizer):
        import numpy as np

        self.key, self.name, self.tokenizer, self.tokens = key, name, tokenizer, 0
        self._counts = np.zeros(len(tokenizer.vocabulary), np.int64)

    def add(self, texts: list[str]) -> "list[np.ndarray]":
        import numpy as np

        ids = self.tokenizer.encode_batch(texts)
        if ids:
            self._counts += np.bincount(np.concatenate(ids), minlength=len(self._counts))
            self.tokens += sum(map(len, ids))
        return ids

    def cost(self, characters: int) -> Cost:
        vocabulary = self.tokenizer.vocabulary
        items: list[tuple[str, int, int]] = []
        in_bytes: list[tuple[str, int, int]] = []
        for id in self._counts.nonzero()[0].tolist():
            is_byte = vocabulary.kinds[id] == "byte"
            text = vocabulary.spellings[id][0] if is_byte else vocabulary.texts[id]
            (in_bytes if is_byte else items).append((text, id, int(self._counts[id])))
        frequent = sorted(items + in_bytes, key=lambda item: (-item[2], item[1]))
        byte_tokens = sum(count for _, _, count in in_bytes)
        longest = sorted(items, key=lambda item: (-len(item[0]), -item[2], item[1]))
        return _cost(self, characters, byte_tokens, len(frequent), len(vocabulary), frequent, longest)


class PieceCounter:
    """Counts the pieces of any other tokenizer. A piece of several tokens is a character that was split into bytes."""

    def __init__(self, key: str, name: str, peer: Peer):
        self.key, self.name, self.peer = key, name, peer
        self.tokens = self._byte_tokens = 0
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
        longest = sorted(frequent, key=lambda item: -len(item[0]))
        if not self._ids:
            return _cost(self, characters, None, None, None, frequent, longest)
        longest = [item for item in longest if item[1] is not None]
        return _cost(self, characters, self._byte_tokens, len(self._ids), None, frequent, longest)


class UnitCounter:
    """Counts UTF-8 bytes or characters, without lists of tokens."""

    def __init__(self, key: str, name: str, in_bytes: bool):
        self.key, self.name, self._in_bytes, self.tokens = key, name, in_bytes, 0

    def add(self, texts: list[str]) -> "list[np.ndarray]":
        joined = "".join(texts)
        self.tokens += len(joined.encode("utf-8", "surrogatepass")) if self._in_bytes else len(joined)
        return []

    def cost(self, characters: int) -> Cost:
        return _cost(self, characters, None, None, 256 if self._in_bytes else None, [], [])


def _cost(
    counter: IdCounter | PieceCounter | UnitCounter,
    characters: int,
    byte_tokens: int | None,
    ids_used: int | None,
    vocabulary: int | None,
    frequent: Sequence[tuple[str, int | None, int]],
    longest: Sequence[tuple[str, int | None, int]],
) -> Cost:
    tokens = max(counter.tokens, 1)
    lists = (tuple(TokenCount(*item, item[2] / tokens) for item in items[:LISTED]) for items in (frequent, longest))
    per_token = characters / tokens if counter.tokens else 0.0
    byte_share = None if byte_tokens is None else byte_tokens / tokens
    return Cost(counter.key, counter.name, counter.tokens, per_token, byte_tokens, byte_share, ids_used, vocabulary, *lists)
