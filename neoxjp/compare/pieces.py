"""Pieces: parts of the user's text that tile it, for any tokenizer. Knows no tokenizer.

Three ways to get them: from our tokens (`pieces_of`), from the bytes of each token (`from_bytes`, for byte-level vocabularies,
whose tokens may end inside a character), from spans in the text (`from_spans`, for tokenizers that normalise the text first).
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from neoxjp.tokenizer import Token


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the user's text that is one token, or several tokens whose borders are inside a character.

    "𩸽" in UTF-8 bytes → one piece of four tokens. A tokenizer that drops a space → a piece without tokens.
    """

    text: str  # the user's own characters, text[start:end]
    start: int  # half-open span in characters of the user's text
    end: int
    id: int | None  # the id of a piece of exactly one token; None for other pieces, or without ids
    tokens: int = 1  # its number of tokens; 0: the tokenizer drops these characters


class Peer(Protocol):
    """A tokenizer to compare with."""

    @property
    def name(self) -> str:
        """Its name in tables and on the page."""

    def pieces(self, text: str) -> list[Piece]:
        """The pieces of any text. They tile it."""


@runtime_checkable
class Encoder(Peer, Protocol):
    """A tokenizer whose tokens have ids: all but those that split into words of a dictionary."""

    @property
    def vocabulary_size(self) -> int:
        """The number of its ids, which are below it. Special tokens are among them."""

    def encode(self, text: str) -> Sequence[int]:
        """The ids of a text, without special tokens."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of the ids."""


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


def from_bytes(text: str, tokens: Iterable[tuple[bytes, int]]) -> list[Piece]:
    """Pieces from the bytes and the id of each token; the bytes together are those of the text, lone surrogates as U+FFFD.

    "、猫" as (e3 80 81 e7), (8c ab) → one piece "、猫" of two tokens, whose border is inside 猫.
    """
    pieces: list[Piece] = []
    start = end = count = 0  # the piece being made: its characters, its tokens
    missing = 0  # bytes between the end of its last token and the end of its last character
    for data, id in tokens:
        count += 1
        missing -= len(data)
        while missing < 0:
            missing += _size(text[end])
            end += 1
        if missing == 0:
            pieces.append(Piece(text[start:end], start, end, id if count == 1 else None, count))
            start, count = end, 0
    return pieces


def from_spans(text: str, tokens: Iterable[tuple[int, int, int | None]]) -> list[Piece]:
    """Pieces from the (start, end, id) of each token in characters of the text, in order; a span may be empty.

    Tokens whose spans overlap (㍿ cut as 株式 and 会社) are one piece; so are an empty span (an added space) and the token
    after it. Characters without a token are a piece without tokens, unless they were composed with the one before (か and ゙).
    """
    pieces: list[Piece] = []
    waiting = 0  # tokens without a character of their own
    for start, end, id in tokens:
        count = 1 + waiting
        reached = pieces[-1].end if pieces else 0
        if end <= start and start >= reached:
            waiting += 1
            continue
        waiting = 0
        while pieces and start < pieces[-1].end:
            last = pieces.pop()
            start, end, count = min(start, last.start), max(end, last.end), count + last.tokens
        reached = pieces[-1].end if pieces else 0
        if start > reached:
            _pass_over(pieces, text, start)
            reached = pieces[-1].end
        pieces.append(Piece(text[reached:end], reached, end, id if count == 1 else None, count))
    if len(text) > (pieces[-1].end if pieces else 0):
        _pass_over(pieces, text, len(text))
    if waiting and pieces:
        last = pieces[-1]
        alone = waiting == 1 and last.tokens == 0
        pieces[-1] = Piece(last.text, last.start, last.end, id if alone else None, last.tokens + waiting)
    return pieces


def _pass_over(pieces: list[Piece], text: str, end: int) -> None:
    """Extend the pieces to `end` over characters without a token."""
    start = pieces[-1].end if pieces else 0
    joined = start
    while pieces and joined < end and _composed(text[joined - 1], text[joined]):
        joined += 1
    if joined > start:
        last = pieces[-1]
        pieces[-1] = Piece(text[last.start : joined], last.start, joined, last.id, last.tokens)
    if joined < end:
        pieces.append(Piece(text[joined:end], joined, end, None, 0))


def _composed(first: str, second: str) -> bool:
    """Whether normalization of the pair differs from that of each alone. "か", "\u3099" → True; "ｶ", "ﾞ" → True."""
    alone = unicodedata.normalize("NFKC", first) + unicodedata.normalize("NFKC", second)
    return unicodedata.normalize("NFKC", first + second) != alone


def _size(character: str) -> int:
    """The UTF-8 size of a character in bytes; a lone surrogate counts as U+FFFD."""
    code = ord(character)
    return 1 if code < 0x80 else 2 if code < 0x800 else 3 if code < 0x10000 else 4
