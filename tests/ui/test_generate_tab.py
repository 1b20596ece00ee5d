"""The Generate tab without a browser: its counts, its settings, and what each frame sends to the page."""

import json
import re
from dataclasses import replace
from typing import Any

import gradio as gr
import pytest

from neoxjp.errors import ParameterError
from neoxjp.labs.common import html as render
from neoxjp.labs.common import steps as render_steps
from neoxjp.page_parts.parts import ranges
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.strings import Lang, words
from neoxjp.page_parts.tabs import generate as generate_tab
from neoxjp.page_parts.tabs.generate import GenerateTab
from neoxjp.page_parts.text.editing import prompt_text, typed
from neoxjp.page_parts.text.settings import Settings
from neoxjp.page_parts.text.state import VisitorState
from neoxjp.page_parts.text.stream import scorer, stream
from neoxjp.page_parts.text.writing import Frame, write
from neoxjp.ui import generate
from tests.support.written import LIVELY, frames, kept, tab_of

EN, JA = words("en"), words("ja")
LONG = LIVELY.change(max_new_tokens=60, min_new_tokens=60)


def counted(playground: Playground, text: str, lang: Lang = "en") -> str:
    return generate_tab.counted(playground, prompt_text(playground, text), words(lang))


def test_the_tokens_are_counted_of_the_context(playground):
    assert "3 of 64 tokens" in counted(playground, "猫です。")
    assert 'role="alert"' not in counted(playground, "猫" * 64)  # a text that fills the context has no error
    assert 'role="alert"' in counted(playground, "猫" * 65)
    truncated = replace(prompt_text(playground, "猫" * 65), truncated_tokens=17)
    assert 'role="alert"' not in generate_tab.counted(playground, truncated, EN)
    assert "starts from scratch" in counted(playground, "")
    assert "starts from scratch" in generate_tab.counted(playground, None, EN)


def test_tokens_are_counted_with_the_vocabulary_alone(playground):
    only = Playground(loaded=replace(playground.loaded, model=None, engine=None))
    assert counted(only, "猫です。").count("3 tokens") == 1


def test_the_length_goes_up_to_the_context(playground):
    sliders = {option.name: gr.Slider(1, 512, 100) for option in playground.options if option.up_to_context}
    tab = replace(tab_of(playground), controls=sliders)
    found = ranges(playground, tab.up_to_context)
    assert set(found) == set(sliders.values())
    assert all(new["maximum"] == 63 and "value" not in new for new in found.values())  # what a link has set meanwhile stays
    assert ranges(Playground(), tab.up_to_context) == {}


@pytest.fixture
def tab(playground) -> GenerateTab:
    return tab_of(playground)


def sent(tab: GenerateTab, frame: Frame, writing: VisitorState) -> dict[str, Any]:
    """What comes beside the text with a frame."""
    return json.loads(tab.patched(frame, writing, EN)["patch"])["also"]


def test_every_frame_carries_the_buttons(playground, tab):
    names = ["go", "stop", "more", "step", "again"]

    def on(found: dict[str, Any]) -> list[bool]:
        return [found["buttons"][name] for name in names]

    writing = VisitorState()
    shown = [sent(tab, frame, writing) for frame in frames(playground, writing, "new")]
    middle = sent(tab, Frame("line", True, (), "stats"), writing)
    assert on(shown[0]) == on(middle) == [False, True, False, False, False]
    assert middle["announce"] is None
    assert on(shown[-1]) == [True, False, True, True, True]
    assert (shown[0]["recall"], shown[-1]["recall"]) == (False, False)
    assert sent(tab, Frame("", False), VisitorState())["recall"]


def test_a_frame_changes_the_editor_alone(playground, tab):
    writing = VisitorState()
    for frame in frames(playground, writing, "new"):
        assert set(tab.updates(frame, writing, EN)) == set(tab.shown) == {tab.editor}


