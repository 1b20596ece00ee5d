"""The entries of a vocabulary: filtered, sorted, and looked up one by one. An entry is one id with all its spellings."""

import operator
import re
import unicodedata
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from neoxjp.errors import ParameterError
from neoxjp.labs.common.caching import cached_per_tokenizer
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer, Kind, Script, script_of

EntryScript = Script | Literal["mixed"]
Sort = Literal["id", "length", "spellings"]  # fields of Row
Match = Literal["contains", "starts", "ends", "whole"]
Reach = Literal["all", "reached", "never"]
Range = tuple[int | None, int | None]  # both ends included; None: no limit

KINDS: tuple[Kind, ...] = get_args(Kind)
SCRIPTS: tuple[EntryScript, ...] = (*get_args(Script), "mixed")
SORTS: tuple[Sort, ...] = get_args(Sort)
REACHES: tuple[Reach, ...] = get_args(Reach)
MATCHES: dict[Match, Callable[[str, str], bool]] = {
    "contains": operator.contains,
    "starts": str.startswith,
    "ends": str.endswith,
    "whole": operator.eq,
}
"""Whether a spelling matches a query. Characters are compared exactly: width and kana are not folded."""

MAX_FOUND = 4  # matching spellings that a row lists beside the first spelling
NEIGHBOURS = 5  # entries listed before and after the one looked up


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
    found: tuple[str, ...] = ()  # where the first spelling does not match the query: the first few others that do


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


@cached_per_tokenizer
def rows_of(tokenizer: GPTNeoXJapaneseTokenizer) -> tuple[Row, ...]:
    """A row for each id."""
    entries = zip(tokenizer.vocabulary.spellings, tokenizer.vocabulary.kinds, strict=True)
    return tuple(
        Row(id, spellings[0], kind, script_of_entry(spellings[0], kind), len(spellings[0]), len(spellings))
        for id, (spellings, kind) in enumerate(entries)
    )


@cached_per_tokenizer
def reached_ids(tokenizer: GPTNeoXJapaneseTokenizer) -> frozenset[int]:
    """The ids that some text is encoded to. Encodes each spelling alone.

    If a spelling does not become its id alone, it never does: following characters only add candidates, and the candidate
    with the smallest id is chosen. In the original vocabulary から has a smaller id than からの; a third of the ids are
    never produced.
    """
    spelled = [(id, spelling) for id, entry in enumerate(tokenizer.vocabulary.spellings) for spelling in entry]
    alone = tokenizer.encode_batch([spelling for _, spelling in spelled], False)
    return frozenset(id for (id, _), ids in zip(spelled, alone, strict=True) if ids.tolist() == [id])


def script_of_entry(piece: str, kind: Kind) -> EntryScript:
    """The script of a spelling: "慶応" → "kanji", "食べ" → "mixed", "<SP>" → "space", "<|byte12|>" → "other"."""
    if kind != "word":
        return "emoji" if kind == "emoji" else "space" if kind == "blank" else "symbol" if kind == "symbol" else "other"
    scripts = {script_of(character) for character in piece}
    return scripts.pop() if len(scripts) == 1 else "mixed"


def select(tokenizer: GPTNeoXJapaneseTokenizer, filters: Filters) -> list[Row]:
    """The entries that pass the filters, in the requested order. Equal ones are in the order of their ids.

    Raises:
        ParameterError: a filter has an unknown value.
    """
    for name, choices in (("match", MATCHES), ("kind", KINDS), ("script", SCRIPTS), ("reach", REACHES), ("sort", SORTS)):
        if (value := getattr(filters, name)) is not None:
            check_choice(name, value, choices)
    rows = [
        row
        for row in rows_of(tokenizer)
        if _within(row.id, filters.ids)
        and _within(row.length, filters.length)
        and _within(row.spellings, filters.spellings)
        and filters.kind in (None, row.kind)
        and filters.script in (None, row.script)
    ]
    if filters.reach != "all":
        reached = reached_ids(tokenizer)
        rows = [row for row in rows if (row.id in reached) == (filters.reach == "reached")]
    if filters.query:
        matches, matching = MATCHES[filters.match], []
        for row in rows:
            if found := [text for text in tokenizer.vocabulary.spellings[row.id] if matches(text, filters.query)]:
                matching.append(row if found[0] == row.piece else replace(row, found=tuple(found[:MAX_FOUND])))
        rows = matching
    return sorted(rows, key=operator.attrgetter(filters.sort), reverse=filters.descending)


def check_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Raises ParameterError: the value is not one of the choices."""
    if not isinstance(value, str) or value not in choices:
        raise ParameterError(f"{name}={str(value)[:40]!r}: choose one of {', '.join(choices)}")


def _within(value: int, span: Range) -> bool:
    low, high = span
    return (low is None or value >= low) and (high is None or value <= high)


def csv_records(tokenizer: GPTNeoXJapaneseTokenizer, filters: Filters) -> list[dict[str, Any]]:
    """The entries that pass the filters for a CSV, all spellings joined by commas in the last column, as in vocab.txt."""
    records = []
    for row in select(tokenizer, filters):
        record = asdict(row) | {"all_spellings": ",".join(tokenizer.vocabulary.spellings[row.id])}
        del record["found"]
        records.append(record)
    return records


def entry(tokenizer: GPTNeoXJapaneseTokenizer, id: int) -> Entry:
    """Everything about one id.

    Raises:
        ParameterError: the vocabulary has no such id.
    """
    rows, vocabulary = rows_of(tokenizer), tokenizer.vocabulary
    last = len(rows) - 1
    if type(id) is not int or not 0 <= id <= last:
        raise ParameterError(
            f"id {str(id)[:20]} is not in this vocabulary (0 to {last})",
            ja=f"ID {str(id)[:20]} はこの語彙にありません（0〜{last}）。",
        )
    row, written, byte = rows[id], vocabulary.texts[id], vocabulary.byte_values[id]
    spellings = tuple(Spelling(text, tuple(tokenizer.encode(text, False))) for text in vocabulary.spellings[id])
    return Entry(
        id=id,
        piece=row.piece,
        kind=row.kind,
        script=row.script,
        length=row.length,
        writes=written,
        bytes=f"{byte:02X}" if byte >= 0 else written.encode("utf-8", "surrogatepass").hex(" ").upper(),
        spellings=spellings,
        reached=any(spelling.ids == (id,) for spelling in spellings),
        neighbours=tuple((near.id, near.piece) for near in rows[max(0, id - NEIGHBOURS) : id + NEIGHBOURS + 1] if near.id != id),
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
