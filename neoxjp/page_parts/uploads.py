"""The door for a visitor's file: `POST neoxjp/file` with the bytes as its body gives {"file": "…", "bytes": 12345}.

Gradio has a door of its own for uploads, which stays shut (page.py: `max_file_size`): it keeps what comes in under a name, for as
long as the server runs, as much as anybody sends. Behind this one a file has no name: it is open, and already deleted on the
disk, so that it is gone when it is closed or the process ends, however that ends. It is closed as soon as it was counted, when
its visitor leaves the page or takes another file, and at the latest after `SECONDS`. At most `FILES` of at most `LARGEST` bytes
are held; the longest idle one makes room. That is the bound on what a public page can be made to keep: 400 MB of disk.

Only "application/octet-stream" is taken: a page of another site cannot send that without asking first, and is told no.
"""

import asyncio
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from neoxjp.errors import ParameterError, QueueFull

LARGEST = 50_000_000  # bytes of a file
FILES = 8  # held at a time
SECONDS = 600  # that a file waits for its visitor
SLOWEST = 300  # seconds that sending one may take
PATH = "/neoxjp/file"


@dataclass
class _Held:
    file: IO[bytes]
    since: float = field(default_factory=time.monotonic)  # when it was last used
    busy: bool = True  # it is being sent or counted


class Door:
    """The files that visitors left to be counted."""

    def __init__(self, files: int = FILES, largest: int = LARGEST, seconds: float = SECONDS):
        self.files, self.largest, self.seconds = files, largest, seconds
        self._held: dict[str, _Held] = {}
        self._lock = threading.Lock()
        self._sweeper: threading.Timer | None = None

    def __len__(self) -> int:
        return len(self._held)

    def open(self) -> tuple[str, IO[bytes]]:
        """A place for a file that is about to come: its key and the file. Raises QueueFull where all are in use."""
        with self._lock:
            self._sweep()
            if len(self._held) >= self.files:
                idle = [key for key, held in self._held.items() if not held.busy]
                if not idle:
                    raise QueueFull(
                        f"{self.files} files are being sent or counted just now: try again in a minute",
                        ja=f"いま {self.files} 個のファイルを受け取り・集計しています。少し待ってからもう一度どうぞ。",
                    )
                self._close(min(idle, key=lambda key: self._held[key].since))
            key = secrets.token_urlsafe(16)
            held = self._held[key] = _Held(tempfile.TemporaryFile())  # noqa: SIM115
            return key, held.file

    def sent(self, key: str) -> None:
        """The file is complete: it waits for its visitor from now on."""
        with self._lock:
            if key in self._held:
                self._held[key].busy, self._held[key].since = False, time.monotonic()
                self._watch()

    def drop(self, key: str) -> None:
        """Close a file, which deletes it; nothing where there is none."""
        with self._lock:
            self._close(key)

    @contextmanager
    def using(self, key: str, *, drop: bool = False) -> Iterator[IO[bytes]]:
        """The file of a key, kept from being closed meanwhile; `drop` closes it at the end.

        Raises:
            ParameterError: there is no such file (any more), or it is in use.
        """
        with self._lock:
            held = self._held.get(key) if isinstance(key, str) else None
            if held is None or held.busy:
                raise ParameterError(
                    "the file is not here (any more): send it again", ja="ファイルがもうありません。もう一度選んでください。"
                )
            held.busy = True
        try:
            yield held.file
        finally:
            self.drop(key) if drop else self.sent(key)

    def _close(self, key: str) -> None:
        if held := self._held.pop(key, None):
            held.file.close()

    def _sweep(self) -> None:
        oldest = time.monotonic() - self.seconds
        for key in [key for key, held in self._held.items() if not held.busy and held.since <= oldest]:
            self._close(key)

    def _watch(self) -> None:
        """Look again when the next file is due, so that it goes even if nobody comes any more."""
        if self._sweeper is None:
            self._sweeper = threading.Timer(self.seconds / 2, self._watched)
            self._sweeper.daemon = True
            self._sweeper.start()

    def _watched(self) -> None:
        with self._lock:
            self._sweeper = None
            self._sweep()
            if self._held:
                self._watch()


door = Door()
"""The door of this process, as there is one playground in it."""


def routes(door: Door = door) -> list[Route]:
    """For `launch(app_kwargs={"routes": routes()})`, or the same argument of `gr.mount_gradio_app`."""

    async def receive(request: Request) -> Response:
        if request.method == "DELETE":
            door.drop(request.query_params.get("file", ""))
            return Response(status_code=204)
        if request.headers.get("content-type") != "application/octet-stream":
            return _refused(415, "send the file itself as application/octet-stream")
        announced = request.headers.get("content-length", "0")
        if announced.isdecimal() and int(announced) > door.largest:
            return _too_large(door)
        try:
            key, file = door.open()
        except QueueFull as error:
            return _refused(503, str(error), error.ja)
        complete = False
        try:
            async with asyncio.timeout(SLOWEST):
                size = 0
                async for data in request.stream():
                    size += len(data)
                    if size > door.largest:
                        return _too_large(door)
                    file.write(data)
            complete = True
        except (ClientDisconnect, TimeoutError):
            return _refused(408, "the file did not come to its end")
        except OSError:  # the disk is full
            return _refused(507, "there is no room for the file", "ファイルを置く場所がありません。")
        finally:
            if not complete:
                door.drop(key)
        door.sent(key)
        return JSONResponse({"file": key, "bytes": size})

    return [Route(PATH, receive, methods=["POST", "DELETE"])]


def _too_large(door: Door) -> Response:
    most = door.largest // 1_000_000
    return _refused(413, f"the file is larger than {most} MB", f"ファイルが {most} MB を超えています。")


def _refused(status: int, error: str, ja: str | None = None) -> Response:
    return JSONResponse({"error": error, "ja": ja or error}, status)


# ---------------------------------------------------------------- one count at a time


class Line:
    """Who may count: one at a time, in the order of arrival. One who was not heard of for `seconds` has left."""

    def __init__(self, seconds: float = 60, clock: Callable[[], float] = time.monotonic):
        self._seconds, self._clock = seconds, clock
        self._heard: dict[object, float] = {}
        self._lock = threading.Lock()

    def place(self, who: object) -> int:
        """How many are before one; joins the line, and says that one is still there."""
        with self._lock:
            now = self._clock()
            for other in [other for other, heard in self._heard.items() if heard < now - self._seconds]:
                del self._heard[other]
            self._heard[who] = now
            return list(self._heard).index(who)

    def leave(self, who: object) -> None:
        with self._lock, suppress(KeyError):
            del self._heard[who]


line = Line()
