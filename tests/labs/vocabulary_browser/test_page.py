"""The vocabulary section in a real browser: filtering while typing, opening, walking by keyboard, looking up, comparing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.contrast import low_contrast
from tests.support.quiet import press_open
from tests.support.tiny import LINES

Visit = Callable[..., Any]
HOSTILE = "<script>hacked = 1</script><img src=x onerror='hacked = 2'> ${window.hacked = 3}"


def opened(visit: Visit, **how: Any) -> Any:
    """The page with the section open and its list drawn."""
    page = visit("t", **how)
    press_open(page.locator("#lab").get_by_role("tab").nth(3))
    expect(rows(page)).to_have_count(50)
    return page


def rows(page: Any) -> Any:
    return page.locator("#vocabulary-browser-list tr[data-entry]")


def entry(page: Any) -> Any:
    return page.locator("#vocabulary-browser-entry article")


def box(page: Any, name: str) -> Any:
    return page.locator(f"#{name} textarea, #{name} input").first


def unfold(page: Any, name: str) -> None:
    press_open(page.locator(f"#{name} > button"))


def test_typing_filters_and_a_row_opens_all_spellings(visit: Visit) -> None:
    page = opened(visit, lang="en")
    box(page, "vocabulary-browser-query").press_sequentially("慶應")
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text("≈ 慶應")
    expect(page.locator("#vocabulary-browser-list .vocabulary-browser-shown")).to_have_text(
        f"1–1 of 1 entries ({len(LINES)} in the vocabulary)"
    )
    rows(page).click()
    expect(entry(page).locator(".vocabulary-browser-buttons button")).to_have_text(["慶応", "慶應"])
    expect(entry(page)).to_contain_text("E6 85 B6 E5 BF 9C")
    entry(page).locator(".vocabulary-browser-neighbours [data-entry]").first.click()
    expect(box(page, "vocabulary-browser-id")).to_have_value(str(LINES.index("慶応,慶應") - 5))
    expect(entry(page).locator("h3")).to_have_text(LINES[LINES.index("慶応,慶應") - 5].split(",")[0])


def test_filters_together_and_what_finds_nothing(visit: Visit) -> None:
    page = opened(visit, lang="en")
    unfold(page, "vocabulary-browser-more")
    box(page, "vocabulary-browser-length").fill("3")
    expect(rows(page).first).to_contain_text("である")
    box(page, "vocabulary-browser-ids").fill("0-20")
    fitting = [line for line in LINES[:21] if len(line.split(",")[0]) == 3]
    expect(rows(page)).to_have_count(len(fitting))
    box(page, "vocabulary-browser-ids").fill("x")
    expect(page.locator("#vocabulary-browser-list [role=alert]")).to_contain_text("write one number or a range")
    box(page, "vocabulary-browser-ids").fill("")
    box(page, "vocabulary-browser-query").fill(HOSTILE)
    expect(page.locator("#vocabulary-browser-list .notice")).to_contain_text(f"None of the {len(LINES)} entries matches")
    assert page.evaluate("window.hacked") is None


def test_what_is_listed_is_saved_as_a_file_as_often_as_asked_for(visit: Visit) -> None:
    page = opened(visit, lang="en")
    box(page, "vocabulary-browser-query").fill("慶應")
    expect(rows(page)).to_have_count(1)
    for _ in range(2):
        with page.expect_download() as caught:
            page.locator("#vocabulary-browser-download").click()
        assert caught.value.suggested_filename == "vocabulary.csv"
        saved = caught.value.path().read_bytes().decode("utf-8-sig").split("\r\n")
        assert [line.count("慶應") for line in saved] == [0, 1, 0]
    expect(rows(page)).to_have_count(1)


def test_the_list_is_walked_and_turned_by_keyboard(visit: Visit) -> None:
    page = opened(visit)
    first = page.locator("#vocabulary-browser-list .vocabulary-browser-open").first
    first.focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#vocabulary-browser-list .vocabulary-browser-open").nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(box(page, "vocabulary-browser-id")).to_have_value("1")
    page.keyboard.press("PageDown")
    expect(page.locator("#vocabulary-browser-list .vocabulary-browser-open").first).to_have_attribute("data-entry", "50")
    expect(page.locator("#vocabulary-browser-list .vocabulary-browser-open").first).to_be_focused()
    page.keyboard.press("PageUp")
    expect(page.locator("#vocabulary-browser-list .vocabulary-browser-open").last).to_be_focused()
    page.locator("#vocabulary-browser-next").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#vocabulary-browser-list .vocabulary-browser-open").first).to_have_attribute("data-entry", "50")
    page.locator("#vocabulary-browser-previous").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#vocabulary-browser-list .vocabulary-browser-open").first).to_have_attribute("data-entry", "0")
    expect(page.locator("#vocabulary-browser-previous")).to_be_disabled()


def test_an_id_a_random_entry_and_a_spelling_into_the_text(visit: Visit) -> None:
    page = opened(visit, lang="en")
    expect(page.locator("#vocabulary-browser-entry")).to_contain_text("Select a row, or enter an id.")  # nobody asked for any
    expect(page.locator("#vocabulary-browser-list tr.vocabulary-browser-chosen")).to_have_count(0)
    expect(page.locator("#vocabulary-browser-use")).to_be_disabled()
    box(page, "vocabulary-browser-id").fill("2")
    expect(page.locator("#vocabulary-browser-list tr.vocabulary-browser-chosen")).to_have_attribute("data-entry", "2")
    box(page, "vocabulary-browser-id").fill("999999")
    expect(page.locator("#vocabulary-browser-list tr.vocabulary-browser-chosen")).to_have_count(0)
    expect(page.locator("#vocabulary-browser-entry [role=alert]")).to_contain_text("id 999999 is not in this vocabulary")
    expect(page.locator("#vocabulary-browser-use")).to_be_disabled()
    box(page, "vocabulary-browser-id").fill(str(LINES.index("慶応,慶應")))
    expect(entry(page).locator("h3")).to_have_text("慶応")
    box(page, "tokenize-text").fill("猫")
    expect(page.locator("#tokenize-text .token-editor-piece")).to_have_text(["猫"])
    page.locator("#vocabulary-browser-use").click()
    expect(box(page, "tokenize-text")).to_have_value("猫慶応")
    entry(page).locator("[data-add]").nth(1).click()
    expect(box(page, "tokenize-text")).to_have_value("猫慶応慶應")
    expect(page.locator("#tokenize-text .token-editor-piece")).to_have_text(["猫", "慶応", "慶應"])
    spellings = "document.querySelectorAll('#vocabulary-browser-entry [data-add]')"
    for place in (0, 1, 0):  # faster than any answer of the server's
        page.evaluate(f"{spellings}[{place}].click()")
    expect(box(page, "tokenize-text")).to_have_value("猫慶応慶應慶応慶應慶応")
    box(page, "vocabulary-browser-query").fill("<SP>")
    expect(rows(page)).to_have_count(1)
    page.locator("#vocabulary-browser-random").click()
    expect(box(page, "vocabulary-browser-id")).to_have_value(str(LINES.index("<SP>")))


def test_numbers_follow_the_text_and_another_vocabulary_is_compared(visit: Visit, tmp_path: Path) -> None:
    page = opened(visit, lang="en")
    unfold(page, "vocabulary-browser-stats")
    expect(page.locator("#vocabulary-browser-numbers .vocabulary-browser-totals dd").first).to_have_text(str(len(LINES)))
    box(page, "tokenize-text").fill("猫と猫")
    expect(page.locator("#vocabulary-browser-usage .vocabulary-browser-used")).to_contain_text("3 tokens with 2 different ids")
    page.locator("#vocabulary-browser-usage [data-entry]").first.click()
    expect(entry(page).locator("h3")).to_have_text("猫")
    unfold(page, "vocabulary-browser-diff")
    expect(page.locator("#vocabulary-browser-summary tr")).to_have_count(4)
    page.locator("#vocabulary-browser-side").get_by_role("radio").nth(1).check()
    box(page, "vocabulary-browser-diff-query").fill("吾輩")
    expect(
        page.locator("#vocabulary-browser-differences .notice, #vocabulary-browser-differences tbody tr").first
    ).to_be_visible()
    page.locator("#vocabulary-browser-against").get_by_role("radio").nth(1).check()
    box(page, "vocabulary-browser-folder-path").fill(str(tmp_path / "nowhere"))
    expect(page.locator("#vocabulary-browser-summary [role=alert]")).to_contain_text("is not a folder of this machine")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everything_can_be_read_and_a_phone_scrolls_down_only(visit: Visit, theme: str) -> None:
    page = opened(visit, theme=theme, width=400)
    rows(page).first.click()
    expect(entry(page)).to_be_visible()
    unfold(page, "vocabulary-browser-more")
    unfold(page, "vocabulary-browser-stats")
    unfold(page, "vocabulary-browser-diff")
    expect(page.locator("#vocabulary-browser-differences tbody tr").first).to_be_visible()
    page.wait_for_timeout(500)
    assert low_contrast(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
