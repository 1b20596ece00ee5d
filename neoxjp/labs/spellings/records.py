"""How many tokens a text has in each of its spellings with each of several tokenizers. Rows: spellings, columns: tokenizers.

    columns = open_columns(["neoxjp", "bytes", "tekken"], tokenizer)
    found = matrix(spellings("東京都", keys=ALL_KEYS), columns)
    found.cells[1][0].counts.tokens          # hiragana, with our tokenizer

The column of a tokenizer that cannot be opened has the reason; the other columns are not affected.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from typing_extensions import TypedDict  # pydantic reads it on Python 3.11, unlike typing's

from neoxjp import compare as peers
from neoxjp.compare import SEPARATOR, Comparison
from neoxjp.errors import NeoxjpError
from neoxjp.japanese import CUSTOM_KEYS, Spelling, UncertainKanji, find_kanji_changed_by_nfc, find_uncertain_kanji
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer


@dataclass(frozen=True)
class Column:
    """A tokenizer of the table."""

    key: str  # what open_peer takes
    title: str
    peer: peers.Peer | None = None  # None: not open
    problem: NeoxjpError | None = None  # why it could not be opened


@dataclass(frozen=True)
class Matrix:
    """Spellings × tokenizers."""

    spellings: tuple[Spelling, ...]
    columns: tuple[Column, ...]
    cells: tuple[tuple[Comparison | None, ...], ...]  # cells[row][column]; None where the column is not open

    def changed(self, row: int) -> bool:
        """Whether a spelling differs from the first row, the text as written. That row and the user's own count as changed."""
        spelling = self.spellings[row]
        return row == 0 or spelling.key in CUSTOM_KEYS or spelling.text != self.spellings[0].text

    @property
    def largest(self) -> int:
        """The largest number of tokens in a cell: the end of the common scale."""
        return max((cell.counts.tokens for row in self.cells for cell in row if cell), default=0)


def open_columns(
    keys: Sequence[str], tokenizer: GPTNeoXJapaneseTokenizer, *, public: bool = False, local_files_only: bool = False
) -> list[Column]:
    """The tokenizers of these keys, each once: open, or with the reason why not."""
    found = []
    for key in dict.fromkeys(keys):
        title = peers.find_offer(key).title
        try:
            peer = peers.open_peer(key, tokenizer, public=public, local_files_only=local_files_only)
            found.append(Column(key, title, peer))
        except NeoxjpError as error:
            found.append(Column(key, title, problem=error))
    return found


def matrix(spelled: Sequence[Spelling], columns: Sequence[Column]) -> Matrix:
    """Each spelling with each tokenizer. A cell's ratio is to the first spelling with the same tokenizer.

    A tokenizer that refuses one of the spellings (some have no token for unknown characters) is closed for all of them.
    """
    asked = [_cells(column, spelled) for column in columns]
    rows = [tuple(cells[row] for _, cells in asked) for row in range(len(spelled))]
    return Matrix(tuple(spelled), tuple(column for column, _ in asked), tuple(rows))


def _cells(column: Column, spelled: Sequence[Spelling]) -> tuple[Column, list[Comparison | None]]:
    """The column and its cells, one for each spelling."""
    if column.peer is not None:
        try:
            return column, list(peers.compare(spelled, [column.peer]))
        except NeoxjpError as error:
            column = replace(column, peer=None, problem=error)
    return column, [None] * len(spelled)


class Cell(TypedDict):
    """A spelling with a tokenizer, as `records` gives it. In a column that is not open the numbers are None."""

    spelling: str
    tokenizer: str
    tokens: int | None
    characters: int
    utf8_bytes: int
    characters_per_token: float | None
    ratio: float | None  # to the text as written
    text: str
    pieces: str | None  # with their separator
    error: str | None  # why the column is not open


def records(found: Matrix, *, by: str = "key") -> list[Cell]:
    """One record for each cell, row by row, for the API, the command line and the CSV.

    `by`: the column's field that names a tokenizer. In a column that is not open the numbers are None and "error" says why.
    """
    made: list[Cell] = []
    for spelling, row in zip(found.spellings, found.cells, strict=True):
        for column, cell in zip(found.columns, row, strict=True):
            size = cell.counts if cell else None
            made.append(
                {
                    "spelling": spelling.key,
                    "tokenizer": getattr(column, by),
                    "tokens": size.tokens if size else None,
                    "characters": len(spelling.text),
                    "utf8_bytes": len(spelling.text.encode("utf-8", "surrogatepass")),
                    "characters_per_token": round(size.characters_per_token, 3) if size else None,
                    "ratio": round(cell.ratio, 3) if cell and cell.ratio is not None else None,
                    "text": spelling.text,
                    "pieces": SEPARATOR.join(piece.text for piece in cell.pieces) if cell else None,
                    "error": str(column.problem) if column.problem else None,
                }
            )
    return made


def shared_starts(row: Sequence[Comparison | None]) -> set[int]:
    """The positions where a piece starts with every tokenizer of a row. The start of the text is one."""
    starts = [{piece.start for piece in cell.pieces} for cell in row if cell]
    return set.intersection(*starts) if starts else set()


@dataclass(frozen=True, slots=True)
class Doubts:
    """What is uncertain about a spelling in old or new kanji."""

    unsure: tuple[UncertainKanji, ...] = ()
    unstable: str = ""  # compatibility characters, which NFC converts back


def doubts(written: str, spelling: Spelling) -> Doubts:
    """What is uncertain about a spelling of the text `written`; nothing unless it is one of kanji forms."""
    if spelling.key not in ("old_kanji", "new_kanji"):
        return Doubts()
    return Doubts(find_uncertain_kanji(written, spelling.text, spelling.key), find_kanji_changed_by_nfc(spelling.text))
