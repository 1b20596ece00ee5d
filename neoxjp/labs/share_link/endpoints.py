"""The endpoint /copy: the tokens of a text as HTML, Markdown or plain text to paste elsewhere."""

from neoxjp.labs.share_link import copies
from neoxjp.labs.share_link.section import caption_of
from neoxjp.labs.share_link.strings import words
from neoxjp.page_parts.answers import check_length
from neoxjp.page_parts.endpoints import Endpoint, endpoint
from neoxjp.page_parts.session.playground import Playground


def endpoints(playground: Playground) -> list[Endpoint]:
    """The menu's action as API: /copy."""

    @endpoint("copy", at_once=None, queue=False, needs="vocabulary")
    def copy(text: str, format: str = "html", ids: bool = False, separator: str = "│", compat: bool = False) -> str:
        """Write the tokens of a text as HTML, Markdown or plain text to paste elsewhere.

        Args:
            text: The text to tokenize.
            format: "html" (with its own styles), "markdown" (pieces in backticks) or "text" (pieces with separators).
            ids: True: with the ids beside each piece.
            separator: Between the pieces of "text".
            compat: True: as the transformers library tokenizes, including its faults.

        Returns:
            The copy. Of a long text only the first part, with its number of tokens; "text" then ends in "…".
        """
        check_length(playground, text)
        tokenizer = playground.tokenizer_as(compat)
        tokens = tokenizer.analyze(text)
        shown = copies.first(tokens, playground.limits.drawn_pieces)
        caption = None if len(shown) == len(tokens) else caption_of(len(shown), len(tokens), words("en"))
        copied = copies.copy(shown, text, format, ids=ids, separator=separator, caption=caption)  # type: ignore[arg-type]
        return copied + " …" if format == "text" and len(shown) < len(tokens) else copied

    return [copy]
