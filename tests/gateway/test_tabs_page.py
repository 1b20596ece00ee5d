"""Four tabs of one browser on one page: a browser opens six connections to a host, and each tab holds some of them."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.ui.test_generate_page import done, pieces, press, prompt, set_length, use_seed

Visit = Callable[..., Any]
TABS = 4


def test_four_tabs_of_one_browser_generate_at_once(visit: Visit) -> None:
    first = visit("g")
    tabs = [first]
    for _ in range(TABS - 1):
        tab = first.context.new_page()
        tab.goto(first.url)
        tab.locator(".status.ready").wait_for()
        tabs.append(tab)
    for number, tab in enumerate(tabs):
        prompt(tab).fill("猫" * (number + 1))
        set_length(tab, 20)
        use_seed(tab, str(number))
    for tab in tabs:
        press(tab, "go")
    for tab in tabs:
        assert done(tab)
        expect(pieces(tab).first).to_be_attached()
