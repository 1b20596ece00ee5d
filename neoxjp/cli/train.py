"""`neoxjp train | average | evaluate | train-vocabulary | deduplicate`: thin layers over train/, imported when a command runs."""

import json as jsonl
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
from neoxjp.train import TEXTS, JobOptions, TextOptions

if TYPE_CHECKING:
    from neoxjp.documents import Document
    from neoxjp.train import Ngram, TextScore

PROMPT = "むかし、あるところに"  # of the command that a finished run proposes


# ---- train


def train(options: JobOptions) -> None:
    """Train a model on texts, or continue a run.

    Several processes share the work with `accelerate launch -m neoxjp train …`.
    """
    from accelerate import PartialState

    from neoxjp.engine import limit_threads_to_quota, share_processors
    from neoxjp.train import PROCESS_TIMEOUT, run_job

    if options.threads is not None and options.threads < 1:
        raise ParameterError(f"threads={options.threads!r} must be at least 1")
    limit_threads_to_quota()
    state = PartialState(cpu=not _cuda(), timeout=PROCESS_TIMEOUT)
    share_processors(state.num_processes, options.threads)
    out = run_job(options, main_first=state.main_process_first, is_main=state.is_main_process)
    if state.is_main_process:
        print(f"finished: {out}")
        print(f"neoxjp generate --model {shlex.quote(str(out))} {PROMPT}")


def _cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def average(
    folder: Annotated[Path, typer.Argument(help="A run of `neoxjp train`.")],
    out: Annotated[Path, typer.Argument(help="Folder to write the model to.")],
    last: Annotated[int, option("Number of checkpoints; train with --keep N or more.", metavar="N")] = 2,
    dtype: Annotated[str, option("float16, bfloat16 or float32.")] = "float16",
) -> None:
    """Write the mean of the last checkpoints of a run as a model, which is often better than the last one.

    --last 1 writes the last checkpoint itself.
    """
    import torch

    from neoxjp.train import export_run
    from neoxjp.weights import parse_dtype

    facts = export_run(folder, folder / "vocabulary", out, average=last, dtype=parse_dtype(dtype) or torch.float16)
    print(f"{out}: the mean of {counted(last, 'checkpoint')}, up to step {facts['progress']['step']}")


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
    from neoxjp.train import baselines, bits_per_character, train_ngram

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
    if truncated := sum(score.truncated_documents for score in scores.values()):
        was = "was" if truncated == 1 else "were"
        print(f"{counted(truncated, 'document')} {was} cut at {limit} characters; --limit 0 takes them whole", file=sys.stderr)


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
    from neoxjp.train import build_vocabulary

    texts, weights = [], []
    for path, weight in map(parse_weighted_path, files):
        for document in _read([path], reading):
            texts.append(document.text)
            weights.append(max(1, round(weight or 1)))
    vocabulary = build_vocabulary(texts, size, weights=weights)
    vocabulary.write(out)
    several = sum(len(spellings) > 1 for spellings in vocabulary.entries)
    print(f"{out}: {len(vocabulary.entries)} ids, {several} of them with several spellings")


# ---- deduplicate


def deduplicate(
    out: Annotated[Path, typer.Argument(help="A .jsonl file to write.")],
    files: Annotated[list[Path], typer.Argument(help=f"Texts: {TEXTS}.", metavar="FILE...")],
    texts: TextOptions,
    limit: Annotated[float, option("Share of a text that must also be in others, above 0 to 1.")] = 0.5,
    held_out: Annotated[
        list[Path] | None,
        option("Texts for evaluation: what shares as much with one of them is removed too.", metavar="FILE..."),
    ] = None,
) -> None:
    """Remove texts that a corpus holds twice, also in other spelling, and print which."""
    from neoxjp.train import find_duplicates, join_pieces, wrap_write_errors

    if not 0 < limit <= 1:
        raise ParameterError(f"limit={limit!r} must be above 0 and at most 1")
    documents = list(join_pieces(_read(files, texts)))
    tests = [document.text for document in join_pieces(_read(held_out or (), texts))]
    removed = set(find_duplicates([document.text for document in documents], limit, tests))
    with wrap_write_errors(out), out.open("w", encoding="utf-8") as file:
        for index, document in enumerate(documents):
            if index in removed:
                print(f"document {index + 1}: {counted(len(document.text), 'character')}, {document.text[:40]!r}")
                continue
            row = {"source": document.source, "licence": document.licence, "text": document.text}
            file.write(jsonl.dumps(row, ensure_ascii=False) + "\n")
    lost, total = sum(len(documents[index].text) for index in removed), sum(len(document.text) for document in documents)
    print(f"{out}: removed {len(removed)} of {counted(len(documents), 'document')}, {lost:,} of {counted(total, 'character')}")


COMMANDS = (
    Command("train", train, "neoxjp train my-run mine.txt --from bundled --steps 100"),
    Command("average", average, "neoxjp average my-run my-mean --last 2"),
    Command("evaluate", evaluate, "neoxjp evaluate my-run/model other.txt"),
    Command("train-vocabulary", train_vocabulary, "neoxjp train-vocabulary my-vocabulary mine.txt --size 8000"),
    Command("deduplicate", deduplicate, "neoxjp deduplicate unique.jsonl mine.txt other.txt"),
)
