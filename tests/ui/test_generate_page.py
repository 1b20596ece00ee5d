"""The Generate tab in a real browser: writing, going on, alternatives by mouse and keys, hostile text, narrow screens."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.contrast import low_contrast
from tests.support.quiet import press_open, quiet

Visit = Callable[..., Any]


def prompt(page: Any) -> Any:
    """The field with the whole text."""
    return page.locator("#generate-text textarea")


def pieces(page: Any) -> Any:
    """The tokens of the model."""
    return page.locator("#generate-text .token-editor-piece:not(.token-editor-own)")


def panel(page: Any) -> Any:
    return page.locator(".token-editor-popover")


def point(page: Any, piece: Any, click: bool = False) -> None:
    """Move the pointer to a token, which lies under the field."""
    box = piece.bounding_box()
    place = box["x"] + min(6, box["width"] / 2), box["y"] + 12
    page.mouse.move(place[0] - 2, place[1])
    page.mouse.move(*place)
    if click:
        page.mouse.click(*place)


def place_of(page: Any, number: int) -> int:
    """The place of a token's first id, counted from the first after the prompt."""
    js = "(all, number) => all.slice(0, number).reduce((sum, one) => sum + Number(one.dataset.n ?? 1), 0)"
    return int(pieces(page).evaluate_all(js, number))


def selected(page: Any) -> Any:
    return page.locator(".token-editor-selected")


def alternative(page: Any, number: int = 0) -> Any:
    """A row of the popover that is not the token in the text."""
    return panel(page).locator("tbody tr:not(.token-editor-drawn)").nth(number)


def line(page: Any) -> Any:
    return page.locator("#generate-line")


def set_length(page: Any, tokens: int) -> None:
    box = page.locator("#option-max-new-tokens input[type=number]")
    box.fill(str(tokens))
    box.blur()


def use_seed(page: Any, seed: str) -> None:
    page.locator("#option-seed input").fill(seed)


def generate(page: Any, tokens: int = 20, seed: str = "5") -> str:
    """Press Generate and wait for the end; the view's text."""
    set_length(page, tokens)
    use_seed(page, seed)
    press(page, "go")
    return done(page)


def press(page: Any, name: str) -> None:
    """Press a button that makes the model write; `done` then waits for the end of that."""
    watch(page)
    page.locator(f"#generate-{name}").click()


def watch(page: Any) -> None:
    """Before something else that makes the model write."""
    page.evaluate("window.before = document.querySelector('#generate-text .token-editor').api.ended")


def done(page: Any) -> str:
    """Wait until the model has ended; the text."""
    page.wait_for_function(
        """() => document.querySelector("#generate-text .token-editor").api.ended > window.before
            && !document.querySelector("#generate-go").disabled"""
    )
    return str(prompt(page).input_value())


def unfold_filters(page: Any) -> None:
    if not page.locator("#generate-truncate").is_visible():
        press_open(page.locator("#generate-more-filters > button"))


def test_the_first_visit_offers_an_opening_and_counts_it(visit: Visit) -> None:
    page = visit("g")
    expect(prompt(page)).not_to_have_value("")
    expect(page.locator("#generate-count")).to_contain_text("トークン")
    expect(page.locator("#generate-go")).to_be_enabled()
    for name in ("stop", "more", "again", "undo"):
        expect(page.locator(f"#generate-{name}")).to_be_disabled()
    page.get_by_role("button", name="夕方の駅").click()
    expect(prompt(page)).to_have_value(re.compile("汽車"))


def test_what_is_written_appears_in_pieces_behind_the_opening(kept: Visit) -> None:
    page = kept("g")
    prompt(page).fill("東京都の猫")
    text = generate(page)
    assert text.startswith("東京都の猫")
    assert pieces(page).count() > 5
    expect(page.locator("#generate-stats")).to_contain_text("5")


