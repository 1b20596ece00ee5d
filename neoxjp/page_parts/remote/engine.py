"""The engine of another process as the page uses one: requests whose lines arrive in the connection's thread."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from pydantic import ValidationError

from neoxjp.engine import ANYONE, Finish, Observer, Stats, Step, Visitor, bos_ids, check_ids
from neoxjp.errors import NeoxjpError, ShuttingDown
from neoxjp.page_parts.remote.client import Connection, away, wrong
from neoxjp.page_parts.remote.model import RemoteModel
from neoxjp.page_parts.remote.records import Accepted, Line, News, Prompt, decode, encode, reason
from neoxjp.sampling import SamplingParams

if TYPE_CHECKING:
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

START_SECONDS = 40.0  # until a request is accepted: a new connection, and the silence that the connection allows
FREE_BYTES, STEP_BYTES, CHOICE_BYTES = (
    100_000,
    2_000,
    600,
)  # that the lines with tokens may have: for a text, a token, an alternative


class RemoteEngine:
    """The engine at the other end of a connection, for one model: as `TextEngine`.

    Args:
        name: from a visitor to what stands for it: the engine never sees an address.
        observer: called for each request of this page.
    """

    def __init__(
        self,
        connection: Connection,
        model: RemoteModel,
        tokenizer: "GPTNeoXJapaneseTokenizer",
        name: Callable[[Visitor], str] = lambda visitor: "",
        observer: Observer | None = None,
    ):
        self.model, self.tokenizer = model, tokenizer
        self.max_batch, self.max_waiting = model.card.running, model.card.waiting
        self.prefix_cache_bytes = 0  # in this process
        self.free_bytes = 0  # of memory, where the model is
        self.alive = True  # whether it answered last
        self.observer = observer or Observer()
        self._connection, self._name = connection, name
        self._requests: set[RemoteRequest] = set()
        self._lock = threading.Lock()
        self._closed = self._draining = False

    @property
    def url(self) -> str:
        return self._connection.url

    @property
    def running(self) -> int:
        """How many requests of this page run."""
        return sum(not request.position for request in self._all())

    @property
    def waiting(self) -> int:
        """How many requests of this page wait."""
        return sum(request.position > 0 for request in self._all())

    def others_wait(self, visitor: Visitor) -> bool:
        """Whether a request of another address waits, of this page."""
        return any(request.position > 0 and request.visitor.address != visitor.address for request in self._all())

    def call(self, function: Callable[..., Any], given: tuple[Any, ...], visitor: Visitor = ANYONE) -> Any:
        """The result of a function of `calls.CALLS`. Raises EngineAway, and what the function raises."""
        return self._connection.call(function, given, self.model.card.token, self._named(visitor))

    def submit(
        self,
        prompt_ids: Sequence[int],
        params: SamplingParams | None = None,
        top: int = 0,
        overflow: Literal["error", "truncate"] = "error",
        watch: Any = None,
        drawn: int = 0,
        visitor: Visitor = ANYONE,
    ) -> "RemoteRequest":
        """As `Engine.submit`; returns once the engine has accepted the request.

        watch: anything but None: the engine keeps the logits, for the call `stored_logits`. It is not called here.

        Raises:
            EngineAway: the engine cannot be reached. Otherwise as `Engine.submit`.
        """
        config = self.model.config
        ids = check_ids(prompt_ids, config.vocab_size) or bos_ids(config)
        params = params or SamplingParams()
        with self._lock:
            if self._draining or self._closed:
                raise ShuttingDown(
                    "the server is shutting down: try again in a minute",
                    ja="サーバーを終了しています。1 分ほどしてからもう一度お試しください。",
                )
            request = RemoteRequest(self, ids, params, top, visitor)
            self._requests.add(request)
        prompt = Prompt(ids, params, top, overflow, drawn, watch is not None)
        headers = self._connection.headers(self.model.card.token, self._named(visitor))
        try:
            request.begin(self._connection, encode(prompt), headers)
        except NeoxjpError as error:
            self.left(request)
            self.observer.refused(visitor, error)
            raise
        return request

    def drain(self) -> None:
        """Take no new requests from now on; those that run or wait go on."""
        with self._lock:
            self._draining = True

    def close(self) -> None:
        """Cancel every request of this page, and take no more."""
        with self._lock:
            self._closed, self.alive = True, False
        for request in self._all():
            request.cancel()

    def left(self, request: "RemoteRequest") -> None:
        """For a request that has ended."""
        with self._lock:
            self._requests.discard(request)

    def _all(self) -> "list[RemoteRequest]":
        with self._lock:
            return list(self._requests)

    def _named(self, visitor: Visitor) -> str:
        return "" if visitor == ANYONE else f"{self._name(visitor)}/{self._name(Visitor(visitor.session))}"


class RemoteRequest:
    """One request to an engine of another process: as `TextRequest`."""

    admitted = False

    def __init__(self, engine: RemoteEngine, ids: tuple[int, ...], params: SamplingParams, top: int, visitor: Visitor):
        self.visitor, self.params = visitor, params
        self.prompt_ids = ids  # once it is accepted, without the ids dropped at the front
        self.truncated_tokens, self.seed = 0, 0
        self.ids: list[int] = []
        self.steps: deque[Step] = deque()  # not yet read
        self.prefilled, self.total = 0, len(ids)
        self.position = 0  # in the queue, from 1; 0: it runs or has ended
        self.finish: Finish | None = None
        self.error: Exception | None = None
        self.stats = Stats(0.0, None, None, None, 0, None)  # as the engine has them
        self.submitted, self.ended = time.monotonic(), cast("float | None", None)
        self.accepted = False
        self._engine, self._top = engine, top
        context = engine.model.config.max_position_embeddings
        self._most = min(params.max_new_tokens or context, context)
        self._bytes_left = FREE_BYTES + self._most * (STEP_BYTES + (top + 1) * CHOICE_BYTES)
        self._news, self._started = threading.Condition(), threading.Event()
        self._raised = False
        self._stop: Callable[[], None] = lambda: None

    def begin(self, connection: Connection, body: bytes, headers: dict[str, str]) -> None:
        """Send it, and return when the engine has accepted it. Raises what the engine answers instead."""
        self._stop = connection.start(self._read(connection, body, headers))
        if not self._started.wait(START_SECONDS):
            self.cancel()
            raise away("a request was not accepted in time")
        if not self.accepted and self.error is not None:
            raise self.error

    def __iter__(self) -> Iterator[Step]:
        return self

    def __next__(self) -> Step:
        with self._news:
            self._news.wait_for(self._ready)
            if self.steps:
                return self.steps.popleft()
            if self.error is not None and not self._raised:
                self._raised = True
                raise self.error
            raise StopIteration

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` for a step or the end. Whether it can be read now."""
        with self._news:
            return self._news.wait_for(self._ready, seconds)

    def cancel(self) -> None:
        """End the request, here and in the engine; does nothing if it has ended."""
        self._end("cancelled")
        self._stop()

    def _ready(self) -> bool:
        return bool(self.steps) or self.finish is not None

    # In the connection's thread

    async def _read(self, connection: Connection, body: bytes, headers: dict[str, str]) -> None:
        """Read the lines of the answer until the request has ended. Nothing is raised: the reader gets the error."""
        try:
            async with connection.lines("/internal/generate", body, headers) as lines:
                async for line in lines:
                    self._note(decode(line, Line), len(line))
                    if self.finish is not None:
                        return
            raise away("the connection was closed")
        except NeoxjpError as error:
            self._end("error", error)
        except ValidationError as error:
            self._end("error", wrong(reason(error)))
        except Exception as error:
            self._end("error", away(type(error).__name__))

    def _note(self, line: Line, nbytes: int) -> None:
        """Take over what a line says. Raises EngineAway where no engine says that, and the error that it brings."""
        if line.problem is not None:
            raise line.problem.error
        if line.accepted is not None:
            self._accept(line.accepted)
        elif line.news is not None and self.accepted:
            self._add(line.news, nbytes)
        else:
            raise wrong("an empty line")

    def _accept(self, found: Accepted) -> None:
        if self.accepted or not 0 <= found.truncated_tokens < len(self.prompt_ids):
            raise wrong(f"truncated_tokens={found.truncated_tokens}")
        self.seed, self.truncated_tokens = found.seed, found.truncated_tokens
        self.prompt_ids = self.prompt_ids[found.truncated_tokens :]
        self.total = len(self.prompt_ids)
        self.accepted = True
        self._started.set()

    def _add(self, news: News, nbytes: int) -> None:
        size = self._engine.model.config.vocab_size
        if news.steps:
            self._bytes_left -= nbytes
        if self._bytes_left < 0 or len(self.ids) + len(news.steps) > self._most:
            raise wrong("more text than was asked for")
        for step in news.steps:
            if not all(0 <= id < size for id in (step.id, *(choice.id for choice in step.top))) or len(step.top) > self._top + 1:
                raise wrong(f"token {step.id} with {len(step.top)} alternatives")
        if news.finish in ("cancelled", "error"):
            raise wrong(f"finish={news.finish}")
        with self._news:
            self.position, self.prefilled, self.stats = max(0, news.position), min(news.prefilled, self.total), news.stats
            self.ids += [step.id for step in news.steps]
            self.steps += news.steps
            self._news.notify_all()
        if news.steps:
            self._engine.observer.wrote(self, news.steps)
        if news.finish is not None:
            self._end(news.finish)

    def _end(self, finish: Finish, error: Exception | None = None) -> None:
        with self._news:
            if self.finish is not None:
                return
            self.finish, self.error, self.position, self.ended = finish, error, 0, time.monotonic()
            self._news.notify_all()
        self._started.set()
        self._engine.left(self)
        if self.accepted:
            self._engine.observer.ended(self)
