"""`neoxjp evaluate`: how well a model predicts texts and agrees with people, beside a second model and an n-gram."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neoxjp.cli.evaluate_tables import baseline_lines, choice_lines, judgment_lines, pair_lines, text_lines
from neoxjp.errors import ParameterError
from neoxjp.labs.common.command import Command, Json, ModelOptions, counted, emit, load_model, option
from neoxjp.train import CHARACTERS, TEXTS, TextOptions

if TYPE_CHECKING:
    from neoxjp.documents import Document
    from neoxjp.model import GPTNeoXJapaneseForCausalLM
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
    from neoxjp.train import Ngram

    Loaded = tuple[GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer]


ORDER = 5  # of an n-gram


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
    acceptability: Annotated[
        Path | None,
        option(
            "Sentences with a label, 1 or 0: .jsonl, .csv, .tsv with sentence, label and phenomenon or source.", metavar="FILE"
        ),
    ] = None,
    choices: Annotated[
        Path | None,
        option(
            "Questions with options: .jsonl, .csv, .tsv with question, options (or option0, option1, …) and label, from 0.",
            metavar="FILE",
        ),
    ] = None,
    against: Annotated[
        str | None, option("A second model for these three: bundled, a folder or a Hub id.", metavar="MODEL")
    ] = None,
    limit: Annotated[int, option("Cut documents after this many characters; 0: never.")] = CHARACTERS,
    apart: Annotated[
        str | None, option("Only this source for itself, all others summed as 'other'.", metavar="SOURCE", show_default=False)
    ] = None,
    ngram: Annotated[
        list[Path] | None,
        option("Texts to count an n-gram of characters in, which is measured beside the model.", metavar="FILE..."),
    ] = None,
    order: Annotated[int, option("Characters of its longest n-gram.", metavar="N")] = ORDER,
    json: Json = False,
) -> None:
    """Measure how well a model predicts texts, by source, and how it agrees with people on pairs, sentences and questions.

    Printed are bits per character, perplexity per token, and how often the next token was the first or among the first five
    guesses; of minimal pairs and questions the accuracy, of judged sentences the AUC, with 95 % intervals.

    \b
    neoxjp evaluate bundled --minimal-pairs pairs.jsonl --against my-run/model
    neoxjp evaluate bundled --acceptability sentences.jsonl --ngram mine.txt
    neoxjp evaluate bundled --choices questions.jsonl --json
    """
    from neoxjp.cli.generate import progress

    tasks = _tasks(minimal_pairs, acceptability, choices, texts.encoding or "")
    if limit < 0:
        raise ParameterError(f"limit={limit!r} must be at least 0 characters (0: whole documents)")
    if not files and not tasks:
        raise ParameterError(
            "nothing to evaluate on: name files with texts, or give --minimal-pairs, --acceptability or --choices FILE"
        )
    if against and not tasks:
        raise ParameterError("--against compares two models: add --minimal-pairs, --acceptability or --choices FILE")
    if not files and (apart is not None or limit != CHARACTERS):
        raise ParameterError("--apart and --limit are about texts: name files with texts, or leave them out")
    if order != ORDER and not ngram:
        raise ParameterError("--order is about the n-gram: add --ngram FILE, or leave it out")
    for path in (*(files or ()), *(ngram or ())):
        next(read_texts([path], texts), None)
    sizes = [sum(1 for _ in task.read(task.file)) for task in tasks]  # faults are found before the model is loaded
    if model.quantization and model.dtype == EvaluatedModel.dtype:
        model = replace(model, dtype="auto")
    models = {model.model: load_model(model)}
    if against:
        name = f"{against} (second)" if against == model.model else against
        models[name] = load_model(replace(model, model=against, revision=None))
    compared = Compared(models, ngram or (), texts, order)
    facts: dict[str, Any] = {"model": model.model}
    lines: list[str] = []
    for task, size in zip(tasks, sizes, strict=True):
        with progress(size) as advance:
            found = task.score(_counting(task.read(task.file), advance), compared)
        facts[task.name] = found.as_dict()
        lines += ["", *task.lines(found)] if lines else task.lines(found)
    if files:
        more, shown = _evaluate_texts(model.model, models[model.model], read_texts(files, texts), limit, apart, compared)
        facts |= more
        lines += ["", *shown] if lines else shown
    if json:
        emit(facts)
    else:
        print(*lines, sep="\n")


# ---- pairs, sentences, questions


@dataclass(frozen=True)
class Task:
    """What is read from one file, and scored."""

    name: str
    file: Path
    read: Callable[[Path], Iterator[Any]]
    score: Callable[[Iterator[Any], "Compared"], Any]
    lines: Callable[[Any], Iterator[str]]


def _tasks(pairs: Path | None, sentences: Path | None, questions: Path | None, encoding: str) -> list[Task]:
    """The tasks whose file is given. Raises ParameterError where one does not exist."""
    from neoxjp.documents import read_judgments, read_minimal_pairs, read_questions

    given = (
        (pairs, "minimal_pairs", read_minimal_pairs, _score_pairs, pair_lines),
        (sentences, "acceptability", read_judgments, _score_judgments, judgment_lines),
        (questions, "choices", read_questions, _score_questions, choice_lines),
    )
    for file, *_ in given:
        if file and not file.is_file():
            raise ParameterError(f"no file {str(file)!r}")
    return [Task(name, file, partial(read, encoding=encoding), score, lines) for file, name, read, score, lines in given if file]


class Compared:
    """What is scored on the same material: the models, and an n-gram where there are texts to count one in."""

    def __init__(self, models: "Mapping[str, Loaded]", counted_in: Iterable[Path], texts: TextOptions, order: int):
        from neoxjp.train import train_ngram

        self.models, self.order = models, order
        self._counted_in, self._texts = list(counted_in), texts
        self.ngram: Ngram | None = train_ngram(self.documents(), order) if self._counted_in else None

    def documents(self) -> "Iterator[Document]":
        """The texts that the n-gram is counted in."""
        return read_texts(self._counted_in, self._texts)

    def scorers(self, of_model: "Callable[..., Any]", of_ngram: "Callable[[Ngram], Any]") -> dict[str, Any]:
        """A scorer by name: of each model, and of the n-gram."""
        found = {name: of_model(*loaded) for name, loaded in self.models.items()}
        return found | ({f"{self.order}-gram": of_ngram(self.ngram)} if self.ngram else {})


def _score_pairs(pairs: Iterator[Any], compared: Compared) -> Any:
    from neoxjp.train import model_scorer, ngram_scorer, score_pairs

    return score_pairs(pairs, compared.scorers(model_scorer, ngram_scorer))


def _score_judgments(sentences: Iterator[Any], compared: Compared) -> Any:
    from neoxjp.train import (
        counted_unigrams,
        first_token_unigrams,
        model_scorer,
        ngram_scorer,
        ngram_unigrams,
        score_judgments,
        train_ngram,
    )

    if compared.ngram:
        unigrams = compared.scorers(
            lambda _, tokenizer: counted_unigrams(tokenizer, compared.documents()),
            lambda _: ngram_unigrams(train_ngram(compared.documents(), 1)),
        )
    else:
        unigrams = compared.scorers(first_token_unigrams, ngram_unigrams)
    return score_judgments(sentences, compared.scorers(model_scorer, ngram_scorer), unigrams)


def _score_questions(questions: Iterator[Any], compared: Compared) -> Any:
    from neoxjp.train import model_options_scorer, ngram_options_scorer, score_questions

    return score_questions(questions, compared.scorers(model_options_scorer, ngram_options_scorer))


def _counting(rows: Iterator[Any], advance: Callable[[], None]) -> Iterator[Any]:
    for row in rows:
        yield row
        advance()


# ---- texts


def _evaluate_texts(
    name: str, loaded: "Loaded", documents: "Iterable[Document]", limit: int, apart: str | None, compared: Compared
) -> tuple[dict[str, Any], list[str]]:
    """Score texts by source; the facts for JSON, and the lines for a terminal."""
    from neoxjp.train import baselines, bits_per_character

    if apart:
        documents = (d if d.source == apart else replace(d, source="other") for d in documents)
    others: dict[str, dict[str, float]] = {}
    if compared.ngram:
        documents = list(documents)
        others = baselines(compared.ngram, documents, limit=limit or None)
    scores = bits_per_character(*loaded, documents, limit=limit or None)
    if apart and apart not in scores:
        print(f"no text has the source {apart!r}: all of them are 'other'", file=sys.stderr)
    found = {source: score.as_dict() | others.get(source, {}) for source, score in scores.items()}
    facts: dict[str, Any] = {"limit": limit or None, "sources": found}
    lines = [*text_lines(scores)]
    if compared.ngram:
        characters = compared.ngram.characters
        facts["ngram"] = {"order": compared.order, "characters": characters}
        lines += baseline_lines(name, scores, others, compared.order, characters)
    if truncated := sum(score.truncated_documents for score in scores.values()):
        was = "was" if truncated == 1 else "were"
        print(f"{counted(truncated, 'document')} {was} cut at {limit} characters; --limit 0 takes them whole", file=sys.stderr)
    return facts, lines


def read_texts(files: Iterable[Path], texts: TextOptions) -> "Iterator[Document]":
    """The documents of all files."""
    from neoxjp.documents import read_documents

    return (d for path in files for d in read_documents(path, column=texts.column, split=texts.split, encoding=texts.encoding))


COMMANDS = (Command("evaluate", evaluate, "neoxjp evaluate my-run/model other.txt"),)
