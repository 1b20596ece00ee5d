"""`neoxjp tokenize`: the tokens of a text, the text of ids, the ids of files of any size."""

import dataclasses
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from neoxjp.errors import ParameterError
from neoxjp.labs.common.command import Command, Json, Text, TokenizerOptions, counted, emit, load_tokenizer, option, read_text

if TYPE_CHECKING:
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer


@dataclass(frozen=True)
class Files:
    """Files instead of a text."""

    file: Annotated[
        list[Path] | None, option("Encode files of any size, joined, instead of a text; see --out.", metavar="FILE...")
    ] = None
    out: Annotated[
        Path | None,
        option("Write the ids of --file there: .npy, .bin, .txt; with --ray a folder.", metavar="FILE", show_default="printed"),
    ] = None


@dataclass(frozen=True)
class Corpus:
    """A corpus of any size as shards for `neoxjp train`."""

    ray: Annotated[
        bool, option("Encode documents from --file (also folders, .parquet) in parallel on Ray, as shards for training.", "--ray")
    ] = False
    workers: Annotated[
        int | None, option("With --ray: processes, of one core each.", metavar="N", show_default="the cores that Ray has")
    ] = None
    address: Annotated[
        str | None, option("With --ray: use this cluster (auto: the one that runs here).", show_default="start Ray here")
    ] = None
    shard_bytes: Annotated[float, option("With --ray: bytes of text in a shard.", metavar="N", show_default="1e8")] = 100e6
    column: Annotated[str, option("With --ray: field or column that holds the text.")] = "text"
    split: Annotated[
        Literal["file", "blank", "line"],
        option("With --ray: a document of a .txt: the whole file, the lines between blank lines, or one line."),
    ] = "file"
    encoding: Annotated[
        str, option("With --ray: utf-8, cp932, euc_jp, ...", metavar="NAME", show_default="found for each file")
    ] = ""


def tokenize(
    model: TokenizerOptions,
    files: Files,
    corpus: Corpus,
    text: Text = None,
    compat: Annotated[
        Literal["transformers"] | None, option("The ids of transformers, its faults included.", show_default=False)
    ] = None,
    clean: Annotated[bool, option("Replace URLs, addresses, prices and dates by tags first (do_clean_text).", "--clean")] = False,
    ids: Annotated[bool, option("Print the ids only, separated by blanks; with --format: beside each piece.", "--ids")] = False,
    form: Annotated[
        Literal["text", "markdown", "html"] | None,
        option("The pieces as something to paste elsewhere.", "--format", show_default=False),
    ] = None,
    decode: Annotated[bool, option("The other way: read ids, print their text.", "--decode")] = False,
    json: Json = False,
) -> None:
    """Show the tokens of a text, or encode files.

    With --ray it writes a folder of shards that `neoxjp train` reads; the same command continues one that was stopped.
    """
    if corpus.ray:
        if text is not None or decode or compat or ids or form:
            raise ParameterError("--ray encodes the documents of --file: it takes no text, --decode, --compat, --ids or --format")
        write_shards(model, files, corpus, clean, json)
        return
    if given := [f"--{name}".replace("_", "-") for name, value in vars(corpus).items() if value != getattr(Corpus, name)]:
        raise ParameterError(f"{', '.join(given)} without --ray has no effect: add --ray, or leave it out")
    if files.file:
        if text is not None or decode or ids or form:
            raise ParameterError("--file writes the ids of files: it takes no text, --decode, --ids or --format")
        encode_files(load_tokenizer(model, bool(compat)), files.file, files.out, clean, json)
        return
    if files.out:
        raise ParameterError("--out takes the ids of files: name them with --file")
    text = read_text(text)
    if decode and (ids or form or clean):
        raise ParameterError("--decode reads ids and prints their text: it takes no --ids, --format or --clean")
    tokenizer = load_tokenizer(model, bool(compat))
    if decode:
        decoded = tokenizer.decode(parse_ids(text))
        emit({"text": decoded}) if json else print(decoded)
        return
    tokens = tokenizer.analyze(text, do_clean_text=clean)
    if form:
        from neoxjp.labs.share_link import copies

        copied = copies.copy(tokens, text, form, ids=ids)
        emit({"text": text, "copy": copied}) if json else print(copied)
    elif json:
        numbers = [token.id for token in tokens]
        records = [dataclasses.asdict(token) for token in tokens]
        emit({"text": text, "ids": numbers, "tokens": records, "decoded": tokenizer.decode(numbers)})
    elif ids:
        print(*(token.id for token in tokens))
    else:
        for token in tokens:
            marks = ("≈" if token.folded else "") + ("≠" if token.lossy else "")
            print(f"{token.id:>6}  {token.start:>5}–{token.end:<5}  {token.kind:<8} {token.piece} {marks}".rstrip())
        utf8 = len(text.encode("utf-8", "surrogatepass"))
        sizes = ((len(tokens), "token"), (len(text), "character"), (utf8, "byte"))
        total = ", ".join(counted(number, name) for number, name in sizes)
        per_token = f", {len(text) / len(tokens):.2f} characters a token" if tokens else ""
        print(total + per_token, file=sys.stderr)


