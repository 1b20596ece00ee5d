"""The decorator for borrowed GPUs: Spaces' own where its package is installed, nothing elsewhere."""

import importlib.machinery
import sys
import types
from collections.abc import Iterator

import pytest

from neoxjp.page_parts.session.zerogpu import gpu, on_zerogpu


def count(n: int) -> Iterator[int]:
    yield from range(n)


def test_without_the_package_the_function_is_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spaces", None)
    assert gpu(duration=5)(count) is count


def test_with_the_package_on_another_machine_the_function_is_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    pytest.importorskip("spaces", reason="the package spaces is not installed: pip install -r requirements-dev.txt")
    assert gpu(duration=lambda n: n)(count) is count


def test_on_zerogpu_the_function_is_decorated_with_its_duration(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def stand_in(task=None, *, duration=None, size=None):
        def decorate(function):
            asked.append((function, duration))
            return lambda *args: ["on a GPU", *function(*args)]

        return decorate

    module = types.ModuleType("spaces")
    module.__spec__ = importlib.machinery.ModuleSpec("spaces", None)
    monkeypatch.setattr(module, "GPU", stand_in, raising=False)
    monkeypatch.setitem(sys.modules, "spaces", module)

    def seconds(n: int) -> int:
        return n // 10

    assert gpu(duration=seconds)(count)(2) == ["on a GPU", 0, 1]
    assert asked == [(count, seconds)]


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("1", True), ("True", True), ("", False), ("false", False)])
def test_zerogpu_says_so_in_its_variable(monkeypatch: pytest.MonkeyPatch, value: str, expected: bool) -> None:
    monkeypatch.setenv("SPACES_ZERO_GPU", value)
    assert on_zerogpu() is expected
