"""The entries of a vocabulary: filtered, sorted, and looked up one by one.

An entry is one id with all its spellings. `index_of` reads a vocabulary once; each query is then a few passes of numpy.
"""

import re
import unicodedata
import weakref
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Literal, get_args

import numpy as np

from neoxjp.errors import ParameterError
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer, Kind, Script, Vocabulary, script_of

EntryScript = Script | Literal["mixed"]
Sort = Literal["id", "length", "spellings"]
Match = Literal["contains", "starts", "ends", "whole"]
Reach = Literal["all", "reached", "never"]
Range = tuple[int | None, int | None]  # both ends included; None: no limit

KINDS: tuple[Kind, ...] = get_args(Kind)
SCRIPTS: tuple[EntryScript, ...] = (*get_args(Script), "mixed")
SORTS: tuple[Sort, ...] = get_args(Sort)
MATCHES: tuple[Match, ...] = get_args(Match)
REACHES: tuple[Reach, ...] = get_args(Reach)
MAX_FOUND = 4  # matching spellings that a row lists beside the first spelling
NEIGHBOURS = 5  # entries listed before and after the one looked up

BREAK = "\n"  # before, between and after the strings; no spelling of a vocabulary contains one


@dataclass(frozen=True)
class Filters:
    """Which entries to list, and in which order. The defaults list all."""

    query: str = ""  # part of one of the spellings
    match: Match = "contains"
    ids: Range = (None, None)
    length: Range = (None, None)  # characters of the first spelling
    spellings: Range = (None, None)  # how many there are
    script: EntryScript | None = None
    kind: Kind | None = None
    reach: Reach = "all"  # "never": ids that no text is encoded to; "reached": the others
    sort: Sort = "id"
    descending: bool = False


@dataclass(frozen=True)
class Row:
    """One row of the list."""

    id: int
    piece: str  # the first spelling
    kind: Kind
    script: EntryScript  # of the first spelling; "mixed": its characters are of several
    length: int  # characters of the first spelling
    spellings: int  # how many share the id
    found: tuple[str, ...]  # the first few of the other spellings that match the query


@dataclass(frozen=True)
class Spelling:
    """One spelling of an entry."""

    text: str
    ids: tuple[int, ...]  # it is encoded to, alone; not always this entry

    @property
    def code_points(self) -> str:
        """ "U+6176 U+61C9", of the first 24 characters."""
        return " ".join(f"U+{ord(character):04X}" for character in self.text[:24])


@dataclass(frozen=True)
class Entry:
    """Everything about one id."""

    id: int
    piece: str
    kind: Kind
    script: EntryScript
    length: int
    writes: str  # the decoded text; "" for a byte, which decodes together with its neighbours
    bytes: str  # of the decoded text, in hexadecimal: "E6 85 B6"
    spellings: tuple[Spelling, ...]
    reached: bool  # whether any text is encoded to this id
    neighbours: tuple[tuple[int, str], ...]  # ids before and after with their first spellings


class StringIndex:
    """Searches strings without line breaks: all are in one array of code points, and a query is a few passes of numpy over it.

    >>> StringIndex(["慶応", "応援", "東京"]).find("応")
    array([0, 1])
    """

    def __init__(self, strings: Sequence[str]):
        joined = BREAK + "".join(f"{string}{BREAK}" for string in strings)
        self._codes = _code_points(joined)
        breaks = np.flatnonzero(self._codes == ord(BREAK))
        if len(breaks) != len(strings) + 1:
            raise ValueError("a string contains a line break")
        self._starts, self._ends = breaks[:-1] + 1, breaks[1:]
        self.lengths = self._ends - self._starts  # (N,), characters of each string
        self._longest = int(self.lengths.max(initial=0))

    def __len__(self) -> int:
        return len(self.lengths)

    def find(self, needle: str, match: Match = "contains") -> np.ndarray:
        """Positions of the strings that contain the needle (or start with it, end with it, equal it), ascending, int64 (found,).

        Characters are compared exactly: width and kana are not folded. The empty needle finds all.
        """
        if match not in MATCHES:
            raise ParameterError(f"match={match!r}: choose one of {', '.join(MATCHES)}")
        size = len(needle)
        if not needle:
            return np.arange(len(self))
        if size > self._longest or BREAK in needle:
            return np.arange(0)
        query = _code_points(needle)
        if match == "contains":
            at = np.flatnonzero(self._codes[: len(self._codes) - size + 1] == query[0])
        else:
            long = self.lengths >= size if match != "whole" else self.lengths == size
            at = (self._ends - size if match == "ends" else self._starts)[long]
        for offset, code in enumerate(query):
            at = at[self._codes[at + offset] == code]
        return np.unique(np.searchsorted(self._starts, at, side="right") - 1)


