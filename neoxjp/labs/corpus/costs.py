"""How many tokens texts cost with one tokenizer, which ones, and how many of them are bytes; texts come in pieces.

Our own vocabularies are counted by id, at the speed of encoding. Others are counted by the pieces that they give, which takes
many times as long; bytes and characters need no cutting at all.
"""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from neoxjp.compare import Characters, Ours, Peer, Utf8Bytes
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

if TYPE_CHECKING:
    import numpy as np

LISTED = 50  # tokens listed
MOST = 1 << 18  # different pieces that are kept apart; beyond, those met once are forgotten


@dataclass(frozen=True)
class TokenCount:
    """A token and how often it occurs."""

    text: str  # the piece; of our vocabularies the spelling that decoding writes
    id: int | None  # None where the tokenizer has no ids, or several tokens share a character
    count: int
    share: float  # of all tokens


@dataclass(frozen=True)
class Cost:
    """What a corpus costs with one tokenizer."""

    key: str  # of the tokenizer: "neoxjp", "tekken", ...
    name: str
    tokens: int
    characters_per_token: float  # 0.0 for an empty corpus
    byte_tokens: int | None  # tokens that are less than a character; None where it has no such thing
    byte_share: float | None  # of all tokens
    ids_used: int | None  # different ids that occurred; None where there are no ids
    vocabulary: int | None  # ids that there are; None where that is not known
    frequent: tuple[TokenCount, ...]
    longest: tuple[TokenCount, ...]  # in characters; of equal length the most frequent


class Measured(Protocol):
    """A tokenizer that counts."""

    tokens: int

    def add(self, texts: list[str]) -> "list[np.ndarray]":
        """Count more texts; returns the ids (T,) of each where they are at hand."""

    def cost(self, characters: int) -> Cost:
        """What came together; `characters` are those of all texts."""


def measured(key: str, name: str, tokenizer: GPTNeoXJapaneseTokenizer | Peer) -> Measured:
    """The way of counting that fits a tokenizer."""
    if isinstance(tokenizer, Ours):
        return ById(key, name, tokenizer.tokenizer)
    if isinstance(tokenizer, GPTNeoXJapaneseTokenizer):
        return ById(key, name, tokenizer)
    if isinstance(tokenizer, (Characters, Utf8Bytes)):
        return ByUnit(key, name, isinstance(tokenizer, Utf8Bytes))
    return ByPiece(key, name, tokenizer)


class ById:
    """A vocabulary of ours: ids are counted."""

    def __init__(self, key: str, name: str, tokenizer: GPTNeoXJapaneseTokenizer):
        import numpy as np

        self.key, self.name, self.tokenizer = key, name, tokenizer
        self.tokens = 0
        self._counts = np.zeros(len(tokenizer.vocabulary), np.int64)

    def add(self, texts: list[str]) -> "list[np.ndarray]":
        import numpy as np

        ids = self.tokenizer.encode_batch(texts)
        if ids:
            self._counts += np.bincount(np.concatenate(ids), minlength=len(self._counts))
            self.tokens += sum(map(len, ids))
        return ids

    def cost(self, characters: int) -> Cost:
        vocabulary, counts = self.tokenizer.vocabulary, self._counts
        used = [int(id) for id in counts.nonzero()[0]]
        in_bytes = sum(int(counts[id]) for id in used if vocabulary.kinds[id] == "byte")
        shown = {id: vocabulary.spellings[id][0] if vocabulary.kinds[id] == "byte" else vocabulary.texts[id] for id in used}
        frequent = sorted(used, key=lambda id: (-counts[id], id))
        longest = sorted((id for id in used if vocabulary.kinds[id] != "byte"), key=lambda id: (-len(shown[id]), -counts[id], id))

        def listed(ids: list[int]) -> tuple[TokenCount, ...]:
            return tuple(TokenCount(shown[id], id, int(counts[id]), int(counts[id]) / self.tokens) for id in ids[:LISTED])

        return Cost(
            self.key,
            self.name,
            self.tokens,
            characters / self.tokens if self.tokens else 0.0,
            in_bytes,
            in_bytes / self.tokens if self.tokens else 0.0,
            len(used),
            len(vocabulary),
            listed(frequent),
            listed(longest),
        )


class ByPiece:
    """Any other tokenizer: its pieces are counted. A piece of several tokens is a character that was split into bytes."""

    def __init__(self, key: str, name: str, peer: Peer):
        self.key, self.name, self.peer = key, name, peer
        self.tokens = self._in_bytes = 0
        self._pieces: Counter[tuple[str, int | None]] = Counter()
        self._ids: set[int] = set()

    def add(self, texts: list[str]) -> "list[np.ndarray]":
        for text in texts:
            pieces = self.peer.pieces(text)
            self._pieces.update((piece.text, piece.id) for piece in pieces)
            self._ids.update(piece.id for piece in pieces if piece.id is not None)
            for piece in pieces:
                self.tokens += piece.tokens
                self._in_bytes += piece.tokens if piece.tokens > 1 else 0
        if len(self._pieces) > MOST:
            self._pieces = Counter({piece: count for piece, count in self._pieces.items() if count > 1})
        return []

    def cost(self, characters: int) -> Cost:
        frequent = sorted(self._pieces.items(), key=lambda item: (-item[1], item[0][0]))
        whole = [item for item in frequent if item[0][1] is not None or not self._ids]
        longest = sorted(whole, key=lambda item: -len(item[0][0]))

        def listed(items: list[tuple[tuple[str, int | None], int]]) -> tuple[TokenCount, ...]:
            return tuple(TokenCount(text, id, count, count / self.tokens) for (text, id), count in items[:LISTED])

        has_ids = bool(self._ids)
        return Cost(
            self.key,
            self.name,
            self.tokens,
            characters / self.tokens if self.tokens else 0.0,
            self._in_bytes if has_ids else None,
            self._in_bytes / self.tokens if has_ids and self.tokens else None,
            len(self._ids) if has_ids else None,
            None,
            listed(frequent) if self.tokens else (),
            listed(longest) if self.tokens else (),
        )


class ByUnit:
    """UTF-8 bytes or characters: nothing is cut, and the tokens are no news."""

    def __init__(self, key: str, name: str, in_bytes: bool):
        self.key, self.name, self._of_bytes = key, name, in_bytes
        self.tokens = 0

    def add(self, texts: list[str]) -> "list[np.ndarray]":
        joined = "".join(texts)
        self.tokens += len(joined.encode("utf-8", "surrogatepass")) if self._of_bytes else len(joined)
        return []

    def cost(self, characters: int) -> Cost:
        per = characters / self.tokens if self.tokens else 0.0
        return Cost(self.key, self.name, self.tokens, per, None, None, None, 256 if self._of_bytes else None, (), ())
