"""`neoxjp explain`: why a text is cut where it is; every cut on a line, or all about one of them."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

from neoxjp.labs.common.command import Command, Json, Text, TokenizerOptions, emit, load_tokenizer, option, read_text

if TYPE_CHECKING:
    from neoxjp.labs.why_this_cut.records import Explanation, Part, Place, WhatIf, Word

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


def explain(
    model: TokenizerOptions,
    text: Text = None,
    at: Annotated[
        int | None, option("All about the token that holds character N, from 0.", metavar="N", show_default=False)
    ] = None,
    replacement: Annotated[
        str | None, option("What if this stood behind that token.", "--try", metavar="TEXT", show_default=False)
    ] = None,
    which: Annotated[
        Literal["next", "second", "third"], option("Whether --try replaces the window's next, second or third character.")
    ] = "next",
    word: Annotated[str | None, option("Show the entries nearest to this word.", show_default="the dictionary's")] = None,
    compat: Annotated[bool, option("The cuts of transformers, its faults included.", "--compat")] = False,
    json: Json = False,
) -> None:
    """Explain why a text is cut where it is."""
    from neoxjp.labs.why_this_cut.records import explanation

    text = read_text(text)
    found = explanation(load_tokenizer(model, compat), text, at, replacement, which, word)
    emit(asdict(found)) if json else print(*explained(found), sep="\n")


def explained(found: "Explanation") -> Iterator[str]:
    """One line a cut; for one place the whole ladder, the word, and what was tried."""
    if found.word is None:
        yield from (line(place) for place in found.cuts)
        return
    yield from ladder(found.cuts[0])
    if found.what_if is not None:
        yield from tried(found.what_if)
    yield from word(found.word)


def line(place: "Place") -> str:
    candidates = ", ".join(
        f"{candidate.piece} {candidate.id}" + ("*" if candidate.won else "")
        for candidate in place.rungs
        if candidate.id is not None
    )
    ids = " ".join(map(str, place.ids))
    return f"{place.start:>5}–{place.end:<5} {ids:>6}  {place.surface!r:<10} {RULES[place.rule]}" + (
        f" ({candidates})" if len(place.rungs) > 1 and candidates else ""
    )


def ladder(place: "Place") -> Iterator[str]:
    """The candidates of one place, longest first."""
    yield f"{place.surface!r} at {place.start}–{place.end}, window {place.window!r}: {RULES[place.rule]}"
    for candidate in place.rungs:
        if candidate.id is None:
            found = "not in the vocabulary"
        elif candidate.won:
            found = f"id {candidate.id}  taken"
        else:
            found = f"id {candidate.id}" + (f"  larger by {candidate.behind}" if candidate.behind is not None else "")
        yield f"  {'*' if candidate.won else ' '} {candidate.piece!r:<10} {found}" + (
            " (ends inside a tag)" if candidate.partial else ""
        )
    if place.winner is None:
        yield f"  * id {' '.join(map(str, place.ids))}"


def tried(found: "WhatIf") -> Iterator[str]:
    """What another character would change."""
    change = "stays" if found.same else "changes"
    yield f"with {found.replacement!r} for {found.was!r} at {found.start}: this cut {change}"
    if found.before != found.after:
        yield f"    {_parts(found.before)}  →  {_parts(found.after)}"


def word(found: "Word") -> Iterator[str]:
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


def _parts(parts: tuple["Part", ...]) -> str:
    return "│".join(part.surface for part in parts) or "nothing"


COMMANDS = (Command("explain", explain, "neoxjp explain 東京都知事 --at 0"),)
