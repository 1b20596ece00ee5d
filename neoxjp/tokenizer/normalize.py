"""Japanese text without a vocabulary: the script of a character, and replacements that keep track of positions.

`AlignedText` gives the same text as `str.replace` and `re.sub`, and keeps for every character its span in the user's text.
`normalize_text` and `clean_text` are the steps that the original encoder (tanreinama/Japanese-BPEEncoder_V2) takes before it
looks at its vocabulary; `clean` gives what its regular expressions give, in time linear in the text (theirs are quadratic).
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache, cached_property, lru_cache
from typing import Literal, TypeVar

Script = Literal["hiragana", "katakana", "kanji", "latin", "digit", "symbol", "emoji", "space", "other"]
SCRIPTS: tuple[Script, ...] = ("hiragana", "katakana", "kanji", "latin", "digit", "symbol", "emoji", "space", "other")
Span = tuple[int, int]  # half-open [start, end), in characters


@lru_cache(maxsize=65536)
def script_of(character: str) -> Script:
    """The script of one character: "慶" → "kanji", "ｱ" → "katakana", "ー" → "katakana", "①" → "digit", "é" → "latin"."""
    code = ord(character)
    for script, first, last in _script_ranges():
        if first <= code <= last:
            return script
    if character.isspace():
        return "space"
    category = unicodedata.category(character)
    if category[0] == "N":
        return "digit"
    if category[0] in "PS":
        return "symbol"
    if category[0] == "L" and unicodedata.name(character, "").removeprefix("FULLWIDTH ").startswith("LATIN"):
        return "latin"
    return "other"


# In the order in which they are asked, as hexadecimal ranges. ー belongs to katakana and 々 〆 〇 to kanji, as a reader would
# say; Unicode calls some of them common to both. The emoji of the basic plane are those drawn in colour without being asked to.
_RANGES: tuple[tuple[Script, str], ...] = (
    ("hiragana", "3041-3096 3099-309A 309D-309F 1B001-1B11F 1B132-1B152"),
    ("katakana", "30A1-30FA 30FC-30FF 31F0-31FF 32D0-32FE 3300-3357 FF66-FF9F 1AFF0-1B000 1B120-1B122 1B155-1B167"),
    ("kanji", "2E80-2FDF 3005-3007 3021-3029 3038-303B 3400-4DBF 4E00-9FFF F900-FAFF 20000-3FFFD"),
    (
        "emoji",
        "200D-200D 20E3-20E3 231A-231B 23E9-23EC 23F0-23F0 23F3-23F3 25FD-25FE 2614-2615 2648-2653 267F-267F 2693-2693 26A1-26A1 "
        "26AA-26AB 26BD-26BE 26C4-26C5 26CE-26CE 26D4-26D4 26EA-26EA 26F2-26F3 26F5-26F5 26FA-26FA 26FD-26FD 2705-2705 270A-270B "
        "2728-2728 274C-274C 274E-274E 2753-2755 2757-2757 2764-2764 2795-2797 27B0-27B0 27BF-27BF 2B1B-2B1C 2B50-2B50 2B55-2B55 "
        "FE0F-FE0F 1F000-1F0FF 1F18E-1F18E 1F191-1F19A 1F1E6-1F265 1F300-1F6FF 1F7E0-1F7F0 1F90C-1FAFF E0020-E007F",
    ),
)


@cache
def _script_ranges() -> tuple[tuple[Script, int, int], ...]:
    return tuple(
        (script, int(first, 16), int(last, 16))
        for script, ranges in _RANGES
        for first, last in (pair.split("-") for pair in ranges.split())
    )


class AlignedText:
    """A text derived from another, with the span in the user's text for each of its characters.

    >>> AlignedText("a b").replace(" ", "<SP>").source
    [(0, 1), (1, 2), (1, 2), (1, 2), (1, 2), (2, 3)]

    Both ends of the spans never decrease. Each replacement returns a new object.
    """

    __slots__ = ("end", "source", "text")

    def __init__(self, text: str, start: int = 0, end: int | None = None):
        """`text` between `start` and `end`; the spans count from the beginning of `text` itself."""
        self.end = len(text) if end is None else end
        self.text = text[start : self.end]
        self.source: list[Span] = [(i, i + 1) for i in range(start, self.end)]

    def span(self, start: int, end: int) -> Span:
        """The span in the user's text of the characters [start, end); an empty one stands where its next character begins."""
        if start < end:
            return self.source[start][0], self.source[end - 1][1]
        here = self.source[start][0] if start < len(self.source) else self.end
        return here, here

    def replace(self, old: str, new: str) -> "AlignedText":
        """The text of `str.replace`."""
        if old not in self.text:
            return self
        return self.put((match.span(), new) for match in re.finditer(re.escape(old), self.text))

    def sub(self, pattern: str | re.Pattern[str], new: str) -> "AlignedText":
        """The text of `re.sub`; `new` may hold group references such as `\\1`."""
        return self.put((match.span(), match.expand(new)) for match in re.finditer(pattern, self.text))

    def put(self, replacements: Iterable[tuple[Span, str]]) -> "AlignedText":
        """Write each new text over its span; the spans are in order and do not overlap."""
        text: list[str] = []
        source: list[Span] = []
        done = 0
        for (start, end), new in replacements:
            text += self.text[done:start], new
            source += self.source[done:start]
            source += [self.span(start, end)] * len(new)
            done = end
        if not text:
            return self
        result = AlignedText("")
        result.end = self.end
        result.text = "".join([*text, self.text[done:]])
        result.source = source + self.source[done:]
        return result


