"""The parsers of `neoxjp bench …`: one command a table. What a command does is in its own file, imported when it runs."""

import argparse
import importlib
from pathlib import Path
from typing import Any

from neoxjp.bench.peers import WRITERS
from neoxjp.errors import ParameterError

SHAPES = ("2.7b", "small", "tiny")  # of random weights; subject.py has their numbers


def add_commands(commands: Any, under: str) -> None:
    """Add `bench` to a parser's subparsers; the function to call with the options is left in their attribute `under`."""
    help_text = "measure speed, memory and quality here, beside other programs"
    parser = commands.add_parser("bench", help=help_text, description=help_text[0].upper() + help_text[1:] + ".")
    tables = parser.add_subparsers(dest="table", required=True, metavar="TABLE")

    generate = table_parser(tables, under, "generate", "one visitor: time to the first token, tokens a second, the read limit")
    _model_options(generate)
    _writing_options(generate, rounds=5)

    serve = table_parser(tables, under, "serve", "several visitors at once: tokens a second in sum, each one's first token")
    _model_options(serve)
    _writing_options(serve, rounds=3)
    serve.add_argument("--visitors", type=int, default=8, metavar="N", help="(default 8)")
    serve.add_argument(
        "--every", type=float, default=0.0, metavar="SECONDS", help="between two arrivals; 0: all at once (default)"
    )

    quality = table_parser(tables, under, "quality", "bits per character and agreement with float32, of each format")
    quality.add_argument("files", type=Path, nargs="+", help="texts: .txt, .jsonl, .csv (also .xz, .gz), .parquet")
    quality.add_argument("--model", help="folder or Hub id (default: the bundled model)")
    quality.add_argument("--column", default="text", help="field or column that holds the text (default: text)")
    quality.add_argument("--limit", type=int, default=1200, help="cut documents at so many characters; 0: never (default 1200)")
    quality.add_argument("--documents", type=int, default=200, metavar="N", help="read only so many; 0: all (default 200)")
    _formats_option(quality, "float16,bfloat16,int8")

    repetition = table_parser(tables, under, "repetition", "samples of a model: does it run in circles at these settings")
    repetition.add_argument("--model", help="folder or Hub id (default: the bundled model)")
    repetition.add_argument("--dtype", default="float32", help="float32 (default), float16, bfloat16 or auto")
    repetition.add_argument("--prompts", type=Path, metavar="FILE", help="one a line (default: ten of our own)")
    repetition.add_argument("--samples", type=int, default=2, metavar="N", help="of each prompt (default 2)")
    repetition.add_argument("--new", type=int, default=100, metavar="N", help="ids of each sample (default 100)")
    repetition.add_argument("--seed", type=int, default=0, metavar="N", help="of the first sample (default 0)")
    repetition.add_argument("--temperature", type=float, default=0.7)
    repetition.add_argument("--top-p", type=float, default=0.95)
    repetition.add_argument("--top-k", type=int, default=0)
    repetition.add_argument("--min-p", type=float, default=0.0)
    repetition.add_argument("--repetition-penalty", type=float, default=1.1)
    repetition.add_argument("--show", action="store_true", help="print every sample, not only those that run in circles")

    load = table_parser(tables, under, "load", "seconds and memory of loading, in each format")
    load.add_argument(
        "--shape", choices=SHAPES, default="small", help="of random weights, saved in float16 first (default small)"
    )
    load.add_argument("--model", help="load this folder instead of random weights")
    _rounds_option(load, 3)
    _formats_option(load, "float32,float16,bfloat16,int8")

    tokenize = table_parser(tables, under, "tokenize", "text to ids and back: MB a second, a short text, loading")
    tokenize.add_argument("file", type=Path, help="a UTF-8 text")
    tokenize.add_argument("--megabytes", type=float, default=10.0, metavar="MB", help="read so much of it (default 10)")
    tokenize.add_argument("--model", help="folder or Hub id with vocab.txt and emoji.json (default: the bundled one)")
    tokenize.add_argument(
        "--against", action="append", default=[], metavar="PEER", help="transformers, tiktoken, tokenizers (repeatable)"
    )
    tokenize.add_argument("--ranks", type=Path, help="for tiktoken, a .tiktoken file (default: Qwen's, of the package dashscope)")
    tokenize.add_argument("--tokenizer-json", type=Path, metavar="FILE", help="for tokenizers, the tokenizer to run")
    _rounds_option(tokenize, 5)


def table_parser(tables: Any, under: str, name: str, help_text: str) -> argparse.ArgumentParser:
    """The parser of one table, which `command(options)` in the file of its name makes; with the options that all have."""
    parser: argparse.ArgumentParser = tables.add_parser(
        name, help=help_text, description=help_text[0].upper() + help_text[1:] + "."
    )
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: as torch has them)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(**{under: lambda options: _run(name, options)})
    return parser


def _rounds_option(parser: argparse.ArgumentParser, rounds: int) -> None:
    parser.add_argument("--rounds", type=int, default=rounds, metavar="N", help=f"rounds that count (default {rounds})")


def _model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--shape", default="2.7b", choices=SHAPES, help="of random weights (default 2.7b)")
    parser.add_argument("--model", help="measure this folder or Hub id instead of random weights")
    parser.add_argument("--dtype", default="auto", help="of ours: float32, bfloat16, float16; auto: as stored, float32 if random")
    parser.add_argument("--quantization", choices=["int8"], help="of ours")
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument(
        "--against", action="append", default=[], metavar="PEER", help=f"in the same rounds: {WRITERS} (repeatable)"
    )
    help_text = "a peer that needs longer for a round writes less, or is left out (default 60)"
    parser.add_argument("--limit", type=float, default=60.0, metavar="SECONDS", help=help_text)


def _writing_options(parser: argparse.ArgumentParser, rounds: int) -> None:
    _rounds_option(parser, rounds)
    parser.add_argument("--prompt", type=int, default=64, metavar="N", help="ids of a prompt (default 64)")
    parser.add_argument("--new", type=int, default=64, metavar="N", help="ids to write (default 64)")
    parser.add_argument("--speculate", action="store_true", help="let ours guess ahead where the text repeats itself")


def _formats_option(parser: argparse.ArgumentParser, formats: str) -> None:
    parser.add_argument("--formats", default=formats, metavar="LIST", help=f"dtypes and quantizations (default {formats})")


def _run(name: str, options: argparse.Namespace) -> None:
    import torch

    from neoxjp.engine import heed_quota

    heed_quota()
    if options.threads is not None:
        if options.threads < 1:
            raise ParameterError(f"threads={options.threads!r} must be at least 1")
        torch.set_num_threads(options.threads)
    importlib.import_module(f"neoxjp.bench.{name}").command(options)
