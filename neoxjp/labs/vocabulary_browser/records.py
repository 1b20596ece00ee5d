"""What a vocabulary holds: its entries filtered, sorted and opened one by one.

An entry is one id with all its spellings. `index_of` reads a vocabulary once; each question is then a few passes of numpy.
"""

import re
import unicodedata
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal, get_args

import numpy as np

from neoxjp.errors import ParameterError
from neoxjp.labs.vocabulary_browser.search import Match, Strings, matches
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer, Kind, Script, Vocabulary, script_of

EntryScript = Script | Literal["mixed"]
Sort = Literal["id", "length", "spellings"]
Reach = Literal["all", "reached", "never"]
Range = tuple[int | None, int | None]  # both ends included; None: open

KINDS: tuple[Kind, ...] = get_args(Kind)
SCRIPTS: tuple[EntryScript, ...] = (*get_args(Script), "mixed")
SORTS: tuple[Sort, ...] = get_args(Sort)
REACHES: tuple[Reach, ...] = get_args(Reach)
FOUND = 4  # further spellings named in a row because the query stands in them
NEIGHBOURS = 5  # entries named before and after an opened one


@dataclass(frozen=True)
class Filters:
    """Which entries to list, and in which order. What is left as it is filters nothing."""

    query: str = ""  # stands in one of the spellings, as typed
    match: Match = "contains"
    ids: Range = (None, None)
    length: Range = (None, None)  # characters of the first spelling
    spellings: Range = (None, None)  # how many there are
    script: EntryScript | None = None
    kind: Kind | None = None
    reach: Reach = "all"  # "never": only ids that no text is encoded to; "reached": only the others
    sort: Sort = "id"
    descending: bool = False


@dataclass(frozen=True)
class Row:
    """One line of the list."""

    id: int
    piece: str  # the first spelling
    kind: Kind
    script: EntryScript  # of the first spelling; "mixed": its characters are of several
    length: int  # characters of the first spelling
    spellings: int  # how many share the id
    found: tuple[str, ...]  # of the other spellings, the first few in which the query stands


@dataclass(frozen=True)
class Spelling:
    """One spelling of an entry."""

    text: str
    ids: tuple[int, ...]  # what it is encoded to when it stands alone; not always this entry


@dataclass(frozen=True)
class Entry:
    """All about one id."""

    id: int
    piece: str
    kind: Kind
    script: EntryScript
    length: int
    writes: str  # what decoding writes; "" for a byte, which joins its neighbours
    bytes: str  # of what is written, in hexadecimal: "E6 85 B6"
    spellings: tuple[Spelling, ...]
    reached: bool  # whether any text is encoded to this id
    neighbours: tuple[tuple[int, str], ...]  # ids before and after with their first spellings


class Index:
    """A vocabulary ready to be searched. Keeps tables of the vocabulary, not the vocabulary itself."""

    def __init__(self, vocabulary: Vocabulary):
        spellings = vocabulary.spellings
        self.spellings, self.kinds, self.texts, self.byte_values = (
            spellings, vocabulary.kinds, vocabulary.texts, vocabulary.byte_values,
        )  # fmt: skip
        self.ids = vocabulary.ids  # spelling → id; of two lines with one spelling the later has it
        self.counts = np.array([len(entry) for entry in spellings], np.int64)  # (V,)
        self.strings = Strings([spelling for entry in spellings for spelling in entry])  # S spellings, by id
        self.owners = np.repeat(np.arange(len(spellings)), self.counts)  # (S,), the id of each
        self.lengths = np.array([len(entry[0]) for entry in spellings], np.int64)  # (V,)
        self.scripts = [script_of_entry(entry[0], kind) for entry, kind in zip(spellings, self.kinds, strict=True)]
        self.script_codes = _codes(self.scripts, SCRIPTS)  # (V,)
        self.kind_codes = _codes(self.kinds, KINDS)  # (V,)

        self._reached: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.spellings)

    def reached(self, tokenizer: GPTNeoXJapaneseTokenizer) -> np.ndarray:
        """Whether any text is encoded to an id, bool (V,). Encodes each spelling alone, once.

        Alone is a spelling's best chance: characters that follow only add candidates, and of the candidates the smallest id
        wins. In the original vocabulary から has a smaller id than からの, and a third of the ids never come out.
        """
        if self._reached is None:
            every = [spelling for entry in self.spellings for spelling in entry]
            alone = zip(self.owners.tolist(), tokenizer.encode_batch(every, False), strict=True)
            reached = np.zeros(len(self), bool)
            reached[[owner for owner, ids in alone if len(ids) == 1 and ids[0] == owner]] = True
            self._reached = reached
        return self._reached


