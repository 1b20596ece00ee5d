"""The section "why this cut" in a real browser: choosing and walking tokens, a character tried, the nearest entries."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.support.contrast import low_contrast
from tests.support.quiet import press_open
from tests.ui.test_tokenize_page import HOSTILE, press, write

Visit = Callable[..., Any]


def opened(page: Any, text: str, name: str = "Why this cut") -> Any:
    write(page, text)
    press_open(page.get_by_role("tab", name=name))
    expect(page.locator("#why-this-cut-explanation .why-this-cut-explanation")).to_be_visible()
    return page


def taken(page: Any) -> Any:
    """What is taken at the place that is explained."""
    return page.locator("#why-this-cut-explanation .why-this-cut-line .why-this-cut-won")


def test_a_token_is_chosen_by_click_in_the_text_and_explained(visit: Visit) -> None:
    page = opened(visit("t", lang="en"), "東京に住む")
    expect(taken(page)).to_have_text("東京")
    expect(page.locator("#why-this-cut-explanation tbody tr")).to_have_count(3)
    expect(page.locator("#why-this-cut-explanation tr.why-this-cut-won .why-this-cut-verdict")).to_have_text("✓ chosen")
    press(page, 2)
    expect(taken(page)).to_have_text("住")
    expect(page.locator("#why-this-cut-position input")).to_have_value("4")
    expect(page.locator("#tokenize-text .token-editor-selected")).to_have_text("住")


def test_arrow_keys_and_buttons_walk_through_the_text(visit: Visit) -> None:
    page = opened(visit("t", lang="en"), "犬猫私")
    selected = page.locator("#tokenize-text .token-editor-selected")
    press(page, 0)
    page.keyboard.press("Escape")
    page.keyboard.press("Control+Home")
    for name in "猫私私":
        page.keyboard.press("ArrowRight")
        expect(taken(page)).to_have_text(name)
    page.keyboard.press("Home")
    expect(taken(page)).to_have_text("犬")
    page.locator("#why-this-cut-after").click()
    expect(taken(page)).to_have_text("猫")
    expect(selected).to_have_text("猫")
    page.locator("#why-this-cut-before").click()
    expect(taken(page)).to_have_text("犬")
    page.locator("#why-this-cut-before").click()
    expect(selected).to_have_text("犬")
    page.locator("#why-this-cut-position input").fill("3")
    expect(taken(page)).to_have_text("私")
    expect(selected).to_have_text("私")


def test_walking_goes_on_through_a_long_text(visit: Visit) -> None:
    page = opened(visit("t", lang="en"), "犬" * 200 + "猫" * 50)
    page.locator("#why-this-cut-position input").fill("200")
    expect(page.locator("#why-this-cut-explanation .why-this-cut-head")).to_contain_text("200 of 250")
    page.locator("#why-this-cut-after").click()
    expect(taken(page)).to_have_text("猫")
    expect(page.locator("#why-this-cut-explanation .why-this-cut-head")).to_contain_text("201 of 250")
    page.locator("#why-this-cut-before").click()
    expect(page.locator("#why-this-cut-explanation .why-this-cut-head")).to_contain_text("200 of 250")


def test_a_token_chosen_before_the_section_is_opened_is_taken_over(visit: Visit) -> None:
    page = visit("t", lang="en")
    write(page, "犬猫私人")
    press(page, 2)
    press_open(page.get_by_role("tab", name="Why this cut"))
    expect(taken(page)).to_have_text("私")
    press(page, 1)
    expect(taken(page)).to_have_text("猫")
    page.locator("#why-this-cut-after").click()
    expect(taken(page)).to_have_text("私")
    press_open(page.get_by_role("tab", name="Round trip"))
    press_open(page.get_by_role("tab", name="Why this cut"))
    expect(taken(page)).to_have_text("私")


def test_another_character_and_another_word_are_tried_inline(visit: Visit) -> None:
    page = opened(visit("t", lang="en"), "東京に住む")
    page.locator("#why-this-cut-try input, #why-this-cut-try textarea").press_sequentially("都")
    expect(page.locator("#why-this-cut-tried")).to_contain_text("this token becomes “東京都”")
    expect(page.locator("#why-this-cut-tried tr").nth(1).locator(".p")).to_have_text(["東京都"])
    page.locator("#why-this-cut-which label").nth(1).click()
    expect(page.locator("#why-this-cut-tried")).to_contain_text("With “都” in place of “京”")
    page.locator("#why-this-cut-word input, #why-this-cut-word textarea").fill("東京に住")
    expect(page.locator("#why-this-cut-entries")).to_contain_text("cannot be a single token")
    expect(page.locator("#why-this-cut-entries tbody tr").first).to_contain_text("東京")


def test_hostile_text_is_shown_and_never_run(visit: Visit) -> None:
    page = opened(visit("t", lang="en"), HOSTILE)
    page.locator("#why-this-cut-try input, #why-this-cut-try textarea").fill("<b>x</b>")
    page.locator("#why-this-cut-word input, #why-this-cut-word textarea").fill("${window}")
    expect(page.locator("#why-this-cut-tried")).to_contain_text("<b>x</b>")
    assert page.evaluate("typeof hacked") == "undefined"
    assert (
        page.locator(
            "#tokenize-text img, #why-this-cut-explanation img, #why-this-cut-tried img, #why-this-cut-entries img"
        ).count()
        == 0
    )


def test_it_fits_a_narrow_dark_screen(visit: Visit) -> None:
    page = opened(visit("t", lang="en", theme="dark", width=400), "東京に住む 😀é慶應大学")
    page.locator("#why-this-cut-try input, #why-this-cut-try textarea").fill("都")
    page.locator("#why-this-cut-word input, #why-this-cut-word textarea").fill("慶應大学")
    expect(page.locator("#why-this-cut-entries tbody tr").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert low_contrast(page) == []
