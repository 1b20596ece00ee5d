"""Continuous batching over one model: one forward for all running requests, streamed steps, cancellation, a bounded queue.

The engine gets model and tokenizer as arguments and imports neither class. Requests join and leave between two forwards. A
forward reads one id (and perhaps a draft) of each request that decodes, and one chunk of prompts, so that a long prompt delays
the others only a little; it reads several chunks where nothing decodes or where they add little time. See request.py for the
state of a request, scheduler.py for which requests run, batch.py for the rows of a forward, prefix_cache.py for reused
prompts, and speculation.py for drafts. `start()` runs the engine in a thread of its own. Without it, iterating any Request
runs forwards for all of them (a forked child has no threads).
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch

from neoxjp.engine import batch
from neoxjp.engine.observer import Observer
from neoxjp.engine.prefix_cache import PrefixCache, PrefixEntry, fork_prefix, is_coming
from neoxjp.engine.records import (
    Choice,
    Finish,
    LanguageModel,
    Step,
    bos_ids,
    check_ids,
    chunk_for,
    eos_ids,
    forward_one,
    score,
    token_text_function,
)
from neoxjp.engine.request import ANYONE, Request, Row, Stats, Visitor, Watch
from neoxjp.engine.scheduler import RUNNING_EACH, WAITING_EACH, Scheduler, cache_bytes_needed, fit_prompt
from neoxjp.engine.speculation import PLAIN_ROW_COST, ROW_COST, DraftLength
from neoxjp.engine.threads import release_threads
from neoxjp.errors import NeoxjpError, NotReady, ParameterError, QueueFull, ShuttingDown
from neoxjp.sampling import SamplingParams, SamplingTrace, trace_sampling

__all__ = ["Choice", "Engine", "Finish", "LanguageModel", "Request", "Stats", "Step", "score"]

PREFIX_BYTES = 512 * 2**20
_IMPORTED_IN = os.getpid()


class Engine:
    """Runs requests over one model.

    Args:
        tokenizer: for the text of the steps and for stop strings. Without one, text is "".
        max_batch: requests that run at once, each with a KV cache of its own.
        max_waiting: requests that may wait in the queue.
        running_each, waiting_each: requests of one visitor's address that may run, and that keep their place in a full queue,
            while other addresses need the machine.
        cache_bytes: limit in bytes for all KV caches, the prefix cache included; None: no limit. A request counts with its prompt
            and all its new tokens, and waits until that fits.
        prefix_bytes: how many of these bytes the prefix cache may use; 0 turns it off.
        chunk: prompt ids in one chunk; None: chosen by the size of the model.
        speculate: draft ids by prompt lookup where the text repeats itself. The text stays the same. Its log probabilities stay
            bit for bit the same where the model's rows are independent; else they may differ in their last digits, as they do
            beside other requests.
        clock: a monotonic clock, in seconds.
        observer: called for each request.

    In a forked child the parent's requests are cancelled and torch is set to one thread: its thread pool does not survive a fork,
    and a second thread would wait for ever.
    """

    def __init__(
        self,
        model: LanguageModel,
        tokenizer: Any = None,
        *,
        max_batch: int = 8,
        max_waiting: int = 16,
        running_each: int = RUNNING_EACH,
        waiting_each: int = WAITING_EACH,
        cache_bytes: int | None = None,
        prefix_bytes: int = PREFIX_BYTES,
        chunk: int | None = None,
        speculate: bool = True,
        clock: Callable[[], float] = time.monotonic,
        observer: Observer | None = None,
    ):
        if max_batch < 1 or max_waiting < 0:
            raise ParameterError(f"max_batch={max_batch!r} must be at least 1 and max_waiting={max_waiting!r} at least 0")
        if running_each < 1 or waiting_each < 1:
            raise ParameterError(f"running_each={running_each!r} and waiting_each={waiting_each!r} must be at least 1")
        if prefix_bytes < 0 or (cache_bytes is not None and cache_bytes < 0):
            raise ParameterError(f"cache_bytes={cache_bytes!r} and prefix_bytes={prefix_bytes!r} must be 0 or more")
        if chunk is not None and chunk < 1:
            raise ParameterError(f"chunk={chunk!r} must be at least 1")
        self.model = model
        self.tokenizer = tokenizer
        self.max_batch = max_batch
        self.max_waiting = max_waiting
        self.running_each = running_each
        self.waiting_each = waiting_each
        self.cache_bytes = cache_bytes
        self.prefix_bytes = prefix_bytes
        self.speculate = speculate
        self.clock = clock
        self._observer = observer or Observer()
        self._token_text = token_text_function(tokenizer)
        self.chunk = chunk_for(model.num_parameters) if chunk is None else chunk
        self._rows_are_independent, self._positions_are_identical = (
            bool(model.rows_are_independent),
            bool(model.positions_are_identical),
        )
        shared = (
            self._rows_are_independent or torch.device(model.device).type != "cpu"
        )  # one pass over the weights serves all rows
        self._row_cost = ROW_COST if shared else PLAIN_ROW_COST
        self._thread: threading.Thread | None = None
        self._closed = self._draining = False
        self._reset_state()
        if self._process != _IMPORTED_IN:
            torch.set_num_threads(1)

    def submit(
        self,
        prompt_ids: Sequence[int],
        params: SamplingParams | None = None,
        top: int = 0,
        overflow: Literal["error", "truncate"] = "error",
        watch: Watch | None = None,
        drawn: int = 0,
        visitor: Visitor = ANYONE,
        prompt_top: int | None = None,
        prompt_only: bool = False,
        wake: Callable[[], None] | None = None,
        admitted: bool = False,
    ) -> Request:
        """Submit a prompt. Returns at once.

        Args:
            prompt_ids: one sequence. An empty one becomes the model's bos id.
            top: how many of the most probable tokens each Step lists; 0 lists none, not even the sampled one.
            overflow: what happens when prompt and new tokens do not fit the context: "error" raises; "truncate" drops ids at the
                front of the prompt (Request.truncated_tokens counts them). Without max_new_tokens, it leaves a quarter of the
                context for new tokens.
            watch: called before each draw with the ids so far and the logits (V,), float32 on the CPU. Copy what you want to
                keep, and return quickly: all requests wait.
            drawn: number of ids at the end of the prompt that were sampled before with this seed; sampling continues as if it had
                not been interrupted, but max_new_tokens and min_new_tokens count the new ids alone. A stop string that begins in
                them is found; the part of it in the prompt stays.
            visitor: whose request it is. Visitors take turns; without one, all requests are of the same visitor.
            prompt_top: score the prompt: `Request.prompt_steps` has what `score` returns for it, with so many tokens each. All of
                the prompt is computed then, also what is in the prefix cache.
            prompt_only: the request ends after the prompt, with "length", and generates nothing.
            wake: called, while the engine holds its lock, when there is something to `read`; for readers without a thread.
            admitted: it is a part of what was accepted before: it is also taken after `drain`, and where the queue is full the
                observer does not count a refusal, for it is tried again.

        Raises:
            PromptTooLong: prompt and new tokens do not fit the context, or need more cache than `cache_bytes`.
            ShuttingDown: after `drain`.
            QueueFull: as many requests wait as may, and no other visitor has more than `waiting_each` of them. Such a visitor
                loses its last waiting request, which then ends with this error.
            ParameterError: an id outside the vocabulary, or an argument out of its range.
        """
        self._check_process()
        params = params or SamplingParams()
        if overflow not in ("error", "truncate"):
            raise ParameterError(f"overflow={overflow!r} must be 'error' or 'truncate'")
        for name, given in (("top", top), ("prompt_top", prompt_top or 0)):
            if given < 0:
                raise ParameterError(f"{name}={given!r} must be 0 or more", ja=f"{name}={given!r} は 0 以上にしてください。")
        if params.stop and self.tokenizer is None:
            raise ParameterError(f"stop={params.stop!r} needs an engine with a tokenizer: stop strings are text")
        config = self.model.config
        ids = check_ids(prompt_ids, config.vocab_size) or bos_ids(config)
        if not 0 <= drawn <= len(ids):
            raise ParameterError(f"drawn={drawn!r} must be from 0 to the prompt's {len(ids)} ids")
        eos = check_ids(eos_ids(params, config), config.vocab_size, "eos_token_id")
        context = config.max_position_embeddings
        fitted = fit_prompt(ids, params, context, overflow, prompt_only)
        max_new_tokens = 0 if prompt_only else params.max_new_tokens or context - len(fitted)
        nbytes = cache_bytes_needed(
            len(fitted), max_new_tokens, self.model.cache_bytes_per_token, self.model.cache_block, self.cache_bytes
        )
        truncated_tokens = len(ids) - len(fitted)
        request = Request(
            self,
            fitted,
            truncated_tokens,
            params,
            top,
            eos=eos,
            max_new_tokens=max_new_tokens,
            nbytes=nbytes,
            token_text=self._token_text,
            draft_length=DraftLength(self._row_cost),
            chunk=self.chunk,
            watch=watch,
            drawn=drawn,
            visitor=visitor,
            prompt_top=prompt_top,
            prompt_only=prompt_only,
            news=threading.Condition(self._lock),
            wake=wake,
            admitted=admitted,
        )
        with self._changed:
            try:
                if self._draining and (self._closed or not admitted):
                    raise ShuttingDown(
                        "the server is shutting down: try again in a minute",
                        ja="サーバーを終了しています。1 分ほどしてからもう一度お試しください。",
                    )
                if self._closed:
                    raise NotReady(
                        "the engine is closed: create a new one", ja="エンジンは終了しています。新しく作成してください。"
                    )
                displaced = self._scheduler.join(request, self.clock())
            except NeoxjpError as error:
                if not (admitted and isinstance(error, QueueFull)):
                    self._observer.refused(visitor, error)
                raise
            if displaced:
                self._finish(displaced[0], "error", displaced[1])
            self._changed.notify_all()
        return request

    def step(self) -> bool:
        """Run one forward for all running requests. False: there is nothing to do.

        An exception ends the requests of this forward, which raise it to their readers, and no others.
        """
        self._check_process()
        with self._forward:
            running: list[Request] = []
            try:
                self._settle()
                running = self._due()
                if not running:
                    return False
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
            except Exception as error:  # of the model: batch.run_forward; here for example no memory for a prefix
                if not running:
                    raise
                for request in running:
                    self._finish(request, "error", error)
            except BaseException:  # Ctrl-C while the caller runs the engine
                for request in running:
                    self._finish(request, "cancelled")
                raise
            return True

    def start(self) -> "Engine":
        """Run in a background thread from now on."""
        self._check_process()
        with self._changed:
            if self._closed:
                raise NeoxjpError(
                    "the engine is closed: create a new one", ja="エンジンは終了しています。新しく作成してください。"
                )
            if self._thread is None:
                release_threads()  # those of the calling thread would slow the engine's down
                self._thread = threading.Thread(target=self._work, name="neoxjp-engine", daemon=True)
                self._thread.start()
        return self

    def drain(self) -> None:
        """Take no new requests from now on; those that run or wait go on."""
        with self._changed:
            self._draining = True

    def close(self) -> None:
        """Cancel every request and end the thread after the current forward. The engine takes no more requests."""
        self._check_process()
        with self._changed:
            self._closed = True
            for request in self._scheduler.requests:
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
        """How many requests run."""
        return len(self._scheduler.running)

    @property
    def alive(self) -> bool:
        """Whether it takes requests."""
        return not (self._closed or self._draining)

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        self._check_process()
        with self._changed:
            return len(self._scheduler.waiting)

    def others_wait(self, visitor: Visitor) -> bool:
        """Whether a request of another address waits."""
        self._check_process()
        with self._changed:
            return any(request.visitor.address != visitor.address for request in self._scheduler.waiting)

    def seconds_to_wait(self) -> int:
        """An estimate, in seconds, of when a request that is submitted now would run."""
        self._check_process()
        with self._changed:
            return self._scheduler.seconds_to_wait()

    @property
    def prefix_cache_bytes(self) -> int:
        """Bytes in the prefix cache."""
        return self._prefixes.nbytes

    def sampling_trace(
        self, ids: Sequence[int], params: SamplingParams, *, new: int = 0, show: int = 20, include: Sequence[int] = ()
    ) -> SamplingTrace:
        """What each filter does to the distribution of the token after `ids`, of which the last `new` were sampled.

        Runs the model over all of `ids`.

        Raises:
            PromptTooLong: `ids` fill the context.
            ParameterError: an id of `ids` or `include` is outside the vocabulary.
        """
        self._check_process()
        config = self.model.config
        history = check_ids(ids, config.vocab_size) or bos_ids(config)
        include = check_ids(include, config.vocab_size, "include")
        history = fit_prompt(history, SamplingParams(max_new_tokens=1), config.max_position_embeddings, "error")
        with self._forward, torch.inference_mode():
            cache = self.model.new_cache()
            for start in range(0, len(history), self.chunk):
                logits = forward_one(self.model, history[start : start + self.chunk], cache, keep=1)
            banned = eos_ids(params, config) if new < params.min_new_tokens else ()
            return trace_sampling(logits[-1], params, history, show, banned=banned, include=include)

    # For a Request

    def next_step(self, request: Request) -> Step:
        """The next Step of a request. Runs forwards until it is there, unless the thread does."""
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
                    request.news.wait()
                    continue
            self.step()

    def read(self, request: Request) -> list[Step]:
        """The Steps of a request that are there already, without waiting; it raises as iterating the request does."""
        with self._changed:
            steps = list(request.steps)
            request.steps.clear()
            if not steps and request.error is not None and not request.raised:
                request.raised = True
                raise request.error
            return steps

    def ready(self, request: Request, seconds: float) -> bool:
        """Whether its next Step or its end is available within `seconds`."""
        self._check_process()

        def ready() -> bool:
            return bool(request.steps) or request.finish is not None

        if not ready() and self._thread is None:
            self.step()
        with self._changed:
            return ready() if self._thread is None else request.news.wait_for(ready, seconds)

    def position(self, request: Request) -> int:
        """Its place in the queue, from 1; 0: it does not wait."""
        with self._changed:
            return self._scheduler.position(request)

    def cancel(self, request: Request) -> None:
        """End a request; does nothing if it has ended."""
        self._finish(request, "cancelled")

    # Two locks: `_lock` guards lists and requests and is held only briefly, `_forward` guards the model and all caches during a
    # forward. Each request has a condition of its own: a step wakes its reader, not those of all requests that wait.

    def _reset_state(self) -> None:
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)  # there is something to do for the thread
        self._forward = threading.Lock()
        self._scheduler = Scheduler(self.max_batch, self.max_waiting, self.cache_bytes, self.running_each, self.waiting_each)
        self._released: deque[PrefixEntry] = deque()  # prefixes of ended requests, which `_settle` stores
        self._prefixes = PrefixCache(self.prefix_bytes, 1 if self._positions_are_identical else self.chunk)
        self._forward_number = 0  # counts forwards
        self._prefill_budget = batch.PrefillBudget(self.chunk)

    def _check_process(self) -> None:
        """Reset in a forked child: locks may be held by threads that do not exist there, and the requests are the parent's."""
        if self._process == os.getpid():
            return
        inherited = self._scheduler.requests
        self._thread = None
        self._reset_state()
        torch.set_num_threads(1)
        for request in inherited:
            request.news = threading.Condition(self._lock)  # its own was of the parent's lock
            self._finish(request, "cancelled")
        self._released.clear()

    def _work(self) -> None:
        try:
            while not self._closed:
                if not self.step():
                    with self._changed:
                        self._changed.wait_for(lambda: self._closed or self._scheduler.running or self._released)
        finally:  # readers must not wait for a thread that has ended
            with self._changed:
                self._thread = None
                for request in self._scheduler.requests:
                    request.notify()

    def _settle(self) -> None:
        """Store the prefixes of ended requests, and keep the prefix cache within what the running requests leave."""
        while self._released:
            try:
                self._prefixes.add(self._released.popleft())
            except Exception:  # no memory, most likely; no request needs this prefix
                self._prefixes.shrink(0)
        if self.cache_bytes is not None:
            with self._changed:
                reserved = self._scheduler.reserved_bytes
            self._prefixes.shrink(max(0, self.cache_bytes - reserved))

    def _due(self) -> list[Request]:
        """The requests that run now, after ending those whose deadline has passed."""
        with self._changed:
            now = self.clock()
            for request in self._scheduler.requests:
                if request.overdue(now):
                    self._finish(request, "deadline")
            return list(self._scheduler.running)

    def _begin(self, request: Request) -> None:
        """Give a request its KV cache: a copy of the longest cached prefix of its prompt, or an empty one."""
        try:
            ids, found = request.prompt, None
            if self.prefix_bytes and request.prompt_top is None:  # the cache has no logits of the positions in a prompt
                running = [self._prefix_entry(other) for other in list(self._scheduler.running)]
                found = self._prefixes.longest_match(ids, [entry for entry in running if entry.cache is not None])
            covered = found.covers(ids, self._prefixes.chunk) if found else 0
            if self.prefix_bytes and request.prompt_top is None:
                begun = [other for other in list(self._scheduler.running) if other.cache is not None]
                others = [(other.prompt, other.total) for other in begun if other.prefilled < other.total]
                if is_coming(ids, covered, others, self._prefixes.chunk):
                    return  # until the next forward
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
        """What its KV cache holds, as an entry of the prefix cache."""
        return PrefixEntry(request.cached_ids(self._positions_are_identical), request.cache, request.logits, request.total)

    @torch.inference_mode()
    def _advance(self, rows: list[Row]) -> None:
        """Run one forward of these rows, sample from its logits, and hand the steps to the readers."""
        began = self.clock()
        batch.run_forward(self.model, [row for row in rows if row.ids], self.chunk)
        self._prefill_budget.note(rows, self.clock() - began)
        for row in rows:
            request = row.request
            request.max_concurrent = max(request.max_concurrent, len(rows) - 1)
            if row.error is None and request.prefilled < request.total:
                self._note_prompt(row)
            if row.error is None and row.logits is not None and not request.prompt_only:
                self._write(row)
        with self._changed:
            for row in rows:
                request = row.request
                if request.finish is not None:
                    continue  # cancelled while the model ran
                request.ids += [step.id for step in row.steps]
                request.steps += row.steps
                self._observer.wrote(request, row.steps)
                if row.error is not None:
                    self._finish(request, "error", row.error)
                elif row.steps and row.steps[-1].finish is not None:
                    self._finish(request, row.steps[-1].finish)
                elif request.prompt_only and request.prefilled == request.total:
                    self._finish(request, "length")
                request.notify()

    def _note_prompt(self, row: Row) -> None:
        """Score the ids of a prompt that a forward has read, if asked for. An error concerns this request only."""
        try:
            row.request.note_prompt(row)
        except Exception as error:
            row.error = error

    def _write(self, row: Row) -> None:
        """Sample a row's ids. An error concerns this request only. Rejected ids of a draft are dropped from the cache."""
        try:
            row.request.write(row)
        except Exception as error:
            row.error = error
        if row.keep > 1:
            row.cache.crop(row.length + max(1, len(row.steps)))

    def _finish(self, request: Request, finish: Finish, error: Exception | None = None) -> None:
        """End a request, free its slot and its cache, and let waiting requests run."""
        with self._changed:
            if request.finish is not None:
                return
            if request.cache is not None and self.prefix_bytes:
                self._released.append(self._prefix_entry(request))
            request.finish, request.error, request.cache = finish, error, None
            request.ended = self.clock()
            self._scheduler.leave(request, request.ended)
            self._observer.ended(request)
            request.notify()
            self._changed.notify_all()
