"""Old and new forms of kanji: 國語 ↔ 国語. One character replaces one, so that positions do not change.

The pairs are kyujipy's (MIT), in kanji_forms.tsv: the official list of 1949 and 1981, and forms that print and names use.
`find_uncertain_kanji` names what is ambiguous: 弁 was three characters (辨, 瓣, 辯), and 余 is both the new form of 餘 and an
old word of its own, "I". Some old forms (that of 海, U+FA45) are compatibility characters, which NFC turns into the new ones:
`find_kanji_changed_by_nfc` names them.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

Form = Literal["old_kanji", "new_kanji"]

# Not converted: 籠 is the official form itself since 2010, 篭 the abbreviation.
_OFFICIAL = {"籠"}
# Words that show which of the three characters 弁 was.
_BEN = {
    "辯": "弁護 弁論 弁士 弁明 弁解 答弁 雄弁 熱弁 詭弁 能弁 多弁 訥弁 代弁 強弁 弁舌 弁証 抗弁 関西弁 東北弁 大阪弁",
    "辨": "弁当 弁別 弁償 弁済 弁理 支弁 弁慶 思弁",
    "瓣": "花弁 弁膜 安全弁 調節弁",
}
_BEN_WORDS = {word: word.replace("弁", old) for old, words in _BEN.items() for word in words.split()}
_BEN_PATTERN = re.compile("|".join(sorted(_BEN_WORDS, key=len, reverse=True)))
_MANY = {"弁": "辨瓣辯"}
# New forms that were characters before, with another meaning: 芸 "rue", 欠 "yawn", 糸 "thread" (then read べき), 予 "I" ...
_OWN_SENSE = frozenset("余予芸欠台糸虫缶灯証体担浜蚕医")


@dataclass(frozen=True, slots=True)
class UncertainKanji:
    """A character whose other form is a guess, or cannot be converted back."""

    character: str  # in the text
    written: str  # in the other spelling
    others: str  # what else it may be


def to_old_forms(text: str, *, pronoun: bool = False) -> str:
    """The text in old forms. "国語の弁論" → "國語の辯論". `pronoun`: the text is one word, "I", in which 余 and 予 stay."""
    if pronoun and text in ("余", "予"):
        return text
    return _BEN_PATTERN.sub(lambda found: _BEN_WORDS[found[0]], text).translate(_tables()["old_kanji"])


def to_new_forms(text: str) -> str:
    """The text in new forms. "國語の辯論" → "国語の弁論"."""
    return text.translate(_tables()["new_kanji"])


def find_uncertain_kanji(text: str, written: str, form: Form) -> tuple[UncertainKanji, ...]:
    """The characters of a text, each once, whose other form is uncertain; `written` is the text in that form.

    "余" → old: UncertainKanji("余", "餘", "余"). "辯" → new: UncertainKanji("辯", "弁", "辨瓣"), three became one.
    """
    found: dict[str, UncertainKanji] = {}
    for a, b in zip(text, written, strict=False):
        if form == "old_kanji" and (a == b in _MANY or (a != b and a in _OWN_SENSE)):
            found[a] = UncertainKanji(a, b, _MANY.get(a, a))
        elif form == "new_kanji" and a != b:
            others = "".join(c for c in _MANY.get(b, to_old_forms(b)) if c != a)
            if others:
                found[a] = UncertainKanji(a, b, others)
    return tuple(found.values())


def find_kanji_changed_by_nfc(text: str) -> str:
    """The kanji of a text, each once, that NFC changes: the old 海, U+FA45, becomes U+6D77."""
    return "".join(dict.fromkeys(c for c in text if "\uf900" <= c <= "\ufaff" and unicodedata.normalize("NFC", c) != c))


def kanji_pairs() -> list[tuple[str, str, bool]]:
    """(old form, new form, whether the new form is also written as this old one), from kanji_forms.tsv: ("國", "国", True)."""
    text = (files("neoxjp.japanese") / "kanji_forms.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
    return [(old, new, ways == "=") for new, old, ways in rows]


@cache
def _tables() -> dict[Form, dict[int, str]]:
    """Both directions for str.translate."""
    to_old = {ord(new): old for old, new, both_ways in kanji_pairs() if both_ways}
    to_new = {ord(old): new for old, new, _ in kanji_pairs() if old not in _OFFICIAL}
    to_new |= {ord(a): b for b, many in _MANY.items() for a in many}
    return {"old_kanji": to_old, "new_kanji": to_new}
