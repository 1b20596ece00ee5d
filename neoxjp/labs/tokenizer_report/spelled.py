"""Lines of a text in other spellings, to compare how a tokenizer cuts them."""

from collections.abc import Iterator
from dataclasses import dataclass

from neoxjp.japanese import spellings


@dataclass(frozen=True)
class SpelledLine:
    """A line in the spellings that are compared: old_kanji has the characters of `written` one by one, katakana of hiragana."""

    written: str
    hiragana: str  # kanji by their readings
    katakana: str
    halfwidth: str
    old_kanji: str


def spelled_lines(text: str) -> Iterator[SpelledLine]:
    """The lines of a text that are not empty, in all these spellings. Readings are a dictionary's."""
    for line in text.splitlines():
        if line := line.strip():
            yield SpelledLine(
                *(each.text for each in spellings(line, keys=("written", "hiragana", "katakana", "halfwidth", "old_kanji")))
            )


def changed_borders(one: str, other: str) -> frozenset[int]:
    """Places between two characters, at least one of which differs: "国の語", "國の語" → {1}. The texts have the same length."""
    changed = [a != b for a, b in zip(one, other, strict=True)]
    return frozenset(place for place in range(1, len(changed)) if changed[place - 1] or changed[place])
