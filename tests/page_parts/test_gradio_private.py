"""Gradio's private names do what the page relies on. A failure here after an update of Gradio says which one changed."""

import subprocess
import sys

import gradio as gr
import pytest

from neoxjp.page_parts.gradio_private import current_page, payload

VERSION = "6.31"  # in which these names were read


def test_the_payload_of_an_event_is_what_the_browser_sent() -> None:
    assert payload(gr.EventData(None, {"at": 3})) == {"at": 3}, f"as in Gradio {VERSION}"
    assert payload(gr.EventData(None, None)) == {}
    assert payload(gr.EventData(None, "text")) == {}


def test_the_current_page_is_the_outermost_that_is_being_built() -> None:
    code = """if True:
        import gradio as gr
        from neoxjp.page_parts.gradio_private import current_page
        with gr.Blocks() as page, gr.Row():
            print(current_page() is page)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "True", f"as in Gradio {VERSION}: {done.stderr}"


def test_without_a_page_there_is_no_current_one() -> None:
    with pytest.raises(RuntimeError, match="no page is being built"):
        current_page()


def test_who_has_signed_in_is_known_by_the_cookie_that_gradio_gives() -> None:
    code = """if True:
        import gradio as gr
        from starlette.testclient import TestClient
        from starlette.responses import PlainTextResponse
        from starlette.routing import Route
        from neoxjp.page_parts.gradio_private import signed_in

        async def own(request):
            return PlainTextResponse(str(signed_in(request)))

        with gr.Blocks() as page:
            gr.Textbox()
        for auth in (None, ("anna", "x")):
            app, _, _ = page.launch(prevent_thread_lock=True, quiet=True, auth=auth, app_kwargs={"routes": [Route("/own", own)]})
            client = TestClient(app)
            print(client.get("/own").text, end=" ")
            if auth:
                client.post("/login", data={"username": "anna", "password": "x"})
                print(client.get("/own").text)
            page.close(verbose=False)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "True False True", f"as in Gradio {VERSION}: {done.stderr}"
