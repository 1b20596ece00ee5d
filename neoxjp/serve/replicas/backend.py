"""A backend over replicas, in the process of the server: it sends jobs to them and reads their parts.

A job whose replica ends before the reader has got a part runs again on another one. `RayBackend` is also what `Operations`
observes, with the numbers of all replicas. What it answers to pages in other processes is in internal.py.
"""

import asyncio
import logging
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from prometheus_client.core import GaugeMetricFamily

from neoxjp.engine import Finish, Observer, Stats, Visitor
from neoxjp.errors import NeoxjpError, QueueFull, ShuttingDown
from neoxjp.hub import BUNDLED
from neoxjp.page_parts.session.caps import Caps
from neoxjp.page_parts.session.playground import Choice, NotReady, Progress
from neoxjp.page_parts.session.visitors import Visitors
from neoxjp.serve.backend import Job, ModelCard, Part, Waiters
from neoxjp.serve.errors import ReplicaLost
from neoxjp.serve.replicas.replica import Accepted, Ended, Piece, ReplicaState
from neoxjp.serve.replicas.settings import ReplicaSettings

if TYPE_CHECKING:
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

T = TypeVar("T")
Run = TypeVar("Run", bound="ReplicaRun")

log = logging.getLogger(__name__)

ACCEPT_SECONDS = 120.0  # that a job waits for a replica: a new one loads the model first
AGAIN_SECONDS = 0.2  # between two attempts
CALL_SECONDS = 300.0  # for the answer to a call
MOST_MISSED = 3  # looks for replicas without an answer before there are none
MOST_LOST = 3  # replicas that may end during one call: it may be the reason
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
        self.runs: set[ReplicaRun] = set()  # that have not ended
        self._handle: Any = None  # of the deployment
        self._methods: dict[str, Any] = {}  # its handles for one method each
        self._tokenizer: GPTNeoXJapaneseTokenizer | None = None
        self._card: ModelCard | None = None
        self._waiters = Waiters()
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
        if self._card is None:
            async with self._waiters:
                end = time.monotonic() + ACCEPT_SECONDS
                while self._card is None and self.progress.busy and time.monotonic() < end:
                    await asyncio.sleep(AGAIN_SECONDS)
        if self._card is None:
            raise NotReady("the replicas are still starting: try again in a moment")
        return self._card

    def charge(self, visitor: Visitor, characters: int) -> None:
        self.visitors.charge(visitor, "characters", characters)

    async def open(self, job: Job) -> "RayRun":
        return await self.begin(RayRun(self, job))

    # ---- calls to the replicas

    async def begin(self, run: Run) -> Run:
        """Let a replica accept a run. Raises what `Backend.open` raises."""
        try:
            if self._draining and not run.admitted:
                raise ShuttingDown(
                    "the server is shutting down: try again in a minute",
                    ja="サーバーを終了しています。1 分ほどしてからもう一度お試しください。",
                )
            await run.start()
        except NeoxjpError as error:
            if not (run.admitted and isinstance(error, QueueFull)):  # it is tried again
                self.observer.refused(run.visitor, error)
            raise
        return run

    async def ask(self, method: str, *given: Any, seconds: float = CALL_SECONDS) -> Any:
        """The answer of a replica to a call; of another one, where it ends before it has answered.

        Raises:
            NotReady: none has answered in this time.
            ReplicaLost: several have ended, perhaps because of the call.
            NeoxjpError: the answer is one.
        """
        lost = 0
        try:
            async with asyncio.timeout(seconds):
                while True:
                    answer = self.called(method).remote(*given)
                    try:
                        found = await kept(answer, answer.cancel)
                    except Exception as error:
                        if not is_lost(error):
                            raise
                        lost += 1
                        if lost == MOST_LOST:
                            raise ReplicaLost("the replicas that began with this have ended: try something smaller") from error
                    else:
                        if not isinstance(found, NeoxjpError):
                            return found
                        if not isinstance(found, NotReady | ShuttingDown):  # those are of this replica only
                            raise found
                    await asyncio.sleep(AGAIN_SECONDS)
        except TimeoutError:
            raise no_answer() from None

    def ask_all(self, method: str, *given: Any, seconds: float = ANSWER_SECONDS) -> list[Any]:
        """The answers of all replicas that answer. Waits for them."""
        self.called(method)  # raises what there is to raise
        try:
            found = self._handle.broadcast(method, *given).results(timeout_s=seconds, return_exceptions=True)
        except Exception as error:
            if not isinstance(error, TimeoutError) and not is_lost(error):
                raise
            return []
        return [each for each in found if not isinstance(each, Exception)]

    def called(self, method: str, stream: bool = False) -> Any:
        """The handle for a method of `Replica`. Raises NotReady, and ShuttingDown: a call after the end would start Ray again."""
        if self._ended.is_set():
            raise ShuttingDown("the server is shutting down: try again in a minute")
        if self._handle is None:
            raise NotReady(
                "the replicas are still starting: try again in a moment",
                ja="エンジンを起動しています。少し待ってからもう一度お試しください。",
            )
        if method not in self._methods:
            self._methods[method] = self._handle.options(method_name=method, stream=stream)
        return self._methods[method]

    # ---- an engine for the health, the metrics and the shutdown

    @property
    def loaded(self) -> "RayBackend | None":
        return self if self._card is not None else None

    @property
    def engine(self) -> "RayBackend":
        return self

    @property
    def alive(self) -> bool:
        """Whether it takes jobs: a replica has answered a moment ago."""
        return not self._draining and bool(self._states)

    @property
    def running(self) -> int:
        return min(len(self.runs), self.max_running)

    @property
    def waiting(self) -> int:
        return len(self.runs) - self.running

    @property
    def max_running(self) -> int:
        return sum(each.max_running for each in self._states)

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
            self._handle, self._card = handle, card
            self.progress = replace(self.progress, state="ready")
            number = len(self._states)
            replicas = "1 replica answers" if number == 1 else f"{number} replicas answer"
            join = f"another server uses {'it' if number == 1 else 'them'} with --address {cluster.address} --join"
            join += "" if self.choice.name == BUNDLED else f" --model {card.id}"
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
        missed = 0  # looks in a row without an answer
        while not self._ended.wait(POLL_SECONDS):
            try:
                self._states, missed = tuple(cluster.states(ANSWER_SECONDS)), 0
            except Exception:  # there is no replica, one has just ended, or the cluster ends
                missed += 1
                if missed == MOST_MISSED:
                    self._states = ()


