"""Uploaded files: `POST neoxjp/file` with the bytes as its body returns {"file": "key", "bytes": 12345}.

Gradio's own upload is disabled (page.py: `max_file_size`): it stores every file under a name for as long as the server runs. Here
a file has no name: it is open and already deleted on the disk, so it is gone when it is closed or the process ends. It is closed
after it was counted, when its visitor leaves the page or chooses another one, and at the latest after `SECONDS`. At most `FILES`
files of at most `MAX_BYTES` are stored, that is 400 MB of disk; the one that is unused for longest makes room.

Only "application/octet-stream" is accepted: browsers do not let a page of another site send that.
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
from neoxjp.page_parts.visitors import Visitors, visitor_of

MAX_BYTES = 50_000_000  # of a file
FILES = 8  # stored at a time
SECONDS = 600  # that a file is stored unused
UPLOAD_SECONDS = 300  # that an upload may take
PATH = "/neoxjp/file"


@dataclass
class _File:
    file: IO[bytes]
    since: float = field(default_factory=time.monotonic)  # when it was last used
    busy: bool = True  # it is being uploaded or counted


class Uploads:
    """The files of visitors that are to be counted."""

    def __init__(self, files: int = FILES, max_bytes: int = MAX_BYTES, seconds: float = SECONDS):
        self.files, self.max_bytes, self.seconds = files, max_bytes, seconds
        self._files: dict[str, _File] = {}
        self._lock = threading.Lock()
        self._sweeper: threading.Timer | None = None

    def __len__(self) -> int:
        return len(self._files)

    def open(self) -> tuple[str, IO[bytes]]:
        """A new, empty file and its key. Raises QueueFull where all files are in use."""
        with self._lock:
            self._sweep()
            if len(self._files) >= self.files:
                idle = [key for key, stored in self._files.items() if not stored.busy]
                if not idle:
                    raise QueueFull(
                        f"{self.files} files are being uploaded or counted: try again in a minute",
                        ja=f"{self.files} 個のファイルを処理しています。しばらくしてからもう一度お試しください。",
                    )
                self._close(min(idle, key=lambda key: self._files[key].since))
            key = secrets.token_urlsafe(16)
            stored = self._files[key] = _File(tempfile.TemporaryFile())  # noqa: SIM115
            return key, stored.file

    def complete(self, key: str) -> None:
        """The file is uploaded, or no longer used: it is stored for `seconds` from now on."""
        with self._lock:
            if key in self._files:
                self._files[key].busy, self._files[key].since = False, time.monotonic()
                self._schedule()

    def delete(self, key: str) -> None:
        """Close a file, which deletes it; does nothing where there is none."""
        with self._lock:
            self._close(key)

    @contextmanager
    def use(self, key: str, *, delete: bool = False) -> Iterator[IO[bytes]]:
        """The file of a key, which is not deleted meanwhile; `delete` deletes it at the end.

        Raises:
            ParameterError: there is no such file, or it is in use.
        """
        with self._lock:
            stored = self._files.get(key) if isinstance(key, str) else None
            if stored is None or stored.busy:
                raise ParameterError(
                    "the file is no longer stored: send it again", ja="ファイルは削除されています。もう一度選んでください。"
                )
            stored.busy = True
        try:
            yield stored.file
        finally:
            self.delete(key) if delete else self.complete(key)

    def _close(self, key: str) -> None:
        if stored := self._files.pop(key, None):
            stored.file.close()

    def _sweep(self) -> None:
        oldest = time.monotonic() - self.seconds
        for key in [key for key, stored in self._files.items() if not stored.busy and stored.since <= oldest]:
            self._close(key)

    def _schedule(self) -> None:
        """Delete old files later, also if no request comes."""
        if self._sweeper is None:
            self._sweeper = threading.Timer(self.seconds / 2, self._on_timer)
            self._sweeper.daemon = True
            self._sweeper.start()

    def _on_timer(self) -> None:
        with self._lock:
            self._sweeper = None
            self._sweep()
            if self._files:
                self._schedule()


store = Uploads()
"""The uploads of this process."""


def routes(store: Uploads = store) -> list[Route]:
    """The routes for `launch(app_kwargs={"routes": routes()})` and `gr.mount_gradio_app`."""

    async def receive(request: Request) -> Response:
        if request.method == "DELETE":
            store.delete(request.query_params.get("file", ""))
            return Response(status_code=204)
        if request.headers.get("content-type") != "application/octet-stream":
            return _refused(415, "send the file itself as application/octet-stream")
        announced = request.headers.get("content-length", "0")
        if announced.isdecimal() and int(announced) > store.max_bytes:
            return _too_large(store)
        visitors, who = _visitors(request), visitor_of(request.client.host if request.client else None)
        try:
            visitors.check(who, "file_bytes")
            key, file = store.open()
        except QueueFull as error:
            return _refused(429, str(error), error.ja, error.seconds)
        complete, size = False, 0
        try:
            async with asyncio.timeout(UPLOAD_SECONDS):
                async for data in request.stream():
                    size += len(data)
                    if size > store.max_bytes:
                        return _too_large(store)
                    file.write(data)
            complete = True
        except (ClientDisconnect, TimeoutError):
            return _refused(408, "the upload was not completed")
        except OSError:  # the disk is full
            return _refused(507, "the disk is full", "ディスクの空きがありません。")
        finally:
            visitors.note(who, "file_bytes", size)
            if not complete:
                store.delete(key)
        store.complete(key)
        return JSONResponse({"file": key, "bytes": size})

    return [Route(PATH, receive, methods=["POST", "DELETE"])]


def _too_large(store: Uploads) -> Response:
    most = store.max_bytes // 1_000_000
    return _refused(413, f"the file is larger than {most} MB", f"ファイルが {most} MB を超えています。")


def _refused(status: int, error: str, ja: str | None = None, seconds: int | None = None) -> Response:
    return JSONResponse({"error": error, "ja": ja or error}, status, {"Retry-After": str(seconds)} if seconds else None)


def _visitors(request: Request) -> Visitors:
    """Those of the page that this request is for; where there is no page, as in a test, nobody has a limit."""
    find = getattr(request.app, "get_blocks", None)
    return find().visitors if find else Visitors()


class Queue:
    """FIFO queue for corpus counting; an entry expires `seconds` after its last poll."""

    def __init__(self, seconds: float = 60, clock: Callable[[], float] = time.monotonic):
        self._seconds, self._clock = seconds, clock
        self._heard: dict[object, float] = {}
        self._lock = threading.Lock()

    def place(self, who: object) -> int:
        """How many are ahead of `who`. A first call adds `who` to the queue; each further call is a poll."""
        with self._lock:
            now = self._clock()
            for other in [other for other, heard in self._heard.items() if heard < now - self._seconds]:
                del self._heard[other]
            self._heard[who] = now
            return list(self._heard).index(who)

    def leave(self, who: object) -> None:
        with self._lock, suppress(KeyError):
            del self._heard[who]


queue = Queue()
"""The queue for counting in this process."""
