"""Many requests over one model: prefill, decoding, streamed steps, stop strings, deadline, cancel, a bounded waiting line.

The engine receives model and tokenizer as arguments and knows neither class. One forward runs at a time, for the request whose
turn it is: its tokens are bit for bit the same alone or beside others. With `start()` a thread of its own does the work; without,
whoever iterates a Request does it, for all that run (a forked child has no threads).
"""

import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from neoxjp.errors import NeoxjpError, ParameterError, PromptTooLong, QueueFull
from neoxjp.sampling import Ledger, SamplingParams, candidates, draw, ledger
from neoxjp.steps import (
    PREFILL,
    Choice,
    Finish,
    LanguageModel,
    Step,
    StoppingText,
    bos_of,
    checked_ids,
    choices,
    forward,
    namer,
    record,
    score,
)

__all__ = ["Choice", "Engine", "Finish", "LanguageModel", "Request", "Stats", "Step", "score"]

_IMPORTED_IN = os.getpid()


@dataclass(frozen=True, slots=True)
class Stats:
    """Seconds by the clock on the wall, as the reader of the stream lives them. None: not there yet."""

    queue_s: float  # in the waiting line
    prefill_s: float | None  # from leaving the line to the first token
    decode_s: float | None  # from the first token to the last so far
    time_to_first_token: float | None  # from submit
    tokens: int
    tokens_per_second: float | None  # of the tokens after the first


class Request:
    """One text in the making. Iterate it for its Steps; use it in `with` to free its slot however the block is left.

    Iteration ends when `finish` is set; after "error" it raises what the model raised. A cancelled request makes no further step,
    so the last one read may have no `finish`: ask the request.
    """

    def __init__(self, engine: "Engine", prompt_ids: tuple[int, ...], cut: int, params: SamplingParams, top: int):
        self.prompt_ids = prompt_ids  # after a cut
        self.cut = cut  # ids dropped at the front of the prompt
        self.params = params
        self.top = top
        self.seed = secrets.randbits(32) if params.seed is None else params.seed  # the one in use
        self.ids: list[int] = []  # drawn so far
        self.prefilled = 0  # ids of the prompt that were read, of `total`
        self.total = len(prompt_ids)
        self.finish: Finish | None = None
        self.error: Exception | None = None  # what the model raised
        self._engine = engine
        self._steps: deque[Step] = deque()  # made, not yet read
        self._raised = False
        self._cache: Any = None
        self._generator = torch.Generator().manual_seed(self.seed)
        self._text = StoppingText(engine.tokenizer, params.stop)
        self._submitted = engine.clock()
        self._started: float | None = None
        self._first: float | None = None
        self._last: float | None = None
        self._ended: float | None = None

    def __iter__(self) -> Iterator[Step]:
        return self

    def __next__(self) -> Step:
        return self._engine._next_step(self)

    def __enter__(self) -> "Request":
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()

    def cancel(self) -> None:
        """End the request and free its slot at once; nothing happens where it has ended. Steps already made can still be read."""
        self._engine._finish(self, "cancelled")

    def wait(self, seconds: float) -> bool:
        """Whether a step, or the end, can be read now without waiting; waits for it up to `seconds` (inline: does one forward).

        Between two calls `position` and `prefilled` of `total` tell how far a request is that has no token yet.
        """
        return self._engine._ready(self, seconds)

    @property
    def position(self) -> int:
        """Place in the waiting line; 0: it runs, or has ended."""
        return self._engine._position(self)

    @property
    def stats(self) -> Stats:
        now = self._engine.clock() if self._ended is None else self._ended
        decode = None if self._first is None or self._last is None else self._last - self._first
        return Stats(
            queue_s=(now if self._started is None else self._started) - self._submitted,
            prefill_s=None if self._first is None or self._started is None else self._first - self._started,
            decode_s=decode,
            time_to_first_token=None if self._first is None else self._first - self._submitted,
            tokens=len(self.ids),
            tokens_per_second=(len(self.ids) - 1) / decode if decode else None,
        )


