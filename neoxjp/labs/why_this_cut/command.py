"""The commands of the tokenizer lab: `neoxjp compare | explain | roundtrip | vocabulary | corpus`.

The parsers are here; what a command shows is computed in the other files of this folder, imported when it runs.
"""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from neoxjp.labs.common.terminal import default_model, emit, load_tokenizer, read_text, text_argument


def add_commands(commands: Any, under: str) -> None:
    """Add them to a parser's subparsers; the function to call with the options is left in their attribute `under`."""
    _compare_parser(commands, under)
    _explain_parser(commands, under)
    _roundtrip_parser(commands, under)
    _corpus_parser(commands, under)
    _vocabulary_parser(commands, under)


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


def _compare_parser(commands: Any, under: str) -> None:
    compare = _added(
        commands, under, "compare", compare_command, "count what a text costs in its spellings, over many tokenizers"
    )
    text_argument(compare)
    compare.add_argument(
        "--tokenizer", nargs="+", default=["neoxjp", "characters", "sudachi-c", "bytes"], metavar="KEY",
        help="neoxjp, compat, bytes, characters, sudachi-a|b|c, tekken, rinna, llm-jp, swallow, qwen, gemma, gpt-4o, a path or a "
        "Hub id; all: every one with a name",
    )  # fmt: skip
    compare.add_argument(
        "--spelling", nargs="+", default=None, metavar="KEY", help="hiragana, romaji, old_kanji, ... (default: all)"
    )
    compare.add_argument("--own", nargs="+", default=[], metavar="TEXT", help="up to four spellings of your own")
    compare.add_argument("--reading", nargs="+", default=[], metavar="WORD=KANA", help="correct a reading: 日本=にっぽん")
    compare.add_argument("--csv", type=Path, metavar="FILE", help="write every cell there, with its pieces")
    compare.add_argument("--offline", action="store_true", help="use only what is already on this machine")


def compare_command(options: argparse.Namespace) -> None:
    """Spellings × tokenizers as a table."""
    from neoxjp.labs.spellings.command import compared, lines
    from neoxjp.labs.spellings.records import records

    found = compared(options, load_tokenizer(options))
    emit({"cells": records(found)}) if options.json else print(*lines(found), sep="\n")


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
    from neoxjp.labs.why_this_cut import explain as told
    from neoxjp.labs.why_this_cut.nearest import explanation

    text = read_text(options.text)
    found = explanation(load_tokenizer(options), text, options.at, options.replacement, options.which, options.word)
    emit(asdict(found)) if options.json else print(*told.explained(found), sep="\n")


def roundtrip_command(options: argparse.Namespace) -> None:
    """What a text loses on its way to ids and back, by reason; after a normalisation where one is asked for."""
    from neoxjp.labs.round_trip.records import normalised
    from neoxjp.labs.why_this_cut import explain as told

    found = normalised(load_tokenizer(options), read_text(options.text), options.normalize)
    if options.json:
        emit(asdict(found))
        return
    if options.normalize != "none":
        print(*told.normalised(found.effect), sep="\n")
    print(*told.came_back(found.roundtrip), sep="\n")


def _corpus_parser(commands: Any, under: str) -> None:
    corpus = _added(commands, under, "corpus", corpus_command, "count what files cost in tokens, and what decoding would lose")
    corpus.add_argument(
        "file", type=Path, nargs="+", metavar="FILE", help="plain text, .csv, .tsv or .jsonl; together one corpus"
    )
    corpus.add_argument("--column", metavar="NAME", help="with the text of a CSV or JSONL (default: text, or the fullest)")
    corpus.add_argument("--encoding", metavar="NAME", help="utf-8, cp932, euc_jp, iso2022_jp, utf-16, ... (default: found)")
    corpus.add_argument("--tokenizer", nargs="+", default=[], metavar="KEY", help="count these too: bytes, tekken, a folder, ...")
    corpus.add_argument("--csv", type=Path, metavar="FILE", help="write every number there, as one table")


def corpus_command(options: argparse.Namespace) -> None:
    """What files cost with one tokenizer or several, what they would lose, and their rarest characters."""
    from neoxjp.labs.corpus.command import run_command, summary

    corpus = run_command(options)
    emit(asdict(corpus)) if options.json else print(summary(corpus))


def _vocabulary_parser(commands: Any, under: str) -> None:
    look = _added(commands, under, "vocabulary", vocabulary_command, "list, open, count and compare what a vocabulary holds")
    look.add_argument("query", nargs="?", default="", help="stands in one of the spellings, as typed (default: all entries)")
    look.add_argument("--match", default="contains", help="contains (default), starts, ends or whole")
    look.add_argument("--ids", default="", metavar="RANGE", help="such as 100-199 or 31000-")
    look.add_argument("--script", default="all", help="hiragana, katakana, kanji, latin, digit, symbol, emoji, mixed, ...")
    look.add_argument("--kind", default="all", help="word, byte, emoji, blank, symbol, tag or special")
    look.add_argument("--length", default="", metavar="RANGE", help="characters of the first spelling, such as 2-3")
    look.add_argument("--spellings", default="", metavar="RANGE", help="number of spellings, such as 10-")
    look.add_argument("--reach", default="all", help="never: only ids that no text is encoded to; reached: the others")
    look.add_argument("--sort", default="id", help="id (default), length or spellings")
    look.add_argument("--descending", action="store_true", help="the largest first")
    look.add_argument("--limit", type=int, default=50, metavar="N", help="rows to print; 0: all (default 50)")
    look.add_argument("--csv", type=Path, metavar="FILE", help="write all found entries there, with every spelling")
    look.add_argument("--id", type=int, metavar="N", help="open one id instead: its spellings, bytes, neighbours")
    look.add_argument("--stats", action="store_true", help="the vocabulary in numbers instead")
    look.add_argument("--corpus", type=Path, nargs="+", metavar="FILE", help="with --stats: how many ids these texts use")
    look.add_argument("--column", default="text", help="of a .jsonl, .csv or .parquet corpus (default: text)")
    look.add_argument("--against", metavar="MODEL", help="compare with another vocabulary instead: folder or Hub id")
    look.add_argument(
        "--list",
        choices=["only-here", "only-there", "moved"],
        default="only-here",
        help="with --against: which spellings to list",
    )
    look.add_argument("--offline", action="store_true", help="use only what is already on this machine")


def vocabulary_command(options: argparse.Namespace) -> None:
    """Entries that pass the filters, one entry, the numbers, or the difference of two vocabularies."""
    from neoxjp.labs.vocabulary_browser.command import lines, record, summary

    found = record(options, load_tokenizer(options))
    if options.json:
        emit(found)
        return
    for line in lines(found):
        print(line)
    if said := summary(found):
        print(said, file=sys.stderr)
