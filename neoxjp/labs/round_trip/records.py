"""What a text loses on its way to ids and back, and why; and what a normalisation before encoding would change.

>>> roundtrip(tokenizer, "慶應大学へ—").differences
(Difference(start=0, end=2, was='慶應', became='慶応', reason='variant', …), Difference(start=5, …, reason='dash', …))

Written over the user's text, the differences give exactly what decoding gives.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Literal

from neoxjp.errors import ParameterError
from neoxjp.tokenizer import DASHES, GPTNeoXJapaneseTokenizer, Span, Token, replace_spans

Reason = Literal[
    "variant",  # another spelling of the same id: 慶應 → 慶応
    "emoji",  # one emoji stands for all of its id: 😃 → 😀
    "dash",  # — and − → ー
    "blank",  # a full-width blank → a blank
    "newline",  # CR LF and CR → LF
    "symbol",  # one sign stands for a whole class: ☃ → ‖
    "surrogate",  # half of a pair has no UTF-8: → U+FFFD
    "tag",  # a tag that was typed is taken for the token itself: "<SP>" → " "
    "cleaned",  # do_clean_text: a URL → "<URL>"
    "bytes",  # compat: each byte is decoded alone: é → ��
    "stripped",  # compat: blanks at both ends are taken off
    "comma",  # compat: the comma comes back, but as a byte that the model never saw for it
]
Normalization = Literal["none", "nfc", "nfkc", "clean"]
REASONS: tuple[Reason, ...] = Reason.__args__  # type: ignore[attr-defined]
NORMALIZATIONS: tuple[Normalization, ...] = Normalization.__args__  # type: ignore[attr-defined]
TAGS = ("<URL>", "<EMAIL>", "<TEL>", "<DATE>", "<PRICE>", "<BLOCK>")  # what do_clean_text writes
_DASHES = str.maketrans(dict(DASHES))


@dataclass(frozen=True, slots=True)
class Difference:
    """A stretch of the text that does not come back as it was, or not by the ids that the model was trained with."""

    start: int  # span in the user's text
    end: int
    was: str
    became: str
    reason: Reason
    ids: tuple[int, ...]
    changed: int  # characters of `was` that are others, or gone; 0 where only the ids differ


@dataclass(frozen=True, slots=True)
class Total:
    """All differences of one reason."""

    differences: int
    changed: int  # characters


@dataclass(frozen=True, slots=True)
class Roundtrip:
    """A text, its ids, and what they say when they are read again."""

    text: str
    decoded: str
    tokens: int
    characters: int  # of the text
    changed: int  # of them, those that come back changed
    differences: tuple[Difference, ...]
    totals: Mapping[Reason, Total]  # most characters first


@dataclass(frozen=True, slots=True)
class Replacement:
    """A stretch that a normalisation changes."""

    start: int  # span in the text before it
    end: int
    was: str
    became: str


@dataclass(frozen=True, slots=True)
class Effect:
    """What a normalisation before encoding would do."""

    normalization: Normalization
    text: str  # the text after it
    replacements: tuple[Replacement, ...]
    characters: int  # of the text before it, those in a replacement
    tokens_before: int
    tokens_after: int
    changed_before: int  # characters that come back changed
    changed_after: int  # those of the normalised text: what it changed itself is not counted here


def roundtrip(tokenizer: GPTNeoXJapaneseTokenizer, text: str, do_clean_text: bool | None = None) -> Roundtrip:
    """The text, encoded and decoded, with a reason for each difference.

    `tokenizer` may be in compat mode; `do_clean_text` is that of `encode`.
    """
    ids = tokenizer.encode(text, do_clean_text)
    decoded = tokenizer.decode(ids)
    differences: list[Difference] = []
    if tokenizer.compat:
        differences += _compat_differences(tokenizer.analyze(text, do_clean_text), text)
    elif decoded != text:  # to look at each token takes far longer than to encode and decode
        lossy = (token for token in tokenizer.analyze(text, do_clean_text) if token.lossy)
        for (start, end), found in groupby(lossy, key=lambda token: (token.start, token.end)):
            group = list(found)
            became = "".join(token.text for token in group)
            differences.append(_difference(group, text[start:end], became, _reason(group, text[start:end])))
    number, characters = Counter[Reason](), Counter[Reason]()
    for difference in differences:
        number[difference.reason] += 1
        characters[difference.reason] += difference.changed
    totals = {reason: Total(number[reason], characters[reason]) for reason in REASONS if number[reason]}
    totals = dict(sorted(totals.items(), key=lambda item: -item[1].changed))
    changed = sum(characters.values())
    return Roundtrip(text, decoded, len(ids), len(text), changed, tuple(differences), totals)


def effect(tokenizer: GPTNeoXJapaneseTokenizer, before: Roundtrip, normalization: Normalization) -> Effect:
    """What a normalisation of the text would change, cost or save; `before` is the round trip of the text as it is.

    Raises:
        ParameterError: the normalisation is unknown.
    """
    replacements = tuple(_replacements(tokenizer, before.text, normalization))
    text = replace_spans(before.text, (((found.start, found.end), found.became) for found in replacements))
    after = roundtrip(tokenizer, text) if replacements else before
    characters = sum(found.end - found.start for found in replacements)
    return Effect(normalization, text, replacements, characters, before.tokens, after.tokens, before.changed, after.changed)


@dataclass(frozen=True, slots=True)
class Normalised:
    """What a command or an API call asked: a text, normalised first, and its round trip."""

    effect: Effect
    roundtrip: Roundtrip  # of the normalised text


def normalised(tokenizer: GPTNeoXJapaneseTokenizer, text: str, normalization: Normalization) -> Normalised:
    """Normalise a text, then encode and decode it. Raises ParameterError where the normalisation is unknown."""
    before = roundtrip(tokenizer, text)
    found = effect(tokenizer, before, normalization)
    return Normalised(found, roundtrip(tokenizer, found.text) if found.replacements else before)


def grouped(found: Iterable[Difference | Replacement]) -> list[tuple[str, str, int]]:
    """(was, became, how often), the most frequent first."""
    return [(was, became, times) for (was, became), times in Counter((each.was, each.became) for each in found).most_common()]


def changed_characters(was: str, became: str) -> int:
    """How many characters of `was` are others in `became`, or gone: "慶應" → "慶応" is 1, and so is "㈱" → "(株)"."""
    if len(was) == len(became):
        return sum(a != b for a, b in zip(was, became, strict=True))
    front = next((i for i, (a, b) in enumerate(zip(was, became, strict=False)) if a != b), min(len(was), len(became)))
    rest = min(len(was), len(became)) - front
    back = next((i for i in range(rest) if was[-1 - i] != became[-1 - i]), rest)
    return max(len(was) - front - back, 1)


# ---------------------------------------------------------------- reasons


def _difference(group: Sequence[Token], was: str, became: str, reason: Reason) -> Difference:
    ids = tuple(token.id for token in group)
    return Difference(group[0].start, group[0].end, was, became, reason, ids, changed_characters(was, became))


def _compat_differences(tokens: Sequence[Token], text: str) -> Iterator[Difference]:
    """The differences of compat mode, which also takes the blanks off both ends, and makes a byte of a comma."""
    groups = [list(group) for _, group in groupby(tokens, key=lambda token: (token.start, token.end))]
    written = ["".join(token.text for token in group) for group in groups]
    for group, full, left in zip(groups, written, _stripped(written), strict=True):
        was = text[group[0].start : group[0].end]
        if left != was:
            yield _difference(group, was, left, _reason(group, was) if full != was else "stripped")
        elif was == "," and group[0].kind == "byte":
            yield _difference(group, was, left, "comma")


def _reason(group: Sequence[Token], was: str) -> Reason:
    """Why the tokens of one stretch are written otherwise than it was."""
    first = group[0]
    if any("\ud800" <= character <= "\udfff" for character in was):
        return "surrogate"
    if first.kind in ("blank", "emoji", "symbol", "byte", "tag", "special"):
        if first.piece == was:
            return "tag"
        if first.kind == "blank":
            return "newline" if was[0] in "\r\n" else "blank"
        if first.kind == "byte":
            return "bytes"
        return "cleaned" if first.piece in TAGS else "emoji" if first.kind == "emoji" else "symbol"
    if len(group) > 1:  # a tag that the vocabulary cuts in pieces
        return "cleaned" if "".join(token.piece for token in group) in TAGS else "emoji"
    return "dash" if was.translate(_DASHES) == first.text else "variant"


def _stripped(written: list[str]) -> list[str]:
    """The texts without the blanks at both ends of all of them together."""
    kept = list(written)
    for places, strip in ((range(len(kept)), str.lstrip), (range(len(kept) - 1, -1, -1), str.rstrip)):
        for place in places:
            kept[place] = strip(kept[place])
            if kept[place]:
                break
    return kept


# ---------------------------------------------------------------- normalisation


def _replacements(tokenizer: GPTNeoXJapaneseTokenizer, text: str, how: Normalization) -> Iterator[Replacement]:
    if how not in NORMALIZATIONS:
        raise ParameterError(f"normalization={how!r}: choose one of {', '.join(map(repr, NORMALIZATIONS))}")
    if how == "none":
        return
    found = _cleaned(tokenizer, text) if how == "clean" else _composed(text, how.upper())
    yield from (Replacement(start, end, text[start:end], became) for (start, end), became in found if text[start:end] != became)


def _composed(text: str, form: str) -> list[tuple[Span, str]]:
    """Stretches and their normal form, each as short as can be: what composes is in one stretch (か + ゙, ｶ + ﾞ)."""
    if unicodedata.is_normalized(form, text):  # type: ignore[arg-type]
        return []

    def normal(part: str) -> str:
        return unicodedata.normalize(form, part)  # type: ignore[arg-type]

    borders = [0]
    joins: dict[tuple[str, str], bool] = {}  # (stretch, next character) → whether that belongs to it
    last = text[0]
    for place, character in enumerate(text[1:], 1):
        pair = (last, character)
        if pair not in joins:
            joins[pair] = bool(unicodedata.combining(character)) or normal(last + character) != normal(last) + normal(character)
        if joins[pair]:
            last += character
        else:
            borders.append(place)
            last = character
    forms = {part: normal(part) for part in {text[start:end] for start, end in pairwise([*borders, len(text)])}}
    found = [((start, end), forms[text[start:end]]) for start, end in pairwise([*borders, len(text)])]
    # Where a mark would move over a border after all, the text is one stretch.
    return found if "".join(became for _, became in found) == normal(text) else [((0, len(text)), normal(text))]


def _cleaned(tokenizer: GPTNeoXJapaneseTokenizer, text: str) -> Iterator[tuple[Span, str]]:
    """What do_clean_text makes a tag: a tag's characters all stand for the stretch that it replaced."""
    for aligned in tokenizer.aligned(text, True):
        place = 0
        for span, run in groupby(aligned.source):
            size = sum(1 for _ in run)
            became = aligned.text[place : place + size]
            place += size
            if became in TAGS:
                yield span, became
