"""One text in the making: the prompt, what was drawn so far, how it ends, and its place in a forward.

What the reader of a stream holds is here; when it has its turn is the engine's business.
"""

import secrets
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from neoxjp.engine.records import Finish, Step, StoppingText, token_statistics, top_choices
from neoxjp.engine.speculation import MAX_DRAFT, DraftLength, draft_ids
from neoxjp.sampling import SamplingParams, apply_filters


class RequestRunner(Protocol):
    """What a request asks of the engine that runs it."""

    tokenizer: Any
    clock: Callable[[], float]

    def next_step(self, request: "Request") -> Step: ...
    def ready(self, request: "Request", seconds: float) -> bool: ...
    def position(self, request: "Request") -> int: ...
    def cancel(self, request: "Request") -> None: ...


Watch = Callable[[np.ndarray, Tensor], None]  # the ids so far (n,), to be read only; the logits (V,) of the next one


@dataclass(frozen=True, slots=True)
class Stats:
    """Seconds by the clock on the wall, as the reader of the stream lives them. None: not there yet."""

    queue_s: float  # in the waiting line
    prefill_s: float | None  # from leaving the line to the first token
    decode_s: float | None  # from the first token to the last so far
    time_to_first_token: float | None  # from submit
    tokens: int
    tokens_per_second: float | None  # of the tokens after the first
    reused: int = 0  # ids of the prompt that were not read again: an earlier request had
    drafted: int = 0  # ids that were guessed ahead, and
    accepted: int = 0  # how many of them were what was then drawn
    beside: int = 0  # the most other requests that one of its forwards served too


