"""The server around the routes: keys, other sites, turns, clients that go away or do not read, faults of the model, the end."""

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from neoxjp.engine import Visitor
from neoxjp.errors import NotReady, ParameterError, QueueFull
from neoxjp.gateway import Patience, drain
from neoxjp.page_parts.session.caps import Caps
from neoxjp.page_parts.session.playground import Choice, Progress
from neoxjp.sampling import SamplingParams
from neoxjp.serve import Access, running
from neoxjp.serve.backend import Job
from neoxjp.serve.completions import Held, _awaited
from neoxjp.serve.fields import MAX_HELD
from neoxjp.serve.local import LocalBackend
from tests.serve.conftest import serving
from tests.support.http import Answer, ask, wait_until
from tests.support.loops import awaited

KEY = "correct-horse-battery"
LONG = {"prompt": "吾輩は猫である。", "max_tokens": 400, "ignore_eos": True}


@pytest.fixture(scope="module")
def small() -> Iterator[SimpleNamespace]:
    """A server that runs one text at a time, lets two wait, and knows a key."""
    with serving("bundled", Caps(running=1, waiting=2, new_tokens=500, running_each=1, waiting_each=1), Access(KEY)) as found:
        yield found


def post(server: SimpleNamespace, fields: Any, visitor: str = "") -> Answer:
    headers = {"Authorization": f"Bearer {KEY}"} | ({"X-Neoxjp-Visitor": visitor} if visitor else {})
    return ask(f"{server.url}/v1/completions", fields, headers)


def send(server: SimpleNamespace, fields: Any, visitor: str = "") -> http.client.HTTPConnection:
    """Send a request and do not wait for its answer."""
    place = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=60)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}", "X-Neoxjp-Visitor": visitor}
    connection.request("POST", "/v1/completions", json.dumps(fields), headers)
    return connection


def idle(server: SimpleNamespace) -> Callable[[], bool]:
    engine = server.playground.ready.engine
    return lambda: engine.running + engine.waiting == 0


# The key


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", f"Basic {KEY}", KEY, f"Bearer {KEY}x", "Bearer é"])
@pytest.mark.parametrize("path", ["/v1/completions", "/v1/models", "/tokenize", "/detokenize", "/tokenizer_info"])
def test_without_the_key_nothing_is_answered(small: SimpleNamespace, path: str, given: str) -> None:
    post = path in ("/v1/completions", "/tokenize", "/detokenize")
    answer = ask(small.url + path, b"{" if post else None, {"Authorization": given.encode().decode("latin-1")})
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert (answer.error["type"], answer.error["code"]) == ("authentication_error", "invalid_api_key")


def test_with_the_key_everything_is_answered(small: SimpleNamespace) -> None:
    assert post(small, {"prompt": "猫", "max_tokens": 1}).status == 200
    assert ask(f"{small.url}/v1/models", headers={"Authorization": f"bearer {KEY}"}).status == 200


def test_health_and_description_need_no_key(small: SimpleNamespace) -> None:
    for path in ("/healthz", "/readyz", "/health", "/openapi.json", "/metrics"):
        assert ask(small.url + path).status == 200, path


@pytest.mark.parametrize("key", ["", "short", "鍵" * 20, "a\nb" * 10])
def test_a_key_that_is_no_key_is_refused_at_the_start(key: str) -> None:
    with pytest.raises(ParameterError, match="at least 8 ASCII characters"):
        Access(key)


# Visitors


def test_a_visitors_hash_is_trusted_with_the_key_only(small: SimpleNamespace, server: SimpleNamespace) -> None:
    seen: list[str] = []
    for each in (small, server):
        observer = each.playground.ready.engine._observer
        observer.ended = lambda request: seen.append(request.visitor.address)
        try:
            post(each, {"prompt": "猫", "max_tokens": 1}, "abc")
            wait_until(idle(each))
        finally:
            del observer.ended
    assert seen == ["visitor:abc", "127.0.0.1"]


