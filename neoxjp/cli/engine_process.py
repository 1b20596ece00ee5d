"""The model of a page in a process of its own, on this machine: `neoxjp app --engine-process`.

Python runs one thread at a time. A page with many visitors keeps it busy with their requests, and the model, which needs it
between two kernels, waits each time. In a process of its own it does not.
"""

import logging
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from neoxjp.errors import NeoxjpError

log = logging.getLogger(__name__)

WITH_PARENT = "NEOXJP_ENDS_WITH_ITS_INPUT"  # set for the process: nobody would end it when the page is killed
RESTART_SECONDS, LONGEST_RESTART = 1.0, 60.0  # between two starts of a process that ends by itself
LONG_ENOUGH = 60.0  # seconds after which an end counts as the first one
STOP_SECONDS = 10.0


class EngineProcess:
    """`neoxjp serve --internal` with these options; started again where it ends by itself. `with` it: it ends with the block.

    Raises NeoxjpError: the process cannot be started.
    """

    def __init__(self, options: Sequence[str]):
        self.key = secrets.token_urlsafe(24)  # in the environment: a command line can be read by everybody on the machine
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._command = [sys.executable, "-P", "-m", "neoxjp", "serve", "--internal", "--port", str(port), *options]
        self._ended = threading.Event()
        self._process = self._start()
        self._thread = threading.Thread(target=self._watch, name="neoxjp-engine-process", daemon=True)
        self._thread.start()

    def __enter__(self) -> "EngineProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._thread.join()

    def _start(self) -> "subprocess.Popen[bytes]":
        package = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
        environment = os.environ | {
            "NEOXJP_API_KEY": self.key,
            WITH_PARENT: "1",
            "PYTHONPATH": path,
        }
        try:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,  # Ctrl-C is for the page, which ends this one after its last texts
            )
        except OSError as error:
            raise NeoxjpError(f"the process of the model cannot be started: {error}") from error

    def _watch(self) -> None:
        pause = RESTART_SECONDS
        while True:
            began = time.monotonic()
            code = self._process.wait()
            if time.monotonic() - began > LONG_ENOUGH:
                pause = RESTART_SECONDS
            if self._ended.is_set():
                return
            log.error("the process of the model ended with code %d; it is started again in %.0f s", code, pause)
            if self._ended.wait(pause):
                return
            pause = min(2 * pause, LONGEST_RESTART)
            try:
                self._process = self._start()
            except NeoxjpError:
                log.exception("starting the process of the model")
            if self._ended.is_set():  # while it was starting; the one that was ended is the one before
                self._process.terminate()


def is_engine_process() -> bool:
    """Whether this is the process of the model of a page."""
    return WITH_PARENT in os.environ


def end_with_input(asked: threading.Event) -> None:
    """In the process of the model: set `asked` when the page's process has gone. Does nothing elsewhere."""
    if not is_engine_process():
        return

    def read() -> None:
        while os.read(0, 1_000):
            pass
        asked.set()

    threading.Thread(target=read, name="neoxjp-parent", daemon=True).start()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