class Request:
    """One text in the making. Iterate it for its Steps; use it in `with` to free its slot however the block is left.

    Iteration ends when `finish` is set; after "error" it raises what the model raised. A cancelled request makes no further step,
    so the last one read may have no `finish`: ask the request.
    """

    def __init__(
        self,
        engine: RequestRunner,
        prompt_ids: tuple[int, ...],
        cut: int,
        params: SamplingParams,
        top: int,
        *,
        eos: tuple[int, ...],
        max_new_tokens: int,
        nbytes: int,
        name: Callable[[int], str],
        pace: DraftLength,
        chunk: int,
        watch: Watch | None = None,
        drawn: int = 0,
    ):
        self.prompt_ids = prompt_ids  # after a cut
        self.cut = cut  # ids dropped at the front of the prompt
        self.params = params
        self.top = top
        self.seed = secrets.randbits(32) if params.seed is None else params.seed  # the one in use
        self.ids: list[int] = []  # drawn so far
        self.prefilled = 0  # ids of the prompt that were read or found read, of `total`
        self.reused = 0  # ids of the prompt that were found read
        self.total = len(prompt_ids)
        self.finish: Finish | None = None
        self.error: Exception | None = None  # what the model raised
        self.max_new_tokens = max_new_tokens  # new ids at most
        self.nbytes = nbytes  # of cache, when the text is as long as it may be
        # The rest is for the engine.
        self.cache: Any = None
        self.logits: Tensor | None = None  # (V,) behind the prompt, once it is read
        self.steps: deque[Step] = deque()  # made, not yet read
        self.raised = False
        self.last_forward = 0  # number of the forward that read of its prompt last
        self.beside = 0
        self.pace = pace
        self.chunk = chunk  # ids of the prompt that are read together
        self.submitted = engine.clock()
        self.started: float | None = None
        self.ended: float | None = None
        self._engine = engine
        self._eos = eos
        self._name = name
        self._history = np.empty(self.total + max_new_tokens, dtype=np.int64)
        self._history[: self.total] = prompt_ids
        self._known = self.total  # ids in _history
        self._generator = torch.Generator().manual_seed(self.seed)
        torch.rand(drawn, dtype=torch.float64, generator=self._generator)
        self._watch = watch
        self._text = StoppingText(engine.tokenizer, params.stop, prompt_ids[max(0, self.total - drawn) :])
        self._first: float | None = None
        self._last: float | None = None

    def __iter__(self) -> Iterator[Step]:
        return self

    def __next__(self) -> Step:
        return self._engine.next_step(self)

    def __enter__(self) -> "Request":
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()

    def cancel(self) -> None:
        """End the request and free its slot at once; nothing happens where it has ended. Steps already made can still be read."""
        self._engine.cancel(self)

    def wait(self, seconds: float) -> bool:
        """Whether a step, or the end, can be read now without waiting; waits for it up to `seconds` (inline: does one forward).

        Between two calls `position` and `prefilled` of `total` tell how far a request is that has no token yet.
        """
        return self._engine.ready(self, seconds)

    @property
    def position(self) -> int:
        """Place in the waiting line; 0: it runs, or has ended."""
        return self._engine.position(self)

    @property
    def stats(self) -> Stats:
        now = self._engine.clock() if self.ended is None else self.ended
        decode = None if self._first is None or self._last is None else self._last - self._first
        return Stats(
            queue_s=(now if self.started is None else self.started) - self.submitted,
            prefill_s=None if self._first is None or self.started is None else self._first - self.started,
            decode_s=decode,
            time_to_first_token=None if self._first is None else self._first - self.submitted,
            tokens=len(self.ids),
            tokens_per_second=(len(self.ids) - 1) / decode if decode else None,
            reused=self.reused,
            drafted=self.pace.drafted,
            accepted=self.pace.accepted,
            beside=self.beside,
        )

    # For the engine

    def read(self, written: bool) -> np.ndarray:
        """The ids that its cache holds, (n,) int64: of the prompt, and of what was `written` too."""
        return self._history[: self._known - 1 if written and self._known > self.total else self.prefilled]

    @property
    def whole_prompt(self) -> np.ndarray:
        return self._history[: self.total]

    def overdue(self, now: float) -> bool:
        """Whether its deadline has passed."""
        return self.params.deadline_s is not None and now - self.submitted >= self.params.deadline_s

    def row(self, running: int, speculate: bool, chunks: int = 1) -> "Row":
        """What the next forward is to read for it, while so many requests run: of its prompt up to so many chunks."""
        if self.prefilled < self.total:
            end = min((self.prefilled // self.chunk + max(1, chunks)) * self.chunk, self.total)
            return Row(self, self.prompt_ids[self.prefilled : end], keep=int(end == self.total))
        if self._known == self.total:
            return Row(self, (), keep=0, logits=None if self.logits is None else self.logits[None])  # the prompt was found whole
        guessed: list[int] = []
        if speculate and self._known + 1 < len(self._history):
            most = min(self.pace.length(running), MAX_DRAFT, len(self._history) - self._known - 1)
            guessed = draft_ids(self._history[: self._known], most)
        return Row(self, (int(self._history[self._known - 1]), *guessed), keep=1 + len(guessed))

    def write(self, row: "Row") -> None:
        """Draw ids from a forward's logits, into `row.made`: those of the draft as long as it is right, and one more."""
        assert row.logits is not None
        drafted = row.ids[1:] if row.keep > 1 else ()
        for place in range(len(row.logits)):
            step = self._draw(row.logits[place])
            row.made.append(step)
            if step.finish is not None or place >= len(drafted) or step.id != drafted[place]:
                break
        if drafted:
            right = sum(step.id == id for step, id in zip(row.made, drafted, strict=False))
            self.pace.note(len(drafted), right)

    def _draw(self, logits: Tensor) -> Step:
        """The next id by its logits (V,) float32 on the CPU, and its record."""
        made = self._known - self.total
        if self._watch is not None:
            self._watch(self._history[: self._known], logits)
        banned = self._eos if made < self.params.min_new_tokens else ()
        left = apply_filters(logits, self.params, self._history[: self._known], banned)
        id = left.draw(self._generator)
        logprobs, rank, entropy = token_statistics(logits, id)
        top = top_choices(logprobs, id, self.top, self._name, left.chances) if self.top else ()
        self._history[self._known] = id
        self._known += 1
        text, finish = self._text_and_finish(id)
        now = self._engine.clock()
        before = self.started if self._last is None else self._last
        assert before is not None
        self._first = now if self._first is None else self._first
        self._last = now
        return Step(id, text, float(logprobs[id]), rank, entropy, top, now - before, finish)

    def _text_and_finish(self, id: int) -> tuple[str, Finish | None]:
        """What a new id adds to the text, and whether it ends it. The end token itself is no text."""
        if id in self._eos:
            return self._text.flush(), "eos"
        text, stopped = self._text.push(id)
        if stopped:
            return text, "stop"
        if self._known == len(self._history):
            return text + self._text.flush(), "length"
        if self.overdue(self._engine.clock()):
            return text + self._text.flush(), "deadline"
        return text, None


@dataclass(slots=True)
class Row:
    """A request's part of one forward."""

    request: Request
    ids: tuple[int, ...]  # a piece of the prompt, or the last id and a draft behind it; () where the logits are known already
    keep: int  # of how many of its last positions the logits are needed
    logits: Tensor | None = None  # (keep, V), float32, on the CPU
    fault: Exception | None = None
    made: list[Step] = field(default_factory=list)
    cache: Any = field(init=False)  # the request's, also after it was cancelled
    length: int = field(init=False)  # of the cache, before the forward

    def __post_init__(self) -> None:
        self.cache = self.request.cache
        self.length = self.cache.length