@pytest.mark.slow
def test_visitors_take_turns_and_a_full_queue_says_when_to_come_again(small: SimpleNamespace) -> None:
    engine = small.playground.ready.engine
    running = [send(small, LONG, "a")]
    wait_until(lambda: engine.running == 1)
    running += [send(small, LONG, "a"), send(small, LONG, "a")]
    wait_until(lambda: engine.waiting == 2)
    full = post(small, LONG, "a")
    assert full.status == 429
    assert (full.error["type"], full.error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
    assert int(full.headers["retry-after"]) >= 1
    assert ask(f"{small.url}/readyz").status == 503
    assert ask(f"{small.url}/health").status == 200
    other = post(small, {"prompt": "犬", "max_tokens": 1}, "b")  # takes the place of a's last one
    assert other.status == 200
    statuses = sorted(connection.getresponse().status for connection in running)
    assert statuses == [200, 200, 429]
    for connection in running:
        connection.close()


def test_many_prompts_of_one_request_wait_for_their_turn_instead_of_failing(small: SimpleNamespace) -> None:
    many = send(small, {"prompt": [f"第{n}章" for n in range(12)], "max_tokens": 8, "temperature": 0}, "a")
    for _ in range(6):
        assert post(small, {"prompt": "犬", "max_tokens": 4}, "b").status == 200
    answer = many.getresponse()
    found = json.loads(answer.read())
    assert [choice["index"] for choice in found["choices"]] == list(range(12))
    assert answer.status == 200
    many.close()


def test_the_budget_of_a_visitor_counts_only_while_others_wait() -> None:
    with serving("bundled", Caps(running=1, waiting=4, new_tokens=500, tokens_each=50, waiting_each=2), Access(KEY)) as server:
        for _ in range(3):
            assert post(server, {"prompt": "猫", "max_tokens": 30, "ignore_eos": True}, "a").status == 200
        engine = server.playground.ready.engine
        held = [engine.submit([1], visitor=Visitor("visitor:b")) for _ in range(2)]
        answer = post(server, {"prompt": "猫", "max_tokens": 30}, "a")
        assert answer.status == 429
        assert "50 tokens a minute" in answer.error["message"]
        for request in held:
            request.cancel()


# Streams beside scoring


@pytest.mark.slow
def test_scoring_a_long_text_does_not_hold_up_streams(server: SimpleNamespace) -> None:
    ids = [(17 * n) % 7000 for n in range(500)]
    scoring = {"prompt": [ids] * 16, "max_tokens": 0, "echo": True, "logprobs": 1}
    done = threading.Event()

    def score() -> None:
        assert ask(f"{server.url}/v1/completions", scoring).status == 200
        done.set()

    thread = threading.Thread(target=score)
    thread.start()
    wait_until(lambda: server.playground.ready.engine.running > 0)
    connection = send(server, LONG | {"max_tokens": 5, "stream": True})
    answer = connection.getresponse()
    events = [line for line in answer if line.startswith(b"data: {")]
    before_the_end = not done.is_set()
    thread.join()
    connection.close()
    assert events
    assert before_the_end, "the stream ended only after all of the scoring"


# Clients that go away, or do not read


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("prompt", ["猫", ["猫", "犬", "鳥"]])
def test_a_client_that_goes_away_cancels_its_request(server: SimpleNamespace, prompt: Any, stream: bool) -> None:
    engine = server.playground.ready.engine
    wait_until(idle(server))
    generated = server.operations.registry.get_sample_value("neoxjp_generation_tokens_total")
    connection = send(server, LONG | {"prompt": prompt, "n": 4, "stream": stream})
    wait_until(lambda: engine.running > 0)
    if stream:
        assert connection.getresponse().readline()
    connection.close()
    wait_until(idle(server), 10)
    more = server.operations.registry.get_sample_value("neoxjp_generation_tokens_total") - generated
    assert more < 4 * 400


def test_a_client_that_waits_in_the_queue_and_goes_away_leaves_the_queue(small: SimpleNamespace) -> None:
    engine = small.playground.ready.engine
    first = send(small, LONG | {"stream": True}, "a")
    wait_until(lambda: engine.running == 1)
    second = send(small, LONG | {"stream": True}, "b")
    wait_until(lambda: engine.waiting == 1)
    second.close()
    wait_until(lambda: engine.waiting == 0, 10)
    assert engine.running == 1
    first.close()
    wait_until(idle(small), 10)


@pytest.mark.slow
def test_clients_that_never_read_hold_nobody_up(server: SimpleNamespace) -> None:
    place = urlsplit(server.url)
    body = json.dumps(LONG | {"stream": True, "logprobs": 20, "max_tokens": 250}).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nHost: {place.netloc}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    sockets = []
    for _ in range(3):
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        raw.connect((place.hostname, place.port))
        raw.sendall(head.encode() + body)
        sockets.append(raw)
    answer = ask(f"{server.url}/v1/completions", {"prompt": "猫", "max_tokens": 3})
    assert answer.status == 200
    wait_until(idle(server), 60)  # the engine does not wait for readers
    for raw in sockets:
        raw.close()


def test_an_answer_that_nobody_reads_is_given_up() -> None:
    ended = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await send({"type": "http.response.start"})
        finally:
            ended.append(True)

    async def never(message: Any) -> None:
        await asyncio.sleep(60)

    awaited(lambda: Patience(app, seconds=0.05)({"type": "http"}, never, never))
    assert ended == [True]


# Faults of the model


@pytest.mark.parametrize("works", [0, 1, 3])  # forwards
@pytest.mark.parametrize("prompt", ["吾輩は猫である。", ["猫", "犬"]])
@pytest.mark.parametrize("stream", [True, False])
def test_an_exception_of_the_model_ends_its_request_with_an_error_object(
    server: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, stream: bool, prompt: Any, works: int
) -> None:
    model = server.playground.ready.model
    original = type(model).forward_unpadded
    calls: list[int] = []

    def broken(self: Any, *given: Any) -> Any:
        calls.append(1)
        if len(calls) > works:
            raise RuntimeError("secret /path")
        return original(self, *given)

    monkeypatch.setattr(type(model), "forward_unpadded", broken)
    answer = ask(f"{server.url}/v1/completions", LONG | {"prompt": prompt, "stream": stream})
    monkeypatch.undo()
    if stream:
        error = answer.events[-1]["error"]
    else:
        assert answer.status == 500
        error = answer.error
    assert (error["type"], error["code"]) == ("server_error", "internal_error")
    assert "secret" not in error["message"]
    assert ask(f"{server.url}/v1/completions", LONG | {"max_tokens": 2}).status == 200


# Other sites


def test_other_sites_may_read_answers_only_where_they_are_allowed() -> None:
    origin = {"Origin": "https://example.org"}
    asking = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    with serving("bundled", access=Access(KEY, ("https://example.org",)), load=False) as server:
        asked = ask(f"{server.url}/v1/completions", headers=origin | asking, method="OPTIONS")
        assert asked.status == 200
        assert asked.headers["access-control-allow-origin"] == "https://example.org"
        assert "authorization" in asked.headers["access-control-allow-headers"].lower()
        refused = ask(f"{server.url}/v1/models", headers=origin)
        assert refused.status == 401
        assert refused.headers["access-control-allow-origin"] == "https://example.org"
        other = ask(f"{server.url}/v1/models", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers
        assert (
            ask(f"{server.url}/v1/completions", headers={"Origin": "https://evil.example"} | asking, method="OPTIONS").status
            == 400
        )


def test_without_the_option_no_other_site_may_read_an_answer(server: SimpleNamespace) -> None:
    answer = ask(f"{server.url}/v1/models", headers={"Origin": "https://example.org"})
    assert not any(name.startswith("access-control") for name in answer.headers)


@pytest.mark.parametrize("origin", ["example.org", "https://a.example/path", "ftp://a", "https://a/"])
def test_an_origin_that_is_none_is_refused_at_the_start(origin: str) -> None:
    with pytest.raises(ParameterError, match="is no origin"):
        Access(origins=(origin,))


def test_a_local_server_answers_only_under_its_own_names() -> None:
    with serving("bundled", access=Access(hosts=frozenset({"localhost", "127.0.0.1"})), load=False) as server:
        answer = ask(f"{server.url}/healthz", headers={"Host": "evil.example"})
        assert answer.status == 421
        assert "--allowed-host" in answer.error["message"]
        assert ask(f"{server.url}/healthz").status == 200


# The beginning and the end


def test_without_a_model_the_answer_is_that_there_is_none() -> None:
    with serving("bundled", load=False) as server:
        answer = ask(f"{server.url}/v1/completions", {"prompt": "猫"})
        assert answer.status == 503
        assert (answer.error["code"], answer.error["message"]) == ("model_not_ready", "no model is loaded")
        assert "retry-after" in answer.headers
        assert ask(f"{server.url}/healthz").status == 200
        assert ask(f"{server.url}/health").status == ask(f"{server.url}/readyz").status == 503


def test_a_request_waits_for_a_model_that_is_being_loaded() -> None:
    with serving("bundled", load=False) as server:
        loading = server.playground.start(Choice("bundled", offline=True))
        assert ask(f"{server.url}/v1/completions", {"prompt": "猫", "max_tokens": 1}).status == 200
        loading.join()


def test_an_address_in_use_is_an_error_that_names_the_option() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ParameterError, match=rf"cannot listen on 127.0.0.1:{port}: .*; choose another --port or --host"):
            running(Patience, port=port).__enter__()


def test_only_some_requests_wait_for_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neoxjp.serve.backend.MOST_WAITING", 0)
    with serving("bundled", load=False) as server:
        server.playground.progress = Progress("weights")
        answer = ask(f"{server.url}/v1/completions", {"prompt": "猫"})
        assert (answer.status, answer.error["code"]) == (503, "model_not_ready")
        assert "others wait" in answer.error["message"]


def test_answers_with_many_log_probabilities_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neoxjp.serve.completions.HELD_EACH", 3000)
    with serving("bundled", Caps(running=1, waiting=4, new_tokens=500)) as server:
        many = {"prompt": "猫", "max_tokens": 400, "logprobs": 4, "ignore_eos": True}
        connection = send(server, many | {"stream": True})
        answer = connection.getresponse()
        assert answer.readline().startswith(b"data: ")
        refused = ask(f"{server.url}/v1/completions", many)
        assert (refused.status, refused.headers["retry-after"]) == (429, "5")
        assert "3,000 of one address" in refused.error["message"]
        answer.read()
        connection.close()
        assert ask(f"{server.url}/v1/completions", many).status == 200


def test_one_address_leaves_log_probabilities_to_others() -> None:
    held = Held()
    held.take("a", MAX_HELD // 2)
    with pytest.raises(QueueFull):
        held.take("a", MAX_HELD // 2)
    held.take("b", MAX_HELD // 2)
    held.give("a", MAX_HELD // 2)
    held.give("b", MAX_HELD // 2)
    assert not held.values


def test_ids_count_as_characters() -> None:
    with serving("bundled", Caps(running=1, waiting=4, characters_each=100), Access(KEY)) as server:
        assert post(server, {"prompt": [5] * 60, "max_tokens": 1}, "a").status == 200
        answer = post(server, {"prompt": [5] * 60, "max_tokens": 1}, "a")
        assert answer.status == 429
        assert "100 characters a minute" in answer.error["message"]


def test_few_new_tokens_are_the_default_where_the_server_allows_no_more() -> None:
    with serving("bundled", Caps(new_tokens=3)) as server:
        assert post(server, {"prompt": "猫"}, "a").json["usage"]["completion_tokens"] <= 3
        assert post(server, {"prompt": "猫", "max_tokens": 4}, "a").status == 400


def test_a_model_that_was_loaded_meanwhile_gets_no_ids_of_the_one_before() -> None:
    with serving("bundled") as server:
        loaded = server.playground.ready
        job = Job((5,), SamplingParams(max_new_tokens=1), serial=loaded.serial + 1)
        with pytest.raises(NotReady, match="another model has been loaded"):
            awaited(lambda: LocalBackend(server.playground).open(job))


def test_a_stream_is_not_silent_between_two_texts_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neoxjp.serve.completions.SILENT_SECONDS", 0.05)

    async def slow() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(0.2)
        yield 2

    async def read() -> list[int | None]:
        return [item async for item in _awaited(slow())]

    found = awaited(read)
    assert (found[0], found[-1]) == (1, 2)
    assert found.count(None) >= 2


def test_a_stream_that_waits_for_its_first_token_is_not_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neoxjp.serve.completions.SILENT_SECONDS", 0.05)
    with serving("bundled", Caps(running=1, waiting=4, new_tokens=500)) as server:
        running = server.playground.ready.engine.submit([1], SamplingParams(max_new_tokens=500, eos_token_id=()))
        connection = send(server, {"prompt": "猫", "max_tokens": 2, "stream": True})
        answer = connection.getresponse()
        assert answer.readline() == b": waiting\n"
        running.cancel()
        assert answer.read().endswith(b"data: [DONE]\n\n")
        answer.close()
        connection.close()


@pytest.mark.slow
def test_draining_finishes_what_runs_and_refuses_what_comes() -> None:
    with serving("bundled") as server:
        connection = send(server, LONG | {"max_tokens": 60, "stream": True})
        answer = connection.getresponse()
        answer.readline()
        ending = threading.Thread(target=drain, args=(server.operations, 30))
        ending.start()
        wait_until(lambda: server.operations.draining)
        refused = ask(f"{server.url}/v1/completions", {"prompt": "猫"})
        assert (refused.status, refused.error["code"]) == (503, "shutting_down")
        assert ask(f"{server.url}/health").status == 503
        rest = answer.read().decode()
        assert '"finish_reason":"length"' in rest
        assert rest.endswith("data: [DONE]\n\n")
        ending.join()
        connection.close()


@pytest.mark.slow
def test_draining_finishes_all_texts_of_a_request_that_has_begun() -> None:
    with serving("bundled") as server:
        connection = send(server, {"prompt": ["猫", "犬", "鳥"] * 6, "max_tokens": 20, "ignore_eos": True})
        wait_until(lambda: server.playground.ready.engine.running > 0)
        ending = threading.Thread(target=drain, args=(server.operations, 30))
        ending.start()
        answer = connection.getresponse()
        assert answer.status == 200
        assert len(json.loads(answer.read())["choices"]) == 18
        ending.join()
        connection.close()


def test_a_connection_whose_answer_nobody_reads_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(socket, "TCP_USER_TIMEOUT"):
        pytest.skip("this system does not end such connections")
    monkeypatch.setattr("neoxjp.serve.server.SEND_SECONDS", 0.5)
    size = 30_000_000

    async def large(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(size).encode())]})
        await send({"type": "http.response.body", "body": bytes(size)})

    with running(large) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            server_side = psutil.Process()
            wait_until(
                lambda: not [each for each in server_side.net_connections("tcp") if each.laddr[1] == int(port) and each.raddr]
            )
            assert client.recv(1)  # what had been sent


@pytest.mark.slow
def test_what_is_cancelled_at_the_end_says_so() -> None:
    with serving("bundled") as server:
        connection = send(server, LONG | {"stream": True})
        answer = connection.getresponse()
        answer.readline()
        drain(server.operations, 0)
        events = [json.loads(line[6:]) for line in answer.read().decode().split("\n") if line.startswith("data: {")]
        assert events[-1]["error"]["code"] == "shutting_down"
        connection.close()


def test_the_metrics_count_its_requests(server: SimpleNamespace) -> None:
    wait_until(idle(server))

    def value(name: str, **labels: str) -> float:
        return server.operations.registry.get_sample_value(f"neoxjp_{name}", labels) or 0.0

    names = ("prompt_tokens_total", "generation_tokens_total", "time_to_first_token_seconds_count")
    before = [value(name) for name in names]
    ask(f"{server.url}/v1/completions", {"prompt": [1, 2, 3], "max_tokens": 5, "ignore_eos": True})
    wait_until(idle(server))
    assert [value(name) - old for name, old in zip(names, before, strict=True)] == [3, 5, 1]
    assert "neoxjp_num_requests_running 0.0" in ask(f"{server.url}/metrics").body.decode()
