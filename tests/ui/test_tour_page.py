"""The tour in a real browser: it uses the page's own controls, covers none of them, and ends whenever the visitor wants."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from neoxjp.ui.tour.words import STRINGS
from tests.support.quiet import quiet

Visit = Callable[..., Any]
STEPS = ("generate", "press", "read", "temperature", "again")
COVERED = """() => {
  const [ring, bubble] = [".tour-ring", ".tour-bubble"].map((each) => document.querySelector(each).getBoundingClientRect());
  const apart = (a, b) => a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
  const open = document.querySelector(".token-editor-popover:not([hidden])")?.getBoundingClientRect();
  const inside = (a) => a.left >= -1 && a.top >= -1 && a.right <= innerWidth + 1 && a.bottom <= innerHeight + 1;
  return [!apart(ring, bubble), Boolean(open) && !apart(open, bubble), !inside(bubble), !inside(ring)];
}"""

AT_REST = """() => new Promise((rest) => {
  const parts = [".tour-ring", ".tour-bubble", ".token-editor-popover:not([hidden])"];
  const look = () => JSON.stringify([scrollY, parts.map((each) => document.querySelector(each)?.getBoundingClientRect())]);
  let before = look(), since = performance.now();
  const again = setInterval(() => {
    const now = look();
    if (now !== before) [before, since] = [now, performance.now()];
    if (performance.now() - since < 450) return;
    clearInterval(again);
    rest();
  }, 25);
})"""


def begin(visit: Visit, lang: str, width: int, height: int) -> Any:
    page = visit("g", lang=lang, width=width)
    page.set_viewport_size({"width": width, "height": height})
    quiet(page)
    expect(page.locator("#tour-start")).to_have_attribute("data-new", "")
    page.locator("#tour-start").click()
    return page


def at_step(page: Any, name: str, lang: str) -> None:
    """Return when the tour is at this step and has found its place."""
    expect(page.locator(".tour-bubble p")).to_have_text(STRINGS[f"tour_{name}"][lang == "en"])
    at_rest(page)
    assert page.evaluate(COVERED) == [False, False, False, False], name


def at_rest(page: Any) -> None:
    """Return when nothing of the tour has moved for a while."""
    page.evaluate(AT_REST)


@pytest.mark.parametrize(("lang", "width", "height"), [("ja", 1366, 650), ("en", 400, 800)])
def test_a_visitor_who_does_what_the_tour_says_comes_to_its_end(visit: Visit, lang: str, width: int, height: int) -> None:
    page = begin(visit, lang, width, height)
    at_step(page, "generate", lang)
    page.locator("#generate-go").click()
    at_step(page, "press", lang)
    page.mouse.click(
        *page.evaluate("""() => {
      const { left, top, width, height } = document.querySelector(".tour-ring").getBoundingClientRect();
      return [left + width / 2, top + height / 2];
    }""")
    )
    at_step(page, "read", lang)
    expect(page.locator(".token-editor-popover tbody tr")).not_to_have_count(0)
    at_rest(page)  # the popover has grown, and the bubble has made room for it
    page.locator(".tour-next").click()
    at_step(page, "temperature", lang)
    page.locator("#option-temperature input[type=range]").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    at_step(page, "again", lang)
    page.locator("#generate-go").click()
    expect(page.locator(".tour-bubble")).to_contain_text("6 / 6")
    page.locator(".tour-next").click()
    expect(page.locator(".tour-bubble, .tour-ring")).to_have_count(0)
    page.reload()
    page.locator(".status.ready").wait_for()
    expect(page.locator("#tour-start")).to_be_visible()  # it can be taken again, but is not offered
    expect(page.locator("#tour-start[data-new]")).to_have_count(0)


def test_a_button_of_the_tour_does_not_move_away_from_the_pointer(visit: Visit) -> None:
    page = begin(visit, "ja", 1366, 650)
    at_step(page, "generate", "ja")
    bubble = page.locator(".tour-bubble")
    place = bubble.bounding_box()
    page.locator(".tour-next").hover()
    page.evaluate("document.querySelector('.gradio-container').style.marginTop = '60px'")  # as when a popover grows
    page.wait_for_timeout(200)
    assert bubble.bounding_box() == place
    page.mouse.move(5, 5)
    page.wait_for_function("([x, y]) => { const at = document.querySelector('.tour-bubble').getBoundingClientRect();"
                           " return at.left !== x || at.top !== y; }", arg=[place["x"], place["y"]])  # fmt: skip


def test_the_tour_can_be_started_from_another_tab(visit: Visit) -> None:
    page = visit("m", lang="en")
    page.locator("#tour-start").click()
    at_step(page, "generate", "en")


def test_the_keyboard_leads_through_the_tour_and_esc_ends_it_anywhere(visit: Visit) -> None:
    page = begin(visit, "en", 1366, 650)
    for last in ("generate", "read", "again"):
        for name in STEPS:
            at_step(page, name, "en")
            expect(page.locator(".tour-next")).to_be_focused()
            if name == last:
                break
            page.keyboard.press("Enter")
        page.keyboard.press("Escape")
        expect(page.locator(".tour-bubble, .tour-ring")).to_have_count(0)
        expect(page.locator("#tour-start")).to_be_focused()
        quiet(page)
        page.keyboard.press("Enter")
    expect(page.locator(".tour-bubble")).to_be_visible()


@pytest.mark.parametrize("other", ["#generate-step", "#tabs > .tab-wrapper [role=tab] >> nth=1", "#lab-branches-button"])
def test_the_tour_ends_where_the_visitor_does_something_else(visit: Visit, other: str) -> None:
    page = begin(visit, "ja", 1366, 650)
    at_step(page, "generate", "ja")
    page.locator(other).click()
    expect(page.locator(".tour-bubble, .tour-ring")).to_have_count(0)
