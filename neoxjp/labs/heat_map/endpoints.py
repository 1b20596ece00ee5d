"""The endpoints /heat_map and /compare_texts: the records behind the page."""

from neoxjp.errors import ParameterError
from neoxjp.labs.common.heat import Heat, Pair
from neoxjp.labs.heat_map.section import compared, heat_of_text, heat_of_written
from neoxjp.page_parts.endpoints import Endpoint, Tool, endpoint
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.text.stream import scorer


def endpoints(playground: Playground) -> list[Endpoint]:
    """The section's actions as API: /heat_map and /compare_texts."""
    scored = scorer(playground)

    @endpoint("heat_map", needs="model")
    def heat_map(text: str = "", ids: list[int] | None = None) -> Heat:
        """Score a text token by token, and in total.

        Args:
            text: The text; it is scored after bos, the beginning-of-text token.
            ids: Or the ids of a text as they are, with nothing before them: the first piece is then not scored.

        Returns:
            text, pieces (start, end, surface, ids, logprob and entropy in nats, bits, rank), tokens, characters, bits,
            bits_per_character, perplexity_per_token, perplexity_per_character, surprising (places of the pieces with most bits).
        """
        if ids is not None:
            if text:
                raise ParameterError("text and ids were both given: give one of the two")
            return heat_of_written(playground, scored, ids)
        return heat_of_text(playground, scored, text)

    @endpoint("compare_texts", needs="model", tool=Tool("Minimal pair: which of two texts is likelier"))
    def compare_texts(first: str, second: str) -> Pair:
        """Compare two texts (a minimal pair): which is likelier, by how many bits, and where they differ.

        Args:
            first: A text.
            second: Another.

        Returns:
            first and second (records as /heat_map gives), same_ids, likelier ("first", "second" or null), difference (bits of the
            first less those of the second), likelier_per_character, stretches (kind, first, second, first_text, second_text,
            first_bits, second_bits, difference).
        """
        return compared(playground, scored, first, second)

    return [heat_map, compare_texts]
