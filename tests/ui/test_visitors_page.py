"""Several visitors on one page and one model: each has a text of their own, and a slot is free again when its visitor leaves."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client
from playwright.sync_api import expect

from tests.support.http import wait_until
from tests.support.model_folders import write_slow
from tests.support.page import serve, wait_for_model
from tests.support.quiet import quiet
from tests.ui.test_generate_page import (
    done,
    generate,
    line,
    panel,
    pieces,
    point,
    press,
    prompt,
    set_length,
    unfold_filters,
    use_seed,
)

Visit = Callable[..., Any]


@pytest.fixture(scope="module")
def slow_url(tiny_vocabulary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page whose model writes long enough to be watched: a long context, and a little more to compute."""
    with serve(write_slow(tmp_path_factory.mktemp("slow-model"), tiny_vocabulary)) as url:
        wait_for_model(url)
        yield url


@pytest.fixture
def running(slow_url: str) -> Iterator[Callable[[], int]]:
    """How many requests the engine runs, as /model_info tells."""
    client = Client(slow_url, verbose=False)
    yield lambda: client.predict(api_name="/model_info")["engine"]["running"]
    client.close()


def begin(page: Any, text: str, seed: str = "1") -> None:
    """Start to write something long, that does not end by itself, and wait for its first pieces."""
    prompt(page).fill(text)
    expect(pieces(page)).to_have_count(0)
    use_seed(page, seed)
    set_length(page, 4000)
    unfold_filters(page)
    box = page.locator("#option-min-new-tokens input[type=number]")
    box.fill("4000")
    box.blur()
    press(page, "go")
    expect(pieces(page).nth(3)).to_be_attached()


def stop(page: Any) -> None:
    """Press Stop while the page paints: on a busy machine nothing stands still long enough for Playwright to point at it."""
    page.locator("#generate-stop").dispatch_event("click")


def test_stop_keeps_what_was_written_and_continue_goes_on(kept: Visit, slow_url: str, running: Callable[[], int]) -> None:
    page = kept("g", url=slow_url)
    begin(page, "猫")
    expect(page.locator("#generate-go")).to_be_disabled()
    stop(page)
    done(page)
    expect(line(page)).to_contain_text("停止しました")
    wait_until(lambda: running() == 0)
    written = pieces(page).all_inner_texts()
    while written[-1].startswith("\ufffd"):  # the bytes of a character that was not finished are written anew
        written.pop()
    press(page, "more")
    expect(pieces(page).nth(len(written) + 2)).to_be_attached()
    page.keyboard.press("Escape")
    done(page)
    assert pieces(page).all_inner_texts()[: len(written)] == written
    wait_until(lambda: running() == 0)


def test_two_visitors_write_at_once_and_see_only_their_own(kept: Visit, slow_url: str) -> None:
    first, second = kept("g", url=slow_url), kept("g", lang="en", url=slow_url)
    begin(first, "猫", seed="1")
    begin(second, "犬", seed="2")
    count = pieces(first).count()
    expect(pieces(first).nth(count + 2)).to_be_attached()
    for page, own, other in ((first, "猫", "犬"), (second, "犬", "猫")):
        stop(page)
        done(page)
        given = prompt(page).input_value()[:1]
        assert own in given
        assert other not in given


def test_closing_the_tab_in_mid_stream_frees_the_slot(visit: Visit, slow_url: str, running: Callable[[], int]) -> None:
    page = visit("g", url=slow_url)
    begin(page, "猫")
    assert running() == 1
    page.close()
    wait_until(lambda: running() == 0)


def test_reloading_in_mid_stream_frees_the_slot(visit: Visit, slow_url: str, running: Callable[[], int]) -> None:
    page = visit("g", url=slow_url)
    begin(page, "猫")
    page.reload()
    wait_until(lambda: running() == 0)
    expect(page.locator("#generate-go")).to_be_enabled()


def test_a_visitor_who_has_to_wait_sees_the_place_in_line(kept: Visit, slow_url: str) -> None:
    clients = [Client(slow_url, verbose=False) for _ in range(8)]  # as many as run at once
    jobs = [client.submit(prompt="猫", max_new_tokens=4000, min_new_tokens=4000, api_name="/generate") for client in clients]
    for job in jobs:
        next(iter(job))
    page = kept("g", url=slow_url)
    prompt(page).fill("犬")
    page.locator("#generate-go").click()
    expect(line(page)).to_contain_text("順番を待っています")
    for job in jobs:
        job.cancel()
    expect(pieces(page).first).to_be_attached()
    for client in clients:
        client.close()


def test_a_selection_stays_while_the_text_grows(kept: Visit, slow_url: str) -> None:
    page = kept("g", url=slow_url)
    begin(page, "猫")
    point(page, pieces(page).nth(2), click=True)
    expect(panel(page).locator("tbody tr")).not_to_have_count(0)
    head = panel(page).inner_text()
    count = pieces(page).count()
    expect(pieces(page).nth(count + 5)).to_be_attached()
    expect(pieces(page).nth(2)).to_have_class(re.compile("token-editor-selected"))
    assert panel(page).inner_text() == head
    stop(page)
    done(page)


def test_a_reload_offers_the_last_text_and_goes_on_from_it(visit: Visit) -> None:
    page = visit("g")
    prompt(page).fill("東京都の猫")
    text = generate(page, tokens=12)
    written = pieces(page).all_inner_texts()
    quiet(page)  # the branches are stored a moment after the text has ended
    page.reload()
    page.locator("#generate-recall").click()
    expect(pieces(page)).to_have_count(len(written))
    assert page.locator("#generate-text textarea").input_value() == text
    press(page, "more")
    done(page)
    assert pieces(page).all_inner_texts()[: len(written)] == written
    expect(page.locator("#generate-recall")).to_be_hidden()
