"""Many requests over one model: one forward for all that run, streamed steps, cancel, a bounded waiting line.

The engine receives model and tokenizer as arguments and knows neither class. Requests join and leave between two forwards. Each
forward reads one id (and perhaps a draft) of every text that is being written and one chunk of prompts, so that a long prompt
holds the others up no longer than that takes; several chunks where nothing is being written, or where they take hardly longer.
A request's life is in request.py, who may run in line.py, what a forward reads in batch.py, reused prompts in prefixes.py,
drafts in speculation.py. With `start()` a thread of its own does the work; without, whoever iterates a Request does it, for all
that run (a forked child has no threads).
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch

from neoxjp.engine import batch
from neoxjp.engine.prefix_cache import PrefixCache, PrefixEntry, chunk_for, fork_prefix
from neoxjp.engine.records import (
    Choice,
    Finish,
    LanguageModel,
    Step,
    bos_ids,
    check_ids,
    eos_ids,
    forward_one,
    score,
    token_text_function,
)
from neoxjp.engine.request import Request, Row, Stats, Watch
from neoxjp.engine.scheduler import Scheduler, cache_bytes_needed, fit_prompt
from neoxjp.engine.speculation import PLAIN_ROW_COST, ROW_COST, DraftLength
from neoxjp.engine.threads import release_threads
from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.sampling import SamplingParams, SamplingTrace, trace_sampling

__all__ = ["Choice", "Engine", "Finish", "LanguageModel", "Request", "Stats", "Step", "score"]

PREFIX_BYTES = 512 * 2**20
_IMPORTED_IN = os.getpid()


class Engine:
    """Runs requests over one model.

    tokenizer: for the text of the steps and for stop strings; without one, text is "".
    max_batch: requests that run at once, each with a cache of its own. max_waiting: requests that may wait for a slot.
    cache_bytes: bytes that all caches may take, those of kept prompts included; None: no bound. A request is counted with its
        prompt and all its new tokens before it may run, and waits while it does not fit.
    prefix_bytes: of them at most this many for the caches of texts that were read, to begin from again; 0: none is kept.
    chunk: ids of prompts that one forward reads beside texts; None: by the model's size.
    speculate: guess ids ahead where the text repeats itself and it pays. Changes no bit where the model's rows are
        independent; else numbers may differ in their last digits, as they do beside other requests.
    clock: seconds that only grow.

    In a forked child the requests of the parent are dropped (cancelled there), and torch is set to one thread: its thread pool
    does not survive a fork, and a second thread would wait for ever.
    """

    def __init__(
        self,
        model: LanguageModel,
        tokenizer: Any = None,
        *,
        max_batch: int = 8,
        max_waiting: int = 16,
        cache_bytes: int | None = None,
        prefix_bytes: int = PREFIX_BYTES,
        chunk: int | None = None,
        speculate: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ):
        if max_batch < 1 or max_waiting < 0:
            raise ParameterError(f"max_batch={max_batch!r} must be at least 1 and max_waiting={max_waiting!r} at least 0")
        if prefix_bytes < 0 or (cache_bytes is not None and cache_bytes < 0):
            raise ParameterError(f"cache_bytes={cache_bytes!r} and prefix_bytes={prefix_bytes!r} must be 0 or more")
        if chunk is not None and chunk < 1:
            raise ParameterError(f"chunk={chunk!r} must be at least 1")
        self.model = model
        self.tokenizer = tokenizer
        self.max_batch = max_batch
        self.max_waiting = max_waiting
        self.cache_bytes = cache_bytes
        self.prefix_bytes = prefix_bytes
        self.speculate = speculate
        self.clock = clock
        self._name = token_text_function(tokenizer)
        self.chunk = chunk_for(model.num_parameters) if chunk is None else chunk
        self._rows_are_independent, self._positions_are_identical = (
            bool(model.rows_are_independent),
            bool(model.positions_are_identical),
        )
        shared = self._rows_are_independent or torch.device(model.device).type != "cpu"  # rows share the reading of the weights
        self._row_cost = ROW_COST if shared else PLAIN_ROW_COST
        self._thread: threading.Thread | None = None
        self._closed = False
        self._reset_state()
        if self._process != _IMPORTED_IN:
            torch.set_num_threads(1)

    def submit(
        self,
        prompt_ids: Sequence[int],
        params: SamplingParams | None = None,
        top: int = 0,
        overflow: Literal["error", "cut"] = "error",
        watch: Watch | None = None,
        drawn: int = 0,
    ) -> Request:
        """Put a prompt to work; returns at once.

        prompt_ids: one sequence; an empty one becomes the model's bos id, so that there is something to continue.
        top: how many of the most probable tokens each Step lists; 0 = none, not even the drawn one.
        overflow: when prompt and new tokens do not fit the context, "error" raises; "cut" keeps the last ids that fit and
            Request.cut says how many went. Without max_new_tokens, the cut leaves a quarter of the context for new text.
        watch: is called before each draw with the ids so far and the logits (V,) it is made from, float32 on the CPU: to be
            copied by whoever wants to keep them, and quickly, since all requests wait for it.
        drawn: so many ids at the end of the prompt were drawn with this seed before; what follows is drawn as if in one go.
            A stop string that began in them is noticed; what they gave out of it stays.

        Raises PromptTooLong, also where the cache it needs never fits `cache_bytes`; QueueFull when the waiting line is full;
        ParameterError for an id outside the vocabulary.
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
        ids = check_ids(prompt_ids, config.vocab_size) or bos_ids(config)
        if not 0 <= drawn <= len(ids):
            raise ParameterError(f"drawn={drawn!r} must be from 0 to the prompt's {len(ids)} ids")
        eos = check_ids(eos_ids(params, config), config.vocab_size, "eos_token_id")
        kept = fit_prompt(ids, params, config.max_position_embeddings, overflow)
        max_new_tokens = params.max_new_tokens or config.max_position_embeddings - len(kept)
        nbytes = cache_bytes_needed(
            len(kept), max_new_tokens, self.model.cache_bytes_per_token, self.model.cache_block, self.cache_bytes
        )
        cut = len(ids) - len(kept)
        request = Request(
            self,
            kept,
            cut,
            params,
            top,
            eos=eos,
            max_new_tokens=max_new_tokens,
            nbytes=nbytes,
            name=self._name,
            pace=DraftLength(self._row_cost),
            chunk=self.chunk,
            watch=watch,
            drawn=drawn,
        )
        with self._changed:
            if self._closed:
                raise NeoxjpError("the engine is closed: make a new one", ja="エンジンは終了しています。")
            self._scheduler.join(request, self.clock())
            self._changed.notify_all()
        return request

    def step(self) -> bool:
        """One forward for all that run: a token of each text, and the next piece of a prompt. False: there is nothing to do."""
        self._check_process()
        with self._forward:
            self._settle()
            running = self._due()
            try:
                for request in running:
                    if request.cache is None:
                        self._begin(request)
                self._forward_number += 1
                with self._changed:
                    rows = batch.plan_rows(
                        running,
                        self._forward_number,
                        self.chunk,
                        self.speculate,
                        self._rows_are_independent,
                        self._prefill_budget.chunks,
                    )
                self._advance(rows)
            except BaseException:  # Ctrl-C of whoever drives the engine inline
                for request in running:
                    self._finish(request, "cancelled")
                raise
            return bool(running)

    def start(self) -> "Engine":
        """Work in a thread of the engine's own from now on."""
        self._check_process()
        with self._changed:
            if self._closed:
                raise NeoxjpError("the engine is closed: make a new one", ja="エンジンは終了しています。")
            if self._thread is None:
                release_threads()  # the caller's, who has loaded the model with them: they would slow the engine's down
                self._thread = threading.Thread(target=self._work, name="neoxjp-engine", daemon=True)
                self._thread.start()
        return self

    def close(self) -> None:
        """Cancel every request and end the thread, after the forward that is running. The engine takes no more requests."""
        self._check_process()
        with self._changed:
            self._closed = True
            for request in [*self._scheduler.running, *self._scheduler.waiting]:
                self._finish(request, "cancelled")
            thread, self._thread = self._thread, None
            self._changed.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        with self._forward:
            self._released.clear()
            self._prefixes.shrink(0)

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def running(self) -> int:
        """How many requests hold a slot."""
        return len(self._scheduler.running)

    @property
    def waiting(self) -> int:
        """How many requests wait for a slot."""
        return len(self._scheduler.waiting)

    @property
    def prefix_cache_bytes(self) -> int:
        """Bytes of caches that are kept to begin from again."""
        return self._prefixes.nbytes

    def sampling_trace(
        self, ids: Sequence[int], params: SamplingParams, *, new: int = 0, show: int = 20, include: Sequence[int] = ()
    ) -> SamplingTrace:
        """What the filters do to the token after `ids`, of which the last `new` were drawn. Reads all of `ids` again.

        Raises PromptTooLong where `ids` fill the context.
        """
        self._check_process()
        config = self.model.config
        history = check_ids(ids, config.vocab_size) or bos_ids(config)
        history = fit_prompt(history, SamplingParams(max_new_tokens=1), config.max_position_embeddings, "error")
        with self._forward, torch.inference_mode():
            cache = self.model.new_cache()
            for start in range(0, len(history), self.chunk):
                logits = forward_one(self.model, history[start : start + self.chunk], cache, keep=1)
            banned = eos_ids(params, config) if new < params.min_new_tokens else ()
            return trace_sampling(logits[-1], params, history, show, banned=banned, include=include)

    # For a Request

    def next_step(self, request: Request) -> Step:
        """Its next Step; does the forwards for it where no thread does."""
        self._check_process()
        while True:
            with self._changed:
                if request.steps:
                    return request.steps.popleft()
                if request.finish is not None:
                    if request.error is not None and not request.raised:
                        request.raised = True
                        raise request.error
                    raise StopIteration
                if self._thread is not None:
                    self._changed.wait()
                    continue
            self.step()

    def ready(self, request: Request, seconds: float) -> bool:
        """Whether its next Step or its end is there, within so many seconds."""
        self._check_process()

        def ready() -> bool:
            return bool(request.steps) or request.finish is not None

        if not ready() and self._thread is None:
            self.step()
        with self._changed:
            return ready() if self._thread is None else self._changed.wait_for(ready, seconds)

    def position(self, request: Request) -> int:
        """Its place in the waiting line, from 1; 0: it is not in it."""
        with self._changed:
            return self._scheduler.place(request)

    def cancel(self, request: Request) -> None:
        """End it; nothing happens where it has ended."""
        self._finish(request, "cancelled")

    # The rest runs under one of two locks: `_changed` guards lists and requests for a moment, `_forward` the model and every
    # cache for a forward.

    def _reset_state(self) -> None:
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._forward = threading.Lock()
        self._scheduler = Scheduler(self.max_batch, self.max_waiting, self.cache_bytes)
        self._released: deque[PrefixEntry] = deque()  # what ended requests read, for `_settle`
        self._prefixes = PrefixCache(self.prefix_bytes, 1 if self._positions_are_identical else self.chunk)
        self._forward_number = 0  # number of the forward
        self._prefill_budget = batch.PrefillBudget(self.chunk)

    def _check_process(self) -> None:
        """In a forked child: locks may be held by threads that are not here, and the parent's requests are the parent's."""
        if self._process == os.getpid():
            return
        inherited = [*self._scheduler.running, *self._scheduler.waiting]
        self._thread = None
        self._reset_state()
        for request in inherited:
            self._finish(request, "cancelled")
        self._released.clear()
        torch.set_num_threads(1)

    def _work(self) -> None:
        try:
            while not self._closed:
                if not self.step():
                    with self._changed:
                        self._changed.wait_for(lambda: self._closed or self._scheduler.running or self._released)
        finally:  # whatever ended the thread, readers must not wait for it
            with self._changed:
                self._thread = None
                self._changed.notify_all()

    def _settle(self) -> None:
        """Keep what ended requests read, within what the running ones leave."""
        while self._released:
            self._prefixes.keep(self._released.popleft())
        if self.cache_bytes is not None:
            with self._changed:
                reserved = self._scheduler.reserved_bytes
            self._prefixes.shrink(max(0, self.cache_bytes - reserved))

    def _due(self) -> list[Request]:
        """The requests that run now; those whose deadline has passed end."""
        with self._changed:
            now = self.clock()
            for request in [*self._scheduler.running, *self._scheduler.waiting]:
                if request.overdue(now):
                    self._finish(request, "deadline")
            return list(self._scheduler.running)

    def _begin(self, request: Request) -> None:
        """Its cache: a copy of the longest beginning of its prompt that some cache has, or an empty one."""
        try:
            ids, found = request.whole_prompt, None
            if self.prefix_bytes:
                running = [self._prefix_entry(other) for other in list(self._scheduler.running)]
                found = self._prefixes.longest(ids, [kept for kept in running if kept.cache is not None])
            covered = found.covers(ids, self._prefixes.chunk) if found else 0
            cache = fork_prefix(found.cache, covered) if found else self.model.new_cache()
        except Exception as error:
            self._finish(request, "error", error)
            return
        with self._changed:
            if request.finish is None:
                request.cache, request.prefilled, request.reused = cache, covered, covered
                request.logits = found.logits if found and covered == request.total else None
                request.last_forward = self._forward_number

    def _prefix_entry(self, request: Request) -> PrefixEntry:
        """What it has read."""
        return PrefixEntry(request.read(self._positions_are_identical), request.cache, request.logits, request.total)

    @torch.inference_mode()
    def _advance(self, rows: list[Row]) -> None:
        """One forward of these rows, the ids it gives, and everything readers see of it."""
        began = self.clock()
        batch.run_forward(self.model, [row for row in rows if row.ids], self.chunk)
        self._prefill_budget.note(rows, self.clock() - began)
        for row in rows:
            request = row.request
            request.beside = max(request.beside, len(rows) - 1)
            if row.fault is None and request.prefilled < request.total:
                request.prefilled += len(row.ids)
                if row.logits is not None:
                    request.logits = row.logits[-1].clone()
            if row.fault is None and row.logits is not None:
                self._write(row)
        with self._changed:
            for row in rows:
                request = row.request
                if request.finish is not None:
                    continue  # cancelled while the model ran
                request.ids += [step.id for step in row.made]
                request.steps += row.made
                if row.fault is not None:
                    self._finish(request, "error", row.fault)
                elif row.made and row.made[-1].finish is not None:
                    self._finish(request, row.made[-1].finish)
            self._changed.notify_all()

    def _write(self, row: Row) -> None:
        """Draw a row's ids. What goes wrong here is this request's alone. Ids of a draft that were not drawn leave the cache."""
        try:
            row.request.write(row)
        except Exception as error:
            row.fault = error
        if row.keep > 1:
            row.cache.crop(row.length + max(1, len(row.made)))

    def _finish(self, request: Request, finish: Finish, error: Exception | None = None) -> None:
        """End a request, free its slot and its cache, let the next ones in."""
        with self._changed:
            if request.finish is not None:
                return
            if request.cache is not None and self.prefix_bytes:
                self._released.append(self._prefix_entry(request))
            request.finish, request.error, request.cache = finish, error, None
            request.ended = self.clock()
            self._scheduler.leave(request, request.ended)
            self._changed.notify_all()
