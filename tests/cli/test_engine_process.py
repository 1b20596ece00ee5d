"""`neoxjp app --engine-process`: the model beside the page, started, started again, and ended with it."""

import json
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from neoxjp.cli import serve
from neoxjp.cli.app import ENGINE_CAPS, engine_options
from neoxjp.cli.main import main
from neoxjp.labs.common.command import ModelOptions
from neoxjp.page_parts.session.caps import Caps
from neoxjp.page_parts.session.playground import Progress
from tests.support.http import ask, wait_until
from tests.support.page import serve_process, wait_for_model


def engine_of(page: "subprocess.Popen[bytes]") -> psutil.Process:
    """The process of the model. The page has no other child."""
    found = [child for child in psutil.Process(page.pid).children() if "serve" in child.cmdline()]
    assert len(found) == 1
    return found[0]


def written(url: str) -> list[int]:
    """The ids of a text."""
    fields = {"prompt": "猫", "max_new_tokens": 5, "min_new_tokens": 5, "temperature": 0}
    event = ask(f"{url}/gradio_api/call/v2/generate", fields).json["event_id"]
    last = ask(f"{url}/gradio_api/call/generate/{event}").body.decode().strip().split("data: ")[-1]
    return list(json.loads(last)[0]["ids"])


def ready(url: str) -> Callable[[], bool]:
    return lambda: ask(f"{url}/readyz").status == 200


def test_an_engine_that_dies_is_started_again_and_ends_with_the_page(tiny_folder: Path) -> None:
    with serve_process(tiny_folder, "--public", "--engine-process") as (url, page):
        wait_until(ready(url), 120)
        wait_for_model(url)
        ids = written(url)
        first = engine_of(page)
        assert "NEOXJP_API_KEY" in first.environ()
        assert not [word for word in first.cmdline() if "key" in word]
        first.kill()
        wait_until(lambda: not ready(url)())
        wait_until(ready(url), 120)
        second = engine_of(page)
        assert second.pid != first.pid
        assert written(url) == ids
        page.terminate()
        assert page.wait(40) == 0
        assert not second.is_running()


def test_the_page_says_why_the_model_cannot_be_loaded_and_the_engine_stays() -> None:
    with serve_process("nobody/nothing", "--engine-process") as (url, page):
        engine = engine_of(page)

        def error() -> str:
            info = ask(f"{url}/gradio_api/run/model_info", {"data": []}).json["data"][0]
            return info["error"] or "" if info["state"] == "failed" else ""

        wait_until(lambda: "'nobody/nothing' is not in the cache" in error(), 60)
        assert engine_of(page).pid == engine.pid


def test_a_load_that_failed_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "RETRY_SECONDS", 0.01)
    served = SimpleNamespace(progress=Progress("failed", "a/b"))
    tries = []

    def again() -> threading.Thread:
        tries.append(1)
        served.progress = Progress("failed" if len(tries) < 3 else "ready", "a/b")
        return finished()

    def finished() -> threading.Thread:
        thread = threading.Thread(target=lambda: None)
        thread.start()
        return thread

    asked = threading.Event()
    serve.watch_loading(served, finished(), asked, again)  # type: ignore[arg-type]
    wait_until(lambda: served.progress.state == "ready")
    assert len(tries) == 3
    assert not asked.is_set()


def test_an_engine_ends_where_its_page_is_killed(tiny_folder: Path) -> None:
    with serve_process(tiny_folder, "--engine-process") as (_, page):
        engine = engine_of(page)
        page.kill()
        wait_until(lambda: not engine.is_running() or engine.status() == psutil.STATUS_ZOMBIE)


def test_the_engine_gets_the_models_options_and_on_a_public_page_its_limits() -> None:
    model = ModelOptions(model="a/b", dtype="float32", offline=True)
    assert engine_options(model, None) == ["--offline", "--model", "a/b", "--dtype", "float32"]
    public = engine_options(model, Caps(running=3))
    assert public[public.index("--running") + 1] == "3"
    assert {f"--{name.replace('_', '-')}" for name in ENGINE_CAPS} <= set(public)


def test_zerogpu_refuses_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("neoxjp.page_parts.session.zerogpu.on_zerogpu", lambda: True)
    assert main(["app", "--engine-process"]) == 2
    assert "ZeroGPU" in capsys.readouterr().err


@pytest.mark.parametrize("more", [["--engine", "http://127.0.0.1:1"], ["--serve"]])
def test_what_does_not_go_together_is_refused(more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["app", "--engine-process", *more]) == 2
    assert "engine" in capsys.readouterr().err
