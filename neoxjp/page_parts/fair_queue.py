"""Gradio's queue for public pages: visitors take turns, a full queue refuses those with the most, unread answers are bounded.

Generations pass through it at once, because their queue is the engine's. What waits here is everything else that may run only a
few times at once. Written against Gradio 6.31; tests/page_parts/test_fair_queue.py checks what is overridden.
"""

import asyncio
import secrets
import time
from collections import Counter, OrderedDict, deque
from typing import Any

import fastapi
import gradio as gr
import orjson
from gradio import queueing
from gradio.server_messages import ProcessCompletedMessage

from neoxjp.page_parts.session.playground import UNREAD_BYTES
from neoxjp.page_parts.session.visitors import visitor_of
from neoxjp.page_parts.strings import Lang, language, words

MAX_SIZE = 128  # events that wait here
EACH = 2  # of one address that keep their place when the queue is full
RETRY_SECONDS = 10
UNREAD_SECONDS = 60  # that finished answers wait for their reader
UNREAD_EACH = 100  # sessions of one address with such answers
MOST_MESSAGES = 2_000  # unread ones of one session: two minutes of a stream

_Messages = asyncio.Queue[Any]


class Mailbox(_Messages):
    """The messages of one session that its browser has not read yet, and their size as JSON."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address, self.used, self.nbytes = address, time.monotonic(), 0
        self._sizes = deque[int]()

    def _put(self, item: Any) -> None:
        if len(self._sizes) > MOST_MESSAGES:  # /cancel puts messages here itself, past `send_message`
            return
        size = _size(getattr(item, "output", None))
        self.nbytes += size
        self._sizes.append(size)
        self.used = time.monotonic()
        super()._put(item)

    def _get(self) -> Any:
        self.nbytes -= self._sizes.popleft()
        self.used = time.monotonic()
        return super()._get()


class _Mailboxes(dict[str, Mailbox]):
    """By session. Gradio deletes the mailbox of a closed connection, which may be gone already."""

    def __delitem__(self, session: str) -> None:
        self.pop(session, None)


class FairQueue(queueing.Queue):
    """Gradio's queue with turns."""

    def __init__(self, *given: Any, **names: Any) -> None:
        super().__init__(*given, **names)
        # Gradio drops the oldest of 2,000 sessions, also one that is being read; `_sweep` drops what nobody reads instead.
        self._mailboxes = _Mailboxes()
        self.pending_messages_per_session = self._mailboxes  # type: ignore[assignment]
        self.ANALYTICS_MAX_EVENTS = 1
        self._turns: OrderedDict[str, None] = OrderedDict()  # addresses, the one whose turn was longest ago first
        self._swept = 0.0
        self._unread = 0  # bytes at most, since the last count

    async def push(self, body: Any, request: fastapi.Request, username: str | None) -> tuple[bool, Any, Any]:
        """As Gradio's. Raises HTTPException 429 where the queue is full and this visitor is not who must make room."""
        address = _address(request)
        if self.max_size is not None and len(self) >= self.max_size:
            self._make_room(address, language(gr.Request(request)))
        self._sweep()
        if body.session_hash is None:
            body.session_hash = secrets.token_hex(16)
        if body.session_hash not in self._mailboxes:
            self._mailboxes[body.session_hash] = Mailbox(address)
        return await super().push(body, request, username)

    def get_events(self) -> Any:
        """The next event that may run: in each list the first one of the address whose turn was longest ago."""
        for each in self.event_queue_per_concurrency_id.values():
            free = each.concurrency_limit is None or each.current_concurrency < each.concurrency_limit
            if free and len(each.queue) > 1:
                turns = {address: place for place, address in enumerate(self._turns)}
                first = min(each.queue, key=lambda event: turns.get(_address(event.request), -1))
                each.queue.remove(first)
                each.queue.insert(0, first)
        found = super().get_events()
        if found:
            address = _address(found[0][0].request)
            self._turns[address] = None
            self._turns.move_to_end(address)
            while len(self._turns) > 1_000:
                self._turns.popitem(last=False)
        return found

    def send_message(self, event: queueing.Event, event_message: Any) -> None:
        """As Gradio's. A session whose messages nobody reads loses them, and its running events end."""
        mailbox = self._mailboxes.get(event.session_hash)
        if mailbox is None or not event.alive:
            event.alive = False
            return
        before = mailbox.nbytes
        super().send_message(event, event_message)
        self._unread += mailbox.nbytes - before
        if mailbox.qsize() > MOST_MESSAGES:
            self._drop(event.session_hash)
        if self._unread > UNREAD_BYTES:
            self._shrink()

    def compute_analytics_summary(self, records: Any) -> Any:
        """Nothing: Gradio makes a table of the last 10,000 events after each of them."""
        return self.cached_event_analytics_summary

    def _make_room(self, address: str, lang: Lang) -> None:
        """End the last waiting event of the address with the most, or refuse this one."""
        waiting = [event for each in self.event_queue_per_concurrency_id.values() for event in each.queue]
        sizes = Counter(_address(event.request) for event in waiting)
        largest, most = sizes.most_common(1)[0]
        if sizes[address] >= EACH or most <= max(EACH, sizes[address]):
            detail = words(lang)("q_full", seconds=RETRY_SECONDS)
            raise fastapi.HTTPException(429, detail, headers={"Retry-After": str(RETRY_SECONDS)})
        last = [event for event in waiting if _address(event.request) == largest][-1]
        self.event_queue_per_concurrency_id[last.concurrency_id].queue.remove(last)
        self.event_ids_to_events.pop(last._id, None)
        message = words(language(gr.Request(last.request)))("q_full", seconds=RETRY_SECONDS)
        self.send_message(last, ProcessCompletedMessage(output={"error": message}, success=False))

    def _sweep(self) -> None:
        """Forget sessions that have read everything, and answers that nobody fetched. At most once a second."""
        now = time.monotonic()
        if now < self._swept + 1:
            return
        self._swept = now
        unread: dict[str, list[str]] = {}
        for session, mailbox in list(self._mailboxes.items()):
            events = self.pending_event_ids_session.get(session, set())
            if not events and mailbox.empty():
                if now > mailbox.used + UNREAD_SECONDS:
                    self._drop(session)
            elif not any(event in self.event_ids_to_events for event in events):
                if now > mailbox.used + UNREAD_SECONDS:
                    self._drop(session)
                else:
                    unread.setdefault(mailbox.address, []).append(session)
        for sessions in unread.values():
            for session in sessions[: max(0, len(sessions) - UNREAD_EACH)]:
                self._drop(session)
        for session in list(self.pending_event_ids_session):
            if session not in self._mailboxes:
                del self.pending_event_ids_session[session]

    def _drop(self, session: str) -> None:
        """Forget a session and its messages; its events end before their next message."""
        self._mailboxes.pop(session, None)
        for key in self.pending_event_ids_session.pop(session, set()):
            if (event := self.event_ids_to_events.get(key)) is not None:
                event.alive = False

    def _shrink(self) -> None:
        """Drop the sessions with the most unread bytes, until half of UNREAD_BYTES is left."""
        boxes = self._mailboxes
        self._unread = sum(box.nbytes for box in boxes.values())
        if self._unread <= UNREAD_BYTES:
            return
        for session in sorted(boxes, key=lambda session: boxes[session].nbytes, reverse=True):
            if self._unread <= UNREAD_BYTES // 2:
                break
            self._unread -= boxes[session].nbytes
            self._drop(session)


def _address(request: fastapi.Request) -> str:
    return visitor_of(request.client.host if request.client else None).address


def _size(output: Any) -> int:
    try:
        return len(orjson.dumps(output, default=str))
    except (TypeError, ValueError):  # a value that the answer cannot hold either
        return 1_000
