"""Words with their readings in rōmaji: modified Hepburn. 私は学校へ行く → watashi wa gakkō e iku. Knows no dictionary.

Long vowels have a macron (Tōkyō), ん is n before labials (shinbun) and n' before a vowel or y (kin'en), っ doubles the
consonant (kitte, matcha), particles are written as pronounced (wa, e, o). Words are separated; endings are joined to their verb
(tabemashita), a counter after digits and a title after a name get a hyphen (3-bon, Tanaka-san); only names have capitals. Vowels
at the border of two parts of a word are not joined: 思う omou, 井上 Inoue; this is known for verbs and for `_SEAMS` only.
jaconv's `kana2alphabet` gives keyboard input (macchatoukyou), without macrons and words.
"""

import re
import unicodedata
from collections.abc import Sequence, Set
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Unit:
    """A word to write in rōmaji."""

    surface: str  # as the text has it
    kana: str  # its reading in hiragana; without kanji the surface, with its kana in hiragana
    pos: tuple[str, ...] = ()  # Sudachi's part of speech, six fields; () where unknown

    @property
    def read(self) -> bool:
        """The surface has kanji that the kana spell out."""
        return _KANA.sub("", self.surface) != _KANA.sub("", self.kana)

    @property
    def converted(self) -> bool:
        return _KANA.search(self.kana) is not None


_KANA = re.compile(r"[ぁ-ゖァ-ヺーゝゞヽヾｦ-ﾟ]")
_PUNCTUATION = {
    "、": ",", "。": ".", "，": ",", "．": ".", "｡": ".", "､": ",", "？": "?", "！": "!", "：": ":", "；": ";", "\u3000": " ",
    "「": "“", "」": "”", "｢": "“", "｣": "”", "『": "‘", "』": "’", "（": "(", "）": ")", "・": " ", "･": " ",
    "〜": "~", "～": "~",
}  # fmt: skip
_OPENING, _CLOSING = "「｢『（", "、。，．｡､？！：；」｣』）"
_WIDE_ASCII = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}

_ROWS = {
    "": "あいうえお", "k": "かきくけこ", "g": "がぎぐげご", "s": "さしすせそ", "z": "ざじずぜぞ", "t": "たちつてと",
    "d": "だぢづでど", "n": "なにぬねの", "h": "はひふへほ", "b": "ばびぶべぼ", "p": "ぱぴぷぺぽ", "m": "まみむめも",
    "r": "らりるれろ",
}  # fmt: skip
_SOUNDS = {kana: consonant + vowel for consonant, row in _ROWS.items() for kana, vowel in zip(row, "aiueo", strict=True)}
_SOUNDS |= {"し": "shi", "じ": "ji", "ち": "chi", "ぢ": "ji", "つ": "tsu", "づ": "zu", "ふ": "fu", "ゔ": "vu"}
_SOUNDS |= {"や": "ya", "ゆ": "yu", "よ": "yo", "わ": "wa", "ゐ": "i", "ゑ": "e", "を": "o"}
_SOUNDS |= dict(zip("ぁぃぅぇぉゃゅょゎゕゖ", ["a", "i", "u", "e", "o", "ya", "yu", "yo", "wa", "ka", "ke"], strict=True))
_BEFORE_SMALL = {
    "き": "ky", "ぎ": "gy", "に": "ny", "ひ": "hy", "び": "by", "ぴ": "py", "み": "my", "り": "ry",
    "し": "sh", "じ": "j", "ち": "ch", "ぢ": "j",
}  # fmt: skip
_PAIRS = {
    kana + small: start + vowel for kana, start in _BEFORE_SMALL.items() for small, vowel in zip("ゃゅょぇ", "auoe", strict=True)
}
_LOANED = {"ふ": "f", "ゔ": "v", "つ": "ts", "く": "kw", "ぐ": "gw"}
_PAIRS |= {
    kana + small: start + vowel for kana, start in _LOANED.items() for small, vowel in zip("ぁぃぇぉ", "aieo", strict=True)
}
_PAIRS |= {
    "ふゅ": "fyu", "ふょ": "fyo", "ゔゅ": "vyu", "てぃ": "ti", "でぃ": "di", "てゅ": "tyu", "でゅ": "dyu", "とぅ": "tu",
    "どぅ": "du", "うぃ": "wi", "うぇ": "we", "うぉ": "wo", "いぇ": "ye", "すぃ": "si", "ずぃ": "zi", "くゎ": "kwa",
    "ぐゎ": "gwa",
}  # fmt: skip

_LONG = dict(zip("aiueo", "āīūēō", strict=True))
_ALWAYS = frozenset({"ou", "oo", "uu"})  # in any word
_IN_KANA = frozenset({"aa", "ee"})  # in words written in kana (ねえ nē); in kanji they are two sounds (場合 baai) but for these:
_LONG_KIN = re.compile("[母姉婆]")
# Where two parts of a word meet, by what the word has in it.
_SEAMS = {
    "湖": "みず|うみ", "子牛": "こ|うし", "仔牛": "こ|うし", "子馬": "こ|うま", "仔馬": "こ|うま", "小馬": "こ|うま",
    "小売": "こ|うり", "井上": "いの|うえ", "尾上": "おの|うえ", "之上": "の|うえ", "之内": "の|うち",
    "ノ内": "の|うち", "の内": "の|うち", "小浦": "こ|うら",
}  # fmt: skip
_SAID_WA = {
    "こんにちは", "こんばんは", "今日は", "今晩は", "または", "又は", "あるいは", "或いは", "或は", "もしくは", "若しくは",
    "では", "それでは", "じつは", "実は", "さては", "ないしは", "ひいては", "ついては", "とは",
}  # fmt: skip
_PARTICLES = {"は": "wa", "へ": "e", "を": "o"}
_APART = ("助動詞-ダ", "助動詞-デス", "助動詞-ジャ", "助動詞-ラシイ")  # 猫だ neko da; all other endings stay with their verb
_ENDINGS = {"て", "ば", "ちゃ", "ながら", "つつ", "たり", "だり"}
_TITLES = {"さん", "様", "さま", "君", "くん", "ちゃん", "氏", "殿"}


