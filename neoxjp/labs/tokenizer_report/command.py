"""`neoxjp tokenizer-report`: a table on tokenizers, measured on the user's texts, as Markdown, CSV or JSON."""

import json
import sys
import time
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from neoxjp.errors import ParameterError
from neoxjp.labs.common.command import Command, TokenizerOptions, load_tokenizer, option
from neoxjp.labs.common.output import check_output, write_file

if TYPE_CHECKING:
    from neoxjp.labs.tokenizer_report.records import Report

BAR = 30  # characters of the progress bar
INTERVAL = 0.2  # seconds between two updates of it


def tokenizer_report(
    model: TokenizerOptions,
    texts: Annotated[
        list[Path] | None,
        typer.Argument(help="Files or folders, each one source; a field 'source' names others.", metavar="FILE..."),
    ] = None,
    boundaries: Annotated[
        Path | None, option("CoNLL-U file with word boundaries set by hand (.xz, .gz too).", metavar="FILE", show_default=False)
    ] = None,
    parallel: Annotated[
        Path | None,
        option("Japanese, a tab and English on each line; .csv and .jsonl too.", metavar="FILE", show_default=False),
    ] = None,
    tokenizer: Annotated[
        list[str] | None,
        option(
            "The rows: offline (all that need no network), or keys as of neoxjp compare, files, folders.",
            metavar="KEY...",
            show_default="offline",
        ),
    ] = None,
    format: Annotated[Literal["markdown", "csv", "json"], option("How the table is written.")] = "markdown",
    out: Annotated[Path | None, option("Write to this file.", metavar="FILE", show_default="standard output")] = None,
    language: Annotated[Literal["en", "ja"], option("Of the Markdown.")] = "en",
    column: Annotated[str, option("Field or column with the text.", metavar="NAME")] = "text",
    encoding: Annotated[str, option("utf-8, cp932, euc_jp, ...", metavar="NAME", show_default="found")] = "",
    spelled: Annotated[int, option("Characters of each source whose other spellings are measured.", metavar="N", min=0)] = 20_000,
) -> None:
    """Compare tokenizers on your texts: length, word boundaries, losses, other spellings."""
    from neoxjp.compare import to_csv, to_frame
    from neoxjp.labs.common.glyphs import replace_surrogates
    from neoxjp.labs.tokenizer_report.formats import to_json, to_markdown, to_records
    from neoxjp.labs.tokenizer_report.sources import find_files

    if not (texts or boundaries or parallel):
        raise ParameterError("no texts: name files or folders, or give --boundaries FILE or --parallel FILE")
    if language != "en" and format != "markdown":
        raise ParameterError(f"--language {language} is of the Markdown: leave it out with --format {format}")
    if out:
        read = (find_files(texts or ()), [path for path in (boundaries, parallel) if path])
        check_output(out, chain.from_iterable(read))
    found = measure_files(model, texts or [], boundaries, parallel, tokenizer or ["offline"], column, encoding, spelled)
    for row in found.rows:
        if row.problem:
            print(f"{row.name}: {row.problem}", file=sys.stderr)
    if format == "json":
        written = json.dumps(to_json(found), ensure_ascii=False, allow_nan=False) + "\n"
    elif format == "csv":
        written = to_csv(to_frame(to_records(found))).decode("utf-8" if out else "utf-8-sig")  # a mark at the start of files only
    else:
        written = to_markdown(found, language)
    written = replace_surrogates(written)  # of file names that are not UTF-8
    if out:
        write_file(out, written)
    else:
        print(written, end="")


def measure_files(
    model: TokenizerOptions,
    texts: Sequence[Path],
    boundaries: Path | None,
    parallel: Path | None,
    tokenizers: Sequence[str],
    column: str,
    encoding: str,
    spelled: int,
) -> "Report":
    """The report on files; shows a progress bar on a terminal. Raises NeoxjpError."""
    from neoxjp.documents import read_conllu, read_pairs
    from neoxjp.labs.tokenizer_report.measuring import measure
    from neoxjp.labs.tokenizer_report.opening import keys_of, open_tokenizer
    from neoxjp.labs.tokenizer_report.records import Report
    from neoxjp.labs.tokenizer_report.sources import find_files, read_texts

    files = find_files(texts)
    for path in (boundaries, parallel):
        if path and not path.is_file():
            raise ParameterError(f"no file {str(path)!r}")
    ours = load_tokenizer(model)
    opened = [open_tokenizer(key, ours, local_files_only=model.offline) for key in keys_of(tokenizers, ours)]
    for each in opened:
        if each.problem and each.key in tokenizers:  # of those that "offline" stands for, a missing package is a note
            raise each.problem
    bar = _Bar([path for path in (parallel, boundaries, *files) if path])
    steps = measure(
        read_texts(files, column, encoding, bar.at(len(bar.sizes) - len(files))),
        opened,
        sentences=read_conllu(boundaries, bar.at(int(parallel is not None))) if boundaries else (),
        pairs=read_pairs(parallel, bar.at(0)) if parallel else (),
        spelled=spelled,
    )
    for step in steps:
        if isinstance(step, Report):
            bar.clear()
            return step
        bar.draw()
    raise AssertionError("the last step is the report")


class _Bar:
    """A progress bar on standard error, by the bytes of the files that are read; nothing where that is no terminal."""

    def __init__(self, files: Sequence[Path]):
        self.sizes = [path.stat().st_size for path in files]
        self.done = 0
        self._shown = 0.0
        self._terminal = sys.stderr.isatty()

    def at(self, place: int) -> Callable[[int], None]:
        """What a reader calls with the bytes read from the file at this place on."""
        before = sum(self.sizes[:place])

        def read(position: int) -> None:
            self.done = before + position

        return read

    def draw(self) -> None:
        if self._terminal and time.monotonic() - self._shown > INTERVAL:
            self._shown = time.monotonic()
            share = min(self.done / max(sum(self.sizes), 1), 1)
            full = int(BAR * share)
            print(f"\r[{'#' * full}{' ' * (BAR - full)}] {100 * share:3.0f} %", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._terminal:
            print(end="\r\x1b[K", file=sys.stderr)


COMMANDS = (
    Command("tokenizer-report", tokenizer_report, "neoxjp tokenizer-report novels.txt --tokenizer neoxjp gpt-4o characters"),
)
