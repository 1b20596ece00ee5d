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
    opened(page, "Beam search")
    page.locator("#beams-go").click()
    expect(page.locator("#beams-view .beams-box")).to_be_visible()
    return page.locator(".beams-box .beams-node")


def test_a_search_is_drawn_and_its_best_text_named(visit: Visit) -> None:
    page = visit(lang="en")
    boxes = searched(page)
    assert boxes.count() >= 40
    expect(page.locator("#beams-view .lab-verdict")).to_contain_text("The best continuation of “猫が” is")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280  # the tree is wider than its column: its box scrolls
    expect(page.locator(".beams-box .beams-node.beams-best").last).to_contain_text("★")


def test_a_tree_of_a_previous_prompt_says_so(visit: Visit) -> None:
    page = visit(lang="en")
    searched(page)
    line = page.locator("#beams-line")
    prompt(page).fill("猫が東京")
    expect(line).to_contain_text("this tree is for the previous one")
    prompt(page).fill("猫が")
    expect(line).not_to_contain_text("previous")
    prompt(page).fill("東京")
    expect(line).to_contain_text("this tree is for the previous one")
    page.locator("#beams-go").click()
    expect(page.locator("#beams-view .lab-verdict")).to_contain_text("The best continuation of “東京” is")
    expect(line).not_to_contain_text("previous")


def test_keys_move_from_parent_to_child_and_the_scores_are_shown(visit: Visit) -> None:
    page = visit(lang="en")
    searched(page)
    best = [box.get_attribute("data-node") for box in page.locator(".beams-box .beams-node.beams-best").all()]
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


def test_the_numbers_are_chosen_and_the_table_lists_every_candidate(visit: Visit) -> None:
    page = visit(lang="en")
    prompt(page).fill("猫")
    opened(page, "Beam search")
    for name, value in (("number", "2"), ("new", "3")):
        field = page.locator(f"#beams-{name} input[type=number]")
        field.fill(value)
        field.blur()
    page.locator("#beams-go").click()
    boxes = page.locator(".beams-box .beams-node")
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
