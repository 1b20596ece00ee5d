"""What an operator of a public server looks at: health, metrics in Prometheus's format, one log line for each request.

No line and no metric holds a visitor's text or address: a visitor is a hash that changes with each start of the server.
"""

import atexit
import logging
import logging.handlers
import os
import queue
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from neoxjp.engine import Observer, Step, TextRequest, Visitor
from neoxjp.errors import NeoxjpError, QueueFull
from neoxjp.gateway.routes import Row
from neoxjp.page_parts.session.playground import Progress
from neoxjp.page_parts.session.visitors import Visitors, visitor_of

log = logging.getLogger("neoxjp.requests")

TOKEN_VARIABLE = "NEOXJP_METRICS_TOKEN"
FIRST_TOKEN_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60)
TOKEN_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
REQUEST_SECONDS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300)


class Serving(Protocol):
    """An engine, or several that are served as one."""

    @property
    def alive(self) -> bool: ...

    @property
    def running(self) -> int: ...

    @property
    def waiting(self) -> int: ...

    @property
    def max_waiting(self) -> int: ...

    @property
    def prefix_cache_bytes(self) -> int: ...

    def drain(self) -> None: ...

    def close(self) -> None: ...


class HasEngine(Protocol):
    """What is loaded; its engine comes last."""

    @property
    def engine(self) -> Serving | None: ...


class Served(Protocol):
    """What is served: a `Playground`, or something else that has loaded a model."""

    @property
    def loaded(self) -> HasEngine | None: ...

    @property
    def progress(self) -> Progress: ...

    @property
    def visitors(self) -> Visitors: ...


