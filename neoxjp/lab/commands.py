"""The commands of the tokenizer lab: `neoxjp compare | explain | roundtrip | vocabulary | corpus`.

The parsers are here; what a command shows is computed in the other files of this folder, imported when it runs.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from neoxjp.terminal import default_model, emit, load_tokenizer, read_text, text_argument


def add_commands(commands: Any, under: str) -> None:
    """Add them to a parser's subparsers; the function to call with the options is left in their attribute `under`."""
    _explain_parser(commands, under)
    _roundtrip_parser(commands, under)
    _corpus_parser(commands, under)


def _added(commands: Any, under: str, name: str, function: Any, help_text: str) -> argparse.ArgumentParser:
    """A command about a vocabulary that prints text or, with --json, one object."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=help_text, description=help_text[0].upper() + help_text[1:] + "."
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--model", default=default_model(), help="folder or Hub id with vocab.txt and emoji.json (default: the bundled one)"
    )
    parser.add_argument("--revision", default=None, help="Hub revision")
    parser.set_defaults(**{under: function})
    return parser


def _explain_parser(commands: Any, under: str) -> None:
    explain = _added(commands, under, "explain", explain_command, "say why a text is cut where it is")
    text_argument(explain)
    explain.add_argument("--at", type=int, default=None, metavar="N", help="all about the token that holds character N, from 0")
    explain.add_argument("--try", dest="replacement", default=None, metavar="TEXT", help="what if this stood behind that token")
    explain.add_argument(
        "--which", choices=["next", "second", "third"], default="next", help="or in the window's second or third place"
    )
    explain.add_argument("--word", default=None, help="the word whose nearest entries are shown (default: the dictionary's)")
    explain.add_argument(
        "--compat", action="store_const", const="transformers", help="the cuts of transformers, its faults included"
    )


def _roundtrip_parser(commands: Any, under: str) -> None:
    roundtrip = _added(commands, under, "roundtrip", roundtrip_command, "show what a text loses on its way to ids and back")
    text_argument(roundtrip)
    roundtrip.add_argument("--compat", action="store_const", const="transformers", help="with the losses of transformers")
    roundtrip.add_argument(
        "--normalize", choices=["none", "nfc", "nfkc", "clean"], default="none", help="first; clean: URLs, dates, prices as tags"
    )


def explain_command(options: argparse.Namespace) -> None:
    """Why a text is cut where it is: every cut on a line, or all about one of them."""
    from neoxjp.lab import told
    from neoxjp.lab.nearest import explanation

    text = read_text(options.text)
    found = explanation(load_tokenizer(options), text, options.at, options.replacement, options.which, options.word)
    emit(asdict(found)) if options.json else print(*told.explained(found), sep="\n")


def roundtrip_command(options: argparse.Namespace) -> None:
    """What a text loses on its way to ids and back, by reason; after a normalisation where one is asked for."""
    from neoxjp.lab import told
    from neoxjp.lab.roundtrip import normalised

    found = normalised(load_tokenizer(options), read_text(options.text), options.normalize)
    if options.json:
        emit(asdict(found))
        return
    if options.normalize != "none":
        print(*told.normalised(found.effect), sep="\n")
    print(*told.came_back(found.roundtrip), sep="\n")


def _corpus_parser(commands: Any, under: str) -> None:
    corpus = _added(commands, under, "corpus", corpus_command, "count what files cost in tokens, and what decoding would lose")
    corpus.add_argument("file", type=Path, nargs="+", metavar="FILE", help="plain text, .csv, .tsv or .jsonl; together one corpus")
    corpus.add_argument("--column", metavar="NAME", help="with the text of a CSV or JSONL (default: text, or the fullest)")
    corpus.add_argument("--encoding", metavar="NAME", help="utf-8, cp932, euc_jp, iso2022_jp, utf-16, ... (default: found)")
    corpus.add_argument("--tokenizer", nargs="+", default=[], metavar="KEY", help="count these too: bytes, tekken, a folder, ...")
    corpus.add_argument("--csv", type=Path, metavar="FILE", help="write every number there, as one table")


def corpus_command(options: argparse.Namespace) -> None:
    """What files cost with one tokenizer or several, what they would lose, and their rarest characters."""
    from neoxjp.lab.corpus_command import run_command, summary

    corpus = run_command(options)
    emit(asdict(corpus)) if options.json else print(summary(corpus))
