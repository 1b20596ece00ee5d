"""Gradio's private names do what the page relies on. A failure here after an update of Gradio says which one changed."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import gradio as gr
import pytest
from gradio.routes import App
from starlette.requests import Request

from neoxjp.page_parts.gradio_private import current_page, has_users, payload, signed_in
from tests.support.loops import awaited, in_loop

ROOT = Path(__file__).parents[2]
VERSION = "6.31"  # in which these names were read


def test_the_payload_of_an_event_is_what_the_browser_sent() -> None:
    assert payload(gr.EventData(None, {"at": 3})) == {"at": 3}, f"as in Gradio {VERSION}"
    assert payload(gr.EventData(None, None)) == {}
    assert payload(gr.EventData(None, "text")) == {}


def test_the_current_page_is_the_outermost_that_is_being_built() -> None:
    def build() -> bool:
        with gr.Blocks() as page, gr.Row():
            return current_page() is page

    assert in_loop(build), f"as in Gradio {VERSION}"


def test_without_a_page_there_is_no_current_one() -> None:
    with pytest.raises(RuntimeError, match="no page is being built"):
        current_page()


def test_who_has_signed_in_is_known_by_the_cookie_that_gradio_gives() -> None:
    code = """if True:
        import gradio as gr
        from starlette.testclient import TestClient
        from starlette.responses import PlainTextResponse
        from starlette.routing import Route
        from neoxjp.page_parts.gradio_private import has_users, signed_in

        async def own(request):
            return PlainTextResponse(str(await signed_in(request)))

        with gr.Blocks() as page:
            gr.Textbox()
        for auth in (None, ("anna", "x")):
            app, _, _ = page.launch(prevent_thread_lock=True, quiet=True, auth=auth, app_kwargs={"routes": [Route("/own", own)]})
            client = TestClient(app)
            print(has_users(app), client.get("/own").text, end=" ")
            if auth:
                client.post("/login", data={"username": "anna", "password": "x"})
                print(client.get("/own").text)
            page.close(verbose=False)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "False True True False True", f"as in Gradio {VERSION}: {done.stderr}"


@pytest.mark.parametrize("name", ["anna", None])
def test_where_an_application_says_who_its_users_are_it_is_asked(name: str | None) -> None:
    async def later(request: Request) -> str | None:
        return name

    for dependency in (later, lambda request: name):
        app = SimpleNamespace(auth=None, auth_dependency=dependency)
        assert has_users(cast(App, app))
        request = Request({"type": "http", "app": app})
        assert awaited(lambda: signed_in(request)) == (name is not None)  # noqa: B023  # it ends here


@pytest.mark.parametrize("installed", [False, True])
def test_matplotlib_is_searched_for_once_where_it_is_absent(installed: bool, tmp_path: Path) -> None:
    if installed:
        (tmp_path / "matplotlib.py").write_text("")
    code = """if True:
        from importlib.machinery import PathFinder
        from neoxjp.page_parts.gradio_private import skip_matplotlib
        PathFinder.find_spec = classmethod(lambda cls, *a, find=PathFinder.find_spec: print(a[0], end=" ") or find(*a))
        skip_matplotlib()
        print(end="| ")
        try:
            import matplotlib
        except ImportError:
            print("absent")
        else:
            print("imported")
    """
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    )
    expected = "matplotlib | matplotlib imported" if installed else "matplotlib | absent"
    assert done.stdout.strip() == expected, done.stderr
