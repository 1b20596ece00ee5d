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
