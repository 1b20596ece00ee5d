"""A sweep: small samples of one prompt on a grid of temperature × top-p, with the same seeds in each cell.

The same seed means the same uniform numbers: what differs between two cells is the settings' doing.
"""

import dataclasses
import math
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from neoxjp.engine import Engine, Finish, Request, Step
from neoxjp.errors import ParameterError
from neoxjp.labs.common.measures import Measures, measure
from neoxjp.sampling import SamplingParams

MOST_SAMPLES = 256  # of one sweep
AT_ONCE = 4  # requests that it holds at a time: the others' places stay free


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
    """How far the sweep is, after each sample."""

    done: int
    total: int
    sample: Sample  # the one that is ready now


@dataclass(frozen=True)
class Meanwhile:
    """How far it is while a sample is being written."""

    done: int
    total: int
    place: int  # of that sample in the waiting line; 0: it runs


def sweep(
    engine: Engine,
    prompt: str | Sequence[int],
    temperatures: Sequence[float],
    top_ps: Sequence[float],
    params: SamplingParams,
    samples: int = 1,
    at_once: int = AT_ONCE,
) -> Iterator[Progress]:
    """Write `samples` texts for each pair of temperature and top-p, and yield them in the order of the grid.

    params: everything else; its seed is the first, the next samples have the numbers behind it. Closing the generator frees
    the slots of what is being written.

    Raises ParameterError: nothing to do, too much, a value out of its range; as `Engine.submit`.
    """
    with closing(watched_sweep(engine, prompt, temperatures, top_ps, params, samples, at_once)) as told:
        yield from (progress for progress in told if isinstance(progress, Progress))


def watched_sweep(
    engine: Engine,
    prompt: str | Sequence[int],
    temperatures: Sequence[float],
    top_ps: Sequence[float],
    params: SamplingParams,
    samples: int = 1,
    at_once: int = AT_ONCE,
    every: float = math.inf,
) -> Generator[Progress | Meanwhile]:
    """As `sweep`, and a word every so many seconds within a sample too, for whoever may want to stop there."""
    total = len(temperatures) * len(top_ps) * samples
    if not 1 <= total <= MOST_SAMPLES or samples < 1 or at_once < 1:
        raise ParameterError(
            f"{len(temperatures)} temperatures × {len(top_ps)} top-p × {samples} samples are {total} texts: 1 to {MOST_SAMPLES} "
            f"can be written",
            ja=f"温度 {len(temperatures)} × top-p {len(top_ps)} × {samples} で {total} 個です（{MOST_SAMPLES} 個まで）。",
        )
    first = params.seed or 0
    asked = [  # all of them before the first forward: a wrong value is told at once
        dataclasses.replace(params, do_sample=True, temperature=temperature, top_p=top_p, seed=first + number)
        for temperature in temperatures
        for top_p in top_ps
        for number in range(samples)
    ]
    ids = engine.tokenizer.encode(prompt) if isinstance(prompt, str) else list(prompt)
    waiting, running = asked[::-1], list[tuple[SamplingParams, Request]]()
    try:
        for done in range(1, total + 1):
            while waiting and len(running) < at_once:
                running.append((waiting[-1], engine.submit(ids, waiting[-1])))
                waiting.pop()
            settings, request = running[0]
            steps = list[Step]()
            while not _ended(request, every, steps):
                yield Meanwhile(done - 1, total, request.position)
            del running[0]
            text = "".join(step.text for step in steps)
            written = tuple(step.id for step in steps)
            sample = Sample(settings.temperature, settings.top_p, request.seed, text, written, request.finish, measure(steps))
            yield Progress(done, total, sample)
    finally:
        for _, request in running:
            request.cancel()


def _ended(request: Request, seconds: float, steps: list[Step]) -> bool:
    """Append what it writes in so many seconds to `steps`; whether that was the end."""
    if seconds == math.inf:
        steps += request
        return True
    until, left = time.monotonic() + seconds, seconds
    while left > 0:
        if request.wait(left):
            try:
                steps.append(next(request))
            except StopIteration:
                return True
        left = until - time.monotonic()
    return False


def row(sample: Sample) -> dict[str, Any]:
    """A sample as a row of a table: its settings, its numbers, its text."""
    settings = {name: getattr(sample, name) for name in ("temperature", "top_p", "seed")}
    return settings | dataclasses.asdict(sample.measures) | {"finish": sample.finish, "text": sample.text}


def to_csv(samples: Sequence[Sample]) -> bytes:
    """All samples as CSV that a spreadsheet opens."""
    from neoxjp import compare

    return compare.to_csv(compare.to_frame(row(sample) for sample in samples))
