"""The commands about whole generations: `neoxjp replay | sweep`."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neoxjp.errors import ParameterError
from neoxjp.hub import bundled_path
from neoxjp.labs.common.terminal import emit, load_model, model_arguments, read_text, text_argument

if TYPE_CHECKING:
    from neoxjp.labs.replay.records import State


def add_commands(commands: Any, under: str) -> None:
    """Add them to a parser's subparsers; the function to call with the options is left in their attribute `under`."""
    _replay_parser(commands, under)
    _sweep_parser(commands, under)


def _replay_parser(commands: Any, under: str) -> None:
    told = "write a saved generation again, and say whether it came out the same"
    replay = commands.add_parser("replay", help=told, description=told[0].upper() + told[1:] + ".")
    replay.add_argument("file", type=Path, help="from neoxjp generate --save-state, or from the page")
    replay.add_argument("--as", dest="way", choices=["python", "curl", "gradio_client"], help="print it as code instead")
    replay.add_argument("--url", default="http://127.0.0.1:7860", help="of a running page, for --as curl and gradio_client")
    _added(replay, under, replay_command)
    replay.set_defaults(model=None, dtype=None)  # those of the file


def _sweep_parser(commands: Any, under: str) -> None:
    told = "write samples on a grid of temperature and top-p, with the same seeds in each cell"
    sweep = commands.add_parser("sweep", help=told, description=told[0].upper() + told[1:] + ".")
    text_argument(sweep)
    sweep.add_argument("--temperature", default="0.5,0.8,1.1", metavar="LIST", help="separated by commas (default 0.5,0.8,1.1)")
    sweep.add_argument("--top-p", default="0.9,1", metavar="LIST", help="separated by commas (default 0.9,1)")
    sweep.add_argument("--samples", type=int, default=1, metavar="N", help="texts of each pair (default 1)")
    sweep.add_argument("--max-new-tokens", type=int, default=40, metavar="N", help="most tokens of each text (default 40)")
    sweep.add_argument("--repetition-penalty", type=float, default=1.0, help="above 1: repeats less")
    sweep.add_argument("--seed", type=int, default=0, help="of the first text of each pair (default 0)")
    sweep.add_argument("--csv", type=Path, metavar="FILE", help="write the table there")
    _added(sweep, under, sweep_command)


def _added(parser: argparse.ArgumentParser, under: str, function: Any) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    model_arguments(parser)
    parser.set_defaults(**{under: function})


def replay_command(options: argparse.Namespace) -> None:
    """Run it again with the model that the file or the options name; or print it as code."""
    from neoxjp.labs.common.terminal import load_tokenizer
    from neoxjp.labs.replay.as_code import as_code
    from neoxjp.labs.replay.records import from_json, replay, told

    try:
        state = from_json(options.file.read_bytes())
    except OSError as error:
        raise ParameterError(f"cannot read {options.file}: {error.strerror}") from error
    _as_saved(options, state)
    if options.way:
        code = as_code(state, load_tokenizer(options), options.way, options.url)
        emit(asdict(code)) if options.json else print(code.code)
        return
    model, tokenizer = load_model(options)
    found = replay(state, model, tokenizer)
    if options.json:
        emit({"file": str(options.file), **asdict(found)})
        return
    print(tokenizer.decode(state.prompt_ids, skip_special_tokens=True) + tokenizer.decode(found.ids, skip_special_tokens=True))
    print(*told(state, found), sep="\n", file=sys.stderr)


def _as_saved(options: argparse.Namespace, state: "State") -> None:
    """Fill in what the options leave open: the model of the file, in the format it had."""
    from neoxjp.labs.replay.records import BUNDLED

    if options.model is None:
        name = str(bundled_path()) if state.name == BUNDLED else state.name
        options.model, options.revision = name, options.revision or state.revision
        options.quantization = options.quantization or state.setup.quantization
    if options.dtype is None:
        options.dtype = state.setup.dtype if state.setup.packed or state.setup.dtype != "float16" else "auto"


def sweep_command(options: argparse.Namespace) -> None:
    """The samples as they are ready; with --csv as a table in a file."""
    from neoxjp.engine import Engine
    from neoxjp.labs.side_by_side.sweep import row, sweep, to_csv
    from neoxjp.sampling import SamplingParams

    text = read_text(options.text)
    temperatures, top_ps = numbers(options.temperature, "--temperature"), numbers(options.top_p, "--top-p")
    params = SamplingParams(
        do_sample=True,
        top_k=0,
        repetition_penalty=options.repetition_penalty,
        seed=options.seed,
        max_new_tokens=options.max_new_tokens,
    )
    model, tokenizer = load_model(options)
    samples = []
    for progress in sweep(Engine(model, tokenizer), text, temperatures, top_ps, params, options.samples):
        sample = progress.sample
        samples.append(sample)
        if options.json:
            continue
        if sys.stderr.isatty():
            print(f"{progress.done} of {progress.total}", end="\r", file=sys.stderr, flush=True)
        measured = sample.measures
        bits = "–" if measured.bits_per_character is None else f"{measured.bits_per_character:.2f}"
        print(
            f"temperature {sample.temperature:g}, top-p {sample.top_p:g}, seed {sample.seed}: {measured.tokens} tokens "
            f"({sample.finish}), {bits} bits a character, distinct-2 {measured.distinct_2:.2f}\n"
            f"  {json.dumps(sample.text, ensure_ascii=False)}"
        )
    if options.csv:
        try:
            options.csv.write_bytes(to_csv(samples))
        except OSError as error:
            raise ParameterError(f"cannot write {options.csv}: {error.strerror}") from error
    if options.json:
        emit({"prompt": text, "samples": [row(sample) | {"ids": sample.ids} for sample in samples]})


def numbers(text: str, option: str) -> list[float]:
    """ "0.5, 0.8" → [0.5, 0.8], each once. Raises ParameterError; ranges are checked by SamplingParams."""
    try:
        return list(dict.fromkeys(float(word) for word in text.split(",")))
    except ValueError:
        raise ParameterError(f"{option} {text!r:.60} must be numbers separated by commas, such as 0.5,0.8") from None
