"""What columns are written, and how: the settings of each, the stream of updates, and what is shown of it. No components."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from neoxjp.engine import Engine, fit_prompt, token_text_function
from neoxjp.errors import ParameterError
from neoxjp.labs.common import html as render
from neoxjp.labs.common import steps as render_steps
from neoxjp.labs.side_by_side import view as render_columns
from neoxjp.labs.side_by_side.records import MOST, Column, Update, compared, shares_vocabulary, side_by_side
from neoxjp.labs.side_by_side.strings import strings
from neoxjp.page_parts.answers import check_length
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.settings import Settings, seed_of
from neoxjp.page_parts.strings import Words
from neoxjp.page_parts.writing import room
from neoxjp.page_parts.zerogpu import gpu
from neoxjp.sampling import OPTIONS, SamplingParams, named

PAINT = 1 / 8  # seconds between two paints: all columns are drawn anew
Differs = Literal["temperature", "top_p", "repetition_penalty", "seed", "model", "hand"]
OTHERS: dict[str, tuple[float, ...]] = {  # what the columns beside the first try, but for the first one's own value
    "temperature": (0.4, 1.2, 0.0, 0.8),
    "top_p": (0.5, 1.0, 0.8, 0.95),
    "repetition_penalty": (1.0, 1.3, 1.1, 1.5),
}
LOADED, SECOND = "loaded", "second"  # keys of the two models
Updates = Callable[[str | Sequence[int], Sequence[Column]], Iterator[Update]]


@dataclass(frozen=True)
class Setting:
    """What a column may have of its own; all else is the tab's."""

    temperature: float = named(OPTIONS, "temperature").recommended
    top_p: float = named(OPTIONS, "top_p").recommended
    repetition_penalty: float = named(OPTIONS, "repetition_penalty").recommended
    seed: str = ""  # empty: a fresh one, the same for all columns
    model: str = LOADED


@dataclass
class Run:
    """One visitor's columns: whether they are being written."""

    running: bool = False
    stopped: bool = False

    def stop(self) -> None:
        """End them with their next step; what was written stays."""
        self.stopped = True


def proposed(settings: Settings, differs: Differs) -> list[Setting]:
    """The first column as the tab is set, the others with one thing changed."""
    first = Setting(settings["temperature"], settings["top_p"], settings["repetition_penalty"], settings["seed"].strip())
    if differs in OTHERS:
        own = getattr(first, differs)
        changed = [value for value in OTHERS[differs] if abs(value - own) > 1e-9][: MOST - 1]
        return [first, *(replace(first, **{differs: value}) for value in changed)]  # type: ignore[arg-type]
    if differs == "model":
        return [replace(first, model=(LOADED, SECOND)[number % 2]) for number in range(MOST)]
    seed = first.seed
    return [first, *(replace(first, seed=str(int(seed) + number) if seed.isdecimal() else "") for number in range(1, MOST))]


def given(values: Sequence[Any]) -> list[Setting]:
    """The columns as their fields say; one that was emptied has its default."""
    names = list(asdict(Setting()))
    columns = [dict(zip(names, values[at : at + len(names)], strict=True)) for at in range(0, len(values), len(names))]
    return [Setting(**{name: value for name, value in column.items() if value is not None}) for column in columns]


def chosen_of(
    differs: Differs, settings: Settings, values: Sequence[Any], filled: Sequence[Any]
) -> tuple[Differs, list[Setting]]:
    """What differs, and the columns: as the tab is set now, or by hand once a field is not what it was `filled` with."""
    now = given(values)
    if differs == "hand" or now != given(filled):
        return "hand", now
    return differs, proposed(settings, differs)


