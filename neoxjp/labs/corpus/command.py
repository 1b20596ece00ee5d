"""`neoxjp corpus FILE…`: a corpus in numbers, as text, as JSON, and as a table in a CSV."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from neoxjp.errors import ParameterError
from neoxjp.labs.corpus.records import Corpus, Progress, Source, analyse

SHOWN = 10  # tokens, losses and characters of each list in the text


def run_command(options: argparse.Namespace) -> Corpus:
    """Count the files that the options name; how far it came is told on a terminal. Raises NeoxjpError."""
    from neoxjp.compare import open_peer
    from neoxjp.labs.common.terminal import load_tokenizer

    tokenizer = load_tokenizer(options)
    keys = [key for key in dict.fromkeys(options.tokenizer) if key != "neoxjp"]
    others = [(key, open_peer(key, tokenizer)) for key in keys]
    with ExitStack() as opened:
        sources = []
        for path in options.file:
            try:
                file = opened.enter_context(path.open("rb"))
            except OSError as error:
                raise ParameterError(f"cannot read {path}: {error.strerror}") from error
            sources.append(Source(str(path), file, options.column or "", options.encoding or ""))
        for step in analyse(sources, tokenizer, others):
            if isinstance(step, Progress):
                _tell(step)
            else:
                corpus = step
    if sys.stderr.isatty():
        print(end="\r\x1b[K", file=sys.stderr)
    if options.csv:
        write_csv(corpus, options.csv)
    return corpus


def _tell(step: Progress) -> None:
    if sys.stderr.isatty():
        share = 100 * step.read // max(step.total, 1)
        print(f"\r{share:3d} %  {step.documents:,} documents, {step.tokens:,} tokens", end="", file=sys.stderr, flush=True)


def rows(corpus: Corpus) -> list[dict[str, Any]]:
    """Every number of a corpus as one long table: what it is of, what it counts, how many."""

    def row(section: str, tokenizer: str, item: str, value: Any, note: Any = "") -> dict[str, Any]:
        return {"section": section, "tokenizer": tokenizer, "item": item, "value": value, "note": note}

    table = [row("corpus", "", key, getattr(corpus, key)) for key in ("documents", "characters", "utf8_bytes", "lost_characters")]
    for file in corpus.files:
        table += [row("file", "", file.name, file.bytes, f"{file.encoding} {file.column}".strip())]
        table += [
            row("unreadable bytes", "", file.name, file.invalid_bytes),
            row("broken lines", "", file.name, file.broken_lines),
        ]
    for cost in corpus.costs:
        for key in ("tokens", "characters_per_token", "byte_tokens", "byte_share", "ids_used", "vocabulary"):
            value = getattr(cost, key)
            table.append(row("tokenizer", cost.name, key, "" if value is None else round(value, 6)))
        for section, tokens in (("frequent token", cost.frequent), ("longest token", cost.longest)):
            table += [row(section, cost.name, token.text, token.count, "" if token.id is None else token.id) for token in tokens]
    table += [row("lost", "", f"{loss.text} → {loss.back}", loss.count, loss.reason) for loss in corpus.losses]
    table += [row("script", "", script.script, script.characters, script.distinct) for script in corpus.scripts]
    table += [row("rare character", "", one.character, one.count, f"{one.code} {one.name}") for one in corpus.rarest]
    table += [row("no entry alone", "", one.character, one.count, f"{one.code} {one.name}") for one in corpus.without_entry]
    return table


def to_csv(corpus: Corpus) -> bytes:
    """The long table as CSV that a spreadsheet opens."""
    from neoxjp.compare import to_csv as csv_of
    from neoxjp.compare import to_frame

    return csv_of(to_frame(rows(corpus)))


def write_csv(corpus: Corpus, path: Path) -> None:
    """Raises ParameterError where the file cannot be written."""
    try:
        path.write_bytes(to_csv(corpus))
    except OSError as error:
        raise ParameterError(f"cannot write {path}: {error.strerror}") from error


def summary(corpus: Corpus) -> str:
    """The corpus as text for a terminal."""
    lines = []
    for file in corpus.files:
        column = f", column {file.column!r}" if file.column else ""
        lines.append(f"{file.name}: {file.bytes:,} bytes, {file.encoding} ({file.method}, {file.confidence}){column}")
        if file.invalid_bytes:
            where = "; ".join(f"{shown} at {place}" for place, shown in file.invalid_at)
            lines.append(f"  {counted(file.invalid_bytes, 'byte')} cannot be read: {where}")
        if file.broken_lines:
            where = "; ".join(f"line {number}: {why}" for number, why in file.broken)
            lines.append(f"  {counted(file.broken_lines, 'line')} without a text: {where}")
    lines.append(
        f"{counted(corpus.documents, 'document')}, {corpus.characters:,} characters, {corpus.utf8_bytes:,} bytes in UTF-8"
    )
    lines.append("")
    lines.append(f"{'tokenizer':<16} {'tokens':>14} {'chars/token':>12} {'bytes':>8} {'ids used':>16}")
    for cost in corpus.costs:
        in_bytes = "" if cost.byte_share is None else f"{100 * cost.byte_share:.2f} %"
        used = "" if cost.ids_used is None else f"{cost.ids_used:,}" + (f" / {cost.vocabulary:,}" if cost.vocabulary else "")
        lines.append(f"{cost.name:<16} {cost.tokens:>14,} {cost.characters_per_token:>12.3f} {in_bytes:>8} {used:>16}")
    first = corpus.costs[0]
    lines += ["", "most frequent: " + _listed([(token.text, token.count) for token in first.frequent])]
    lines += ["longest:       " + _listed([(token.text, token.count) for token in first.longest])]
    share = 100 * corpus.lost_characters / max(corpus.characters, 1)
    lines += ["", f"{counted(corpus.lost_characters, 'character')} would come back changed ({share:.2f} %)"]
    for loss in corpus.losses[:SHOWN]:
        example = loss.examples[0] if loss.examples else None
        place = f"   …{example.before}[{example.text}]{example.after}…" if example else ""
        lines.append(f"  {loss.count:>8,}  {_shown(loss.text)} → {_shown(loss.back)}  {loss.reason}{_plain(place)}")
    lines += ["", "scripts, the rarest first:"]
    for script in corpus.scripts:
        some = " ".join(f"{_shown(one.character)} {one.code}" for one in script.rarest[:4])
        lines.append(f"  {script.characters:>12,}  {script.script} ({script.distinct:,} different): {some}")
    if corpus.without_entry:
        lines += ["", "no entry alone: " + _listed([(one.character, one.count) for one in corpus.without_entry])]
    return "\n".join(lines)


def counted(number: int, name: str) -> str:
    """1 → "1 byte", 2 → "2 bytes"."""
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def _listed(items: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{_shown(text)} {count:,}" for text, count in items[:SHOWN])


def _shown(text: str) -> str:
    """The text itself, or its escapes where it would not be seen."""
    text = text.replace(" ", "␣")
    return text if text.isprintable() and text else repr(text)[1:-1] or "nothing"


def _plain(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