T = TypeVar("T", str, AlignedText)
BLANKS = ((" ", "<SP>"), ("\u3000", "<SP>"), ("\r\n", "<BR>"), ("\n", "<BR>"), ("\r", "<BR>"), ("\t", "<TAB>"))
DASHES = (("—", "ー"), ("−", "ー"))  # em dash and minus sign become the long vowel mark: this loses text


class EmojiTable:
    """The emoji and emoticons of emoji.json, replaced by their tags as if one after the other in the file's order.

    The order is part of the original algorithm: 👋 comes before 👋🏻 and takes its first half. Searching the text for each of
    4,314 keys would take most of the encoding time, so all positions where a key matches are found in one pass, and earlier
    keys have priority. The result is the same unless a key can overlap a tag that was inserted before.
    Each key is found by one of its characters, the one that is rarest in ordinary text: (^_^) by its ^.
    """

    def __init__(self, tags: dict[str, str]):
        """`tags`: emoji → tag, in the file's order."""
        self.tags = tags

    @cached_property
    def apart(self) -> bool:
        """Whether no key can overlap a tag, so that one pass is enough."""
        return not self.touching(set(self.tags.values()))

    def touching(self, tags: Iterable[str]) -> list[str]:
        """The keys that can overlap one of the tags in a text."""
        tags = list(tags)
        characters = set("".join(tags))
        return [key for key in self.tags if not characters.isdisjoint(key) and any(_touch(key, tag) for tag in tags)]

    @cached_property
    def _order(self) -> dict[str, int]:
        return {key: order for order, key in enumerate(self.tags)}

    @cached_property
    def signs(self) -> dict[str, set[tuple[int, int]]]:
        """The character by which keys are found → its position in them, and their length."""
        signs: dict[str, set[tuple[int, int]]] = {}
        for key in self.tags:
            sign = min(key, key=_commonness)
            signs.setdefault(sign, set()).add((key.index(sign), len(key)))
        return signs

    @cached_property
    def _sign(self) -> re.Pattern[str]:
        # re looks up characters of the basic plane in a table, but compares others one by one: match all of these.
        within = "".join(map(re.escape, filter("\uffff".__ge__, self.signs)))
        return re.compile(f"[{within}\U00010000-\U0010ffff]")

    def find(self, text: str, places: Iterable[int] | None = None) -> list[tuple[Span, str]]:
        """The spans to replace, in order, with their keys. Valid if the keys are `apart` from the tags.

        `places`: the positions of the `signs` in the text, if they are known.
        """
        order, found = self._order, []
        for place in (match.start() for match in self._sign.finditer(text)) if places is None else places:
            for offset, length in self.signs.get(text[place], ()):
                start = place - offset
                key = text[start : start + length] if start >= 0 else ""
                if key in order:
                    found.append((order[key], start, start + len(key)))
        if len(found) > 1:
            found.sort()
        taken = bytearray(len(text) if found else 0)
        chosen: list[tuple[Span, str]] = []
        for _, start, end in found:
            if not any(taken[start:end]):
                taken[start:end] = b"\1" * (end - start)
                chosen.append(((start, end), text[start:end]))
        chosen.sort()
        return chosen

    def replace(self, text: T) -> T:
        if not self.apart:
            for key, tag in self.tags.items():
                text = text.replace(key, tag)
            return text
        found = [(span, self.tags[key]) for span, key in self.find(text if isinstance(text, str) else text.text)]
        return replace_spans(text, found) if isinstance(text, str) else text.put(found)