class Operations(Observer):
    """The health, the metrics and the log of one server. It observes the engine of `served`.

    The names of the metrics are vLLM's, with `neoxjp_` before them.
    """

    def __init__(self, served: Served):
        self.served = served
        self.draining = False
        self.answering = 0  # POST requests whose answer is not complete
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.registry.register(self)

        def histogram(name: str, help: str, buckets: Sequence[float]) -> Histogram:
            return Histogram(f"neoxjp_{name}", help, buckets=buckets, registry=self.registry)

        def counter(name: str, help: str, *labels: str) -> Counter:
            return Counter(f"neoxjp_{name}", help, labels, registry=self.registry)

        self._first = histogram("time_to_first_token_seconds", "From submit to the first token.", FIRST_TOKEN_SECONDS)
        self._between = histogram("inter_token_latency_seconds", "Between two tokens of a request.", TOKEN_SECONDS)
        self._whole = histogram("e2e_request_latency_seconds", "From submit to the end.", REQUEST_SECONDS)
        self._queued = histogram("request_queue_time_seconds", "Waiting in the queue.", FIRST_TOKEN_SECONDS)
        self._prompt = counter("prompt_tokens", "Prompt tokens of the requests that ended.")
        self._generated = counter("generation_tokens", "Generated tokens.")
        self._asked = counter("prefix_cache_queries", "Prompt tokens looked up in the prefix cache.")
        self._hits = counter("prefix_cache_hits", "Prompt tokens taken from the prefix cache.")
        self._ended = counter("request_success", "Requests that ended, by reason.", "finished_reason")
        self._refused = counter("requests_refused", "Requests that were not accepted, by the name of the error.", "reason")

    # What the engine tells

    def wrote(self, request: TextRequest, steps: Sequence[Step]) -> None:
        self._generated.inc(len(steps))
        for step in steps[1:] if len(request.ids) == len(steps) else steps:  # the first one's time is the prompt's
            self._between.observe(step.seconds)

    def ended(self, request: TextRequest) -> None:
        stats, outcome = request.stats, str(request.finish)
        if isinstance(request.error, QueueFull):  # it lost its place in a full queue
            if not request.admitted:  # else it is tried again
                self.refused(request.visitor, request.error)
            return
        if stats.time_to_first_token is not None:
            self._first.observe(stats.time_to_first_token)
        seconds = (request.ended or request.submitted) - request.submitted
        self._whole.observe(seconds)
        self._queued.observe(stats.queue_s)
        self._prompt.inc(request.total)
        self._asked.inc(request.total)
        self._hits.inc(stats.reused)
        self._ended.labels(outcome).inc()
        log.info(
            "request id=%s visitor=%s prompt=%d reused=%d new=%d queue_ms=%d first_ms=%s total_ms=%d outcome=%s",
            *(secrets.token_hex(6), self._name(request.visitor), request.total, stats.reused, stats.tokens),
            *(1000 * stats.queue_s, _milliseconds(stats.time_to_first_token), 1000 * seconds, outcome),
        )

    def refused(self, visitor: Visitor, error: NeoxjpError) -> None:
        if isinstance(error, QueueFull):
            self.served.visitors.pause(visitor)
        self._refused.labels(type(error).__name__).inc()
        log.info("request visitor=%s outcome=refused reason=%s", self._name(visitor), type(error).__name__)

    def paused(self, visitor: Visitor) -> float:
        """For how many seconds the address has to pause, because the queue refused it; 0 where that has become much shorter."""
        engine = self.served.loaded.engine if self.served.loaded else None
        long = engine is not None and engine.waiting > engine.max_waiting // 4
        return self.served.visitors.paused(visitor) if long else 0.0

    def answered(self, method: str, path: str, status: int, seconds: float, address: str) -> None:
        """An HTTP request that failed, or one to a route of ours. path: as in the table, not as it was asked for."""
        visitor = self._name(visitor_of(address))
        log.info("http visitor=%s method=%s path=%s status=%d ms=%d", visitor, method, path, status, 1000 * seconds)

    def _name(self, visitor: Visitor) -> str:
        return self.served.visitors.name(visitor)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The state of the engine at this moment, for the registry."""
        engine = self.served.loaded.engine if self.served.loaded else None
        for name, help, value in (
            ("num_requests_running", "Requests that run.", engine.running if engine else 0),
            ("num_requests_waiting", "Requests that wait.", engine.waiting if engine else 0),
            ("prefix_cache_bytes", "Bytes in the prefix cache.", engine.prefix_cache_bytes if engine else 0),
        ):
            yield GaugeMetricFamily(f"neoxjp_{name}", help, value=value)

    # Routes

    def rows(self, page: bool = True, health: bool = False) -> tuple[Row, ...]:
        """For the table of routes. They are open: who checks the health does not sign in.

        page: with /healthz, /readyz and /metrics. health: with /health.
        """
        answers = (*((self.healthz, self.readyz, self.metrics) if page else ()), *((self.health,) if health else ()))
        return tuple(Row(("GET", "HEAD"), f"/{answer.__name__}", endpoint=answer, open=True) for answer in answers)

    def state(self) -> tuple[int, dict[str, Any]]:
        """Whether new visitors should be sent here: the HTTP status and why."""
        loaded, progress = self.served.loaded, self.served.progress
        engine = loaded.engine if loaded else None
        if self.draining:
            return 503, {"ready": False, "reason": "draining"}
        if engine is None:
            if progress.busy:
                return 503, {"ready": False, "reason": "loading", "percent": progress.percent}
            return 503, {"ready": False, "reason": "no model is loaded"}
        if not engine.alive:
            return 503, {"ready": False, "reason": "the engine does not answer"}
        if engine.waiting >= engine.max_waiting:
            return 503, {"ready": False, "reason": "the queue is full", "running": engine.running, "waiting": engine.waiting}
        return 200, {"ready": True, "running": engine.running, "waiting": engine.waiting}

    async def healthz(self, _: HTTPRequest) -> Response:
        """200 while the process answers."""
        return JSONResponse({"alive": True})

    async def readyz(self, _: HTTPRequest) -> Response:
        """200, or 503 while the model loads, the queue is full, or the server shuts down."""
        status, why = self.state()
        return JSONResponse(why, status)

    async def health(self, _: HTTPRequest) -> Response:
        """200 where a model is loaded, also while the queue is full: what routers of several servers ask."""
        status, why = self.state()
        engine = self.served.loaded.engine if self.served.loaded else None
        alive = engine is not None and engine.alive and not self.draining
        return JSONResponse(why, 200 if alive else status)

    async def metrics(self, request: HTTPRequest) -> Response:
        """The metrics, for this machine only, or for those who know the token."""
        if not may_read_metrics(request):
            return JSONResponse({"error": f"metrics are for this machine, or with the token of {TOKEN_VARIABLE}"}, 403)
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)


def may_read_metrics(request: HTTPRequest) -> bool:
    """With the token where one is set; without one, from this machine, but not through a proxy on it."""
    token = os.environ.get(TOKEN_VARIABLE, "")
    if token:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        return secrets.compare_digest(given.encode(), token.encode())
    forwarded = any(name in request.headers for name in ("x-forwarded-for", "forwarded", "x-real-ip"))
    return not forwarded and (request.client.host if request.client else "") in ("127.0.0.1", "::1")


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else str(round(1000 * seconds))


def log_to_stderr() -> None:
    """Write the request log to standard error from a thread of its own: a slow terminal must not hold the engine up.

    Where 10,000 lines wait, further ones are dropped.
    """
    lines: queue.Queue[Any] = queue.Queue(10_000)

    class Bounded(logging.handlers.QueueHandler):
        def enqueue(self, record: logging.LogRecord) -> None:
            try:
                self.queue.put_nowait(record)
            except queue.Full:
                return

    writer = logging.StreamHandler(sys.stderr)
    writer.formatter = logging.Formatter("%(asctime)sZ %(message)s", "%Y-%m-%dT%H:%M:%S")
    writer.formatter.converter = time.gmtime
    listener = logging.handlers.QueueListener(lines, writer)
    log.addHandler(Bounded(lines))
    log.setLevel(logging.INFO)
    log.propagate = False
    listener.start()
    atexit.register(listener.stop)
