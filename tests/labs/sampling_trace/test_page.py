"""The section "this token" in a real browser: choosing and walking tokens, the number line, other settings, going back."""

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.support.contrast import low_contrast
from tests.support.quiet import open_lab, press_open
from tests.ui.test_generate_page import (
    alternative,
    done,
    generate,
    pieces,
    place_of,
    point,
    press,
    prompt,
    selected,
    set_length,
    watch,
)

Visit = Callable[..., Any]


def drawing(page: Any) -> Any:
    return page.locator("#sampling-trace-draw")


def position(page: Any) -> Any:
    return page.locator("#sampling-trace-position input")


def slider(page: Any, name: str) -> Any:
    return page.locator(f"#sampling-trace-{name} input[type=number]")


def opened(page: Any, tokens: int = 12, text: str = "猫") -> Any:
    prompt(page).fill(text)
    expect(drawing(page).locator(".sampling-trace")).to_have_count(0)  # that of an earlier test
    generate(page, tokens)
    expect(drawing(page).locator(".sampling-trace")).to_be_visible()
    return page


def test_before_anything_is_written_the_section_says_what_to_do(visit: Visit) -> None:
    page = visit("g", lang="en")
    press_open(page.get_by_role("tab", name="This token"))
    expect(drawing(page)).to_contain_text("press Generate")
    expect(page.locator("#sampling-trace-recompute")).to_be_hidden()


def test_a_chosen_piece_shows_its_draw(kept: Visit) -> None:
    page = opened(kept("g", lang="en"))
    point(page, pieces(page).nth(2), click=True)
    at = place_of(page, 2)
    expect(position(page)).to_have_value(str(at + 1))
    expect(drawing(page).locator(f'.sampling-trace[data-position="{at}"]')).to_be_visible()
    expect(drawing(page)).to_contain_text("this token was drawn")
    row = page.locator("#sampling-trace-candidates tr.sampling-trace-drawn")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("✓ drawn (in the text)")
    mark, interval = (
        drawing(page).locator(name).bounding_box()
        for name in (".sampling-trace-mark", ".sampling-trace-interval.sampling-trace-drawn")
    )
    assert interval["x"] - 1 <= mark["x"] <= interval["x"] + interval["width"] + 1


def test_a_token_of_the_prompt_was_not_sampled(kept: Visit) -> None:
    page = opened(kept("g", lang="en"), text="東京都の猫")
    note = drawing(page).get_by_text("belongs to the prompt")
    point(page, pieces(page).nth(2), click=True)
    expect(note).to_be_hidden()
    point(page, page.locator("#generate-text .token-editor-piece").first, click=True)
    expect(note).to_be_visible()
    point(page, pieces(page).nth(3), click=True)
    expect(note).to_be_hidden()


def test_keys_and_buttons_walk_the_text_and_the_section_together(kept: Visit) -> None:
    page = opened(kept("g", lang="en"))
    prompt(page).evaluate("(field) => { field.focus(); field.setSelectionRange(0, 0) }")
    page.keyboard.press("ArrowRight")
    expect(drawing(page)).to_contain_text("1 of 12")
    page.locator("#sampling-trace-after").click()
    expect(drawing(page)).to_contain_text("2 of 12")
    expect(selected(page)).to_have_count(1)
    expect(selected(page)).to_have_text(pieces(page).nth(1).text_content() or "")
    page.locator("#sampling-trace-before").click()
    expect(drawing(page)).to_contain_text("1 of 12")
    page.locator("#sampling-trace-before").click()
    expect(position(page)).to_have_value("1")
    position(page).fill("12")
    expect(drawing(page)).to_contain_text("12 of 12")
    expect(pieces(page).last).to_have_class(re.compile("token-editor-selected"))


