"""The training commands of `neoxjp` and of `python -m neoxjp.train`: train, evaluate, train-vocabulary.

The parsers are here; what a command does is in the other files of this folder, imported when it runs.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neoxjp.documents import parse_weighted_path
from neoxjp.errors import ParameterError

if TYPE_CHECKING:
    from neoxjp.documents import Document


def add_commands(commands: Any, under: str, vocabulary: str = "train-vocabulary") -> None:
    """Add the three to a parser's subparsers; the function to call with the options is left in their attribute `under`."""
    _train_parser(_added(commands, under, "train", train_command, "train a model on texts, or go on with a run"))
    _evaluate_parser(_added(commands, under, "evaluate", evaluate_command, "how well a model predicts texts, by source"))
    _vocabulary_parser(_added(commands, under, vocabulary, vocabulary_command, "build a vocabulary for texts"))


def _added(commands: Any, under: str, name: str, function: Any, help_text: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=help_text, description=help_text[0].upper() + help_text[1:] + ".")
    parser.set_defaults(**{under: function})
    return parser


def _train_parser(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="the run: model/ (the result), plot.png, log.csv, checkpoints")
    parser.add_argument("files", nargs="+", help=f"{_TEXTS}; a.jsonl=0.7 b.txt=0.3 gives each its share of the training")
    _text_options(parser)
    start = parser.add_argument_group("what to start from")
    start.add_argument("--from", dest="source", metavar="MODEL", help="folder or Hub id to fine-tune (default: fresh weights)")
    start.add_argument("--revision", help="Hub revision of it")
    start.add_argument("--freeze", type=int, default=0, metavar="N", help="train all but the embedding and the lowest N layers")
    start.add_argument("--lora", type=int, metavar="RANK", help="train only matrices of this rank beside the weights; needs peft")
    start.add_argument("--vocabulary", metavar="MODEL", help="fresh weights: folder with a vocabulary (default: the bundled one)")
    for name, default, what in (
        ("--hidden-size", 384, "width"),
        ("--layers", 6, "layers"),
        ("--heads", 6, "attention heads a layer"),
        ("--context", 512, "most tokens it will see at once"),
    ):
        start.add_argument(name, type=int, metavar="N", help=f"fresh weights: {what} (default {default})")
    how = parser.add_argument_group("how long and how fast")
    how.add_argument("--steps", type=int, help="updates of the weights")
    how.add_argument("--minutes", type=float, help="or minutes of training time")
    how.add_argument("--epochs", type=float, help="or as many tokens as so often the texts (default: 1)")
    how.add_argument("--rows", type=int, default=16, metavar="N", help="windows of text a step (default 16)")
    how.add_argument("--length", type=int, metavar="N", help="tokens a window (default: 256, or the context or text if less)")
    how.add_argument("--final-length", type=int, metavar="N", help="longer windows for the last 15 %% of the run")
    how.add_argument("--optimizer", choices=["muon", "adamw"], help="of the matrices (default: muon; with --lora adamw)")
    how.add_argument("--lr", type=float, help="AdamW's learning rate")
    how.add_argument("--muon-lr", type=float, help="Muon's learning rate")
    how.add_argument("--weight-decay", type=float, default=0.0, help="of matrices (default 0)")
    how.add_argument("--warmup-steps", type=int, default=40, metavar="N", help="steps in which the rates rise (default 40)")
    how.add_argument("--flat-share", type=float, default=0.5, help="of the run, before the rates fall to zero (default 0.5)")
    how.add_argument("--clip", type=float, default=1.0, help="largest norm of the gradient (default 1)")
    how.add_argument("--seed", type=int, default=0)
    machine = parser.add_argument_group("the machine")
    machine.add_argument("--accumulate", type=int, default=1, metavar="N", help="compute a step in N parts: less memory")
    machine.add_argument("--gradient-checkpointing", action="store_true", help="compute each layer twice: less memory")
    machine.add_argument(
        "--mixed-precision", choices=["auto", "no", "bf16"], default="auto", help="bf16 autocast (auto: where it is faster)"
    )
    machine.add_argument("--workers", type=int, default=1, metavar="N", help="processes that tokenize")
    machine.add_argument("--save-seconds", type=float, default=300.0, help="between checkpoints (default 300)")
    machine.add_argument("--keep", type=int, default=2, metavar="N", help="checkpoints kept (default 2)")
    machine.add_argument("--log-with", metavar="TRACKER", help="also log to a tracker of accelerate, such as tensorboard")
    machine.add_argument("--dtype", help="of the result (default: as stored in --from; float16 for fresh weights)")


_TEXTS = "texts: .txt, .jsonl, .csv (also .xz, .gz), .parquet"


def _text_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--column", default="text", help="field or column that holds the text (default: text)")
    help_text = "a document of a .txt is all of it (default), what stands between blank lines, or a line"
    parser.add_argument("--split", choices=["file", "blank", "line"], default="file", help=help_text)


