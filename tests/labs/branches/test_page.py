"""Branches in a real browser: going on from an alternative, the tree by keys, force, compare, undo, redo, files, reload."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.contrast import low_contrast
from tests.support.quiet import open_lab, press_open, quiet
from tests.ui.test_generate_page import alternative, done, generate, pieces, point, press, prompt, selected, use_seed, watch

Visit = Callable[..., Any]
HOSTILE = "<script>hacked=1</script>${hacked=2}<img src=x onerror=hacked=3>"


def rows(page: Any) -> Any:
    return page.locator(".branches-list [role=treeitem]")


def opened(visit: Visit, text: str = "東京都の猫", **how: Any) -> Any:
    """A page that wrote something, with the section open."""
    page = visit("g", lang="en", **how)
    prompt(page).fill(text)
    generate(page, tokens=8)
    section(page)
    expect(rows(page)).to_have_count(2)
    return page


def section(page: Any) -> None:
    open_lab(page)
    press_open(page.get_by_role("tab", name="Branches"))


def unfold(page: Any, name: str) -> None:
    press_open(page.locator(f"#branches-{name} > button"))


def told(page: Any) -> Any:
    return page.locator("#branches-line")


def written(page: Any) -> str:
    return str(page.locator("#generate-text textarea").input_value())


def branch_off(page: Any, at: int = 2, count: int = 4) -> Any:
    """Press the first alternative that was not drawn, of the box at a place."""
    point(page, pieces(page).nth(at), click=True)
    expect(alternative(page)).to_be_visible()
    watch(page)
    alternative(page).locator("button").click()
    done(page)
    expect(rows(page)).to_have_count(count)
    return page


def test_an_empty_page_says_what_will_be_here(visit: Visit) -> None:
    page = visit("g", lang="en")
    section(page)
    expect(page.locator("#branches-tree")).to_contain_text("Press Generate")
    expect(page.locator("#branches-body")).to_be_hidden()
    expect(page.locator("#branches-files")).to_be_visible()


def test_an_alternative_goes_on_by_ids_and_the_old_branch_stays(visit: Visit) -> None:
    page = opened(visit)
    old, before = written(page), pieces(page).all_inner_texts()
    point(page, pieces(page).nth(3), click=True)
    row = alternative(page, 1)
    name = row.locator("th").inner_text()
    button = row.locator("button")
    assert f"continue with “{name}” from here" in (button.get_attribute("aria-label") or "")
    button.focus()
    watch(page)
    page.keyboard.press("Enter")
    done(page)
    expect(rows(page)).to_have_count(4)
    assert pieces(page).all_inner_texts()[:3] == before[:3]
    expect(pieces(page).nth(3)).to_have_class(re.compile("token-editor-selected"))
    expect(selected(page)).to_have_text(name)
    expect(rows(page).nth(2)).to_contain_text("you")
    expect(rows(page).nth(3)).to_contain_text("◀ shown")
    rows(page).nth(1).click()
    expect(rows(page).nth(1)).to_have_attribute("aria-selected", "true")
    assert written(page) == old


def test_undo_and_redo_walk_every_change(visit: Visit) -> None:
    page = opened(visit)
    first = written(page)
    expect(page.locator("#generate-redo")).to_be_disabled()
    branch_off(page)
    second = written(page)
    page.locator("#branches-name").get_by_role("textbox").fill("a name")
    page.locator("#branches-rename").click()
    expect(page.locator(".branches-named")).to_have_text("a name")
    page.locator("#branches-delete").click()
    expect(rows(page)).to_have_count(3)
    expect(told(page)).to_contain_text("Undo restores them")
    page.locator("#generate-undo").click()
    expect(rows(page)).to_have_count(4)
    expect(page.locator(".branches-named")).to_have_count(1)
    page.locator("#generate-undo").click()
    expect(page.locator(".branches-named")).to_have_count(0)
    page.locator("#generate-undo").click()
    expect(rows(page)).to_have_count(2)
    assert written(page) == first
    page.locator("#generate-undo").click()
    expect(rows(page)).to_have_count(1)  # the prompt alone
    for count in (2, 4):
        page.locator("#generate-redo").click()
        expect(rows(page)).to_have_count(count)
    assert written(page) == second
    page.locator("#generate-redo").click()
    expect(page.locator(".branches-named")).to_have_count(1)
    page.locator("#generate-redo").click()
    expect(rows(page)).to_have_count(3)
    expect(page.locator("#generate-redo")).to_be_disabled()


def test_keys_walk_the_tree_and_show_a_branch_that_goes_on(visit: Visit) -> None:
    page = branch_off(opened(visit))
    rows(page).nth(3).focus()
    page.keyboard.press("ArrowUp")
    expect(rows(page).nth(2)).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(rows(page).nth(1)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(rows(page).nth(2)).to_be_focused()
    page.keyboard.press("Home")
    expect(rows(page).nth(0)).to_be_focused()
    page.keyboard.press("End")
    expect(rows(page).nth(3)).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(rows(page).nth(0)).to_have_attribute("aria-selected", "true")
    expect(rows(page).nth(0)).to_be_focused()
    expect(pieces(page)).to_have_count(0)
    use_seed(page, "6")  # with the same one it would be the same text, which is no new branch
    press(page, "more")
    done(page)
    expect(rows(page)).to_have_count(5)
    assert written(page).startswith("東京都の猫")


def test_two_branches_stand_side_by_side(visit: Visit) -> None:
    page = branch_off(opened(visit))
    unfold(page, "comparing")
    page.locator("#branches-compare").click()
    expect(page.locator("#branches-compared [role=alert]")).to_contain_text("Choose a branch")
    page.locator("#branches-other input").click()
    page.get_by_role("option").filter(has_text="#2").click()
    page.locator("#branches-compare").click()
    expect(page.locator(".branches-comparison")).to_contain_text("common beginning:")
    expect(page.locator(".branches-sides section")).to_have_count(2)
    expect(page.locator(".branches-sides .branches-differs")).to_have_count(2)
    assert (
        page.locator(".branches-sides .branches-differs").nth(0).inner_text()
        != page.locator(".branches-sides .branches-differs").nth(1).inner_text()
    )


def test_forced_words_have_their_price_and_the_text_goes_on_from_them(visit: Visit) -> None:
    page = opened(visit)
    unfold(page, "forcing")
    page.locator("#branches-force").click()
    expect(told(page)).to_contain_text("Enter the words")
    page.locator("#branches-words textarea, #branches-words input").first.fill("犬です")
    point(page, pieces(page).nth(2), click=True)
    before = pieces(page).all_inner_texts()
    page.get_by_label("at the selected token").check()
    page.locator("#branches-force").click()
    expect(page.locator("#branches-surprisal")).to_contain_text("bits in total")
    expect(page.locator(".branches-surprisal-table tbody tr")).to_have_count(2)
    expect(rows(page)).to_have_count(3)
    assert pieces(page).all_inner_texts() == [*before[:2], "犬", "です"]
    expect(rows(page).nth(2)).to_contain_text("forced")
    quiet(page)
    press(page, "more")
    done(page)
    assert pieces(page).all_inner_texts()[:4] == [*before[:2], "犬", "です"]


def test_a_file_brings_branches_and_a_bad_one_loses_nothing(visit: Visit, tmp_path: Path) -> None:
    page = branch_off(opened(visit, text=HOSTILE[:30]))
    page.locator("#branches-name").get_by_role("textbox").fill(HOSTILE)
    page.locator("#branches-rename").click()
    expect(page.locator(".branches-named")).to_contain_text("<script>")
    unfold(page, "files")
    with page.expect_download() as found:
        page.locator("#branches-save").click()
    file = tmp_path / "branches.json"
    found.value.save_as(file)
    saved = json.loads(file.read_text())
    assert [node["author"] for node in saved["nodes"]] == ["user", "model", "user", "model"]
    text = written(page)
    damaged, large, other = tmp_path / "damaged.json", tmp_path / "large.json", tmp_path / "other.json"
    damaged.write_text('{"format": "<img src=x onerror=hacked=1>${hacked=2}"}')
    large.write_text("x" * 9_000_000)
    other.write_text(json.dumps(saved | {"vocabulary": "other"}))
    for bad, sentence in ((damaged, "damaged"), (other, "another vocabulary")):
        page.locator("#branches-file").set_input_files(bad)
        expect(told(page).get_by_role("alert")).to_contain_text(sentence)
    page.locator("#branches-file").set_input_files(large)
    expect(page.locator("#branches-file-part")).to_contain_text("too large")
    expect(rows(page)).to_have_count(4)
    assert written(page) == text
    fresh = visit("g", lang="en")
    section(fresh)
    unfold(fresh, "files")
    fresh.locator("#branches-file").set_input_files(file)
    expect(rows(fresh)).to_have_count(4)
    expect(told(fresh)).to_contain_text("Added 4 branches")
    expect(fresh.locator(".branches-named")).to_contain_text("<script>")
    assert written(fresh) == text
    fresh.locator("#generate-undo").click()
    expect(rows(fresh)).to_have_count(0)
    for one in (page, fresh):
        assert one.evaluate("typeof hacked") == "undefined"


def test_a_reload_within_the_visit_loses_no_branch(visit: Visit) -> None:
    page = branch_off(opened(visit, text="慶應の大学"))
    text = written(page)
    page.locator("#branches-name").get_by_role("textbox").fill("kept")
    page.locator("#branches-rename").click()
    expect(page.locator(".branches-named")).to_have_text("kept")
    quiet(page)
    page.reload()
    page.locator("#generate-recall").click()
    expect(pieces(page)).not_to_have_count(0)
    assert written(page) == text
    section(page)
    expect(rows(page)).to_have_count(4)
    expect(page.locator(".branches-named")).to_have_text("kept")
    expect(rows(page).nth(0)).to_contain_text("慶應の大学")
    rows(page).nth(1).click()
    expect(rows(page).nth(1)).to_have_attribute("aria-selected", "true")
    quiet(page)
    press(page, "more")
    done(page)
    expect(rows(page)).to_have_count(5)
    page.locator("#generate-undo").click()
    expect(rows(page)).to_have_count(4)
    page.locator("#generate-redo").click()
    expect(rows(page)).to_have_count(5)


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_can_be_read_and_fits(visit: Visit, theme: str, width: int) -> None:
    page = visit("g", lang="en", theme=theme, width=width)
    prompt(page).fill("東京都の猫")
    press(page, "go")
    done(page)
    section(page)
    expect(rows(page)).to_have_count(2)
    for name in ("comparing", "forcing", "files"):
        unfold(page, name)
    quiet(page)
    page.locator("#branches-words textarea, #branches-words input").first.fill("犬です")
    page.locator("#branches-force").click()
    expect(page.locator("#branches-surprisal")).to_contain_text("bits in total")
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert low_contrast(page) == []
