"""The section "inside" in a real browser: heads, attention, salience and lens of the selected token, narrow screens."""

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.labs.heat_map.test_page import HOSTILE, opened
from tests.support.contrast import low_contrast
from tests.ui.test_generate_page import done, generate, pieces, point, press, prompt

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
    expect(page.locator("#inside-lens .lab-explained li")).to_have_count(3)
    expect(page.locator("#inside-attention .lab-explained li")).to_have_count(3)
    shades = tokens.evaluate_all("all => all.map((one) => getComputedStyle(one).backgroundColor)")
    assert len(set(shades)) > 1, "weights are seen as colours"


def test_a_small_model_shows_an_edited_text_at_once(visit: Visit) -> None:
    page = visit(lang="en")
    looked(page, "猫が")
    prompt(page).fill("犬が猫")
    expect(page.locator("#inside-attention .w")).to_have_count(3)
    expect(page.locator("#inside-line")).not_to_contain_text("changed")


def test_a_new_text_is_shown_at_once(visit: Visit) -> None:
    page = visit(lang="en")
    looked(page, "猫が")
    expect(page.locator("#inside-attention .w")).to_have_count(2)
    generate(page, tokens=3)
    tokens, line = page.locator("#inside-attention .w"), page.locator("#inside-line")
    expect(tokens).to_have_count(5)
    press(page, "more")
    done(page)
    expect(tokens).not_to_have_count(5)
    press(page, "undo")
    expect(tokens).to_have_count(5)
    expect(line).not_to_contain_text("changed")


def test_the_token_selected_in_the_text_is_shown_at_once_and_the_other_way_round(visit: Visit) -> None:
    page = visit(lang="en")
    prompt(page).fill("猫が")
    generate(page, tokens=4)
    opened(page, "Model internals")  # nothing has to be pressed
    number, query = page.locator("#inside-at input"), page.locator("#inside-attention .inside-query")
    expect(query).to_have_attribute("data-at", "3")  # the first generated token is selected
    written = pieces(page)
    point(page, written.nth(2), click=True)
    expect(number).to_have_value("5")
    expect(query).to_have_attribute("data-at", "5")
    expect(page.locator("#inside-lens .lab-verdict")).to_contain_text("After token 5,")
    expect(page.locator("#inside-salience .lab-verdict")).to_contain_text("Token 5,")
    page.locator("#inside-attention .w").nth(3).click()
    expect(query).to_have_attribute("data-at", "4")
    expect(written.nth(1)).to_have_class(re.compile("token-editor-selected"))
    prompt(page).evaluate("(field) => { field.focus(); field.setSelectionRange(0, 0) }")
    for _ in range(3):  # the last of several quick ones is shown
        page.keyboard.press("ArrowRight")
    place = page.locator(".token-editor-piece").evaluate_all(
        "all => all.findIndex((one) => one.classList.contains('token-editor-selected'))"
    )
    expect(query).to_have_attribute("data-at", str(place + 1))
    expect(page.locator("#inside-salience .lab-verdict")).to_contain_text(f"Token {place + 1},")


def test_all_heads_are_sorted_by_a_score_and_opened_by_key(visit: Visit) -> None:
    page = visit(lang="en")
    looked(page, "東京都の東京都の大学です。")
    heads = page.locator("#inside-heads .inside-head")
    expect(heads).to_have_count(8)
    expect(heads.first).to_have_attribute("aria-label", re.compile(r"^Layer 0, head 0\nitself [\d.]+ % · previous .* bits$"))
    expect(heads.nth(5).locator("b")).to_have_attribute("data-text", "1·1")
    expect(page.locator("#inside-heads .inside-open")).to_have_attribute("data-head", "0 0")
    for name, position in (("previous", 1), ("induction", 3)):
        page.locator(f"[data-sort={name}]").click()
        expect(page.locator("#inside-heads .inside-means:visible")).to_have_count(1)
        assert scores(heads, position) == sorted(scores(heads, position), reverse=True)
        page.locator(f"[data-sort={name}]").click()
        assert scores(heads, position) == sorted(scores(heads, position))
    page.locator("[data-sort=entropy]").click()
    assert scores(heads, 4) == sorted(scores(heads, 4))
    page.keyboard.press("Tab")
    expect(heads.first).to_be_focused()
    page.keyboard.press("ArrowRight")
    layer, head = heads.nth(1).get_attribute("data-head").split()
    expect(page.locator("#inside-heads .lab-facts")).to_contain_text(f"Layer {layer}, head {head}")
    page.keyboard.press("Enter")
    expect(page.locator("#inside-attention h3")).to_have_text(f"Attention: layer {layer}, head {head}")
    for name, value in (("layer", layer), ("head", head)):
        expect(page.locator(f"#inside-{name} input[type=number]")).to_have_value(value)
    expect(page.locator("#inside-heads .inside-open")).to_have_attribute("data-head", f"{layer} {head}")


def scores(heads: Any, position: int) -> list[float]:
    """One of the numbers of each head's label."""
    labels = heads.evaluate_all("all => all.map((each) => each.getAttribute('aria-label').split('\\n')[1])")
    return [float(label.split(" · ")[position].split()[1]) for label in labels]


def test_the_picture_of_a_head_is_painted_in_both_themes(visit: Visit) -> None:
    colours = []
    for theme in ("light", "dark"):
        page = visit(lang="en", theme=theme)
        looked(page, "猫が犬")
        canvas = page.locator("#inside-heads canvas").first
        colours.append(canvas.evaluate("each => [...each.getContext('2d').getImageData(0, 0, 1, 1).data]"))
        size = canvas.evaluate("each => [each.width, each.getContext('2d').getImageData(2, 0, 1, 1).data[3]]")
        assert size == [3, 0]  # one cell per token; nothing is drawn for later tokens
    assert colours[0] != colours[1]  # 100 %, in the accent of the theme


def test_left_out_tokens_are_walked_by_keys(visit: Visit) -> None:
    page = visit(lang="en")
    looked(page, "東京都の大学です。")
    tokens = page.locator("#inside-salience .w")
    tokens.first.focus()
    page.keyboard.press("End")
    facts = page.locator("#inside-salience .lab-facts")
    expect(facts).to_contain_text(re.compile(r"token \d+ · without it [\d.]+ bits \([+−][\d.]+\)"))
    page.locator("#inside-attention .w").first.click()
    expect(page.locator("#inside-salience")).to_contain_text("nothing precedes the first token")


def test_a_button_of_the_list_chooses_its_token(visit: Visit) -> None:
    page = visit(lang="en")
    looked(page)
    button = page.locator("#inside-attention [data-go]").nth(1)
    place = int(str(button.get_attribute("data-go")))
    button.click()
    expect(page.locator("#inside-attention .walk [aria-selected=true]")).to_have_attribute("data-at", str(place + 1))


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


def test_an_arrow_key_on_a_slider_shows_its_head_at_once(visit: Visit) -> None:
    page = visit(lang="en")
    looked(page)
    page.locator("#inside-head input[type=range]").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#inside-attention h3")).to_have_text("Attention: layer 0, head 1")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    page.locator("#inside-layer input[type=range]").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#inside-attention h3")).to_have_text("Attention: layer 1, head 1")


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
    assert page.locator("#inside-attention img, #inside-lens img, #inside-salience img, #inside-heads img").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert low_contrast(page) == []
