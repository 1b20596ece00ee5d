"""Spellings × tokenizers as records, and records as pandas tables and CSV. No HTML here."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from typing import TYPE_CHECKING, Any

from typing_extensions import TypedDict  # pydantic reads it on Python 3.11, unlike typing's

from neoxjp.compare.pieces import Peer, Piece
from neoxjp.japanese import Spelling, spellings
from neoxjp.tokenizer import Kind, Script, Token, script_of

if TYPE_CHECKING:
    import pandas

SEPARATOR = "│"  # between the pieces of a text in a table


@dataclass(frozen=True, slots=True)
class Counts:
    """The size of a text in several units."""

    tokens: int
    characters: int  # Unicode code points
    utf8_bytes: int
    characters_per_token: float  # 0.0 for an empty text
    by_script: Mapping[Script, int]  # characters of each script, the most frequent first


@dataclass(frozen=True, slots=True)
class Comparison:
    """One spelling of a text, tokenized by one tokenizer."""

    spelling: str  # "written", "hiragana", "katakana", "halfwidth", "custom"
    tokenizer: str  # the peer's name
    text: str
    pieces: tuple[Piece, ...]  # tile `text`
    counts: Counts
    ratio: float | None  # tokens per token of the first spelling with the same tokenizer; None if that has none


def count_text(text: str, tokens: Iterable[Token | Piece] | int) -> Counts:
    """Count a text. `tokens` are its tokens, its pieces (a piece may be several tokens), or their number.

    "東京" as one token → Counts(tokens=1, characters=2, utf8_bytes=6, characters_per_token=2.0, by_script={"kanji": 2})
    """
    number = tokens if isinstance(tokens, int) else sum(getattr(token, "tokens", 1) for token in tokens)
    scripts = Counter[Script]()
    for character, times in Counter(text).items():
        scripts[script_of(character)] += times
    return Counts(
        tokens=number,
        characters=len(text),
        utf8_bytes=len(text.encode("utf-8", "surrogatepass")),
        characters_per_token=len(text) / number if number else 0.0,
        by_script=dict(scripts.most_common()),
    )


def compare(text_or_spellings: str | Sequence[Spelling], tokenizers: Sequence[Peer]) -> list[Comparison]:
    """Each spelling with each tokenizer, spelling by spelling. A string is first put into its spellings.

    A ratio of 1.5 means 50 % more tokens than the first spelling, the text as written.
    """
    chosen = spellings(text_or_spellings) if isinstance(text_or_spellings, str) else text_or_spellings
    first: dict[int, int] = {}  # by place: two peers may have one name
    compared = []
    for spelling in chosen:
        for place, peer in enumerate(tokenizers):
            pieces = tuple(peer.pieces(spelling.text))
            counted = count_text(spelling.text, pieces)
            base = first.setdefault(place, counted.tokens)
            ratio = counted.tokens / base if base else None
            compared.append(Comparison(spelling.key, peer.name, spelling.text, pieces, counted, ratio))
    return compared


class TokenRecord(TypedDict):
    """One token of a text as a plain dict."""

    index: int
    id: int
    piece: str
    text: str
    surface: str
    start: int
    end: int
    bytes: int
    kind: Kind
    script: Script
    folded: bool
    lossy: bool


def token_records(tokens: Sequence[Token], text: str) -> list[TokenRecord]:
    """Tokens as plain dicts, for JSON or a table: the token's fields, its index, the user's characters and the UTF-8 bytes.

    `surface` is text[start:end]; a byte token's `bytes` is 1 and the tokens of one character repeat its surface.
    """
    records = []
    for i, token in enumerate(tokens):
        surface = text[token.start : token.end]
        size = 1 if token.kind == "byte" else len(surface.encode("utf-8", "surrogatepass"))
        record: TokenRecord = {
            "index": i,
            "id": token.id,
            "piece": token.piece,
            "text": token.text,
            "surface": surface,
            "start": token.start,
            "end": token.end,
            "bytes": size,
            "kind": token.kind,
            "script": token.script,
            "folded": token.folded,
            "lossy": token.lossy,
        }
        records.append(record)
    return records


def to_frame(records: Iterable[Any]) -> "pandas.DataFrame":
    """A tidy table, one row a record: comparisons, `token_records`, or any dataclasses or dicts without nesting.

    A lone surrogate becomes U+FFFD: with pyarrow installed, pandas stores text as UTF-8, which has none.
    """
    import pandas

    rows = [_row(record) for record in records]
    return pandas.DataFrame([{name: _whole(value) for name, value in row.items()} for row in rows])


def to_csv(table: "pandas.DataFrame") -> bytes:
    """The table as CSV for spreadsheets: UTF-8 with a byte order mark, lines end with CRLF.

    A text that a spreadsheet would run as a formula (it starts with = + - @, for some also their full-width forms, or a control
    character) gets an apostrophe in front; everything else is as in the table.
    """
    safe = table.map(_cell)
    return safe.to_csv(index=False, lineterminator="\r\n").encode("utf-8-sig")


def _row(record: Any) -> dict[str, Any]:
    if isinstance(record, Comparison):
        return {
            "spelling": record.spelling,
            "tokenizer": record.tokenizer,
            "tokens": record.counts.tokens,
            "characters": record.counts.characters,
            "utf8_bytes": record.counts.utf8_bytes,
            "characters_per_token": round(record.counts.characters_per_token, 3),
            "ratio": None if record.ratio is None else round(record.ratio, 3),
            "text": record.text,
            "pieces": SEPARATOR.join(piece.text for piece in record.pieces),
        }
    if is_dataclass(record) and not isinstance(record, type):
        return asdict(record)
    return dict(record)


def _whole(value: Any) -> Any:
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if isinstance(value, str) else value


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return f"'{value}" if len(value) > 1 and value[0] in "=+-@＝＋－＠\t\r\0" else value
