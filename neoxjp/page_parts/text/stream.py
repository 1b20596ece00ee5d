"""Streaming from the engine: one request as a series of updates, at most fifteen a second.

The stream may run in another process (ZeroGPU forks one for each call), so its arguments and updates are plain records. Closing
it cancels the request and frees its slot in the engine.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from neoxjp.engine import Finish, Stats, Step, TextRequest
from neoxjp.errors import NeoxjpError
from neoxjp.page_parts.gradio_private import current_visitor
from neoxjp.page_parts.session import calls
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.session.zerogpu import gpu, on_zerogpu
from neoxjp.page_parts.strings import COMMON
from neoxjp.sampling import SamplingParams

log = logging.getLogger(__name__)

INTERVAL = 1 / 15  # seconds between two updates
END_SECONDS = 0.005  # that the first update waits for another step, or for the end of a request of one step
WAITING_INTERVAL = 1.0  # the same while it waits as one of the first in the queue
WAITING_MOST = 3.0  # Stop and closing the page are heard after it
WAITING_EACH = 0.125  # seconds more for each place: it is far from its turn, and each update costs what a token does


@dataclass(frozen=True)
class Update:
    """The steps since the update before, and the state of the request."""

    steps: tuple[Step, ...]
    done: bool
    finish: Finish | None  # set with `done`
    position: int  # in the queue; 0: it is running
    prefilled: int  # ids of the prompt that the model has processed
    total: int  # ids of the prompt
    seed: int  # the one in use
    truncated_tokens: int  # ids at the front of the prompt that the model does not see
    stats: Stats


Scorer = Callable[[Sequence[int], int, bool], list[Step]]
Stream = Callable[[Sequence[int], SamplingParams, bool, int, int], Iterator[Update]]


def stream(playground: Playground) -> Stream:
    """The function that streams from the model of `playground`.

    Its arguments: prompt ids, params, whether to truncate a long prompt from the left, how many alternatives each step
    lists, and how many ids at the end of the prompt were sampled with the same seed before.
    """

    @gpu(duration=seconds)
    def updates(ids: Sequence[int], params: SamplingParams, truncate: bool, top: int, drawn: int = 0) -> Iterator[Update]:
        """The first update comes at once and has no steps.

        Raises:
            NeoxjpError: as `Engine.submit`, before the first update; what the model raises, later.
        """
        loaded = playground.ready
        # In a forked child the logits would be lost: there, a section that needs them computes them again.
        watch = None if on_zerogpu() else loaded.logits.keep
        overflow: Literal["truncate", "error"] = "truncate" if truncate else "error"
        who = current_visitor()
        playground.visitors.check_tokens(who, loaded.engine)
        playground.visitors.note(who, "tokens", len(ids))
        with loaded.engine.submit(ids, params, top=top, overflow=overflow, watch=watch, drawn=drawn, visitor=who) as request:
            done, first = False, True
            yield _update(request, [], done)
            while not done:
                steps: list[Step] = []
                try:
                    done = _collect(request, steps, first)
                    first = first and not steps
                except Exception as error:
                    yield _update(request, steps, done)  # what was generated before the model failed
                    if isinstance(error, NeoxjpError):
                        raise
                    log.exception("generating")
                    raise COMMON.error(NeoxjpError, "generate_model_failed", error=type(error).__name__) from error
                playground.visitors.note(who, "tokens", len(steps))
                yield _update(request, steps, done)

    return updates


def scorer(playground: Playground) -> Scorer:
    """The function that scores ids with the model of `playground`: (ids, alternatives, whether bos comes first) → steps."""

    @gpu(duration=60)
    def scored(ids: Sequence[int], top: int, bos: bool) -> list[Step]:
        return playground.ready.call(calls.score, ids, top, bos)

    return scored


def seconds(ids: Sequence[int], params: SamplingParams, truncate: bool, top: int, drawn: int = 0) -> int:
    """How long a GPU is reserved at most: enough for the 2.7B model, short enough for a quick turn in ZeroGPU's queue."""
    return min(120, 15 + (params.max_new_tokens or 100) // 10)


def _update(request: TextRequest, steps: Sequence[Step], done: bool) -> Update:
    return Update(
        tuple(steps),
        done,
        request.finish if done else None,
        request.position,
        request.prefilled,
        request.total,
        request.seed,
        request.truncated_tokens,
        request.stats,
    )


def _collect(request: TextRequest, steps: list[Step], first: bool) -> bool:
    """Append the steps of one update to `steps`; True: the request has ended. The first step does not wait for others."""
    if request.position:
        request.wait(min(max(WAITING_INTERVAL, WAITING_EACH * request.position), WAITING_MOST))
    began = time.monotonic()
    request.wait(INTERVAL)
    if not first:
        time.sleep(max(0.0, began + INTERVAL - time.monotonic()))
    until = time.monotonic() + END_SECONDS if first else began + 2 * INTERVAL
    while (left := until - time.monotonic()) > 0 and request.wait(left if first else 0):
        try:
            steps.append(next(request))
        except StopIteration:
            return True
    return False
