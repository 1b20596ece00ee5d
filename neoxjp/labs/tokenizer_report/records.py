"""The report on tokenizers as records: what was measured on, and one row for each tokenizer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from neoxjp.compare import Peer
from neoxjp.errors import NeoxjpError

UNITS = ("short", "long", "bunsetsu")
"""Units of a sentence whose boundaries are set by hand: short unit words, long unit words, bunsetsu."""
SPELLED = ("hiragana", "halfwidth", "old_kanji")
"""Spellings whose tokens are compared with those of the text as written."""
PAIRED = ("old_kanji", "kana")
"""Pairs of spellings that correspond character by character: as written and in old kanji; in hiragana and in katakana."""


@dataclass(frozen=True)
class OpenedTokenizer:
    """A tokenizer to measure, or the reason why it cannot be opened."""

    key: str  # what opens it: "neoxjp", "bytes", a path
    name: str  # to show
    peer: Peer | None = None
    problem: NeoxjpError | None = None


@dataclass(frozen=True)
class Domain:
    """The texts of one source."""

    name: str
    documents: int
    characters: int  # Unicode code points
    utf8_bytes: int
    spelled: int  # characters whose spellings were measured


@dataclass(frozen=True)
class Agreement:
    """How far the boundaries of a tokenizer are those set by hand."""

    precision: float | None  # None: the tokenizer made no boundary
    recall: float | None  # None: there is none set by hand
    f1: float | None


@dataclass(frozen=True)
class Row:
    """One tokenizer. None: the measure does not apply to it, or the texts for it were not given. Shares are from 0 to 1."""

    key: str
    name: str
    problem: str = ""  # why it could not be opened, or which text it refused; then all measures are None
    problem_ja: str = ""
    tokens: int | None = None  # of all texts
    vocabulary: int | None = None  # number of ids
    characters_per_token: Mapping[str, float | None] | None = None  # by domain
    bytes_per_token: Mapping[str, float | None] | None = None  # by domain
    parity: float | None = None
    boundaries: Mapping[str, Agreement] | None = None  # by unit, those that the sentences mark
    words_whole: float | None = None
    byte_fallback: float | None = None
    lost: float | None = None
    ids_unused: float | None = None
    renyi: float | None = None
    spelling: Mapping[str, float | None] | None = None  # by spelling
    cuts: Mapping[str, float | None] | None = None  # by pair of spellings
    megabytes_per_second: float | None = None


@dataclass(frozen=True)
class Report:
    """What was measured on, and a row for each tokenizer."""

    domains: tuple[Domain, ...]
    sentences: int  # with boundaries set by hand
    units: Mapping[str, int]  # how many of each unit the sentences have; 0: they do not mark it
    pairs: int  # of a Japanese and an English text
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Progress:
    """Progress of a report."""

    stage: Literal["pairs", "sentences", "texts"]
    done: int  # pairs, sentences, or characters
