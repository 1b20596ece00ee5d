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
    expect(page.locator("#r-summary .r-sum")).to_be_visible()
    return page


def test_differences_are_marked_and_given_a_reason(visit: Visit) -> None:
    page = opened(visit("t", lang="en"), "慶應大学—猫")
    expect(page.locator("#r-summary")).to_contain_text("Characters that come back changed: 2 of 6.")
    expect(page.locator("#r-aligned .r-pair")).to_have_count(2)
    expect(page.locator("#r-aligned .r-pair").first).to_contain_text("≠")
    expect(page.locator("#r-reasons tbody th")).to_contain_text(["Folded variant", "Dash rule"])
    write(page, "猫")
    expect(page.locator("#r-summary")).to_contain_text("All 1 characters come back as they were.")


def test_the_losses_of_transformers_come_with_its_switch(visit: Visit) -> None:
    page = opened(visit("t", lang="en"), "猫é,")
    expect(page.locator("#r-aligned .r-pair")).to_have_count(0)
    page.locator("#r-compat input").check()
    expect(page.locator("#r-reasons tbody th")).to_contain_text(["Byte by byte", "Comma"])


def test_a_normalisation_shows_its_effect_and_is_used_by_a_button(visit: Visit) -> None:
    page = opened(visit("t", lang="en"), "ｱと①")
    button = page.locator("#r-use")
    expect(button).to_be_disabled()
    page.get_by_label("NFKC").check()
    expect(page.locator("#r-effect")).to_contain_text("It would change 2 characters in 2 places.")
    expect(page.locator("#t-text textarea")).to_have_value("ｱと①")
    button.click()
    expect(page.locator("#t-text textarea")).to_have_value("アと1")
    expect(page.locator("#r-summary")).to_contain_text("All 3 characters come back as they were.")
    expect(page.get_by_label("no", exact=True)).to_be_checked()


def test_a_long_text_is_folded_and_hostile_text_never_run(visit: Visit) -> None:
    page = opened(visit("t", lang="en"), "猫" * 100_000)
    expect(page.locator("#r-summary")).to_contain_text("All 100,000 characters come back", timeout=60_000)
    expect(page.locator("#r-aligned .r-fold")).to_have_text("… 99,600 characters as they were …")
    write(page, HOSTILE + "①")
    expect(page.locator("#r-aligned .r-pair").first).to_be_visible()
    assert page.evaluate("typeof hacked") == "undefined"
    assert page.locator("#r-aligned img").count() == 0


def test_it_fits_a_narrow_dark_screen(visit: Visit) -> None:
    page = opened(visit("t", lang="en", theme="dark", width=400), "慶應大学—猫①\u3000😀☃ｱｲｳ" * 5)
    page.get_by_label("NFKC").check()
    expect(page.locator("#r-effect table")).to_be_visible()
    expect(page.locator("#r-use")).to_be_enabled()
    page.wait_for_timeout(500)  # the button's colours fade in
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert low_contrast(page) == []
