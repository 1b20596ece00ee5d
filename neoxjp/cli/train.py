"""`neoxjp train`, `evaluate` and `train-vocabulary`. What they do is in train/, imported when a command runs."""

import shlex
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neoxjp.documents import parse_weighted_path
from neoxjp.errors import ParameterError
from neoxjp.labs.common.command import Command, Json, ModelOptions, counted, emit, load_model, option
from neoxjp.train.options import TEXTS, JobOptions, TextOptions

if TYPE_CHECKING:
    from neoxjp.documents import Document
    from neoxjp.train.evaluate import TextScore
    from neoxjp.train.ngram import Ngram

PROMPT = "むかし、あるところに"  # of the command that a finished run proposes


# ---- train


def train(options: JobOptions) -> None:
    """Train a model on texts, or continue a run.

    Several processes share the work with `accelerate launch -m neoxjp train …`.
    """
    from accelerate import PartialState

    from neoxjp.engine import limit_threads_to_quota, share_processors
    from neoxjp.train.job import run_job

    if options.threads is not None and options.threads < 1:
        raise ParameterError(f"threads={options.threads!r} must be at least 1")
    limit_threads_to_quota()
    state = PartialState(cpu=not _cuda())
    share_processors(state.num_processes, options.threads)
    out = run_job(options, main_first=state.main_process_first, is_main=state.is_main_process)
    if state.is_main_process:
        print(f"finished: {out}")
        print(f"neoxjp generate --model {shlex.quote(str(out))} {PROMPT}")


def _cuda() -> bool:
    import torch

    return torch.cuda.is_available()


# ---- evaluate


@dataclass(frozen=True, kw_only=True)
class EvaluatedModel(ModelOptions):
    """The model that is measured; float32 unless another format is asked for."""

    model: Annotated[str, typer.Argument(help="bundled, a folder or a Hub id.")]
    dtype: Annotated[str, option("float32, bfloat16, float16 or auto.")] = "float32"


def evaluate(
    model: EvaluatedModel,
    files: Annotated[list[Path], typer.Argument(help=f"Texts: {TEXTS}.", metavar="FILE...")],
    texts: TextOptions,
    limit: Annotated[int, option("Cut documents after this many characters; 0: never.")] = 1200,
    apart: Annotated[
        str | None, option("Only this source for itself, all others summed as 'other'.", metavar="SOURCE", show_default=False)
    ] = None,
    ngram: Annotated[
        list[Path] | None,
        option("Texts to count an n-gram of characters in: a table shows how well it and xz do.", metavar="FILE..."),
    ] = None,
    order: Annotated[int, option("Characters of its longest n-gram.", metavar="N")] = 5,
    json: Json = False,
) -> None:
    """Measure how well a model predicts texts, by source.

    Printed are bits per character, perplexity per token, and how often the next token was the first or among the first five
    guesses.
    """
    from neoxjp.train.evaluate import bits_per_character
    from neoxjp.train.ngram import baselines, train_ngram

    if limit < 0:
        raise ParameterError(f"limit={limit!r} must be at least 0 characters (0: whole documents)")
    network, tokenizer = load_model(replace(model, dtype="auto") if model.quantization else model)
    documents: Iterable[Document] = _read(files, texts)
    if apart:
        documents = (d if d.source == apart else replace(d, source="other") for d in documents)
    others: dict[str, dict[str, float]] = {}
    counts = None
    if ngram:
        documents = list(documents)
        counts = train_ngram(_read(ngram, texts), order)
        others = baselines(counts, documents, limit=limit or None)
    scores = bits_per_character(network, tokenizer, documents, limit=limit or None)
    if json:
        found = {source: score.as_dict() | others.get(source, {}) for source, score in scores.items()}
        facts: dict[str, Any] = {"model": model.model, "limit": limit or None, "sources": found}
        facts |= {"ngram": {"order": order, "characters": counts.characters}} if counts else {}
        emit(facts)
        return
    _print_scores(scores)
    if counts:
        _print_baselines(model.model, scores, others, counts, order)
    if cut := sum(score.cut for score in scores.values()):
        was = "was" if cut == 1 else "were"
        print(f"{counted(cut, 'document')} {was} cut at {limit} characters; --limit 0 takes them whole", file=sys.stderr)


def _print_scores(scores: "dict[str, TextScore]") -> None:
    for source, score in scores.items():
        facts = score.as_dict()
        sizes = ((score.documents, "document"), (score.characters, "character"), (score.tokens, "token"))
        total = ", ".join(counted(number, name) for number, name in sizes)
        guessed = f"perplexity {score.perplexity:.1f} a token, top-1 {facts['top1']:.1%}, top-5 {facts['top5']:.1%}"
        print(f"{source or 'texts'}: {score.bits_per_character:.3f} bits/character ({total}), {guessed}")


def _print_baselines(
    name: str, scores: "dict[str, TextScore]", others: dict[str, dict[str, float]], counts: "Ngram", order: int
) -> None:
    head = ["bits per character", *(source or "texts" for source in scores)]
    ours = [name, *(f"{score.bits_per_character:.3f}" for score in scores.values())]
    lines = ((f"{order}-gram of {counts.characters:,} characters", "ngram"), ("xz -9", "xz"))
    rows = [[title, *(f"{others[source][f'{key}_bits_per_character']:.3f}" for source in scores)] for title, key in lines]
    _print_table([head, ours, *rows])


def _print_table(rows: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    print()
    for row in rows:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def _read(files: Iterable[Path], texts: TextOptions) -> "Iterator[Document]":
    from neoxjp.documents import read_documents

    return (d for path in files for d in read_documents(path, column=texts.column, split=texts.split, encoding=texts.encoding))


# ---- train-vocabulary


def train_vocabulary(
    out: Annotated[Path, typer.Argument(help="Folder for vocab.txt and emoji.json.")],
    files: Annotated[
        list[str], typer.Argument(help=f"Texts: {TEXTS}. modern.jsonl.xz=3 counts it three times.", metavar="FILE...")
    ],
    reading: TextOptions,
    size: Annotated[int, option("Number of ids.", metavar="N")] = 8000,
) -> None:
    """Build a vocabulary for texts."""
    from neoxjp.train.vocabulary import build_vocabulary

    texts, weights = [], []
    for path, weight in map(parse_weighted_path, files):
        for document in _read([path], reading):
            texts.append(document.text)
            weights.append(max(1, round(weight or 1)))
    vocabulary = build_vocabulary(texts, size, weights=weights)
    vocabulary.write(out)
    several = sum(len(spellings) > 1 for spellings in vocabulary.entries)
    print(f"{out}: {len(vocabulary.entries)} ids, {several} of them with several spellings")


COMMANDS = (
    Command("train", train, "neoxjp train my-run mine.txt --from bundled --steps 100"),
    Command("evaluate", evaluate, "neoxjp evaluate my-run/model other.txt"),
    Command("train-vocabulary", train_vocabulary, "neoxjp train-vocabulary my-vocabulary mine.txt --size 8000"),
)
