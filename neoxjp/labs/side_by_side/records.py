"""Texts side by side: two to four generations with other settings, seeds or models, compared; and a grid of samples.

All columns of one model, and all samples of a grid, are requests of one engine, so each forward pass serves several of them.
"""

import dataclasses
import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from typing import Any

from neoxjp.engine import ANYONE, Finish, Step, TextEngine, TextRequest, Visitor
from neoxjp.errors import NeoxjpError, ParameterError, QueueFull
from neoxjp.labs.common.measures import Measures, first_difference, measure
from neoxjp.sampling import SamplingParams

log = logging.getLogger(__name__)

MIN_COLUMNS, MAX_COLUMNS = 2, 4
WAIT = 1 / 15  # seconds to wait for the next step of a column before looking at the others
MAX_TEXTS = 256  # of a grid
AT_ONCE = 4  # requests of a grid that run at the same time; the rest of the batch is for others


# ---------------------------------------------------------------- columns


@dataclass(frozen=True)
class Column:
    """What is to be generated."""

    params: SamplingParams
    engine: str = ""  # key of the engine


@dataclass(frozen=True)
class ColumnState:
    """What a column has generated so far."""

    prompt_ids: tuple[int, ...]  # of its own model
    steps: tuple[Step, ...]
    text: str  # of the steps
    finish: Finish | None  # None: still generating
    seed: int  # the one in use
    waiting: int  # position in the queue; 0: running, or finished
    prefilled: int  # ids of the prompt processed so far
    failed: str  # the error that ended it; "": none
    failed_ja: str


@dataclass(frozen=True)
class Update:
    """The columns after some more steps."""

    columns: tuple[ColumnState, ...]
    over: bool  # all columns have finished


def side_by_side(
    engines: Mapping[str, TextEngine],
    prompt: str | Sequence[int],
    columns: Sequence[Column],
    every: float = 0.0,
    visitor: Visitor = ANYONE,
) -> Iterator[Update]:
    """Generate all columns at the same time. Closing the generator cancels their requests.

    A model that fails ends only its own column, with `failed`.

    Args:
        engines: by key, one for each model, with a tokenizer.
        prompt: a text, which each model's own tokenizer encodes, or ids of the one vocabulary that all share.
        every: seconds between two updates, at least.
        visitor: whose requests they are.

    Raises ParameterError: too few or too many columns, a key without an engine, ids for two vocabularies; as `Engine.submit`.
    """
    if not MIN_COLUMNS <= len(columns) <= MAX_COLUMNS:
        raise ParameterError(
            f"{len(columns)} columns were given: {MIN_COLUMNS} to {MAX_COLUMNS} can be compared",
            ja=f"比較できるのは {MIN_COLUMNS}〜{MAX_COLUMNS} 列です（{len(columns)} 列が指定されました）。",
        )
    if unknown := [column.engine for column in columns if column.engine not in engines]:
        raise ParameterError(f"there is no model {unknown[0]!r:.60}", ja=f"モデル {unknown[0]!r:.60} はありません。")
    if not isinstance(prompt, str) and not shares_vocabulary([engines[column.engine] for column in columns]):
        raise ParameterError(
            "these models have different vocabularies: give the prompt as text",
            ja="モデルの語彙が異なるため、プロンプトは ID ではなく文章で指定してください。",
        )
    with ExitStack() as opened:
        requests: list[TextRequest] = []
        for column in columns:
            engine = engines[column.engine]
            ids = engine.tokenizer.encode(prompt) if isinstance(prompt, str) else prompt
            requests.append(opened.enter_context(engine.submit(ids, column.params, visitor=visitor)))
        steps: list[list[Step]] = [[] for _ in requests]
        failed: list[NeoxjpError | None] = [None] * len(requests)
        open_columns = set(range(len(requests)))
        yielded = -math.inf
        while open_columns:
            waited: set[str] = set()  # wait only for the first column of each engine: the others advance at the same time
            for place in sorted(open_columns):
                engine_key = columns[place].engine
                read, over, failed[place] = _read(requests[place], 0.0 if engine_key in waited else WAIT)
                waited.add(engine_key)
                steps[place] += read
                if over:
                    open_columns.discard(place)
            if not open_columns or time.monotonic() >= yielded + every:
                yield Update(tuple(map(_state, requests, steps, failed)), not open_columns)
                yielded = time.monotonic()


def _read(request: TextRequest, seconds: float) -> tuple[list[Step], bool, NeoxjpError | None]:
    """The steps available now, after waiting up to `seconds` for one; whether the request has ended; its error."""
    steps: list[Step] = []
    if seconds:
        request.wait(seconds)
    while request.steps or request.finish is not None:
        try:
            steps.append(next(request))
        except StopIteration:
            return steps, True, None
        except NeoxjpError as error:
            return steps, True, error
        except Exception as error:
            log.exception("generating a column")
            return steps, True, NeoxjpError(f"the model failed ({type(error).__name__})", ja="モデルでエラーが起きました。")
    return steps, False, None


def _state(request: TextRequest, steps: Sequence[Step], failed: NeoxjpError | None) -> ColumnState:
    return ColumnState(
        prompt_ids=request.prompt_ids,
        steps=tuple(steps),
        text="".join(step.text for step in steps),
        finish=request.finish,
        seed=request.seed,
        waiting=request.position,
        prefilled=request.prefilled,
        failed=str(failed) if failed else "",
        failed_ja=failed.ja if failed else "",
    )


