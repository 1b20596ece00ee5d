"""The parsers of `neoxjp bench …`: one command a table. What a command does is in its own file, imported when it runs."""

import argparse
from typing import Any

from neoxjp.errors import ParameterError


def add_commands(commands: Any, under: str) -> None:
    """Add `bench` to a parser's subparsers; the function to call with the options is left in their attribute `under`."""
    help_text = "measure speed, memory and quality here, beside other programs"
    parser = commands.add_parser("bench", help=help_text, description=help_text[0].upper() + help_text[1:] + ".")
    parser.add_subparsers(dest="table", required=True, metavar="TABLE")


def table_parser(tables: Any, under: str, name: str, function: Any, help_text: str) -> argparse.ArgumentParser:
    """The parser of one table, with the options that all have: --rounds, --threads, --json, --against."""
    parser: argparse.ArgumentParser = tables.add_parser(
        name, help=help_text, description=help_text[0].upper() + help_text[1:] + "."
    )
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="rounds that count (default 5)")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: as torch has them)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(**{under: lambda options: _run(function, options)})
    return parser


def _run(function: Any, options: argparse.Namespace) -> None:
    import torch

    if options.threads is not None:
        if options.threads < 1:
            raise ParameterError(f"threads={options.threads!r} must be at least 1")
        torch.set_num_threads(options.threads)
    function(options)
