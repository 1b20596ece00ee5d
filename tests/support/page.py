"""The real page as a process of its own, for the tests that call its API or drive it in a browser."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
PATIENCE = 120  # seconds for the page to open on a busy machine


@contextmanager
def serve(
    model: Path | str, *options: str, offline: bool = True, log_file: Path | None = None, **environment: str
) -> Iterator[str]:
    """Run `python app.py --model MODEL OPTIONS` until the block ends; gives the page's address.

    The page answers as soon as this enters; its model may still be loading. log_file: where its output goes.
    """
    with serve_process(model, *options, offline=offline, log_file=log_file, **environment) as (url, _):
        yield url


@contextmanager
def serve_process(
    model: Path | str, *options: str, offline: bool = True, log_file: Path | None = None, **environment: str
) -> "Iterator[tuple[str, subprocess.Popen[bytes]]]":
    """As `serve`, with the process."""
    port = free_port()
    command = [sys.executable, "app.py", "--model", str(model), "--server-port", str(port), *["--offline"] * offline]
    command += ["--drain-seconds", "0", *options]  # tests do not wait for what they have left running
    env = {name: value for name, value in os.environ.items() if not name.startswith(("NEOXJP_", "SPACE_", "GRADIO_"))}
    # Not a pipe: one that nobody reads would be full one day, and the page wait for ever.
    with log_file.open("w+") if log_file else tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=env | environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield answering(f"http://127.0.0.1:{port}", process, log), process
        finally:
            process.terminate()
            process.wait(timeout=40)


def wait_for_model(url: str) -> None:
    """Return when the page's model is ready.

    Raises:
        RuntimeError: it could not be loaded.
    """
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        asked, kind = f"{url}/gradio_api/run/model_info", {"Content-Type": "application/json"}
        request = urllib.request.Request(asked, b'{"data": []}', kind)
        with urllib.request.urlopen(request, timeout=30) as answer:
            info = json.load(answer)["data"][0]
        if info["state"] == "failed":
            raise RuntimeError(f"the page could not load its model: {info['error']}")
        if info["state"] == "ready":
            return
        time.sleep(0.2)
    raise TimeoutError(f"the model of {url} was not loaded within {PATIENCE} s")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answering(url: str, process: "subprocess.Popen[bytes]", log: IO[str]) -> str:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            log.seek(0)
            raise RuntimeError(f"app.py ended with {process.returncode}:\n{log.read()}")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return url
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(f"{url} did not answer within {PATIENCE} s")
