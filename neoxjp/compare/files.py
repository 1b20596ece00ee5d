"""Tokenizers from files: a tokenizer.json, a SentencePiece model, a rank file of tiktoken, Mistral's Tekken.

Each is read by the library that made its format, an optional package (`pip install 'neoxjp[peers]'`), imported when a file needs
it. No special token is added, and a typed one ("<s>") is ordinary text, as in SentencePiece and tiktoken.
"""

import base64
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path
from typing import Any

from neoxjp.compare import units
from neoxjp.compare.pieces import Peer, Piece, from_bytes, from_spans
from neoxjp.errors import NeoxjpError, PeerUnavailable
from neoxjp.japanese import SURROGATE

# The files to look for in a folder, in this order; a folder with our two files has priority.
NAMES = ("tokenizer.json", "tekken*.json", "*.model", "*.tiktoken", "*.model.v*")

_RANK = re.compile(rb"[A-Za-z0-9+/]+={0,2} \d+\r?\n")
_WORD = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_GPT_4O = "|".join(
    [
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ]
)
_GPT_2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
# Differs from related patterns: whitespace at the end of the text is one match, with its newlines.
_GPT_4 = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
# Unlike _WORD, a mark (\p{M}) belongs to the letters.
_QWEN_3_5 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# GPT-2, Codex, GPT-4, Qwen to 3, GPT-4o, Qwen from 3.5
_SPLITS = {
    50_256: _GPT_2, 50_280: _GPT_2, 100_256: _GPT_4, 151_643: _WORD % r"\p{N}", 199_998: _GPT_4O, 248_044: _QWEN_3_5,
}  # fmt: skip
_NFC = (151_643, 248_044)  # ranks of those that put the text into NFC first


@dataclass(frozen=True)
class Tokenizer:
    """A tokenizer.json, by the package tokenizers. What it normalises (㍿ → 株式会社) is shown as the user's characters."""

    name: str
    tokenizer: Any = field(repr=False)  # tokenizers.Tokenizer

    def pieces(self, text: str) -> list[Piece]:
        encoding = self._encoding(text)
        return from_spans(text, ((start, end, id) for (start, end), id in zip(encoding.offsets, encoding.ids, strict=True)))

    @cached_property
    def vocabulary_size(self) -> int:
        return max(self.tokenizer.get_vocab().values(), default=-1) + 1  # not their number: ids may have gaps

    def encode(self, text: str) -> Sequence[int]:
        ids: list[int] = self._encoding(text).ids
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=False))

    def _encoding(self, text: str) -> Any:
        with _refusals(self.name):
            return self.tokenizer.encode(SURROGATE.sub("\ufffd", text), add_special_tokens=False)


@dataclass(frozen=True)
class SentencePiece:
    """A SentencePiece model. Whitespace that it drops becomes pieces without tokens; an added ▁ belongs to the next piece."""

    name: str
    processor: Any = field(repr=False)  # sentencepiece.SentencePieceProcessor

    def pieces(self, text: str) -> list[Piece]:
        with _refusals(self.name):
            found = self.processor.encode(SURROGATE.sub("\ufffd", text), return_type="offset_mapping")
        return from_spans(text, ((start, end, id) for (start, end), id in zip(found["offsets"], found["ids"], strict=True)))

    @property
    def vocabulary_size(self) -> int:
        return int(self.processor.get_piece_size())

    def encode(self, text: str) -> Sequence[int]:
        with _refusals(self.name):
            ids: list[int] = self.processor.encode(SURROGATE.sub("\ufffd", text))
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        return str(self.processor.decode(list(ids)))


@dataclass(frozen=True)
class Ranks:
    """Byte pairs by rank, by tiktoken."""

    name: str
    encoding: Any = field(repr=False)  # tiktoken.Encoding
    nfc: bool = False  # the text is put into NFC first: か and ゙ become が

    def pieces(self, text: str) -> list[Piece]:
        clean = SURROGATE.sub("\ufffd", text)
        normal = unicodedata.normalize("NFC", clean) if self.nfc else clean
        tokens = ((self.encoding.decode_single_token_bytes(id), id) for id in self.encode(clean))
        return from_bytes(text, tokens) if normal == clean else _before_nfc(text, from_bytes(normal, tokens))

    @property
    def vocabulary_size(self) -> int:
        return int(self.encoding.n_vocab)

    def encode(self, text: str) -> Sequence[int]:
        clean = SURROGATE.sub("\ufffd", text)
        with _refusals(self.name):
            ids: list[int] = self.encoding.encode_ordinary(unicodedata.normalize("NFC", clean) if self.nfc else clean)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        return str(self.encoding.decode(list(ids)))