def write(
    playground: Playground,
    other: Playground | None,
    updates: Updates,
    run: Run,
    prompt: str,
    settings: Settings,
    chosen: Sequence[Setting],
    differs: str,
    say: Words,
) -> Iterator[tuple[str, str]]:
    """Write the columns, and yield the line and the columns as HTML. Left or stopped, what was written is kept on show.

    Raises NeoxjpError before anything is written.
    """
    run.running, run.stopped = True, False
    engines = engines_of(playground, other, {setting.model for setting in chosen})
    start, params = opening(playground, engines, prompt, settings)
    fresh = secrets.randbelow(1_000_000)
    columns = []
    for number, setting in enumerate(chosen):
        seed = seed_of(setting.seed)
        columns.append(
            Column(
                replace(
                    params,
                    temperature=setting.temperature,
                    top_p=setting.top_p,
                    repetition_penalty=setting.repetition_penalty,
                    seed=fresh + (number if differs == "seed" else 0) if seed is None else seed,
                ),
                setting.model,
            )
        )
    names = {LOADED: _title(playground, say), SECOND: _title(other, say)}
    common, own = facts(columns, names, say)
    same = shares_vocabulary(list(engines.values()))
    name = token_text_function(playground.tokenizer)
    stream = updates(start, columns)
    last: Update | None = None

    def drawn(update: Update, over: bool) -> str:
        found = compared(update.columns, same)
        return render_columns.columns(update.columns, found, own, common, render.whole(prompt), over, same, say, name)

    try:
        for last in stream:
            if last.over or run.stopped:
                break
            done = max(len(column.steps) for column in last.columns)
            line = render_steps.working(say("columns_going", n=f"{done:,}"), done, params.max_new_tokens or 0)
            yield line, drawn(last, over=False)
    finally:
        stream.close()  # type: ignore[attr-defined]  # a generator; frees the slots
        run.running = False
    if last is not None:
        total = sum(len(column.steps) for column in last.columns)
        line = say("columns_done", n=len(columns), total=f"{total:,}") if last.over else say("columns_stopped")
        yield render_steps.working(line), drawn(last, over=True)


def engines_of(playground: Playground, other: Playground | None, keys: set[str]) -> dict[str, Engine]:
    """The engines by the keys of their models. Raises NotReady, or ParameterError where a second model is missing."""
    loaded = playground.ready.engine
    assert loaded is not None
    engines = {LOADED: loaded} if LOADED in keys else {}
    if SECOND in keys:
        if other is None or other.loaded is None or other.loaded.engine is None:
            raise strings.error(ParameterError, "columns_no_second")
        engines[SECOND] = other.loaded.engine
    if unknown := keys - {LOADED, SECOND}:
        raise ParameterError(f"there is no model {sorted(unknown)[0]!r:.60}")
    return engines


def opening(
    playground: Playground, engines: dict[str, Engine], prompt: str, settings: Settings
) -> tuple[str | Sequence[int], SamplingParams]:
    """What the columns go on from, and what they share. A text where vocabularies differ, else ids, cut if that is wanted."""
    loaded = playground.ready
    check_length(playground, prompt)
    ids = tuple(loaded.tokenizer.encode(prompt))
    most, _ = room(playground, loaded, len(ids), settings["max_new_tokens"], settings.cut)
    params = settings.params(most)
    if prompt and not shares_vocabulary(list(engines.values())):
        return prompt, params
    assert loaded.model is not None
    return fit_prompt(ids, params, loaded.model.config.max_position_embeddings, "cut" if settings.cut else "error"), params


def writer(playground: Playground, other: Playground | None) -> Updates:
    """The function that writes columns with the models of both: (prompt, columns) → updates."""

    @gpu(duration=seconds)
    def updates(prompt: str | Sequence[int], columns: Sequence[Column]) -> Iterator[Update]:
        engines = engines_of(playground, other, {column.engine for column in columns})
        yield from side_by_side(engines, prompt, columns, every=PAINT)

    return updates


def seconds(prompt: str | Sequence[int], columns: Sequence[Column]) -> int:
    """How long a GPU is borrowed for at most."""
    return min(120, 15 + max((column.params.max_new_tokens or 100) for column in columns) // 10)


def facts(
    columns: Sequence[Column], names: dict[str, str], say: Words
) -> tuple[list[render_columns.Fact], list[list[render_columns.Fact]]]:
    """What all columns share, and what each has of its own, in words."""

    def row(column: Column) -> dict[str, str]:
        params = column.params
        shown = {name: f"{getattr(params, name):g}" for name in ("temperature", "top_p", "repetition_penalty")}
        shown |= {"length": str(params.max_new_tokens), "seed": str(params.seed), "model": names.get(column.engine, "")}
        return shown

    rows = [row(column) for column in columns]
    shared = [name for name in rows[0] if len({each[name] for each in rows}) == 1]
    common = [(say(f"columns_{name}"), rows[0][name]) for name in shared]
    own = [[(say(f"columns_{name}"), value) for name, value in each.items() if name not in shared] for each in rows]
    return common, own


def _title(playground: Playground | None, say: Words) -> str:
    return playground.loaded.title(say("bundled")) if playground and playground.loaded else ""
