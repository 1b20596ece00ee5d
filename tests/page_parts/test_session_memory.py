"""What open pages keep is counted in bytes, and cut."""

import gc
import sys

import pytest

from neoxjp.engine import Choice, Step
from neoxjp.errors import ParameterError
from neoxjp.labs.branches.records import limits
from neoxjp.page_parts import texts
from neoxjp.page_parts.session import MemoryBudget
from neoxjp.page_parts.texts import SessionMemory, Text, VisitorState


@pytest.fixture
def memory(monkeypatch):
    memory = SessionMemory(10**9)
    monkeypatch.setattr(texts, "session_memory", memory)
    return memory


def written(prompt: int, steps: int) -> Text:
    made = []
    for n in range(steps):
        top = tuple(Choice(k, f"選{k}", -1.5 * k, 0.1 * k, True) for k in range(10))
        made.append(Step(1000 + n, f"語{n}", -2.5, 3, 1.25, top, 0.01 * n, None))
    return Text(f"猫{prompt}", (prompt,), tuple(made), 0, 0, 1)


def test_the_estimate_is_near_the_memory_that_is_taken(memory):
    text = written(1, 500)
    state = VisitorState(text)
    real = sum(
        sys.getsizeof(step)
        + sys.getsizeof(step.text)
        + sys.getsizeof(step.top)
        + 24 * 3
        + sum(sys.getsizeof(choice) + 24 * 2 + sys.getsizeof(choice.text) for choice in step.top)
        for step in text.steps
    )
    assert 0.7 < state.nbytes / real < 1.5


def test_over_the_budget_the_largest_page_is_trimmed_and_keeps_what_it_shows(memory):
    small, large = VisitorState(written(1, 50)), VisitorState(written(2, 500))
    large.commit(large.tree.start((3,)), written(3, 500))
    memory.max_bytes = memory.nbytes
    shown = large.text
    small.commit(small.tree.start((4,)), written(4, 60))
    assert memory.nbytes <= memory.max_bytes
    assert large.text is shown
    assert large.stored_text() is None
    assert len(large.tree.nodes) >= 1
    assert large.history.past == ()
    assert small.history.past  # nobody else lost anything


def test_the_branches_of_all_pages_of_a_public_page_fit_into_the_budget(memory, monkeypatch):
    monkeypatch.setattr(limits, "ids", limits.ids)
    memory.allow(4 * 2**20, pages=8)
    states = [VisitorState() for _ in range(8)]
    for state in states:
        tree = state.tree.start(tuple(range(1000, 1000 + limits.ids)))
        with pytest.raises(ParameterError, match="delete some"):
            tree.extend(0, (7,))
        state.commit(tree, written(0, 1))
    assert 2 * 2**20 < memory.nbytes <= memory.max_bytes
    memory.allow(4 * 2**20)
    assert limits.ids == 200_000
    memory.allow(512 * 2**20, pages=256)
    assert limits.ids > 50_000  # a hundred texts of the default length in branches


def test_a_page_that_generates_is_not_trimmed(memory):
    state = VisitorState(written(1, 100))
    state.running = True
    memory.max_bytes = 1
    memory.note(state)
    assert state.stored_text() is not None


def test_closed_pages_are_not_counted(memory):
    states = [VisitorState(written(n, 20)) for n in range(5)]
    assert memory.nbytes > 0
    states.clear()
    gc.collect()
    assert memory.nbytes == 0


def test_the_sentence_at_start_names_all_parts_and_their_sum():
    gib = 2**30
    budget = MemoryBudget(weights=2 * gib, texts=gib, prefixes=gib, visitors=gib, requests=gib, program=gib)
    assert budget.total == 7 * gib
    assert budget.sentence == (
        "this page may take 7.0 GiB of memory: weights 2.0, texts 1.0, prefixes 1.0, visitors 1.0, requests 1.0, program 1.0"
    )
