"""The endpoints /side_by_side and /sweep: the columns and the grid of the page, with plain values in and out."""

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from typing import Any

from neoxjp.errors import ParameterError
from neoxjp.labs.side_by_side.records import MAX_COLUMNS, MIN_COLUMNS, Column, Update, compare, to_row
from neoxjp.labs.side_by_side.section.columns import LOADED, column_streamer, engines_of, prepare
from neoxjp.labs.side_by_side.section.sweep import MAX_LENGTH, MAX_VALUES, prepare_grid, sample_streamer
from neoxjp.page_parts.endpoints import Endpoint, endpoint
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.text.settings import Settings, stop_strings
from neoxjp.sampling import OPTIONS, Option, SamplingParams, named

MAX_SAMPLES_EACH = 4  # for each pair of a grid


def endpoints(playground: Playground) -> list[Endpoint]:
    """The section's actions as API: /side_by_side and /sweep."""
    stream_columns = column_streamer(playground, None)
    stream_samples = sample_streamer(playground)

    @endpoint("side_by_side", at_once=4, needs="model")
    def side_by_side(
        prompt: str, columns: list[dict[str, Any]], max_new_tokens: int = named(OPTIONS, "max_new_tokens").recommended
    ) -> Iterator[dict[str, Any]]:
        """Generate two to four continuations of a prompt at the same time, with other settings or seeds, and compare them.

        Args:
            prompt: the text to continue; empty: the model starts a text.
            columns: two to four objects with sampling options of /generate, except max_new_tokens. Options that are left out have
                the defaults of /generate; the seed is then the same for all.
            max_new_tokens: maximum length of each column.

        Returns:
            Records while the columns are generated: columns (text without the prompt, ids, finish, seed, waiting, failed), over.
            The last one has comparison: measures, first_different_token and first_different_character (of each column from the
            first, or null), rows (by position: id, text, logprob, rank, same).
        """
        settings = Settings.set(max_new_tokens=integer("max_new_tokens", max_new_tokens))
        start, params = prepare(playground, engines_of(playground, None, {LOADED}), prompt, settings)
        asked = [Column(each, LOADED) for each in params_of(columns, params, playground.options)]
        for update in stream_columns(start, asked):
            yield record(update)

    @endpoint("sweep", at_once=2, needs="model")
    def sweep(
        prompt: str,
        temperatures: list[float],
        top_ps: list[float],
        max_new_tokens: int = 20,
        samples_each: int = 1,
        repetition_penalty: float = named(OPTIONS, "repetition_penalty").recommended,
        seed: int | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Generate short samples on a grid of temperature × top-p, with the same seeds in each cell.

        Args:
            prompt: the text to continue; empty: the model starts a text.
            temperatures: up to five.
            top_ps: up to five.
            max_new_tokens: maximum length of each sample, at most 40.
            samples_each: samples of each pair, at most four; the n-th has seed + n.
            repetition_penalty: above 1, tokens that the text already contains become less likely.
            seed: of the first sample of each pair; null: a new one, which the records contain.

        Returns:
            A record after each sample: done, total, and sample (temperature, top_p, seed, tokens, characters, distinct_1,
            distinct_2, distinct_3, repeats, mean_logprob in nats, bits_per_character, finish, text, ids).
        """
        for name, given in (("temperatures", temperatures), ("top_ps", top_ps)):
            if not isinstance(given, list) or not 1 <= len(given) <= MAX_VALUES:
                raise ParameterError(f"{name}: expected a list of 1 to {MAX_VALUES} numbers")
        integer("max_new_tokens", max_new_tokens, MAX_LENGTH)
        integer("samples_each", samples_each, MAX_SAMPLES_EACH)
        settings = Settings.set(max_new_tokens=max_new_tokens, seed="" if seed is None else str(seed))
        start, params = prepare_grid(playground, prompt, settings)
        params = replace(params, repetition_penalty=repetition_penalty)
        for progress in stream_samples(start, temperatures, top_ps, params, samples_each):
            if progress.sample is not None:
                sample = to_row(progress.sample) | {"ids": list(progress.sample.ids)}
                yield {"done": progress.done, "total": progress.total, "sample": sample}

    return [side_by_side, sweep]


def params_of(columns: Any, params: SamplingParams, options: Iterable[Option] = OPTIONS) -> list[SamplingParams]:
    """The settings of each column of an API call. Raises ParameterError: an unknown name, a value out of its range."""
    of_objects = isinstance(columns, list) and all(isinstance(column, dict) for column in columns)
    if not of_objects or not MIN_COLUMNS <= len(columns) <= MAX_COLUMNS:
        raise ParameterError(f"columns: expected a list of {MIN_COLUMNS} to {MAX_COLUMNS} objects")
    known = [option.name for option in options if option.name != "max_new_tokens"]
    if unknown := sorted({name for column in columns for name in column} - set(known)):
        raise ParameterError(f"columns: {unknown[0]!r:.40} is not a sampling option of a column; these are: {', '.join(known)}")
    params = replace(params, seed=secrets.randbelow(1_000_000))
    found = []
    for column in columns:
        values = {name: value for name, value in column.items() if value is not None}
        if "stop" in values:
            values["stop"] = stop_strings([values["stop"]] if isinstance(values["stop"], str) else values["stop"])
        found.append(replace(params, **values))
    return found


def integer(name: str, value: Any, most: int | None = None) -> int:
    """The value. Raises ParameterError: it is not an integer from 1 to `most`."""
    if type(value) is not int or value < 1 or (most is not None and value > most):
        expected = "an integer of at least 1" if most is None else f"an integer from 1 to {most}"
        raise ParameterError(f"{name}={value!r:.40} must be {expected}")
    return value


def record(update: Update) -> dict[str, Any]:
    """An update for the API; the last one with the comparison."""
    names = ("text", "finish", "seed", "waiting", "failed")
    columns = [
        {name: getattr(column, name) for name in names} | {"ids": [step.id for step in column.steps]} for column in update.columns
    ]
    last = {"comparison": asdict(compare(update.columns))} if update.over else {}
    return {"columns": columns, "over": update.over} | last