def test_speeds_are_what_the_visitor_waited_for(kept: Visit) -> None:
    page = kept("g", lang="en")
    prompt(page).fill("猫")
    first, speed = (page.locator(f"#generate-stats [data-timing={name}]") for name in ("first", "speed"))

    def seconds() -> float:
        return float(first.locator("dd").inner_text().removesuffix(" s"))

    generate(page)
    expect(speed).to_have_text(re.compile(r"speed[\d.]+ tokens/s"))
    assert seconds() < 30
    expect(first).to_be_visible()
    page.locator("#generate-undo").click()
    expect(first).to_be_hidden()  # the text has not been generated
    page.locator("#generate-redo").click()
    expect(first).to_be_visible()

    page.route("**/neoxjp/text", lambda route: (page.wait_for_timeout(1200), route.continue_()))
    watch(page)
    page.locator("#generate-step").click()
    done(page)
    page.unroute("**/neoxjp/text")
    assert seconds() > 1.1
    expect(speed).to_be_hidden()  # of one token


def test_the_keys_on_the_buttons_work(kept: Visit) -> None:
    page = kept("g")
    prompt(page).fill("猫")
    set_length(page, 63)
    prompt(page).press("Control+Enter")
    expect(page.locator("#generate-undo")).to_be_enabled()


def test_what_would_be_typed_before_the_first_token_is_not_taken(kept: Visit) -> None:
    page = kept("g", lang="en")
    prompt(page).fill("猫")
    quiet(page)
    held: list[Any] = []

    def hold(route: Any) -> None:
        if route.request.post_data_json["call"] == "write":
            held.append(route)
        else:
            route.continue_()

    page.route("**/neoxjp/text", hold)
    prompt(page).focus()
    watch(page)
    page.keyboard.press("Control+Enter")
    expect(prompt(page)).not_to_be_editable()
    page.keyboard.type("X")
    assert prompt(page).input_value() == "猫"
    held[0].continue_()
    assert done(page).startswith("猫")
    page.unroute("**/neoxjp/text")
    expect(prompt(page)).to_be_editable()


def test_each_key_writes_one_token_and_shows_what_was_drawn(kept: Visit) -> None:
    page = kept("g", lang="en")
    prompt(page).fill("猫")
    whole = generate(page, tokens=5)
    page.locator("#generate-undo").click()
    expect(pieces(page)).to_have_count(0)
    for _ in range(5):  # faster than the model: none is lost
        prompt(page).press("Alt+Enter")
    expect(line(page)).to_contain_text("Generated 5 tokens")
    expect(prompt(page)).to_have_value(whole)
    expect(pieces(page).last).to_have_class(re.compile("token-editor-selected"))
    page.locator("#genlab").get_by_role("tab").first.focus()
    page.keyboard.press("Control+z")
    expect(line(page)).to_contain_text("Generated 4 tokens")


def test_the_shortcuts_are_listed_on_the_page(kept: Visit) -> None:
    page = kept("g", lang="en")
    page.locator("#generate-keys summary").click()
    expect(page.locator("#generate-keys dd")).to_have_text(
        [
            "generate",
            "generate one token (each time you press it)",
            "continue",
            "stop",
            "undo: first what you typed, then generations",
            "redo",
            "show the token at the caret",
        ],
        use_inner_text=True,
    )


def test_the_same_seed_writes_the_same_and_undo_goes_back(visit: Visit) -> None:
    page = visit("g")
    prompt(page).fill("猫")
    first = generate(page, seed="5")
    use_seed(page, "")
    press(page, "again")
    assert done(page) == first
    prompt(page).fill("犬")
    assert generate(page, seed="6") != first
    for expected in ("犬", first, "猫"):  # what was typed, the generation (again with its seed: the same), what was typed first
        page.locator("#generate-undo").click()
        expect(prompt(page)).to_have_value(expected)
        quiet(page)  # a press that comes before the answer is none


