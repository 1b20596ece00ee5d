"""The endpoints /side_by_side and /sweep: the columns and the grid of the page, with plain values in and out."""

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from typing import Any

from neoxjp.errors import ParameterError
from neoxjp.labs.side_by_side.records import FEWEST, MOST, Column, Update, compared
from neoxjp.labs.side_by_side.run import LOADED, engines_of, opening, writer
from neoxjp.labs.side_by_side.sweep import Progress, row
from neoxjp.labs.side_by_side.sweep_section import LONGEST, MOST_SAMPLES, sampler, start_of
from neoxjp.labs.side_by_side.sweep_section import MOST as MOST_VALUES
from neoxjp.page_parts.endpoints import Endpoint, endpoint
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.settings import Settings, stop_strings
from neoxjp.sampling import OPTIONS, Option, SamplingParams, named


def endpoints(playground: Playground) -> list[Endpoint]:
    """The section's actions as API: /side_by_side and /sweep."""
    updates = writer(playground, None)
    samples = sampler(playground)

    @endpoint("side_by_side", at_once=4, needs="model")
    def side_by_side(
        prompt: str, columns: list[dict[str, Any]], max_new_tokens: int = named(OPTIONS, "max_new_tokens").recommended
    ) -> Iterator[dict[str, Any]]:
        """Go on from a text two to four times at once, with other settings or seeds, and compare the texts with the first.

        Args:
            prompt: what to go on from; empty: the model begins by itself.
            columns: two to four objects with any of the sampling options of /generate but max_new_tokens. What is left out is as
                for /generate, the seed one for all.
            max_new_tokens: of each column.

        Returns:
            Records while the columns grow: columns (text without the prompt, ids, finish, seed, waiting, failed) and over.
            The last has compared: measures, first_token and first_character (where each leaves the first column, or null),
            rows (token by token: id, text, logprob, rank, same).
        """
        settings = Settings.set(max_new_tokens=length(max_new_tokens))
        engines = engines_of(playground, None, {LOADED})
        start, params = opening(playground, engines, string(prompt), settings)
        asked = [Column(each, LOADED) for each in params_of(columns, params, playground.options)]
        for update in updates(start, asked):
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
        """Write small samples of one text on a grid of temperature × top-p, with the same seeds in each cell.

        Args:
            prompt: what to go on from; empty: the model begins by itself.
            temperatures: up to five.
            top_ps: up to five.
            max_new_tokens: of each sample, at most 40.
            samples_each: so many for each pair, at most four; they have the seed and the numbers behind it.
            repetition_penalty: above 1, tokens that were there already come back less.
            seed: the first; null takes a fresh one, and the records say which.

        Returns:
            A record after each sample: done, total, and sample (temperature, top_p, seed, tokens, characters, distinct_1,
            distinct_2, distinct_3, repeats, mean_logprob in nats, bits_per_character, finish, text, ids).
        """
        for name, given in (("temperatures", temperatures), ("top_ps", top_ps)):
            if not isinstance(given, list) or not 1 <= len(given) <= MOST_VALUES:
                raise ParameterError(f"{name}: expected a list of 1 to {MOST_VALUES} numbers")
        for name, value, most in (("max_new_tokens", max_new_tokens, LONGEST), ("samples_each", samples_each, MOST_SAMPLES)):
            if type(value) is not int or not 1 <= value <= most:
                raise ParameterError(f"{name}={value!r:.40} must be a whole number from 1 to {most}")
        settings = Settings.set(max_new_tokens=max_new_tokens, seed="" if seed is None else str(seed))
        start, params = start_of(playground, prompt, settings)
        params = replace(params, repetition_penalty=repetition_penalty)
        for progress in samples(start, temperatures, top_ps, params, samples_each):
            if not isinstance(progress, Progress):
                continue
            sample = row(progress.sample) | {"ids": list(progress.sample.ids)}
            yield {"done": progress.done, "total": progress.total, "sample": sample}

    return [side_by_side, sweep]


def params_of(columns: Any, params: SamplingParams, options: Iterable[Option] = OPTIONS) -> list[SamplingParams]:
    """The settings of each column of an API call. Raises ParameterError: a name that is none, a value out of its range."""
    if not isinstance(columns, list) or not FEWEST <= len(columns) <= MOST or not all(isinstance(one, dict) for one in columns):
        raise ParameterError(f"columns: expected a list of {FEWEST} to {MOST} objects")
    known = [option.name for option in options if option.name != "max_new_tokens"]
    if unknown := sorted({name for one in columns for name in one} - set(known)):
        raise ParameterError(f"columns: {unknown[0]!r:.40} is not a sampling option of a column; these are: {', '.join(known)}")
    fresh = secrets.randbelow(1_000_000)
    found = []
    for one in columns:
        values = dict(one)
        if "stop" in values:
            values["stop"] = stop_strings([values["stop"]] if isinstance(values["stop"], str) else values["stop"])
        found.append(replace(params, **({"seed": fresh} | {name: value for name, value in values.items() if value is not None})))
    return found


def length(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise ParameterError(f"max_new_tokens={value!r:.40} must be a whole number from 1 upwards")
    return value


def string(value: Any) -> str:
    if not isinstance(value, str):
        raise ParameterError(f"prompt={value!r:.40}: expected a string")
    return value


def record(update: Update) -> dict[str, Any]:
    """An update for the API; the last one with the comparison."""
    columns = [
        {
            "text": column.text,
            "ids": [step.id for step in column.steps],
            "finish": column.finish,
            "seed": column.seed,
            "waiting": column.waiting,
            "failed": column.failed,
        }
        for column in update.columns
    ]
    last = {"compared": asdict(compared(update.columns))} if update.over else {}
    return {"columns": columns, "over": update.over} | last