def findable_emoji(tags: dict[str, str]) -> dict[str, str]:
    """The emoji that can be found once blanks and dashes have been replaced: "(^ _ ^)" never is."""
    if _REPLACED.search("".join(set(tags.values()))):
        return tags
    return {key: tag for key, tag in tags.items() if not _REPLACED.search(key)}


_REPLACED = re.compile(f"[{''.join(old for old, _ in (*BLANKS, *DASHES))}]")


def replace_spans(text: str, replacements: Iterable[tuple[Span, str]]) -> str:
    """The text with each new text written over its span; the spans are in order and do not overlap."""
    parts: list[str] = []
    done = 0
    for (start, end), new in replacements:
        parts += text[done:start], new
        done = end
    return "".join([*parts, text[done:]]) if parts else text


def _commonness(character: str) -> int:
    """How frequent a character is in Japanese text, roughly: 0 for emoji and signs, 4 for letters, kana, kanji and digits."""
    if "\u2190" <= character < "\u3000" or (character > "\ufe00" and not "\uff00" <= character < "\ufff0"):
        return 0
    if character in "-.:":
        return 2
    return 3 if character in "()<>!?！？、。・「」（）" else 4 if character.isalnum() and not "\x7f" < character < "\u2000" else 1


def _touch(key: str, tag: str) -> bool:
    """Whether a key can overlap a tag in a text."""
    if set(key).isdisjoint(tag):
        return False
    borders = range(1, min(len(key), len(tag)))
    return key in tag or tag in key or any(tag.endswith(key[:n]) or tag.startswith(key[-n:]) for n in borders)


def normalize_text(text: T, emoji: EmojiTable) -> T:
    """The text in the form of the vocabulary: "猫 😀" → "猫<SP><|emoji1|>", for a str or an AlignedText."""
    for old, new in BLANKS:
        text = text.replace(old, new)
    for old, new in DASHES:
        text = text.replace(old, new)
    return emoji.replace(text)


# --- do_clean_text -------------------------------------------------------------------------------------------------------------

_WEEKDAY = r"\([日月火水木金土]\)|[㈰㈪㈫㈬㈭㈮㈯]"
_DAY = r"(?:0?[1-9]|[12][0-9]|3[01])"
_TIME = rf"(?:\d{{1,2}}|:|\d{{1,2}}時|\d{{1,2}}分|{_WEEKDAY})*"
_MONTH = r"(?:0?[1-9]|1[0-2])"

