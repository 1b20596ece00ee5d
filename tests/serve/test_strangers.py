"""What strangers sent to the running server to hurt it, or those who use it beside them. Each request goes over the wire."""

import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from neoxjp.serve import connections
from tests.serve.conftest import serving
from tests.support.http import Answer, ask, wait_until


def connect(url: str, source: str = "127.0.0.1") -> socket.socket:
    """A bare connection from an address of this machine's network."""
    place = urlsplit(url)
    return socket.create_connection((place.hostname or "", place.port or 0), 10, (source, 0))


@pytest.mark.parametrize("fields", [{"echo": True}, {"return_token_ids": True, "prompt_logprobs": None, "echo": True}])
def test_an_answer_does_not_repeat_a_long_prompt_many_times(complete: Callable[..., Answer], fields: dict[str, object]) -> None:
    answer = complete(prompt=[1234] * 249_000, max_tokens=0, n=128, **fields)  # 446 MB, once
    assert answer.status == 400
    assert answer.error["param"] == "echo"
    assert "lower n" in answer.error["message"]
    assert complete(prompt=[1234] * 1_000, max_tokens=0, n=128, echo=True).status == 200


def test_who_has_all_places_makes_room_for_another_visitor(server: SimpleNamespace, complete: Callable[..., Answer]) -> None:
    def ended() -> float:
        lines = ask(f"{server.url}/metrics").body.decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith("neoxjp_request_success_total"))

    def running() -> int:
        return int(ask(f"{server.url}/health").json["running"])

    before = ended()
    body = b'{"prompt": "\xe7\x8c\xab", "stream": true, "max_tokens": 500, "ignore_eos": true}'
    head = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    with ExitStack() as held:
        for _ in range(20):  # 47 s for one token, once
            held.enter_context(connect(server.url, "127.0.0.66")).sendall(head % len(body) + body)
        places = server.playground.ready.engine.max_batch
        while running() < places:
            time.sleep(0.01)
        assert complete(prompt="猫", max_tokens=1).status == 200
        assert ended() - before == 1
        assert running() == places
    while running():
        time.sleep(0.05)


# ---- connections


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A server, without a model, that has room for forty connections and waits half a second for requests."""
    monkeypatch.setattr(connections, "CONNECTIONS", 40)
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.5)
    with serving("", load=False) as found:
        yield found


def test_idle_connections_of_one_address_leave_room_for_others(small: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 60)
    with ExitStack() as held:  # 900 of them kept everybody out, for as long as their owner liked
        many = [held.enter_context(connect(small.url, "127.0.0.66")) for _ in range(60)]
        refused = many[-1].recv(1_000).decode()
        assert refused.startswith("HTTP/1.1 429 ")
        assert "your address has too many connections" in refused
        assert many[-1].recv(10) == b""
        for _ in range(10):
            assert ask(f"{small.url}/healthz").status == 200
    assert ask(f"{small.url}/healthz").status == 200


@pytest.mark.slow
@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: "])
@pytest.mark.parametrize("before", [b"", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"])
def test_a_connection_ends_whose_request_does_not_come(small: SimpleNamespace, before: bytes, sent: bytes) -> None:
    with connect(small.url) as idle:
        if before:
            idle.sendall(before)
            assert idle.recv(1_000).startswith(b"HTTP/1.1 200")
        idle.sendall(sent)
        began, idle_seconds = time.monotonic(), 0.1
        if sent:  # bytes that go on coming do not help
            for _ in range(20):
                time.sleep(idle_seconds)
                try:
                    idle.sendall(b"a")
                except OSError:
                    break
        try:
            while idle.recv(1_000):
                pass
        except ConnectionError:
            pass
        assert 0.3 < time.monotonic() - began < 9  # a connection that has had its answer waits five seconds for another request


@pytest.mark.slow
def test_an_answer_may_take_longer_than_a_request(small: SimpleNamespace) -> None:
    with connect(small.url) as slow:
        slow.sendall(
            b"POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n"
        )
        time.sleep(1)
        slow.sendall(b'{"prompt": "a" }')
        assert slow.recv(1_000).startswith(b"HTTP/1.1 503")  # no model is loaded


# ---- the log


def test_no_line_and_no_metric_has_a_text_a_key_or_an_address(server: SimpleNamespace, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "neoxjp.requests")
    secret, key = "ひみつの猫", {"Authorization": "Bearer secret-secret-1"}
    for path, body in (
        ("/v1/completions", {"prompt": secret, "max_tokens": 1, "user": secret}),
        ("/v1/completions", {"prompt": "猫", "max_tokens": secret, secret: 1, "stop": [secret, ""]}),
        ("/v1/completions", {"prompt": "猫", "model": secret}),
        ("/tokenize", {"prompt": secret * 100_000}),
        ("/secret-secret-1", {}),
    ):
        ask(f"{server.url}{path}?key=secret-secret-1", body, key)

    def lines(part: str = "") -> list[str]:
        return [line for record in caplog.records if part in (line := record.getMessage())]

    wait_until(lambda: len(lines(" status=4")) == 4)  # a line is written after its answer
    assert len(lines("outcome=length")) == 1
    for text in (*lines(), ask(f"{server.url}/metrics").body.decode()):
        assert not {found for found in ("ひみつ", "secret", "127.0.0.1") if found in text}
