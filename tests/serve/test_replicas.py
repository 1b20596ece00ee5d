"""`neoxjp serve --replicas 2` in the environment with ray that NEOXJP_RAY names: one server on this machine for all tests, and
one that joins it, for pages in other processes.

What the routes answer is compared with the plain server of this process, what pages get with its model.
"""

import concurrent.futures
import contextlib
import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest

from neoxjp.engine import TextRequest
from neoxjp.errors import EngineAway
from neoxjp.page_parts.session import calls
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.text.stream import stream as stream_of
from neoxjp.sampling import SamplingParams
from tests.page_parts.remote.conftest import page_of
from tests.page_parts.remote.test_remote import CASES, untimed
from tests.support.http import ask

KEY = "a key of the second"
ROOT = Path(__file__).parents[2]
TEXT = "昔々あるところに、お爺さんとお婆さんが住んでいました。お爺さんは山へ柴刈りに、お婆さんは川へ洗濯に行きました。"
pytestmark = pytest.mark.slow


class Server:
    """A process of `neoxjp serve`, and what it has started."""

    def __init__(self, python: str, folder: str, *options: str):
        environment = os.environ | {"PYTHONPATH": str(ROOT), "RAY_TMPDIR": folder, "OMP_NUM_THREADS": "1"}
        environment.pop("PYTHONWARNINGS", None)
        self.log = Path(folder) / f"log-{time.monotonic_ns()}.txt"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [python, "-m", "neoxjp", "serve", "--offline", "--port", "0", *options], env=environment, cwd=ROOT, stderr=log
            )

    def wait(self, seconds: float = 120) -> "Server":
        """Return once the server is ready."""
        for _ in _until(seconds):
            assert self.process.poll() is None, self.log.read_text()
            if "/v1 serves" in self.log.read_text():
                self.url = self.log.read_text().split("/v1 serves")[0].split()[-1]
                if ask(f"{self.url}/health").status == 200:
                    return self
        raise AssertionError(self.log.read_text())

    @property
    def processes(self) -> list[psutil.Process]:
        return [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]

    @property
    def replicas(self) -> list[psutil.Process]:
        return [each for each in self.processes if any("ServeReplica" in word for word in each.cmdline()[:1])]

    def metric(self, name: str) -> float:
        lines = ask(f"{self.url}/metrics").body.decode().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"neoxjp_{name} "))

    def wait_for(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        for _ in _until(seconds):
            if condition():
                return
        raise AssertionError(self.log.read_text())


def _until(seconds: float) -> Iterator[None]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(0.1)


@pytest.fixture(scope="module")
def folder() -> Iterator[str]:
    """A short name, for the names of Ray's sockets."""
    folder = tempfile.mkdtemp(prefix="neoxjp-ray-")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def replicas(ray_python: str, folder: str) -> Iterator[Server]:
    server = Server(ray_python, folder, "--replicas", "2", "--characters-each", "0")
    known = [psutil.Process(server.process.pid)]
    try:
        server.wait()
        known = server.processes
        yield server
    finally:
        server.process.terminate()
        try:
            server.process.wait(60)
        except subprocess.TimeoutExpired:
            server.process.kill()
        for each in known:
            if each.is_running():
                each.kill()


@pytest.fixture(scope="module")
def joined(replicas: Server, ray_python: str, folder: str) -> Iterator[Server]:
    """A second server, with its own key, that uses the replicas and lets pages use them."""
    address = replicas.log.read_text().split("another server uses them with --address ")[1].split()[0]
    second = Server(ray_python, folder, "--address", address, "--join", "--api-key", KEY, "--internal")
    try:
        yield second.wait()
    finally:
        second.process.terminate()
        second.process.wait(60)


@pytest.fixture
def page(joined: Server) -> Iterator[Playground]:
    """The state of a page that uses the replicas."""
    with page_of(joined.url, KEY) as page:
        yield page


def complete(url: str, **fields: Any) -> Any:
    answer = ask(f"{url}/v1/completions", fields)
    assert answer.status == 200, answer.body
    return answer


def choices(url: str, **fields: Any) -> Any:
    return complete(url, **fields).json["choices"]


def stream(url: str, **fields: Any) -> Iterator[dict[str, Any]]:
    """The events of a stream as they come, without [DONE]. Closing it closes the connection."""
    asked = json.dumps(fields | {"stream": True}).encode()
    request = urllib.request.Request(f"{url}/v1/completions", asked, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        for line in answer:
            if line.startswith(b"data: ") and line.strip() != b"data: [DONE]":
                yield json.loads(line[6:])


DRAW = SamplingParams(do_sample=True, temperature=0.9, top_p=0.9, repetition_penalty=1.1, max_new_tokens=12, seed=7)
REQUESTS = [
    {"prompt": TEXT, "max_tokens": 24, "temperature": 0, "logprobs": 3},
    {"prompt": [TEXT[:20], "吾輩は猫である。", ""], "max_tokens": 12, "seed": 7, "n": 2, "logprobs": 1},
    {"prompt": TEXT, "echo": True, "logprobs": 5, "max_tokens": 1, "temperature": 0},
    {"prompt": TEXT[:30], "max_tokens": 30, "seed": 3, "temperature": 1.2, "top_k": 50, "stop": ["。"], "return_token_ids": True},
]


@pytest.mark.parametrize("fields", REQUESTS)
def test_answers_are_equal_to_those_of_one_engine_to_the_last_bit(
    replicas: Server, server: SimpleNamespace, fields: dict[str, Any]
) -> None:
    ours, theirs = (ask(f"{url}/v1/models").json["data"][0] for url in (server.url, replicas.url))
    assert ours | {"created": 0} == theirs | {"created": 0}
    if not ours["rows_are_independent"]:
        pytest.skip("on this processor no kernel runs whose rows are independent")
    assert choices(replicas.url, **fields) == choices(server.url, **fields)


def test_streams_pass_through(replicas: Server, server: SimpleNamespace) -> None:
    fields = {"prompt": TEXT, "max_tokens": 40, "temperature": 0}
    (whole,) = choices(server.url, **fields)
    events = [event["choices"][0] for event in stream(replicas.url, **fields)]
    assert "".join(event["text"] for event in events) == whole["text"]
    assert events[-1]["finish_reason"] == whole["finish_reason"]
    assert len(events) > 2


def test_bad_requests_get_the_same_answers(replicas: Server, server: SimpleNamespace) -> None:
    for fields in ({"prompt": [[99_999]]}, {"prompt": "猫" * 600, "max_tokens": 5}, {"prompt": "猫", "top_p": 7}):
        ours, theirs = (ask(f"{url}/v1/completions", fields) for url in (server.url, replicas.url))
        assert (ours.status, ours.error) == (theirs.status, theirs.error)
        assert ours.status == 400


def test_a_client_that_goes_away_ends_its_text_on_the_replica(replicas: Server) -> None:
    replicas.wait_for(lambda: replicas.metric("replicas_running") == 0)
    events = stream(replicas.url, prompt=TEXT, max_tokens=440, temperature=0, ignore_eos=True)
    next(events)
    generated = replicas.metric("generation_tokens_total")
    events.close()
    replicas.wait_for(lambda: replicas.metric("num_requests_running") == 0)
    replicas.wait_for(lambda: replicas.metric("replicas_running") == 0)
    assert replicas.metric("generation_tokens_total") < generated + 300


def test_two_replicas_keep_the_prefix_cache_hits_of_one(replicas: Server, server: SimpleNamespace) -> None:
    """A tree of branches, replayed by four visitors: each text continues an earlier one."""
    drawn = random.Random(5)

    def ids(number: int) -> list[int]:
        return [drawn.randrange(300, 7000) for _ in range(number)]

    roots = [ids(80) for _ in range(5)]
    texts = list(roots)
    for _ in range(40):
        texts.append(drawn.choice(texts) + ids(20))
    texts = [text for text in texts if len(text) < 500]

    def hits(url: str) -> int:
        def visit(text: list[int]) -> int:
            answer = complete(url, prompt=text, max_tokens=1, temperature=0)
            return answer.json["usage"]["prompt_tokens_details"]["cached_tokens"]

        found = 0
        with concurrent.futures.ThreadPoolExecutor(4) as visitors:
            for start in range(0, len(texts), 4):  # a text comes after those that it continues
                found += sum(visitors.map(visit, texts[start : start + 4]))
        return found

    one, two = hits(server.url), hits(replicas.url)
    assert one > 1500
    assert two >= 0.9 * one


def test_everything_listens_on_this_machine_only(replicas: Server) -> None:
    ours = {each.pid for each in replicas.processes}
    listening = [each for each in psutil.net_connections("inet") if each.pid in ours and each.status == "LISTEN"]
    assert len(listening) > 3
    assert {each.laddr.ip.removeprefix("::ffff:") for each in listening} <= {"127.0.0.1", "::1"}


def test_a_second_server_joins_the_replicas(replicas: Server, joined: Server) -> None:
    asked = {"prompt": TEXT, "max_tokens": 5, "temperature": 0}
    assert ask(f"{joined.url}/v1/completions", asked).status == 401
    assert ask(f"{joined.url}/internal/status").status == 401
    assert ask(f"{replicas.url}/internal/status").status == 404
    answer = ask(f"{joined.url}/v1/completions", asked, {"Authorization": f"Bearer {KEY}"})
    assert answer.json["choices"] == choices(replicas.url, **asked)


# ---- a page in another process


@pytest.mark.parametrize("name", list(calls.CALLS))
def test_every_function_has_the_same_bits_as_here(page: Playground, server: SimpleNamespace, name: str) -> None:
    here = server.playground.ready
    if not here.model.rows_are_independent:
        pytest.skip("on this processor no kernel runs whose rows are independent")
    call, given = calls.CALLS[name], (() if name == "setup" else (here.tokenizer.encode(TEXT), *CASES[name]))
    expected, found = here.call(call, *given), page.ready.call(call, *given)
    if isinstance(expected, np.ndarray):
        assert (found.dtype, found.shape, found.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())
    elif name == "setup":
        assert dataclasses.replace(found, threads=expected.threads) == expected
    else:
        assert untimed(found) == untimed(expected)


def test_a_page_writes_on_both_replicas_and_finds_the_logits_of_each_text(page: Playground, server: SimpleNamespace) -> None:
    """Also of texts that are too short for the router to know their replica."""
    loaded, here = page.ready, server.playground.ready
    for number in range(4):
        ids, params = tuple(loaded.tokenizer.encode(f"{number}匹の猫が")), dataclasses.replace(DRAW, seed=number)
        written = [step.id for news in stream_of(page)(ids, params, False, 0, 0) for step in news.steps]
        steps = list(here.engine.submit(ids, params, watch=here.logits.keep))
        assert written == [step.id for step in steps]
        history = (*ids, *(step.id for step in steps[:-1]))
        found, expected = loaded.logits.get(history), here.logits.get(history)
        assert found is not None
        assert expected is not None
        assert found[1]
        assert found[0].numpy().tobytes() == expected[0].numpy().tobytes()
        ends = [1, *range(len(ids), len(history) + 1)]
        assert page.ready.call(calls.missing_logits, history, ends) == [1]
    assert page.ready.call(calls.stored_logits, history[:1]) is None


def test_a_text_continues_as_if_it_had_not_been_interrupted(page: Playground) -> None:
    ids = tuple(page.ready.tokenizer.encode(TEXT))
    whole = [step.id for step in page.ready.engine.submit(ids, DRAW)]
    rest = page.ready.engine.submit((*ids, *whole[:5]), dataclasses.replace(DRAW, max_new_tokens=7), drawn=5)
    assert [step.id for step in rest] == whole[5:]


def test_the_server_counts_the_texts_of_pages(joined: Server, page: Playground) -> None:
    def counted() -> tuple[float, float]:
        lines = ask(f"{joined.url}/metrics").body.decode().splitlines()
        ended = next(line for line in lines if line.startswith('neoxjp_request_success_total{finished_reason="length"}'))
        return float(ended.split()[1]), joined.metric("generation_tokens_total")

    texts, tokens = counted()
    assert len(list(page.ready.engine.submit([1], SamplingParams(max_new_tokens=9, min_new_tokens=9)))) == 9
    joined.wait_for(lambda: counted() == (texts + 1, tokens + 9), 10)


def read_out(text: TextRequest) -> None:
    """Read a text up to its end or its error."""
    with contextlib.suppress(EngineAway):
        for _ in text:
            pass


def test_a_replica_that_dies_leaves_a_page_its_text_and_the_next_call_works(
    replicas: Server, joined: Server, page: Playground
) -> None:
    before = {each.pid for each in replicas.replicas}
    assert len(before) == 2
    loaded = page.ready
    ids = tuple(loaded.tokenizer.encode(TEXT))
    asked = SamplingParams(do_sample=True, max_new_tokens=120, min_new_tokens=120)
    texts = [loaded.engine.submit((300 + number, *ids), asked) for number in range(24)]  # some have to wait for their turn
    begun = [next(text) for text in texts[:4]]
    os.kill(min(before), signal.SIGKILL)
    for _ in range(3):
        assert len(loaded.call(calls.score, ids, 0, True)) == len(ids)
    for text in texts:
        read_out(text)
    assert len(begun) == 4
    assert {text.finish for text in texts} == {"error", "length"}
    for text in texts:
        if text.finish == "length":
            assert len(text.ids) == 120
        else:
            assert 1 <= len(text.ids) < 120  # what had no token yet was written by the other replica
            assert isinstance(text.error, EngineAway)
            assert text.error.ja.startswith("モデルを動かしているエンジンから応答がありません")
    assert page.serial == loaded.serial  # the same model: the texts can be continued
    assert len(list(page.ready.engine.submit(ids, DRAW))) == 12
    replicas.wait_for(lambda: len(replicas.replicas) == 2 and replicas.metric("replicas") == 2)


def test_a_server_that_joined_ends_alone(replicas: Server, joined: Server) -> None:
    joined.process.terminate()
    assert joined.process.wait(60) == 0
    assert replicas.metric("replicas") == 2


# ---- replicas that die, and the end


def test_a_killed_replica_loses_no_text_that_was_not_begun(replicas: Server, server: SimpleNamespace) -> None:
    texts = [f"{number}番目。{TEXT}" for number in range(24)]
    asked: dict[str, Any] = {"max_tokens": 60, "temperature": 0, "ignore_eos": True}
    expected = [choices(server.url, prompt=text, **asked) for text in texts[:4]]
    before = {each.pid for each in replicas.replicas}
    assert len(before) == 2
    with concurrent.futures.ThreadPoolExecutor(40) as visitors:
        streams = [
            stream(replicas.url, prompt=f"別の{text}", max_tokens=440, temperature=0, ignore_eos=True) for text in texts[:6]
        ]
        begun = [next(events) for events in streams]  # on both replicas: each text goes to the least busy one
        asking = [visitors.submit(choices, replicas.url, prompt=text, **asked) for text in texts]
        time.sleep(0.2)
        os.kill(min(before), signal.SIGKILL)
        ended = list(visitors.map(lambda events: list(events)[-1], streams))
        answers = [each.result() for each in asking]
    assert answers[:4] == expected
    assert all(answer[0]["finish_reason"] == "length" for answer in answers)
    assert len(begun) == 6
    lost = [event["error"] for event in ended if "error" in event]
    whole = [event for event in ended if "choices" in event]
    assert lost
    assert whole
    assert {error["code"] for error in lost} == {"replica_lost"}
    assert "send the request again" in lost[0]["message"]
    assert all(event["choices"][0]["finish_reason"] == "length" for event in whole)
    replicas.wait_for(lambda: len(replicas.replicas) == 2 and replicas.metric("replicas") == 2)
    assert len({each.pid for each in replicas.replicas} & before) == 1


def test_sigterm_finishes_what_runs_and_ends_every_process(replicas: Server) -> None:
    """The last test: it ends the server."""
    processes = [each for each in replicas.processes if "Agent" not in each.name()]  # those wait a minute for Ray's server
    events = stream(replicas.url, prompt=TEXT, max_tokens=200, temperature=0, ignore_eos=True)
    next(events)
    replicas.process.terminate()
    for _ in _until(10):
        if ask(f"{replicas.url}/readyz").status == 503:
            break
    refused = ask(f"{replicas.url}/v1/completions", {"prompt": "猫"})
    assert (refused.status, refused.error["code"]) == (503, "shutting_down")
    assert list(events)[-1]["choices"][0]["finish_reason"] == "length"
    assert replicas.process.wait(60) == 0
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert alive == []
