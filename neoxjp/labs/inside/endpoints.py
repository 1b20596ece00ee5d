"""The endpoints /lens and /attention: what happens inside the model."""

from dataclasses import asdict
from typing import Any

from neoxjp.labs.inside.section import MOST_GUESSES, _encoded, looker
from neoxjp.page_parts.answers import whole_numbers
from neoxjp.page_parts.endpoints import Endpoint, endpoint
from neoxjp.page_parts.session import Playground


def endpoints(playground: Playground) -> list[Endpoint]:
    """The section's actions as API: /lens and /attention."""
    lensed, attended = looker(playground)

    @endpoint("lens", needs="model")
    def lens(text: str, at: int = -1, top: int = 5) -> dict[str, Any]:
        """Tell the model's guess of the next token after each layer (the logit lens).

        Args:
            text: The text, read as it stands, with nothing before it; at most 512 tokens.
            at: What follows this token is guessed, counted from 0; -1 is the last.
            top: So many guesses a layer, 1 to 20.

        Returns:
            ids, texts, at, next_id, layers (layers, top, entropy and divergence in nats, answer_rank, next_rank, next_logprob):
            the first is the embedding alone, the last the model's own answer.
        """
        whole_numbers(at=at, top=top)
        return asdict(lensed(_encoded(playground, text), at, min(top, MOST_GUESSES)))

    @endpoint("attention", needs="model")
    def attention(text: str, layer: int, head: int, at: int | None = None) -> dict[str, Any]:
        """Tell the weights of one head of attention over a text.

        Args:
            text: The text, read as it stands, with nothing before it; at most 512 tokens.
            layer: Counted from 0.
            head: Counted from 0.
            at: The weights of this token alone, counted from 0; -1 is the last; left out, of all tokens.

        Returns:
            ids, texts, layer, head, layers, heads, positions, weights (of each position, on itself and all before it).
        """
        whole_numbers(layer=layer, head=head, at=0 if at is None else at)
        return asdict(attended(_encoded(playground, text), layer, head, at))

    return [lens, attention]
