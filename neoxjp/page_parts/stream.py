"""From the engine to whoever watches: one request as a stream of paints, at most fifteen a second.

The stream may run in another process (ZeroGPU forks one for each call), so it takes and gives plain records and asks the
playground for the rest. Closing it cancels the request and frees its slot.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from neoxjp.engine import Finish, Request, Stats, Step, score
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.zerogpu import gpu, on_zerogpu
from neoxjp.sampling import SamplingParams

PAINT = 1 / 15  # seconds between two paints


@dataclass(frozen=True)
class Paint:
    """What is new since the paint before, and how the request stands."""

    steps: tuple[Step, ...]
    over: bool
    finish: Finish | None  # set with `over`
    place: int  # in the waiting line; 0: it runs
    read: int  # ids of the prompt that were read, of
    to_read: int
    seed: int  # the one in use
    cut: int  # ids at the front of the prompt that the model does not see
    stats: Stats


Scorer = Callable[[Sequence[int], int, bool], list[Step]]
Stream = Callable[[Sequence[int], SamplingParams, bool, int, int], Iterator[Paint]]


def stream(playground: Playground) -> Stream:
    """The function that streams from the model of `playground`.

    Its arguments: prompt ids, params, whether a prompt that is too long is cut, how many alternatives each step lists, and how
    many ids at the end of the prompt were drawn with the same seed before.
    """

    @gpu(duration=seconds)
    def paints(ids: Sequence[int], params: SamplingParams, cut: bool, top: int, drawn: int = 0) -> Iterator[Paint]:
        """The first paint comes at once and is empty.

        Raises:
            NeoxjpError: as `Engine.submit`, before the first paint; what the model raises, later.
        """
        loaded = playground.ready
        assert loaded.engine is not None
        # A forked child would keep them in vain: there, what is looked at is read again.
        watch = None if on_zerogpu() else loaded.logits.keep
        overflow: Literal["cut", "error"] = "cut" if cut else "error"
        with loaded.engine.submit(ids, params, top=top, overflow=overflow, watch=watch, drawn=drawn) as request:
            over = False
            yield _paint(request, [], over)
            while not over:
                steps: list[Step] = []
                try:
                    over = _read(request, steps)
                except Exception:
                    yield _paint(request, steps, over)  # what was written before the model failed
                    raise
                yield _paint(request, steps, over)

    return paints


def scorer(playground: Playground) -> Scorer:
    """The function that scores ids with the model of `playground`: (ids, alternatives, whether bos stands before) → steps."""

    @gpu(duration=60)
    def scored(ids: Sequence[int], top: int, bos: bool) -> list[Step]:
        loaded = playground.ready
        assert loaded.model is not None
        return score(loaded.model, ids, loaded.tokenizer, top=top, bos=bos)

    return scored


def seconds(ids: Sequence[int], params: SamplingParams, cut: bool, top: int, drawn: int = 0) -> int:
    """How long a GPU is borrowed for at most: ample for the 2.7B, short enough not to wait long for it."""
    return min(120, 15 + (params.max_new_tokens or 100) // 10)


def _paint(request: Request, steps: Sequence[Step], over: bool) -> Paint:
    return Paint(
        tuple(steps),
        over,
        request.finish if over else None,
        request.position,
        request.prefilled,
        request.total,
        request.seed,
        request.cut,
        request.stats,
    )


def _read(request: Request, steps: list[Step]) -> bool:
    """Append the steps of one paint to `steps`; whether that was the end."""
    began = time.monotonic()
    request.wait(PAINT)
    time.sleep(max(0.0, began + PAINT - time.monotonic()))
    while time.monotonic() < began + 2 * PAINT and request.wait(0):
        try:
            steps.append(next(request))
        except StopIteration:
            return True
    return False
