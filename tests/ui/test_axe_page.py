"""axe-core on the real page: every tab and every section, empty and with a text, finds no fault; and nothing is too wide."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from playwright.sync_api import expect

from tests.support.quiet import press_open, quiet
from tests.ui.test_controls_page import SECTIONS, open_all

Visit = Callable[..., Any]
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
RUN = """async (where) => (await axe.run(where, { resultTypes: ["violations"] })).violations.flatMap(({ id, nodes }) =>
  nodes.map(({ html, target }) => `${id}: ${target} ${html.slice(0, 160)}`))"""
TOO_WIDE = """(where) => [...document.querySelectorAll(`${where}, .gradio-container`)]
  .filter((box) => box.scrollWidth > box.clientWidth + 1)
  .map((box) => `${box.id || box.tagName}: ${box.scrollWidth} pixels in ${box.clientWidth}`)"""


@pytest.mark.parametrize(("lang", "theme", "width"), [("ja", "light", 1366), ("en", "dark", 400)])
def test_axe_finds_no_fault_on_any_view(visit: Visit, lang: str, theme: str, width: int) -> None:
    page = visit("g", lang=lang, theme=theme, width=width)
    found: dict[str, list[str]] = {}

    def look(view: str, where: str = "body") -> None:
        page.evaluate("Promise.all(document.getAnimations().map((each) => each.finished.catch(() => {})))")
        if faults := page.evaluate(RUN, where):
            found[view] = faults
        size = page.viewport_size
        for other in (width, 768):
            page.set_viewport_size(size | {"width": other})
            if faults := page.evaluate(TOO_WIDE, where):
                found[f"{view}, {other} pixels"] = faults
        page.set_viewport_size(size)

    page.evaluate(AXE)
    quiet(page)
    look("generate, at the start")
    page.locator("#generate-go").click()
    expect(page.locator("#generate-more")).to_be_enabled()
    open_all(page)
    page.locator(".token-editor-field").first.press("Alt+ArrowDown")
    page.locator(".token-editor-popover table").first.wait_for()
    look("generate, with a text and a popover")
    page.keyboard.press("Escape")
    if width < 1200:
        page.locator("#lab-open").click()
    for section in SECTIONS["g"]:
        press_open(page.locator(f"#lab-{section}-button"))
        quiet(page)
        open_all(page)
        look(section, "#generate-lab")
    if width < 1200:
        page.locator("#lab-close").click()
    for tab in ("t", "m"):
        press_open(page.get_by_role("tab").nth("gtm".index(tab)))
        quiet(page)
        open_all(page)
        look(f"tab {tab}")
        for section in SECTIONS[tab]:
            press_open(page.locator(f"#lab-{section}-button"))
            quiet(page)
            open_all(page)
            look(section, "#lab")
    page.locator("#tour-start").click()
    page.locator(".tour-bubble").wait_for()
    look("tour", ".tour-bubble")
    assert not found, "\n".join(f"{view}\n  " + "\n  ".join(faults) for view, faults in found.items())
