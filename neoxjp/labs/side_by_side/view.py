"""Texts side by side and a grid of samples, as values for view.html."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from neoxjp.labs.common.measures import Measures
from neoxjp.labs.common.templates import render
from neoxjp.labs.side_by_side.records import ColumnState, Comparison, Sample
from neoxjp.page_parts.strings import Words

TEMPLATE = "labs/side_by_side/view.html"
MAX_ROWS = 300  # of the token table
LOOP = 3  # with this many repeats of ten ids, the second half of the text is a loop

MEASURES = (
    ("tokens", "tokens", ",", 0.0),
    ("distinct", "distinct_2", "z.2f", 1.0),
    ("repeats", "repeats", "d", 2.0 * LOOP),
    ("logprob", "mean_logprob", "z.2f", 0.0),
    ("bits", "bits_per_character", "z.2f", 0.0),
)
"""The bars of a column: key of its name, field of `Measures`, format, and the number that the scale reaches at least."""

Fact = tuple[str, str]
"""Name and value of a setting, both in words."""
Parts = list[tuple[str, int | None]]
"""A text in parts; before each but the first, the number of the column from which the text differs there."""
Row = tuple[str, float, float, str]
"""A measure as a bar: key of its name, its value, the end of the scale, the value in words."""


def columns(
    states: Sequence[ColumnState],
    found: Comparison,
    own: Sequence[Sequence[Fact]],
    common: Sequence[Fact],
    prompt: str,
    over: bool,
    same_vocabulary: bool,
    t: Words,
    names: Sequence[Callable[[int], str]],
) -> str:
    """All columns.

    Args:
        own: the settings that each column has for itself; common: those of all.
        over: nothing more comes.
        names: for each column, the piece of an id in the vocabulary of its model.
    """
    places = [different_at(found, states, number, over) for number in range(len(states))]
    cards = [
        {
            "own": own[number],
            "parts": parts(state.text, number, places),
            "same": over and number > 0 and places[number] is None and bool(state.steps),
            "failed": (state.failed_ja if t.lang == "ja" else "") or state.failed,
            "status": status(state, over, t),
            "rows": rows(found.measures[number], found.measures),
            "loop": found.measures[number].repeats >= LOOP,
        }
        for number, state in enumerate(states)
    ]
    table = found.rows if over else ()
    values: dict[str, Any] = {"cards": cards, "common": common, "prompt": prompt, "same_vocabulary": same_vocabulary}
    values |= {"rows": table[:MAX_ROWS], "rest": max(0, len(table) - MAX_ROWS), "names": names, "exp": math.exp}
    return render(TEMPLATE, "columns", t, **values)


def different_at(found: Comparison, states: Sequence[ColumnState], number: int, over: bool) -> int | None:
    """The character of a column's text from which it differs from the first column; None: nowhere (yet)."""
    token, character = found.first_different_token[number], found.first_different_character[number]
    if token is not None:
        place = sum(len(step.text) for step in states[number].steps[:token])
        reached = min(len(states[0].steps), len(states[number].steps))
        return place if over or token < reached else None  # a column that is only shorter now may still become the same
    if character is None:
        return None
    return character if over or character < min(len(states[0].text), len(states[number].text)) else None


def parts(text: str, number: int, places: Sequence[int | None]) -> Parts:
    """The text cut where it differs: a later column from the first, the first column from each of the others."""
    others = range(1, len(places)) if number == 0 else [number]
    signs = sorted((place, 1 if number else other + 1) for other in others if (place := places[other]) is not None)
    starts = [0, *(place for place, _ in signs)]
    texts = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    return list(zip(texts, [None, *(other for _, other in signs)], strict=True))


def status(state: ColumnState, over: bool, t: Words) -> str:
    """What a column is doing, or how it ended."""
    if state.failed:
        return t("side_by_side_finish_error")
    if state.finish is not None or over:
        return t(f"side_by_side_finish_{state.finish or 'cancelled'}")
    if state.waiting:
        return t("generate_waiting", n=state.waiting)
    if not state.steps:
        return t("side_by_side_prefill", n=f"{state.prefilled:,}", total=f"{len(state.prompt_ids):,}")
    return t("side_by_side_running", n=f"{len(state.steps):,}")


def rows(mine: Measures, all: Sequence[Measures]) -> list[Row]:
    """The measures of a column as bars, on scales that all columns share."""
    found = []
    for key, name, form, least in MEASURES:
        value = getattr(mine, name)
        if mine.tokens and value is not None:
            largest = max(least, *(abs(getattr(one, name) or 0) for one in all))
            found.append((key, abs(value), largest, format(value, form)))
    return found


def grid(
    samples: Mapping[tuple[float, float], Sample],
    temperatures: Sequence[float],
    top_ps: Sequence[float],
    t: Words,
    prompt: str = "",
) -> str:
    """A row for each temperature, a column for each top-p; a cell without its sample is empty.

    prompt: of the samples, since the prompt on the page may change.
    """
    axes = {"temperatures": temperatures, "top_ps": top_ps, "samples": samples}
    return render(TEMPLATE, "grid", t, **axes, prompt=prompt, loop_from=LOOP)
