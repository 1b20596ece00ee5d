"""The command line: `neoxjp generate | tokenize | score | convert | export | bench | train | evaluate | doctor` and a few more.

Each command is a thin layer over the functions that the page and a Python user call, prints text or, with `--json`, one JSON
object, and reads standard input where no text is given. Expected errors are one line on standard error and exit code 2.
"""

import argparse
import dataclasses
import io
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neoxjp import __version__
from neoxjp.cli.bench import add_commands as add_bench
from neoxjp.cli.export import add_commands as add_export
from neoxjp.cli.train import add_commands
from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.labs.common.terminal import default_model, emit, load_model, load_tokenizer, model_arguments, read_text, text_argument
from neoxjp.labs.heat_map.command import add_commands as add_generation
from neoxjp.labs.why_this_cut.command import add_commands as add_lab

if TYPE_CHECKING:
    from neoxjp.labs.replay.records import State


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 2 for an expected error, 130 when interrupted."""
    options = build_parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # what this terminal or pipe cannot write is written as its number
    try:
        options.command(options)
    except NeoxjpError as error:
        print(f"neoxjp {options.name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 0


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="neoxjp", description="GPT-NeoX-Japanese without transformers.")
    parser.add_argument("--version", action="version", version=f"neoxjp {__version__}")
    commands = parser.add_subparsers(dest="name", required=True, metavar="COMMAND")

    generate = _command(commands, "generate", generate_command, "continue a text")
    text_argument(generate)
    model_arguments(generate)
    generate.add_argument("--max-new-tokens", type=int, default=100, metavar="N", help="most tokens to write (default 100)")
    generate.add_argument("--min-new-tokens", type=int, default=0, metavar="N", help="no end of text before so many tokens")
    generate.add_argument("--greedy", action="store_true", help="always take the likeliest token")
    generate.add_argument("--temperature", type=float, default=0.8, help="below 1: safer, above 1: wilder (default 0.8)")
    generate.add_argument("--top-k", type=int, default=50, help="keep the K likeliest tokens; 0 keeps all (default 50)")
    generate.add_argument("--top-p", type=float, default=0.95, help="keep the likeliest tokens that sum to P (default 0.95)")
    generate.add_argument(
        "--min-p", type=float, default=0.0, help="drop tokens below this share of the likeliest one's probability"
    )
    generate.add_argument(
        "--typical-p", type=float, default=1.0, help="keep the tokens nearest to the expected surprise, up to this mass"
    )
    generate.add_argument("--repetition-penalty", type=float, default=1.0, help="above 1: repeats less")
    generate.add_argument("--no-repeat-ngram-size", type=int, default=0, metavar="N", help="never write the same N tokens twice")
    generate.add_argument("--seed", type=int, default=None, help="the same seed gives the same text")
    generate.add_argument(
        "--stop", action="append", default=[], metavar="TEXT", help="end before this text; may be given several times"
    )
    generate.add_argument("--save-state", type=Path, metavar="FILE", help="all it depended on, for neoxjp replay")

    tokenize = _command(commands, "tokenize", tokenize_command, "show the tokens of a text")
    text_argument(tokenize)
    tokenize.add_argument(
        "--model", default=default_model(), help="folder or Hub id with vocab.txt and emoji.json (default: the bundled one)"
    )
    tokenize.add_argument("--revision", default=None, help="Hub revision")
    tokenize.add_argument("--compat", choices=["transformers"], default=None, help="the ids of transformers, its faults included")
    tokenize.add_argument(
        "--clean", action="store_true", help="replace URLs, addresses, prices and dates by tags first (do_clean_text)"
    )
    tokenize.add_argument(
        "--ids", action="store_true", help="print the ids only, separated by blanks; with --format: beside each piece"
    )
    tokenize.add_argument(
        "--format", choices=["text", "markdown", "html"], default=None, help="the pieces as something to paste elsewhere"
    )
    tokenize.add_argument(
        "--file", type=Path, nargs="+", metavar="FILE", help="encode files of any size, joined, instead of a text; see --out"
    )
    tokenize.add_argument(
        "--out", type=Path, metavar="FILE", help="write the ids of --file there (.npy, .bin, .txt); without it they are printed"
    )
    tokenize.add_argument("--decode", action="store_true", help="the other way: read ids, print their text")

    convert = _command(commands, "convert", convert_command, "turn a folder's pickle weights into safetensors, once")
    convert.add_argument("folder", type=Path, help="a model folder that holds pytorch_model.bin")
    convert.add_argument("--out", type=Path, default=None, help="write to this folder instead of beside the pickle")

    add_generation(commands, "command")
    add_lab(commands, "command")
    add_export(commands, "command")
    add_bench(commands, "command")
    add_commands(commands, "command")

    _command(commands, "doctor", doctor_command, "what this machine offers, and what would run")
    return parser


def _command(commands: Any, name: str, function: Any, help_text: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=help_text, description=help_text[0].upper() + help_text[1:] + ".")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=function)
    return parser


def generate_command(options: argparse.Namespace) -> None:
    """Stream the continuation to standard output; counts and speed go to standard error."""
    from neoxjp.engine import Engine
    from neoxjp.labs.replay.records import capture
    from neoxjp.sampling import SamplingParams

    text = read_text(options.text)
    params = SamplingParams(
        do_sample=not options.greedy,
        temperature=options.temperature,
        top_k=options.top_k,
        top_p=options.top_p,
        min_p=options.min_p,
        typical_p=options.typical_p,
        repetition_penalty=options.repetition_penalty,
        no_repeat_ngram_size=options.no_repeat_ngram_size,
        seed=options.seed,
        max_new_tokens=options.max_new_tokens,
        min_new_tokens=options.min_new_tokens,
        stop=tuple(options.stop),
    )
    if options.save_state and not options.save_state.parent.is_dir():
        raise ParameterError(f"cannot write {options.save_state}: there is no such folder")
    model, tokenizer = load_model(options)
    request = Engine(model, tokenizer).submit(tokenizer.encode(text), params)
    if not options.json:
        print(text, end="", flush=True)
    steps = []
    for step in request:
        steps.append(step)
        if not options.json:
            print(step.text, end="", flush=True)
    if options.save_state:
        save_state(options, capture(request, model, tokenizer, options.model, options.revision))
    if options.json:
        emit(
            {
                "prompt": text,
                "text": "".join(step.text for step in steps),
                "ids": [step.id for step in steps],
                "logprobs": [step.logprob for step in steps],
                "finish": request.finish,
                "seed": request.seed,
                "stats": dataclasses.asdict(request.stats),
            }
        )
        return
    print()
    stats = request.stats
    speed = f", {stats.tokens_per_second:.1f} tokens/s" if stats.tokens_per_second else ""
    first = f", first after {stats.time_to_first_token:.2f} s" if stats.time_to_first_token is not None else ""
    print(f"{len(steps)} tokens ({request.finish}, seed {request.seed}){speed}{first}", file=sys.stderr)


def save_state(options: argparse.Namespace, state: "State") -> None:
    """Raises ParameterError where the file cannot be written."""
    from neoxjp.labs.replay.records import to_json

    try:
        options.save_state.write_text(to_json(state) + "\n", encoding="utf-8")
    except OSError as error:
        raise ParameterError(f"cannot write {options.save_state}: {error.strerror}") from error


def tokenize_command(options: argparse.Namespace) -> None:
    """Pieces under their ids, or one record a token with --json; the ids of files with --file."""
    if options.file:
        tokenize_files(options)
        return
    if options.out:
        raise ParameterError("--out takes the ids of files: name them with --file")
    text = read_text(options.text)
    tokenizer = load_tokenizer(options)
    if options.decode:
        decoded = tokenizer.decode(parse_ids(text))
        emit({"text": decoded}) if options.json else print(decoded)
        return
    tokens = tokenizer.analyze(text, do_clean_text=options.clean)
    if options.format:
        from neoxjp.labs.share_link import copies

        copied = copies.copy(tokens, text, options.format, ids=options.ids)
        emit({"text": text, "copy": copied}) if options.json else print(copied)
    elif options.json:
        ids = [token.id for token in tokens]
        emit(
            {
                "text": text,
                "ids": ids,
                "tokens": [dataclasses.asdict(token) for token in tokens],
                "decoded": tokenizer.decode(ids),
            }
        )
    elif options.ids:
        print(*(token.id for token in tokens))
    else:
        for token in tokens:
            marks = ("≈" if token.folded else "") + ("≠" if token.lossy else "")
            print(f"{token.id:>6}  {token.start:>5}–{token.end:<5}  {token.kind:<8} {token.piece} {marks}".rstrip())
        utf8 = len(text.encode("utf-8", "surrogatepass"))
        per_token = f", {len(text) / len(tokens):.2f} characters a token" if tokens else ""
        print(f"{len(tokens)} tokens, {len(text)} characters, {utf8} bytes{per_token}", file=sys.stderr)


def tokenize_files(options: argparse.Namespace) -> None:
    """Encode files in constant memory; with a progress bar on a terminal, and what was done at the end."""
    from neoxjp.tokenizer import encode_files

    if options.text is not None or options.decode:
        raise ParameterError("--file encodes files: it takes neither a text nor --decode")
    if options.json and not options.out:
        raise ParameterError("--json prints what was done, so the ids need --out FILE")

    def progress(done: int, total: int) -> None:
        if sys.stderr.isatty():
            bar = "█" * (20 * done // max(total, 1))
            print(f"\r{bar:░<20} {done / 1e6:,.0f} of {total / 1e6:,.0f} MB", end="", file=sys.stderr, flush=True)

    tokenizer = load_tokenizer(options)
    began = time.perf_counter()
    done = encode_files(tokenizer.stream_encoder(options.clean), options.file, options.out, len(tokenizer.vocabulary), progress)
    seconds = time.perf_counter() - began
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    if options.json:
        emit({"out": str(options.out), **done, "seconds": seconds})
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


def convert_command(options: argparse.Namespace) -> None:
    from neoxjp.weights import convert

    folder = convert(options.folder, out=options.out)
    emit({"folder": str(folder)}) if options.json else print(f"wrote {folder}")


def doctor_command(options: argparse.Namespace) -> None:
    """Versions, processors, memory, the attention kernel that would run, and where models are looked for."""
    from neoxjp.cli.doctor import doctor

    report = doctor()
    if options.json:
        emit(report)
        return
    for name, value in report.items():
        shown = ", ".join(f"{key} {item}" for key, item in value.items()) if isinstance(value, dict) else value
        print(f"{name:<18} {shown}")


if __name__ == "__main__":
    sys.exit(main())
