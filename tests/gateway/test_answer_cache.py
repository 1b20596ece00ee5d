"""The page and its config are made once for all visitors, and are what each would have got without that."""

import asyncio
import re
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from neoxjp.gateway.answer_cache import ADDRESSES, AnswerCache
from tests.support.http import ask


class Counted:
    """An application that says how it was asked; every third answer is an error."""

    def __init__(self, by_user: bool = True) -> None:
        self.made, self.status = 0, 200
        paths = [Route(path, self.answer) for path in ("/", "/config", "/gradio_api/info", "/other")]
        self.client = TestClient(AnswerCache(Starlette(routes=paths), by_user=by_user))

    async def answer(self, request: Request) -> JSONResponse:
        self.made += 1
        await asyncio.sleep(0)
        return JSONResponse({"host": request.headers["host"], "query": str(request.query_params)}, self.status)

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(path, headers=headers)


@pytest.fixture
def app() -> Counted:
    return Counted()


@pytest.mark.parametrize("path", ["/", "/config", "/?lang=ja", "/?gen=1.2.3"])
def test_the_second_visitor_gets_the_same_without_the_work(app: Counted, path: str) -> None:
    first, second = app.get("/" if path.startswith("/?") else path), app.get(path)
    assert app.made == 1
    assert (first.status_code, first.content, first.headers) == (second.status_code, second.content, second.headers)


def test_head_makes_no_page(app: Counted):
    answer = app.client.head("/")
    assert (answer.status_code, answer.content, app.made) == (200, b"", 0)
    assert app.get("/").json()["query"] == ""


@pytest.mark.parametrize(
    "other",
    [
        {"host": "other.example"},
        {"x-forwarded-host": "other.example"},
        {"x-forwarded-proto": "https"},
        {"x-gradio-server": "http://other.example"},
        {"accept-encoding": "br"},
        {"cookie": "access-token-1=x"},
        {"authorization": "Bearer x"},
    ],
)
def test_who_asks_in_another_way_gets_another_answer(app: Counted, other: dict[str, str]) -> None:
    app.get("/")
    app.get("/", **other)
    assert app.made == 2
    app.get("/")
    assert app.made == 2


def test_where_nobody_signs_in_a_cookie_such_as_that_of_a_proxy_changes_nothing() -> None:
    app = Counted(by_user=False)
    app.get("/")
    app.get("/", cookie="route=1")
    assert app.made == 1


def test_other_paths_and_requests_of_other_sites_are_not_kept(app: Counted) -> None:
    for _ in range(2):
        app.get("/other")
        app.get("/", origin="https://a.example")
    assert app.made == 4


def test_the_description_of_the_endpoints_is_made_for_each_address(app: Counted) -> None:
    assert app.get("/gradio_api/info").json()["query"] == "page="
    assert app.get("/gradio_api/info?serialize=False").json()["query"] == "page="
    assert app.get("/gradio_api/info?all_endpoints=true&x=1").json()["query"] == "page=&all_endpoints=true"
    assert app.made == 2


def test_a_header_that_comes_twice_does_not_put_an_answer_where_another_belongs(app: Counted) -> None:
    twice = [("x-forwarded-host", "evil.example"), ("x-forwarded-host", "good.example")]
    app.client.get("/", headers=twice)  # type: ignore[arg-type]
    app.get("/", **{"x-forwarded-host": "good.example"})
    assert app.made == 2


def test_an_error_is_not_kept(app: Counted) -> None:
    app.status = 500
    assert app.get("/").status_code == 500
    app.status = 200
    assert app.get("/").status_code == 200
    assert app.made == 2


def test_names_that_a_stranger_makes_up_do_not_fill_the_memory(app: Counted) -> None:
    for number in range(3 * ADDRESSES):
        app.get("/", host=f"{number}.example")
    assert len(app.client.app._kept) == ADDRESSES  # type: ignore[attr-defined]


def test_the_running_page_names_the_address_that_each_asked_for(public_url: str) -> None:
    def asked(**headers: str) -> str:
        return ask(f"{public_url}/config", headers=headers).body.decode()

    plain = asked()
    assert asked() == plain
    other = asked(Host="localhost:1234")
    assert '"http://localhost:1234' in other
    assert asked() == plain
    root = re.compile(r"http://[\w.:-]+")
    assert root.sub("", other) == root.sub("", plain)
    info = [ask(f"{public_url}/gradio_api/info", headers=headers).body.decode() for headers in ({"Host": "localhost:1"}, {})]
    assert "localhost:1" in info[0]
    assert "localhost:1" not in info[1]
    assert root.sub("", info[0]) == root.sub("", info[1])
    page = ask(public_url).body
    assert ask(f"{public_url}/?lang=ja&__theme=dark").body == page


def test_the_answer_that_visitors_ask_for_outlives_made_up_names(app: Counted) -> None:
    app.get("/")
    for number in range(3 * ADDRESSES):
        app.get("/", host=f"{number}.example")
        app.get("/")
    assert app.made == 1 + 3 * ADDRESSES
