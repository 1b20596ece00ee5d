"""Clients that do not read: their answers end, so that nobody fills the memory with them."""

import asyncio
import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

SEND_SECONDS = 60.0  # that a client may leave a piece of its answer unread
BYTES_PER_SECOND = 16_000  # that a slow client reads of a large piece: it gets a second more for each


class _Stalled(Exception):
    pass


class Patience:
    """Give up an answer whose client does not read: `SEND_SECONDS`, and more for a large piece. Its connection ends."""

    def __init__(self, app: ASGIApp, seconds: float = SEND_SECONDS):
        self.app, self.seconds = app, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        stalled = False

        async def send_soon(message: Message) -> None:
            nonlocal stalled
            if stalled:
                raise _Stalled  # of an application that would say what has happened
            try:
                async with asyncio.timeout(self.seconds + len(message.get("body", b"")) / BYTES_PER_SECOND):
                    await send(message)
            except TimeoutError:
                stalled = True
                raise _Stalled from None

        try:
            await self.app(scope, receive, send_soon)
        except Exception:
            if not stalled:
                raise
        if stalled:
            log.info("a client did not read its answer: its connection is closed")
            # uvicorn (0.54) would keep what is not read until the client closes the connection.
            transport = getattr(getattr(send, "__self__", None), "transport", None)
            if transport is not None:
                transport.abort()
                await asyncio.sleep(0)  # uvicorn notes that it is closed
