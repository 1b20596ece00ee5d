"""`neoxjp corpus FILE…`: a corpus in numbers, as text, as JSON, and as a table in a CSV."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neoxjp.errors import ParameterError
from neoxjp.labs.common.command import Command, Csv, Json, TokenizerOptions, counted, emit, load_tokenizer, option, write_csv

if TYPE_CHECKING:
    from neoxjp.labs.corpus.records import Corpus, Progress

SHOWN = 10  # tokens, losses and characters of each list in the text


def corpus(
    model: TokenizerOptions,
    files: Annotated[list[Path], typer.Argument(help="Text, .csv, .tsv or .jsonl; together one corpus.", metavar="FILE...")],
    column: Annotated[
        str, option("Column with the text of a CSV or JSONL.", metavar="NAME", show_default="text, or the fullest")
    ] = "",
    encoding: Annotated[str, option("utf-8, cp932, euc_jp, iso2022_jp, utf-16, ...", metavar="NAME", show_default="found")] = "",
    tokenizer: Annotated[list[str] | None, option("Count these too: bytes, tekken, a folder, ...", metavar="KEY...")] = None,
    csv: Csv = None,
    json: Json = False,
) -> None:
    """Count what files cost in tokens, and what decoding would lose."""
    found = count(model, files, column, encoding, tokenizer or [])
    if csv:
        write_csv(csv, rows(found))
    emit(asdict(found)) if json else print(summary(found))


def count(model: TokenizerOptions, files: Sequence[Path], column: str, encoding: str, tokenizers: Sequence[str]) -> "Corpus":
    """Count the files; shows progress on a terminal. Raises NeoxjpError."""
    from neoxjp.compare import open_peer
    from neoxjp.labs.corpus.records import Progress, Source, analyse

    ours = load_tokenizer(model)
    others = [(key, open_peer(key, ours)) for key in dict.fromkeys(tokenizers) if key != "neoxjp"]
    with ExitStack() as opened:
        sources = []
        for path in files:
            try:
                file = opened.enter_context(path.open("rb"))
            except OSError as error:
                raise ParameterError(f"cannot read {path}: {error.strerror}") from error
            sources.append(Source(str(path), file, column, encoding))
        for step in analyse(sources, ours, others):
            if isinstance(step, Progress):
                _show_progress(step)
            else:
                found = step
    if sys.stderr.isatty():
        print(end="\r\x1b[K", file=sys.stderr)
    return found


def _show_progress(step: "Progress") -> None:
    if sys.stderr.isatty():
        share = 100 * step.read // max(step.total, 1)
        print(f"\r{share:3d} %  {step.documents:,} documents, {step.tokens:,} tokens", end="", file=sys.stderr, flush=True)


def rows(corpus: "Corpus") -> list[dict[str, Any]]:
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


def summary(corpus: "Corpus") -> str:
    """The corpus as text for a terminal."""
    from neoxjp.labs.common.measures import percent

    lines = []
    for file in corpus.files:
        column = f", column {file.column!r}" if file.column else ""
        lines.append(f"{file.name}: {file.bytes:,} bytes, {file.encoding} ({file.method}, {file.confidence}){column}")
        if file.invalid_bytes:
            where = "; ".join(f"{shown} at {place}" for place, shown in file.invalid_at)
            lines.append(f"  {counted(file.invalid_bytes, 'byte')} cannot be read: {where}")
        if file.broken_lines:
            where = "; ".join(f"line {number}: {why}" for number, why, _ in file.broken)
            lines.append(f"  {counted(file.broken_lines, 'line')} without a text: {where}")
    lines.append(
        f"{counted(corpus.documents, 'document')}, {corpus.characters:,} characters, {corpus.utf8_bytes:,} bytes in UTF-8"
    )
    lines.append("")
    lines.append(f"{'tokenizer':<16} {'tokens':>14} {'chars/token':>12} {'bytes':>8} {'ids used':>16}")
    for cost in corpus.costs:
        in_bytes = "" if cost.byte_share is None else percent(cost.byte_share, 2)
        used = "" if cost.ids_used is None else f"{cost.ids_used:,}" + (f" / {cost.vocabulary:,}" if cost.vocabulary else "")
        lines.append(f"{cost.name:<16} {cost.tokens:>14,} {cost.characters_per_token:>12.3f} {in_bytes:>8} {used:>16}")
    first = corpus.costs[0]
    lines += ["", "most frequent: " + _listed([(token.text, token.count) for token in first.frequent])]
    lines += ["longest:       " + _listed([(token.text, token.count) for token in first.longest])]
    share = percent(corpus.lost_characters / max(corpus.characters, 1), 2)
    lines += ["", f"{counted(corpus.lost_characters, 'character')} would come back changed ({share})"]
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


def _listed(items: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{_shown(text)} {count:,}" for text, count in items[:SHOWN])


def _shown(text: str) -> str:
    """The text itself, or its escapes where it would not be seen."""
    text = text.replace(" ", "␣")
    return text if text.isprintable() and text else repr(text)[1:-1] or "nothing"


def _plain(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


COMMANDS = (Command("corpus", corpus, "neoxjp corpus novel.txt --tokenizer bytes"),)