def test_continuing_keeps_every_piece_that_stood_there(kept: Visit) -> None:
    page = kept("g")
    prompt(page).fill("猫")
    generate(page, tokens=8)
    before = pieces(page).all_inner_texts()
    press(page, "more")
    done(page)
    expect(pieces(page)).not_to_have_count(len(before))
    assert pieces(page).all_inner_texts()[: len(before)] == before


def test_pointing_at_a_piece_shows_its_alternatives(kept: Visit) -> None:
    page = kept("g")
    prompt(page).fill("猫")
    generate(page)
    point(page, pieces(page).nth(3))
    expect(panel(page).locator("tr.token-editor-drawn")).to_have_count(1)
    expect(panel(page).locator(".token-editor-name")).to_contain_text(pieces(page).nth(3).inner_text().strip()[:1])
    assert panel(page).locator("tbody tr").count() in (10, 11)  # the ten likeliest, and what was drawn
    expect(panel(page)).to_contain_text("%")
    token, shown = pieces(page).nth(3).bounding_box(), panel(page).bounding_box()
    assert shown["y"] >= token["y"] + token["height"] or shown["y"] + shown["height"] <= token["y"]  # it does not cover the token
    page.mouse.move(5, 5)
    expect(panel(page)).to_be_hidden()


def test_the_numbers_of_a_token_are_asked_for_again_when_the_text_before_it_changes(kept: Visit) -> None:
    page = kept("g", lang="en")
    own = page.locator("#generate-text .token-editor-own")
    calls: list[str] = []
    page.on("request", lambda request: calls.append(request.post_data_json["call"]) if "/neoxjp/text" in request.url else None)
    numbers = []
    for text in ("猫と犬", "東と犬", "東と犬"):
        prompt(page).fill(text)
        expect(own).to_have_text(list(text))
        quiet(page)
        calls.clear()
        point(page, own.nth(2))
        expect(panel(page).locator("tbody tr")).not_to_have_count(0)
        quiet(page)
        numbers.append((panel(page).inner_text(), "pick" in calls))
        page.mouse.move(5, 5)
        expect(panel(page)).to_be_hidden()
    first, second, again = numbers
    assert first[1]
    assert second[1]
    assert again == (second[0], False)  # the same text: known


def test_the_caret_selects_a_token_and_keys_open_and_walk_its_alternatives(kept: Visit) -> None:
    page = kept("g", lang="en")
    prompt(page).fill("猫")
    text = generate(page)
    prompt(page).focus()
    page.keyboard.press("Control+Home")
    page.keyboard.press("ArrowRight")
    expect(selected(page)).to_have_count(1)
    assert text.startswith("猫" + selected(page).inner_text())
    expect(panel(page)).to_be_hidden()
    page.keyboard.press("Alt+ArrowDown")
    expect(panel(page)).to_be_visible()
    expect(panel(page).locator("button").first).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(panel(page).locator("button").nth(1)).to_be_focused()
    page.keyboard.press("Escape")
    expect(panel(page)).to_be_hidden()
    expect(prompt(page)).to_be_focused()
    point(page, selected(page), click=True)  # the selected token can be pressed, too
    expect(panel(page)).to_be_visible()


def test_another_token_is_put_in_its_place_and_the_model_continues(kept: Visit) -> None:
    page = kept("g", lang="en")
    prompt(page).fill("猫")
    generate(page)
    before = pieces(page).all_inner_texts()
    point(page, pieces(page).nth(4), click=True)
    row = alternative(page)
    other = row.locator("th").inner_text()
    watch(page)
    row.locator("button").click()
    done(page)
    assert pieces(page).all_inner_texts()[:4] == before[:4]
    expect(selected(page)).to_have_text(re.compile(re.escape(other.strip("␣⏎")[:1])))
    point(page, pieces(page).nth(4), click=True)  # the caret is where the token was replaced, not a selection
    expect(panel(page)).to_be_visible()


