"""Endpoints: what a caller may leave out, in which language an error comes, and how long a call waits for a model."""

import inspect
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from neoxjp.errors import ParameterError
from neoxjp.page_parts import endpoints as module
from neoxjp.page_parts.endpoints import WAIT_SECONDS, Endpoint, endpoint
from neoxjp.page_parts.session.playground import Choice, NotReady, Playground, Progress


@endpoint("repeat", needs="vocabulary")
def repeat(text: str, times: int = 2, **sampling: Any) -> dict[str, Any]:
    """Repeat a text.

    Args:
        text: The text.
        times: How often.
        **sampling: The sampling options.

    Returns:
        The text and the temperature.
    """
    if times < 1:
        raise ParameterError(f"times={times}: too few", ja=f"times={times} は少なすぎます。")
    return {"text": text * times, "temperature": sampling["temperature"]}


@endpoint("letters")
def letters(text: str) -> Iterator[str]:
    """Give one letter at a time."""
    for letter in text:
        if letter == "!":
            raise ParameterError("no", ja="だめ")
        yield letter


@pytest.fixture
def playground(tiny_folder: Path) -> Playground:
    loaded = Playground()
    loaded.load(Choice(str(tiny_folder)))
    return loaded


def caller(language: str) -> gr.Request:
    return SimpleNamespace(headers={"accept-language": language})  # type: ignore[return-value]


def test_a_bound_endpoint_has_the_sampling_options_as_parameters_and_says_that_it_waits(playground):
    bound = repeat.bind(playground)
    names = list(inspect.signature(bound).parameters)
    assert names == ["text", *(option.name for option in playground.options), "times", "request"]
    assert bound("a", temperature=0.2) == {"text": "aa", "temperature": 0.2}
    assert f"Repeat a text. Waits up to {WAIT_SECONDS} s for a vocabulary that is being loaded.\n\nArgs:" in bound.__doc__


@pytest.mark.parametrize(("language", "message"), [("ja", "少なすぎます"), ("en", "too few")])
def test_an_error_comes_in_the_language_of_the_caller_without_a_traceback(playground, language, message):
    with pytest.raises(gr.Error, match=message) as error:
        repeat.bind(playground)("a", times=0, request=caller(language))
    assert error.value.print_exception is False


def test_a_stream_stays_a_stream_and_reports_errors_alike(playground):
    stream = letters.bind(playground)
    assert inspect.isgeneratorfunction(stream)
    assert list(stream("ab\ud800")) == ["a", "b", "\ufffd"]
    with pytest.raises(gr.Error, match="だめ"):
        list(stream("a!", request=caller("ja")))


def test_a_call_waits_for_what_is_being_loaded(tiny_folder):
    loading = Playground()
    loading.progress = Progress("vocabulary", "tiny")  # as `start` sets it
    thread = threading.Timer(0.3, loading.load, [Choice(str(tiny_folder))])
    thread.start()
    begun = time.monotonic()
    assert repeat.bind(loading)("a")["text"] == "aa"
    assert time.monotonic() - begun >= 0.3
    thread.join()


def test_a_call_fails_at_once_where_nothing_is_being_loaded():
    begun = time.monotonic()
    with pytest.raises(gr.Error, match="No vocabulary is loaded"):
        repeat.bind(Playground())("a")
    assert time.monotonic() - begun < 5


def test_a_call_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.2)
    stuck = Playground(progress=Progress("weights", "huge"))
    with pytest.raises(gr.Error, match="still loading"):
        Endpoint("slow", repeat.function, 1, True, "model").bind(stuck)("a")


def test_of_the_calls_that_need_a_model_that_loads_only_so_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    playground = Playground()
    playground.progress = Progress("weights", "mine")
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        playground.progress = Progress("failed", "mine")

    monkeypatch.setattr("neoxjp.page_parts.session.playground.time.sleep", sleep)
    with ExitStack() as held:
        for _ in range(module.MOST_PATIENT):
            held.enter_context(module._PATIENT)
        with pytest.raises(NotReady, match="still loading"):
            module._wait_for_load(playground, "model")
        module._wait_for_load(playground, None)
    with pytest.raises(NotReady, match="No model is loaded"):
        module._wait_for_load(playground, "model")
    assert len(slept) == 1
