"""`neoxjp sweep`: samples on a grid of temperature and top-p, with the same seeds in each cell."""

import json as jsons
import sys
from typing import Annotated, Any

from neoxjp.errors import ParameterError
from neoxjp.labs.common.command import Command, Csv, Json, ModelOptions, Text, emit, load_model, option, read_text, write_csv


def sweep(
    model: ModelOptions,
    text: Text = None,
    temperature: Annotated[str, option("Temperatures, separated by commas.", metavar="LIST")] = "0.5,0.8,1.1",
    top_p: Annotated[str, option("Values of top-p, separated by commas.", metavar="LIST")] = "0.9,1",
    samples: Annotated[int, option("Samples of each pair.", metavar="N")] = 1,
    max_new_tokens: Annotated[int, option("Maximum tokens of each sample.", metavar="N")] = 40,
    seed: Annotated[int, option("Seed of the first sample of each pair.")] = 0,
    csv: Csv = None,
    json: Json = False,
    **sampling: Any,
) -> None:
    """Generate samples on a grid of temperature and top-p, with the same seeds in each cell."""
    from neoxjp.engine import Engine
    from neoxjp.labs.side_by_side import records as grid
    from neoxjp.sampling import SamplingParams

    text = read_text(text)
    temperatures, top_ps = numbers(temperature, "--temperature"), numbers(top_p, "--top-p")
    params = SamplingParams(do_sample=True, seed=seed, max_new_tokens=max_new_tokens, **sampling)
    network, tokenizer = load_model(model)
    found = []
    for progress in grid.sweep(Engine(network, tokenizer), text, temperatures, top_ps, params, samples):
        sample = progress.sample
        assert sample is not None  # reports in between are not asked for
        found.append(sample)
        if json:
            continue
        if sys.stderr.isatty():
            print(f"{progress.done} of {progress.total}", end="\r", file=sys.stderr, flush=True)
        measured = sample.measures
        bits = "–" if measured.bits_per_character is None else f"{measured.bits_per_character:.2f}"
        print(
            f"temperature {sample.temperature:g}, top-p {sample.top_p:g}, seed {sample.seed}: {measured.tokens} tokens "
            f"({sample.finish}), {bits} bits a character, distinct-2 {measured.distinct_2:.2f}\n"
            f"  {jsons.dumps(sample.text, ensure_ascii=False)}"
        )
    if csv:
        write_csv(csv, map(grid.to_row, found))
    if json:
        emit({"prompt": text, "samples": [grid.to_row(sample) | {"ids": sample.ids} for sample in found]})


def numbers(text: str, option: str) -> list[float]:
    """ "0.5, 0.8" → [0.5, 0.8], each once. Raises ParameterError; ranges are checked by SamplingParams."""
    try:
        return list(dict.fromkeys(float(word) for word in text.split(",")))
    except ValueError:
        raise ParameterError(f"{option} {text!r:.60} must be numbers separated by commas, such as 0.5,0.8") from None


COMMANDS = (Command("sweep", sweep, "neoxjp sweep 吾輩は --temperature 0.5,0.8,1.1 --top-p 0.9,1"),)