class StreamCancelled(Exception):
    """Ray has cancelled a call, as it does where a process ends."""


def no_answer() -> NotReady:
    """The error where replicas are there, and none answers."""
    return NotReady(
        "no replica has answered: they may be starting, try again in a moment",
        ja="エンジンから応答がありません。起動中かもしれません。少し待ってからもう一度お試しください。",
    )


class ReplicaRun:
    """A text that a replica writes. It starts again on another one where its replica ends before its reader has got a token.

    Args:
        method: of `Replica`, that answers with a stream.
        ids: of the prompt.
        given: the method's arguments after the ids.
    """

    def __init__(self, backend: RayBackend, method: str, ids: tuple[int, ...], visitor: Visitor, *given: Any):
        self.visitor = visitor
        self._backend, self._method, self._given = backend, method, (ids, *given)
        self._loop = asyncio.get_running_loop()
        self._written = Written(visitor, total=len(ids) or 1)
        self._stream: Any = None
        self._begun = self._done = self._stopped = False
        self._lost = 0  # replicas that have ended while they had this text

    @property
    def admitted(self) -> bool:
        """Whether it is of a request that has begun."""
        return self._written.admitted

    async def start(self) -> None:
        """Let a replica accept the job. Raises what `Backend.open` raises."""
        self._backend.runs.add(self)
        try:
            try:
                async with asyncio.timeout(ACCEPT_SECONDS):
                    await self._accept()
            except TimeoutError:
                raise no_answer() from None
        except BaseException:
            self._end()
            raise

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

    async def _take(self) -> Any:
        """The next item of the answer, counted; None: there is none. Raises ReplicaLost, and what the replica raises."""
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
                self._count_lost(error)
                await self.start()
                continue
            if isinstance(item, NeoxjpError):
                self._ended("error", item)
                raise item
            part: Part = item if isinstance(item, Part) else item.part
            self._begun = self._begun or not isinstance(item, Piece) or bool(part.steps)
            self._written.ids.extend(step.id for step in part.steps)
            if part.steps:
                self._backend.observer.wrote(cast(Any, self._written), part.steps)
            if not isinstance(item, Part) and item.stats is not None:
                self._written.stats = item.stats
                self._ended(part.finish or "error")
            return item
        return None

    async def _accept(self) -> None:
        while True:
            self._stream = self._backend.called(self._method, stream=True).remote(*self._given)
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
        return await kept(anext(self._stream), self._cancel)

    def _check_lost(self, error: Exception) -> None:
        """Raises: the error is not that the replica has ended."""
        if self._stopped:
            raise ShuttingDown(
                "the server has cancelled this request because it is shutting down: send it again",
                ja="サーバーが終了するため、中断しました。",
            ) from error
        if not is_lost(error):
            self._ended("error")
            raise error

    def _count_lost(self, error: Exception) -> None:
        """Raises ReplicaLost: too many replicas have ended while they had this text."""
        self._lost += 1
        if self._lost >= MOST_LOST:
            self._ended("error")
            raise ReplicaLost(
                f"{self._lost} replicas have ended while they had this text, perhaps because of it: they may lack memory"
            ) from error

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


class RayRun(ReplicaRun):
    """A job on a replica."""

    def __init__(self, backend: RayBackend, job: Job):
        super().__init__(backend, "run", job.ids, job.visitor, replace(job, ids=()))
        self._written.admitted = job.admitted

    def __aiter__(self) -> AsyncIterator[Part]:
        return self

    async def __anext__(self) -> Part:
        item: Part | Ended | None = await self._take()
        if item is None:
            raise StopAsyncIteration
        return item.part if isinstance(item, Ended) else item


async def kept(answer: Awaitable[T], cancel: Callable[[], object]) -> T:
    """The answer of a replica, which is cancelled with its reader. Raises StreamCancelled: Ray has cancelled it."""
    try:
        return await answer
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            cancel()
            raise
        raise StreamCancelled from error


def is_lost(error: Exception) -> bool:
    """Whether the error is that a replica has ended."""
    from ray.exceptions import RayError, RayTaskError
    from ray.serve.exceptions import RayServeException

    lost = StreamCancelled | RayError | RayServeException | StopAsyncIteration
    return isinstance(error, lost) and not isinstance(error, RayTaskError)


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
    admitted: bool = False
