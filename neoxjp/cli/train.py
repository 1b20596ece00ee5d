"""`neoxjp train | average | train-vocabulary | deduplicate`: thin layers over train/, imported when a command runs."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from neoxjp.cli.evaluate import read_texts
from neoxjp.documents import parse_weighted_path
from neoxjp.errors import ParameterError
from neoxjp.labs.common.command import Command, counted, json_line, option
from neoxjp.labs.common.output import check_output, output
from neoxjp.train import TEXTS, JobOptions, TextOptions

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
    """Write the mean of the last checkpoints of a run as a model, which can be better than the last one.

    --last 1 writes the last checkpoint itself.
    """
    from neoxjp.train import export_run
    from neoxjp.weights import parse_dtype

    written = parse_dtype(dtype)
    if written is None:
        raise ParameterError(f"dtype={dtype!r} must be float16, bfloat16 or float32")
    facts = export_run(folder, folder / "vocabulary", out, average=last, dtype=written)
    print(f"{out}: the mean of {counted(last, 'checkpoint')}, up to step {facts['progress']['step']}")


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

    if (out / "config.json").exists():
        raise ParameterError(f"{str(out)!r} is a model's folder, whose ids would mean something else: name another folder")
    texts, weights = [], []
    for path, weight in map(parse_weighted_path, files):
        if weight is not None and weight != round(weight):
            raise ParameterError(f"{path}={weight:g}: texts are counted a whole number of times: 1 or more")
        for document in read_texts([path], reading):
            texts.append(document.text)
            weights.append(round(weight or 1))
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
        option(
            "Texts for evaluation: what shares as much with one of them is removed too. Of fewer than about a hundred letters "
            "only whole equal texts are found.",
            metavar="FILE...",
        ),
    ] = None,
) -> None:
    """Remove texts that a corpus holds twice, also in other spelling, and print which."""
    from neoxjp.documents import join_pieces
    from neoxjp.train import find_duplicates

    if not 0 < limit <= 1:
        raise ParameterError(f"limit={limit!r} must be above 0 and at most 1")
    if out.suffix != ".jsonl":  # not one of the texts, where the file to write was forgotten
        raise ParameterError(f"the first file, {str(out)!r}, is written: give it a name that ends in .jsonl")
    if out.exists():  # perhaps one of the texts, from a pattern such as *.jsonl
        raise ParameterError(f"{str(out)!r} is there already: name another file to write, or delete it")
    check_output(out)
    documents = list(join_pieces(read_texts(files, texts)))
    tests = [document.text for document in join_pieces(read_texts(held_out or (), texts))]
    removed = set(find_duplicates([document.text for document in documents], limit, tests))
    with output(out) as write:
        for index, document in enumerate(documents):
            if index in removed:
                continue
            row = {"source": document.source, "licence": document.licence, "text": document.text}
            write(json_line(row) + "\n")
    for index in sorted(removed):
        text = documents[index].text
        print(f"document {index + 1}: {counted(len(text), 'character')}, {text[:40]!r}")
    lost, total = sum(len(documents[index].text) for index in removed), sum(len(document.text) for document in documents)
    print(f"{out}: removed {len(removed)} of {counted(len(documents), 'document')}, {lost:,} of {counted(total, 'character')}")


COMMANDS = (
    Command("train", train, "neoxjp train my-run mine.txt --from bundled --steps 100"),
    Command("average", average, "neoxjp average my-run my-mean --last 2"),
    Command("train-vocabulary", train_vocabulary, "neoxjp train-vocabulary my-vocabulary mine.txt --size 8000"),
    Command("deduplicate", deduplicate, "neoxjp deduplicate unique.jsonl mine.txt other.txt"),
)
