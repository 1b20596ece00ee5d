"""Connections as uvicorn holds them, bounded: how many an address may have while there are few left, and how long one may stay
without a request. A connection costs its owner nothing, and a server has about a thousand.
"""

import asyncio
from typing import Any

import orjson
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from neoxjp.page_parts.session.visitors import visitor_of

CONNECTIONS = 900  # at once; a process may usually open 1,024 files
REQUEST_SECONDS = 10.0  # until the head of a request is complete, from the connection or from its first byte
RETRY_SECONDS = 5
REFUSAL = orjson.dumps(
    {
        "error": {
            "message": f"your address has too many connections to this server: close some, or try again in {RETRY_SECONDS} s",
            "type": "rate_limit_error",
            "param": None,
            "code": "too_many_connections",
        }
    }
)
REFUSED = (
    b"HTTP/1.1 429 Too Many Requests\r\nretry-after: %d\r\nconnection: close\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%b" % (RETRY_SECONDS, len(REFUSAL), REFUSAL)
)


class BoundedProtocol(AutoHTTPProtocol):  # type: ignore[misc,valid-type]
    """uvicorn's protocol for one connection.

    While more than half of `CONNECTIONS` are open, an address with more than a quarter of them gets no further one: a proxy in
    front of many visitors may have half of them alone.
    """

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS // 2:
            own = _address(self)
            if sum(_address(each) == own for each in self.connections) > CONNECTIONS // 4:
                transport.write(REFUSED)
                transport.close()
                return
        self._expect_request()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_timer()

    def _expect_request(self) -> None:
        """Begin to wait for the head of a request, or go on waiting, unless one is being answered."""
        if self._answering:
            self._stop_timer()
        elif self._timer is None and not self.transport.is_closing():
            self._timer = self.loop.call_later(REQUEST_SECONDS, self._too_late)

    def _too_late(self) -> None:
        self._timer = None
        if not self._answering:
            self.transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete


def _address(connection: Any) -> str:
    return visitor_of(connection.client[0] if connection.client else None).address
