"""The branches as API: /edit and /force, records in and out; /generate continues from ids (ui/endpoints.py)."""

from dataclasses import asdict
from typing import Any

from neoxjp.engine import check_ids
from neoxjp.errors import ParameterError, PromptTooLong
from neoxjp.labs.branches.records import decoded_pieces, edited, shown_pieces, surprisal_of_steps
from neoxjp.labs.branches.strings import strings
from neoxjp.page_parts.answers import check_length
from neoxjp.page_parts.endpoints import Endpoint, endpoint
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.text.stream import scorer


def endpoints(playground: Playground) -> list[Endpoint]:
    """The section's actions as API: /edit and /force."""
    scored = scorer(playground)

    @endpoint("edit", needs="vocabulary")
    def edit(text: str, prompt: str = "", ids: list[int] | None = None) -> dict[str, Any]:
        """Tokenize an edited text so that all tokens before the edit keep their ids.

        Args:
            text: The whole text after the edit.
            prompt: The beginning of the text before the edit, as it was typed.
            ids: The ids after the prompt's, as /generate returns them.

        Returns:
            ids (of the edited text), unchanged_ids (how many at the front), new_span and old_span ([start, end) of the
            new ids that come from the edit, and of the old ones that they replace), agree_from (from there on, the new ids are
            the old ones, or null), text (what the ids decode to), lossy (whether that is not what was typed).
        """
        front, behind = given(playground, prompt, ids)
        check_length(playground, text)
        tokenizer = playground.tokenizer
        pieces = shown_pieces(front, prompt, tokenizer) + decoded_pieces(behind, tokenizer)
        return asdict(edited([*front, *behind], text, tokenizer, pieces))

    @endpoint("force", needs="model")
    def force(text: str, prompt: str = "", ids: list[int] | None = None, position: int | None = None) -> dict[str, Any]:
        """Score words at a position of a text: the surprisal in bits of each of their tokens.

        Args:
            text: The words to put there.
            prompt: The beginning of the text.
            ids: The ids after the prompt's, as /generate returns them.
            position: The words replace `ids` from this index on, counted from 0; null: they follow all of them.

        Returns:
            tokens (id, text, bits, rank, likeliest: the most probable token, likeliest_bits), bits (together), ids
            (of the text up to the position and the words: /generate continues from them).
        """
        front, behind = given(playground, prompt, ids)
        check_length(playground, text)
        forced = playground.ready.tokenizer.encode(text)
        if not forced:
            raise strings.error(ParameterError, "branches_force_empty")
        at = len(behind) if position is None else position
        if type(at) is not int or not 0 <= at <= len(behind):
            raise ParameterError(
                f"position={position!r:.40} must be from 0 to {len(behind)}", ja=f"position は 0 から {len(behind)} までです。"
            )
        before = [*front, *behind[:at]]
        number = (len(before) or 1) + len(forced)  # bos precedes a whole text
        context = playground.ready.model.config.max_position_embeddings
        if number > context:
            raise strings.error(PromptTooLong, "branches_force_unscored", n=f"{number:,}", most=f"{context:,}")
        steps = scored([*before, *forced], 1, not before)[-len(forced) :]
        return asdict(surprisal_of_steps(steps)) | {"ids": [*before, *forced]}

    return [edit, force]


def given(playground: Playground, prompt: str, ids: list[int] | None) -> tuple[list[int], tuple[int, ...]]:
    """The ids of a prompt, and those after it as they are. Raises ParameterError."""
    check_length(playground, prompt)
    tokenizer = playground.tokenizer
    behind = check_ids(ids or (), tokenizer.vocab_size, "ids")
    if len(behind) > playground.limits.characters:
        raise strings.error(ParameterError, "tokenize_too_long", n=f"{len(behind):,}", limit=f"{playground.limits.characters:,}")
    return tokenizer.encode(prompt), behind
