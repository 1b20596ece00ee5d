"""The section "patching" in a real browser: two texts, the grid by mouse and keys, hostile and wrong input."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from neoxjp.labs.patching.section import PAIRS
from neoxjp.labs.patching.view import signed
from tests.labs.heat_map.test_page import HOSTILE, opened
from tests.support.contrast import low_contrast

Visit = Callable[..., Any]


def test_two_texts_become_a_grid_that_keys_walk(visit: Visit) -> None:
    page = opened(visit(lang="en"), "Swapping states")
    base, donor = (page.locator(f"#patching-{name} textarea") for name in ("base", "donor"))
    cells, line = page.locator("#patching-view .w"), page.locator("#patching-line")
    expect(base).to_have_value(PAIRS["spelling"][0])

    page.locator("#patching-ex-particle").click()
    expect(donor).to_have_value(PAIRS["particle"][1])
    base.fill("東京は大学")
    page.locator("#patching-hiragana").click()
    expect(donor).to_have_value("とうきょうはだいがく")
    page.locator("#patching-swap").click()
    expect(base).to_have_value("とうきょうはだいがく")
    expect(donor).to_have_value("東京は大学")

    base.fill("東京は大学")
    donor.fill("東京が大学")
    page.locator("#patching-go").click()
    expect(page.locator("#patching-view .lab-verdict")).to_contain_text("This difference is 100 %")
    rows = page.locator(".patching-row")
    expect(rows).to_have_count(3)  # the embedding and two layers
    expect(rows.nth(2).locator(".w").last).to_have_text("100")
    expect(rows.nth(2).locator(".w").last).to_have_class("w l5 patching-all")
    shades = cells.evaluate_all("all => all.map((one) => getComputedStyle(one).backgroundColor)")
    assert len(set(shades)) > 1
    assert low_contrast(page) == []

    cells.first.click()
    expect(page.locator("#patching-view .lab-facts")).to_contain_text("embedding · 0.0 % of the difference")
    page.keyboard.press("End")
    expect(page.locator("#patching-view .lab-facts")).to_contain_text("after 2 of 2 · 100.0 % of the difference")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#patching-view .lab-facts")).to_contain_text("after 1 of 2")

    for first, second, target, message in (
        ("", "猫", "", "A text is empty"),
        ("猫", "犬", "猫は犬", "has 3 tokens"),
        ("猫" * 65, "犬", "", "only texts of up to"),
    ):
        base.fill(first)
        donor.fill(second)
        page.locator("#patching-target input").fill(target)
        page.locator("#patching-go").click()
        expect(line.locator("[role=alert]")).to_contain_text(message)
        expect(cells).to_have_count(0)

    base.fill("猫が")
    donor.fill("猫が")
    page.locator("#patching-target input").fill("")
    page.locator("#patching-go").click()
    expect(page.locator("#patching-view")).to_contain_text("do not differ")
    expect(line.locator("[role=alert]")).to_have_count(0)

    donor.fill(HOSTILE[:25])
    page.locator("#patching-go").click()
    expect(cells.first).to_be_visible()
    assert page.evaluate("window.hacked") is None
    assert page.locator("#patching-view :is(img, script)").count() == 0


def test_the_grid_speaks_japanese_and_scrolls_on_a_phone(visit: Visit) -> None:
    page = opened(visit(theme="dark", width=400), "内部状態の入れ替え")
    page.locator("#patching-go").click()
    expect(page.locator(".patching-row").first).to_have_attribute("aria-label", "埋め込み")
    expect(page.locator("#patching-view .lab-explained li")).to_have_count(3)
    assert low_contrast(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(("bits", "shown"), [(-0.001, "+0.00"), (0.0, "+0.00"), (-1.5, "−1.50"), (2.0, "+2.00")])
def test_a_number_that_is_rounded_to_zero_has_no_minus(bits: float, shown: str) -> None:
    assert signed(bits) == shown
