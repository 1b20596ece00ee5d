"""One running server over the bundled model, and requests to it as they go over the wire."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from neoxjp.gateway import Operations
from neoxjp.page_parts.session.caps import Caps
from neoxjp.page_parts.session.playground import Choice, Playground
from neoxjp.serve import Access, LocalBackend, running, server_app
from tests.support.http import Answer, ask


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
