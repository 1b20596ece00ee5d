"""Why a text is split where it is: the candidates at each position, the rule that chose one, what another character changes.

>>> cuts = Cuts(tokenizer, "東京都に住む")
>>> cuts[0].candidates
(Candidate(piece='東京都', id=…, won=True, …), Candidate(piece='東京', …), Candidate(piece='東', …))

Candidates come from a window of three characters, in which blanks and emoji are already replaced by tags. All spans refer to the
user's own text. The end of the file finds the vocabulary entries close to a word, and why they were not chosen.
"""

import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

import jaconv

from neoxjp import japanese
from neoxjp.errors import ParameterError
from neoxjp.tokenizer import AlignedText, GPTNeoXJapaneseTokenizer, Rule, Span, iter_cuts, rule_of, tile_spans

WINDOW = 3  # characters from a position on that are candidates
MOST_REPLACEMENT = 20  # characters that may replace one
Slot = Literal["next", "second", "third"]
SLOTS: tuple[Slot, ...] = ("next", "second", "third")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A candidate: the first three, two or one characters of the window."""

    piece: str  # the characters as they are looked up: "東京都", "<SP>"
    id: int | None  # None: not in the vocabulary
    start: int  # span in the user's text
    end: int
    won: bool
    behind: int | None  # by how much its id is larger than the chosen one's; None: no entry, or a tag has priority
    partial: bool  # it ends in the middle of a tag for an emoji or a blank


@dataclass(frozen=True, slots=True)
class TokenReason:
    """Why one token is where it is: the candidates, and the chosen one."""

    index: int  # which cut of the text, from 0
    start: int  # span of the chosen characters in the user's text
    end: int
    surface: str  # the user's characters there
    window: str  # up to three characters, as they are looked up
    candidates: tuple[Candidate, ...]  # longest first
    winner: int | None  # index into candidates; None: written as a symbol or as bytes
    rule: Rule
    ids: tuple[int, ...]  # more than one only for bytes


@dataclass(frozen=True, slots=True)
class Part:
    """The characters and ids of one cut."""

    surface: str
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What replacing one character of the text changes."""

    start: int  # span in the user's text of what is replaced; empty at the end of the text
    end: int
    was: str
    replacement: str
    same: bool  # the cut in question does not change
    token: TokenReason  # that token in the changed text
    first: int  # span in the user's text outside of which every cut stays
    last: int
    before: tuple[Part, ...]  # the cuts of that span ...
    after: tuple[Part, ...]  # ... and those of the changed text in its place


