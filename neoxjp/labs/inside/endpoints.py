"""The endpoints /lens and /attention: what the page shows, as records."""

from dataclasses import asdict
from typing import Any

from neoxjp.labs.inside.section import readers
from neoxjp.page_parts.answers import check_length, whole_numbers
from neoxjp.page_parts.endpoints import Endpoint, endpoint
from neoxjp.page_parts.session import Playground

MOST_GUESSES = 20  # per layer


def endpoints(playground: Playground) -> list[Endpoint]:
    """The section's actions as API: /lens and /attention."""
    read_lens, read_attention = readers(playground)

    def encoded(text: str) -> list[int]:
        check_length(playground, text)
        return playground.ready.tokenizer.encode(text)

    @endpoint("lens", needs="model")
    def lens(text: str, at: int = -1, top: int = 5) -> dict[str, Any]:
        """Return the model's prediction of the next token after each layer (logit lens).

        Args:
            text: The text, without a token before it; at most 512 tokens.
            at: The token after this one is predicted; counted from 0, -1 is the last.
            top: Number of tokens listed for each layer, 1 to 20.

        Returns:
            ids, texts, at, next_id, layers (layers, top, entropy and divergence in nats, answer_rank, next_rank, next_logprob):
            the first is the embedding alone, the last the model's own output.
        """
        whole_numbers(at=at, top=top)
        return asdict(read_lens(encoded(text), at, min(top, MOST_GUESSES)))

    @endpoint("attention", needs="model")
    def attention(text: str, layer: int, head: int, at: int | None = None) -> dict[str, Any]:
        """Return the attention weights of one head over a text.

        Args:
            text: The text, without a token before it; at most 512 tokens.
            layer: Counted from 0.
            head: Counted from 0.
            at: The query token, counted from 0, -1 is the last; null: every token.

        Returns:
            ids, texts, layer, head, layers, heads, positions, weights (of each position, on itself and all before it).
        """
        whole_numbers(layer=layer, head=head, at=0 if at is None else at)
        return asdict(read_attention(encoded(text), layer, head, at))

    return [lens, attention]
