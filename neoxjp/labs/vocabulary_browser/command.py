"""`neoxjp vocabulary`: a list of entries, one entry, statistics, or two vocabularies compared."""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from neoxjp.errors import ParameterError
from neoxjp.labs.common.command import Command, Csv, Json, TokenizerOptions, counted, emit, load_tokenizer, option, write_csv

if TYPE_CHECKING:
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

SHOWN = 24  # spellings of an entry on a line


@dataclass(frozen=True)
class Filters:
    """Which entries are listed, and in which order."""

    query: Annotated[str, typer.Argument(help="Part of a spelling of the entries to list.", show_default="all entries")] = ""
    match: Annotated[str, option("contains, starts, ends or whole.")] = "contains"
    ids: Annotated[str, option("Such as 100-199 or 31000-.", metavar="RANGE", show_default=False)] = ""
    script: Annotated[str, option("hiragana, katakana, kanji, latin, digit, symbol, emoji, mixed, ...")] = "all"
    kind: Annotated[str, option("word, byte, emoji, blank, symbol, tag or special.")] = "all"
    length: Annotated[str, option("Characters of the first spelling, such as 2-3.", metavar="RANGE", show_default=False)] = ""
    spellings: Annotated[str, option("Number of spellings, such as 10-.", metavar="RANGE", show_default=False)] = ""
    reach: Annotated[str, option("never: only ids that no text is encoded to; reached: the others.")] = "all"
    sort: Annotated[str, option("id, length or spellings.")] = "id"
    descending: Annotated[bool, option("The largest first.", "--descending")] = False


@dataclass(frozen=True)
class View:
    """What is shown instead of a list of entries."""

    id: Annotated[
        int | None, option("Show one id instead: its spellings, bytes and neighbours.", metavar="N", show_default=False)
    ] = None
    stats: Annotated[bool, option("Show statistics of the vocabulary instead.", "--stats")] = False
    corpus: Annotated[list[Path] | None, option("With --stats: how many ids these texts use.", metavar="FILE...")] = None
    column: Annotated[str, option("Column with the text of a .jsonl, .csv or .parquet corpus.")] = "text"
    against: Annotated[
        str | None, option("Compare with another vocabulary instead: bundled, a folder or a Hub id.", metavar="MODEL")
    ] = None
    listed: Annotated[
        Literal["only-here", "only-there", "moved"], option("With --against: which spellings to list.", "--list")
    ] = "only-here"


def vocabulary(
    filters: Filters,
    model: TokenizerOptions,
    view: View,
    limit: Annotated[int, option("Rows to print; 0: all.", metavar="N")] = 50,
    csv: Csv = None,
    json: Json = False,
) -> None:
    """List the entries of a vocabulary, show one, count them, or compare two vocabularies."""
    check(view, limit, csv)
    tokenizer = load_tokenizer(model)
    if view.id is not None:
        from neoxjp.labs.vocabulary_browser.records import entry

        found, lines = asdict(entry(tokenizer, view.id)), _entry_lines
    elif view.stats:
        found, lines = statistics(tokenizer, view), _stats_lines
    elif view.against is not None:
        found, lines = difference(tokenizer, filters, view, limit, model.offline), _difference_lines
    else:
        found, lines = entries(tokenizer, filters, limit, csv), _list_lines
    if json:
        emit(found)
        return
    for line in lines(found):
        print(line)
    if total := summary(found):
        print(total, file=sys.stderr)


def check(view: View, limit: int, csv: Path | None) -> None:
    """Raises ParameterError for options that exclude each other."""
    modes = {"--id": view.id is not None, "--stats": view.stats, "--against": view.against is not None}
    asked = [name for name, given in modes.items() if given]
    if len(asked) > 1:
        raise ParameterError(f"{' and '.join(asked)}: ask for one of them at a time")
    if view.corpus and not view.stats:
        raise ParameterError("--corpus counts the ids that files use: add --stats")
    if csv and asked:
        raise ParameterError(f"--csv writes the list of entries: it does not go with {asked[0]}")
    if limit < 0:
        raise ParameterError(f"limit={limit} must be 0 (all) or more")


def entries(tokenizer: "GPTNeoXJapaneseTokenizer", filters: Filters, limit: int, csv: Path | None) -> dict[str, Any]:
    """The entries that pass the filters, as the API gives them. Raises ParameterError for a value that does not exist."""
    from neoxjp.labs.vocabulary_browser.records import checked_filters, csv_records, select

    checked = checked_filters(**asdict(filters))
    found = select(tokenizer, checked)
    if csv:
        write_csv(csv, csv_records(tokenizer, checked))
    rows = [asdict(row) for row in found[: limit or None]]
    return {"total": len(found), "of": tokenizer.vocab_size, "rows": rows}


