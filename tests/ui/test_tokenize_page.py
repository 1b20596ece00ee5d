"""The Tokens tab in a real browser: typing, input methods, the popover by mouse and keys, ids, hostile text."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.contrast import low_contrast
from tests.support.quiet import press_open

Visit = Callable[..., Any]
HOSTILE = "<script>hacked = 1</script><img src=x onerror='hacked = 2'> ${window.hacked = 3} {{window.hacked}} \u202e右から"


ALIGN = """() => {
  const paint = document.querySelector('#tokenize-text .token-editor-paint');
  const field = document.querySelector('#tokenize-text .token-editor-field'), style = getComputedStyle(field);
  const mirror = Object.assign(document.createElement('div'), { lang: 'ja', textContent: field.value });
  for (const name of style) mirror.style.setProperty(name, style.getPropertyValue(name));
  Object.assign(mirror.style, { inset: '0 auto auto 0', height: 'auto', width: `${field.getBoundingClientRect().width}px` });
  field.parentNode.append(mirror);
  const places = (root) => {
    const origin = root.getBoundingClientRect(), walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT), found = [];
    for (let node = walk.nextNode(); node; node = walk.nextNode())
      for (let at = 0; at < node.length; at += 1) {
        const range = document.createRange();
        range.setStart(node, at);
        range.setEnd(node, at + 1);
        const rect = Array.from(range.getClientRects()).at(-1);
        found.push([node.data[at], rect.left - origin.left, rect.top - origin.top]);
      }
    return found;
  };
  const painted = places(paint), written = places(mirror);
  mirror.remove();
  const starts = Array.from(new Intl.Segmenter("ja").segment(field.value), (one) => one.index); // of what one sees as a character
  const near = ([a, x, y], [b, left, top]) => a === b && Math.abs(x - left) < 0.6 && Math.abs(y - top) < 1;
  return painted.length === written.length ? starts.filter((at) => !near(painted[at], written[at])) : "not the same text";
}"""
"""The painted letters that do not lie on those of a field with the same style and text."""


def write(page: Any, text: str) -> None:
    """Put a text into the field and wait until its pieces are there."""
    page.locator("#tokenize-text .token-editor-field").fill(text)
    expect(numbers(page).nth(1)).to_have_text(f"{len(text):,}")


def numbers(page: Any) -> Any:
    """Tokens, characters, bytes, characters per token."""
    return page.locator("#tokenize-counts dd")


def pieces(page: Any) -> Any:
    return page.locator("#tokenize-text .token-editor-piece")


def field(page: Any) -> Any:
    return page.locator("#tokenize-text .token-editor-field")


def popover(page: Any) -> Any:
    return page.locator("#tokenize-text .token-editor-popover")


def point_at(page: Any, number: int) -> None:
    """The pointer rests on a piece: over it lies the field."""
    place = pieces(page).nth(number).bounding_box()
    page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2, steps=3)


def press(page: Any, number: int) -> None:
    point_at(page, number)
    page.mouse.down()
    page.mouse.up()


def unfold(page: Any, name: str) -> None:
    press_open(page.locator(f"#{name} > button"))


def test_the_first_visit_shows_a_text_and_its_pieces(visit: Visit) -> None:
    page = visit("t")
    expect(pieces(page).first).to_be_visible()
    expect(page.locator("#spellings-view tbody tr").first).to_be_visible()


def test_typing_shows_pieces_at_once(kept: Visit) -> None:
    page = kept("t")
    write(page, "")
    expect(pieces(page)).to_have_count(0)
    page.locator("#tokenize-text .token-editor-field").press_sequentially("慶應大学")
    expect(pieces(page)).to_have_count(2)
    page.locator("#tokenize-text .token-editor-field").press("Backspace")
    expect(pieces(page)).to_have_text(["慶應", "大"])


def test_an_input_method_is_followed(kept: Visit) -> None:
    page = kept("t")
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


def test_on_a_laptop_the_text_and_the_count_of_its_kana_are_seen_without_scrolling(kept: Visit) -> None:
    page = kept("t", width=1366)
    page.set_viewport_size({"width": 1366, "height": 650})
    expect(page.locator(".spellings-table tr[data-key=hiragana] td b").first).to_be_in_viewport(ratio=1)
    expect(pieces(page).last).to_be_in_viewport()


def test_a_cleared_text_stays_cleared_over_a_reload(visit: Visit) -> None:
    page = visit("t")
    write(page, "")
    page.reload()
    press_open(page.get_by_role("tab").nth(1))
    expect(field(page)).to_have_value("")


def test_pieces_are_the_users_own_text_in_reading_order(kept: Visit) -> None:
    page = kept("t")
    text = "私は慶應大学の學生です。"
    write(page, text)
    assert "".join(pieces(page).all_text_contents()) == text


@pytest.mark.parametrize("how", [point_at, press])
def test_pointing_at_a_piece_shows_all_about_it(kept: Visit, how: Callable[[Any, int], None]) -> None:
    page = kept("t", lang="en")
    write(page, "慶應")
    how(page, 0)
    expect(popover(page)).to_contain_text("E6 85 B6 E6 87 89")
    for fact in ("piece 慶應", "script kanji", "kind word", "position 1–2"):
        expect(popover(page)).to_contain_text(fact)
    expect(popover(page)).to_contain_text("≈ “慶應” has the same id as “慶応”: decoding gives “慶応”.")
    expect(popover(page).locator(".token-editor-texts span")).to_have_text(["慶応", "慶應"])
    expect(popover(page).locator(".token-editor-mine")).to_have_text("慶應")


def test_a_line_break_is_pressed_at_its_sign(kept: Visit) -> None:
    page = kept("t", lang="en")
    write(page, "吾輩は\n猫")
    number = (
        page.evaluate(
            "document.querySelector('#tokenize-text .token-editor-paint').querySelectorAll('.token-editor-piece').length"
        )
        - 2
    )
    place = pieces(page).nth(number).evaluate("piece => piece.getClientRects()[0].toJSON()")
    page.mouse.click(place["x"] + 6, place["y"] + place["height"] / 2)
    expect(popover(page)).to_be_visible()
    expect(popover(page)).to_contain_text("<BR>")


def test_another_text_closes_the_popover_and_has_its_own(kept: Visit) -> None:
    page = kept("t", lang="en")
    write(page, "犬")
    press(page, 0)
    expect(popover(page)).to_be_visible()
    write(page, "東京")
    expect(popover(page)).to_be_hidden()
    press(page, 0)
    expect(popover(page)).to_contain_text("E6 9D B1 E4 BA AC")
    page.keyboard.press("Escape")
    expect(popover(page)).to_be_hidden()


def test_arrow_keys_walk_the_pieces(kept: Visit) -> None:
    page = kept("t")
    write(page, "犬猫私")
    field(page).focus()
    page.keyboard.press("Control+Home")
    page.keyboard.press("Alt+ArrowDown")
    expect(popover(page).locator(".token-editor-name")).to_have_text("犬")
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    expect(pieces(page).nth(1)).to_have_class(re.compile("token-editor-selected"))
    page.keyboard.press("Alt+ArrowDown")
    expect(popover(page).locator(".token-editor-name")).to_have_text("猫")
    page.keyboard.press("Escape")
    page.keyboard.press("End")
    expect(pieces(page).nth(2)).to_have_class(re.compile("token-editor-selected"))
    assert field(page).get_attribute("aria-label") == "文章、3 トークン。Alt+↓ でカーソル位置のトークンを表示します。"


def test_a_split_character_is_one_box_with_its_number_of_bytes_and_all_of_them(kept: Visit) -> None:
    page = kept("t")
    write(page, "𩸽")
    expect(pieces(page)).to_have_count(1)
    expect(pieces(page)).to_have_attribute("data-above", "4")
    press(page, 0)
    expect(popover(page)).to_contain_text("F0 A9 B8 BD")
    expect(popover(page)).to_contain_text("<|byte240|> <|byte169|> <|byte184|> <|byte189|>")


def test_marks_are_colours_lines_and_signs(kept: Visit) -> None:
    page = kept("t")
    write(page, "慶應で大\u3000学\n")
    look = """(all) => all.map((piece) => {
      const style = getComputedStyle(piece), { above, sign } = piece.dataset;
      return [style.getPropertyValue("--script"), style.textDecorationStyle, above ?? "", sign ?? ""];
    })"""
    found = pieces(page).evaluate_all(look)
    kanji, hiragana = found[0][0], found[1][0]
    assert found[0][1:] == ["dotted", "≈", ""]
    assert found[1][1:] == ["solid", "", ""]
    assert kanji != hiragana
    assert found[3][1:] == ["wavy", "≠", "□"]
    assert found[5][3] == "⏎"
    tones = [piece.evaluate("(piece) => getComputedStyle(piece).backgroundColor") for piece in pieces(page).all()[:3]]
    assert tones[0] == tones[2] != tones[1]


def test_ids_appear_on_a_switch(kept: Visit) -> None:
    page = kept("t")
    write(page, "犬𩸽")
    ids = pieces(page).locator(".token-editor-id")
    expect(ids).to_have_count(0)
    page.locator("#tokenize-show-ids input").click()
    expect(ids).to_have_count(2)
    first = page.evaluate("neoxjp.editor('tokenize-text').pieces.map((piece) => piece.ids[0])")
    assert ids.evaluate_all("(all) => all.map((one) => one.dataset.id)") == [f"{first[0]}", f"{first[1]}+3"]
    write(page, "犬犬")
    expect(ids).to_have_count(2)
    expect(pieces(page)).to_have_text(["犬", "犬"])
    page.locator("#tokenize-show-ids input").click()
    expect(ids).to_have_count(0)


def test_each_letter_lies_over_its_picture(kept: Visit) -> None:
    page = kept("t")
    words = "internationalization of Donaudampfschifffahrt か\u3099と が、。「」（）！？ＡＢＣ\t2024年 終\u200bx"
    write(page, f"𩸽と鱈を食べた👨\u200d👩\u200d👧 cafe\u0301 で🐈\u200d⬛を見た👋🏻\n慶應\u3000{words} 吾輩は猫である。" * 3)
    for ids in (False, True):
        if ids:
            page.locator("#tokenize-show-ids input").click()
            expect(pieces(page).first.locator(".token-editor-id")).to_have_count(1)
        for width in (1280, 1003, 612, 400):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate(ALIGN) == []
    page.locator("#tokenize-show-ids input").click()


def test_an_edit_sends_and_gets_what_changed_only(visit: Visit) -> None:
    page = visit("t")
    write(page, "吾輩は猫である。" * 250)
    sent, got = [], []

    def on_response(response: Any) -> None:
        if response.url.endswith("/neoxjp/text") and "猫" in (response.request.post_data or ""):
            sent.append(len(response.request.post_data or ""))
            got.append(len(response.body()))

    page.on("response", on_response)
    field(page).press("Control+Home")
    page.keyboard.insert_text("猫")
    expect(pieces(page).first).to_have_text("猫")
    expect(numbers(page).nth(1)).to_have_text("2,001")
    assert len(sent) == len(got) == 1
    assert sent[0] < 1_000
    assert got[0] < 4_096  # with the counts and the legend


def test_the_end_of_a_long_text_is_pressed_and_edited_where_it_stands(kept: Visit) -> None:
    page = kept("t")
    write(page, "吾輩は猫である。\n" * 40)
    last = pieces(page).nth(pieces(page).count() - 2)  # 。
    last.scroll_into_view_if_needed()
    place = last.bounding_box()
    page.mouse.click(place["x"] + place["width"] - 2, place["y"] + place["height"] / 2)
    expect(popover(page)).to_be_visible()
    expect(popover(page).locator(".token-editor-name")).to_have_text("。")
    page.keyboard.press("Escape")
    page.keyboard.insert_text("猫")
    expect(numbers(page).nth(1)).to_have_text("361")
    assert field(page).input_value().endswith("である。猫\n")
    assert field(page).evaluate("field => field.scrollTop") == 0  # the caret stands on its letter
    assert page.evaluate(ALIGN) == []
    write(page, "")
    expect(pieces(page)).to_have_count(0)
    box = page.locator("#tokenize-text .token-editor-box").bounding_box()  # an empty text is as large as its box
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] - 20)
    expect(field(page)).to_be_focused()


def test_copy_undo_and_selection_are_the_browsers_own(kept: Visit) -> None:
    page = kept("t")
    write(page, "犬と猫")
    field(page).press("End")
    page.keyboard.insert_text("私")
    expect(pieces(page)).to_have_count(4)
    page.keyboard.press("Control+A")
    page.keyboard.press("Control+C")
    assert page.evaluate("navigator.clipboard.readText()") == "犬と猫私"
    page.keyboard.press("Control+Z")
    expect(field(page)).to_have_value("犬と猫")
    expect(pieces(page)).to_have_text(["犬", "と", "猫"])


def test_the_popover_opens_the_section_that_explains_the_cut(kept: Visit) -> None:
    page = kept("t", lang="en")
    write(page, "東京に住む")
    press(page, 1)
    popover(page).get_by_role("button", name="Why it is split here").click()
    expect(page.locator("#lab-why_this_cut-button")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#why-this-cut-explanation .why-this-cut-line .why-this-cut-won")).to_have_text("に")


def test_ids_go_out_and_come_back_as_text(kept: Visit, tiny: Any) -> None:
    page = kept("t", lang="en")
    unfold(page, "tokenize-ids-section")
    shown = page.locator("#tokenize-ids textarea")
    write(page, "東京都に住む")
    ids = ", ".join(map(str, tiny.encode("東京都に住む")))
    expect(shown).to_have_value(ids)  # they follow when typing pauses
    page.locator("#tokenize-paste textarea").fill(f"[{ids}]")
    expect(page.locator("#tokenize-pasted textarea")).to_have_value("東京都に住む")
    page.locator("#tokenize-paste textarea").fill("12 犬")
    expect(page.locator("#tokenize-paste-note [role=alert]")).to_contain_text("'犬' is not a token id.")


def test_markup_and_templates_stay_text(kept: Visit) -> None:
    page = kept("t")
    write(page, HOSTILE)
    press(page, 3)
    expect(popover(page)).to_contain_text("UTF-8")
    page.wait_for_timeout(500)
    assert page.evaluate("window.hacked") is None
    assert page.locator("#tokenize-text script, #tokenize-text img").count() == 0
    expect(page.locator("#tokenize-text [data-above^='U+202E']")).to_have_count(1)


def test_a_lone_surrogate_harms_nobody(kept: Visit) -> None:
    page = kept("t")
    page.evaluate(
        r"""() => { const area = document.querySelector('#tokenize-text .token-editor-field');
            area.value = '犬\ud800猫'; area.dispatchEvent(new Event('input', { bubbles: true })); }"""
    )
    expect(pieces(page)).to_have_text(["犬", "\ufffd", "猫"])
    write(page, "犬")
    expect(pieces(page)).to_have_count(1)


def test_line_breaks_of_other_systems_are_line_breaks(kept: Visit) -> None:
    page = kept("t")
    write(page, "")
    page.evaluate("neoxjp.editor('tokenize-text').set('犬\\r\\n猫\\r私')")
    expect(pieces(page)).to_have_text(["犬", "\n", "猫", "\n", "私"])
    expect(field(page)).to_have_value("犬\n猫\n私")


def test_a_hundred_thousand_characters_stay_usable(kept: Visit) -> None:
    page = kept("t", lang="en")
    write(page, "吾輩は猫である。" * 12_500)
    expect(page.locator("#tokenize-legend .notice")).to_contain_text("are counted but not shown")
    assert page.evaluate("neoxjp.editor('tokenize-text').pieces.filter((piece) => piece.ids.length).length") == 3_000
    field(page).press("Control+Home")
    page.keyboard.insert_text("猫")
    expect(pieces(page).first).to_have_text("猫")
    expect(numbers(page).nth(1)).to_have_text("100,001")
    page.locator("#lab-spellings-button").click()
    expect(page.locator("#spellings-view .notice")).to_contain_text("Only the first 2,000 characters are compared.")


def test_labels_and_sentences_follow_the_browsers_language(kept: Visit) -> None:
    english, japanese = kept("t", lang="en"), kept("t", lang="ja")
    for page in (english, japanese):
        write(page, "犬")
    expect(english.get_by_label("Text, 1 tokens. Alt+↓ shows the token at the caret.")).to_be_visible()
    expect(english.locator("#tokenize-counts")).to_contain_text("characters per token")
    expect(english.locator("#brand")).to_contain_text("Japanese GPT-NeoX, token by token")
    assert english.locator("#brand .only-ja").is_hidden()
    expect(japanese.get_by_label("文章、1 トークン。Alt+↓ でカーソル位置のトークンを表示します。")).to_be_visible()
    write(english, "")
    expect(english.get_by_placeholder("Type Japanese text here")).to_be_visible()
    expect(japanese.locator("#tokenize-counts")).to_contain_text("トークン")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_of_the_tab_can_be_read(visit: Visit, theme: str) -> None:
    page = visit("t", theme=theme)
    write(page, "慶應でＡ1、𩸽 を\u3000食べた😀")
    page.locator("#tokenize-show-ids input").click()
    press(page, 0)
    expect(popover(page)).to_contain_text("UTF-8")
    page.wait_for_timeout(500)
    assert low_contrast(page) == []


def test_a_phone_scrolls_down_only(visit: Visit) -> None:
    page = visit("t", width=400)
    write(page, "https://example.com/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 慶應義塾大学で𩸽を食べた。")
    place = pieces(page).first.bounding_box()
    page.touchscreen.tap(place["x"] + 5, place["y"] + 12)
    expect(popover(page)).to_contain_text("68")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
