"""`neoxjp tokenize`: the tokens of a text, the text of ids, the ids of files of any size."""

import dataclasses
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
        option("Write the ids of --file there (.npy, .bin, .txt).", metavar="FILE", show_default="they are printed"),
    ] = None


def tokenize(
    model: TokenizerOptions,
    files: Files,
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
    """Show the tokens of a text."""
    if files.file:
        if text is not None or decode:
            raise ParameterError("--file encodes files: it takes neither a text nor --decode")
        encode_files(load_tokenizer(model, bool(compat)), files.file, files.out, clean, json)
        return
    if files.out:
        raise ParameterError("--out takes the ids of files: name them with --file")
    text = read_text(text)
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


def parse_ids(text: str) -> list[int]:
    """Ids separated by blanks, commas or newlines, with or without brackets: "[1, 2]" → [1, 2]. Raises ParameterError."""
    words = text.replace(",", " ").strip().strip("[]").split()
    wrong = [word for word in words if not word.isascii() or not word.isdigit() or len(word) > 20]
    if wrong:
        raise ParameterError(f"not a token id: {wrong[0]!r:.40}; ids are whole numbers separated by blanks or commas")
    return [int(word) for word in words]


COMMANDS = (Command("tokenize", tokenize, "neoxjp tokenize '慶應と慶応'"),)
