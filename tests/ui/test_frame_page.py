"""The frame in a real browser: the first visit, a model that cannot be loaded, and a public page."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.contrast import low_contrast
from tests.support.page import serve
from tests.support.quiet import press_open

Visit = Callable[..., Any]


@pytest.fixture(scope="module")
def broken_public_page(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page as on a Space, over a folder whose weights are damaged."""
    folder = tmp_path_factory.mktemp("broken") / "model"
    shutil.copytree(tiny_folder, folder)
    (folder / "model.safetensors").write_bytes(b"no weights")
    with serve(folder, SPACE_ID="someone/something") as url:
        yield url


@pytest.mark.parametrize(
    ("lang", "tabs", "ready"),
    [("ja", ["文章生成", "トークン", "モデル"], "準備完了"), ("en", ["Generate", "Tokens", "Model"], "ready")],
)
def test_the_first_visit_says_what_is_loaded_in_the_visitors_language(
    kept: Visit, lang: str, tabs: list[str], ready: str
) -> None:
    page = kept(lang=lang)
    expect(page.locator("#tabs > .tab-wrapper").first.get_by_role("tab")).to_have_text(tabs)
    expect(page.locator(".status .state")).to_have_text(ready)
    expect(page.locator(".status")).to_contain_text("float32")
    assert page.locator("html").get_attribute("lang") == lang


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_head_can_be_read_in_both_themes(kept: Visit, theme: str) -> None:
    page = kept(theme=theme)
    assert page.evaluate("document.body.classList.contains('dark')") == (theme == "dark")
    faint = [found for found in low_contrast(page) if "BUTTON" in found or "SPAN" in found or "H1" in found]
    assert faint == []


def test_where_the_model_cannot_be_loaded_one_can_still_tokenize(kept: Visit, broken_public_page: str) -> None:
    page = kept("t", lang="en", url=broken_public_page, state="failed")
    expect(page.locator(".status .state")).to_contain_text("loading failed")
    page.locator("#tokenize-text .token-editor-field").fill("慶應大学")
    expect(page.locator("#tokenize-text .token-editor-piece")).to_have_text(["慶應", "大学"])


def test_on_a_space_nobody_can_name_a_folder(kept: Visit, broken_public_page: str) -> None:
    page = kept("t", lang="en", url=broken_public_page, state="failed")
    press_open(page.locator("#spellings-columns > button"))
    expect(page.locator("#spellings-group-units label")).to_have_text(["UTF-8 bytes", "characters"])
    expect(page.locator("#spellings-local")).to_have_count(0)
