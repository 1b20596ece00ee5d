"""Links and copies in a real browser: what was copied brings the same view back elsewhere, or says what the page shows."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from neoxjp.page_parts import link_address as address
from tests.support.contrast import low_contrast
from tests.support.hub_server import LocalHub
from tests.support.page import serve, wait_for_model
from tests.support.quiet import press_open, quiet
from tests.ui.test_generate_page import generate
from tests.ui.test_tokenize_page import HOSTILE, pieces, write

Visit = Callable[..., Any]
TEXT = "慶應と慶応 👨\u200d👩\u200d👧\n𩸽。\u202e"


def copied(page: Any, kind: str, said: str) -> str:
    """What lies on the clipboard after a button was pressed and the page said so."""
    page.locator(f"#share-link-copy-{kind}").click()
    expect(page.locator("#share-link-status")).to_contain_text(said)
    return str(page.evaluate("navigator.clipboard.readText()"))


def open_menu(page: Any) -> None:
    press_open(page.locator("#share-link-menu > button"))
    expect(page.locator("#share-link-copy-html")).to_be_visible()


def test_a_copied_link_brings_back_text_tab_and_choices(visit: Visit) -> None:
    page = visit("t", lang="en")
    write(page, TEXT)
    page.locator("#tokenize-show-ids input").click()
    page.locator("#lab-why_this_cut-button").click()
    expect(page.locator("#lab-why_this_cut-button")).to_have_attribute("aria-selected", "true")
    page.evaluate("neoxjp.editor('tokenize-text').select(2)")
    link = copied(page, "link", "Link copied")
    assert len(link) < 200
    other = visit(lang="ja", link=link)
    expect(other.locator("#tokenize-text .token-editor-field")).to_have_value(TEXT)
    expect(other.locator("#lab-why_this_cut-button")).to_have_attribute("aria-selected", "true")
    expect(pieces(other)).to_have_count(pieces(page).count())
    expect(other.locator("#tokenize-text .token-editor-id").first).to_be_attached()
    other.wait_for_function("neoxjp.editor('tokenize-text').selected === 2")
    assert other.evaluate("document.documentElement.classList.contains('share-link-arriving')") is False


def test_a_link_wins_over_the_kept_text_and_what_is_typed_then_over_a_reload(visit: Visit) -> None:
    page = visit("t")
    write(page, "覚えている文章")
    link = copied(page, "link", "コピーしました")
    write(page, "そのあとの文章")
    page.goto(link)
    expect(page.locator("#tokenize-text .token-editor-field")).to_have_value("覚えている文章")
    expect(pieces(page).first).to_be_visible()
    write(page, "打ちなおした文章")
    page.reload()
    expect(page.locator("#tokenize-text .token-editor-field")).to_have_value("打ちなおした文章")


def test_nothing_else_flashes_before_what_the_link_says(visit: Visit, page_url: str) -> None:
    page = visit("t")
    page.add_init_script(
        """window.seen = new Set();
        const look = () => {
            const shown = (selector) => document.querySelector(selector)?.checkVisibility({ visibilityProperty: true });
            if (shown('#generate-go')) window.seen.add('the first tab');
            const field = '#tokenize-text .token-editor-field';
            if (shown(field)) window.seen.add(document.querySelector(field).value);
            requestAnimationFrame(look);
        };
        look();"""
    )
    page.goto(page_url + "/" + address.query(address.View("覚えている文章", "why_this_cut")))
    expect(page.locator("#tokenize-text .token-editor-field")).to_have_value("覚えている文章")
    expect(page.locator("#lab-why_this_cut-button")).to_be_visible()
    page.wait_for_timeout(300)
    assert page.evaluate("[...window.seen]") == ["覚えている文章"]


@pytest.fixture
def online(tmp_path: Path, tiny_folder: Path) -> Iterator[tuple[str, LocalHub]]:
    """A page that may ask a Hub, and that Hub, on which nobody has asked for anything yet."""
    with LocalHub() as hub, serve(tiny_folder, offline=False, **hub.environment(tmp_path)) as url:
        wait_for_model(url)
        hub.requests.clear()
        yield url, hub


def test_a_link_opens_no_tokenizer_before_one_presses(visit: Visit, online: tuple[str, LocalHub], tiny_vocabulary: Path) -> None:
    url, hub = online
    choices = {"spellings": {"hub": ["rinna", "qwen"], "package": ["tekken"], "local": str(tiny_vocabulary)}}
    page = visit(lang="en", url=url, link=url + "/" + address.query(address.View("慶應と慶応", "spellings", choices)))
    expect(page.locator("#spellings-open")).to_be_visible()
    for name in ("rinna", "Qwen3", "Mistral Tekken", tiny_vocabulary.name):
        expect(page.locator("#spellings-view")).to_contain_text(name)
    page.wait_for_timeout(500)
    assert hub.requests == []
    page.locator("#spellings-open").click()
    expect(page.locator("#spellings-view")).to_contain_text("no model of that name on the Hub")
    assert [path for _, path in hub.requests if "rinna" in path]


def test_a_damaged_link_gets_a_sentence_and_a_page_that_works(visit: Visit, page_url: str) -> None:
    link = page_url + "/" + address.query(address.View("犬", "why_this_cut"))
    page = visit(lang="en", link=link[:-2] + "zz")
    expect(page.locator("#share-link-note [role=alert]")).to_contain_text("This link cannot be read")
    write(page, "慶應大学")
    expect(pieces(page)).to_have_text(["慶應", "大学"])


def test_a_hostile_link_changes_nothing_but_what_it_may(visit: Visit, page_url: str) -> None:
    choices = {
        "tokens": {"ids": "<script>hacked = 4</script>", "text": "x"},
        "why_this_cut": {"nothing": HOSTILE},
        "nowhere": {"x": [1]},
    }
    page = visit(lang="en", link=page_url + "/" + address.query(address.View(HOSTILE, "<b>", choices)))
    expect(page.locator("#tokenize-text .token-editor-field")).to_have_value(HOSTILE)
    expect(page.locator("#lab-spellings-button")).to_have_attribute("aria-selected", "true")
    expect(pieces(page).first).to_be_visible()
    open_menu(page)
    html = copied(page, "html", "Copied: HTML")
    page.evaluate(
        "(html) => { const place = document.createElement('div'); place.innerHTML = html; document.body.append(place) }", html
    )
    page.wait_for_timeout(300)
    assert page.evaluate("window.hacked") is None


# ---------------------------------------------------------------- the Generate tab


def value(page: Any, name: str) -> Any:
    """A field by its id; of a slider the number."""
    return page.locator(f"#{name} textarea, #{name} input:not([type=range])").first


def generate_link(page: Any) -> str:
    page.locator("#share-link-generate-copy-link").click()
    expect(page.locator("#share-link-generate-status")).to_contain_text(re.compile(r"Link copied|リンクをコピーしました"))
    return str(page.evaluate("navigator.clipboard.readText()"))


def test_a_link_of_the_generate_tab_brings_back_opening_settings_and_choices_and_runs_nothing(visit: Visit) -> None:
    page = visit("g", lang="en")
    expect(page.locator("#share-link-generate-status")).to_contain_text("Restores the text")
    press_open(page.locator("#generate-more-filters > button"))
    given = {
        "generate-text": "慶應と「猫」\n𩸽は",
        "option-temperature": "1.25",
        "option-top-k": "17",
        "option-min-new-tokens": "4",
        "option-seed": "42",
        "option-stop": "。\n\\n",
    }
    for name, text in given.items():
        value(page, name).fill(text)
    page.locator("#generate-truncate input").check()
    page.locator("#lab-heat_map-button").click()
    page.locator("#heat-map-measure").get_by_role("radio").nth(1).check()
    value(page, "heat-map-text").fill("吾輩は猫である")
    page.locator("#lab-beams-button").click()
    value(page, "beams-number").fill("3")
    page.locator("#lab-side_by_side-button").click()
    press_open(page.locator("#side-by-side-fields > button"))
    value(page, "side-by-side-seed-2").fill("77")
    quiet(page)
    page.locator("#lab-inside-button").click()
    value(page, "inside-head").fill("2")
    quiet(page)
    link = generate_link(page)
    assert re.match(r"http://127\.0\.0\.1:\d+/\?gen=1[\w-]{100,500}$", link)

    other = visit(lang="ja", link=link)
    press_open(other.locator("#generate-more-filters > button"))
    for name, text in given.items():
        expect(value(other, name)).to_have_value(text)
    expect(other.locator("#generate-truncate input")).to_be_checked()
    expect(other.locator("#lab-inside-button")).to_have_attribute("aria-selected", "true")
    expect(value(other, "inside-head")).to_have_value("2")
    quiet(other)
    expect(other.locator("#generate-text .token-editor-piece:not(.token-editor-own)")).to_have_count(0)
    expect(other.locator("#inside-lens table")).to_have_count(0)
    other.locator("#lab-heat_map-button").click()
    expect(value(other, "heat-map-text")).to_have_value("吾輩は猫である")
    expect(other.locator("#heat-map-measure").get_by_role("radio").nth(1)).to_be_checked()
    other.locator("#lab-beams-button").click()
    expect(value(other, "beams-number")).to_have_value("3")
    other.locator("#lab-side_by_side-button").click()
    expect(other.locator("#side-by-side-differs input[type=radio]").last).to_be_checked()
    press_open(other.locator("#side-by-side-fields > button"))
    expect(value(other, "side-by-side-seed-2")).to_have_value("77")
    page.locator("#lab-side_by_side-button").click()
    expect(page.locator("#side-by-side-differs input[type=radio]").last).to_be_checked()
    quiet(page)
    quiet(other)
    assert generate_link(other) == generate_link(page)


def tokens(page: Any) -> list[Any]:
    """Text and class of each token of the Generate tab."""
    return page.locator("#generate-text .token-editor-piece").evaluate_all(
        "(all) => all.map((piece) => [piece.textContent, piece.className.replace(/ token-editor-(new|shown|selected)/g, '')])"
    )


def test_a_link_brings_back_what_the_model_wrote_with_its_probabilities_and_the_selected_token(visit: Visit, kept: Visit) -> None:
    page = kept("g", lang="en")
    value(page, "generate-text").fill("慶應と猫")
    value(page, "option-max-new-tokens").fill("12")
    value(page, "option-seed").fill("5")
    quiet(page)
    page.locator("#generate-go").click()
    expect(page.locator("#generate-stop button, button#generate-stop").first).to_be_disabled()
    quiet(page)
    page.evaluate("neoxjp.selection.select(neoxjp.selection.position + 2)")
    expect(page.locator("#generate-text .token-editor-selected")).to_have_count(1)
    link = generate_link(page)
    assert len(link) < 400
    other = visit(lang="ja", link=link)
    expect(value(other, "generate-text")).to_have_value(value(page, "generate-text").input_value())
    expect(other.locator("#generate-text .token-editor-selected")).to_have_count(1)
    expect(other.locator("#generate-text .token-editor-piece:not(.token-editor-own)")).not_to_have_count(0)
    quiet(other)
    assert tokens(other) == tokens(page)
    assert other.evaluate("neoxjp.selection.position") == page.evaluate("neoxjp.selection.position")
    expect(other.locator("button#generate-more")).to_be_enabled()
    first, second = (address.read(each.partition("?gen=")[2]) for each in (link, generate_link(other)))
    assert replace(second, choices={}) == replace(first, choices={})


def test_a_restored_text_has_its_numbers_and_no_hint(visit: Visit, kept: Visit) -> None:
    page = kept("g", lang="en")
    value(page, "generate-text").fill("慶應と猫")
    generate(page, tokens=8)
    expect(page.locator("#generate-stats")).to_contain_text("tokens, ")
    quiet(page)
    other = visit(lang="en", link=generate_link(page))
    expect(other.locator("#generate-line")).to_contain_text("Showing the text of the link")
    numbers = page.locator("#generate-stats dd").filter(has_text=re.compile("tokens, |bits")).all_inner_texts()
    assert len(numbers) == 3
    expect(other.locator("#generate-stats dd").filter(has_text=re.compile("tokens, |bits"))).to_have_text(numbers)


@pytest.mark.parametrize("tab", ["g", "t"])
def test_a_link_to_an_empty_text_brings_back_an_empty_text(visit: Visit, kept: Visit, tab: str) -> None:
    page, id = kept(tab, lang="en"), {"g": "generate-text", "t": "tokenize-text"}[tab]
    quiet(page)
    value(page, id).fill("")
    quiet(page)
    link = generate_link(page) if tab == "g" else copied(page, "link", "Link copied")
    other = visit(lang="en", link=link)
    quiet(other)
    expect(value(other, id)).to_have_value("")
    assert other.locator(f"#{id} .token-editor-piece").all_inner_texts() in ([], [""])
    if tab == "g":
        expect(other.locator("#generate-count")).to_contain_text("empty")


def test_the_end_of_what_was_typed_is_in_a_link_that_is_copied_at_once(kept: Visit) -> None:
    page = kept("g", lang="en")
    quiet(page)
    value(page, "generate-text").press("Control+End")
    page.keyboard.type("おわり")
    link = generate_link(page)
    assert address.read(link.partition("?gen=")[2]).text.endswith("おわり")


def test_ids_that_do_not_fit_are_left_out_with_a_sentence(visit: Visit, page_url: str) -> None:
    runs = (address.LinkedRun(2, "user", (10**9,)), address.LinkedRun(0, "model", ()))
    view = address.View("猫犬", "beams", {}, runs, "0123abcd", 10**6)
    page = visit(lang="ja", link=page_url + "/" + address.query(view, "generate"))
    expect(value(page, "generate-text")).to_have_value("猫犬")
    expect(page.locator("#generate-text .token-editor-message")).to_contain_text("別の語彙")
    expect(page.locator("#generate-text .token-editor-piece")).to_have_text(["猫", "犬"])


def test_what_is_typed_after_a_link_of_the_generate_tab_stays_over_a_reload(visit: Visit) -> None:
    page = visit("t", lang="en")
    write(page, "トークンの文章")
    press_open(page.get_by_role("tab").nth(0))
    value(page, "generate-text").fill("リンクの書き出し")
    link = generate_link(page)
    value(page, "generate-text").fill("そのあとの書き出し")
    page.goto(link)
    expect(value(page, "generate-text")).to_have_value("リンクの書き出し")
    quiet(page)
    press_open(page.get_by_role("tab").nth(1))
    expect(page.locator("#tokenize-text .token-editor-field")).to_have_value(
        "トークンの文章"
    )  # the other tab's text is not the link's matter
    press_open(page.get_by_role("tab").nth(0))
    value(page, "generate-text").fill("打ちなおした書き出し")
    page.reload()
    expect(value(page, "generate-text")).to_have_value("打ちなおした書き出し")


def test_a_damaged_and_a_too_long_link_of_the_generate_tab_get_a_sentence(visit: Visit, page_url: str) -> None:
    link = page_url + "/" + address.query(address.View("犬", "beams"), "generate")
    page = visit(lang="en", link=link[:-2] + "zz")
    expect(page.locator("#share-link-generate-note [role=alert]")).to_contain_text("This link cannot be read")
    expect(page.locator("#generate-go")).to_be_visible()
    value(page, "generate-text").fill("".join(chr(0x4E00 + i * 7919 % 20_000) for i in range(2_500)))
    page.locator("#share-link-generate-copy-link").click()
    expect(page.locator("#share-link-generate-note [role=alert]")).to_contain_text(
        "Please shorten the text, which has 2,500 characters, or save it as a file"
    )
    with page.expect_download() as caught:
        page.locator("#share-link-generate-file").click()
    assert caught.value.suggested_filename == "neoxjp-branches.json"
    saved = json.loads(Path(caught.value.path()).read_text(encoding="utf-8"))
    assert len(saved["nodes"][0]["typed"]) == 2_500
    value(page, "generate-text").fill("猫")
    generate_link(page)
    expect(page.locator("#share-link-generate-file")).to_be_hidden()


def test_a_hostile_link_of_the_generate_tab_changes_nothing_but_what_it_may(visit: Visit, page_url: str) -> None:
    choices = {
        "generate": {"temperature": 99, "top_p": "<b>", "seed": HOSTILE, "length": 10**9, "truncate": 1, "prompt": "x"},
        "inside": {"layer": -1},
        "replay": {"pasted": HOSTILE},
        "nowhere": {"x": [1]},
    }
    page = visit(lang="en", link=page_url + "/" + address.query(address.View(HOSTILE, "<b>", choices), "generate"))
    expect(value(page, "generate-text")).to_have_value(HOSTILE)
    expect(value(page, "option-temperature")).to_have_value("0.7")
    expect(value(page, "option-seed")).to_have_value(HOSTILE)
    press_open(page.locator("#generate-more-filters > button"))
    expect(page.locator("#generate-truncate input")).not_to_be_checked()
    expect(page.locator("#lab-sampling_trace-button")).to_have_attribute("aria-selected", "true")
    value(page, "generate-text").fill("猫")
    page.locator("#generate-go").click()
    expect(page.locator("#generate-line [role=alert]")).to_contain_text("is not a whole number")
    assert page.evaluate("window.hacked") is None


def test_each_copy_is_what_the_page_shows(kept: Visit) -> None:
    page = kept("t", lang="en")
    write(page, TEXT)
    shown = page.evaluate(
        """() => neoxjp.editor('tokenize-text').pieces.map((piece) =>
            (piece.marks.includes('folded') ? '≈' : piece.marks.includes('lossy') ? '≠' : '') + (piece.sign || piece.content)
            + (piece.ids.length > 1 ? piece.ids.length : ''))"""
    )
    open_menu(page)
    text = copied(page, "text", "Copied: Separated text, ")
    raised = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
    assert text.translate(raised).replace("\n", "│").split("│") == shown
    page.locator("#share-link-separator input, #share-link-separator textarea").fill(" / ")
    expect(page.locator("#share-link-separator input, #share-link-separator textarea")).to_have_value(" / ")
    assert copied(page, "text", "Copied: Separated text, ") == text.replace("│", " / ")
    page.locator("#share-link-separator input, #share-link-separator textarea").fill("│")
    markdown = copied(page, "markdown", "Copied: Markdown, ").split("\n\n")[0]
    assert re.findall(r"`([^`]+)`", markdown) == [re.sub(r"^[≈≠]|(?<=[^\d+])\d+$", "", each) for each in shown]
    html = copied(page, "html", "Copied: HTML, ")
    read = page.evaluate(
        """(html) => Array.from(new DOMParser().parseFromString(html, 'text/html').querySelectorAll('[lang=ja] > span'),
            (piece) => piece.textContent)""",
        html,
    )
    assert read == shown


def test_the_picture_is_as_large_as_the_text_needs_and_bounded(visit: Visit) -> None:
    from PIL import Image

    page = visit("t", lang="en", theme="dark")
    write(page, TEXT)
    open_menu(page)
    sizes = []
    for text in (TEXT, "吾輩は猫である。" * 2_000):
        write(page, text)
        with page.expect_download() as caught:
            page.locator("#share-link-copy-save").click()
        assert caught.value.suggested_filename == "tokens.png"
        picture = Image.open(BytesIO(Path(caught.value.path()).read_bytes())).convert("RGB")
        sizes.append(picture.size)
        assert picture.getpixel((2, 2)) == (26, 31, 43)  # the dark theme's card
        assert len(picture.crop((48, 48, 600, 120)).getcolors(60_000)) > 20
    assert sizes[0][0] == sizes[1][0] == 1_920
    assert sizes[0][1] < 400
    assert 7_000 < sizes[1][1] <= 8_000
    expect(page.locator("#share-link-status")).to_contain_text(
        re.compile(r"Saved as a file: Picture, [\d,]{5} of [\d,]{5,6} tokens")
    )


def test_where_the_clipboard_is_forbidden_files_are_saved_and_the_link_is_shown(visit: Visit) -> None:
    page = visit("t", lang="en")
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    write(page, "慶應と")
    page.locator("#share-link-copy-link").click()
    expect(page.locator("#share-link-status input")).to_have_value(re.compile(r"^http://127\.0\.0\.1:\d+/\?lab=1[\w-]+$"))
    open_menu(page)
    with page.expect_download() as caught:
        page.locator("#share-link-copy-markdown").click()
    assert caught.value.suggested_filename == "tokens.md"
    assert Path(caught.value.path()).read_text(encoding="utf-8").startswith("≈`慶應` `と`\n\n2 tokens")
    expect(page.locator("#share-link-status")).to_contain_text("Saved as a file: Markdown, 2 of 2 tokens")


def test_a_link_that_would_be_too_long_is_refused_with_what_to_do(kept: Visit) -> None:
    page = kept("t", lang="en")
    write(page, "".join(chr(0x4E00 + i * 7919 % 20_000) for i in range(2_500)))
    page.locator("#share-link-copy-link").click()
    expect(page.locator("#share-link-note [role=alert]")).to_contain_text("Please shorten the text, which has 2,500 characters")
    write(page, "犬")
    copied(page, "link", "Link copied")
    expect(page.locator("#share-link-note [role=alert]")).to_have_count(0)


@pytest.fixture(scope="module")
def space(tiny_folder: Path) -> Iterator[str]:
    with serve(tiny_folder, SPACE_ID="someone/something") as url:
        yield url


def test_on_a_space_the_link_names_the_space(visit: Visit, space: str) -> None:
    page = visit("t", lang="en", url=space)
    write(page, "犬")
    assert copied(page, "link", "Link copied").startswith("https://huggingface.co/spaces/someone/something?lab=1")
    press_open(page.get_by_role("tab").nth(0))
    assert generate_link(page).startswith("https://huggingface.co/spaces/someone/something?gen=1")


def test_the_lab_is_reached_by_keyboard_on_a_phone(visit: Visit) -> None:
    page = visit("t", width=400)
    tabs = page.locator("#lab [role=tab]")
    expect(tabs).to_have_count(6)
    for i in range(6):
        expect(tabs.nth(i)).to_be_visible()
    tabs.first.focus()
    for _ in range(2):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#lab-round_trip-button")).to_have_attribute("aria-selected", "true")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_menu_can_be_read(visit: Visit, theme: str) -> None:
    page = visit("t", theme=theme)
    open_menu(page)
    copied(page, "text", "コピーしました")
    found = [fault for fault in low_contrast(page) if "share-link" in fault or "BUTTON" in fault]
    assert found == []
