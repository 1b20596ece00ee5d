"""The tools of the tiny model, and one that takes long, in this process and over HTTP."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest

from neoxjp.gateway import allowed_hosts
from neoxjp.labs.features import FEATURES, Feature
from neoxjp.page_parts.endpoints import Endpoint, Tool, endpoint
from neoxjp.page_parts.session.playground import Playground
from neoxjp.serve import Access, LocalBackend, running, server_app
from neoxjp.ui.mcp import PATH, mcp_rows


@dataclass(frozen=True)
class Slow(Feature):
    """A feature with tools that take long or fail; it notes which of its calls run."""

    name: str = "slow"
    tab: None = None  # type: ignore[assignment]
    running: set[str] = field(default_factory=set, compare=False)

    def module(self, file: str) -> ModuleType | None:
        if file != "endpoints":
            return None
        module = ModuleType("slow")
        module.endpoints = lambda playground: self.endpoints()  # type: ignore[attr-defined]
        return module

    def endpoints(self) -> list[Endpoint]:
        @endpoint("count", at_once=None, tool=Tool("Count"))
        def count(to: int, name: str = "", text: str = "") -> Iterator[dict[str, Any]]:
            """Count, twenty a second.

            Args:
                to: the last number.
                name: of this call,
                    in two lines.
            """
            self.running.add(name)
            try:
                for number in range(1, to + 1):
                    yield {"number": number}
                    time.sleep(0.05)
            finally:
                self.running.discard(name)

        @endpoint("broken", tool=Tool("Broken"))
        def broken(text: str) -> str:
            """Fail, with the text in the exception.

            Args:
                text: any.
            """
            raise ZeroDivisionError(text)

        return [count, broken]


@pytest.fixture(scope="module")
def slow() -> Slow:
    return Slow()


@contextmanager
def serving(playground: Playground, slow: Slow, access: Access) -> Iterator[str]:
    """The address of the tools behind the gate of the server, in a thread of this process."""
    rows = mcp_rows(playground, (*FEATURES, slow))
    app, _ = server_app(LocalBackend(playground), access, rows=rows)
    with running(app) as url:
        yield f"{url}{PATH}"


@pytest.fixture(scope="module")
def mcp_url(playground: Any, slow: Slow) -> Iterator[str]:
    """The tools at an address of this machine."""
    with serving(playground, slow, Access(hosts=allowed_hosts("127.0.0.1"))) as url:
        yield url
