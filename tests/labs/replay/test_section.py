"""Saving a generation, running it again, its link and its code, without a browser; and the endpoint /replay."""

import dataclasses
import html
import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from neoxjp.engine import Engine
from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.labs.common.fingerprints import Difference
from neoxjp.labs.replay import records
from neoxjp.labs.replay import section as replay
from neoxjp.labs.replay import view as replay_view
from neoxjp.labs.replay.as_code import TARGETS, URL, as_code
from neoxjp.labs.replay.records import Replay, State, capture, from_json, to_json
from neoxjp.labs.replay.section import parse_state, rerun, rerun_alone, state_of
from neoxjp.labs.replay.strings import strings
from neoxjp.page_parts import link_address as address
from neoxjp.page_parts.session.playground import Limits, NotReady, Playground
from neoxjp.page_parts.text.editing import typed
from neoxjp.page_parts.text.settings import Settings
from neoxjp.page_parts.text.state import VisitorState
from neoxjp.page_parts.text.stream import stream
from neoxjp.page_parts.text.writing import Frame, write
from tests.support.written import frames

EN, JA = strings.words("en"), strings.words("ja")
SET = Settings.set(temperature=0.9, max_new_tokens=12, seed="5")


def written(playground: Playground, *modes: Any, prompt: str = "東京", settings: Settings = SET) -> VisitorState:
    writing = VisitorState()
    for mode in modes or ("new",):
        frames(playground, writing, mode, prompt, settings)
    return writing


def saved(playground: Playground, **given: Any) -> State:
    text = written(playground, **given).text
    assert text is not None
    return state_of(playground, text)


def run(playground: Playground, state: State, writing: VisitorState | None = None) -> list[tuple[str, str, Frame | None]]:
    return list(rerun(playground, stream(playground), writing or VisitorState(), state, "en"))


# ---------------------------------------------------------------- saving


def test_the_page_saves_what_the_record_would(playground: Playground) -> None:
    state = saved(playground)
    loaded = playground.ready
    assert loaded.model is not None
    engine = Engine(loaded.model, loaded.tokenizer)
    request = engine.submit(loaded.tokenizer.encode("東京"), SET.params(12))
    list(request)
    assert dataclasses.replace(state, concurrent=0) == capture(request, loaded.model, loaded.tokenizer, loaded.choice.name)
    assert from_json(to_json(state)) == state


def test_of_a_text_that_was_continued_the_last_part_is_saved(playground: Playground) -> None:
    writing = written(playground, "new", "continue", settings=SET.change(max_new_tokens=6))
    text = writing.text
    assert text is not None
    state = state_of(playground, text)
    assert state.prompt_ids == text.ids[: len(text.prompt_ids) + text.base]
    assert state.ids == text.ids[len(text.prompt_ids) + text.base :]
    assert run(playground, state)[-1][1].startswith('<p class="replay-verdict"')


def test_of_a_text_whose_beginning_was_cut_the_model_s_view_is_saved(playground: Playground) -> None:
    state = saved(playground, prompt="東京" * 80, settings=replace(SET, truncate=True))
    assert len(state.prompt_ids) == 64 - 12
    assert "the same 12 tokens".lower() in run(playground, state)[-1][1].lower()


def test_a_text_with_unknown_settings_is_not_saved(playground: Playground) -> None:
    text = written(playground).text
    assert text is not None
    with pytest.raises(ParameterError, match="settings that generated this text are not known"):
        state_of(playground, replace(text, parts=()))
    with pytest.raises(ParameterError, match="Another model"):
        state_of(playground, replace(text, serial=99))
    with pytest.raises(NotReady):
        state_of(Playground(), text)


def test_a_public_page_names_no_folder_of_its_machine(playground: Playground, tiny_folder: Path) -> None:
    text = written(playground).text
    assert text is not None
    assert state_of(playground, text).name == str(tiny_folder)
    public = replace(playground, public=True)
    assert state_of(public, text).name == tiny_folder.name
    assert str(tiny_folder) not in str(replay.shown(public, text, EN, URL))


def test_the_view_contains_the_file_the_link_and_the_code(playground: Playground) -> None:
    text = written(playground).text
    assert text is not None
    view, codes = replay.shown(playground, text, EN, URL)
    state = state_of(playground, text)
    held = html.unescape(re.search(r'data-json="([^"]*)"', view)[1])  # type: ignore[index]
    assert from_json(held) == state
    link = html.unescape(re.search(r'data-link="([^"]*)"', view)[1])  # type: ignore[index]
    assert replay.state_of_link(link.removeprefix("?run=")) == state
    assert state.setup.model in view
    for target, code in zip(TARGETS, codes, strict=True):
        shown = html.unescape(re.search(r"<code>(.*?)</code>", code, re.S)[1])  # type: ignore[index]
        assert shown == as_code(state, playground.tokenizer, target, URL).code
    empty = replay.shown(playground, None, JA, URL)
    assert "ここで保存できます" in empty[0]
    assert len(empty[1]) == len(TARGETS)


def test_each_caveat_of_the_code_has_its_sentence(playground: Playground) -> None:
    state = replace(
        saved(playground),
        params=replace(SET.params(3, 1), deadline_s=4, eos_token_id=3),
        concurrent=2,
        rows_are_independent=False,
    )
    found = as_code(state, playground.tokenizer, "curl")
    for t in (EN, JA):
        page = replay_view.code(found, t)
        assert page.count("<li>") == len(found.caveats) == 3
    assert "The time limit is not included" in replay_view.code(found, EN)


def test_settings_are_listed_by_their_names() -> None:
    assert replay_view.settings(SET.params(12)) == ("temperature=0.9, top_p=0.95, repetition_penalty=1.1, max_new_tokens=12")
    assert replay_view.settings(SET.change(temperature=0).params(5)).startswith("greedy, repetition_penalty=1.1")


# ---------------------------------------------------------------- running again


def test_the_same_model_shows_its_text_in_the_tab_with_the_same_ids(playground: Playground) -> None:
    state = saved(playground)
    writing = written(playground, prompt="猫", settings=SET.change(seed="9"))
    before = writing.text
    *_, (line, verdict, frame) = run(playground, state, writing)
    assert writing.text is not None
    assert writing.text.prompt == "東京"
    assert tuple(step.id for step in writing.text.steps) == state.ids
    assert "The same 12 tokens." in verdict
    assert "shown as the main text" in verdict
    assert line == ""
    assert frame is not None
    assert frame.pieces
    assert not frame.running
    writing.undo()
    assert writing.text is before
    list(write(playground, stream(playground), writing, "continue", SET, EN))  # nothing is left running


@pytest.mark.parametrize("own", ["新", "私が長い時間をかけて書いた文章", "東京"])
def test_a_replay_keeps_what_was_typed_and_makes_a_branch_of_its_own(playground: Playground, own: str) -> None:
    state, writing = saved(playground), VisitorState()
    typed(playground, writing, own)
    *_, (_, verdict, _) = run(playground, state, writing)
    assert verdict
    assert writing.text is not None
    assert writing.tree.current is not None
    assert writing.tree.ids(writing.tree.current) == writing.text.ids == (*state.prompt_ids, *state.ids)
    typed_ids = tuple(playground.tokenizer.encode(own))
    assert typed_ids in [node.ids for node in writing.tree.nodes.values()]


def test_a_replay_agrees_with_the_record(playground: Playground) -> None:
    state = saved(playground)
    loaded = playground.ready
    assert loaded.model is not None
    expected = records.replay(state, loaded.model, loaded.tokenizer)
    *counts, found = rerun_alone(playground, stream(playground), state)
    assert found == expected
    assert all(isinstance(count, int) for count in counts)


def test_edited_ids_are_reported_with_the_first_token_that_differs(playground: Playground) -> None:
    state = saved(playground)
    wrong = (state.ids[4] + 1) % playground.tokenizer.vocab_size
    edited = replace(state, ids=(*state.ids[:4], wrong, *state.ids[5:]))
    verdict = run(playground, edited)[-1][1]
    assert "≠" in verdict
    assert "The ids differ from token 5 of 12 on." in verdict
    assert f"<code>{wrong}</code>" in verdict
    assert f"<code>{state.ids[4]}</code>" in verdict
    assert "All recorded settings are the same" in verdict


