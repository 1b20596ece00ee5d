"""The section "heat map" in a real browser: colours, walking the pieces, the list, two texts, narrow screens."""

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.support.contrast import low_contrast
from tests.support.quiet import open_lab, press_open
from tests.ui.test_generate_page import done, generate, press, prompt

Visit = Callable[..., Any]
HOSTILE = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script>${window.hacked=1}"


def opened(page: Any, name: str) -> Any:
    open_lab(page)
    press_open(page.locator("#genlab").get_by_role("tab", name=name))
    return page


def coloured(page: Any, text: str = "") -> Any:
    """The pieces of a text, or of what stands above."""
    field(page).fill("。")  # a text that was coloured before is so no more
    expect(page.locator("#heat-map-text [class*=token-editor-l]")).to_have_count(0)
    field(page).fill(text)
    page.locator("#heat-map-go").click()
    painted = "() => [...document.querySelectorAll('#heat-map-text .token-editor-piece')].map((one) => one.textContent).join('')"
    page.wait_for_function(f"(text) => ({painted})() === text", arg=text or prompt(page).input_value())
    expect(page.locator("#heat-map-text [class*=token-editor-l]").first).to_be_visible()
    expect(page.locator("#heat-map-line")).not_to_contain_text("Press Colour")
    return page.locator("#heat-map-text .token-editor-piece")


def field(page: Any) -> Any:
    return page.locator("#heat-map-text .token-editor-field")


def facts(page: Any) -> Any:
    return page.locator("#heat-map-text .token-editor-popover")


def selected(page: Any, name: str) -> Any:
    return page.locator(f"#{name} .token-editor-selected")


def test_arrow_keys_walk_the_coloured_pieces_and_show_their_numbers(kept: Visit) -> None:
    page = opened(kept(lang="en"), "Heat map")
    found = coloured(page, "犬猫私")
    expect(found).to_have_count(3)
    field(page).focus()
    page.keyboard.press("Control+Home")
    for name, key in (("犬", "ArrowRight"), ("猫", "End"), ("私", "Home"), ("犬", "Home")):
        page.keyboard.press("Alt+ArrowDown")
        expect(facts(page).locator(".token-editor-name")).to_have_text(name)
        for fact in ("rank", "entropy", "surprisal"):
            expect(facts(page)).to_contain_text(fact)
        expect(selected(page, "heat-map-text")).to_have_text(name)
        page.keyboard.press("Escape")
        page.keyboard.press(key)


def test_the_selected_token_is_the_same_above(kept: Visit) -> None:
    page = opened(kept(lang="en"), "Heat map")
    prompt(page).fill("犬猫私")
    coloured(page)
    field(page).focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    expect(selected(page, "generate-text")).to_have_text("私")
    prompt(page).focus()
    page.keyboard.press("Control+Home")
    page.keyboard.press("ArrowRight")
    expect(selected(page, "heat-map-text")).to_have_text("猫")
    expect(selected(page, "generate-text")).to_have_text("猫")


def test_another_measure_is_shown_without_scoring_again(kept: Visit) -> None:
    page = opened(kept(lang="en"), "Heat map")
    coloured(page, "東京都の大学です。")
    page.locator("#heat-map-measure label", has_text="entropy").click()
    expect(page.locator("#heat-map-view .prob-scale")).to_contain_text("entropy in bits")
    expect(page.locator("#heat-map-view figcaption")).to_contain_text("entropy in bits")
    page.locator("#heat-map-measure label", has_text="rank").click()
    expect(page.locator("#heat-map-view .prob-scale")).to_contain_text("1 is the most probable")
    page.locator("#heat-map-measure label").first.click()
    expect(page.locator("#heat-map-view .prob-scale")).not_to_contain_text("1 is the most probable")


def test_a_surprising_piece_leads_to_its_place(kept: Visit) -> None:
    page = opened(kept(lang="en"), "Heat map")
    found = coloured(page, "東京都の大学です。")
    button = page.locator("#heat-map-view .lab-top button").first
    place = int(button.get_attribute("data-go"))
    button.click()
    expect(found.nth(place)).to_have_class(re.compile("token-editor-selected"))
    expect(facts(page)).to_contain_text("bits")


def test_the_written_text_is_coloured_and_its_change_is_announced(kept: Visit) -> None:
    page = kept(lang="en")
    prompt(page).fill("猫が")
    generate(page, tokens=6)
    opened(page, "Heat map")
    assert coloured(page).count() >= 3
    expect(page.locator("#heat-map-view")).to_contain_text("not scored")
    press(page, "more")
    done(page)
    expect(page.locator("#heat-map-line")).to_contain_text("The main text has changed")
    coloured(page)
    expect(page.locator("#heat-map-line")).not_to_contain_text("has changed")


def test_a_changed_prompt_marks_the_result_as_outdated(kept: Visit) -> None:
    page = opened(kept(lang="en"), "Heat map")
    prompt(page).fill("犬猫")
    coloured(page)
    prompt(page).fill("犬猫私")
    expect(page.locator("#heat-map-line")).to_contain_text("The main text has changed")


def test_an_edit_of_the_coloured_text_makes_it_a_text_of_ones_own(kept: Visit) -> None:
    page = opened(kept(lang="en"), "Heat map")
    prompt(page).fill("犬猫")
    coloured(page)
    field(page).press("Control+End")
    page.keyboard.insert_text("私")
    expect(page.locator("#heat-map-line")).to_contain_text("The text has changed. Press Colour")
    page.locator("#heat-map-go").click()
    expect(page.locator("#heat-map-line")).not_to_contain_text("Press Colour")
    expect(field(page)).to_have_value("犬猫私")
    expect(prompt(page)).to_have_value("犬猫")
    coloured(page, "")
    expect(field(page)).to_have_value("犬猫")


def test_two_texts_are_compared_and_examples_fill_the_fields(visit: Visit) -> None:
    page = opened(visit(lang="en"), "Heat map")
    page.locator("#heat-map-compare").click()
    expect(page.locator("#heat-map-pair .lab-verdict")).to_contain_text("is more probable, by")
    expect(page.locator(".heat-map-stretches tr.heat-map-different")).to_have_count(1)
    page.get_by_role("button", name="character forms").click()
    expect(page.locator("#heat-map-first textarea")).to_have_value("慶応大学に通う。")
    expect(page.locator("#heat-map-pair .lab-verdict")).to_contain_text("cannot distinguish their spellings")
    page.locator("#heat-map-first textarea").fill("")
    page.locator("#heat-map-compare").click()
    expect(page.locator("#heat-map-pair [role=alert]")).to_contain_text("Enter a text in both fields")


def test_hostile_text_is_shown_and_never_run(kept: Visit) -> None:
    page = opened(kept(lang="en"), "Heat map")
    coloured(page, HOSTILE)
    field(page).press("Alt+ArrowDown")
    expect(facts(page)).to_contain_text("rank")
    page.locator("#heat-map-first textarea").fill(HOSTILE)
    page.locator("#heat-map-compare").click()
    expect(page.locator(".heat-map-sums")).to_contain_text("<img␣src=x")
    assert page.evaluate("typeof hacked") == "undefined"
    assert page.locator("#heat-map-text img, #heat-map-view img, #heat-map-pair img").count() == 0


def test_it_fits_a_narrow_dark_screen(visit: Visit) -> None:
    page = opened(visit(lang="en", theme="dark", width=400), "Heat map")
    coloured(page, "東京都の大学です。é猫😀" * 3)
    page.locator("#heat-map-compare").click()
    expect(page.locator(".heat-map-stretches")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert low_contrast(page) == []
