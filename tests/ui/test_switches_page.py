"""The switches of language and theme in a real browser: at once, without a loss, and at the next visit too."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.quiet import press_open, quiet

Visit = Callable[..., Any]
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
FIELD = ".token-editor-field"


def generated(page: Any) -> None:
    """Generate a text, and wait for its end."""
    quiet(page)
    page.locator("#generate-go").click()
    expect(page.locator("#generate-more")).to_be_enabled()


def test_gradio_reads_the_events_of_the_page_without_proxies(visit: Visit) -> None:
    page = visit("g")
    assert page.evaluate("() => gradio_config.dependencies.length") > 100
    kinds = page.evaluate("() => ['dependencies', 'components'].map((name) => gradio_config[name].constructor.name)")
    assert kinds == ["Events", "Array"]


def test_another_language_comes_at_once_and_nothing_is_lost(visit: Visit) -> None:
    page = visit("g", lang="ja")
    generated(page)
    text = page.locator(FIELD).input_value()
    painted = page.locator(".token-editor-paint").inner_html()
    page.get_by_role("button", name="English").click()
    expect(page.locator("#tabs > .tab-wrapper").first.get_by_role("tab")).to_have_text(["Generate", "Tokens", "Model"])
    expect(page.locator("#lab-branches-button")).to_have_text("Branches")  # of a section that is not open
    expect(page.locator("#generate-go")).to_contain_text("Generate")
    expect(page.locator(".status .state")).to_have_text("ready")  # what the server writes
    expect(page.locator("#generate-line")).to_contain_text(re.compile("Generated|generated"))
    expect(page.locator("#generate-count")).to_contain_text("tokens")
    expect(page.locator(FIELD)).to_have_attribute("aria-label", re.compile("^Text,"))
    assert page.locator(FIELD).input_value() == text
    assert page.locator(".token-editor-paint").inner_html() == painted
    quiet(page)
    shown = page.locator(".gradio-container").inner_text().replace("日本語", "")
    # Only the text itself, its tokens in the open section, and the sample character of the scale are Japanese.
    labels = [line for line in shown.split("\n") if JAPANESE.search(line) and re.search("生成|トークン|サンプリング|候補", line)]
    assert [line for line in labels if line not in text] == []


def test_the_choice_of_a_language_stays(visit: Visit) -> None:
    page = visit("t", lang="en")
    page.get_by_role("button", name="日本語").click()
    expect(page.locator("#tokenize-legend")).to_contain_text("ひらがな")
    page.reload()
    expect(page.locator(".status.ready .state")).to_have_text("準備完了")
    expect(page.locator("#tabs > .tab-wrapper").first.get_by_role("tab")).to_have_text(["文章生成", "トークン", "モデル"])
    assert page.evaluate("document.documentElement.lang") == "ja"
    expect(page.get_by_role("button", name="日本語")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="English")).to_have_attribute("aria-pressed", "false")


def test_names_that_only_a_screen_reader_says_follow_the_language(visit: Visit) -> None:
    page = visit("g", lang="ja")
    reset = page.locator("#option-temperature .reset-button")
    expect(reset).to_have_attribute("aria-label", "初期値に戻す")
    page.get_by_role("button", name="English").click()
    expect(reset).to_have_attribute("aria-label", "Reset to default value")
    page.get_by_role("button", name="日本語").click()
    expect(reset).to_have_attribute("aria-label", "初期値に戻す")


def test_where_gradio_cannot_change_its_labels_the_page_is_loaded_anew(visit: Visit) -> None:
    page = visit("g", lang="ja")
    quiet(page)
    page.locator(FIELD).fill("猫が来た。")
    quiet(page)
    page.evaluate("""() => {
      document.querySelectorAll("link[rel=modulepreload]").forEach((link) => link.remove());
      performance.clearResourceTimings();
      window.old = true;
    }""")
    page.get_by_role("button", name="English").click()
    page.wait_for_function("!window.old")
    expect(page.locator("#generate-go")).to_contain_text("Generate")
    expect(page.locator(FIELD)).to_have_value("猫が来た。")


def test_the_theme_changes_at_once_and_never_flashes_at_the_next_visit(visit: Visit) -> None:
    page = visit("g", theme="light")
    switch = page.get_by_role("button", name="ダークテーマ")
    expect(switch).to_have_attribute("aria-pressed", "false")
    switch.focus()
    page.keyboard.press("Enter")
    expect(switch).to_have_attribute("aria-pressed", "true")
    expect(page.locator("body.dark")).to_be_attached()
    page.add_init_script("""
      window.frames_ = [];
      const look = () => {
        if (document.body) {
          const colour = getComputedStyle(document.body).backgroundColor, [r, , , a = 1] = colour.match(/[\\d.]+/g).map(Number);
          frames_.push(a ? r < 60 : getComputedStyle(document.documentElement).colorScheme === "dark");
        }
        requestAnimationFrame(look);
      };
      look();
    """)
    page.reload()
    page.locator(".status.ready").wait_for()
    assert page.evaluate("frames_.length > 5")
    assert page.evaluate("frames_.every(Boolean)")  # a body that is dark, or none over a dark window


@pytest.mark.parametrize("width", [400, 768, 1366])
def test_the_head_has_everything_beside_each_other(visit: Visit, width: int) -> None:
    page = visit("g", lang="en", width=width)
    boxes = [page.locator(part).bounding_box() for part in ("#brand", "#status", "#switches", "#tabs > .tab-wrapper >> nth=0")]
    for i, one in enumerate(boxes):
        assert one["x"] >= 0
        assert one["x"] + one["width"] <= width
        for other in boxes[i + 1 :]:
            apart = one["x"] + one["width"] <= other["x"] or other["x"] + other["width"] <= one["x"]
            assert apart or one["y"] + one["height"] <= other["y"] + 1 or other["y"] + other["height"] <= one["y"] + 1


def test_a_section_that_is_opened_later_has_the_new_language(visit: Visit) -> None:
    page = visit("g", lang="ja")
    generated(page)
    page.get_by_role("button", name="English").click()
    expect(page.locator("#lab-replay-button")).to_have_text("Replay")
    press_open(page.locator("#lab-heat_map-button"))
    quiet(page)
    shown = page.locator("#lab-heat_map").inner_text()
    assert "トークン" not in shown


def test_a_switch_while_the_model_writes_counts_at_the_end(visit: Visit) -> None:
    page = visit("g", lang="ja")
    quiet(page)
    held: list[Any] = []

    def hold(route: Any) -> None:
        if route.request.post_data_json["call"] == "write":
            held.append((route, route.fetch()))
        else:
            route.continue_()

    page.route("**/neoxjp/text", hold)
    page.locator("#generate-go").click()
    expect(page.locator(FIELD)).not_to_be_editable()
    page.get_by_role("button", name="English").click()
    expect(page.locator("#generate-count")).to_contain_text("tokens")
    route, answer = held[0]
    assert JAPANESE.search(answer.text().split("generate-stats")[-1])
    route.fulfill(response=answer)
    expect(page.locator("#generate-stats")).to_contain_text("mean surprisal")
    expect(page.locator("#generate-line")).to_contain_text("Generated")


def test_a_search_that_ends_after_the_switch_is_in_the_new_language(visit: Visit) -> None:
    page = visit("g", lang="ja")
    page.locator(FIELD).first.fill("猫")
    quiet(page)
    press_open(page.locator("#lab-beams-button"))
    held: list[Any] = []
    page.route("**/queue/data*", lambda route: held.append(route))  # the answer comes, but only after the switch
    page.locator("#beams-go").click()
    page.get_by_role("button", name="English").click()
    expect(page.locator("#lab-beams-button")).to_have_text("Beam search")
    quiet(page)
    assert len(held) == 1
    held[0].continue_()
    expect(page.locator("#beams-view")).to_contain_text("The best continuation")


def test_the_views_of_every_section_are_drawn_again(visit: Visit, tmp_path: Path) -> None:
    page = visit("g", lang="ja")
    generated(page)
    press_open(page.locator("#lab-heat_map-button"))
    page.locator("#heat-map-go").click()
    expect(page.locator("#heat-map-view")).to_contain_text("パープレキシティ")
    page.locator("#heat-map-compare").click()
    expect(page.locator("#heat-map-pair")).to_contain_text("確率")
    press_open(page.locator("#lab-inside-button"))
    page.locator("#inside-go").click()
    expect(page.locator("#inside-heads [data-layer], #inside-heads canvas").first).to_be_visible()
    expect(page.locator("#inside-lens table")).to_be_visible()
    press_open(page.locator("#lab-replay-button"))
    with page.expect_download() as saved:
        page.locator("#replay-save").click()
    saved.value.save_as(tmp_path / "state.json")
    page.locator("#replay-file").set_input_files(tmp_path / "state.json")
    page.locator("#replay-go").click()
    expect(page.locator("#replay-verdict")).to_contain_text("同じ")
    page.get_by_role("button", name="English").click()
    expect(page.locator("#replay-verdict")).to_contain_text("The same")
    press_open(page.locator("#lab-heat_map-button"))
    expect(page.locator("#heat-map-view")).to_contain_text("Perplexity")
    expect(page.locator("#heat-map-pair")).to_contain_text("probable")
    press_open(page.locator("#lab-inside-button"))
    expect(page.locator("#inside-heads")).to_contain_text("By layer and head")
    quiet(page)
    for view in ("heat-map-view", "heat-map-pair", "inside-heads", "inside-attention", "inside-lens", "inside-salience"):
        labels = page.locator(
            ", ".join(f"#{view} {part}" for part in ("h3", "th", "caption", "summary", ".lab-note", ".lab-explained"))
        )
        assert not [label for label in labels.all_text_contents() if re.search("トークン|確率|ヘッド|文章", label)], view


def test_the_vocabulary_is_listed_in_the_new_language(visit: Visit) -> None:
    page = visit("t", lang="ja")
    press_open(page.locator("#lab").get_by_role("tab").nth(3))
    head = page.locator("#vocabulary-browser-list thead")
    expect(head).to_contain_text("表記")
    first = page.locator("#vocabulary-browser-list tr[data-entry]").first
    top = first.get_attribute("data-entry") or ""
    page.locator("#vocabulary-browser-next").click()
    expect(first).not_to_have_attribute("data-entry", top)
    entry = first.get_attribute("data-entry")
    page.get_by_role("button", name="English").click()
    expect(head).to_contain_text("spelling")
    expect(head).not_to_contain_text(JAPANESE)
    expect(first).to_have_attribute("data-entry", entry or "")  # the same page of the list


def test_results_are_drawn_again_in_the_new_language(visit: Visit) -> None:
    page = visit("g", lang="ja")
    page.locator(FIELD).first.fill("猫")
    quiet(page)
    press_open(page.locator("#lab-beams-button"))
    page.locator("#beams-go").click()
    expect(page.locator("#beams-view")).to_contain_text("最良の候補")
    page.get_by_role("button", name="English").click()
    expect(page.locator("#beams-view")).to_contain_text("The best continuation")