def test_another_model_s_state_is_run_without_touching_the_text(playground: Playground) -> None:
    state = saved(playground)
    other = replace(state, setup=replace(state.setup, model="0" * 32, torch="1.0"))
    writing = written(playground, prompt="猫")
    before = writing.text
    shown = run(playground, other, writing)
    assert writing.text is before
    assert not writing.running
    assert all(frame is None for _, _, frame in shown)
    verdict = shown[-1][1]
    assert "The same 12 tokens." in verdict
    assert "without effect on the ids" in verdict
    assert "0" * 32 in verdict
    assert "version (torch)" in verdict
    assert "shown here and not as the main text" in verdict
    assert "replaying: " in shown[0][0]


def test_a_stopped_text_is_generated_up_to_its_saved_length(playground: Playground) -> None:
    writing = VisitorState()
    typed(playground, writing, "東京")
    running = write(playground, stream(playground), writing, "new", SET.change(max_new_tokens=50, min_new_tokens=50), EN)
    for frame in running:
        if frame.stats:
            writing.stop()
    assert writing.text is not None
    state = state_of(playground, writing.text)
    assert run(playground, state)[-1][1].startswith('<p class="replay-verdict"')
    nothing = replace(state, ids=(), finish="cancelled")
    assert "The same 0 tokens." in run(playground, nothing)[-1][1]


def test_a_replay_can_be_stopped(playground: Playground) -> None:
    state = saved(playground)
    found = Replay(state.ids[:4], "", False, 4, ())
    stopped = replay_view.verdict(state, found, True, True, str, EN)
    assert "Stopped. The 4 tokens generated (of 12) are the same." in stopped
    writing = VisitorState()
    other = replace(state, setup=replace(state.setup, model="0" * 32))
    stream_ = rerun(playground, stream(playground), writing, other, "en")
    next(stream_)
    writing.stop()
    list(stream_)
    engine = playground.ready.engine
    assert engine is not None
    assert (engine.running, writing.running) == (0, False)


@pytest.mark.parametrize("group", ["model", "vocabulary", "dtype", "kernel", "machine", "version", "batch"])
def test_each_kind_of_difference_has_a_name_in_both_languages(playground: Playground, group: Any) -> None:
    state = saved(playground)
    found = Replay(state.ids, "", True, None, (Difference(group, "x", "<a>", "b"),))
    for t in (EN, JA):
        page = replay_view.verdict(state, found, False, True, str, t)
        assert f"{t(f'replay_{group}')} (x)" in page
        assert "&lt;a&gt;" in page


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    "pasted",
    [
        *("{", "[]", "null", "{}", '{"format": "neoxjp-generation"}', "\ud800", "[" * 100_000),
        '{"format": "neoxjp-generation", "version": 9}',
    ],
)
def test_a_damaged_file_gets_a_sentence_in_both_languages(playground: Playground, pasted: str) -> None:
    with pytest.raises(ParameterError) as caught:
        parse_state(playground, pasted)
    assert caught.value.ja


def test_nothing_and_too_much_are_refused(playground: Playground) -> None:
    with pytest.raises(ParameterError, match="Paste a JSON"):
        parse_state(playground, "  ")
    with pytest.raises(ParameterError, match="more than the"):
        parse_state(playground, "x" * 3_000_000)
    state = saved(playground)
    bounded = replace(playground, limits=Limits(new_tokens=5))
    with pytest.raises(ParameterError, match="asks for 12 tokens; at most 5"):
        parse_state(bounded, to_json(state))
    endless = replace(state, params=replace(state.params, max_new_tokens=1, min_new_tokens=0), finish="cancelled", ids=(1,) * 6)
    with pytest.raises(
        ParameterError, match="asks for 6 tokens"
    ):  # one that was broken off is written as far as it says that it came
        parse_state(bounded, to_json(endless))
    many = replace(state, params=replace(state.params, stop=("a" * 500,)))
    with pytest.raises(ParameterError, match="stop strings"):
        parse_state(playground, to_json(many))


