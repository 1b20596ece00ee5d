"""Segmentation of a normalized text into ids, position by position, and the candidates at each position.

Of the substrings of three, two and one characters that are in the vocabulary, the one with the smallest id wins. At a "<" the
longest tag such as `<BR>` wins at once. Where nothing matches, the character becomes one tag for a kind of symbol, or its UTF-8
bytes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Literal

from neoxjp.tokenizer.normalize import AlignedText, Script, Span
from neoxjp.tokenizer.vocabulary import Kind, Vocabulary

Rule = Literal["smallest id", "only candidate", "tag", "emoji", "blank", "special", "symbol", "byte"]


@dataclass(frozen=True, slots=True)
class Token:
    """One token and the part of the user's text that it covers."""

    id: int
    piece: str  # the spelling that matched: "慶應", "<|byte240|>", "<SP>"
    text: str  # its decoded text: "慶応"; "" for a byte that does not complete its character
    start: int  # half-open span in characters of the user's text; the bytes of one character share it
    end: int
    kind: Kind
    script: Script
    folded: bool  # the piece is a variant: decoding gives another spelling of the same id
    lossy: bool  # the decoded text of the span differs from the user's text


@dataclass(frozen=True, slots=True)
class Candidate:
    """A spelling in the vocabulary that matches at a position."""

    piece: str
    id: int
    start: int  # span in the user's text
    end: int


@dataclass(frozen=True, slots=True)
class Cut:
    """The candidates at one position of the text, and why the winner was chosen."""

    start: int  # span of the winner in the user's text
    end: int
    candidates: tuple[Candidate, ...]  # longest first; empty if nothing in the vocabulary matches
    winner: int | None  # index into candidates; None if the character became a symbol tag or bytes
    rule: Rule
    ids: tuple[int, ...]  # the resulting ids; more than one only for bytes


def segment_text(text: str, vocabulary: Vocabulary) -> tuple[list[int], list[int]]:
    """The ids of a normalized text and where each ends in it; all bytes of a character end at the same position."""
    get = vocabulary.ids.get
    ids: list[int] = []
    ends: list[int] = []
    position = 0
    while position < len(text):
        character = text[position]
        if character == "<" and (tag := _tag(text, position, vocabulary)):
            best, end = get(tag), position + len(tag)
        else:
            # Of equal ids the longest wins. At the end of the text the slices are shorter.
            best, end = get(text[position : position + 3]), position + 3
            id = get(text[position : position + 2])
            if id is not None and (best is None or id < best):
                best, end = id, position + 2
            id = get(character)
            if id is not None and (best is None or id < best):
                best, end = id, position + 1
            end = min(end, len(text))
        if best is not None:
            ids.append(best)
            ends.append(end)
        else:
            end = position + 1
            for id in vocabulary.fallback(character):
                ids.append(id)
                ends.append(end)
        position = end
    return ids, ends


def iter_pieces(text: str, vocabulary: Vocabulary) -> Iterator[tuple[int, str, int, int]]:
    """(id, piece, start, end) of each token of a normalised text."""
    start = here = 0
    for id, end in zip(*segment_text(text, vocabulary), strict=True):
        if end != here:
            start, here = here, end
        piece = text[start:end]
        # A character that became a symbol tag or bytes is not a spelling itself.
        yield id, piece if piece in vocabulary.ids else vocabulary.spellings[id][0], start, end


def iter_cuts(text: str, vocabulary: Vocabulary) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """Where each cut of a normalized text starts and ends, and its ids: one, or the bytes of a character."""
    start = 0
    for end, group in groupby(zip(*segment_text(text, vocabulary), strict=True), key=itemgetter(1)):
        yield start, end, tuple(id for id, _ in group)
        start = end


def explain_cuts(aligned: AlignedText, vocabulary: Vocabulary) -> Iterator[Cut]:
    """The cuts of a normalized text, with spans in the user's text."""
    for start, end, ids in iter_cuts(aligned.text, vocabulary):
        candidates = tuple(_candidates(aligned, start, end, vocabulary))
        winner = next((i for i, candidate in enumerate(candidates) if len(candidate.piece) == end - start), None)
        piece = None if winner is None else candidates[winner].piece
        rule = rule_of(piece, vocabulary.kinds[ids[0]], len(candidates))
        yield Cut(*aligned.span(start, end), candidates, winner, rule, ids)


def tile_spans(spans: Sequence[Span], length: int) -> list[Span]:
    """The spans without gaps and partial overlaps: overlapping ones all become their union.

    They overlap where one character gave several tokens: its bytes, or a tag that the vocabulary splits.
    """
    if spans and all(a[1] == b[0] or a == b for a, b in pairwise([(0, 0), *spans, (length, length)])):
        return list(spans)  # the usual case
    groups: list[list[int]] = []
    group_of: list[int] = []
    for start, end in spans:
        if groups and start < groups[-1][1]:
            groups[-1][1] = max(groups[-1][1], end)
        else:
            groups.append([start, end])
        group_of.append(len(groups) - 1)
    borders = [0, *(start for start, _ in groups[1:]), length]
    return [(borders[group], borders[group + 1]) for group in group_of]


def _tag(text: str, position: int, vocabulary: Vocabulary) -> str | None:
    """The longest spelling of more than two characters that starts with the "<" at `position`."""
    for length in vocabulary.tag_lengths:
        tag = text[position : position + length]
        if tag in vocabulary.ids and len(tag) > 2:
            return tag
    return None


def _candidates(aligned: AlignedText, start: int, end: int, vocabulary: Vocabulary) -> Iterator[Candidate]:
    """The spellings at a position, longest first, without parts of a tag that replaces an emoji or a blank."""
    text, source = aligned.text, aligned.source
    lengths = {1, 2, *vocabulary.tag_lengths} if text[start] == "<" else {1, 2, 3}
    for length in sorted(lengths, reverse=True):
        stop = start + length
        piece = text[start:stop]
        if stop > len(text) or piece not in vocabulary.ids:
            continue
        if stop == end or stop == len(text) or source[stop - 1] != source[stop]:
            yield Candidate(piece, vocabulary.ids[piece], *aligned.span(start, stop))


def rule_of(piece: str | None, kind: Kind, candidates: int) -> Rule:
    """Why a piece was chosen among this many candidates; None: no candidate was. kind: of its id."""
    if piece is None:
        return "byte" if kind == "byte" else "symbol"
    if piece[0] == "<" and len(piece) > 2:
        return "emoji" if kind == "emoji" else "blank" if kind == "blank" else "special" if kind == "special" else "tag"
    return "smallest id" if candidates > 1 else "only candidate"
