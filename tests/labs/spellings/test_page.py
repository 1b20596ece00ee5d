"""Spellings × tokenizers in a real browser: choosing columns and rows, correcting a reading, own rows, files, hostile text."""

import os
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.contrast import low_contrast
from tests.ui.test_tokenize_page import HOSTILE, unfold, write

Visit = Callable[..., Any]
OPENING = 30_000  # milliseconds that a busy machine may take to open a tokenizer


def row(page: Any, key: str) -> Any:
    return page.locator(f"#spellings-view tr[data-key={key}]")


def counts(page: Any, key: str) -> Any:
    return row(page, key).locator("td b > span[aria-hidden]")


def lines(page: Any) -> list[str]:
    """What a screen reader is told of the pieces, a line a tokenizer."""
    found: list[str] = page.locator("#spellings-pieces .spellings-aligned ul.sr li").all_text_contents()
    return found


def test_the_first_visit_compares_without_a_click(visit: Visit) -> None:
    page = visit("t", lang="en")
    expect(page.locator("#spellings-view thead th")).to_have_count(6)
    expect(row(page, "written")).to_have_class("spellings-on")
    expect(page.locator("#spellings-pieces h3")).to_have_text("Tokens: as written")
    expect(page.locator("#spellings-open")).to_be_hidden()


def test_a_chosen_column_joins_and_one_of_the_hub_says_why_not(visit: Visit) -> None:
    page = visit("t", lang="en")
    write(page, "東京")
    expect(counts(page, "written")).to_have_text(["1", "1", "6", "2", "1"])
    unfold(page, "spellings-columns")
    page.get_by_label("Sudachi A").click()
    expect(counts(page, "written")).to_have_text(["1", "1", "6", "2", "1", "1"])
    page.get_by_label("rinna/japanese-gpt-neox-3.6b").click()
    expect(page.locator("#spellings-view .spellings-closed")).to_contain_text("rinna", timeout=OPENING)
    expect(counts(page, "written")).to_have_text(["1", "1", "6", "2", "1", "1"])
    page.get_by_label("UTF-8 bytes").click()
    expect(counts(page, "written")).to_have_text(["1", "1", "2", "1", "1"])


def test_a_path_of_this_machine_is_a_column_after_enter(visit: Visit, tiny_vocabulary: os.PathLike[str]) -> None:
    page = visit("t", lang="en")
    write(page, "東京")
    unfold(page, "spellings-columns")
    page.locator("#spellings-local input, #spellings-local textarea").fill(str(tiny_vocabulary))
    expect(page.locator("#spellings-view .spellings-closed")).to_contain_text("Not opened yet.", timeout=OPENING)
    page.locator("#spellings-open").click()
    expect(counts(page, "written")).to_have_text(["1", "1", "6", "2", "1", "1"], timeout=OPENING)
    page.locator("#spellings-local input, #spellings-local textarea").fill("/no/such")
    page.locator("#spellings-local input, #spellings-local textarea").press("Enter")
    expect(page.locator("#spellings-view .spellings-closed")).to_contain_text("no tokenizer '/no/such'", timeout=OPENING)


def test_a_row_shows_its_pieces_by_mouse_and_by_keyboard(kept: Visit) -> None:
    page = kept("t", lang="en")
    write(page, "東京")
    row(page, "hiragana").locator("td").nth(1).click()
    expect(page.locator("#spellings-pieces h3")).to_have_text("Tokens: hiragana")
    expect(row(page, "hiragana").locator("button")).to_have_attribute("aria-pressed", "true")
    assert "characters: と | う | き | ょ | う" in lines(page)
    row(page, "romaji").locator("button").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#spellings-pieces h3")).to_have_text("Tokens: rōmaji")
    tops = page.evaluate("Array.from(document.querySelectorAll('.spellings-aligned .spellings-char'), (k) => k.children.length)")
    assert set(tops) == {6}  # each character has a cell for the text and one for each of five tokenizers


