"""A section's result is drawn again in the other language, as long as it is kept."""

import pytest

from neoxjp.page_parts import results
from neoxjp.page_parts.answers import Run
from neoxjp.page_parts.results import Result
from neoxjp.page_parts.session.memory import SessionMemory
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


def test_a_result_of_an_earlier_model_says_so() -> None:
    result = Result()
    result.show(ready, EN, 1)
    assert result.translated(EN, 1) is None
    line, other = result.translated(EN, 2) or ("", "")
    assert "of the model that was loaded before" in line
    assert line.endswith("ready")
    assert other == "Lab"
    assert result.translated(EN, 2) is None
    assert "前に読み込んでいたモデル" in (result.translated(JA, 2) or ("",))[0]
    assert result.translated(JA, 1) == ("準備完了", "ラボ")
    result.show(ready, EN)  # what depends on no model
    assert result.translated(EN, 5) is None


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
