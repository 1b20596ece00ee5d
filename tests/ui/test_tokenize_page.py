"""The Tokens tab in a real browser: typing, input methods, details by mouse and keys, ids, hostile text."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.contrast import low_contrast
from tests.support.quiet import press_open

Visit = Callable[..., Any]
HOSTILE = "<script>hacked = 1</script><img src=x onerror='hacked = 2'> ${window.hacked = 3} {{window.hacked}} \u202e右から"


def write(page: Any, text: str) -> None:
    """Put a text into the box and wait until its pieces are there."""
    page.locator("#tokenize-text .token-editor-field").fill(text)
    expect(numbers(page).nth(1)).to_have_text(f"{len(text):,}")


def numbers(page: Any) -> Any:
    """Tokens, characters, bytes, characters per token."""
    return page.locator("#tokenize-counts dd")


def pieces(page: Any) -> Any:
    return page.locator("#tokenize-text .token-editor-piece")


def detail(page: Any) -> Any:
    return page.locator("#tokenize-view .detail")


def unfold(page: Any, name: str) -> None:
    press_open(page.locator(f"#{name} > button"))


def test_the_first_visit_shows_a_text_and_its_pieces(visit: Visit) -> None:
    page = visit("t")
    expect(pieces(page).first).to_be_visible()
    expect(page.locator("#spellings-view tbody tr").first).to_be_visible()


def test_typing_shows_pieces_at_once(visit: Visit) -> None:
    page = visit("t")
    write(page, "")
    expect(pieces(page)).to_have_count(0)
    page.locator("#tokenize-text .token-editor-field").press_sequentially("慶應大学")
    expect(pieces(page)).to_have_count(2)
    page.locator("#tokenize-text .token-editor-field").press("Backspace")
    expect(pieces(page)).to_have_text(["慶應", "大"])


def test_an_input_method_is_followed(visit: Visit) -> None:
    page = visit("t")
    write(page, "")
    page.locator("#tokenize-text .token-editor-field").focus()
    session = page.context.new_cdp_session(page)
    for composed in ("と", "とう", "とうk", "とうきょう"):
        session.send(
            "Input.imeSetComposition", {"text": composed, "selectionStart": len(composed), "selectionEnd": len(composed)}
        )
    session.send("Input.insertText", {"text": "東京"})
    expect(pieces(page)).to_have_text(["東京"])


def test_a_reload_keeps_the_text_of_the_visit(visit: Visit) -> None:
    page = visit("t")
    write(page, "犬と猫")
    page.reload()
    press_open(page.get_by_role("tab").nth(1))
    expect(page.locator("#tokenize-text .token-editor-field")).to_have_value("犬と猫")
    expect(pieces(page)).to_have_text(["犬", "と", "猫"])


def test_pieces_are_the_users_own_text_in_reading_order(visit: Visit) -> None:
    page = visit("t")
    text = "私は慶應大学の學生です。"
    write(page, text)
    own = page.evaluate(
        "Array.from(document.querySelectorAll('#tokenize-text .token-editor-piece'), (p) => p.dataset.text ?? p.textContent).join('')"
    )
    assert own.replace("3", "") == text  # the 3 is the number of bytes of 學, which the tiny vocabulary lacks


@pytest.mark.parametrize("how", ["hover", "click"])
def test_pointing_at_a_piece_tells_all_about_it(visit: Visit, how: str) -> None:
    page = visit("t", lang="en")
    write(page, "慶應")
    getattr(pieces(page).first, how)()
    expect(detail(page)).to_contain_text("E6 85 B6 E6 87 89")
    expect(detail(page)).to_contain_text("“慶應” has the same id as “慶応”: decoding gives “慶応”.")
    expect(detail(page).locator(".spellings span")).to_have_text(["慶応", "慶應"])


def test_another_text_brings_its_own_details(visit: Visit) -> None:
    page = visit("t", lang="en")
    write(page, "犬")
    pieces(page).first.click()
    write(page, "東京")
    expect(detail(page)).to_contain_text("Hover over a token")
    expect(pieces(page).first).not_to_have_attribute("aria-selected", "true")
    pieces(page).first.hover()
    expect(detail(page)).to_contain_text("E6 9D B1 E4 BA AC")
    page.locator("#tokenize-counts").hover()
    expect(detail(page)).to_contain_text("Hover over a token")


def test_arrow_keys_walk_the_pieces(visit: Visit) -> None:
    page = visit("t")
    write(page, "犬猫私")
    page.locator("#tokenize-text .token-editor-field").focus()
    page.keyboard.press("Tab")
    expect(pieces(page).nth(0)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(pieces(page).nth(1)).to_be_focused()
    expect(pieces(page).nth(1)).to_have_attribute("aria-selected", "true")
    expect(detail(page)).to_contain_text("猫")
    page.keyboard.press("End")
    expect(detail(page)).to_contain_text("私")
    page.keyboard.press("ArrowRight")
    expect(pieces(page).nth(2)).to_be_focused()


def test_a_split_character_is_one_box_and_every_byte_is_told(visit: Visit) -> None:
    page = visit("t")
    write(page, "𩸽")
    expect(pieces(page)).to_have_count(1)
    pieces(page).first.click()
    expect(detail(page)).to_contain_text("F0 A9 B8 BD")
    expect(detail(page)).to_contain_text("<|byte240|> <|byte169|> <|byte184|> <|byte189|>")


def test_ids_appear_on_a_switch(visit: Visit) -> None:
    page = visit("t")
    write(page, "犬")
    shown = "getComputedStyle(document.querySelector('#tokenize-text .token-editor-piece'), '::after').content"
    assert page.evaluate(shown) == "none"
    page.locator("#tokenize-show-ids input").click()
    page.wait_for_function("document.body.classList.contains('show-ids')")
    assert page.evaluate(shown) == f'"{pieces(page).first.get_attribute("data-id")}"'


def test_ids_go_out_and_come_back_as_text(visit: Visit) -> None:
    page = visit("t", lang="en")
    write(page, "東京都に住む")
    unfold(page, "tokenize-ids-section")
    ids = page.locator("#tokenize-ids textarea").input_value()
    page.locator("#tokenize-paste textarea").fill(f"[{ids}]")
    expect(page.locator("#tokenize-pasted textarea")).to_have_value("東京都に住む")
    page.locator("#tokenize-paste textarea").fill("12 犬")
    expect(page.locator("#tokenize-paste-note [role=alert]")).to_contain_text("'犬' is not a token id.")


def test_markup_and_templates_stay_text(visit: Visit) -> None:
    page = visit("t")
    write(page, HOSTILE)
    pieces(page).nth(3).click()
    page.wait_for_timeout(500)
    assert page.evaluate("window.hacked") is None
    assert page.locator("#tokenize-view script, #tokenize-view img").count() == 0
    expect(page.locator("#tokenize-text .token-editor-pieceieces")).to_contain_text("U+202E")


def test_a_lone_surrogate_harms_nobody(visit: Visit) -> None:
    page = visit("t")
    page.evaluate(
        r"""() => { const area = document.querySelector('#tokenize-text .token-editor-field');
            area.value = '犬\ud800猫'; area.dispatchEvent(new Event('input', { bubbles: true })); }"""
    )
    expect(pieces(page)).to_have_count(3)
    write(page, "犬")
    expect(pieces(page)).to_have_count(1)


def test_a_hundred_thousand_characters_stay_usable(visit: Visit) -> None:
    page = visit("t", lang="en")
    write(page, "吾輩は猫である。" * 12_500)
    expect(pieces(page)).to_have_count(3_000)
    expect(page.locator("#tokenize-view .notice")).to_contain_text("are counted but not shown")
    expect(page.locator("#spellings-view .notice")).to_contain_text("Only the first 2,000 characters are compared.")


def test_labels_and_sentences_follow_the_browsers_language(visit: Visit) -> None:
    english, japanese = visit("t", lang="en"), visit("t", lang="ja")
    for page in (english, japanese):
        write(page, "犬")
    expect(english.get_by_label("Text", exact=True).first).to_be_visible()
    expect(english.locator("#tokenize-counts")).to_contain_text("characters per token")
    expect(english.locator("#brand")).to_contain_text("Japanese GPT-NeoX, token by token")
    assert english.locator("#brand .only-ja").is_hidden()
    expect(japanese.get_by_label("文章", exact=True).first).to_be_visible()
    expect(japanese.locator("#tokenize-counts")).to_contain_text("トークン")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_of_the_tab_can_be_read(visit: Visit, theme: str) -> None:
    page = visit("t", theme=theme)
    write(page, "慶應でＡ1、𩸽 を\u3000食べた😀")
    pieces(page).first.click()
    page.locator("#tokenize-show-ids input").click()
    page.wait_for_timeout(500)
    assert low_contrast(page) == []


def test_a_phone_scrolls_down_only(visit: Visit) -> None:
    page = visit("t", width=400)
    write(page, "https://example.com/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 慶應義塾大学で𩸽を食べた。")
    pieces(page).first.tap()
    expect(detail(page)).to_contain_text("68")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
