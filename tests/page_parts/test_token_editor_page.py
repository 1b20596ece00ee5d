"""The token editor in a page of its own: examples/token_editor.py in a real browser."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.page import ROOT, answering, free_port

Visit = Callable[..., Any]


@pytest.fixture(scope="module")
def example_url() -> Iterator[str]:
    port = free_port()
    code = f"import runpy; runpy.run_path('examples/token_editor.py')['page'].launch(server_port={port})"
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield answering(f"http://127.0.0.1:{port}", process, log)
        finally:
            process.terminate()
            process.wait(timeout=40)


def test_another_page_shows_tokens_and_what_the_model_expected(browser: Any, example_url: str) -> None:
    context = browser.new_context(locale="en-US")
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(example_url)
    field, pieces = page.locator(".token-editor-field"), page.locator(".token-editor-piece")
    expect(pieces).to_have_text(["吾輩", "は", "猫", "である", "。", "名前", "はまだ", "無", "い", "。"])
    field.fill("慶應と𩸽")
    expect(pieces).to_have_text(["慶應", "と", "𩸽"])
    expect(field).to_have_attribute("aria-label", "Text, 6 tokens. Alt+↓ shows the token at the caret.")
    field.press("Control+End")
    field.press("Alt+ArrowDown")
    expect(page.locator(".token-editor-popover")).to_contain_text("4 byte tokens make this character")
    expect(page.locator(".token-editor-alternatives tbody tr")).not_to_have_count(0)
    expect(page.locator(".token-editor-go")).to_have_count(0)  # this page cannot continue
    context.close()
    assert faults == []


def test_the_component_leaves_no_file_beside_its_class() -> None:
    """Gradio writes a .pyi file for each new class of components."""
    folder = ROOT / "neoxjp" / "page_parts" / "token_editor"
    subprocess.run([sys.executable, "-c", "import neoxjp.page_parts.token_editor"], cwd=ROOT, check=True)
    assert not list(folder.glob("*.pyi"))
