"""What an operator reads: health, metrics and the log of an engine's requests."""

import logging
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from neoxjp.engine import Engine, Visitor
from neoxjp.errors import QueueFull, ShuttingDown
from neoxjp.gateway.operations import Operations
from neoxjp.gateway.shutdown import drain, run_until_stopped
from neoxjp.page_parts.session.playground import Choice, Loaded, Playground, Progress
from neoxjp.sampling import SamplingParams
from tests.support.fake_model import Fake, mixed

THREE = SamplingParams(max_new_tokens=3, eos_token_id=())


@pytest.fixture
def operations() -> Iterator[Operations]:
    """Of an engine without a thread: one request runs, one waits."""
    playground = Playground()
    made = Operations(playground)
    engine = Engine(Fake(mixed), max_batch=1, max_waiting=1, observer=made)
    playground.loaded = Loaded(Choice("fake"), None, engine=engine)  # type: ignore[arg-type]
    yield made
    engine.close()


def engine_of(operations: Operations) -> Engine:
    loaded = operations.served.loaded
    assert loaded is not None
    assert loaded.engine is not None
    return loaded.engine


def client(operations: Operations, address: str = "127.0.0.1") -> TestClient:
    routes = [Route(f"/{name}", getattr(operations, name)) for name in ("healthz", "readyz", "metrics")]
    return TestClient(Starlette(routes=routes), client=(address, 50_000))


def value(operations: Operations, name: str, **labels: str) -> float | None:
    return operations.registry.get_sample_value(f"neoxjp_{name}", labels)


def test_a_request_is_counted_with_its_tokens_and_times(operations: Operations):
    engine = engine_of(operations)
    list(engine.submit([1, 2, 3, 4], THREE))
    assert value(operations, "generation_tokens_total") == 3
    assert value(operations, "prompt_tokens_total") == 4
    assert value(operations, "time_to_first_token_seconds_count") == 1
    assert value(operations, "inter_token_latency_seconds_count") == 2
    assert value(operations, "e2e_request_latency_seconds_count") == 1
    assert value(operations, "request_success_total", finished_reason="length") == 1


def test_a_prompt_that_was_read_before_counts_as_a_hit_of_the_prefix_cache(operations: Operations):
    engine = engine_of(operations)
    for _ in range(2):
        list(engine.submit([n % 9 + 1 for n in range(32)], THREE))
    assert value(operations, "prefix_cache_queries_total") == 64
    assert (value(operations, "prefix_cache_hits_total") or 0) >= 16


def test_what_runs_and_what_waits_is_read_when_it_is_asked_for(operations: Operations):
    engine = engine_of(operations)
    first, _ = engine.submit([1], THREE), engine.submit([2], THREE)
    assert (value(operations, "num_requests_running"), value(operations, "num_requests_waiting")) == (1, 1)
    first.cancel()
    assert (value(operations, "num_requests_running"), value(operations, "num_requests_waiting")) == (1, 0)


def test_one_log_line_a_request_without_its_text_or_its_address(operations: Operations, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "neoxjp.requests")
    engine, visitor = engine_of(operations), Visitor("192.0.2.7", "session-of-mine")
    list(engine.submit([1, 2], THREE, visitor=visitor))
    (line,) = caplog.messages
    assert line.startswith("request id=")
    assert "prompt=2 reused=0 new=3" in line
    assert line.endswith("outcome=length")
    assert f"visitor={operations.served.visitors.name(visitor)} " in line
    assert "192.0.2.7" not in line
    assert "session-of-mine" not in line


def test_a_refused_request_has_a_line_and_a_counter(operations: Operations, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "neoxjp.requests")
    engine = engine_of(operations)
    engine.submit([1], THREE), engine.submit([1], THREE)
    with pytest.raises(QueueFull):
        engine.submit([1], THREE)
    assert caplog.messages[-1].endswith("outcome=refused reason=QueueFull")
    assert value(operations, "requests_refused_total", reason="QueueFull") == 1


def test_an_address_that_a_full_queue_refused_pauses_for_a_moment_and_no_other_does(operations: Operations):
    now = 0.0
    operations.served.visitors._clock = lambda: now
    engine, abuser, honest = engine_of(operations), Visitor("192.0.2.1", "a"), Visitor("192.0.2.2", "a")
    for _ in range(2):
        engine.submit([1], THREE, visitor=honest)
    with pytest.raises(QueueFull):
        engine.submit([1], THREE, visitor=abuser)
    paused = operations.paused
    assert paused(Visitor("192.0.2.1", "another session")) == 1.0  # seconds
    assert not paused(honest)
    now = 1.1
    assert not paused(abuser)
    for until in (3.1, 7.2, 15.3, 31.4, 63.5, 127.6, 191.7):  # it asks again soon: 2, 4, 8, 16, 32, 64 and 64 seconds
        for _ in range(2):  # the second one was under way
            with pytest.raises(QueueFull):
                engine.submit([1], THREE, visitor=abuser)
        now = until - 0.01
        assert paused(abuser)
        now = until + 0.1
        assert not paused(abuser)
    now += 10
    with pytest.raises(QueueFull):
        engine.submit([1], THREE, visitor=abuser)
    now += 1.1
    assert not paused(abuser)