_indices: dict[int, Index] = {}  # by the vocabulary's identity, for as long as it lives


def index_of(vocabulary: Vocabulary) -> Index:
    """The vocabulary's index, built at the first call."""
    key = id(vocabulary)
    if key not in _indices:
        index = Index(vocabulary)
        weakref.finalize(vocabulary, _indices.pop, key, None)
        _indices[key] = index
    return _indices[key]


def script_of_entry(piece: str, kind: Kind) -> EntryScript:
    """The script of a spelling: "慶応" → "kanji", "食べ" → "mixed", "<SP>" → "space", "<|byte12|>" → "other"."""
    if kind != "word":
        return "emoji" if kind == "emoji" else "space" if kind == "blank" else "symbol" if kind == "symbol" else "other"
    scripts = {script_of(character) for character in piece}
    return scripts.pop() if len(scripts) == 1 else "mixed"


def select(tokenizer: GPTNeoXJapaneseTokenizer, filters: Filters) -> np.ndarray:
    """The ids that pass the filters, in the order asked for, int64 (found,). Equal ones stand by their ids.

    Raises:
        ParameterError: a filter has a value that does not exist.
    """
    for name, value, choices in (
        ("kind", filters.kind, (None, *KINDS)),
        ("script", filters.script, (None, *SCRIPTS)),
        ("reach", filters.reach, REACHES),
        ("sort", filters.sort, SORTS),
    ):
        if value not in choices:
            raise ParameterError(f"{name}={str(value)[:40]!r}: choose one of {', '.join(filter(None, choices))}")
    index = index_of(tokenizer.vocabulary)
    keep = np.zeros(len(index), bool)
    keep[index.owners[index.strings.find(filters.query, filters.match)]] = True
    ids = np.arange(len(index))
    for (low, high), values in ((filters.ids, ids), (filters.length, index.lengths), (filters.spellings, index.counts)):
        if low is not None:
            keep &= values >= low
        if high is not None:
            keep &= values <= high
    if filters.kind:
        keep &= index.kind_codes == KINDS.index(filters.kind)
    if filters.script:
        keep &= index.script_codes == SCRIPTS.index(filters.script)
    if filters.reach != "all":
        keep &= index.reached(tokenizer) == (filters.reach == "reached")
    chosen = np.flatnonzero(keep)
    values = {"id": chosen, "length": index.lengths[chosen], "spellings": index.counts[chosen]}[filters.sort]
    return chosen[np.argsort(-values if filters.descending else values, kind="stable")]


def rows(index: Index, ids: Sequence[int] | np.ndarray, filters: Filters | None = None) -> list[Row]:
    """The lines of these ids; with the filters, each says where else the query was found."""
    query, match = (filters.query, filters.match) if filters else ("", "contains")
    listed = []
    for id in map(int, ids):
        entry = index.spellings[id]
        found: list[str] = []
        if query and not matches(entry[0], query, match):
            found = [spelling for spelling in entry[1:] if matches(spelling, query, match)]
        listed.append(
            Row(
                id=id,
                piece=entry[0],
                kind=index.kinds[id],
                script=index.scripts[id],
                length=len(entry[0]),
                spellings=len(entry),
                found=tuple(found[:FOUND]),
            )
        )
    return listed


