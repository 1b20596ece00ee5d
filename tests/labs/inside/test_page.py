"""The section "inside" in a real browser: lens and attention, another token, layer and head, narrow screens."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.labs.heat_map.test_page import HOSTILE, opened
from tests.support.contrast import low_contrast
from tests.ui.test_generate_page import done, generate, press, prompt

Visit = Callable[..., Any]


def looked(page: Any, text: str = "東京都の大学です。") -> Any:
    """The tokens over which a head's weights are shown."""
    prompt(page).fill(text)
    opened(page, "Model internals")
    expect(page.locator("#inside-layer input[type=number]")).to_have_attribute("max", "1")  # those of the model
    page.locator("#inside-go").click()
    expect(page.locator("#inside-lens table")).to_be_visible()
    return page.locator("#inside-attention .w")


def test_the_last_token_is_the_query_token_and_each_view_has_its_three_lines(visit: Visit) -> None:
    page = visit(lang="en")
    tokens = looked(page)
    expect(page.locator("#inside-lens tbody tr")).to_have_count(3)
    expect(page.locator("#inside-attention .inside-query")).to_have_attribute("data-at", str(tokens.count()))
    expect(page.locator("#inside-lens .inside-explained li")).to_have_count(3)
    expect(page.locator("#inside-attention .inside-explained li")).to_have_count(3)


def test_a_view_of_a_previous_text_says_so(visit: Visit) -> None:
    page = visit(lang="en")
    looked(page, "猫が")
    line = page.locator("#inside-line")
    generate(page, tokens=3)
    expect(line).to_contain_text("The text above has changed")
    page.locator("#inside-go").click()
    expect(page.locator("#inside-attention .w")).to_have_count(5)
    expect(line).not_to_contain_text("changed")
    prompt(page).fill("another opening")  # not what is looked into: the text above is
    press(page, "more")
    done(page)
    expect(line).to_contain_text("The text above has changed")
    press(page, "undo")
    expect(line).not_to_contain_text("changed")


def test_a_pressed_token_becomes_the_query_token(visit: Visit) -> None:
    page = visit(lang="en")
    tokens = looked(page)
    tokens.nth(1).click()
    expect(page.locator("#inside-attention .inside-query")).to_have_attribute("data-at", "2")
    expect(page.locator("#inside-at input")).to_have_value("2")
    expect(page.locator("#inside-lens .lab-verdict")).to_contain_text("After token 2,")
    page.locator("#inside-attention .inside-query").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#inside-attention .lab-facts")).to_contain_text("token 1 · weight")
    page.keyboard.press("Enter")
    expect(page.locator("#inside-attention .inside-query")).to_have_attribute("data-at", "1")


def test_another_layer_and_head_are_chosen(visit: Visit) -> None:
    page = visit(lang="en")
    looked(page)
    for name, value in (("layer", "1"), ("head", "3")):
        field = page.locator(f"#inside-{name} input[type=number]")
        field.fill(value)
        field.blur()
    page.locator("#inside-go").click()
    expect(page.locator("#inside-attention h3")).to_have_text("Attention: layer 1, head 3")


def test_a_released_slider_shows_its_head_at_once(visit: Visit) -> None:
    page = visit(lang="en")
    looked(page)
    slider = page.locator("#inside-head input[type=range]")
    slider.click(position={"x": slider.bounding_box()["width"] - 3, "y": 3})
    expect(page.locator("#inside-attention h3")).to_have_text("Attention: layer 0, head 3")


def test_a_wrong_place_gets_a_sentence(visit: Visit) -> None:
    page = visit(lang="en")
    looked(page, "犬猫")
    page.locator("#inside-at input").fill("9")
    page.locator("#inside-go").click()
    expect(page.locator("#inside-line .notice")).to_contain_text("must be an integer from 1 to 2")


def test_hostile_text_on_a_narrow_dark_screen(visit: Visit) -> None:
    page = visit(lang="en", theme="dark", width=400)
    looked(page, HOSTILE[:40])
    assert page.evaluate("typeof hacked") == "undefined"
    assert page.locator("#inside-attention img, #inside-lens img").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert low_contrast(page) == []