_URL = re.compile(r"(?:https?|ftp)://[-_.!~*'()a-zA-Z0-9;/?:@&=+$,%#]+")
_MAIL_HOST = re.compile(r"@[\-_0-9A-Za-z]+(?:\.[A-Za-z]+)*")
_MAIL_NAME = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+")
_PHONE = re.compile(r"\(?[0-9]{2,4}[)\-(]?[0-9]{2,4}[)\-]?[0-9]{3,4}")
_YEAR = re.compile(r"[12]\d{3}[/\-年]")
_DATE_START = re.compile(rf"{_YEAR.pattern}|{_MONTH}[/\-月]")
_DATE = re.compile(rf"{_MONTH}[/\-月](?:{_DAY}日?)*{_TIME}")
_ERA_DATE = re.compile(rf"(?:明治|大正|昭和|平成|令和|[㍾㍽㍼㍻\u32ff])\d{{1,2}}年{_MONTH}月{_DAY}日{_TIME}")
_PRICE_START = re.compile(r"[\d億万千円ドユ]")
_PRICE_UNITS = tuple(re.compile(rf"\d,\d{{3}}|[\d{unit}]") for unit in "億万千")
_PRICE_END = re.compile(
    r"(?:千円|万円|千万円|円|千ドル|万ドル|千万ドル|ドル|千ユーロ|万ユーロ|千万ユーロ|ユーロ)+(?:\(税込\)|\(税抜\)|\+tax)*"
)
_BLOCKS = re.compile("(?:[\u2500-\u259f]|<BLOCK>)+")  # box drawing and block elements: a run of them becomes one tag


def clean_text(text: AlignedText) -> AlignedText:
    """URLs, mail addresses, telephone numbers, dates and prices as tags: "03-1234-5678へ" → "<TEL>へ" (`do_clean_text`)."""
    text = text.sub(_URL, "<URL>")
    text = text.put((span, "<EMAIL>") for span in _mail_spans(text.text))
    text = text.sub(_PHONE, "<TEL>")
    text = text.put((span, "<DATE>") for span in _date_spans(text.text))
    text = text.sub(_ERA_DATE, "<DATE>")
    text = text.put((span, "<PRICE>") for span in _price_spans(text.text))
    return text.sub(_BLOCKS, "<BLOCK>")


def _mail_spans(text: str) -> Iterator[Span]:
    """Where `[A-Za-z0-9._+]*@[\\-_0-9A-Za-z]+(\\.[A-Za-z]+)*` matches: found by the @, then widened to the left."""
    done = 0
    for host in _MAIL_HOST.finditer(text):
        start = host.start()
        while start > done and text[start - 1] in _MAIL_NAME:
            start -= 1
        done = host.end()
        yield start, done


def _date_spans(text: str) -> Iterator[Span]:
    """Where `(YEAR)*MONTH[/-月](DAY日?)*(TIME)*` matches.

    Every year that starts a chain of years without a month at its end would walk that chain again. A chain is known by
    its place modulo 5, the length of a year with its sign: what failed once is not walked twice. No month can begin
    where a year begins (a digit is where the month's sign is required), so a chain need not be shortened either.
    """
    failed = [-1] * 5  # for each place modulo 5: how far a chain that leads nowhere reaches
    position = 0
    while found := _DATE_START.search(text, position):
        start = found.start()
        position = start + 1
        if start < failed[start % 5]:
            continue
        end = start
        while year := _YEAR.match(text, end):
            end = year.end()
        if date := _DATE.match(text, end):
            position = date.end()
            yield start, position
        elif end > start:
            failed[start % 5] = end


def _price_spans(text: str) -> Iterator[Span]:
    """Where `(\\d,\\d{3}|[\\d億])*+(\\d,\\d{3}|[\\d万])*+(\\d,\\d{3}|[\\d千])*+(円|…)+(税込|…)*` matches.

    The three runs are possessive, so all that counts is where each one ends. A place from which a run led nowhere is
    remembered, and a later start that arrives there gives up at once: every place is walked at most once in each run.
    """
    dead: tuple[set[int], ...] = (set(), set(), set())
    position = 0
    while found := _PRICE_START.search(text, position):
        start = found.start()
        position = start + 1
        here = start
        run = 0
        walked: list[tuple[int, int]] = []  # (run, place)
        while run < len(_PRICE_UNITS) and here not in dead[run]:
            walked.append((run, here))
            if unit := _PRICE_UNITS[run].match(text, here):
                here = unit.end()
            else:
                run += 1
        if run == len(_PRICE_UNITS) and (price := _PRICE_END.match(text, here)):
            position = price.end()
            yield start, position
        else:
            for run, place in walked:
                dead[run].add(place)