class Engine:
    """Runs requests over one model.

    tokenizer: for the text of the steps and for stop strings; without one, text is "".
    max_batch: requests that run at once, each with a cache of its own. max_waiting: requests that may wait for a slot.
    clock: seconds that only grow.

    In a forked child the requests of the parent are dropped (cancelled there), and torch is set to one thread: its thread pool
    does not survive a fork, and a second thread would wait for ever.
    """

    def __init__(
        self,
        model: LanguageModel,
        tokenizer: Any = None,
        *,
        max_batch: int = 4,
        max_waiting: int = 16,
        clock: Callable[[], float] = time.monotonic,
    ):
        if max_batch < 1 or max_waiting < 0:
            raise ParameterError(f"max_batch={max_batch!r} must be at least 1 and max_waiting={max_waiting!r} at least 0")
        self.model = model
        self.tokenizer = tokenizer
        self.max_batch = max_batch
        self.max_waiting = max_waiting
        self.clock = clock
        self._name = namer(tokenizer)
        self._thread: threading.Thread | None = None
        self._closed = False
        self._fresh_locks()
        if self._process != _IMPORTED_IN:
            torch.set_num_threads(1)

    def submit(
        self,
        prompt_ids: Sequence[int],
        params: SamplingParams | None = None,
        top: int = 0,
        overflow: Literal["error", "cut"] = "error",
    ) -> Request:
        """Put a prompt to work; returns at once.

        prompt_ids: one sequence; an empty one becomes the model's bos id, so that there is something to continue.
        top: how many of the most probable tokens each Step lists; 0 = none, not even the drawn one.
        overflow: when prompt and new tokens do not fit the context, "error" raises; "cut" keeps the last ids that fit and
            Request.cut says how many went. Without max_new_tokens, the cut leaves a quarter of the context for new text.

        Raises PromptTooLong; QueueFull when the waiting line is full; ParameterError for an id outside the vocabulary.
        """
        self._check_process()
        params = params or SamplingParams()
        if overflow not in ("error", "cut"):
            raise ParameterError(f"overflow={overflow!r} must be 'error' or 'cut'")
        if top < 0:
            raise ParameterError(f"top={top!r} must be 0 or more", ja=f"top={top!r} は 0 以上にしてください")
        if params.stop and self.tokenizer is None:
            raise ParameterError(f"stop={params.stop!r} needs an engine with a tokenizer: stop strings are text")
        config = self.model.config
        ids = checked_ids(prompt_ids, config.vocab_size) or bos_of(config)
        checked_ids(_eos(params, config), config.vocab_size, "eos_token_id")
        kept = _fitting(ids, params, config.max_position_embeddings, overflow)
        request = Request(self, kept, len(ids) - len(kept), params, top)
        with self._changed:
            if self._closed:
                raise NeoxjpError("the engine is closed: make a new one", ja="エンジンは終了しています。")
            if len(self._running) < self.max_batch:
                self._admit(request)
            elif len(self._waiting) < self.max_waiting:
                self._waiting.append(request)
            else:
                run, wait = len(self._running), len(self._waiting)
                raise QueueFull(
                    f"{run} requests run and {wait} wait, the most there may be; try again in a moment",
                    ja=f"混み合っています（実行中 {run}、待ち {wait}）。少し待ってからもう一度お試しください。",
                )
            self._changed.notify_all()
        return request

    def step(self) -> bool:
        """One forward: a piece of a prompt or one token, of the request whose turn it is. False: there is nothing to do."""
        self._check_process()
        with self._forward:
            request = self._turn()
            if request is None:
                return False
            try:
                self._advance(request)
            except Exception as error:
                self._finish(request, "error", error)
            except BaseException:  # Ctrl-C of whoever drives the engine inline
                self._finish(request, "cancelled")
                raise
            return True

    def start(self) -> "Engine":
        """Work in a thread of the engine's own from now on."""
        self._check_process()
        with self._changed:
            if self._closed:
                raise NeoxjpError("the engine is closed: make a new one", ja="エンジンは終了しています。")
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="neoxjp-engine", daemon=True)
                self._thread.start()
        return self

    def close(self) -> None:
        """Cancel every request and end the thread, after the forward that is running. The engine takes no more requests."""
        self._check_process()
        with self._changed:
            self._closed = True
            for request in [*self._running, *self._waiting]:
                self._finish(request, "cancelled")
            thread, self._thread = self._thread, None
            self._changed.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def running(self) -> int:
        """How many requests hold a slot."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """How many requests wait for a slot."""
        return len(self._waiting)

    def ledger(
        self, ids: Sequence[int], params: SamplingParams, *, new: int = 0, show: int = 20, include: Sequence[int] = ()
    ) -> Ledger:
        """What the filters do to the token after `ids`, of which the last `new` were drawn. Reads all of `ids` again.

        Raises PromptTooLong where `ids` fill the context.
        """
        self._check_process()
        config = self.model.config
        history = checked_ids(ids, config.vocab_size) or bos_of(config)
        history = _fitting(history, SamplingParams(max_new_tokens=1), config.max_position_embeddings, "error")
        with self._forward, torch.inference_mode():
            cache = self.model.new_cache()
            for start in range(0, len(history), PREFILL):
                logits = forward(self.model, history[start : start + PREFILL], cache, keep=1)
            banned = _eos(params, config) if new < params.min_new_tokens else ()
            return ledger(logits[-1], params, history, show, banned=banned, include=include)

    # The rest runs under one of two locks: `_changed` guards lists and requests for a moment, `_forward` the model for a forward.

    def _fresh_locks(self) -> None:
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._forward = threading.Lock()
        self._running: deque[Request] = deque()  # the next one to have its turn is first
        self._waiting: deque[Request] = deque()

    def _check_process(self) -> None:
        """In a forked child: locks may be held by threads that are not here, and the parent's requests are the parent's."""
        if self._process == os.getpid():
            return
        inherited = [*self._running, *self._waiting]
        self._thread = None
        self._fresh_locks()
        for request in inherited:
            self._finish(request, "cancelled")
        torch.set_num_threads(1)

    def _work(self) -> None:
        try:
            while not self._closed:
                if not self.step():
                    with self._changed:
                        self._changed.wait_for(lambda: self._closed or self._running)
        finally:  # whatever ended the thread, readers must not wait for it
            with self._changed:
                self._thread = None
                self._changed.notify_all()

    def _admit(self, request: Request) -> None:
        request._started = self.clock()
        self._running.append(request)

    def _turn(self) -> Request | None:
        with self._changed:
            now = self.clock()
            for request in [*self._running, *self._waiting]:
                if _overdue(request, now):
                    self._finish(request, "deadline")
            if not self._running:
                return None
            self._running.rotate(-1)
            return self._running[-1]

    def _next_step(self, request: Request) -> Step:
        self._check_process()
        while True:
            with self._changed:
                if request._steps:
                    return request._steps.popleft()
                if request.finish is not None:
                    if request.error is not None and not request._raised:
                        request._raised = True
                        raise request.error
                    raise StopIteration
                if self._thread is not None:
                    self._changed.wait()
                    continue
            self.step()

    def _ready(self, request: Request, seconds: float) -> bool:
        self._check_process()

        def ready() -> bool:
            return bool(request._steps) or request.finish is not None

        if not ready() and self._thread is None:
            self.step()
        with self._changed:
            return ready() if self._thread is None else self._changed.wait_for(ready, seconds)

    def _position(self, request: Request) -> int:
        with self._changed:
            return self._waiting.index(request) + 1 if request in self._waiting else 0

    def _finish(self, request: Request, finish: Finish, error: Exception | None = None) -> None:
        """End a request, free its slot and its cache, let the next one in."""
        with self._changed:
            if request.finish is not None:
                return
            request.finish, request.error, request._cache = finish, error, None
            request._ended = self.clock()
            for line in (self._running, self._waiting):
                if request in line:
                    line.remove(request)
            while self._waiting and len(self._running) < self.max_batch:
                self._admit(self._waiting.popleft())
            self._changed.notify_all()

    @torch.inference_mode()
    def _advance(self, request: Request) -> None:
        """One forward of this request, and the token it gives unless the prompt goes on."""
        if request._cache is None:
            request._cache = self.model.new_cache()
        reading = request.prompt_ids[request.prefilled : request.prefilled + PREFILL]
        logits = forward(self.model, reading or request.ids[-1:], request._cache, keep=1)[0]  # (V,)
        request.prefilled += len(reading)
        if request.prefilled < request.total:
            return
        params, eos = request.params, _eos(request.params, self.model.config)
        banned = eos if len(request.ids) < params.min_new_tokens else ()
        ids, probabilities = candidates(logits, params, [*request.prompt_ids, *request.ids], banned)
        id = int(draw(ids, probabilities, params, request._generator))
        logprobs, rank, entropy = record(logits, id)
        top: tuple[Choice, ...] = ()
        if request.top:
            after = torch.full((len(logits),), -1.0, dtype=torch.float64).index_copy_(0, ids, probabilities)
            top = choices(logprobs, id, request.top, self._name, after)
        with self._changed:
            if request.finish is not None:
                return  # cancelled while the model ran
            text, finish = self._text_and_finish(request, id, id in eos)
            now = self.clock()
            before = request._started if request._last is None else request._last
            assert before is not None
            request._first = now if request._first is None else request._first
            request._last = now
            request.ids.append(id)
            request._steps.append(Step(id, text, float(logprobs[id]), rank, entropy, top, now - before, finish))
            if finish is not None:
                self._finish(request, finish)
            self._changed.notify_all()

    def _text_and_finish(self, request: Request, id: int, is_eos: bool) -> tuple[str, Finish | None]:
        """What a new id adds to the text, and whether it ends it. The end token itself is no text."""
        if is_eos:
            return request._text.flush(), "eos"
        text, stopped = request._text.push(id)
        if stopped:
            return text, "stop"
        most = request.params.max_new_tokens
        room = self.model.config.max_position_embeddings - request.total if most is None else most
        if len(request.ids) + 1 >= room:
            return text + request._text.flush(), "length"
        if _overdue(request, self.clock()):
            return text + request._text.flush(), "deadline"
        return text, None


def _fitting(ids: tuple[int, ...], params: SamplingParams, context: int, overflow: str) -> tuple[int, ...]:
    """The last ids that leave room for the new ones; PromptTooLong where they may not be cut or nothing would be left."""
    wanted = params.max_new_tokens or 1
    if len(ids) + wanted <= context:
        return ids
    if overflow == "error" or wanted >= context:
        raise PromptTooLong(
            f"the prompt has {len(ids)} tokens and {wanted} new ones are asked for, but the context is {context}: "
            f"shorten the prompt, lower max_new_tokens, or let it be cut with overflow='cut'",
            ja=f"プロンプトの {len(ids)} トークンと新しい {wanted} トークンは、文脈の長さ {context} に収まりません。",
        )
    room = wanted if params.max_new_tokens else max(context // 4, 1)
    return ids[-(context - room) :]


def _eos(params: SamplingParams, config: Any) -> tuple[int, ...]:
    eos = config.eos_token_id if params.eos_token_id is None else params.eos_token_id
    return () if eos is None else (eos,) if isinstance(eos, int) else tuple(eos)


def _overdue(request: Request, now: float) -> bool:
    return request.params.deadline_s is not None and now - request._submitted >= request.params.deadline_s
