"""Japanese text: readings of words, spellings in kana and rōmaji, numbers in kanji, old and new forms of kanji.

[spelling.text for spelling in spellings("東京へ行く")]    # as written, hiragana, katakana, half-width katakana
"""

from neoxjp.japanese.kanji_forms import UncertainKanji, find_kanji_changed_by_nfc, find_uncertain_kanji, kanji_pairs, to_new_forms
from neoxjp.japanese.readings import (
    ALL_KEYS,
    CUSTOM_KEYS,
    KANJI,
    KEYS,
    SURROGATE,
    Mode,
    Spelling,
    SpellingKey,
    Word,
    read_words,
    ruby,
    spellings,
    split_text,
    sudachi_tokenizer,
)

__all__ = [
    "ALL_KEYS",
    "CUSTOM_KEYS",
    "KANJI",
    "KEYS",
    "SURROGATE",
    "Mode",
    "Spelling",
    "SpellingKey",
    "UncertainKanji",
    "Word",
    "find_kanji_changed_by_nfc",
    "find_uncertain_kanji",
    "kanji_pairs",
    "read_words",
    "ruby",
    "spellings",
    "split_text",
    "sudachi_tokenizer",
    "to_new_forms",
]