def records(index: Index, ids: Sequence[int] | np.ndarray) -> list[dict[str, object]]:
    """The same as plain dicts for a table, all spellings joined by commas in the last column, as in vocab.txt."""
    listed = []
    for row in rows(index, ids):
        fields = {"id": row.id, "piece": row.piece, "kind": row.kind, "script": row.script, "length": row.length}
        listed.append({**fields, "spellings": row.spellings, "all_spellings": ",".join(index.spellings[row.id])})
    return listed


def entry(tokenizer: GPTNeoXJapaneseTokenizer, id: int) -> Entry:
    """All about one id.

    Raises:
        ParameterError: the vocabulary has no such id.
    """
    index = index_of(tokenizer.vocabulary)
    last = len(index) - 1
    if type(id) is not int or not 0 <= id <= last:
        raise ParameterError(
            f"id {str(id)[:20]} is not in this vocabulary (0 to {last})",
            ja=f"番号 {str(id)[:20]} はこの語彙にありません（0〜{last}）。",
        )
    first = index.spellings[id][0]
    written, byte = index.texts[id], index.byte_values[id]
    beside = [near for near in range(max(0, id - NEIGHBOURS), min(last, id + NEIGHBOURS) + 1) if near != id]
    spellings = tuple(Spelling(text, tuple(tokenizer.encode(text, False))) for text in index.spellings[id])
    return Entry(
        id=id,
        piece=first,
        kind=index.kinds[id],
        script=index.scripts[id],
        length=len(first),
        writes=written,
        bytes=f"{byte:02X}" if byte >= 0 else written.encode("utf-8", "surrogatepass").hex(" ").upper(),
        spellings=spellings,
        reached=any(spelling.ids == (id,) for spelling in spellings),
        neighbours=tuple((near, index.spellings[near][0]) for near in beside),
    )


def typed(entry: Entry) -> str:
    """What to write into a text to get this id: "慶応", for <SP> a blank, for a byte its tag."""
    return entry.writes if entry.kind in ("blank", "emoji") else entry.piece


def parse_range(text: str, name: str) -> Range:
    """A range as typed, full-width too: "3" → (3, 3), "3-5" → (3, 5), "3-" → (3, None), "" → (None, None).

    Raises:
        ParameterError: it is no range; `name` says of what.
    """
    plain = re.sub(r"[\s,]", "", unicodedata.normalize("NFKC", text[:100]))
    match = re.fullmatch(r"([0-9]{0,9})(?:([-~〜–—−ー:]|\.\.)([0-9]{0,9}))?", plain)
    if not match or len(text) > 100:
        raise ParameterError(
            f"{name}={text[:20]!r}: write one number or a range, such as 3, 2-5, 100- or -50",
            ja=f"{text[:20]!r} は範囲として読めません。3、2-5、100-、-50 のように書いてください。",
        )
    low = int(match[1]) if match[1] else None
    if match[2] is None:
        return (low, low)
    high = int(match[3]) if match[3] else None
    if low is not None and high is not None and high < low:
        raise ParameterError(
            f"{name}={text[:20]!r} holds nothing: write the smaller number first, such as {high}-{low}",
            ja=f"{text[:20]!r} は空の範囲です。{high}-{low} のように小さい数を先に書いてください。",
        )
    return (low, high)


def checked_filters(**given: object) -> Filters:
    """Filters from what a caller sent: ranges as text, "" or "all" for no script and no kind.

    Raises:
        ParameterError: an argument is of another type, or no range.
    """
    made: dict[str, object] = {}
    known = {field.name: field.default for field in fields(Filters)}
    for name, value in given.items():
        wanted = bool if name == "descending" else str
        if not isinstance(value, wanted):
            kind = "true or false" if wanted is bool else "a string"
            raise ParameterError(f"{name}={str(value)[:40]!r}: expected {kind}")
        if isinstance(known[name], tuple):
            made[name] = parse_range(str(value), name)
        else:
            made[name] = None if name in ("script", "kind") and value in ("", "all") else value
    return Filters(**made)  # type: ignore[arg-type]


def _codes(values: Sequence[str], names: Sequence[str]) -> np.ndarray:
    places = {name: place for place, name in enumerate(names)}
    return np.array([places[value] for value in values], np.int8)