def test_writing_anywhere_keeps_what_is_before_and_asks_for_nothing_else(kept: Visit) -> None:
    page = kept("g", lang="en")
    prompt(page).fill("猫")
    text = generate(page)
    before = pieces(page).all_inner_texts()
    prompt(page).evaluate("(field, at) => field.setSelectionRange(at, at)", len("猫" + "".join(before[:5])))
    prompt(page).focus()
    page.keyboard.insert_text("犬")
    expect(pieces(page)).to_have_count(5)
    assert pieces(page).all_inner_texts() == before[:5]
    expect(prompt(page)).to_have_value(re.compile("犬"))
    page.keyboard.press("Control+z")
    expect(prompt(page)).to_have_value(text)
    expect(pieces(page)).to_have_count(len(before))


def test_what_an_edit_has_cut_anew_is_marked_for_a_moment(kept: Visit) -> None:
    page = kept("g")
    prompt(page).fill("東京都の猫")
    quiet(page)
    marked = page.locator("#generate-text .token-editor-new")
    expect(marked).to_have_count(0)
    prompt(page).press("End")
    page.keyboard.type("と")
    expect(marked.last).to_contain_text("と")
    assert "東" not in "".join(marked.all_text_contents())
    expect(marked).to_have_count(0)


def test_an_input_method_writes_and_the_painted_text_is_the_fields(kept: Visit) -> None:
    page = kept("g")
    prompt(page).fill("")
    prompt(page).focus()
    client = page.context.new_cdp_session(page)
    for text in ("と", "とう", "とうきょう"):
        client.send("Input.imeSetComposition", {"text": text, "selectionStart": len(text), "selectionEnd": len(text)})
        expect(page.locator(".token-editor-typed")).to_have_text(text)
    client.send("Input.insertText", {"text": "東京"})
    expect(prompt(page)).to_have_value("東京")
    expect(page.locator(".token-editor-typed")).to_have_count(0)
    assert painted(page) == "東京"


def painted(page: Any) -> str:
    return "".join(page.locator("#generate-text .token-editor-piece").evaluate_all("all => all.map((one) => one.textContent)"))


HARD = ["𩸽と👨\u200d👩\u200d👧", "a\tb\n\nc d\u3000e", "慶應と﨑と㍿", "<b>&amp;${x}{{y}}", "ｶﾞｷﾞ" * 40, "long words " * 30]


@pytest.mark.parametrize("number", range(len(HARD)))
def test_the_painted_text_has_the_same_letters_and_the_same_lines_as_the_field(kept: Visit, number: int) -> None:
    page, text = kept("g"), HARD[number]
    prompt(page).fill(text)
    page.wait_for_function("() => !document.querySelector('.token-editor-typed')")
    assert painted(page) == text
    for width in (300, 333, 367, 401):
        heights = page.evaluate(
            """(width) => {
                const box = document.querySelector('#generate-text .token-editor-box');
                box.style.width = `${width}px`;
                const field = box.querySelector('textarea'), paint = box.querySelector('.token-editor-paint');
                field.style.height = '0';
                paint.style.alignSelf = 'start';
                const found = [field.scrollHeight, paint.scrollHeight];
                field.style.height = paint.style.alignSelf = '';
                return found;
            }""",
            width,
        )
        assert heights[0] == heights[1], width
    page.locator("#generate-text .token-editor-box").evaluate("(box) => { box.style.width = ''; }")


def test_a_prompt_too_long_says_so_while_typing_and_when_sent(visit: Visit) -> None:
    page = visit("g")
    prompt(page).fill("猫" * 200)
    expect(page.locator("#generate-count [role=alert]")).to_contain_text("長すぎる入力は先頭を切り捨てる")
    page.locator("#generate-go").click()
    expect(line(page).locator("[role=alert]")).to_contain_text("長すぎる入力は先頭を切り捨てる")
    unfold_filters(page)
    page.locator("#generate-truncate input").check()
    generate(page, tokens=10)
    expect(line(page)).to_contain_text("切り捨てられました")


