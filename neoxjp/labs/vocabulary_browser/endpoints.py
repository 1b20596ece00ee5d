"""The vocabulary explorer as API: /vocabulary, /vocabulary_entry, /vocabulary_stats, /vocabulary_diff.

Argument names and docstrings are what callers see; the records are those of the lab.
"""

from dataclasses import asdict
from typing import Any

from neoxjp.errors import ParameterError
from neoxjp.labs.vocabulary_browser import difference as lexicon_diff
from neoxjp.labs.vocabulary_browser import records as lexicon
from neoxjp.labs.vocabulary_browser import statistics as lexicon_stats
from neoxjp.labs.vocabulary_browser.drawing import other_tokenizer
from neoxjp.labs.vocabulary_browser.search import Match
from neoxjp.page_parts.answers import check_length
from neoxjp.page_parts.endpoints import Endpoint, endpoint
from neoxjp.page_parts.session import Playground

MOST_ROWS = 1_000  # of one call


def endpoints(playground: Playground) -> list[Endpoint]:
    """The section's actions as API: /vocabulary, /vocabulary_entry, /vocabulary_stats, /vocabulary_diff."""

    @endpoint("vocabulary", at_once=None, queue=False, needs="vocabulary")
    def vocabulary(
        query: str = "",
        match: str = "contains",
        ids: str = "",
        script: str = "all",
        kind: str = "all",
        length: str = "",
        spellings: str = "",
        reach: str = "all",
        sort: str = "id",
        descending: bool = False,
        start: int = 0,
        limit: int = 100,
    ) -> dict[str, Any]:
        """List entries of the loaded vocabulary. An entry is one id with all its spellings.

        Args:
            query: Stands in one of the spellings, as typed: width and kana are told apart.
            match: "contains", "starts", "ends" or "whole".
            ids: A range such as "100-199", "5" or "31000-".
            script: Of the first spelling: "hiragana", "katakana", "kanji", "latin", "digit", "symbol", "emoji", "space",
                "other", "mixed" or "all".
            kind: "word", "byte", "emoji", "blank", "symbol", "tag", "special" or "all".
            length: A range of the first spelling's length in characters.
            spellings: A range of the number of spellings.
            reach: "never": only ids that no text is encoded to; "reached": only the others; "all".
            sort: "id", "length" or "spellings".
            descending: The largest first.
            start: How many of the rows to skip.
            limit: How many rows to give, at most 1,000.

        Returns:
            "total": how many entries were found. "rows": of each its id, piece (the first spelling), kind, script, length,
            spellings (how many), found (other spellings in which the query stands, the first few).
        """
        part = checked_part(start, limit, MOST_ROWS)
        given = {"query": query, "match": match, "ids": ids, "script": script, "kind": kind, "length": length}
        filters = lexicon.checked_filters(**given, spellings=spellings, reach=reach, sort=sort, descending=descending)
        found = lexicon.select(playground.tokenizer, filters)
        index = lexicon.index_of(playground.tokenizer.vocabulary)
        return {"total": len(found), "rows": [asdict(row) for row in lexicon.rows(index, found[part], filters)]}

    @endpoint("vocabulary_entry", at_once=None, queue=False, needs="vocabulary")
    def vocabulary_entry(id: int) -> dict[str, Any]:
        """Look one id up.

        Args:
            id: An id of the loaded vocabulary.

        Returns:
            id, piece (the first spelling), kind, script, length, writes (what decoding writes), bytes (in hexadecimal), reached
            (whether any text is encoded to it), spellings (each with its text and the ids it is encoded to when it stands
            alone), neighbours (ids before and after, each with its first spelling).
        """
        return asdict(lexicon.entry(playground.tokenizer, id))

    @endpoint("vocabulary_stats", at_once=None, queue=False, needs="vocabulary")
    def vocabulary_stats(text: str = "") -> dict[str, Any]:
        """The loaded vocabulary in numbers, and what a text uses of it.

        Args:
            text: A text whose ids are counted; empty: none is.

        Returns:
            "vocabulary": ids, spellings, shared (ids with several), twice (spellings on two lines), never (ids that come out of
            no text), by_kind, by_script, by_length, by_spellings, largest. "usage": of the text tokens, ids (different ones),
            of, once, covering (share of the tokens, number of most frequent ids), by_kind, by_script, frequent; or null.
        """
        check_length(playground, text)
        tokenizer = playground.tokenizer
        used = lexicon_stats.usage(tokenizer, lexicon_stats.count_ids(tokenizer, [text])) if text else None
        return {"vocabulary": asdict(lexicon_stats.statistics(tokenizer)), "usage": asdict(used) if used else None}

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
            against: "bundled", or where the page is not public the path of a folder with vocab.txt and emoji.json.
            side: "only_here", "only_there", or "moved": in both, with other ids.
            query: Stands in the spelling.
            match: "contains", "starts", "ends" or "whole".
            start: How many of the rows to skip.
            limit: How many rows to give, at most 1,000.

        Returns:
            "counts": ids and spellings of both, only_here, only_there, moved, same (counts of spellings). "total": how many rows
            there are. "rows": of each spelling its ids here and there.
        """
        part = checked_part(start, limit, MOST_ROWS)
        return diff_record(playground, against, side, query, match, part)  # type: ignore[arg-type]

    return [vocabulary, vocabulary_entry, vocabulary_stats, vocabulary_diff]


def checked_part(start: int, limit: int, most: int) -> slice:
    """Which rows a caller asked for.

    Raises:
        ParameterError: a number is out of range.
    """
    if type(start) is not int or start < 0:
        raise ParameterError(f"start={str(start)[:20]} must be a whole number, 0 or more")
    if type(limit) is not int or not 1 <= limit <= most:
        raise ParameterError(f"limit={str(limit)[:20]} must be a whole number from 1 to {most}")
    return slice(start, start + limit)


def diff_record(
    playground: Playground, against: str, side: lexicon_diff.Side, query: str, match: Match, part: slice
) -> dict[str, Any]:
    """The counts of two vocabularies and a part of one list of their differences."""
    if not isinstance(against, str) or not isinstance(query, str):
        raise ParameterError("against and query are strings")
    there = other_tokenizer(playground, *(("bundled", "") if against == "bundled" else ("folder", against)))
    compared = lexicon_diff.compare(playground.tokenizer.vocabulary, there.vocabulary)
    places = compared.select(side, query, match)
    rows = [asdict(row) for row in compared.rows(side, places[part])]
    return {"counts": asdict(compared.summary), "side": side, "total": len(places), "rows": rows}
