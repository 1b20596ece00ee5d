"""The endpoint /beams: the search of the page, as a record."""

from dataclasses import asdict
from typing import Any

from neoxjp.labs.beams.section import grower, tree_of
from neoxjp.page_parts.endpoints import Endpoint, endpoint
from neoxjp.page_parts.session import Playground


def endpoints(playground: Playground) -> list[Endpoint]:
    """The section's action as API: /beams."""
    grown = grower(playground)

    @endpoint("beams", needs="model")
    def beams(prompt: str, num_beams: int = 4, max_new_tokens: int = 10, length_penalty: float = 1.0) -> dict[str, Any]:
        """Search the likeliest continuation with beams, and tell all that was weighed on the way.

        Args:
            prompt: What to go on from; empty: the model begins by itself.
            num_beams: So many texts are kept at each step, 2 to 6.
            max_new_tokens: How many tokens a text may have, 1 to 20.
            length_penalty: A finished text's score is its log probability ÷ length ^ this, -2 to 4.

        Returns:
            prompt_ids, nodes (step, parent, id, text, logprob, score and penalised in nats, fate, died), hypotheses (node, ids,
            text, score, penalised, end), best first, and over ("length" or "settled").
        """
        found = asdict(tree_of(playground, grown, prompt, num_beams, max_new_tokens, length_penalty))
        return {name: found[name] for name in ("prompt_ids", "nodes", "hypotheses", "over")}

    return [beams]
