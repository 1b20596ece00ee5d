"""Many jobs of one request: a few at a time, in order, so that one request does not fill the queue."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from neoxjp.errors import QueueFull
from neoxjp.serve.backend import Backend, Job, Part, Run

RETRY_SECONDS = 0.5  # between two attempts to continue a request that has lost its place in a full queue
UNREAD = 64  # parts that wait for a slow client


class Runs:
    """The parts of several jobs as they come: `async for number, part in await Runs.start(backend, jobs, at_once=8)`.

    Close it when it is not read to its end: `await runs.aclose()`.
    """

    def __init__(self, backend: Backend, jobs: Sequence[Job], first: Run, at_once: int):
        self._backend, self._jobs, self._first = backend, jobs, first
        self._at_once = min(at_once, len(jobs))
        self._todo = deque(enumerate(jobs))
        self._open: set[Run] = {first}
        self._tasks: list[asyncio.Task[None]] = []
        self._opening = asyncio.Lock()
        self._parts: asyncio.Queue[tuple[int, Part] | Exception] = asyncio.Queue(UNREAD)

    @classmethod
    async def start(cls, backend: Backend, jobs: Sequence[Job], at_once: int) -> "Runs":
        """Open the first job. Raises what `Backend.open` raises; the other jobs wait for their turn instead of QueueFull."""
        return cls(backend, jobs, await backend.open(jobs[0]), max(1, at_once))

    async def __aiter__(self) -> AsyncIterator[tuple[int, Part]]:
        if len(self._jobs) == 1:
            async for part in self._first:
                yield 0, part
            return
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._at_once)]
        left = len(self._jobs)
        while left:
            found = await self._parts.get()
            if isinstance(found, Exception):
                raise found
            left -= found[1].finish is not None
            yield found

    async def aclose(self) -> None:
        """End every job."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for run in list(self._open):
            await run.aclose()

    async def _work(self) -> None:
        """Run one job after another."""
        try:
            while self._todo:
                await self._run(*self._todo.popleft())
        except Exception as error:
            await self._parts.put(error)

    async def _opened(self, job: Job) -> Run:
        """Open a job as soon as there is a place. One asks at a time: all would ask the same."""
        async with self._opening:
            while True:
                try:
                    return await self._backend.open(replace(job, admitted=True))
                except QueueFull as error:
                    await asyncio.sleep(min(error.seconds, RETRY_SECONDS))

    async def _run(self, number: int, job: Job) -> None:
        while True:
            run: Run | None = self._first if number == 0 else None
            begun = False
            try:
                if run is None or run not in self._open:
                    run = await self._opened(job)
                    self._open.add(run)
                async for part in run:
                    begun = True
                    await self._parts.put((number, part))
                return
            except QueueFull as error:  # of a job that waited and has lost its place
                if begun:
                    raise
                await asyncio.sleep(min(error.seconds, RETRY_SECONDS))
            finally:
                if run is not None:
                    self._open.discard(run)
                    await run.aclose()
