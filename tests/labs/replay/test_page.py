"""The section replay in a real browser: a generation saved, loaded and run again, sent as a link, copied as code."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from tests.support.contrast import low_contrast
from tests.support.quiet import open_lab, press_open

Visit = Callable[..., Any]


def generated(page: Any, tab: str = "Replay") -> Any:
    """A page that wrote something, with the section open."""
    page.locator("#generate-go").click()
    expect(page.locator("#generate-more")).to_be_enabled()
    open_lab(page)
    press_open(page.get_by_role("tab", name=tab))
    expect(page.locator("#replay-save")).to_be_visible()
    return page


def saved(page: Any, folder: Path) -> Path:
    with page.expect_download() as found:
        page.locator("#replay-save").click()
    found.value.save_as(folder / "state.json")
    return folder / "state.json"


def replayed(page: Any) -> Any:
    page.locator("#replay-go").click()
    expect(page.locator(".replay-verdict")).to_be_visible()
    return page.locator(".replay-verdict")


def test_a_saved_file_is_loaded_and_gives_the_same_ids(visit: Visit, tmp_path: Path) -> None:
    page = generated(visit("g", lang="en"))
    text = page.locator("#generate-text textarea").input_value()
    file = saved(page, tmp_path)
    ids = json.loads(file.read_text())["ids"]
    page.locator("#generate-text textarea").fill("猫")
    page.locator("#generate-go").click()
    expect(page.locator("#generate-text textarea")).to_have_value(re.compile("^猫."))
    expect(page.locator("#generate-more")).to_be_enabled()
    page.locator("#replay-file").set_input_files(file)
    expect(page.locator("#replay-file-part .lab-note")).to_contain_text("Loaded state.json")
    expect(page.locator("#replay-pasted textarea")).to_have_value(file.read_text())
    expect(replayed(page)).to_contain_text(f"The same {len(ids)} tokens.")
    assert page.locator("#generate-text textarea").input_value() == text
    page.locator("#generate-undo").click()
    expect(page.locator("#generate-text textarea")).to_have_value(re.compile("^猫."))


def test_an_edited_file_says_where_it_differs_and_a_damaged_one_what_to_do(visit: Visit, tmp_path: Path) -> None:
    page = generated(visit("g", lang="en"))
    state = json.loads(saved(page, tmp_path).read_text())
    state["ids"][2] = (state["ids"][2] + 1) % 300
    page.locator("#replay-pasted textarea").fill(json.dumps(state))
    expect(replayed(page)).to_contain_text("The ids differ from token 3")
    saved_id, current_id = page.locator(".replay-pair > span").all()
    expect(saved_id.locator("code")).to_have_text(str(state["ids"][2]))
    (left, right) = (saved_id.bounding_box(), current_id.bounding_box())
    assert left["y"] == right["y"], "the saved and the current token stand side by side"
    assert right["x"] + right["width"] < page.locator("#replay-verdict").bounding_box()["width"] + left["x"]
    page.locator("#replay-pasted textarea").fill('{"format": "<img src=x onerror=hacked=1>"}')
    page.locator("#replay-go").click()
    expect(page.locator("#replay-line [role=alert]")).to_contain_text("damaged")
    page.locator("#replay-pasted textarea").fill("")
    page.locator("#replay-go").click()
    expect(page.locator("#replay-line [role=alert]")).to_contain_text("Paste a JSON")
    large = tmp_path / "large.json"
    large.write_text("x" * 3_000_000)
    page.locator("#replay-file").set_input_files(large)
    expect(page.locator("#replay-file-part .lab-note")).to_contain_text("too large")
    assert page.evaluate("typeof hacked") == "undefined"


def test_a_link_fills_the_field_and_runs_nothing(visit: Visit) -> None:
    page = generated(visit("g", lang="en"))
    page.locator("#replay-link").click()
    expect(page.locator("#replay-link-status")).to_contain_text("Link copied")
    link = page.evaluate("navigator.clipboard.readText()")
    assert len(link) <= 4096
    fresh = visit("g", lang="en", link=link)
    expect(fresh.locator("#replay-line")).to_contain_text("Loaded from a link")
    expect(fresh.locator("#replay-pasted textarea")).to_have_value(page.locator("#replay-save").get_attribute("data-json"))
    assert fresh.locator("#generate-text .token-editor-piece:not(.token-editor-own)").count() == 0
    expect(replayed(fresh)).to_contain_text("The same")
    assert fresh.locator("#generate-text .token-editor-piece:not(.token-editor-own)").count() > 0


def test_a_damaged_link_gets_a_sentence(visit: Visit, page_url: str) -> None:
    page = visit("g", link=f"{page_url}/?run=1abcdefgh")
    expect(page.locator("#replay-line [role=alert]")).to_contain_text("リンクが壊れています")


def test_the_code_is_copied_as_it_stands(visit: Visit) -> None:
    page = generated(visit("g", lang="en"))
    page.locator("#replay-code-python [data-replay-copy]").click()
    expect(page.locator("#replay-code-python [role=status]")).to_contain_text("copied")
    assert page.evaluate("navigator.clipboard.readText()").startswith("from neoxjp import")
    press_open(page.get_by_role("tab", name="curl"))
    page.locator("#replay-code-curl [data-replay-copy]").click()
    expect(page.locator("#replay-code-curl [role=status]")).to_contain_text("copied")
    assert page.url.split("/?")[0] in page.evaluate("navigator.clipboard.readText()")


def test_it_fits_a_narrow_dark_screen(visit: Visit, tmp_path: Path) -> None:
    page = generated(visit("g", lang="en", theme="dark", width=400))
    page.locator(".replay-contents summary").click()
    page.locator("#replay-pasted textarea").fill(saved(page, tmp_path).read_text())
    replayed(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert low_contrast(page) == []
