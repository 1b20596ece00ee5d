"""Minimal pairs in a real browser: the example, a file in another encoding, the download, on a phone and in both themes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.contrast import low_contrast
from tests.support.quiet import open_lab, press_open
from tests.ui.test_axe_page import AXE, RUN

Visit = Callable[..., Any]
PAIRS = "good,bad,phenomenon\n猫,猫猫猫,数\n猫猫猫,猫,数\n"


def opened(visit: Visit, **options: Any) -> Any:
    page = visit("g", **options)
    open_lab(page)
    press_open(page.locator("#lab-minimal_pairs-button"))
    return page


def test_a_file_in_shift_jis_is_tested_and_downloaded(visit: Visit, tmp_path: Path) -> None:
    page = opened(visit, lang="en")
    field = page.locator("#minimal-pairs-text textarea")
    for encoding in ("euc_jp", "cp932"):
        field.fill("")
        (tmp_path / "pairs.csv").write_bytes(PAIRS.encode(encoding))
        page.locator("#minimal-pairs-file").set_input_files(tmp_path / "pairs.csv")
        expect(field).to_have_value(PAIRS)
    page.locator("#minimal-pairs-go").click()
    expect(page.locator("#minimal-pairs-progress")).to_contain_text("Tested 2 pairs")
    expect(page.locator("#minimal-pairs-result tbody tr")).to_have_count(2)
    expect(page.locator("#minimal-pairs-result .heat-text")).to_have_text(["猫猫猫", "猫"])
    with page.expect_download() as caught:
        page.locator("#minimal-pairs-json").click()
    record = json.loads(caught.value.path().read_text("utf-8"))
    assert record["all"]["in_sum"]["correct"] == 1
    (tmp_path / "pairs.csv").write_bytes(b"\xff\xff\xff")
    page.locator("#minimal-pairs-file").set_input_files(tmp_path / "pairs.csv")
    expect(page.locator("#minimal-pairs-chooser .lab-note")).to_have_text(
        "The encoding cannot be determined: save the file as UTF-8."
    )
    field.fill("good,bad\n猫,猫\n")
    page.locator("#minimal-pairs-go").click()
    expect(page.locator("#minimal-pairs-progress .error")).to_contain_text("line 2: both texts are '猫'")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_scrolls_down_only_and_everything_can_be_read(visit: Visit, theme: str) -> None:
    page = opened(visit, lang="ja", width=400, theme=theme)
    page.locator("#minimal-pairs-text textarea").fill(PAIRS)
    page.locator("#minimal-pairs-go").click()
    expect(page.locator("#minimal-pairs-result .heat-text").last).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert low_contrast(page) == []
    page.evaluate(AXE)
    assert page.evaluate(RUN, "#minimal-pairs-result") == []
