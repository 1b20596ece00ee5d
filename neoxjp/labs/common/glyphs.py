"""A text as boxes, one for each token, and the visible signs for invisible characters and for scripts. Knows no HTML.

The page, its copies and the command line show the same: " \\n" → "␣⏎", a lone U+202E → "U+202E".
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Literal

from neoxjp.tokenizer import Script, Token

Mark = Literal["folded", "lossy"]

GLYPHS = {"\n": "⏎", "\r": "⏎", "\t": "⇥", " ": "␣", "\u3000": "□"}
"""The sign of each character that would be invisible in a box."""

SCRIPTS: dict[Script, str] = {
    "hiragana": "あ", "katakana": "ア", "kanji": "漢", "latin": "A", "digit": "1",
    "symbol": "。", "emoji": "☺", "space": "␣", "other": "…",
}  # fmt: skip
"""The scripts in the order of legends, each with its sign: colour is never the only mark."""

JOINER = "\u200d"
_SELECTOR = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_BLANK_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters without ink: fillers of Hangul, the empty Braille pattern


def glyphs(text: str) -> Iterator[tuple[str, bool]]:
    """What a box shows for each character of its text, and whether that is a sign (drawn pale).

    >>> list(glyphs("a\\t"))
    [('a', False), ('⇥', True)]
    """
    text = text.replace("\r\n", "\n")
    for i, character in enumerate(text):
        if character == JOINER and 0 < i < len(text) - 1:
            yield character, False  # inside a sequence of emoji it joins them to one picture
        elif character in GLYPHS:
            yield GLYPHS[character], True
        elif unseen(character) or (i == 0 and _SELECTOR.match(character)):  # a selector after a character chooses its form
            yield f"U+{ord(character):04X}", True
        elif i == 0 and unicodedata.combining(character):
            yield f"◌{character}", False  # without a letter below it the mark would overlap the box's edge
        else:
            yield character, False


def sign_of(text: str) -> str:
    """What makes a text visible that consists of blanks and controls only: " \\n" → "␣⏎"; "" for others."""
    invisible = all(character in GLYPHS or unseen(character) or _SELECTOR.match(character) for character in text)
    return "".join(sign for sign, _ in glyphs(text)) if invisible else ""


def unseen(character: str) -> bool:
    """Controls, unusual blanks, zero-width and direction marks, lone surrogates: a box would look empty or be reversed."""
    kind = unicodedata.category(character)
    unusual = kind == "Zs" and character not in GLYPHS
    return unusual or character in _BLANK_LETTERS or kind in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def replace_surrogates(text: str) -> str:
    """The text with U+FFFD for each lone surrogate, which neither HTML nor JSON can carry."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@dataclass(frozen=True)
class Box:
    """One box of a token view: a token, or all the byte tokens of one character."""

    tokens: tuple[Token, ...]
    surface: str  # the user's own characters

    @property
    def start(self) -> int:
        """Where it begins in the user's text."""
        return self.tokens[0].start

    @property
    def ids(self) -> str:
        """Its ids, separated by blanks."""
        return " ".join(str(token.id) for token in self.tokens)

    @property
    def script(self) -> Script:
        return self.tokens[0].script

    @cached_property
    def mark(self) -> Mark | None:
        """ "folded": decoding writes another spelling. "lossy": decoding writes something else."""
        if any(token.folded for token in self.tokens):
            return "folded"
        return "lossy" if any(token.lossy for token in self.tokens) else None

    @property
    def ends_line(self) -> bool:
        """A newline: the next box begins a line. A literal "<BR>" has the same id, and ends no line of the text."""
        return "\n" in self.surface or "\r" in self.surface

    @property
    def signs(self) -> list[tuple[str, bool]]:
        """What it shows, see `glyphs`."""
        return list(glyphs(self.surface))

    @property
    def shown(self) -> str:
        """What it shows, as a string."""
        return "".join(sign for sign, _ in glyphs(self.surface))


def boxes(tokens: Iterable[Token], text: str) -> Iterator[Box]:
    """The boxes of a text. `tokens` is what `tokenizer.analyze(text)` returns."""
    for (start, end), group in groupby(tokens, key=lambda token: (token.start, token.end)):
        yield Box(tuple(group), text[start:end])


def legend(boxes: Iterable[Box], words: Mapping[str, str], signs: Mapping[Mark, str]) -> list[tuple[str, str]]:
    """The scripts and marks that occur in some boxes, each with its sign and its words; last, the numbers of byte tokens.

    Args:
        words: for each script, "folded", "lossy" and "bytes".
        signs: those of the marks.
    """
    found = list(boxes)
    present = {box.script for box in found} | {box.mark for box in found if box.mark}
    known = [*SCRIPTS.items(), *signs.items()]
    named = [(str(name), f"{sign} {words[name]}".strip()) for name, sign in known if name in present]
    return named + ([("bytes", words["bytes"])] if any(len(box.tokens) > 1 for box in found) else [])
