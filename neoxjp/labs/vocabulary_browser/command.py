"""What `neoxjp vocabulary` prints: a list of entries, one entry, the numbers, or two vocabularies side by side."""

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neoxjp.errors import ParameterError
from neoxjp.labs.vocabulary_browser import difference as lexicon_diff
from neoxjp.labs.vocabulary_browser import records as lexicon
from neoxjp.labs.vocabulary_browser import statistics as lexicon_stats

if TYPE_CHECKING:
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

SHOWN = 24  # spellings of an entry on a line


def record(options: argparse.Namespace, tokenizer: "GPTNeoXJapaneseTokenizer") -> dict[str, Any]:
    """What was asked for as one record; the API's endpoints give the same.

    Raises:
        ParameterError: options that exclude each other, or a value that does not exist.
    """
    modes = {"--id": options.id is not None, "--stats": options.stats, "--against": options.against is not None}
    asked = [name for name, given in modes.items() if given]
    if len(asked) > 1:
        raise ParameterError(f"{' and '.join(asked)}: ask for one of them at a time")
    if options.corpus and not options.stats:
        raise ParameterError("--corpus counts the ids that files use: add --stats")
    if options.csv and asked:
        raise ParameterError(f"--csv writes the list of entries: it does not go with {asked[0]}")
    if options.limit < 0:
        raise ParameterError(f"limit={options.limit} must be 0 (all) or more")
    if options.id is not None:
        return asdict(lexicon.entry(tokenizer, options.id))
    if options.stats:
        used = None
        if options.corpus:
            used = asdict(
                lexicon_stats.usage(tokenizer, lexicon_stats.count_ids(tokenizer, _texts(options.corpus, options.column)))
            )
        return {"vocabulary": asdict(lexicon_stats.statistics(tokenizer)), "usage": used}
    if options.against is not None:
        return _difference(options, tokenizer)
    names = ("query", "match", "ids", "script", "kind", "length", "spellings", "reach", "sort", "descending")
    filters = lexicon.checked_filters(**{name: getattr(options, name) for name in names})
    index, found = lexicon.index_of(tokenizer.vocabulary), lexicon.select(tokenizer, filters)
    if options.csv:
        from neoxjp import compare

        _write(options.csv, compare.to_csv(compare.to_frame(lexicon.records(index, found))))
    shown = found[: options.limit or len(found)]
    return {"total": len(found), "of": len(index), "rows": [asdict(row) for row in lexicon.rows(index, shown, filters)]}


def _difference(options: argparse.Namespace, tokenizer: "GPTNeoXJapaneseTokenizer") -> dict[str, Any]:
    other = type(tokenizer).from_pretrained(options.against, local_files_only=options.offline)
    compared = lexicon_diff.compare(tokenizer.vocabulary, other.vocabulary)
    side = options.list.replace("-", "_")
    places = compared.select(side, options.query, options.match)
    rows = compared.rows(side, places[: options.limit or len(places)])
    return {"counts": asdict(compared.summary), "side": side, "total": len(places), "rows": [asdict(row) for row in rows]}


def _texts(files: list[Path], column: str) -> Iterator[str]:
    from neoxjp.documents import read_documents

    return (document.text for path in files for document in read_documents(path, column=column))


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise ParameterError(f"cannot write {str(path)!r}: {error.strerror or error}") from error


def lines(found: dict[str, Any]) -> list[str]:
    """The record as text."""
    if "neighbours" in found:
        return _entry_lines(found)
    if "vocabulary" in found:
        return _stats_lines(found)
    if "counts" in found:
        return _difference_lines(found)
    listed = []
    for row in found["rows"]:
        other = "  ≈ " + " ".join(row["found"]) if row["found"] else ""
        ways = f"×{row['spellings']}"
        listed.append(f"{row['id']:>6}  {row['length']:>2}  {ways:<5}  {row['kind']:<8} {row['script']:<9} {row['piece']}{other}")
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
    facts = f"{found['kind']}, {found['script']}, {found['length']} characters"
    return [
        f"{found['id']}  {found['piece']}  ({facts})",
        f"bytes       {found['bytes']}",
        f"spellings   {len(spellings)}: {shown}{rest}",
        "neighbours  " + " ".join(f"{id}:{piece}" for id, piece in found["neighbours"]),
        *(
            []
            if found["reached"]
            else ["no text is encoded to this id: its spellings become others, mostly because a shorter piece has a smaller id"]
        ),
    ]


def _stats_lines(found: dict[str, Any]) -> list[str]:
    counted, used = found["vocabulary"], found["usage"]
    listed = [
        f"{counted['ids']:,} ids, {counted['spellings']:,} spellings; {counted['shared']:,} ids have several",
        f"{counted['twice']:,} spellings stand on two lines; {counted['never']:,} ids come out of no text",
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
