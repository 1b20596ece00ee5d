"""`neoxjp compare`: token counts, spellings × tokenizers; the reason why a tokenizer is missing goes to standard error."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from neoxjp.errors import ParameterError
from neoxjp.labs.common.command import (
    Command,
    Csv,
    Json,
    Text,
    TokenizerOptions,
    emit,
    load_tokenizer,
    option,
    read_text,
    write_csv,
)

if TYPE_CHECKING:
    from neoxjp.labs.spellings.records import Matrix

DEFAULT = ("neoxjp", "gpt-4o", "characters", "sudachi-c", "bytes")
TOKENIZERS = (
    "neoxjp, compat, gpt-4o, gpt-4, bytes, characters, sudachi-a|b|c, tekken, deepseek, qwen3.6, rinna, llm-jp, swallow, qwen, "
    "gemma, a path or a Hub id; all: every one with a name."
)


def compare(
    model: TokenizerOptions,
    text: Text = None,
    tokenizer: Annotated[list[str] | None, option(TOKENIZERS, metavar="KEY...", show_default=" ".join(DEFAULT))] = None,
    spelling: Annotated[list[str] | None, option("hiragana, romaji, ...", metavar="KEY...", show_default="all")] = None,
    own: Annotated[list[str] | None, option("Up to four spellings of your own.", metavar="TEXT...")] = None,
    reading: Annotated[list[str] | None, option("Correct a reading: 日本=にっぽん.", metavar="WORD=KANA...")] = None,
    csv: Csv = None,
    json: Json = False,
) -> None:
    """Count the tokens of a text in all its spellings, over many tokenizers."""
    from neoxjp import compare as peers
    from neoxjp.japanese import ALL_KEYS, CUSTOM_KEYS, Spelling, SpellingKey, spellings
    from neoxjp.labs.spellings.records import matrix, open_columns, records

    keys: list[SpellingKey] = list(spelling or ALL_KEYS)  # type: ignore[arg-type]  # checked in the next line
    own, reading, asked = own or [], reading or [], tokenizer or list(DEFAULT)
    wrong = [key for key in keys if key not in ALL_KEYS]
    if wrong:
        raise ParameterError(f"--spelling {wrong[0]!r}: choose {', '.join(ALL_KEYS)}")
    if len(own) > len(CUSTOM_KEYS):
        raise ParameterError(f"--own: {len(own)} spellings given, at most {len(CUSTOM_KEYS)}")
    unread = [each for each in reading if "=" not in each]
    if unread:
        raise ParameterError(f"--reading {unread[0]!r}: write WORD=KANA, such as 日本=にっぽん")
    ours = load_tokenizer(model)
    overrides = dict(each.split("=", 1) for each in reading)
    spelled = spellings(read_text(text), overrides, list(dict.fromkeys(("written", *keys))))
    spelled += [Spelling(key, written) for key, written in zip(CUSTOM_KEYS, own, strict=False)]
    if "all" in asked:
        asked = [*(offer.key for offer in peers.list_offers(ours)), *(key for key in asked if key != "all")]
    found = matrix(spelled, open_columns(asked, ours, local_files_only=model.offline))
    closed = [(column.title, column.problem) for column in found.columns if column.problem]
    if len(closed) == len(found.columns):
        raise closed[0][1]
    for title, problem in closed:
        print(f"{title}: {problem}", file=sys.stderr)
    if csv:
        write_csv(csv, records(found))
    emit({"cells": records(found)}) if json else print(*lines(found), sep="\n")


def lines(found: "Matrix") -> Iterator[str]:
    """The table, one spelling a line."""
    widths = [max(6, len(column.title)) for column in found.columns]
    yield _line("", [column.title for column in found.columns], widths, "")
    for spelling, row in zip(found.spellings, found.cells, strict=True):
        numbers = [f"{cell.counts.tokens:,}" if cell else "–" for cell in row]
        yield _line(spelling.key, numbers, widths, " ".join(spelling.text.split())[:40])


def _line(name: str, cells: list[str], widths: list[int], text: str) -> str:
    numbers = "  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
    return f"{name:10}  {numbers}  {text}".rstrip()


COMMANDS = (Command("compare", compare, "neoxjp compare 慶応義塾 --tokenizer neoxjp bytes"),)