def encode_files(tokenizer: "GPTNeoXJapaneseTokenizer", files: list[Path], out: Path | None, clean: bool, json: bool) -> None:
    """Encode files in constant memory; with a progress bar on a terminal, and what was done at the end."""
    from neoxjp.tokenizer import encode_files

    if json and not out:
        raise ParameterError("--json prints what was done, so the ids need --out FILE")

    def progress(done: int, total: int) -> None:
        if sys.stderr.isatty():
            bar = "█" * (20 * done // max(total, 1))
            print(f"\r{bar:░<20} {done / 1e6:,.0f} of {total / 1e6:,.0f} MB", end="", file=sys.stderr, flush=True)

    began = time.perf_counter()
    done = encode_files(tokenizer.stream_encoder(clean), files, out, len(tokenizer.vocabulary), progress)
    seconds = time.perf_counter() - began
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    if json:
        emit({"out": str(out), **done, "seconds": seconds})
    else:
        numbers = ", ".join(f"{count:,} {name}" for name, count in done.items())
        print(f"{numbers}, {done['bytes'] / 1e6 / seconds:.1f} MB/s", file=sys.stderr)


def write_shards(model: TokenizerOptions, files: Files, corpus: Corpus, clean: bool, json: bool) -> None:
    """Encode documents on Ray into a folder of shards; with the number of finished shards on a terminal."""
    from neoxjp.train import ShardSettings
    from neoxjp.train.ray import tokenize

    if not files.file or not files.out:
        raise ParameterError("--ray takes texts from --file FILE... and writes to the folder --out FOLDER: name both")
    if not math.isfinite(corpus.shard_bytes):
        raise ParameterError(f"shard_bytes={corpus.shard_bytes!r} must be a finite number of bytes")
    settings = ShardSettings(corpus.column, corpus.split, corpus.encoding, clean, int(corpus.shard_bytes))

    def progress(finished: int, shards: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{finished:,} of {counted(shards, 'shard')}", end="", file=sys.stderr, flush=True)

    tokenizer = load_tokenizer(model)
    done = tokenize(files.file, files.out, tokenizer, settings, workers=corpus.workers, address=corpus.address, progress=progress)
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    rate = done.written_bytes / 1e6 / done.seconds if done.seconds else None
    if json:
        facts = {"out": str(files.out), "shards": len(done.shards), "written": done.written, **done.totals}
        emit({**facts, "seconds": done.seconds, "MB_per_second": rate})
        return
    numbers = ", ".join(f"{count:,} {name}" for name, count in done.totals.items())
    speed = f", {rate:.1f} MB/s without the start of Ray" if rate else ""
    print(f"{files.out}: {counted(len(done.shards), 'shard')}, {numbers}{speed}", file=sys.stderr)
    if before := len(done.shards) - done.written:
        print(f"{counted(before, 'shard')} of an earlier run {'was' if before == 1 else 'were'} kept", file=sys.stderr)


def parse_ids(text: str) -> list[int]:
    """Ids separated by blanks, commas or newlines, with or without brackets: "[1, 2]" → [1, 2]. Raises ParameterError."""
    words = text.replace(",", " ").strip().strip("[]").split()
    wrong = [word for word in words if not word.isascii() or not word.isdigit() or len(word) > 20]
    if wrong:
        raise ParameterError(f"not a token id: {wrong[0]!r:.40}; ids are whole numbers separated by blanks or commas")
    return [int(word) for word in words]


COMMANDS = (Command("tokenize", tokenize, "neoxjp tokenize '慶應と慶応'"),)
