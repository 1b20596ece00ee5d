"""Waits of the tests: where one would type into a field that an answer, or Gradio that has just drawn it, is about to fill."""

from typing import Any

CALLS = ("/gradio_api/run/predict", "/neoxjp/text")
CALM = 400  # milliseconds without a call
SETTLING = 150  # milliseconds; Gradio was seen to empty a field up to 10 ms after drawing it for the first time


def count_calls(page: Any) -> None:
    """Keep the page's unanswered calls of the server in `page.calls`, for `quiet`."""
    page.calls = set()
    page.on("request", lambda request: page.calls.add(request) if request.url.split("?")[0].endswith(CALLS) else None)
    for over in ("requestfinished", "requestfailed"):
        page.on(over, lambda request: page.calls.discard(request))


def quiet(page: Any, most: int = 30_000) -> None:
    """Return when no call was under way for `CALM` milliseconds."""
    calm = 0
    for _ in range(most // 50):
        page.wait_for_timeout(50)
        calm = 0 if page.calls else calm + 50
        if calm >= CALM:
            return
    raise TimeoutError(f"the page was still asking after {most} ms: {[call.url for call in page.calls]}")


def open_lab(page: Any) -> None:
    """On a screen where the lab is a drawer or a sheet: open it."""
    opener = page.locator("#lab-open")
    if opener.is_visible() and opener.get_attribute("aria-expanded") == "false":
        opener.click()


def press_open(opener: Any) -> None:
    """Press what opens a tab or a folded part, and return when Gradio has drawn it and will not fill its fields anew.

    A part that is open stays so.
    """
    if "open" not in (opener.get_attribute("class") or "").split():
        opener.click()
    opener.page.evaluate(
        "(wait) => new Promise((settled) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(settled, wait))))",
        SETTLING,
    )
