"""Calls that want asyncio, from tests in whose thread Playwright's event loop may be running."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def awaited(made: Callable[[], Awaitable[T]]) -> T:
    """The result of `made()`, awaited in a thread of its own."""

    async def run() -> T:
        return await made()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, run()).result()


def in_loop(call: Callable[[], T]) -> T:
    """The result of `call()`, made while an event loop runs: without one, Gradio (6.31) makes some that nobody closes."""

    async def run() -> T:
        return call()

    return awaited(run)
