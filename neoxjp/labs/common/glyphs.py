"""What a box shows of its text: signs for what cannot be seen, and the sign of each script. Knows no HTML.

The page, its copies and the command line all show the same: " \\n" → "␣⏎", a lone U+202E → "U+202E".
"""

import unicodedata
from collections.abc import Iterator

from neoxjp.tokenizer.normalize import Script

GLYPHS = {"\n": "⏎", "\r": "⏎", "\t": "⇥", " ": "␣", "\u3000": "□"}
"""What stands for a character that would be invisible in a box."""

SCRIPTS: dict[Script, str] = {
    "hiragana": "あ", "katakana": "ア", "kanji": "漢", "latin": "A", "digit": "1",
    "symbol": "。", "emoji": "☺", "space": "␣", "other": "…",
}  # fmt: skip
"""The scripts in the order of legends, each with its sign: colour is never the only one."""

JOINER = "\u200d"


def glyphs(text: str) -> Iterator[tuple[str, bool]]:
    """What a box shows for each character of its text, and whether that is a sign, to be drawn pale.

    >>> list(glyphs("a\\t"))
    [('a', False), ('⇥', True)]
    """
    text = text.replace("\r\n", "\n")
    for i, character in enumerate(text):
        if character == JOINER and 0 < i < len(text) - 1:
            yield character, False  # inside a sequence of emoji it is what makes them one picture
        elif character in GLYPHS:
            yield GLYPHS[character], True
        elif unseen(character):
            yield f"U+{ord(character):04X}", True
        elif i == 0 and unicodedata.combining(character):
            yield f"◌{character}", False  # a mark without its letter would land on the box's edge
        else:
            yield character, False


def unseen(character: str) -> bool:
    """Controls, zero-width and direction marks, lone surrogates: a box would look empty, or turn its neighbours round."""
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
