"""A page as an operator runs it: health for a load balancer, a password for everything else, an orderly end at SIGTERM."""

import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import httpx
import pytest

from tests.support.model_folders import write_slow
from tests.support.page import serve, serve_process, wait_for_model

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def log_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "log.txt"


@pytest.fixture(scope="module")
def locked_url(tiny_folder: Path, log_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page that asks for a name and a password: anna's is ねこ."""
    file = tmp_path_factory.mktemp("users") / "users.htpasswd"
    file.write_text(f"anna:{bcrypt.hashpw('ねこ'.encode(), bcrypt.gensalt(4)).decode()}\n", encoding="utf-8")
    with serve(tiny_folder, "--public", "--auth-file", str(file), log_file=log_file) as url:
        yield url


def test_a_load_balancer_sees_the_health_without_signing_in(locked_url: str) -> None:
    assert httpx.get(f"{locked_url}/healthz").json() == {"alive": True}
    deadline = time.monotonic() + 60
    while (answer := httpx.get(f"{locked_url}/readyz")).status_code != 200:
        assert answer.json()["reason"] == "loading"
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert httpx.head(f"{locked_url}/readyz").status_code == 200
    assert "neoxjp_num_requests_running 0.0" in httpx.get(f"{locked_url}/metrics").text


def test_nothing_else_answers_without_signing_in(locked_url: str) -> None:
    kind = {"content-type": "application/octet-stream"}
    assert httpx.post(f"{locked_url}/neoxjp/file", content=b"a", headers=kind).status_code == 401
    assert httpx.get(f"{locked_url}/config").status_code == 401
    assert httpx.get(f"{locked_url}/gradio_api/info").status_code == 401
    for path in ("run/tokenize", "call/tokenize", "queue/join"):
        assert httpx.post(f"{locked_url}/gradio_api/{path}", json={"data": ["猫"]}).status_code == 401


def test_a_wrong_password_is_refused_and_the_right_one_opens_every_route(locked_url: str) -> None:
    with httpx.Client(base_url=locked_url) as visitor:
        assert visitor.post("/login", data={"username": "anna", "password": "いぬ"}).status_code == 400
        assert visitor.get("/config").status_code == 401
        assert visitor.post("/login", data={"username": "anna", "password": "ねこ"}).status_code == 200
        assert visitor.post("/gradio_api/run/tokenize", json={"data": ["猫"]}).json()["data"][0]["counts"]["tokens"] == 1
        sent = visitor.post("/neoxjp/file", content=b"a", headers={"content-type": "application/octet-stream"})
        assert sent.json()["bytes"] == 1


def test_a_failed_request_is_one_line_without_what_was_asked_for(locked_url: str, log_file: Path) -> None:
    httpx.get(f"{locked_url}/my-secret-path?text=秘密")
    httpx.post(f"{locked_url}/gradio_api/run/tokenize", json={"data": ["秘密"]})
    deadline = time.monotonic() + 20
    while "path=/gradio_api/run/{name} status=401" not in (written := log_file.read_text(encoding="utf-8")):
        assert time.monotonic() < deadline, written
        time.sleep(0.1)
    assert "method=- path=- status=404" in written
    assert not any(word in written for word in ("secret", "秘密", "127.0.0.1 "))


def test_at_sigterm_a_running_text_ends_nothing_new_begins_and_the_exit_code_is_0(tiny_vocabulary: Path, tmp_path: Path) -> None:
    folder = write_slow(tmp_path, tiny_vocabulary, max_position_embeddings=2048)
    with serve_process(folder, "--public", "--drain-seconds", "20") as (url, process):
        wait_for_model(url)
        seen, began = [], threading.Event()

        def read() -> None:
            asked = {"prompt": "猫", "max_new_tokens": 512, "min_new_tokens": 512, "seed": 1}
            event = httpx.post(f"{url}/gradio_api/call/v2/generate", json=asked).json()["event_id"]
            with httpx.stream("GET", f"{url}/gradio_api/call/generate/{event}", timeout=60) as answer:
                for line in answer.iter_lines():
                    if line.startswith("data: [{"):
                        seen.append(json.loads(line[6:])[0])
                        began.set()

        reader = threading.Thread(target=read)
        reader.start()
        assert began.wait(60)
        assert seen[-1]["finish"] is None
        process.send_signal(signal.SIGTERM)
        reader.join(60)
        assert process.wait(60) == 0
    assert seen[-1]["finish"] == "length"
    assert len(seen[-1]["ids"]) == 512
