"""Which tokens of two texts belong together, by the words that they stand for.

Two spellings of a word have different tokens, and often a different number of them. What is compared is the reading: 慶応義塾 and
けいおうぎじゅく are read alike, so their tokens make one pair of spans. A pair of spans ends where a token ends in both texts at
the same place of the reading, and a word ends there: in both texts, or in one where the reading is the same before and after.
Inside a span that is written alike, it ends wherever a token ends in both. So the spans are the shortest ones that can be
compared; none is empty.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any

from neoxjp.japanese import spellings, to_new_forms
from neoxjp.labs.common.spans import piece_ranges, spans_of


@dataclass(frozen=True, slots=True)
class SpanPair:
    """Tokens of the base text and tokens of the donor text that stand for the same words, or for each other."""

    start: int  # positions in the base, [start, end)
    end: int
    donor_start: int  # positions in the donor
    donor_end: int
    text: str  # of the base's tokens
    donor_text: str

    @property
    def places(self) -> list[tuple[int, int]]:
        """(position in the base, in the donor) of each state that is replaced: the last ones, as many as the shorter has.

        A model that reads from left to right has read the whole word at its last token.
        """
        count = min(self.end - self.start, self.donor_end - self.donor_start)
        return [(self.end - count + number, self.donor_end - count + number) for number in range(count)]


def align(ids: Sequence[int], donor_ids: Sequence[int], tokenizer: Any) -> tuple[SpanPair, ...]:
    """The pairs of spans of two texts, in order; they tile both. Without a tokenizer, a pair a token, counted from the end."""
    if tokenizer is None:
        return _by_number(len(ids), len(donor_ids))
    (text, cuts), (donor_text, donor_cuts) = _cuts(ids, tokenizer), _cuts(donor_ids, tokenizer)
    pairs = [(0, 0)]  # characters where a span of each begins
    whole = len(ids), len(donor_ids)

    def add(place: int, donor_place: int) -> None:
        """Begin new spans here, if there is at least one token on both sides of both."""
        tokens = cuts.get(place, 0), donor_cuts.get(donor_place, 0)
        before = cuts[pairs[-1][0]] * (len(pairs) > 1), donor_cuts[pairs[-1][1]] * (len(pairs) > 1)
        if all(last < now < end for last, now, end in zip(before, tokens, whole, strict=True)):
            pairs.append((place, donor_place))

    read_alike = [*_common_places(text, donor_text), (len(text), len(donor_text))]
    for (start, first), (end, last) in pairwise([(0, 0), *read_alike]):
        one, other = text[start:end], donor_text[first:last]
        if len(one) == len(other) and to_new_forms(one) == to_new_forms(other):  # written alike, or as 國 and 国
            for place in range(start + 1, end):
                add(place, first + place - start)
        add(end, last)
    ends = [*pairs[1:], (len(text), len(donor_text))]
    tokens = [(0, 0), *((cuts[place], donor_cuts[donor_place]) for place, donor_place in pairs[1:]), whole]
    return tuple(
        SpanPair(start, end, first, last, text[begins:stops], donor_text[donor_begins:donor_stops])
        for ((start, first), (end, last)), (begins, donor_begins), (stops, donor_stops) in zip(
            pairwise(tokens), pairs, ends, strict=True
        )
    )


def _by_number(count: int, donor_count: int) -> tuple[SpanPair, ...]:
    ends = [(count - left, donor_count - left) for left in reversed(range(min(count, donor_count)))]
    return tuple(SpanPair(start, end, first, last, "", "") for (start, first), (end, last) in pairwise([(0, 0), *ends]))


def _cuts(ids: Sequence[int], tokenizer: Any) -> tuple[str, dict[int, int]]:
    """The text, and character → token for each place where a token begins (after the bytes of a character, not between them)."""
    text, spans = spans_of(ids, tokenizer)
    return text, {spans[piece.start][0]: piece.start for piece in piece_ranges(spans)} | {len(text): len(ids)}


def _common_places(text: str, donor_text: str) -> Iterator[tuple[int, int]]:
    """The places of both texts that are at the same place of the reading and where a word ends. They grow."""
    (reading, places, words), (donor_reading, donor_places, donor_words) = _reading(text), _reading(donor_text)
    for block in SequenceMatcher(None, reading, donor_reading, autojunk=False).get_matching_blocks():
        for number in range(block.size + 1):
            at, donor_at = block.a + number, block.b + number
            ends = (at in words) + (donor_at in donor_words)
            if ends > (not 0 < number < block.size) and at in places and donor_at in donor_places:
                yield places[at], donor_places[donor_at]


def _reading(text: str) -> tuple[str, dict[int, int], set[int]]:
    """The text in hiragana, place in it → in the text, as far as that is known, and which of them are borders of words."""
    (spelling,) = spellings(text, keys=("hiragana",))
    places, words = {0: 0}, {0}
    for word, (start, end) in zip(spelling.readings, spelling.spans, strict=True):
        if word.reading is None and end - start == word.end - word.start:  # kana, digits: character by character
            places |= {start + number: word.start + number for number in range(end - start)}
        places |= {start: word.start, end: word.end}
        words |= {start, end}
    return spelling.text, places, words
