"""The columns: their settings, and the generator that runs them and yields what the page shows. No components."""

import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

from neoxjp.engine import TextEngine, fit_prompt, token_text_function
from neoxjp.errors import ParameterError
from neoxjp.labs.common import html as render
from neoxjp.labs.common import steps as render_steps
from neoxjp.labs.side_by_side import records, view
from neoxjp.labs.side_by_side.records import MAX_COLUMNS, Column, Update, shares_vocabulary
from neoxjp.labs.side_by_side.strings import strings
from neoxjp.page_parts.answers import Run, check_length
from neoxjp.page_parts.gradio_private import current_visitor
from neoxjp.page_parts.session.playground import Playground, Ready
from neoxjp.page_parts.session.zerogpu import gpu
from neoxjp.page_parts.strings import Lang, Words
from neoxjp.page_parts.text.settings import Settings, seed_of
from neoxjp.page_parts.text.writing import max_new_tokens_that_fit
from neoxjp.sampling import OPTIONS, SamplingParams, named

Differs = Literal["temperature", "top_p", "repetition_penalty", "seed", "model", "custom"]
NUMBERS = ("temperature", "top_p", "repetition_penalty")  # the sampling options that a column has for itself
OTHERS: dict[str, tuple[float, ...]] = {  # values for the other columns; the first column's own one is left out
    "temperature": (0.4, 1.2, 0.0, 0.8),
    "top_p": (0.5, 1.0, 0.8, 0.95),
    "repetition_penalty": (1.0, 1.3, 1.1, 1.5),
}
LONGEST_SEED = 40  # characters
LOADED, SECOND = "loaded", "second"  # keys of the two models
EVERY = 1 / 8  # seconds between two updates

StreamColumns = Callable[[str | Sequence[int], Sequence[Column]], Iterator[Update]]


@dataclass(frozen=True)
class ColumnSettings:
    """The fields of a column; everything else is as set in the tab."""

    temperature: float = named(OPTIONS, "temperature").recommended
    top_p: float = named(OPTIONS, "top_p").recommended
    repetition_penalty: float = named(OPTIONS, "repetition_penalty").recommended
    seed: str = ""  # empty: a new one, the same for all columns
    model: str = LOADED


def suggest(settings: Settings, differs: Differs) -> list[ColumnSettings]:
    """The first column as the tab is set, the others with one setting changed."""
    first = ColumnSettings(**{name: settings[name] for name in NUMBERS}, seed=settings["seed"].strip())
    if differs in OTHERS:
        own = getattr(first, differs)
        changed = [value for value in OTHERS[differs] if abs(value - own) > 1e-9][: MAX_COLUMNS - 1]
        return [first, *(replace(first, **{differs: value}) for value in changed)]  # type: ignore[arg-type]
    if differs == "model":
        return [replace(first, model=(LOADED, SECOND)[number % 2]) for number in range(MAX_COLUMNS)]
    seed = first.seed
    return [first, *(replace(first, seed=str(int(seed) + n) if seed.isdecimal() else "") for n in range(1, MAX_COLUMNS))]


def read_fields(values: Sequence[Any]) -> list[ColumnSettings]:
    """The columns as their fields say; an emptied field has its default."""
    names = list(asdict(ColumnSettings()))
    columns = [dict(zip(names, values[at : at + len(names)], strict=True)) for at in range(0, len(values), len(names))]
    return [ColumnSettings(**{name: value for name, value in column.items() if value is not None}) for column in columns]


def values_of(columns: list[ColumnSettings]) -> list[Any]:
    """The values of the fields, column by column."""
    return [value for column in columns for value in asdict(column).values()]


def fields_for_link(values: Sequence[Any], filled: Sequence[Any]) -> str:
    """The values of the fields for a link; "" where they are those that the page `filled` in."""
    return "" if read_fields(values) == read_fields(filled) else json.dumps(list(values), ensure_ascii=False)