def test_other_settings_show_the_same_step_at_once_and_reset_goes_back(kept: Visit) -> None:
    page = opened(kept("g", lang="en"))
    text = page.locator("#generate-text textarea").input_value()
    expect(slider(page, "temperature")).to_have_value("0.7")
    slider(page, "temperature").fill("0")
    expect(drawing(page)).to_contain_text(re.compile("no random number is used|would have been drawn instead of"))
    slider(page, "temperature").fill("0.7")
    expect(drawing(page)).to_contain_text("this token was drawn")
    slider(page, "top-k").fill("2")
    expect(page.locator("#sampling-trace-filters")).to_contain_text("Top-k 2")
    expect(page.locator("#sampling-trace-candidates")).to_contain_text("× Top-k 2")
    slider(page, "no-repeat-ngram-size").fill("1")
    expect(page.locator("#sampling-trace-filters")).to_contain_text("No-repeat n-gram size 1")
    slider(page, "min-new-tokens").fill("12")
    expect(page.locator("#sampling-trace-filters")).to_contain_text("Minimum tokens 12")
    point(page, pieces(page).nth(3), click=True)
    expect(drawing(page).locator(".sampling-trace")).to_have_attribute("data-position", str(place_of(page, 3)))
    expect(page.locator("#sampling-trace-filters")).to_contain_text("Top-k 2")  # one can walk with other settings
    page.locator("#sampling-trace-reset").click()
    expect(slider(page, "top-k")).to_have_value("0")
    expect(page.locator("#sampling-trace-filters")).not_to_contain_text("Top-k")
    assert page.locator("#generate-text textarea").input_value() == text


def test_the_same_probability_has_a_bar_of_the_same_length_in_every_column(kept: Visit) -> None:
    page = opened(kept("g", lang="en"))
    for name, value in (("top-k", "9"), ("no-repeat-ngram-size", "1")):  # columns with headings of different widths
        slider(page, name).fill(value)
    expect(page.locator("#sampling-trace-filters")).to_contain_text("No-repeat n-gram size 1")
    expect(page.locator("#sampling-trace-candidates th[scope=col]")).to_have_count(7)
    bars = page.locator("#sampling-trace-candidates tr").evaluate_all(
        """rows => rows.map(row => [...row.querySelectorAll("td:has(i)")].map(cell => [
            cell.querySelector("b").textContent, cell.querySelector("i").getBoundingClientRect().width, cell.clientWidth]))"""
    )
    assert len({width for row in bars for _, _, width in row}) > 1
    lengths: dict[str, set[float]] = {}
    for shown, length, _ in (bar for row in bars for bar in row):
        lengths.setdefault(shown, set()).add(length)
    assert any(len(row) > 2 for row in bars)
    assert {shown: found for shown, found in lengths.items() if max(found) - min(found) > 2} == {}
    by_length = sorted((length, float(shown.rstrip(" %"))) for row in bars for shown, length, _ in row if "<" not in shown)
    assert by_length[-1][1] == max(share for _, share in by_length)


def test_a_new_generation_brings_its_own_settings(visit: Visit) -> None:
    page = opened(visit("g", lang="en"))
    slider(page, "top-p").fill("0.5")
    expect(page.locator("#sampling-trace-filters")).to_contain_text("Top-p 0.5")
    page.locator("#option-temperature input[type=number]").fill("1.5")
    set_length(page, 5)
    press(page, "go")
    expect(drawing(page)).to_contain_text("of 5")
    expect(slider(page, "temperature")).to_have_value("1.5")
    expect(slider(page, "top-p")).to_have_value("0.95")
    expect(page.locator("#sampling-trace-filters")).to_contain_text("Temperature 1.5")


def test_a_recalled_text_still_knows_its_draw_and_a_token_put_there_has_none(visit: Visit) -> None:
    page = opened(visit("g", lang="en"))
    drawn = drawing(page).locator(".sampling-trace p").first.text_content() or ""
    page.reload()
    page.locator("#generate-recall").click()
    expect(pieces(page).first).to_be_visible()
    expect(drawing(page).locator(".sampling-trace p").first).to_have_text(drawn)
    point(page, pieces(page).nth(3), click=True)
    expect(alternative(page)).to_be_visible()
    watch(page)
    alternative(page).locator("button").click()
    done(page)
    expect(drawing(page)).to_contain_text("random number are unknown")
    expect(drawing(page).locator(".sampling-trace-mark")).to_have_count(0)


def test_it_fits_a_narrow_dark_screen(visit: Visit) -> None:
    page = visit("g", lang="ja", theme="dark", width=400)
    prompt(page).fill("猫")
    press(page, "go")
    done(page)
    open_lab(page)
    expect(drawing(page).locator(".sampling-trace")).to_be_visible()
    for name, value in (("top-k", "9"), ("min-p", "0.01"), ("typical-p", "0.9")):
        slider(page, name).fill(value)
    expect(page.locator("#sampling-trace-filters")).to_contain_text("typical-p 0.9")
    page.wait_for_timeout(500)  # a button that has just been enabled fades in
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert low_contrast(page) == []
