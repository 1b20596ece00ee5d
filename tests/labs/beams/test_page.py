"""The section "beams" in a real browser: a search, walking the tree, the table, narrow screens."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.labs.heat_map.test_page import opened
from tests.support.contrast import low_contrast
from tests.ui.test_generate_page import prompt

Visit = Callable[..., Any]


def searched(page: Any, text: str = "猫が") -> Any:
    """The boxes of a search."""
    prompt(page).fill(text)
    opened(page, "Beams")
    page.locator("#beams-go").click()
    expect(page.locator("#beams-view .beams-box")).to_be_visible()
    return page.locator(".beams-box .node")


def test_a_search_is_drawn_and_its_winner_told(visit: Visit) -> None:
    page = visit(lang="en")
    boxes = searched(page)
    assert boxes.count() >= 40
    expect(page.locator("#beams-view .lab-said")).to_contain_text("After “猫が” the winner is")
    assert page.locator(".beams-box").evaluate("box => box.scrollWidth <= box.clientWidth + 1")
    expect(page.locator(".beams-box .node.best").last).to_contain_text("★")


def test_a_tree_of_an_earlier_opening_says_so(visit: Visit) -> None:
    page = visit(lang="en")
    searched(page)
    line = page.locator("#beams-line")
    prompt(page).fill("猫が東京")
    expect(line).to_contain_text("this tree is of the earlier one")
    prompt(page).fill("猫が")
    expect(line).not_to_contain_text("earlier")
    prompt(page).fill("東京")
    expect(line).to_contain_text("this tree is of the earlier one")
    page.locator("#beams-go").click()
    expect(page.locator("#beams-view .lab-said")).to_contain_text("After “東京” the winner is")
    expect(line).not_to_contain_text("earlier")


def test_keys_walk_from_parent_to_child_and_the_scores_are_told(visit: Visit) -> None:
    page = visit(lang="en")
    searched(page)
    best = [box.get_attribute("data-node") for box in page.locator(".beams-box .node.best").all()]
    selected = page.locator('.beams-box [aria-selected="true"]')
    page.locator(f'.beams-box [data-node="{best[1]}"]').click()
    told = page.locator("#beams-view .lab-facts")
    expect(told).to_contain_text("step 2")
    expect(told).to_contain_text("with the penalty")
    page.keyboard.press("ArrowLeft")
    expect(selected).to_have_attribute("data-node", best[0])
    expect(told).to_contain_text("step 1")
    page.keyboard.press("ArrowRight")
    expect(selected).to_have_attribute("data-step", "2")
    expect(selected).to_have_attribute("data-parent", best[0])
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    expect(selected).to_have_attribute("data-node", "1")


def test_the_numbers_are_chosen_and_the_table_holds_every_text(visit: Visit) -> None:
    page = visit(lang="en")
    prompt(page).fill("猫")
    opened(page, "Beams")
    for name, value in (("number", "2"), ("new", "3")):
        field = page.locator(f"#beams-{name} input[type=number]")
        field.fill(value)
        field.blur()
    page.locator("#beams-go").click()
    boxes = page.locator(".beams-box .node")
    expect(boxes.last).to_have_attribute("data-step", "3")
    page.locator("#beams-view summary").click()
    expect(page.locator("#beams-view details tbody tr")).to_have_count(boxes.count())


def test_on_a_narrow_dark_screen_only_the_tree_scrolls_sideways(visit: Visit) -> None:
    page = visit(lang="en", theme="dark", width=400)
    searched(page, "<b>東京</b>")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert page.locator(".beams-box").evaluate("box => box.scrollWidth > box.clientWidth")
    assert page.locator("#beams-view b").count() == 0
    assert low_contrast(page) == []
