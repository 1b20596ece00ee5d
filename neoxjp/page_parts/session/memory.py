"""How much memory the open pages take for what they show: counted in bytes, and cut. No Gradio."""

import threading
import weakref
from typing import Any, Protocol


class Counted(Protocol):
    """Something that one open page keeps."""

    @property
    def nbytes(self) -> int:
        """About how much memory it takes."""

    def trim(self) -> None:
        """Take less: what the page shows stays, what can be computed again goes."""


class SessionMemory:
    """How much memory all open pages take. Over `max_bytes`, the largest are trimmed."""

    def __init__(self, max_bytes: int):
        self.max_bytes = max_bytes
        self.lock = threading.RLock()
        self._found: dict[int, tuple[weakref.ref[Any], int]] = {}

    @property
    def nbytes(self) -> int:
        """Of all pages that are open."""
        with self.lock:
            return sum(size for _, size in self._found.values())

    def note(self, counted: Counted) -> None:
        """It has changed."""
        key = id(counted)
        with self.lock:
            self._found[key] = weakref.ref(counted, lambda _: self._found.pop(key, None)), counted.nbytes
            total = self.nbytes
            if total <= self.max_bytes:
                return
            for other, (found, size) in sorted(self._found.items(), key=lambda item: -item[1][1]):
                if (largest := found()) is not None:
                    largest.trim()
                    now = largest.nbytes
                    self._found[other] = found, now
                    total += now - size
                if total <= self.max_bytes:
                    return


session_memory = SessionMemory(512 * 2**20)
"""That of this process; the page sets the limit."""