def test_a_wrong_setting_gets_a_sentence_and_the_page_lives_on(kept: Visit) -> None:
    page = kept("g", lang="en")
    use_seed(page, "seven")
    page.locator("#generate-go").click()
    expect(line(page).locator("[role=alert]")).to_contain_text("not a whole number")
    assert generate(page)


def test_presets_set_the_controls(kept: Visit) -> None:
    page = kept("g")
    expect(page.get_by_role("button", name="標準")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="貪欲法（greedy）").click()
    expect(page.locator("#option-temperature input[type=number]")).to_have_value("0")
    expect(page.get_by_role("button", name="貪欲法（greedy）")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="標準")).to_have_attribute("aria-pressed", "false")
    page.get_by_role("button", name="標準").click()
    expect(page.locator("#option-temperature input[type=number]")).to_have_value("0.7")


def test_hostile_text_stays_text(kept: Visit) -> None:
    page = kept("g")
    hostile = "<script>window.hacked=1</script><img src=x onerror='hacked=2'>${window.hacked=3}{{window.hacked}}"
    prompt(page).fill(hostile[:45])
    generate(page, tokens=5)
    prompt(page).fill("${window.hacked=3}{{value}}<img src=x onerror=hacked=2>")
    assert generate(page, tokens=5).startswith("${window.hacked=3}{{value}}<img src=x")
    assert page.evaluate("window.hacked") is None
    assert page.locator("#generate-text :is(img, script)").count() == 0


def test_buttons_pressed_at_once_keep_their_labels(kept: Visit) -> None:
    page = kept("g", lang="en")
    prompt(page).fill("猫")
    generate(page, tokens=3)
    ids = ["generate-go", "generate-undo", "generate-more", "generate-again"]
    set_length(page, 400)
    page.evaluate("(ids) => ids.forEach((id) => document.getElementById(id).click())", ids)
    # Pressed in the page, where a tiny model that has ended already leaves nothing to stop.
    page.evaluate("document.getElementById('generate-stop').click()")
    expect(page.locator("#generate-go")).to_be_enabled()
    for id, label in zip(ids, ["Generate", "Undo", "Continue", "Same seed"], strict=True):
        expect(page.locator(f"#{id}")).to_contain_text(label)


def test_nothing_but_the_text_moves_while_it_is_written(visit: Visit) -> None:
    page = visit("g")
    prompt(page).fill("猫")
    generate(page, tokens=3)
    where = "(s) => { const b = document.querySelector(s).getBoundingClientRect(); return [b.top, b.height] }"
    places = {name: page.evaluate(where, name) for name in ("#generate-text", "#generate-buttons", ".prob-scale", "#genlab")}
    set_length(page, 60)
    press(page, "more")
    for _ in range(5):
        assert {name: page.evaluate(where, name)[:1] for name in places} == {name: [at[0]] for name, at in places.items()}
    done(page)
    assert {name: page.evaluate(where, name)[0] for name in places} == {name: at[0] for name, at in places.items()}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("lang", ["ja", "en"])
def test_every_text_is_readable(kept: Visit, theme: str, lang: str) -> None:
    page = kept("g", lang=lang, theme=theme)
    prompt(page).fill("猫")
    generate(page, tokens=40)
    unfold_filters(page)
    page.wait_for_timeout(500)  # a button that has just been enabled fades in
    assert low_contrast(page) == []


