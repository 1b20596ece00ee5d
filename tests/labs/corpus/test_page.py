"""The section corpus in a real browser: a file sent, counted, stopped, downloaded; what it leaves; what it refuses."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from playwright.sync_api import expect

from tests.support.contrast import low_contrast
from tests.support.quiet import press_open

Visit = Callable[..., Any]
PATIENCE = 30_000  # milliseconds for a file to be sent and counted on a busy machine
TEXT = "吾輩は猫である。慶應の大学と\u3000国語、𩸽を食べた。\n"
HOSTILE = "<script>hacked = 1</script><img src=x onerror='hacked = 2'> ${window.hacked = 3} \u202e右から"


def opened(visit: Visit, **options: Any) -> Any:
    """The page with the section in view."""
    page = visit("t", **options)
    press_open(page.locator("#lab").get_by_role("tab").nth(4))
    expect(page.locator("#corpus-file")).to_be_visible()
    return page


def choose(page: Any, name: str, data: bytes) -> None:
    page.locator("#corpus-file").set_input_files({"name": name, "mimeType": "text/plain", "buffer": data})


def count(page: Any) -> Any:
    page.locator("#corpus-go").click()
    report = page.locator("#corpus-result .corpus-report")
    expect(report).to_be_visible(timeout=PATIENCE)
    return report


def recognised(page: Any, words: str) -> None:
    """Wait until a look at the file says this of it."""
    expect(page.locator("#corpus-info")).to_contain_text(words, timeout=PATIENCE)


def test_a_file_is_sent_recognised_counted_and_downloaded(visit: Visit) -> None:
    page = opened(visit, lang="en")
    rows = "番号,本文\n" + "".join(f"{i},{TEXT.strip()}\n" for i in range(50))
    choose(page, "本.csv", rows.encode("cp932", "ignore"))
    recognised(page, "Shift_JIS (CP932) (likely)")
    expect(page.locator("#corpus-column input")).to_have_value("本文")
    page.get_by_label("characters", exact=True).check()
    report = count(page)
    expect(page.locator("#corpus-progress")).to_contain_text("The file is deleted.")
    expect(report).to_contain_text("慶應 → 慶応")
    expect(report.locator(".corpus-numbers dd").nth(1)).to_have_text("50")
    with page.expect_download() as caught:
        page.locator("#corpus-json").click()
    record = json.loads(caught.value.path().read_text("utf-8"))
    assert (record["documents"], record["files"][0]["codec"]) == (50, "cp932")
    assert [cost["key"] for cost in record["costs"]] == ["neoxjp", "bytes", "characters"]
    with page.expect_download() as caught:
        page.locator("#corpus-csv").click()
    assert caught.value.path().read_bytes().decode("utf-8").startswith("\ufeffsection,tokenizer,item,value,note")
    with page.expect_response(lambda response: response.url.endswith("/neoxjp/file")):
        page.locator("#corpus-go").click()  # the file is gone from the server, so it is sent once more
    expect(page.locator("#corpus-progress")).to_contain_text("The file is deleted.", timeout=PATIENCE)


def test_a_count_goes_on_while_one_types_and_stops_when_told_to(visit: Visit) -> None:
    page = opened(visit, lang="en")
    letters = "".join(map(chr, range(0x3041, 0x3097))) * 8 + "".join(map(chr, range(0x4E00, 0x9000)))
    lines = ["".join(random.Random(n).choices(letters, k=1000)) for n in range(7000)]  # no two alike: a minute's work
    choose(page, "long.txt", "\n".join(lines).encode())
    recognised(page, "UTF-8")
    page.locator("#corpus-go").click()
    bar = page.locator("#corpus-progress progress")
    expect(bar).to_be_visible()
    page.locator("#tokenize-text .token-editor-field").fill("犬と猫")
    expect(page.locator("#tokenize-text .token-editor-piece")).to_have_text(["犬", "と", "猫"])
    expect(bar).to_be_visible()
    page.locator("#corpus-stop").click()
    expect(page.locator("#corpus-progress")).to_contain_text("Stopped. The file is deleted.", timeout=30_000)
    page.wait_for_timeout(1_500)
    expect(page.locator("#corpus-progress")).to_contain_text("Stopped. The file is deleted.")
    expect(page.locator("#corpus-result .corpus-report")).to_have_count(0)
    choose(page, "short.txt", TEXT.encode("euc_jp", "ignore"))  # and the line is free
    recognised(page, "EUC-JP")
    count(page)


def test_what_is_no_text_or_no_file_gets_a_sentence(visit: Visit, tmp_path: Path) -> None:
    page = opened(visit)
    page.locator("#corpus-go").click()
    expect(page.locator("#corpus-progress [role=alert]")).to_contain_text("先にファイルを選んでください")
    choose(page, "a.png", b"\x89PNG\r\n\x1a\n" + bytes(50))
    expect(page.locator("#corpus-info [role=alert]")).to_contain_text("テキストファイルではありません（PNG）")
    with (tmp_path / "a.txt").open("wb") as large:
        large.truncate(50_000_001)
    page.locator("#corpus-file").set_input_files(tmp_path / "a.txt")  # as `choose` it takes a minute
    expect(page.locator("#corpus-note")).to_have_text("ファイルが 50 MB を超えています。")
    expect(page.locator("#corpus-info [role=alert]")).to_have_count(0)


def test_another_encoding_can_be_chosen(visit: Visit) -> None:
    page = opened(visit, lang="en")
    choose(page, "a.txt", "ﾊﾝｶｸ".encode("cp932"))
    recognised(page, "It starts with")
    page.locator("#corpus-encoding input").click()
    page.get_by_role("option", name="EUC-JP", exact=True).click()
    recognised(page, "EUC-JP (chosen)")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_scrolls_down_only_and_everything_can_be_read(visit: Visit, theme: str) -> None:
    page = opened(visit, width=400, theme=theme)
    data = json.dumps({"text": TEXT + HOSTILE, HOSTILE: "x"}).encode() + b"\n{oops\n"
    choose(page, HOSTILE.replace("/", "") + ".jsonl", data)
    recognised(page, "UTF-8")
    report = count(page)
    expect(report).to_contain_text("2 行目")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("window.hacked") is None
    assert page.locator("#corpus-result script, #corpus-result img, #corpus-info script, #corpus-info img").count() == 0
    assert low_contrast(page) == []


def test_the_keyboard_reaches_every_control(visit: Visit) -> None:
    page = opened(visit)
    page.locator("#corpus-file").focus()
    reached = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.closest('[id^=corpus-]')?.id ?? ''"))
    assert {"corpus-column", "corpus-encoding", "corpus-tokenizers", "corpus-go", "corpus-stop"} <= reached


def test_a_visitor_who_leaves_takes_the_file_along(visit: Visit, page_url: str) -> None:
    page = opened(visit)
    with page.expect_response(lambda response: response.url.endswith("/neoxjp/file")) as caught:
        choose(page, "a.txt", b"x")
    recognised(page, "UTF-8")
    key = caught.value.json()["file"]
    page.goto("about:blank")
    page.wait_for_timeout(1_000)
    client = Client(page_url, verbose=False)
    with pytest.raises(AppError, match="send it again"):
        client.predict(file=key, api_name="/corpus")
    client.close()
