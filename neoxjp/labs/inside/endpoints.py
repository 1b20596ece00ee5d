"""The endpoints /lens, /attention, /heads and /salience: what the page shows, as records."""

from dataclasses import asdict
from typing import Any

from neoxjp.labs.inside.section import Readers
from neoxjp.page_parts.answers import check_length, whole_numbers
from neoxjp.page_parts.endpoints import Endpoint, endpoint
from neoxjp.page_parts.session.playground import Playground

MOST_GUESSES = 20  # per layer
MOST_CELLS = 32  # rows of a picture


def endpoints(playground: Playground) -> list[Endpoint]:
    """The section's actions as API."""
    models = Readers(playground)

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
        return asdict(models.lens(encoded(text), at, min(top, MOST_GUESSES)))

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
        return asdict(models.attention(encoded(text), layer, head, at))

    @endpoint("heads", needs="model")
    def heads(text: str, cells: int = 0) -> dict[str, Any]:
        """Return what each attention head attends to over a text, as mean weights.

        Args:
            text: The text, without a token before it; at most 512 tokens.
            cells: Largest number of rows of each head's picture, 0 to 32; 0: no pictures.

        Returns:
            ids, texts, layers, heads, repeated (query tokens with an induction target), scores (of each head: layer, head;
            itself, previous, first, induction: mean weights, null where no query token counts; entropy in bits; picture).
        """
        whole_numbers(cells=cells)
        return asdict(models.heads(encoded(text), max(0, min(cells, MOST_CELLS))))

    @endpoint("salience", needs="model")
    def salience(text: str, at: int = -1) -> dict[str, Any]:
        """Return what a prediction rests on: its surprisal without each of the last 64 tokens before it.

        Args:
            text: The text, without a token before it; at most 512 tokens.
            at: The predicted token, counted from 0, -1 is the last. The byte tokens of one character are one.

        Returns:
            ids, start, end, text, surprisal (bits), context_tokens, context_text, left_out (start, end, text, surprisal without
            it, bits: the difference).
        """
        whole_numbers(at=at)
        return asdict(models.salience(encoded(text), at))

    return [lens, attention, heads, salience]