def _before_nfc(text: str, pieces: list[Piece]) -> list[Piece]:
    """The pieces of a text's NFC as pieces of the text. Characters that compose stay together: か and ゙ are one piece."""
    length = pieces[-1].end if pieces else 0  # of the NFC
    spans: list[tuple[int, int]] = []  # for each character of the NFC, the characters of the text that it stands for
    start = 0
    for end in range(1, len(text) + 1):
        if end < len(text) and (unicodedata.combining(text[end]) or not _apart(text[start:end], text[end])):
            continue
        spans += [(start, end)] * len(unicodedata.normalize("NFC", text[start:end]))
        start = end
    if len(spans) != length:  # a mark moved over the border of two parts: the whole text is one part
        spans = [(0, len(text))] * length
    return from_spans(
        text,
        ((spans[piece.start][0], spans[piece.end - 1][1], piece.id) for piece in pieces for _ in range(piece.tokens)),
    )


def _apart(text: str, character: str) -> bool:
    """Whether NFC leaves a text and the character after it apart. Two jamo of a Hangul syllable, か and ゙: no."""
    nfc = partial(unicodedata.normalize, "NFC")
    return nfc(text + character) == nfc(text) + nfc(character)


@dataclass(frozen=True)
class Tekken:
    """Mistral's Tekken, by mistral-common. Its ids start after its special tokens."""

    name: str
    tokenizer: Any = field(repr=False)  # mistral_common's Tekkenizer

    def pieces(self, text: str) -> list[Piece]:
        return from_bytes(text, ((self.tokenizer.id_to_byte_piece(id, "ignore"), id) for id in self.encode(text)))

    @property
    def vocabulary_size(self) -> int:
        return int(self.tokenizer.n_words)

    def encode(self, text: str) -> Sequence[int]:
        with _refusals(self.name):
            ids: list[int] = self.tokenizer.encode(SURROGATE.sub("\ufffd", text), bos=False, eos=False)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids), special_token_policy="ignore"))


def open_path(path: Path) -> Peer:
    """The tokenizer of a folder, ours or another, or of one file, named after the last part of the path.

    Raises:
        PeerUnavailable: nothing is there, it holds no tokenizer, or a package is missing.
    """
    name = path.resolve().name or str(path)
    try:
        if not path.is_dir():
            return open_file(path, name)
        if (path / "vocab.txt").is_file() and (path / "emoji.json").is_file():
            return units.folder_peer(path)
        found = [file for pattern in NAMES for file in sorted(path.glob(pattern))]
    except PeerUnavailable:
        raise
    except NeoxjpError as error:
        raise PeerUnavailable(str(error), ja=error.ja) from error
    except OSError as error:
        raise _unreadable(path, error) from error
    if found:
        return open_file(found[0], name)
    wanted = "tokenizer.json, *.model, *.tiktoken"
    raise PeerUnavailable(
        f"the folder {str(path)!r:.200} holds no tokenizer: neither vocab.txt with emoji.json nor {wanted}",
        ja=f"フォルダー {str(path)!r:.200} にトークナイザー（vocab.txt と emoji.json、または {wanted}）がありません。",
    )


def version_of(path: Path) -> tuple[tuple[int, int], ...]:
    """Times of change and sizes of a path and, in a folder, of the files that may be read: others mean another tokenizer."""
    inner = [file for pattern in ("vocab.txt", "emoji.json", *NAMES) for file in sorted(path.glob(pattern))]
    return tuple((state.st_mtime_ns, state.st_size) for state in map(Path.stat, (path, *inner)))