def to_romaji(units: Sequence[Unit]) -> list[str]:
    """Each word in rōmaji, with the space or hyphen after it. 猫が、3本 → "neko ", "ga", ", ", "3-", "bon"."""
    gaps = [_between(one, after) for one, after in pairwise(units)] + [""]
    behind = ["" if gap else after.kana for gap, after in zip(gaps, [*units[1:], Unit("", "")], strict=False)]
    return [_word(unit, after) + gap for unit, after, gap in zip(units, behind, gaps, strict=False)]


def hepburn(kana: str, behind: str = "", joined: Set[str] = _ALWAYS | _IN_KANA) -> str:
    """Kana in rōmaji, anything else unchanged. "まっちゃ" → "matcha".

    Args:
        behind: the text that follows, which decides how a final っ or ん is written: 買っ + て is "kat" + "te".
        joined: pairs of vowels that form a long one; a "|" in the kana separates them.
    """
    kana = re.sub(r"([ぁ-ゖ])[ゝヽ]", r"\1\1", kana)
    kana = re.sub(r"([ぁ-ゖ])[ゞヾ]", lambda found: found[1] + unicodedata.normalize("NFC", found[1] + "\u3099"), kana)
    out = ""
    at = 0
    parted = True  # no vowel before this place can be made longer
    while at < len(kana):
        sound = _PAIRS.get(kana[at : at + 2])
        size = 2 if sound else 1
        character = kana[at]
        sound = sound or _SOUNDS.get(character)
        if sound is None:
            out += _other(character, out, kana[at + 1 :] or behind)
        elif sound in _LONG and not parted and out[-1:] + sound in joined:
            out = out[:-1] + _LONG[out[-1]]
        else:
            out += sound
        if character == "ー" and out[-1:] in _LONG:
            out = out[:-1] + _LONG[out[-1]]
        parted = sound is None and character != "ー"
        at += size
    return out


def _other(character: str, before: str, behind: str) -> str:
    """Characters that are no syllable: ん, っ, ー, a "|", or anything else, which is not changed."""
    sound = _PAIRS.get(behind[:2]) or _SOUNDS.get(behind[:1]) or ""
    if character == "ん":
        return "n'" if sound[:1] in (*"aiueoy",) else "n"
    if character == "っ":
        return "t" if sound.startswith("ch") else "'" if sound[:1] in ("", *"aiueo") else sound[0]
    if character == "|" or (character == "ー" and before[-1:] in (*_LONG, *_LONG.values())):
        return ""
    return character


def _word(unit: Unit, behind: str) -> str:
    if unit.surface in _PARTICLES and unit.pos[:1] == ("助詞",):
        return _PARTICLES[unit.surface]
    kana = unit.kana[:-1] + "わ" if unit.surface in _SAID_WA else unit.kana
    if not unit.converted:
        return "".join(_PUNCTUATION.get(c, _WIDE_ASCII.get(ord(c), c)) for c in unit.surface)
    for part, seam in _SEAMS.items():
        if part in unit.surface:
            kana = kana.replace(seam.replace("|", ""), seam)
    if unit.pos[:1] == ("動詞",) and unit.pos[5:6] and unit.pos[5].startswith(("終止形", "連体形")) and kana.endswith("う"):
        kana = kana[:-1] + "|う"
    joined = _ALWAYS if unit.read and not _LONG_KIN.search(unit.surface) else _ALWAYS | _IN_KANA
    kana = "".join(_PUNCTUATION.get(c, _WIDE_ASCII.get(ord(c), c)) for c in kana)
    word = hepburn(kana, behind, joined)
    return word[:1].upper() + word[1:] if "固有名詞" in unit.pos and not re.fullmatch("[ぁ-ゖーゝゞ]+", unit.surface) else word


def _between(one: Unit, after: Unit) -> str:
    """The separator of two words: a space, a hyphen or nothing."""
    a, b = one.surface[-1:], after.surface[:1]
    if not a or not b or a.isspace() or b.isspace() or a in "・･" or b in "・･":
        return ""
    if a in _CLOSING:
        return " " if _spoken(after) or b in _OPENING else ""
    if b in _OPENING:
        return " " if _spoken(one) else ""
    if not (_spoken(one) and _spoken(after) and (one.converted or after.converted)):
        return ""
    behind_figures = a.isdigit()
    suffix = after.pos[:1] == ("接尾辞",)
    if behind_figures and (suffix or "助数詞可能" in after.pos):
        return "-"
    if suffix:
        return "-" if after.surface in _TITLES else ""
    if one.pos[:1] == ("接頭辞",):
        return "" if after.converted else " "
    if after.pos[:1] == ("助動詞",):
        stem = one.pos[:1] in (("動詞",), ("形容詞",), ("助動詞",), ("接尾辞",))
        return "" if stem and after.pos[4] not in _APART else " "
    if after.pos[:1] == ("助詞",) and (after.surface in _ENDINGS or (after.surface == "で" and after.pos[1] == "接続助詞")):
        return ""
    return " "


def _spoken(unit: Unit) -> bool:
    return unit.converted or unit.surface[:1].isalnum()