def _evaluate_parser(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="folder or Hub id")
    parser.add_argument("files", type=Path, nargs="+", help=_TEXTS)
    _text_options(parser)
    parser.add_argument("--limit", type=int, default=1200, help="cut documents at so many characters; 0: never (default 1200)")
    parser.add_argument("--apart", metavar="SOURCE", help="only this source for itself, all others summed as 'other'")
    parser.add_argument("--revision", help="Hub revision")
    parser.add_argument("--dtype", default="float32", help="float32 (default), bfloat16, float16 or auto")
    parser.add_argument("--quantization", help="int8: a byte a weight (default: none)")
    parser.add_argument("--device", help="cpu, cuda or auto (default: cuda if there is one)")
    help_text = "texts to count an n-gram of characters in: a table shows how well it and xz do beside the model"
    parser.add_argument("--ngram", type=Path, nargs="+", metavar="FILE", help=help_text)
    parser.add_argument("--order", type=int, default=5, metavar="N", help="characters of its longest n-gram (default 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _vocabulary_parser(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=Path, help="folder for vocab.txt and emoji.json")
    parser.add_argument("files", nargs="+", help=f"{_TEXTS}; modern.jsonl.xz=3 counts it three times")
    _text_options(parser)
    parser.add_argument("--size", type=int, default=8000, help="number of ids (default 8000)")


def train_command(options: argparse.Namespace) -> None:
    """Pack the texts, train or go on, write the model and the plot."""
    from accelerate import PartialState

    from neoxjp.engine import heed_quota
    from neoxjp.train.job import run_job

    heed_quota()
    state = PartialState(cpu=not _cuda())
    report = run_job(options, main_first=state.main_process_first, is_main=state.is_main_process)
    if state.is_main_process:
        print(report)


def _cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def evaluate_command(options: argparse.Namespace) -> None:
    """Bits per character, perplexity a token, and how often the next token was the first or among the first five guesses."""
    from neoxjp.engine import heed_quota
    from neoxjp.model import GPTNeoXJapaneseForCausalLM
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
    from neoxjp.train.evaluate import bits_per_character
    from neoxjp.train.ngram import baselines, train_ngram

    heed_quota()
    if options.limit < 0:
        raise ParameterError(f"limit={options.limit!r} must be at least 0 characters (0: whole documents)")
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(options.model, revision=options.revision)
    device = options.device or ("cuda" if _cuda() else "cpu")
    model = GPTNeoXJapaneseForCausalLM.from_pretrained(
        options.model,
        revision=options.revision,
        dtype="auto" if options.quantization else options.dtype,
        quantization=options.quantization,
        device_map=device,
    )
    documents: Iterable[Document] = _read(options, options.files)
    if options.apart:
        documents = (d if d.source == options.apart else replace(d, source="other") for d in documents)
    limit, others, ngram = options.limit or None, {}, None
    if options.ngram:
        documents = list(documents)
        ngram = train_ngram(_read(options, options.ngram), options.order)
        others = baselines(ngram, documents, limit=limit)
    scores = bits_per_character(model, tokenizer, documents, limit=limit)
    if options.json:
        found = {source: score.as_dict() | others.get(source, {}) for source, score in scores.items()}
        facts: dict[str, Any] = {"model": options.model, "limit": limit, "sources": found}
        facts |= {"ngram": {"order": options.order, "characters": ngram.characters}} if ngram else {}
        print(json.dumps(facts, ensure_ascii=False))
        return
    for source, score in scores.items():
        facts = score.as_dict()
        counted = f"{score.documents} documents, {score.characters} characters, {score.tokens} tokens"
        guessed = f"perplexity {score.perplexity:.1f} a token, top-1 {facts['top1']:.1%}, top-5 {facts['top5']:.1%}"
        print(f"{source or 'texts'}: {score.bits_per_character:.3f} bits/character ({counted}), {guessed}")
    if ngram:
        head = ["bits per character", *(source or "texts" for source in scores)]
        ours = [options.model, *(f"{score.bits_per_character:.3f}" for score in scores.values())]
        lines = ((f"{options.order}-gram of {ngram.characters:,} characters", "ngram"), ("xz -9", "xz"))
        rows = [[name, *(f"{others[source][f'{key}_bits_per_character']:.3f}" for source in scores)] for name, key in lines]
        _print_table([head, ours, *rows])
    if cut := sum(score.cut for score in scores.values()):
        print(f"{cut} documents were cut at {options.limit} characters; --limit 0 takes them whole", file=sys.stderr)


def _print_table(rows: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    print()
    for row in rows:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def _read(options: argparse.Namespace, files: Iterable[Path]) -> "Iterator[Document]":
    from neoxjp.documents import read_documents

    return (d for path in files for d in read_documents(path, column=options.column, split=options.split))


def vocabulary_command(options: argparse.Namespace) -> None:
    """Write vocab.txt and emoji.json."""
    from neoxjp.documents import read_documents
    from neoxjp.train.vocabulary import build_vocabulary

    texts, weights = [], []
    for path, weight in map(parse_weighted_path, options.files):
        for document in read_documents(path, column=options.column, split=options.split):
            texts.append(document.text)
            weights.append(max(1, round(weight or 1)))
    vocabulary = build_vocabulary(texts, options.size, weights=weights)
    vocabulary.write(options.out)
    several = sum(len(spellings) > 1 for spellings in vocabulary.entries)
    print(f"{options.out}: {len(vocabulary.entries)} ids, {several} of them with several spellings")
