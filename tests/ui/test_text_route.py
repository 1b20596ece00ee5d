"""The route of the text over the wire: /neoxjp/text answers with lines of patches, and only for sessions of this page."""

import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

SETTINGS = [0.7, 0.95, 8, 0, 0, 1, 1.1, 0, 0, "7", "", False]


def post(url: str, body: Any, **headers: str) -> tuple[int, list[Any]]:
    """Status and lines of an answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, [json.loads(line) for line in answer]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, [json.loads(error.read())]


@dataclass
class Page:
    """One open page, as its script sees it."""

    url: str
    session: str
    editor: int

    def call(self, call: str, data: Any, **headers: str) -> tuple[int, list[Any]]:
        return post(f"{self.url}/neoxjp/text", self.body(call, data), **headers)

    def body(self, call: str, data: Any) -> dict[str, Any]:
        return {"session": self.session, "editor": self.editor, "call": call, "data": data}

    def patches(self, call: str, data: Any) -> list[Any]:
        status, lines = self.call(call, data)
        assert status == 200
        return [json.loads(line["patch"]) for line in lines]


@pytest.fixture
def page(page_url: str) -> Page:
    """A session that has sent its first text through Gradio, as a page does."""
    with urllib.request.urlopen(f"{page_url}/config", timeout=60) as answer:
        config = json.load(answer)
    edit = next(each for each in config["dependencies"] if any(name == "edit" for _, name in each["targets"]))
    target = next(id for id, name in edit["targets"] if name == "edit")
    session = secrets.token_hex(5)
    body = {"data": [None], "event_data": {"text": "猫"}, "fn_index": edit["id"], "trigger_id": target, "session_hash": session}
    _, (answer,) = post(f"{page_url}/gradio_api/run/predict", body)
    found = answer["data"][0]["props"]
    assert found["session"] == session
    return Page(page_url, session, found["editor"])


def text_of(patches: list[Any]) -> str:
    """What a page that got these patches shows, from a whole one on."""
    pieces: list[Any] = []
    for patch in patches:
        start, end = (0, len(pieces)) if patch.get("whole") else (patch["start"], patch["start"] + patch["delete"])
        pieces[start:end] = patch["pieces"]
    return "".join(piece[0] for piece in pieces)


def test_an_edit_is_one_request_and_one_patch(page: Page) -> None:
    (patch,) = page.patches("edit", {"text": "猫です"})
    assert text_of([patch]) == "猫です"
    assert patch["typed"]


def test_a_generation_comes_line_by_line_and_a_step_adds_one_token(page: Page) -> None:
    begun = page.patches("edit", {"text": "猫"})
    lines = page.patches("write", {"mode": "new", "settings": SETTINGS})
    assert [bool(patch.get("running")) for patch in lines] == [True] * (len(lines) - 1) + [False]
    written = text_of(begun + lines)
    assert written.startswith("猫")
    step = page.patches("write", {"mode": "step", "settings": SETTINGS})
    assert sum(len(piece[1]) for piece in step[-1]["pieces"]) >= 1
    (whole,) = page.patches("sync", {})
    assert text_of([whole]) == text_of(begun + lines + step)
    assert whole["also"]["buttons"]["go"]


def test_the_sentence_about_wrong_settings_is_in_the_language_of_the_visitor(page: Page) -> None:
    for language, word in (("ja,en", "シード"), ("en", "seed")):
        settings = [*SETTINGS[:9], "abc", *SETTINGS[10:]]
        _, lines = page.call("write", {"mode": "new", "settings": settings}, **{"Accept-Language": language})
        assert word in json.loads(lines[-1]["patch"])["also"]["html"]["generate-line"]


@pytest.mark.parametrize("settings", [{}, "x", [1], [None] * 40, [[]] * 12])
def test_settings_of_another_shape_change_nothing(page: Page, settings: Any) -> None:
    begun = page.patches("edit", {"text": "猫"})
    lines = page.patches("write", {"mode": "new", "settings": settings})
    assert 'role="alert"' in lines[-1]["also"]["html"]["generate-line"]
    assert text_of(begun + lines) == "猫"


@pytest.mark.parametrize("data", [{"mode": "x"}, {"mode": ["new"]}, {}, {"mode": {"a": 1}}])
def test_a_mode_that_is_none_writes_nothing(page: Page, data: Any) -> None:
    assert page.call("write", data) == (200, [])


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"session": "nobody"}, 409),
        ({"session": 5}, 400),
        ({"editor": "16"}, 400),
        ({"editor": 0}, 400),
        ({"editor": 10**9}, 400),
        ({"call": "nothing"}, 404),
        ({"call": ["edit"]}, 404),
        ({"call": "__class__"}, 404),
        ({"data": None}, 400),
        ({"data": "text"}, 400),
    ],
)
def test_a_request_of_another_shape_gets_a_sentence(page: Page, change: dict[str, Any], status: int) -> None:
    found, (answer,) = post(f"{page.url}/neoxjp/text", page.body("edit", {"text": "猫"}) | change)
    assert found == status
    assert answer["error"]
    assert answer["ja"]


@pytest.mark.parametrize("body", [b"", b"[]", b"5", b"{", b'"text"'])
def test_a_body_that_is_no_object_is_refused(page: Page, body: bytes) -> None:
    assert post(f"{page.url}/neoxjp/text", body)[0] in (400, 422)


def test_no_other_site_may_use_it(page: Page) -> None:
    status, _ = page.call("edit", {"text": "犬"}, Origin="https://example.com")
    assert status == 403
    (whole,) = page.patches("sync", {})
    assert text_of([whole]) == "猫"


def test_one_session_does_not_see_the_text_of_another(page: Page) -> None:
    page.patches("edit", {"text": "秘密"})
    status, lines = post(f"{page.url}/neoxjp/text", page.body("sync", {}) | {"session": "t-other"})
    assert status == 409
    assert "秘密" not in json.dumps(lines, ensure_ascii=False)


@contextmanager
def begun(page: Page) -> Iterator[Any]:
    """A generation whose first line was read."""
    data = json.dumps(page.body("write", {"mode": "new", "settings": [*SETTINGS[:2], 60, *SETTINGS[3:]]})).encode()
    request = urllib.request.Request(f"{page.url}/neoxjp/text", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert json.loads(answer.readline())
        yield answer


def test_a_page_that_goes_away_leaves_nothing_running(page: Page) -> None:
    with begun(page):
        pass
    for _ in range(100):
        (whole,) = page.patches("sync", {})
        if not whole.get("running"):
            break
    assert not whole.get("running")
    assert page.patches("write", {"mode": "step", "settings": SETTINGS})
