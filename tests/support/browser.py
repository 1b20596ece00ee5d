"""A real Chromium for the tests of the page: `visit` opens the page as a visitor with a language, a theme and a width."""

import shutil
from collections.abc import Callable, Iterator
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


@pytest.fixture
def visit(browser: Any, page_url: str) -> Iterator[Visit]:
    """`visit(tab="t", lang="ja", theme="light", width=1280)` → a Playwright page with that tab open and the model in `state`.

    After the test: whatever the page asked of another machine, and every error of its scripts, fails the test.
    """
    contexts, faults = [], []

    def watch(page: Any, url: str) -> None:
        def on_request(request: Any) -> None:
            if not request.url.startswith((url, "data:", "blob:")):
                faults.append(f"asked {request.url}")

        page.on("request", on_request)
        count_calls(page)
        page.on("pageerror", lambda error: faults.append(f"script error: {error}"))

    def open_page(
        tab: str = "g",
        lang: str = "ja",
        theme: str = "light",
        width: int = 1280,
        url: str = page_url,
        state: str = "ready",
        link: str = "",  # opened instead, as somebody sent it
    ) -> Any:
        context = browser.new_context(
            locale={"ja": "ja-JP", "en": "en-US"}[lang],
            color_scheme=theme,
            viewport={"width": width, "height": 900},
            has_touch=width < 600,
            accept_downloads=True,
        )
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        watch(page, url)
        page.goto(link or f"{url}/?__theme={theme}")
        page.locator(f".status.{state}").wait_for(timeout=3 * PATIENCE)
        if not link:
            press_open(page.get_by_role("tab").nth("gtm".index(tab)))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []
