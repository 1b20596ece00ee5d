"""The endpoint /explain: why a text is split where it is."""

from neoxjp.errors import ParameterError
from neoxjp.labs.why_this_cut.records import Explanation, Slot, explanation
from neoxjp.page_parts.answers import check_length
from neoxjp.page_parts.endpoints import Endpoint, Tool, endpoint
from neoxjp.page_parts.session.playground import Playground

EXPLAINED = 5_000  # characters of a text of which all cuts are explained at once


def endpoints(playground: Playground) -> list[Endpoint]:
    """The section's action as API: /explain."""

    @endpoint("explain", at_once=None, queue=False, needs="vocabulary", tool=Tool("Why a text is split where it is"))
    def explain(
        text: str,
        at: int | None = None,
        replacement: str | None = None,
        which: Slot = "next",
        word: str | None = None,
        compat: bool = False,
    ) -> Explanation:
        """Explain why a text is split where it is.

        Args:
            text: The text.
            at: Explain only the token with this character (counted from 0), with its word and what `replacement` changes.
                Default: all tokens.
            replacement: Characters to try in the place of the one that `which` names.
            which: "next" (the character after the token), "second" or "third" (of the window from the token's start on).
            word: The word of the text whose closest entries are listed. Default: the dictionary's word.
            compat: True: as the transformers library tokenizes, including its faults.

        Returns:
            "tokens": a record each with index, start, end, surface, window, winner, rule, ids and candidates (longest
            first: piece, id or null, start, end, won, behind, partial). "what_if": start, end and was of what is replaced,
            replacement, same, token, first, last, before, after. "word": surface, start, end, reading, pieces, whole, fits and
            entries (piece, id, how, shared, whole, reason, by, by_id).
        """
        check_length(playground, text, None if at is not None else min(EXPLAINED, playground.limits.characters))
        for name, value in (("replacement", replacement), ("word", word)):
            if not isinstance(value, str | None):
                raise ParameterError(f"{name}={value!r:.40}: expected a string")
        if at is not None and type(at) is not int:
            raise ParameterError(f"at={at!r:.40}: expected a whole number")
        tokenizer = playground.tokenizer_as(compat)
        return explanation(tokenizer, text, at, replacement, which, word)

    return [explain]