class Cuts:
    """The cuts of a text. The text is tokenized once; each position is explained on access."""

    def __init__(self, tokenizer: GPTNeoXJapaneseTokenizer, text: str):
        self.tokenizer, self.text = tokenizer, text
        self._places: list[tuple[AlignedText, int, int, tuple[int, ...]]] = []  # span in the aligned text, and ids
        spans: list[Span] = []
        for aligned in tokenizer.aligned(text):
            for start, end, ids in iter_cuts(aligned.text, tokenizer.vocabulary):
                self._places.append((aligned, start, end, ids))
                spans.append(aligned.span(start, end))
        self.spans = tile_spans(spans, len(text))

    def __len__(self) -> int:
        return len(self.spans)

    def __iter__(self) -> Iterator[TokenReason]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> TokenReason:
        """The cut with its candidates and rule."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        aligned, start, end, ids = self._places[index]
        candidates = self._candidates(aligned, start, end)
        winner = next((i for i, candidate in enumerate(candidates) if candidate.won), None)
        first, last = self.spans[index]
        window = aligned.text[start : start + WINDOW]
        complete = sum(candidate.id is not None and not candidate.partial for candidate in candidates)
        piece = None if winner is None else candidates[winner].piece
        rule = rule_of(piece, self.tokenizer.vocabulary.kinds[ids[0]], complete)
        return TokenReason(index, first, last, self.text[first:last], window, candidates, winner, rule, ids)

    def at(self, position: int) -> int:
        """The index of the cut with the character at `position` of the user's text.

        Raises:
            ParameterError: the text has no such character.
        """
        if not 0 <= position < len(self.text):
            raise ParameterError(
                f"position {position}: the text has {len(self.text)} characters, counted from 0",
                ja=f"位置 {position} に文字がありません（全部で {len(self.text)} 文字、0 から数えます）。",
            )
        index = bisect_right(self.spans, position, key=lambda span: span[0]) - 1
        while index and self.spans[index - 1] == self.spans[index]:
            index -= 1  # both halves of a tag that the vocabulary splits have the same span
        return index

    def part(self, index: int) -> Part:
        """A cut without its candidates."""
        start, end = self.spans[index]
        return Part(self.text[start:end], self._places[index][3])

    def described(self, indices: Iterable[int], shift: int = 0) -> Iterator[tuple[int, Part]]:
        """Of each cut where it starts, moved by `shift`, and its characters and ids."""
        return ((self.spans[index][0] + shift, self.part(index)) for index in indices)

    def slot(self, index: int, which: Slot = "next") -> Span:
        """The character to replace: the one after a cut, or the second or third of its window; an empty span at the end."""
        aligned, start, end, _ = self._places[index]
        if which == "next":
            done = self.spans[index][1]
            behind = next((span for span in aligned.source[end : end + WINDOW] if span[0] >= done), None)
            return behind or (done, min(done + 1, len(self.text)))
        distinct: list[Span] = []
        for span in aligned.source[start:]:
            if not distinct or distinct[-1] != span:
                distinct.append(span)
            if len(distinct) > SLOTS.index(which):
                return distinct[-1]
        return aligned.end, aligned.end

    def _candidates(self, aligned: AlignedText, start: int, end: int) -> tuple[Candidate, ...]:
        text, source, vocabulary = aligned.text, aligned.source, self.tokenizer.vocabulary
        tags = (
            [n for n in vocabulary.tag_lengths if n > 2 and text[start : start + n] in vocabulary.ids]
            if text[start] == "<"
            else []
        )
        lengths = sorted({1, 2, WINDOW, *tags}, reverse=True)
        best = vocabulary.ids.get(text[start:end])
        by_tag = end - start > 2 and text[start] == "<"
        candidates = []
        for length in lengths:
            stop = start + length
            if stop > len(text):
                continue
            won = stop == end and best is not None
            partial = not won and stop < len(text) and source[stop - 1] == source[stop]
            if partial and source[start] == source[stop]:
                continue  # part of the tag for this emoji or blank: not the user's own characters
            id = vocabulary.ids.get(text[start:stop])
            behind = None if by_tag or id is None or best is None else id - best
            candidates.append(Candidate(text[start:stop], id, *aligned.span(start, stop), won, 0 if won else behind, partial))
        return tuple(candidates)


def _equal(one: Iterable[object], other: Iterable[object]) -> int:
    """How many items at the beginning are equal."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def what_if(cuts: Cuts, index: int, replacement: str, which: Slot = "next") -> WhatIf:
    """What replacing a character changes: 東京│都 with 府 in place of 都.

    Args:
        index: the cut in question.
        replacement: the new characters; "" removes the character.
        which: the character that is replaced, see `Cuts.slot`.

    Raises:
        ParameterError: the replacement is longer than `MOST_REPLACEMENT` characters.
    """
    if len(replacement) > MOST_REPLACEMENT:
        raise ParameterError(
            f"a replacement of {len(replacement)} characters: try at most {MOST_REPLACEMENT}",
            ja=f"{len(replacement)} 文字あります。試せるのは {MOST_REPLACEMENT} 文字までです。",
        )
    if which not in SLOTS:
        raise ParameterError(f"which={which!r}: choose one of {', '.join(map(repr, SLOTS))}")
    text = cuts.text
    start, end = cuts.slot(index, which)
    changed = Cuts(cuts.tokenizer, text[:start] + replacement + text[end:])
    old, new = len(cuts), len(changed)
    shift = len(changed.text) - len(text)
    # The unchanged cuts before, then those after: the same ids over the same characters.
    front = _equal(cuts.described(range(old)), changed.described(range(new)))
    back = _equal(cuts.described(range(old - 1, front - 1, -1), shift), changed.described(range(new - 1, front - 1, -1)))
    before, after = range(front, old - back), range(front, new - back)
    first = cuts.spans[front][0] if front < old else len(text)
    last = cuts.spans[old - back][0] if back else len(text)
    place = cuts.spans[index][0]
    here = changed[changed.at(min(place, len(changed.text) - 1))]
    same = here.start == place and cuts.part(index) == Part(here.surface, here.ids)
    return WhatIf(
        start,
        end,
        text[start:end],
        replacement,
        same,
        here,
        first,
        max(first, last),
        tuple(map(cuts.part, before)),
        tuple(map(changed.part, after)),
    )


# ---------------------------------------------------------------- a word and the entries close to it

