"""Generations side by side, and a grid of samples, as HTML: records of lab/generation/{columns,sweep}.py, escaped."""

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

from neoxjp.labs.common.html import Words, attributes, bar, notice, visible
from neoxjp.labs.common.measures import Measures
from neoxjp.labs.side_by_side.records import Cell, Compared, Grown
from neoxjp.labs.side_by_side.sweep import Sample

ROWS_SHOWN = 300  # rows of the token table
TAIL = 24  # characters of the prompt shown before each text
CIRCLES = 3  # a run of ten ids that comes so often in the last half: the text goes in a circle

Fact = tuple[str, str]
"""Name and value of a setting, both in words."""


def columns(
    grown: Sequence[Grown],
    found: Compared,
    own: Sequence[Sequence[Fact]],
    common: Sequence[Fact],
    prompt: str,
    over: bool,
    same: bool,
    say: Words,
    name: Callable[[int], str],
) -> str:
    """All columns. own: what each one has of its own, common: what they share; same: ids mean the same to all; name: of an id."""
    shared = " · ".join(f"{term} {value}" for term, value in common)
    head = f'<p class="c-common">{escape(say("columns_common"))} {escape(shared)}</p>' if shared else ""
    places = [_place(found, grown, number, over) for number in range(len(grown))]
    cards = "".join(
        _card(number, one, own[number], _signs(number, places), found.measures, prompt, over, say)
        for number, one in enumerate(grown)
    )
    table = _table(found, say, name, same) if over and any(one.steps for one in grown) else ""
    return f'{head}<div class="c-grid n{len(grown)}">{cards}</div>{table}'


def _place(found: Compared, grown: Sequence[Grown], number: int, over: bool) -> int | None:
    """The character of a column's text where it leaves the first column; None: nowhere (yet)."""
    token = found.first_token[number]
    if token is not None:
        place = sum(len(step.text) for step in grown[number].steps[:token])
        reached = min(len(grown[0].steps), len(grown[number].steps))
        return place if over or token < reached else None  # one that is only shorter now may still follow
    character = found.first_character[number]
    if character is None:
        return None
    return character if over or character < min(len(grown[0].text), len(grown[number].text)) else None


def _signs(number: int, places: Sequence[int | None]) -> list[tuple[int, int]]:
    """Where a column has a sign, and the number of the column that it goes apart from: the first one has one for each other."""
    if number:
        place = places[number]
        return [] if place is None else [(place, 1)]
    return sorted((place, other + 1) for other, place in enumerate(places) if other and place is not None)


def _card(
    number: int,
    one: Grown,
    own: Sequence[Fact],
    signs: Sequence[tuple[int, int]],
    measures: Sequence[Measures],
    prompt: str,
    over: bool,
    say: Words,
) -> str:
    facts = "".join(f"<span>{escape(term)} <b>{escape(value)}</b></span>" for term, value in own)
    before = _given(prompt)
    text, at = "", 0
    for place, other in signs:
        text += _text(one.text[at:place])
        at = max(at, place)
        spoken = escape(say("columns_leaves", n=other))
        text += f'<span class="c-sign" title="{spoken}"><i aria-hidden="true">≠{other}</i><span class="sr">{spoken}</span></span>'
    text += _text(one.text[at:])
    same = ""
    if over and number and not signs and one.steps:
        same = f'<p class="c-same">= {escape(say("columns_same"))}</p>'
    failed = ""
    if one.failed:
        failed = notice((one.failed_ja or one.failed) if say("columns_lang") == "ja" else one.failed, "error")
    title = say("columns_title", n=number + 1)
    return (
        f'<section class="c-col"{attributes(aria_label=title, data_column=number + 1)}>'
        f'<p class="c-head"><b class="c-number">{number + 1}</b>{facts}</p>'
        f'<p class="c-text" lang="ja">{before}{text}</p>{same}{failed}'
        f'<p class="c-state">{escape(_state(one, over, say))}</p>{_measures(measures[number], measures, say)}</section>'
    )


def _text(text: str) -> str:
    return visible(text).replace('<i class="blank">⏎</i>', '<i class="blank">⏎</i><br>')


def _given(prompt: str) -> str:
    """The end of the opening."""
    given = prompt[-TAIL:]
    return f'<span class="c-given">{"…" if len(given) < len(prompt) else ""}{_text(given)}</span>' if given else ""


def _state(one: Grown, over: bool, say: Words) -> str:
    if one.failed:
        return say("columns_finish_error")
    if one.finish is not None:
        return say(f"columns_finish_{one.finish}")
    if over:
        return say("columns_finish_cancelled")
    if one.waiting:
        return say("columns_waiting", n=one.waiting)
    if not one.steps:
        return say("columns_reading", n=f"{one.read:,}", total=f"{len(one.prompt_ids):,}")
    return say("columns_writing", n=f"{len(one.steps):,}")


