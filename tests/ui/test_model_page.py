"""The Model tab in a real browser: the folded card, and the way back to the bundled model."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.contrast import low_contrast
from tests.support.page import serve, wait_for_model
from tests.support.quiet import press_open
from tests.ui.test_generate_page import generate

Visit = Callable[..., Any]


@pytest.fixture(scope="module")
def own_page(tiny_folder: Path) -> Iterator[str]:
    """A page whose model a test may replace."""
    with serve(tiny_folder) as url:
        wait_for_model(url)
        yield url


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_the_model_tab_tells_what_is_loaded_and_keeps_it_when_a_load_fails(visit: Visit, own_page: str, lang: str) -> None:
    page = visit("m", lang=lang, url=own_page)
    expect(page.locator("#model-facts")).to_contain_text("float32")
    page.locator("#model-name input, #model-name textarea").fill("/nowhere/<b>at all</b>")
    page.locator("#model-load").click()
    expect(page.locator("#model-line [role=alert]")).to_contain_text("<b>at all</b>")
    expect(page.locator("#model-load")).to_be_enabled()
    press_open(page.get_by_role("tab").first)
    assert generate(page)


def test_the_bundled_model_is_one_press_away_and_its_card_is_folded(visit: Visit, own_page: str) -> None:
    page = visit("m", lang="en", width=1366, url=own_page)
    button, about = page.locator("#model-use-bundled"), page.locator("#model-about")
    expect(button).to_be_visible()
    expect(about).to_be_hidden()  # another model's card is not shown: it may fetch pictures
    button.click()
    expect(page.locator("#model-line")).to_contain_text("bundled model is loaded")
    expect(page.locator("#model-name :is(input, textarea)")).to_have_value("bundled")
    expect(page.locator("#model-facts")).to_contain_text("13,699,200")
    expect(button).to_be_hidden()
    expect(about).to_be_visible()
    expect(page.locator("#model-card h2").first).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollHeight") < 2 * 650
    press_open(about.locator("> button"))
    expect(page.locator("#model-card h2").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 1366
    assert low_contrast(page) == []
    dark = visit("m", lang="ja", theme="dark", width=400, url=own_page)
    expect(dark.locator("#model-about > button")).to_contain_text("モデルカード")
    expect(dark.locator("#model-use-bundled")).to_be_hidden()
    assert dark.evaluate("document.documentElement.scrollWidth") <= 400
    right = "[...document.querySelectorAll('#model-row *')].map(element => element.getBoundingClientRect().right)"
    assert max(dark.evaluate(right)) <= 400 - 8  # the margin of the page
    assert low_contrast(dark) == []


def test_a_public_page_has_no_button_that_loads(visit: Visit, tiny_folder: Path) -> None:
    with serve(tiny_folder, SPACE_ID="someone/something") as url:
        page = visit("m", lang="en", url=url)
        expect(page.locator("#model-facts")).to_contain_text("parameters")
        expect(page.locator("#model-use-bundled")).to_have_count(0)
        expect(page.locator("#model-load")).to_have_count(0)
