"""Encode a text, decode it, and give a reason for each difference; and what normalizing it first would change.

>>> roundtrip(tokenizer, "慶應大学へ—").differences
(Difference(start=0, end=2, was='慶應', became='慶応', reason='variant', …), Difference(start=5, …, reason='dash', …))

Replacing each difference in the user's text gives exactly the decoded text.
"""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import groupby, pairwise
from typing import Literal, get_args

from neoxjp.errors import ParameterError
from neoxjp.labs.common.changes import changed_characters
from neoxjp.tokenizer import DASHES, GPTNeoXJapaneseTokenizer, Span, Token, replace_spans

Reason = Literal[
    "variant",  # another spelling of the same id: 慶應 → 慶応
    "emoji",  # all emoji of an id are decoded as one of them: 😃 → 😀
    "dash",  # — and − → ー
    "blank",  # a full-width space → a space
    "newline",  # CR LF and CR → LF
    "symbol",  # all symbols of a class are decoded as one of them: ☃ → ‖
    "surrogate",  # a lone surrogate has no UTF-8 encoding: → U+FFFD
    "tag",  # a tag in the text is treated as the token itself: "<SP>" → " "
    "cleaned",  # do_clean_text: a URL → "<URL>"
    "bytes",  # compat: each byte is decoded separately: é → ��
    "stripped",  # compat: whitespace is stripped from both ends
    "comma",  # compat: the comma is restored, but its id is a byte token, which the model was not trained with
]
Normalization = Literal["none", "nfc", "nfkc", "clean"]
REASONS: tuple[Reason, ...] = get_args(Reason)
NORMALIZATIONS: tuple[Normalization, ...] = get_args(Normalization)
TAGS = ("<URL>", "<EMAIL>", "<TEL>", "<DATE>", "<PRICE>", "<BLOCK>")  # what do_clean_text writes
_DASHES = str.maketrans(dict(DASHES))


@dataclass(frozen=True, slots=True)
class Difference:
    """A part of the text that is decoded differently, or that has other ids than the model was trained with."""

    start: int  # span in the user's text
    end: int
    was: str
    became: str
    reason: Reason
    ids: tuple[int, ...]
    changed: int  # characters of `was` that differ or are missing in `became`; 0 if only the ids differ


@dataclass(frozen=True, slots=True)
class Total:
    """All differences of one reason."""

    differences: int
    changed: int  # characters


@dataclass(frozen=True, slots=True)
class Roundtrip:
    """A text, its decoded text, and the differences."""

    text: str
    decoded: str
    tokens: int
    characters: int  # of the text
    changed: int  # of them, those that change
    differences: tuple[Difference, ...]
    totals: Mapping[Reason, Total]  # most characters first


@dataclass(frozen=True, slots=True)
class Replacement:
    """A part of the text that a normalization changes."""

    start: int  # span in the text before it
    end: int
    was: str
    became: str


@dataclass(frozen=True, slots=True)
class Effect:
    """What normalizing the text before encoding would change."""

    normalization: Normalization
    text: str  # the text after it
    replacements: tuple[Replacement, ...]
    characters: int  # of the text before it, those in a replacement
    tokens_before: int
    tokens_after: int
    changed_before: int  # characters that the round trip changes
    changed_after: int  # the same for the normalized text; changes of the normalization itself are not counted


def roundtrip(tokenizer: GPTNeoXJapaneseTokenizer, text: str, do_clean_text: bool | None = None) -> Roundtrip:
    """The text, encoded and decoded, with a reason for each difference.

    `tokenizer` may be in compat mode; `do_clean_text` is that of `encode`.
    """
    ids = tokenizer.encode(text, do_clean_text)
    decoded = tokenizer.decode(ids)
    differences: list[Difference] = []
    if tokenizer.compat:
        differences += _compat_differences(tokenizer.analyze(text, do_clean_text), text)
    elif decoded != text:  # analyzing each token takes far longer than encoding and decoding
        lossy = (token for token in tokenizer.analyze(text, do_clean_text) if token.lossy)
        for (start, end), found in groupby(lossy, key=lambda token: (token.start, token.end)):
            group = list(found)
            became = "".join(token.text for token in group)
            differences.append(_difference(group, text[start:end], became, _reason(group, text[start:end])))
    by_reason = {reason: [each.changed for each in differences if each.reason == reason] for reason in REASONS}
    totals = {reason: Total(len(changed), sum(changed)) for reason, changed in by_reason.items() if changed}
    totals = dict(sorted(totals.items(), key=lambda item: -item[1].changed))
    changed = sum(total.changed for total in totals.values())
    return Roundtrip(text, decoded, len(ids), len(text), changed, tuple(differences), totals)


