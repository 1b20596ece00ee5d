"""What `neoxjp compare` prints: spellings × tokenizers as a table of token counts; what cannot be had is told beside it."""

import argparse
import sys
from collections.abc import Iterator

from neoxjp import compare as peers
from neoxjp.errors import ParameterError
from neoxjp.japanese import ALL_KEYS, OWN_KEYS, Spelling, SpellingKey, spellings
from neoxjp.labs.common.terminal import read_text
from neoxjp.labs.spellings.records import Matrix, matrix, open_columns, records
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer


def compared(options: argparse.Namespace, tokenizer: GPTNeoXJapaneseTokenizer) -> Matrix:
    """The matrix that the options ask for, written to the CSV file they name; why a column is empty goes to standard error.

    Raises:
        ParameterError: a spelling that does not exist, more than four of one's own, a reading without its "=", a CSV that cannot
            be written.
        PeerUnavailable: none of the tokenizers can be opened.
    """
    keys: list[SpellingKey] = list(ALL_KEYS) if options.spelling is None else options.spelling
    wrong = [key for key in keys if key not in ALL_KEYS]
    if wrong:
        raise ParameterError(f"--spelling {wrong[0]!r}: choose {', '.join(ALL_KEYS)}")
    if len(options.own) > len(OWN_KEYS):
        raise ParameterError(f"--own: {len(options.own)} spellings given, at most {len(OWN_KEYS)}")
    unread = [each for each in options.reading if "=" not in each]
    if unread:
        raise ParameterError(f"--reading {unread[0]!r}: write WORD=KANA, such as 日本=にっぽん")
    overrides = dict(each.split("=", 1) for each in options.reading)
    spelled = spellings(read_text(options.text), overrides, list(dict.fromkeys(("written", *keys))))
    spelled += [Spelling(key, text) for key, text in zip(OWN_KEYS, options.own, strict=False)]
    asked: list[str] = options.tokenizer
    if "all" in asked:
        asked = [*(offer.key for offer in peers.offers(tokenizer)), *(key for key in asked if key != "all")]
    found = matrix(spelled, open_columns(asked, tokenizer, local_files_only=options.offline))
    closed = [(column.title, column.problem) for column in found.columns if column.problem]
    if len(closed) == len(found.columns):
        raise closed[0][1]
    for title, problem in closed:
        print(f"{title}: {problem}", file=sys.stderr)
    if options.csv:
        try:
            options.csv.write_bytes(peers.to_csv(peers.to_frame(records(found))))
        except OSError as error:
            raise ParameterError(f"cannot write {options.csv}: {error.strerror}") from error
    return found


def lines(found: Matrix) -> Iterator[str]:
    """The table, one spelling a line."""
    widths = [max(6, len(column.title)) for column in found.columns]
    yield _line("", [column.title for column in found.columns], widths, "")
    for spelling, row in zip(found.spellings, found.cells, strict=True):
        numbers = [f"{cell.counts.tokens:,}" if cell else "–" for cell in row]
        yield _line(spelling.key, numbers, widths, " ".join(spelling.text.split())[:40])


def _line(name: str, cells: list[str], widths: list[int], text: str) -> str:
    numbers = "  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
    return f"{name:10}  {numbers}  {text}".rstrip()