def test_a_step_is_few_bytes_however_long_the_text_is(playground, tab):
    writing, sizes = VisitorState(), []
    for _ in range(2):
        for frame in frames(playground, writing, "new" if not sizes else "continue", settings=LIVELY.change(max_new_tokens=25)):
            tab.patched(frame, writing, EN)
        step = frames(playground, writing, "step")
        sizes.append(sum(len(json.dumps(tab.patched(frame, writing, EN))) for frame in step))
    assert max(sizes) < 4096
    assert abs(sizes[1] - sizes[0]) < 600  # the chart of the last 120 tokens


def test_half_a_surrogate_pair_never_reaches_the_wire(playground, tab):
    """JSON can carry "\\ud800" to the page; nothing can carry it back."""
    writing, later, hostile = VisitorState(), VisitorState(), "猫\ud800"

    def wire(frame: Frame, writing: VisitorState) -> bytes:
        return tab.patched(frame, writing, EN)["patch"].encode()

    for settings in (LIVELY, LIVELY.change(seed=hostile)):
        for frame in frames(playground, writing, "new", prompt=hostile, settings=settings):
            assert wire(frame, writing)
    damaged = kept(writing, {"typed": hostile, "name": hostile}, 0)
    assert wire(generate.recalled(playground, scorer(playground), later, damaged, EN), later)
    assert later.text is not None
    assert render.notice(hostile).encode()
    assert render_steps.working(hostile).encode()


def test_what_is_shown_as_html_has_no_html_of_the_visitor(playground, tab):
    writing = VisitorState()
    hostile = LIVELY.change(seed="<img src=x onerror=alert(1)>")
    shown = [sent(tab, frame, writing) for frame in frames(playground, writing, "new", settings=hostile)]
    assert "<img" in shown[-1]["announce"]  # the page shows it as text
    assert not any("<img" in html for found in shown for html in found["html"].values())


@pytest.mark.parametrize(
    "values", [[], "x", [0.7], {"a": 1}, ["hot", *[0] * 11], [True, *[0] * 8, "", "", False], [[0.7], *[0] * 8, "", "", False]]
)
def test_settings_of_another_shape_get_a_sentence(tab, values):
    with pytest.raises(ParameterError, match=r"settings of this page, found") as found:
        tab.settings_sent(values)
    assert "の設定と合いません" in found.value.ja
    assert all(repr(str(values)[:60]) in sentence for sentence in (str(found.value), found.value.ja))


def test_settings_that_nobody_has_changed_are_the_recommended_ones(tab):
    assert tab.settings_sent(None).params(5) == Settings().params(5)


def test_the_offered_prompts_are_japanese():
    prompts = generate.examples()
    assert list(prompts) == ["story", "dialogue", "evening", "explanation"]
    assert all(re.search("[ぁ-ん]", text) for text in prompts.values())


def turned(playground: Playground, writing: VisitorState, go: Any) -> Frame | None:
    return generate.turned(playground, scorer(playground), writing, go, EN)


def test_where_too_many_texts_are_scored_undo_changes_nothing_and_says_so(playground, tab):
    writing = VisitorState()
    frames(playground, writing, "new")
    text = writing.text
    typed(playground, writing, "犬")
    frames(playground, writing, "new")
    writing._texts.clear()
    before = writing.history, writing.text
    score = generate.few_at_once(scorer(playground))
    with generate._SCORING, generate._SCORING:
        frame = generate.turned(playground, score, writing, VisitorState.undo, EN)
        assert frame is not None
        assert "try again in a moment" in frame.line
        assert (writing.history, writing.text) == before
    frame = generate.turned(playground, score, writing, VisitorState.undo, EN)
    assert frame is not None
    assert writing.text is not None
    assert writing.text.prompt == text.prompt


def test_undo_while_writing_leaves_the_buttons_alone(playground, tab):
    writing = VisitorState()
    frames(playground, writing, "new")
    typed(playground, writing, "犬")
    stream_of = write(playground, stream(playground), writing, "new", LIVELY, EN)
    next(stream_of)
    assert turned(playground, writing, VisitorState.undo) is None
    assert turned(playground, writing, VisitorState.redo) is None
    assert len(list(stream_of)) > 0
    for go, prompt in ((VisitorState.undo, "犬"), (VisitorState.undo, "猫"), (VisitorState.redo, "犬")):
        tab.updates(turned(playground, writing, go), writing, EN)
        assert writing.document.text.startswith(prompt)
