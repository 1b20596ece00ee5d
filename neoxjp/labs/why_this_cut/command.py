"""`neoxjp explain`: why a text is split where it is; one line for each token, or the details of one."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

from neoxjp.labs.common.command import Command, Json, Text, TokenizerOptions, emit, load_tokenizer, option, read_text

if TYPE_CHECKING:
    from neoxjp.labs.why_this_cut.records import Explanation, Part, TokenReason, WhatIf, Word

RULES = {
    "smallest id": "of the candidates, the smallest id wins",
    "only candidate": "the only candidate",
    "tag": "tags have priority",
    "emoji": "an emoji is one tag",
    "blank": "a blank is one tag",
    "special": "special tokens have priority",
    "symbol": "not in the vocabulary: one token for this class of symbols",
    "byte": "not in the vocabulary: its UTF-8 bytes",
}


def explain(
    model: TokenizerOptions,
    text: Text = None,
    at: Annotated[
        int | None, option("Only the token with character N, counted from 0, in detail.", metavar="N", show_default=False)
    ] = None,
    replacement: Annotated[
        str | None,
        option(
            "What these characters change in the place of another one.",
            "--try",
            metavar="TEXT",
            show_default=False,
        ),
    ] = None,
    which: Annotated[
        Literal["next", "second", "third"],
        option("What --try replaces: the next character, or one of the window."),
    ] = "next",
    word: Annotated[str | None, option("List the entries closest to this word.", show_default="the dictionary's word")] = None,
    compat: Annotated[bool, option("As the transformers library tokenizes, including its faults.", "--compat")] = False,
    json: Json = False,
) -> None:
    """Explain why a text is split where it is."""
    from neoxjp.labs.why_this_cut.records import explanation

    text = read_text(text)
    found = explanation(load_tokenizer(model, compat), text, at, replacement, which, word)
    emit(asdict(found)) if json else print(*explained(found), sep="\n")


def explained(found: "Explanation") -> Iterator[str]:
    """One line for each token; for a single one its candidates, its word, and what a replacement changes."""
    if found.word is None:
        yield from (line(token) for token in found.tokens)
        return
    yield from candidate_lines(found.tokens[0])
    if found.what_if is not None:
        yield from tried(found.what_if)
    yield from word(found.word)


def line(token: "TokenReason") -> str:
    candidates = ", ".join(
        f"{candidate.piece} {candidate.id}" + ("*" if candidate.won else "")
        for candidate in token.candidates
        if candidate.id is not None
    )
    ids = " ".join(map(str, token.ids))
    return f"{token.start:>5}–{token.end:<5} {ids:>6}  {token.surface!r:<10} {RULES[token.rule]}" + (
        f" ({candidates})" if len(token.candidates) > 1 and candidates else ""
    )


def candidate_lines(token: "TokenReason") -> Iterator[str]:
    """The candidates at one position, longest first."""
    yield f"{token.surface!r} at {token.start}–{token.end}, window {token.window!r}: {RULES[token.rule]}"
    for candidate in token.candidates:
        if candidate.id is None:
            found = "not in the vocabulary"
        elif candidate.won:
            found = f"id {candidate.id}  chosen"
        else:
            found = f"id {candidate.id}" + (f"  larger by {candidate.behind}" if candidate.behind is not None else "")
        yield f"  {'*' if candidate.won else ' '} {candidate.piece!r:<10} {found}" + (
            " (ends inside a tag)" if candidate.partial else ""
        )
    if token.winner is None:
        yield f"  * id {' '.join(map(str, token.ids))}"


def tried(found: "WhatIf") -> Iterator[str]:
    """What another character changes."""
    change = "stays" if found.same else "changes"
    yield f"with {found.replacement!r} for {found.was!r} at {found.start}: this token {change}"
    if found.before != found.after:
        yield f"    {_parts(found.before)}  →  {_parts(found.after)}"


def word(found: "Word") -> Iterator[str]:
    """The word, its tokens, and the entries closest to it."""
    if found.whole:
        yield f"the word {found.surface!r} is one token"
        return
    long = "" if found.fits else "; no entry is longer than three characters"
    yield f"the word {found.surface!r} at {found.start}–{found.end} is split: {_parts(found.pieces)}{long}"
    for entry in found.entries:
        reason = {
            "taken": "chosen",
            "smaller id": f"{entry.by!r} has the smaller id {entry.by_id}",
            "begun before": f"{entry.by!r} (id {entry.by_id}) starts earlier and was chosen first",
            "other characters": "the text has other characters",
        }[entry.reason]
        shared = "all" if entry.whole else f"{entry.shared} of {len(found.surface)}"
        yield f"    {entry.piece!r:<10} id {entry.id:<6} {entry.how}, {shared} characters: {reason}"


def _parts(parts: tuple["Part", ...]) -> str:
    return "│".join(part.surface for part in parts) or "nothing"


COMMANDS = (Command("explain", explain, "neoxjp explain 東京都知事 --at 0"),)