@pytest.mark.parametrize("tab", ["g", "m"])
def test_every_control_has_a_name(kept: Visit, tab: str) -> None:
    page = kept(tab)
    if tab == "g":
        unfold_filters(page)
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, input, textarea, select")]
            .filter((e) => e.checkVisibility() && !(e.labels?.length || e.ariaLabel || e.innerText?.trim() || e.title))
            .map((e) => e.outerHTML.slice(0, 120))"""
    )
    assert nameless == []


@pytest.mark.parametrize("tab", ["g", "m"])
def test_a_narrow_screen_does_not_scroll_sideways(kept: Visit, tab: str) -> None:
    page = kept(tab, width=400)
    if tab == "g":
        prompt(page).fill("猫")
        press(page, "go")
        done(page)
        box = pieces(page).first.bounding_box()
        page.touchscreen.tap(box["x"] + 4, box["y"] + 12)
        expect(panel(page)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_on_a_narrow_screen_the_buttons_stay_in_reach_and_the_settings_are_folded(visit: Visit) -> None:
    page = visit("g", width=400)
    expect(page.locator("#option-temperature")).to_be_hidden()
    page.mouse.wheel(0, 400)
    expect(page.locator("#generate-go")).to_be_in_viewport()
    prompt(page).fill("猫")
    watch(page)
    prompt(page).press("Control+Enter")  # a keyboard, or a page that is enlarged
    assert done(page).startswith("猫")


def test_a_server_that_does_not_know_the_session_is_asked_through_gradio(visit: Visit) -> None:
    """As after a restart, and on ZeroGPU, where only Gradio's events may borrow a GPU."""
    page = visit("g", lang="en")
    calls: list[str] = []

    def refuse(route: Any) -> None:
        calls.append(route.request.post_data_json["call"])
        route.fulfill(status=409, json={"error": "unknown", "ja": "不明"})

    page.route("**/neoxjp/text", refuse)
    prompt(page).fill("猫")
    text = generate(page, tokens=5)
    assert text.startswith("猫")
    press(page, "step")
    done(page)
    expect(line(page)).to_contain_text("Generated 6 tokens")
    point(page, pieces(page).nth(2))
    expect(panel(page).locator("tbody tr")).not_to_have_count(0)
    assert {"edit", "write", "pick"} <= set(calls)


def test_a_server_that_has_forgotten_the_page_gets_its_text_again(visit: Visit) -> None:
    page = visit("g", lang="en")
    expect(page.locator("#generate-text .token-editor-piece").first).to_be_visible()
    field = page.locator("#generate-text .token-editor-field")
    field.fill("三匹の犬が走っていた。")
    expect(page.locator("#generate-text .token-editor-piece").first).to_have_text("三")
    sent: list[dict[str, Any]] = []

    def forget(route: Any) -> None:
        asked = json.loads(route.request.post_data)
        sent.append(asked)
        if asked["call"] == "edit":
            return route.continue_()
        empty = {"whole": True} if asked["call"] == "sync" else {"base": 0, "start": 0, "delete": 0}
        patch = json.dumps(empty | {"pieces": [], "revision": 1})
        return route.fulfill(status=200, body=json.dumps({"patch": patch}) + "\n", content_type="application/x-ndjson")

    page.route("**/neoxjp/text", forget)
    page.locator("#generate-go").click()
    page.wait_for_function("() => !document.querySelector('#generate-text .token-editor-field').readOnly")
    expect(field).to_have_value("三匹の犬が走っていた。")
    assert [each["call"] for each in sent[:2]] == ["write", "edit"]
    assert sent[1]["data"] == {"text": "三匹の犬が走っていた。"}
    page.unroute("**/neoxjp/text")
    page.locator("#generate-go").click()
    expect(page.locator("#generate-stats")).to_contain_text("tokens")


def test_a_server_that_does_not_answer_leaves_the_text_and_a_sentence(visit: Visit) -> None:
    page = visit("g", lang="en")
    prompt(page).fill("猫")
    quiet(page)
    page.route("**/neoxjp/text", lambda route: route.abort())
    prompt(page).press_sequentially("と犬")
    expect(page.locator("#generate-text .token-editor-message")).to_contain_text("Your text is still here")
    expect(prompt(page)).to_have_value("猫と犬")
    page.unroute("**/neoxjp/text")
    page.wait_for_function("() => !document.querySelector('#generate-text .token-editor').api.busy")
    assert painted(page) == "猫と犬"
    expect(page.locator("#generate-text .token-editor-message")).to_be_hidden()
