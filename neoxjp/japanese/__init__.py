"""Japanese text: readings of words, spellings in kana and rōmaji, numbers in kanji, old and new forms of kanji.

[spelling.text for spelling in spellings("東京へ行く")]    # as written, hiragana, katakana, half-width katakana
"""

from neoxjp.japanese.kanji_forms import Unsure, kanji_pairs, unstable, unsure
from neoxjp.japanese.readings import (
    ALL_KEYS,
    KANJI,
    KEYS,
    OWN_KEYS,
    SURROGATE,
    Mode,
    Spelling,
    SpellingKey,
    Word,
    chunks,
    read_words,
    ruby,
    spellings,
    sudachi,
)

__all__ = [
    "ALL_KEYS",
    "KANJI",
    "KEYS",
    "OWN_KEYS",
    "SURROGATE",
    "Mode",
    "Spelling",
    "SpellingKey",
    "Unsure",
    "Word",
    "chunks",
    "kanji_pairs",
    "read_words",
    "ruby",
    "spellings",
    "sudachi",
    "unstable",
    "unsure",
]
