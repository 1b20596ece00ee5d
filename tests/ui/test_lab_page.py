"""The lab of the Generate tab in a real browser: a column on a wide page, else a drawer or a sheet over it."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.quiet import press_open, quiet

Visit = Callable[..., Any]
PLACES = """() => ["#head", "#tabs > .tab-wrapper", "#generate-text", "#generate-line", "#generate-buttons", "#generate-go"]
  .map((each) => JSON.stringify(document.querySelector(each).getBoundingClientRect()))
  .concat([scrollX, scrollY, document.documentElement.scrollWidth, document.documentElement.scrollHeight])"""


@pytest.mark.parametrize("width", [400, 1024])
def test_the_lab_opens_over_the_page_moves_nothing_and_closes_again(visit: Visit, width: int) -> None:
    page = visit("g", lang="en", width=width)
    opener, lab = page.locator("#lab-open"), page.locator("#generate-lab")
    expect(opener).to_contain_text("Lab")
    expect(lab).not_to_be_visible()
    before = page.evaluate(PLACES)
    opener.focus()
    page.keyboard.press("Enter")
    expect(lab).to_be_in_viewport()
    expect(opener).to_have_attribute("aria-expanded", "true")
    expect(page.locator("#lab-sampling_trace-button")).to_be_focused()
    assert page.evaluate(PLACES) == before
    page.keyboard.press("Escape")
    expect(lab).not_to_be_visible()
    expect(opener).to_be_focused()
    expect(opener).to_have_attribute("aria-expanded", "false")
    opener.click()
    page.locator("#lab-close").click()
    expect(lab).not_to_be_visible()
    expect(opener).to_be_focused()
    opener.click()
    page.locator(".token-editor-field").focus()  # the text stays in use beside it, and Esc closes it from there, too
    page.keyboard.press("Escape")
    expect(lab).not_to_be_visible()


def test_the_opener_says_which_section_is_open(visit: Visit) -> None:
    page = visit("g", lang="ja", width=1024)
    opener = page.locator("#lab-open")
    expect(opener).to_have_text("ラボ このトークン", use_inner_text=True)
    opener.click()
    press_open(page.locator("#lab-heat_map-button"))
    page.locator("#lab-close").click()
    expect(opener).to_have_text("ラボ ヒートマップ", use_inner_text=True)
    page.get_by_role("button", name="English").click()
    expect(opener).to_have_text("Lab Heat map", use_inner_text=True)


def test_on_a_phone_the_buttons_stay_in_reach(visit: Visit) -> None:
    page = visit("g", lang="ja", width=400)
    reachable = """(id) => {
      const { left, top, width, height } = document.getElementById(id).getBoundingClientRect();
      return document.elementFromPoint(left + width / 2, top + height / 2)?.closest("#" + id) !== null;
    }"""
    for step in ("at the top", "with the lab", "at the end"):
        if step == "with the lab":
            page.locator("#lab-open").click()
        elif step == "at the end":
            page.locator("#lab-close").click()
            page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        for id in ("generate-go", "generate-more", "generate-step", "lab-open", "generate-undo"):
            assert page.evaluate(reachable, id), (step, id)
    # The end of the page is not under the bar.
    end = page.locator("#generate-sampling").bounding_box()
    assert end["y"] + end["height"] <= page.locator("#generate-buttons").bounding_box()["y"] + 1
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_a_section_in_a_closed_lab_is_updated_when_the_lab_is_opened(visit: Visit) -> None:
    page = visit("g", lang="en", width=1024)
    page.locator("#lab-open").click()
    press_open(page.locator("#lab-branches-button"))
    page.locator("#lab-close").click()
    quiet(page)
    page.locator("#generate-step").click()
    quiet(page)
    assert page.locator("#branches-tree .branches-tree").count() == 0
    page.locator("#lab-open").click()
    page.locator("#branches-body").wait_for()


def test_on_a_wide_page_the_lab_is_a_column(visit: Visit) -> None:
    page = visit("g", width=1366)
    expect(page.locator("#lab-open")).not_to_be_visible()
    expect(page.locator("#lab-close")).not_to_be_visible()
    text, lab = page.locator("#generate-text").bounding_box(), page.locator("#generate-lab").bounding_box()
    assert lab["x"] >= text["x"] + text["width"]
    page.set_viewport_size({"width": 1024, "height": 768})
    expect(page.locator("#generate-lab")).not_to_be_visible()
    page.set_viewport_size({"width": 1366, "height": 768})
    expect(page.locator("#generate-lab")).to_be_visible()


def test_the_lab_slides_only_where_motion_is_wanted(visit: Visit) -> None:
    page = visit("g", width=1024)
    page.locator("#lab-open").click()
    duration = "getComputedStyle(document.getElementById('generate-lab')).transitionDuration"
    assert page.evaluate(duration) == "0.16s"
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(duration) == "0s"
