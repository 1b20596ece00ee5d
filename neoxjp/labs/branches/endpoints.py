"""The branches as API: /edit and /force, records in and out; /generate continues from ids (ui/endpoints.py)."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from neoxjp.engine import check_ids
from neoxjp.errors import ParameterError
from neoxjp.labs.branches.records import ForcedSurprisal, decoded_pieces, edited, score_forced, shown_pieces
from neoxjp.labs.branches.strings import strings
from neoxjp.page_parts.answers import check_length
from neoxjp.page_parts.endpoints import Endpoint, endpoint
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.zerogpu import gpu


def endpoints(playground: Playground) -> list[Endpoint]:
    """The section's actions as API: /edit and /force."""

    @gpu(duration=60)
    def scored(before: Sequence[int], forced: Sequence[int]) -> ForcedSurprisal:
        loaded = playground.ready
        assert loaded.model is not None
        return score_forced(loaded.model, loaded.tokenizer, before, forced)

    @endpoint("edit", needs="vocabulary")
    def edit(text: str, prompt: str = "", ids: list[int] | None = None) -> dict[str, Any]:
        """Cut an edited text into tokens so that all tokens before the edit keep their ids.

        Args:
            text: The whole text after the edit.
            prompt: The beginning of the text before the edit, as it was typed.
            ids: The ids after the prompt's, as /generate returns them.

        Returns:
            ids (of the edited text), kept (ids at the front that are as they were), cut_anew and replaced ([start, end) of the
            new ids that come from the edit, and of the old ones in their place), agree_from (the new ids from there on are the
            old ones again, or null), text (what the ids decode to), lossy (whether that is not what was typed).
        """
        front, behind = given(playground, prompt, ids)
        check_length(playground, text)
        tokenizer = playground.tokenizer
        pieces = shown_pieces(front, prompt, tokenizer) + decoded_pieces(behind, tokenizer)
        return asdict(edited([*front, *behind], text, tokenizer, pieces))

    @endpoint("force", needs="model")
    def force(text: str, prompt: str = "", ids: list[int] | None = None, place: int | None = None) -> dict[str, Any]:
        """Score words at a position of a text: the surprisal in bits of each of their tokens.

        Args:
            text: The words to put there.
            prompt: The beginning of the text.
            ids: The ids after the prompt's, as /generate returns them.
            place: Which of `ids` the words stand in place of, counted from 0; null: they follow all of them.

        Returns:
            tokens (id, text, bits, rank, likeliest: the most probable token, likeliest_bits), bits (together), ids
            (of the text up to the place and the words: /generate continues from them).
        """
        front, behind = given(playground, prompt, ids)
        check_length(playground, text)
        forced = playground.ready.tokenizer.encode(text)
        if not forced:
            raise strings.error(ParameterError, "branches_force_empty")
        at = len(behind) if place is None else place
        if type(at) is not int or not 0 <= at <= len(behind):
            raise ParameterError(
                f"place={place!r:.40} must be from 0 to {len(behind)}", ja=f"place は 0 から {len(behind)} までです。"
            )
        before = [*front, *behind[:at]]
        return asdict(scored(before, forced)) | {"ids": [*before, *forced]}

    return [edit, force]


def given(playground: Playground, prompt: str, ids: list[int] | None) -> tuple[list[int], tuple[int, ...]]:
    """The ids of a prompt, and those after it as they are. Raises ParameterError."""
    check_length(playground, prompt)
    tokenizer = playground.tokenizer
    behind = check_ids(ids or (), tokenizer.vocab_size, "ids")
    if len(behind) > playground.limits.characters:
        raise strings.error(ParameterError, "t_too_long", n=f"{len(behind):,}", limit=f"{playground.limits.characters:,}")
    return tokenizer.encode(prompt), behind
