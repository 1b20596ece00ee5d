"""What `neoxjp explain` and `neoxjp roundtrip` print: their records as lines of plain text. The page has its own words."""

from collections.abc import Iterator

from neoxjp.labs.round_trip.records import Effect, Roundtrip, grouped
from neoxjp.labs.why_this_cut.nearest import Explanation, Word
from neoxjp.labs.why_this_cut.records import Part, Place, WhatIf

SHOWN = 20  # kinds of differences that are listed for each reason
RULES = {
    "smallest id": "of the candidates, the smallest id wins",
    "only candidate": "the only candidate",
    "tag": "a tag wins at once",
    "emoji": "an emoji is one tag",
    "blank": "a blank is one tag",
    "special": "a special token wins at once",
    "symbol": "not in the vocabulary: one token for this class of symbols",
    "byte": "not in the vocabulary: its UTF-8 bytes",
}
REASONS = {
    "variant": "another spelling of the same id",
    "emoji": "one emoji stands for all of its id",
    "dash": "a dash is read as the sign for a long vowel",
    "blank": "a full-width blank becomes a blank",
    "newline": "line ends become one newline",
    "symbol": "one sign stands for a class of symbols",
    "surrogate": "half of a surrogate pair has no UTF-8",
    "tag": "a tag that was typed is the token itself",
    "cleaned": "do_clean_text puts a tag there",
    "bytes": "transformers decodes each byte alone",
    "stripped": "transformers takes blanks off both ends",
    "comma": "transformers gives the comma another id (it comes back)",
}


def explained(found: Explanation) -> Iterator[str]:
    """One line a cut; for one place the whole ladder, the word, and what was tried."""
    if found.word is None:
        yield from (line(place) for place in found.cuts)
        return
    yield from ladder(found.cuts[0])
    if found.what_if is not None:
        yield from tried(found.what_if)
    yield from word(found.word)


def line(place: Place) -> str:
    candidates = ", ".join(f"{rung.piece} {rung.id}" + ("*" if rung.won else "") for rung in place.rungs if rung.id is not None)
    ids = " ".join(map(str, place.ids))
    return f"{place.start:>5}–{place.end:<5} {ids:>6}  {place.surface!r:<10} {RULES[place.rule]}" + (
        f" ({candidates})" if len(place.rungs) > 1 and candidates else ""
    )


def ladder(place: Place) -> Iterator[str]:
    """The candidates of one place, longest first."""
    yield f"{place.surface!r} at {place.start}–{place.end}, window {place.window!r}: {RULES[place.rule]}"
    for rung in place.rungs:
        if rung.id is None:
            told = "not in the vocabulary"
        elif rung.won:
            told = f"id {rung.id}  taken"
        else:
            told = f"id {rung.id}" + (f"  larger by {rung.behind}" if rung.behind is not None else "")
        yield f"  {'*' if rung.won else ' '} {rung.piece!r:<10} {told}" + (" (ends inside a tag)" if rung.partial else "")
    if place.winner is None:
        yield f"  * id {' '.join(map(str, place.ids))}"


def tried(found: WhatIf) -> Iterator[str]:
    """What another character would change."""
    change = "stays" if found.same else "changes"
    yield f"with {found.replacement!r} for {found.was!r} at {found.start}: this cut {change}"
    if found.before != found.after:
        yield f"    {_parts(found.before)}  →  {_parts(found.after)}"


def word(found: Word) -> Iterator[str]:
    """The word, its pieces and its nearest entries."""
    if found.whole:
        yield f"the word {found.surface!r} is one token"
        return
    long = "" if found.fits else "; no entry is longer than three characters"
    yield f"the word {found.surface!r} at {found.start}–{found.end} is cut: {_parts(found.pieces)}{long}"
    for entry in found.entries:
        reason = {
            "taken": "taken",
            "smaller id": f"{entry.by!r} has the smaller id {entry.by_id}",
            "begun before": f"{entry.by!r} (id {entry.by_id}) was taken before it could begin",
            "other characters": "the text reads otherwise",
        }[entry.reason]
        kept = "whole" if entry.whole else f"{entry.shared} of {len(found.surface)} characters"
        yield f"    {entry.piece!r:<10} id {entry.id:<6} {entry.how}, keeps {kept}: {reason}"


def came_back(found: Roundtrip) -> Iterator[str]:
    """The text that came back, and the differences by reason."""
    yield found.decoded
    yield f"characters that come back changed: {found.changed} of {found.characters}"
    for reason, total in found.totals.items():
        yield f"  {REASONS[reason]}: {total.changed} characters in {total.differences} places"
        kinds = grouped(difference for difference in found.differences if difference.reason == reason)
        for was, became, times in kinds[:SHOWN]:
            yield f"    {was!r} → {became!r}" + (f"  ×{times}" if times > 1 else "")
        if len(kinds) > SHOWN:
            yield f"    and {len(kinds) - SHOWN} more kinds"


def normalised(found: Effect) -> Iterator[str]:
    """What the normalisation changed."""
    yield (
        f"{found.normalization}: changes {found.characters} characters; tokens {found.tokens_before} → {found.tokens_after}; "
        f"characters that come back changed {found.changed_before} → {found.changed_after}"
    )
    for was, became, times in grouped(found.replacements)[:SHOWN]:
        yield f"    {was!r} → {became!r}" + (f"  ×{times}" if times > 1 else "")


def _parts(parts: tuple[Part, ...]) -> str:
    return "│".join(part.surface for part in parts) or "nothing"
