"""What open pages keep is counted in bytes, and cut."""

import gc
import json
import sys

import pytest

from neoxjp.engine import Choice, Step
from neoxjp.errors import ParameterError
from neoxjp.labs.branches.records import limits
from neoxjp.labs.heat_map import section as heat_map
from neoxjp.labs.heat_map.section import HeatText
from neoxjp.page_parts.session.memory import SessionMemory
from neoxjp.page_parts.session.playground import MemoryBudget
from neoxjp.page_parts.strings import words
from neoxjp.page_parts.text import state as texts
from neoxjp.page_parts.text.state import Text, VisitorState
from neoxjp.page_parts.token_editor import Document
from neoxjp.ui import generate, tokenize
from tests.support.written import tab_of


@pytest.fixture
def memory(monkeypatch):
    memory = SessionMemory(10**9)
    for module in (texts, tokenize, heat_map, generate):
        monkeypatch.setattr(module, "session_memory", memory)
    return memory


EN = words("en")
TEXT = "猫は東京に住んでいる。" * 20


def send(playground, document, text, revision=None):
    """The patch of the Tokens tab for a whole text, or for an edit at its beginning."""
    sent = {"text": text} if revision is None else {"revision": revision, "start": 0, "delete": 0, "insert": text}
    return json.loads(tokenize.edited(playground, document, sent, EN)["patch"])


def test_the_text_of_the_tokens_tab_is_counted(memory, playground):
    document = Document()
    send(playground, document, TEXT)
    assert memory.nbytes == document.nbytes > 200 * len(document.pieces)


def test_the_typed_text_of_the_generate_tab_is_counted_and_cut(memory, playground):
    writing, tab = VisitorState(), tab_of(playground)

    def edit(text):
        return json.loads(generate.edited(tab, writing, {"text": text}, EN)["patch"])

    patch = edit(TEXT)
    assert memory.nbytes == writing.nbytes > 200 * len(writing.document.pieces)
    memory.max_bytes = 1
    edit(TEXT + "犬")
    assert (writing.document.text, len(writing.document.pieces)) == (TEXT + "犬", 1)
    assert writing.text.prompt == TEXT + "犬"  # what Generate continues
    assert json.loads(writing.document.whole())["want"] == "text"
    memory.max_bytes = 10**9
    assert edit(TEXT)["pieces"] == patch["pieces"]


def test_a_trimmed_text_of_the_tokens_tab_stays_and_gets_its_tokens_again(memory, playground):
    document = Document()
    memory.max_bytes = 1
    patch = send(playground, document, TEXT)
    assert (document.text, len(document.pieces)) == (TEXT, 1)
    assert memory.nbytes < 2_000
    memory.max_bytes = 10**9
    assert json.loads(document.whole())["want"] == "text"
    assert send(playground, document, "犬", revision=patch["revision"])["want"] == "text"
    again = send(playground, document, TEXT)
    assert again["pieces"] == patch["pieces"]
    assert "want" not in json.loads(document.whole())


def test_the_text_of_the_heat_map_is_counted_and_cut(memory, playground):
    heat = HeatText()
    heat_map.edited(playground, heat, {"text": TEXT}, heat_map.strings.words("en"))
    assert memory.nbytes == heat.nbytes > 200 * len(heat.document.pieces)
    heat.shown = heat_map.Shown(heat_map.heat_of_text(playground, heat_map.scorer(playground), "猫です"), None, 0)
    assert heat.nbytes > heat.document.nbytes
    memory.max_bytes = 1
    memory.note(heat)
    assert (heat.document.text, len(heat.document.pieces), heat.shown, heat.own) == (TEXT, 1, None, True)
    memory.max_bytes = 10**9
    heat_map.edited(playground, heat, {"text": TEXT}, heat_map.strings.words("en"))
    assert len(heat.document.pieces) > 1
    assert heat.own


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
    texts.allow_memory(4 * 2**20, pages=8)
    states = [VisitorState() for _ in range(8)]
    for state in states:
        tree = state.tree.start(tuple(range(1000, 1000 + limits.ids)))
        with pytest.raises(ParameterError, match="delete some"):
            tree.extend(0, (7,))
        state.commit(tree, written(0, 1))
    assert 2 * 2**20 < memory.nbytes <= memory.max_bytes
    texts.allow_memory(4 * 2**20)
    assert limits.ids == 200_000
    texts.allow_memory(512 * 2**20, pages=256)
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