def _measures(mine: Measures, all: Sequence[Measures], say: Words) -> str:
    """The numbers of a column, each with a bar on a scale that all columns share."""
    if not mine.tokens:
        return ""
    most_tokens = max(one.tokens for one in all)
    deepest = max((-one.mean_logprob for one in all if one.mean_logprob is not None), default=0.0)
    dearest = max((one.bits_per_character for one in all if one.bits_per_character is not None), default=0.0)
    circle = f" ↻ {say('columns_circle')}" if mine.repeats >= CIRCLES else ""
    rows = [
        ("columns_tokens", bar(mine.tokens, most_tokens, f"{mine.tokens:,}")),
        ("columns_distinct", bar(mine.distinct_2, 1.0, f"{mine.distinct_2:.2f}")),
        ("columns_repeats", bar(mine.repeats, max(2 * CIRCLES, *(one.repeats for one in all)), f"{mine.repeats}{circle}")),
    ]
    if mine.mean_logprob is not None:
        rows.append(("columns_logprob", bar(-mine.mean_logprob, deepest, f"{mine.mean_logprob:.2f}")))
    if mine.bits_per_character is not None:
        rows.append(("columns_bpc", bar(mine.bits_per_character, dearest, f"{mine.bits_per_character:.2f}")))
    return f'<dl class="c-measures">{"".join(f"<dt>{escape(say(key))}</dt><dd>{drawn}</dd>" for key, drawn in rows)}</dl>'


def _table(found: Compared, say: Words, name: Callable[[int], str], same: bool) -> str:
    """Token by token, folded away."""
    heads = "".join(f'<th scope="col">{escape(say("columns_title", n=n + 1))}</th>' for n in range(len(found.measures)))
    rows = ""
    for place, cells in enumerate(found.rows[:ROWS_SHOWN], 1):
        drawn = "".join(_cell(cell, number, same, say, name) for number, cell in enumerate(cells))
        rows += f'<tr><th scope="row">{place:,}</th>{drawn}</tr>'
    rest = len(found.rows) - ROWS_SHOWN
    more = notice(say("columns_more_rows", n=f"{ROWS_SHOWN:,}", rest=f"{rest:,}")) if rest > 0 else ""
    note = escape(say("columns_table_note" if same else "columns_table_strangers"))
    return (
        f'<details class="c-table"><summary>{escape(say("columns_table"))}</summary><p class="c-note">{note}</p>'
        f'<div class="c-scroll" tabindex="0"><table><thead><tr><th scope="col">#</th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{more}</details>"
    )


def _cell(cell: Cell | None, number: int, same: bool, say: Words, name: Callable[[int], str]) -> str:
    if cell is None:
        return f'<td class="c-none">– <span class="sr">{escape(say("columns_ended"))}</span></td>'
    shown = visible(cell.text) if cell.text else f'<i class="blank">{escape(name(cell.id) or "∅")}</i>'
    sign = "" if number == 0 or not same else f"<i>{'=' if cell.same else '≠'}</i> "
    chance = "" if cell.logprob is None else f" <small>{percent(math.exp(cell.logprob))}</small>"
    facts = attributes(class_="c-other" if same and number and not cell.same else None, title=f"id {cell.id}")
    return f'<td{facts}>{sign}<span lang="ja">{shown}</span>{chance}</td>'


def percent(share: float) -> str:
    """0.612 → "61.2 %"; what would be 0.0 is "< 0.1 %"."""
    return f"{100 * share:.1f} %" if share >= 0.0005 else "< 0.1 %"


def grid(
    samples: Mapping[tuple[float, float], Sample],
    temperatures: Sequence[float],
    top_ps: Sequence[float],
    say: Words,
    prompt: str = "",
) -> str:
    """A sweep: a row for each temperature, a column for each top-p; a cell that is not written yet is empty.

    prompt: what the samples go on from; the one on the page may be another by now.
    """
    heads = "".join(f'<th scope="col">top-p {top_p:g}</th>' for top_p in top_ps)
    rows = ""
    for temperature in temperatures:
        cells = "".join(_sample(samples.get((temperature, top_p)), say) for top_p in top_ps)
        rows += f'<tr><th scope="row">{escape(say("columns_temperature"))} {temperature:g}</th>{cells}</tr>'
    corner = f"<td>{escape(say('columns_sweep_corner'))}</td>"
    table = f"<table><thead><tr>{corner}{heads}</tr></thead><tbody>{rows}</tbody></table>"
    before = f'<p class="c-common" lang="ja">{_given(prompt)} …</p>' if prompt else ""
    return f'{before}<div class="c-scroll c-sweep" tabindex="0">{table}</div>'


def _sample(sample: Sample | None, say: Words) -> str:
    if sample is None:
        return '<td class="c-none">…</td>'
    found = sample.measures
    price = "–" if found.bits_per_character is None else f"{found.bits_per_character:.2f}"
    circle = " ↻" if found.repeats >= CIRCLES else ""
    note = say("columns_sweep_note", distinct=f"{found.distinct_2:.2f}", bits=price) + circle
    text = _text(sample.text) if sample.text else f'<i class="blank">{escape(say("columns_nothing"))}</i>'
    return f'<td><p lang="ja">{text}</p><small>{escape(note)}</small></td>'
