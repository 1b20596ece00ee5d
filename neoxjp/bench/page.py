"""`neoxjp bench page URL`: what a visitor waits for, measured inside a real Chromium on a running page.

It types, generates, steps and stops as a visitor does, and takes the time from the event in the browser to the painted token.
"""

import json
import shutil
from statistics import median
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from neoxjp.bench.common import table
from neoxjp.bench.options import PageOptions
from neoxjp.errors import ParameterError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
TEXT = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。"
LENGTHS = (50, 2000)  # characters of the texts that are typed into
REST_MS = 1500  # after typing, before Generate: the sections of the page follow the text meanwhile
PATIENCE_MS = 60_000
WATCH = """() => {
    const box = document.querySelector("#generate-text .token-editor"), paint = box.querySelector(".token-editor-paint");
    const model = ".token-editor-piece:not(.token-editor-own)", mine = window.measured = {};
    mine.count = () => Array.from(paint.querySelectorAll(model)).reduce((sum, one) => sum + Number(one.dataset.n ?? 1), 0);
    mine.wait = (start, done) => new Promise((settle, fail) => {
        const began = performance.now(), look = () => {
            const now = performance.now() - began;
            if (done()) settle(now);
            else if (now > 60000) fail(new Error("nothing happened for a minute"));
            else requestAnimationFrame(look);
        };
        start();
        requestAnimationFrame(look);
    });
    mine.editor = box.api;
}"""
"""`measured.wait(start, done)`: milliseconds from `start()` to the first frame in which `done()` holds."""


def command(options: PageOptions) -> None:
    """Measure and print."""
    if urlsplit(options.url).scheme not in ("http", "https"):
        raise ParameterError(f"{options.url!r} is no address of a page: write http://127.0.0.1:7860")
    if options.rounds < 1:
        raise ParameterError(f"rounds={options.rounds!r} must be at least 1")
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        raise ParameterError("this measures in a browser: pip install playwright") from None
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise ParameterError(f"no Chromium found: install one of {', '.join(BROWSERS)}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            opened = [opening(browser, options.url) for _ in range(options.rounds)]
            page = new_page(browser, options.url)
            page.locator(".token-editor-piece").first.wait_for()
            page.locator(".status.ready").wait_for()
            found = {"page opened (ms)": median(opened)} | measure(page, options.rounds)
        except Error as error:
            raise ParameterError(f"{options.url} could not be measured: {str(error).splitlines()[0]}") from error
        finally:
            browser.close()
    if options.json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        print(table([["what", "median"], *([name, f"{value:,.1f}"] for name, value in found.items())]))


def new_page(browser: "Browser", url: str) -> "Page":
    """The page, as at a visitor's first visit: nothing is in the browser's cache."""
    page = browser.new_page(viewport={"width": 1366, "height": 650})
    page.set_default_timeout(PATIENCE_MS)
    page.goto(url)
    return page


def opening(browser: "Browser", url: str) -> float:
    """Milliseconds until the first text is there, in tokens."""
    page = new_page(browser, url)
    found = page.wait_for_function("() => document.querySelector('.token-editor-piece') && performance.now()")
    ms = float(found.json_value())
    page.close()
    return ms


def measure(page: "Page", rounds: int) -> dict[str, float]:
    """The medians, by what was measured."""
    page.wait_for_timeout(1500)
    page.evaluate(WATCH)
    found = {f"key to tokens, {length} characters (ms)": median(keys(page, length, rounds)) for length in LENGTHS}
    page.locator("#option-seed input").fill("7")
    each = [generation(page, 400) for _ in range(rounds)]
    found["Generate to first token (ms)"] = median(first for first, _ in each)
    found["tokens a second, 400 tokens"] = median(rate for _, rate in each)
    steps = [step(page) for _ in range(rounds)]
    found["+1 to token (ms)"] = median(ms for ms, *_ in steps)
    found["+1: requests"] = median(count for _, count, _ in steps)
    found["+1: bytes received"] = median(size for *_, size in steps)
    found["Stop: tokens after the press"] = median(overshoot(page) for _ in range(rounds))
    return found


def keys(page: "Page", length: int, rounds: int) -> list[float]:
    """Milliseconds from a typed character to its tokens, in a text of this length."""
    field = page.locator("#generate-text textarea")
    field.fill((TEXT * (length // len(TEXT) + 1))[:length])
    idle(page)
    field.press("Control+End")
    times = []
    for at in range(rounds):
        character = TEXT[at % len(TEXT)]
        times.append(
            page.evaluate(
                """(character) => measured.wait(
                    () => document.execCommand("insertText", false, character), () => !measured.editor.busy)""",
                character,
            )
        )
        idle(page)
    return times


def generation(page: "Page", tokens: int) -> tuple[float, float]:
    """Milliseconds to the first token, and tokens a second after it."""
    page.locator("#generate-text textarea").fill(TEXT)
    page.locator("#option-max-new-tokens input[type=number]").fill(str(tokens))
    page.locator("#option-max-new-tokens input[type=number]").blur()
    idle(page, REST_MS)
    first, rate = page.evaluate(
        """async () => {
            const go = document.getElementById("generate-go"), { ended } = measured.editor;
            const first = await measured.wait(() => go.click(), () => measured.count() > 0);
            const began = performance.now(), before = measured.count();
            await measured.wait(() => {}, () => measured.editor.ended > ended);
            return [first, (1000 * (measured.count() - before)) / (performance.now() - began)];
        }"""
    )
    idle(page)
    return first, rate


def step(page: "Page") -> tuple[float, int, int]:
    """Milliseconds from +1 to the token, requests, and bytes received."""
    client = page.context.new_cdp_session(page)
    requests: list[Any] = []
    sizes: list[int] = []
    client.on("Network.requestWillBeSent", lambda event: requests.append(event))
    client.on("Network.dataReceived", lambda event: sizes.append(event["dataLength"]))
    client.send("Network.enable")
    time = page.evaluate(
        """() => {
            const before = measured.count();
            return measured.wait(() => document.getElementById("generate-step").click(), () => measured.count() > before);
        }"""
    )
    page.wait_for_timeout(50)  # what belongs to the step; the sections follow later
    client.detach()
    idle(page)
    return time, len(requests), sum(sizes)


def overshoot(page: "Page") -> int:
    """Tokens that came after Stop was pressed."""
    page.locator("#generate-text textarea").fill(TEXT)
    idle(page)
    count: int = page.evaluate(
        """async () => {
            const { ended } = measured.editor;
            await measured.wait(() => document.getElementById("generate-go").click(), () => measured.count() > 40);
            const seen = measured.count();
            await measured.wait(() => document.getElementById("generate-stop").click(), () => measured.editor.ended > ended);
            return measured.count() - seen;
        }"""
    )
    idle(page)
    return count


def idle(page: "Page", ms: int = 150) -> None:
    """Wait until nothing is written and the server knows the text, and then so many milliseconds, as a quick visitor would."""
    page.wait_for_function("() => !measured.editor.busy && !document.getElementById('generate-go').disabled")
    page.wait_for_timeout(ms)
