"""Uploaded files: `POST neoxjp/file` with the bytes as its body returns {"file": "key", "bytes": 12345}.

Gradio's own upload is disabled (page.py: `max_file_size`): it stores every file under a name for as long as the server runs. Here
a file has no name: it is open and already deleted on the disk, so it is gone when it is closed or the process ends. It is closed
after it was counted, when its visitor leaves the page or chooses another one, and at the latest after `SECONDS`. At most `FILES`
files of at most `MAX_BYTES` are stored, that is 400 MB of disk. Where there are more, the address with the most loses the one
that is unused for longest: nobody can push out the file of somebody who has fewer.

The gate refuses pages of other sites (`own` in the table of routes).
"""

import asyncio
import secrets
import tempfile
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from neoxjp.errors import ParameterError, QueueFull
from neoxjp.page_parts.session.visitors import Visitors, visitor_of

MAX_BYTES = 50_000_000  # of a file
FILES = 8  # stored at a time
SECONDS = 600  # that a file is stored unused
UPLOAD_SECONDS = 300  # that an upload may take
EACH = 4  # entries of one address in the queue
ADDRESSES = 1_000  # whose last turn in the queue is remembered
PATH = "/neoxjp/file"


@dataclass
class _File:
    file: IO[bytes]
    address: str
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

    def open(self, address: str = "") -> tuple[str, IO[bytes]]:
        """A new, empty file of this address, and its key. Raises QueueFull where no file can make room."""
        with self._lock:
            self._sweep()
            if len(self._files) >= self.files:
                if not (oldest := self._makes_room(address)):
                    raise QueueFull(
                        f"{self.files} files are being uploaded or counted: try again in a minute",
                        ja=f"{self.files} 個のファイルを処理しています。しばらくしてからもう一度お試しください。",
                    )
                self._close(oldest)
            key = secrets.token_urlsafe(16)
            stored = self._files[key] = _File(tempfile.TemporaryFile(), address)  # noqa: SIM115
            return key, stored.file

    def _makes_room(self, address: str) -> str | None:
        """The key of the file that is unused for longest, of the address with the most: this one, or one with more files."""
        counts = Counter(stored.address for stored in self._files.values())
        counts[address] += 1
        idle = [(counts[stored.address], -stored.since, key) for key, stored in self._files.items() if not stored.busy]
        most, _, key = max(idle, default=(0, 0.0, ""))
        return key if most >= counts[address] else None

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
    def use(self, key: str, *, delete: bool = False, wait: float = 0.0) -> Iterator[IO[bytes]]:
        """The file of a key, which is not deleted meanwhile; `delete` deletes it at the end.

        wait: seconds to wait for another use of it to end. A thread waits, so only for what runs one at a time.

        Raises:
            ParameterError: there is no such file, or it is in use.
        """
        until = time.monotonic() + wait
        while (stored := self._files.get(key) if isinstance(key, str) else None) and stored.busy and time.monotonic() < until:
            time.sleep(0.05)
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
            key, file = store.open(who.address)
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
    """The queue for corpus counting: addresses take turns, and each has its entries in the order of arrival.

    An entry expires `seconds` after its last poll.
    """

    def __init__(self, seconds: float = 60, clock: Callable[[], float] = time.monotonic):
        self._seconds, self._clock = seconds, clock
        self._heard: dict[object, tuple[float, str]] = {}  # the last poll and the address, in the order of arrival
        self._served: OrderedDict[str, int] = OrderedDict()  # addresses: the number of their last turn
        self._turns = 0
        self._first: object = None  # whose turn it is
        self._lock = threading.Lock()

    def position(self, who: object, address: str = "") -> int:
        """How many are ahead of `who`. A first call adds `who` to the queue; each further call is a poll.

        Raises QueueFull: the address has `EACH` entries already. Each takes a place among all that runs on the page.
        """
        with self._lock:
            now = self._clock()
            for other in [other for other, (heard, _) in self._heard.items() if heard < now - self._seconds]:
                del self._heard[other]
            if who not in self._heard and sum(other == address for _, other in self._heard.values()) >= EACH:
                raise QueueFull(
                    f"{EACH} files or lists of this address are being counted already: wait until one is finished",
                    ja=f"このアドレスからの集計がすでに {EACH} 件あります。1 件終わるまでお待ちください。",
                )
            self._heard[who] = now, address
            order = self._order()
            if self._first not in self._heard:
                self._first, self._turns = order[0], self._turns + 1
                served = self._heard[self._first][1]
                self._served[served] = self._turns
                self._served.move_to_end(served)
                if len(self._served) > ADDRESSES:
                    self._served.popitem(last=False)
            order.remove(self._first)
            return 0 if who == self._first else 1 + order.index(who)

    def _order(self) -> list[object]:
        """First the first entries of all addresses, the one served longest ago first; then their second ones, and so on."""
        before, keys = Counter[str](), {}
        for who, (_, address) in self._heard.items():
            keys[who] = before[address], self._served.get(address, 0)
            before[address] += 1
        return sorted(keys, key=lambda who: keys[who])

    def leave(self, who: object) -> None:
        with self._lock, suppress(KeyError):
            del self._heard[who]


queue = Queue()
"""The queue for counting in this process."""