def shares_vocabulary(engines: Sequence[TextEngine]) -> bool:
    """Whether all of them have the same ids for the same spellings."""
    first = engines[0].tokenizer
    return all(
        engine.tokenizer is first or engine.tokenizer.vocabulary.spellings == first.vocabulary.spellings for engine in engines
    )


@dataclass(frozen=True)
class Cell:
    """One token of one column in the token table."""

    id: int
    text: str
    logprob: float | None  # nats, of the model's own distribution
    rank: int | None
    same: bool  # the first column has this id at this position


@dataclass(frozen=True)
class Comparison:
    """The columns compared with the first one."""

    measures: tuple[Measures, ...]
    first_different_token: tuple[int | None, ...]  # index of each column; None: no difference, or another vocabulary
    first_different_character: tuple[int | None, ...]  # the same for the texts
    rows: tuple[tuple[Cell | None, ...], ...]  # by position; None: the column has already ended


def compare(columns: Sequence[ColumnState], same_vocabulary: bool = True) -> Comparison:
    """Measure each column, and compare its ids and its text with those of the first."""
    ids = [[step.id for step in column.steps] for column in columns]

    def cell(column: ColumnState, place: int) -> Cell | None:
        if place >= len(column.steps):
            return None
        step = column.steps[place]
        same = same_vocabulary and place < len(ids[0]) and step.id == ids[0][place]
        return Cell(step.id, step.text, step.logprob, step.rank, same)

    return Comparison(
        measures=tuple(measure(column.steps) for column in columns),
        first_different_token=tuple(first_difference(ids[0], other) if same_vocabulary else None for other in ids),
        first_different_character=tuple(first_difference(columns[0].text, other.text) for other in columns),
        rows=tuple(tuple(cell(column, place) for column in columns) for place in range(max(map(len, ids), default=0))),
    )


# ---------------------------------------------------------------- a grid of samples


@dataclass(frozen=True)
class Sample:
    """One text of the grid."""

    temperature: float
    top_p: float
    seed: int
    text: str  # without the prompt
    ids: tuple[int, ...]
    finish: Finish | None
    measures: Measures


@dataclass(frozen=True)
class Progress:
    """How far a grid is."""

    done: int
    total: int
    sample: Sample | None  # the one that has just been finished; None: the next one is not finished yet
    waiting: int = 0  # position of the next one in the queue; 0: it is running


def sweep(
    engine: TextEngine,
    prompt: str | Sequence[int],
    temperatures: Sequence[float],
    top_ps: Sequence[float],
    params: SamplingParams,
    samples: int = 1,
    every: float = math.inf,
    visitor: Visitor = ANYONE,
) -> Iterator[Progress]:
    """Generate `samples` texts for each pair of temperature and top-p, in the order of the grid.

    The same seeds are used in each cell, so differences between cells come from the settings. Closing the generator cancels the
    running requests. Where the queue is full for this visitor, the next sample waits until one of the running ones has ended.

    Args:
        params: all other options; the n-th sample of a cell has its seed + n.
        every: seconds after which a sample that is not finished is reported, so that the caller can stop there.
        visitor: whose requests they are.

    Raises ParameterError: an empty or too large grid, a value out of its range; as `Engine.submit`.
    """
    total = len(temperatures) * len(top_ps) * samples
    if not 1 <= total <= MAX_TEXTS:
        raise ParameterError(
            f"{len(temperatures)} temperatures × {len(top_ps)} top-p × {samples} samples are {total} texts: 1 to {MAX_TEXTS} "
            "can be generated",
            ja=f"温度 {len(temperatures)} 個 × top-p {len(top_ps)} 個 × {samples} サンプルで {total} 件です。"
            f"1〜{MAX_TEXTS} 件にしてください。",
        )
    first = params.seed or 0
    asked = [  # all of them before the first forward pass: a wrong value is reported at once
        dataclasses.replace(params, do_sample=True, temperature=temperature, top_p=top_p, seed=first + number)
        for temperature, top_p, number in product(temperatures, top_ps, range(samples))
    ]
    ids = engine.tokenizer.encode(prompt) if isinstance(prompt, str) else list(prompt)
    running: list[TextRequest] = []
    try:
        for done, settings in enumerate(asked):
            while len(running) < AT_ONCE and done + len(running) < total:
                try:
                    running.append(engine.submit(ids, asked[done + len(running)], visitor=visitor))
                except QueueFull:
                    if not running:
                        raise
                    break
            steps: list[Step] = []
            while not _ended(running[0], every, steps):
                yield Progress(done, total, None, running[0].position)
            request = running.pop(0)
            text, written = "".join(step.text for step in steps), tuple(step.id for step in steps)
            sample = Sample(settings.temperature, settings.top_p, request.seed, text, written, request.finish, measure(steps))
            yield Progress(done + 1, total, sample)
    finally:
        for request in running:
            request.cancel()


def _ended(request: TextRequest, seconds: float, steps: list[Step]) -> bool:
    """Append the steps of the next `seconds` to `steps`; whether the request has ended."""
    if seconds == math.inf:
        steps += request
        return True
    until, left = time.monotonic() + seconds, seconds
    while left > 0:  # at least once
        if request.wait(left):
            try:
                steps.append(next(request))
            except StopIteration:
                return True
        left = until - time.monotonic()
    return False


def to_row(sample: Sample) -> dict[str, Any]:
    """A sample as a row of a table: settings, measures, text."""
    settings = {name: getattr(sample, name) for name in ("temperature", "top_p", "seed")}
    return settings | dataclasses.asdict(sample.measures) | {"finish": sample.finish, "text": sample.text}