How = Literal["equal", "contains", "reading", "width", "prefix", "suffix"]
Reason = Literal["taken", "smaller id", "begun before", "other characters"]
MOST: dict[How, int] = {"equal": 1, "contains": 4, "reading": 2, "width": 1, "prefix": 3, "suffix": 3}  # entries of each kind
NEARBY = 200  # characters around a position that are searched for words


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the vocabulary close to a word, and why it was not chosen for it."""

    piece: str
    id: int
    how: How  # it is the word, contains it, is its kana reading or its other width, or shares its beginning or end
    shared: int  # characters that it shares with the word
    whole: bool  # it would make the word a single token
    reason: (
        Reason  # "smaller id": one won where it begins; "begun before": no cut begins there; "other characters": not in the text
    )
    by: str | None  # the user's characters that were chosen there instead
    by_id: int | None


@dataclass(frozen=True, slots=True)
class Word:
    """A word, its tokens, and the entries closest to it."""

    surface: str
    start: int  # span in the user's text
    end: int
    reading: str | None  # in hiragana, as the dictionary has it
    pieces: tuple[Part, ...]  # the cuts that touch it
    whole: bool  # it is exactly one token
    fits: bool  # False: it is longer than the window, so it cannot be one token
    entries: tuple[Entry, ...]  # empty if the word is whole


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer to a command or an API call about the cuts of a text."""

    text: str
    tokens: tuple[TokenReason, ...]  # all of them, or the one in question
    what_if: WhatIf | None
    word: Word | None  # None unless one position is in question


def explanation(
    tokenizer: GPTNeoXJapaneseTokenizer,
    text: str,
    at: int | None = None,
    replacement: str | None = None,
    which: Slot = "next",
    word: str | None = None,
) -> Explanation:
    """The cuts of a text; with `at`, only the one with that character, its word and what a replacement changes.

    Raises:
        ParameterError: the text has no such character or word; the replacement is too long, or `at` is missing.
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
    """The span of the dictionary's word at a character: ("東京都に住む", 4) → (4, 6). Searches only the sentence around it."""
    start, end = max(0, position - NEARBY), position + NEARBY
    for sign in "\n。！？":
        start = max(start, text.rfind(sign, start, position) + 1)
        if (found := text.find(sign, position, end)) >= 0:
            end = min(end, found + 1)
    word = next(word for word in japanese.read_words(text[start:end]) if word.end > position - start)
    return start + word.start, start + word.end


def span_of(text: str, word: str, position: int) -> Span:
    """The span of a given word in the text: the occurrence nearest to a position.

    Raises:
        ParameterError: the word is not in the text.
    """
    before = text.rfind(word, 0, position + len(word))
    behind = text.find(word, position)
    found = [place for place in (before, behind) if place >= 0] if word else []
    if not found:
        raise ParameterError(f"{word!r:.40} is not in the text", ja=f"「{word[:40]}」は文章にありません。")
    # One that covers the position first, then the nearer one.
    start = min(found, key=lambda place: (not place <= position < place + len(word), abs(place - position)))
    return start, start + len(word)


def nearest(cuts: Cuts, start: int, end: int) -> Word:
    """The vocabulary entries close to the word at [start, end) of the user's text."""
    text = cuts.text
    surface = text[start:end]
    touching = range(cuts.at(start), cuts.at(end - 1) + 1)
    whole = len(touching) == 1 and cuts.spans[touching[0]] == (start, end) and len(cuts.part(touching[0]).ids) == 1
    reading = _reading(text, start, end)
    entries = () if whole else tuple(_entries(cuts, start, end, reading))
    return Word(surface, start, end, reading, tuple(map(cuts.part, touching)), whole, len(surface) <= WINDOW, entries)


def _reading(text: str, start: int, end: int) -> str | None:
    """The reading of a span; None unless the dictionary knows all of its words."""
    surface = text[start:end][:NEARBY]
    words = japanese.read_words(surface) if japanese.KANJI.search(surface) else []
    return None if any(word.unknown for word in words) else "".join(word.reading or word.surface for word in words) or None


def _entries(cuts: Cuts, start: int, end: int, reading: str | None) -> Iterator[Entry]:
    """The entries; first those that would make the word a single token."""
    ids, word = cuts.tokenizer.vocabulary.ids, cuts.text[start:end]
    found: dict[How, list[str]] = {how: [] for how in MOST}
    if word in ids and len(word) <= WINDOW:  # a longer entry is never looked up
        found["equal"].append(word)
    if 1 < len(word) < WINDOW:
        found["contains"] = [
            piece for piece in ids if word in piece and piece != word and piece[0] != "<" and len(piece) <= WINDOW
        ]
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
        # One spelling for each id: that of the text if there is one.
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
    """Why an entry was not chosen: search it in the text, at the word or at the part that it shares."""
    text, word, id = cuts.text, cuts.text[start:end], cuts.tokenizer.vocabulary.ids[piece]
    whole = how not in ("prefix", "suffix")
    ends = (piece, word) if how == "prefix" else (piece[::-1], word[::-1])
    shared = len(word) if whole else _equal(*ends)
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
