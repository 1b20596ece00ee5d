"""`neoxjp roundtrip`: what a text loses on its way to ids and back, by reason."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

from neoxjp.labs.common.command import Command, Json, Text, TokenizerOptions, counted, emit, load_tokenizer, option, read_text

if TYPE_CHECKING:
    from neoxjp.labs.round_trip.records import Difference, Effect, Replacement, Roundtrip

SHOWN = 20  # kinds of differences that are listed for each reason
REASONS = {
    "variant": "another spelling of the same id",
    "emoji": "all emoji of an id become the first of them",
    "dash": "a dash becomes the long vowel mark",
    "blank": "a full-width space becomes a space",
    "newline": "line ends become one newline",
    "symbol": "all symbols of a class become one of them",
    "surrogate": "a lone surrogate has no UTF-8 encoding",
    "tag": "a tag in the text is treated as the token itself",
    "cleaned": "do_clean_text replaces it by a tag",
    "bytes": "transformers decodes each byte alone",
    "stripped": "transformers strips whitespace from both ends",
    "comma": "transformers gives the comma another id (the character is restored)",
}


def roundtrip(
    model: TokenizerOptions,
    text: Text = None,
    compat: Annotated[bool, option("With the losses of transformers.", "--compat")] = False,
    normalize: Annotated[
        Literal["none", "nfc", "nfkc", "clean"], option("Normalize the text first; clean: URLs, dates and prices become tags.")
    ] = "none",
    json: Json = False,
) -> None:
    """Show what a text loses on its way to ids and back."""
    from neoxjp.labs.round_trip.records import normalize_and_check

    effect, found = normalize_and_check(load_tokenizer(model, compat), read_text(text), normalize)
    if json:
        emit({"effect": asdict(effect), "roundtrip": asdict(found)})
        return
    if normalize != "none":
        print(*effect_lines(effect), sep="\n")
    print(*roundtrip_lines(found), sep="\n")


def roundtrip_lines(found: "Roundtrip") -> Iterator[str]:
    """The decoded text, and the differences by reason."""
    yield found.decoded
    yield f"characters that come back changed: {found.changed} of {found.characters}"
    for reason, total in found.totals.items():
        yield f"  {REASONS[reason]}: {counted(total.changed, 'character')} in {counted(total.differences, 'place')}"
        yield from kinds([difference for difference in found.differences if difference.reason == reason])


def effect_lines(found: "Effect") -> Iterator[str]:
    """What the normalization changed."""
    yield (
        f"{found.normalization}: changes {counted(found.characters, 'character')}; "
        f"tokens {found.tokens_before} → {found.tokens_after}; "
        f"characters that come back changed {found.changed_before} → {found.changed_after}"
    )
    yield from kinds(found.replacements)


def kinds(found: "Iterable[Difference | Replacement]") -> Iterator[str]:
    """The kinds of changes, the most frequent first."""
    from neoxjp.labs.round_trip.records import grouped

    kinds = grouped(found)
    for was, became, times in kinds[:SHOWN]:
        yield f"    {was!r} → {became!r}" + (f"  ×{times}" if times > 1 else "")
    if len(kinds) > SHOWN:
        yield f"    and {len(kinds) - SHOWN} more kinds"


COMMANDS = (Command("roundtrip", roundtrip, "neoxjp roundtrip '慶應—😃'"),)