def test_a_corrected_reading_changes_every_row(kept: Visit) -> None:
    page = kept("t", lang="en")
    write(page, "日本の犬")
    expect(row(page, "hiragana").locator("small").first).to_have_text("にほんのいぬ")
    word = page.locator("#spellings-ruby .spellings-word").first
    word.focus()
    page.keyboard.press("Enter")
    field = page.get_by_label("Reading of 日本")
    expect(field).to_have_value("にほん")
    field.fill("にっぽん")
    field.press("Enter")
    expect(row(page, "hiragana").locator("small").first).to_have_text("にっぽんのいぬ")
    expect(row(page, "romaji").locator("small").first).to_have_text("Nippon␣no␣inu")
    expect(page.locator("#spellings-ruby .spellings-corrected")).to_have_count(1)
    page.locator("#spellings-reset").click()
    expect(row(page, "hiragana").locator("small").first).to_have_text("にほんのいぬ")


def test_rows_of_ones_own_come_and_go(visit: Visit) -> None:
    page = visit("t", lang="en")
    write(page, "犬")
    row(page, "romaji").locator("button").click()
    unfold(page, "spellings-rows")
    page.locator("#spellings-take").click()
    box = page.locator("#spellings-row-custom textarea")
    expect(box).to_have_value("inu")
    box.fill("inu!")
    expect(row(page, "custom").locator("small").first).to_have_text("inu!")
    box.fill("")
    expect(row(page, "custom")).to_have_count(0)
    page.locator("#spellings-same input").click()
    expect(row(page, "new_kanji")).to_have_count(1)
    for name in ("custom", "custom2", "custom3", "custom4"):
        page.locator(f"#spellings-row-{name} textarea").fill(name)
    expect(row(page, "custom4")).to_have_count(1)
    page.locator("#spellings-take").click()
    expect(page.locator("#spellings-note")).to_contain_text("All fields are used")
    expect(page.locator("#spellings-row-custom4 textarea")).to_have_value("custom4")


@pytest.mark.parametrize(("kind", "start"), [("csv", b"\xef\xbb\xbf"), ("svg", b"<svg"), ("png", b"\x89PNG")])
def test_the_matrix_is_saved_as_a_file(kept: Visit, kind: str, start: bytes) -> None:
    page = kept("t")
    write(page, "東京")
    unfold(page, "spellings-chart-section")
    expect(page.locator("#spellings-chart svg")).to_be_visible()
    with page.expect_download() as caught:
        page.locator(f"#spellings-{kind}").click()
    assert caught.value.suggested_filename == f"spellings.{kind}"
    written = caught.value.path().read_bytes()
    assert written.startswith(start)
    assert len(written) > 500


def test_markup_and_templates_stay_text(visit: Visit) -> None:
    page = visit("t")
    write(page, HOSTILE)
    unfold(page, "spellings-rows")
    page.locator("#spellings-row-custom textarea").fill(HOSTILE)
    row(page, "custom").locator("button").click()
    unfold(page, "spellings-chart-section")
    page.wait_for_timeout(500)
    assert page.evaluate("window.hacked") is None
    assert page.locator("#lab-spellings script, #spellings-view img, #spellings-pieces img, #spellings-ruby img").count() == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_of_the_section_can_be_read(visit: Visit, theme: str) -> None:
    page = visit("t", theme=theme)
    write(page, "余分な𩸽と海")
    for name in ("spellings-columns", "spellings-rows", "spellings-chart-section"):
        unfold(page, name)
    row(page, "old_kanji").locator("button").click()
    page.locator("#spellings-ruby .spellings-word").first.click()
    page.wait_for_timeout(500)
    assert low_contrast(page) == []


def test_a_phone_scrolls_down_only(visit: Visit) -> None:
    page = visit("t", width=400)
    write(page, "https://example.com/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 慶應義塾大学で𩸽を食べた。")
    row(page, "hiragana").locator("button").tap()
    expect(page.locator("#spellings-pieces h3")).to_have_text("トークンの区切り：ひらがな")
    page.locator("#spellings-ruby .spellings-word").first.tap()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
