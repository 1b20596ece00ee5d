"""`neoxjp bench page`: every figure is measured on a real page."""

import subprocess
import sys

import pytest

from neoxjp.bench import PageOptions
from neoxjp.bench.page import command
from neoxjp.errors import ParameterError
from tests.support.page import serve, wait_for_model


@pytest.mark.parametrize(("url", "rounds", "message"), [("x", 1, "is no address"), ("http://127.0.0.1:1", 0, "at least 1")])
def test_wrong_options_get_a_sentence(url, rounds, message):
    with pytest.raises(ParameterError, match=message):
        command(PageOptions(url=url, rounds=rounds))


def test_a_running_page_is_measured(browser):  # which marks it as a test that needs one
    with serve("bundled") as url:
        wait_for_model(url)
        measured = [sys.executable, "-m", "neoxjp", "bench", "page", url, "--rounds", "1"]
        done = subprocess.run(measured, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    for name in (
        "page opened (ms)",
        "key to tokens, 2000",
        "first token (ms)",
        "tokens a second",
        "+1: bytes",
        "Stop: tokens after the press",
    ):
        assert name in done.stdout
