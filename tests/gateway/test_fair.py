"""Fair turns and limits of a running public page. Visitors have addresses of 127.0.0.0/8; each request goes over the wire."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.http import wait_until
from tests.support.model_folders import write_slow
from tests.support.page import serve, wait_for_model

LONG = 200  # tokens that take a while
HONEST, SECOND, ABUSER = "127.0.0.11", "127.0.0.12", "127.0.0.66"


@pytest.fixture(scope="module")
def busy_url(tiny_vocabulary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A public page whose model needs some seconds for LONG tokens."""
    sizes = {"hidden_size": 128, "num_hidden_layers": 4, "max_position_embeddings": 1024}
    folder = write_slow(tmp_path_factory.mktemp("busy-model"), tiny_vocabulary, **sizes)
    with serve(folder, "--public", "--characters", "40000", "--characters-each", "300000", "--waiting", "24") as url:
        wait_for_model(url)
        yield url


@pytest.fixture(scope="module", autouse=True)
def threads() -> int:
    """How many this process had before: those of other test files are none of this file's business."""
    return threading.active_count()


class Visitor:
    """A visitor with an address of its own."""

    def __init__(self, url: str, address: str, lang: str = "en", **headers: str):
        self.place, self.address = urlsplit(url), address
        self.headers = {"Content-Type": "application/json", "Accept-Language": lang} | headers

    def connect(self, timeout: float = 90) -> http.client.HTTPConnection:
        assert self.place.hostname
        return http.client.HTTPConnection(self.place.hostname, self.place.port, timeout, source_address=(self.address, 0))

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, str], bytes]:
        connection = self.connect()
        try:
            connection.request(method, path, None if body is None else json.dumps(body), self.headers)
            answer = connection.getresponse()
            return answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def join(self, name: str, **named: Any) -> str:
        """Begin a call; its event id."""
        status, _, body = self.ask("POST", f"/gradio_api/call/v2/{name}", named)
        assert status == 200, body
        return str(json.loads(body)["event_id"])

    def events(self, name: str, event: str) -> Iterator[tuple[str, Any]]:
        """("generating" | "complete" | "error", value) of a call, as they come."""
        connection = self.connect()
        try:
            connection.request("GET", f"/gradio_api/call/{name}/{event}", headers=self.headers)
            kind = ""
            for line in connection.getresponse():
                if line.startswith(b"event: "):
                    kind = line[7:].strip().decode()
                elif line.startswith(b"data: ") and kind != "heartbeat":
                    yield kind, json.loads(line[6:])
        finally:
            connection.close()

    def run(self, name: str, **named: Any) -> tuple[str, Any]:
        """The last event of a call."""
        return list(self.events(name, self.join(name, **named)))[-1]

    def tokenize(self, text: str) -> bytes:
        """The body of the answer."""
        return self.ask("POST", "/gradio_api/run/tokenize", {"data": [text, False]})[2]

    def generate(self, tokens: int = LONG, prompt: str = "猫") -> tuple[str, Any]:
        return self.run("generate", prompt=prompt, max_new_tokens=tokens, min_new_tokens=tokens)

    def seconds_to_first_token(self) -> float:
        began = time.monotonic()
        for kind, value in self.events("generate", self.join("generate", prompt="犬", max_new_tokens=3, min_new_tokens=3)):
            assert kind != "error", value
            if value and value[0]["ids"]:
                return time.monotonic() - began
        raise AssertionError("no token came")


@pytest.fixture
def visitor(busy_url: str) -> Callable[..., Visitor]:
    return lambda address, *given, **named: Visitor(busy_url, address, *given, **named)


def engine_of(url: str) -> dict[str, Any]:
    status, _, body = Visitor(url, "127.0.0.99").ask("POST", "/gradio_api/run/model_info", {"data": []})
    assert status == 200
    return dict(json.loads(body)["data"][0]["engine"])


@pytest.fixture
def abuse(busy_url: str, visitor: Callable[..., Visitor]) -> Iterator[list[tuple[str, Any]]]:
    """Sixty calls of one address at once, as many as it can get; what became of each."""
    found: list[tuple[str, Any]] = []

    def one(number: int) -> None:
        found.append(visitor(ABUSER).generate(prompt=f"猫{number}"))

    with ThreadPoolExecutor(60) as pool:
        for number in range(60):
            pool.submit(one, number)
        wait_until(lambda: engine_of(busy_url)["waiting"] >= 20)
        yield found
    wait_until(lambda: engine_of(busy_url)["running"] == 0)


def test_nobody_else_waits_for_the_requests_of_one_address(
    abuse: list[tuple[str, Any]], busy_url: str, visitor: Callable[..., Visitor]
) -> None:
    with ThreadPoolExecutor(6) as pool:
        honest = list(pool.map(lambda n: visitor(f"127.0.0.{20 + n}").seconds_to_first_token(), range(6)))
    assert engine_of(busy_url)["waiting"] >= 10  # all were served before the abuser's own
    assert max(honest) < 30
    refused = [value for kind, value in abuse if kind == "error"]
    assert refused  # the sixty did not all fit
    assert all("Try again in about" in str(value) for value in refused)


