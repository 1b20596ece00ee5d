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
    from neoxjp.model import GPTNeoXJapaneseForCausalLM
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
    from neoxjp.train import Accuracy, Ngram, PairReport, TextScore

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
    texts: TextOptions,
    files: Annotated[list[Path] | None, typer.Argument(help=f"Texts: {TEXTS}.", metavar="FILE...", show_default=False)] = None,
    minimal_pairs: Annotated[
        Path | None,
        option("Pairs of a good and a bad text: .jsonl, .csv, .tsv with good, bad and phenomenon.", metavar="FILE"),
    ] = None,
    against: Annotated[
        str | None, option("A second model for the minimal pairs: bundled, a folder or a Hub id.", metavar="MODEL")
    ] = None,
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
    """Measure how well a model predicts texts, by source, and how often it finds the better text of a minimal pair likelier.

    Printed are bits per character, perplexity per token, and how often the next token was the first or among the first five
    guesses; of minimal pairs the accuracy by phenomenon with 95 % intervals.
    """
    from neoxjp.train import train_ngram

    if limit < 0:
        raise ParameterError(f"limit={limit!r} must be at least 0 characters (0: whole documents)")
    if not files and minimal_pairs is None:
        raise ParameterError("nothing to evaluate on: name files with texts, or --minimal-pairs FILE")
    if against and minimal_pairs is None:
        raise ParameterError("--against compares two models on minimal pairs: add --minimal-pairs FILE")
    if minimal_pairs and not minimal_pairs.is_file():
        raise ParameterError(f"no file {str(minimal_pairs)!r}")
    network, tokenizer = load_model(replace(model, dtype="auto") if model.quantization else model)
    counts = train_ngram(_read(ngram, texts), order) if ngram else None
    facts: dict[str, Any] = {"model": model.model}
    if minimal_pairs:
        found = _score_pairs(model, network, tokenizer, minimal_pairs, against, counts, order)
        facts["minimal_pairs"] = found.as_dict()
        if not json:
            print(*pair_lines(found), sep="\n")
    if files:
        facts |= _evaluate_texts(model.model, network, tokenizer, _read(files, texts), limit, apart, counts, order, show=not json)
    if json:
        emit(facts)


def _evaluate_texts(
    name: str,
    network: "GPTNeoXJapaneseForCausalLM",
    tokenizer: "GPTNeoXJapaneseTokenizer",
    documents: "Iterable[Document]",
    limit: int,
    apart: str | None,
    counts: "Ngram | None",
    order: int,
    *,
    show: bool,
) -> dict[str, Any]:
    """Score texts by source; returns the facts for JSON, or shows them."""
    from neoxjp.train import baselines, bits_per_character

    if apart:
        documents = (d if d.source == apart else replace(d, source="other") for d in documents)
    others: dict[str, dict[str, float]] = {}
    if counts:
        documents = list(documents)
        others = baselines(counts, documents, limit=limit or None)
    scores = bits_per_character(network, tokenizer, documents, limit=limit or None)
    found = {source: score.as_dict() | others.get(source, {}) for source, score in scores.items()}
    facts: dict[str, Any] = {"limit": limit or None, "sources": found}
    facts |= {"ngram": {"order": order, "characters": counts.characters}} if counts else {}
    if not show:
        return facts
    _print_scores(scores)
    if counts:
        _print_baselines(name, scores, others, counts, order)
    if truncated := sum(score.truncated_documents for score in scores.values()):
        was = "was" if truncated == 1 else "were"
        print(f"{counted(truncated, 'document')} {was} cut at {limit} characters; --limit 0 takes them whole", file=sys.stderr)
    return facts


def _score_pairs(
    model: EvaluatedModel,
    network: "GPTNeoXJapaneseForCausalLM",
    tokenizer: "GPTNeoXJapaneseTokenizer",
    file: Path,
    against: str | None,
    counts: "Ngram | None",
    order: int,
) -> "PairReport":
    from neoxjp.documents import read_minimal_pairs
    from neoxjp.train import model_scorer, ngram_scorer, score_pairs

    scorers = {model.model: model_scorer(network, tokenizer)}
    if against:
        second = f"{against} (second)" if against == model.model else against
        scorers[second] = model_scorer(*load_model(replace(model, model=against, revision=None)))
    if counts:
        scorers[f"{order}-gram"] = ngram_scorer(counts)
    return score_pairs(read_minimal_pairs(file), scorers)


def pair_lines(found: "PairReport") -> Iterator[str]:
    """The accuracy of each scorer by phenomenon, how it does against the others, and the worst pairs, for a terminal."""
    for name, scored in found.scored.items():
        rows = [[f"minimal pairs, {name}", "pairs", "in sum", "per token", "equal length", "unequal length", "ties"]]
        phenomena = sorted(scored.by_phenomenon.items()) if set(scored.by_phenomenon) != {""} else []
        for title, counts in [*phenomena, ("all", scored.all)]:
            parts = (counts.in_sum, counts.per_token, counts.equal_length, counts.unequal_length)
            rows.append([title or "(none)", f"{counts.in_sum.pairs:,}", *map(_accuracy, parts), f"{counts.ties:,}"])
        yield from table_lines(rows)
        yield ""
    first = next(iter(found.scored))
    for name, test in found.against.items():
        only = f"only {first}: {test.only_first:,}, only {name}: {test.only_second:,}"
        yield f"right in sum, {only}, McNemar's test p = {test.p:.3g}"
    for worst in found.scored[first].worst:
        yield f"line {worst.pair.line:,}: {worst.pair.bad!r} is likelier than {worst.pair.good!r} by {worst.nats:.2f} nats"


def _accuracy(found: "Accuracy") -> str:
    record = found.as_dict()
    if record["accuracy"] is None:
        return "–"
    return f"{record['accuracy']:.1%} [{record['low']:.1%}, {record['high']:.1%}]"


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
    print("", *table_lines(rows), sep="\n")


def table_lines(rows: list[list[str]]) -> Iterator[str]:
    """The rows in columns of equal width."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


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
