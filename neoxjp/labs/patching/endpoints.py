"""The endpoint /patching: what the page shows, as a record."""

from typing import Any

from neoxjp.labs.patching.records import as_dict
from neoxjp.labs.patching.section import patches
from neoxjp.page_parts.endpoints import Endpoint, endpoint
from neoxjp.page_parts.session.playground import Playground


def endpoints(playground: Playground) -> list[Endpoint]:
    """The section's action as API."""
    patcher = patches(playground)

    @endpoint("patching", needs="model")
    def patching(base: str, donor: str, target: str = "") -> dict[str, Any]:
        """Put the states of a donor text into the run of a base text, word by word and layer by layer (activation patching).

        Args:
            base: The text that is read; at most 64 tokens, with a model of more than 200 million parameters 24.
            donor: The text whose states are put in; as long.
            target: Text of the one token whose probability is measured; empty: chosen from the two predictions.

        Returns:
            ids, donor_ids, spans (start, end, donor_start, donor_end, text, donor_text), target_id, target_text, other_id,
            other_text, base and donor (id, text, probability, target, other, score), scores in bits (a row after 0, 1, … all
            layers, a column a span), whole (all spans replaced), shares and whole_shares of the difference.
        """
        return as_dict(patcher(base, donor, target))

    return [patching]
