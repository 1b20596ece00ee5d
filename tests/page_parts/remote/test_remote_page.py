"""A page whose model is in another process, in a real browser: one visit through the labs, and the engine goes and comes back."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.labs.beams.test_page import searched
from tests.labs.heat_map.test_page import opened
from tests.page_parts.remote.conftest import KEY, engine
from tests.support.page import serve, wait_for_model
from tests.support.quiet import open_lab, press_open
from tests.ui.test_generate_page import done, generate, line, panel, pieces, point, prompt, watch

Visit = Callable[..., Any]


@pytest.fixture(scope="module")
def remote(tiny_folder: Path) -> Iterator[SimpleNamespace]:
    """An engine over the tiny model, and a page that uses it."""
    with engine(tiny_folder) as server, serve("nothing", "--engine", server.url, NEOXJP_API_KEY=KEY) as url:
        wait_for_model(url)
        yield SimpleNamespace(url=url, server=server, folder=tiny_folder)


def test_one_visit_through_the_labs(visit: Visit, remote: SimpleNamespace) -> None:
    page = visit("g", lang="en", url=remote.url)
    prompt(page).fill("猫が")
    whole = generate(page, tokens=8)
    assert whole.startswith("猫が")
    watch(page)
    prompt(page).press("Alt+Enter")  # one token more
    done(page)
    expect(line(page)).to_contain_text("Generated 9 tokens")
    point(page, pieces(page).nth(2))
    expect(panel(page).locator("tr.token-editor-drawn")).to_have_count(1)
    assert panel(page).locator("tbody tr").count() in (10, 11)
    page.mouse.move(5, 5)
    open_lab(page)
    press_open(page.get_by_role("tab", name="This token"))
    point(page, pieces(page).nth(2), click=True)
    expect(page.locator("#sampling-trace-draw")).to_contain_text("this token was drawn")
    expect(page.locator("#sampling-trace-recompute")).to_be_hidden()  # the engine has the logits
    opened(page, "Model internals")
    page.locator("#inside-go").click()
    expect(page.locator("#inside-lens tbody tr")).to_have_count(3)
    expect(page.locator("#inside-attention .w").first).to_be_visible()
    assert searched(page).count() >= 20
    press_open(page.get_by_role("tab", name="Model", exact=True))
    expect(page.locator("#model-facts")).to_contain_text(remote.server.url)
    expect(page.locator("#model-load")).to_have_count(0)


def test_an_engine_that_goes_is_a_sentence_and_it_works_again_when_it_is_back(visit: Visit, remote: SimpleNamespace) -> None:
    page = visit("g", lang="ja", url=remote.url)
    prompt(page).fill("猫")
    before = generate(page, tokens=4)
    remote.server.stop()
    watch(page)
    page.locator("#generate-more").click()
    expect(line(page)).to_contain_text("応答がありません")
    expect(prompt(page)).to_have_value(before)
    with engine(remote.folder, remote.server.port):
        expect(page.locator(".status.ready")).to_be_visible()
        page.locator("#generate-more").click()
        expect(line(page)).to_contain_text(re.compile("4"))
        expect(prompt(page)).not_to_have_value(before)