class Index:
    """A vocabulary prepared for queries. It refers to the tables of the vocabulary, not to the vocabulary itself."""

    def __init__(self, vocabulary: Vocabulary):
        spellings = vocabulary.spellings
        self.spellings, self.kinds, self.texts, self.byte_values = (
            spellings, vocabulary.kinds, vocabulary.texts, vocabulary.byte_values,
        )  # fmt: skip
        self.ids = vocabulary.ids  # spelling → id; where two lines have the spelling, the later one
        self.counts = np.array([len(entry) for entry in spellings], np.int64)  # (V,)
        self.strings = StringIndex([spelling for entry in spellings for spelling in entry])  # S spellings, by id
        self.owners = np.repeat(np.arange(len(spellings)), self.counts)  # (S,), the id of each spelling
        self.lengths = np.array([len(entry[0]) for entry in spellings], np.int64)  # (V,)
        self.scripts = [script_of_entry(entry[0], kind) for entry, kind in zip(spellings, self.kinds, strict=True)]
        self.script_codes = _codes(self.scripts, SCRIPTS)  # (V,)
        self.kind_codes = _codes(self.kinds, KINDS)  # (V,)
        self._reached: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.spellings)

    def reached(self, tokenizer: GPTNeoXJapaneseTokenizer) -> np.ndarray:
        """Whether any text is encoded to an id, bool (V,). Encodes each spelling alone, once.

        If a spelling does not become its id alone, it never does: following characters only add candidates, and the candidate
        with the smallest id is chosen. In the original vocabulary から has a smaller id than からの; a third of the ids are
        never produced.
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
    """The ids that pass the filters, in the requested order, int64 (found,). Equal ones are in the order of their ids.

    Raises:
        ParameterError: a filter has an unknown value.
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
    """The rows of these ids; with the filters, each lists the other spellings that match."""
    listed = []
    for id in map(int, ids):
        first, *others = index.spellings[id]
        found: list[str] = []
        if filters and filters.query and not matches(first, filters.query, filters.match):
            found = [spelling for spelling in others if matches(spelling, filters.query, filters.match)][:MAX_FOUND]
        kind, script = index.kinds[id], index.scripts[id]
        listed.append(Row(id, first, kind, script, len(first), 1 + len(others), tuple(found)))
    return listed


def records(index: Index, ids: Sequence[int] | np.ndarray) -> list[dict[str, object]]:
    """The same as dicts for a CSV, all spellings joined by commas in the last column, as in vocab.txt."""
    listed = []
    for row in rows(index, ids):
        record = asdict(row) | {"all_spellings": ",".join(index.spellings[row.id])}
        del record["found"]
        listed.append(record)
    return listed


def entry(tokenizer: GPTNeoXJapaneseTokenizer, id: int) -> Entry:
    """Everything about one id.

    Raises:
        ParameterError: the vocabulary has no such id.
    """
    index = index_of(tokenizer.vocabulary)
    last = len(index) - 1
    if type(id) is not int or not 0 <= id <= last:
        raise ParameterError(
            f"id {str(id)[:20]} is not in this vocabulary (0 to {last})",
            ja=f"ID {str(id)[:20]} はこの語彙にありません（0〜{last}）。",
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


def text_for(entry: Entry) -> str:
    """The text to type for this id: "慶応", for <SP> a blank, for a byte its tag."""
    return entry.writes if entry.kind in ("blank", "emoji") else entry.piece


def parse_range(text: str, name: str) -> Range:
    """A range as typed, also full-width: "3" → (3, 3), "3-5" → (3, 5), "3-" → (3, None), "" → (None, None).

    Raises:
        ParameterError: it is not a range; the message contains `name`.
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
            f"{name}={text[:20]!r} is empty: write the smaller number first, such as {high}-{low}",
            ja=f"{text[:20]!r} は空の範囲です。{high}-{low} のように小さい数を先に書いてください。",
        )
    return (low, high)


def checked_filters(**given: object) -> Filters:
    """Filters from a caller's values: ranges as text, "" or "all" for any script and any kind.

    Raises:
        ParameterError: an argument has another type, or is not a range.
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


def matches(string: str, needle: str, match: Match) -> bool:
    """Whether `StringIndex.find` finds this one string."""
    if match == "whole":
        return string == needle or not needle
    return string.startswith(needle) if match == "starts" else string.endswith(needle) if match == "ends" else needle in string


def _code_points(text: str) -> np.ndarray:
    """The code points, uint32; a lone surrogate is one too."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
