"""A word that is cut in pieces: which entries of the vocabulary would have kept it whole, and why each was not taken.

>>> nearest(cuts, 0, 4)
Word(surface='慶應義塾', pieces=(慶應, 義塾), longest=2, entries=(Entry(piece='慶應', reason='taken'), …))

Entries are at most three characters long, so no token can hold a longer word: its nearest entries then keep a part of it.
"""

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import jaconv

from neoxjp import japanese
from neoxjp.errors import ParameterError
from neoxjp.labs.why_this_cut.records import WINDOW, Cuts, Part, Place, Slot, WhatIf, what_if
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer, Span

How = Literal["equal", "contains", "reading", "width", "prefix", "suffix"]
Reason = Literal["taken", "smaller id", "begun before", "other characters"]
MOST: dict[How, int] = {"equal": 1, "contains": 4, "reading": 2, "width": 1, "prefix": 3, "suffix": 3}  # entries of each kind
NEARBY = 200  # characters around a place that are searched for words


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the vocabulary that is near to a word, and why it was not taken for it."""

    piece: str
    id: int
    how: How  # it is the word, contains it, is its kana reading or its other width, or shares its beginning or end
    shared: int  # characters that it shares with the word
    whole: bool  # it would have kept the word in one token
    reason: (
        Reason  # "smaller id": one won where it begins; "begun before": no cut begins there; "other characters": not in the text
    )
    by: str | None  # the user's characters that were taken there instead
    by_id: int | None


@dataclass(frozen=True, slots=True)
class Word:
    """A word, its pieces, and the entries that come nearest to it."""

    surface: str
    start: int  # span in the user's text
    end: int
    reading: str | None  # in hiragana, as the dictionary has it
    pieces: tuple[Part, ...]  # the cuts that touch it
    whole: bool  # it is one token, and nothing else is in that token
    fits: bool  # False: it is longer than the window, so no token can hold it
    entries: tuple[Entry, ...]  # empty where the word is whole


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a command or an API call asked about the cuts of a text."""

    text: str
    cuts: tuple[Place, ...]  # all of them, or the one that was asked about
    what_if: WhatIf | None
    word: Word | None  # None where no place was asked about


def explanation(
    tokenizer: GPTNeoXJapaneseTokenizer,
    text: str,
    at: int | None = None,
    replacement: str | None = None,
    which: Slot = "next",
    word: str | None = None,
) -> Explanation:
    """The cuts of a text; with `at`, the one that holds that character, with its word and what a replacement would change.

    Raises:
        ParameterError: the text has no such character or word; the replacement is too long, or there is no place for it.
    """
    cuts = Cuts(tokenizer, text)
    if at is None:
        if replacement is not None or word is not None:
            raise ParameterError("a replacement or a word needs a place: say which character is asked about (at)")
        return Explanation(text, tuple(cuts), None, None)
    index = cuts.at(at)
    tried = None if replacement is None else what_if(cuts, index, replacement, which)
    start, end = word_at(text, at) if word is None else span_of(text, word, at)
    return Explanation(text, (cuts[index],), tried, nearest(cuts, start, end))


def word_at(text: str, position: int) -> Span:
    """The dictionary's word that holds a character: ("東京都に住む", 4) → (4, 6). Searches only the sentence around it."""
    start, word = _word(text, position)
    return start + word.start, start + word.end


def span_of(text: str, word: str, position: int) -> Span:
    """Where a word that the user names stands in the text: the occurrence nearest to a place.

    Raises:
        ParameterError: the text does not have it.
    """
    before = text.rfind(word, 0, position + len(word))
    behind = text.find(word, position)
    found = [place for place in (before, behind) if place >= 0] if word else []
    if not found:
        raise ParameterError(f"{word!r:.40} is not in the text", ja=f"「{word[:40]}」は文章にありません。")
    # One that covers the place first, then the nearer one.
    start = min(found, key=lambda place: (not place <= position < place + len(word), abs(place - position)))
    return start, start + len(word)


def nearest(cuts: Cuts, start: int, end: int) -> Word:
    """What the vocabulary has for the word at [start, end) of the user's text."""
    text = cuts.text
    surface = text[start:end]
    touching = range(cuts.at(start), cuts.at(end - 1) + 1)
    whole = len(touching) == 1 and cuts.spans[touching[0]] == (start, end) and len(cuts.part(touching[0]).ids) == 1
    reading = _reading(text, start, end)
    entries = () if whole else tuple(_entries(cuts, start, end, reading))
    return Word(surface, start, end, reading, tuple(map(cuts.part, touching)), whole, len(surface) <= WINDOW, entries)


