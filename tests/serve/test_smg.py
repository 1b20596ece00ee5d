"""SMG, a router of other people, in front of two plain servers: the recipe of docs/serving.md. NEOXJP_SMG names its program."""

import os
import shlex
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.serve.conftest import serving
from tests.support.http import ask

DOCS = Path(__file__).parents[2] / "docs" / "serving.md"
pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def front(tmp_path: Path) -> Iterator[SimpleNamespace]:
    """The command of the documentation, with other ports, over two servers of this process."""
    program = os.environ.get("NEOXJP_SMG")
    if not program:
        pytest.skip("NEOXJP_SMG is not set: it names the program smg; `bash tests/smg` installs it")
    line = next(line for line in DOCS.read_text(encoding="utf-8").replace("\\\n", " ").splitlines() if line.startswith("smg "))
    with ExitStack() as stack:
        first = stack.enter_context(ExitStack())
        workers = [first.enter_context(serving("bundled")), stack.enter_context(serving("bundled"))]
        port = free_port()
        for old, new in (
            ("http://127.0.0.1:8001 ", f"{workers[0].url} "),
            ("http://127.0.0.1:8002 ", f"{workers[1].url} "),
            ("--port 8000 ", f"--port {port} "),
            ("--prometheus-port 29000 ", f"--prometheus-port {free_port()} "),
        ):
            assert old in line
            line = line.replace(old, new)
        log = stack.enter_context((tmp_path / "log").open("wb"))
        process = subprocess.Popen([program, *shlex.split(line)[1:]], stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            for _ in range(600):
                time.sleep(0.1)
                assert process.poll() is None, (tmp_path / "log").read_text()
                try:
                    if ask(f"{url}/v1/models").json.get("data"):
                        break
                except OSError:
                    continue
            yield SimpleNamespace(url=url, workers=workers, first=first)
        finally:
            process.kill()
            process.wait()


def test_smg_sends_texts_to_the_servers_and_goes_on_where_one_ends(front: SimpleNamespace) -> None:
    fields = {"model": "bundled", "prompt": "吾輩は猫である。", "max_tokens": 8, "seed": 5, "top_k": 3, "logprobs": 2}
    there = ask(f"{front.workers[0].url}/v1/completions", fields).json["choices"]
    for _ in range(3):
        assert ask(f"{front.url}/v1/completions", fields).json["choices"] == there
    events = ask(f"{front.url}/v1/completions", fields | {"stream": True}).events
    assert "".join(event["choices"][0]["text"] for event in events) == there[0]["text"]
    front.first.close()  # the first server ends
    for number in range(12):
        answer = ask(f"{front.url}/v1/completions", fields | {"prompt": f"{number}匹の猫がいる。"})
        assert answer.status == 200, answer.body
