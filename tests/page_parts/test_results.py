"""A section's result is drawn again in the other language, as long as it is kept."""

import pytest

from neoxjp.page_parts import results
from neoxjp.page_parts.answers import Run
from neoxjp.page_parts.results import Result
from neoxjp.page_parts.session_memory import SessionMemory
from neoxjp.page_parts.strings import Words, words

JA, EN = words("ja"), words("en")


def ready(t: Words) -> tuple[str, ...]:
    return (t("ready"), t("lab"))


def test_a_result_is_drawn_once_in_each_language() -> None:
    result = Result()
    assert result.translated(JA) is None  # there is nothing yet
    assert result.show(ready, EN) == ("ready", "Lab")
    assert result.translated(EN) is None
    assert result.translated(JA) == ("準備完了", "ラボ")
    assert result.translated(JA) is None
    assert result.translated(EN) == ("ready", "Lab")


def test_while_something_runs_the_result_before_is_not_drawn() -> None:
    run = Run(running=True)
    run.result.show(ready, EN)
    assert run.translated(JA) is None
    run.running = False
    assert run.translated(JA) == ("準備完了", "ラボ")


def test_over_the_budget_a_result_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = SessionMemory(100)
    monkeypatch.setattr(results, "session_memory", memory)
    small, large = Result(), Result()
    small.show(ready, EN)
    assert 0 < memory.nbytes <= 100
    large.show(lambda t: ("x" * 200,), EN)
    assert memory.nbytes <= 100
    assert large.translated(JA) is None
    assert small.translated(JA) == ("準備完了", "ラボ")