def test_light_requests_do_not_wait_for_generations(abuse: list[tuple[str, Any]], visitor: Callable[..., Visitor]) -> None:
    seconds = []
    for _ in range(10):
        began = time.monotonic()
        status, _, body = visitor(HONEST).ask("POST", "/gradio_api/run/tokenize", {"data": ["猫", False]})
        seconds.append(time.monotonic() - began)
        assert status == 200, body
    assert sorted(seconds)[5] < 2


def test_who_is_refused_by_a_full_queue_and_asks_again_at_once_is_not_even_read(
    abuse: list[tuple[str, Any]], busy_url: str, visitor: Callable[..., Visitor]
) -> None:
    wait_until(lambda: engine_of(busy_url)["waiting"] == 24)
    asked = {"prompt": "猫", "max_new_tokens": 1}
    answers: list[tuple[int, dict[str, str], bytes]] = []

    def refused() -> bool:
        answers.append(visitor(ABUSER).ask("POST", "/gradio_api/call/v2/generate", asked))
        return answers[-1][0] == 429

    wait_until(refused, 10)
    assert int(answers[-1][1]["retry-after"]) >= 1
    assert "the queue is full" in answers[-1][2].decode()
    assert visitor(ABUSER).ask("POST", "/gradio_api/run/tokenize", {"data": ["猫", False]})[0] == 200
    assert visitor(HONEST).ask("POST", "/gradio_api/call/v2/generate", asked)[0] == 200


def test_a_visitor_alone_gets_all_slots(busy_url: str, visitor: Callable[..., Visitor]) -> None:
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(visitor(HONEST).generate) for _ in range(8)]
        wait_until(lambda: engine_of(busy_url)["running"] == engine_of(busy_url)["max_batch"])
        assert all(job.result()[0] == "complete" for job in jobs)


def test_the_place_in_the_queue_comes_with_the_answer(abuse: list[tuple[str, Any]], visitor: Callable[..., Visitor]) -> None:
    who = visitor(HONEST)

    def places() -> list[int]:
        event = who.join("generate", prompt="犬", max_new_tokens=2)
        return [value[0]["waiting"] for kind, value in who.events("generate", event) if value]

    assert max(places()) == 0  # one of the abuser's requests has made room at once
    asked = {"prompt": "犬", "max_new_tokens": LONG, "min_new_tokens": LONG}
    running = [who.events("generate", who.join("generate", **asked)) for _ in range(2)]  # as many as may run
    for events in running:
        assert any(value and value[0]["ids"] for _, value in events)  # it has begun
    found = places()
    assert 1 <= max(found) <= 3  # one turn of each visitor, not the abuser's thirty requests
    assert found[-1] == 0


def test_a_forged_address_of_an_untrusted_connection_counts_for_nothing(busy_url: str, visitor: Callable[..., Visitor]) -> None:
    def sent(number: int) -> bytes:
        forged = f"203.0.113.{number}"
        return visitor("127.0.0.77", **{"X-Forwarded-For": forged, "X-Real-IP": forged}).tokenize("猫" * 30_000)

    assert any(b"300,000 characters a minute" in sent(number) for number in range(20))
    assert b"error" not in visitor("127.0.0.78").tokenize("猫")[:20]


def test_the_sentence_of_a_budget_is_in_the_visitors_language(visitor: Callable[..., Visitor]) -> None:
    found = {}
    for lang in ("ja", "en"):
        who = visitor("127.0.0.79" if lang == "ja" else "127.0.0.80", lang)
        for _ in range(20):
            body = who.tokenize("猫" * 30_000)
            if b"error" in body[:20]:
                found[lang] = json.loads(body)["error"]
                break
    assert "try again in about" in found["en"]
    assert "秒後にもう一度お試しください" in found["ja"]


def test_behind_a_trusted_proxy_visitors_have_their_own_budgets(busy_url: str) -> None:
    """127.0.0.1 is the proxy that uvicorn trusts where FORWARDED_ALLOW_IPS says nothing else."""
    first, second = (Visitor(busy_url, "127.0.0.1", **{"X-Forwarded-For": f"203.0.113.{n}"}) for n in (1, 2))
    assert any(b"characters a minute" in first.tokenize("猫" * 30_000) for _ in range(20))
    assert b"characters a minute" not in second.tokenize("猫" * 30_000)


def test_calls_keep_no_session_and_fire_and_forget_does_not_stop_others(busy_url: str, visitor: Callable[..., Visitor]) -> None:
    def forget(number: int) -> None:
        visitor(ABUSER).ask("POST", "/gradio_api/call/v2/score", {"text": f"猫{number}"})

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(forget, range(300)))
        assert visitor(HONEST).run("score", text="猫")[0] == "complete"


def test_a_connection_that_is_cut_frees_its_slot(busy_url: str, visitor: Callable[..., Visitor]) -> None:
    who = visitor(HONEST)
    for kind, value in who.events("generate", who.join("generate", prompt="猫", max_new_tokens=500, min_new_tokens=500)):
        assert kind == "generating", value
        break
    wait_until(lambda: engine_of(busy_url)["running"] == 0)


def test_many_threads_end(busy_url: str, threads: int) -> None:
    assert engine_of(busy_url)["running"] == engine_of(busy_url)["waiting"] == 0
    wait_until(lambda: threading.active_count() <= threads + 4)
