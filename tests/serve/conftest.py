"""One running server over the bundled model, and requests to it as they go over the wire."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from neoxjp.gateway import Operations
from neoxjp.page_parts.caps import Caps
from neoxjp.page_parts.session import Choice, Playground
from neoxjp.serve import Access, LocalBackend, running, server_app


@dataclass(frozen=True)
class Answer:
    """What came back, whatever its status is."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        """The error object. Its message is a sentence."""
        error = self.json["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert isinstance(error["message"], str)
        assert 5 < len(error["message"]) <= 1_001
        return error

    @property
    def events(self) -> list[Any]:
        """The records of a stream. Its last event is [DONE]."""
        lines = [line.removeprefix("data: ") for line in self.body.decode().split("\n\n") if line]
        assert lines.pop() == "[DONE]"
        return [json.loads(line) for line in lines]


def ask(url: str, body: Any = None, headers: dict[str, str] | None = None, method: str | None = None) -> Answer:
    """One request; with a body (an object, or bytes) a POST of JSON."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"} | (headers or {}), method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return Answer(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read())


@contextmanager
def serving(
    model: str, caps: Caps | None = None, access: Access | None = None, dtype: str = "auto", load: bool = True
) -> Iterator[SimpleNamespace]:
    """A server over a model: its `url`, its `playground`, its `operations`."""
    playground = Playground.create(public=True, caps=caps or Caps(new_tokens=10_000))
    operations = Operations(playground)
    playground.observer = operations
    if load:
        playground.load(Choice(model, dtype=dtype, offline=True))
    app, _ = server_app(LocalBackend(playground), access or Access(), operations)
    try:
        with running(app) as url:
            yield SimpleNamespace(url=url, playground=playground, operations=operations)
    finally:
        if playground.loaded and playground.loaded.engine:
            playground.loaded.engine.close()


@pytest.fixture(scope="module")
def server() -> Iterator[SimpleNamespace]:
    """A server over the bundled model."""
    with serving("bundled") as found:
        yield found


@pytest.fixture
def complete(server: SimpleNamespace) -> Callable[..., Answer]:
    """`complete(prompt="猫", max_tokens=3)`: a POST to /v1/completions."""
    return lambda **fields: ask(f"{server.url}/v1/completions", fields)
