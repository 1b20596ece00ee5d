"""Columns side by side and the sweep in a real browser: written together, stopped, compared, saved."""

import csv
import io
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from tests.support.contrast import low_contrast
from tests.support.quiet import open_lab, press_open, quiet

Visit = Callable[..., Any]


def opened(page: Any, name: str = "Side by side", length: str = "12") -> Any:
    if length:
        page.locator("#option-max-new-tokens input[type=number]").fill(length)
    open_lab(page)
    press_open(page.get_by_role("tab", name=name))
    expect(page.locator("#side-by-side-go")).to_be_visible()
    quiet(page)
    return page


def columns(page: Any, number: int) -> None:
    page.locator("#side-by-side-count label").nth(number - 2).click()


def write(page: Any) -> None:
    page.locator("#side-by-side-go").click()
    expect(page.locator("#side-by-side-line")).to_contain_text("Generated")


def test_columns_are_generated_together_and_marked_where_they_differ(visit: Visit) -> None:
    page = opened(visit("g", lang="en"))
    columns(page, 3)
    write(page)
    expect(page.locator(".side-by-side-column")).to_have_count(3)
    expect(page.locator(".side-by-side-column").nth(1).locator(".side-by-side-head")).to_contain_text("Temperature 0.4")
    expect(page.locator(".side-by-side-measures").first).to_contain_text("distinct-2")
    assert page.locator(".side-by-side-sign").count() >= 1
    page.locator(".side-by-side-table summary").click()
    tokens = [int(text) for text in page.locator(".side-by-side-measures dd:nth-of-type(1) b").all_inner_texts()]
    expect(page.locator(".side-by-side-table tbody tr")).to_have_count(max(tokens))


def test_what_differs_is_chosen_and_a_field_changed_by_hand_counts(visit: Visit) -> None:
    page = opened(visit("g", lang="en"))
    page.locator("#option-seed textarea, #option-seed input").first.fill("7")
    page.locator("#side-by-side-differs label", has_text="Seed").click()
    press_open(page.locator("#side-by-side-fields > button"))
    expect(page.locator("#side-by-side-seed-2 input, #side-by-side-seed-2 textarea")).to_have_value("8")
    page.locator("#side-by-side-seed-2 input, #side-by-side-seed-2 textarea").fill("7")
    write(page)
    expect(page.locator("#side-by-side-differs input[type=radio]").last).to_be_checked()
    expect(page.locator(".side-by-side-column").nth(1).locator(".side-by-side-same")).to_contain_text("the same text as column 1")
    press_open(page.get_by_role("tab", name="Heat map"))  # back again, and what was set by hand stands
    press_open(page.get_by_role("tab", name="Side by side"))
    quiet(page)
    expect(page.locator("#side-by-side-seed-2 input, #side-by-side-seed-2 textarea")).to_have_value("7")


def test_stop_keeps_the_generated_text_and_enables_the_buttons(visit: Visit) -> None:
    page = opened(visit("g", lang="en"), length="60")
    page.locator("#generate-text textarea").fill("猫")
    page.evaluate("""() => {
        const stop = document.querySelector("#side-by-side-stop");
        new MutationObserver(() => stop.disabled || stop.click()).observe(stop, { attributes: true });
    }""")
    stop = page.evaluate("""() => {
        const { id } = gradio_config.components.find((one) => one.props.elem_id === "side-by-side-stop");
        const pressed = (one) => one.targets.some(([target, event]) => target === id && event === "click");
        return gradio_config.dependencies.find(pressed).id;
    }""")
    with page.expect_request(lambda request: request.method == "POST" and f'"fn_index":{stop},' in (request.post_data or "")):
        page.locator("#side-by-side-go").click()
    # The tiny model may have ended by then; tests/labs/side_by_side/test_section.py stops it in the middle.
    expect(page.locator("#side-by-side-line")).to_contain_text(
        re.compile("Stopped. The generated text is kept.|Generated 2 columns")
    )
    expect(page.locator(".side-by-side-column")).to_have_count(2)
    expect(page.locator(".side-by-side-measures")).to_have_count(2)
    expect(page.locator("#side-by-side-go")).to_be_enabled()
    expect(page.locator("#side-by-side-stop")).to_be_disabled()


def test_a_wrong_value_is_reported_at_once_in_the_visitor_s_language(visit: Visit) -> None:
    page = opened(visit("g"), name="並べて比較")
    page.locator("#option-seed textarea, #option-seed input").first.fill("abc")
    page.locator("#side-by-side-go").click()
    expect(page.locator("#side-by-side-line [role=alert]")).to_contain_text("整数ではありません")
    expect(page.locator("#side-by-side-go")).to_be_enabled()
    page.locator("#side-by-side-differs label", has_text="モデル").click()
    page.locator("#option-seed textarea, #option-seed input").first.fill("")
    page.locator("#side-by-side-go").click()
    expect(page.locator("#side-by-side-line [role=alert]")).to_contain_text("2 つ目のモデルがありません")


def test_a_sweep_is_generated_and_saved(visit: Visit, tmp_path: Path) -> None:
    page = opened(visit("g", lang="en"))
    press_open(page.locator("#side-by-side-sweep > button"))
    page.locator("#side-by-side-sweep-temperatures input, #side-by-side-sweep-temperatures textarea").fill("0.5、１.5")
    page.locator("#side-by-side-sweep-go").click()
    expect(page.locator("#side-by-side-sweep-line")).to_contain_text("Generated 6 samples")
    expect(page.locator(".side-by-side-grid tbody td")).to_have_count(6)
    with page.expect_download() as found:
        page.locator("#side-by-side-sweep-csv").click()
    found.value.save_as(tmp_path / "sweep.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "sweep.csv").read_text(encoding="utf-8-sig"))))
    assert [row["temperature"] for row in rows] == ["0.5"] * 3 + ["1.5"] * 3
    page.locator("#side-by-side-sweep-top-ps input, #side-by-side-sweep-top-ps textarea").fill("<b>x</b>")
    page.locator("#side-by-side-sweep-go").click()
    expect(page.locator("#side-by-side-sweep-line [role=alert]")).to_contain_text("“<b>x</b>” is not a number")


def test_columns_are_stacked_on_a_narrow_dark_screen(visit: Visit) -> None:
    page = visit("g", lang="en", theme="dark", width=400)
    page.locator("#generate-text textarea").fill("猫")
    opened(page, length="")
    columns(page, 4)
    write(page)
    boxes = [page.locator(".side-by-side-column").nth(number).bounding_box() for number in range(4)]
    assert all(lower["y"] >= upper["y"] + upper["height"] for upper, lower in pairwise(boxes))
    page.locator(".side-by-side-table summary").click()
    press_open(page.locator("#side-by-side-sweep > button"))
    page.locator("#side-by-side-sweep-go").click()
    expect(page.locator("#side-by-side-sweep-line")).to_contain_text("Generated 9 samples")
    expect(page.locator("#side-by-side-sweep-csv")).to_be_enabled()
    page.wait_for_timeout(500)  # its colours fade in
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert low_contrast(page) == []
