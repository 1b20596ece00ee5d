"""Two to four generations side by side: other settings, other seeds, other models; written together, compared while they grow.

All columns of one model are requests of one engine, so each forward serves all of them.
"""

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from neoxjp.engine import Engine, Finish, Request, Step
from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.labs.common.measures import Measures, first_difference, measure
from neoxjp.sampling import SamplingParams

log = logging.getLogger(__name__)

FEWEST, MOST = 2, 4
PAUSE = 1 / 15  # seconds to wait for a column's next step before looking at the others


@dataclass(frozen=True)
class Column:
    """What is to be written."""

    params: SamplingParams
    engine: str = ""  # key of the engine that writes it


@dataclass(frozen=True)
class Grown:
    """A column as it stands."""

    prompt_ids: tuple[int, ...]  # as its model sees the prompt
    steps: tuple[Step, ...]
    text: str  # of the steps
    finish: Finish | None  # None: it is being written
    seed: int  # the one in use
    waiting: int  # place in the waiting line; 0: it runs, or has ended
    read: int  # ids of the prompt that were read so far
    failed: str  # why it broke off; "": it did not
    failed_ja: str


@dataclass(frozen=True)
class Update:
    """What came since the update before."""

    columns: tuple[Grown, ...]
    new: tuple[tuple[Step, ...], ...]  # of each column
    over: bool  # all of them have ended


def side_by_side(
    engines: Mapping[str, Engine], prompt: str | Sequence[int], columns: Sequence[Column], top: int = 0, every: float = 0.0
) -> Iterator[Update]:
    """Write all columns together, and yield as they grow or wait; closing the generator frees their slots.

    engines: by key, one a model, with a tokenizer. prompt: a text, cut by each model's own tokenizer, or ids of the one
    vocabulary that all share. top: alternatives of each step. every: seconds between two updates at least.

    Raises ParameterError: too few or too many columns, a key without an engine, ids for two vocabularies; as `Engine.submit`.
    A model that fails while it writes ends its own column, with `failed`.
    """
    if not FEWEST <= len(columns) <= MOST:
        raise ParameterError(
            f"{len(columns)} columns were asked for: {FEWEST} to {MOST} can be compared",
            ja=f"並べられるのは {FEWEST}〜{MOST} 列です（{len(columns)} 列が指定されました）。",
        )
    if unknown := [column.engine for column in columns if column.engine not in engines]:
        raise ParameterError(f"there is no model {unknown[0]!r:.60}", ja=f"モデル {unknown[0]!r:.60} はありません。")
    if not isinstance(prompt, str) and not shares_vocabulary([engines[column.engine] for column in columns]):
        raise ParameterError(
            "ids mean different things to these models: give the prompt as text",
            ja="モデルごとに語彙が違うので、ID ではなく文字で入力してください。",
        )
    with ExitStack() as opened:
        requests: list[Request] = []
        for column in columns:
            engine = engines[column.engine]
            ids = engine.tokenizer.encode(prompt) if isinstance(prompt, str) else prompt
            requests.append(opened.enter_context(engine.submit(ids, column.params, top=top)))
        steps: list[list[Step]] = [[] for _ in requests]
        failed: list[NeoxjpError | None] = [None] * len(requests)
        open_columns = set(range(len(requests)))
        new: list[tuple[Step, ...]] = [()] * len(requests)
        yielded = -math.inf
        while open_columns:
            waited: set[str] = set()  # only the first column of each engine is waited for: the others grow beside it
            for place in sorted(open_columns):
                engine_key = columns[place].engine
                read, over, failed[place] = _read(requests[place], 0.0 if engine_key in waited else PAUSE)
                waited.add(engine_key)
                steps[place] += read
                new[place] += tuple(read)
                if over:
                    open_columns.discard(place)
            if not open_columns or time.monotonic() >= yielded + every:
                yield Update(tuple(map(_grown, requests, steps, failed)), tuple(new), not open_columns)
                new, yielded = [()] * len(requests), time.monotonic()


def _read(request: Request, seconds: float) -> tuple[list[Step], bool, NeoxjpError | None]:
    """The steps that are there now, after waiting so long for one; whether it has ended; what was raised."""
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
            log.exception("writing a column")
            return steps, True, NeoxjpError(f"the model failed ({type(error).__name__})", ja="モデルでエラーが起きました。")
    return steps, False, None


def _grown(request: Request, steps: Sequence[Step], failed: NeoxjpError | None) -> Grown:
    return Grown(
        prompt_ids=request.prompt_ids,
        steps=tuple(steps),
        text="".join(step.text for step in steps),
        finish=request.finish,
        seed=request.seed,
        waiting=request.position,
        read=request.prefilled,
        failed=str(failed) if failed else "",
        failed_ja=failed.ja if failed else "",
    )


def shares_vocabulary(engines: Sequence[Engine]) -> bool:
    """Whether ids mean the same to all of them."""
    first = engines[0].tokenizer
    return all(engine.tokenizer is first or _meaning(engine.tokenizer) == _meaning(first) for engine in engines)


def _meaning(tokenizer: Any) -> Any:
    return tokenizer.vocabulary.spellings


@dataclass(frozen=True)
class Cell:
    """One token of one column in the table."""

    id: int
    text: str
    logprob: float | None  # nats, of the model's own distribution
    rank: int | None
    same: bool  # the first column has this id here too


@dataclass(frozen=True)
class Compared:
    """The columns against the first of them."""

    measures: tuple[Measures, ...]
    first_token: tuple[
        int | None, ...
    ]  # where each column's ids leave the first one's; None: they do not, or vocabularies differ
    first_character: tuple[int | None, ...]  # where its text does
    rows: tuple[tuple[Cell | None, ...], ...]  # token by token; None: a column has ended before


def compared(columns: Sequence[Grown], same_vocabulary: bool = True) -> Compared:
    """The measures of each column, where it leaves the first one, and their tokens in rows."""
    ids = [[step.id for step in column.steps] for column in columns]
    texts = [[ord(character) for character in column.text] for column in columns]
    rows = []
    for place in range(max(map(len, ids), default=0)):
        first = ids[0][place] if place < len(ids[0]) else None
        cells = [column.steps[place] if place < len(column.steps) else None for column in columns]
        rows.append(
            tuple(
                None if step is None else Cell(step.id, step.text, step.logprob, step.rank, same_vocabulary and step.id == first)
                for step in cells
            )
        )
    return Compared(
        measures=tuple(measure(column.steps) for column in columns),
        first_token=tuple(first_difference(ids[0], other) if same_vocabulary else None for other in ids),
        first_character=tuple(first_difference(texts[0], other) for other in texts),
        rows=tuple(rows),
    )