def test_ids_that_the_model_does_not_know_get_a_sentence(playground: Playground) -> None:
    state = replace(saved(playground), prompt_ids=(10**9,))
    foreign = replace(state, setup=replace(state.setup, model="0" * 32))
    with pytest.raises(ParameterError, match="1000000000"):
        run(playground, foreign)
    writing = VisitorState()
    with pytest.raises(NeoxjpError, match="1000000000"):
        run(playground, state, writing)
    assert not writing.running
    strange = replace(saved(playground), ids=(10**9,))
    assert "? <code>1000000000</code>" in run(playground, strange)[-1][1]


def test_markup_in_a_file_stays_text(playground: Playground) -> None:
    bad = "<script>x</script>"
    state = replace(saved(playground), name=bad, revision=bad)
    state = replace(state, setup=replace(state.setup, model=bad, torch=bad))
    pages = [replay_view.saved(state, to_json(state), "", bad, EN), run(playground, state)[-1][1]]
    assert all("<script" not in page for page in pages)


# ---------------------------------------------------------------- links


def test_a_link_contains_a_whole_state_or_is_not_offered(playground: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    state = saved(playground)
    monkeypatch.setenv("SPACE_ID", "someone/space")
    link = replay.link_of(state)
    assert link is not None
    assert link.startswith("https://huggingface.co/spaces/someone/space?run=")
    assert len(link) <= address.LONGEST
    assert replay.state_of_link(link.split("run=")[1]) == state
    long = replace(state, ids=tuple(range(1, 30_000, 7)))
    assert replay.link_of(long) is None
    view = replay_view.saved(long, to_json(long), None, "x.json", EN)
    assert "Too long for a link" in view
    assert " disabled" in view


@pytest.mark.parametrize("value", ["", "1", "x" * 9000, address.pack({"a": 1}), address.write(address.View("猫", "why"))])
def test_a_damaged_link_gets_a_sentence(value: str) -> None:
    with pytest.raises(ParameterError):
        replay.state_of_link(value)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"host": "127.0.0.1:7861"}, "http://127.0.0.1:7861"),
        ({"host": "a:1", "x-forwarded-host": "b.example", "x-forwarded-proto": "https"}, "https://b.example"),
        ({"host": "a'; rm"}, URL),
        ({}, URL),
    ],
)
def test_code_names_the_page_s_own_address(headers: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPACE_HOST", raising=False)
    assert replay.own_address(SimpleNamespace(headers=headers)) == expected  # type: ignore[arg-type]
    monkeypatch.setenv("SPACE_HOST", "someone-space.hf.space")
    assert replay.own_address(SimpleNamespace(headers=headers)) == "https://someone-space.hf.space"  # type: ignore[arg-type]


# ---------------------------------------------------------------- the API


@pytest.fixture(scope="module")
def client(page_url: str) -> Any:
    from gradio_client import Client

    return Client(page_url, verbose=False)


def test_replay_answers_with_the_record(client: Any, playground: Playground) -> None:
    state = saved(playground)
    answer = client.predict(state=to_json(state), api_name="/replay")
    assert (answer["same"], answer["first_difference"], tuple(answer["ids"])) == (True, None, state.ids)
    assert answer["text"] == playground.tokenizer.decode(state.ids)
    other = replace(state, setup=replace(state.setup, torch="1.0"))
    answer = client.predict(state=to_json(other), api_name="/replay")
    assert {"group": "version", "field": "torch", "saved": "1.0", "current": state.setup.torch} in answer["differences"]
    assert answer["report"][0] == "the same 12 tokens"


@pytest.mark.parametrize("given", ["{", json.dumps({"format": "neoxjp-generation", "version": 1})])
def test_replay_refuses_a_damaged_file(client: Any, given: str) -> None:
    with pytest.raises(Exception, match="damaged"):
        client.predict(state=given, api_name="/replay")