def _word(text: str, position: int) -> tuple[int, japanese.Word]:
    """Where the searched stretch begins, and the word in it that holds the character."""
    start, end = max(0, position - NEARBY), position + NEARBY
    for sign in "\n。！？":
        start = max(start, text.rfind(sign, start, position) + 1)
        if (found := text.find(sign, position, end)) >= 0:
            end = min(end, found + 1)
    for word in japanese.read_words(text[start:end]):
        if word.end > position - start:
            return start, word
    raise IndexError(position)


def _reading(text: str, start: int, end: int) -> str | None:
    """The reading of a span, where the dictionary knows all of its words."""
    surface = text[start:end][:NEARBY]
    words = japanese.read_words(surface) if japanese.KANJI.search(surface) else []
    return None if any(word.unknown for word in words) else "".join(word.reading or word.surface for word in words) or None


def _entries(cuts: Cuts, start: int, end: int, reading: str | None) -> Iterator[Entry]:
    """The entries, those that keep the word whole first."""
    ids, word = cuts.tokenizer.vocabulary.ids, cuts.text[start:end]
    found: dict[How, list[str]] = {how: [] for how in MOST}
    if word in ids:
        found["equal"].append(word)
    if 1 < len(word) < WINDOW:
        found["contains"] = [piece for piece in ids if word in piece and piece != word and piece[0] != "<"]
    if reading and len(word) > 1:
        found["reading"] = [kana for kana in (reading, jaconv.hira2kata(reading)) if kana in ids and kana != word]
    width = unicodedata.normalize("NFKC", word)
    if width in ids and width != word:
        found["width"].append(width)
    if len(word) > 2:
        found["prefix"], found["suffix"] = _sharing(ids, word, str.startswith), _sharing(ids, word, str.endswith)
    named: set[int] = set()
    near = cuts.text[max(0, start - WINDOW) : end + WINDOW]
    for how, pieces in found.items():
        # Of an id's spellings one will do: that of the text if it has one.
        one = {ids[piece]: piece for piece in sorted(pieces, key=lambda piece: piece in near)}
        for id in sorted(one.keys() - named)[: MOST[how]]:
            named.add(id)
            yield _entry(cuts, start, end, one[id], how)


def _sharing(ids: dict[str, int], word: str, has: Callable[[str, str], bool]) -> list[str]:
    """The entries that share as much as possible of the word's beginning or end, and at least two characters."""
    for length in range(min(WINDOW, len(word) - 1), 1, -1):
        part = word[:length] if has is str.startswith else word[-length:]
        if found := [piece for piece in ids if len(piece) <= WINDOW and has(piece, part) and piece != word]:
            return found
    return []


def _entry(cuts: Cuts, start: int, end: int, piece: str, how: How) -> Entry:
    """Why an entry was not taken: look where the text has it, over the word or over the part that it shares."""
    text, word, id = cuts.text, cuts.text[start:end], cuts.tokenizer.vocabulary.ids[piece]
    whole = how not in ("prefix", "suffix")
    shared = len(word) if whole else _shared(piece, word, how)
    reason: Reason = "other characters"
    by, by_id = None, None
    if how not in ("reading", "width"):
        low = start if how == "prefix" else end - len(piece)
        for place in range(max(0, low), (end - len(piece) if how == "suffix" else start) + 1):
            if text[place : place + len(piece)] != piece:
                continue
            here = cuts.at(place)
            taken = cuts.part(here)
            if cuts.spans[here] == (place, place + len(piece)) and id in taken.ids:
                reason = "taken"
                break
            reason = "smaller id" if cuts.spans[here][0] == place else "begun before"
            by, by_id = taken.surface, taken.ids[0]
            break
    return Entry(piece, id, how, shared, whole, reason, by, by_id)


def _shared(piece: str, word: str, how: How) -> int:
    lengths = range(min(len(piece), len(word)), 0, -1)
    if how == "prefix":
        return next(n for n in lengths if piece[:n] == word[:n])
    return next(n for n in lengths if piece[-n:] == word[-n:])
