"""The endpoint /round_trip: encode a text, decode it, and list the differences."""

from dataclasses import dataclass

from neoxjp.labs.round_trip import records as lab
from neoxjp.page_parts.answers import check_length
from neoxjp.page_parts.endpoints import Endpoint, Tool, endpoint
from neoxjp.page_parts.session.playground import Playground

SENT = 20_000  # characters of a text of which all differences are given at once


@dataclass(frozen=True)
class Checked:
    """What a normalization changed, and the round trip of the normalized text."""

    effect: lab.Effect
    roundtrip: lab.Roundtrip


def endpoints(playground: Playground) -> list[Endpoint]:
    """The section's action as API: /round_trip."""

    @endpoint("round_trip", at_once=None, queue=False, needs="vocabulary", tool=Tool("What a round trip changes"))
    def round_trip(text: str, compat: bool = False, normalize: lab.Normalization = "none") -> Checked:
        """Encode a text, decode it, and list every difference with its reason.

        Args:
            text: The text.
            compat: True: as the transformers library does it, with the changes that only it makes.
            normalize: Applied to the text first: "none", "nfc", "nfkc", or "clean" (do_clean_text: URLs, dates, prices become
                tags).

        Returns:
            "effect": what the normalization changed: text, replacements (start, end, was, became), characters, tokens_before,
            tokens_after, changed_before, changed_after. "roundtrip" of the normalized text: text, decoded, tokens, characters,
            changed, differences (start, end, was, became, reason, ids, changed) and totals by reason.
        """
        check_length(playground, text, min(SENT, playground.limits.characters))
        effect, found = lab.normalize_and_check(playground.tokenizer_as(compat), text, normalize)
        return Checked(effect, found)

    return [round_trip]
