"""The tokenizers to compare with: ours, ours as transformers has it, UTF-8 bytes, characters, and any other vocabulary folder.

Each gives pieces that tile the user's text. A piece may stand for several tokens: the bytes of one character are one piece, so
that nothing shows half a character. "𩸽" in bytes → one piece of four tokens.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from neoxjp.errors import CheckpointError
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer, Token


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the user's text that is one token, or the several byte tokens of one character."""

    text: str  # the user's own characters, text[start:end]
    start: int  # half-open span in characters of the user's text
    end: int
    id: int | None  # the id where the piece is one token of a vocabulary; None for several tokens, or without ids
    tokens: int = 1  # how many tokens it costs


class Peer(Protocol):
    """A tokenizer to compare with."""

    @property
    def name(self) -> str:
        """What tables and the page call it."""

    def pieces(self, text: str) -> list[Piece]:
        """The pieces of a text, any text. They tile it."""


@dataclass(frozen=True)
class Ours:
    """A tokenizer of this package. Pieces are its tokens, byte tokens of one character put together."""

    tokenizer: GPTNeoXJapaneseTokenizer
    name: str = "neoxjp"

    def pieces(self, text: str) -> list[Piece]:
        return pieces_of(self.tokenizer.analyze(text), text)


@dataclass(frozen=True)
class Utf8Bytes:
    """One token a byte of UTF-8. A lone surrogate counts as the three bytes that U+FFFD would take."""

    name: str = "UTF-8 bytes"

    def pieces(self, text: str) -> list[Piece]:
        pieces = []
        for i, character in enumerate(text):
            data = character.encode("utf-8", "surrogatepass")
            pieces.append(Piece(character, i, i + 1, data[0] if len(data) == 1 else None, len(data)))
        return pieces


@dataclass(frozen=True)
class Characters:
    """One token a character, and a character is a Unicode code point: a が typed as か and a mark is two, a family emoji five."""

    name: str = "characters"

    def pieces(self, text: str) -> list[Piece]:
        return [Piece(character, i, i + 1, ord(character)) for i, character in enumerate(text)]


def ours(tokenizer: GPTNeoXJapaneseTokenizer, name: str = "neoxjp") -> Peer:
    """Our tokenizer as a peer. "東京都" → 東京 (one id), 都 (one id)."""
    return Ours(tokenizer, name)


def compat(tokenizer: GPTNeoXJapaneseTokenizer, name: str = "transformers") -> Peer:
    """The same vocabulary cut as transformers cuts it, faults included: "," → a byte."""
    return Ours(GPTNeoXJapaneseTokenizer(*tokenizer.vocabulary.files, compat="transformers"), name)


def peers(tokenizer: GPTNeoXJapaneseTokenizer) -> list[Peer]:
    """What the page compares: the loaded tokenizer, the same as transformers has it, UTF-8 bytes, characters."""
    return [ours(tokenizer), compat(tokenizer), Utf8Bytes(), Characters()]


def folder(path: str | Path) -> Peer:
    """The tokenizer of any folder of this machine with vocab.txt and emoji.json, called by the folder's name.

    Raises:
        CheckpointError: there is no such folder, or a file is missing.
        VocabularyError: a file cannot be used.
    """
    try:
        place = Path(path).expanduser()
        there = place.is_dir()
    except (OSError, RuntimeError):  # a name too long, "~nobody"
        there = False
    if not there:
        raise CheckpointError(
            f"{str(path)!r:.80} is not a folder of this machine: name one that holds vocab.txt and emoji.json",
            ja=f"{str(path)!r:.80} というフォルダーはありません。vocab.txt と emoji.json のあるフォルダーを指定してください。",
        )
    return Ours(GPTNeoXJapaneseTokenizer.from_pretrained(place), place.resolve().name or str(place))


def pieces_of(tokens: Iterable[Token], text: str) -> list[Piece]:
    """Tokens as pieces: those that share a span, the bytes of one character, become one piece."""
    pieces: list[Piece] = []
    for token in tokens:
        last = pieces[-1] if pieces else None
        if last is not None and (last.start, last.end) == (token.start, token.end):
            pieces[-1] = Piece(last.text, last.start, last.end, None, last.tokens + 1)
        else:
            pieces.append(Piece(text[token.start : token.end], token.start, token.end, token.id))
    return pieces
