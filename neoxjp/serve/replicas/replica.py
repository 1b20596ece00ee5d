"""A replica: one engine in a process of its own, as Ray Serve runs it. Its answers are plain records.

An expected error is an item of the answer instead of an exception: Ray would put its own traceback around it.
"""

import asyncio
import math
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from neoxjp.engine import Stats, Visitor
from neoxjp.errors import NeoxjpError
from neoxjp.page_parts.session.caps import Caps
from neoxjp.page_parts.session.playground import Choice, NotReady, Playground
from neoxjp.serve.backend import Job, ModelCard, Part
from neoxjp.serve.local import LocalBackend

if TYPE_CHECKING:
    from neoxjp.serve.internal import Internal

GATHER_SECONDS = 0.02  # between two items of an answer: each costs the server and the replica half a millisecond
SWITCH_SECONDS = 0.0005  # after which a thread gives the interpreter to one that waits


@dataclass(frozen=True)
class Accepted:
    """The first item of an answer."""


@dataclass(frozen=True)
class Ended:
    """The last item of an answer."""

    part: Part
    stats: Stats


@dataclass(frozen=True)
class Piece:
    """A line of a text for a page, and what the server counts of it: its tokens, without alternatives."""

    line: bytes
    part: Part
    first: bool  # the line says that the text was accepted
    stats: Stats | None  # with the last one


Item = Accepted | Part | Ended | NeoxjpError


@dataclass(frozen=True)
class ReplicaState:
    """What a replica does at this moment."""

    pid: int
    running: int
    waiting: int
    max_running: int
    max_waiting: int
    prefix_cache_bytes: int


class Replica:
    """The engine of a deployment.

    Args:
        choice: the model.
        caps: the limits of each replica.
        threads: that compute.
        memory: bytes that this process may take.
        local: Ray was started for this machine only.
    """

    def __init__(self, choice: Choice, caps: Caps, threads: int, memory: int, local: bool):
        import torch

        if local:
            _listen_here_only()
        torch.set_num_threads(threads)
        sys.setswitchinterval(SWITCH_SECONDS)
        self.playground = Playground.create(public=True, caps=caps)
        self.playground.share = memory
        self.backend = LocalBackend(self.playground)
        self.error: NeoxjpError | None = None
        self._checks = 0
        try:
            self.playground.load(choice)
        except NeoxjpError as error:  # `card` gives it to the server, which says so and ends
            self.error = error

    def check_health(self) -> None:
        """Raises what Ray Serve takes as a reason to start another replica; not at once, so that the server gets the reason."""
        self._checks += 1
        if self.error is not None and self._checks > 1:
            raise RuntimeError(str(self.error))

    async def card(self) -> ModelCard | NeoxjpError:
        return self.error or replace(await self.backend.ready(), serial=0)  # another replica counts its loads for itself

    async def state(self) -> ReplicaState:
        engine = self.playground.ready.engine
        return ReplicaState(
            os.getpid(), engine.running, engine.waiting, engine.max_batch, engine.max_waiting, engine.prefix_cache_bytes
        )

    async def run(self, ids: tuple[int, ...], job: Job) -> AsyncIterator[Item]:
        """Do a job without its ids, which stand beside it for the router."""
        try:
            self._check()
            run = await self.backend.open(replace(job, ids=ids))
        except NeoxjpError as error:
            yield error
            return
        try:
            yield Accepted()
            async for part in gathered(run, math.inf if job.at_once else GATHER_SECONDS):
                yield part if part.finish is None else Ended(part, run.stats)
        except NeoxjpError as error:
            yield error
        finally:
            await run.aclose()

    # ---- for pages in other processes: the server passes on what they send and get

    async def internal_get(self, name: Literal["card", "status", "vocabulary"]) -> bytes | NeoxjpError:
        try:
            self._check()
            known = {"card": self.internal.card, "status": self.internal.status, "vocabulary": self.internal.vocabulary}
            return await known[name]()
        except NeoxjpError as error:
            return error

    async def internal_call(self, ids: tuple[int, ...], body: bytes, token: str, visitor: Visitor) -> bytes | NeoxjpError:
        """The result of a function. ids: for the router."""
        try:
            self._check()
            return await self.internal.call(body, token, visitor)
        except NeoxjpError as error:
            return error

    async def internal_lines(
        self, ids: tuple[int, ...], body: bytes, token: str, visitor: Visitor
    ) -> AsyncIterator[Accepted | Piece | NeoxjpError]:
        """Write a text. ids: of its prompt, for the router."""
        try:
            self._check()
            lines = await self.internal.generate(body, token, visitor)
        except NeoxjpError as error:
            yield error
            return
        try:
            yield Accepted()
            first = True
            async for line, part in lines.with_parts():
                counted = replace(part, steps=tuple(replace(step, top=()) for step in part.steps))
                yield Piece(line, counted, first, lines.request.stats if part.finish else None)
                first = False
        finally:
            await lines.aclose()

    @cached_property
    def internal(self) -> "Internal":
        from neoxjp.serve.internal import Internal

        return Internal(self.playground)

    def _check(self) -> None:
        """Raises NotReady: the model could not be loaded."""
        if self.error is not None:
            raise NotReady(str(self.error))


async def gathered(run: AsyncIterator[Part], seconds: float) -> AsyncIterator[Part]:
    """The parts of a job, those that come within so many seconds as one; the first at once, the last as soon as it is there."""
    parts: list[Part] = []
    news, ended = asyncio.Event(), asyncio.Event()

    async def read() -> None:
        try:
            async for part in run:
                parts.append(part)
                news.set()
        finally:
            ended.set()
            news.set()

    reading = asyncio.create_task(read())
    try:
        while not (ended.is_set() and not parts):
            if math.isinf(seconds):
                await ended.wait()
            await news.wait()
            news.clear()
            if parts:
                part = joined(parts)
                parts.clear()
                yield part
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), seconds)
        await reading
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


def joined(parts: Sequence[Part]) -> Part:
    """All parts of a job as one."""
    steps = tuple(step for part in parts for step in part.steps)
    return Part(steps, parts[0].prompt, parts[-1].finish, max(part.cached for part in parts))


def _listen_here_only() -> None:
    """Let Ray Serve open the port of this replica, which it opens on every network, on this machine only."""
    from ray.serve._private import replica

    bind = replica.add_port_to_grpc_server
    replica.add_port_to_grpc_server = lambda server, address: bind(server, address.replace("[::]", "127.0.0.1"))
