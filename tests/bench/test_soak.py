"""`neoxjp bench soak`: simulated visitors of a running page."""

import json
import subprocess
import sys
from typing import Any

import pytest

from neoxjp.bench import SoakOptions
from neoxjp.bench.soak import Found, Page, RefusedRequest, Visitor, _failure, _percentile, command
from neoxjp.errors import ParameterError

CONFIG: dict[str, Any] = {
    "components": [
        {"id": 1, "props": {"elem_id": "generate-go"}},
        {"id": 2, "props": {"elem_id": "generate-prompt", "value": "before"}},
        {"id": 3, "props": {"value": 7}},
    ],
    "dependencies": [
        {"id": 4, "targets": [[1, "click"]], "inputs": [2, 3], "backend_fn": True},
        {"id": 5, "targets": [[None, "load"]], "inputs": [3], "backend_fn": True},
        {"id": 6, "targets": [[None, "load"]], "inputs": [], "backend_fn": False},
    ],
}


def test_a_press_sends_what_the_page_shows_but_for_what_was_changed():
    page = Page(CONFIG)
    assert page.event("generate-go", "click") == (4, ["before", 7])
    assert page.event("generate-go", "click", {"generate-prompt": "猫"}) == (4, ["猫", 7])
    assert page.loads == [5]
    with pytest.raises(ParameterError, match="no 'click' of 'nowhere'"):
        page.event("nowhere", "click")


def test_being_refused_is_told_from_an_error():
    assert isinstance(_failure("混み合っています（実行中 8 件、待機中 16 件）。"), RefusedRequest)
    assert isinstance(_failure("the queue is full: 8 requests run and 16 wait"), RefusedRequest)
    assert isinstance(_failure("an unexpected error"), ValueError)


def test_percentiles_are_in_milliseconds():
    assert _percentile([], 50) is None
    assert _percentile([n / 1000 for n in range(1, 101)], 99) == 100
    assert _percentile([0.25], 99) == 250


def test_the_same_seed_makes_the_same_visitor():
    def choices(seed: int) -> list[float]:
        visitor = Visitor("http://127.0.0.1:1", 3, SoakOptions(url="", seed=seed), Found())
        return [visitor.random.random() for _ in range(5)]

    assert choices(1) == choices(1) != choices(2)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"url": "ftp://x"}, "no address of a page"), ({"url": "http://127.0.0.1:1", "visitors": 0}, "at least 1")],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str):
    with pytest.raises(ParameterError, match=message):
        command(SoakOptions(**options))


@pytest.mark.slow
def test_visitors_of_a_running_page_are_counted(page_url: str):
    asked = ["--visitors", "3", "--minutes", "0.3", "--every", "6", "--new", "5", "--json"]
    command_line = [sys.executable, "-m", "neoxjp", "bench", "soak", page_url, *asked]
    done = subprocess.run(command_line, capture_output=True, text=True)
    *rows, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert len(rows) >= 3
    assert last["whole"]["acts"] >= 3
    assert last["whole"]["failed"] == {}
    assert last["whole"]["tokens"] % 5 == 0
