"""A page of another origin in a real Chromium that calls the server as mikupad does: models, a stream, alternatives, errors."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from neoxjp.serve import Access
from tests.serve.conftest import serving
from tests.support.http import ask

KEY = "a-key-of-some-length"
CAT = "吾輩は猫である。"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *given: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The origin of the page."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(Path(__file__).parent))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def keyed(site: str) -> Iterator[SimpleNamespace]:
    """A server that lets this page read its answers."""
    with serving("bundled", access=Access(KEY, (site,))) as found:
        yield found


@pytest.fixture
def visit(browser: Any, site: str) -> Iterator[Callable[..., Any]]:
    """`visit(server, key=KEY, temperature="0")` → the page after one prediction."""
    contexts = []

    def open_page(server: SimpleNamespace, key: str = KEY, temperature: str = "0") -> Any:
        context = browser.new_context()
        contexts.append(context)
        page = context.new_page()
        page.goto(f"{site}/mikupad.html")
        for name, value in {"endpoint": server.url, "key": key, "temperature": temperature, "text": CAT}.items():
            page.locator(f"#{name}").fill(value)
        page.locator("#go").click()
        page.locator("body[data-state=done]").wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()


def test_the_page_streams_a_text_with_alternatives(keyed: SimpleNamespace, visit: Callable[..., Any]) -> None:
    page = visit(keyed)
    assert page.locator("#error").text_content() == ""
    assert page.locator("#model").text_content() == "bundled"
    fields = {"prompt": CAT, "max_tokens": 8, "temperature": 0, "repetition_penalty": 1.1, "ignore_eos": True, "echo": True}
    expected = ask(f"{keyed.url}/v1/completions", fields, {"Authorization": f"Bearer {KEY}"}).json["choices"][0]["text"]
    assert page.locator("#text").input_value() == expected
    tokens = page.locator("#tokens li").all_text_contents()
    assert len(tokens) == 8
    assert all(5 <= len(token.split(" | ")) <= 6 for token in tokens)


def test_the_page_shows_what_is_wrong(keyed: SimpleNamespace, visit: Callable[..., Any]) -> None:
    assert "Authorization: Bearer KEY" in visit(keyed, key="wrong").locator("#error").text_content()
    assert "temperature: -1 must be a number" in visit(keyed, temperature="-1").locator("#error").text_content()


def test_a_page_that_is_not_allowed_reads_nothing(server: SimpleNamespace, visit: Callable[..., Any]) -> None:
    page = visit(server)
    assert page.locator("#error").text_content() == "Failed to fetch"
    assert page.locator("#text").input_value() == CAT
