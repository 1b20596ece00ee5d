"""Real clients: the `openai` package, and the command line's server as its own process."""

import asyncio
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import openai
import pytest

from tests.support.http import ask
from tests.support.loops import awaited
from tests.support.page import PATIENCE, ROOT, free_port, wait_for_model

CAT = "吾輩は猫である。"


@pytest.fixture
def client(server: SimpleNamespace) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0) as client:
        yield client


def test_openai_lists_the_model_and_continues_a_text(client: openai.OpenAI, server: SimpleNamespace) -> None:
    (model,) = client.models.list().data
    assert client.models.retrieve(model.id).id == model.id
    answer = client.completions.create(model=model.id, prompt=CAT, max_tokens=8, seed=1, logprobs=2, stop=["。"])
    choice = answer.choices[0]
    assert choice.finish_reason in ("stop", "length")
    assert choice.logprobs is not None
    assert len(choice.logprobs.tokens or ()) == answer.usage.completion_tokens  # type: ignore[union-attr]


def test_openai_streams_the_same_text(client: openai.OpenAI) -> None:
    fields = {"model": "bundled", "prompt": CAT, "max_tokens": 12, "seed": 1}
    expected = client.completions.create(**fields).choices[0].text  # type: ignore[call-overload]
    events = list(client.completions.create(**fields, stream=True, stream_options={"include_usage": True}))  # type: ignore[call-overload]
    assert "".join(event.choices[0].text for event in events[:-1]) == expected
    assert events[-1].usage.completion_tokens == 12


def test_openai_sends_options_of_ours_as_extra_fields(client: openai.OpenAI) -> None:
    extra = {"top_k": 1, "repetition_penalty": 1.1}
    one, two = (client.completions.create(model="bundled", prompt=CAT, max_tokens=8, extra_body=extra) for _ in range(2))
    assert one.choices[0].text == two.choices[0].text


def test_openai_raises_its_own_exceptions(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(model="bundled", prompt=CAT, temperature=-1)
    assert caught.value.param == "temperature"
    with pytest.raises(openai.NotFoundError, match="there is no model"):
        client.completions.create(model="gpt-4", prompt=CAT)
    with pytest.raises(openai.NotFoundError, match="no chat"):
        client.chat.completions.create(model="bundled", messages=[{"role": "user", "content": CAT}])


def test_openai_hears_of_an_error_in_a_stream(
    client: openai.OpenAI, server: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(type(server.playground.ready.model), "forward_unpadded", broken)
    with pytest.raises(openai.APIError, match="did not work"):
        list(client.completions.create(model="bundled", prompt=CAT, stream=True))


def test_openais_asynchronous_client_sends_many_at_once(server: SimpleNamespace) -> None:
    async def texts() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="unused") as client:
            one = client.completions.create
            answers = await asyncio.gather(*(one(model="bundled", prompt=f"第{n}章", max_tokens=6, seed=n) for n in range(12)))
            return [answer.choices[0].text for answer in answers]

    found = awaited(texts)
    assert len(found) == 12
    assert awaited(texts) == found


# The command


@contextmanager
def command(*options: str, log: Path, **environment: str) -> "Iterator[tuple[str, subprocess.Popen[bytes]]]":
    """`neoxjp OPTIONS --port …` as a process; gives its address once it is ready."""
    port = free_port()
    env = {name: value for name, value in os.environ.items() if not name.startswith("NEOXJP_")} | environment
    words = [sys.executable, "-m", "neoxjp", *options, "--port", str(port)]
    with log.open("w") as output:
        process = subprocess.Popen(words, cwd=ROOT, env=env, stdout=output, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + PATIENCE
        while True:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            try:
                with urllib.request.urlopen(f"{url}/readyz", timeout=5):
                    break
            except OSError:
                time.sleep(0.2)
        yield url, process
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_the_command_serves_finishes_what_runs_at_sigterm_and_exits_with_0(tiny_folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with command("serve", "--model", str(tiny_folder), log=log, NEOXJP_API_KEY="a-key-of-some-length") as (url, process):
        assert ask(f"{url}/v1/models").status == 401
        key = {"Authorization": "Bearer a-key-of-some-length"}
        (model,) = ask(f"{url}/v1/models", headers=key).json["data"]
        assert model["id"] == tiny_folder.name
        assert str(tiny_folder) not in str(model)
        with openai.OpenAI(base_url=f"{url}/v1", api_key="a-key-of-some-length") as client:
            stream = client.completions.create(
                model=model["id"], prompt=[1, 2], max_tokens=50, extra_body={"ignore_eos": True}, stream=True
            )
            first = next(iter(stream))
            process.send_signal(signal.SIGTERM)
            assert [first, *stream][-1].choices[0].finish_reason == "length"
        assert process.wait(30) == 0
    lines = log.read_text()
    assert "/v1 serves" in lines
    assert "a-key-of-some-length" not in lines
    assert "outcome=length" in lines


@pytest.mark.slow
def test_a_model_that_cannot_be_loaded_ends_the_command_with_one_line() -> None:
    words = [sys.executable, "-m", "neoxjp", "serve", "--offline", "--model", "no-one/no-model", "--port", "0"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "no-one/no-model" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_page_and_the_server_are_one_process_over_one_model(tiny_folder: Path) -> None:
    from tests.support.page import serve

    with serve(tiny_folder, "--serve", "--cors", "https://example.org") as url:
        wait_for_model(url)
        fields = {"prompt": [1, 2, 3], "max_tokens": 6, "temperature": 0, "ignore_eos": True}
        answer = ask(f"{url}/v1/completions", fields, {"Origin": "https://example.org"})
        assert answer.headers["access-control-allow-origin"] == "https://example.org"
        assert answer.json["usage"]["completion_tokens"] == 6
        metrics = ask(f"{url}/metrics").body.decode()
        assert "neoxjp_prompt_tokens_total 3.0" in metrics
        assert ask(f"{url}/health").json["ready"]
        assert ask(f"{url}/").body.startswith(b"<!doctype html>")
        assert ask(f"{url}/gradio_api/run/model_info", {"data": []}).json["data"][0]["state"] == "ready"
        assert ask(f"{url}/tokenize", {"prompt": "猫"}).status == 200
        assert ask(f"{url}/v1/completions", {}).error["param"] == "prompt"