def effect(tokenizer: GPTNeoXJapaneseTokenizer, before: Roundtrip, normalization: Normalization) -> Effect:
    """What normalizing the text would change; `before` is the round trip of the original text.

    Raises:
        ParameterError: the normalization is unknown.
    """
    replacements = tuple(_replacements(tokenizer, before.text, normalization))
    text = replace_spans(before.text, (((found.start, found.end), found.became) for found in replacements))
    after = roundtrip(tokenizer, text) if replacements else before
    characters = sum(found.end - found.start for found in replacements)
    return Effect(normalization, text, replacements, characters, before.tokens, after.tokens, before.changed, after.changed)


def normalize_and_check(tokenizer: GPTNeoXJapaneseTokenizer, text: str, normalization: Normalization) -> tuple[Effect, Roundtrip]:
    """What normalizing a text changes, and the round trip of the normalized text. Raises ParameterError for an unknown one."""
    before = roundtrip(tokenizer, text)
    found = effect(tokenizer, before, normalization)
    return found, roundtrip(tokenizer, found.text) if found.replacements else before


def grouped(found: Iterable[Difference | Replacement]) -> list[tuple[str, str, int]]:
    """(was, became, how often), the most frequent first."""
    return [(was, became, times) for (was, became), times in Counter((each.was, each.became) for each in found).most_common()]


# ---------------------------------------------------------------- reasons


def _difference(group: Sequence[Token], was: str, became: str, reason: Reason) -> Difference:
    ids = tuple(token.id for token in group)
    return Difference(group[0].start, group[0].end, was, became, reason, ids, changed_characters(was, became))


def _compat_differences(tokens: Sequence[Token], text: str) -> Iterator[Difference]:
    """The differences of compat mode, which also strips whitespace from both ends and encodes a comma as a byte."""
    groups = [list(group) for _, group in groupby(tokens, key=lambda token: (token.start, token.end))]
    written = ["".join(token.text for token in group) for group in groups]
    for group, full, left in zip(groups, written, _stripped(written), strict=True):
        was = text[group[0].start : group[0].end]
        if left != was:
            yield _difference(group, was, left, _reason(group, was) if full != was else "stripped")
        elif was == "," and group[0].kind == "byte":
            yield _difference(group, was, left, "comma")


def _reason(group: Sequence[Token], was: str) -> Reason:
    """Why the tokens of one part of the text are decoded differently."""
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
    if len(group) > 1:  # a tag that the vocabulary splits into pieces
        return "cleaned" if "".join(token.piece for token in group) in TAGS else "emoji"
    return "dash" if was.translate(_DASHES) == first.text else "variant"


def _stripped(written: list[str]) -> list[str]:
    """The texts, with whitespace stripped from both ends of their concatenation."""
    left = list(written)
    for places, strip in ((range(len(left)), str.lstrip), (reversed(range(len(left))), str.rstrip)):
        for place in places:
            left[place] = strip(left[place])
            if left[place]:
                break
    return left


# ---------------------------------------------------------------- normalization


def _replacements(tokenizer: GPTNeoXJapaneseTokenizer, text: str, how: Normalization) -> Iterator[Replacement]:
    if how not in NORMALIZATIONS:
        raise ParameterError(f"normalization={how!r}: choose one of {', '.join(map(repr, NORMALIZATIONS))}")
    if how == "none":
        return
    found = _cleaned(tokenizer, text) if how == "clean" else _composed(text, how.upper())
    yield from (Replacement(start, end, text[start:end], became) for (start, end), became in found if text[start:end] != became)


_TAIL = 8  # characters of a span with which the next one may compose; a whole span of thousands would take cubic time


def _composed(text: str, form: str) -> list[tuple[Span, str]]:
    """The shortest spans and their normal forms: characters that compose are in one span (か + ゙, ｶ + ﾞ)."""
    if unicodedata.is_normalized(form, text):  # type: ignore[arg-type]
        return []

    normal: Callable[[str], str] = cache(partial(unicodedata.normalize, form))  # type: ignore[arg-type]
    borders, last = [0], text[0]  # where spans start; the end of the span so far
    for place, character in enumerate(text[1:], 1):
        if unicodedata.combining(character) or normal(last + character) != normal(last) + normal(character):
            last = (last + character)[-_TAIL:]
        else:
            borders.append(place)
            last = character
    found = [((start, end), normal(text[start:end])) for start, end in pairwise([*borders, len(text)])]
    # If a mark still moves across a border, the whole text is one span.
    return found if "".join(became for _, became in found) == normal(text) else [((0, len(text)), normal(text))]


def _cleaned(tokenizer: GPTNeoXJapaneseTokenizer, text: str) -> Iterator[tuple[Span, str]]:
    """The spans that do_clean_text replaces by a tag: all characters of the tag have the replaced text as their source."""
    for aligned in tokenizer.aligned(text, True):
        place = 0
        for span, run in groupby(aligned.source):
            size = sum(1 for _ in run)
            became = aligned.text[place : place + size]
            place += size
            if became in TAGS:
                yield span, became
