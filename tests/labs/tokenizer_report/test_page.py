"""The tokenizer report in a real browser: a pasted text, its tables, its files, on a phone and in both themes."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.contrast import low_contrast
from tests.support.quiet import press_open
from tests.ui.test_axe_page import AXE, RUN

Visit = Callable[..., Any]
PATIENCE = 60_000  # milliseconds for tokenizers to be opened on a busy machine
TEXT = "吾輩は猫である。慶應の大学と国語、𩸽を食べた。"


def measured(visit: Visit, **options: Any) -> Any:
    """The page with the report of a text with the tokenizers that need no loading."""
    page = visit("t", **options)
    press_open(page.locator("#lab-tokenizer_report-button"))
    page.locator("#tokenize-text .token-editor-field").fill(TEXT)
    for key in ("gpt-4o", "sudachi-c"):
        page.locator(f"#tokenizer-report-tokenizers input[name='{key}']").uncheck()
    page.locator("#tokenizer-report-go").click()
    expect(page.locator("#tokenizer-report-result table").first).to_be_visible(timeout=PATIENCE)
    return page


def test_a_text_is_measured_and_downloaded(visit: Visit) -> None:
    page = measured(visit, lang="en")
    rows = page.locator("#tokenizer-report-result table").first.locator("tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(1)).to_contain_text("characters1.000")
    with page.expect_download() as caught:
        page.locator("#tokenizer-report-json").click()
    record = json.loads(caught.value.path().read_text("utf-8"))
    assert [row["key"] for row in record["rows"]] == ["neoxjp", "characters", "bytes"]
    with page.expect_download() as caught:
        page.locator("#tokenizer-report-markdown").click()
    assert caught.value.path().read_text("utf-8").startswith("# Tokenizers compared")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_scrolls_down_only_and_everything_can_be_read(visit: Visit, theme: str) -> None:
    page = measured(visit, lang="ja", width=400, theme=theme)
    page.locator("#tokenizer-report-result summary").click()
    expect(page.locator("#tokenizer-report-result dl")).to_contain_text("弱点：")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert low_contrast(page) == []
    page.evaluate(AXE)
    assert page.evaluate(RUN, "#tokenizer-report-result") == []
