"""One request: its prompt, the ids sampled so far, how it ends, and its rows in the forwards.

This is what the reader of a stream uses; the engine decides when the request runs.
"""

import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from neoxjp.engine.records import Finish, Step, StoppingText, scored_step, token_statistics, top_choices
from neoxjp.engine.speculation import MAX_DRAFT, DraftLength, draft_ids
from neoxjp.sampling import SamplingParams, apply_filters, check_finite


class RequestRunner(Protocol):
    """What a request needs of the engine that runs it."""

    tokenizer: Any
    clock: Callable[[], float]

    def next_step(self, request: "Request") -> Step: ...
    def read(self, request: "Request") -> list[Step]: ...
    def ready(self, request: "Request", seconds: float) -> bool: ...
    def position(self, request: "Request") -> int: ...
    def cancel(self, request: "Request") -> None: ...


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whose request it is: addresses take turns, and inside an address its sessions do."""

    address: str = ""
    session: str = ""


ANYONE = Visitor()
PROMPT_COST = 0.2
"""What a token of a prompt costs, as a part of what a generated one does: many are computed at once."""
Watch = Callable[[np.ndarray, Tensor], None]  # the ids so far (n,), read-only; the logits (V,) of the next id


@dataclass(frozen=True, slots=True)
class Stats:
    """Wall-clock seconds as the reader of the stream sees them. None: not known yet."""

    queue_s: float  # waiting in the queue
    prefill_s: float | None  # from the start to the first token
    decode_s: float | None  # from the first token to the last so far
    time_to_first_token: float | None  # from submit
    tokens: int
    tokens_per_second: float | None  # of the tokens after the first
    reused: int = 0  # prompt ids taken from the prefix cache
    drafted: int = 0  # speculative ids
    accepted: int = 0  # speculative ids that were accepted
    max_concurrent: int = 0  # the largest number of other requests in one of its forwards


class Request:
    """One request. Iterate it for its Steps; `with request:` cancels it when the block is left.

    Iteration ends when `finish` is set; after "error" it raises the model's exception. A request that is cancelled, or whose
    deadline passes between two forwards, yields no further step: its last Step may have no `finish` (look at the request's own),
    and text that was held back, as it might have begun a stop string, is in `ids` only.
    """

    def __init__(
        self,
        engine: RequestRunner,
        prompt_ids: tuple[int, ...],
        truncated_tokens: int,
        params: SamplingParams,
        top: int,
        *,
        eos: tuple[int, ...],
        max_new_tokens: int,
        nbytes: int,
        token_text: Callable[[int], str],
        draft_length: DraftLength,
        chunk: int,
        watch: Watch | None = None,
        drawn: int = 0,
        visitor: Visitor = ANYONE,
        prompt_top: int | None = None,
        prompt_only: bool = False,
        news: threading.Condition,
        wake: Callable[[], None] | None = None,
        admitted: bool = False,
    ):
        self.visitor = visitor
        self.admitted = admitted
        self.prompt_ids = prompt_ids  # without the ids dropped at the front
        self.truncated_tokens = truncated_tokens  # ids dropped at the front of the prompt
        self.params = params
        self.top = top
        self.seed = secrets.randbits(32) if params.seed is None else params.seed  # the seed in use
        self.ids: list[int] = []  # sampled so far
        self.prompt_steps: list[Step] = []  # of the prompt's ids, where it is scored; complete with the first Step, or at the end
        self.prefilled = 0  # prompt ids in the KV cache, of `total`
        self.reused = 0  # prompt ids taken from the prefix cache
        self.total = len(prompt_ids)
        self.finish: Finish | None = None
        self.error: Exception | None = None  # the exception of the model
        self.max_new_tokens = max_new_tokens  # new ids at most
        self.nbytes = nbytes  # of KV cache at the largest length
        # The rest is for the engine.
        self.cache: Any = None
        self.prompt_top = prompt_top  # None: the prompt is not scored
        self.prompt_only = prompt_only
        self.logits: Tensor | None = None  # (V,) after the prompt, once it is computed
        self.steps: deque[Step] = deque()  # not yet read
        self.news = news  # there are steps to read, or it has ended
        self.wake = wake
        self.raised = False
        self.last_forward = 0  # number of the last forward with a chunk of its prompt
        self.max_concurrent = 0
        self.draft_length = draft_length
        self.chunk = chunk  # prompt ids in one chunk
        self.submitted = engine.clock()
        self.started: float | None = None
        self.ended: float | None = None
        self._engine = engine
        self._eos = eos
        self._token_text = token_text
        self._history = np.empty(self.total + max_new_tokens, dtype=np.int64)
        self._history[: self.total] = prompt_ids
        self._known = self.total  # ids in _history
        self._generator = torch.Generator().manual_seed(self.seed)
        torch.rand(drawn, dtype=torch.float64, generator=self._generator)
        self._watch = watch
        self._prompt_text = engine.tokenizer.stream_decoder() if prompt_top is not None and engine.tokenizer is not None else None
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
        """End the request and free its slot; does nothing if it has ended. Steps that are ready can still be read."""
        self._engine.cancel(self)

    def read(self) -> list[Step]:
        """The Steps that are there already; [] where none is. After "error" it raises the model's exception, once."""
        return self._engine.read(self)

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` for a step or the end (without a thread: run one forward). Whether it can be read now.

        Between two calls, `position` and `prefilled` of `total` show the progress of a request without tokens.
        """
        return self._engine.ready(self, seconds)

    @property
    def position(self) -> int:
        """Place in the queue, from 1; 0: it runs or has ended."""
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
            drafted=self.draft_length.drafted,
            accepted=self.draft_length.accepted,
            max_concurrent=self.max_concurrent,
        )

    # For the engine

    @property
    def cost(self) -> float:
        """What it may use of the machine, in generated tokens."""
        return self.total * PROMPT_COST + self.max_new_tokens

    @property
    def spent(self) -> float:
        """What it has used of the machine, in generated tokens."""
        return self.prefilled * PROMPT_COST + len(self.ids)

    def notify(self) -> None:
        """Wake the reader: there are steps, or it has ended."""
        self.news.notify_all()
        if self.wake is not None:
            self.wake()

    def note_prompt(self, row: "Row") -> None:
        """Take over what a forward has computed of the prompt: its scores, if asked for, and the logits of the next id."""
        logits, start = row.logits, self.prefilled
        self.prefilled += len(row.ids)
        row.logits, row.keep = None, 0
        if logits is None:
            return
        if self.prompt_top is not None:
            check_finite(logits)
            if start == 0:
                self._score(None, self.prompt_ids[0])
            for before, id in zip(logits, self.prompt_ids[start + 1 : self.prefilled + 1], strict=False):
                self._score(before, id)
        if self.prefilled == self.total:
            self.logits = logits[-1].clone()
            if not self.prompt_only:
                row.logits, row.keep = logits[-1:], 1

    def _score(self, logits: Tensor | None, id: int) -> None:
        """Add the Step of an id of the prompt. logits: (V,) before it; None for the first id."""
        text = self._prompt_text.push(id) if self._prompt_text else ""
        if logits is None:
            step = Step.unscored(id, text)
        else:
            step = scored_step(logits, id, text, self.prompt_top or 0, self._token_text)
        if self._prompt_text and len(self.prompt_steps) + 1 == self.total:
            step = replace(step, text=text + self._prompt_text.flush())
        self.prompt_steps.append(step)

    def cached_ids(self, generated: bool) -> np.ndarray:
        """The ids in its KV cache, (n,) int64: those of the prompt, and with `generated` the generated ones too."""
        return self._history[: self._known - 1 if generated and self._known > self.total else self.prefilled]

    @property
    def prompt(self) -> np.ndarray:
        return self._history[: self.total]

    def overdue(self, now: float) -> bool:
        """Whether its deadline has passed."""
        return self.params.deadline_s is not None and now - self.submitted >= self.params.deadline_s

    def row(self, running: int, speculate: bool, chunks: int = 1) -> "Row":
        """Its row in the next forward. running: how many requests run. chunks: how many chunks of its prompt it may have."""
        if self.prefilled < self.total:
            end = min((self.prefilled // self.chunk + max(1, chunks)) * self.chunk, self.total)
            ids = self.prompt_ids[self.prefilled : end]
            return Row(self, ids, keep=len(ids) if self.prompt_top is not None else int(end == self.total))
        if self._known == self.total:
            return Row(
                self, (), keep=0, logits=None if self.logits is None else self.logits[None]
            )  # the prefix cache had the complete prompt
        drafted: list[int] = []
        if speculate and self._known + 1 < len(self._history):
            most = min(self.draft_length.length(running), MAX_DRAFT, len(self._history) - self._known - 1)
            drafted = draft_ids(self._history[: self._known], most)
        return Row(self, (int(self._history[self._known - 1]), *drafted), keep=1 + len(drafted))

    def write(self, row: "Row") -> None:
        """Sample ids from a forward's logits into `row.steps`: the ids of the draft while they are accepted, and one more."""
        assert row.logits is not None
        drafted = row.ids[1:] if row.keep > 1 else ()
        for place in range(len(row.logits)):
            step = self._draw(row.logits[place])
            row.steps.append(step)
            if step.finish is not None or place >= len(drafted) or step.id != drafted[place]:
                break
        if drafted:
            accepted = sum(step.id == id for step, id in zip(row.steps, drafted, strict=False))
            self.draft_length.note(len(drafted), accepted)

    def _draw(self, logits: Tensor) -> Step:
        """Sample the next id from its logits (V,), float32 on the CPU."""
        generated = self._known - self.total
        if self._watch is not None:
            self._watch(self._history[: self._known], logits)
        banned = self._eos if generated < self.params.min_new_tokens else ()
        left = apply_filters(logits, self.params, self._history[: self._known], banned)
        id = left.draw(self._generator)
        logprobs, rank, entropy = token_statistics(logits, id)
        top = top_choices(logprobs, id, self.top, self._token_text, left.probabilities) if self.top else ()
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
        """The text that a new id adds, and whether it ends the request. The end token itself has no text."""
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
    """The part of one forward that belongs to one request."""

    request: Request
    ids: tuple[int, ...]  # a chunk of the prompt, or the last id and a draft; () where the logits are known already
    keep: int  # number of trailing positions that need logits
    logits: Tensor | None = None  # (keep, V), float32, on the CPU
    error: Exception | None = None
    steps: list[Step] = field(default_factory=list)
    cache: Any = field(init=False)  # of the request, also after it was cancelled
    length: int = field(init=False)  # of the cache before the forward

    def __post_init__(self) -> None:
        self.cache = self.request.cache
        self.length = self.cache.length