def test_who_was_refused_need_not_pause_once_the_queue_is_short(operations: Operations):
    engine, visitor = engine_of(operations), Visitor("192.0.2.1", "a")
    held = [engine.submit([1], THREE, visitor=Visitor("192.0.2.2")) for _ in range(2)]
    with pytest.raises(QueueFull):
        engine.submit([1], THREE, visitor=visitor)
    assert operations.paused(visitor)
    held[1].cancel()
    assert not operations.paused(visitor)


def test_ready_while_there_is_room(operations: Operations):
    page, engine = client(operations), engine_of(operations)
    assert page.get("/readyz").status_code == 200
    engine.submit([1], THREE), engine.submit([1], THREE)
    full = page.get("/readyz")
    assert full.status_code == 503
    assert full.json()["reason"] == "the queue is full"
    assert page.get("/healthz").status_code == 200


def test_not_ready_while_a_model_loads_or_where_none_is(operations: Operations):
    page, playground = client(operations), operations.served
    playground.loaded, playground.progress = None, Progress("weights", "m", done=1, total=4)
    assert page.get("/readyz").json() == {"ready": False, "reason": "loading", "percent": 25}
    playground.progress = Progress("failed", "m")
    answer = page.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reason"] == "no model is loaded"


def test_draining_lets_what_runs_end_and_refuses_what_comes(operations: Operations):
    engine = engine_of(operations)
    request = engine.submit([1], THREE)
    engine.start()
    drain(operations, seconds=20)
    assert [step.finish for step in request][-1] == "length"
    with pytest.raises(ShuttingDown, match="shutting down") as caught:
        engine.submit([1], THREE)
    assert "終了しています" in caught.value.ja
    assert client(operations).get("/readyz").json()["reason"] == "draining"


def test_draining_cancels_what_does_not_end_in_time(operations: Operations):
    request = engine_of(operations).submit([1], THREE)  # nothing runs it
    drain(operations, seconds=0.2)
    assert request.finish == "cancelled"


def test_draining_waits_for_answers_that_are_being_sent(operations: Operations):
    operations.answering = 1
    threading.Timer(0.3, lambda: setattr(operations, "answering", 0)).start()
    began = time.monotonic()
    drain(operations, seconds=20)
    assert 0.3 <= time.monotonic() - began < 10


def test_a_part_of_what_was_accepted_is_also_taken_while_draining_and_counts_no_refusal(operations: Operations):
    engine, refusals = engine_of(operations), []
    operations.refused = lambda visitor, error: refusals.append(error)  # type: ignore[method-assign]
    engine.drain()
    assert engine.submit([1], THREE, admitted=True).finish is None
    while True:
        try:
            engine.submit([1], THREE, admitted=True)
        except QueueFull:
            break
    assert not refusals


def test_metrics_are_for_this_machine_but_not_through_a_proxy_on_it(operations: Operations):
    assert "neoxjp_num_requests_running 0.0" in client(operations).get("/metrics").text
    assert client(operations, "192.0.2.7").get("/metrics").status_code == 403
    for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):
        assert client(operations).get("/metrics", headers={header: "192.0.2.7"}).status_code == 403


def test_with_a_token_metrics_are_for_who_knows_it(operations: Operations, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NEOXJP_METRICS_TOKEN", "correct horse")
    assert client(operations).get("/metrics").status_code == 403
    page = client(operations, "192.0.2.7")
    assert page.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 403
    assert page.get("/metrics", headers={"Authorization": "Bearer correct horse"}).status_code == 200


def test_a_signal_at_any_moment_ends_the_server() -> None:
    """Its handler sets the event in the main thread, which must hold no lock of it: `Event.wait` does now and then."""

    class Asked(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            pytest.fail("the main thread waits with the lock of the event")

    asked, closed = Asked(), []
    operations: Any = SimpleNamespace(served=SimpleNamespace(loaded=None), draining=False)
    threading.Timer(0.2, asked.set).start()
    run_until_stopped(lambda: closed.append(True), operations, asked)
    assert closed
    assert operations.draining
