"""What the vocabulary explorer's handlers show: the list, an entry, the numbers, the difference of two vocabularies, the CSV."""

import random
import re
import unicodedata
from pathlib import Path
from typing import Any

import gradio as gr

from neoxjp import compare as peers
from neoxjp.errors import CheckpointError, ParameterError
from neoxjp.hub import bundled_path
from neoxjp.labs.common import html as render
from neoxjp.labs.vocabulary_browser import difference as lexicon_diff
from neoxjp.labs.vocabulary_browser import records as lexicon
from neoxjp.labs.vocabulary_browser import statistics as lexicon_stats
from neoxjp.labs.vocabulary_browser import view as render_lexicon
from neoxjp.labs.vocabulary_browser.strings import strings
from neoxjp.page_parts.answers import check_length
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.strings import Words
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

PAGE = 50  # rows drawn at a time
FILTERS = ("query", "match", "script", "kind", "length", "spellings", "ids", "reach", "sort", "descending")
OPENED = 2  # other vocabularies kept


def filters_of(*values: Any) -> lexicon.Filters:
    """The filters from the section's controls, in the order of FILTERS. An emptied control filters nothing."""
    given = {name: value for name, value in zip(FILTERS, values, strict=True) if value is not None}
    return lexicon.checked_filters(**given)


def list_of(playground: Playground, page: int, *given: Any) -> tuple[Any, ...]:
    """A page of the list: its HTML, the page's number (the nearest there is), and the two buttons that turn it."""
    *values, say = given
    tokenizer, filters = playground.tokenizer, filters_of(*values)
    ids = lexicon.select(tokenizer, filters)
    page, first, turns = turned(page, len(ids))
    index = lexicon.index_of(tokenizer.vocabulary)
    rows = lexicon.rows(index, ids[first : first + PAGE], filters)
    return render_lexicon.entries(rows, first, len(ids), len(index), say), page, *turns


def turned(page: int, total: int) -> tuple[int, int, tuple[Any, Any]]:
    """Of so many rows: the page that there is, its first row, and whether one can turn back and forth."""
    last = max(0, (total - 1) // PAGE)
    page = max(0, min(page, last))
    return page, page * PAGE, (gr.Button(interactive=page > 0), gr.Button(interactive=page < last))


def entry_of(playground: Playground, id: str, say: Words) -> tuple[str, Any]:
    """One entry as HTML, and the button that puts it into the text. `id` as typed: "17749", "１７７４９"; "": none is looked up.

    Raises:
        ParameterError: it is no number, or no id of this vocabulary.
    """
    digits = unicodedata.normalize("NFKC", id[:100]).strip()
    if not digits:
        return f'<p class="hint">{say("v_entry_hint")}</p>', gr.Button(interactive=False)
    if not re.fullmatch("[0-9]{1,9}", digits):
        raise strings.error(ParameterError, "v_no_id", found=repr(digits[:20]))
    return render_lexicon.entry(lexicon.entry(playground.tokenizer, int(digits)), say), gr.Button(interactive=True)


def random_id(playground: Playground, *values: Any) -> Any:
    """One of the ids that the filters leave, as a string; nothing where they leave none."""
    ids = lexicon.select(playground.tokenizer, filters_of(*values))
    return str(random.choice(ids.tolist())) if ids.size else gr.skip()


def csv_of(playground: Playground, *values: Any) -> str:
    """The filtered rows as CSV text, all spellings in the last column, a byte order mark in front."""
    tokenizer = playground.tokenizer
    records = lexicon.records(lexicon.index_of(tokenizer.vocabulary), lexicon.select(tokenizer, filters_of(*values)))
    return peers.to_csv(peers.to_frame(records)).decode("utf-8")


def stats_of(playground: Playground, text: str, say: Words) -> tuple[str, str]:
    """The vocabulary's numbers, and what the text uses of it, both HTML."""
    check_length(playground, text)
    tokenizer = playground.tokenizer
    used = lexicon_stats.usage(tokenizer, lexicon_stats.count_ids(tokenizer, [text] if text else []))
    return render_lexicon.statistics(lexicon_stats.statistics(tokenizer), say), render_lexicon.usage(used, say)


def diff_of(
    playground: Playground, against: str, folder: str, side: lexicon_diff.Side, query: str, page: int, say: Words
) -> tuple[Any, ...]:
    """The counts of two vocabularies, a page of their differences, its number and the buttons that turn it."""
    there = other_tokenizer(playground, against, folder)
    if there is playground.tokenizer:
        return render.notice(say("v_itself")), "", 0, *turned(0, 0)[2]
    compared = lexicon_diff.compare(playground.tokenizer.vocabulary, there.vocabulary)
    places = compared.select(side, query or "")
    page, first, turns = turned(page, len(places))
    names = (
        playground.loaded.title(say("v_bundled_name")) if playground.loaded else "",
        say("v_bundled_name") if against == "bundled" else Path(folder.strip()).name,
    )
    drawn = render_lexicon.differences(compared.rows(side, places[first : first + PAGE]), first, len(places), names, say)
    return render_lexicon.summary(compared.summary, *names, say), drawn, page, *turns


_opened: dict[Path, tuple[list[int], GPTNeoXJapaneseTokenizer]] = {}  # folder → its files' times, and what was read then


def other_tokenizer(playground: Playground, against: str, folder: str = "") -> GPTNeoXJapaneseTokenizer:
    """The vocabulary to compare with: "bundled", or with "folder" a folder of this machine. The loaded one, where it is that.

    Raises:
        ParameterError: a folder is named on a public page, or none is named.
        CheckpointError, VocabularyError: there is no such folder, or it holds no vocabulary.
    """
    loaded = playground.tokenizer
    if against == "folder" and playground.public:
        raise strings.error(ParameterError, "v_no_folders")
    if against == "folder" and not folder.strip():
        raise strings.error(ParameterError, "v_need_folder")
    if against not in ("bundled", "folder"):
        raise ParameterError(f"against={str(against)[:40]!r}: choose 'bundled' or 'folder'")
    place = bundled_path() if against == "bundled" else Path(folder.strip())
    try:
        place = place.expanduser().resolve()
        times = [(place / name).stat().st_mtime_ns for name in ("vocab.txt", "emoji.json")]
    except (OSError, RuntimeError, ValueError):
        times = []  # the loader says what is wrong
    if place == loaded.vocabulary.files[0].parent.resolve():
        return loaded
    known = _opened.get(place)
    if known and times and known[0] == times:
        return known[1]
    peer = peers.folder(place if against == "bundled" else folder.strip())
    if not isinstance(peer, peers.Ours):
        raise CheckpointError(f"{folder!r:.80} holds no vocab.txt with an emoji.json")
    while len(_opened) >= OPENED:
        _opened.pop(next(iter(_opened)), None)
    _opened[place] = (times, peer.tokenizer)
    return peer.tokenizer
