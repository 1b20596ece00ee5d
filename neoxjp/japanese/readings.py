"""One text in its other spellings: hiragana, katakana, half-width, rōmaji, old and new kanji; and the reading of each word.

Readings come from SudachiPy's small dictionary, kana and width conversions from jaconv. Only kanji are read: kana keep their
spelling (the particle は stays は), and Latin letters, digits, whitespace, emoji and punctuation are not changed. A reading is a
guess (日本 is にほん or にっぽん): `overrides` corrects it. Any string is accepted, of any length, also with lone surrogates.
"""

import dataclasses
import re
import threading
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import jaconv

from . import kanji_forms, numerals, romaji

SpellingKey = Literal[
    "written", "hiragana", "katakana", "halfwidth", "romaji", "old_kanji", "new_kanji", "custom", "custom2", "custom3", "custom4"
]
# A surface, or a (start, end) of the text, and its reading.
Overrides = Mapping[str, str] | Mapping[tuple[int, int], str] | Mapping[str | tuple[int, int], str]
Mode = Literal["A", "B", "C"]  # SudachiPy's split modes: the shortest units, middle ones, the longest
KEYS: tuple[SpellingKey, ...] = ("written", "hiragana", "katakana", "halfwidth")
ALL_KEYS: tuple[SpellingKey, ...] = (*KEYS, "romaji", "old_kanji", "new_kanji")  # all that are computed from a text
CUSTOM_KEYS: tuple[SpellingKey, ...] = ("custom", "custom2", "custom3", "custom4")  # written by the user

