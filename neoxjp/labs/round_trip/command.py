"""`neoxjp roundtrip`: what a text loses on its way to ids and back, by reason; after a normalisation where one is asked for."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

from neoxjp.labs.common.command import Command, Json, Text, TokenizerOptions, counted, emit, load_tokenizer, option, read_text

if TYPE_CHECKING:
    from neoxjp.labs.round_trip.records import Effect, Roundtrip

SHOWN = 20  # kinds of differences that are listed for each reason
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


def roundtrip(
    model: TokenizerOptions,
    text: Text = None,
    compat: Annotated[bool, option("With the losses of transformers.", "--compat")] = False,
    normalize: Annotated[
        Literal["none", "nfc", "nfkc", "clean"], option("Normalize first; clean: URLs, dates, prices as tags.")
    ] = "none",
    json: Json = False,
) -> None:
    """Show what a text loses on its way to ids and back."""
    from neoxjp.labs.round_trip import records

    found = records.normalised(load_tokenizer(model, compat), read_text(text), normalize)
    if json:
        emit(asdict(found))
        return
    if normalize != "none":
        print(*normalised(found.effect), sep="\n")
    print(*came_back(found.roundtrip), sep="\n")


def came_back(found: "Roundtrip") -> Iterator[str]:
    """The text that came back, and the differences by reason."""
    from neoxjp.labs.round_trip.records import grouped

    yield found.decoded
    yield f"characters that come back changed: {found.changed} of {found.characters}"
    for reason, total in found.totals.items():
        yield f"  {REASONS[reason]}: {counted(total.changed, 'character')} in {counted(total.differences, 'place')}"
        kinds = grouped(difference for difference in found.differences if difference.reason == reason)
        for was, became, times in kinds[:SHOWN]:
            yield f"    {was!r} → {became!r}" + (f"  ×{times}" if times > 1 else "")
        if len(kinds) > SHOWN:
            yield f"    and {len(kinds) - SHOWN} more kinds"


def normalised(found: "Effect") -> Iterator[str]:
    """What the normalisation changed."""
    from neoxjp.labs.round_trip.records import grouped

    yield (
        f"{found.normalization}: changes {counted(found.characters, 'character')}; "
        f"tokens {found.tokens_before} → {found.tokens_after}; "
        f"characters that come back changed {found.changed_before} → {found.changed_after}"
    )
    for was, became, times in grouped(found.replacements)[:SHOWN]:
        yield f"    {was!r} → {became!r}" + (f"  ×{times}" if times > 1 else "")


COMMANDS = (Command("roundtrip", roundtrip, "neoxjp roundtrip '慶應—😃'"),)
