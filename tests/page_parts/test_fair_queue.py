"""Turns in Gradio's queue, who makes room in a full one, and the messages that nobody reads."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import fastapi
import gradio as gr
import pytest
from gradio.data_classes import PredictBodyInternal
from gradio.server_messages import ProcessCompletedMessage, ProcessGeneratingMessage

from neoxjp.page_parts import fair_queue
from neoxjp.page_parts.endpoints import EndpointBlocks
from neoxjp.page_parts.fair_queue import FairQueue


@pytest.fixture
def page() -> Iterator[Any]:
    # In a thread of its own: in this one Playwright's event loop may be running, after a test with a browser.
    with ThreadPoolExecutor(1) as thread:
        runner = asyncio.Runner()

        def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
            return thread.submit(runner.run, coroutine).result()

        blocks = run(built())
        blocks.run = run
        yield blocks
        thread.submit(runner.close).result()


async def built() -> Any:
    with EndpointBlocks() as blocks:
        gr.api(lambda: 1, api_name="slow", concurrency_limit=1)
        gr.api(lambda: 1, api_name="through", concurrency_limit=None)
    return blocks.queue(max_size=6, default_concurrency_limit=1)


def asked(address: str, lang: str = "en") -> fastapi.Request:
    headers = [(b"accept-language", lang.encode())]
    return fastapi.Request({"type": "http", "client": (address, 1), "headers": headers, "method": "POST", "path": "/"})


def join(page: Any, address: str, name: str = "slow", session: str | None = None, lang: str = "en") -> None:
    number = next(key for key, each in page.fns.items() if each.api_name == name)
    request = asked(address, lang)
    body = PredictBodyInternal(data=[], fn_index=number, session_hash=session, request=request)
    success, *_ = page.run(page._queue.push(body, request, None))
    assert success


def addresses(page: Any) -> list[str]:
    """In the order in which they run."""
    found: list[str] = []
    while events := page._queue.get_events():
        found.append(events[0][0].request.client.host)
    return found


def test_the_page_has_this_queue(page: Any) -> None:
    assert isinstance(page._queue, FairQueue)
    assert page._queue.max_size == 6


def test_addresses_take_turns(page: Any) -> None:
    for address in ("a", "a", "a", "b", "c"):
        join(page, address)
    assert addresses(page) == ["a", "b", "c", "a", "a"]
    join(page, "a")
    join(page, "d")
    assert addresses(page) == ["d", "a"]


def test_a_full_queue_takes_the_last_place_of_the_address_with_the_most(page: Any) -> None:
    for number in range(6):
        join(page, "a", session=f"a{number}", lang="ja")
    join(page, "b")
    assert addresses(page) == ["a", "b", "a", "a", "a", "a"]
    message = page._queue.pending_messages_per_session["a5"]
    found = [message.get_nowait() for _ in range(message.qsize())][-1]
    assert isinstance(found, ProcessCompletedMessage)
    assert found.success is False
    assert "混み合っています" in found.output["error"]


def test_who_has_a_share_is_refused_with_the_time_to_wait(page: Any) -> None:
    for address in "aabbcc":
        join(page, address)
    for lang, sentence in (("en", "Try again in about 10 s"), ("ja", "約 10 秒後")):
        with pytest.raises(fastapi.HTTPException) as caught:
            join(page, "d", lang=lang)
        assert caught.value.status_code == 429
        assert sentence in caught.value.detail
        assert caught.value.headers == {"Retry-After": "10"}


def test_what_passes_through_is_never_behind_what_waits(page: Any) -> None:
    for _ in range(3):
        join(page, "a")
    page._queue.event_queue_per_concurrency_id[page.fns[0].concurrency_id].current_concurrency = 1
    join(page, "b", "through")
    assert addresses(page) == ["b"]


def event_of(page: Any, session: str) -> Any:
    return next(event for event in page._queue.event_ids_to_events.values() if event.session_hash == session)


def send(page: Any, session: str, size: int = 10, times: int = 1, kind: Callable[..., Any] = ProcessGeneratingMessage) -> Any:
    event = event_of(page, session)
    for _ in range(times):
        page._queue.send_message(event, kind(output={"data": ["x" * size]}, success=True))
    return event


def test_a_stream_that_nobody_reads_ends(page: Any) -> None:
    join(page, "a", session="a")
    event = send(page, "a", times=fair_queue.MOST_MESSAGES + 10)
    assert not event.alive
    assert "a" not in page._queue.pending_messages_per_session


def test_what_is_put_past_the_queue_is_bounded_too(page: Any) -> None:
    join(page, "a", session="a")
    mailbox = page._queue.pending_messages_per_session["a"]
    for _ in range(2 * fair_queue.MOST_MESSAGES):
        mailbox.put_nowait("cancelled")
    assert mailbox.qsize() <= fair_queue.MOST_MESSAGES + 1


def test_unread_messages_of_all_sessions_are_bounded_and_the_largest_go_first(page: Any) -> None:
    join(page, "b", session="b")
    small = send(page, "b")
    for number in range(5):
        join(page, "a", session=f"a{number}")
        send(page, f"a{number}", fair_queue.UNREAD_BYTES // 3)
    boxes = page._queue.pending_messages_per_session
    assert sum(box.nbytes for box in boxes.values()) <= fair_queue.UNREAD_BYTES
    assert small.alive
    assert "b" in boxes


def test_read_messages_are_not_counted(page: Any) -> None:
    join(page, "a", session="a")
    box = page._queue.pending_messages_per_session["a"]
    for _ in range(20):
        send(page, "a", fair_queue.UNREAD_BYTES // 3)
        while not box.empty():
            box.get_nowait()
    assert box.nbytes == 0
    assert event_of(page, "a").alive


def test_answers_that_are_never_fetched_are_forgotten(page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(fair_queue, "time", SimpleNamespace(monotonic=lambda: now[0]))
    for number in range(500):
        now[0] += 1.1
        join(page, "a", session=f"a{number}")
        send(page, f"a{number}", kind=ProcessCompletedMessage)
        page._queue.event_ids_to_events.clear()
        page._queue.event_queue_per_concurrency_id.clear()
        page._queue.create_event_queue_for_fn(page.fns[0])
    assert len(page._queue.pending_messages_per_session) <= fair_queue.UNREAD_SECONDS
    assert len(page._queue.pending_event_ids_session) <= fair_queue.UNREAD_SECONDS
    assert len(page._queue.event_analytics) <= 1


def test_one_address_cannot_push_out_the_sessions_of_another(page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradio forgets the oldest of 2,000 sessions, also in the middle of a stream."""
    page._queue.max_size = None
    join(page, "honest", session="honest")
    for number in range(1_000):
        join(page, "a", session=f"a{number}")
        page._queue.event_ids_to_events.pop(event_of(page, f"a{number}")._id) if number > 50 else None
        page._queue._swept = 0.0
    assert "honest" in page._queue.pending_messages_per_session
    assert event_of(page, "honest").alive
    assert len(page._queue.pending_messages_per_session) < 200
