"""What the readers of texts need of an engine, whether its model is in this process or in another one."""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Literal, Protocol, Self

from neoxjp.engine.records import Finish, Step
from neoxjp.engine.request import ANYONE, Stats, Visitor, Watch
from neoxjp.sampling import SamplingParams


class TextRequest(Protocol):
    """One request, as `Request` has it."""

    visitor: Visitor
    prompt_ids: tuple[int, ...]
    truncated_tokens: int
    seed: int
    ids: list[int]
    prefilled: int
    total: int
    finish: Finish | None
    error: Exception | None
    steps: deque[Step]
    submitted: float
    ended: float | None
    admitted: bool

    def __iter__(self) -> Iterator[Step]: ...
    def __next__(self) -> Step: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    def cancel(self) -> None: ...
    def wait(self, seconds: float) -> bool: ...

    @property
    def position(self) -> int: ...

    @property
    def stats(self) -> Stats: ...


class TextEngine(Protocol):
    """One engine, as `Engine` is one."""

    tokenizer: Any
    max_batch: int
    max_waiting: int

    @property
    def running(self) -> int: ...

    @property
    def waiting(self) -> int: ...

    def others_wait(self, visitor: Visitor) -> bool: ...

    @property
    def alive(self) -> bool: ...

    @property
    def prefix_cache_bytes(self) -> int: ...

    def submit(
        self,
        prompt_ids: Sequence[int],
        params: SamplingParams | None = None,
        top: int = 0,
        overflow: Literal["error", "truncate"] = "error",
        watch: Watch | None = None,
        drawn: int = 0,
        visitor: Visitor = ANYONE,
    ) -> TextRequest: ...

    def drain(self) -> None: ...
    def close(self) -> None: ...
