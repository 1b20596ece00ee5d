"""Tokenizers without other packages: ours, ours as in transformers, UTF-8 bytes, characters, any vocabulary folder."""

import sys
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from neoxjp.compare.pieces import Peer, Piece, pieces_of
from neoxjp.errors import CheckpointError
from neoxjp.japanese import SURROGATE
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer


@dataclass(frozen=True)
class OwnTokenizer:
    """A tokenizer of this package. Pieces are its tokens; the byte tokens of one character are one piece."""

    tokenizer: GPTNeoXJapaneseTokenizer
    name: str = "neoxjp"

    def pieces(self, text: str) -> list[Piece]:
        return pieces_of(self.tokenizer.analyze(text), text)

    @property
    def vocabulary_size(self) -> int:
        return len(self.tokenizer.vocabulary)

    def encode(self, text: str) -> Sequence[int]:
        return self.tokenizer.encode_batch([text])[0]  # type: ignore[return-value]  # an array, which `decode` takes as it is

    def decode(self, ids: Sequence[int]) -> str:
        return self.tokenizer.decode(ids)


@dataclass(frozen=True)
class Utf8Bytes:
    """One token per UTF-8 byte. A lone surrogate counts as the three bytes that U+FFFD would take."""

    name: str = "UTF-8 bytes"

    def pieces(self, text: str) -> list[Piece]:
        pieces = []
        for i, character in enumerate(text):
            data = character.encode("utf-8", "surrogatepass")
            pieces.append(Piece(character, i, i + 1, data[0] if len(data) == 1 else None, len(data)))
        return pieces

    @property
    def vocabulary_size(self) -> int:
        return 256

    def encode(self, text: str) -> Sequence[int]:
        return SURROGATE.sub("\ufffd", text).encode()

    def decode(self, ids: Sequence[int]) -> str:
        return bytes(ids).decode("utf-8", "replace")


@dataclass(frozen=True)
class Characters:
    """One token per Unicode code point: a decomposed が is two, a family emoji five."""

    name: str = "characters"

    def pieces(self, text: str) -> list[Piece]:
        return [Piece(character, i, i + 1, ord(character)) for i, character in enumerate(text)]

    @property
    def vocabulary_size(self) -> int:
        return sys.maxunicode + 1

    def encode(self, text: str) -> Sequence[int]:
        return list(map(ord, text))

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(map(chr, ids))


def own_peer(tokenizer: GPTNeoXJapaneseTokenizer, name: str = "neoxjp") -> Peer:
    """Our tokenizer as a peer. "東京都" → 東京 (one id), 都 (one id)."""
    return OwnTokenizer(tokenizer, name)


_as_transformers: "weakref.WeakKeyDictionary[GPTNeoXJapaneseTokenizer, GPTNeoXJapaneseTokenizer]" = weakref.WeakKeyDictionary()


def transformers_peer(tokenizer: GPTNeoXJapaneseTokenizer, name: str = "transformers") -> Peer:
    """The same vocabulary with compat="transformers": "," → a byte. Read once for each tokenizer."""
    theirs = _as_transformers.get(tokenizer)
    if theirs is None:
        theirs = _as_transformers[tokenizer] = GPTNeoXJapaneseTokenizer(*tokenizer.vocabulary.files, compat="transformers")
    return OwnTokenizer(theirs, name)


def builtin_peers(tokenizer: GPTNeoXJapaneseTokenizer) -> list[Peer]:
    """The four that are always available: the tokenizer, the same as in transformers, UTF-8 bytes, characters."""
    return [own_peer(tokenizer), transformers_peer(tokenizer), Utf8Bytes(), Characters()]


def folder_peer(path: str | Path) -> OwnTokenizer:
    """The tokenizer of any folder of this machine with vocab.txt and emoji.json, named after the folder.

    Raises:
        CheckpointError: there is no such folder, or a file is missing.
        VocabularyError: a file cannot be used.
    """
    try:
        place = Path(path).expanduser()
        there = place.is_dir()
    except (OSError, RuntimeError, ValueError):  # a name too long, "~nobody", a NUL
        there = False
    if not there:
        raise CheckpointError(
            f"{str(path)!r:.80} is not a folder of this machine: name one that holds vocab.txt and emoji.json",
            ja=f"{str(path)!r:.80} というフォルダーはありません。vocab.txt と emoji.json のあるフォルダーを指定してください。",
        )
    return OwnTokenizer(GPTNeoXJapaneseTokenizer.from_pretrained(place), place.resolve().name or str(place))
