"""The endpoints /vocabulary, /vocabulary_entry, /vocabulary_stats and /vocabulary_diff."""

from dataclasses import dataclass
from typing import Any, Literal

from neoxjp.errors import ParameterError
from neoxjp.labs.vocabulary_browser import difference, records, statistics
from neoxjp.page_parts.answers import check_length
from neoxjp.page_parts.endpoints import Endpoint, Tool, endpoint
from neoxjp.page_parts.gradio_private import current_visitor
from neoxjp.page_parts.session.playground import Playground
from neoxjp.tokenizer import Kind

MOST_ROWS = 1_000  # of one call


@dataclass(frozen=True)
class Found:
    """A part of the entries that a search finds."""

    total: int  # entries found
    rows: tuple[records.Row, ...]


SEARCH_CHARACTERS = 10_000  # of the visitor's budget: a search looks at each spelling


def endpoints(playground: Playground) -> list[Endpoint]:
    """The endpoints of the vocabulary browser."""

    @endpoint("vocabulary", at_once=None, queue=False, needs="vocabulary", tool=Tool("Search the vocabulary"))
    def vocabulary(
        query: str = "",
        match: records.Match = "contains",
        ids: str = "",
        script: records.EntryScript | Literal["all"] = "all",
        kind: Kind | Literal["all"] = "all",
        length: str = "",
        spellings: str = "",
        reach: records.Reach = "all",
        sort: records.Sort = "id",
        descending: bool = False,
        start: int = 0,
        limit: int = 100,
    ) -> Found:
        """List entries of the loaded vocabulary. An entry is one id with all its spellings.

        Args:
            query: Part of a spelling; kana and character width must match exactly.
            match: "contains", "starts", "ends" or "whole".
            ids: A range such as "100-199", "5" or "31000-".
            script: Of the first spelling: "hiragana", "katakana", "kanji", "latin", "digit", "symbol", "emoji", "space",
                "other", "mixed" or "all".
            kind: "word", "byte", "emoji", "blank", "symbol", "tag", "special" or "all".
            length: A range of the first spelling's length in characters.
            spellings: A range of the number of spellings.
            reach: "never": ids that no text is encoded to; "reached": the others; "all".
            sort: "id", "length" or "spellings".
            descending: Largest first.
            start: Number of rows to skip.
            limit: Number of rows to return, at most 1,000.

        Returns:
            "total": number of entries found. "rows": for each its id, piece (the first spelling), kind, script, length,
            spellings (how many), found (the first few of the other spellings that match the query).
        """
        playground.visitors.charge(current_visitor(), "characters", SEARCH_CHARACTERS)
        part = checked_part(start, limit)
        given = {"query": query, "match": match, "ids": ids, "script": script, "kind": kind, "length": length}
        filters = records.checked_filters(**given, spellings=spellings, reach=reach, sort=sort, descending=descending)
        found = records.select(playground.tokenizer, filters)
        return Found(len(found), tuple(found[part]))

    @endpoint("vocabulary_entry", at_once=None, queue=False, needs="vocabulary", tool=Tool("One id of the vocabulary"))
    def vocabulary_entry(id: int) -> records.Entry:
        """Look up one id.

        Args:
            id: An id of the loaded vocabulary.

        Returns:
            id, piece (the first spelling), kind, script, length, writes (the decoded text), bytes (in hexadecimal), reached
            (whether any text is encoded to it), spellings (each with its text and the ids it is encoded to alone),
            neighbours (ids before and after, each with its first spelling).
        """
        return records.entry(playground.tokenizer, id)

    @endpoint("vocabulary_stats", at_once=None, queue=False, needs="vocabulary")
    def vocabulary_stats(text: str = "") -> dict[str, Any]:
        """Statistics of the loaded vocabulary, and which ids a text uses.

        Args:
            text: A text whose ids are counted; "": none.

        Returns:
            "vocabulary": ids, spellings, shared (ids with several), twice (spellings on several lines), never (ids that
            encoding never produces), by_kind, by_script, by_length, by_spellings, largest. "usage" of the text: tokens, ids
            (different ones), of, once, covering (share of the tokens, number of most frequent ids), by_kind,
            by_script, frequent; or null.
        """
        check_length(playground, text)
        return statistics.record(playground.tokenizer, statistics.count_ids(playground.tokenizer, [text]) if text else None)

    @endpoint("vocabulary_diff", at_once=None, queue=False, needs="vocabulary")
    def vocabulary_diff(
        against: str = "bundled",
        side: str = "only_here",
        query: str = "",
        match: str = "contains",
        start: int = 0,
        limit: int = 100,
    ) -> dict[str, Any]:
        """Compare the loaded vocabulary with another one.

        Args:
            against: "bundled", or the path of a folder with vocab.txt and emoji.json (not on a public page).
            side: "only_here", "only_there", or "moved" (in both, with different ids).
            query: Part of the spelling.
            match: "contains", "starts", "ends" or "whole".
            start: Number of rows to skip.
            limit: Number of rows to return, at most 1,000.

        Returns:
            "counts": ids and spellings of both, only_here, only_there, moved, same (counts of spellings). "total": number of
            rows. "rows": for each spelling its ids here and there.
        """
        part = checked_part(start, limit)
        if not isinstance(against, str) or not isinstance(query, str):
            raise ParameterError("against and query must be strings")
        where = ("bundled", "") if against == "bundled" else ("folder", against)
        other = difference.open_other(playground.tokenizer, *where, public=playground.public)
        return difference.compare(playground.tokenizer, other).record(side, query, match, part)  # type: ignore[arg-type]

    return [vocabulary, vocabulary_entry, vocabulary_stats, vocabulary_diff]


def checked_part(start: int, limit: int) -> slice:
    """The requested rows.

    Raises:
        ParameterError: a number is out of range.
    """
    if type(start) is not int or start < 0:
        raise ParameterError(f"start={str(start)[:20]} must be an integer, 0 or more")
    if type(limit) is not int or not 1 <= limit <= MOST_ROWS:
        raise ParameterError(f"limit={str(limit)[:20]} must be an integer from 1 to {MOST_ROWS}")
    return slice(start, start + limit)