def open_file(path: Path, name: str) -> Peer:
    """The tokenizer of one file, detected by its content: JSON, base64 with ranks, else SentencePiece.

    Raises:
        PeerUnavailable: the file cannot be read or used, or a package is missing.
    """
    try:
        with path.open("rb") as file:
            head = file.read(1_000)
    except OSError as error:
        raise _unreadable(path, error) from error
    if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{"):
        tekken = path.name.startswith("tekken")
        return _tekken(path, name) if tekken else _tokenizer(path, name)
    return open_ranks(path.read_bytes(), path.name, name) if _RANK.match(head) else _sentencepiece(path, name)


def open_ranks(data: bytes, file: str, name: str) -> Peer:
    """The tokenizer of a rank file's content; `file` is its name, for errors. Raises PeerUnavailable as `open_file` does."""
    tiktoken = _needed("tiktoken", "tiktoken")
    with _unusable(file):
        lines = (line.split() for line in data.splitlines() if line)
        ranks = {base64.b64decode(token, validate=True): int(rank) for token, rank in lines}
        if lacking := [byte for byte in range(256) if bytes([byte]) not in ranks]:
            raise ValueError(f"no rank for {len(lacking)} of the 256 bytes")
        encoding = tiktoken.Encoding(name, pat_str=split_of(len(ranks)), mergeable_ranks=ranks, special_tokens={})
    return Ranks(name, encoding, nfc=len(ranks) in _NFC)


def missing_package(package: str) -> PeerUnavailable:
    """The error for a package of PyPI that is not installed."""
    return PeerUnavailable(
        f"the package {package} is not installed: pip install 'neoxjp[peers]'",
        ja=f"パッケージ {package} がありません。pip install 'neoxjp[peers]' でインストールできます。",
    )


# ---------------------------------------------------------------- the formats


def _tokenizer(path: Path, name: str) -> Peer:
    tokenizers = _needed("tokenizers", "tokenizers")
    with _unusable(path.name):
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True
        tokenizer.post_processor = None  # it adds special tokens, and takes the blanks off the spans of byte-level tokens
    return Tokenizer(name, tokenizer)


def _sentencepiece(path: Path, name: str) -> Peer:
    sentencepiece = _needed("sentencepiece", "sentencepiece")
    with _unusable(path.name):
        processor = sentencepiece.SentencePieceProcessor(model_proto=path.read_bytes())
        if not processor.get_piece_size():
            raise ValueError("it holds no pieces")
    return SentencePiece(name, processor)


def split_of(ranks: int) -> str:
    """The pattern of the stretches within which ranks are used, by the number of ranks.

    A rank file does not contain it. Unknown numbers are taken for relatives of GPT-4's cl100k_base, as Llama 3's 128,000 are.
    """
    return _SPLITS.get(ranks, _WORD % r"\p{N}{1,3}")


def _tekken(path: Path, name: str) -> Peer:
    module = _needed("mistral_common.tokens.tokenizers.tekken", "mistral-common")
    with _unusable(path.name):
        return Tekken(name, module.Tekkenizer.from_file(path))


def _needed(module: str, package: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise missing_package(package) from error


def _unreadable(path: Path, error: OSError) -> PeerUnavailable:
    why = error.strerror or type(error).__name__
    return PeerUnavailable(f"{str(path)!r:.200} cannot be read: {why}", ja=f"{str(path)!r:.200} を読めません（{why}）。")


@contextmanager
def _unusable(file: str) -> Iterator[None]:
    """Turn a library's error about a file into PeerUnavailable with one sentence."""
    try:
        yield
    except BaseException as error:
        why = _reason(error)
        raise PeerUnavailable(f"{file!r:.80} cannot be used: {why}", ja=f"{file!r:.80} は使えません（{why}）。") from error


@contextmanager
def _refusals(name: str) -> Iterator[None]:
    """A tokenizer without a token for unknown characters raises on them; tiktoken on a million blanks in a row."""
    try:
        yield
    except BaseException as error:
        why = _reason(error)
        raise PeerUnavailable(
            f"{name} cannot cut this text: {why}", ja=f"{name} ではこのテキストを分割できません（{why}）。"
        ) from error


def _reason(error: BaseException) -> str:
    """The message of a library's error in one line; raises again what is not an error of a library.

    The libraries' errors have no common class, and a panic in Rust is a PanicException, which is not an Exception.
    """
    panic = type(error).__name__ == "PanicException"
    if isinstance(error, MemoryError | PeerUnavailable) or not (panic or isinstance(error, Exception)):
        raise error
    return " ".join(str(error).split())[:200] or type(error).__name__
