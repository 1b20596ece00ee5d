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
from tests.support.quiet import press_open, quiet

Visit = Callable[..., Any]


def opened(page: Any, name: str = "Side by side", length: str = "12") -> Any:
    if length:
        page.locator("#option-max-new-tokens input[type=number]").fill(length)
    press_open(page.get_by_role("tab", name=name))
    expect(page.locator("#c-go")).to_be_visible()
    quiet(page)
    return page


def columns(page: Any, number: int) -> None:
    page.locator("#c-count label").nth(number - 2).click()


def write(page: Any) -> None:
    page.locator("#c-go").click()
    expect(page.locator("#c-line")).to_contain_text("Wrote")


def test_columns_are_written_together_and_marked_where_they_part(visit: Visit) -> None:
    page = opened(visit("g", lang="en"))
    columns(page, 3)
    write(page)
    expect(page.locator(".c-col")).to_have_count(3)
    expect(page.locator(".c-col").nth(1).locator(".c-head")).to_contain_text("temperature 0.4")
    expect(page.locator(".c-measures").first).to_contain_text("distinct-2")
    assert page.locator(".c-sign").count() >= 1
    page.locator(".c-table summary").click()
    tokens = [int(text) for text in page.locator(".c-measures dd:nth-of-type(1) b").all_inner_texts()]
    expect(page.locator(".c-table tbody tr")).to_have_count(max(tokens))


def test_what_differs_is_chosen_and_a_field_changed_by_hand_counts(visit: Visit) -> None:
    page = opened(visit("g", lang="en"))
    page.locator("#option-seed textarea, #option-seed input").first.fill("7")
    page.locator("#c-differs label", has_text="seed").click()
    press_open(page.locator("#c-fields > button"))
    expect(page.locator("#c-seed-2 input, #c-seed-2 textarea")).to_have_value("8")
    page.locator("#c-seed-2 input, #c-seed-2 textarea").fill("7")
    write(page)
    expect(page.locator("#c-differs input[type=radio]").last).to_be_checked()
    expect(page.locator(".c-col").nth(1).locator(".c-same")).to_contain_text("the same text as column 1")
    press_open(page.get_by_role("tab", name="Heat map"))  # back again, and what was set by hand stands
    press_open(page.get_by_role("tab", name="Side by side"))
    quiet(page)
    expect(page.locator("#c-seed-2 input, #c-seed-2 textarea")).to_have_value("7")


def test_stop_keeps_what_was_written_and_gives_the_buttons_back(visit: Visit) -> None:
    page = opened(visit("g", lang="en"), length="60")
    page.locator("#gen-prompt textarea").fill("猫")
    page.evaluate("""() => {
        const stop = document.querySelector("#c-stop");
        new MutationObserver(() => stop.disabled || stop.click()).observe(stop, { attributes: true });
    }""")
    page.locator("#c-go").click()
    expect(page.locator("#c-line")).to_contain_text(re.compile("Stopped. What was written is kept.|Wrote 2 columns"))
    expect(page.locator(".c-col")).to_have_count(2)
    expect(page.locator(".c-measures")).to_have_count(2)
    expect(page.locator("#c-go")).to_be_enabled()
    expect(page.locator("#c-stop")).to_be_disabled()


def test_a_wrong_value_is_told_on_the_spot_in_the_visitor_s_language(visit: Visit) -> None:
    page = opened(visit("g"), name="並べて比べる")
    page.locator("#option-seed textarea, #option-seed input").first.fill("abc")
    page.locator("#c-go").click()
    expect(page.locator("#c-line [role=alert]")).to_contain_text("整数ではありません")
    expect(page.locator("#c-go")).to_be_enabled()
    page.locator("#c-differs label", has_text="モデル").click()
    page.locator("#option-seed textarea, #option-seed input").first.fill("")
    page.locator("#c-go").click()
    expect(page.locator("#c-line [role=alert]")).to_contain_text("2 つ目のモデルがありません")


def test_a_sweep_is_written_and_saved(visit: Visit, tmp_path: Path) -> None:
    page = opened(visit("g", lang="en"))
    press_open(page.locator("#c-sweep > button"))
    page.locator("#c-sweep-temperatures input, #c-sweep-temperatures textarea").fill("0.5、１.5")
    page.locator("#c-sweep-go").click()
    expect(page.locator("#c-sweep-line")).to_contain_text("Wrote 6 samples")
    expect(page.locator(".c-sweep tbody td")).to_have_count(6)
    with page.expect_download() as found:
        page.locator("#c-sweep-csv").click()
    found.value.save_as(tmp_path / "sweep.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "sweep.csv").read_text(encoding="utf-8-sig"))))
    assert [row["temperature"] for row in rows] == ["0.5"] * 3 + ["1.5"] * 3
    page.locator("#c-sweep-top-ps input, #c-sweep-top-ps textarea").fill("<b>x</b>")
    page.locator("#c-sweep-go").click()
    expect(page.locator("#c-sweep-line [role=alert]")).to_contain_text("“<b>x</b>” is not a number")


def test_columns_stand_one_under_another_on_a_narrow_dark_screen(visit: Visit) -> None:
    page = visit("g", lang="en", theme="dark", width=400)
    page.locator("#gen-prompt textarea").fill("猫")
    opened(page, length="")
    columns(page, 4)
    write(page)
    boxes = [page.locator(".c-col").nth(number).bounding_box() for number in range(4)]
    assert all(lower["y"] >= upper["y"] + upper["height"] for upper, lower in pairwise(boxes))
    page.locator(".c-table summary").click()
    press_open(page.locator("#c-sweep > button"))
    page.locator("#c-sweep-go").click()
    expect(page.locator("#c-sweep-line")).to_contain_text("Wrote 9 samples")
    expect(page.locator("#c-sweep-csv")).to_be_enabled()
    page.wait_for_timeout(500)  # its colours fade in
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert low_contrast(page) == []