def statistics(tokenizer: "GPTNeoXJapaneseTokenizer", view: View) -> dict[str, Any]:
    """The vocabulary in numbers, and how many of its ids the texts use."""
    from neoxjp.documents import read_documents
    from neoxjp.labs.vocabulary_browser import statistics

    texts = (document.text for path in view.corpus or () for document in read_documents(path, column=view.column))
    return statistics.record(tokenizer, statistics.count_ids(tokenizer, texts) if view.corpus else None)


def difference(tokenizer: "GPTNeoXJapaneseTokenizer", filters: Filters, view: View, limit: int, offline: bool) -> dict[str, Any]:
    """Two vocabularies compared."""
    from neoxjp.labs.vocabulary_browser.difference import Side, compare

    other = type(tokenizer).from_pretrained(view.against or "", local_files_only=offline)
    side: Side = view.listed.replace("-", "_")  # type: ignore[assignment]
    match: Any = filters.match  # checked there
    return compare(tokenizer, other).record(side, filters.query, match, slice(limit or None))


# ---- as text


def _list_lines(found: dict[str, Any]) -> list[str]:
    listed = [f"{'id':>6}  {'length':>6}  {'spellings':>9}  {'kind':<8} {'script':<9} entry"] if found["rows"] else []
    for row in found["rows"]:
        other = "  ≈ " + " ".join(row["found"]) if row["found"] else ""
        numbers = f"{row['id']:>6}  {row['length']:>6}  {row['spellings']:>9}"
        listed.append(f"{numbers}  {row['kind']:<8} {row['script']:<9} {row['piece']}{other}")
    return listed


def summary(found: dict[str, Any]) -> str:
    """The line under a list: how many there are. "" for what is no list."""
    if "total" not in found:
        return ""
    shown = "" if len(found["rows"]) == found["total"] else f", the first {len(found['rows']):,} shown"
    of = f" of {found['of']:,} entries" if "of" in found else " spellings"
    return f"{found['total']:,}{of}{shown}"


def _entry_lines(found: dict[str, Any]) -> list[str]:
    spellings = found["spellings"]
    shown = " ".join(one["text"] + ("" if one["ids"] == (found["id"],) else "≠") for one in spellings[:SHOWN])
    rest = f" and {len(spellings) - SHOWN} more" if len(spellings) > SHOWN else ""
    facts = f"{found['kind']}, {found['script']}, {counted(found['length'], 'character')}"
    never = "no text is encoded to this id: its spellings become others, mostly because a shorter piece has a smaller id"
    return [
        f"{found['id']}  {found['piece']}  ({facts})",
        f"bytes       {found['bytes']}",
        f"spellings   {len(spellings)}: {shown}{rest}",
        "neighbours  " + " ".join(f"{id}:{piece}" for id, piece in found["neighbours"]),
        *([] if found["reached"] else [never]),
    ]


def _stats_lines(found: dict[str, Any]) -> list[str]:
    counted, used = found["vocabulary"], found["usage"]
    listed = [
        f"{counted['ids']:,} ids, {counted['spellings']:,} spellings; {counted['shared']:,} ids have several",
        f"{counted['twice']:,} spellings are on more than one line; {counted['never']:,} ids are never produced by encoding",
    ]
    for name in ("by_kind", "by_script", "by_length", "by_spellings"):
        parts = ", ".join(f"{group['name']}: {group['ids']:,}" for group in counted[name])
        listed.append(f"{name.replace('_', ' '):<13} {parts}")
    if used:
        share = 100 * used["ids"] / used["of"]
        listed.append(f"used: {used['ids']:,} ids ({share:.1f} %) in {used['tokens']:,} tokens, {used['once']:,} of them once")
        listed += [f"{ids:>6,} ids make up {100 * part:.0f} %" for part, ids in used["covering"]]
        parts = ", ".join(f"{group['name']}: {group['used']:,}/{group['ids']:,}" for group in used["by_script"])
        listed.append(f"used words by script: {parts}")
    return listed


def _difference_lines(found: dict[str, Any]) -> list[str]:
    counts = found["counts"]
    listed = [
        f"here {counts['ids_here']:,} ids, {counts['spellings_here']:,} spellings; "
        f"there {counts['ids_there']:,} ids, {counts['spellings_there']:,} spellings",
        f"only here {counts['only_here']:,}, only there {counts['only_there']:,}, "
        f"other id {counts['moved']:,}, same id {counts['same']:,}",
    ]
    for row in found["rows"]:
        here, there = ("–" if id is None else str(id) for id in (row["here"], row["there"]))
        listed.append(f"{here:>6}  {there:>6}  {row['spelling']}")
    return listed


COMMANDS = (Command("vocabulary", vocabulary, "neoxjp vocabulary 慶 --kind word --limit 5"),)
