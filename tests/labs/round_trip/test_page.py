"""The section "round trip" in a real browser: the marked differences, their reasons, a normalisation shown and then used."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.support.contrast import low_contrast
from tests.support.quiet import press_open
from tests.ui.test_tokenize_page import HOSTILE, write

Visit = Callable[..., Any]


def opened(page: Any, text: str) -> Any:
    write(page, text)
    press_open(page.get_by_role("tab", name="Round trip"))
    expect(page.locator("#round-trip-summary .round-trip-sum")).to_be_visible()
    return page


def test_differences_are_marked_and_given_a_reason(kept: Visit) -> None:
    page = opened(kept("t", lang="en"), "慶應大学—猫")
    expect(page.locator("#round-trip-summary")).to_contain_text("Changed by the round trip: 2 of 6 characters.")
    expect(page.locator("#round-trip-text-part .round-trip-pair")).to_have_count(2)
    expect(page.locator("#round-trip-text-part .round-trip-pair").first).to_contain_text("≠")
    expect(page.locator("#round-trip-reasons tbody th")).to_contain_text(["Spelling variant", "Dash replacement"])
    write(page, "猫")
    expect(page.locator("#round-trip-summary")).to_contain_text("Nothing changes: 1 of 1 characters are restored.")


def test_a_difference_stands_within_its_line(kept: Visit) -> None:
    page = opened(kept("t", lang="en"), "慶應大学—猫")
    expect(page.locator("#round-trip-text-part .round-trip-pair")).to_have_count(2)
    boxes = [page.locator("#round-trip-text-part .round-trip-pair").nth(i).bounding_box() for i in range(2)]
    assert boxes[0]["y"] == boxes[1]["y"]
    assert all(box["width"] < 100 for box in boxes)


def test_the_losses_of_transformers_come_with_its_switch(kept: Visit) -> None:
    page = opened(kept("t", lang="en"), "猫é,")
    expect(page.locator("#round-trip-text-part .round-trip-pair")).to_have_count(0)
    page.locator("#round-trip-compat input").check()
    expect(page.locator("#round-trip-reasons tbody th")).to_contain_text(["Byte-by-byte decoding", "Comma"])
    page.locator("#round-trip-compat input").uncheck()
    expect(page.locator("#round-trip-text-part .round-trip-pair")).to_have_count(0)


def test_a_normalisation_shows_its_effect_and_is_used_by_a_button(visit: Visit) -> None:
    page = opened(visit("t", lang="en"), "ｱと①")
    button = page.locator("#round-trip-use")
    expect(button).to_be_disabled()
    page.get_by_label("NFKC").check()
    expect(page.locator("#round-trip-effect")).to_contain_text("Changes 2 characters in 2 places.")
    expect(page.locator("#tokenize-text .token-editor-field")).to_have_value("ｱと①")
    button.click()
    expect(page.locator("#tokenize-text .token-editor-field")).to_have_value("アと1")
    expect(page.locator("#round-trip-summary")).to_contain_text("Nothing changes: 3 of 3 characters are restored.")
    expect(page.get_by_label("None", exact=True)).to_be_checked()
    write(page, "ｱと①")
    page.get_by_label("NFKC").check()
    button.click()  # once more the same text
    expect(page.locator("#tokenize-text .token-editor-field")).to_have_value("アと1")


def test_a_long_text_is_folded_and_hostile_text_never_run(kept: Visit) -> None:
    page = opened(kept("t", lang="en"), "猫" * 100_000)
    expect(page.locator("#round-trip-summary")).to_contain_text("100,000 of 100,000 characters are restored", timeout=60_000)
    expect(page.locator("#round-trip-text-part .round-trip-fold")).to_have_text("… 99,600 unchanged characters …")
    write(page, HOSTILE + "①")
    expect(page.locator("#round-trip-text-part .round-trip-pair").first).to_be_visible()
    assert page.evaluate("typeof hacked") == "undefined"
    assert page.locator("#round-trip-text-part img").count() == 0


def test_it_fits_a_narrow_dark_screen(visit: Visit) -> None:
    page = opened(visit("t", lang="en", theme="dark", width=400), "慶應大学—猫①\u3000😀☃ｱｲｳ" * 5)
    page.get_by_label("NFKC").check()
    expect(page.locator("#round-trip-effect table")).to_be_visible()
    expect(page.locator("#round-trip-use")).to_be_enabled()
    page.wait_for_timeout(500)  # the button's colours fade in
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert low_contrast(page) == []
