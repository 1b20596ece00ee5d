"""How the server ends: at SIGTERM it takes nothing new, finishes what runs, and exits with 0."""

import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from neoxjp.gateway.operations import Operations

DRAIN_SECONDS = 30.0
LAST_ANSWERS_SECONDS = 1.0  # for the last tokens to reach the browsers
POLL_SECONDS = 0.1


def sigterm_event() -> threading.Event:
    """An event that SIGTERM sets from now on; a second one ends the process at once. Call it from the main thread."""
    asked = threading.Event()

    def ask(number: int, _: Any) -> None:
        asked.set()
        signal.signal(number, signal.SIG_DFL)

    signal.signal(signal.SIGTERM, ask)
    return asked


def run_until_stopped(
    close: Callable[[], None], operations: Operations, asked: threading.Event, seconds: float = DRAIN_SECONDS
) -> None:
    """Return once `asked` is set and what ran has ended, at the latest after `seconds` more; or after Ctrl-C, at once.

    close: ends the server.
    """
    try:
        while not asked.is_set():  # not `wait`, which holds the event's lock now and then: the signal's handler needs it
            time.sleep(POLL_SECONDS)
        drain(operations, seconds)
    except KeyboardInterrupt:
        pass
    close()


def drain(operations: Operations, seconds: float) -> None:
    """Take no new requests; return when all answers are complete, at the latest after `seconds`. What still runs is cancelled."""
    operations.draining = True
    loaded = operations.served.loaded
    engine = loaded.engine if loaded else None
    if engine is None:
        return
    engine.drain()
    deadline, busy = time.monotonic() + seconds, engine.waiting + engine.running + operations.answering > 0
    while engine.waiting + engine.running + operations.answering and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    engine.close()
    if busy:
        time.sleep(LAST_ANSWERS_SECONDS)
