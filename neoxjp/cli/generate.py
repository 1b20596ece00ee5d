"""`neoxjp generate`: continue one text, or with --file many prompts in one batch."""

import dataclasses
import json as jsons
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.labs.common.command import (
    Command,
    Json,
    ModelOptions,
    Text,
    counted,
    emit,
    json_line,
    load_model,
    option,
    read_text,
)
from neoxjp.labs.common.output import output, write_file

if TYPE_CHECKING:
    from neoxjp.engine import Request
    from neoxjp.sampling import SamplingParams


@dataclasses.dataclass(frozen=True)
class Files:
    """Prompts in a file instead of one text."""

    file: Annotated[
        Path | None,
        option("Many prompts in one batch: .jsonl, one object with a prompt per line.", metavar="FILE", show_default=False),
    ] = None
    out: Annotated[
        Path | None, option("Write the texts of --file there, as .jsonl.", metavar="FILE", show_default="they are printed")
    ] = None
    column: Annotated[str, option("Field of --file that holds the prompt.", metavar="NAME")] = "prompt"


def generate(
    model: ModelOptions,
    files: Files,
    text: Text = None,
    greedy: Annotated[bool, option("Always take the most probable token.", "--greedy")] = False,
    save_state: Annotated[
        Path | None, option("Write everything that the text depends on, for neoxjp replay.", metavar="FILE", show_default=False)
    ] = None,
    json: Json = False,
    **sampling: Any,
) -> None:
    """Continue a text. The counts and the speed go to standard error."""
    from neoxjp.sampling import SamplingParams

    if files.file:
        if text is not None or save_state or json:
            raise ParameterError("--file takes its prompts from the file: no text, no --save-state and no --json beside it")
        write_batch(model, files, SamplingParams(do_sample=not greedy, **sampling))
        return
    if files.out:
        raise ParameterError("--out takes the texts of --file: name a file of prompts")
    text = read_text(text)
    params = SamplingParams(do_sample=not greedy, **sampling)
    if save_state and not save_state.parent.is_dir():
        raise ParameterError(f"cannot write {save_state}: there is no such folder")
    write_one(model, text, params, save_state, json)


def write_one(options: ModelOptions, text: str, params: "SamplingParams", save_state: Path | None, json: bool) -> None:
    """Stream the continuation to standard output."""
    from neoxjp.engine import Engine
    from neoxjp.labs.replay.records import capture, to_json

    model, tokenizer = load_model(options)
    request = Engine(model, tokenizer).submit(tokenizer.encode(text), params)
    if not json:
        print(text, end="", flush=True)
    steps = []
    for step in request:
        steps.append(step)
        if not json:
            print(step.text, end="", flush=True)
    if save_state:
        write_file(save_state, to_json(capture(request, model, tokenizer, options.model, options.revision)) + "\n")
    if json:
        emit(
            {
                "prompt": text,
                "text": "".join(step.text for step in steps),
                "ids": [step.id for step in steps],
                "logprobs": [step.logprob for step in steps],
                "finish": request.finish,
                "seed": request.seed,
                "stats": dataclasses.asdict(request.stats),
            }
        )
        return
    print()
    stats = request.stats
    speed = f", {stats.tokens_per_second:.1f} tokens/s" if stats.tokens_per_second else ""
    first = f", first after {stats.time_to_first_token:.2f} s" if stats.time_to_first_token is not None else ""
    print(f"{counted(len(steps), 'token')} ({request.finish}, seed {request.seed}){speed}{first}", file=sys.stderr)


# ---- many prompts


def write_batch(options: ModelOptions, files: Files, params: "SamplingParams") -> None:
    """Write a text for each prompt, in the order of the file; prompt number n, counted from 0, takes the seed + n."""
    from neoxjp.engine import Engine

    assert files.file is not None, "the caller has looked"
    if files.column in RESULT:
        raise ParameterError(
            f"--column {files.column}: the results have a field of that name, which would replace the prompt; rename the prompt"
        )
    rows = read_prompts(files.file, files.column)
    model, tokenizer = load_model(options)
    with Engine(model, tokenizer, max_waiting=len(rows)) as engine:
        requests = []
        for place, (line, row) in enumerate(rows):
            seed = None if params.seed is None else params.seed + place
            with at_line(files.file, line):
                requests.append(engine.submit(tokenizer.encode(row[files.column]), dataclasses.replace(params, seed=seed)))
        with progress(len(rows)) as finished, output(files.out) as write:
            for (_, row), request in zip(rows, requests, strict=True):
                write(json_line(row | record(request)) + "\n")
                finished()
    tokens = sum(request.stats.tokens for request in requests)
    print(f"{counted(len(rows), 'text')}, {counted(tokens, 'token')}", file=sys.stderr)


def read_prompts(file: Path, column: str) -> list[tuple[int, dict[str, Any]]]:
    """The objects of a .jsonl file with their line numbers; blank lines are left out. Raises ParameterError naming the line."""
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise ParameterError(f"cannot read {file}: {error.strerror}") from error
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = jsons.loads(line)
        except (ValueError, RecursionError) as error:
            raise ParameterError(f"{file}, line {number}: this is not JSON ({error})") from error
        if not isinstance(row, dict) or not isinstance(row.get(column), str):
            found = line[:60].decode("utf-8", "replace")
            raise ParameterError(
                f"{file}, line {number}: found {found!r}, not an object with a text {column!r} (--column names another field)"
            )
        rows.append((number, row))
    if not rows:
        raise ParameterError(f'{file} holds no prompt: write an object like {{"{column}": "吾輩は"}} on each line')
    return rows


@contextmanager
def at_line(file: Path, number: int) -> Iterator[None]:
    """An error inside names this line of the file."""
    try:
        yield
    except NeoxjpError as error:
        raise ParameterError(f"{file}, line {number}: {error.plain}") from error


RESULT = ("text", "ids", "finish", "seed")  # the fields that `record` adds to a row


def record(request: "Request") -> dict[str, Any]:
    """The text of a request that runs to its end here."""
    text = "".join(step.text for step in request)
    return dict(zip(RESULT, (text, list(request.ids), request.finish, request.seed), strict=True))


@contextmanager
def progress(total: int) -> Iterator[Callable[[], None]]:
    """A progress bar on a terminal; the function to call after each text."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("texts", total=total)
        yield lambda: bar.advance(task)


COMMANDS = (Command("generate", generate, "neoxjp generate '吾輩は猫である。' --max-new-tokens 40"),)
