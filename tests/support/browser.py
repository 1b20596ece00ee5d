"""A real Chromium for the tests of the page: `visit` opens the page as a visitor with a language, a theme and a width.

`kept` gives a page that stays open for the other tests of the file.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.support.quiet import count_calls, press_open

# The shell without windows first: it needs a quarter less time.
PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, PROGRAMS)), None)
PATIENCE = 60_000  # milliseconds that a page may take on a busy machine
Visit = Callable[..., Any]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that ask for the browser, and skip them with a reason where there is none."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="no Chromium here: apt-get install chromium fonts-noto-cjk"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@dataclass(frozen=True)
class Visitor:
    """What a page is opened with."""

    tab: str = "g"
    lang: str = "ja"
    theme: str = "light"
    width: int = 1280
    url: str = ""
    state: str = "ready"
    link: str = ""  # opened instead, as somebody sent it

    def open(self, browser: Any, faults: list[str]) -> Any:
        """A Playwright page in a context of its own. faults: gets what it asks of another machine, and its scripts' errors."""
        context = browser.new_context(
            locale={"ja": "ja-JP", "en": "en-US"}[self.lang],
            color_scheme=self.theme,
            viewport=self.viewport,
            has_touch=self.width < 600,
            accept_downloads=True,
        )
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.set_default_timeout(PATIENCE)

        def on_request(request: Any) -> None:
            if not request.url.startswith((self.url, "data:", "blob:")):
                faults.append(f"asked {request.url}")

        page.on("request", on_request)
        count_calls(page)
        page.on("pageerror", lambda error: faults.append(f"script error: {error}"))
        page.goto(self.link or f"{self.url}/?__theme={self.theme}")
        page.locator(f".status.{self.state}").wait_for(timeout=3 * PATIENCE)
        if not self.link:
            press_open(self.tab_of(page))
        return page

    @property
    def viewport(self) -> Any:
        return {"width": self.width, "height": 900}

    def tab_of(self, page: Any) -> Any:
        return page.get_by_role("tab").nth("gtm".index(self.tab))


@pytest.fixture
def visit(browser: Any, page_url: str) -> Iterator[Visit]:
    """`visit(tab="t", lang="ja", theme="light", width=1280)` → a Playwright page with that tab open and the model in `state`.

    After the test: whatever the page asked of another machine, and every error of its scripts, fails the test.
    """
    faults: list[str] = []
    pages = []

    def open_page(tab: str = "g", url: str = page_url, **options: Any) -> Any:
        pages.append(Visitor(tab, url=url, **options).open(browser, faults))
        return pages[-1]

    yield open_page
    for page in pages:
        page.context.close()
    assert faults == []


@dataclass
class Kept:
    """The pages of one test file that stay open, and their faults."""

    pages: dict[Visitor, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def close(self) -> None:
        while self.pages:
            self.pages.popitem()[1].context.close()


@pytest.fixture(scope="module")
def kept_pages(browser: Any) -> Iterator[Kept]:
    found = Kept()
    yield found
    found.close()


@pytest.fixture
def kept(browser: Any, page_url: str, kept_pages: Kept, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """As `visit`, but a page that an earlier test of the file opened with the same options: opening one takes three seconds.

    It is for tests that first write the text, and the settings, that they are about, and undo what else they do. The window has
    its size again, the pointer rests in a corner, what lay open over the text is closed. After a failure it is opened anew.
    """

    def find_page(tab: str = "g", url: str = page_url, **options: Any) -> Any:
        visitor = Visitor(tab, url=url, **options)
        key = replace(visitor, tab="")
        if key not in kept_pages.pages:
            kept_pages.pages[key] = visitor.open(browser, kept_pages.faults)
            return kept_pages.pages[key]
        page = kept_pages.pages[key]
        page.set_viewport_size(visitor.viewport)
        page.keyboard.press("Escape")
        page.mouse.move(0, 0)
        page.evaluate("document.activeElement?.blur(); scrollTo(0, 0)")
        if visitor.tab_of(page).get_attribute("aria-selected") != "true":
            press_open(visitor.tab_of(page))
        return page

    failed = request.session.testsfailed
    yield find_page
    faults, kept_pages.faults[:] = list(kept_pages.faults), []
    if faults or request.session.testsfailed > failed:
        kept_pages.close()
    assert faults == []
