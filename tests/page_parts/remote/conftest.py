"""Servers with internal endpoints, and playgrounds that use them, in this process."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from neoxjp.gateway import Operations
from neoxjp.page_parts.remote.watch import Watch
from neoxjp.page_parts.session.caps import Caps
from neoxjp.page_parts.session.playground import Choice, Playground
from neoxjp.serve import Access, LocalBackend, running, server_app
from neoxjp.serve.internal import Internal, internal_rows
from tests.support.model_folders import write_slow

KEY = "the-key-of-these-tests"


@contextmanager
def engine(model: Path | str, port: int = 0) -> Iterator[SimpleNamespace]:
    """`neoxjp serve --internal` over a model: its `url`, `port` and `playground`."""
    playground = Playground.create(public=True, caps=Caps(new_tokens=10_000))
    playground.load(Choice(str(model), offline=True))
    operations = Operations(playground)
    rows = internal_rows(Internal(playground))
    app, _ = server_app(LocalBackend(playground), Access(key=KEY), operations, rows=rows)
    with ExitStack() as server:
        url = server.enter_context(running(app, port=port))
        yield SimpleNamespace(url=url, port=int(url.rpartition(":")[2]), playground=playground, stop=server.close)
    playground.ready.engine.close()


@contextmanager
def page_of(url: str, key: str = KEY, **more: Any) -> Iterator[Playground]:
    """The state of a page that uses the engine at this address."""
    playground = Playground(**more)
    watch = Watch(playground, url, key).start()
    try:
        yield playground
    finally:
        watch.stop()


def until(fact: Callable[[], Any], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def slow_folder(tiny_vocabulary: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a long context."""
    return write_slow(tmp_path_factory.mktemp("slow-model"), tiny_vocabulary)
