"""The script at the top of the page's HTML: in each answer that is the page, compressed or not, and in no other."""

from typing import Any

import pytest
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from neoxjp.gateway.first_script import FirstScript
from tests.support.loops import awaited

PAGE = "<!doctype html><html><head><title>頁</title></head><body></body></html>"


def answer(response: Response, path: str = "/", root: str = "") -> tuple[dict[str, str], str]:
    """Headers and body of what the layer makes of an application's answer."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await response(scope, receive, send)

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "root_path": root, "headers": []}
    awaited(lambda: FirstScript(app, "first()")(scope, None, send))  # type: ignore[arg-type]
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return headers, b"".join(message.get("body", b"") for message in sent[1:]).decode()


@pytest.mark.parametrize(("path", "root"), [("/", ""), ("/lab/", "/lab")])
def test_the_page_begins_with_the_script(path: str, root: str) -> None:
    headers, body = answer(HTMLResponse(PAGE), path, root)
    assert body == PAGE.replace("<head>", "<head><script>first()</script>")
    assert int(headers["content-length"]) == len(body.encode())


@pytest.mark.parametrize(
    ("response", "path"),
    [
        (HTMLResponse(PAGE), "/assets/other.html"),
        (PlainTextResponse(PAGE), "/"),
        (HTMLResponse("<p>no head</p>"), "/"),
    ],
)
def test_other_answers_stay_as_they_are(response: Response, path: str) -> None:
    headers, body = answer(response, path)
    assert body.encode() == response.body
    assert int(headers["content-length"]) == len(response.body)
