"""The endpoint /beams: the search of the page, as a record."""

from dataclasses import asdict
from typing import Any

from neoxjp.labs.beams.section import search, tree_of
from neoxjp.page_parts.endpoints import Endpoint, endpoint
from neoxjp.page_parts.session.playground import Playground


def endpoints(playground: Playground) -> list[Endpoint]:
    """The section's action as API: /beams."""
    searcher = search(playground)

    @endpoint("beams", needs="model")
    def beams(prompt: str, num_beams: int = 4, max_new_tokens: int = 10, length_penalty: float = 1.0) -> dict[str, Any]:
        """Search the most probable continuation with beam search, and return every candidate of every step.

        Args:
            prompt: The text to continue; empty: the model starts a text.
            num_beams: Candidates kept at each step, 2 to 6.
            max_new_tokens: Maximum length of a continuation, 1 to 20.
            length_penalty: The score of a finished text is its total log probability ÷ length ^ this, -2 to 4.

        Returns:
            prompt_ids, nodes (step, parent, id, text, logprob, total and score in nats, outcome, pruned_at), hypotheses (node,
            ids, text, total, score, finish), best first, and stopped ("length" or "no_better").
        """
        found = asdict(tree_of(playground, searcher, prompt, num_beams, max_new_tokens, length_penalty))
        return {name: found[name] for name in ("prompt_ids", "nodes", "hypotheses", "stopped")}

    return [beams]
