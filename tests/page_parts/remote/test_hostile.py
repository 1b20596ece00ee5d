"""What no engine answers, and what no page asks: a sentence, bounded work, and both go on."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from neoxjp.errors import EngineAway, NeoxjpError
from neoxjp.page_parts.remote import client
from neoxjp.page_parts.remote.records import MODEL_HEADER
from neoxjp.page_parts.remote.watch import Watch
from neoxjp.page_parts.session import calls
from neoxjp.page_parts.session.playground import Playground
from neoxjp.sampling import SamplingParams
from neoxjp.serve import running
from tests.page_parts.remote.conftest import KEY, engine, page_of
from tests.support.http import Answer, ask

PARAMS = SamplingParams(max_new_tokens=3)


class Hostile:
    """A server whose answers a test sets; at first those of an engine."""

    def __init__(self, answers: dict[str, bytes]):
        self.answers: dict[str, Any] = dict(answers)

    async def answer(self, request: Request) -> Response:
        await request.body()
        answer = self.answers[request.url.path]
        if isinstance(answer, Response):
            return answer
        return Response(answer) if isinstance(answer, bytes) else StreamingResponse(answer())


@pytest.fixture(scope="module")
def server(tiny_folder: Path) -> Iterator[SimpleNamespace]:
    with engine(tiny_folder) as found:
        yield found


@pytest.fixture
def hostile(server: SimpleNamespace) -> Iterator[SimpleNamespace]:
    """A page, and the hostile server that it uses."""
    head = {"Authorization": f"Bearer {KEY}"}
    paths = ("/internal/status", "/internal/model", "/internal/vocabulary")
    answers = Hostile({path: ask(server.url + path, headers=head).body for path in paths})
    app = Starlette(routes=[Route("/{rest:path}", answers.answer, methods=["GET", "POST"])])
    with running(app) as url, page_of(url) as page:
        assert page.ready
        yield SimpleNamespace(answers=answers.answers, page=page, url=url)


def lines(*given: Any) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in given)


ACCEPTED = {"accepted": {"seed": 1, "truncated_tokens": 0}}
STATS = {"queue_s": 0, "prefill_s": None, "decode_s": None, "time_to_first_token": None, "tokens": 1, "tokens_per_second": None}


def step(**changes: Any) -> dict[str, Any]:
    fields = {"id": 1, "text": "猫", "logprob": -1.0, "rank": 1, "entropy": 1.0, "top": [], "seconds": 0.1, "finish": None}
    return fields | changes


def news(*steps: Any, **changes: Any) -> dict[str, Any]:
    return {"news": {"steps": steps, "position": 0, "prefilled": 1, "finish": None, "stats": STATS} | changes}


STREAMS: dict[str, bytes] = {
    "no JSON": b"<html>\n",
    "pickle": b"\x80\x04\x95cposix\nsystem\n.\n",
    "nothing": b"",
    "an empty line": lines({}),
    "news before it is accepted": lines(news(step())),
    "accepted twice": lines(ACCEPTED, ACCEPTED),
    "more truncated than there is": lines({"accepted": {"seed": 1, "truncated_tokens": 9}}),
    "an id outside the vocabulary": lines(ACCEPTED, news(step(id=10**9))),
    "a negative id": lines(ACCEPTED, news(step(id=-1))),
    "more tokens than asked": lines(ACCEPTED, news(*[step()] * 4)),
    "alternatives that nobody asked": lines(
        ACCEPTED, news(step(top=[{"id": 1, "text": "", "logprob": 0, "probability": 0, "passed_filters": True}] * 3))
    ),
    "a text without end": lines(ACCEPTED, news(step(text="猫" * 300_000))),
    "an unknown finish": lines(ACCEPTED, news(finish="rm -rf")),
    "cancelled without a reason": lines(ACCEPTED, news(finish="cancelled")),
    "another type": lines(ACCEPTED, news(step(text=["猫"]))),
    "deep": b"[" * 100_000 + b"\n",
    "an endless line": b"x" * (9 * 2**20),
    "an unknown error": lines({"problem": {"kind": "os.system", "message": "x" * 9000, "ja": "い" * 9000}}),
}


@pytest.mark.parametrize("name", list(STREAMS))
def test_a_stream_that_no_engine_sends_ends_with_a_sentence(hostile: SimpleNamespace, name: str) -> None:
    hostile.answers["/internal/generate"] = STREAMS[name]
    text_engine = hostile.page.ready.engine
    with pytest.raises(NeoxjpError) as fault:
        list(text_engine.submit([1, 2], PARAMS))
    assert 5 < len(str(fault.value)) <= 1_000
    assert text_engine.running == 0


def test_a_stream_that_never_ends_is_closed_by_its_reader(hostile: SimpleNamespace) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield lines(ACCEPTED)
        while True:
            yield lines(news())
            await asyncio.sleep(0.01)

    hostile.answers["/internal/generate"] = endless
    request = hostile.page.ready.engine.submit([1], PARAMS)
    assert not request.wait(0.2)
    request.cancel()
    assert request.finish == "cancelled"


ANSWERS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], bytes]] = {
    "no JSON": (calls.score, ([1], 0, True), b"nonsense"),
    "another record": (calls.score, ([1], 0, True), b'{"id": 1}'),
    "another type": (calls.lens, ([1], -1, 5), b"[1]"),
    "no array": (calls.logits_after, ([1], 0), b'{"shape": [2], "data": "AAAA"}'),
    "a shape that is not its own": (
        calls.logits_after, ([1], 0), b'{"shape": [2147483647, 2147483647], "data": "AAAAAAAAAAA="}',
    ),
    "an array of objects": (calls.logits_after, ([1], 0), b'{"shape": [1], "dtype": "O", "data": [1]}'),
    "deep": (calls.setup, (), b"[" * 1_000_000),
    "more than an answer has": (calls.setup, (), b" " * (client.ANSWER_BYTES + 1)),
}  # fmt: skip


@pytest.mark.parametrize("name", list(ANSWERS))
def test_an_answer_that_no_engine_gives_is_a_sentence(hostile: SimpleNamespace, name: str) -> None:
    call, given, answer = ANSWERS[name]
    hostile.answers["/internal/call"] = answer
    with pytest.raises(EngineAway, match="does not understand"):
        hostile.page.ready.call(call, *given)


@pytest.mark.parametrize("status", [301, 302, 500, 502, 418])
def test_another_status_is_a_sentence_and_redirects_are_not_followed(hostile: SimpleNamespace, status: int) -> None:
    hostile.answers["/internal/call"] = Response(b"<script>", status, headers={"Location": "http://127.0.0.1:1/steal"})
    with pytest.raises(EngineAway, match=f"status {status}"):
        hostile.page.ready.call(calls.setup)


def test_nothing_is_decompressed(hostile: SimpleNamespace) -> None:
    hostile.answers["/internal/call"] = Response(b"\x1f\x8b\x08" + bytes(100), headers={"Content-Encoding": "gzip"})
    with pytest.raises(EngineAway, match="does not understand"):
        hostile.page.ready.call(calls.setup)


CARDS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another version": lambda card: card | {"version": 99},
    "an impossible network": lambda card: card | {"facts": card["facts"] | {"config": {"hidden_size": -3}}},
    "a config of other types": lambda card: (
        card | {"facts": card["facts"] | {"config": {"vocab_size": {}, "rope_parameters": []}}}
    ),
    "no limits": lambda card: card | {"running": 0},
    "another vocabulary": lambda card: card | {"setup": card["setup"] | {"vocabulary": "f" * 32}},
    "nothing": lambda card: {},
}


@pytest.mark.parametrize("name", list(CARDS))
def test_a_model_that_is_none_leaves_the_page_without_one(hostile: SimpleNamespace, name: str) -> None:
    hostile.answers["/internal/model"] = json.dumps(CARDS[name](json.loads(hostile.answers["/internal/model"]))).encode()
    playground = Playground()
    watch = Watch(playground, hostile.url, KEY).start()
    try:
        assert playground.loaded is None
        with pytest.raises(NeoxjpError) as fault:
            _ = playground.ready
        assert len(str(fault.value)) < 1_000
    finally:
        watch.stop()


# ---- requests


@pytest.fixture(scope="module")
def post(server: SimpleNamespace) -> Callable[..., Answer]:
    head = {"Authorization": f"Bearer {KEY}"}
    token = ask(f"{server.url}/internal/model", headers=head).json["token"]

    def send(path: str, body: Any, key: str = KEY, token: str = token) -> Answer:
        return ask(f"{server.url}/internal/{path}", body, {"Authorization": f"Bearer {key}", MODEL_HEADER: token})

    return send


def prompt(**changes: Any) -> dict[str, Any]:
    return {
        "ids": [1, 2],
        "params": {"max_new_tokens": 3},
        "top": 0,
        "overflow": "error",
        "drawn": 0,
        "store_logits": False,
    } | changes


REQUESTS: dict[str, tuple[str, Any, str]] = {
    "a name that is not in the table": ("call", {"name": "eval", "arguments": ["1"]}, "there is no function 'eval'"),
    "a private name": ("call", {"name": "__class__", "arguments": []}, "there is no function"),
    "no arguments": ("call", {"name": "score", "arguments": []}, "not understood"),
    "too many arguments": ("call", {"name": "setup", "arguments": [1]}, "not understood"),
    "other types": ("call", {"name": "score", "arguments": [["猫"], 0, True]}, "not understood"),
    "a list instead of a record": ("call", [1, 2], "not a JSON object"),
    "ids outside the vocabulary": ("call", {"name": "score", "arguments": [[10**9], 0, True]}, "outside"),
    "a text that is too long": ("call", {"name": "score", "arguments": [[1] * 1000, 0, True]}, "examined at once"),
    "too many alternatives": ("call", {"name": "score", "arguments": [[1], 10**9, True]}, "top=1000000000"),
    "a search without end": ("call", {"name": "beams", "arguments": [[1], 10**6, 5, 1.0]}, "num_beams"),
    "a tree without end": ("call", {"name": "beams", "arguments": [[1], 2, 10**6, 1.0]}, "max_new_tokens"),
    "a picture without end": ("call", {"name": "heads", "arguments": [[1], 10**9]}, "cells"),
    "logits of nothing": ("call", {"name": "logits_after", "arguments": [[1, 2], -5]}, "first=-5"),
    "an id of 64 bits": ("call", {"name": "stored_logits", "arguments": [[2**63]]}, "outside"),
    "a text that nobody stores": ("call", {"name": "missing_logits", "arguments": [[1] * 100_000, [1]]}, "examined at once"),
    "ends without end": ("call", {"name": "missing_logits", "arguments": [[1, 2], [1] * 100_000]}, "ends must be"),
    "an end before the text": ("call", {"name": "missing_logits", "arguments": [[1, 2], [-1]]}, "ends must be"),
    "fewer than no alternatives": ("generate", prompt(top=-1), "top=-1"),
    "a setting out of its range": ("generate", prompt(params={"temperature": -3, "top_p": 7}), "temperature=-3"),
    "an unknown overflow": ("generate", prompt(overflow="all"), "not understood"),
    "more drawn than there is": ("generate", prompt(drawn=10**12), "drawn"),
    "a text beyond the limit": ("generate", prompt(params={"max_new_tokens": 10**9}), "max_new_tokens"),
    "alternatives without end": ("generate", prompt(top=10**6), "alternatives"),
    "a field that is missing": ("generate", {"ids": [1]}, "not understood"),
    "not JSON": ("generate", b"{", "not JSON"),
}


@pytest.mark.parametrize("name", list(REQUESTS))
def test_a_request_that_no_page_sends_is_refused_in_a_sentence(post: Callable[..., Answer], name: str) -> None:
    path, body, sentence = REQUESTS[name]
    answer = post(path, body)
    assert answer.status == 400
    assert sentence in answer.body.decode()
    assert len(answer.body) < 3_000


def test_without_the_key_everything_is_closed(post: Callable[..., Answer], server: SimpleNamespace) -> None:
    for path in ("model", "status", "vocabulary"):
        assert ask(f"{server.url}/internal/{path}").status == 401
    for path in ("call", "generate"):
        assert post(path, {}, key="wrong").status == 401


def test_another_model_is_a_conflict(post: Callable[..., Answer]) -> None:
    answer = post("call", {"name": "setup", "arguments": []}, token="another")
    assert (answer.status, answer.json["kind"]) == (409, "OtherModel")


def test_calls_wait_for_their_turn_and_too_many_are_refused(server: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    free, began = threading.Event(), threading.Semaphore(0)

    def slow(*_: Any, **__: Any) -> list[Any]:
        began.release()
        free.wait(20)
        return []

    monkeypatch.setattr("neoxjp.engine.score", slow)
    monkeypatch.setattr("neoxjp.serve.internal.WAITING", 1)
    with page_of(server.url) as page:
        found: list[Any] = []

        def act() -> None:
            try:
                found.append(page.ready.call(calls.score, [1], 0, True))
            except NeoxjpError as error:
                found.append(error)

        threads = [threading.Thread(target=act) for _ in range(4)]
        for thread in threads:
            thread.start()
        began.acquire(timeout=20)
        began.acquire(timeout=20)
        while not found:
            threading.Event().wait(0.01)
        free.set()
        for thread in threads:
            thread.join()
    assert sorted(type(each).__name__ for each in found) == ["QueueFull", "list", "list", "list"]