KANJI = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af々〆〇]")
_READING = re.compile(r"[ァ-ヺーヽヾ]+")
_HALF_KANA = re.compile(r"[ｦ-ﾟ]+")
_DECOMPOSED = re.compile(r"[ぁ-ヿ][\u3099\u309a]")
_VARIATION = re.compile(r"[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
SURROGATE = re.compile(r"[\ud800-\udfff]")
_FIGURES = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
_BREAK = re.compile(r"[\n。！？!?]")
_KANJI_OR_KANA = re.compile(rf"(?:{KANJI.pattern}|[ぁ-ヿ])+")

# SudachiPy accepts at most 49,149 bytes after normalization, in which one character can become 33 bytes.
_CHUNK = 1_000
# Kanji that the dictionary does not have, and the forms that it has. One character each, so that spans do not change.
_SAME_READING = str.maketrans("髙﨑𠮷濵德", "高崎吉浜徳")
# What may follow a counter within a word of the dictionary: 時間, 世紀, 丁目, ヶ所. In 分割, 人種, 階級 the kanji is no counter.
_COUNTER_TAILS = frozenset("間目紀月所処国条年村度忌代転戦")
# Words whose most usual reading differs from the dictionary's, which joins short units (お + 父 + さん) and prefers formal ones.
_USUAL = {
    "私": "わたし", "私達": "わたしたち", "日本": "にほん", "日本人": "にほんじん", "日本語": "にほんご",
    "何を": "なにを", "何か": "なにか", "何が": "なにが", "何も": "なにも", "何時": "なんじ", "何人": "なんにん",
    "何分": "なんぷん", "何日": "なんにち", "一昨日": "おととい", "一昨年": "おととし", "お父さん": "おとうさん",
    "お母さん": "おかあさん", "お兄さん": "おにいさん", "お姉さん": "おねえさん", "父さん": "とうさん",
    "母さん": "かあさん", "兄さん": "にいさん", "姉さん": "ねえさん", "御飯": "ごはん", "一日中": "いちにちじゅう",
    "世界中": "せかいじゅう", "日本中": "にほんじゅう", "明日": "あした", "大人気ない": "おとなげない",
    "行つた": "いった", "行つて": "いって", "四つ": "よっつ", "六つ": "むっつ", "八つ": "やっつ", "二人前": "ににんまえ",
    "一人称": "いちにんしょう", "二人称": "ににんしょう", "三人称": "さんにんしょう",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Word:
    """One word of the text. Words tile it: each starts where the one before ends."""

    surface: str  # the user's own characters
    start: int  # half-open span, in characters of the user's text
    end: int
    reading: str | None  # in hiragana; None without kanji (kana, digits, whitespace) or if they are unknown
    pos: tuple[str, ...] = field(default=(), compare=False)  # Sudachi's part of speech, six fields; () where it gave none

    @property
    def unknown(self) -> bool:
        """Whether the word has kanji without a reading: every spelling keeps them."""
        return self.reading is None and KANJI.search(self.surface) is not None


@dataclass(frozen=True, slots=True)
class Spelling:
    """A text in one spelling, and the span of each word of the original in it."""

    key: SpellingKey
    text: str
    readings: tuple[Word, ...] = ()
    spans: tuple[tuple[int, int], ...] = ()  # for each word its half-open span in `text`


def spellings(text: str, overrides: Overrides | None = None, keys: Sequence[SpellingKey] = KEYS) -> list[Spelling]:
    """The text in each of the spellings `keys`: as written, in hiragana, in katakana and in half-width katakana.

    "東京へ行く" → "東京へ行く", "とうきょうへいく", "トウキョウヘイク", "ﾄｳｷｮｳﾍｲｸ"; `ALL_KEYS` adds "Tōkyō e iku" and the old and
    new forms of its kanji (國語 ↔ 国語). See `readings` for `overrides`.
    """
    words = tuple(read_words(text, overrides))
    return [_spelled(words, key) for key in keys]


def spell(text: str, key: SpellingKey, overrides: Overrides | None = None) -> Spelling:
    """The text in the one spelling `key`; "custom" is the text as it is, for one that the user typed."""
    return _spelled(tuple(read_words(text, overrides)), key)


def read_words(text: str, overrides: Overrides | None = None) -> list[Word]:
    """The words of a text with their readings. "食べ物を" → ("食べ物", 0, 3, "たべもの"), ("を", 3, 4, None).

    overrides: readings in any kana that take the place of the dictionary's, by surface ({"日本": "にっぽん"}, every time it is a
        word) or by span ({(0, 2): "にっぽん"}, only there; the span becomes one word).
    """
    by_surface = {key: _hiragana(value) for key, value in (overrides or {}).items() if isinstance(key, str)}
    by_span = {key: _hiragana(value) for key, value in (overrides or {}).items() if not isinstance(key, str)}
    words: list[Word] = []
    done = 0
    for start, end in sorted(by_span):
        if not done <= start < end <= len(text):
            continue  # a span of an older text, or one inside another
        words += _words(text, done, start, by_surface)
        words.append(Word(text[start:end], start, end, by_span[start, end] or None))
        done = end
    return words + _words(text, done, len(text), by_surface)


def ruby(word: Word) -> list[tuple[str, str | None]]:
    """The word in pieces, each with its reading (furigana). 食べ物 → ("食", "た"), ("べ", None), ("物", "もの")."""
    if word.reading is None:
        return [(word.surface, None)]
    pieces = [piece for piece in re.split(r"([ぁ-ゖァ-ヺー]+)", word.surface) if piece]
    pattern = "".join("(.+?)" if KANJI.search(piece) else f"({re.escape(_hiragana(piece))})" for piece in pieces)
    found = re.fullmatch(pattern, word.reading) if len(word.reading) <= 40 and len(pieces) <= 8 else None
    if found is None:
        return [(word.surface, word.reading)]
    return [(piece, read if KANJI.search(piece) else None) for piece, read in zip(pieces, found.groups(), strict=True)]


# ---------------------------------------------------------------- spelling


def _spelled(words: tuple[Word, ...], key: SpellingKey) -> Spelling:
    if key == "romaji":
        texts = romaji.to_romaji([romaji.Unit(word.surface, _hiragana(word.reading or word.surface), word.pos) for word in words])
    elif key == "old_kanji":
        texts = [kanji_forms.to_old_forms(word.surface, pronoun="代名詞" in word.pos) for word in words]
    elif key == "new_kanji":
        texts = [kanji_forms.to_new_forms(word.surface) for word in words]
    else:
        convert = {"hiragana": _hiragana, "katakana": _katakana, "halfwidth": _halfwidth}.get(key)
        texts = [word.surface if convert is None else convert(word.reading or word.surface) for word in words]
    spans, position = [], 0
    for written in texts:
        spans.append((position, position + len(written)))
        position += len(written)
    return Spelling(key, "".join(texts), words, tuple(spans))


def _fullwidth_kana(text: str) -> str:
    """Half-width katakana in full width, with combining marks composed. "ｶﾞ" → "ガ", "か\u3099" → "が"."""
    text = _HALF_KANA.sub(lambda run: jaconv.h2z(run[0]), text)
    return _DECOMPOSED.sub(lambda pair: unicodedata.normalize("NFC", pair[0]), text)


def _hiragana(text: str) -> str:
    return jaconv.kata2hira(_fullwidth_kana(text))


def _katakana(text: str) -> str:
    return jaconv.hira2kata(_fullwidth_kana(text))


def _halfwidth(text: str) -> str:
    """Katakana, ASCII and digits in half width. ヰ, ヱ, ヮ, ヵ and ヶ have no half-width form and stay."""
    return jaconv.z2h(_katakana(text), kana=True, ascii=True, digit=True)


# ---------------------------------------------------------------- words


def _words(text: str, start: int, end: int, by_surface: Mapping[str, str]) -> list[Word]:
    """The words of text[start:end], with the readings of `by_surface` and of the table of usual ones."""
    words = _counted([word for low, high in split_text(text, start, end) for word in _analysed(text, low, high)])
    longest = max(map(len, (*by_surface, *_USUAL)))
    merged: list[Word] = []
    at = 0
    while at < len(words):
        taken, reading = 1, None
        joined = ""
        for n, word in enumerate(words[at : at + longest], 1):
            joined += word.surface
            if len(joined) > longest:
                break
            better = by_surface.get(joined) or _USUAL.get(joined)
            if better is not None:
                taken, reading = n, better
        if reading is None:
            merged.append(words[at])
            at += 1
            continue
        # A particle at the end stays a word, which rōmaji writes apart: 何を → 何 (なに) and を.
        while taken > 1 and words[at + taken - 1].pos[:1] == ("助詞",) and reading.endswith(words[at + taken - 1].surface):
            reading = reading.removesuffix(words[at + taken - 1].surface)
            taken -= 1
        whole = words[at : at + taken]
        low, high = whole[0].start, whole[-1].end
        head = next((word for word in whole if word.pos[:1] not in (("接頭辞",), ("接尾辞",))), whole[0])
        merged.append(Word(text[low:high], low, high, reading, head.pos))
        at += taken
    return merged


def _counted(words: list[Word]) -> list[Word]:
    """The words with numbers read as numbers, and with the sound changes of the counters after them.

    二 + 本 becomes one word, にほん; in 3本 the digit is not changed, and 本 is ぼん.
    """
    counted: list[Word] = []
    words, at = [*words], 0
    while at < len(words):
        words[at : at + 2] = _joined_number(words[at : at + 2])
        word, behind = words[at], words[at + 1] if at + 1 < len(words) else None
        at += 1
        in_figures = _FIGURES.fullmatch(word.surface) is not None
        # In 1,234.5 the digits behind the point decide the sound: ごほん.
        number = (
            int(word.surface.replace(",", "").rpartition(".")[2][-15:]) if in_figures else numerals.parse_number(word.surface)
        )
        if number is None and word.surface != "何":
            # Without a number before it, the dictionary's ぽん is wrong: 数本 is すうほん.
            counted.append(dataclasses.replace(word, reading="ほん") if (word.surface, word.reading) == ("本", "ぽん") else word)
            continue
        split = _counter(behind) if behind else None
        fraction = split is not None and split[0] == "分" and at + 1 < len(words) and words[at + 1].surface == "の"
        spoken = None if split is None or fraction else numerals.with_counter(number, split[0])
        if behind is None or split is None or spoken is None:
            whole = None if in_figures or len(word.surface) < 2 else numerals.read_number(word.surface)
            counted.append(dataclasses.replace(word, reading=whole or word.reading))
            continue
        at += 1
        counter, tail = split
        if in_figures and number is not None:
            counter_said = numerals.counter_after(number, counter) or ""
            counted += [word, dataclasses.replace(behind, reading=counter_said + tail)]
        else:
            reading = (numerals.read_counted(word.surface, counter) or "".join(spoken)) + tail
            counted.append(Word(word.surface + behind.surface, word.start, behind.end, reading))
    return counted


def _joined_number(pair: list[Word]) -> list[Word]:
    """三 + 千本 as 三千 + 本, and 二 + 十分 as 二十 + 分: the dictionary has 千本 and 十分 as words. Others as they are."""
    if len(pair) < 2:
        return pair
    word, behind = pair
    digits, counter, cut = behind.surface[:-1], behind.surface[-1], behind.end - 1
    numbers = (word.surface, digits, word.surface + digits)
    if counter not in numerals.COUNTERS or any(numerals.parse_number(number) is None for number in numbers):
        return pair
    number = Word(word.surface + digits, word.start, cut, None, word.pos)
    return [number, Word(counter, cut, behind.end, numerals.counter_reading(counter), behind.pos)]


def _counter(word: Word) -> tuple[str, str] | None:
    """A word that is a counter or starts with one, as the counter and the reading of the rest. 時間 → ("時", "かん")."""
    counter, tail = word.surface[0], word.surface[1:]
    if word.reading is None or counter not in numerals.COUNTERS or (tail and tail not in _COUNTER_TAILS):
        return None
    for reading in numerals.readings_of(counter):
        if word.reading.startswith(reading):
            return counter, word.reading.removeprefix(reading)
    return None


def split_text(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Spans of at most `_CHUNK` characters that tile [start, end), split after a sentence if possible, else before a kanji."""
    while end - start > _CHUNK:
        window = text[start : start + _CHUNK]
        cut = max((found.end() for found in _BREAK.finditer(window)), default=0)
        if not cut:
            cut = max((found.start() for found in re.finditer(rf"(?<=[ぁ-ん、])(?={KANJI.pattern})", window)), default=_CHUNK)
        yield start, start + cut
        start += cut
    if start < end:
        yield start, end


def _analysed(text: str, start: int, end: int) -> Iterator[Word]:
    """The dictionary's words of text[start:end]. Their spans tile it."""
    # Variation selectors (葛󠄀) would become unknown words: leave them out, and let the spans cover them.
    kept = [i for i in range(start, end) if not _VARIATION.match(text[i])]
    if not kept:
        yield Word(text[start:end], start, end, None)
        return
    edges = [start, *kept[1:], end]
    clean = SURROGATE.sub("\ufffd", "".join(text[i] for i in kept)).translate(_SAME_READING)
    low = start
    for morpheme in sudachi_tokenizer().tokenize(clean):
        high = edges[morpheme.end()]
        if high <= low:
            continue  # normalisation made several words of one character (ﷺ): the first has the span
        surface = text[low:high]
        pos = tuple(morpheme.part_of_speech())
        if not KANJI.search(surface):
            yield Word(surface, low, high, None, pos)
        elif _KANJI_OR_KANA.fullmatch(_VARIATION.sub("", surface)):
            yield Word(surface, low, high, _reading(morpheme), pos)
        else:
            yield from _mixed(text, low, high)
        low = high


def _mixed(text: str, start: int, end: int) -> Iterator[Word]:
    """A word of kanji and other characters, "①番": its kanji are read separately, so that the rest is not changed."""
    position = start
    for run in _KANJI_OR_KANA.finditer(text, start, end):
        if run.start() > position:
            yield Word(text[position : run.start()], position, run.start(), None)
        yield from _analysed(text, run.start(), run.end())
        position = run.end()
    if position < end:
        yield Word(text[position:end], position, end, None)


def _reading(morpheme: Any) -> str | None:
    """The reading in hiragana, or None if the dictionary has none: it then repeats the surface or gives キゴウ, "symbol"."""
    reading = morpheme.reading_form()
    if not _READING.fullmatch(reading) or (reading == "キゴウ" and morpheme.surface() != "記号"):
        return None
    return jaconv.kata2hira(reading)


_local = threading.local()
_loading = threading.Lock()
_dictionaries: dict[str, Any] = {}


def sudachi_tokenizer(mode: Mode = "C", edition: Literal["small", "core"] = "small") -> Any:
    """This thread's SudachiPy tokenizer (not thread-safe). The dictionary is shared and is loaded at the first use."""
    made: dict[tuple[str, str], Any] = _local.__dict__.setdefault("tokenizers", {})
    if (mode, edition) not in made:
        from sudachipy import Dictionary, SplitMode

        with _loading:
            if edition not in _dictionaries:
                _dictionaries[edition] = Dictionary(dict=edition)
        dictionary = _dictionaries[edition]
        # SudachiPy 0.7 renamed `create`, and warns of the old name.
        make = dictionary.tokenizer if hasattr(dictionary, "tokenizer") else dictionary.create
        made[mode, edition] = make(mode=getattr(SplitMode, mode))
    return made[mode, edition]
