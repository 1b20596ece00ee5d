"""A backend over replicas, in the process of the server: it sends jobs to them and reads their parts.

A job whose replica ends before the reader has got a part runs again on another one. `RayBackend` is also what `Operations`
observes, with the numbers of all replicas.
"""

import asyncio
import logging
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from prometheus_client.core import GaugeMetricFamily

from neoxjp.engine import Finish, Observer, Stats, Visitor
from neoxjp.errors import NeoxjpError, ShuttingDown
from neoxjp.page_parts.caps import Caps
from neoxjp.page_parts.session import Choice, NotReady, Progress
from neoxjp.page_parts.visitors import Visitors
from neoxjp.serve.backend import Job, ModelCard, Part
from neoxjp.serve.errors import ReplicaLost
from neoxjp.serve.replicas.replica import Accepted, Ended, ReplicaState
from neoxjp.serve.replicas.settings import ReplicaSettings

if TYPE_CHECKING:
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

log = logging.getLogger(__name__)

ACCEPT_SECONDS = 120.0  # that a job waits for a replica: a new one loads the model first
AGAIN_SECONDS = 0.2  # between two attempts
POLL_SECONDS, ANSWER_SECONDS = 2.0, 10.0  # between two looks at the replicas, and for their answers


class RayBackend:
    """A model whose engines are replicas on Ray Serve.

    Args:
        choice: the model.
        caps: the limits. Those of what runs and waits, and of a visitor's tokens, are each replica's.
        settings: how many replicas there are, and where.
    """

    def __init__(self, choice: Choice, caps: Caps, settings: ReplicaSettings):
        self.choice, self.caps, self.settings = choice, caps, settings
        self.visitors = Visitors(caps)
        self.observer = Observer()
        self.progress = Progress()
        self.runs: set[RayRun] = set()  # that have not ended
        self.handle: Any = None  # of the deployment, for streams
        self._tokenizer: GPTNeoXJapaneseTokenizer | None = None
        self._card: ModelCard | None = None
        self._states: tuple[ReplicaState, ...] = ()
        self._draining, self._ended = False, threading.Event()
        self._watcher: threading.Thread | None = None

    # ---- a model for the routes

    @property
    def tokenizer(self) -> "GPTNeoXJapaneseTokenizer":
        if self._tokenizer is None:
            raise NotReady("the replicas are still starting: try again in a moment")
        return self._tokenizer

    async def ready(self) -> ModelCard:
        end = time.monotonic() + ACCEPT_SECONDS
        while self._card is None and self.progress.busy and time.monotonic() < end:
            await asyncio.sleep(AGAIN_SECONDS)
        if self._card is None:
            raise NotReady("the replicas are still starting: try again in a moment")
        return self._card

    def charge(self, visitor: Visitor, characters: int) -> None:
        self.visitors.charge(visitor, "characters", characters)

    async def open(self, job: Job) -> "RayRun":
        run = RayRun(self, job)
        try:
            if self._draining:
                raise ShuttingDown("the server is shutting down: try again in a minute")
            if self.handle is None:
                raise NotReady("the replicas are still starting: try again in a moment")
            await run.start()
        except NeoxjpError as error:
            self.observer.refused(job.visitor, error)
            raise
        return run

    # ---- an engine for the health, the metrics and the shutdown

    @property
    def loaded(self) -> "RayBackend | None":
        return self if self._states else None

    @property
    def engine(self) -> "RayBackend":
        return self

    @property
    def alive(self) -> bool:
        """Whether it takes jobs."""
        return not self._draining

    @property
    def running(self) -> int:
        return min(len(self.runs), sum(each.max_running for each in self._states))

    @property
    def waiting(self) -> int:
        return len(self.runs) - self.running

    @property
    def max_waiting(self) -> int:
        return sum(each.max_waiting for each in self._states)

    @property
    def prefix_cache_bytes(self) -> int:
        return sum(each.prefix_cache_bytes for each in self._states)

    def drain(self) -> None:
        """Take no new jobs from now on."""
        self._draining = True

    def close(self) -> None:
        """Cancel every job: its reader gets ShuttingDown."""
        self._draining = True
        for run in list(self.runs):
            run.stop()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The metrics that only several engines have."""
        running = sum(each.running for each in self._states)
        yield GaugeMetricFamily("neoxjp_replicas", "Replicas that answer.", value=len(self._states))
        yield GaugeMetricFamily("neoxjp_replicas_running", "Requests that run on them, also for other servers.", value=running)

    # ---- the replicas

    @contextmanager
    def started(self) -> Iterator[threading.Thread]:
        """Connect to Ray, start the replicas in a thread, which `progress` follows, and end them with the block.

        Raises:
            ParameterError: ray is not installed, no cluster answers, or the replicas do not fit on this machine.
        """
        from neoxjp.serve.replicas.cluster import Cluster

        self.progress = Progress("vocabulary", self.choice.name)
        cluster = Cluster(self.choice, self.caps, self.settings)
        thread = threading.Thread(target=self._start, args=(cluster,), name="neoxjp-replicas", daemon=True)
        thread.start()
        try:
            yield thread
        finally:
            self._ended.set()
            if self._watcher is not None:
                self._watcher.join(ANSWER_SECONDS)  # a call after the end would make Ray start again
            cluster.stop()

    def _start(self, cluster: Any) -> None:
        try:
            self._tokenizer = cluster.load_tokenizer()
            self.progress = replace(self.progress, state="weights")
            handle, card = cluster.start()
            self._states = tuple(cluster.states(ANSWER_SECONDS))
            self.handle, self._card = handle.options(method_name="run", stream=True), card
            self.progress = replace(self.progress, state="ready")
            number = len(self._states)
            replicas = "1 replica answers" if number == 1 else f"{number} replicas answer"
            join = f"another server uses {'it' if number == 1 else 'them'} with --address {cluster.address} --join"
            print(f"{replicas}; {join}", file=sys.stderr, flush=True)
        except NeoxjpError as error:
            self.progress = replace(self.progress, state="failed", error=error)
            return
        except Exception as error:
            if self._ended.is_set():
                return
            log.exception("starting the replicas")
            fault = NeoxjpError(f"the replicas could not be started: {type(error).__name__}: {error}")
            self.progress = replace(self.progress, state="failed", error=fault)
            return
        self._watcher = threading.Thread(target=self._watch, args=(cluster,), name="neoxjp-watch", daemon=True)
        self._watcher.start()

    def _watch(self, cluster: Any) -> None:
        while not self._ended.wait(POLL_SECONDS):
            with suppress(Exception):  # of a cluster that ends
                self._states = tuple(cluster.states(ANSWER_SECONDS))


class StreamCancelled(Exception):
    """Ray has cancelled a call, as it does where a process ends."""


class RayRun:
    """A job on a replica. It starts again on another one where its replica ends before a part was read."""

    def __init__(self, backend: RayBackend, job: Job):
        self._backend, self._job = backend, job
        self._loop = asyncio.get_running_loop()
        self._written = Written(job.visitor, total=len(job.ids) or 1)
        self._stream: Any = None
        self._begun = self._done = self._stopped = False

    async def start(self) -> None:
        """Let a replica accept the job. Raises what `Backend.open` raises."""
        self._backend.runs.add(self)
        try:
            try:
                async with asyncio.timeout(ACCEPT_SECONDS):
                    await self._accept()
            except TimeoutError:
                raise NotReady("no replica has answered: they may be starting, try again in a moment") from None
        except BaseException:
            self._end()
            raise

    def __aiter__(self) -> AsyncIterator[Part]:
        return self

    async def __anext__(self) -> Part:
        while not self._done:
            try:
                item = await self._next()
            except Exception as error:
                self._check_lost(error)
                if self._begun:
                    self._ended("error")
                    raise ReplicaLost(
                        "the replica that wrote this text has ended, so the text is not complete: send the request again"
                    ) from error
                await self.start()
                continue
            if isinstance(item, NeoxjpError):
                self._ended("error", item)
                raise item
            part, self._begun = (item.part if isinstance(item, Ended) else item), True
            self._written.ids.extend(step.id for step in part.steps)
            if part.steps:
                self._backend.observer.wrote(cast(Any, self._written), part.steps)
            if isinstance(item, Ended):
                self._written.stats = item.stats
                self._ended(part.finish or "error")
            return part
        raise StopAsyncIteration

    async def aclose(self) -> None:
        if not self._done:
            self._ended("cancelled")
            self._cancel()

    def stop(self) -> None:
        """End the job because the server ends. From any thread."""

        def stop() -> None:
            self._stopped = True
            self._cancel()

        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(stop)

    async def _accept(self) -> None:
        while True:
            self._stream = self._backend.handle.remote(self._job.ids, replace(self._job, ids=()))
            try:
                item = await self._next()
            except Exception as error:
                self._check_lost(error)
            else:
                if isinstance(item, Accepted):
                    return
                if not isinstance(item, NotReady | ShuttingDown):  # those are of this replica only
                    raise item
            await asyncio.sleep(AGAIN_SECONDS)

    async def _next(self) -> Any:
        """The next item of the answer. Raises StreamCancelled: not the reader has cancelled it, but Ray."""
        try:
            return await anext(self._stream)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                self._cancel()
                raise
            raise StreamCancelled from error

    def _check_lost(self, error: Exception) -> None:
        """Raises: the error is not that the replica has ended."""
        from ray.exceptions import RayError, RayTaskError
        from ray.serve.exceptions import RayServeException

        if self._stopped:
            raise ShuttingDown("the server has cancelled this request because it is shutting down: send it again") from error
        lost = StreamCancelled | RayError | RayServeException | StopAsyncIteration
        gone = isinstance(error, lost) and not isinstance(error, RayTaskError)
        if not gone:
            self._ended("error")
            raise error

    def _cancel(self) -> None:
        if self._stream is not None:
            self._stream.cancel()

    def _ended(self, finish: Finish, error: Exception | None = None) -> None:
        if not self._done:
            self._written.finish, self._written.error, self._written.ended = finish, error, time.monotonic()
            self._backend.observer.ended(cast(Any, self._written))
            self._end()

    def _end(self) -> None:
        self._done = True
        self._backend.runs.discard(self)


@dataclass
class Written:
    """What an observer of an engine wants to know of a request: here of one that ran elsewhere."""

    visitor: Visitor
    total: int  # prompt ids
    ids: list[int] = field(default_factory=list)
    stats: Stats = field(default_factory=lambda: Stats(0.0, None, None, None, 0, None))
    finish: Finish | None = None
    error: Exception | None = None
    submitted: float = field(default_factory=time.monotonic)
    ended: float | None = None