def fields_from_link(text: str) -> list[Any] | None:
    """The values of the fields from a link; None where it holds no such values."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    fields = values_of([ColumnSettings()] * MAX_COLUMNS)
    if not isinstance(values, list) or len(values) != len(fields):
        return None
    return values if all(map(_fits, values, fields)) else None


def _fits(value: Any, usual: float | str) -> bool:
    """Whether a field, whose usual value this is, can have a value."""
    if usual == LOADED:
        return value in (LOADED, SECOND)
    if isinstance(usual, str):
        return isinstance(value, str) and len(value) <= LONGEST_SEED
    return type(value) in (int, float) and abs(value) < 1e15


def choose(
    differs: Differs, settings: Settings, values: Sequence[Any], filled: Sequence[Any]
) -> tuple[Differs, list[ColumnSettings]]:
    """What differs, and the columns: as the tab is set now, or "custom" once a field has another value than was `filled` in."""
    now = read_fields(values)
    if differs == "custom" or now != read_fields(filled):
        return "custom", now
    return differs, suggest(settings, differs)


def run_columns(
    playground: Playground,
    other: Playground | None,
    streamer: StreamColumns,
    run: Run,
    prompt: str,
    settings: Settings,
    asked: Sequence[ColumnSettings],
    differs: str,
    t: Words,
) -> Iterator[tuple[str, str]]:
    """Generate the columns, and yield the line and the columns as HTML. What was generated is kept when it is stopped.

    Raises NeoxjpError before anything is generated.
    """
    run.running, run.stopped = True, False
    engines = engines_of(playground, other, {each.model for each in asked})
    start, params = prepare(playground, engines, prompt, settings)
    new_seed = secrets.randbelow(1_000_000)
    columns = []
    for number, each in enumerate(asked):
        seed = seed_of(each.seed)
        if seed is None:
            seed = new_seed + (number if differs == "seed" else 0)
        own = {name: getattr(each, name) for name in NUMBERS}
        columns.append(Column(replace(params, **own, seed=seed), each.model))
    loaded = {key: model.loaded for key, model in ((LOADED, playground), (SECOND, other)) if model and model.loaded}
    same = shares_vocabulary(list(engines.values()))
    # The result is kept: it must not keep a model, which would stay in memory after it is unloaded.
    titles = {lang: {key: each.title(strings.words(lang)("bundled")) for key, each in loaded.items()} for lang in get_args(Lang)}
    name_of = {key: token_text_function(model.tokenizer) for key, model in loaded.items()}
    names = [name_of[column.engine] for column in columns]

    def html_of(update: Update, over: bool, t: Words) -> str:
        found = records.compare(update.columns, same)
        common, own_facts = split_settings(columns, titles[t.lang], t)
        shown = (own_facts, common, render.replace_surrogates(prompt), over, same)
        return view.columns(update.columns, found, *shown, t, names)

    stream, last = streamer(start, columns), None
    try:
        for last in stream:
            if last.over or run.stopped:
                break
            done = max(len(column.steps) for column in last.columns)
            line = render_steps.working(t("side_by_side_running", n=f"{done:,}"), done, params.max_new_tokens or 0)
            yield line, html_of(last, False, t)
    finally:
        stream.close()  # type: ignore[attr-defined]  # a generator; frees the slots
        run.running = False
    if last is not None:
        end, total = last, sum(len(column.steps) for column in last.columns)

        def draw(t: Words) -> tuple[str, str]:
            line = t("side_by_side_done", n=len(columns), total=f"{total:,}") if end.over else t("side_by_side_stopped")
            return render_steps.working(line), html_of(end, True, t)

        line, html = run.result.show(draw, t)
        yield line, html


def engines_of(playground: Playground, other: Playground | None, keys: set[str]) -> dict[str, TextEngine]:
    """The engines by the keys of their models. Raises NotReady, or ParameterError where there is no second model."""
    engines = {LOADED: playground.ready.engine} if LOADED in keys else {}
    if SECOND in keys:
        if other is None or not isinstance(other.loaded, Ready):
            raise strings.error(ParameterError, "side_by_side_no_second")
        engines[SECOND] = other.loaded.engine
    return engines


def prepare(
    playground: Playground, engines: dict[str, TextEngine], prompt: str, settings: Settings
) -> tuple[str | Sequence[int], SamplingParams]:
    """The prompt and what all columns share. The prompt is text where vocabularies differ, else ids, truncated if that is set."""
    loaded = playground.ready
    check_length(playground, prompt)
    ids = tuple(loaded.tokenizer.encode(prompt))
    most, _ = max_new_tokens_that_fit(playground, loaded, len(ids), settings["max_new_tokens"], settings.truncate)
    params = settings.params(most)
    if prompt and not shares_vocabulary(list(engines.values())):
        return prompt, params
    return fit_prompt(
        ids, params, loaded.model.config.max_position_embeddings, "truncate" if settings.truncate else "error"
    ), params


def column_streamer(playground: Playground, other: Playground | None) -> StreamColumns:
    """The function that generates columns with the models of both playgrounds: (prompt, columns) → updates."""

    @gpu(duration=column_seconds)
    def stream(prompt: str | Sequence[int], columns: Sequence[Column]) -> Iterator[Update]:
        engines = engines_of(playground, other, {column.engine for column in columns})
        yield from records.side_by_side(engines, prompt, columns, every=EVERY, visitor=current_visitor())

    return stream


def column_seconds(prompt: str | Sequence[int], columns: Sequence[Column]) -> int:
    """The longest time for which a GPU is reserved."""
    return min(120, 15 + max((column.params.max_new_tokens or 100) for column in columns) // 10)


def split_settings(columns: Sequence[Column], titles: dict[str, str], t: Words) -> tuple[list[view.Fact], list[list[view.Fact]]]:
    """The settings that all columns share, and those that each has for itself, in words."""
    names = (*NUMBERS, "max_new_tokens", "seed")
    rows = []
    for column in columns:
        row = {t(f"option_{name}"): f"{getattr(column.params, name):{'g' if name in NUMBERS else ''}}" for name in names}
        rows.append(row | {t("side_by_side_model"): titles.get(column.engine, "")})
    shared = [name for name in rows[0] if len({row[name] for row in rows}) == 1]
    common = [(name, rows[0][name]) for name in shared]
    return common, [[(name, value) for name, value in row.items() if name not in shared] for row in rows]
