"""The endpoint /side_by_side: the same columns as on the page, with plain values in and out."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from typing import Any

import gradio as gr

from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.labs.side_by_side.records import FEWEST, MOST, Column, Update, compared
from neoxjp.labs.side_by_side.run import LOADED, engines_of, opening, writer
from neoxjp.page_parts.answers import message_of, plain
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.settings import Settings, stop_strings
from neoxjp.sampling.sampler import SamplingParams

OWN = (
    *("temperature", "top_p", "top_k", "min_p", "typical_p", "repetition_penalty", "no_repeat_ngram_size"),
    *("min_new_tokens", "seed", "stop"),
)


def side_by_side(playground: Playground) -> Callable[..., Iterator[dict[str, Any]]]:
    """The function behind /side_by_side."""
    updates = writer(playground, None)

    def write_columns(
        prompt: str, columns: list[dict[str, Any]], max_new_tokens: int = 100, request: gr.Request | None = None
    ) -> Iterator[dict[str, Any]]:
        """Go on from a text two to four times at once, with other settings or seeds, and compare the texts with the first.

        Args:
            prompt: what to go on from; empty: the model begins by itself.
            columns: two to four objects with any of temperature, top_p, top_k, min_p, typical_p, repetition_penalty,
                no_repeat_ngram_size, min_new_tokens, seed, stop. What is left out is as for /generate, the seed one for all.
            max_new_tokens: of each column.

        Returns:
            Records while the columns grow: columns (text without the prompt, ids, finish, seed, waiting, failed) and over.
            The last has compared: measures, first_token and first_character (where each leaves the first column, or null),
            rows (token by token: id, text, logprob, rank, same).
        """
        try:
            settings = replace(Settings(), length=length(max_new_tokens))
            engines = engines_of(playground, None, {LOADED})
            start, params = opening(playground, engines, string(prompt), settings)
            asked = [Column(each, LOADED) for each in params_of(columns, params)]
            for update in updates(start, asked):
                yield plain(record(update))
        except NeoxjpError as error:
            raise gr.Error(message_of(error, request), print_exception=False) from error

    return write_columns


def params_of(columns: Any, params: SamplingParams) -> list[SamplingParams]:
    """The settings of each column of an API call. Raises ParameterError: a name that is none, a value out of its range."""
    if not isinstance(columns, list) or not FEWEST <= len(columns) <= MOST or not all(isinstance(one, dict) for one in columns):
        raise ParameterError(f"columns: expected a list of {FEWEST} to {MOST} objects")
    if unknown := sorted({name for one in columns for name in one} - set(OWN)):
        raise ParameterError(f"columns: {unknown[0]!r:.40} is no setting; known are {', '.join(OWN)}")
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
